"""Binance, spot: https://developers.binance.com/docs/binance-spot-api-docs."""

from __future__ import annotations

import re
from typing import Any

from google.protobuf.duration_pb2 import Duration

from cqc.markets.v1 import (
    AggressorSide,
    Candle,
    OrderBook,
    OrderBookDelta,
    QuantityUnit,
    Symbol,
    SymbolType,
    Ticker,
    Trade,
)
from cqc.venues.v1 import (
    AccountType,
    Balance,
    ExecType,
    ExecutionReport,
    FeeRateBasis,
    LiquiditySide,
    Order,
    OrderList,
    OrderListStatus,
    OrderListType,
    OrderSide,
    OrderStatus,
    OrderType,
    SelfTradePrevention,
    TimeInForce,
    TradingMode,
    VenueAccount,
    VenueSymbol,
)
from cqc_venues.common import OWNED, account_ids, listed, owned
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
    derived,
    each,
    enum,
    enums,
    fixed,
    flag,
    integer,
    listing,
    milliseconds,
    minutes,
    not_kept,
    seconds,
    string,
    strings,
    table,
    within,
)

QUOTES = (
    *("USDT", "BUSD", "USDC", "TUSD", "FDUSD", "BTC", "ETH", "BNB"),
    *("EUR", "GBP", "TRY", "AUD", "BRL", "RUB", "PAX", "UAH"),
)
BASE = QuantityUnit.QUANTITY_UNIT_BASE
SIDES = {"BUY": OrderSide.ORDER_SIDE_BUY, "SELL": OrderSide.ORDER_SIDE_SELL}
ORDER_TYPES = {
    "LIMIT": OrderType.ORDER_TYPE_LIMIT,
    "LIMIT_MAKER": OrderType.ORDER_TYPE_LIMIT,
    "MARKET": OrderType.ORDER_TYPE_MARKET,
    "STOP_LOSS": OrderType.ORDER_TYPE_STOP,
    "STOP_LOSS_LIMIT": OrderType.ORDER_TYPE_STOP_LIMIT,
    "TAKE_PROFIT": OrderType.ORDER_TYPE_TAKE_PROFIT,
    "TAKE_PROFIT_LIMIT": OrderType.ORDER_TYPE_TAKE_PROFIT_LIMIT,
}
STATUSES = {
    "PENDING_NEW": OrderStatus.ORDER_STATUS_PENDING_NEW,
    "NEW": OrderStatus.ORDER_STATUS_NEW,
    "PARTIALLY_FILLED": OrderStatus.ORDER_STATUS_PARTIALLY_FILLED,
    "FILLED": OrderStatus.ORDER_STATUS_FILLED,
    "CANCELED": OrderStatus.ORDER_STATUS_CANCELLED,
    "PENDING_CANCEL": OrderStatus.ORDER_STATUS_PENDING_CANCEL,
    "REJECTED": OrderStatus.ORDER_STATUS_REJECTED,
    "EXPIRED": OrderStatus.ORDER_STATUS_EXPIRED,
    "EXPIRED_IN_MATCH": OrderStatus.ORDER_STATUS_EXPIRED,
}
TIMES_IN_FORCE = {
    "GTC": TimeInForce.TIME_IN_FORCE_GTC,
    "IOC": TimeInForce.TIME_IN_FORCE_IOC,
    "FOK": TimeInForce.TIME_IN_FORCE_FOK,
    "GTX": TimeInForce.TIME_IN_FORCE_GTX,
    "GTD": TimeInForce.TIME_IN_FORCE_GTD,
}
EXEC_TYPES = {
    "NEW": ExecType.EXEC_TYPE_NEW,
    "TRADE": ExecType.EXEC_TYPE_TRADE,
    "CANCELED": ExecType.EXEC_TYPE_CANCELLED,
    "REPLACED": ExecType.EXEC_TYPE_REPLACED,
    "REJECTED": ExecType.EXEC_TYPE_REJECTED,
    "EXPIRED": ExecType.EXEC_TYPE_EXPIRED,
    "TRADE_PREVENTION": ExecType.EXEC_TYPE_EXPIRED,
}
SELF_TRADE = {
    "NONE": SelfTradePrevention.SELF_TRADE_PREVENTION_NONE,
    "EXPIRE_MAKER": SelfTradePrevention.SELF_TRADE_PREVENTION_CANCEL_MAKER,
    "EXPIRE_TAKER": SelfTradePrevention.SELF_TRADE_PREVENTION_CANCEL_TAKER,
    "EXPIRE_BOTH": SelfTradePrevention.SELF_TRADE_PREVENTION_CANCEL_BOTH,
    "DECREMENT": SelfTradePrevention.SELF_TRADE_PREVENTION_DECREMENT,
}
# Keyed by whether the order was the maker.
LIQUIDITY = {True: LiquiditySide.LIQUIDITY_SIDE_MAKER, False: LiquiditySide.LIQUIDITY_SIDE_TAKER}
INTERVALS = {"1s": 1, "1m": 60, "3m": 180, "5m": 300, "15m": 900, "30m": 1800, "1h": 3600, "4h": 14400, "1d": 86400}
IGNORED = "documented as ignored"
STREAM = "subscription name; the data has the symbol and the kind"


