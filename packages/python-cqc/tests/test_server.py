"""What `serve` and `serve_async` give a service, over sockets."""

from __future__ import annotations

import asyncio
import logging
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import grpc
import grpc.aio
import pytest
from certificates import Certificates
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2

from cqc.access import Principal
from cqc.client import CertificateError, SettingError, connect, connect_async
from cqc.errors import ServiceError
from cqc.markets.v1 import Price, Trade
from cqc.server import Server, serve, serve_async
from cqc.services.v1 import (
    ErrorReason,
    GetPriceRequest,
    ListTradesRequest,
    ListTradesResponse,
    StreamTradesRequest,
    StreamTradesResponse,
)
from cqc.services.v1.market_data_pb2_grpc import MarketDataServicer, MarketDataStub

READER = Principal("reader", frozenset({"market.read"}))
BTC = GetPriceRequest(asset_id="BTC")
TRADES = StreamTradesRequest(venue_symbol_ids=["binance:BTC-USDT-SPOT"])
SECRET = "the password is swordfish"
LIMIT = 30.0


def verify(token: str) -> Principal | None:
    return {"reader": READER, "nobody": Principal("nobody")}.get(token)


HIDDEN = "the server failed; its log has the cause"


class Market(MarketDataServicer):
    """Waits where a test says so."""

    def __init__(self) -> None:
        self.entered: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.leave = threading.Event()

    def GetPrice(self, request: GetPriceRequest, context: grpc.ServicerContext) -> Price:
        match request.asset_id:
            case "BTC":
                return Price(asset_id="BTC", value=65000.0)
            case "SLOW":
                self.entered.put("GetPrice")
                assert self.leave.wait(LIMIT)
                return Price(asset_id="SLOW")
            case "ABORT":
                context.abort(grpc.StatusCode.DATA_LOSS, "the disk is full")
            case "CODE":
                context.set_code(grpc.StatusCode.RESOURCE_EXHAUSTED)
                context.set_details("later")
                raise KeyError(SECRET)
            case "NONE":
                raise ServiceError(ErrorReason.ERROR_REASON_NO_DATA, "no price yet")
        raise ValueError(SECRET)

    def StreamTrades(
        self, request: StreamTradesRequest, context: grpc.ServicerContext
    ) -> Iterator[StreamTradesResponse]:
        yield StreamTradesResponse(trade=Trade(trade_id="1"), resume_token="t1")
        if request.venue_symbol_ids[0] == "binance:ETH-USDT-SPOT":
            raise ValueError(SECRET)
        self.entered.put("StreamTrades")
        # A handler that never looks whether its client is still there.
        assert self.leave.wait(LIMIT)


class AsyncMarket(MarketDataServicer):
    def __init__(self) -> None:
        self.entered: asyncio.Queue[str] = asyncio.Queue()
        self.leave = asyncio.Event()

    async def GetPrice(self, request: GetPriceRequest, context: Any) -> Price:
        match request.asset_id:
            case "BTC":
                return Price(asset_id="BTC", value=65000.0)
            case "SLOW":
                self.entered.put_nowait("GetPrice")
                await asyncio.wait_for(self.leave.wait(), LIMIT)
                return Price(asset_id="SLOW")
            case "ABORT":
                await context.abort(grpc.StatusCode.DATA_LOSS, "the disk is full")
            case "CODE":
                context.set_code(grpc.StatusCode.RESOURCE_EXHAUSTED)
                context.set_details("later")
                raise KeyError(SECRET)
            case "NONE":
                raise ServiceError(ErrorReason.ERROR_REASON_NO_DATA, "no price yet")
        raise ValueError(SECRET)

    async def StreamTrades(self, request: StreamTradesRequest, context: Any) -> AsyncIterator[StreamTradesResponse]:
        yield StreamTradesResponse(trade=Trade(trade_id="1"), resume_token="t1")
        if request.venue_symbol_ids[0] == "binance:ETH-USDT-SPOT":
            raise ValueError(SECRET)
        self.entered.put_nowait("StreamTrades")
        await asyncio.wait_for(self.leave.wait(), LIMIT)

    def ListTrades(self, request: ListTradesRequest, context: Any) -> ListTradesResponse:
        # A handler without `async` runs in a thread.
        raise ValueError(SECRET)


