"""Placing an order although answers get lost."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Generator
from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from cqc import _client_clock as clock
from cqc._client_errors import CertificateError, OutcomeUnknownError
from cqc._client_follow import Backoff, may_pass
from cqc._client_pages import copied
from cqc._timestamp import from_unix_nanos, to_unix_nanos
from cqc.errors import ServiceError
from cqc.services.v1 import ErrorReason, GetOrderRequest, OrderKey

if TYPE_CHECKING:
    from cqc.services.v1 import PlaceOrderRequest
    from cqc.services.v1.venue_gateway_pb2_grpc import VenueGatewayAsyncStub, VenueGatewayStub
    from cqc.venues.v1 import Order

__all__ = ["place_order", "place_order_async"]


def place_order(stub: VenueGatewayStub, request: PlaceOrderRequest, *, timeout: float = 10.0) -> Order:
    """Place an order, and find out whether it was placed if the answer is lost. Returns the order.

    A `request_id` is filled in where it is empty, and `send_before`, as now plus `timeout` in seconds, where it is
    absent. If the outcome is unknown, the order is looked up by its client order id, and the same request is sent again
    if it was not found and `send_before` has not passed.

    Raises the gRPC error of PlaceOrder if nothing was placed, and OutcomeUnknownError if that cannot be found out
    within twice the `timeout`.
    """
    steps = _steps(request, timeout, clock.monotonic)
    answer: Any = None
    while True:
        try:
            step = steps.send(answer)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        try:
            if isinstance(step, float):
                clock.sleep(step)
                answer = None
            else:
                answer = getattr(stub, step.method)(step.request, timeout=step.timeout)
        except grpc.RpcError as error:
            answer = error


async def place_order_async(stub: VenueGatewayAsyncStub, request: PlaceOrderRequest, *, timeout: float = 10.0) -> Order:
    """Place an order, as `place_order`, for grpc.aio."""
    steps = _steps(request, timeout, asyncio.get_running_loop().time)
    answer: Any = None
    while True:
        try:
            step = steps.send(answer)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        try:
            if isinstance(step, float):
                await asyncio.sleep(step)
                answer = None
            else:
                answer = await getattr(stub, step.method)(step.request, timeout=step.timeout)
        except grpc.RpcError as error:
            answer = error


@dataclass(frozen=True)
class _Call:
    """A call to make; the response or the error is the answer."""

    method: str
    request: Any
    timeout: float


def _steps(
    request: PlaceOrderRequest, timeout: float, monotonic: Callable[[], float]
) -> Generator[_Call | float, Any, Any]:
    """Make the decisions of `place_order`: each step is a call or a wait in seconds, and the order is returned."""
    request = copied(request)
    request.request_id = request.request_id or str(uuid.uuid4())
    deadline = monotonic() + timeout
    give_up = deadline + timeout
    if not request.HasField("send_before"):
        request.send_before.CopyFrom(from_unix_nanos(clock.nanos() + round(timeout * 1e9)))
    send_before = to_unix_nanos(request.send_before)
    key = OrderKey(account_id=request.order.account_id, client_order_id=request.order.client_order_id)
    backoff = Backoff()
    first: Any = None

    def unknown(cause: BaseException) -> OutcomeUnknownError:
        before = request.send_before.ToDatetime(UTC)
        return OutcomeUnknownError(key.account_id, key.client_order_id, before, cause)

    while True:
        answer = yield _Call("PlaceOrder", request, deadline - monotonic())
        if not isinstance(answer, grpc.RpcError):
            return answer.order
        if not _is_uncertain(answer):
            raise answer
        first = first or answer
        while True:
            delay = backoff.delay(answer)
            left = max(0.0, give_up - monotonic())
            yield min(delay, left)
            left = give_up - monotonic()
            if left <= 0:
                raise unknown(first)
            answer = yield _Call("GetOrder", GetOrderRequest(key=key), min(timeout, left))
            if not isinstance(answer, grpc.RpcError):
                return answer.order
            found = ServiceError.of(answer)
            if found is None or found.reason != ErrorReason.ERROR_REASON_RECORD_NOT_FOUND:
                if not may_pass(answer):
                    raise unknown(answer)
            elif _is_final(found, send_before):
                raise first
            elif monotonic() < deadline and clock.nanos() < send_before:
                break


def _is_uncertain(error: Any) -> bool:
    """Whether a failed PlaceOrder may have placed the order."""
    found = ServiceError.of(error)
    if found is not None:
        return found.reason == ErrorReason.ERROR_REASON_REQUEST_IN_PROGRESS
    # A connection that was never made has carried nothing.
    return may_pass(error) and not isinstance(error, CertificateError)


def _is_final(not_found: ServiceError, send_before: int) -> bool:
    """Whether the order was searched for at or after `send_before`, so that it will not be placed any more."""
    checked_at = Timestamp()
    try:
        checked_at.FromJsonString(not_found.metadata["checked_at"])
        return to_unix_nanos(checked_at) >= send_before
    except (KeyError, ValueError):
        return False
