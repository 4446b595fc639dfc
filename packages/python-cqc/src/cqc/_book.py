"""An order book that is built from a snapshot and the deltas that follow it, and its checksum."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from enum import StrEnum
from itertools import chain, groupby, islice, zip_longest

from cqc._decimal import parse_decimal
from cqc._pickling import reduce
from cqc.markets.v1 import (
    BOOK_ACTION_DELETE,
    CHECKSUM_KIND_CRC32_BITGET,
    CHECKSUM_KIND_CRC32_KRAKEN,
    CHECKSUM_KIND_CRC32_KRAKEN_ORDERS,
    CHECKSUM_KIND_CRC32_OKX,
    BookLevel,
    ChecksumKind,
    OrderBook,
    OrderBookDelta,
)

__all__ = ["BookBuilder", "BookError", "BookErrorKind", "book_checksum"]


class BookErrorKind(StrEnum):
    """Why a book cannot be trusted, or a message not applied to it."""

    SEQUENCE_GAP = "sequence_gap"
    """Deltas are missing. `expected` is the book's sequence, and `actual` the sequence that the delta follows."""
    CHECKSUM_MISMATCH = "checksum_mismatch"
    """The book is not the venue's. `expected` is the venue's checksum, and `actual` the one of this book."""
    CHECKSUM_KIND_UNKNOWN = "checksum_kind_unknown"
    """This version cannot compute the checksum. `actual` is the number of its kind."""
    ORDER_UNKNOWN = "order_unknown"
    """A level without price or quantity has an order id, `actual`, that is not in the book."""
    LEVEL_MALFORMED = "level_malformed"
    """A price or quantity, `actual`, is not a plain decimal."""
    LISTING_MISMATCH = "listing_mismatch"
    """The delta is for another listing, `actual`."""


class BookError(Exception):
    """A snapshot or delta that a book cannot be built from. Fetch a new snapshot and `reset` the book with it.

    `listing` is the `venue_symbol_id` of the snapshot or delta, or the parts of its `native_listing` joined by colons.
    `sequence` is its number; None if the venue does not number changes. `expected` and `actual` are explained at each
    kind.
    """

    __reduce__ = reduce

    def __init__(self, kind: BookErrorKind, message: OrderBook | OrderBookDelta, expected: str, actual: str) -> None:
        listing = _listing(message)
        super().__init__(f"{listing}: {kind}: expected {expected}, got {actual}")
        self.kind = kind
        self.listing = listing
        self.sequence = _sequence(message)
        self.expected = expected
        self.actual = actual