@pytest.fixture
def market() -> Iterator[Market]:
    market = Market()
    yield market
    market.leave.set()


@pytest.fixture
def server(market: Market) -> Iterator[Server]:
    with serve(market, address="127.0.0.1:0", plaintext=True) as server:
        yield server
        market.leave.set()


@pytest.fixture
def channel(server: Server) -> Iterator[grpc.Channel]:
    with connect(server.address, plaintext=True, token="") as channel:
        yield channel


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


def failure(call: Callable[[], Any]) -> Any:
    with pytest.raises(grpc.RpcError) as raised:
        call()
    return raised.value


def test_a_call_is_answered_and_the_port_is_known(server: Server, channel: grpc.Channel) -> None:
    assert server.address == f"127.0.0.1:{server.port}"
    assert MarketDataStub(channel).GetPrice(BTC).value == 65000.0


def test_health_of_the_server_and_of_each_service(channel: grpc.Channel) -> None:
    stub = health_pb2_grpc.HealthStub(channel)
    for name in ("", "cqc.services.v1.MarketData", "grpc.health.v1.Health"):
        found = stub.Check(health_pb2.HealthCheckRequest(service=name), timeout=LIMIT)
        assert found.status == health_pb2.HealthCheckResponse.SERVING
    unknown = failure(lambda: stub.Check(health_pb2.HealthCheckRequest(service="nothing"), timeout=LIMIT))
    assert unknown.code() == grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
def test_reflection(channel: grpc.Channel, version: str) -> None:
    assert reflected(channel, version) == [
        "cqc.services.v1.MarketData",
        "grpc.health.v1.Health",
        "grpc.reflection.v1alpha.ServerReflection",
    ]


def reflected(channel: grpc.Channel, version: str) -> list[str]:
    call = channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        reflection_pb2.ServerReflectionRequest.SerializeToString,
        reflection_pb2.ServerReflectionResponse.FromString,
    )
    symbol = "cqc.services.v1.MarketData"
    requests = [
        reflection_pb2.ServerReflectionRequest(list_services=""),
        reflection_pb2.ServerReflectionRequest(file_containing_symbol=symbol),
    ]
    listed, described = call(iter(requests), timeout=LIMIT)
    assert described.file_descriptor_response.file_descriptor_proto
    return sorted(service.name for service in listed.list_services_response.service)


def test_an_invalid_request_does_not_reach_the_handler(channel: grpc.Channel) -> None:
    found = ServiceError.of(failure(lambda: MarketDataStub(channel).GetPrice(GetPriceRequest(asset_id="no id"))))
    assert found is not None
    assert found.reason == ErrorReason.ERROR_REASON_INVALID_FIELD


def test_a_service_error_is_the_status(channel: grpc.Channel) -> None:
    found = ServiceError.of(failure(lambda: MarketDataStub(channel).GetPrice(GetPriceRequest(asset_id="NONE"))))
    assert found is not None
    assert (found.reason, found.message) == (ErrorReason.ERROR_REASON_NO_DATA, "no price yet")


def test_the_text_of_an_exception_is_logged_and_not_sent(
    channel: grpc.Channel, caplog: pytest.LogCaptureFixture
) -> None:
    stub = MarketDataStub(channel)
    eth = StreamTradesRequest(venue_symbol_ids=["binance:ETH-USDT-SPOT"])
    for call in (lambda: stub.GetPrice(GetPriceRequest(asset_id="BUG")), lambda: list(stub.StreamTrades(eth))):
        caplog.clear()
        with caplog.at_level(logging.ERROR, "cqc.server"):
            error = failure(call)
        assert (error.code(), error.details()) == (grpc.StatusCode.INTERNAL, HIDDEN)
        assert SECRET in caplog.text


def test_a_status_that_a_handler_sets_is_sent(channel: grpc.Channel) -> None:
    stub = MarketDataStub(channel)
    aborted = failure(lambda: stub.GetPrice(GetPriceRequest(asset_id="ABORT")))
    assert (aborted.code(), aborted.details()) == (grpc.StatusCode.DATA_LOSS, "the disk is full")
    coded = failure(lambda: stub.GetPrice(GetPriceRequest(asset_id="CODE")))
    assert (coded.code(), coded.details()) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "later")
    missing = failure(lambda: stub.ListTrades(ListTradesRequest(venue_symbol_id="binance:BTC-USDT-SPOT")))
    assert (missing.code(), missing.details()) == (grpc.StatusCode.UNIMPLEMENTED, "Method not implemented!")


