"""Deribit: https://docs.deribit.com."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase as fnmatch
from typing import Any

import cqc
from cqc.mapping import Context, Venue, candle_close, code_as_asset, settlement_asset, tables, trigger_direction
from cqc.markets.v1 import LegSide, QuantityUnit, Symbol, SymbolLeg, Trade
from cqc.venues.v1 import ExecutionReport, Order, OrderStatus, VenueSymbol

# Identity

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_DATED = re.compile(r"(\d{1,2})([A-Z]{3})(\d\d)(?:-(\d+(?:d\d+)?)-([CP]))?", re.ASCII)
# Legs and amounts of combinations by their day {0} and the two words of their name, such as strikes. Those of others,
# such as a butterfly, only the list of combinations states.
_COMBOS = {
    "FS": "{1}:1 {2}:-1",
    "CS": "{0}-{1}-C:1 {0}-{2}-C:-1",
    "STRG": "{0}-{1}-P:1 {0}-{2}-C:1",
    "STRD": "{0}-{1}-P:1 {0}-{1}-C:1",
}
_INDEX = re.compile(r"([a-z0-9]+)_([a-z]+)")
# Inverse contracts, which are sized in dollars. Everything else is sized in units of the base.
INVERSE = "???-PERPETUAL|???-*[A-Z][0-9][0-9]|???-FS-*_PERP"


def product(symbol: str) -> str | None:
    """The product behind a name: `BTC-PERPETUAL` is settled in BTC, `ETH_USDC-PERPETUAL` in USDC."""
    index = _INDEX.fullmatch(symbol)
    if index:
        return f"{index[1]}-{index[2]}-INDEX".upper()
    pair, dash, rest = symbol.partition("-")
    base, _, quote = pair.partition("_")
    settled, quote = quote or base, quote or "USD"
    dated = _DATED.fullmatch(rest)
    if not dash:
        return f"{pair.replace('_', '-')}-SPOT" if settled != base else None
    if rest == "PERPETUAL":
        return f"{base}-{quote}-PERP-{settled}"
    if not dated or dated[2] not in _MONTHS:
        found = combination(symbol)
        return cqc.combo_id(found) if found and all(item.symbol_id for item in found) else None
    date = f"20{dated[3]}{_MONTHS.index(dated[2]) + 1:02d}{int(dated[1]):02d}"
    kind = f"FUT-{settled}-{date}" if dated[4] is None else f"OPT-{settled}-{date}-{dated[4]}-{dated[5]}"
    return f"{base}-{quote}-{kind}"


def listing(segment: str, symbol: str) -> str | None:
    """All products of Deribit have one segment; the volatility indices have the names of the price indices."""
    found = product(symbol)
    return f"deribit:{found}{'-DVOL' if segment == 'deribit_volatility_index' else ''}" if found else None


def leg(symbol: str, amount: str) -> SymbolLeg:
    """A leg of a combination, sold if the amount is negative."""
    ratio = cqc.parse_decimal(amount)
    side = LegSide.LEG_SIDE_SELL if ratio < 0 else LegSide.LEG_SIDE_BUY
    return SymbolLeg(symbol_id=product(symbol) or "", side=side, ratio=cqc.format_decimal(abs(ratio)))


def combination(symbol: str) -> list[SymbolLeg]:
    """The legs that a name states, such as `BTC-FS-25DEC26_PERP`."""
    pair, kind, terms = [*symbol.split("-", 2), "", ""][:3]
    day, _, words = terms.rpartition("-")
    form = _COMBOS.get(kind, "") if re.fullmatch(r"[\w-]+", symbol) else ""
    names = form.format(day, *f"{words}_".replace("PERP", "PERPETUAL").split("_"))
    return [leg(f"{pair}-{name}", amount) for name, amount in (item.split(":") for item in names.split())]


def legs(record: Any) -> list[SymbolLeg]:
    """The legs of a combination: stated, or told by its name."""
    stated = [leg(item["instrument_name"], item["amount"]) for item in record.get("legs", [])]
    return stated or combination(record["instrument_name"])


def combo(message: VenueSymbol, context: Context) -> None:
    """A combination is identified by its legs."""
    message.symbol_id = cqc.combo_id(legs(context.record))
    message.venue_symbol_id = cqc.venue_symbol_id("deribit", message.symbol_id)


def combo_symbol(symbol: Symbol, context: Context) -> None:
    """A combination trades in what its legs trade in: an option in what it is settled in."""
    del symbol.legs[:]
    symbol.legs.extend(legs(context.record))
    parts = symbol.legs[0].symbol_id.split("-")
    symbol.quote_asset_id = parts[3] if parts[2] == "OPT" else parts[1]


def trade_legs(trade: Trade, _context: Context) -> None:
    """The units of the legs, of which a combination can have several."""
    for item in trade.legs:
        inverse = any(fnmatch(item.native_listing.symbol, pattern) for pattern in INVERSE.split("|"))
        item.quantity_unit = QuantityUnit.QUANTITY_UNIT_QUOTE if inverse else QuantityUnit.QUANTITY_UNIT_BASE


def order(message: Order, context: Context) -> None:
    """Deribit says "open" of a partly filled order too, and of its fees only how much."""
    filled = cqc.parse_decimal(message.cumulative_quantity or "0")
    if message.status == OrderStatus.ORDER_STATUS_NEW and filled:
        message.status = OrderStatus.ORDER_STATUS_PARTIALLY_FILLED
    message.raw_placement_source = next((name for name in ("web", "api") if context.record.get(name) is True), "")
    trigger_direction(message, context)
    settlement_asset(message, context)


def fill(report: ExecutionReport, _context: Context) -> None:
    """Deribit says "open" of the order behind a fill."""
    if report.order_status == OrderStatus.ORDER_STATUS_NEW:
        report.order_status = report.order.status = OrderStatus.ORDER_STATUS_PARTIALLY_FILLED


TABLES = r"""
[unit]
quantity_unit := QUOTE if:instrument_name=<inverse>; quantity_unit := BASE if:instrument_name=?*

