"""Serve prices on an address, or follow the prices of a server.

service.py serve|serve_async|follow|follow_async HOST:PORT
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

import grpc

from cqc.client import connect, connect_async, follow, follow_async
from cqc.errors import ServiceError
from cqc.markets.v1 import Price
from cqc.server import serve, serve_async
from cqc.services.v1 import ERROR_REASON_NO_DATA, GetPriceRequest, StreamPricesRequest, StreamPricesResponse
from cqc.services.v1.market_data_pb2_grpc import MarketDataServicer, MarketDataStub

INTERVAL = 0.2


def price_of(request: GetPriceRequest) -> Price:
    """Return the price of any asset but XMR."""
    if request.asset_id == "XMR":
        raise ServiceError(ERROR_REASON_NO_DATA, "no price of XMR yet")
    return Price(asset_id=request.asset_id, value=65_000.5)


def messages(request: StreamPricesRequest) -> Iterator[StreamPricesResponse]:
    """Yield prices without end; the resume token is how many were sent."""
    sent = int(request.resume_token or 0)
    while True:
        sent += 1
        yield StreamPricesResponse(price=Price(asset_id=request.asset_ids[0], value=sent), resume_token=str(sent))


class Prices(MarketDataServicer):
    """Sends a price every interval."""

    def GetPrice(self, request: GetPriceRequest, context: grpc.ServicerContext) -> Price:
        return price_of(request)

    def StreamPrices(
        self, request: StreamPricesRequest, context: grpc.ServicerContext
    ) -> Iterator[StreamPricesResponse]:
        for message in messages(request):
            yield message
            time.sleep(INTERVAL)


class AsyncPrices(MarketDataServicer):
    """Sends a price every interval."""

    async def GetPrice(self, request: GetPriceRequest, context: Any) -> Price:  # type: ignore[override]
        return price_of(request)

    async def StreamPrices(  # type: ignore[override]
        self, request: StreamPricesRequest, context: Any
    ) -> AsyncIterator[StreamPricesResponse]:
        for message in messages(request):
            yield message
            await asyncio.sleep(INTERVAL)


def run_server(address: str) -> None:
    with serve(Prices(), address=address, plaintext=True) as server:
        print("listening on", server.address, flush=True)
        server.wait()


async def run_server_async(address: str) -> None:
    async with await serve_async(AsyncPrices(), address=address, plaintext=True) as server:
        print("listening on", server.address, flush=True)
        await server.wait()


def run_client(target: str) -> None:
    with connect(target, token="", plaintext=True) as channel:
        stub = MarketDataStub(channel)
        request = StreamPricesRequest(asset_ids=["BTC"])
        for message in follow(stub.StreamPrices, request, on_lost=lambda lost: print("lost", lost.cause, flush=True)):
            print("item", message.price.value, flush=True)


async def run_client_async(target: str) -> None:
    async with connect_async(target, token="", plaintext=True) as channel:
        stub = MarketDataStub(channel)
        request = StreamPricesRequest(asset_ids=["BTC"])
        async for message in follow_async(
            stub.StreamPrices, request, on_lost=lambda lost: print("lost", lost.cause, flush=True)
        ):
            print("item", message.price.value, flush=True)


if __name__ == "__main__":
    command, address = sys.argv[1:]
    if command == "serve":
        run_server(address)
    elif command == "follow":
        run_client(address)
    else:
        asyncio.run({"serve_async": run_server_async, "follow_async": run_client_async}[command](address))
