"""An order book that is built from a snapshot and the deltas that follow it."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from cqc.markets.v1 import BOOK_ACTION_DELETE, BookLevel, OrderBook, OrderBookDelta

__all__ = ["BookBuilder", "SequenceGapError"]


class SequenceGapError(Exception):
    """Deltas are missing: fetch a new snapshot and `reset` the book with it.

    `have` is the book's sequence, and `before` the sequence that the delta follows.
    """

    def __init__(self, venue_symbol_id: str, have: int, before: int) -> None:
        super().__init__(
            f"{venue_symbol_id}: deltas are missing: the book is at sequence {have}, but the delta follows {before}; "
            "reset the book with a new snapshot"
        )
        self.venue_symbol_id = venue_symbol_id
        self.have = have
        self.before = before


class BookBuilder:
    """The order book of one listing.

    Levels are keyed by the numeric value of their price, so `1.0` and `1.00` are the same level, or by order id on
    venues that publish individual orders. Prices and quantities are kept as the venue last sent them, and parsed only
    for comparison.
    """

    def __init__(self, snapshot: OrderBook) -> None:
        self.reset(snapshot)

    def reset(self, snapshot: OrderBook) -> None:
        """Replace the whole book with a snapshot."""
        self._last = OrderBook()
        self._last.CopyFrom(snapshot)
        # The levels are kept separately. The other fields describe the snapshot and do not survive a delta.
        for field in ("bids", "asks", "first_sequence", "previous_sequence", "checksum", "checksum_kind"):
            self._last.ClearField(field)
        self._bids: dict[str, BookLevel] = {}
        self._asks: dict[str, BookLevel] = {}
        _set(self._bids, snapshot.bids)
        _set(self._asks, snapshot.asks)

    def apply(self, delta: OrderBookDelta) -> bool:
        """Apply a delta; returns False if the book already includes it.

        Deltas without a sequence are always applied. Raises SequenceGapError if deltas are missing between the book and
        this one, and ValueError if the delta is for another listing; neither changes the book.
        """
        if delta.venue_symbol_id != self._last.venue_symbol_id:
            raise ValueError(f"cannot apply a delta for {delta.venue_symbol_id} to {self._last.venue_symbol_id}")
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
        """The sequence of the last applied update; None if the venue does not number its updates."""
        return self._last.sequence if self._last.HasField("sequence") else None

    def bids(self) -> list[BookLevel]:
        """The bids, highest price first."""
        ordered = sorted(self._bids.values(), key=lambda level: level.order_id)
        return sorted(ordered, key=lambda level: Decimal(level.price), reverse=True)

    def asks(self) -> list[BookLevel]:
        """The asks, lowest price first."""
        return sorted(self._asks.values(), key=lambda level: (Decimal(level.price), level.order_id))

    def book(self) -> OrderBook:
        """Return a snapshot of the current book."""
        now = OrderBook(bids=self.bids(), asks=self.asks())
        now.MergeFrom(self._last)
        return now


def _follows(delta: OrderBookDelta) -> int:
    """Return the sequence that a delta follows. Venues that skip numbers state it in previous_sequence."""
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
    """Return the same string for equal numbers; plain decimals differ only in trailing zeros."""
    return text.rstrip("0").removesuffix(".") if "." in text else text
