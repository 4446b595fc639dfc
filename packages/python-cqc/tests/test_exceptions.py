"""Every exception of the package: what it says, and that it survives pickle, copy and a pool of processes."""

import copy
import importlib
import inspect
import multiprocessing
import pickle
import pkgutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent import futures
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import grpc.aio
import pytest

import cqc
from cqc import mapping
from cqc.errors import ServiceError
from cqc.events.v1 import Event, EventMetadata
from cqc.interceptors import (
    InvalidRequestError,
    ValidationClientInterceptor,
    async_validation_client_interceptors,
)
from cqc.markets.v1 import OrderBook, OrderBookDelta
from cqc.options.v1 import next_step
from cqc.services.v1 import (
    ErrorReason,
    GetPriceRequest,
    OrderError,
    StreamPricesRequest,
    market_data_pb2_grpc,
)

INVALID = GetPriceRequest(asset_id="btc")


def _raised(action: Callable[[], object]) -> BaseException:
    try:
        action()
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


def _service_error() -> ServiceError:
    return ServiceError(
        ErrorReason.ERROR_REASON_RATE_LIMITED, "too many requests", retry_delay=timedelta(seconds=2), limit="weight"
    )


def _book_gap() -> object:
    book = cqc.BookBuilder(OrderBook(venue_symbol_id="a:B-C-SPOT", sequence=1))
    return book.apply(OrderBookDelta(venue_symbol_id="a:B-C-SPOT", previous_sequence=3, sequence=4))


def _client() -> Any:
    return importlib.import_module("cqc.client")


# How users come by each exception. A new class needs a line here.
MADE: dict[str, Callable[[], BaseException]] = {
    "cqc._book.BookError": lambda: _raised(_book_gap),
    "cqc._bus.UnknownEventError": lambda: _raised(
        lambda: cqc.attributes(Event(metadata=EventMetadata(event_id="1", topic="t", subject="s", sequence=7)))
    ),
    "cqc._client_errors.CertificateError": lambda: _client().CertificateError("host:1", "handshake failed"),
    "cqc._client_errors.OutcomeUnknownError": lambda: _client().OutcomeUnknownError(
        "main", "1", datetime(2026, 1, 1, tzinfo=UTC), _service_error()
    ),
    "cqc._client_errors.ProtocolError": lambda: _client().ProtocolError("ListTrades", "repeated a page token"),
    "cqc._ids.InvalidIdError": lambda: _raised(lambda: cqc.parse_symbol_id("btc")),
    "cqc._map_table.TableError": lambda: _raised(lambda: mapping.tables("a row before any header")),
    "cqc._notional.UnitNotReconcilableError": lambda: cqc.UnitNotReconcilableError("a:B-C-SPOT", 1, "why"),  # type: ignore[arg-type]
    "cqc._settings.SettingError": lambda: _raised(lambda: _client().connect("host:1", ca="/no/such/file")),
    "cqc.errors.ServiceError": _service_error,
    "cqc.interceptors.InvalidRequestError": lambda: InvalidRequestError(INVALID, cqc.validate(INVALID)),
}


def _classes() -> Iterator[str]:
    """The names of all exceptions that are defined in the package."""
    for module in pkgutil.walk_packages(cqc.__path__, "cqc."):
        if not module.name.endswith(("_pb2", "_pb2_grpc")):
            for _, found in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
                if issubclass(found, BaseException) and found.__module__ == module.name:
                    yield f"{found.__module__}.{found.__qualname__}"


def _content(error: BaseException) -> Any:
    """Everything that a user can read from an exception."""
    names = [name for name in dir(error) if not name.startswith("_") and name not in ("add_note", "with_traceback")]
    found = {name: getattr(error, name) for name in names}
    values = {name: _plain(item) for name, item in found.items() if not callable(item)}
    return type(error), str(error), values


def _plain(value: Any) -> Any:
    """Exceptions are equal to nothing but themselves: compare what they contain."""
    if isinstance(value, tuple):
        return tuple(map(_plain, value))
    return _content(value) if isinstance(value, BaseException) else value


CLASSES = sorted(_classes())


