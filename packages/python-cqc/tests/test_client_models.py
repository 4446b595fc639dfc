"""The decisions of `cqc.client` against model servers that fail in every way and at any time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import grpc
import grpc.aio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cqc import BookBuilder, _client_clock
from cqc.client import BookState, Lost, OutcomeUnknownError, follow, follow_book, place_order
from cqc.errors import ServiceError
from cqc.markets.v1 import BookLevel, OrderBook, OrderBookDelta, Trade
from cqc.services.v1 import (
    STREAM_RESET_REASON_SEQUENCE_GAP,
    ErrorReason,
    GetOrderRequest,
    GetOrderResponse,
    Heartbeat,
    PlaceOrderRequest,
    PlaceOrderResponse,
    SnapshotComplete,
    StreamOrderBookRequest,
    StreamOrderBookResponse,
    StreamReset,
    StreamTradesRequest,
    StreamTradesResponse,
)
from cqc.venues.v1 import Order

CODES = [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED, grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN]
BREAKS = st.sampled_from([None, *CODES])


class Clock:
    """A time that passes only while somebody waits."""

    def __init__(self) -> None:
        self.time = 0.0

    def sleep(self, delay: float) -> None:
        self.time += delay

    def nanos(self) -> int:
        return 946_684_800 * 10**9 + round(self.time * 10**9)


@pytest.fixture(scope="module")
def clock() -> Iterator[Clock]:
    clock = Clock()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_client_clock, "sleep", clock.sleep)
        patch.setattr(_client_clock, "monotonic", lambda: clock.time)
        patch.setattr(_client_clock, "nanos", clock.nanos)
        patch.setattr(_client_clock, "later", lambda *_: Timer())
        yield clock


class Timer:
    def cancel(self) -> None: ...


def failure(code: grpc.StatusCode) -> grpc.aio.AioRpcError:
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(), "broken")


def refusal(reason: ErrorReason.ValueType, **metadata: Any) -> grpc.aio.AioRpcError:
    error = ServiceError(reason, "refused", **metadata)
    trailing = grpc.aio.Metadata(*error.trailing_metadata())
    return grpc.aio.AioRpcError(error.code, grpc.aio.Metadata(), trailing, error.message)


class Call:
    """A stream that delivers some messages and then breaks."""

    def __init__(self, messages: Iterator[Any], ends: grpc.StatusCode | None) -> None:
        self._messages = messages
        self._ends = ends

    def __iter__(self) -> Iterator[Any]:
        yield from self._messages
        if self._ends is not None:
            raise failure(self._ends)

    def cancel(self) -> None: ...


def scripted(attempts: list[Any], play: Callable[[str, Any], Call]) -> Any:
    """A method whose attempts go as prescribed, the ones after these well."""
    script = iter(attempts)
    return lambda request, **_: play(request.resume_token, next(script, None))


@given(st.integers(1, 12), st.lists(st.tuples(st.integers(0, 5), st.booleans(), BREAKS), max_size=8))
def test_every_message_of_a_broken_stream_arrives_once(clock: Clock, total: int, attempts: list[Any]) -> None:
    def play(token: str, attempt: Any) -> Call:
        count, with_heartbeat, ends = attempt or (total, False, None)
        position = int(token or "0")

        def messages() -> Iterator[StreamTradesResponse]:
            if with_heartbeat:
                yield StreamTradesResponse(heartbeat=Heartbeat(), resume_token=str(position))
            for number in range(position, min(position + count, total)):
                yield StreamTradesResponse(trade=Trade(trade_id=str(number)), resume_token=str(number + 1))

        return Call(messages(), ends)

    lost: list[Lost] = []
    received = []
    request = StreamTradesRequest(venue_symbol_ids=["a:B-C-SPOT"])
    with closing(follow(scripted(attempts, play), request, on_lost=lost.append)) as messages:
        for message in messages:
            received.append(int(message.trade.trade_id))
            if len(received) == total:
                break
    assert received == list(range(total))
    assert all(0.08 <= loss.delay <= 2.4 for loss in lost)


EVENTS = st.lists(st.sampled_from(["delta", "delta", "delta", "old", "bare", "skip", "reset", "heartbeat"]), max_size=8)


@given(st.lists(st.tuples(EVENTS, BREAKS), max_size=8), st.integers(0, 2))
def test_a_live_book_is_the_servers(clock: Clock, attempts: list[Any], cut: int) -> None:
    def level(sequence: int) -> BookLevel:
        return BookLevel(price="100", quantity=str(sequence))

    newest = 10
    last: list[str] = []

    def play(token: str, attempt: Any) -> Call:
        def messages() -> Iterator[StreamOrderBookResponse]:
            nonlocal newest
            events, _ = attempt or (["delta"], None)
            # A token is the sequence up to which the client has the book; a snapshot that was cut has none.
            sent = int(token or "0")
            if not sent:
                newest += 1
                yield StreamOrderBookResponse(heartbeat=Heartbeat(), resume_token="0")
                yield from snapshot()
            for event in events:
                match event:
                    case "delta" | "skip" | "bare":
                        newest += 1
                        if event == "skip":
                            newest += 1
                        delta = OrderBookDelta(sequence=newest, previous_sequence=newest - 1, bids=[level(newest)])
                        # A message without a token, which the contract does not know, starts the stream anew.
                        yield StreamOrderBookResponse(delta=delta, resume_token="" if event == "bare" else str(newest))
                    case "old":
                        old = OrderBookDelta(sequence=newest, previous_sequence=newest - 1, bids=[level(newest)])
                        yield StreamOrderBookResponse(delta=old, resume_token=str(newest))
                    case "heartbeat":
                        yield StreamOrderBookResponse(heartbeat=Heartbeat(), resume_token=str(newest))
                    case "reset":
                        reset = StreamReset(reason=STREAM_RESET_REASON_SEQUENCE_GAP)
                        yield StreamOrderBookResponse(reset=reset)
                        yield from snapshot()

        def snapshot() -> Iterator[StreamOrderBookResponse]:
            book = OrderBook(sequence=newest, bids=[level(newest)])
            yield StreamOrderBookResponse(snapshot=book, resume_token="0")
            for _ in range(cut):
                yield StreamOrderBookResponse(heartbeat=Heartbeat(), resume_token="0")
            yield StreamOrderBookResponse(snapshot_complete=SnapshotComplete(), resume_token=str(newest))

        last.append(token)
        return Call(messages(), attempt[1] if attempt else None)

    updates = follow_book(scripted(attempts, play), StreamOrderBookRequest(venue_symbol_id="a:B-C-SPOT"))
    before: BookState | None = None
    with closing(updates) as followed:
        for update in followed:
            match update.state:
                case BookState.LIVE:
                    assert isinstance(update.book, BookBuilder)
                    assert update.book.sequence == newest
                    assert [item.quantity for item in update.book.bids()] == [str(newest)]
                case BookState.STALE:
                    assert before == BookState.LIVE
                    assert update.book is not None
                case BookState.RESET:
                    assert update.book is None
            before = update.state
            if len(last) > len(attempts) and update.state == BookState.LIVE:
                break
    assert before == BookState.LIVE


class Gateway:
    """A gateway whose answers get lost, and whose requests may arrive late. What it refuses, it keeps refusing."""

    def __init__(self, clock: Clock, placing: list[Any], asking: list[Any]) -> None:
        self._clock = clock
        self._placing = iter(placing)
        self._asking = iter(asking)
        self._arrivals: list[tuple[float, PlaceOrderRequest]] = []
        self._refuses_from = math.inf
        self.sent: list[PlaceOrderRequest] = []

    def placed(self, now: float) -> set[str]:
        """The request ids of the orders that the venue has by then."""
        return {
            request.request_id
            for at, request in self._arrivals
            if at <= now and at < min(request.send_before.ToNanoseconds() / 1e9 - 946_684_800, self._refuses_from)
        }

    def PlaceOrder(self, request: PlaceOrderRequest, timeout: float) -> PlaceOrderResponse:
        kind, delay, code = next(self._placing, ("answer", 0.0, CODES[0]))
        self.sent.append(request)
        if kind == "refused":
            self._refuses_from = min(self._refuses_from, self._clock.time)
            raise refusal(ErrorReason.ERROR_REASON_RISK_LIMIT)
        if kind == "lost":
            self._clock.sleep(min(delay, timeout))
            raise failure(code)
        self._arrivals.append((self._clock.time + delay, request))
        if kind == "stray":
            raise failure(code)
        if kind == "late" or delay > timeout:
            self._clock.sleep(timeout)
            raise failure(grpc.StatusCode.DEADLINE_EXCEEDED)
        self._clock.sleep(delay)
        if request.request_id not in self.placed(self._clock.time):
            raise refusal(ErrorReason.ERROR_REASON_SEND_BEFORE_PASSED)
        if kind == "unanswered":
            raise failure(code)
        return PlaceOrderResponse(order=Order(order_id=request.request_id))

    def GetOrder(self, request: GetOrderRequest, timeout: float) -> GetOrderResponse:
        kind, delay, code = next(self._asking, ("answer", 0.0, CODES[0]))
        self._clock.sleep(min(delay, timeout))
        if kind != "answer" or delay > timeout:
            raise failure(code)
        if found := self.placed(self._clock.time):
            return GetOrderResponse(order=Order(order_id=found.pop()))
        checked_at = datetime.fromtimestamp(946_684_800 + self._clock.time, UTC).isoformat().replace("+00:00", "Z")
        raise refusal(ErrorReason.ERROR_REASON_RECORD_NOT_FOUND, checked_at=checked_at)


DELAYS = st.floats(0, 25)
PLACING = st.tuples(
    st.sampled_from(["lost", "late", "stray", "unanswered", "refused", "answer"]), DELAYS, st.sampled_from(CODES)
)
ASKING = st.tuples(st.sampled_from(["answer", "lost"]), DELAYS, st.sampled_from(CODES))


@given(st.lists(PLACING, max_size=4), st.lists(ASKING, max_size=6))
def test_an_order_is_placed_once_and_an_error_means_that_it_never_will(
    clock: Clock, placing: list[Any], asking: list[Any]
) -> None:
    clock.time = 0.0
    gateway: Any = Gateway(clock, placing, asking)
    request = PlaceOrderRequest()
    request.order.account_id, request.order.client_order_id = "main", "c1"
    try:
        order = place_order(gateway, request)
    except OutcomeUnknownError:
        assert clock.time <= 20.0
        return
    except grpc.RpcError:
        assert not gateway.placed(math.inf)
    else:
        assert gateway.placed(clock.time) == {order.order_id}
    finally:
        assert len({sent.SerializeToString(deterministic=True) for sent in gateway.sent}) == 1
    assert clock.time <= 20.0
