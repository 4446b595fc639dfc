"""An order book that follows its venue: a snapshot and the deltas after it."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from cqc.markets.v1 import BOOK_ACTION_DELETE, BookLevel, OrderBook, OrderBookDelta

__all__ = ["BookBuilder", "SequenceGapError"]


class SequenceGapError(Exception):
    """Deltas are missing: get a new snapshot and `reset` the book with it.

    `have` is the sequence of the book, `before` the one that the delta follows.
    """

    def __init__(self, venue_symbol_id: str, have: int, before: int) -> None:
        super().__init__(
            f"{venue_symbol_id}: the delta follows sequence {before}, the book is at {have}: "
            "deltas are missing, take a new snapshot"
        )
        self.venue_symbol_id = venue_symbol_id
        self.have = have
        self.before = before


class BookBuilder:
    """One book.

    Levels are told apart by the value of their price, so `1.0` and `1.00` are one level, or by the order where a venue
    publishes single orders; they are kept as the venue wrote them last. Numbers are converted only where they are
    compared.
    """

    def __init__(self, snapshot: OrderBook) -> None:
        self.reset(snapshot)

    def reset(self, snapshot: OrderBook) -> None:
        """Drop everything and start again from a snapshot."""
        self._last = OrderBook()
        self._last.CopyFrom(snapshot)
        # Levels are kept apart; the others describe the snapshot, not the book that grows out of it.
        for field in ("bids", "asks", "first_sequence", "previous_sequence", "checksum", "checksum_kind"):
            self._last.ClearField(field)
        self._bids: dict[str, BookLevel] = {}
        self._asks: dict[str, BookLevel] = {}
        _set(self._bids, snapshot.bids)
        _set(self._asks, snapshot.asks)

    def apply(self, delta: OrderBookDelta) -> bool:
        """Bring the book up to a delta; False for a delta that the book has already.

        Raises SequenceGapError, and leaves the book as it was, when deltas between the two are missing, and ValueError
        for a delta of another listing. Deltas without a sequence are applied as they come.
        """
        if delta.venue_symbol_id != self._last.venue_symbol_id:
            raise ValueError(
                f"a delta of {delta.venue_symbol_id} cannot be applied to a book of {self._last.venue_symbol_id}"
            )
        if delta.HasField("sequence") and self._last.HasField("sequence"):
            if delta.sequence <= self._last.sequence:
                return False
            before = _follows(delta)
            if before > self._last.sequence:
                raise SequenceGapError(delta.venue_symbol_id, self._last.sequence, before)
        if delta.HasField("sequence"):
            self._last.sequence = delta.sequence
        _set(self._bids, delta.bids)
        _set(self._asks, delta.asks)
        for field in ("timestamp", "published_at", "received_at"):
            self._last.ClearField(field)
            if delta.HasField(field):
                getattr(self._last, field).CopyFrom(getattr(delta, field))
        return True

    @property
    def sequence(self) -> int | None:
        """The sequence up to which the book is complete; None where its venue does not number them."""
        return self._last.sequence if self._last.HasField("sequence") else None

    def bids(self) -> list[BookLevel]:
        """The levels to sell to, highest price first."""
        ordered = sorted(self._bids.values(), key=lambda level: level.order_id)
        return sorted(ordered, key=lambda level: Decimal(level.price), reverse=True)

    def asks(self) -> list[BookLevel]:
        """The levels to buy from, lowest price first."""
        return sorted(self._asks.values(), key=lambda level: (Decimal(level.price), level.order_id))

    def book(self) -> OrderBook:
        """The book as it is now, as a snapshot of its own."""
        now = OrderBook(bids=self.bids(), asks=self.asks())
        now.MergeFrom(self._last)
        return now


def _follows(delta: OrderBookDelta) -> int:
    """The sequence that a delta comes after. Where a venue leaves numbers out, it says which one came before."""
    if delta.HasField("previous_sequence"):
        return delta.previous_sequence
    return max(delta.first_sequence if delta.HasField("first_sequence") else delta.sequence, 1) - 1


def _set(side: dict[str, BookLevel], levels: Iterable[BookLevel]) -> None:
    for level in levels:
        key = f"order {level.order_id}" if level.HasField("order_id") else canonical(level.price)
        if level.action == BOOK_ACTION_DELETE or not level.quantity.strip("0."):
            side.pop(key, None)
        else:
            side[key] = level


def canonical(text: str) -> str:
    """Write equal numbers alike; plain decimals differ in trailing zeros only."""
    return text.rstrip("0").removesuffix(".") if "." in text else text