def split(native: str) -> tuple[str, str]:
    """Split a symbol such as NKNUSDT, which has no separator, into base and quote."""
    quote = next(quote for quote in QUOTES if native.endswith(quote) and native != quote)
    return native.removesuffix(quote), quote


def venue() -> Venue:
    """Binance spot."""
    return Venue("binance", lambda native: f"binance:{'-'.join(split(native))}-SPOT")


def filters_by_type(payload: Any) -> Any:
    """Index the filters of an instrument by type."""
    filters = {item["filterType"]: {k: v for k, v in item.items() if k != "filterType"} for item in payload["filters"]}
    return {**payload, "filters": filters}


def owned_in_base(message: str = "") -> tuple[Rule, ...]:
    """The account id, receive time and quantity unit, which are not in the payload."""
    return *owned(message), derived(f"{message}.quantity_unit".removeprefix("."), lambda *_: BASE)


OWNED_IN_BASE = owned_in_base()


def _put_applies_to_market(bundle: Any, value: Any, _venue: Venue) -> None:
    rules = bundle.messages["listing"].rules
    if value:
        rules.market_order.min_notional = rules.limit_order.min_notional


def _get_applies_to_market(bundle: Any, _venue: Venue) -> Any:
    rules = bundle.messages["listing"].rules
    if not rules.limit_order.HasField("min_notional"):
        return ABSENT
    return rules.HasField("market_order") and rules.market_order.HasField("min_notional")


# Filters that spot and futures share.
FILTERS = (
    at("PRICE_FILTER.minPrice", "listing.rules.min_price", decimal.unless(0)),
    at("PRICE_FILTER.maxPrice", "listing.rules.max_price", decimal.unless(0)),
    at("PRICE_FILTER.tickSize", "listing.rules.tick_tiers.0.tick_size", decimal.unless(0)),
    at("PERCENT_PRICE.multiplierUp", "listing.rules.price_band.multiplier_up", decimal),
    at("PERCENT_PRICE.multiplierDown", "listing.rules.price_band.multiplier_down", decimal),
    at("LOT_SIZE.minQty", "listing.rules.limit_order.min_quantity", decimal),
    at("LOT_SIZE.maxQty", "listing.rules.limit_order.max_quantity", decimal),
    at("LOT_SIZE.stepSize", "listing.rules.limit_order.lot_step", decimal),
    at("MARKET_LOT_SIZE.minQty", "listing.rules.market_order.min_quantity", decimal),
    at("MARKET_LOT_SIZE.maxQty", "listing.rules.market_order.max_quantity", decimal),
    at("MARKET_LOT_SIZE.stepSize", "listing.rules.market_order.lot_step", decimal),
)

