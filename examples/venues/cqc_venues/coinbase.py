"""Coinbase: market data of Exchange, account endpoints of Advanced Trade, https://docs.cdp.coinbase.com."""

from __future__ import annotations

from typing import Any

from google.protobuf.duration_pb2 import Duration

from cqc.markets.v1 import (
    AggressorSide,
    OrderBook,
    OrderBookDelta,
    QuantityUnit,
    Symbol,
    SymbolType,
    Ticker,
    Trade,
)
from cqc.portfolio.v1 import Position
from cqc.venues.v1 import (
    AccountMargin,
    AccountStatus,
    Balance,
    ExecType,
    ExecutionReport,
    LiquiditySide,
    MarginMode,
    MarginWindow,
    Order,
    OrderOrigin,
    OrderSide,
    OrderStatus,
    OrderType,
    PositionSide,
    TimeInForce,
    TradingMode,
    VenueAccount,
    VenueSymbol,
)
from cqc_venues.common import OWNED, listed, owned, partly_filled, received
from cqc_venues.mapping import (
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
    fixed,
    flag,
    integer,
    listing,
    not_kept,
    only_where,
    rfc3339,
    seconds,
    string,
    table,
    within,
)

BASE, QUOTE = QuantityUnit.QUANTITY_UNIT_BASE, QuantityUnit.QUANTITY_UNIT_QUOTE
SIDES = {"BUY": OrderSide.ORDER_SIDE_BUY, "SELL": OrderSide.ORDER_SIDE_SELL}
DAY, MONTH = 86_400, 30 * 86_400
PAGING = "pagination"
PORTFOLIO = "account_id identifies the portfolio; empty in every captured payload"
PERSONAL = "user identity; account_id identifies the account"


def _venue_symbol_id(native: str) -> str:
    parts = native.split("-")
    if len(parts) == 3:
        # Dated futures of the derivatives exchange, such as BIP-20DEC30-CDE, settle in dollars.
        day, month, year = parts[1][:-5], parts[1][-5:-2], parts[1][-2:]
        number = 1 + "JANFEBMARAPRMAYJUNJULAUGSEPOCTNOVDEC".index(month) // 3
        return f"coinbase:{parts[0]}-USD-FUT-USD-20{year}{number:02d}{day:0>2}"
    return f"coinbase:{native}-SPOT"


def venue() -> Venue:
    """Coinbase."""
    return Venue("coinbase", _venue_symbol_id)


def _mode_flag(place: str, mode: int) -> Rule:
    """One of four flags that restrict trading. Trading is open if none is set."""

    def put(bundle: Any, value: Any, _venue: Venue) -> None:
        if value:
            bundle.messages["listing"].trading_mode = mode

    return custom(place, put, lambda bundle, _: bundle.messages["listing"].trading_mode == mode)


instrument = table(
    "instruments",
    {"symbol": Symbol, "listing": VenueSymbol},
    listed("id"),
    derived("listing.quantity_unit", lambda *_: BASE),
    derived("symbol.type", lambda *_: SymbolType.SYMBOL_TYPE_SPOT),
    at("display_name", "symbol.symbol", string),
    at("base_currency", "symbol.base_asset_id", asset),
    at("quote_currency", "symbol.quote_asset_id", asset),
    at("base_min_size", "listing.rules.limit_order.min_quantity", decimal),
    at("base_max_size", "listing.rules.limit_order.max_quantity", decimal),
    at("base_increment", "listing.rules.limit_order.lot_step", decimal),
    at("quote_increment", "listing.rules.tick_tiers.0.tick_size", decimal),
    at("min_market_funds", "listing.rules.market_order.min_notional", decimal),
    at("max_market_funds", "listing.rules.market_order.max_notional", decimal),
    at("margin_enabled", "listing.margin_enabled", flag),
    derived("listing.trading_mode", lambda *_: TradingMode.TRADING_MODE_OPEN),
    _mode_flag("post_only", TradingMode.TRADING_MODE_POST_ONLY),
    _mode_flag("limit_only", TradingMode.TRADING_MODE_LIMIT_ONLY),
    _mode_flag("cancel_only", TradingMode.TRADING_MODE_CANCEL_ONLY),
    _mode_flag("trading_disabled", TradingMode.TRADING_MODE_HALTED),
    at("status", "listing.raw_trading_mode", string),
    at("status_message", "listing.trading_mode_reason", string.unless("")),
)

LEVEL = (at("0", "price", decimal), at("1", "quantity", decimal))