[listing]
instrument_name = listing; timestamp = timestamp; creation_timestamp = timestamp

[prices]
use unit; use listing; best_{bid,ask}_price = {bid,ask}_price none:0; best_{bid,ask}_amount = {bid,ask}_quantity none:0
{bid,ask}_price = {bid,ask}_price none:0; last_price = last_price; last = last_price; mid_price = mid_price
mark_price = mark_price; index_price = index_price; settlement_price = settlement_price
estimated_delivery_price = estimated_delivery_price; {min,max}_price = {min,max}_price
stats.{high,low} = windows.0.{high,low}; stats.volume = windows.0.volume if:instrument_name!=<inverse>
stats.volume = windows.0.base_volume if:instrument_name=<inverse>; stats.volume_usd = windows.0.notional_volume
stats.volume_notional = windows.0.volume if:instrument_name=<inverse>; stats.volume_notional = windows.0.quote_volume
stats.price_change = windows.0.price_change_percent; volume = windows.0.volume if:instrument_name!=<inverse>
volume = windows.0.base_volume if:instrument_name=<inverse>; volume_usd = windows.0.notional_volume
volume_notional = windows.0.volume if:instrument_name=<inverse>; volume_notional = windows.0.quote_volume
{high,low} = windows.0.{high,low}; price_change = windows.0.price_change_percent; windows.0.duration := 24h if:stats
windows.0.duration := 24h if:volume; {base,quote}_currency # the listing states it
type # the kind of the message, which `stated` tells

[interest]
use unit; use listing; open_interest = quantity

[funding]
use listing; interest_value = accumulated_interest

[margin]
currency = asset_code; margin_balance = margin_balance; equity = equity; balance = wallet_balance
available_funds = available; available_withdrawal_funds = max_withdrawable; initial_margin = initial_margin
maintenance_margin = maintenance_margin; projected_{initial,maintenance}_margin = projected_{initial,maintenance}_margin
total_pl = total_pnl; session_upl = session_unrealized_pnl; session_rpl = session_realized_pnl
{futures,options}_pl = {futures,options}.pnl; {futures,options}_session_rpl = {futures,options}.session_realized_pnl
{futures,options}_session_upl = {futures,options}.session_unrealized_pnl; options_value = options_value
options_{delta,gamma,vega,theta} = option_exposure.{delta,gamma,vega,theta}; delta_total = delta
projected_delta_total = projected_delta; estimated_liquidation_ratio = estimated_liquidation_ratio none:0
spot_reserve = spot_reserve; additional_reserve = additional_reserve; fee_balance = fee_balance
locked_balance = locked_balance; margin_model = model; cross_collateral_enabled = multi_asset
portfolio_margining_enabled # the margin model states it
limits # how often requests may be sent, for which the contracts have no message

