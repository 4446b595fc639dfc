"""What follows from other fields: the end of a candle, the state of an order, and what an id says."""

from __future__ import annotations

from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from cqc._decimal import parse_decimal
from cqc._ids import InvalidIdError, parse_symbol_id, parse_venue_symbol_id
from cqc._map_table import Context
from cqc._timestamp import from_unix_nanos, to_datetime, to_unix_nanos
from cqc.markets.v1 import CalendarInterval, OptionType, Symbol, SymbolType
from cqc.venues.v1 import Order, OrderSide, OrderStatus, OrderType, TriggerDirection

_MONTHS = {
    CalendarInterval.CALENDAR_INTERVAL_MONTH: 1,
    CalendarInterval.CALENDAR_INTERVAL_QUARTER: 3,
    CalendarInterval.CALENDAR_INTERVAL_YEAR: 12,
}
# Whether the price that an order of the type waits for is above the market for a buyer.
_UP_TO_BUY = {
    OrderType.ORDER_TYPE_STOP: True,
    OrderType.ORDER_TYPE_STOP_LIMIT: True,
    OrderType.ORDER_TYPE_TRAILING_STOP: True,
    OrderType.ORDER_TYPE_TRAILING_STOP_LIMIT: True,
    OrderType.ORDER_TYPE_TAKE_PROFIT: False,
    OrderType.ORDER_TYPE_TAKE_PROFIT_LIMIT: False,
}
# What an order is that waits for a price which goes its way, and which goes the other way.
_TRIGGERED = {
    OrderType.ORDER_TYPE_MARKET: (OrderType.ORDER_TYPE_STOP, OrderType.ORDER_TYPE_TAKE_PROFIT),
    OrderType.ORDER_TYPE_LIMIT: (OrderType.ORDER_TYPE_STOP_LIMIT, OrderType.ORDER_TYPE_TAKE_PROFIT_LIMIT),
}
_TYPES = {
    "SPOT": SymbolType.SYMBOL_TYPE_SPOT,
    "MARGIN": SymbolType.SYMBOL_TYPE_MARGIN,
    "PERP": SymbolType.SYMBOL_TYPE_PERPETUAL,
    "FUT": SymbolType.SYMBOL_TYPE_FUTURE,
    "OPT": SymbolType.SYMBOL_TYPE_OPTION,
    "INDEX": SymbolType.SYMBOL_TYPE_INDEX,
}


def candle_close(candle: Any, _context: Context) -> None:
    """A `derive` function: the end of a candle whose venue states its start and its length, on the calendar too."""
    if candle.HasField("close_time") or not candle.HasField("open_time"):
        return
    if candle.HasField("interval"):
        nanos = to_unix_nanos(candle.open_time) + candle.interval.ToNanoseconds()
        candle.close_time.CopyFrom(from_unix_nanos(nanos))
    elif candle.calendar_interval in _MONTHS:
        start = to_datetime(candle.open_time)
        months = start.year * 12 + start.month - 1 + _MONTHS[candle.calendar_interval]
        candle.close_time.FromDatetime(start.replace(year=months // 12, month=months % 12 + 1))


def order_state(order: Order, context: Context) -> None:
    """A `derive` function: PARTIALLY_FILLED for a venue that calls such an order open, and the trigger's direction."""
    filled = order.HasField("cumulative_quantity") and parse_decimal(order.cumulative_quantity) > 0
    if filled and order.status == OrderStatus.ORDER_STATUS_NEW:
        order.status = OrderStatus.ORDER_STATUS_PARTIALLY_FILLED
    trigger_direction(order, context)


def trigger_direction(order: Any, _context: Context) -> None:
    """A `derive` function: the direction in which the price has to cross the trigger, from the type and the side."""
    if order.type in _UP_TO_BUY and order.side and not order.trigger_direction:
        up = _UP_TO_BUY[order.type] == (order.side == OrderSide.ORDER_SIDE_BUY)
        order.trigger_direction = (
            TriggerDirection.TRIGGER_DIRECTION_UP if up else TriggerDirection.TRIGGER_DIRECTION_DOWN
        )


def trigger_type(order: Any, _context: Context) -> None:
    """A `derive` function: the type of a market or limit order with a trigger, from the trigger's direction."""
    if order.type in _TRIGGERED and order.side and order.trigger_direction:
        up = order.trigger_direction == TriggerDirection.TRIGGER_DIRECTION_UP
        stop, take_profit = _TRIGGERED[order.type]
        order.type = stop if up == (order.side == OrderSide.ORDER_SIDE_BUY) else take_profit


def settlement_asset(message: Any, _context: Context) -> None:
    """A `derive` function: the asset of a contract's fees and profits, for a venue that states only amounts.

    It is what the listing's id says that the contract is settled in; other listings are left as they are.
    """
    try:
        settled = parse_symbol_id(parse_venue_symbol_id(message.venue_symbol_id).symbol_id).settlement_asset_id
    except InvalidIdError:
        return
    names = message.DESCRIPTOR.fields_by_name if settled else ()
    for fee in message.fees if "fees" in names else ():
        if not fee.asset_id and not fee.asset_code:
            fee.asset_id = settled
    if "settlement_asset_id" in names and not message.settlement_asset_id and not message.settlement_asset_code:
        message.settlement_asset_id = settled


def fill_symbol(symbol: Symbol) -> None:
    """Fill what the id of a product says, unless it is set."""
    parts = symbol.symbol_id.split("-")
    if parts[0] == "COMBO":
        symbol.type = SymbolType.SYMBOL_TYPE_COMBO
        symbol.symbol = symbol.symbol or symbol.symbol_id
    if len(parts) < 3 or parts[2] not in _TYPES:
        return
    base, quote, kind, *rest = parts
    symbol.type = symbol.type or _TYPES[kind]
    symbol.symbol = symbol.symbol or f"{base}/{quote}"
    symbol.base_asset_id = symbol.base_asset_id or base
    if rest and kind != "INDEX":
        symbol.settlement_asset_id = symbol.settlement_asset_id or rest[0]
    if len(rest) > 1 and not symbol.HasField("expiry"):
        symbol.expiry.CopyFrom(_expiry(rest[1]))
    if kind == "OPT":
        # The second part of an option's id is the asset of its strike; it trades in what it is settled in.
        symbol.strike_asset_id = symbol.strike_asset_id or quote
        symbol.quote_asset_id = symbol.quote_asset_id or rest[0]
        symbol.strike = symbol.strike or rest[2].replace("d", ".")
        right = OptionType.OPTION_TYPE_CALL if rest[3] == "C" else OptionType.OPTION_TYPE_PUT
        symbol.option_type = symbol.option_type or right
    else:
        symbol.quote_asset_id = symbol.quote_asset_id or quote


def _expiry(text: str) -> Timestamp:
    day, _, time = text.partition("T")
    time = f"{time or '0800':0<6}"
    result = Timestamp()
    result.FromJsonString(f"{day[:4]}-{day[4:6]}-{day[6:]}T{time[:2]}:{time[2:4]}:{time[4:]}Z")
    return result
