"""Coinbase: market data of Exchange, accounts of Advanced Trade, https://docs.cdp.coinbase.com."""

from __future__ import annotations

import re

import cqc
from cqc.mapping import Context, Venue, code_as_asset, order_state, tables
from cqc.markets.v1 import SymbolType
from cqc.venues.v1 import ExecutionReport, Order, OrderStatus, TradingMode, VenueSymbol

# Identity

_PAIR = re.compile(r"([A-Z0-9]{1,32})-([A-Z0-9]{1,32})")


def listing(_segment: str, symbol: str) -> str | None:
    """A future such as `BIP-20DEC30-CDE` is named by a code of the exchange, which tells neither asset nor time."""
    found = _PAIR.fullmatch(symbol)
    if not found:
        return None
    parts = cqc.SymbolIdParts(SymbolType.SYMBOL_TYPE_SPOT, base_asset_id=found[1], quote_asset_id=found[2])
    return cqc.venue_symbol_id("coinbase", cqc.symbol_id(parts))


def mode(message: VenueSymbol, context: Context) -> None:
    """The flags restrict a market that is online. The one that allows least counts."""
    flags = {
        "trading_disabled": TradingMode.TRADING_MODE_HALTED,
        "cancel_only": TradingMode.TRADING_MODE_CANCEL_ONLY,
        "post_only": TradingMode.TRADING_MODE_POST_ONLY,
        "limit_only": TradingMode.TRADING_MODE_LIMIT_ONLY,
    }
    if message.trading_mode == TradingMode.TRADING_MODE_OPEN:
        message.trading_mode = next(
            (flags[name] for name in flags if context.value(name) is True), message.trading_mode
        )


def fee_asset(message: ExecutionReport | Order, _context: Context) -> None:
    """Coinbase charges spot fees in the quote asset, without saying so."""
    if message.fees and message.HasField("venue_symbol_id"):
        message.fees[0].asset_id = message.venue_symbol_id.split("-")[1]


def pending_cancel(order: Order, context: Context) -> None:
    """A cancellation on its way is a flag beside the status."""
    if context.value("pending_cancel") is True:
        order.status = OrderStatus.ORDER_STATUS_PENDING_CANCEL


