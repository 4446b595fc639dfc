"""Kraken, spot (https://docs.kraken.com/api) and futures (https://docs.futures.kraken.com)."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from google.protobuf.duration_pb2 import Duration

from cqc.markets.v1 import (
    AggressorSide,
    ChecksumKind,
    FundingRate,
    OrderBook,
    OrderBookDelta,
    QuantityUnit,
    Symbol,
    SymbolType,
    TakerOrderType,
    Ticker,
    Trade,
)
from cqc.portfolio.v1 import Position
from cqc.venues.v1 import (
    AccountMargin,
    Balance,
    ExecType,
    ExecutionReport,
    LiquiditySide,
    Order,
    OrderSide,
    OrderStatus,
    OrderType,
    PositionSide,
    TradingMode,
    TriggerKind,
    VenueSymbol,
)
from cqc_venues.common import OWNED, owned, partly_filled, received
from cqc_venues.mapping import (
    ABSENT,
    Rule,
    Table,
    Venue,
    asset,
    at,
    choice,
    custom,
    decimal,
    decimals,
    derived,
    each,
    enum,
    fixed,
    flag,
    integer,
    listing_as,
    milliseconds,
    not_kept,
    only_absent,
    percent,
    rfc3339,
    seconds,
    string,
    table,
    within,
)

BASE, QUOTE = QuantityUnit.QUANTITY_UNIT_BASE, QuantityUnit.QUANTITY_UNIT_QUOTE
# A spot listing has three spellings: AAVEAUD in orders, AAVE/AUD in streams, AAVEZAUD in positions.
altname, wsname, key, futures = map(listing_as, ("altname", "wsname", "key", "futures"))
CODES = {"XBT": "BTC", "XDG": "DOGE"}
QUOTES = ("USDT", "USDC", "USD", "EUR", "GBP", "CAD", "JPY", "AUD", "CHF", "DAI", "XBT", "ETH")
ENVELOPE = "envelope: outcome and request id"
PERSONAL = "user identity; account_id identifies the account"
PAGING = "pagination"
LOTS = "quantity rounded down to whole lots; the exact quantity is kept"
# Some replies do not name their contract. The captured ones are for this contract.
REQUESTED = "kraken_futures:BTC-USD-PERP-USD"


def _asset_id(code: str) -> str:
    """Return BTC for XXBT, USD for ZUSD, ETH2_S for ETH2.S."""
    short = code[1:] if len(code) == 4 and code[0] in "XZ" else code
    return CODES.get(short, short).replace(".", "_")


def _split(native: str) -> tuple[str, str]:
    if "/" in native:
        base, quote = native.split("/")
    elif len(native) == 8 and native[0] == "X" and native[4] in "XZ":
        base, quote = native[:4], native[4:]
    else:
        quote = next(quote for quote in QUOTES if native.endswith(quote))
        base = native.removesuffix(quote).removesuffix("Z") if quote != "USDT" else native.removesuffix(quote)
    return base, quote


def _venue_symbol_id(native: str) -> str:
    kind, _, rest = native.partition("_")
    if kind in ("PI", "PF", "FI", "FF"):
        pair, _, delivery = rest.partition("_")
        base, quote = _asset_id(pair.removesuffix("USD")), "USD"
        # PI and FI settle in the base asset, PF and FF in dollars and other collateral.
        settlement = base if kind.endswith("I") else quote
        dated = f"FUT-{settlement}-20{delivery}" if delivery else f"PERP-{settlement}"
        return f"kraken_futures:{base}-{quote}-{dated}"
    base, quote = map(_asset_id, _split(native.partition(".")[0]))
    return _spot_id(base, quote, native)


def _spot_id(base: str, quote: str, native: str) -> str:
    # The dark pool lists the same pairs with a suffix.
    suffix = native.partition(".")[2]
    return f"kraken:{base}-{quote}-SPOT" + (f":{suffix}" if suffix else "")


def venue() -> Venue:
    """Kraken spot and futures."""
    return Venue("kraken", _venue_symbol_id, _asset_id)


def _unit(message: Any, _venue: Venue) -> int:
    """Return the quantity unit. Inverse futures are sized in dollars."""
    parts = message.venue_symbol_id.partition(":")[2].split("-")
    return QUOTE if len(parts) > 3 and parts[3] == parts[0] else BASE


def _quote_of(message: Any, _venue: Venue) -> str:
    return str(message.venue_symbol_id.partition(":")[2].split("-")[1])


def _tiers(payload: Any) -> Any:
    """Merge the taker and maker fees of an instrument into one list of tiers."""
    makers = dict(payload.get("fees_maker", []))
    tiers = [
        {"volume": volume, "taker": fee, **({"maker": makers.pop(volume)} if volume in makers else {})}
        for volume, fee in payload["fees"]
    ]
    rest = {key: value for key, value in payload.items() if key not in ("fees", "fees_maker")}
    return {**rest, "tiers": tiers, "fees_maker": list(makers.items())}


def _pair(bundle: Any, value: Any, venue: Venue) -> None:
    listing = bundle.messages["listing"]
    listing.native_symbol = value
    base, quote = bundle.messages["symbol"].base_asset_id, bundle.messages["symbol"].quote_asset_id
    listing.venue_symbol_id = _spot_id(base, quote, value)
    listing.symbol_id = f"{base}-{quote}-SPOT"
    venue.natives[listing.venue_symbol_id, "altname"] = value


def _tick(bundle: Any, _venue: Venue) -> str:
    return f"{Decimal(1).scaleb(-bundle.messages['listing'].price_precision):f}"


def _all_volumes(bundle: Any, value: Any, venue: Venue) -> None:
    for tier in bundle.messages["listing"].fees:
        tier.volume_asset_id = venue.asset(value)


instrument = table(
    "instruments",
    {"symbol": Symbol, "listing": VenueSymbol},
    derived("listing.venue_id", lambda _, venue: venue.venue_id),
    at("base", "symbol.base_asset_id", asset),
    at("quote", "symbol.quote_asset_id", asset),
    custom("altname", _pair, lambda bundle, _: bundle.messages["listing"].native_symbol),
    derived("symbol.symbol_id", lambda bundle, _: bundle.messages["listing"].symbol_id),
    derived("symbol.symbol", lambda bundle, _: bundle.messages["listing"].native_symbol),
    derived("symbol.type", lambda *_: SymbolType.SYMBOL_TYPE_SPOT),
    derived("listing.quantity_unit", lambda *_: BASE),
    derived("listing.trading_mode", lambda *_: TradingMode.TRADING_MODE_OPEN),
    custom(
        "wsname",
        lambda bundle, value, _: bundle.messages["listing"].other_native_symbols.append(value),
        lambda bundle, _: next(iter(bundle.messages["listing"].other_native_symbols), ABSENT),
    ),
    not_kept("aclass_*", "asset class; always `currency`"),
    not_kept("lot", "lot unit; always `unit`"),
    at("pair_decimals", "listing.price_precision", integer),
    derived("listing.rules.tick_tiers.0.tick_size", _tick),
    at("lot_decimals", "listing.quantity_precision", integer),
    at("lot_multiplier", "listing.base_multiplier", decimal),
    at("leverage_buy", "listing.buy_leverages", decimals),
    at("leverage_sell", "listing.sell_leverages", decimals),
    each(
        "tiers",
        "listing.fees",
        at("volume", "from_volume", decimal),
        at("taker", "taker", percent),
        at("maker", "maker", percent),
    ),
    custom(
        "fee_volume_currency",
        _all_volumes,
        lambda bundle, venue: venue.codes[bundle.messages["listing"].fees[0].volume_asset_id],
    ),
    at("margin_call", "listing.margin_call_percent", decimal),
    at("margin_stop", "listing.margin_stop_percent", decimal),
    at("ordermin", "listing.rules.limit_order.min_quantity", decimal),
    prepare=_tiers,
)

CHANNEL = (
    not_kept("channel_id", "valid for one connection only"),
    not_kept("channel", "subscription name; its depth is kept"),
)


def _frame(inner: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Name the items of a stream frame, which is a list: [channel id, data, channel, pair]."""

    def prepare(payload: Any) -> Any:
        channel_id, *data, channel, pair = payload["frame"]
        named = {"channel_id": channel_id, "channel": channel, "pair": pair}
        return {**payload, "frame": {**named, **inner((data, pair, channel))}}

    return prepare


