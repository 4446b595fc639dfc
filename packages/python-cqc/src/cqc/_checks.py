"""Consistency checks for reported books, executions and candles, and for the references of any fact.

Venues do report inconsistent data. Investigate an anomaly, but do not reject the message: a gateway that rejects a fill
loses track of the position.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

from google.protobuf.message import Message

from cqc._book import canonical
from cqc._decimal import EXACT, parse_decimal
from cqc._timestamp import to_unix_nanos
from cqc.markets.v1 import BookLevel, Candle, OrderBook
from cqc.venues.v1 import ExecType, ExecutionReport, OrderStatus

__all__ = ["Anomaly", "AnomalyKind", "check_book", "check_candle", "check_execution", "check_references"]

# A closed order leaves nothing, however much was filled.
_CLOSED = (
    OrderStatus.ORDER_STATUS_CANCELLED,
    OrderStatus.ORDER_STATUS_EXPIRED,
    OrderStatus.ORDER_STATUS_REJECTED,
    OrderStatus.ORDER_STATUS_REPLACED,
)


class AnomalyKind(StrEnum):
    """What is inconsistent."""

    NUMBER_MALFORMED = "number.malformed"
    """A number is not a plain decimal."""
    REFERENCE_LISTING_MISSING = "reference.listing_missing"
    """Neither an id nor the venue's name states the listing."""
    REFERENCE_ASSET_MISSING = "reference.asset_missing"
    """Neither an id nor the venue's code states the asset."""
    BOOK_CROSSED = "book.crossed"
    """The best bid is above the best ask."""
    BOOK_LOCKED = "book.locked"
    """The best bid equals the best ask."""
    BOOK_UNSORTED = "book.unsorted"
    """Levels are not best first."""
    BOOK_DUPLICATE_PRICE = "book.duplicate_price"
    """A price occurs twice on one side."""
    BOOK_NEGATIVE_QUANTITY = "book.negative_quantity"
    """A quantity is negative."""
    BOOK_ZERO_QUANTITY = "book.zero_quantity"
    """A quantity is zero."""
    BOOK_LEVEL_INCOMPLETE = "book.level_incomplete"
    """A level without order id has no price or no quantity."""
    BOOK_SEQUENCE = "book.sequence"
    """The first or previous sequence is greater than the sequence."""
    EXECUTION_OVERFILLED = "execution.overfilled"
    """More was filled than ordered."""
    EXECUTION_LEAVES_MISMATCH = "execution.leaves_mismatch"
    """Cumulative plus leaves quantity of an open order is not the ordered quantity."""
    EXECUTION_FILLED_WITH_LEAVES = "execution.filled_with_leaves"
    """The order is filled but has a leaves quantity."""
    EXECUTION_PARTIAL_WITHOUT_LEAVES = "execution.partial_without_leaves"
    """The order is partially filled but nothing is left."""
    EXECUTION_LAST_ABOVE_CUMULATIVE = "execution.last_above_cumulative"
    """The last fill is larger than all fills together."""
    EXECUTION_TRADE_WITHOUT_QUANTITY = "execution.trade_without_quantity"
    """The fill has no quantity."""
    EXECUTION_NEGATIVE_QUANTITY = "execution.negative_quantity"
    """A quantity is negative."""
    CANDLE_HIGH_BELOW_LOW = "candle.high_below_low"
    """The high is below the low."""
    CANDLE_OPEN_OUTSIDE = "candle.open_outside"
    """The open is not between low and high."""
    CANDLE_CLOSE_OUTSIDE = "candle.close_outside"
    """The close is not between low and high."""
    CANDLE_VWAP_OUTSIDE = "candle.vwap_outside"
    """The volume-weighted average price is not between low and high."""
    CANDLE_NEGATIVE_VOLUME = "candle.negative_volume"
    """A volume is negative."""
    CANDLE_TAKER_VOLUME_ABOVE_VOLUME = "candle.taker_volume_above_volume"
    """The taker buy volume is larger than the volume."""
    CANDLE_CLOSES_BEFORE_OPEN = "candle.closes_before_open"
    """The close time is before the open time."""


@dataclass(frozen=True)
class Anomaly:
    """An inconsistency in reported data.

    `field` is the path to the inconsistent field, such as `bids[3].price`. `message` describes the problem.
    """

    kind: AnomalyKind
    field: str
    message: str


class _Anomalies(list[Anomaly]):
    def add(self, kind: AnomalyKind, field: str, message: str) -> None:
        self.append(Anomaly(kind, field, message))

    def number(self, field: str, text: str) -> Decimal | None:
        """Parse a decimal; a malformed one is an anomaly and has no value."""
        try:
            return parse_decimal(text)
        except ValueError:
            self.add(AnomalyKind.NUMBER_MALFORMED, field, f"{text} is not a plain decimal")
            return None

    def optional(self, message: Candle | ExecutionReport, field: str) -> Decimal | None:
        if not message.HasField(field):  # type: ignore[arg-type]
            return None
        return self.number(field, getattr(message, field))

    def stated(self, level: BookLevel, field: str, text: str) -> Decimal | None:
        """Parse a number of a level; an individual order may lack it."""
        if text:
            return self.number(field, text)
        if not level.order_id:
            self.add(AnomalyKind.BOOK_LEVEL_INCOMPLETE, field, "only a level with an order_id may lack it")
        return None

    def negative(self, kind: AnomalyKind, field: str, value: Decimal | None) -> None:
        if value is not None and value < 0:
            self.add(kind, field, f"{value:f} is negative")


