"""Placing an order when answers can get lost."""

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
from cqc._client_errors import OutcomeUnknownError, certificate_trouble
from cqc._client_follow import TRANSIENT, Backoff, may_pass
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
    """Place an order, and look it up if the answer is lost. Returns the order.

    Sets `request_id` if it is empty, and `send_before` to now plus `timeout` (seconds) if it is absent. If the outcome
    is unknown, looks the order up by its client order id, and sends the same request again if there is no such order
    and `send_before` has not passed. If a request is refused after the outcome of an earlier one was unknown, only
    looks the order up.

    Raises the gRPC error of PlaceOrder if the order was not placed, and OutcomeUnknownError if its outcome cannot be
    determined within twice the `timeout`. If the call is cancelled or interrupted, the order may have been placed.
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
    """Place an order like `place_order`, for grpc.aio."""
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
    """A call to make. Its response or error is sent back."""

    method: str
    request: Any
    timeout: float


def _steps(
    request: PlaceOrderRequest, timeout: float, monotonic: Callable[[], float]
) -> Generator[_Call | float, Any, Any]:
    """The decisions of `place_order`: yields calls, and delays in seconds; returns the order."""
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
    # A request that was lost on its way may still arrive after a later one was refused.
    refusal: Any = None

    def unknown(cause: BaseException) -> OutcomeUnknownError:
        before = request.send_before.ToDatetime(UTC)
        return OutcomeUnknownError(key.account_id, key.client_order_id, before, cause)

    while True:
        answer = yield _Call("PlaceOrder", request, deadline - monotonic())
        if not isinstance(answer, grpc.RpcError):
            return answer.order
        if not _is_uncertain(answer):
            if first is None:
                raise answer
            refusal = answer
        first = first or answer
        while True:
            delay = backoff.delay(answer)
            left = max(0.0, give_up - monotonic())
            yield min(delay, left)
            left = give_up - monotonic()
            if left <= 0:
                raise unknown(refusal or first)
            answer = yield _Call("GetOrder", GetOrderRequest(key=key), min(timeout, left))
            if not isinstance(answer, grpc.RpcError):
                return answer.order
            found = ServiceError.of(answer)
            if found is None or found.reason != ErrorReason.ERROR_REASON_RECORD_NOT_FOUND:
                if not may_pass(answer):
                    raise unknown(answer)
            elif _is_final(found, send_before):
                raise refusal or first
            elif refusal is None and monotonic() < deadline and clock.nanos() < send_before:
                break


def _is_uncertain(error: Any) -> bool:
    """Whether a failed PlaceOrder may have placed the order."""
    found = ServiceError.of(error)
    if found is not None:
        return found.reason == ErrorReason.ERROR_REASON_REQUEST_IN_PROGRESS
    # Without a connection nothing was sent.
    return error.code() in TRANSIENT and not certificate_trouble(error)


def _is_final(not_found: ServiceError, send_before: int) -> bool:
    """Whether the gateway searched at or after `send_before`, so that the order can no longer be placed."""
    checked_at = Timestamp()
    try:
        checked_at.FromJsonString(not_found.metadata["checked_at"])
        return to_unix_nanos(checked_at) >= send_before
    except (KeyError, ValueError):
        return False
