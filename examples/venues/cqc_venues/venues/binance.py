"""Binance, spot: https://developers.binance.com/docs/binance-spot-api-docs."""

from __future__ import annotations

import re

from cqc.mapping import Context, Venue, candle_close, code_as_asset, tables, trigger_direction
from cqc.venues.v1 import ExecutionReport, OrderList, PriceBandReference, VenueSymbol

# Identity

# Symbols have no separator. The longest quote that fits is the right one: TUSDBTUSD is TUSDB in TUSD.
_NATIVE = re.compile(
    r"([A-Z0-9]+?)(USDT|FDUSD|USDC|BUSD|TUSD|USDP|USDSB?|USD1|PAX|DAI|VAI|EURI?|GBP|TRY|AUD|BRL|RUB|UAH|NGN|ZAR|JPY|"
    r"MXN|PLN|RON|CZK|ARS|COP|BIDR|IDRT|BVND|BKRW|BTC|ETH|BNB|TRX|XRP|DOGE|DOT|SOL)"
)
_MULTIPLE = re.compile(r"(1000|10000|1000000|1M)([A-Z][A-Z0-9]*)")


def split(symbol: str) -> tuple[str, str] | None:
    """The codes of base and quote."""
    found = _NATIVE.fullmatch(symbol)
    return (found[1], found[2]) if found else None


def multiple(code: str) -> tuple[str, str]:
    """The asset and how many units of it a code counts: 1000 SHIB for `1000SHIB`."""
    found = _MULTIPLE.fullmatch(code)
    return (found[2], found[1].replace("1M", "1000000")) if found else (code, "1")


def asset(code: str) -> str | None:
    """Binance's codes are the asset ids, except those that count a multiple."""
    return code_as_asset(code) if multiple(code)[1] == "1" else None


def listing(_segment: str, symbol: str) -> str | None:
    """`BTCUSDT` is BTC in USDT."""
    pair = split(symbol)
    return f"binance:{multiple(pair[0])[0]}-{pair[1]}-SPOT" if pair else None


# What rows cannot state


def base_multiplier(message: VenueSymbol, _context: Context) -> None:
    """A listing of `1000SATS` counts thousands of SATS."""
    count = multiple(message.base_code)[1]
    if count != "1":
        message.base_multiplier = count


def market_orders(message: VenueSymbol, context: Context) -> None:
    """LOT_SIZE applies to market orders too, and their limits are stated in full."""
    filters = {item["filterType"]: item for item in context.record["filters"]}
    value = {**filters.get("MIN_NOTIONAL", {}), **filters.get("NOTIONAL", {})}
    applies = value.get("applyToMarket", value.get("applyMinToMarket", True))
    if applies and "MARKET_LOT_SIZE" not in filters:
        return
    limit, market = message.rules.limit_order, message.rules.market_order
    names = {"min_quantity", "max_quantity", "lot_step"}
    names |= {"min_notional"} if applies else set()
    names |= {"max_notional"} if value.get("applyMaxToMarket") else set()
    names -= {field.name for field, _ in market.ListFields()}
    for field, text in limit.ListFields():
        if field.name in names:
            setattr(market, field.name, text)
    if applies and limit.HasField("notional_averaging_window"):
        market.notional_averaging_window.CopyFrom(limit.notional_averaging_window)


def price_band(message: VenueSymbol, _context: Context) -> None:
    """Bands are around the average price, or around the last price where no time to average over is stated."""
    average, last = PriceBandReference.PRICE_BAND_REFERENCE_AVERAGE, PriceBandReference.PRICE_BAND_REFERENCE_LAST
    for band in (message.rules.price_band, message.rules.sell_price_band):
        if band.multiplier_up or band.multiplier_down:
            band.reference = average if band.HasField("averaging_window") else last


def orders_of_list(message: OrderList, context: Context) -> None:
    """The list names its orders as the venue does."""
    message.order_ids.extend(f"binance:{item['symbol']}:{item['orderId']}" for item in context.value("orders") or [])


def order_of_report(message: ExecutionReport, context: Context) -> None:
    """A report states the order too."""
    trigger_direction(message.order, context)


