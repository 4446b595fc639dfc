"""Channels of `connect` and `connect_async`, over sockets: settings, TLS, tokens, retries and defaults."""

from __future__ import annotations

import asyncio
import math
import pickle
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import UUID

import grpc
import grpc.aio
import pytest
from certificates import Certificates
from hypothesis import given, settings
from hypothesis import strategies as st

from cqc.access import Principal, principal
from cqc.client import (
    CertificateError,
    Lost,
    OutcomeUnknownError,
    ProtocolError,
    SettingError,
    connect,
    connect_async,
    follow,
    service_config,
)
from cqc.errors import ServiceError
from cqc.markets.v1 import Price
from cqc.portfolio.v1 import PORTFOLIO_STATUS_ACTIVE, Portfolio
from cqc.server import serve
from cqc.services.v1 import (
    CreatePortfolioRequest,
    CreatePortfolioResponse,
    ErrorReason,
    GetPriceRequest,
    NewOrder,
    PlaceOrderRequest,
    PlaceOrderResponse,
    StreamTradesRequest,
    StreamTradesResponse,
)
from cqc.services.v1.market_data_pb2_grpc import MarketDataServicer, MarketDataStub
from cqc.services.v1.portfolio_pb2_grpc import PortfolioServicer, PortfolioStub
from cqc.services.v1.venue_gateway_pb2_grpc import VenueGatewayServicer, VenueGatewayStub
from cqc.venues.v1 import ORDER_SIDE_BUY, ORDER_TYPE_MARKET

BTC = GetPriceRequest(asset_id="BTC")
TRADES = StreamTradesRequest(venue_symbol_ids=["binance:BTC-USDT-SPOT"])
LIMIT = 30.0
SECRET = "tok3n-of-the-desk"


