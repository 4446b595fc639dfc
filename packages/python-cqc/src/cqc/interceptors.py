"""gRPC interceptors that reject invalid requests, for servers and clients.

    grpc.server(pool, interceptors=[ValidationServerInterceptor()])
    grpc.intercept_channel(channel, ValidationClientInterceptor())
    grpc.aio.server(interceptors=[AsyncValidationServerInterceptor()])
    grpc.aio.insecure_channel(address, interceptors=async_validation_client_interceptors())

Requests are validated. Responses are not, because a client must accept what a venue reported. A server rejects an
invalid request with the reason INVALID_FIELD and one violation per violated rule (see `cqc.errors`). A client fails
with the same error without sending anything. Request streams, which CQC does not have, are validated by the server
only. Requires the extra `validation`: `pip install "cqc[validation]"`.

On a server, the services of other contracts are validated too, if their protos import buf/validate/validate.proto or
CQC's. All others, such as gRPC's health and reflection, keep their handlers as they are. A method of `cqc.*` that is
not loaded is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from types import TracebackType
from typing import Any, NoReturn

import grpc
import grpc.aio
from google.protobuf.descriptor import FileDescriptor

from cqc import _buf_validate
from cqc._interception import AsyncGuardingInterceptor, Guard, GuardingInterceptor, message, method_of
from cqc._pickling import reduce
from cqc._validation import validate
from cqc._violation import Violation
from cqc.errors import ServiceError

__all__ = [
    "AsyncValidationServerInterceptor",
    "InvalidRequestError",
    "ValidationClientInterceptor",
    "ValidationServerInterceptor",
    "async_validation_client_interceptors",
]


class InvalidRequestError(grpc.RpcError, grpc.Call, grpc.Future):  # type: ignore[misc,type-arg,unused-ignore]
    """A request was not sent because of its `violations`; carries the status that a server would return.

    It is the call too, as with the errors of gRPC itself: a call that is over, and failed with this error.
    """

    __reduce__ = reduce

    def __init__(self, request: Any, violations: list[Violation]) -> None:
        self.violations = violations
        self._error = ServiceError.invalid_request(request, violations)
        super().__init__(str(self._error))

    def code(self) -> grpc.StatusCode:
        """`INVALID_ARGUMENT`."""
        return self._error.code

    def details(self) -> str:
        """The message type and its violations."""
        return self._error.message

    def trailing_metadata(self) -> Any:
        """The google.rpc.Status with ErrorInfo and BadRequest, under the key that grpc_status reads."""
        return self._error.trailing_metadata()

    def initial_metadata(self) -> Any:
        """Empty."""
        return ()

    def is_active(self) -> bool:
        """False."""
        return False

    def time_remaining(self) -> Any:
        """None: the call is over."""

    def cancel(self) -> bool:
        """False: the call is over."""
        return False

    def cancelled(self) -> bool:
        """False."""
        return False

    def running(self) -> bool:
        """False."""
        return False

    def done(self) -> bool:
        """True."""
        return True

    def result(self, timeout: float | None = None) -> NoReturn:
        """Raises this error."""
        raise self

    def exception(self, timeout: float | None = None) -> InvalidRequestError:
        """This error."""
        return self

    def traceback(self, timeout: float | None = None) -> TracebackType | None:
        """Where the error was raised; None if it was not."""
        return self.__traceback__

    def add_callback(self, callback: Callable[[], None]) -> bool:
        """False: the call is over, so the callback is not called."""
        return False

    def add_done_callback(self, fn: Callable[[Any], None]) -> None:
        """Calls `fn` with this error."""
        fn(self)

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> NoReturn:
        raise self


class ValidationServerInterceptor(GuardingInterceptor):
    """Rejects invalid requests. A ServiceError that a handler raises becomes the status of the call."""

    def __init__(self) -> None:
        super().__init__(_validation)


class ValidationClientInterceptor(
    grpc.UnaryUnaryClientInterceptor,  # type: ignore[misc,unused-ignore]
    grpc.UnaryStreamClientInterceptor,  # type: ignore[misc,unused-ignore]
):
    """Fails a call with InvalidRequestError instead of sending an invalid request.

    As with every error of gRPC, a unary call raises it, `future()` returns it as the call, and a stream raises it when
    it is iterated over.
    """

    def intercept_unary_unary(self, continuation: Callable[[Any, Any], Any], details: Any, request: Any) -> Any:
        """See grpc.UnaryUnaryClientInterceptor."""
        return _refused(request) or continuation(details, request)

    def intercept_unary_stream(self, continuation: Callable[[Any, Any], Any], details: Any, request: Any) -> Any:
        """See grpc.UnaryStreamClientInterceptor."""
        return _refused(request) or continuation(details, request)


class AsyncValidationServerInterceptor(AsyncGuardingInterceptor):
    """Rejects invalid requests, for grpc.aio. A ServiceError that a handler raises becomes the status of the call."""

    def __init__(self) -> None:
        super().__init__(_validation)


def _validation(method: str) -> Guard | None:
    found = method_of(method)
    # A service whose file is not loaded may have rules nevertheless: those of its messages, which are.
    return (
        _Validation(is_known=found is not None)
        if found is None or _may_have_rules(found.containing_service.file)
        else None
    )


@cache
def _may_have_rules(file: FileDescriptor) -> bool:
    """Whether a file imports buf.validate, at any depth."""
    return file.name == _buf_validate.DESCRIPTOR.name or any(map(_may_have_rules, file.dependencies))


class _Validation:
    def __init__(self, is_known: bool) -> None:
        self._is_known = is_known

    def call(self, context: Any) -> None:
        """Any call may be made."""

    def request(self, request: Any) -> None:
        violations = validate(message(request)) if self._is_known else _violations(request)
        if violations:
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


def _refused(request: Any) -> InvalidRequestError | None:
    violations = _violations(request)
    return InvalidRequestError(request, violations) if violations else None


def _raise_if_invalid_async(request: Any) -> None:
    if violations := _violations(request):
        error = ServiceError.invalid_request(request, violations)
        trailing = grpc.aio.Metadata(*error.trailing_metadata())
        raise grpc.aio.AioRpcError(error.code, grpc.aio.Metadata(), trailing, details=error.message)