[totals]
asset_code := USD; all_assets := true; total_margin_balance_usd = margin_balance; total_equity_usd = equity
total_initial_margin_usd = initial_margin; total_maintenance_margin_usd = maintenance_margin

[skip: a combination whose legs its name does not state] when kind=*_combo instrument_name!=*-FS-*|*-CS-*|*-STR[DG]-*

[instruments: VenueSymbol] when kind instrument_name tick_size
use unit; instrument_name = native_symbol; kind = raw_symbol_type; base_currency = base_code
quote_currency = quote_code; settlement_currency = settlement_code; counter_currency = strike_code if:kind=option*
counter_currency = quote_code if:kind!=option*; instrument_type = raw_payoff_type; future_type = raw_payoff_type
creation_timestamp = listed_at; state = trading_mode; is_active = trading_mode words:active if:!state
is_active # the trading mode states it; settlement_period = raw_settlement_period
tick_size = rules.tick_tiers.0.tick_size; tick_size_steps.{0,1}.above_price = rules.tick_tiers.{1,2}.from_price
tick_size_steps.{0,1}.tick_size = rules.tick_tiers.{1,2}.tick_size; contract_size = contract_size
min_trade_amount = rules.limit_order.min_quantity; block_trade_min_trade_amount = rules.block_trade.min_quantity
{maker,taker}_commission = fees.0.{maker,taker}; block_trade_commission = fees.0.block
max_liquidation_commission = fees.0.liquidation; max_leverage = max_leverage; rfq = rfq_enabled
price_index = price_index; instrument_id = native_id; contract_size_unit := QUOTE if:instrument_name=<inverse>
contract_size_unit := BASE

[combinations: Symbol] in instruments when kind=*_combo
expiration_timestamp = expiry

[symbols: Symbol] in instruments when kind!=*_combo
expiration_timestamp = expiry none:32503708800000; strike = strike; option_type = option_type
exercise_style := EUROPEAN if:kind=option; payoff := INVERSE if:instrument_name=<inverse>
payoff := LINEAR if:instrument_name=*_*-*

[combos: VenueSymbol] when legs state_timestamp
id = native_symbol; state = trading_mode; creation_timestamp = listed_at; instrument_id = native_id
[symbols of combos: Symbol] in combos
legs.*.amount = legs.*.ratio sign:side; legs.*.instrument_name # the leg's symbol_id states it

[assets: VenueAsset] when coin_type currency_long
asset_id := {code}; currency = code; currency_long = name; coin_type = networks.0.network
min_confirmations = networks.0.deposit_confirmations; withdrawal_fee = networks.0.withdrawal_fee
min_withdrawal_fee = networks.0.min_withdrawal_fee; in_cross_collateral_pool = collateral_enabled

[book deltas: OrderBookDelta] when bids type=change or asks type=change
use unit; use listing; change_id = sequence; prev_change_id = previous_sequence; {bids,asks}.*.0 = {bids,asks}.*.action
{bids,asks}.*.1 = {bids,asks}.*.price; {bids,asks}.*.2 = {bids,asks}.*.quantity; type # the kind of the message

[book snapshots: OrderBook] when bids type=snapshot or asks type=snapshot
use unit; use listing; change_id = sequence; {bids,asks}.*.1 = {bids,asks}.*.price
{bids,asks}.*.2 = {bids,asks}.*.quantity; {bids,asks}.*.0 ~ new; type # the kind of the message

[changes of tickers: Ticker] partial when type=change instrument_name !bids !asks
use prices
[changes of open interest: OpenInterest] in changes of tickers partial when open_interest
use interest