trade = table(
    "trades",
    {"trades": [Trade]},
    not_kept("received_at", "copied to each trade"),
    within(
        "frame",
        CHANNEL,
        not_kept("pair", "copied to each trade"),
        each(
            "trades",
            "trades",
            at("0", "price", decimal),
            at("1", "quantity", decimal),
            at("2", "timestamp", seconds),
            choice(
                "3", "aggressor", {"b": AggressorSide.AGGRESSOR_SIDE_BUYER, "s": AggressorSide.AGGRESSOR_SIDE_SELLER}
            ),
            enum(
                "4",
                "taker_order_type",
                {"m": TakerOrderType.TAKER_ORDER_TYPE_MARKET, "l": TakerOrderType.TAKER_ORDER_TYPE_LIMIT},
            ),
            at("5", "raw_conditions", string.unless("")),
            at("pair", "venue_symbol_id", wsname),
            at("received_at", "received_at", seconds),
            derived("quantity_unit", lambda *_: BASE),
        ),
    ),
    prepare=lambda payload: _frame(
        lambda frame: {
            "trades": [
                {
                    **{str(index): value for index, value in enumerate(item)},
                    "pair": frame[1],
                    "received_at": payload["received_at"],
                }
                for item in frame[0][0]
            ]
        }
    )(payload),
)

