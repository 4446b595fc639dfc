"""Rebuild an order book from a snapshot and the deltas after it."""

from collections.abc import Iterable
from decimal import Decimal

from cqc.markets.v1 import BOOK_ACTION_DELETE, BookLevel, OrderBook, OrderBookDelta


class BookBuilder:
    """One book. Prices are compared by value, and kept as the venue wrote them last."""

    def __init__(self, snapshot: OrderBook) -> None:
        self.bids: dict[Decimal, BookLevel] = {}
        self.asks: dict[Decimal, BookLevel] = {}
        self.sequence = snapshot.sequence if snapshot.HasField("sequence") else None
        self.gaps = 0
        self._set(self.bids, snapshot.bids)
        self._set(self.asks, snapshot.asks)

    def apply(self, delta: OrderBookDelta) -> None:
        """Apply a delta, unless the book has it already; a gap in the sequence is counted."""
        if delta.HasField("sequence") and self.sequence is not None:
            if delta.sequence <= self.sequence:
                return
            # Where a venue leaves numbers out, it says which one came before.
            before = delta.previous_sequence if delta.HasField("previous_sequence") else delta.first_sequence - 1
            self.gaps += before > self.sequence
            self.sequence = delta.sequence
        self._set(self.bids, delta.bids)
        self._set(self.asks, delta.asks)

    def best_first(self) -> tuple[list[BookLevel], list[BookLevel]]:
        """Bids from the highest price, asks from the lowest."""
        return (
            [self.bids[price] for price in sorted(self.bids, reverse=True)],
            [self.asks[price] for price in sorted(self.asks)],
        )

    @staticmethod
    def _set(side: dict[Decimal, BookLevel], levels: Iterable[BookLevel]) -> None:
        for level in levels:
            price = Decimal(level.price)
            if level.action == BOOK_ACTION_DELETE or not Decimal(level.quantity):
                side.pop(price, None)
            else:
                side[price] = level
