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

    def call(self, metadata: Any) -> None:
        """Check the call by its metadata."""

    def request(self, request: Any) -> None:
        """Check one request."""


class GuardingInterceptor(grpc.ServerInterceptor):  # type: ignore[misc,unused-ignore]
    """Runs a guard before the handler of each call. A ServiceError of either becomes the status of the call."""

    def guard(self, method: str) -> Guard | None:
        """Return the checks of a method such as `/cqc.services.v1.MarketData/GetPrice`, or None for no checks."""
        raise NotImplementedError

    def intercept_service(self, continuation: Callable[[Any], Any], handler_call_details: Any) -> Any:
        """See grpc.ServerInterceptor."""
        handler = continuation(handler_call_details)
        guard = self.guard(handler_call_details.method)
        return handler if handler is None or guard is None else _replaced(handler, _guarded(handler, guard))


class AsyncGuardingInterceptor(grpc.aio.ServerInterceptor):  # type: ignore[misc,unused-ignore]
    """Runs a guard before the handler of each call, for grpc.aio."""

    def guard(self, method: str) -> Guard | None:
        """Return the checks of a method such as `/cqc.services.v1.MarketData/GetPrice`, or None for no checks."""
        raise NotImplementedError

    async def intercept_service(self, continuation: Callable[[Any], Awaitable[Any]], handler_call_details: Any) -> Any:
        """See grpc.aio.ServerInterceptor."""
        handler = await continuation(handler_call_details)
        guard = self.guard(handler_call_details.method)
        return handler if handler is None or guard is None else _replaced(handler, _guarded_async(handler, guard))


def _guarded(handler: Any, guard: Guard) -> Callable[[Any, Any], Any]:
    # The threads of a server take turns with many calls, so each step of a call runs in a context of its own.
    behavior, current_context = _behavior(handler), copy_context

    def start(requests: Any, context: Any) -> Any:
        current = current_context()
        current.run(guard.call, context.invocation_metadata())
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
        guard.call(context.invocation_metadata())
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


def _replaced(handler: Any, behavior: Callable[[Any, Any], Any]) -> Any:
    make = {
        (False, False): grpc.unary_unary_rpc_method_handler,
        (False, True): grpc.unary_stream_rpc_method_handler,
        (True, False): grpc.stream_unary_rpc_method_handler,
        (True, True): grpc.stream_stream_rpc_method_handler,
    }[bool(handler.request_streaming), bool(handler.response_streaming)]
    return make(behavior, handler.request_deserializer, handler.response_serializer)
