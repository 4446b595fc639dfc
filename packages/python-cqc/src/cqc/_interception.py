"""What the server interceptors share: checks before a call, and errors as the status of the call."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextvars import copy_context
from typing import Any, NoReturn, Protocol

import grpc
import grpc.aio

from cqc.errors import ServiceError


class Guard(Protocol):
    """Checks of a call. Each raises ServiceError; what they set in context variables holds for the handler."""

    def call(self, context: Any) -> None:
        """Check the call before its first request."""

    def request(self, request: Any) -> None:
        """Check one request."""


Guards = Callable[[str], Guard | None]
"""Returns the checks of a method such as `/cqc.services.v1.MarketData/GetPrice`, or None for no checks."""


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


def _guarded(handler: Any, guard: Guard) -> Callable[[Any, Any], Any]:
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
                current.run(guard.request, request)
                yield request

        return current, checked()

    def unary(requests: Any, context: Any) -> Any:
        try:
            current, checked = start(requests, context)
            return current.run(behavior, checked, context)
        except ServiceError as error:
            _abort(context, error)

    def stream(requests: Any, context: Any) -> Iterator[Any]:
        try:
            current, checked = start(requests, context)
            responses = current.run(iter, current.run(behavior, checked, context))
            while True:
                try:
                    response = current.run(next, responses)
                except StopIteration:
                    return
                yield response
        except ServiceError as error:
            _abort(context, error)

    return stream if handler.response_streaming else unary


def _guarded_async(handler: Any, guard: Guard) -> Callable[[Any, Any], Any]:
    behavior = _behavior(handler)

    def start(requests: Any, context: Any) -> Any:
        guard.call(context)
        if not handler.request_streaming:
            guard.request(requests)
            return requests

        async def checked() -> AsyncIterator[Any]:
            async for request in requests:
                guard.request(request)
                yield request

        return checked()

    async def unary(requests: Any, context: Any) -> Any:
        try:
            return await behavior(start(requests, context), context)
        except ServiceError as error:
            await context.abort(error.code, error.message, error.trailing_metadata())

    async def stream(requests: Any, context: Any) -> AsyncIterator[Any]:
        try:
            async for response in behavior(start(requests, context), context):
                yield response
        except ServiceError as error:
            await context.abort(error.code, error.message, error.trailing_metadata())

    return stream if handler.response_streaming else unary


def _abort(context: Any, error: ServiceError) -> NoReturn:
    context.set_trailing_metadata(error.trailing_metadata())
    context.abort(error.code, error.message)
    raise AssertionError("abort raises")


def _behavior(handler: Any) -> Callable[[Any, Any], Any]:
    found: Callable[[Any, Any], Any] = (
        handler.unary_unary or handler.unary_stream or handler.stream_unary or handler.stream_stream
    )
    return found


def _replaced(
    handler: Any, method: str, guards: Guards, guarded: Callable[[Any, Guard], Callable[[Any, Any], Any]]
) -> Any:
    """The handler of a method behind its guard; the handler itself if the method is not served or has no guard."""
    guard = guards(method) if handler is not None else None
    if guard is None:
        return handler
    make = {
        (False, False): grpc.unary_unary_rpc_method_handler,
        (False, True): grpc.unary_stream_rpc_method_handler,
        (True, False): grpc.stream_unary_rpc_method_handler,
        (True, True): grpc.stream_stream_rpc_method_handler,
    }[bool(handler.request_streaming), bool(handler.response_streaming)]
    return make(guarded(handler, guard), handler.request_deserializer, handler.response_serializer)
