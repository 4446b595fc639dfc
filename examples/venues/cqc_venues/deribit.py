"""Deribit: https://docs.deribit.com."""

from __future__ import annotations

from functools import reduce
from typing import Any

from google.protobuf.duration_pb2 import Duration

from cqc.markets.v1 import (
    BookAction,
    FundingRate,
    OpenInterest,
    OptionGreeks,
    OptionType,
    OrderBook,
    OrderBookDelta,
    PayoffType,
    QuantityUnit,
    Symbol,
    SymbolType,
    Ticker,
)
from cqc.venues.v1 import (
    AccountMargin,
    FeeRateBasis,
    InstrumentStatus,
    MarginModel,
    Order,
    OrderOrigin,
    OrderSide,
    OrderStatus,
    OrderType,
    TimeInForce,
    TradingMode,
    TriggerKind,
    VenueAccount,
    VenueSymbol,
)
from cqc_venues.common import OWNED, account_ids, listed, partly_filled, received
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
    double,
    each,
    enum,
    fixed,
    flag,
    integer,
    listing,
    milliseconds,
    not_kept,
    seconds,
    string,
    table,
    within,
)

ENVELOPE = "JSON-RPC envelope"
PERSONAL = "user identity or login setting"
BASE, QUOTE = QuantityUnit.QUANTITY_UNIT_BASE, QuantityUnit.QUANTITY_UNIT_QUOTE
MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
MODES = {"open": TradingMode.TRADING_MODE_OPEN, "closed": TradingMode.TRADING_MODE_CLOSED}


def _day(date: str) -> str:
    """Convert 24SEP21 to 20210924."""
    return f"20{date[-2:]}{1 + MONTHS.index(date[-5:-2]):02d}{date[:-5]:0>2}"


def _venue_symbol_id(native: str) -> str:
    pair, *rest = native.split("-")
    # BTC is quoted in dollars and settled in BTC; ETH_USDC is quoted and settled in USDC.
    base, _, quote = pair.partition("_")
    settlement = quote or base
    quote = quote or "USD"
    if rest == ["PERPETUAL"]:
        kind = f"PERP-{settlement}"
    elif len(rest) == 1:
        kind = f"FUT-{settlement}-{_day(rest[0])}"
    else:
        kind = f"OPT-{settlement}-{_day(rest[0])}-{rest[1]}-{rest[2]}"
    return f"deribit:{base}-{quote}-{kind}"


def venue() -> Venue:
    """Deribit."""
    return Venue("deribit", _venue_symbol_id)


def envelope(*rules: Rule | list[Rule]) -> list[Rule]:
    """Rules for the `result` of a JSON-RPC message. The envelope is not kept."""
    names = ("jsonrpc", "id", "method", "usIn", "usOut", "usDiff", "testnet")
    return [*(not_kept(name, ENVELOPE) for name in names), *within("result", *rules)]


def _payoff(bundle: Any, _venue: Venue) -> int:
    symbol = bundle.messages["symbol"]
    if symbol.type == SymbolType.SYMBOL_TYPE_OPTION:
        return PayoffType.PAYOFF_TYPE_LINEAR
    is_inverse = symbol.settlement_asset_id == symbol.base_asset_id
    return PayoffType.PAYOFF_TYPE_INVERSE if is_inverse else PayoffType.PAYOFF_TYPE_LINEAR


def _settlement(bundle: Any, _venue: Venue) -> str:
    return str(bundle.messages["listing"].symbol_id.split("-")[3])