class Flaky(MarketDataServicer, PortfolioServicer, VenueGatewayServicer):
    """Fails the first calls, and remembers what arrived."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.requests: list[Any] = []
        self.deadlines: list[float] = []

    def _arrive(self, request: Any, context: Any) -> None:
        self.requests.append(request)
        # A call without a deadline has one in three hundred million years.
        self.deadlines.append(min(context.time_remaining() or math.inf, 1e9))
        if len(self.requests) <= self.failures:
            context.abort(grpc.StatusCode.UNAVAILABLE, "not now")

    def GetPrice(self, request: GetPriceRequest, context: grpc.ServicerContext) -> Price:
        self._arrive(request, context)
        return Price(asset_id="BTC")

    def CreatePortfolio(
        self, request: CreatePortfolioRequest, context: grpc.ServicerContext
    ) -> CreatePortfolioResponse:
        self._arrive(request, context)
        return CreatePortfolioResponse()

    def PlaceOrder(self, request: PlaceOrderRequest, context: grpc.ServicerContext) -> PlaceOrderResponse:
        self._arrive(request, context)
        return PlaceOrderResponse()

    def StreamTrades(
        self, request: StreamTradesRequest, context: grpc.ServicerContext
    ) -> Iterator[StreamTradesResponse]:
        self._arrive(request, context)
        return iter(())


class Whoami(MarketDataServicer):
    def GetPrice(self, request: GetPriceRequest, context: grpc.ServicerContext) -> Price:
        return Price(asset_id=principal().subject)


def verify(token: str) -> Principal | None:
    return Principal(token, frozenset({"market.read"})) if token.startswith("tok3n") else None


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CQC_TARGET", "CQC_TOKEN", "CQC_CA"):
        monkeypatch.delenv(name, raising=False)


@contextmanager
def served(servicer: Any) -> Iterator[str]:
    with serve(servicer, address="127.0.0.1:0", plaintext=True) as server:
        yield server.address


@contextmanager
def over_tls(certificates: Certificates, **settings: Any) -> Iterator[str]:
    files: Any = {"certificate": certificates.server, "key": certificates.server_key, **settings}
    with serve(Whoami(), address="127.0.0.1:0", verify=verify, **files) as server:
        yield server.address


def failure(call: Callable[[], Any]) -> Any:
    with pytest.raises(grpc.RpcError) as raised:
        call()
    return raised.value


def subject(channel: grpc.Channel) -> str:
    return MarketDataStub(channel).GetPrice(BTC).asset_id


# Settings


@pytest.mark.parametrize("form", [connect, connect_async])
@pytest.mark.parametrize(
    ("setting", "arguments", "environment"),
    [
        ("CQC_TARGET", {"target": None}, {}),
        ("CQC_TARGET", {"target": None}, {"CQC_TARGET": ""}),
        ("target", {"target": "https://markets.example.com"}, {}),
        ("timeout", {"timeout": 0}, {}),
        ("timeout", {"timeout": float("nan")}, {}),
        ("plaintext", {"plaintext": True, "token": SECRET}, {}),
        ("plaintext", {"plaintext": True, "token": lambda: SECRET}, {}),
        ("plaintext", {"plaintext": True}, {"CQC_TOKEN": SECRET}),
        ("plaintext", {"plaintext": True, "ca": "ca.pem"}, {}),
        ("token", {"token": f"{SECRET}\n"}, {}),
        ("token", {"token": f"Bearer {SECRET}"}, {}),
        ("token", {"token": f"{SECRET}ü"}, {}),
        ("CQC_TOKEN", {}, {"CQC_TOKEN": f"{SECRET}\r"}),
        ("key", {"certificate": "client.pem"}, {}),
        ("certificate", {"key": "client.key"}, {}),
        ("ca", {"ca": "/no/such/file.pem"}, {}),
        ("CQC_CA", {}, {"CQC_CA": "/no/such/file.pem"}),
        ("ca", {"ca": __file__.replace("test_client_connect", "certificates")}, {}),
    ],
)
def test_settings_that_cannot_be_used(
    form: Callable[..., Any], setting: str, arguments: Any, environment: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingError) as raised:
        form(**{"target": "127.0.0.1:1", **arguments})
    error = raised.value
    assert error.setting == setting
    assert str(error) == f"{setting}: {error.problem}; {error.fix}"
    assert SECRET not in repr(error)
    if "/no/such/file.pem" in [*arguments.values(), *environment.values()]:
        assert "/no/such/file.pem" in str(error)


@pytest.mark.parametrize("start", [partial(connect, "127.0.0.1:1"), partial(serve, Whoami(), verify=verify)])
def test_a_certificate_and_a_key_that_do_not_belong_together(
    start: Callable[..., Any], certificates: Certificates
) -> None:
    with pytest.raises(SettingError) as raised:
        start(certificate=certificates.server, key=certificates.client_key)
    assert raised.value.setting == "certificate"
    assert "cannot be used" in str(raised.value)


@settings(max_examples=30)
@given(st.text())
def test_a_token_is_sent_as_it_is_or_refused_without_being_shown(token: str) -> None:
    is_fit = bool(token) and all("!" <= character <= "~" for character in token)
    if is_fit or not token:
        connect("127.0.0.1:1", token=token).close()
        return
    with pytest.raises(SettingError) as raised:
        connect("127.0.0.1:1", token=token)
    assert "token" in str(raised.value)
    assert len(token.strip()) < 8 or token not in str(raised.value)


def test_an_empty_token_sends_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CQC_TOKEN", SECRET)
    with served(Flaky()) as target, connect(target, token="", plaintext=True) as channel:
        assert subject(channel) == "BTC"


def test_settings_of_the_environment(certificates: Certificates, monkeypatch: pytest.MonkeyPatch) -> None:
    with over_tls(certificates) as target:
        monkeypatch.setenv("CQC_TARGET", target)
        monkeypatch.setenv("CQC_CA", certificates.ca)
        monkeypatch.setenv("CQC_TOKEN", "tok3n-of-the-environment")
        with connect() as channel:
            assert subject(channel) == "tok3n-of-the-environment"
        with connect(token=SECRET) as channel:
            assert subject(channel) == SECRET


# TLS


def test_another_ca_is_named_in_the_first_error(certificates: Certificates) -> None:
    with over_tls(certificates) as target, connect(target, token=SECRET, ca=certificates.other_ca) as channel:
        stub = MarketDataStub(channel)
        for call in (
            lambda: stub.GetPrice(BTC),
            lambda: stub.GetPrice.future(BTC).result(),
            lambda: next(iter(stub.StreamTrades(TRADES))),
            lambda: next(iter(follow(stub.StreamTrades, TRADES))),
        ):
            error = failure(call)
            assert isinstance(error, CertificateError)
            assert isinstance(error, grpc.Call)
            assert (error.target, error.code()) == (target, grpc.StatusCode.UNAVAILABLE)
            assert "CERTIFICATE_VERIFY_FAILED" in error.detail
            assert "CQC_CA" in str(error)
            assert SECRET not in str(error) + repr(error)
        future = stub.GetPrice.future(BTC)
        assert isinstance(future.exception(), CertificateError)


def test_another_ca_is_named_in_the_first_error_with_asyncio(certificates: Certificates) -> None:
    async def run(target: str) -> None:
        async with connect_async(target, token=SECRET, ca=certificates.other_ca) as channel:
            stub = MarketDataStub(channel)
            with pytest.raises(CertificateError) as raised:
                await stub.GetPrice(BTC)
            assert raised.value.target == target
            with pytest.raises(CertificateError):
                async for _ in stub.StreamTrades(TRADES):
                    pass

    with over_tls(certificates) as target:
        asyncio.run(run(target))


def test_client_certificates(certificates: Certificates) -> None:
    with over_tls(certificates, client_ca=certificates.ca) as target:
        own: Any = {"ca": certificates.ca, "certificate": certificates.client, "key": certificates.client_key}
        with connect(target, token=SECRET, **own) as channel:
            assert subject(channel) == SECRET


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_missing_client_certificate_is_named(certificates: Certificates, version: ssl.TLSVersion) -> None:
    # Servers of grpcio close the connection instead, without saying why.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.server, certificates.server_key)
    context.load_verify_locations(certificates.ca)
    context.verify_mode = ssl.CERT_REQUIRED
    context.minimum_version = context.maximum_version = version
    context.set_alpn_protocols(["h2"])
    with socket.create_server(("127.0.0.1", 0)) as listener:
        refused = []

        def refuse_all() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                server = context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
                refused.append(server)  # Closing it could overtake the alert.
                with suppress(OSError):
                    server.do_handshake()

        refusing = threading.Thread(target=refuse_all)
        refusing.start()
        target = f"127.0.0.1:{listener.getsockname()[1]}"
        with connect(target, ca=certificates.ca) as channel:
            error = failure(lambda: subject(channel))
            assert isinstance(error, CertificateError)
            assert "`certificate` and `key`" in str(error)

        async def run() -> None:
            async with connect_async(target, ca=certificates.ca) as channel:
                with pytest.raises(CertificateError):
                    await MarketDataStub(channel).GetPrice(BTC)

        asyncio.run(run())
        listener.shutdown(socket.SHUT_RDWR)
        refusing.join(LIMIT)
        for server in refused:
            server.close()


def test_another_host_name_is_named(certificates: Certificates) -> None:
    with over_tls(certificates) as target:
        options = [("grpc.ssl_target_name_override", "elsewhere.example")]
        with connect(target, ca=certificates.ca, options=options) as channel:
            assert isinstance(failure(lambda: subject(channel)), CertificateError)


def test_a_server_without_tls_is_named(certificates: Certificates) -> None:
    with served(Flaky()) as target, connect(target, ca=certificates.ca) as channel:
        assert "plaintext=True" in str(failure(lambda: subject(channel)))


def test_a_handshake_that_breaks_off_is_an_outage(certificates: Certificates) -> None:
    # As behind a load balancer without servers: it accepts connections and closes them.
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def close_all() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                connection.close()

        closing = threading.Thread(target=close_all)
        closing.start()
        lost: list[Lost] = []

        def on_lost(loss: Lost) -> None:
            lost.append(loss)
            if len(lost) == 3:
                raise InterruptedError

        target = f"127.0.0.1:{listener.getsockname()[1]}"
        with connect(target, ca=certificates.ca) as channel, pytest.raises(InterruptedError):
            list(follow(MarketDataStub(channel).StreamTrades, TRADES, on_lost=on_lost))
        with connect(target, ca=certificates.ca) as channel:
            assert not isinstance(failure(lambda: subject(channel)), CertificateError)
        assert [loss.cause for loss in lost] == ["UNAVAILABLE"] * 3
        listener.shutdown(socket.SHUT_RDWR)
        closing.join(LIMIT)


# Tokens


def test_a_token_is_in_no_error(certificates: Certificates) -> None:
    with over_tls(certificates) as target, connect(target, token="wrong-secret", ca=certificates.ca) as channel:
        error = failure(lambda: subject(channel))
        found = ServiceError.of(error)
        assert found is not None
        assert found.reason == ErrorReason.ERROR_REASON_CREDENTIALS_INVALID
        assert "wrong-secret" not in repr(error) + str(error) + str(error.debug_error_string()) + repr(channel)


def test_a_function_gives_the_token_of_each_call(certificates: Certificates) -> None:
    tokens = iter(["tok3n-1", "tok3n-2"])
    with over_tls(certificates) as target:
        with connect(target, token=lambda: next(tokens), ca=certificates.ca) as channel:
            assert [subject(channel), subject(channel)] == ["tok3n-1", "tok3n-2"]
        with connect(target, token=lambda: "two\nlines", ca=certificates.ca) as channel:
            error = failure(lambda: subject(channel))
            assert "token: has characters" in error.details()
            assert "two" not in str(error)

        async def run() -> str:
            async with connect_async(target, token=lambda: "tok3n-3", ca=certificates.ca) as channel:
                return (await MarketDataStub(channel).GetPrice(BTC)).asset_id

        assert asyncio.run(run()) == "tok3n-3"


# Defaults of calls


def test_what_may_be_repeated_is_retried_with_the_same_request() -> None:
    flaky = Flaky(failures=2)
    with served(flaky) as target, connect(target, plaintext=True) as channel:
        assert subject(channel) == "BTC"
        assert len(flaky.requests) == 3
        flaky.requests.clear()
        everything = Portfolio(portfolio_id="all", name="all", reporting_asset_id="USD", status=PORTFOLIO_STATUS_ACTIVE)
        request = CreatePortfolioRequest(portfolio=everything)
        PortfolioStub(channel).CreatePortfolio(request)
    ids = {sent.request_id for sent in flaky.requests}
    assert len(flaky.requests) == 3
    assert [UUID(text).version for text in ids] == [4]
    assert request.request_id == ""


def test_what_is_looked_up_first_is_not_retried() -> None:
    flaky = Flaky(failures=1)
    order = NewOrder(
        account_id="main",
        client_order_id="c1",
        venue_symbol_id="binance:BTC-USDT-SPOT",
        side=ORDER_SIDE_BUY,
        type=ORDER_TYPE_MARKET,
        quantity="1",
    )
    request = PlaceOrderRequest(order=order)
    with served(flaky) as target, connect(target, plaintext=True) as channel:
        error = failure(lambda: VenueGatewayStub(channel).PlaceOrder(request))
    assert (error.code(), len(flaky.requests)) == (grpc.StatusCode.UNAVAILABLE, 1), error


def test_a_stream_is_not_retried_and_has_no_deadline() -> None:
    flaky = Flaky(failures=1)
    with served(flaky) as target, connect(target, plaintext=True) as channel:
        assert failure(lambda: list(MarketDataStub(channel).StreamTrades(TRADES))).details() == "not now"
    assert flaky.deadlines == [1e9]


def test_a_call_has_the_deadline_of_its_own_or_of_the_channel() -> None:
    flaky = Flaky()
    with served(flaky) as target, connect(target, plaintext=True, timeout=20) as channel:
        stub = MarketDataStub(channel)
        stub.GetPrice(BTC)
        stub.GetPrice(BTC, timeout=500)
        stub.GetPrice.future(BTC).result()

        async def run() -> None:
            async with connect_async(target, plaintext=True, timeout=20) as channel:
                await MarketDataStub(channel).GetPrice(BTC)
                await MarketDataStub(channel).GetPrice(BTC, timeout=500)

        asyncio.run(run())
    assert [round(left, -1) for left in flaky.deadlines] == [20, 500, 20, 20, 500]


def test_interceptors_and_options_of_the_caller() -> None:
    seen: list[Any] = []

    class Spy(grpc.UnaryUnaryClientInterceptor):  # type: ignore[misc,unused-ignore]
        def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
            call = continuation(details, request)
            call.add_done_callback(lambda done: seen.append((details.timeout, request, done.code())))
            return call

    class AsyncSpy(grpc.aio.UnaryUnaryClientInterceptor):  # type: ignore[misc,unused-ignore]
        async def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
            seen.append((details.timeout, request, grpc.StatusCode.OK))
            return await continuation(details, request)

    flaky = Flaky(failures=1)
    options = [("grpc.enable_retries", 0)]
    with served(flaky) as target:
        with connect(target, plaintext=True, interceptors=[Spy()], options=options) as channel:
            assert failure(lambda: subject(channel)).code() == grpc.StatusCode.UNAVAILABLE
            assert subject(channel) == "BTC"

        async def run() -> None:
            async with connect_async(target, plaintext=True, interceptors=[AsyncSpy()]) as channel:
                await MarketDataStub(channel).GetPrice(BTC)

        asyncio.run(run())
    assert seen == [
        (10.0, BTC, grpc.StatusCode.UNAVAILABLE),
        (10.0, BTC, grpc.StatusCode.OK),
        (10.0, BTC, grpc.StatusCode.OK),
    ]


def test_the_service_config_is_made_once() -> None:
    assert service_config() is service_config()


# Errors and cost


@pytest.mark.parametrize(
    "error",
    [
        SettingError("ca", "cannot read x", "give y"),
        CertificateError("localhost:1", "CERTIFICATE_VERIFY_FAILED"),
        ProtocolError("ListTrades", "the list never ends"),
        OutcomeUnknownError("main", "c1", datetime(2030, 1, 1, tzinfo=UTC), ValueError("no")),
    ],
)
def test_errors_survive_pickle(error: Exception) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert repr(again.__dict__) == repr(error.__dict__)


def test_an_outcome_that_is_unknown_survives_pickle_with_its_cause() -> None:
    with connect("127.0.0.1:1", plaintext=True) as channel:
        cause = failure(lambda: VenueGatewayStub(channel).PlaceOrder(PlaceOrderRequest(), timeout=LIMIT))
    error = OutcomeUnknownError("main", "c1", datetime(2030, 1, 1, tzinfo=UTC), cause)
    again = pickle.loads(pickle.dumps(error))
    assert "GetOrder" in str(again)
    assert (again.cause.code(), again.cause.details()) == (cause.code(), cause.details())


def test_importing_messages_loads_neither_client_nor_server() -> None:
    code = (
        "import sys, cqc, cqc.services.v1; cqc.services.v1.GetPriceRequest\n"
        "print([name for name in sys.modules if 'client' in name.split('.')[-1] and name.startswith('cqc')],"
        " 'cqc.server' in sys.modules, 'grpc' in sys.modules)\n"
        "import cqc.client\n"
        "print('protovalidate' in sys.modules, 'cqc.server' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "[] False False\nFalse False\n"


@pytest.mark.parametrize(
    ("module", "missing", "extra"),
    [("client", "google.rpc.error_details_pb2", "client"), ("server", "grpc_health.v1", "server")],
)
def test_a_missing_extra_is_named(module: str, missing: str, extra: str) -> None:
    code = f"import sys; sys.modules[{missing!r}] = None; import cqc.{module}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert f'pip install "cqc[{extra}]"' in done.stderr