@pytest.mark.parametrize("name", CLASSES)
def test_every_exception_survives_pickle_and_copy(name: str) -> None:
    error = MADE[name]()
    assert f"{type(error).__module__}.{type(error).__qualname__}" == name
    copies = [pickle.loads(pickle.dumps(error, protocol)) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)]
    for other in (*copies, copy.copy(error), copy.deepcopy(error)):
        assert _content(other) == _content(error)


def _raise(name: str) -> None:
    raise MADE[name]()


def test_every_exception_of_a_worker_process_arrives() -> None:
    # An exception that cannot be unpickled breaks the pool, and with it every other task.
    with futures.ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        for name in CLASSES:
            arrived = pool.submit(_raise, name).exception(60)
            assert arrived is not None
            assert _content(arrived) == _content(MADE[name]())


def test_a_copied_error_makes_the_same_status() -> None:
    error = _service_error()
    other = pickle.loads(pickle.dumps(error))
    assert other.status() == error.status()
    invalid = MADE["cqc.interceptors.InvalidRequestError"]()
    assert ServiceError.of(pickle.loads(pickle.dumps(invalid))).violations == tuple(cqc.validate(INVALID))  # type: ignore[union-attr]


def test_metadata_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        _service_error().metadata["limit"] = "2"  # type: ignore[index]


def test_an_error_names_its_reason_its_fields_and_what_to_do() -> None:
    error = _service_error()
    step = error.next_step
    assert step == ErrorReason.DESCRIPTOR.values_by_number[error.reason].GetOptions().Extensions[next_step]
    assert step
    assert str(error) == f"RATE_LIMITED: too many requests (limit=weight); {step}"
    assert error.message == "too many requests"
    assert error.status().message == "too many requests"
    no_fields = ServiceError(ErrorReason.ERROR_REASON_CREDENTIALS_MISSING, "no token")
    assert str(no_fields) == f"CREDENTIALS_MISSING: no token; {no_fields.next_step}"


def test_an_error_of_a_newer_server_keeps_its_name() -> None:
    from google.rpc.error_details_pb2 import ErrorInfo

    status = _service_error().status()
    status.details[0].Pack(ErrorInfo(domain="cqc", reason="FROM_THE_FUTURE", metadata={"when": "2031"}))
    read = ServiceError.from_status(status)
    assert read is not None
    assert (read.reason, read.next_step) == (ErrorReason.ERROR_REASON_UNSPECIFIED, "")
    assert str(read) == "FROM_THE_FUTURE: too many requests (when=2031)"
    # A server in between passes it on as it came.
    assert read.status() == status
    unknown = ServiceError.from_order_error(OrderError(code=9, reason=9999, message="no"))  # type: ignore[arg-type]
    assert str(unknown) == "9999: no"


@pytest.fixture
def stub() -> Iterator[Any]:
    """A client with the interceptor, and nothing to call."""
    with grpc.insecure_channel("127.0.0.1:1") as channel:
        yield market_data_pb2_grpc.MarketDataStub(grpc.intercept_channel(channel, ValidationClientInterceptor()))


def _is_refused(error: Any) -> bool:
    found = ServiceError.of(error)
    return (
        isinstance(error, InvalidRequestError)
        and isinstance(error, grpc.RpcError)
        and found is not None
        and error.code() == found.code == grpc.StatusCode.INVALID_ARGUMENT
        and error.details() == found.message
        and found.violations == tuple(error.violations)
        and str(error) == str(found)
    )


def test_a_request_that_is_not_sent_is_a_call_that_is_over(stub: Any) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        stub.GetPrice(INVALID, timeout=10)
    assert isinstance(raised.value, grpc.Call)
    assert isinstance(raised.value, grpc.Future)
    error: Any = raised.value
    assert _is_refused(error)
    called: list[Any] = []
    error.add_done_callback(called.append)
    assert called == [error]
    assert not error.add_callback(lambda: called.append("never"))
    assert (error.is_active(), error.cancel(), error.cancelled(), error.running(), error.done()) == (
        False,
        False,
        False,
        False,
        True,
    )
    assert error.exception() is error
    assert (error.time_remaining(), error.initial_metadata()) == (None, ())
    assert error.traceback() is not None