instrument = table(
    "instruments",
    {"symbol": Symbol, "listing": VenueSymbol},
    listed("symbol"),
    derived("listing.quantity_unit", lambda *_: BASE),
    derived("symbol.symbol", lambda bundle, _: "/".join(bundle.messages["listing"].symbol_id.split("-")[:2])),
    derived("symbol.type", lambda *_: SymbolType.SYMBOL_TYPE_SPOT),
    enum(
        "status",
        "listing.trading_mode",
        {"TRADING": TradingMode.TRADING_MODE_OPEN, "BREAK": TradingMode.TRADING_MODE_HALTED},
    ),
    at("baseAsset", "symbol.base_asset_id", asset),
    at("quoteAsset", "symbol.quote_asset_id", asset),
    at("baseAssetPrecision", "listing.base_precision", integer),
    at("quoteAssetPrecision", "listing.quote_precision", integer),
    not_kept("quotePrecision", "older alias of quoteAssetPrecision"),
    at("baseCommissionPrecision", "listing.base_fee_precision", integer),
    at("quoteCommissionPrecision", "listing.quote_fee_precision", integer),
    enums("orderTypes", "listing.rules.order_types", ORDER_TYPES),
    at("icebergAllowed", "listing.rules.iceberg_allowed", flag),
    at("ocoAllowed", "listing.rules.oco_allowed", flag),
    at("quoteOrderQtyMarketAllowed", "listing.rules.quote_quantity_allowed", flag),
    at("isSpotTradingAllowed", "listing.spot_enabled", flag),
    at("isMarginTradingAllowed", "listing.margin_enabled", flag),
    at("permissions", "listing.permissions", strings),
    within(
        "filters",
        *FILTERS,
        at("PERCENT_PRICE.avgPriceMins", "listing.rules.price_band.averaging_window", minutes),
        at("MIN_NOTIONAL.minNotional", "listing.rules.limit_order.min_notional", decimal),
        at("MIN_NOTIONAL.avgPriceMins", "listing.rules.limit_order.notional_averaging_window", minutes),
        custom("MIN_NOTIONAL.applyToMarket", _put_applies_to_market, _get_applies_to_market),
        at("ICEBERG_PARTS.limit", "listing.rules.max_iceberg_parts", integer),
        at("MAX_NUM_ORDERS.maxNumOrders", "listing.rules.max_open_orders", integer),
        at("MAX_NUM_ALGO_ORDERS.maxNumAlgoOrders", "listing.rules.max_algo_orders", integer),
    ),
    prepare=filters_by_type,
)

LEVEL = (at("0", "price", decimal), at("1", "quantity", decimal))

book = table(
    "book snapshots",
    {"book": OrderBook},
    at("symbol", "book.venue_symbol_id", listing),
    at("limit", "book.depth", integer),
    not_kept("url", "request URL; its symbol and limit are kept"),
    at("received_at", "book.received_at", seconds),
    derived("book.quantity_unit", lambda *_: BASE),
    within(
        "body",
        at("lastUpdateId", "book.sequence", integer),
        at("E", "book.published_at", milliseconds),
        at("T", "book.timestamp", milliseconds),
        each("bids", "book.bids", *LEVEL),
        each("asks", "book.asks", *LEVEL),
    ),
    prepare=lambda payload: {
        **payload,
        "symbol": re.search(r"symbol=(\w+)", payload["url"])[1],  # type: ignore[index]
        "limit": int(re.search(r"limit=(\d+)", payload["url"])[1]),  # type: ignore[index]
    },
)