def test_scopes(market: Market, certificates: Certificates) -> None:
    files: Any = {"certificate": certificates.server, "key": certificates.server_key}
    with serve(market, address="127.0.0.1:0", verify=verify, **files) as server:
        for token, reason in (
            ("", ErrorReason.ERROR_REASON_CREDENTIALS_MISSING),
            ("stranger", ErrorReason.ERROR_REASON_CREDENTIALS_INVALID),
            ("nobody", ErrorReason.ERROR_REASON_SCOPE_MISSING),
        ):
            with connect(server.address, token=token, ca=certificates.ca) as channel:
                error = failure(lambda: MarketDataStub(channel).GetPrice(BTC))
                found = ServiceError.of(error)
                assert found is not None
                assert found.reason == reason
                assert not token or token not in str(error)
        with connect(server.address, token="reader", ca=certificates.ca) as channel:
            assert MarketDataStub(channel).GetPrice(BTC).asset_id == "BTC"
            assert health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest()).status


def test_a_token_may_come_from_a_function_and_in_plaintext_behind_a_proxy(market: Market) -> None:
    with serve(market, address="127.0.0.1:0", verify=verify, plaintext=True) as server:
        with grpc.insecure_channel(server.address) as channel:
            found = MarketDataStub(channel).GetPrice(BTC, metadata=(("authorization", "Bearer reader"),))
        assert found.asset_id == "BTC"


def test_client_certificates(market: Market, certificates: Certificates) -> None:
    files: Any = {"certificate": certificates.server, "key": certificates.server_key, "client_ca": certificates.ca}
    with serve(market, address="127.0.0.1:0", verify=verify, **files) as server:
        client: Any = {"certificate": certificates.client, "key": certificates.client_key}
        with connect(server.address, token="reader", ca=certificates.ca, **client) as channel:
            assert MarketDataStub(channel).GetPrice(BTC).asset_id == "BTC"
        with connect(server.address, token="reader", ca=certificates.ca) as channel:
            assert failure(lambda: MarketDataStub(channel).GetPrice(BTC)).code() == grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize(
    ("setting", "arguments"),
    [
        ("verify", {"plaintext": True, "address": "0.0.0.0:0"}),
        ("verify", {"plaintext": True, "address": "markets.example.com:0"}),
        ("verify", {"certificate": "ca", "key": "key"}),
        ("address", {"plaintext": True, "address": "localhost"}),
        ("address", {"plaintext": True, "address": ":50051"}),
        ("address", {"plaintext": True, "address": "localhost:http"}),
        ("address", {"plaintext": True, "address": "http://localhost:0"}),
        ("address", {"plaintext": True, "address": "localhost:99999"}),
        ("certificate", {"verify": verify}),
        ("certificate", {"verify": verify, "key": "key"}),
        ("key", {"verify": verify, "certificate": "ca"}),
        ("certificate", {"verify": verify, "certificate": "/no/such/file", "key": "key"}),
        ("plaintext", {"verify": verify, "plaintext": True, "certificate": "ca", "key": "key"}),
    ],
)
def test_settings_that_cannot_be_used(market: Market, setting: str, arguments: Any) -> None:
    with pytest.raises(SettingError) as raised:
        serve(market, **{"address": "127.0.0.1:0", **arguments})
    assert raised.value.setting == setting
    assert str(raised.value) == f"{setting}: {raised.value.problem}; {raised.value.fix}"


def test_an_address_in_use(server: Server, market: Market) -> None:
    with pytest.raises(SettingError, match="address: cannot listen on") as raised:
        serve(market, address=server.address, plaintext=True)
    assert raised.value.setting == "address"
    assert raised.value.fix.startswith("stop the program")


