"""Oddities in facts: what does not fit together in a book, an execution report or a candle.

Venues do send such facts. An oddity is a reason to look, not to refuse: a gateway that refuses a fill loses the
position.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from cqc.books import canonical
from cqc.decimals import EXACT, parse_decimal
from cqc.markets.v1 import BookLevel, Candle, OrderBook
from cqc.timestamps import to_unix_nanos
from cqc.venues.v1 import ExecType, ExecutionReport, OrderStatus

__all__ = ["Oddity", "check_book", "check_candle", "check_execution"]

_CLOSED = (
    OrderStatus.ORDER_STATUS_CANCELLED,
    OrderStatus.ORDER_STATUS_EXPIRED,
    OrderStatus.ORDER_STATUS_REJECTED,
    OrderStatus.ORDER_STATUS_REPLACED,
)


@dataclass(frozen=True)
class Oddity:
    """Something in a fact that does not fit together.

    `kind` names it, such as `book.crossed`; `field` is the path to the field that is odd, such as `bids[3].price`;
    `text` says what was found, for people.
    """

    kind: str
    field: str
    text: str


class _Found(list[Oddity]):
    def report(self, kind: str, field: str, text: str) -> None:
        self.append(Oddity(kind, field, text))

    def number(self, field: str, text: str) -> Decimal | None:
        """Read a decimal of a fact; what is none is an oddity itself."""
        try:
            return parse_decimal(text)
        except ValueError:
            self.report("number.malformed", field, f"{text} is not a plain decimal number")
            return None

    def optional(self, message: Candle | ExecutionReport, field: str) -> Decimal | None:
        if not message.HasField(field):  # type: ignore[arg-type]
            return None
        return self.number(field, getattr(message, field))

    def negative(self, kind: str, field: str, value: Decimal | None) -> None:
        if value is not None and value < 0:
            self.report(kind, field, f"{value:f} is below zero")


def _below(one: Decimal | None, other: Decimal | None) -> bool:
    return one is not None and other is not None and one < other


def check_book(book: OrderBook) -> list[Oddity]:
    """Report what is odd in an order book, by exact arithmetic.

    Sides that cross (`book.crossed`) or touch (`book.locked`), levels that are not best first (`book.unsorted`) or
    there twice (`book.duplicate_price`), quantities that are negative (`book.negative_quantity`) or zero
    (`book.zero_quantity`), and sequences that run backwards (`book.sequence`).
    """
    found = _Found()
    bid = _side(found, "bids", book.bids, -1)
    ask = _side(found, "asks", book.asks, 1)
    if bid is not None and ask is not None:
        if bid > ask:
            found.report("book.crossed", "bids", f"the best bid {bid:f} is above the best ask {ask:f}")
        elif bid == ask:
            found.report("book.locked", "bids", f"the best bid {bid:f} is the best ask")
    for field in ("first_sequence", "previous_sequence"):
        if book.HasField("sequence") and book.HasField(field) and getattr(book, field) > book.sequence:
            found.report("book.sequence", field, f"{getattr(book, field)} is above sequence {book.sequence}")
    return list(found)


def _side(found: _Found, name: str, levels: Sequence[BookLevel], direction: int) -> Decimal | None:
    """Check the levels of one side and return its best price; prices get better against the direction."""
    best: Decimal | None = None
    before: Decimal | None = None
    seen = set()
    for index, level in enumerate(levels):
        field = f"{name}[{index}]"
        quantity = found.number(f"{field}.quantity", level.quantity)
        found.negative("book.negative_quantity", f"{field}.quantity", quantity)
        if quantity is not None and not quantity:
            found.report("book.zero_quantity", f"{field}.quantity", "a level of a book has no quantity")
        price = found.number(f"{field}.price", level.price)
        if price is None:
            continue
        key = (canonical(level.price), level.order_id)
        if key in seen:
            found.report("book.duplicate_price", f"{field}.price", f"{level.price} is there twice")
        seen.add(key)
        if before is not None and (price < before if direction > 0 else price > before):
            found.report("book.unsorted", f"{field}.price", f"{price:f} is better than {before:f} before it")
        before = price
        if best is None or (price < best if direction > 0 else price > best):
            best = price
    return best


def check_execution(report: ExecutionReport) -> list[Oddity]:
    """Report what is odd in an execution report, by exact arithmetic.

    More filled than ordered (`execution.overfilled`), a cumulative and a leaves quantity that do not add up to the
    ordered one while the order is open (`execution.leaves_mismatch`), a filled order with something left
    (`execution.filled_with_leaves`), a partly filled one with nothing left (`execution.partial_without_leaves`), a last
    fill above all fills (`execution.last_above_cumulative`), a fill without quantity
    (`execution.trade_without_quantity`), and quantities below zero (`execution.negative_quantity`). The ordered
    quantity is that of the embedded order, where there is one.
    """
    found = _Found()
    last = found.optional(report, "last_quantity")
    cumulative = found.optional(report, "cumulative_quantity")
    leaves = found.optional(report, "leaves_quantity")
    ordered = None
    if report.order.WhichOneof("size") == "quantity":
        ordered = found.number("order.quantity", report.order.quantity)
    found.negative("execution.negative_quantity", "last_quantity", last)
    found.negative("execution.negative_quantity", "cumulative_quantity", cumulative)
    found.negative("execution.negative_quantity", "leaves_quantity", leaves)
    if _below(ordered, cumulative):
        found.report(
            "execution.overfilled", "cumulative_quantity", f"{cumulative:f} is filled, {ordered:f} was ordered"
        )
    status = report.order_status
    # Nothing is left of a closed order, whatever was filled.
    if (
        status not in _CLOSED
        and ordered is not None
        and cumulative is not None
        and leaves is not None
        and EXACT.add(cumulative, leaves) != ordered
    ):
        found.report(
            "execution.leaves_mismatch",
            "leaves_quantity",
            f"{cumulative:f} filled and {leaves:f} left are not the {ordered:f} ordered",
        )
    if status == OrderStatus.ORDER_STATUS_FILLED and leaves is not None and leaves > 0:
        found.report("execution.filled_with_leaves", "leaves_quantity", f"the order is filled and {leaves:f} is left")
    nothing_left = not leaves if leaves is not None else ordered is not None and ordered == cumulative
    if status == OrderStatus.ORDER_STATUS_PARTIALLY_FILLED and nothing_left:
        found.report(
            "execution.partial_without_leaves", "order_status", "the order is partly filled and nothing is left"
        )
    if _below(cumulative, last):
        found.report(
            "execution.last_above_cumulative",
            "last_quantity",
            f"the last fill {last:f} is above all fills {cumulative:f}",
        )
    has_last = report.HasField("last_quantity")
    if report.exec_type == ExecType.EXEC_TYPE_TRADE and (not has_last or (last is not None and not last)):
        found.report("execution.trade_without_quantity", "last_quantity", "a fill has no quantity")
    return list(found)


def check_candle(candle: Candle) -> list[Oddity]:
    """Report what is odd in a candle, by exact arithmetic.

    A high below the low (`candle.high_below_low`), an open, close or vwap outside of the two (`candle.open_outside` and
    so on), volumes below zero (`candle.negative_volume`), a part of the volume above all of it
    (`candle.taker_volume_above_volume`), and an end before its start (`candle.closes_before_open`).
    """
    found = _Found()
    high = found.number("high", candle.high)
    low = found.number("low", candle.low)
    if _below(high, low):
        found.report("candle.high_below_low", "high", f"the high {high:f} is below the low {low:f}")
    else:
        inner = {
            "open": found.number("open", candle.open),
            "close": found.number("close", candle.close),
            "vwap": found.optional(candle, "vwap"),
        }
        for field, value in inner.items():
            if _below(value, low) or _below(high, value):
                found.report(f"candle.{field}_outside", field, f"{value:f} is not between the low and the high")
    for part_field, all_field in (("taker_buy_base_volume", "volume"), ("taker_buy_quote_volume", "quote_volume")):
        part, whole = found.optional(candle, part_field), found.optional(candle, all_field)
        found.negative("candle.negative_volume", part_field, part)
        found.negative("candle.negative_volume", all_field, whole)
        if _below(whole, part):
            found.report("candle.taker_volume_above_volume", part_field, f"{part:f} is above {all_field} {whole:f}")
    if (
        candle.HasField("open_time")
        and candle.HasField("close_time")
        and to_unix_nanos(candle.close_time) < to_unix_nanos(candle.open_time)
    ):
        found.report("candle.closes_before_open", "close_time", "the candle ends before it starts")
    return list(found)