instrument = table(
    "instruments",
    {"symbol": Symbol, "listing": VenueSymbol},
    listed("instrument_name"),
    derived("symbol.symbol", lambda bundle, _: bundle.messages["listing"].native_symbol),
    choice("kind", "symbol.type", {"option": SymbolType.SYMBOL_TYPE_OPTION, "future": SymbolType.SYMBOL_TYPE_FUTURE}),
    at("base_currency", "symbol.base_asset_id", asset),
    # Options are quoted in the base asset; their strike is in dollars.
    at("quote_currency", "symbol.quote_asset_id", asset),
    derived("symbol.settlement_asset_id", _settlement),
    at("settlement_currency", "listing.settlement_code", string),
    at("counter_currency", "listing.strike_code", string),
    derived("symbol.payoff", _payoff),
    choice(
        "option_type", "symbol.option_type", {"call": OptionType.OPTION_TYPE_CALL, "put": OptionType.OPTION_TYPE_PUT}
    ),
    at("strike", "symbol.strike", decimal),
    at("expiration_timestamp", "symbol.expiry", milliseconds),
    at("creation_timestamp", "listing.listed_at", milliseconds),
    choice(
        "is_active",
        "listing.trading_mode",
        {True: TradingMode.TRADING_MODE_OPEN, False: TradingMode.TRADING_MODE_CLOSED},
    ),
    at("settlement_period", "listing.raw_settlement_period", string),
    at("tick_size", "listing.rules.tick_tiers.0.tick_size", decimal),
    at("min_trade_amount", "listing.rules.limit_order.min_quantity", decimal),
    at("contract_size", "listing.contract_size", decimal),
    # Inverse futures are sized in dollars, options in coins.
    derived(
        "listing.quantity_unit",
        lambda bundle, _: QUOTE if bundle.messages["symbol"].payoff == PayoffType.PAYOFF_TYPE_INVERSE else BASE,
    ),
    derived("listing.contract_size_unit", lambda bundle, _: bundle.messages["listing"].quantity_unit),
    at("maker_commission", "listing.fees.0.maker", decimal),
    at("taker_commission", "listing.fees.0.taker", decimal),
    at("block_trade_commission", "listing.fees.0.block", decimal),
    at("max_liquidation_commission", "listing.fees.0.liquidation", decimal),
    at("max_leverage", "listing.margin_tiers.0.max_leverage", decimal),
    at("rfq", "listing.rfq_enabled", flag),
    at("price_index", "listing.price_index", string),
    at("instrument_id", "listing.native_id", string),
)

ACTIONS = {
    "new": BookAction.BOOK_ACTION_NEW,
    "change": BookAction.BOOK_ACTION_CHANGE,
    "delete": BookAction.BOOK_ACTION_DELETE,
}
LEVEL = (enum("0", "action", ACTIONS), at("1", "price", decimal), at("2", "quantity", decimal))
CHANNEL = not_kept("frame.params.channel", "subscription name; the data has the kind and the listing")


def _book(kind: str, name: str, message: Any) -> Table:
    return table(
        "book snapshots" if kind == "snapshot" else "book deltas",
        {name: message},
        at("received_at", f"{name}.received_at", seconds),
        CHANNEL,
        within("frame", envelope()),
        within(
            "frame.params.data",
            fixed("type", kind),
            at("timestamp", f"{name}.timestamp", milliseconds),
            at("instrument_name", f"{name}.venue_symbol_id", listing),
            at("change_id", f"{name}.sequence", integer),
            at("prev_change_id", f"{name}.previous_sequence", integer),
            each("bids", f"{name}.bids", *LEVEL),
            each("asks", f"{name}.asks", *LEVEL),
        ),
    )


snapshot, delta = _book("snapshot", "book", OrderBook), _book("change", "delta", OrderBookDelta)


def _quotes(*names: str) -> list[Rule]:
    """Rules shared by tickers and HTTP book snapshots. Each message in `names` gets the time and the listing."""
    return [
        *(received(name) for name in names),
        *(at("timestamp", f"{name}.timestamp", milliseconds) for name in names),
        *(at("instrument_name", f"{name}.venue_symbol_id", listing) for name in names),
        derived("ticker.windows.0.duration", lambda *_: Duration(seconds=86_400)),
        at("best_bid_price", "ticker.bid_price", decimal.unless(0)),
        at("best_bid_amount", "ticker.bid_quantity", decimal.unless(0)),
        at("best_ask_price", "ticker.ask_price", decimal.unless(0)),
        at("best_ask_amount", "ticker.ask_quantity", decimal.unless(0)),
        at("last_price", "ticker.last_price", decimal),
        at("mark_price", "ticker.mark_price", decimal),
        at("index_price", "ticker.index_price", decimal),
        at("settlement_price", "ticker.settlement_price", decimal),
        at("estimated_delivery_price", "ticker.estimated_delivery_price", decimal),
        at("min_price", "ticker.min_price", decimal),
        at("max_price", "ticker.max_price", decimal),
        at("stats.high", "ticker.windows.0.high", decimal),
        at("stats.low", "ticker.windows.0.low", decimal),
        at("stats.volume", "ticker.windows.0.volume", decimal),
        at("stats.volume_usd", "ticker.windows.0.quote_volume", decimal),
        at("stats.volume_notional", "ticker.windows.0.notional_volume", decimal),
        at("stats.price_change", "ticker.windows.0.price_change_percent", decimal),
        enum("state", "status.trading_mode", MODES),
        at("open_interest", "interest.quantity", decimal),
    ]