def test_a_port_in_use_on_one_address_of_the_host(market: Market) -> None:
    """Clients of localhost may try ::1 or 127.0.0.1 first."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"localhost:{other.getsockname()[1]}"
        with pytest.raises(SettingError, match=f"cannot listen on {address}: the port is in use"):
            serve(market, address=address, plaintext=True)


@pytest.mark.parametrize("address", ["192.0.2.1:0", "no-such-host.invalid:0"])
def test_an_address_that_is_not_of_this_machine(market: Market, address: str) -> None:
    with pytest.raises(SettingError, match=f"cannot listen on {address}.*choose an address of this machine"):
        serve(market, address=address, verify=verify, plaintext=True)


def test_a_servicer_that_cannot_be_served() -> None:
    with pytest.raises(SettingError, match=r"servicers: Market is a class; pass an instance: Market\(\)"):
        serve(Market, address="127.0.0.1:0", plaintext=True)
    with pytest.raises(SettingError, match="servicers: str is not a generated servicer class"):
        serve("MarketData", address="127.0.0.1:0", plaintext=True)


def test_an_open_stream_ends_before_the_grace_is_over(market: Market) -> None:
    server = serve(market, address="127.0.0.1:0", plaintext=True, grace=LIMIT)
    with connect(server.address, plaintext=True, token="") as channel:
        stream = MarketDataStub(channel).StreamTrades(TRADES)
        assert next(stream).trade.trade_id == "1"
        assert market.entered.get(timeout=LIMIT) == "StreamTrades"
        stopping = threading.Thread(target=server.stop)
        stopping.start()
        # Were it for the grace alone, the handler would give up first.
        assert failure(lambda: next(stream)).code() == grpc.StatusCode.UNAVAILABLE
        assert not market.leave.is_set()
        market.leave.set()
        stopping.join(LIMIT)
        assert not stopping.is_alive()


def first_failure(address: str) -> Any:
    """The error of the first new connection that is refused: health changes a moment before."""
    until = time.monotonic() + LIMIT
    while time.monotonic() < until:
        with grpc.insecure_channel(address) as channel:
            try:
                MarketDataStub(channel).GetPrice(BTC, timeout=LIMIT)
            except grpc.RpcError as error:
                return error
    raise TimeoutError


def test_a_call_in_flight_is_answered_and_a_new_one_refused(market: Market) -> None:
    server = serve(market, address="127.0.0.1:0", plaintext=True, grace=LIMIT)
    with connect(server.address, plaintext=True, token="") as channel:
        stub = MarketDataStub(channel)
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
        slow = stub.GetPrice.future(GetPriceRequest(asset_id="SLOW"), timeout=LIMIT)
        assert market.entered.get(timeout=LIMIT) == "GetPrice"
        stopping = threading.Thread(target=server.stop)
        stopping.start()
        assert next(watch).status == health_pb2.HealthCheckResponse.NOT_SERVING
        assert first_failure(server.address).code() == grpc.StatusCode.UNAVAILABLE
        market.leave.set()
        assert slow.result(timeout=LIMIT).asset_id == "SLOW"
        stopping.join(LIMIT)
        assert not stopping.is_alive()


def test_a_call_that_outlasts_the_grace_is_ended(market: Market) -> None:
    server = serve(market, address="127.0.0.1:0", plaintext=True, grace=0.2)
    with connect(server.address, plaintext=True, token="") as channel:
        slow: Any = MarketDataStub(channel).GetPrice.future(GetPriceRequest(asset_id="SLOW"), timeout=LIMIT)
        assert market.entered.get(timeout=LIMIT) == "GetPrice"
        server.stop()
        assert slow.exception(timeout=LIMIT).code() == grpc.StatusCode.UNAVAILABLE


PROGRAM = """
import asyncio, sys
from cqc.server import serve, serve_async
from cqc.services.v1.market_data_pb2_grpc import MarketDataServicer

async def main():
    server = await serve_async(MarketDataServicer(), address="127.0.0.1:0", plaintext=True)
    print(server.port, flush=True)
    await server.wait()

if sys.argv[1] == "asyncio":
    asyncio.run(main())
else:
    server = serve(MarketDataServicer(), address="127.0.0.1:0", plaintext=True)
    print(server.port, flush=True)
    server.wait()
