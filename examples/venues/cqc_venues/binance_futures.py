"""Binance, USD-margined futures: https://developers.binance.com/docs/derivatives/usds-margined-futures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cqc.markets.v1 import AggressorSide, Liquidation, PayoffType, Symbol, SymbolType
from cqc.portfolio.v1 import Position
from cqc.venues.v1 import (
    AccountMargin,
    Balance,
    BalanceChangeReason,
    ExecType,
    ExecutionReport,
    MarginMode,
    Order,
    OrderOrigin,
    OrderStatus,
    OrderType,
    PositionSide,
    PriceMatch,
    TradingMode,
    TrailingOffsetKind,
    TriggerKind,
    VenueAccount,
    VenueSymbol,
)
from cqc_venues import binance
from cqc_venues.binance import (
    BASE,
    EXEC_TYPES,
    FILTERS,
    IGNORED,
    LIQUIDITY,
    OWNED_IN_BASE,
    REPORT_IDS,
    SELF_TRADE,
    SIDES,
    STATUSES,
    TIMES_IN_FORCE,
    owned_in_base,
)
from cqc_venues.common import OWNED, account_ids, listed, owned, received
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
    enums,
    fixed,
    flag,
    flag_string,
    integer,
    listing,
    milliseconds,
    not_kept,
    percent,
    string,
    strings,
    table,
    within,
)

ORDER_TYPES = {
    "LIMIT": OrderType.ORDER_TYPE_LIMIT,
    "MARKET": OrderType.ORDER_TYPE_MARKET,
    "STOP": OrderType.ORDER_TYPE_STOP_LIMIT,
    "STOP_MARKET": OrderType.ORDER_TYPE_STOP,
    "TAKE_PROFIT": OrderType.ORDER_TYPE_TAKE_PROFIT_LIMIT,
    "TAKE_PROFIT_MARKET": OrderType.ORDER_TYPE_TAKE_PROFIT,
    "TRAILING_STOP_MARKET": OrderType.ORDER_TYPE_TRAILING_STOP,
}
# The last two mark an order taken over by the insurance fund or by auto-deleveraging.
FUTURES_STATUSES = {
    **STATUSES,
    "NEW_INSURANCE": OrderStatus.ORDER_STATUS_FILLED,
    "NEW_ADL": OrderStatus.ORDER_STATUS_FILLED,
}
FUTURES_EXEC_TYPES = {
    **EXEC_TYPES,
    "CALCULATED": ExecType.EXEC_TYPE_TRADE,
    "AMENDMENT": ExecType.EXEC_TYPE_REPLACED,
}
TRIGGERS = {"CONTRACT_PRICE": TriggerKind.TRIGGER_KIND_LAST, "MARK_PRICE": TriggerKind.TRIGGER_KIND_MARK}
POSITION_SIDES = {
    "BOTH": PositionSide.POSITION_SIDE_NET,
    "LONG": PositionSide.POSITION_SIDE_LONG,
    "SHORT": PositionSide.POSITION_SIDE_SHORT,
}
MARGIN_MODES = {
    "cross": MarginMode.MARGIN_MODE_CROSS,
    "isolated": MarginMode.MARGIN_MODE_ISOLATED,
}
ORIGINS = {
    "autoclose-": OrderOrigin.ORDER_ORIGIN_LIQUIDATION,
    "adl_autoclose": OrderOrigin.ORDER_ORIGIN_ADL,
    "settlement_autoclose-": OrderOrigin.ORDER_ORIGIN_SETTLEMENT,
    "delivery_autoclose-": OrderOrigin.ORDER_ORIGIN_DELIVERY,
}
REASONS = {
    "ORDER": BalanceChangeReason.BALANCE_CHANGE_REASON_TRADE,
    "DEPOSIT": BalanceChangeReason.BALANCE_CHANGE_REASON_DEPOSIT,
    "WITHDRAW": BalanceChangeReason.BALANCE_CHANGE_REASON_WITHDRAWAL,
    "FUNDING_FEE": BalanceChangeReason.BALANCE_CHANGE_REASON_FUNDING,
}
# Keyed by whether the margin is isolated.
ISOLATED = {True: MarginMode.MARGIN_MODE_ISOLATED, False: MarginMode.MARGIN_MODE_CROSS}


def _venue_symbol_id(native: str) -> str:
    pair, _, delivery = native.partition("_")
    if pair.endswith("USD"):
        # The order updates include coin-margined futures.
        base, quote, settlement = pair.removesuffix("USD"), "USD", pair.removesuffix("USD")
    else:
        base, quote = binance.split(pair)
        settlement = quote
    kind = f"FUT-{settlement}-20{delivery}" if delivery else f"PERP-{settlement}"
    return f"binance_futures:{base}-{quote}-{kind}"


def venue() -> Venue:
    """Binance USD-margined futures."""
    return Venue("binance_futures", _venue_symbol_id)


def _symbol_type(bundle: Any, _venue: Venue) -> int:
    is_future = "-FUT-" in bundle.messages["listing"].symbol_id
    return SymbolType.SYMBOL_TYPE_FUTURE if is_future else SymbolType.SYMBOL_TYPE_PERPETUAL


instrument = table(
    "instruments",
    {"symbol": Symbol, "listing": VenueSymbol},
    listed("symbol"),
    derived("listing.quantity_unit", lambda *_: BASE),
    derived("symbol.symbol", lambda bundle, _: bundle.messages["listing"].native_symbol),
    derived("symbol.type", _symbol_type),
    derived("symbol.payoff", lambda *_: PayoffType.PAYOFF_TYPE_LINEAR),
    at("pair", "listing.native_pair", string),
    at("contractType", "listing.segment", string.unless("")),
    # Perpetuals have a delivery date in the year 2100.
    at("deliveryDate", "symbol.expiry", milliseconds.unless(4133404800000)),
    at("onboardDate", "listing.listed_at", milliseconds),
    enum(
        "status",
        "listing.trading_mode",
        {"TRADING": TradingMode.TRADING_MODE_OPEN, "PENDING_TRADING": TradingMode.TRADING_MODE_PRE_LAUNCH},
    ),
    at("maintMarginPercent", "listing.margin_tiers.0.maintenance_margin_rate", percent),
    at("requiredMarginPercent", "listing.margin_tiers.0.initial_margin_rate", percent),
    at("baseAsset", "symbol.base_asset_id", asset),
    at("quoteAsset", "symbol.quote_asset_id", asset),
    at("marginAsset", "symbol.settlement_asset_id", asset),
    at("pricePrecision", "listing.price_precision", integer),
    at("quantityPrecision", "listing.quantity_precision", integer),
    at("baseAssetPrecision", "listing.base_precision", integer),
    at("quotePrecision", "listing.quote_precision", integer),
    at("underlyingType", "listing.underlying_kind", string),
    at("underlyingSubType", "listing.categories", strings),
    not_kept("settlePlan", "undocumented; 0 in every captured payload"),
    at("triggerProtect", "listing.rules.trigger_protect", decimal),
    at("liquidationFee", "listing.fees.0.liquidation", decimal),
    at("marketTakeBound", "listing.rules.market_take_bound", decimal),
    enums("orderTypes", "listing.rules.order_types", ORDER_TYPES),
    enums("timeInForce", "listing.rules.times_in_force", TIMES_IN_FORCE),
    within(
        "filters",
        *FILTERS,
        at("MAX_NUM_ORDERS.limit", "listing.rules.max_open_orders", integer),
        at("MAX_NUM_ALGO_ORDERS.limit", "listing.rules.max_algo_orders", integer),
        at("MIN_NOTIONAL.notional", "listing.rules.limit_order.min_notional", decimal),
        not_kept("PERCENT_PRICE.multiplierDecimal", "number of decimals; the multipliers keep them"),
    ),
    prepare=binance.filters_by_type,
)

book, delta, ticker, trade, candle = binance.book, binance.delta, binance.ticker, binance.trade, binance.candle


def _position_id(position: Any, venue: Venue) -> str:
    side = PositionSide.Name(position.side).removeprefix("POSITION_SIDE_").lower()
    return f"{venue.account_id}:{position.venue_symbol_id}:{side}"


ASSET_MARGIN = (
    *OWNED,
    at("asset", "asset_id", asset),
    at("walletBalance", "wallet_balance", decimal),
    at("balance", "wallet_balance", decimal),
    at("unrealizedProfit", "unrealized_pnl", decimal),
    at("marginBalance", "margin_balance", decimal),
    at("maintMargin", "maintenance_margin", decimal),
    at("initialMargin", "initial_margin", decimal),
    at("positionInitialMargin", "position_initial_margin", decimal),
    at("openOrderInitialMargin", "order_initial_margin", decimal),
    at("crossWalletBalance", "cross_wallet_balance", decimal),
    at("crossUnPnl", "cross_unrealized_pnl", decimal),
    at("availableBalance", "available", decimal),
    at("maxWithdrawAmount", "withdrawable", decimal),
    at("marginAvailable", "serves_as_collateral", flag),
    at("updateTime", "timestamp", milliseconds.unless(0)),
)


def _margins(*leave_out: str) -> list[Rule]:
    return [rule for rule in ASSET_MARGIN if rule.place not in leave_out]


account = table(
    "accounts",
    {"account": VenueAccount, "total": AccountMargin, "assets": [AccountMargin], "positions": [Position]},
    account_ids("account"),
    *owned("total"),
    # Totals are in USD regardless of the assets.
    derived("total.asset_id", lambda *_: "USD"),
    at("feeTier", "account.fee_tier", string),
    at("canTrade", "account.can_trade", flag),
    at("canDeposit", "account.can_deposit", flag),
    at("canWithdraw", "account.can_withdraw", flag),
    at("updateTime", "account.timestamp", milliseconds.unless(0)),
    at("multiAssetsMargin", "total.multi_asset", flag),
    at("tradeGroupId", "account.trade_group_id", string.unless(-1)),
    at("totalInitialMargin", "total.initial_margin", decimal),
    at("totalMaintMargin", "total.maintenance_margin", decimal),
    at("totalWalletBalance", "total.wallet_balance", decimal),
    at("totalUnrealizedProfit", "total.unrealized_pnl", decimal),
    at("totalMarginBalance", "total.margin_balance", decimal),
    at("totalPositionInitialMargin", "total.position_initial_margin", decimal),
    at("totalOpenOrderInitialMargin", "total.order_initial_margin", decimal),
    at("totalCrossWalletBalance", "total.cross_wallet_balance", decimal),
    at("totalCrossUnPnl", "total.cross_unrealized_pnl", decimal),
    at("availableBalance", "total.available", decimal),
    at("maxWithdrawAmount", "total.withdrawable", decimal),
    each("assets", "assets", *_margins("balance")),
    each(
        "positions",
        "positions",
        *OWNED_IN_BASE,
        at("symbol", "venue_symbol_id", listing),
        at("initialMargin", "initial_margin", decimal),
        at("maintMargin", "maintenance_margin", decimal),
        at("unrealizedProfit", "unrealized_pnl", decimal),
        at("positionInitialMargin", "position_initial_margin", decimal),
        at("openOrderInitialMargin", "order_initial_margin", decimal),
        at("leverage", "leverage", decimal),
        choice("isolated", "margin_mode", ISOLATED),
        at("entryPrice", "entry_price", decimal),
        at("maxNotional", "max_notional", decimal),
        at("bidNotional", "open_bid_notional", decimal),
        at("askNotional", "open_ask_notional", decimal),
        enum("positionSide", "side", POSITION_SIDES),
        at("positionAmt", "quantity", decimal),
        at("updateTime", "updated_at", milliseconds.unless(0)),
        derived("position_id", _position_id),
    ),
)

balance = table(
    "balances",
    {"assets": [AccountMargin], "accounts": [VenueAccount]},
    each("assets", "assets", *_margins("walletBalance")),
    each(
        "accounts",
        "accounts",
        *account_ids(),
        at("accountAlias", "venue_account_id", string),
    ),
    prepare=lambda payload: {
        "assets": [{k: v for k, v in item.items() if k != "accountAlias"} for item in payload],
        "accounts": [{"accountAlias": item["accountAlias"]} for item in payload],
    },
)


def _close_position(place: str, order_of: Callable[[Any], Any] = lambda order: order) -> Rule:
    def put(message: Any, value: Any, _venue: Venue) -> None:
        if value:
            order_of(message).close_position = True

    return custom(place, put, lambda message, _: order_of(message).WhichOneof("size") == "close_position")


ORDER = (
    *OWNED_IN_BASE,
    at("orderId", "venue_order_id", string),
    derived("order_id", lambda order, venue: f"{venue.venue_id}:{order.venue_order_id}"),
    at("symbol", "venue_symbol_id", listing),
    enum("status", "status", FUTURES_STATUSES),
    at("clientOrderId", "client_order_id", string),
    at("price", "price", decimal.unless(0)),
    at("avgPrice", "average_price", decimal.unless(0)),
    at("origQty", "quantity", decimal.unless(0)),
    at("executedQty", "cumulative_quantity", decimal),
    at("cumQuote", "cumulative_quote_quantity", decimal),
    enum("timeInForce", "time_in_force", TIMES_IN_FORCE),
    enum("type", "type", ORDER_TYPES),
    at("reduceOnly", "reduce_only", flag),
    _close_position("closePosition"),
    enum("side", "side", SIDES),
    enum("positionSide", "position_side", POSITION_SIDES),
    at("stopPrice", "trigger_price", decimal.unless(0)),
    enum("workingType", "trigger_kind", TRIGGERS),
    at("priceProtect", "price_protect", flag),
    enum("origType", "original_type", ORDER_TYPES),
    enum(
        "priceMatch",
        "price_match",
        {"OPPONENT": PriceMatch.PRICE_MATCH_OPPONENT, "QUEUE": PriceMatch.PRICE_MATCH_QUEUE},
        absent=("NONE",),
    ),
    enum("selfTradePreventionMode", "self_trade_prevention", SELF_TRADE),
    at("goodTillDate", "good_til_time", milliseconds.unless(0)),
    at("time", "created_at", milliseconds),
    at("updateTime", "updated_at", milliseconds),
)
order = table("orders", {"orders": [Order]}, each(".", "orders", *ORDER), prepare=lambda one: [one])

algo_orders = table(
    "orders",
    {"orders": [Order]},
    each(
        ".",
        "orders",
        *OWNED_IN_BASE,
        at("algoId", "venue_order_id", string),
        derived("order_id", lambda order, venue: f"{venue.venue_id}:{order.venue_order_id}"),
        at("clientAlgoId", "client_order_id", string),
        not_kept("algoType", "always CONDITIONAL; the status implies it"),
        enum("type", "type", ORDER_TYPES),
        at("symbol", "venue_symbol_id", listing),
        enum("side", "side", SIDES),
        enum("positionSide", "position_side", POSITION_SIDES),
        enum("timeInForce", "time_in_force", TIMES_IN_FORCE),
        at("quantity", "quantity", decimal),
        enum("algoStatus", "status", {"NEW": OrderStatus.ORDER_STATUS_UNTRIGGERED}),
        at("triggerPrice", "trigger_price", decimal),
        enum("workingType", "trigger_kind", TRIGGERS),
        at("reduceOnly", "reduce_only", flag),
        at("createTime", "created_at", milliseconds),
        at("updateTime", "updated_at", milliseconds),
    ),
)

positions = table(
    "positions",
    {"positions": [Position]},
    each(
        ".",
        "positions",
        *OWNED_IN_BASE,
        at("symbol", "venue_symbol_id", listing),
        at("positionAmt", "quantity", decimal),
        at("entryPrice", "entry_price", decimal),
        at("markPrice", "mark_price", decimal),
        at("unRealizedProfit", "unrealized_pnl", decimal),
        at("liquidationPrice", "liquidation_price", decimal),
        at("leverage", "leverage", decimal),
        at("maxNotionalValue", "max_notional", decimal),
        enum("marginType", "margin_mode", MARGIN_MODES),
        at("isolatedMargin", "collateral", decimal),
        at("isAutoAddMargin", "auto_add_margin", flag_string),
        enum("positionSide", "side", POSITION_SIDES),
        at("notional", "notional", decimal),
        at("isolatedWallet", "isolated_wallet", decimal),
        at("updateTime", "updated_at", milliseconds),
        at("breakEvenPrice", "break_even_price", decimal),
        derived("position_id", _position_id),
    ),
)

liquidation = table(
    "liquidations",
    {"liquidation": Liquidation},
    fixed("e", "forceOrder"),
    at("E", "liquidation.published_at", milliseconds),
    received("liquidation"),
    derived("liquidation.quantity_unit", lambda *_: BASE),
    within(
        "o",
        at("s", "liquidation.venue_symbol_id", listing),
        enum(
            "S",
            "liquidation.side",
            {"BUY": AggressorSide.AGGRESSOR_SIDE_BUYER, "SELL": AggressorSide.AGGRESSOR_SIDE_SELLER},
        ),
        at("o", "liquidation.raw_order_type", string),
        at("f", "liquidation.raw_time_in_force", string),
        at("q", "liquidation.quantity", decimal),
        at("p", "liquidation.price", decimal),
        at("ap", "liquidation.average_price", decimal),
        at("X", "liquidation.raw_status", string),
        at("l", "liquidation.last_quantity", decimal),
        at("z", "liquidation.filled_quantity", decimal),
        at("T", "liquidation.timestamp", milliseconds),
    ),
)


def _with_event(payload: Any) -> Any:
    """Copy the fields of the event into each balance and position."""
    event = {"e": payload["e"], "T": payload["T"], "E": payload["E"]}
    reason = {"m": payload["a"]["m"]}
    return {
        "balances": [{**item, **event, **reason} for item in payload["a"]["B"]],
        "positions": [{**item, **event} for item in payload["a"]["P"]],
    }


account_update = table(
    "balances",
    {"balances": [Balance], "positions": [Position]},
    each(
        "balances",
        "balances",
        fixed("e", "ACCOUNT_UPDATE"),
        *OWNED,
        at("a", "asset_id", asset),
        at("wb", "total", decimal),
        at("cw", "cross_wallet_balance", decimal),
        at("bc", "change", decimal),
        enum("m", "change_reason", REASONS),
        at("T", "timestamp", milliseconds),
        at("E", "published_at", milliseconds),
    ),
    each(
        "positions",
        "positions",
        fixed("e", "ACCOUNT_UPDATE"),
        *OWNED_IN_BASE,
        at("s", "venue_symbol_id", listing),
        at("pa", "quantity", decimal),
        at("ep", "entry_price", decimal),
        at("bep", "break_even_price", decimal),
        at("cr", "realized_pnl", decimal),
        at("up", "unrealized_pnl", decimal),
        enum("mt", "margin_mode", MARGIN_MODES),
        at("iw", "isolated_wallet", decimal),
        enum("ps", "side", POSITION_SIDES),
        at("T", "updated_at", milliseconds),
        at("E", "published_at", milliseconds),
        derived("position_id", _position_id),
    ),
    prepare=_with_event,
)


def _origin(bundle: Any, _venue: Venue) -> int:
    name = bundle.messages["report"].client_order_id
    return next((origin for start, origin in ORIGINS.items() if name.startswith(start)), OrderOrigin.ORDER_ORIGIN_USER)


execution = table(
    "executions",
    {"report": ExecutionReport},
    owned_in_base("report"),
    owned_in_base("report.order"),
    fixed("e", "ORDER_TRADE_UPDATE"),
    at("E", "report.published_at", milliseconds),
    at("T", "report.timestamp", milliseconds),
    within(
        "o",
        at("s", "report.venue_symbol_id", listing),
        at("c", "report.client_order_id", string),
        derived("report.order.origin", _origin),
        enum("S", "report.side", SIDES),
        enum("o", "report.order.type", ORDER_TYPES),
        enum("f", "report.order.time_in_force", TIMES_IN_FORCE),
        at("q", "report.order.quantity", decimal.unless(0)),
        at("p", "report.order.price", decimal.unless(0)),
        at("ap", "report.average_price", decimal.unless(0)),
        at("sp", "report.order.trigger_price", decimal.unless(0)),
        enum("x", "report.exec_type", FUTURES_EXEC_TYPES),
        enum("X", "report.order_status", FUTURES_STATUSES),
        at("i", "report.venue_order_id", string),
        at("l", "report.last_quantity", decimal.unless(0)),
        at("z", "report.cumulative_quantity", decimal),
        at("L", "report.last_price", decimal.unless(0)),
        at("N", "report.fees.0.asset_id", asset),
        at("n", "report.fees.0.amount", decimal),
        at("T", "report.order.updated_at", milliseconds),
        at("t", "report.trade_id", string.unless(0)),
        at("b", "report.open_bid_notional", decimal),
        at("a", "report.open_ask_notional", decimal),
        choice("m", "report.liquidity", LIQUIDITY),
        at("R", "report.order.reduce_only", flag),
        enum("wt", "report.order.trigger_kind", TRIGGERS),
        enum("ot", "report.order.original_type", ORDER_TYPES),
        enum("ps", "report.position_side", POSITION_SIDES),
        _close_position("cp", lambda bundle: bundle.messages["report"].order),
        at("AP", "report.order.activation_price", decimal.unless(0)),
        at("cr", "report.order.trailing_offset", decimal.unless(0)),
        derived(
            "report.order.trailing_offset_kind",
            lambda bundle, _: (
                TrailingOffsetKind.TRAILING_OFFSET_KIND_PERCENT
                if bundle.messages["report"].order.HasField("trailing_offset")
                else TrailingOffsetKind.TRAILING_OFFSET_KIND_UNSPECIFIED
            ),
        ),
        at("pP", "report.order.price_protect", flag),
        not_kept("si", IGNORED),
        not_kept("ss", IGNORED),
        at("rp", "report.realized_pnl", decimal),
        enum("V", "report.order.self_trade_prevention", SELF_TRADE),
    ),
    *REPORT_IDS,
)

stream_table = binance.stream_table

ACCOUNT: dict[str, Table] = {
    "account_info_v2": account,
    "balance": balance,
    "open_algo_orders": algo_orders,
    "order_response": order,
    "position_risk": positions,
    "liquidation_stream": liquidation,
    "account_update": account_update,
    "account_update_bnfcr": account_update,
    **{
        f"order_update_{name}": execution
        for name in [
            "adl",
            "calculated",
            "calculated_pending",
            "delivery",
            "insurance",
            "new",
            "settlement",
            "trade",
            "trade_partial",
            "canceled",
            "expired",
            "amended",
            "liquidation",
        ]
    },
}