ticker = table(
    "tickers",
    {"ticker": Ticker, "greeks": OptionGreeks, "interest": OpenInterest, "status": InstrumentStatus},
    at("received_at", "ticker.received_at", seconds),
    CHANNEL,
    within("frame", envelope()),
    within(
        "frame.params.data",
        _quotes("ticker", "greeks", "interest", "status"),
        derived("ticker.quantity_unit", lambda *_: BASE),
        derived("interest.quantity_unit", lambda *_: BASE),
        at("underlying_price", "greeks.underlying_price", decimal),
        at("underlying_index", "greeks.underlying_name", string),
        at("greeks.delta", "greeks.delta", double),
        at("greeks.gamma", "greeks.gamma", double),
        at("greeks.vega", "greeks.vega", double),
        at("greeks.theta", "greeks.theta", double),
        at("greeks.rho", "greeks.rho", double),
        at("bid_iv", "greeks.bid_implied_volatility", double),
        at("ask_iv", "greeks.ask_implied_volatility", double),
        at("mark_iv", "greeks.mark_implied_volatility", double),
        at("interest_rate", "greeks.interest_rate", double),
    ),
)

PAIR = (at("0", "price", decimal), at("1", "quantity", decimal))
HTTP_BOOK = ("ticker", "interest", "status", "book", "funding", "funding_8h")

http_book = table(
    "book snapshots",
    {
        "book": OrderBook,
        "ticker": Ticker,
        "interest": OpenInterest,
        "status": InstrumentStatus,
        "funding": FundingRate,
        "funding_8h": FundingRate,
    },
    envelope(
        _quotes(*HTTP_BOOK),
        # Assumes an inverse perpetual, which is sized in dollars.
        *(derived(f"{name}.quantity_unit", lambda *_: QUOTE) for name in ("book", "ticker", "interest")),
        at("change_id", "book.sequence", integer),
        each("bids", "book.bids", *PAIR),
        each("asks", "book.asks", *PAIR),
        at("current_funding", "funding.rate", decimal),
        at("interest_value", "funding.accumulated_interest", decimal),
        at("funding_8h", "funding_8h.rate", decimal),
        derived("funding_8h.interval", lambda *_: Duration(seconds=8 * 3600)),
    ),
)

STATUSES = {
    "open": OrderStatus.ORDER_STATUS_NEW,
    "untriggered": OrderStatus.ORDER_STATUS_UNTRIGGERED,
    "filled": OrderStatus.ORDER_STATUS_FILLED,
    "rejected": OrderStatus.ORDER_STATUS_REJECTED,
    "cancelled": OrderStatus.ORDER_STATUS_CANCELLED,
}
ORDER_TYPES = {
    "limit": OrderType.ORDER_TYPE_LIMIT,
    "market": OrderType.ORDER_TYPE_MARKET,
    "stop_limit": OrderType.ORDER_TYPE_STOP_LIMIT,
    "stop_market": OrderType.ORDER_TYPE_STOP,
    "take_limit": OrderType.ORDER_TYPE_TAKE_PROFIT_LIMIT,
    "take_market": OrderType.ORDER_TYPE_TAKE_PROFIT,
    "trailing_stop": OrderType.ORDER_TYPE_TRAILING_STOP,
}


def _origin_flag(name: str) -> Rule:
    """One of two flags for the origin of an order: the website or the API."""

    def put(order: Any, value: Any, _venue: Venue) -> None:
        if value:
            order.raw_origin = name

    return custom(name, put, lambda order, _: order.raw_origin == name)


def _liquidation(order: Any, value: Any, _venue: Venue) -> None:
    order.origin = OrderOrigin.ORDER_ORIGIN_LIQUIDATION if value else OrderOrigin.ORDER_ORIGIN_USER