# Each list holds the value for today and the value for the last 24 hours.
WINDOWS = (
    *(("v", "volume", decimal), ("p", "vwap", decimal), ("t", "trade_count", integer)),
    *(("l", "low", decimal), ("h", "high", decimal), ("o", "open", decimal)),
)

ticker = table(
    "tickers",
    {"ticker": Ticker},
    at("received_at", "ticker.received_at", seconds),
    derived("ticker.quantity_unit", lambda *_: BASE),
    within(
        "frame",
        CHANNEL,
        at("pair", "ticker.venue_symbol_id", wsname),
        at("a.0", "ticker.ask_price", decimal),
        not_kept("a.1", LOTS),
        at("a.2", "ticker.ask_quantity", decimal),
        at("b.0", "ticker.bid_price", decimal),
        not_kept("b.1", LOTS),
        at("b.2", "ticker.bid_quantity", decimal),
        at("c.0", "ticker.last_price", decimal),
        at("c.1", "ticker.last_quantity", decimal),
        *(
            at(f"{name}.{index}", f"ticker.windows.{index}.{target}", codec)
            for name, target, codec in WINDOWS
            for index in (0, 1)
        ),
        derived("ticker.windows.1.duration", lambda *_: Duration(seconds=86_400)),
    ),
    prepare=_frame(
        lambda frame: {
            name: {str(index): value for index, value in enumerate(values)} for name, values in frame[0][0].items()
        }
    ),
)

LEVEL = (
    at("0", "price", decimal),
    at("1", "quantity", decimal),
    at("2", "timestamp", seconds),
    # `r` marks a republished level.
    at("3", "raw_action", string),
)


def _merged(frame: Any) -> Any:
    """Merge the data of a book frame, whose two sides may be separate objects, and add the channel's depth."""
    data = {name: value for part in frame[0] for name, value in part.items()}
    return {**data, "depth": int(frame[2].rpartition("-")[2])}


def _book(kind: str, name: str, message: Any, bids: str, asks: str) -> Table:
    return table(
        kind,
        {name: message},
        at("received_at", f"{name}.received_at", seconds),
        derived(f"{name}.quantity_unit", lambda *_: BASE),
        within(
            "frame",
            CHANNEL,
            at("pair", f"{name}.venue_symbol_id", wsname),
            at("depth", "book.depth", integer)
            if message is OrderBook
            else not_kept("depth", "subscribed depth; the snapshot has it"),
            each(asks, f"{name}.asks", *LEVEL),
            each(bids, f"{name}.bids", *LEVEL),
            at("c", f"{name}.checksum", integer),
            derived(f"{name}.checksum_kind", lambda *_: ChecksumKind.CHECKSUM_KIND_CRC32_KRAKEN),
        ),
        prepare=_frame(_merged),
    )


snapshot = _book("book snapshots", "book", OrderBook, "bs", "as")
delta = _book("book deltas", "delta", OrderBookDelta, "b", "a")

SIDES = {"buy": OrderSide.ORDER_SIDE_BUY, "sell": OrderSide.ORDER_SIDE_SELL}
ORDER_TYPES = {
    "limit": OrderType.ORDER_TYPE_LIMIT,
    "market": OrderType.ORDER_TYPE_MARKET,
    "stop-loss": OrderType.ORDER_TYPE_STOP,
    "stop-loss-limit": OrderType.ORDER_TYPE_STOP_LIMIT,
    "take-profit": OrderType.ORDER_TYPE_TAKE_PROFIT,
    "take-profit-limit": OrderType.ORDER_TYPE_TAKE_PROFIT_LIMIT,
    "trailing-stop": OrderType.ORDER_TYPE_TRAILING_STOP,
}
STATUSES = {
    "pending": OrderStatus.ORDER_STATUS_PENDING_NEW,
    "open": OrderStatus.ORDER_STATUS_NEW,
    "closed": OrderStatus.ORDER_STATUS_FILLED,
    "canceled": OrderStatus.ORDER_STATUS_CANCELLED,
    "expired": OrderStatus.ORDER_STATUS_EXPIRED,
}
DESCRIPTION = (
    at("pair", "venue_symbol_id", altname),
    enum("type", "side", SIDES),
    enum("ordertype", "type", ORDER_TYPES),
    at("price", "price", decimal.unless(0)),
    at("price2", "trigger_price", decimal.unless(0)),
    at("leverage", "leverage", decimal.unless("none")),
    not_kept("order", "human-readable summary of the other fields"),
    only_absent("close", ""),
)
# Derived from the venue order id and the listing, so they come after both.
IDENTIFIED = (
    derived("order_id", lambda order, venue: f"{venue.venue_id}:{order.venue_order_id}"),
    derived("quantity_unit", _unit),
)

