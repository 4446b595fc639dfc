"""Server interceptors with every kind of handler: on grpc.Server and grpc.aio, next to health and reflection."""

import asyncio
import inspect
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent import futures
from contextlib import ExitStack, asynccontextmanager, contextmanager
from typing import Any

import grpc
import grpc.aio
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from grpc_health.v1 import health, health_pb2, health_pb2_grpc  # type: ignore[import-untyped,unused-ignore]
from grpc_health.v1.health import aio as aio_health  # type: ignore[import-untyped,unused-ignore]
from grpc_reflection.v1alpha import (  # type: ignore[import-untyped,unused-ignore]
    reflection,
    reflection_pb2,
    reflection_pb2_grpc,
)

from cqc._buf_validate import DESCRIPTOR as VALIDATE
from cqc._buf_validate import field as rules
from cqc.access import AccessServerInterceptor, AsyncAccessServerInterceptor, Principal, principal
from cqc.errors import STATUS_KEY, ServiceError
from cqc.interceptors import AsyncValidationServerInterceptor, ValidationServerInterceptor
from cqc.services.v1 import ErrorReason, GetPriceRequest, market_data_pb2_grpc

LIMIT = 10  # seconds; nothing here takes one
SERVICE = "acme.handlers.v1.Echo"
HOLDER = Principal("holder", frozenset({"market.read"}), frozenset({"main"}))
BEARER = (("authorization", "Bearer holder"),)


def verify(token: str) -> Principal | None:
    return HOLDER if token == "holder" else None


def _contract() -> Any:
    """Another team's contract: a message with a rule, and a service whose four methods take and return it."""
    file = descriptor_pb2.FileDescriptorProto(
        name="acme/handlers/v1/echo.proto", package="acme.handlers.v1", syntax="proto3", dependency=[VALIDATE.name]
    )
    text = file.message_type.add(name="Text").field.add(name="text", number=1, type=9, label=1)
    text.options.Extensions[rules].string.max_len = 5
    service = file.service.add(name="Echo")
    for name, client_streaming, server_streaming in KINDS:
        service.method.add(
            name=name,
            input_type=".acme.handlers.v1.Text",
            output_type=".acme.handlers.v1.Text",
            client_streaming=client_streaming,
            server_streaming=server_streaming,
        )
    pool = descriptor_pool.Default()
    pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("acme.handlers.v1.Text"))


KINDS = (
    ("UnaryUnary", False, False),
    ("UnaryStream", False, True),
    ("StreamUnary", True, False),
    ("StreamStream", True, True),
)
Text = _contract()
REFUSED = "stop"


def answer(request: Any) -> Any:
    """What every handler does with a request: echo it, or raise."""
    if request.text == REFUSED:
        raise ServiceError(ErrorReason.ERROR_REASON_RATE_LIMITED, "too much", limit="1")
    return Text(text=request.text)


class Sync:
    """Handlers as grpc.Server has them. grpc.aio runs them in threads."""

    def unary_unary(self, request: Any, context: Any) -> Any:
        context.set_trailing_metadata((("handler", "1"),))
        return answer(request)

    def unary_stream(self, request: Any, context: Any) -> Iterator[Any]:
        context.set_trailing_metadata((("handler", "1"),))
        yield answer(Text(text="first"))
        yield answer(request)

    def stream_unary(self, requests: Any, context: Any) -> Any:
        context.set_trailing_metadata((("handler", "1"),))
        return [answer(request) for request in requests][-1]

    def stream_stream(self, requests: Any, context: Any) -> Iterator[Any]:
        context.set_trailing_metadata((("handler", "1"),))
        for request in requests:
            yield answer(request)


class Iterators(Sync):
    """Functions that return an iterator."""

    def unary_stream(self, request: Any, context: Any) -> Iterator[Any]:
        return super().unary_stream(request, context)

    def stream_stream(self, requests: Any, context: Any) -> Iterator[Any]:
        return super().stream_stream(requests, context)