def _below(one: Decimal | None, other: Decimal | None) -> bool:
    return one is not None and other is not None and one < other


# Pairs of an id and the venue's code whose absence leaves the meaning of a fact open. Others, such as the settlement
# asset of a position, are absent if the venue does not report them.
_ASSETS = ("", "in_", "out_", "quote_")


def check_references(message: Message) -> list[Anomaly]:
    """Return the references that a fact and the messages in it lack: the kinds `reference.*`.

    A listing is stated by `venue_symbol_id`, or by a `native_listing` with a symbol or an id. A message with legs, or
    an order by quote, may have none, because its legs state theirs; neither does a message about an asset, such as a
    balance, need one. An asset is stated by `asset_id` or `asset_code`; in swaps and metrics by both of two pairs.

    Works for any message, such as Order, Balance, Position, Trade or Event. `field` is the path of the id.
    """
    found = _Anomalies()
    _walk(found, "", message)
    return list(found)


def _walk(found: _Anomalies, path: str, message: Any) -> None:
    fields = message.DESCRIPTOR.fields_by_name
    if "native_listing" in fields and "asset_id" not in fields and not _names_listing(message, fields):
        text = "neither venue_symbol_id nor native_listing states the listing"
        found.add(AnomalyKind.REFERENCE_LISTING_MISSING, f"{path}venue_symbol_id", text)
    for prefix in _ASSETS:
        identifier, code = f"{prefix}asset_id", f"{prefix}asset_code"
        if code in fields and not getattr(message, code) and not getattr(message, identifier, ""):
            text = f"neither {identifier} nor {code} states the asset"
            found.add(AnomalyKind.REFERENCE_ASSET_MISSING, f"{path}{identifier}", text)
    for field, value in message.ListFields():
        if isinstance(value, Message):
            _walk(found, f"{path}{field.name}.", value)
        elif field.message_type and not field.message_type.GetOptions().map_entry:
            for index, item in enumerate(value):
                _walk(found, f"{path}{field.name}[{index}].", item)


def _names_listing(message: Any, fields: Any) -> bool:
    native = message.native_listing
    has_legs = ("legs" in fields and message.legs) or ("quote_id" in fields and message.quote_id)
    return bool(getattr(message, "venue_symbol_id", "") or native.symbol or native.id or has_legs)


def check_book(book: OrderBook) -> list[Anomaly]:
    """Return the anomalies in an order book: the kinds `number.*`, `book.*` and `reference.*`."""
    found = _Anomalies(check_references(book))
    bid = _side(found, "bids", book.bids, -1)
    ask = _side(found, "asks", book.asks, 1)
    if bid is not None and ask is not None:
        if bid > ask:
            found.add(AnomalyKind.BOOK_CROSSED, "bids", f"the best bid {bid:f} is above the best ask {ask:f}")
        elif bid == ask:
            found.add(AnomalyKind.BOOK_LOCKED, "bids", f"the best bid {bid:f} equals the best ask")
    for field in ("first_sequence", "previous_sequence"):
        if book.HasField("sequence") and book.HasField(field) and getattr(book, field) > book.sequence:
            message = f"{getattr(book, field)} is greater than sequence {book.sequence}"
            found.add(AnomalyKind.BOOK_SEQUENCE, field, message)
    return list(found)


def _side(found: _Anomalies, name: str, levels: Sequence[BookLevel], direction: int) -> Decimal | None:
    """Check the levels of one side and return its best price. `direction` is 1 if prices rise from best to worst."""
    best: Decimal | None = None
    before: Decimal | None = None
    seen = set()
    for index, level in enumerate(levels):
        field = f"{name}[{index}]"
        quantity = found.stated(level, f"{field}.quantity", level.quantity)
        found.negative(AnomalyKind.BOOK_NEGATIVE_QUANTITY, f"{field}.quantity", quantity)
        if quantity is not None and not quantity:
            found.add(AnomalyKind.BOOK_ZERO_QUANTITY, f"{field}.quantity", "the level has zero quantity")
        price = found.stated(level, f"{field}.price", level.price)
        if price is None:
            continue
        key = (canonical(level.price), level.order_id)
        if key in seen:
            found.add(AnomalyKind.BOOK_DUPLICATE_PRICE, f"{field}.price", f"{level.price} occurs twice")
        seen.add(key)
        if before is not None and (price < before if direction > 0 else price > before):
            message = f"{price:f} is better than the preceding {before:f}"
            found.add(AnomalyKind.BOOK_UNSORTED, f"{field}.price", message)
        before = price
        if best is None or (price < best if direction > 0 else price > best):
            best = price
    return best