# Shared with futures, whose `unit` differs.
MARKET = r"""
[event]
E = published_at; s = listing; use unit

[filters]
filters.filterType=PRICE_FILTER.{minPrice,maxPrice} = rules.{min_price,max_price} none:0
filters.filterType=PRICE_FILTER.tickSize = rules.tick_tiers.0.tick_size none:0
filters.filterType=LOT_SIZE.minQty = rules.limit_order.min_quantity
filters.filterType=LOT_SIZE.maxQty = rules.limit_order.max_quantity
filters.filterType=LOT_SIZE.stepSize = rules.limit_order.lot_step
filters.filterType=MARKET_LOT_SIZE.minQty = rules.market_order.min_quantity none:0
filters.filterType=MARKET_LOT_SIZE.maxQty = rules.market_order.max_quantity none:0
filters.filterType=MARKET_LOT_SIZE.stepSize = rules.market_order.lot_step none:0
filters.filterType=PERCENT_PRICE.multiplier{Up,Down} = rules.price_band.multiplier_{up,down}
orderTypes = rules.order_types; timeInForce = rules.times_in_force; symbol = native_symbol; status = trading_mode
baseAsset = base_code; quoteAsset = quote_code; use unit

[book deltas: OrderBookDelta] when e=depthUpdate
e ~ depthUpdate; T = timestamp; U = first_sequence; u = sequence; pu = previous_sequence
{b,a}.*.0 = {bids,asks}.*.price; {b,a}.*.1 = {bids,asks}.*.quantity; use event

[book snapshots: OrderBook] when lastUpdateId bids asks
@name = listing re:symbol=(\w+); @name = depth re:limit=(\d+); lastUpdateId = sequence; E = published_at
T = timestamp; {bids,asks}.*.0 = {bids,asks}.*.price; {bids,asks}.*.1 = {bids,asks}.*.quantity; use unit

[trades: Trade] when e=aggTrade|trade
e ~ aggTrade; e ~ trade; a = trade_id if:e=aggTrade; t = trade_id; p = price; q = quantity; f = first_trade_id
l = last_trade_id; m = aggressor words:buyer_is_maker; M # documented as to be ignored; T = timestamp; use event

[candles: Candle] when e=kline
e ~ kline; E = published_at; s = listing; k.s = listing; k.t = open_time; k.i = interval
k.i = calendar_interval only; k.T # a millisecond before close_time; k.f = first_trade_id none:-1
k.L = last_trade_id none:-1; k.{o,h,l,c} = {open,high,low,close}; k.v = volume; k.n = trade_count; k.x = closed
k.q = quote_volume; k.V = taker_buy_volume; k.Q = taker_buy_quote_volume; k.B # documented as to be ignored
price_kind := TRADE; volume_unit := BASE

[best prices: Ticker] when u b B a A !e or e=bookTicker
e ~ bookTicker; u = sequence; {b,a} = {bid,ask}_price; {B,A} = {bid,ask}_quantity; T = timestamp; use event

[tickers: Ticker] when e=24hrTicker
e ~ 24hrTicker; {b,a} = {bid,ask}_price; {B,A} = {bid,ask}_quantity; c = last_price; Q = last_quantity
L = last_trade_id none:-1; {o,h,l} = windows.0.{open,high,low}; v = windows.0.volume; q = windows.0.quote_volume
p = windows.0.price_change; P = windows.0.price_change_percent; w = windows.0.vwap; n = windows.0.trade_count
C = timestamp; windows.0.duration := 24h; O # 24 hours before C; use event
"""

