"""The consumer ends in the state of the source, and notices every event that is lost, duplicated or out of order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from functools import cache
from random import Random

import pytest
from cqc_events.__main__ import content
from cqc_events.consumer import (
    RECORDS,
    Consumer,
    DuplicateDropped,
    Finding,
    GapDetected,
    Lane,
    ReorderDetected,
    Replica,
    SequenceReused,
    UnknownEvent,
)
from cqc_events.lives import TRANSITIONS, Life
from cqc_events.log import KINDS
from cqc_events.source import Source
from hypothesis import given, settings
from hypothesis import strategies as st

import cqc
from cqc.events.v1 import (
    Event,
    EventMetadata,
    FundingPaid,
    RegistryRecordChanged,
    TradingState,
    TradingStateChanged,
)
from cqc.portfolio.v1 import Position
from cqc.services.v1 import TradingScope, TradingStateRecord
from cqc.venues.v1 import Balance, Order, OrderStatus

LIVES = 1000
SAMPLE = range(12)


@cache
def truth(source: Source) -> Counter[tuple[str, bytes]]:
    """The records of a source whose life has ended."""
    return content(source)


@cache
def source_of(seed: int) -> Source:
    return Life(seed).source


def received(events: Iterable[Event], consumer: Consumer | None = None) -> tuple[Consumer, list[Finding]]:
    consumer = consumer or Consumer()
    return consumer, [finding for event in events for finding in consumer.receive(event)]


def from_logs(source: Source) -> list[Event]:
    return [event for log in source.logs.values() for event in log.events]


def fill(consumer: Consumer, source: Source, lanes: Iterable[Lane] | None = None) -> None:
    consumer.fill(lambda lane, after: source.logs[lane.source].lane(lane.topic, lane.subject, after), lanes)


def assert_same(consumer: Consumer, source: Source) -> None:
    assert content(consumer.replica) == truth(source)
    assert consumer.gaps == []


def follower(events: list[Event], index: int) -> int | None:
    """The place of the next event of the same lane."""
    lane = Lane.of(events[index].metadata)
    return next((i for i in range(index + 1, len(events)) if Lane.of(events[i].metadata) == lane), None)


# Same state


def test_generated_lives_are_rebuilt() -> None:
    seen: Counter[str] = Counter()
    statuses: set[tuple[int, int]] = set()
    for seed in range(LIVES):
        life = Life(seed)
        consumer, findings = received(life.source.events)
        assert findings == [], seed
        assert content(consumer.replica) == content(life.source), seed
        for order in consumer.replica[Order].values():
            filled = sum(Decimal(fill.last_quantity) for fill in consumer.replica.fills(order.order_id))
            assert filled == Decimal(order.cumulative_quantity or "0"), (seed, order.order_id)
        statuses.update(life.statuses)
        seen.update(event.WhichOneof("event") or "" for event in life.source.events)
    assert set(seen) == set(KINDS)
    changes = {(before, after) for before, after in statuses if before != after}
    declared = {(before, after) for before, following in TRANSITIONS.items() for after in following}
    assert changes <= declared
    # Venues do not put an order back to work that they replaced by another. Only a trigger order whose first report
    # comes after its trigger is REPLACED without a state in between.
    replaced = OrderStatus.ORDER_STATUS_REPLACED
    unseen = declared - changes - {(OrderStatus.ORDER_STATUS_PENDING_NEW, replaced)}
    assert {before for before, _ in unseen} <= {replaced}


def test_every_event_carries_records_of_the_replica() -> None:
    records = {kind.DESCRIPTOR.full_name for kind in RECORDS}
    special = {FundingPaid.DESCRIPTOR.full_name, TradingStateChanged.DESCRIPTOR.full_name}
    for event in KINDS.values():
        carried = {field.message_type.full_name for field in event.fields if field.message_type}
        assert event.full_name in records | special or (carried and carried <= records), event.full_name


@pytest.mark.parametrize("seed", [0, 1])
def test_events_are_valid(seed: int) -> None:
    assert [v for event in source_of(seed).events for v in cqc.validate(event)] == []


def test_credentials_do_not_travel() -> None:
    source = source_of(0)
    assert not any(b"vault/binance" in event.SerializeToString() for event in source.events)


def test_closed_position_stays_with_quantity_zero() -> None:
    """A position that goes through zero is closed, and another is opened on the other side."""
    source = Source()
    long = Position(position_id="p-1", account_id="a", quantity="2")
    source.save_position(long)
    long.quantity = "0"
    source.save_position(long, "2")
    source.save_position(Position(position_id="p-2", account_id="a", quantity="-1"))
    consumer, _ = received(source.events)
    assert {key: position.quantity for key, position in consumer.replica[Position].items()} == {"p-1": "0", "p-2": "-1"}
    assert [event.WhichOneof("event") for event in source.events] == [
        "position_opened",
        "position_closed",
        "position_opened",
    ]


def test_wallets_of_unknown_types_are_different_balances() -> None:
    source = Source()
    for raw in ("vault", "copy trading"):
        source.save(Balance(account_id="a", asset_id="BTC", raw_type=raw, total="1"))
    source.save(Balance(account_id="a", asset_code="BTC", total="2"))
    consumer, _ = received(source.events)
    assert len(consumer.replica[Balance]) == 3
    assert_same(consumer, source)


def test_trading_state_has_the_whole_record_of_its_scope() -> None:
    source = Source()
    everywhere, account = TradingScope(), TradingScope(account_id="a")
    source.set_trading_state(everywhere, TradingState.TRADING_STATE_HALTED, "drill")
    event = source.set_trading_state(account, TradingState.TRADING_STATE_REDUCING, "limit", "limit-1")
    consumer, _ = received(source.events)
    record = consumer.replica[TradingStateRecord][None, "a", None]
    assert record == TradingStateRecord(
        scope=account,
        state=TradingState.TRADING_STATE_REDUCING,
        reason="limit",
        changed_by="risk-engine",
        limit_id="limit-1",
        since=event.metadata.occurred_at,
        revision=1,
    )
    assert_same(consumer, source)


def test_older_revision_does_not_replace_a_newer_one() -> None:
    """Of a list and the events since then, some state the same change."""
    replica = Replica([Order(order_id="o", revision=2)])
    replica.put(Order(order_id="o", revision=1))
    assert replica[Order]["o"].revision == 2


# Lost, duplicated and reordered


@pytest.mark.parametrize("seed", SAMPLE)
def test_each_lost_event_is_noticed_and_filled(seed: int) -> None:
    source = source_of(seed)
    events = source.events
    for index, lost in enumerate(events):
        lane, sequence = Lane.of(lost.metadata), lost.metadata.sequence
        consumer, findings = received(events[:index] + events[index + 1 :])
        if follower(events, index) is None:
            # No later event shows the loss, but the log of the source does.
            assert findings == []
            assert consumer.missing_from(from_logs(source)) == [lost.metadata]
            fill(consumer, source, [lane])
        else:
            assert findings == [GapDetected(lane, sequence, sequence)]
            assert consumer.gaps == findings
            fill(consumer, source)
        assert_same(consumer, source)


@pytest.mark.parametrize("seed", SAMPLE)
def test_each_duplicated_event_is_dropped(seed: int) -> None:
    source = source_of(seed)
    events = source.events
    consumer, _ = received(events)
    for index, event in enumerate(events):
        lane = Lane.of(event.metadata)
        dropped = [DuplicateDropped(lane, event.metadata.sequence, event.metadata.event_id)]
        again, findings = received([*events[: index + 1], event, *events[index + 1 :]])
        assert findings == dropped
        assert consumer.receive(event) == dropped
        assert_same(again, source)
    assert_same(consumer, source)


@pytest.mark.parametrize("seed", SAMPLE)
def test_each_reordered_event_is_noticed(seed: int) -> None:
    """Swaps each event with its neighbour in the lane, and with its neighbour of any lane."""
    source = source_of(seed)
    for index, event in enumerate(source.events):
        lane, sequence = Lane.of(event.metadata), event.metadata.sequence
        for other in {follower(source.events, index), index + 1} - {None, len(source.events)}:
            assert other is not None
            swapped = list(source.events)
            swapped[index], swapped[other] = swapped[other], swapped[index]
            consumer, findings = received(swapped)
            late = [f for f in findings if f.lane == lane]  # type: ignore[union-attr]
            if Lane.of(source.events[other].metadata) == lane:
                assert late == [GapDetected(lane, sequence, sequence), ReorderDetected(lane, sequence)]
            else:
                assert late == []
            assert_same(consumer, source)


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, LIVES - 1), mixed=st.integers(), lost=st.floats(0, 0.5))
def test_any_delivery_ends_in_the_state_of_the_source(seed: int, mixed: int, lost: float) -> None:
    """However a bus loses, repeats and mixes events: with the log, the consumer ends in the state of the source."""
    source = source_of(seed)
    random = Random(mixed)
    delivered = [event for event in source.events if random.random() >= lost]
    delivered += [event for event in source.events if random.random() < 0.1]
    random.shuffle(delivered)
    consumer, _ = received(delivered)
    arrived = {event.metadata.event_id for event in delivered}
    missing = consumer.missing_from(from_logs(source))
    assert {m.event_id for m in missing} == {e.metadata.event_id for e in source.events} - arrived
    fill(consumer, source)
    assert consumer.gaps == []
    fill(consumer, source, {Lane.of(metadata) for metadata in consumer.missing_from(from_logs(source))})
    assert_same(consumer, source)


def test_reused_sequence_is_reported() -> None:
    source = source_of(0)
    consumer, _ = received(source.events)
    other = Event()
    other.CopyFrom(source.events[0])
    other.metadata.event_id = "00000000-0000-4000-8000-000000000001"
    lane = Lane.of(other.metadata)
    assert consumer.receive(other) == [SequenceReused(lane, other.metadata.sequence, other.metadata.event_id)]
    assert_same(consumer, source)


def test_late_joiner_starts_with_the_first_event_that_arrives() -> None:
    events = [Event(metadata=EventMetadata(event_id=str(number), sequence=number)) for number in range(1, 5)]
    _, findings = received([events[1], events[0], events[3]], Consumer(from_start=False))
    assert [type(finding) for finding in findings] == [UnknownEvent, DuplicateDropped, GapDetected]


# Unknown events


def of_the_future(event: Event) -> Event:
    """The event as a later version would publish it: of a type whose field is unknown to this version."""
    tag = 449 << 3 | 2  # a message in field 449
    unknown = bytes([tag & 0x7F | 0x80, tag >> 7]) + b"\x02\x08\x01"
    return Event.FromString(Event(metadata=event.metadata).SerializeToString() + unknown)


def test_unknown_event_is_counted_and_its_sequence_counts() -> None:
    source = source_of(1)
    events = list(source.events)
    index = next(i for i, event in enumerate(events) if (follower(events, i) or 0) and event.metadata.sequence > 1)
    events[index] = of_the_future(events[index])
    lane, sequence = Lane.of(events[index].metadata), events[index].metadata.sequence
    consumer, findings = received(events)
    assert findings == [UnknownEvent(lane, sequence)]
    assert consumer.unknown == {lane.topic: 1}
    assert consumer.gaps == []
    _, findings = received(events[:index] + events[index + 1 :])
    assert findings == [GapDetected(lane, sequence, sequence)]


def test_record_of_an_unknown_kind_is_counted() -> None:
    event = Event()
    event.CopyFrom(source_of(0).events[0])
    event.registry_record_changed.CopyFrom(RegistryRecordChanged())
    lane = Lane.of(event.metadata)
    consumer, findings = received([event])
    assert findings == [UnknownEvent(lane, 1)]
    assert consumer.unknown == {"registry": 1}
    assert list(consumer.replica) == []