added = table(
    "orders",
    {"orders": [Order]},
    each(
        "result",
        "orders",
        *OWNED,
        at("txid.0", "venue_order_id", string),
        within("descr", *DESCRIPTION),
        *IDENTIFIED,
    ),
    prepare=lambda payload: {
        "result": [
            {**payload["result"], "txid": {str(index): value for index, value in enumerate(payload["result"]["txid"])}}
        ]
    },
)


def rows(payload: Any, *path: str) -> list[Any]:
    """Convert an object keyed by id to a list of rows that contain the id."""
    for name in path:
        payload = payload[name]
    return [{"id": key, **value} for key, value in payload.items()]


ORDER = (
    *OWNED,
    at("id", "venue_order_id", string),
    within("descr", *DESCRIPTION),
    *IDENTIFIED,
    at("refid", "parent_venue_order_id", string),
    at("userref", "label", string.unless(0)),
    enum("status", "status", STATUSES),
    at("reason", "status_reason_text", string),
    at("opentm", "created_at", seconds),
    at("closetm", "closed_at", seconds),
    at("starttm", "start_at", seconds.unless(0)),
    at("expiretm", "good_til_time", seconds.unless(0)),
    at("vol", "quantity", decimal),
    at("vol_exec", "cumulative_quantity", decimal),
    partly_filled(),
    at("cost", "cumulative_quote_quantity", decimal),
    at("fee", "fees.0.amount", decimal),
    # Not in the payload: fees are charged in the quote asset unless the order flags specify otherwise.
    derived("fees.0.asset_id", _quote_of),
    at("price", "average_price", decimal.unless(0)),
    at("stopprice", "trigger_price", decimal.unless(0)),
    only_absent("limitprice", 0),
    at("misc", "raw_conditions", string.unless("")),
    at("oflags", "raw_flags", string.unless("")),
)


def _orders(*path: str) -> Table:
    return table(
        "orders",
        {"orders": [Order]},
        each("orders", "orders", *ORDER),
        not_kept("count", "number of orders in the reply"),
        prepare=lambda payload: {
            "orders": rows(payload, *path),
            **{name: value for name, value in payload["result"].items() if name == "count"},
        },
    )


closed_orders, open_orders = _orders("result", "closed"), _orders("result", "open")

FUTURES_TYPES = {
    "lmt": OrderType.ORDER_TYPE_LIMIT,
    "limit": OrderType.ORDER_TYPE_LIMIT,
    "mkt": OrderType.ORDER_TYPE_MARKET,
    "market": OrderType.ORDER_TYPE_MARKET,
    "stp": OrderType.ORDER_TYPE_STOP,
    "stop": OrderType.ORDER_TYPE_STOP,
    "take_profit": OrderType.ORDER_TYPE_TAKE_PROFIT,
}
FUTURES_STATUSES = {
    "untouched": OrderStatus.ORDER_STATUS_NEW,
    "placed": OrderStatus.ORDER_STATUS_NEW,
    "partiallyFilled": OrderStatus.ORDER_STATUS_PARTIALLY_FILLED,
    "filled": OrderStatus.ORDER_STATUS_FILLED,
    "cancelled": OrderStatus.ORDER_STATUS_CANCELLED,
}
TRIGGERS = {
    "last": TriggerKind.TRIGGER_KIND_LAST,
    "mark": TriggerKind.TRIGGER_KIND_MARK,
    "spot": TriggerKind.TRIGGER_KIND_INDEX,
}
LIQUIDITY = {"maker": LiquiditySide.LIQUIDITY_SIDE_MAKER, "taker": LiquiditySide.LIQUIDITY_SIDE_TAKER}
RESULT = not_kept("result", ENVELOPE)