ORDER = (
    *OWNED,
    at("order_id", "venue_order_id", string),
    derived("order_id", lambda order, venue: f"{venue.venue_id}:{order.venue_order_id}"),
    at("instrument_name", "venue_symbol_id", listing),
    derived("quantity_unit", lambda *_: BASE),
    at("label", "label", string),
    at("price", "price", decimal.unless("market_price")),
    not_kept("user_id", PERSONAL),
    at("amount", "quantity", decimal),
    at("contracts", "contracts", decimal),
    enum("direction", "side", {"buy": OrderSide.ORDER_SIDE_BUY, "sell": OrderSide.ORDER_SIDE_SELL}),
    enum(
        "time_in_force",
        "time_in_force",
        {
            "good_til_cancelled": TimeInForce.TIME_IN_FORCE_GTC,
            "good_til_day": TimeInForce.TIME_IN_FORCE_DAY,
            "fill_or_kill": TimeInForce.TIME_IN_FORCE_FOK,
            "immediate_or_cancel": TimeInForce.TIME_IN_FORCE_IOC,
        },
    ),
    _origin_flag("web"),
    _origin_flag("api"),
    at("creation_timestamp", "created_at", milliseconds),
    at("last_update_timestamp", "updated_at", milliseconds),
    at("replaced", "replaced", flag),
    at("filled_amount", "cumulative_quantity", decimal),
    at("average_price", "average_price", decimal.unless(0)),
    at("post_only", "post_only", flag),
    at("reject_post_only", "reject_post_only", flag),
    at("reduce_only", "reduce_only", flag),
    at("trigger_price", "trigger_price", decimal),
    enum(
        "trigger",
        "trigger_kind",
        {
            "mark_price": TriggerKind.TRIGGER_KIND_MARK,
            "last_price": TriggerKind.TRIGGER_KIND_LAST,
            "index_price": TriggerKind.TRIGGER_KIND_INDEX,
        },
    ),
    at("mmp", "market_maker_protection", flag),
    enum("order_state", "status", STATUSES),
    partly_filled(),
    enum("order_type", "type", ORDER_TYPES),
    custom(
        "is_liquidation",
        _liquidation,
        lambda order, _: order.origin == OrderOrigin.ORDER_ORIGIN_LIQUIDATION,
    ),
    at("risk_reducing", "risk_reducing", flag),
    at("cancel_reason", "raw_status_reason", string),
)
order = table(
    "orders",
    {"orders": [Order]},
    envelope(each("orders", "orders", *ORDER)),
    prepare=lambda payload: {
        **payload,
        "result": {
            "orders": [payload["result"].get("order", payload["result"])],
            "trades": payload["result"].get("trades", []),
        },
    },
)

MARGIN_MODELS = {
    "segregated_sm": MarginModel.MARGIN_MODEL_STANDARD,
    "segregated_pm": MarginModel.MARGIN_MODEL_PORTFOLIO,
    "cross_sm": MarginModel.MARGIN_MODEL_STANDARD,
    "cross_pm": MarginModel.MARGIN_MODEL_PORTFOLIO,
}
BASES = {"fixed": FeeRateBasis.FEE_RATE_BASIS_VALUE, "relative": FeeRateBasis.FEE_RATE_BASIS_STANDARD_FEE}


def by_index(name: str, target: str) -> Rule:
    """A map keyed by price index, which becomes one entry of `exposures` per index."""
    *parents, last = target.split(".")

    def parent(exposure: Any) -> Any:
        return reduce(getattr, parents, exposure)

    def entry(margin: Any, index: str) -> Any:
        for exposure in margin.exposures:
            if exposure.price_index == index:
                return exposure
        return margin.exposures.add(price_index=index)

    def put(margin: Any, value: Any, _venue: Venue) -> None:
        for index, number in value.items():
            setattr(parent(entry(margin, index)), last, float(number))

    def get(margin: Any, _venue: Venue) -> Any:
        found = {
            exposure.price_index: repr(getattr(parent(exposure), last))
            for exposure in margin.exposures
            if parent(exposure).HasField(last)
        }
        return found or ABSENT

    return custom(name, put, get)


