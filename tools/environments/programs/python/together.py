"""Use the package beside others that bring protos: `together.py first` imports ours before theirs, `last` after them.

Every message type lands in one descriptor pool, where two packages must not define the same file or name differently.
"""

import importlib
import sys
from dataclasses import dataclass

OURS = ("cqc", "cqc.events.v1", "cqc.interceptors", "cqc.markets.v1", "cqc.services.v1", "cqc.venues.v1")
THEIRS = (
    "google.api.annotations_pb2",
    "google.rpc.error_details_pb2",
    "google.type.money_pb2",
    "google.pubsub_v1",
    "temporalio.api.workflowservice.v1",
    "temporalio.converter",
    "opentelemetry.exporter.otlp.proto.grpc.trace_exporter",
    "grpc_health.v1.health_pb2_grpc",
    "grpc_reflection.v1alpha.reflection",
    "betterproto",
)

(order,) = sys.argv[1:]
for module in (*OURS, *THEIRS) if order == "first" else (*THEIRS, *OURS):
    importlib.import_module(module)

import betterproto  # noqa: E402
from google.api_core.exceptions import GoogleAPICallError  # noqa: E402
from google.protobuf.internal import api_implementation  # noqa: E402
from google.pubsub_v1.types import PubsubMessage  # noqa: E402
from google.rpc.error_details_pb2 import ErrorInfo  # noqa: E402
from google.rpc.status_pb2 import Status  # noqa: E402
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans  # noqa: E402
from opentelemetry.sdk.trace import TracerProvider  # noqa: E402
from opentelemetry.sdk.trace.export import SimpleSpanProcessor  # noqa: E402
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter  # noqa: E402
from temporalio.converter import JSONProtoPayloadConverter  # noqa: E402

from cqc import validate  # noqa: E402
from cqc.markets.v1 import Price  # noqa: E402

price = Price(asset_id="BTC", value=65_000.5)
assert list(validate(Price())), "nothing was validated"

payload = JSONProtoPayloadConverter().to_payload(price)
assert payload is not None
assert JSONProtoPayloadConverter().from_payload(payload, Price) == price

assert Price.FromString(PubsubMessage(data=price.SerializeToString()).data) == price

status = Status(code=5)
status.details.add().Pack(ErrorInfo(reason="NO_DATA", domain="cqc"))
assert status.details[0].TypeName() == "google.rpc.ErrorInfo"
assert issubclass(GoogleAPICallError, Exception)

exporter = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
provider.get_tracer("prices").start_span("price", attributes={"asset": price.asset_id}).end()
assert encode_spans(exporter.get_finished_spans()).resource_spans


@dataclass
class Foreign(betterproto.Message):
    """The first fields of Price, as betterproto declares messages."""

    asset_id: str = betterproto.string_field(1)


assert Foreign().parse(price.SerializeToString()).asset_id == "BTC"
print(api_implementation.Type())