class Callbacks(Sync):
    """Handlers that send their responses through a callback, as grpcio's own health service does."""

    def unary_stream(self, request: Any, context: Any, send_response_callback: Any = None) -> Any:
        for response in super().unary_stream(request, context):
            send_response_callback(response)
        send_response_callback(None)

    unary_stream.experimental_non_blocking = True  # type: ignore[attr-defined]


class Generators:
    """Coroutines and asynchronous generators."""

    async def unary_unary(self, request: Any, context: Any) -> Any:
        context.set_trailing_metadata((("handler", "1"),))
        return answer(request)

    async def unary_stream(self, request: Any, context: Any) -> AsyncIterator[Any]:
        context.set_trailing_metadata((("handler", "1"),))
        yield answer(Text(text="first"))
        yield answer(request)

    async def stream_unary(self, requests: Any, context: Any) -> Any:
        context.set_trailing_metadata((("handler", "1"),))
        return [answer(request) async for request in requests][-1]

    async def stream_stream(self, requests: Any, context: Any) -> AsyncIterator[Any]:
        context.set_trailing_metadata((("handler", "1"),))
        async for request in requests:
            yield answer(request)


class Writers:
    """Coroutines that read and write through their context."""

    unary_unary = Generators.unary_unary

    async def unary_stream(self, request: Any, context: Any) -> None:
        context.set_trailing_metadata((("handler", "1"),))
        await context.write(answer(Text(text="first")))
        await context.write(answer(request))

    async def stream_unary(self, requests: Any, context: Any) -> Any:
        context.set_trailing_metadata((("handler", "1"),))
        while (request := await context.read()) is not grpc.aio.EOF:
            last = answer(request)
        return last

    async def stream_stream(self, requests: Any, context: Any) -> None:
        context.set_trailing_metadata((("handler", "1"),))
        while (request := await context.read()) is not grpc.aio.EOF:
            await context.write(answer(request))


class Outer(grpc.ServerInterceptor):
    """Another interceptor, outside of ours, with trailing metadata of its own."""

    def intercept_service(self, continuation: Any, details: Any) -> Any:
        return _outer(continuation(details))


class AsyncOuter(grpc.aio.ServerInterceptor):
    async def intercept_service(self, continuation: Any, details: Any) -> Any:
        return _outer(await continuation(details))


def _outer(handler: Any) -> Any:
    if handler is None or handler.unary_unary is None:
        return handler
    inner = handler.unary_unary

    def sync(request: Any, context: Any) -> Any:
        context.set_trailing_metadata((("outer", "1"),))
        return inner(request, context)

    async def coroutine(request: Any, context: Any) -> Any:
        context.set_trailing_metadata((("outer", "1"),))
        return await inner(request, context)

    return grpc.unary_unary_rpc_method_handler(
        coroutine if inspect.iscoroutinefunction(inner) else sync,
        handler.request_deserializer,
        handler.response_serializer,
    )


def handlers(servicer: Any) -> Any:
    made = {
        "UnaryUnary": grpc.unary_unary_rpc_method_handler(servicer.unary_unary, Text.FromString, _bytes),
        "UnaryStream": grpc.unary_stream_rpc_method_handler(servicer.unary_stream, Text.FromString, _bytes),
        "StreamUnary": grpc.stream_unary_rpc_method_handler(servicer.stream_unary, Text.FromString, _bytes),
        "StreamStream": grpc.stream_stream_rpc_method_handler(servicer.stream_stream, Text.FromString, _bytes),
    }
    return grpc.method_handlers_generic_handler(SERVICE, made)


def _bytes(message: Any) -> bytes:
    return message.SerializeToString()  # type: ignore[no-any-return]


GUARDS = (AccessServerInterceptor(verify), ValidationServerInterceptor())
ASYNC_GUARDS = (AsyncAccessServerInterceptor(verify), AsyncValidationServerInterceptor())
Setup = Callable[[Any], None]


