"""Why calls fail, and the errors of the client layer."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import grpc
import grpc.aio
from google.protobuf.message import DecodeError

from cqc.errors import STATUS_KEY, ServiceError

try:
    from google.rpc.error_details_pb2 import RetryInfo
    from google.rpc.status_pb2 import Status
except ImportError as error:
    raise ImportError('cqc.client requires googleapis-common-protos: pip install "cqc[client]"') from error

__all__ = [
    "CertificateError",
    "OutcomeUnknownError",
    "ProtocolError",
    "certificate_trouble",
    "named",
    "retry_delay",
    "snapshot",
]

# TLS failures have no code of their own: the text is the only source there is. The words are the same in all languages.
# With TLS 1.3 a client has shaken hands before the server looks for its certificate; grpcio then fails to read on.
_TLS = re.compile(
    r"certificate|x509|\b(?:ssl|tls)|hostname verification|all addresses.*(?:unwrap|secure read) failed", re.IGNORECASE
)
# A connection that broke during the handshake is an outage like any other, as when a load balancer lost its servers.
_BROKEN = re.compile(
    r"eof|closed|reset|refused|time(?:d )?out|deadline|disconnected|broken pipe|hang up|unreachable|no route"
    r"|alpn|application protocol",
    re.IGNORECASE,
)


class CertificateError(grpc.aio.AioRpcError, grpc.Call):  # type: ignore[misc,unused-ignore]
    """A TLS connection failed, most likely because of a certificate. Also a grpc.RpcError with code UNAVAILABLE.

    - target: the server
    - detail: the error of the TLS library
    """

    def __init__(self, target: str, detail: str) -> None:
        text = (
            f"no TLS connection to {target}: {detail}; set CQC_CA or `ca` to the PEM file of the CA that signed the "
            "server's certificate, `certificate` and `key` if the server requires a client certificate, or "
            "`plaintext=True` if it speaks no TLS"
        )
        super().__init__(grpc.StatusCode.UNAVAILABLE, grpc.aio.Metadata(), grpc.aio.Metadata(), text)
        self.target = target
        self.detail = detail

    def __str__(self) -> str:
        return str(self.details())

    def __reduce__(self) -> Any:
        return type(self), (self.target, self.detail)

    def is_active(self) -> bool:
        """False: the call is over."""
        return False

    def time_remaining(self) -> None:  # type: ignore[override,unused-ignore]
        """None: the call is over."""

    def cancel(self) -> bool:
        """False: the call is over."""
        return False

    def add_callback(self, callback: Any) -> bool:
        """False: the call is over."""
        return False


class OutcomeUnknownError(Exception):
    """An order was sent, but its outcome could not be determined in time.

    - account_id, client_order_id: ids of the order
    - send_before: time at or after which the gateway does not send it to the venue
    - cause: the error of GetOrder if it was refused, else the refusal of a later PlaceOrder, else the first error of
      PlaceOrder
    """

    def __init__(self, account_id: str, client_order_id: str, send_before: datetime, cause: BaseException) -> None:
        super().__init__(account_id, client_order_id, send_before, cause)
        self.account_id = account_id
        self.client_order_id = client_order_id
        self.send_before = send_before
        self.cause = cause

    def __str__(self) -> str:
        return (
            f"the outcome of order {self.client_order_id} of account {self.account_id} is not known: call GetOrder by "
            "its client order id; RECORD_NOT_FOUND is final if its `checked_at` is at or after "
            f"{self.send_before.isoformat().replace('+00:00', 'Z')}"
        )

    def __reduce__(self) -> Any:
        return type(self), (self.account_id, self.client_order_id, self.send_before, snapshot(self.cause))


class ProtocolError(Exception):
    """A server broke the contract.

    - method: the method's name, such as `ListTrades`
    - problem: what the server did
    """

    def __init__(self, method: str, problem: str) -> None:
        super().__init__(method, problem)
        self.method = method
        self.problem = problem

    def __str__(self) -> str:
        return f"{self.method}: {self.problem}; report it to whoever runs the server"


def certificate_trouble(error: Any) -> bool:
    """Whether a call failed because of a certificate, so that retrying is pointless."""
    if isinstance(error, CertificateError):
        return True
    text = error.details() or ""
    return (
        error.code() == grpc.StatusCode.UNAVAILABLE
        and _TLS.search(text) is not None
        and _BROKEN.search(text) is None
        and ServiceError.of(error) is None
    )


def named(error: Any, target: str) -> Any:
    """Return the error of a call, or a CertificateError if a certificate explains it."""
    if not isinstance(error, grpc.RpcError) or isinstance(error, CertificateError) or not certificate_trouble(error):
        return error
    call: Any = error
    return CertificateError(target, call.details() or "")


def retry_delay(error: Any) -> float | None:
    """Return the delay of the error's RetryInfo in seconds, or None if it has none."""
    for key, value in error.trailing_metadata() or ():
        if key == STATUS_KEY:
            try:
                details = Status.FromString(value).details
                for detail in details:
                    if detail.Is(RetryInfo.DESCRIPTOR):
                        delay = RetryInfo.FromString(detail.value).retry_delay
                        return float(delay.seconds + delay.nanos / 1e9)
            except DecodeError:
                return None
    return None


def snapshot(error: BaseException) -> BaseException:
    """Return a picklable copy of a gRPC error, whose call is not; return other errors unchanged."""
    if not isinstance(error, grpc.RpcError) or isinstance(error, grpc.aio.AioRpcError):
        return error
    call: Any = error
    trailing = grpc.aio.Metadata(*(call.trailing_metadata() or ()))
    return grpc.aio.AioRpcError(call.code(), grpc.aio.Metadata(), trailing, call.details())
