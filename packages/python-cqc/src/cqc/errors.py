"""Errors of the services, as values: made by a server, read by a client.

A server raises or aborts with a ServiceError, a client reads one from what gRPC raised:

    raise ServiceError(ErrorReason.ERROR_REASON_NO_DATA, "no book yet", venue_symbol_id=request.venue_symbol_id)

    except grpc.RpcError as error:
        failure = ServiceError.of(error)
        if failure and failure.reason == ErrorReason.ERROR_REASON_RISK_LIMIT:
            print(failure.metadata["limit_id"])

A raised ServiceError reaches the client if the server has one of the interceptors of `cqc.interceptors` or
`cqc.access`. Requires the extra `client`: `pip install "cqc[client]"`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any

import grpc
from google.protobuf.duration_pb2 import Duration

from cqc._pickling import reduce
from cqc._violation import Violation
from cqc.options.v1 import options_pb2
from cqc.services.v1 import ErrorReason, OrderError

try:
    from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
    from google.rpc.status_pb2 import Status
except ImportError as error:
    raise ImportError('cqc.errors requires googleapis-common-protos: pip install "cqc[client]"') from error

__all__ = ["DOMAIN", "STATUS_KEY", "ServiceError"]

DOMAIN = "cqc"
"""`domain` of the google.rpc.ErrorInfo of every ServiceError."""
STATUS_KEY = "grpc-status-details-bin"
"""Key of the trailing metadata that carries the google.rpc.Status, which grpc_status reads."""
_PREFIX = "ERROR_REASON_"
_CODES = {code.value[0]: code for code in grpc.StatusCode}


class ServiceError(Exception):
    """A failed call, or a failed item of a batch.

    - reason: why, an ErrorReason; unspecified if a client does not know the reason of a newer server
    - message: what happened, for people; `str()` adds the reason, the metadata and the next step
    - metadata: values under the keys that the reason's options name
    - retry_delay: time to wait before trying again, for the reasons with RetryInfo
    - violations: violated rules of the request, for `ERROR_REASON_INVALID_FIELD`
    - code: the gRPC code
    - next_step: what the caller can do about it; empty if the reason is not known

    Raises ValueError for metadata that the reason does not name, and for a reason without a code.
    """

    __reduce__ = reduce

    def __init__(
        self,
        reason: ErrorReason.ValueType,
        message: str,
        *,
        retry_delay: timedelta | None = None,
        violations: Iterable[Violation] = (),
        **metadata: str,
    ) -> None:
        super().__init__(message)
        options = _options(reason)
        code = options.Extensions[options_pb2.code]
        if not code:
            raise ValueError(f"{reason} is not an ErrorReason with a code")
        keys = list(options.Extensions[options_pb2.metadata_key])
        if unknown := sorted(set(metadata) - set(keys)):
            name = ErrorReason.Name(reason)
            raise ValueError(f"{name} has no metadata {', '.join(unknown)}; its keys are: {', '.join(keys) or 'none'}")
        self.reason = reason
        self.message = message
        self._name = ErrorReason.Name(reason).removeprefix(_PREFIX)
        self._metadata = metadata
        self.retry_delay = retry_delay
        self.violations = tuple(violations)
        self.code = grpc.StatusCode[code]

    @property
    def metadata(self) -> Mapping[str, str]:
        """Values under the keys that the reason's options name; read-only."""
        return MappingProxyType(self._metadata)

    @property
    def next_step(self) -> str:
        """What the caller can do about it; empty if the reason is not known."""
        value = ErrorReason.DESCRIPTOR.values_by_number[self.reason]
        return str(value.GetOptions().Extensions[options_pb2.next_step])

    def __str__(self) -> str:
        values = ", ".join(f"{key}={value}" for key, value in self._metadata.items())
        text = f"{self._name}: {self.message}" + (f" ({values})" if values else "")
        return f"{text}; {self.next_step}" if self.next_step else text

    @classmethod
    def invalid_request(cls, request: Any, violations: Iterable[Violation]) -> ServiceError:
        """Return the error for a request that violates rules."""
        found = tuple(violations)
        lines = [f"{item.field}: {item.message}".removeprefix(": ") for item in found]
        message = f"invalid {request.DESCRIPTOR.full_name}: {'; '.join(lines)}"
        return cls(ErrorReason.ERROR_REASON_INVALID_FIELD, message, violations=found)

    @classmethod
    def of(cls, error: BaseException) -> ServiceError | None:
        """Return what a gRPC error carries, or None if it carries no ErrorInfo with domain `cqc`.

        Takes what a client of `grpc` or `grpc.aio` raises, and a ServiceError itself.
        """
        if isinstance(error, ServiceError):
            return error
        trailing = getattr(error, "trailing_metadata", lambda: None)() or ()
        for key, value in trailing:
            if key == STATUS_KEY:
                return cls.from_status(Status.FromString(value if isinstance(value, bytes) else value.encode()))
        return None

    @classmethod
    def from_status(cls, status: Status) -> ServiceError | None:
        """Return what a google.rpc.Status carries, or None if it carries no ErrorInfo with domain `cqc`."""
        info, delay, violations = None, None, []
        for detail in status.details:
            if detail.Is(ErrorInfo.DESCRIPTOR):
                info = ErrorInfo.FromString(detail.value)
            elif detail.Is(RetryInfo.DESCRIPTOR):
                delay = RetryInfo.FromString(detail.value).retry_delay.ToTimedelta()
            elif detail.Is(BadRequest.DESCRIPTOR):
                for item in BadRequest.FromString(detail.value).field_violations:
                    violations.append(Violation(item.field, item.reason, item.description))
        if info is None or info.domain != DOMAIN:
            return None
        return cls._read(info.reason, status.message, info.metadata, status.code, delay, violations)

    @classmethod
    def from_order_error(cls, error: OrderError) -> ServiceError:
        """Return the error of one item of a batch."""
        known = error.reason in ErrorReason.values()
        name = ErrorReason.Name(error.reason).removeprefix(_PREFIX) if known else str(error.reason)
        return cls._read(name, error.message, error.metadata, error.code)

    def to_order_error(self) -> OrderError:
        """Return the error for one item of a batch."""
        code: int = self.code.value[0]
        return OrderError(code=code, reason=self.reason, message=self.message, metadata=dict(self.metadata))

    @classmethod
    def _read(
        cls,
        name: str,
        message: str,
        metadata: Mapping[str, str],
        code: int,
        delay: timedelta | None = None,
        violations: Iterable[Violation] = (),
    ) -> ServiceError:
        """Return an error as it was received: a newer server may use reasons and keys that are new to this version."""
        found = cls.__new__(cls)
        Exception.__init__(found, message)
        known = ErrorReason.DESCRIPTOR.values_by_name.get(_PREFIX + name)
        found.reason = ErrorReason.ValueType(known.number) if known else ErrorReason.ERROR_REASON_UNSPECIFIED
        found.message = message
        found._name = name
        found._metadata = dict(metadata)
        found.retry_delay = delay
        found.violations = tuple(violations)
        found.code = _CODES.get(code, grpc.StatusCode.UNKNOWN)
        return found

    def status(self) -> Status:
        """Return the error as a google.rpc.Status with ErrorInfo and, if they apply, BadRequest and RetryInfo."""
        status = Status(code=self.code.value[0], message=self.message)
        status.details.add().Pack(ErrorInfo(domain=DOMAIN, reason=self._name, metadata=self._metadata))
        if self.violations:
            fields = [
                BadRequest.FieldViolation(field=item.field, description=item.message, reason=item.rule_id)
                for item in self.violations
            ]
            status.details.add().Pack(BadRequest(field_violations=fields))
        if self.retry_delay is not None:
            delay = Duration()
            delay.FromTimedelta(self.retry_delay)
            status.details.add().Pack(RetryInfo(retry_delay=delay))
        return status

    def trailing_metadata(self) -> tuple[tuple[str, bytes], ...]:
        """Return the trailing metadata of a call that fails with this error."""
        return ((STATUS_KEY, self.status().SerializeToString()),)


def _options(reason: int) -> Any:
    value = ErrorReason.DESCRIPTOR.values_by_number.get(reason)
    if value is None:
        raise ValueError(f"{reason} is not an ErrorReason")
    return value.GetOptions()