def test_every_form_of_a_call_fails_as_grpc_itself_fails(stub: Any) -> None:
    with pytest.raises(InvalidRequestError):
        stub.GetPrice.with_call(INVALID, timeout=10)
    future = stub.GetPrice.future(INVALID, timeout=10)
    assert _is_refused(future.exception(10))
    assert future.code() == grpc.StatusCode.INVALID_ARGUMENT
    with pytest.raises(InvalidRequestError):
        future.result(10)
    stream = stub.StreamPrices(StreamPricesRequest(asset_ids=["btc"]), timeout=10)
    assert stream.code() == grpc.StatusCode.INVALID_ARGUMENT
    with pytest.raises(InvalidRequestError) as raised:
        next(stream)
    assert _is_refused(raised.value)
    with pytest.raises(InvalidRequestError):
        list(stream)


class Outer(grpc.UnaryUnaryClientInterceptor):
    """An interceptor as others write it: it reads the outcome of the call below it."""

    def __init__(self) -> None:
        self.seen: list[Any] = []

    def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
        call = continuation(details, request)
        call.add_done_callback(lambda done: self.seen.append((done.code(), done.details())))
        return call


@pytest.mark.parametrize("form", ["call", "with_call", "future"])
def test_an_outer_interceptor_sees_the_status(form: str) -> None:
    outer = Outer()
    with grpc.insecure_channel("127.0.0.1:1") as channel:
        stub: Any = market_data_pb2_grpc.MarketDataStub(
            grpc.intercept_channel(channel, outer, ValidationClientInterceptor())
        )
        call = {
            "call": stub.GetPrice,
            "with_call": stub.GetPrice.with_call,
            "future": lambda *args, **options: stub.GetPrice.future(*args, **options).result(10),
        }[form]
        with pytest.raises(InvalidRequestError) as raised:
            call(INVALID, timeout=10)
    assert outer.seen == [(grpc.StatusCode.INVALID_ARGUMENT, raised.value.details())]


def test_the_error_of_an_asyncio_client_survives_pickle() -> None:
    import asyncio

    async def run() -> Any:
        checks = async_validation_client_interceptors()
        async with grpc.aio.insecure_channel("127.0.0.1:1", interceptors=checks) as channel:
            stub: Any = market_data_pb2_grpc.MarketDataStub(channel)
            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await stub.GetPrice(INVALID, timeout=10)
            return raised.value

    error = asyncio.run(run())
    other = pickle.loads(pickle.dumps(error))
    for read in (ServiceError.of(error), ServiceError.of(other)):
        assert read is not None
        assert read.violations == tuple(cqc.validate(INVALID))


# What each extra brings. A module is absent if its import raises ImportError.
WITHOUT = """
import sys
for name in {absent!r}:
    sys.modules[name] = None
{code}
"""


def without(absent: list[str], code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", WITHOUT.format(absent=absent, code=code)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_errors_and_access_need_the_client_extra_only() -> None:
    code = (
        "from cqc.errors import ServiceError\nfrom cqc.access import AccessServerInterceptor, Principal\n"
        "from cqc import Violation\nfrom cqc.services.v1 import ErrorReason\n"
        "made = ServiceError(ErrorReason.ERROR_REASON_INVALID_FIELD, 'no', violations=[Violation('a', 'b', 'c')])\n"
        "read = ServiceError.from_status(made.status())\n"
        "print(read.violations == made.violations and ServiceError.of(made) is made)"
    )
    assert without(["protovalidate", "grpc_health", "grpc_reflection"], code) == "True"


@pytest.mark.parametrize(
    ("absent", "code", "extra"),
    [
        ("google.rpc.status_pb2", "import cqc.errors", "cqc[client]"),
        ("google.rpc.status_pb2", "import cqc.access", "cqc[client]"),
        ("grpc_health", "import cqc.server", "cqc[server]"),
        ("protovalidate", "from cqc import validate", "cqc[validation]"),
        ("protovalidate", "import cqc.interceptors", "cqc[validation]"),
    ],
)
def test_a_missing_package_names_the_extra_that_brings_it(absent: str, code: str, extra: str) -> None:
    code = f"try:\n    {code}\nexcept ImportError as error:\n    print(error)"
    assert f'pip install "{extra}"' in without([absent], code)