book = table(
    "book snapshots",
    {"book": OrderBook},
    at("received_at", "book.received_at", seconds),
    derived("book.quantity_unit", lambda *_: BASE),
    within(
        "frame",
        fixed("type", "snapshot"),
        at("product_id", "book.venue_symbol_id", listing),
        each("bids", "book.bids", *LEVEL),
        each("asks", "book.asks", *LEVEL),
    ),
)


def _by_side(payload: Any) -> Any:
    """Group the changes of a delta by side, preserving their order."""
    sides: dict[str, list[Any]] = {"buy": [], "sell": []}
    for side, price, size in payload["frame"]["changes"]:
        sides[side].append([price, size])
    return {**payload, "frame": {**payload["frame"], "changes": sides}}


delta = table(
    "book deltas",
    {"delta": OrderBookDelta},
    at("received_at", "delta.received_at", seconds),
    derived("delta.quantity_unit", lambda *_: BASE),
    within(
        "frame",
        fixed("type", "l2update"),
        at("product_id", "delta.venue_symbol_id", listing),
        at("time", "delta.timestamp", rfc3339),
        each("changes.buy", "delta.bids", *LEVEL),
        each("changes.sell", "delta.asks", *LEVEL),
    ),
    prepare=_by_side,
)

# The `side` of a match is the maker's, so the aggressor is the other side.
MAKER_SIDE = {"buy": AggressorSide.AGGRESSOR_SIDE_SELLER, "sell": AggressorSide.AGGRESSOR_SIDE_BUYER}
# The `side` of a ticker is the taker's.
TAKER_SIDE = {"buy": AggressorSide.AGGRESSOR_SIDE_BUYER, "sell": AggressorSide.AGGRESSOR_SIDE_SELLER}


def _trade(kind: str) -> Table:
    return table(
        "trades",
        {"trade": Trade},
        at("received_at", "trade.received_at", seconds),
        derived("trade.quantity_unit", lambda *_: BASE),
        within(
            "frame",
            fixed("type", kind),
            at("trade_id", "trade.trade_id", string),
            at("maker_order_id", "trade.maker_order_id", string),
            at("taker_order_id", "trade.taker_order_id", string),
            choice("side", "trade.aggressor", MAKER_SIDE),
            at("size", "trade.quantity", decimal),
            at("price", "trade.price", decimal),
            at("product_id", "trade.venue_symbol_id", listing),
            at("sequence", "trade.sequence", integer),
            at("time", "trade.timestamp", rfc3339),
        ),
    )


match, last_match = _trade("match"), _trade("last_match")

ticker = table(
    "tickers",
    {"ticker": Ticker},
    at("received_at", "ticker.received_at", seconds),
    derived("ticker.quantity_unit", lambda *_: BASE),
    derived("ticker.windows.0.duration", lambda *_: Duration(seconds=DAY)),
    derived("ticker.windows.1.duration", lambda *_: Duration(seconds=MONTH)),
    within(
        "frame",
        fixed("type", "ticker"),
        at("sequence", "ticker.sequence", integer),
        at("product_id", "ticker.venue_symbol_id", listing),
        at("price", "ticker.last_price", decimal),
        at("open_24h", "ticker.windows.0.open", decimal),
        at("volume_24h", "ticker.windows.0.volume", decimal),
        at("low_24h", "ticker.windows.0.low", decimal),
        at("high_24h", "ticker.windows.0.high", decimal),
        at("volume_30d", "ticker.windows.1.volume", decimal),
        at("best_bid", "ticker.bid_price", decimal),
        at("best_ask", "ticker.ask_price", decimal),
        choice("side", "ticker.last_aggressor", TAKER_SIDE),
        at("time", "ticker.timestamp", rfc3339),
        at("trade_id", "ticker.last_trade_id", string),
        at("last_size", "ticker.last_quantity", decimal),
    ),
)


def amount(place: str, target: str, message: str = "", currency: str = "asset_id") -> list[Rule]:
    """An amount and its currency, which may be shared by other amounts of the message."""
    prefix = f"{message}." if message else ""
    return [
        at(f"{place}.value", f"{prefix}{target}", decimal),
        at(f"{place}.currency", f"{prefix}{currency}", asset),
    ]