@contextmanager
def sync_server(setup: Setup, interceptors: Any = GUARDS) -> Iterator[str]:
    server = grpc.server(futures.ThreadPoolExecutor(4), interceptors=interceptors)
    setup(server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        assert server.stop(None).wait(LIMIT)


@asynccontextmanager
async def async_server(setup: Setup, interceptors: Any = ASYNC_GUARDS) -> AsyncIterator[str]:
    server = grpc.aio.server(interceptors=interceptors)
    setup(server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)


def _fail(started: "futures.Future[Any]") -> Callable[["futures.Future[None]"], None]:
    def fail(ended: "futures.Future[None]") -> None:
        if not started.done():
            started.set_exception(ended.exception() or EOFError())

    return fail


@contextmanager
def aio_in_a_thread(setup: Setup, interceptors: Any = ASYNC_GUARDS) -> Iterator[str]:
    """A grpc.aio server with an event loop of its own, so that both servers are tested by the same calls."""
    started: futures.Future[tuple[str, Callable[[], object]]] = futures.Future()

    async def run() -> None:
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        async with async_server(setup, interceptors) as address:
            started.set_result((address, lambda: loop.call_soon_threadsafe(stop.set)))
            await stop.wait()

    with futures.ThreadPoolExecutor(1) as pool:
        ended = pool.submit(asyncio.run, run())
        # A server that cannot start has ended with the reason.
        ended.add_done_callback(_fail(started))
        address, stop = started.result(LIMIT)
        try:
            yield address
        finally:
            stop()
            ended.result(LIMIT)


SERVERS = {
    "sync": (sync_server, GUARDS, Outer()),
    "aio": (aio_in_a_thread, ASYNC_GUARDS, AsyncOuter()),
}
COMBINATIONS = [
    ("sync", Sync),
    ("sync", Iterators),
    ("sync", Callbacks),
    ("aio", Sync),
    ("aio", Iterators),
    ("aio", Generators),
    ("aio", Writers),
]


@pytest.fixture(scope="module", params=COMBINATIONS, ids=lambda item: f"{item[0]}-{item[1].__name__}")
def served(request: pytest.FixtureRequest) -> Iterator[tuple[Any, str, type]]:
    """A channel to a server with one kind of handlers, the kind of server, and the handlers' class."""
    kind, servicer = request.param
    server, guards, outer = SERVERS[kind]
    with ExitStack() as stack:
        address = stack.enter_context(
            server(lambda made: made.add_generic_rpc_handlers((handlers(servicer()),)), (outer, *guards))
        )
        yield stack.enter_context(grpc.insecure_channel(address)), kind, servicer


def call(channel: Any, name: str, *texts: str) -> tuple[list[str], Any]:
    """Returns the responses and how the call ended: None, or the error."""
    _, client_streaming, server_streaming = next(kind for kind in KINDS if kind[0] == name)
    open_ = getattr(channel, f"{'stream' if client_streaming else 'unary'}_{'stream' if server_streaming else 'unary'}")
    requests = [Text(text=text) for text in texts]
    method = open_(f"/{SERVICE}/{name}", _bytes, Text.FromString)
    received: list[str] = []
    try:
        result = method(iter(requests) if client_streaming else requests[0], timeout=LIMIT)
        for response in result if server_streaming else [result]:
            received.append(response.text)
    except grpc.RpcError as error:
        return received, error
    return received, None


@pytest.mark.parametrize("name", [kind[0] for kind in KINDS])
def test_every_kind_of_handler_answers(served: Any, name: str) -> None:
    received, error = call(served[0], name, "a")
    assert (received, error) == (["first", "a"] if name == "UnaryStream" else ["a"], None)


@pytest.mark.parametrize("name", [kind[0] for kind in KINDS])
def test_an_error_of_every_kind_of_handler_arrives_with_its_details(served: Any, name: str) -> None:
    received, raised = call(served[0], name, REFUSED)
    found = ServiceError.of(raised)
    assert found is not None, raised
    assert (found.reason, found.message, found.metadata) == (
        ErrorReason.ERROR_REASON_RATE_LIMITED,
        "too much",
        {"limit": "1"},
    )
    assert raised.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert raised.details() == "too much"
    assert received == (["first"] if name == "UnaryStream" else [])


@pytest.mark.parametrize("name", [kind[0] for kind in KINDS])
def test_an_invalid_request_is_refused_before_every_kind_of_handler(served: Any, name: str) -> None:
    _, raised = call(served[0], name, "too long")
    found = ServiceError.of(raised)
    assert found is not None, raised
    assert [(item.field, item.rule_id) for item in found.violations] == [("text", "string.max_len")]


@pytest.mark.parametrize("name", ["StreamUnary", "StreamStream"])
def test_every_request_of_a_stream_is_validated(served: Any, name: str) -> None:
    received, raised = call(served[0], name, "a", "b", "too long")
    found = ServiceError.of(raised)
    assert found is not None, raised
    assert found.reason == ErrorReason.ERROR_REASON_INVALID_FIELD
    assert set(received) <= {"a", "b"}


def test_an_error_keeps_the_trailing_metadata_that_others_set(served: Any) -> None:
    channel, kind, servicer = served
    for text, others in (("too long", ["outer"]), (REFUSED, ["handler"])):
        _, raised = call(channel, "UnaryUnary", text)
        keys = [key for key, _ in raised.trailing_metadata()]
        # grpc.aio lets a handler that runs in a thread set its trailing metadata, but not read it.
        assert keys == (
            [STATUS_KEY] if (kind, servicer) in [("aio", Sync), ("aio", Iterators)] else [*others, STATUS_KEY]
        )


def test_a_stream_that_its_client_leaves_is_closed() -> None:
    closed = threading.Event()

    class Endless(Sync):
        def unary_stream(self, request: Any, context: Any) -> Iterator[Any]:
            try:
                while True:
                    yield Text(text="a")
            finally:
                closed.set()

    with (
        sync_server(lambda made: made.add_generic_rpc_handlers((handlers(Endless()),))) as address,
        grpc.insecure_channel(address) as channel,
    ):
        stream = channel.unary_stream(f"/{SERVICE}/UnaryStream", _bytes, Text.FromString)(Text(text="a"), timeout=LIMIT)
        assert next(stream).text == "a"
        stream.cancel()
        assert closed.wait(LIMIT)


def _health_and_reflection(server: Any) -> None:
    asynchronous = isinstance(server, grpc.aio.Server)
    health_pb2_grpc.add_HealthServicer_to_server(
        aio_health.HealthServicer() if asynchronous else health.HealthServicer(), server
    )
    reflection.enable_server_reflection([health.SERVICE_NAME, "cqc.services.v1.MarketData"], server)


@pytest.mark.parametrize("kind", SERVERS)
def test_health_and_reflection_work_behind_the_interceptors(kind: str) -> None:
    with SERVERS[kind][0](_health_and_reflection) as address, grpc.insecure_channel(address) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        serving = health_pb2.HealthCheckResponse.SERVING
        assert stub.Check(health_pb2.HealthCheckRequest(), timeout=LIMIT).status == serving
        watch = stub.Watch(health_pb2.HealthCheckRequest(), timeout=LIMIT)
        assert next(watch).status == serving
        watch.cancel()
        request = reflection_pb2.ServerReflectionRequest
        answers = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(
            iter([request(list_services=""), request(file_containing_symbol="cqc.services.v1.MarketData")]),
            timeout=LIMIT,
        )
        listed, described = answers
        assert "cqc.services.v1.MarketData" in [item.name for item in listed.list_services_response.service]
        assert described.file_descriptor_response.file_descriptor_proto


@pytest.mark.parametrize(("kind", "which"), [(kind, which) for kind in SERVERS for which in (0, 1)])
def test_handlers_of_services_without_rules_are_left_as_they_are(kind: str, which: int) -> None:
    found = object()
    details: Any = type("Details", (), {"method": "/grpc.health.v1.Health/Watch"})
    interceptor: Any = SERVERS[kind][1][which]

    async def continuation(_: Any) -> Any:
        return found

    if kind == "aio":
        assert asyncio.run(interceptor.intercept_service(continuation, details)) is found
    else:
        assert interceptor.intercept_service(lambda _: found, details) is found


def echoing(service: str, method: str) -> Callable[[Any], None]:
    """Return a function that adds a method to a server that returns the bytes it receives."""

    def setup(server: Any) -> None:
        handler: Any = grpc.unary_unary_rpc_method_handler(lambda request, context: request)
        server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(f"cqc.services.v1.{service}", {method: handler}),)
        )

    return setup


