"""Keep messages that break the contracts' rules off the wire: one line each for a server and a client.

    grpc.server(pool, interceptors=[ValidationServerInterceptor()])
    grpc.intercept_channel(channel, ValidationClientInterceptor())
    grpc.aio.server(interceptors=[AsyncValidationServerInterceptor()])
    grpc.aio.insecure_channel(address, interceptors=async_validation_client_interceptors())

Requests are checked, answers are not: they are facts, which the receiver takes as they are. A request that breaks a
rule is answered with INVALID_ARGUMENT and a google.rpc.BadRequest that has one field violation per broken rule; the
client's interceptors raise the same error without sending anything. Streams of requests, of which CQC has none, are
checked by the server alone. Needs the extra `validation`: `pip install "cqc[validation]"`.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import grpc
import grpc.aio

from cqc.validation import Violation, validate

try:
    from google.rpc.code_pb2 import INVALID_ARGUMENT
    from google.rpc.error_details_pb2 import BadRequest
    from google.rpc.status_pb2 import Status
except ImportError as error:
    raise ImportError('the interceptors need googleapis-common-protos: pip install "cqc[validation]"') from error

__all__ = [
    "AsyncValidationServerInterceptor",
    "InvalidRequestError",
    "ValidationClientInterceptor",
    "ValidationServerInterceptor",
    "async_validation_client_interceptors",
]

DETAILS = "grpc-status-details-bin"


class InvalidRequestError(grpc.RpcError):
    """A request that was not sent because it breaks the rules in `violations`; has what the answer of a server has."""

    def __init__(self, request: Any, violations: list[Violation]) -> None:
        self.violations = violations
        self._status = _status(request, violations)
        super().__init__(self._status.message)

    def code(self) -> grpc.StatusCode:
        """`INVALID_ARGUMENT`."""
        return grpc.StatusCode.INVALID_ARGUMENT

    def details(self) -> str:
        """Which message breaks its contract, and how."""
        return str(self._status.message)

    def trailing_metadata(self) -> Any:
        """The google.rpc.Status with a BadRequest, where grpc_status looks for it."""
        return ((DETAILS, self._status.SerializeToString()),)


class ValidationServerInterceptor(grpc.ServerInterceptor):  # type: ignore[misc,unused-ignore]
    """Refuses requests that break the rules."""

    def intercept_service(self, continuation: Callable[[Any], Any], handler_call_details: Any) -> Any:
        """See grpc.ServerInterceptor."""
        handler = continuation(handler_call_details)
        if handler is None:
            return None

        def one(behavior: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
            def checked(request: Any, context: Any) -> Any:
                _refuse(request, context)
                return behavior(request, context)

            return checked

        def many(behavior: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
            def checked(requests: Iterator[Any], context: Any) -> Any:
                def valid() -> Iterator[Any]:
                    for request in requests:
                        _refuse(request, context)
                        yield request

                return behavior(valid(), context)

            return checked

        return _wrapped(handler, one, many)


class ValidationClientInterceptor(
    grpc.UnaryUnaryClientInterceptor,  # type: ignore[misc,unused-ignore]
    grpc.UnaryStreamClientInterceptor,  # type: ignore[misc,unused-ignore]
):
    """Raises InvalidRequestError instead of sending a request that breaks the rules."""

    def intercept_unary_unary(self, continuation: Callable[[Any, Any], Any], details: Any, request: Any) -> Any:
        """See grpc.UnaryUnaryClientInterceptor."""
        _raise_if_broken(request)
        return continuation(details, request)

    def intercept_unary_stream(self, continuation: Callable[[Any, Any], Any], details: Any, request: Any) -> Any:
        """See grpc.UnaryStreamClientInterceptor."""
        _raise_if_broken(request)
        return continuation(details, request)


class AsyncValidationServerInterceptor(grpc.aio.ServerInterceptor):  # type: ignore[misc,unused-ignore]
    """Refuses requests that break the rules, for grpc.aio."""

    async def intercept_service(self, continuation: Callable[[Any], Awaitable[Any]], handler_call_details: Any) -> Any:
        """See grpc.aio.ServerInterceptor."""
        handler = await continuation(handler_call_details)
        if handler is None:
            return None
        answers_many = handler.response_streaming

        def one(behavior: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
            async def checked(request: Any, context: Any) -> Any:
                await _refuse_async(request, context)
                return await behavior(request, context)

            async def checked_stream(request: Any, context: Any) -> AsyncIterator[Any]:
                await _refuse_async(request, context)
                async for answer in behavior(request, context):
                    yield answer

            return checked_stream if answers_many else checked

        def many(behavior: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
            async def valid(requests: AsyncIterable[Any], context: Any) -> AsyncIterator[Any]:
                async for request in requests:
                    await _refuse_async(request, context)
                    yield request

            def checked(requests: AsyncIterable[Any], context: Any) -> Any:
                return behavior(valid(requests, context), context)

            return checked

        return _wrapped(handler, one, many)


class _AsyncUnaryUnary(grpc.aio.UnaryUnaryClientInterceptor):  # type: ignore[misc,unused-ignore]
    async def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
        _raise_if_broken_async(request)
        return await continuation(details, request)


class _AsyncUnaryStream(grpc.aio.UnaryStreamClientInterceptor):  # type: ignore[misc,unused-ignore]
    async def intercept_unary_stream(self, continuation: Any, details: Any, request: Any) -> Any:
        _raise_if_broken_async(request)
        return await continuation(details, request)


def async_validation_client_interceptors() -> list[grpc.aio.ClientInterceptor]:
    """What a grpc.aio channel needs to raise AioRpcError instead of sending a request that breaks the rules."""
    return [_AsyncUnaryUnary(), _AsyncUnaryStream()]


def _status(request: Any, violations: list[Violation]) -> Status:
    lines = [f"{item.field}: {item.message}".removeprefix(": ") for item in violations]
    refused = Status(
        code=INVALID_ARGUMENT, message=f"{request.DESCRIPTOR.full_name} breaks its contract: {'; '.join(lines)}"
    )
    refused.details.add().Pack(
        BadRequest(
            field_violations=[
                BadRequest.FieldViolation(field=item.field, description=item.message, reason=item.rule)
                for item in violations
            ]
        )
    )
    return refused


def _violations(request: Any) -> list[Violation]:
    return validate(request) if hasattr(request, "DESCRIPTOR") else []


def _refuse(request: Any, context: Any) -> None:
    if violations := _violations(request):
        refused = _status(request, violations)
        context.set_trailing_metadata(((DETAILS, refused.SerializeToString()),))
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, refused.message)


async def _refuse_async(request: Any, context: Any) -> None:
    if violations := _violations(request):
        refused = _status(request, violations)
        await context.abort(
            grpc.StatusCode.INVALID_ARGUMENT, refused.message, ((DETAILS, refused.SerializeToString()),)
        )


def _raise_if_broken(request: Any) -> None:
    if violations := _violations(request):
        raise InvalidRequestError(request, violations)


def _raise_if_broken_async(request: Any) -> None:
    if violations := _violations(request):
        refused = _status(request, violations)
        trailing = grpc.aio.Metadata((DETAILS, refused.SerializeToString()))
        raise grpc.aio.AioRpcError(
            grpc.StatusCode.INVALID_ARGUMENT, grpc.aio.Metadata(), trailing, details=refused.message
        )


def _wrapped(handler: Any, one: Callable[[Any], Any], many: Callable[[Any], Any]) -> Any:
    """The same handler with its function for one request, or for a stream of them, wrapped."""
    ways = [
        (handler.unary_unary, one, grpc.unary_unary_rpc_method_handler),
        (handler.unary_stream, one, grpc.unary_stream_rpc_method_handler),
        (handler.stream_unary, many, grpc.stream_unary_rpc_method_handler),
        (handler.stream_stream, many, grpc.stream_stream_rpc_method_handler),
    ]
    for behavior, wrap, make in ways:
        if behavior:
            return make(wrap(behavior), handler.request_deserializer, handler.response_serializer)
    return handler