MARGIN = (
    *OWNED,
    at("currency", "asset_id", asset),
    at("margin_balance", "margin_balance", decimal),
    at("equity", "equity", decimal),
    at("balance", "wallet_balance", decimal),
    at("available_funds", "available", decimal),
    at("available_withdrawal_funds", "withdrawable", decimal),
    at("initial_margin", "initial_margin", decimal),
    at("maintenance_margin", "maintenance_margin", decimal),
    at("projected_initial_margin", "projected_initial_margin", decimal),
    at("projected_maintenance_margin", "projected_maintenance_margin", decimal),
    at("total_pl", "total_pnl", decimal),
    at("session_upl", "session_unrealized_pnl", decimal),
    at("session_rpl", "session_realized_pnl", decimal),
    at("futures_pl", "futures.pnl", decimal),
    at("futures_session_rpl", "futures.session_realized_pnl", decimal),
    at("futures_session_upl", "futures.session_unrealized_pnl", decimal),
    at("options_pl", "options.pnl", decimal),
    at("options_session_rpl", "options.session_realized_pnl", decimal),
    at("options_session_upl", "options.session_unrealized_pnl", decimal),
    at("options_value", "options_value", decimal),
    at("options_delta", "option_exposure.delta", double),
    at("options_gamma", "option_exposure.gamma", double),
    at("options_vega", "option_exposure.vega", double),
    at("options_theta", "option_exposure.theta", double),
    at("delta_total", "delta", double),
    at("projected_delta_total", "projected_delta", double),
    at("estimated_liquidation_ratio", "estimated_liquidation_ratio", double),
    by_index("delta_total_map", "delta"),
    by_index("options_gamma_map", "options.gamma"),
    by_index("options_vega_map", "options.vega"),
    by_index("options_theta_map", "options.theta"),
    by_index("estimated_liquidation_ratio_map", "estimated_liquidation_ratio"),
    at("spot_reserve", "spot_reserve", decimal),
    at("additional_reserve", "additional_reserve", decimal),
    at("fee_balance", "fee_balance", decimal),
    at("locked_balance", "locked_balance", decimal),
    enum("margin_model", "model", MARGIN_MODELS),
    not_kept("portfolio_margining_enabled", "margin_model implies it"),
    at("cross_collateral_enabled", "cross_collateral", flag),
    not_kept("limits.*", "API rate limits"),
)
# With cross margin, every currency repeats the account totals in dollars.
DOLLARS = (
    *OWNED,
    derived("asset_id", lambda *_: "USD"),
    at("total_margin_balance_usd", "margin_balance", decimal),
    at("total_equity_usd", "equity", decimal),
    at("total_initial_margin_usd", "initial_margin", decimal),
    at("total_maintenance_margin_usd", "maintenance_margin", decimal),
)
FEE_RATE = (
    at("kind", "segment", string),
    at("index_name", "price_index", string),
    enum("value.default.type", "basis", BASES),
    at("value.default.maker", "maker", decimal),
    at("value.default.taker", "taker", decimal),
    at("value.block_trade", "block", decimal),
)


def _split_summaries(payload: Any) -> Any:
    """Move the fee rates and the totals in dollars, which belong to the account, out of the summaries."""
    result = {key: value for key, value in payload["result"].items() if key != "summaries"}
    result |= {"margins": [], "totals": [], "rates": []}
    for summary in payload["result"]["summaries"]:
        result["rates"] += summary.get("fees", [])
        totals = {key: value for key, value in summary.items() if key.startswith("total_") and key.endswith("_usd")}
        if totals:
            result["totals"].append(totals)
        result["margins"].append({k: v for k, v in summary.items() if k != "fees" and k not in totals})
    return {**payload, "result": result}


account = table(
    "accounts",
    {"account": VenueAccount, "margins": [AccountMargin], "totals": [AccountMargin]},
    account_ids("account"),
    envelope(
        at("id", "account.venue_account_id", string),
        *(
            not_kept(name, PERSONAL)
            for name in (
                *("email", "system_name", "username", "referrer_id"),
                *("login_enabled", "security_keys_enabled", "interuser_transfers_enabled"),
            )
        ),
        not_kept("block_rfq_self_match_prevention", "setting for block RFQs, which the contracts do not cover"),
        at("creation_timestamp", "account.opened_at", milliseconds),
        at("type", "account.raw_type", string),
        at("mmp_enabled", "account.market_maker_protection", flag),
        at("self_trading_reject_mode", "account.raw_self_trade_prevention", string),
        at("self_trading_extended_to_subaccounts", "account.self_trade_prevention_across_subaccounts", flag),
        each("rates", "account.fee_rates", *FEE_RATE),
        each("margins", "margins", *MARGIN),
        each("totals", "totals", *DOLLARS),
    ),
    prepare=_split_summaries,
)


def stream_table(frame: Any) -> Table | None:
    """Return the table for a stream frame, or None for a connection or subscription message."""
    channel = frame.get("params", {}).get("channel", "")
    if channel.startswith("ticker."):
        return ticker
    if channel.startswith("book."):
        return snapshot if frame["params"]["data"]["type"] == "snapshot" else delta
    return None


ACCOUNT: dict[str, Table] = {
    "http_get_account_summaries": account,
    "http_get_account_summaries_cross_margin": account,
    "http_get_order_book": http_book,
    "ws_order_buy_response": order,
    "ws_order_cancel_response": order,
    "ws_order_edit_response": order,
    "ws_order_sell_response": order,
    "ws_order_stop_market_no_filled_amount": order,
    "ws_order_stop_market_response": order,
}