TABLES = (
    r"""
[unit]
quantity_unit := BASE
"""
    + MARKET
    + r"""
[instruments: VenueSymbol] when symbol baseAsset filters
use filters
baseAssetPrecision = base_precision; quoteAssetPrecision = quote_precision; quotePrecision = quote_precision
{base,quote}CommissionPrecision = {base,quote}_fee_precision; icebergAllowed = rules.iceberg_allowed
ocoAllowed = rules.oco_allowed; quoteOrderQtyMarketAllowed = rules.quote_quantity_allowed
isSpotTradingAllowed = spot_enabled; isMarginTradingAllowed = margin_enabled; permissions = permissions
filters.filterType=PERCENT_PRICE.avgPriceMins = rules.price_band.averaging_window m none:0
filters.filterType=PERCENT_PRICE_BY_SIDE.bidMultiplier{Up,Down} = rules.price_band.multiplier_{up,down}
filters.filterType=PERCENT_PRICE_BY_SIDE.askMultiplier{Up,Down} = rules.sell_price_band.multiplier_{up,down}
filters.filterType=PERCENT_PRICE_BY_SIDE.avgPriceMins = rules.price_band.averaging_window m none:0
filters.filterType=PERCENT_PRICE_BY_SIDE.avgPriceMins = rules.sell_price_band.averaging_window m none:0
filters.filterType=MIN_NOTIONAL.minNotional = rules.limit_order.min_notional
filters.filterType=MIN_NOTIONAL.avgPriceMins = rules.limit_order.notional_averaging_window m none:0
filters.filterType=MIN_NOTIONAL.applyToMarket # the limits of market orders state it
filters.filterType=NOTIONAL.{min,max}Notional = rules.limit_order.{min,max}_notional
filters.filterType=NOTIONAL.avgPriceMins = rules.limit_order.notional_averaging_window m none:0
filters.filterType=NOTIONAL.applyMinToMarket # the limits of market orders state it
filters.filterType=NOTIONAL.applyMaxToMarket # the limits of market orders state it
filters.filterType=ICEBERG_PARTS.limit = rules.max_iceberg_parts
filters.filterType=MAX_NUM_ORDERS.maxNumOrders = rules.max_open_orders
filters.filterType=MAX_NUM_ALGO_ORDERS.maxNumAlgoOrders = rules.max_algo_orders
filters.filterType=MAX_POSITION.maxPosition = rules.max_position_quantity

[symbols: Symbol] in instruments

[accounts: VenueAccount] when commissionRates balances
commissionRates.{maker,taker,buyer,seller} = fee_rates.0.{maker,taker,buyer,seller}; fee_rates.0.basis := VALUE
{maker,taker,buyer,seller}Commission # commissionRates in basis points; can{Trade,Withdraw} = can_{trade,withdraw}
canDeposit = can_deposit; brokered = brokered; requireSelfTradePrevention = self_trade_prevention_required
preventSor = smart_order_routing_prevented; updateTime = timestamp; accountType = type; permissions = permissions
uid = venue_account_id

[balances: Balance] in accounts at balances.*
asset = asset_code; free = free; locked = locked; /updateTime = timestamp

[balances: Balance] at B.* when /e=outboundAccountPosition
/e ~ outboundAccountPosition; /E = published_at; /u = timestamp; a = asset_code; f = free; l = locked

[ledger: LedgerEntry] when e=balanceUpdate
e ~ balanceUpdate; E = published_at; a = asset_code; d = change; T = timestamp
entry_id := balanceUpdate-{asset_code}-{timestamp}

[order]
symbol = listing; orderId = venue_order_id; orderListId = venue_list_id none:-1; price = price none:0
origQty = quantity none:0; origQuoteOrderQty = quote_quantity none:0; executedQty = cumulative_quantity
cummulativeQuoteQty = cumulative_quote_quantity; timeInForce = time_in_force; type = type
type = post_only is:LIMIT_MAKER; side = side; stopPrice = trigger_price none:0; icebergQty = display_quantity none:0
time = created_at; updateTime = updated_at; transactTime = updated_at; isWorking = working
workingTime = working_at; selfTradePreventionMode = self_trade_prevention; use unit
status = status words:waiting if:status=NEW,isWorking=false,type=STOP*|TAKE*; status = status
order_id := binance:{native_listing.symbol}:{venue_order_id}

[cancellation]
symbol = listing; orderId = venue_order_id; orderListId = venue_list_id none:-1; side = side; status = order_status
origClientOrderId = original_client_order_id; clientOrderId = client_order_id; executedQty = cumulative_quantity
cummulativeQuoteQty = cumulative_quote_quantity; transactTime = timestamp; exec_type := CANCELLED; use unit
exec_id := {native_listing.symbol}-{venue_order_id}-CANCELED-{timestamp}

[cancelled order]
symbol = order.native_listing.symbol; orderId = order.venue_order_id; orderListId = order.venue_list_id none:-1
origClientOrderId = order.client_order_id; price = order.price none:0; origQty = order.quantity none:0
origQuoteOrderQty = order.quote_quantity none:0; executedQty = order.cumulative_quantity
cummulativeQuoteQty = order.cumulative_quote_quantity; status = order.status; timeInForce = order.time_in_force
type = order.type; type = order.post_only is:LIMIT_MAKER; side = order.side
stopPrice = order.trigger_price none:0; icebergQty = order.display_quantity none:0; transactTime = order.updated_at
selfTradePreventionMode = order.self_trade_prevention; order.quantity_unit := BASE
order.order_id := binance:{native_listing.symbol}:{venue_order_id}

[cancellations: ExecutionReport] when origClientOrderId orderId status
use cancellation; use cancelled order

[order lists: OrderList] when contingencyType listOrderStatus
orderListId = venue_list_id; contingencyType = type; listStatusType = raw_status_type; listOrderStatus = status
listClientOrderId = client_list_id; transactionTime = timestamp; symbol # each order has it
orders.*.symbol # order_ids states it; orders.*.orderId # order_ids states it; orders.*.clientOrderId # the order has it
list_id := binance:{venue_list_id}

[cancellations: ExecutionReport] in order lists at orderReports.* when origClientOrderId
use cancellation; use cancelled order

[orders: Order] in order lists at orderReports.* when !origClientOrderId
use order; clientOrderId = client_order_id

[orders: Order] when orderId status type side
use order; clientOrderId = client_order_id

[fill]
price = last_price; qty = last_quantity; quoteQty = last_quote_quantity; commission = fees.0.amount
commissionAsset = fees.0.asset_code; exec_type := TRADE; exec_id := {native_listing.symbol}-{trade_id}; use unit

[fills: ExecutionReport] in orders at fills.*
use fill; tradeId = trade_id; /symbol = listing; /orderId = venue_order_id; /clientOrderId = client_order_id
/side = side; /transactTime = timestamp

[fills: ExecutionReport] when id orderId qty commission
use fill; symbol = listing; id = trade_id; orderId = venue_order_id; orderListId = venue_list_id none:-1
time = timestamp; isBuyer = side words:buyer; isMaker = liquidity words:maker

[reports: ExecutionReport] when e=executionReport
e ~ executionReport; E = published_at; s = {native_listing,order.native_listing}.symbol; T = timestamp
T = order.updated_at; O = order.created_at; W = order.working_at; i = {venue_order_id,order.venue_order_id}
c = client_order_id; C = original_client_order_id; C = order.client_order_id; c = order.client_order_id if:C!=?*
g = {venue_list_id,order.venue_list_id} none:-1; S = {side,order.side}; o = order.type
o = order.post_only is:LIMIT_MAKER; f = order.time_in_force; q = order.quantity none:0
Q = order.quote_quantity none:0; p = order.price none:0; P = order.trigger_price none:0
F = order.display_quantity none:0; V = order.self_trade_prevention; u = self_trade_group_id none:-1
x = exec_type words:prevented if:X=EXPIRED*; x = exec_type
X = {order_status,order.status} words:waiting if:X=NEW,w=false,o=STOP*|TAKE*; X = {order_status,order.status}
r = reason none:NONE; eR = reason; reason := SELF_TRADE if:x=TRADE_PREVENTION; t = trade_id none:-1
l = last_quantity none:0; L = last_price none:0; Y = last_quote_quantity none:0; B = reduced_quantity none:0
z = {cumulative_quantity,order.cumulative_quantity}; w = {working,order.working}
Z = {cumulative_quote_quantity,order.cumulative_quote_quantity}; n = fees.0.amount if:N=?*; n = fees.0.amount none:0
N = fees.0.asset_code; m = liquidity words:maker if:x=TRADE; m = liquidity none:false
M # documented as to be ignored; use unit; order.quantity_unit := BASE
exec_id := {native_listing.symbol}-{trade_id} | {native_listing.symbol}-{venue_order_id}-{raw_exec_type}-{timestamp}
order.order_id := binance:{native_listing.symbol}:{venue_order_id}
"""
)

WORDS = {
    "buyer_is_maker": "SELLER: true; BUYER: false",
    "buyer": "BUY: true; SELL: false",
    "maker": "MAKER: true; TAKER: false",
    # A stop order is NEW to Binance while it waits for its trigger.
    "waiting": "UNTRIGGERED: NEW",
    "prevented": "EXPIRED: TRADE_PREVENTION",
    "ExecType": "RESTATED: TRADE_PREVENTION",
    "OrderReason": "NOT_FILLABLE: INSUFFICIENT_LIQUIDITY",
    "OrderListStatus": "REJECTED: REJECT",
}

VENUE = Venue(
    "binance",
    tables(
        TABLES,
        {
            "instruments": [base_multiplier, market_orders, price_band],
            "candles": candle_close,
            "order lists": orders_of_list,
            "orders": trigger_direction,
            "cancellations": order_of_report,
            "reports": order_of_report,
        },
    ),
    root="data|*|.",
    time="ms",
    asset=asset,
    listing=listing,
    common="/stream # the subscription: the record states its symbol and kind",
    words=WORDS,
)
