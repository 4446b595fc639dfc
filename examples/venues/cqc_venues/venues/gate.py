"""Gate: https://www.gate.com/docs/developers/apiv4."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import cqc
from cqc.mapping import Context, Venue, candle_close, settlement_asset, tables, trigger_type
from cqc.markets.v1 import QuantityUnit
from cqc.venues.v1 import OrderStatus

_NATIVE = re.compile(r"([A-Z0-9]+)_([A-Z0-9]+)(?:_(\d{8})|-(\d{8})-(\d+(?:\.\d+)?)-([CP]))?")


def asset(code: str) -> str | None:
    """Gate's codes are the asset ids, except multiples of an asset (`1000SATS`). Some records have lower case."""
    return code.upper() if re.fullmatch(r"(?!1000+[A-Z])[A-Za-z0-9]{1,32}", code) else None


def listing(segment: str, symbol: str) -> str | None:
    """`BTC_USDT` is a pair in `spot` and a perpetual in `futures`: without the segment it is not known."""
    found = _NATIVE.fullmatch(symbol)
    if not found:
        return None
    base, quote, delivery, expiry, strike, right = found.groups()
    # Contracts on USD are settled in BTC, whatever their base.
    settled = "BTC" if quote == "USD" else quote
    kind = {"spot": "SPOT", "margin": "MARGIN", "futures": f"PERP-{settled}", "index": "INDEX"}.get(segment)
    if delivery:
        kind = f"FUT-{settled}-{delivery}"
    elif expiry:
        kind = f"OPT-{settled}-{expiry}-{strike.replace('.', 'd')}-{right}"
    return cqc.venue_symbol_id("gate", f"{base}-{quote}-{kind}") if kind else None


def contract(message: Any, context: Context) -> None:
    """The size of a contract: a dollar for `BTC_USD`, a quanto multiplier for others on USD. Limits that contradict."""
    size = context.value("quanto_multiplier") or context.value("multiplier")
    message.base_code, _, message.quote_code = (message.native_pair or message.native_symbol).partition("_")
    message.settlement_code = "BTC" if message.quote_code == "USD" else message.quote_code
    inverse = message.settlement_code == message.base_code
    if inverse or message.settlement_code == message.quote_code:
        message.contract_size = "1" if inverse else cqc.format_decimal(Decimal(size))
        message.contract_size_unit = QuantityUnit.QUANTITY_UNIT_QUOTE if inverse else QuantityUnit.QUANTITY_UNIT_BASE
    else:
        message.quanto_multiplier = cqc.format_decimal(Decimal(size))
    limits = message.rules.limit_order
    if limits.max_quantity and Decimal(limits.min_quantity or 0) > Decimal(limits.max_quantity):
        limits.ClearField("max_quantity")


def pair(message: Any, _context: Context) -> None:
    """The steps of a pair, of which Gate states the digits."""
    if message.HasField("price_precision"):
        message.rules.tick_tiers.add(tick_size=cqc.format_decimal(Decimal(1).scaleb(-message.price_precision)))
        message.rules.limit_order.lot_step = cqc.format_decimal(Decimal(1).scaleb(-message.quantity_precision))


def charged(message: Any, context: Context) -> None:
    """Of the kinds of fees only some are charged. Those of a contract are in what it is settled in."""
    for index in reversed([index for index, fee in enumerate(message.fees) if not fee.amount]):
        del message.fees[index]
    settlement_asset(message, context)


def order(message: Any, context: Context) -> None:
    """Gate calls an order open that is partly filled."""
    left, size = message.leaves_quantity or "0", message.quantity or "0"
    if message.status == OrderStatus.ORDER_STATUS_NEW and 0 < Decimal(left) < Decimal(size):
        message.status = OrderStatus.ORDER_STATUS_PARTIALLY_FILLED
    charged(message, context)


def position(message: Any, context: Context) -> None:
    """Its place in the queue: Gate ranks from 1, the first, to 5."""
    charged(message, context)
    if message.raw_adl_rank in ("1", "2", "3", "4", "5"):
        message.adl_quantile = cqc.format_decimal(Decimal(5 - int(message.raw_adl_rank)) / 4)