class BookBuilder:
    """The order book of one listing.

    Levels are keyed by the numeric value of their price, so `1.0` and `1.00` are the same level, or by order id on
    venues that publish individual orders. There a price or quantity that a delta leaves out keeps its value, and an
    order that is new at a price comes after the others. Prices and quantities are kept as the venue last sent them. A
    book whose snapshot has a `depth` keeps that many prices per side.
    """

    def __init__(self, snapshot: OrderBook, *, verify_checksums: bool = False) -> None:
        """Start a book from a snapshot.

        With `verify_checksums`, the checksum of each snapshot and delta that has one is compared with the book's.
        Raises BookError as `reset` does.
        """
        self._verify = verify_checksums
        self.reset(snapshot)

    def reset(self, snapshot: OrderBook) -> None:
        """Replace the whole book with a snapshot.

        Raises BookError if a level is malformed, or the checksum is to be verified and is not that of the snapshot.
        Neither changes the book.
        """
        bids: _Side = {}
        asks: _Side = {}
        _commit(bids, _changes(bids, snapshot.bids, snapshot))
        _commit(asks, _changes(asks, snapshot.asks, snapshot))
        if self._verify:
            _verify(bids, asks, snapshot)
        self._bids, self._asks = bids, asks
        self._last = OrderBook()
        self._last.CopyFrom(snapshot)
        # The levels are kept separately. The other fields describe the snapshot and do not survive a delta.
        for field in (
            "bids",
            "asks",
            "first_sequence",
            "previous_sequence",
            "checksum",
            "checksum_kind",
            "venue_fields",
        ):
            self._last.ClearField(field)
        self._trim()

    def apply(self, delta: OrderBookDelta) -> bool:
        """Apply a delta; returns False if the book already includes it.

        Follows the rules at the contract's OrderBookDelta. Raises BookError if deltas are missing between the book and
        this one, if the delta is for another listing or has a level that cannot be applied, or if the checksum is to be
        verified and is not that of the book. After an error about a checksum the book includes the delta; the others do
        not change the book.
        """
        if not _same_listing(self._last, delta):
            raise BookError(BookErrorKind.LISTING_MISMATCH, delta, _listing(self._last), _listing(delta))
        have, sequence = self.sequence, _sequence(delta)
        # A venue that restarts its numbers states the previous one.
        continues = delta.HasField("previous_sequence") and delta.previous_sequence == have
        if have is not None and sequence is not None and not continues:
            if sequence <= have:
                return False
            before = _follows(delta)
            if before > have:
                raise BookError(BookErrorKind.SEQUENCE_GAP, delta, str(have), str(before))
        bids, asks = _changes(self._bids, delta.bids, delta), _changes(self._asks, delta.asks, delta)
        _commit(self._bids, bids)
        _commit(self._asks, asks)
        if sequence is not None:
            self._last.sequence = sequence
        for field in ("timestamp", "published_at", "received_at"):
            self._last.ClearField(field)
            if delta.HasField(field):
                getattr(self._last, field).CopyFrom(getattr(delta, field))
        self._trim()
        if self._verify:
            _verify(self._bids, self._asks, delta)
        return True

    @property
    def sequence(self) -> int | None:
        """The sequence of the last applied update; None if the venue does not number its updates."""
        return _sequence(self._last)

    def bids(self) -> list[BookLevel]:
        """The bids, highest price first."""
        return _sorted(self._bids, True)

    def asks(self) -> list[BookLevel]:
        """The asks, lowest price first."""
        return _sorted(self._asks, False)

    def book(self) -> OrderBook:
        """Return a snapshot of the current book."""
        now = OrderBook(bids=self.bids(), asks=self.asks())
        now.MergeFrom(self._last)
        return now

    def _trim(self) -> None:
        """Remove prices beyond the depth: the venue does not report when they are gone."""
        depth = self._last.depth
        if not depth:
            return
        for side, descending in ((self._bids, True), (self._asks, False)):
            if len(side) > depth:
                for price in list(_by_price(_sorted(side, descending)))[depth:]:
                    for level in price:
                        del side[_key(level)]


def book_checksum(book: OrderBook, kind: ChecksumKind.ValueType) -> int:
    """Compute the checksum of a book, best level first, as an unsigned 32-bit number.

    Prices and quantities must be spelled as the venue sent them. Raises BookError if this version does not know the
    kind.

    Sources: https://docs.kraken.com/exchange/guides/websockets/book-checksum-v2 and l3-checksum-v2 beside it,
    https://www.okx.com/docs-v5/en (Order Book Channel),
    https://www.bitget.com/api-doc/spot/websocket/public/Depth-Channel.
    """
    return _checksum(book.bids, book.asks, kind, book)


_Side = dict[str, BookLevel]


def _checksum(
    bids: Sequence[BookLevel],
    asks: Sequence[BookLevel],
    kind: ChecksumKind.ValueType,
    message: OrderBook | OrderBookDelta,
) -> int:
    if kind in (CHECKSUM_KIND_CRC32_KRAKEN, CHECKSUM_KIND_CRC32_KRAKEN_ORDERS):
        best = chain(islice(_by_price(asks), 10), islice(_by_price(bids), 10))
        numbers = (number for price in best for level in price for number in (level.price, level.quantity))
        text = "".join(number.replace(".", "").lstrip("0") for number in numbers)
    elif kind in (CHECKSUM_KIND_CRC32_OKX, CHECKSUM_KIND_CRC32_BITGET):
        levels = chain.from_iterable(zip_longest(bids[:25], asks[:25]))
        text = ":".join(f"{level.price}:{level.quantity}" for level in levels if level is not None)
    else:
        expected = "a kind of checksum that this version knows"
        raise BookError(BookErrorKind.CHECKSUM_KIND_UNKNOWN, message, expected, str(int(kind)))
    return zlib.crc32(text.encode())