[tickers: Ticker] when best_bid_price or mark_price !trade_id !leverage !position or mid_price or bid_price
use prices

[books: OrderBook] in tickers when bids asks
use unit; use listing; change_id = sequence; {bids,asks}.*.0 = {bids,asks}.*.price
{bids,asks}.*.1 = {bids,asks}.*.quantity

[status: InstrumentStatus] in tickers when state
use listing; state = trading_mode

[open interest: OpenInterest] in tickers when open_interest
use interest

[greeks: OptionGreeks] in tickers when greeks or underlying_index or iv
use listing; underlying_price = underlying_price; underlying_index = underlying_name; interest_rate = interest_rate
{bid,ask,mark}_iv = {bid,ask,mark}_implied_volatility %
greeks.{delta,gamma,vega,theta,rho} = {delta,gamma,vega,theta,rho}; iv = mark_implied_volatility

[funding: FundingRate] in tickers when current_funding
use funding; current_funding = rate
[funding of 8 hours: FundingRate] in tickers when funding_8h
use funding; funding_8h = rate; interval := 8h

[indices: Ticker] when index_name price or index_name volatility or index_name low24h or is_estimated price
index_name = listing; timestamp = timestamp; price = index_price if:index_name; volatility = index_price
/params.channel = listing re:estimated_expiration_price\.(.+); price = estimated_delivery_price if:is_estimated
estimated_delivery = estimated_delivery_price; native_listing.segment := deribit_volatility_index if:volatility
{high,low}24h = windows.0.{high,low}; change24h = windows.0.price_change; windows.0.duration := 24h if:low24h

[instrument states: InstrumentStatus] when state instrument_name timestamp !order_type !trade_id
use listing; state = trading_mode

[funding of an hour: FundingRate] when interest_1h
interest_1h = rate; interval := 1h; settled := true; timestamp = timestamp; index_price = index_price
[funding of 8 hours ago: FundingRate] in funding of an hour
interest_8h = rate; interval := 8h; timestamp = timestamp; index_price = index_price

[candles: Candle] when tick open close
/params.channel = listing re:chart\.trades\.(.+)\.; /params.channel = interval re:\.(\w+)$ m; tick = open_time
open = open; high = high; low = low; close = close; volume = volume; cost = quote_volume; volume_unit := BASE
price_kind := TRADE

[fills: ExecutionReport] when trade_id order_id fee
use unit; instrument_name = listing; timestamp = timestamp; trade_id = trade_id; exec_id := {trade_id}
exec_type := TRADE; order_id = venue_order_id; direction = side; price = last_price; amount = last_quantity
contracts = last_contracts; state = order_status; liquidity = liquidity; fee = fees.0.amount
fee_currency = fees.0.asset_code; profit_loss = realized_pnl; block_trade_id = block_trade_id
iv = market_context.price_volatility % none:0
{mark,index,underlying}_price = market_context.{mark,index,underlying}_price; label = order.label
order_type = order.type; post_only = order.post_only; reduce_only = order.reduce_only
instrument_name = order.native_listing.symbol; order_id = order.venue_order_id; direction = order.side
state = order.status; order.order_id := deribit:{venue_order_id}
order.quantity_unit := QUOTE if:instrument_name=<inverse>; order.quantity_unit := BASE if:instrument_name=?*
/result.id = block_trade_id if:/result.trades; /id = block_trade_id if:/trades; /timestamp # each fill states it
/result.timestamp # each fill states it; /params.data.instrument_name # the fill states it

[trades: Trade] when trade_id price trade_seq
use unit; use listing; trade_id = trade_id; price = price; amount = quantity; contracts = contracts
direction = aggressor; tick_direction = tick_direction words:ticks; trade_seq = sequence
block_trade_id = block_trade_id; combo_trade_id = combo_trade_id; liquidation = liquidation is:M|T|MT
block := true if:block_trade_id=?*; iv = market_context.price_volatility %
{mark,index}_price = market_context.{mark,index}_price; legs.*.instrument_name = legs.*.native_listing.symbol
legs.*.trade_id = legs.*.trade_id; legs.*.price = legs.*.price; legs.*.direction = legs.*.side
legs.*.amount = legs.*.quantity; legs.*.contracts = legs.*.contracts
legs.*.iv = legs.*.market_context.price_volatility %; legs.*.combo_id = listing; legs.*.combo_trade_id = trade_id
legs.*.{mark,index}_price = legs.*.market_context.{mark,index}_price; legs.*.timestamp = timestamp