TABLES = r"""
[instruments: VenueSymbol] when base_currency quote_increment
id = native_symbol; base_currency = base_code; quote_currency = quote_code; quantity_unit := BASE
quote_increment = rules.tick_tiers.0.tick_size; base_min_size = rules.limit_order.min_quantity
base_max_size = rules.limit_order.max_quantity; base_increment = rules.limit_order.lot_step
base_min_size = rules.market_order.min_quantity; base_max_size = rules.market_order.max_quantity
base_increment = rules.market_order.lot_step; min_market_funds = rules.market_order.min_notional
max_market_funds = rules.market_order.max_notional; margin_enabled = margin_enabled; status = trading_mode
status_message = trading_mode_reason; trading_disabled ~ false; cancel_only ~ false; post_only ~ false
limit_only ~ false

[symbols: Symbol] in instruments
display_name = symbol

[book snapshots: OrderBook] when type=snapshot
type ~ snapshot; product_id = listing; {bids,asks}.*.0 = {bids,asks}.*.price
{bids,asks}.*.1 = {bids,asks}.*.quantity; time = timestamp; quantity_unit := BASE

[book deltas: OrderBookDelta] when type=l2update
type ~ l2update; product_id = listing; changes.*0={buy,sell}.1 = {bids,asks}.*.price
changes.*0={buy,sell}.2 = {bids,asks}.*.quantity; time = timestamp; quantity_unit := BASE

[trade]
trade_id = trade_id; maker_order_id = maker_order_id; taker_order_id = taker_order_id
side = aggressor words:side_of_maker; size = quantity; price = price; product_id = listing; sequence = sequence
time = timestamp; quantity_unit := BASE

[trades: Trade] when type=match
use trade; type ~ match

[last trades: Trade] when type=last_match
use trade; type ~ last_match

[tickers: Ticker] when type=ticker
type ~ ticker; sequence = sequence; product_id = listing; price = last_price; last_size = last_quantity
trade_id = last_trade_id; side = last_aggressor; best_bid = bid_price; best_bid_size = bid_quantity
best_ask = ask_price; best_ask_size = ask_quantity; {open,high,low,volume}_24h = windows.0.{open,high,low,volume}
volume_30d = windows.1.volume; windows.0.duration := 24h; windows.1.duration := 30d if:volume_30d=?*
time = timestamp; quantity_unit := BASE

[skip: the subscriptions and the clock] when type=subscriptions|heartbeat

[wallets: VenueAccount] at accounts.* when uuid available_balance
uuid = venue_account_id; name = name; default = is_default; active = status words:active; type = type; ready = ready
created_at = opened_at; updated_at = timestamp; deleted_at = closed_at; account_id := coinbase:{venue_account_id}

[balances: Balance] in wallets
currency = asset_code; available_balance.value = free; available_balance.currency = asset_code
hold.value = locked; hold.currency = asset_code; updated_at = timestamp

[margin: AccountMargin] at balance_summary when total_usd_balance
futures_buying_power.value = buying_power; total_usd_balance.value = wallet_balance
cbi_usd_balance.value = spot_balance; cfm_usd_balance.value = derivatives_balance
total_open_orders_hold_amount.value = held_amount; unrealized_pnl.value = unrealized_pnl
daily_realized_pnl.value = session_realized_pnl; initial_margin.value = initial_margin
available_margin.value = available; liquidation_threshold.value = liquidation_threshold
liquidation_buffer_amount.value = liquidation_buffer; liquidation_buffer_percentage = liquidation_buffer_ratio %
{total_usd_balance,futures_buying_power,cbi_usd_balance,cfm_usd_balance}.currency = asset_code
{total_open_orders_hold_amount,unrealized_pnl,daily_realized_pnl,initial_margin}.currency = asset_code
{available_margin,liquidation_threshold,liquidation_buffer_amount}.currency = asset_code

[margin window]
margin_window_type = window; margin_level = raw_margin_level; initial_margin.value = initial_margin
maintenance_margin.value = maintenance_margin; total_hold.value = held_amount
futures_buying_power.value = buying_power; liquidation_buffer_percentage = liquidation_buffer_ratio %
{initial_margin,maintenance_margin,total_hold,futures_buying_power}.currency = asset_code

[margin by day: AccountMargin] in margin at intraday_margin_window_measure
use margin window

[margin by night: AccountMargin] in margin at overnight_margin_window_measure
use margin window

[positions: Position] at positions.*|position when number_of_contracts
product_id = listing; side = side words:net; number_of_contracts = quantity neg if:side=SHORT
number_of_contracts = quantity if:side!=SHORT; contract_size = contract_size; quantity_unit := CONTRACTS
current_price.value = market_context.mark_price; avg_entry_price.value = entry_price; entry_vwap.value = entry_vwap
unrealized_pnl.value = unrealized_pnl; daily_realized_pnl.value = session_realized_pnl
liquidation_price.value = liquidation_price none:0; leverage = leverage; im_contribution.value = initial_margin
mm_contribution.value = maintenance_margin; position_notional.value = notional neg if:side=SHORT
position_notional.value = notional if:side!=SHORT; total_fees.value = fees.0.amount
total_fees.currency = fees.0.asset_code; {unrealized_pnl,daily_realized_pnl}.currency = settlement_asset_code
{current_price,avg_entry_price,entry_vwap,liquidation_price}.currency = settlement_asset_code
{im_contribution,mm_contribution,position_notional}.currency = settlement_asset_code
position_id := {account_id}:{native_listing.symbol}

[fills: ExecutionReport] at fills.* when entry_id
entry_id = exec_id; trade_id = trade_id; order_id = venue_order_id; trade_time = timestamp; trade_type = exec_type
price = last_price; size = last_quantity; product_id = listing; side = side; commission = fees.0.amount
sequence_timestamp = published_at; liquidity_indicator = liquidity
size_in_quote = quantity_unit words:in_quote if:product_id!=*-*-*; size_in_quote ~ false
quantity_unit := CONTRACTS if:product_id=*-*-*

[orders: Order] at orders.*|order when order_id order_configuration
order_id = venue_order_id; product_id = listing; client_order_id = client_order_id; side = side
order_configuration.**.base_size = quantity; order_configuration.**.quote_size = quote_quantity
order_configuration.**.limit_price = price; order_configuration.**.post_only = post_only
order_configuration.**.stop_price = trigger_price; order_configuration.**.stop_direction = trigger_direction
order_configuration.**.end_time = good_til_time
order_type = type words:touched if:side=BUY,order_configuration.**.stop_direction=*DOWN
order_type = type words:touched if:side=SELL,order_configuration.**.stop_direction=*UP; order_type = type
time_in_force = time_in_force; status = status; pending_cancel ~ false; created_time = created_at
filled_size = cumulative_quantity; average_filled_price = average_price none:0; number_of_fills = fill_count
filled_value = cumulative_quote_quantity; total_fees = fees.0.amount; fee = fees.0.amount
size_in_quote # quantity or quote_quantity is set; size_inclusive_of_fees = size_includes_fees
total_value_after_fees = net_quote_quantity; trigger_status = raw_trigger_status
reject_reason = status_reason none:REJECT_REASON_UNSPECIFIED; reject_message = status_reason_text
cancel_message = status_reason_text; settled = settled; product_type # the listing states it
order_placement_source = raw_placement_source; outstanding_hold_amount = held_amount
is_liquidation = origin words:liquidated only; is_liquidation ~ false; last_fill_time = last_fill_at
leverage = leverage; margin_type = margin_mode; originating_order_id = parent_venue_order_id
attached_order_id = attached_venue_order_id; order_id := coinbase:{venue_order_id}
quantity_unit := CONTRACTS if:product_id=*-*-*; quantity_unit := BASE if:product_id=*-*
"""

VENUE = Venue(
    "coinbase",
    tables(
        TABLES,
        {"instruments": mode, "fills": fee_asset, "orders": [order_state, pending_cancel, fee_asset]},
    ),
    asset=code_as_asset,
    listing=listing,
    common="""
        /has_next # of an answer in parts; /cursor # of an answer in parts; /size # of an answer in parts
        /sequence # of an answer in parts
    """,
    words={
        # The `side` of a match is the maker's, that of a ticker the taker's.
        "side_of_maker": "SELLER: buy; BUYER: sell",
        "active": "ACTIVE: true; SUSPENDED: false",
        "in_quote": "BASE: false; QUOTE: true",
        "liquidated": "LIQUIDATION: true",
        # A future has one position, long or short.
        "net": "NET: long short",
        "touched": "TAKE_PROFIT_LIMIT: stop_limit",
        "ExecType": "TRADE_CANCEL: reversal; TRADE_CORRECT: correction",
        "MarginWindow": "INTRADAY: fcm_margin_window_type_intraday; OVERNIGHT: fcm_margin_window_type_overnight",
        "OrderStatus": "PENDING_NEW: queued; PENDING_CANCEL: cancel_queued",
        "TriggerDirection": "UP: stop_direction_stop_up; DOWN: stop_direction_stop_down",
    },
)
