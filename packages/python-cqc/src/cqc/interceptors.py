"""gRPC interceptors that reject invalid requests, for servers and clients.

    grpc.server(pool, interceptors=[ValidationServerInterceptor()])
    grpc.intercept_channel(channel, ValidationClientInterceptor())
    grpc.aio.server(interceptors=[AsyncValidationServerInterceptor()])
    grpc.aio.insecure_channel(address, interceptors=async_validation_client_interceptors())

Requests are validated. Responses are not, because a client must accept what a venue reported. A server rejects an
invalid request with INVALID_ARGUMENT and a google.rpc.BadRequest with one field violation per violated rule. A client
raises the same error without sending anything. Client streams, which CQC does not have, are validated by the server
only. Requires the extra `validation`: `pip install "cqc[validation]"`.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import grpc
import grpc.aio

from cqc._validation import Violation, validate

try:
    from google.rpc.code_pb2 import INVALID_ARGUMENT
    from google.rpc.error_details_pb2 import BadRequest
    from google.rpc.status_pb2 import Status
except ImportError as error:
    raise ImportError('the interceptors require googleapis-common-protos: pip install "cqc[validation]"') from error

__all__ = [
    "AsyncValidationServerInterceptor",
    "InvalidRequestError",
    "ValidationClientInterceptor",
    "ValidationServerInterceptor",
    "async_validation_client_interceptors",
]

DETAILS = "grpc-status-details-bin"


class InvalidRequestError(grpc.RpcError):
    """A request was not sent because of its `violations`; carries the status that a server would return."""

    def __init__(self, request: Any, violations: list[Violation]) -> None:
        self.violations = violations
        self._status = _status(request, violations)
        super().__init__(self._status.message)

    def code(self) -> grpc.StatusCode:
        """`INVALID_ARGUMENT`."""
        return grpc.StatusCode.INVALID_ARGUMENT

    def details(self) -> str:
        """The message type and its violations."""
        return str(self._status.message)

    def trailing_metadata(self) -> Any:
        """The google.rpc.Status with a BadRequest, under the key that grpc_status reads."""
        return ((DETAILS, self._status.SerializeToString()),)


class ValidationServerInterceptor(grpc.ServerInterceptor):  # type: ignore[misc,unused-ignore]
    """Rejects invalid requests."""

    def intercept_service(self, continuation: Callable[[Any], Any], handler_call_details: Any) -> Any:
        """See grpc.ServerInterceptor."""
        handler = continuation(handler_call_details)
        if handler is None:
            return None

        def one(behavior: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
            def validated(request: Any, context: Any) -> Any:
                _reject(request, context)
                return behavior(request, context)

            return validated

        def many(behavior: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
            def validated(requests: Iterator[Any], context: Any) -> Any:
                def valid() -> Iterator[Any]:
                    for request in requests:
                        _reject(request, context)
                        yield request

                return behavior(valid(), context)

            return validated

        return _wrapped(handler, one, many)


class ValidationClientInterceptor(
    grpc.UnaryUnaryClientInterceptor,  # type: ignore[misc,unused-ignore]
    grpc.UnaryStreamClientInterceptor,  # type: ignore[misc,unused-ignore]
):
    """Raises InvalidRequestError instead of sending an invalid request."""

    def intercept_unary_unary(self, continuation: Callable[[Any, Any], Any], details: Any, request: Any) -> Any:
        """See grpc.UnaryUnaryClientInterceptor."""
        _raise_if_invalid(request)
        return continuation(details, request)

    def intercept_unary_stream(self, continuation: Callable[[Any, Any], Any], details: Any, request: Any) -> Any:
        """See grpc.UnaryStreamClientInterceptor."""
        _raise_if_invalid(request)
        return continuation(details, request)


class AsyncValidationServerInterceptor(grpc.aio.ServerInterceptor):  # type: ignore[misc,unused-ignore]
    """Rejects invalid requests, for grpc.aio."""

    async def intercept_service(self, continuation: Callable[[Any], Awaitable[Any]], handler_call_details: Any) -> Any:
        """See grpc.aio.ServerInterceptor."""
        handler = await continuation(handler_call_details)
        if handler is None:
            return None
        is_streaming = handler.response_streaming

        def one(behavior: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
            async def validated(request: Any, context: Any) -> Any:
                await _reject_async(request, context)
                return await behavior(request, context)

            async def validated_stream(request: Any, context: Any) -> AsyncIterator[Any]:
                await _reject_async(request, context)
                async for response in behavior(request, context):
                    yield response

            return validated_stream if is_streaming else validated

        def many(behavior: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
            async def valid(requests: AsyncIterable[Any], context: Any) -> AsyncIterator[Any]:
                async for request in requests:
                    await _reject_async(request, context)
                    yield request

            def validated(requests: AsyncIterable[Any], context: Any) -> Any:
                return behavior(valid(requests, context), context)

            return validated

        return _wrapped(handler, one, many)


class _AsyncUnaryUnary(grpc.aio.UnaryUnaryClientInterceptor):  # type: ignore[misc,unused-ignore]
    async def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
        _raise_if_invalid_async(request)
        return await continuation(details, request)


class _AsyncUnaryStream(grpc.aio.UnaryStreamClientInterceptor):  # type: ignore[misc,unused-ignore]
    async def intercept_unary_stream(self, continuation: Any, details: Any, request: Any) -> Any:
        _raise_if_invalid_async(request)
        return await continuation(details, request)


def async_validation_client_interceptors() -> list[grpc.aio.ClientInterceptor]:
    """Return interceptors that raise AioRpcError instead of sending an invalid request, for a grpc.aio channel."""
    return [_AsyncUnaryUnary(), _AsyncUnaryStream()]


def _status(request: Any, violations: list[Violation]) -> Status:
    lines = [f"{item.field}: {item.message}".removeprefix(": ") for item in violations]
    status = Status(code=INVALID_ARGUMENT, message=f"invalid {request.DESCRIPTOR.full_name}: {'; '.join(lines)}")
    status.details.add().Pack(
        BadRequest(
            field_violations=[
                BadRequest.FieldViolation(field=item.field, description=item.message, reason=item.rule_id)
                for item in violations
            ]
        )
    )
    return status


def _violations(request: Any) -> list[Violation]:
    return validate(request) if hasattr(request, "DESCRIPTOR") else []


def _reject(request: Any, context: Any) -> None:
    if violations := _violations(request):
        status = _status(request, violations)
        context.set_trailing_metadata(((DETAILS, status.SerializeToString()),))
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, status.message)


async def _reject_async(request: Any, context: Any) -> None:
    if violations := _violations(request):
        status = _status(request, violations)
        await context.abort(grpc.StatusCode.INVALID_ARGUMENT, status.message, ((DETAILS, status.SerializeToString()),))


def _raise_if_invalid(request: Any) -> None:
    if violations := _violations(request):
        raise InvalidRequestError(request, violations)


def _raise_if_invalid_async(request: Any) -> None:
    if violations := _violations(request):
        status = _status(request, violations)
        trailing = grpc.aio.Metadata((DETAILS, status.SerializeToString()))
        raise grpc.aio.AioRpcError(
            grpc.StatusCode.INVALID_ARGUMENT, grpc.aio.Metadata(), trailing, details=status.message
        )


def _wrapped(handler: Any, one: Callable[[Any], Any], many: Callable[[Any], Any]) -> Any:
    """Return the handler with its behavior wrapped: by `one` for a single request, by `many` for a stream."""
    kinds = [
        (handler.unary_unary, one, grpc.unary_unary_rpc_method_handler),
        (handler.unary_stream, one, grpc.unary_stream_rpc_method_handler),
        (handler.stream_unary, many, grpc.stream_unary_rpc_method_handler),
        (handler.stream_stream, many, grpc.stream_stream_rpc_method_handler),
    ]
    for behavior, wrap, make in kinds:
        if behavior:
            return make(wrap(behavior), handler.request_deserializer, handler.response_serializer)
    return handler
