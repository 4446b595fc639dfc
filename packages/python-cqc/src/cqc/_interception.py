"""What the server interceptors share: checks before a call, and errors as the status of the call."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing
from contextvars import copy_context
from functools import wraps
from typing import Any, Protocol

import grpc
import grpc.aio
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message

from cqc.errors import STATUS_KEY, ServiceError
from cqc.services.v1 import ErrorReason


class Guard(Protocol):
    """Checks of a call. Each raises ServiceError; what they set in context variables holds for the handler."""

    def call(self, context: Any) -> None:
        """Check the call before its first request."""

    def request(self, request: Any) -> None:
        """Check one request."""


Guards = Callable[[str], Guard | None]
"""Returns the checks of a method such as `/cqc.services.v1.MarketData/GetPrice`, or None to leave its handler as is."""


def method_of(method: str) -> MethodDescriptor | None:
    """Return the descriptor of a method, named as in `scope_of`, or None if it is not loaded."""
    service, _, name = method.removeprefix("/").replace("/", ".").rpartition(".")
    try:
        return descriptor_pool.Default().FindServiceByName(service).methods_by_name[name]  # type: ignore[no-any-return,unused-ignore]
    except KeyError:
        return None


def message(request: Any) -> Message:
    """Return a request that is to be checked. Raises TypeError for one that is not a message, such as bytes."""
    if not isinstance(request, Message):
        raise TypeError(
            f"the request is {type(request).__name__}, not a message, so it cannot be checked: "
            "give the method's handler a request_deserializer, such as GetPriceRequest.FromString"
        )
    return request


class GuardingInterceptor(grpc.ServerInterceptor):  # type: ignore[misc,unused-ignore]
    """Runs a guard before the handler of each call. A ServiceError of either becomes the status of the call."""

    def __init__(self, guards: Guards) -> None:
        self._guards = guards

    def intercept_service(self, continuation: Callable[[Any], Any], handler_call_details: Any) -> Any:
        """See grpc.ServerInterceptor."""
        return _replaced(continuation(handler_call_details), handler_call_details.method, self._guards, _guarded)


class AsyncGuardingInterceptor(grpc.aio.ServerInterceptor):  # type: ignore[misc,unused-ignore]
    """Runs a guard before the handler of each call, for grpc.aio."""

    def __init__(self, guards: Guards) -> None:
        self._guards = guards

    async def intercept_service(self, continuation: Callable[[Any], Awaitable[Any]], handler_call_details: Any) -> Any:
        """See grpc.aio.ServerInterceptor."""
        handler = await continuation(handler_call_details)
        return _replaced(handler, handler_call_details.method, self._guards, _guarded_async)


class _Unknown:
    """Refuses every call of a `cqc.*` method that is not in the descriptors: nothing about it could be checked."""

    def __init__(self, method: str) -> None:
        self._method = method

    def call(self, context: Any) -> None:
        raise ServiceError(
            ErrorReason.ERROR_REASON_FEATURE_NOT_SUPPORTED,
            f"{self._method} is not in the contracts that this server has loaded: import the module of its service, "
            "or install a newer version of the package",
            feature=self._method,
        )

    def request(self, request: Any) -> None:
        """No request gets this far."""


class _CheckedContext:
    """The context of a grpc.aio handler that may `read` its requests instead of iterating over them."""

    def __init__(self, context: Any, check: Callable[[Any], None]) -> None:
        self._context = context
        self._check = check

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)

    async def read(self) -> Any:
        request = await self._context.read()
        if request is not grpc.aio.EOF:
            self._check(request)
        return request


def _guarded(handler: Any, guard: Guard) -> Callable[..., Any]:
    # The threads of a server take turns with many calls, so each step of a call runs in a context of its own.
    behavior = _behavior(handler)

    def start(requests: Any, context: Any) -> Any:
        current = copy_context()
        current.run(guard.call, context)
        if not handler.request_streaming:
            current.run(guard.request, requests)
            return current, requests

        def checked() -> Iterator[Any]:
            for request in requests:
                # In a copy, because the handler iterates in this context, or in a thread of its own.
                current.copy().run(guard.request, request)
                yield request

        return current, checked()

    # `wraps` also copies the attributes by which grpc.Server recognizes a handler that sends its responses through a
    # callback, its third argument, instead of returning them.
    @wraps(behavior)
    def call(requests: Any, context: Any, *callback: Any) -> Any:
        try:
            current, checked = start(requests, context)
            return current.run(behavior, checked, context, *callback)
        except ServiceError as error:
            context.set_trailing_metadata(_trailing(context, error))
            context.abort(error.code, error.message)

    @wraps(behavior)
    def stream(requests: Any, context: Any) -> Iterator[Any]:
        try:
            current, checked = start(requests, context)
            responses = current.run(iter, current.run(behavior, checked, context))
            while True:
                try:
                    response = current.run(next, responses)
                except StopIteration:
                    return
                try:
                    yield response
                except GeneratorExit:
                    # As `yield from` does: the handler's own clean-up must not wait for the garbage collector.
                    current.run(getattr(responses, "close", lambda: None))
                    raise
        except ServiceError as error:
            # Not by abort: grpc.aio may still be sending a response of this thread, and would fail to send the status.
            context.set_trailing_metadata(_trailing(context, error))
            context.set_code(error.code)
            context.set_details(error.message)

    by_callback = getattr(behavior, "experimental_non_blocking", False)
    return stream if handler.response_streaming and not by_callback else call


def _guarded_async(handler: Any, guard: Guard) -> Callable[..., Any]:
    behavior = _behavior(handler)

    def start(requests: Any, context: Any) -> Any:
        guard.call(context)
        if not handler.request_streaming:
            guard.request(requests)
            return requests, context

        async def checked() -> AsyncIterator[Any]:
            async for request in requests:
                guard.request(request)
                yield request

        return checked(), _CheckedContext(context, guard.request)

    @wraps(behavior)
    async def call(requests: Any, context: Any) -> Any:
        try:
            return await behavior(*start(requests, context))
        except ServiceError as error:
            context.set_trailing_metadata(_trailing(context, error))
            await context.abort(error.code, error.message)

    @wraps(behavior)
    async def stream(requests: Any, context: Any) -> AsyncIterator[Any]:
        try:
            async with aclosing(behavior(*start(requests, context))) as responses:
                async for response in responses:
                    yield response
        except ServiceError as error:
            context.set_trailing_metadata(_trailing(context, error))
            await context.abort(error.code, error.message)

    # grpc.aio decides by these two questions how to run a handler: one that is neither runs in a thread, with the
    # interface of grpc.Server. A coroutine with a response stream sends it by `context.write`.
    if inspect.isasyncgenfunction(behavior):
        return stream
    return call if inspect.iscoroutinefunction(behavior) else _guarded(handler, guard)


def _trailing(context: Any, error: ServiceError) -> tuple[Any, ...]:
    """The trailing metadata of the error, after what other interceptors and the handler have set."""
    # grpc.aio gives a handler that runs in a thread a context whose trailing metadata can be set, but not read.
    read = getattr(context, "trailing_metadata", lambda: None)
    others = [(key, value) for key, value in read() or () if key != STATUS_KEY]
    return (*others, *error.trailing_metadata())


def _behavior(handler: Any) -> Callable[..., Any]:
    found: Callable[..., Any] = (
        handler.unary_unary or handler.unary_stream or handler.stream_unary or handler.stream_stream
    )
    return found


def _replaced(handler: Any, method: str, guards: Guards, guarded: Callable[[Any, Guard], Callable[..., Any]]) -> Any:
    """The handler of a method behind its guard; the handler itself if the method is not served or has no guard."""
    if handler is None:
        return None
    is_unknown = method.startswith("/cqc.") and method_of(method) is None
    guard = _Unknown(method) if is_unknown else guards(method)
    if guard is None:
        return handler
    make = {
        (False, False): grpc.unary_unary_rpc_method_handler,
        (False, True): grpc.unary_stream_rpc_method_handler,
        (True, False): grpc.stream_unary_rpc_method_handler,
        (True, True): grpc.stream_stream_rpc_method_handler,
    }[bool(handler.request_streaming), bool(handler.response_streaming)]
    return make(guarded(handler, guard), handler.request_deserializer, handler.response_serializer)