@pytest.mark.parametrize(("kind", "which"), [(kind, which) for kind in SERVERS for which in (0, 1)])
def test_a_method_of_cqc_that_is_not_known_is_refused(kind: str, which: int) -> None:
    server, guards, _ = SERVERS[kind]
    with (
        server(echoing("Nothing", "Do"), guards[which : which + 1]) as address,
        grpc.insecure_channel(address) as opened,
    ):
        channel: Any = opened
        with pytest.raises(grpc.RpcError) as raised:
            channel.unary_unary("/cqc.services.v1.Nothing/Do")(b"", timeout=LIMIT)
        assert raised.value.code() == grpc.StatusCode.UNIMPLEMENTED
        assert "/cqc.services.v1.Nothing/Do is not in the contracts" in str(raised.value.details())
        found = ServiceError.of(raised.value)
        assert found is not None
        assert found.metadata == {"feature": "/cqc.services.v1.Nothing/Do"}
        with pytest.raises(grpc.RpcError) as missing:
            channel.unary_unary("/cqc.services.v1.Nothing/Other")(b"", timeout=LIMIT)
        assert ServiceError.of(missing.value) is None


@pytest.mark.parametrize(("kind", "which"), [(kind, which) for kind in SERVERS for which in (0, 1)])
def test_a_request_that_is_not_a_message_never_gets_past_the_checks(kind: str, which: int) -> None:
    """A handler that takes bytes, as a proxy has it."""
    server, guards, _ = SERVERS[kind]
    with (
        server(echoing("MarketData", "GetPrice"), guards[which : which + 1]) as address,
        grpc.insecure_channel(address) as opened,
    ):
        channel: Any = opened
        with pytest.raises(grpc.RpcError) as raised:
            channel.unary_unary("/cqc.services.v1.MarketData/GetPrice")(
                GetPriceRequest(asset_id="BTC").SerializeToString(), metadata=BEARER, timeout=LIMIT
            )
        assert raised.value.code() == grpc.StatusCode.UNKNOWN
        assert "not a message" in str(raised.value.details())


def test_a_handler_in_a_thread_of_an_asyncio_server_knows_its_caller() -> None:
    seen: list[str] = []

    class Prices(market_data_pb2_grpc.MarketDataServicer):
        def GetPrice(self, request: Any, context: Any) -> Any:
            seen.append(principal().subject)
            raise ServiceError(ErrorReason.ERROR_REASON_NO_DATA, "no price yet")

    with (
        aio_in_a_thread(lambda made: market_data_pb2_grpc.add_MarketDataServicer_to_server(Prices(), made)) as address,
        grpc.insecure_channel(address) as channel,
    ):
        stub = market_data_pb2_grpc.MarketDataStub(channel)
        with pytest.raises(grpc.RpcError) as raised:
            stub.GetPrice(GetPriceRequest(asset_id="BTC"), metadata=BEARER, timeout=LIMIT)
        found = ServiceError.of(raised.value)
        assert found is not None
        assert (seen, found.reason) == (["holder"], ErrorReason.ERROR_REASON_NO_DATA)