futures_fills = table(
    "fills",
    {"reports": [ExecutionReport]},
    RESULT,
    not_kept("serverTime", "time of the reply"),
    each(
        "fills",
        "reports",
        *OWNED,
        at("fill_id", "exec_id", string),
        derived("exec_type", lambda *_: ExecType.EXEC_TYPE_TRADE),
        at("symbol", "venue_symbol_id", futures),
        derived("quantity_unit", _unit),
        enum("side", "side", SIDES),
        at("order_id", "venue_order_id", string),
        at("cli_ord_id", "client_order_id", string),
        at("fillTime", "timestamp", rfc3339),
        at("size", "last_quantity", decimal),
        at("price", "last_price", decimal),
        enum("fillType", "liquidity", LIQUIDITY),
        at("fee_paid", "fees.0.amount", decimal),
        at("fee_currency", "fees.0.asset_id", asset),
    ),
)

funding = table(
    "funding",
    {"rates": [FundingRate]},
    RESULT,
    each(
        "rates",
        "rates",
        received(),
        derived("venue_symbol_id", lambda *_: REQUESTED),
        derived("settled", lambda *_: True),
        at("timestamp", "funding_time", rfc3339),
        at("relativeFundingRate", "rate", decimal),
        at("fundingRate", "absolute_rate", decimal),
    ),
)

futures_orders = table(
    "orders",
    {"orders": [Order]},
    RESULT,
    not_kept("serverTime", "time of the reply"),
    each(
        "openOrders",
        "orders",
        *OWNED,
        at("order_id", "venue_order_id", string),
        at("symbol", "venue_symbol_id", futures),
        *IDENTIFIED,
        at("cli_ord_id", "client_order_id", string),
        enum("side", "side", SIDES),
        enum("orderType", "type", FUTURES_TYPES),
        at("limitPrice", "price", decimal),
        at("stopPrice", "trigger_price", decimal),
        at("unfilledSize", "leaves_quantity", decimal),
        at("filledSize", "cumulative_quantity", decimal),
        at("receivedTime", "created_at", rfc3339),
        enum("status", "status", FUTURES_STATUSES),
        at("reduceOnly", "reduce_only", flag),
        enum("triggerSignal", "trigger_kind", TRIGGERS),
        at("lastUpdateTime", "updated_at", rfc3339),
    ),
)

futures_positions = table(
    "positions",
    {"positions": [Position]},
    RESULT,
    not_kept("serverTime", "time of the reply"),
    each(
        "openPositions",
        "positions",
        *OWNED,
        at("symbol", "venue_symbol_id", futures),
        derived("position_id", lambda position, venue: f"{venue.account_id}:{position.venue_symbol_id}"),
        derived("quantity_unit", _unit),
        enum("side", "side", {"long": PositionSide.POSITION_SIDE_LONG, "short": PositionSide.POSITION_SIDE_SHORT}),
        at("price", "entry_price", decimal),
        at("fillTime", "opened_at", rfc3339),
        at("size", "quantity", decimal),
        at("unrealizedFunding", "accrued_funding", decimal),
    ),
)

EVENTS = {
    "PLACE": ExecType.EXEC_TYPE_NEW,
    "FILL": ExecType.EXEC_TYPE_TRADE,
    "CANCEL": ExecType.EXEC_TYPE_CANCELLED,
}
EVENT_STATUSES = {
    ExecType.EXEC_TYPE_NEW: OrderStatus.ORDER_STATUS_NEW,
    ExecType.EXEC_TYPE_TRADE: OrderStatus.ORDER_STATUS_FILLED,
    ExecType.EXEC_TYPE_CANCELLED: OrderStatus.ORDER_STATUS_CANCELLED,
}
# The order embedded in a report.
EMBEDDED = (
    *owned("order"),
    derived("order.venue_symbol_id", lambda report, _: report.venue_symbol_id),
    derived("order.order_id", lambda report, venue: f"{venue.venue_id}:{report.venue_order_id}"),
    derived("order.quantity_unit", _unit),
    derived("quantity_unit", _unit),
)

events = table(
    "executions",
    {"reports": [ExecutionReport]},
    each(
        "orderEvents",
        "reports",
        *OWNED,
        at("serverTime", "published_at", rfc3339),
        enum("type", "exec_type", EVENTS),
        derived("order_status", lambda report, _: EVENT_STATUSES[report.exec_type]),
        at("reducedQuantity", "reduced_quantity", decimal),
        within(
            "order",
            at("orderId", "venue_order_id", string),
            at("symbol", "venue_symbol_id", futures),
            derived("exec_id", lambda report, _: f"{report.venue_order_id}-{report.raw_exec_type}"),
            *EMBEDDED,
            at("cliOrdId", "client_order_id", string),
            enum("type", "order.type", FUTURES_TYPES),
            enum("side", "side", SIDES),
            at("quantity", "order.quantity", decimal),
            at("filled", "cumulative_quantity", decimal),
            at("limitPrice", "order.price", decimal),
            at("stopPrice", "order.trigger_price", decimal),
            at("timestamp", "order.created_at", rfc3339),
            at("lastUpdateTimestamp", "timestamp", rfc3339),
            at("reduceOnly", "order.reduce_only", flag),
        ),
    ),
    prepare=lambda payload: {
        "orderEvents": [{**item, "serverTime": payload["serverTime"]} for item in payload["orderEvents"]]
    },
)