def networks(message: Any, context: Context) -> None:
    """The networks of an asset and their fees, which Gate states as one object."""
    for index, (name, fee) in enumerate((context.value("withdraw_fix_on_chains") or {}).items()):
        network = message.networks[index] if index < len(message.networks) else message.networks.add()
        network.MergeFrom(message.networks[0])
        network.network, network.withdrawal_fee = name, fee


TABLES = r"""
[segment]
native_listing.segment := spot if:currency_pair or /channel=spot.*
native_listing.segment := options if:contract=*-*-*-* or name=*-*-*-* or /channel=options.*
native_listing.segment := delivery if:contract=*_*_20?????? or name=*_*_20??????
native_listing.segment := futures if:contract or name or /channel=futures.*
[unit]
quantity_unit := BASE if:currency_pair or /channel=spot.*
quantity_unit := CONTRACTS if:contract or name or /channel=futures.* or /channel=options.*
[listing]
{currency_pair,contract,name} = listing; use segment; underlying # the symbol has it
[time]
{time_ms,time} = timestamp; time # time_ms states it
[published]
{/time_ms,/time} = published_at if:/channel
[traded]
{create_time_ms,create_time} = timestamp; create_time # create_time_ms states it
[changed]
{time_ms,time} = updated_at; time # time_ms states it
[greeks]
{delta,gamma,vega,theta,rho} = {delta,gamma,vega,theta,rho}; underlying_price = underlying_price
{bid,ask,mark}_iv = {bid,ask,mark}_implied_volatility none:0

[contracts: VenueSymbol] when order_price_round
{name,contract} = native_symbol; underlying = native_pair; {cycle,tag} = expiry_series; type = raw_payoff_type
segment := options if:multiplier; segment := delivery if:expire_time; segment := futures; quantity_unit := CONTRACTS
quanto_multiplier = contract_size if:name!=*_USD|*_USD_*; multiplier = contract_size; strike_price # the symbol has it
status = trading_mode; is_active = trading_mode words:OPEN=true|1,CLOSED=false|0
is_pre_market = launch_phase words:PRE_MARKET=true if:is_pre_market=true; is_pre_market ~ false
in_delisting = launch_phase words:DELISTING=true,ORDINARY=false
{launch_time,create_time} = listed_at; {expire_time,expiration_time} = delisted_at; {time,time_ms} # when Gate sent it
order_price_round = rules.tick_tiers.0.tick_size; order_size_{min,max} = rules.limit_order.{min,max}_quantity
order_size_min = rules.limit_order.lot_step if:enable_decimal=false
market_order_size_max = rules.market_order.max_quantity
rules.market_order.min_quantity := {rules.limit_order.min_quantity} if:market_order_size_max
order_price_deviate = rules.price_band.multiplier_up 1+; order_price_deviate = rules.price_band.multiplier_down neg 1+
rules.price_band.reference := MARK if:order_price_deviate
orders_limit = rules.max_open_orders; position_limit = rules.max_position_quantity
{maker,taker,settle}_fee_rate = fees.0.{maker,taker,settlement}; leverage_{min,max} = {min,max}_leverage
maintenance_rate = margin_tiers.0.maintenance_margin_rate; mark_type = raw_mark_method
{risk_limit_base,risk_limit_step,risk_limit_max} # deprecated by Gate
funding_interval = funding_interval s; funding_rate_limit = max_funding_rate
[symbols: Symbol] in contracts
type = payoff words:LINEAR=direct if:name!=*_USD; payoff := INVERSE if:name=BTC_USD; payoff := QUANTO if:name=*_USD
{expire_time,expiration_time} = expiry; is_call = option_type words:CALL=true,PUT=false; strike_price = strike
[tickers of contracts: Ticker] in contracts when last_price
use published; use listing; trade_size = windows.0.volume; {launch_time,create_time} = windows.0.start_time; use unit
orderbook_id = sequence; last_price = last_price none:0; bid1_size = bid_quantity none:0; trade_id = last_trade_id
{mark,index}_price = {mark,index}_price; {bid,ask}1_price = {bid,ask}_price none:0
ask1_size = ask_quantity none:0 if:ask1_size!=-*; ask1_size = ask_quantity neg if:ask1_size=-*
[open interest: OpenInterest] in contracts when position_size
use listing; position_size = quantity; use unit
[funding: FundingRate] in contracts when funding_rate
use listing; funding_rate = rate; funding_rate_indicative = next_rate; funding_next_apply = funding_time
funding_interval = interval s; funding_offset ~ 0
[greeks: OptionGreeks] in contracts when underlying_price
use listing; use greeks
[pairs: VenueSymbol] when id base quote or currency_pair base_min_borrow_amount
{id,currency_pair,base,quote} = {native_symbol,native_symbol,base_code,quote_code}; fee = fees.0.taker %
fees.0.maker := {fees.0.taker}; min_{quote,base}_amount = rules.limit_order.{min_notional,min_quantity}
max_{quote,base}_amount = rules.limit_order.{max_notional,max_quantity}; amount_precision = quantity_precision
precision = price_precision; trade_status = trading_mode; status = trading_mode words:OPEN=true|1,CLOSED=false|0
leverage = max_leverage; {buy_start,sell_start} = listed_at; segment := margin if:leverage; segment := spot
quantity_unit := BASE
[borrow terms: BorrowRate] in pairs when base_min_borrow_amount
native_listing.segment := margin; use listing; currency_pair = asset_code re:^(\w+)_
base_min_borrow_amount = min_borrow
[borrow terms of the quote: BorrowRate] in pairs when quote_min_borrow_amount
native_listing.segment := margin; use listing; currency_pair = asset_code re:_(\w+)$
quote_min_borrow_amount = min_borrow
[assets: VenueAsset] when currency chains or currency withdraw_fix
asset_id := {code}; currency = code; name = name; chains.*.name = networks.*.network; deposit = networks.0.deposit_fee
{chain,withdraw_disabled,withdraw_delayed,deposit_disabled} # deprecated by Gate; trade_disabled = trading_enabled neg
chains.*.addr = networks.*.contract_address; withdraw_fix = networks.0.withdrawal_fee
chains.*.{deposit,withdraw}_disabled = networks.*.{deposit,withdrawal}_status words:SUSPENDED=true,ENABLED=false
withdraw_percent = networks.0.withdrawal_fee_rate % re:(.+)%; withdraw_amount_mini = networks.0.min_withdrawal
withdraw_eachtime_limit = networks.0.max_withdrawal; withdraw_fix_on_chains # the networks have it

[book]
use published; use segment; use unit; {s,contract} = listing; {t,update} = timestamp; s = listing re:ob\.(.+)\.\d+
s # the listing and the depth; current = published_at; l # the depth; {u,id,lastUpdateId} = sequence; U = first_sequence
{e,full} # the kind of the message; {b,a,bids,asks}.*.0 = {bids,asks,bids,asks}.*.price
{b,a,bids,asks}.*.1 = {bids,asks,bids,asks}.*.quantity; {b,a,bids,asks}.*.p = {bids,asks,bids,asks}.*.price
{b,a,bids,asks}.*.s = {bids,asks,bids,asks}.*.quantity; E # t states it to the millisecond
[book snapshots: OrderBook] when asks bids or b a full=true
use book
[book deltas: OrderBookDelta] when s U u b a or s u b a /channel=*obu
use book
[level changes: OrderBookDelta] when p s c id
use published; c = listing; id = sequence; p = bids.0.price if:s!=-*; s = bids.0.quantity if:s!=-*; use segment
p = asks.0.price if:s=-*|0; s = asks.0.quantity neg if:s=-*|0; use unit

[candles: Candle] when t o h l c n
use published; n = interval re:^(\d+\w)_; n = listing re:^\d+\w_(.+)$; n # the interval and the listing; use segment
t = open_time; {o,h,l,c} = {open,high,low,close}; v = quote_volume if:/channel=spot*; v = volume if:/channel!=spot*
w = closed; a = volume if:/channel=spot*; a # in a unit that Gate does not document
volume_unit := BASE if:/channel=spot*; volume_unit := CONTRACTS
[skip: a candle of whose request, which states the length, there is no record] at . when @name=*ohlcv or 0.6
[tickers: Ticker] when last change_percentage or last_price mark_iv or t u s b a B A
use published; use listing; use unit; s = listing; t = timestamp; u = sequence
last = last_price; last_price = last_price none:0; {mark,index}_price = {mark,index}_price
{highest_bid,lowest_ask} = {bid,ask}_price; {highest,lowest}_size = {bid,ask}_quantity
{b,a} = {bid,ask}_price; {B,A} = {bid,ask}_quantity; {bid,ask}1_price = {bid,ask}_price none:0
bid1_size = bid_quantity none:0; ask1_size = ask_quantity none:0 if:ask1_size!=-*
ask1_size = ask_quantity neg if:ask1_size=-*; windows.0.duration := 24h if:change_percentage
change_percentage = windows.0.price_change_percent; {open,high,low}_24h = windows.0.{open,high,low}
{base_volume,volume_24h} = windows.0.volume; quote_volume = windows.0.quote_volume
volume_24h_{base,quote,settle} = windows.0.{base,quote,settlement}_volume
{volume_24h_btc,volume_24h_usd} # deprecated by Gate
[open interest: OpenInterest] in tickers when total_size or position_size
use published; use listing; {total_size,position_size} = quantity; use unit
[funding: FundingRate] in tickers when funding_rate
use published; use listing; funding_rate = rate; funding_rate_indicative = next_rate
[greeks: OptionGreeks] in tickers when mark_iv
use published; use listing; use greeks
[prices: Ticker] when name index_price !last_price or price time !size !order_id !text !id
use time; use published; {name,underlying,contract} = listing; index_price = index_price; index_time = timestamp
price = index_price if:!contract; price = mark_price; native_listing.segment := index if:!contract; use segment
[open interest: OpenInterest] when open_interest lsr_taker
open_interest = quantity; time = timestamp; quantity_unit := CONTRACTS
[funding history: FundingRate] when r t
r = rate; t = funding_time; settled := true

[charged]
fee = fees.0.amount; fee_currency = fees.0.asset_code; {point_fee,gt_fee} = fees.{1,2}.amount none:0
fees.1.asset_code := POINT if:point_fee=*[1-9]*; fees.2.asset_code := GT if:gt_fee=*[1-9]*
[fills: ExecutionReport] when id price role
use published; use listing; use unit; use traded; exec_type := TRADE
{id,trade_id} = exec_id; {id,trade_id} = trade_id; {order_id,order} = venue_order_id
text = client_order_id if:text=t-*; text = origin none:- if:text!=t-*; side = side; amount = last_quantity
size = last_quantity sign:side; price = last_price; underlying_price = market_context.underlying_price
role = liquidity; use charged
[trades: Trade] when id price side amount !left or id price size contract !status !text or id price type amount time
use published; use listing; id = trade_id; price = price; amount = quantity; size = quantity sign:aggressor; use traded
side = aggressor; type = aggressor if:!side; time = timestamp; native_listing.segment := spot if:type
quantity_unit := BASE if:type; use unit; is_call # the symbol has it
[liquidations: Liquidation] when contract order_price fill_price
use time; use published; use listing; size = quantity neg sign:side; left = leaves_quantity; fill_price = average_price
order_price = price; order_id = liquidation_id; mark_price = market_context.mark_price; use unit
[liquidated positions: Position] in liquidations when liq_price
use listing; entry_price = entry_price; liq_price = liquidation_price; leverage = leverage none:0; margin = collateral
mark_price = market_context.mark_price; use unit; status := LIQUIDATED; position_id := gate:{native_listing.symbol}
[deleveraging: ExecutionReport] when trade_size position_size fill_price
use time; use published; use listing; trade_size = last_quantity; fill_price = last_price; exec_type := TRADE
origin := ADL; use unit; exec_id := {native_listing.symbol}-{timestamp}
[order]
use listing; use unit; id = venue_order_id; order_id := gate:{venue_order_id}; side = side; price = price none:0
status = status if:status=open; status = status words:FILLED=finished|closed if:finish_as=filled
status = status words:CANCELLED=finished|cancelled; event = status words:FILLED=finish if:!status,left!=*[1-9]*
event = status words:NEW=put,PARTIALLY_FILLED=update,CANCELLED=finish if:!status; event # why Gate pushed
leaves_quantity := 0 if:status=closed|cancelled|finished or event=finish; finish_as = status_reason none:open
text = client_order_id if:text=t-*; text = raw_placement_source none:- if:text!=t-*; text = origin none:- if:text!=t-*
is_liq = origin words:LIQUIDATION=true if:is_liq=true; is_liq ~ false; refu # a user id
{tif,time_in_force} = time_in_force; {tif,time_in_force} = post_only is:poc; is_reduce_only = reduce_only
is_close = close_position; iceberg = display_quantity none:0; amend_text = label none:-
biz_info = raw_conditions none:-; stp_act = self_trade_prevention none:-; stp_id = self_trade_group_id none:0
{create_time_ms,create_time} = created_at; {update_time_ms,update_time} = updated_at
{create_time,update_time} # the time in milliseconds states it
finish_{time_ms,time} = closed_at; finish_time # finish_time_ms states it
[spot orders: Order] when id currency_pair amount price
use order; type = type; account = margin_mode; {auto_borrow,auto_repay} = {auto_borrow,auto_repay}; succeeded ~ true
amount = quantity if:type!=market; amount = quantity if:side!=buy; amount = quote_quantity if:type=market,side=buy
filled_amount = cumulative_quantity; filled_total = cumulative_quote_quantity; avg_deal_price = average_price none:0
fill_price # deprecated by Gate for filled_total
left = leaves_quantity if:type!=market,status=open; left = leaves_quantity if:!status,event!=finish
left = cancelled_quantity if:type!=market,status=closed|cancelled
left = cancelled_quantity if:side!=buy,status=closed|cancelled
use charged; rebated_fee = fees.3.amount neg none:0; rebated_fee_currency = fees.3.asset_code if:rebated_fee=*[1-9]*
rebated_fee_currency # of no rebate
[contract orders: Order] when id contract size left price
use order; use changed; type := MARKET if:price=0; type := LIMIT; size = quantity sign:side
fill_price = average_price none:0
left = leaves_quantity if:status=open,left!=-*; left = leaves_quantity neg if:status=open,left=-*
left = cancelled_quantity if:status!=open,left!=-*; left = cancelled_quantity neg if:status!=open,left=-*
[spot trigger orders: Order] when trigger put
market = listing; native_listing.segment := spot; quantity_unit := BASE; id = venue_order_id
order_id := gate:{venue_order_id}; status = status words:UNTRIGGERED=open,REPLACED=finish|finished
trigger.price = trigger_price; trigger.rule = trigger_direction; put.type = type; put.side = side; put.price = price
put.amount = quantity; put.account = margin_mode; put.time_in_force = time_in_force; {ctime,ftime} = {created,closed}_at
[contract trigger orders: Order] when trigger initial
initial.contract = listing; native_listing.segment := futures; quantity_unit := CONTRACTS; id = venue_order_id
order_id := gate:{venue_order_id}; status = status words:UNTRIGGERED=open,REPLACED=finish|finished
reason = status_reason_text; create_time = created_at; finish_time = closed_at if:status!=open
trigger.price = trigger_price; trigger.rule = trigger_direction; trigger.price_type = trigger_kind
trigger.{strategy_type,expiration} ~ 0; stop_trigger.rule ~ 0; is_stop_order ~ false; name ~ price_autoorders
type := MARKET if:initial.price=0; type := LIMIT; initial.size = quantity sign:side; initial.price = price none:0
initial.tif = time_in_force; initial.text = raw_placement_source; initial.iceberg = display_quantity none:0
initial.is_{close,reduce_only} = {close_position,reduce_only}; {trade_id,me_order_id} = attached_venue_order_id none:0

[positions: Position] when contract size entry_price realised_pnl
use changed; use published; use listing; use unit; mode = side; size = quantity; update_id = sequence
position_id := gate:{native_listing.symbol}:{raw_side} | gate:{native_listing.symbol}
entry_price = entry_price none:0; mark_price = market_context.mark_price; liq_price = liquidation_price none:0
underlying_price = market_context.underlying_price; mark_iv = market_context.mark_volatility
value = settlement_value neg if:size=-*; value = settlement_value if:size!=-*
value = notional neg if:size=-*,contract=*_USDT*; value = notional if:size!=-*,contract=*_USDT*
unrealised_pnl = unrealized_pnl; realised_pnl = realized_pnl_net; pnl_pnl = realized_pnl; pnl_fund = funding
pnl_fee = fees.0.amount neg; margin_mode := CROSS if:leverage=0; margin_mode := ISOLATED if:leverage
{leverage,cross_leverage_limit} = leverage none:0; leverage_max = max_leverage; margin = collateral
risk_limit = max_notional if:contract!=*_USD|*_USD_*; {initial,maintenance}_margin = {initial,maintenance}_margin
maintenance_rate = maintenance_margin_rate; adl_ranking = raw_adl_rank; pending_orders = open_order_count
open_time = opened_at; update_time = updated_at
[greeks: OptionGreeks] in positions when delta
use listing; use greeks
[closed positions: Position] when contract pnl side
use published; use listing; side = side; pnl = realized_pnl_net; pnl_pnl = realized_pnl; pnl_fund = funding; use unit
time_ms = closed_at; pnl_fee = fees.0.amount neg; long_price = entry_price if:side=long; accum_size = closed_quantity
short_price = exit_price if:side=long; short_price = entry_price if:side=short; long_price = exit_price if:side=short
settle_size = closed_quantity if:settle_size!=-*; settle_size = closed_quantity neg if:settle_size=-*; status := CLOSED
max_size = largest_quantity if:side=long; max_size = largest_quantity neg if:side=short,max_size!=-*; quantity := 0
first_open_time = opened_at; time # time_ms states it; position_id := gate:{native_listing.symbol}:{raw_side}
[risk limits: Position] partial when contract risk_limit liq_price cancel_orders
use changed; use published; use listing; leverage_max = max_leverage; liq_price = liquidation_price; use unit
risk_limit = max_notional if:contract!=*_USD|*_USD_*; maintenance_rate = maintenance_margin_rate
position_id := gate:{native_listing.symbol}

[pooled margin: AccountMargin] when balances total
total = margin_balance if:risk; total = wallet_balance if:!risk; borrowed = debt; interest = interest
risk = raw_margin_level; leverage = leverage; total_{initial,maintenance}_margin = {initial,maintenance}_margin
total_margin_balance = margin_balance; total_{initial,maintenance}_margin_rate = {initial,maintenance}_margin_level
total_available_margin = available; unified_account_total_equity = equity; asset_code := USDT if:risk; asset_code := USD
all_assets := true
[pooled balances: Balance] in pooled margin at balances.**
@key = asset_code; {available,freeze,borrowed} = {free,locked,debt}; total_freeze = locked; interest = interest
futures_pos_liab # deprecated by Gate; type := MARGIN if:/risk
[pooled assets: AccountMargin] in pooled margin at balances.** when equity
@key = asset_code; equity = equity; total_liab = debt
[contract margin: AccountMargin] when order_margin position_margin or order_margin init_margin
use time; use published; {init,maint}_margin = {initial,maintenance}_margin; currency = asset_code; equity = equity
{position,order}_margin = {position,order}_initial_margin; total = wallet_balance; available = available; bonus = bonus
unrealised_pnl = unrealized_pnl; liq_triggered = in_liquidation; position_notional_limit = max_position_value
asset_code := USDT; in_liquidation := true if:/channel=*liquidates
[contract balances: Balance] in contract margin when total
history.{pnl,fund,refr} = flows.0.{realized_pnl,funding,rebates}; currency = asset_code; total = total; available = free
type := DERIVATIVES; history.dnw = flows.0.net_deposited; history.fee = flows.0.fees neg
[points: Balance] in contract margin when point
history.point_{dnw,refr} = flows.0.{net_deposited,rebates}; asset_code := POINT; point = total; type := DERIVATIVES
history.point_fee = flows.0.fees neg
[settings: AccountSettings] in contract margin when in_dual_mode
in_dual_mode = position_mode words:HEDGE=true,ONE_WAY=false
[balances: Balance] when currency change available or currency change freeze or currency change total
use published; currency = asset_code; change = change; total = total; {available,freeze,borrowed} = {free,locked,debt}
interest = interest; {timestamp_ms,timestamp} = timestamp; timestamp # timestamp_ms states it; currency_pair = listing
change_type = change_reason; type := FUNDING if:/channel=*funding*; type := MARGIN if:/channel=*cross*|*margin*

[settlement entries: LedgerEntry] when settle_price size
use time; use published; use listing; settle_price = price; size = position_before; {profit,realised_pnl} = realized_pnl
use unit; settle_profit = cash_flow; fee = fees.0.amount; strike_price # the symbol has it; type := SETTLEMENT
entry_id := {native_listing.symbol}-{timestamp}
[settlements: Ticker] when settle_price contract profit
use time; use published; use listing; settle_price = delivery_price; strike_price # the symbol has it
[ledger: LedgerEntry] when change balance
use published; id = entry_id; {time_ms,time} = timestamp; time # time_ms states it; currency = asset_code; type = type
currency_pair = listing; change = change; balance = balance_after; text = text none:-; funding = funding; use segment
change = funding if:type=fund; text = listing if:type=fund
text = native_listing.symbol re:^([A-Z0-9]+_[A-Z0-9]+): if:type=fee
entry_id := {text}-{raw_type}-{timestamp} | {asset_code}-{timestamp} | {raw_type}-{timestamp}
native_listing.segment := futures if:type=fund,text or type=fee,text=*_*:*
[funding paid: FundingPaid] in ledger when type=fund
text = listing; change = amount; {time_ms,time} = funding_time; native_listing.segment := futures
asset_code := USDT if:text=*_USDT; asset_code := BTC if:text=*_USD

[transfers: Transfer] when id currency address
address = to_address; type := DEPOSIT if:id=d*; type := WITHDRAWAL; id = venue_transfer_id; currency = asset_code
amount = amount; txid = onchain.transaction_id; memo = memo; block_number = onchain.block_number; timestamp = created_at
status = state; chain = network; {fee,fee_amount} = fee.amount; withdraw_order_id = client_transfer_id
fee.asset_code := {asset_code} if:fee or fee_amount; transfer_id := gate:{venue_transfer_id}
[fee rates: VenueAccount] when maker_fee futures_maker_fee
{taker,maker}_fee = fee_rates.0.{taker,maker}; futures_{taker,maker}_fee = fee_rates.1.{taker,maker}
fee_rates.0.segment := spot; fee_rates.1.segment := futures
[swaps: ExecutionReport] when sell_currency buy_currency
id = exec_id; sell_amount = last_quantity; buy_amount = last_quote_quantity; price = last_price; exec_type := TRADE
{create_time,update_time} = timestamp; status = order_status words:FILLED=1; side := SELL; quantity_unit := BASE
[skip: a loan, or a margin tier of an unnamed contract, which no message holds] when id unpaid_interest or tier
[skip: a deposit address, which GetDepositAddress answers] when payment_id
[skip: an answer, whose outcome other records state] when label or currency amount or currency_pair id
[skip: no record: a confirmation, a refusal, a heartbeat or an empty answer] at . when @name=*
"""