[orders: Order] when order_state direction
use unit; instrument_name = listing; order_id = venue_order_id; order_id := deribit:{venue_order_id}; label = label
direction = side; order_type = type; original_order_type = original_type; time_in_force = time_in_force
order_state = status; amount = quantity; contracts = contracts; price = price none:market_price if:!advanced
usd = strike_asset_price; implv = volatility_price %; average_price = average_price none:0
filled_amount = cumulative_quantity; max_show = display_quantity; post_only = post_only
reject_post_only = reject_post_only; reduce_only = reduce_only; mmp = market_maker_protection
risk_reducing = risk_reducing; replaced = replaced; cancel_reason = status_reason; trigger_price = trigger_price
trigger = trigger_kind; triggered = raw_trigger_status; commission = fees.0.amount; profit_loss = realized_pnl
creation_timestamp = created_at; last_update_timestamp = updated_at; {web,api} # raw_placement_source states it
is_liquidation # the origin states it; origin := LIQUIDATION if:is_liquidation=true; user_id # personal data
/result.*.currency # the listing states it; /result.*.instrument_name # the listing states it
/result.*.type # the type of the order states it; /params.data.instrument_name # the order states it

[positions: Position] when size leverage
use unit; instrument_name = listing; direction = side words:positions; size = quantity; size_currency = base_quantity
leverage = max_leverage; average_price = entry_price none:0; {mark,index}_price = market_context.{mark,index}_price
delta = greeks.delta; {gamma,vega,theta} = greeks.{gamma,vega,theta}
estimated_liquidation_price = liquidation_price none:0; settlement_price = settlement_price
total_profit_loss = unrealized_pnl; floating_profit_loss = session_unrealized_pnl
realized_profit_loss = session_realized_pnl; initial_margin = position_initial_margin
maintenance_margin = maintenance_margin; open_orders_margin = order_initial_margin; kind # the listing states it
position_id := deribit:{native_listing.symbol}; /params.data.instrument_name # the position states it

[account: VenueAccount] when summaries or system_name id
account_id := deribit:{@id} if:!summaries; id = venue_account_id; type = raw_type; creation_timestamp = opened_at
mmp_enabled = market_maker_protection; self_trading_reject_mode = self_trade_prevention
self_trading_extended_to_subaccounts = self_trade_prevention_across_subaccounts
{email,username,system_name,referrer_id} # personal data
{login_enabled,security_keys_enabled,security_keys_assignments} # a setting of the login
{receive_notifications,is_password,interuser_transfers_enabled} # a setting of the login
[margin of summaries: AccountMargin] in account at summaries.*
use margin
[totals of summaries: AccountMargin] in account at summaries.* when total_equity_usd
use totals
[fee rates: VenueAccount] in account at summaries.* when fees
fees.*.kind = fee_rates.*.segment; fees.*.index_name = fee_rates.*.price_index
fees.*.value.default.type = fee_rates.*.basis; fees.*.value.default.{maker,taker} = fee_rates.*.{maker,taker}

[margin: AccountMargin] when margin_balance equity
use margin
[totals: AccountMargin] in margin when total_equity_usd
use totals

[ledger: LedgerEntry] when change cashflow
instrument_name = listing; id = entry_id; type = type; info.transfer_type = raw_sub_type; currency = asset_code
change = change; cashflow = cash_flow; balance = balance_after; equity = equity_after; commission = fees.0.amount
fees.0.asset_code := {asset_code} if:commission=?*; position = position_after; price = price; interest_pl = funding
order_id = venue_order_id; trade_id = trade_id; user_seq = venue_sequence; timestamp = timestamp
side = side re:(buy|sell) none:-; info.other_user # personal data; info.other_user_id # personal data