PAIR = (at("0", "price", decimal), at("1", "quantity", decimal), at("2", "timestamp", seconds))

futures_book = table(
    "book snapshots",
    {"book": OrderBook},
    RESULT,
    received("book"),
    derived("book.venue_symbol_id", lambda *_: REQUESTED),
    derived("book.quantity_unit", lambda *_: BASE),
    at("serverTime", "book.published_at", rfc3339),
    within("orderBook", each("bids", "book.bids", *PAIR), each("asks", "book.asks", *PAIR)),
)

spot_book = table(
    "book snapshots",
    {"book": OrderBook},
    received("book"),
    derived("book.quantity_unit", lambda *_: BASE),
    at("pair", "book.venue_symbol_id", altname),
    each("bids", "book.bids", *PAIR),
    each("asks", "book.asks", *PAIR),
    prepare=lambda payload: next({"pair": pair, **book} for pair, book in payload["result"].items()),
)


def _matched(place: str, target: str) -> list[Rule]:
    return within(
        place,
        at("uid", f"{target}.venue_order_id", string),
        at("tradeable", "venue_symbol_id", futures),
        at("direction", f"{target}.raw_side", string),
        at("quantity", f"{target}.quantity", decimal),
        at("timestamp", f"{target}.created_at", milliseconds),
        at("limitPrice", f"{target}.price", decimal),
        at("orderType", f"{target}.raw_type", string),
        at("reduceOnly", f"{target}.reduce_only", flag),
        at("lastUpdateTimestamp", f"{target}.updated_at", milliseconds),
    )


TAKER_SIDES = {"Buy": AggressorSide.AGGRESSOR_SIDE_BUYER, "Sell": AggressorSide.AGGRESSOR_SIDE_SELLER}

executions = table(
    "trades",
    {"trades": [Trade]},
    each(
        "elements",
        "trades",
        received(),
        derived("quantity_unit", lambda *_: BASE),
        not_kept("uid", "id of the event; the trade has its own id"),
        at("timestamp", "published_at", milliseconds),
        within(
            "event.Execution",
            at("takerReducedQuantity", "taker_order.reduced_quantity", decimal.unless("")),
            within(
                "execution",
                at("uid", "trade_id", string),
                _matched("makerOrder", "maker_order"),
                _matched("takerOrder", "taker_order"),
                derived("aggressor", lambda trade, _: TAKER_SIDES[trade.taker_order.raw_side]),
                at("timestamp", "timestamp", milliseconds),
                at("quantity", "quantity", decimal),
                at("price", "price", decimal),
                at("markPrice", "mark_price", decimal),
                at("limitFilled", "taker_order.filled", flag),
                at("usdValue", "quote_quantity", decimal),
            ),
        ),
    ),
    not_kept("len", PAGING),
    not_kept("continuationToken", PAGING),
)

sent = table(
    "executions",
    {"report": ExecutionReport},
    RESULT,
    owned("report"),
    derived("report.exec_type", lambda *_: ExecType.EXEC_TYPE_NEW),
    at("serverTime", "report.published_at", rfc3339),
    within(
        "sendStatus",
        at("order_id", "report.venue_order_id", string),
        derived("report.exec_id", lambda bundle, _: f"{bundle.messages['report'].venue_order_id}-placed"),
        enum("status", "report.order_status", FUTURES_STATUSES),
        at("cli_ord_id", "report.client_order_id", string),
    ),
)

cancelled = table(
    "executions",
    {"report": ExecutionReport},
    RESULT,
    *owned("report"),
    derived("report.exec_type", lambda *_: ExecType.EXEC_TYPE_CANCELLED),
    at("serverTime", "report.published_at", rfc3339),
    within(
        "cancelStatus",
        enum("status", "report.order_status", FUTURES_STATUSES),
        at("order_id", "report.venue_order_id", string),
        derived("report.exec_id", lambda bundle, _: f"{bundle.messages['report'].venue_order_id}-cancelled"),
    ),
)

spot_balances = table(
    "balances",
    {"balances": [Balance]},
    each(".", "balances", *OWNED, at("0", "asset_id", asset), at("1", "total", decimal)),
    prepare=lambda payload: [[code, amount] for code, amount in payload["result"].items()],
)

