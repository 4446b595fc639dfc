"""The calls of a server: how they end when it stops, and what clients learn when a handler fails."""

from __future__ import annotations

import asyncio
import inspect
import logging
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import aclosing
from functools import wraps
from typing import Any

import grpc
import grpc.aio

__all__ = ["AsyncCalls", "Calls"]

_log = logging.getLogger("cqc.server")
_STOPPING = grpc.StatusCode.UNAVAILABLE, "the server is stopping"
_FAILED = grpc.StatusCode.INTERNAL, "the server failed; its log has the cause"
_CODES = {code.value[0]: code for code in grpc.StatusCode}


class Calls(grpc.ServerInterceptor):  # type: ignore[misc,unused-ignore]
    """The calls of a grpc.Server."""

    def __init__(self) -> None:
        self.is_stopping = False
        self._changed = threading.Condition()
        self._in_flight = 0

    def stop(self) -> None:
        """End each stream at its next message with UNAVAILABLE."""
        self.is_stopping = True

    def wait(self, timeout: float) -> None:
        """Wait up to `timeout` seconds for unary calls in flight."""
        with self._changed:
            self._changed.wait_for(lambda: not self._in_flight, timeout)

    def intercept_service(self, continuation: Callable[[Any], Any], handler_call_details: Any) -> Any:
        """See grpc.ServerInterceptor."""
        handler = continuation(handler_call_details)
        return None if handler is None else _replaced(handler, self.of_handler, handler_call_details.method)

    def of_handler(self, handler: Any, behavior: Callable[..., Any], method: str) -> Callable[..., Any]:
        """Wrap a handler's function."""

        @wraps(behavior)
        def unary(request: Any, context: Any, *callback: Any) -> Any:
            self._begin(context)
            try:
                return behavior(request, context, *callback)
            except Exception as error:
                _end(context, method, error)

        @wraps(behavior)
        def stream(request: Any, context: Any) -> Iterator[Any]:
            try:
                for response in behavior(request, context):
                    if self.is_stopping:
                        context.abort(*_STOPPING)
                    yield response
            except Exception as error:
                _end(context, method, error)

        # A handler that sends its responses through a callback returns before its call ends.
        by_callback = getattr(behavior, "experimental_non_blocking", False)
        return behavior if by_callback else stream if handler.response_streaming else unary

    def _begin(self, context: Any) -> None:
        # When the handler returns, its response is still unsent, so the call counts until gRPC reports its end.
        with self._changed:
            self._in_flight += 1
        if not context.add_callback(self._ended):
            self._ended()

    def _ended(self) -> None:
        with self._changed:
            self._in_flight -= 1
            self._changed.notify_all()


class AsyncCalls(grpc.aio.ServerInterceptor):  # type: ignore[misc,unused-ignore]
    """The calls of a grpc.aio.Server."""

    def __init__(self) -> None:
        self._is_stopping = False
        self._streams: set[asyncio.Task[Any]] = set()
        self._in_threads = Calls()

    def stop(self) -> None:
        """End each stream with UNAVAILABLE; a stream whose handler runs in a thread ends at its next message."""
        self._is_stopping = True
        self._in_threads.stop()
        for task in self._streams:
            task.cancel()

    async def intercept_service(self, continuation: Callable[[Any], Awaitable[Any]], handler_call_details: Any) -> Any:
        """See grpc.aio.ServerInterceptor."""
        handler = await continuation(handler_call_details)
        return None if handler is None else _replaced(handler, self._of_handler, handler_call_details.method)

    def _of_handler(self, handler: Any, behavior: Callable[..., Any], method: str) -> Callable[..., Any]:
        @wraps(behavior)
        async def call(request: Any, context: Any) -> Any:
            try:
                return await behavior(request, context)
            except Exception as error:
                await _end_async(context, method, error)

        @wraps(behavior)
        async def write(request: Any, context: Any) -> Any:
            try:
                with _Member(self._streams):
                    return await behavior(request, context)
            except Exception as error:
                await _end_async(context, method, error)
            except asyncio.CancelledError:
                await self._stopped(context)

        @wraps(behavior)
        async def stream(request: Any, context: Any) -> AsyncIterator[Any]:
            try:
                with _Member(self._streams):
                    async with aclosing(behavior(request, context)) as responses:
                        async for response in responses:
                            yield response
            except Exception as error:
                await _end_async(context, method, error)
            except asyncio.CancelledError:
                await self._stopped(context)

        # grpc.aio decides by these two questions how to run a handler.
        if inspect.isasyncgenfunction(behavior):
            return stream
        if inspect.iscoroutinefunction(behavior):
            return write if handler.response_streaming else call
        return self._in_threads.of_handler(handler, behavior, method)

    async def _stopped(self, context: Any) -> None:
        if not self._is_stopping:
            raise asyncio.CancelledError
        await context.abort(*_STOPPING)


class _Member:
    """Keeps the current task in a set."""

    def __init__(self, tasks: set[asyncio.Task[Any]]) -> None:
        self._tasks = tasks
        self._task: Any = asyncio.current_task()

    def __enter__(self) -> None:
        self._tasks.add(self._task)

    def __exit__(self, *_: object) -> None:
        self._tasks.discard(self._task)


def _status(context: Any, method: str, error: Exception) -> tuple[grpc.StatusCode, str]:
    """Return the status of a call whose handler failed: the one it set, or INTERNAL without the exception's text."""
    code: Any = getattr(context, "code", lambda: None)()
    code = _CODES.get(code, code)
    if code not in (None, grpc.StatusCode.OK):
        details = context.details() or ""
        return code, details.decode() if isinstance(details, bytes) else details
    _log.error("%s failed", method, exc_info=error)
    return _FAILED


def _end(context: Any, method: str, error: Exception) -> None:
    # `abort` raises a bare Exception, or, in a thread of grpc.aio, an AbortError.
    if isinstance(error, grpc.aio.AbortError) or (type(error) is Exception and not error.args):
        raise error
    context.abort(*_status(context, method, error))


async def _end_async(context: Any, method: str, error: Exception) -> None:
    if isinstance(error, grpc.aio.AbortError):
        raise error
    await context.abort(*_status(context, method, error))


def _replaced(handler: Any, calls: Callable[[Any, Callable[..., Any], str], Callable[..., Any]], method: str) -> Any:
    """Return the handler with its function wrapped."""
    kind = ("stream" if handler.request_streaming else "unary") + (
        "_stream" if handler.response_streaming else "_unary"
    )
    make = getattr(grpc, f"{kind}_rpc_method_handler")
    return make(
        calls(handler, getattr(handler, kind), method), handler.request_deserializer, handler.response_serializer
    )