def _verify(bids: _Side, asks: _Side, message: OrderBook | OrderBookDelta) -> None:
    if not message.HasField("checksum"):
        return
    actual = _checksum(_sorted(bids, True), _sorted(asks, False), message.checksum_kind, message)
    if actual != message.checksum:
        raise BookError(BookErrorKind.CHECKSUM_MISMATCH, message, str(message.checksum), str(actual))


def _same_listing(book: OrderBook, delta: OrderBookDelta) -> bool:
    if book.venue_symbol_id and delta.venue_symbol_id:
        return book.venue_symbol_id == delta.venue_symbol_id
    return book.native_listing == delta.native_listing


def _listing(message: OrderBook | OrderBookDelta) -> str:
    native = message.native_listing
    return message.venue_symbol_id or ":".join((native.venue_id, native.segment, native.symbol, native.id))


def _sequence(message: OrderBook | OrderBookDelta) -> int | None:
    return message.sequence if message.HasField("sequence") else None


def _follows(delta: OrderBookDelta) -> int:
    if delta.HasField("previous_sequence"):
        return delta.previous_sequence
    return max(delta.first_sequence if delta.HasField("first_sequence") else delta.sequence, 1) - 1


def _sorted(side: _Side, descending: bool) -> list[BookLevel]:
    # Sorting is stable, so orders at a price stay in the order of their priority.
    return sorted(side.values(), key=lambda level: Decimal(level.price), reverse=descending)


def _by_price(levels: Iterable[BookLevel]) -> Iterator[list[BookLevel]]:
    return (list(group) for _, group in groupby(levels, lambda level: canonical(level.price)))


def _changes(
    side: _Side, levels: Iterable[BookLevel], message: OrderBook | OrderBookDelta
) -> list[tuple[str, BookLevel | None]]:
    """Return the levels to set, and None for those to remove, so that an error leaves the side as it was."""
    changes: list[tuple[str, BookLevel | None]] = []
    changed: dict[str, BookLevel | None] = {}
    for change in levels:
        individual = change.HasField("order_id")
        if not individual:
            _check_number(change.price, message)
        key = _key(change)
        removed = change.action == BOOK_ACTION_DELETE
        level = None
        if not removed and change.quantity:
            _check_number(change.quantity, message)
            removed = _is_zero(change.quantity)
        if not removed:
            level = BookLevel()
            level.CopyFrom(change)
            # Actions belong to updates, not to books.
            level.ClearField("action")
            level.ClearField("raw_action")
            if individual and not (change.price and change.quantity):
                known = changed[key] if key in changed else side.get(key)
                if known is None:
                    raise BookError(BookErrorKind.ORDER_UNKNOWN, message, "an order in the book", change.order_id)
                level.price, level.quantity = change.price or known.price, change.quantity or known.quantity
            _check_number(level.price, message)
            _check_number(level.quantity, message)
        changed[key] = level
        changes.append((key, level))
    return changes


def _commit(side: _Side, changes: Iterable[tuple[str, BookLevel | None]]) -> None:
    for key, level in changes:
        known = side.get(key)
        if known is not None and (level is None or canonical(level.price) != canonical(known.price)):
            # An order that moves to another price loses its priority.
            del side[key]
        if level is not None:
            side[key] = level


def _key(level: BookLevel) -> str:
    return f"order {level.order_id}" if level.HasField("order_id") else canonical(level.price)


def _is_zero(number: str) -> bool:
    return not number.strip("0.")


def _check_number(text: str, message: OrderBook | OrderBookDelta) -> None:
    try:
        parse_decimal(text)
    except ValueError:
        raise BookError(BookErrorKind.LEVEL_MALFORMED, message, "a plain decimal", text) from None


def canonical(text: str) -> str:
    """Return the same string for equal numbers; plain decimals differ only in trailing zeros."""
    return text.rstrip("0").removesuffix(".") if "." in text else text