def _wallets(payload: Any) -> Any:
    """Split each wallet into an account and a balance."""
    amounts = ("available_balance", "hold", "currency")
    return {
        **{key: value for key, value in payload.items() if key != "accounts"},
        "wallets": [{k: v for k, v in item.items() if k not in amounts} for item in payload["accounts"]],
        "amounts": [{k: item[k] for k in (*amounts, "uuid", "updated_at")} for item in payload["accounts"]],
    }


STATE = {True: AccountStatus.ACCOUNT_STATUS_ACTIVE, False: AccountStatus.ACCOUNT_STATUS_SUSPENDED}

accounts = table(
    "balances",
    {"accounts": [VenueAccount], "balances": [Balance]},
    each(
        "wallets",
        "accounts",
        derived("venue_id", lambda _, venue: venue.venue_id),
        at("uuid", "venue_account_id", string),
        derived("account_id", lambda account, venue: f"{venue.venue_id}:{account.venue_account_id}"),
        at("name", "name", string),
        at("default", "is_default", flag),
        choice("active", "status", STATE),
        at("created_at", "opened_at", rfc3339),
        at("updated_at", "timestamp", rfc3339),
        at("deleted_at", "closed_at", rfc3339),
        at("type", "raw_type", string),
        at("ready", "ready", flag),
        at("retail_portfolio_id", "parent_account_id", string.unless("")),
    ),
    each(
        "amounts",
        "balances",
        received(),
        custom(
            "uuid",
            lambda balance, value, venue: setattr(balance, "account_id", f"{venue.venue_id}:{value}"),
            lambda balance, _: balance.account_id.partition(":")[2],
        ),
        at("currency", "asset_id", asset),
        *amount("available_balance", "free"),
        *amount("hold", "locked"),
        at("updated_at", "timestamp", rfc3339),
    ),
    not_kept("has_next", PAGING),
    not_kept("cursor", PAGING),
    not_kept("size", PAGING),
    prepare=_wallets,
)


def _window(place: str, name: str) -> list[Rule]:
    return [
        *owned(name),
        *within(
            place,
            enum(
                "margin_window_type",
                f"{name}.window",
                {
                    "FCM_MARGIN_WINDOW_TYPE_INTRADAY": MarginWindow.MARGIN_WINDOW_INTRADAY,
                    "FCM_MARGIN_WINDOW_TYPE_OVERNIGHT": MarginWindow.MARGIN_WINDOW_OVERNIGHT,
                },
            ),
            at("margin_level", f"{name}.raw_margin_level", string),
            amount("initial_margin", "initial_margin", name),
            amount("maintenance_margin", "maintenance_margin", name),
            at("liquidation_buffer_percentage", f"{name}.liquidation_buffer_percent", decimal),
            amount("total_hold", "held_amount", name),
            amount("futures_buying_power", "buying_power", name),
        ),
    ]


margin = table(
    "margin",
    {"total": AccountMargin, "intraday": AccountMargin, "overnight": AccountMargin},
    *owned("total"),
    within(
        "balance_summary",
        amount("futures_buying_power", "buying_power", "total"),
        amount("total_usd_balance", "wallet_balance", "total"),
        amount("cbi_usd_balance", "spot_balance", "total"),
        amount("cfm_usd_balance", "derivatives_balance", "total"),
        amount("total_open_orders_hold_amount", "held_amount", "total"),
        amount("unrealized_pnl", "unrealized_pnl", "total"),
        amount("daily_realized_pnl", "session_realized_pnl", "total"),
        amount("initial_margin", "initial_margin", "total"),
        amount("available_margin", "available", "total"),
        amount("liquidation_threshold", "liquidation_threshold", "total"),
        amount("liquidation_buffer_amount", "liquidation_buffer", "total"),
        at("liquidation_buffer_percentage", "total.liquidation_buffer_percent", decimal),
        _window("intraday_margin_window_measure", "intraday"),
        _window("overnight_margin_window_measure", "overnight"),
    ),
)


def settled(place: str, target: str) -> list[Rule]:
    """An amount of a position, in the settlement asset."""
    return amount(place, target, currency="settlement_asset_id")