spot_positions = table(
    "positions",
    {"positions": [Position]},
    each(
        ".",
        "positions",
        *OWNED,
        at("id", "venue_position_id", string),
        derived("position_id", lambda position, venue: f"{venue.venue_id}:{position.venue_position_id}"),
        at("ordertxid", "opening_venue_order_id", string),
        at("pair", "venue_symbol_id", key),
        derived("quantity_unit", lambda *_: BASE),
        at("time", "opened_at", seconds),
        enum("type", "side", {"buy": PositionSide.POSITION_SIDE_LONG, "sell": PositionSide.POSITION_SIDE_SHORT}),
        at("ordertype", "raw_opening_order_type", string),
        at("cost", "entry_cost", decimal),
        at("fee", "fees.0.amount", decimal),
        derived("fees.0.asset_id", _quote_of),
        at("vol", "quantity", decimal),
        at("vol_closed", "closed_quantity", decimal),
        at("margin", "collateral", decimal),
        at("posstatus", "raw_status", string),
        at("terms", "raw_terms", string),
        at("rollovertm", "next_rollover_at", seconds),
    ),
    prepare=lambda payload: rows(payload, "result"),
)

margin = table(
    "margin",
    {"margin": AccountMargin},
    *owned("margin"),
    # Amounts are in the requested asset, dollars by default.
    derived("margin.asset_id", lambda *_: "USD"),
    within(
        "result",
        at("eb", "margin.wallet_balance", decimal),
        at("tb", "margin.margin_balance", decimal),
        at("m", "margin.position_initial_margin", decimal),
        at("uv", "margin.held_amount", decimal),
        at("n", "margin.unrealized_pnl", decimal),
        at("c", "margin.cost_basis", decimal),
        at("v", "margin.position_value", decimal),
        at("e", "margin.equity", decimal),
        at("mf", "margin.available", decimal),
        at("ml", "margin.margin_level_percent", decimal),
    ),
)


def _add_order_reply(accepted: bool) -> Table:
    """The reply to an order placed over the websocket."""
    return table(
        "executions",
        {"report": ExecutionReport},
        not_kept("method", ENVELOPE),
        not_kept("req_id", ENVELOPE),
        fixed("success", accepted),
        *owned("report"),
        derived("report.exec_type", lambda *_: ExecType.EXEC_TYPE_NEW if accepted else ExecType.EXEC_TYPE_REJECTED),
        derived(
            "report.order_status",
            lambda *_: OrderStatus.ORDER_STATUS_NEW if accepted else OrderStatus.ORDER_STATUS_REJECTED,
        ),
        at("error", "report.reason_text", string),
        at("time_in", "report.timestamp", rfc3339),
        at("time_out", "report.published_at", rfc3339),
        within(
            "result",
            at("order_id", "report.venue_order_id", string),
            at("cl_ord_id", "report.client_order_id", string),
            only_absent("order_userref", 0),
        ),
        # Rejected orders have no venue order id.
        derived(
            "report.exec_id",
            lambda bundle, _: (
                f"{bundle.messages['report'].venue_order_id or 'rejected'}-"
                f"{bundle.messages['report'].timestamp.ToJsonString()}"
            ),
        ),
    )


FEED = (
    not_kept("feed", "subscription name"),
    not_kept("username", PERSONAL),
    not_kept("account", PERSONAL),
)

fills = table(
    "fills",
    {"reports": [ExecutionReport]},
    *FEED,
    each(
        "fills",
        "reports",
        *OWNED,
        at("instrument", "venue_symbol_id", futures),
        at("order_id", "venue_order_id", string),
        *EMBEDDED,
        at("time", "timestamp", milliseconds),
        at("price", "last_price", decimal),
        at("seq", "venue_sequence", integer),
        choice("buy", "side", {True: OrderSide.ORDER_SIDE_BUY, False: OrderSide.ORDER_SIDE_SELL}),
        at("qty", "last_quantity", decimal),
        at("remaining_order_qty", "leaves_quantity", decimal),
        at("cli_ord_id", "client_order_id", string),
        at("fill_id", "exec_id", string),
        derived("exec_type", lambda *_: ExecType.EXEC_TYPE_TRADE),
        enum("fill_type", "liquidity", LIQUIDITY),
        at("fee_paid", "fees.0.amount", decimal),
        at("fee_currency", "fees.0.asset_id", asset),
        at("taker_order_type", "raw_taker_order_type", string),
        enum("order_type", "order.type", FUTURES_TYPES),
    ),
)