[settlements: LedgerEntry] when session_profit_loss instrument_name
use unit; instrument_name = listing; type = type; timestamp = timestamp; session_profit_loss = realized_pnl
position = position_before; {mark,index}_price = market_context.{mark,index}_price
entry_id := {raw_type}:{native_listing.symbol}:{timestamp}

[transfers: Transfer] when address received_timestamp or address priority or other_side direction
currency = asset_code; amount = amount; address = to_address; transaction_id = onchain.transaction_id
updated_timestamp = updated_at; received_timestamp = created_at; created_timestamp = created_at; id = venue_transfer_id
transfer_id := deribit:{venue_transfer_id}; transfer_id := deribit:{onchain.transaction_id}; fee = fee.amount
fee.asset_code := {asset_code} if:fee=?*; state = state words:internal if:other_side
state = state words:transfers if:!other_side; type = type words:kinds; type := DEPOSIT if:received_timestamp
type := WITHDRAWAL if:priority; type := WITHDRAWAL if:type=user direction=payment
type := DEPOSIT if:type=user direction=income; other_side # personal data: the name of a user

[skip: what makes up an index, or the losses of all accounts: no message has it] when session_tax or original_price
[skip: a candle or rate of whose request, which states the listing, there is no record] when ticks or o c or 0 1 !2
[skip: an address to deposit to, which services state in their answers] when requires_confirmation or address type
[skip: a broker's trades for clients, with their names] when maker taker or client_info or trade_trigger or history
[skip: the wish of another for quotes, which states nothing to trade at] when last_rfq_tstamp
[skip: service news and the clock] when publication_timestamp or @name=fetch_* or allow_unauthenticated_public_requests
[skip: a remark of the documentation, a subscription, a refusal] when @name=*
"""

VENUE = Venue(
    "deribit",
    tables(
        TABLES.replace("<inverse>", INVERSE),
        {
            "combinations": combo_symbol,
            "combos": combo,
            "symbols of combos": combo_symbol,
            "trades": trade_legs,
            "fills": fill,
            "orders": order,
            "positions": settlement_asset,
            "candles": candle_close,
        },
    ),
    root="params.data.trades.*|params.data.orders.*|params.data.positions.*|params.data.*|params.data|"
    "result.trades.*|result.order|result.logs.*|result.settlements.*|result.data.*|result.*.result.*|result.*|result|"
    "trades.*|logs.*|settlements.*|data.*|*|.",
    time="ms",
    asset=code_as_asset,
    listing=listing,
    common="""
        /jsonrpc ~ 2.0; /id # of the request; /method # the kind of the frame; /params.channel # the data states it
        /usIn # when the gateway took the request; /usOut # when the gateway answered; /usDiff # usOut less usIn
        /testnet # which of Deribit's systems answered, as the connection states
        /{has_more,continuation,count} # of an answer in parts
        /result.{has_more,continuation,count} # of an answer in parts
    """,
    words={
        "OptionType": "CALL: call; PUT: put",
        "positions": "NET: buy sell zero",
        "active": "OPEN: true; CLOSED: false",
        "ticks": "PLUS: 0; ZERO_PLUS: 1; MINUS: 2; ZERO_MINUS: 3",
        "kinds": "INTERNAL: subaccount",
        "transfers": "REQUESTED: unconfirmed; PROCESSING: pending confirmed; FAILED: interrupted",
        "internal": "REQUESTED: prepared; COMPLETED: confirmed; FAILED: insufficient_funds withdrawal_limit",
        "TradingMode": "PRE_LAUNCH: created; OPEN: started; CLOSED: terminated deactivated archivized",
        "MarginModel": "STANDARD: segregated_sm cross_sm; PORTFOLIO: segregated_pm cross_pm",
        "FeeRateBasis": "VALUE: fixed; STANDARD_FEE: relative",
        "OrderReason": "USER_REQUESTED: user_request; LIQUIDATION: autoliquidation; "
        "DEAD_MAN_SWITCH: cancel_on_disconnect; RISK_LIMIT: mmp_trigger; WOULD_TAKE: post_only_reject",
        "BalanceChangeReason": "SETTLEMENT: delivery; ADJUSTMENT: correction",
    },
)