VENUE = Venue(
    "gate",
    tables(
        TABLES,
        {"contracts": contract, "pairs": pair, "assets": networks, "candles": candle_close}
        | dict.fromkeys(("fills", "settlement entries"), charged)
        | dict.fromkeys(("spot orders", "contract orders"), order)
        | dict.fromkeys(("spot trigger orders", "contract trigger orders"), trigger_type)
        | dict.fromkeys(("positions", "closed positions"), position),
    ),
    root="result.*|result|*|.",
    asset=asset,
    listing=listing,
    common="/channel # the subscription; /event # the kind; {/time,/time_ms} # when it was sent; /id # of the message",
    words={
        "BalanceChangeReason": """TRANSFER: dnw margin_in margin_out; FUNDING: fund; REALIZED_PNL: pnl; REBATE: refr;
            ORDER: ordercreate ordercancel orderfill; SETTLEMENT: set; TRADE: prem""",
        "MarginMode": "CASH: normal; ISOLATED: margin",
        "OrderOrigin": "EXTERNAL: web app; ADL: auto_deleveraging; SETTLEMENT: settled",
        "OrderReason": """USER_REQUESTED: cancelled; NOT_FILLABLE: ioc fok depthnotenough small; SELF_TRADE: stp;
            WOULD_TAKE: poc; LIQUIDATION: liquidated liquidatecancelled; ADL: autodeleveraged;
            WOULD_INCREASE: reduceonly""",
        "OrderStatus": "FILLED: closed",
        "PositionSide": "NET: single; LONG: duallong; SHORT: dualshort",
        "TradingMode": "HALTED: untradable",
        "TransferState": """COMPLETED: done; REQUESTED: request; PROCESSING: pend verify manual review process;
            CANCELLED: cancel; FAILED: fail invalid""",
        "TriggerDirection": "UP: 1 >=; DOWN: 2 <=",
        "TriggerKind": "LAST: 0; MARK: 1; INDEX: 2",
    },
)