def _closed(report: Any, value: Any, _venue: Venue) -> None:
    """Despite its name, `is_cancel` marks any order that is no longer open; the reason tells filled from cancelled."""
    if value and report.raw_reason == "full_fill":
        report.order_status, report.exec_type = OrderStatus.ORDER_STATUS_FILLED, ExecType.EXEC_TYPE_TRADE
    elif value:
        report.order_status, report.exec_type = OrderStatus.ORDER_STATUS_CANCELLED, ExecType.EXEC_TYPE_CANCELLED
    else:
        report.order_status, report.exec_type = OrderStatus.ORDER_STATUS_NEW, ExecType.EXEC_TYPE_NEW


OPEN_ORDER = (
    at("instrument", "venue_symbol_id", futures),
    at("order_id", "venue_order_id", string),
    *EMBEDDED,
    at("cli_ord_id", "client_order_id", string),
    at("time", "order.created_at", milliseconds),
    at("last_update_time", "timestamp", milliseconds),
    at("qty", "leaves_quantity", decimal),
    at("filled", "cumulative_quantity", decimal),
    partly_filled("order_status"),
    at("limit_price", "order.price", decimal),
    at("stop_price", "order.trigger_price", decimal.unless(0)),
    enum("type", "order.type", FUTURES_TYPES),
    choice("direction", "side", {0: OrderSide.ORDER_SIDE_BUY, 1: OrderSide.ORDER_SIDE_SELL}),
    at("reduce_only", "order.reduce_only", flag),
    enum("triggerSignal", "order.trigger_kind", TRIGGERS),
)


def _exec_id(report: Any, _venue: Venue) -> str:
    """Order updates have no id."""
    return f"{report.venue_order_id}-{report.raw_reason or 'snapshot'}"


CHANGE = (
    *FEED,
    *OWNED,
    at("reason", "raw_reason", string),
    custom(
        "is_cancel",
        _closed,
        lambda report, _: report.order_status in (OrderStatus.ORDER_STATUS_FILLED, OrderStatus.ORDER_STATUS_CANCELLED),
    ),
)
changed_order = table(
    "executions",
    {"reports": [ExecutionReport]},
    each(".", "reports", *CHANGE, within("order", *OPEN_ORDER), derived("exec_id", _exec_id)),
    prepare=lambda payload: [payload],
)
# A cancellation contains the order's ids but not its terms.
cancelled_order = table(
    "executions",
    {"reports": [ExecutionReport]},
    each(
        ".",
        "reports",
        *CHANGE,
        at("order_id", "venue_order_id", string),
        at("cli_ord_id", "client_order_id", string),
        derived("exec_id", _exec_id),
    ),
    prepare=lambda payload: [payload],
)
open_orders_snapshot = table(
    "executions",
    {"reports": [ExecutionReport]},
    *FEED,
    each(
        "orders",
        "reports",
        *OWNED,
        derived("exec_type", lambda *_: ExecType.EXEC_TYPE_ORDER_STATUS),
        derived("order_status", lambda *_: OrderStatus.ORDER_STATUS_NEW),
        *OPEN_ORDER,
        derived("exec_id", _exec_id),
    ),
)


def stream_table(frame: Any) -> Table | None:
    """Return the table for a stream frame, or None for a connection or subscription message."""
    if not isinstance(frame, list):
        return None
    if frame[-2] in ("trade", "ticker"):
        return trade if frame[-2] == "trade" else ticker
    return snapshot if "as" in frame[1] or "bs" in frame[1] else delta


SKIPPED = {"http_cancel_order_spot": "a count of cancelled orders without their ids"}
ACCOUNT: dict[str, Table] = {
    "http_add_order_spot": added,
    "http_cancel_order_futures": cancelled,
    "http_closed_orders": closed_orders,
    "http_open_orders": open_orders,
    "http_futures_fills": futures_fills,
    "http_futures_historical_funding_rates": funding,
    "http_futures_open_orders": futures_orders,
    "http_futures_open_positions": futures_positions,
    "http_futures_order_events": events,
    "http_futures_orderbook": futures_book,
    "http_futures_public_executions": executions,
    "http_order_book": spot_book,
    "http_send_order_futures": sent,
    "http_spot_balance": spot_balances,
    "http_spot_open_positions": spot_positions,
    "http_spot_trade_balance": margin,
    "ws_add_order_response_failure": _add_order_reply(False),
    "ws_add_order_response_success": _add_order_reply(True),
    "ws_futures_fills_delta": fills,
    "ws_futures_fills_snapshot": fills,
    "ws_futures_open_orders_cancel": cancelled_order,
    "ws_futures_open_orders_cancel_post_only": cancelled_order,
    "ws_futures_open_orders_delta": changed_order,
    "ws_futures_open_orders_delta_full_fill": changed_order,
    "ws_futures_open_orders_snapshot": open_orders_snapshot,
}