def check_execution(report: ExecutionReport) -> list[Anomaly]:
    """Return the anomalies in an execution report: the kinds `number.*`, `execution.*` and `reference.*`.

    The ordered quantity is taken from the embedded order; checks that need it are skipped without one, and for an order
    that is sized by an amount in quote units or by the position that it closes.
    """
    found = _Anomalies(check_references(report))
    last = found.optional(report, "last_quantity")
    cumulative = found.optional(report, "cumulative_quantity")
    leaves = found.optional(report, "leaves_quantity")
    ordered = None
    order = report.order
    if order.HasField("quantity") and not order.HasField("quote_quantity") and not order.close_position:
        ordered = found.number("order.quantity", order.quantity)
    found.negative(AnomalyKind.EXECUTION_NEGATIVE_QUANTITY, "last_quantity", last)
    found.negative(AnomalyKind.EXECUTION_NEGATIVE_QUANTITY, "cumulative_quantity", cumulative)
    found.negative(AnomalyKind.EXECUTION_NEGATIVE_QUANTITY, "leaves_quantity", leaves)
    if _below(ordered, cumulative):
        message = f"{cumulative:f} filled is more than {ordered:f} ordered"
        found.add(AnomalyKind.EXECUTION_OVERFILLED, "cumulative_quantity", message)
    status = report.order_status
    if (
        status not in _CLOSED
        and ordered is not None
        and cumulative is not None
        and leaves is not None
        and EXACT.add(cumulative, leaves) != ordered
    ):
        message = f"{cumulative:f} filled plus {leaves:f} left is not {ordered:f} ordered"
        found.add(AnomalyKind.EXECUTION_LEAVES_MISMATCH, "leaves_quantity", message)
    if status == OrderStatus.ORDER_STATUS_FILLED and leaves is not None and leaves > 0:
        message = f"the order is filled but {leaves:f} is left"
        found.add(AnomalyKind.EXECUTION_FILLED_WITH_LEAVES, "leaves_quantity", message)
    nothing_left = not leaves if leaves is not None else ordered is not None and ordered == cumulative
    if status == OrderStatus.ORDER_STATUS_PARTIALLY_FILLED and nothing_left:
        message = "the order is partially filled but nothing is left"
        found.add(AnomalyKind.EXECUTION_PARTIAL_WITHOUT_LEAVES, "order_status", message)
    if _below(cumulative, last):
        message = f"the last fill {last:f} is larger than {cumulative:f} filled in total"
        found.add(AnomalyKind.EXECUTION_LAST_ABOVE_CUMULATIVE, "last_quantity", message)
    has_last = report.HasField("last_quantity")
    if report.exec_type == ExecType.EXEC_TYPE_TRADE and (not has_last or (last is not None and not last)):
        found.add(AnomalyKind.EXECUTION_TRADE_WITHOUT_QUANTITY, "last_quantity", "the fill has no quantity")
    return list(found)


def check_candle(candle: Candle) -> list[Anomaly]:
    """Return the anomalies in a candle: the kinds `number.*`, `candle.*` and `reference.*`."""
    found = _Anomalies(check_references(candle))
    high = found.number("high", candle.high)
    low = found.number("low", candle.low)
    if _below(high, low):
        found.add(AnomalyKind.CANDLE_HIGH_BELOW_LOW, "high", f"the high {high:f} is below the low {low:f}")
    else:
        inner = (
            (AnomalyKind.CANDLE_OPEN_OUTSIDE, "open", found.number("open", candle.open)),
            (AnomalyKind.CANDLE_CLOSE_OUTSIDE, "close", found.number("close", candle.close)),
            (AnomalyKind.CANDLE_VWAP_OUTSIDE, "vwap", found.optional(candle, "vwap")),
        )
        for kind, field, value in inner:
            if _below(value, low) or _below(high, value):
                found.add(kind, field, f"{value:f} is not between the low and the high")
    for part_field, whole_field in (("taker_buy_volume", "volume"), ("taker_buy_quote_volume", "quote_volume")):
        part, whole = found.optional(candle, part_field), found.optional(candle, whole_field)
        found.negative(AnomalyKind.CANDLE_NEGATIVE_VOLUME, part_field, part)
        found.negative(AnomalyKind.CANDLE_NEGATIVE_VOLUME, whole_field, whole)
        if _below(whole, part):
            message = f"{part:f} is larger than {whole_field} {whole:f}"
            found.add(AnomalyKind.CANDLE_TAKER_VOLUME_ABOVE_VOLUME, part_field, message)
    if (
        candle.HasField("open_time")
        and candle.HasField("close_time")
        and to_unix_nanos(candle.close_time) < to_unix_nanos(candle.open_time)
    ):
        found.add(AnomalyKind.CANDLE_CLOSES_BEFORE_OPEN, "close_time", "the candle closes before it opens")
    return list(found)
