"""One trace from our client to our server, by OpenTelemetry's instrumentations: `traced.py sync|async CERTIFICATE KEY`.

The client has a token, which must not be in any span.
"""

import asyncio
import sys
from typing import Any

import grpc
from opentelemetry import trace
from opentelemetry.instrumentation.grpc import (
    GrpcAioInstrumentorClient,
    GrpcAioInstrumentorServer,
    GrpcInstrumentorClient,
    GrpcInstrumentorServer,
)
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from cqc.access import Principal
from cqc.client import connect, connect_async
from cqc.markets.v1 import Price
from cqc.server import serve, serve_async
from cqc.services.v1 import GetPriceRequest
from cqc.services.v1.market_data_pb2_grpc import MarketDataServicer, MarketDataStub

TOKEN = "4f6b1c-secret"


def verify(token: str) -> Principal | None:
    return Principal("desk", frozenset({"market.read"})) if token == TOKEN else None


class Prices(MarketDataServicer):
    def GetPrice(self, request: GetPriceRequest, context: grpc.ServicerContext) -> Price:
        return Price(asset_id=request.asset_id, value=1)


class AsyncPrices(MarketDataServicer):
    async def GetPrice(self, request: GetPriceRequest, context: Any) -> Price:  # type: ignore[override]
        return Price(asset_id=request.asset_id, value=1)


def call(certificate: str, key: str) -> None:
    options = {"verify": verify, "certificate": certificate, "key": key}
    with (
        serve(Prices(), address="localhost:0", **options) as server,
        connect(server.address, token=TOKEN, ca=certificate) as channel,
    ):
        MarketDataStub(channel).GetPrice(GetPriceRequest(asset_id="BTC"))


async def call_async(certificate: str, key: str) -> None:
    options = {"verify": verify, "certificate": certificate, "key": key}
    async with (
        await serve_async(AsyncPrices(), address="localhost:0", **options) as server,
        connect_async(server.address, token=TOKEN, ca=certificate) as channel,
    ):
        await MarketDataStub(channel).GetPrice(GetPriceRequest(asset_id="BTC"))


kind, *files = sys.argv[1:]
exporter = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
trace.set_tracer_provider(provider)
if kind == "sync":
    GrpcInstrumentorServer().instrument()
    GrpcInstrumentorClient().instrument()
    call(*files)
else:
    GrpcAioInstrumentorServer().instrument()
    GrpcAioInstrumentorClient().instrument()
    asyncio.run(call_async(*files))

spans = exporter.get_finished_spans()
ours = [span for span in spans if "GetPrice" in span.name]
client = next(span for span in ours if span.kind is trace.SpanKind.CLIENT)
server = next(span for span in ours if span.kind is trace.SpanKind.SERVER)
assert server.parent is not None
assert server.context.trace_id == client.context.trace_id, "two traces"
assert server.parent.span_id == client.context.span_id, "the server's span is not the child of the client's"
assert not [span.name for span in spans if "secret" in span.to_json()], "a span contains the token"
print("ok")