delta = table(
    "book deltas",
    {"delta": OrderBookDelta},
    at("received_at", "delta.received_at", seconds),
    derived("delta.quantity_unit", lambda *_: BASE),
    not_kept("frame.stream", STREAM),
    within(
        "frame.data",
        fixed("e", "depthUpdate"),
        at("E", "delta.published_at", milliseconds),
        at("T", "delta.timestamp", milliseconds),
        at("s", "delta.venue_symbol_id", listing),
        at("U", "delta.first_sequence", integer),
        at("u", "delta.sequence", integer),
        at("pu", "delta.previous_sequence", integer),
        each("b", "delta.bids", *LEVEL),
        each("a", "delta.asks", *LEVEL),
    ),
)

ticker = table(
    "tickers",
    {"ticker": Ticker},
    at("received_at", "ticker.received_at", seconds),
    derived("ticker.quantity_unit", lambda *_: BASE),
    not_kept("frame.stream", STREAM),
    within(
        "frame.data",
        not_kept("e", "event type; the message type implies it, and spot omits it"),
        at("E", "ticker.published_at", milliseconds),
        at("T", "ticker.timestamp", milliseconds),
        at("s", "ticker.venue_symbol_id", listing),
        at("u", "ticker.sequence", integer),
        at("b", "ticker.bid_price", decimal),
        at("B", "ticker.bid_quantity", decimal),
        at("a", "ticker.ask_price", decimal),
        at("A", "ticker.ask_quantity", decimal),
    ),
)

trade = table(
    "trades",
    {"trade": Trade},
    at("received_at", "trade.received_at", seconds),
    derived("trade.quantity_unit", lambda *_: BASE),
    not_kept("frame.stream", STREAM),
    within(
        "frame.data",
        fixed("e", "aggTrade"),
        at("E", "trade.published_at", milliseconds),
        at("T", "trade.timestamp", milliseconds),
        at("s", "trade.venue_symbol_id", listing),
        at("a", "trade.trade_id", string),
        at("p", "trade.price", decimal),
        at("q", "trade.quantity", decimal),
        at("f", "trade.first_trade_id", string),
        at("l", "trade.last_trade_id", string),
        # True if the buyer was the maker, so the seller was the aggressor.
        choice(
            "m",
            "trade.aggressor",
            {True: AggressorSide.AGGRESSOR_SIDE_SELLER, False: AggressorSide.AGGRESSOR_SIDE_BUYER},
        ),
        not_kept("M", IGNORED),
    ),
)

candle = table(
    "candles",
    {"candle": Candle},
    at("received_at", "candle.received_at", seconds),
    derived("candle.volume_unit", lambda *_: BASE),
    not_kept("frame.stream", STREAM),
    within(
        "frame.data",
        fixed("e", "kline"),
        at("E", "candle.published_at", milliseconds),
        not_kept("s", "the candle repeats it"),
        at("k.t", "candle.open_time", milliseconds),
        at("k.T", "candle.close_time", milliseconds),
        at("k.s", "candle.venue_symbol_id", listing),
        custom(
            "k.i",
            lambda bundle, value, _: bundle.messages["candle"].interval.CopyFrom(Duration(seconds=INTERVALS[value])),
            lambda bundle, _: next(k for k, v in INTERVALS.items() if v == bundle.messages["candle"].interval.seconds),
        ),
        at("k.f", "candle.first_trade_id", string),
        at("k.L", "candle.last_trade_id", string),
        at("k.o", "candle.open", decimal),
        at("k.c", "candle.close", decimal),
        at("k.h", "candle.high", decimal),
        at("k.l", "candle.low", decimal),
        at("k.v", "candle.volume", decimal),
        at("k.n", "candle.trade_count", integer),
        at("k.x", "candle.closed", flag),
        at("k.q", "candle.quote_volume", decimal),
        at("k.V", "candle.taker_buy_base_volume", decimal),
        at("k.Q", "candle.taker_buy_quote_volume", decimal),
        not_kept("k.B", IGNORED),
    ),
)

