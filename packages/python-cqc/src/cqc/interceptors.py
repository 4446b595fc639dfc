"""gRPC interceptors that reject invalid requests, for servers and clients.

    grpc.server(pool, interceptors=[ValidationServerInterceptor()])
    grpc.intercept_channel(channel, ValidationClientInterceptor())
    grpc.aio.server(interceptors=[AsyncValidationServerInterceptor()])
    grpc.aio.insecure_channel(address, interceptors=async_validation_client_interceptors())

Requests are validated. Responses are not, because a client must accept what a venue reported. A server rejects an
invalid request with the reason INVALID_FIELD and one violation per violated rule (see `cqc.errors`). A client raises
the same error without sending anything. Client streams, which CQC does not have, are validated by the server
only. Requires the extra `validation`: `pip install "cqc[validation]"`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc
import grpc.aio

from cqc._interception import AsyncGuardingInterceptor, GuardingInterceptor
from cqc._validation import Violation, validate
from cqc.errors import ServiceError

__all__ = [
    "AsyncValidationServerInterceptor",
    "InvalidRequestError",
    "ValidationClientInterceptor",
    "ValidationServerInterceptor",
    "async_validation_client_interceptors",
]


class InvalidRequestError(grpc.RpcError):
    """A request was not sent because of its `violations`; carries the status that a server would return."""

    def __init__(self, request: Any, violations: list[Violation]) -> None:
        self.violations = violations
        self._error = ServiceError.invalid_request(request, violations)
        super().__init__(self._error.message)

    def code(self) -> grpc.StatusCode:
        """`INVALID_ARGUMENT`."""
        return self._error.code

    def details(self) -> str:
        """The message type and its violations."""
        return self._error.message

    def trailing_metadata(self) -> Any:
        """The google.rpc.Status with ErrorInfo and BadRequest, under the key that grpc_status reads."""
        return self._error.trailing_metadata()


class ValidationServerInterceptor(GuardingInterceptor):
    """Rejects invalid requests. A ServiceError that a handler raises becomes the status of the call."""

    def __init__(self) -> None:
        super().__init__(lambda _: _Validation())


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


class AsyncValidationServerInterceptor(AsyncGuardingInterceptor):
    """Rejects invalid requests, for grpc.aio. A ServiceError that a handler raises becomes the status of the call."""

    def __init__(self) -> None:
        super().__init__(lambda _: _Validation())


class _Validation:
    def call(self, context: Any) -> None:
        """Any call may be made."""

    def request(self, request: Any) -> None:
        if violations := _violations(request):
            raise ServiceError.invalid_request(request, violations)


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


def _violations(request: Any) -> list[Violation]:
    return validate(request) if hasattr(request, "DESCRIPTOR") else []


def _raise_if_invalid(request: Any) -> None:
    if violations := _violations(request):
        raise InvalidRequestError(request, violations)


def _raise_if_invalid_async(request: Any) -> None:
    if violations := _violations(request):
        error = ServiceError.invalid_request(request, violations)
        trailing = grpc.aio.Metadata(*error.trailing_metadata())
        raise grpc.aio.AioRpcError(error.code, grpc.aio.Metadata(), trailing, details=error.message)