POSITION = (
    *OWNED,
    at("product_id", "venue_symbol_id", listing),
    derived("position_id", lambda position, venue: f"{venue.account_id}:{position.venue_symbol_id}"),
    derived("quantity_unit", lambda *_: QuantityUnit.QUANTITY_UNIT_CONTRACTS),
    not_kept("expiration_time", "the symbol contains it; empty in every captured payload"),
    enum(
        "side",
        "side",
        {"LONG": PositionSide.POSITION_SIDE_LONG, "SHORT": PositionSide.POSITION_SIDE_SHORT},
    ),
    at("number_of_contracts", "quantity", decimal),
    *settled("current_price", "mark_price"),
    *settled("avg_entry_price", "entry_price"),
    *settled("unrealized_pnl", "unrealized_pnl"),
    *settled("daily_realized_pnl", "session_realized_pnl"),
    *amount("total_fees", "amount", "fees.0"),
    at("contract_size", "contract_size", decimal),
    *settled("entry_vwap", "entry_vwap"),
    *settled("liquidation_price", "liquidation_price"),
    at("leverage", "leverage", decimal),
    *settled("im_contribution", "initial_margin"),
    *settled("mm_contribution", "maintenance_margin"),
    *settled("position_notional", "notional"),
)
positions = table("positions", {"positions": [Position]}, each("positions", "positions", *POSITION))
position = table(
    "positions",
    {"positions": [Position]},
    each("positions", "positions", *POSITION),
    prepare=lambda payload: {"positions": [payload["position"]]},
)

UNIT = {True: QUOTE, False: BASE}


def _quote_of(report: Any, _venue: Venue) -> str:
    return str(report.venue_symbol_id.split(":")[1].split("-")[1])


fills = table(
    "fills",
    {"reports": [ExecutionReport]},
    each(
        "fills",
        "reports",
        received(),
        at("entry_id", "exec_id", string),
        at("trade_id", "trade_id", string),
        at("order_id", "venue_order_id", string),
        at("trade_time", "timestamp", rfc3339),
        enum("trade_type", "exec_type", {"FILL": ExecType.EXEC_TYPE_TRADE}),
        at("price", "last_price", decimal),
        at("size", "last_quantity", decimal),
        at("product_id", "venue_symbol_id", listing),
        at("commission", "fees.0.amount", decimal),
        # Not in the payload: fees are charged in the quote currency.
        derived("fees.0.asset_id", _quote_of),
        at("sequence_timestamp", "published_at", rfc3339),
        enum(
            "liquidity_indicator",
            "liquidity",
            {"MAKER": LiquiditySide.LIQUIDITY_SIDE_MAKER, "TAKER": LiquiditySide.LIQUIDITY_SIDE_TAKER},
        ),
        choice("size_in_quote", "quantity_unit", UNIT),
        not_kept("user_id", PERSONAL),
        enum("side", "side", SIDES),
        derived("account_id", lambda _, venue: venue.account_id),
        not_kept("retail_portfolio_id", PORTFOLIO),
    ),
    not_kept("cursor", PAGING),
)

STATUSES = {
    "PENDING": OrderStatus.ORDER_STATUS_PENDING_NEW,
    "OPEN": OrderStatus.ORDER_STATUS_NEW,
    "FILLED": OrderStatus.ORDER_STATUS_FILLED,
    "CANCELLED": OrderStatus.ORDER_STATUS_CANCELLED,
    "EXPIRED": OrderStatus.ORDER_STATUS_EXPIRED,
    "FAILED": OrderStatus.ORDER_STATUS_REJECTED,
}
ORDER_TYPES = {
    "LIMIT": OrderType.ORDER_TYPE_LIMIT,
    "MARKET": OrderType.ORDER_TYPE_MARKET,
    "STOP_LIMIT": OrderType.ORDER_TYPE_STOP_LIMIT,
}
TIMES_IN_FORCE = {
    "GOOD_UNTIL_CANCELLED": TimeInForce.TIME_IN_FORCE_GTC,
    "GOOD_UNTIL_DATE_TIME": TimeInForce.TIME_IN_FORCE_GTD,
    "IMMEDIATE_OR_CANCEL": TimeInForce.TIME_IN_FORCE_IOC,
    "FILL_OR_KILL": TimeInForce.TIME_IN_FORCE_FOK,
}
# The object with an order's terms is named after its type and time in force.
CONFIGURATIONS = {
    "limit_limit_gtc": ("LIMIT", "GOOD_UNTIL_CANCELLED"),
    "market_market_ioc": ("MARKET", "IMMEDIATE_OR_CANCEL"),
}


def _configured(name: str) -> list[Rule]:
    """The terms of an order, written only to the object that matches its type and time in force."""
    rules = (
        at("base_size", "quantity", decimal),
        at("quote_size", "quote_quantity", decimal),
        at("limit_price", "price", decimal),
        at("post_only", "post_only", flag),
    )
    return [
        only_where(rule, lambda order: (order.raw_type, order.raw_time_in_force) == CONFIGURATIONS[name])
        for rule in within(f"order_configuration.{name}", *rules)
    ]