account = table(
    "accounts",
    {"account": VenueAccount, "balances": [Balance]},
    account_ids("account"),
    derived("account.fee_rates.0.basis", lambda *_: FeeRateBasis.FEE_RATE_BASIS_VALUE),
    at("commissionRates.maker", "account.fee_rates.0.maker", decimal),
    at("commissionRates.taker", "account.fee_rates.0.taker", decimal),
    at("commissionRates.buyer", "account.fee_rates.0.buyer", decimal),
    at("commissionRates.seller", "account.fee_rates.0.seller", decimal),
    not_kept("*Commission", "commissionRates in basis points"),
    at("canTrade", "account.can_trade", flag),
    at("canWithdraw", "account.can_withdraw", flag),
    at("canDeposit", "account.can_deposit", flag),
    at("brokered", "account.brokered", flag),
    at("requireSelfTradePrevention", "account.self_trade_prevention_required", flag),
    at("preventSor", "account.smart_order_routing_prevented", flag),
    at("updateTime", "account.timestamp", milliseconds),
    enum("accountType", "account.type", {"SPOT": AccountType.ACCOUNT_TYPE_SPOT}),
    at("permissions", "account.permissions", strings),
    at("uid", "account.venue_account_id", string),
    each(
        "balances",
        "balances",
        at("asset", "asset_id", asset),
        at("free", "free", decimal),
        at("locked", "locked", decimal),
        *OWNED,
    ),
)

fills = table(
    "fills",
    {"reports": [ExecutionReport]},
    each(
        ".",
        "reports",
        at("symbol", "venue_symbol_id", listing),
        at("id", "trade_id", string),
        derived("exec_id", lambda report, _: report.trade_id),
        derived("exec_type", lambda *_: ExecType.EXEC_TYPE_TRADE),
        *OWNED_IN_BASE,
        at("orderId", "venue_order_id", string),
        at("orderListId", "list_id", string.unless(-1)),
        at("price", "last_price", decimal),
        at("qty", "last_quantity", decimal),
        at("quoteQty", "last_quote_quantity", decimal),
        at("commission", "fees.0.amount", decimal),
        at("commissionAsset", "fees.0.asset_id", asset),
        at("time", "timestamp", milliseconds),
        choice("isBuyer", "side", {True: SIDES["BUY"], False: SIDES["SELL"]}),
        choice("isMaker", "liquidity", LIQUIDITY),
        not_kept("isBestMatch", IGNORED),
    ),
)

ORDER = (
    *OWNED_IN_BASE,
    at("symbol", "venue_symbol_id", listing),
    at("orderId", "venue_order_id", string),
    derived("order_id", lambda order, venue: f"{venue.venue_id}:{order.venue_order_id}"),
    at("orderListId", "list_id", string.unless(-1)),
    at("clientOrderId", "client_order_id", string),
    # Market orders have price 0.
    at("price", "price", decimal.unless(0)),
    at("origQty", "quantity", decimal),
    at("origQuoteOrderQty", "quote_quantity", decimal.unless(0)),
    at("executedQty", "cumulative_quantity", decimal),
    at("cummulativeQuoteQty", "cumulative_quote_quantity", decimal),
    enum("status", "status", STATUSES),
    enum("timeInForce", "time_in_force", TIMES_IN_FORCE),
    enum("type", "type", ORDER_TYPES),
    enum("side", "side", SIDES),
    at("stopPrice", "trigger_price", decimal.unless(0)),
    at("icebergQty", "display_quantity", decimal.unless(0)),
    at("time", "created_at", milliseconds),
    at("updateTime", "updated_at", milliseconds),
    at("transactTime", "updated_at", milliseconds),
    at("isWorking", "working", flag),
    at("workingTime", "working_at", milliseconds.unless(-1)),
    enum("selfTradePreventionMode", "self_trade_prevention", SELF_TRADE),
)


def _order(*leave_out: str) -> list[Rule]:
    return [rule for rule in ORDER if rule.place not in leave_out]