print("stopped")
"""


@pytest.mark.parametrize("form", ["threads", "asyncio"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_a_program_that_waits(form: str, number: signal.Signals) -> None:
    with subprocess.Popen([sys.executable, "-c", PROGRAM, form], stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        port = program.stdout.readline().strip()
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            assert stub.Check(health_pb2.HealthCheckRequest(), timeout=LIMIT).status
            watch = stub.Watch(health_pb2.HealthCheckRequest())
            next(watch)
            program.send_signal(number)
            out, _ = program.communicate(timeout=LIMIT)
            assert failure(lambda: list(watch)).code() == grpc.StatusCode.UNAVAILABLE
        assert (program.returncode, out) == (0, "stopped\n")


def test_stop_ends_a_wait_in_another_thread(market: Market) -> None:
    server = serve(market, address="127.0.0.1:0", plaintext=True)
    waiting = threading.Thread(target=server.wait)
    waiting.start()
    server.stop()
    waiting.join(LIMIT)
    assert not waiting.is_alive()


def test_asyncio(caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        market = AsyncMarket()
        server = await serve_async(market, address="127.0.0.1:0", plaintext=True, grace=LIMIT)
        with pytest.raises(SettingError, match="address: cannot listen on"):
            await serve_async(market, address=server.address, plaintext=True)
        async with server, connect_async(server.address, plaintext=True, token="") as channel:
            stub = MarketDataStub(channel)
            assert (await stub.GetPrice(BTC)).value == 65000.0
            check = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=LIMIT)
            assert (await check).status == health_pb2.HealthCheckResponse.SERVING
            for asset, code, details in (
                ("BUG", grpc.StatusCode.INTERNAL, HIDDEN),
                ("ABORT", grpc.StatusCode.DATA_LOSS, "the disk is full"),
                ("CODE", grpc.StatusCode.RESOURCE_EXHAUSTED, "later"),
                ("NONE", grpc.StatusCode.NOT_FOUND, "no price yet"),
            ):
                with pytest.raises(grpc.aio.AioRpcError) as raised:
                    await stub.GetPrice(GetPriceRequest(asset_id=asset))
                assert (raised.value.code(), raised.value.details()) == (code, details)
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await stub.ListTrades(ListTradesRequest(venue_symbol_id="binance:BTC-USDT-SPOT"))
            assert (raised.value.code(), raised.value.details()) == (
                grpc.StatusCode.INTERNAL,
                HIDDEN,
            )
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                async for _ in stub.StreamTrades(StreamTradesRequest(venue_symbol_ids=["binance:ETH-USDT-SPOT"])):
                    pass
            assert raised.value.details() == HIDDEN
            names = await asyncio.to_thread(lambda: _reflected_at(server.address))
            assert "cqc.services.v1.MarketData" in names

            stream: Any = stub.StreamTrades(TRADES)
            assert (await stream.read()).trade.trade_id == "1"
            assert await market.entered.get() == "StreamTrades"
            watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
            await watch.read()
            slow = stub.GetPrice(GetPriceRequest(asset_id="SLOW"), timeout=LIMIT)
            assert await asyncio.wait_for(asyncio.gather(market.entered.get(), _started(slow)), LIMIT)
            stopping = asyncio.create_task(server.stop())
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await stream.read()
            assert raised.value.code() == grpc.StatusCode.UNAVAILABLE
            assert not stopping.done()
            market.leave.set()
            assert (await slow).asset_id == "SLOW"
            await asyncio.wait_for(stopping, LIMIT)

    async def _started(call: Any) -> bool:
        return True

    def _reflected_at(address: str) -> list[str]:
        with grpc.insecure_channel(address) as channel:
            return reflected(channel, "v1")

    with caplog.at_level(logging.CRITICAL, "cqc.server"):
        asyncio.run(run())


def test_asyncio_scopes(certificates: Certificates) -> None:
    async def run() -> None:
        files: Any = {"certificate": certificates.server, "key": certificates.server_key}
        async with await serve_async(AsyncMarket(), address="127.0.0.1:0", verify=verify, **files) as server:
            async with connect_async(server.address, token="reader", ca=certificates.ca) as channel:
                assert (await MarketDataStub(channel).GetPrice(BTC)).asset_id == "BTC"
            async with connect_async(server.address, token="nobody", ca=certificates.ca) as channel:
                with pytest.raises(grpc.aio.AioRpcError) as raised:
                    await MarketDataStub(channel).GetPrice(BTC)
                assert raised.value.code() == grpc.StatusCode.PERMISSION_DENIED
            async with connect_async(server.address, token="reader", ca=certificates.other_ca) as channel:
                with pytest.raises(CertificateError):
                    await MarketDataStub(channel).GetPrice(BTC)

    asyncio.run(run())