def _pending_cancel(order: Any, value: Any, _venue: Venue) -> None:
    if value:
        order.status = OrderStatus.ORDER_STATUS_PENDING_CANCEL


def _origin(order: Any, value: Any, _venue: Venue) -> None:
    order.origin = OrderOrigin.ORDER_ORIGIN_LIQUIDATION if value else OrderOrigin.ORDER_ORIGIN_USER


def _reason(place: str, rejected: bool) -> Rule:
    """Rejections and cancellations share one field for the reason."""
    return only_where(
        at(place, "status_reason_text", string.unless("")),
        lambda order: (order.status == OrderStatus.ORDER_STATUS_REJECTED) == rejected,
    )


ORDER = (
    *OWNED,
    at("order_id", "venue_order_id", string),
    derived("order_id", lambda order, venue: f"{venue.venue_id}:{order.venue_order_id}"),
    at("product_id", "venue_symbol_id", listing),
    not_kept("user_id", PERSONAL),
    enum("order_type", "type", ORDER_TYPES),
    enum("time_in_force", "time_in_force", TIMES_IN_FORCE),
    *(rule for name in CONFIGURATIONS for rule in _configured(name)),
    enum("side", "side", SIDES),
    at("client_order_id", "client_order_id", string),
    enum("status", "status", STATUSES),
    at("created_time", "created_at", rfc3339),
    not_kept("completion_percentage", "computed from the filled size and the order size"),
    at("filled_size", "cumulative_quantity", decimal),
    partly_filled(),
    at("average_filled_price", "average_price", decimal.unless(0)),
    not_kept("fee", "deprecated; total_fees is kept"),
    at("number_of_fills", "fill_count", integer),
    at("filled_value", "cumulative_quote_quantity", decimal),
    custom("pending_cancel", _pending_cancel, lambda order, _: order.status == OrderStatus.ORDER_STATUS_PENDING_CANCEL),
    choice("size_in_quote", "quantity_unit", UNIT),
    at("total_fees", "fees.0.amount", decimal),
    derived("fees.0.asset_id", _quote_of),
    at("size_inclusive_of_fees", "size_includes_fees", flag),
    at("total_value_after_fees", "net_quote_quantity", decimal),
    at("trigger_status", "raw_trigger_status", string),
    at("reject_reason", "raw_status_reason", string.unless("")),
    at("settled", "settled", flag),
    not_kept("product_type", "the symbol implies it"),
    _reason("reject_message", rejected=True),
    _reason("cancel_message", rejected=False),
    at("order_placement_source", "raw_origin", string),
    at("outstanding_hold_amount", "held_amount", decimal),
    custom(
        "is_liquidation",
        _origin,
        lambda order, _: order.origin == OrderOrigin.ORDER_ORIGIN_LIQUIDATION,
    ),
    at("last_fill_time", "last_fill_at", rfc3339),
    at("leverage", "leverage", decimal.unless("")),
    enum(
        "margin_type",
        "margin_mode",
        {"CROSS": MarginMode.MARGIN_MODE_CROSS, "ISOLATED": MarginMode.MARGIN_MODE_ISOLATED},
        absent=("",),
    ),
    not_kept("retail_portfolio_id", PORTFOLIO),
    at("originating_order_id", "parent_venue_order_id", string.unless("")),
    at("attached_order_id", "attached_venue_order_id", string.unless("")),
)
orders = table(
    "orders",
    {"orders": [Order]},
    each("orders", "orders", *ORDER),
    not_kept("sequence", PAGING),
    not_kept("has_next", PAGING),
    not_kept("cursor", PAGING),
)
order = table(
    "orders",
    {"orders": [Order]},
    each("orders", "orders", *ORDER),
    prepare=lambda payload: {"orders": [payload["order"]]},
)


def stream_table(frame: Any) -> Table | None:
    """Return the table for a stream frame, or None for a connection or subscription message."""
    tables = {"snapshot": book, "l2update": delta, "match": match, "last_match": last_match, "ticker": ticker}
    return tables.get(frame["type"])


ACCOUNT: dict[str, Table] = {
    "http_accounts": accounts,
    "http_cfm_balance_summary": margin,
    "http_cfm_position": position,
    "http_cfm_positions": positions,
    "http_fills": fills,
    "http_order": order,
    "http_orders_list": orders,
}