order = table("orders", {"orders": [Order]}, each(".", "orders", *_order("transactTime")), prepare=lambda one: [one])
orders = table("orders", {"orders": [Order]}, each(".", "orders", *_order("transactTime")))

# The reply to a new order contains its fills.
placed = table(
    "orders",
    {"orders": [Order], "reports": [ExecutionReport]},
    each("orders", "orders", *_order("updateTime")),
    each(
        "fills",
        "reports",
        at("price", "last_price", decimal),
        at("qty", "last_quantity", decimal),
        at("commission", "fees.0.amount", decimal),
        at("commissionAsset", "fees.0.asset_id", asset),
        at("tradeId", "trade_id", string),
        derived("exec_id", lambda report, _: report.trade_id),
        derived("exec_type", lambda *_: ExecType.EXEC_TYPE_TRADE),
        *OWNED_IN_BASE,
    ),
    prepare=lambda payload: {
        "orders": [{key: value for key, value in payload.items() if key != "fills"}],
        "fills": payload["fills"],
    },
)


def _embedded(rule: Rule) -> Rule:
    """Apply a rule for an order to the order embedded in a report."""
    return Rule(
        rule.place,
        lambda report, value, venue: rule.put(report.order, value, venue),
        lambda report, venue: rule.get(report.order, venue),
        rule.codec,
    )


CANCELLED = (
    at("origClientOrderId", "original_client_order_id", string),
    at("clientOrderId", "client_order_id", string),
    derived("exec_type", lambda *_: ExecType.EXEC_TYPE_CANCELLED),
    derived("order_status", lambda *_: OrderStatus.ORDER_STATUS_CANCELLED),
    *OWNED_IN_BASE,
    *(_embedded(rule) for rule in _order("clientOrderId", "updateTime")),
    # Cancellations have no execution id.
    derived("exec_id", lambda report, _: f"cancel-{report.order.venue_order_id}-{report.original_client_order_id}"),
)

ORDER_LIST = (
    at("orderListId", "venue_list_id", string),
    derived("list_id", lambda order_list, venue: f"{venue.venue_id}:{order_list.venue_list_id}"),
    *OWNED,
    enum(
        "contingencyType", "type", {"OCO": OrderListType.ORDER_LIST_TYPE_OCO, "OTO": OrderListType.ORDER_LIST_TYPE_OTO}
    ),
    at("listStatusType", "raw_status_type", string),
    enum(
        "listOrderStatus",
        "status",
        {
            "EXECUTING": OrderListStatus.ORDER_LIST_STATUS_EXECUTING,
            "ALL_DONE": OrderListStatus.ORDER_LIST_STATUS_ALL_DONE,
            "REJECT": OrderListStatus.ORDER_LIST_STATUS_REJECTED,
        },
    ),
    at("listClientOrderId", "client_list_id", string),
    at("transactionTime", "timestamp", milliseconds),
    not_kept("symbol", "each order of the list has it"),
    not_kept("orders.*", "each order is among the reports, with the list's id"),
)


def _split_lists(payload: Any) -> Any:
    """Separate order lists from reports. The reports inside a list join the others."""
    lists = [item for item in payload if "contingencyType" in item]
    reports = [item for item in payload if "contingencyType" not in item]
    for item in lists:
        reports += item["orderReports"]
    return {"reports": reports, "lists": [{k: v for k, v in item.items() if k != "orderReports"} for item in lists]}


cancelled = table(
    "executions",
    {"reports": [ExecutionReport], "lists": [OrderList]},
    each("reports", "reports", *CANCELLED),
    each("lists", "lists", *ORDER_LIST),
    prepare=_split_lists,
)
cancelled_one = table(
    "executions",
    {"reports": [ExecutionReport]},
    each(".", "reports", *CANCELLED),
    prepare=lambda one: [one],
)

balances = table(
    "balances",
    {"balances": [Balance]},
    each(
        ".",
        "balances",
        fixed("e", "outboundAccountPosition"),
        at("a", "asset_id", asset),
        at("f", "free", decimal),
        at("l", "locked", decimal),
        # `u` is when the account last changed, `E` when the event was sent.
        at("u", "timestamp", milliseconds),
        at("E", "published_at", milliseconds),
        *OWNED,
    ),
    prepare=lambda payload: [
        {**item, "e": payload["e"], "E": payload["E"], "u": payload["u"]} for item in payload["B"]
    ],
)
balance_change = table(
    "balances",
    {"balances": [Balance]},
    each(
        ".",
        "balances",
        fixed("e", "balanceUpdate"),
        at("a", "asset_id", asset),
        at("d", "change", decimal),
        at("T", "timestamp", milliseconds),
        at("E", "published_at", milliseconds),
        *OWNED,
    ),
    prepare=lambda one: [one],
)


def _exec_id(bundle: Any, _venue: Venue) -> str:
    report = bundle.messages["report"]
    return report.trade_id or f"{report.venue_order_id}-{report.raw_exec_type}"


# Derived from other fields of the report, so they come last in a table.
REPORT_IDS = (
    derived("report.order.venue_symbol_id", lambda bundle, _: bundle.messages["report"].venue_symbol_id),
    derived(
        "report.order.order_id", lambda bundle, venue: f"{venue.venue_id}:{bundle.messages['report'].venue_order_id}"
    ),
    derived("report.exec_id", _exec_id),
)

execution = table(
    "executions",
    {"report": ExecutionReport},
    owned_in_base("report"),
    owned_in_base("report.order"),
    fixed("e", "executionReport"),
    at("E", "report.published_at", milliseconds),
    at("s", "report.venue_symbol_id", listing),
    at("c", "report.client_order_id", string),
    at("C", "report.original_client_order_id", string.unless("")),
    enum("S", "report.side", SIDES),
    enum("o", "report.order.type", ORDER_TYPES),
    enum("f", "report.order.time_in_force", TIMES_IN_FORCE),
    at("q", "report.order.quantity", decimal),
    at("p", "report.order.price", decimal.unless(0)),
    at("P", "report.order.trigger_price", decimal.unless(0)),
    enum("x", "report.exec_type", EXEC_TYPES),
    enum("X", "report.order_status", STATUSES),
    at("r", "report.raw_reason", string.unless("NONE")),
    at("eR", "report.reason_text", string),
    at("i", "report.venue_order_id", string),
    at("l", "report.last_quantity", decimal.unless(0)),
    at("L", "report.last_price", decimal.unless(0)),
    at("z", "report.cumulative_quantity", decimal),
    at("Z", "report.cumulative_quote_quantity", decimal),
    at("n", "report.fees.0.amount", decimal.unless(0)),
    at("N", "report.fees.0.asset_id", asset),
    at("T", "report.timestamp", milliseconds),
    at("t", "report.trade_id", string.unless(-1)),
    at("w", "report.working", flag),
    choice("m", "report.liquidity", LIQUIDITY),
    at("O", "report.order.created_at", milliseconds),
    *REPORT_IDS,
)


def stream_table(frame: Any) -> Table | None:
    """Return the table for a stream frame, or None for a connection or subscription message."""
    event = frame.get("data", {})
    tables = {"depthUpdate": delta, "aggTrade": trade, "kline": candle, "bookTicker": ticker}
    return tables.get(event.get("e", "bookTicker"))


ACCOUNT: dict[str, Table] = {
    "account_response": account,
    "account_trades_response": fills,
    "all_orders_response": orders,
    "open_orders_response": orders,
    "order_response": order,
    "new_order_full_response": placed,
    "cancel_order_response": cancelled_one,
    "cancel_open_orders_response": cancelled,
    "account_position": balances,
    "balance_update": balance_change,
    "execution_report_canceled": execution,
    "execution_report_expired": execution,
    "execution_report_new": execution,
    "execution_report_stop_loss": execution,
    "execution_report_trade": execution,
}
