"""Kraken: spot (https://docs.kraken.com/api) as `kraken`, and futures (https://docs.futures.kraken.com) as a venue of
its own, `kraken_futures`, because the two have their own names, accounts and matching engines."""

from __future__ import annotations

import re
from datetime import UTC

import cqc
from cqc.mapping import Context, Venue, order_state, tables
from cqc.markets.v1 import SymbolType, Ticker
from cqc.portfolio.v1 import Position
from cqc.venues.v1 import ExecType, ExecutionReport, Order, OrderStatus, VenueSymbol

# Identity

# Codes of Kraken's first years have a letter in front: X for coins, Z for currencies. Later codes may start with X or Z
# too (`ZETA`), so the old ones are listed.
_OLD = "X(?:ETC|ETH|ICN|LTC|MLN|NMC|REP|XBT|XDG|XLM|XMR|XRP|XVN|ZEC)|Z(?:AUD|CAD|EUR|GBP|JPY|KRW|USD)"
_ASSETS = {"XBT": "BTC", "XDG": "DOGE", "ETH2.S": "ETH2_S"}
# Keys such as `XXBTZUSD` join the codes of two assets, other names (`XBTUSDT`) the plain spellings.
_KEY = re.compile(rf"(?P<base>{_OLD}|USDT)(?P<quote>{_OLD})")
_NAME = re.compile(r"(?P<base>.+?)(?P<quote>USDT|USDC|USD|EUR|GBP|CAD|JPY|AUD|CHF|DAI|XBT|ETH)")
_PERPETUAL = re.compile(r"(?P<kind>P[IF])_(?P<base>[A-Z0-9]+)USD")


def asset(code: str) -> str | None:
    """`XXBT` and `XBT` are BTC. `DOT.S` and the like are wallets (staked, bonded), which no asset id tells."""
    plain = code[1:] if re.fullmatch(_OLD, code) else code
    plain = _ASSETS.get(plain, plain)
    return plain if re.fullmatch(r"[A-Z0-9]{1,32}(_S)?", plain) else None


def listing(_segment: str, symbol: str) -> str | None:
    """A pair in any of Kraken's spellings, or a perpetual. The name of a dated future tells its day, but no time."""
    perpetual = _PERPETUAL.fullmatch(symbol.upper())
    if perpetual:
        base = asset(perpetual["base"])
        # PI contracts are settled in the base asset, PF contracts in dollars.
        settled = base if perpetual["kind"] == "PI" else "USD"
        return f"kraken_futures:{base}-USD-PERP-{settled}" if base else None
    if re.match(r"[A-Za-z]{2}_", symbol):
        return None
    name = symbol.removesuffix(".d")
    base_code, slash, quote_code = name.partition("/")
    if not slash:
        found = _KEY.fullmatch(name) or _NAME.fullmatch(name)
        if not found:
            return None
        base_code, quote_code = found["base"], found["quote"]
    return spot(base_code, quote_code, symbol)


def spot(base_code: str, quote_code: str, symbol: str) -> str | None:
    """The id of a pair. The dark pool lists the same pairs once more, as `ETHXBT.d`."""
    base, quote = asset(base_code), asset(quote_code)
    if not base or not quote:
        return None
    parts = cqc.SymbolIdParts(SymbolType.SYMBOL_TYPE_SPOT, base_asset_id=base, quote_asset_id=quote)
    return cqc.venue_symbol_id("kraken", cqc.symbol_id(parts), "d" if symbol.endswith(".d") else "")


# What rows cannot say


def pair(message: VenueSymbol, _context: Context) -> None:
    """The codes tell the assets of a pair better than its name does."""
    found = spot(message.base_code, message.quote_code, message.native_symbol)
    if found:
        message.venue_symbol_id = found
        message.symbol_id = cqc.parse_venue_symbol_id(found).symbol_id


def quote_of(message: Order | Position) -> str:
    """The quote asset, in which Kraken states fees and margin of spot orders and positions; empty if not known."""
    return message.venue_symbol_id.split("-")[1] if message.HasField("venue_symbol_id") else ""


def spot_order(order: Order, context: Context) -> None:
    """The fee is in the quote asset, whatever asset it is paid in."""
    order_state(order, context)
    if order.fees and quote_of(order):
        order.fees[0].asset_id = quote_of(order)


def lot(position: Position, context: Context) -> None:
    """What is left of a lot, long or short; its amounts are in the quote asset."""
    left = cqc.parse_decimal(position.opened_quantity or "0") - cqc.parse_decimal(position.closed_quantity or "0")
    position.quantity = cqc.format_decimal(-left if context.value("type") == "sell" and left else left)
    if quote_of(position):
        position.settlement_asset_id = quote_of(position)
        for fee in position.fees:
            fee.asset_id = quote_of(position)


def today(ticker: Ticker, _context: Context) -> None:
    """The first window began at midnight UTC. The ticker has no time, but is pushed when it changes."""
    if not ticker.windows or not ticker.HasField("received_at"):
        return
    day = ticker.received_at.ToDatetime(tzinfo=UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    ticker.windows[0].start_time.FromDatetime(day)


def event(report: ExecutionReport, _context: Context) -> None:
    """An event of a future's order has no status: the quantities tell it."""
    order, filled = report.order, cqc.parse_decimal(report.cumulative_quantity or "0")
    if report.exec_type == ExecType.EXEC_TYPE_CANCELLED:
        status = OrderStatus.ORDER_STATUS_CANCELLED
    elif report.exec_type == ExecType.EXEC_TYPE_REJECTED:
        status = OrderStatus.ORDER_STATUS_REJECTED
    elif filled and filled >= cqc.parse_decimal(order.quantity or "0"):
        status = OrderStatus.ORDER_STATUS_FILLED
    elif filled:
        status = OrderStatus.ORDER_STATUS_PARTIALLY_FILLED
    else:
        status = OrderStatus.ORDER_STATUS_UNTRIGGERED if order.trigger_price else OrderStatus.ORDER_STATUS_NEW
    report.order_status = order.status = status
    order_state(order, _context)


TABLES = r"""
[instruments: VenueSymbol] when altname pair_decimals
altname = native_symbol; wsname = other_native_symbols; base = base_code; quote = quote_code; aclass_base ~ currency
aclass_quote ~ currency; lot ~ unit; pair_decimals = price_precision; cost_decimals = quote_precision
lot_decimals = quantity_precision; lot_multiplier = base_multiplier; leverage_buy = buy_leverages
leverage_sell = sell_leverages; fees.*.0 = fees.*.from_volume; fees.*.1 = fees.*.taker %
fees.*.1 = fees.*.maker % if:!fees_maker; fees_maker.*.0 = fees.*.from_volume; fees_maker.*.1 = fees.*.maker %
fee_volume_currency = fees.0.volume_asset_code; fees.*.volume_asset_code := {@fee_volume_currency}
margin_call = margin_call_level %; margin_stop = margin_stop_level %; ordermin = rules.limit_order.min_quantity
costmin = rules.limit_order.min_notional; tick_size = rules.tick_tiers.0.tick_size; status = trading_mode
quantity_unit := BASE

[symbols: Symbol] in instruments

[book]
0 # a number of the channel, for this connection only; 3 = listing if:2=book-*; 4 = listing if:3=book-*
1.c = checksum; 2.c = checksum; checksum_kind := CRC32_KRAKEN if:1.c; checksum_kind := CRC32_KRAKEN if:2.c
quantity_unit := BASE

[book snapshots: OrderBook] when 1.as or 1.bs
use book; 2 = depth re:book-(\d+); 3 = depth re:book-(\d+); 1.{as,bs}.*.0 = {asks,bids}.*.price
1.{as,bs}.*.1 = {asks,bids}.*.quantity; 1.{as,bs}.*.2 = {asks,bids}.*.timestamp
1.{as,bs}.*.3 = {asks,bids}.*.action; 2.{as,bs}.*.0 = {asks,bids}.*.price
2.{as,bs}.*.1 = {asks,bids}.*.quantity; 2.{as,bs}.*.2 = {asks,bids}.*.timestamp

[book deltas: OrderBookDelta] when 2=book-* or 3=book-*
use book; 2 # the depth, which the snapshot states; 3 # the depth, which the snapshot states
1.{a,b}.*.0 = {asks,bids}.*.price; 1.{a,b}.*.1 = {asks,bids}.*.quantity; 1.{a,b}.*.2 = {asks,bids}.*.timestamp
1.{a,b}.*.3 = {asks,bids}.*.action; 2.{a,b}.*.0 = {asks,bids}.*.price; 2.{a,b}.*.1 = {asks,bids}.*.quantity
2.{a,b}.*.2 = {asks,bids}.*.timestamp; 2.{a,b}.*.3 = {asks,bids}.*.action

[trades: Trade] at 1.* when /2=trade
/0 # a number of the channel, for this connection only; /2 # the kind of the message; /3 = listing; 0 = price
1 = quantity; 2 = timestamp; 3 = aggressor; 4 = taker_order_type; 5 = raw_conditions; quantity_unit := BASE

[tickers: Ticker] when 2=ticker
0 # a number of the channel, for this connection only; 2 ~ ticker; 3 = listing; 1.{a,b}.0 = {ask,bid}_price
1.a.1 # a.2 in whole lots; 1.b.1 # b.2 in whole lots; 1.{a,b}.2 = {ask,bid}_quantity; 1.c.0 = last_price
1.c.1 = last_quantity; 1.{o,h,l}.0 = windows.0.{open,high,low}; 1.{o,h,l}.1 = windows.1.{open,high,low}
1.{v,p,t}.0 = windows.0.{volume,vwap,trade_count}; 1.{v,p,t}.1 = windows.1.{volume,vwap,trade_count}
windows.1.duration := 24h; quantity_unit := BASE

[skip: heartbeats, subscriptions and the state of the connection] when event
[skip: a count of cancelled orders, without their ids] when result.count !result.open !result.closed

[terms]
descr.pair = listing; descr.type = side; descr.ordertype = type
descr.leverage = leverage re:([\d.]+):1 if:descr.leverage=*:1; descr.leverage = leverage none:none
descr.price = price none:0 if:descr.ordertype=limit|market|iceberg
descr.price = trigger_price none:0 if:descr.ordertype=stop-loss*|take-profit*
descr.price = trailing_offset re:\+([\d.]+)% if:descr.ordertype=trailing-stop*,descr.price=*%
descr.price = trailing_offset re:\+([\d.]+) if:descr.ordertype=trailing-stop*,descr.price!=*%
trailing_offset_kind := PERCENT if:descr.ordertype=trailing-stop*,descr.price=*%
trailing_offset_kind := PRICE if:descr.ordertype=trailing-stop*,descr.price=+*
descr.price2 = price none:0 if:descr.ordertype=stop-loss-limit|take-profit-limit
descr.price2 = trigger_price none:0 if:descr.ordertype!=stop-loss-limit|take-profit-limit|trailing-stop-limit
descr.order # the same terms in one text; quantity_unit := BASE; order_id := kraken:{venue_order_id}

[placed orders: Order] at result when descr txid
txid.0 = venue_order_id; descr.order = quantity re:(?:buy|sell)\s([\d.]+)\s; use terms

[orders: Order] at result.open.**|result.closed.** when descr vol
@key = venue_order_id; use terms; refid = parent_venue_order_id; userref = label none:0
cl_ord_id = client_order_id
status = status words:waiting if:descr.ordertype=stop-loss*|take-profit*|trailing-stop*,misc!=*stopped*|*touched*
status = status; reason = status_reason_text; opentm = created_at; closetm = closed_at; starttm = start_at
expiretm = good_til_time; timeinforce = time_in_force; time_in_force := GTD if:expiretm=?*,expiretm!=0
vol = quantity if:oflags!=*viqc*; vol = quote_quantity if:oflags=*viqc*
vol_exec = cumulative_quantity if:oflags!=*viqc*; cost = cumulative_quote_quantity; fee = fees.0.amount
price = average_price none:0 if:vol_exec!=0|0.00000000; price = average_price none:0 if:price=0|0.0|0.00000
stopprice = trigger_price none:0; limitprice = price none:0; trigger = trigger_kind; misc = raw_conditions
oflags = raw_flags; post_only := true if:oflags=*post*

[trade balances: AccountMargin] at result when eb tb
eb = wallet_balance; tb = margin_balance; m = position_initial_margin; n = unrealized_pnl; c = cost_basis
v = position_value; e = equity; mf = available; ml = initial_margin_level %; asset_id := USD; all_assets := true

[spot positions: Position] at result.** when ordertxid
@key = venue_position_id; ordertxid = opening_venue_order_id; pair = listing; time = opened_at; type = side words:net
ordertype = raw_opening_order_type; cost = entry_cost if:vol_closed=0|0.00000000; fee = fees.0.amount
vol = opened_quantity; vol_closed = closed_quantity; margin = position_initial_margin; posstatus = status
terms = raw_terms; rollovertm = next_rollover_at; net = unrealized_pnl; position_id := kraken:{venue_position_id}
quantity_unit := BASE

[spot books: OrderBook] at result.** when asks bids
@key = listing; {asks,bids}.*.0 = {asks,bids}.*.price; {asks,bids}.*.1 = {asks,bids}.*.quantity
{asks,bids}.*.2 = {asks,bids}.*.timestamp; quantity_unit := BASE

[reply]
method ~ add_order; result.order_id = venue_order_id; result.cl_ord_id = client_order_id; time_in = timestamp
time_out = published_at; exec_id := {venue_order_id}-{timestamp} | rejected-{timestamp}

[placements: ExecutionReport] when method=add_order success=true
use reply; success ~ true; exec_type := NEW; order_status := NEW

[rejections: ExecutionReport] when method=add_order success=false
use reply; success ~ false; error = reason only; error = reason_text; exec_type := REJECTED; order_status := REJECTED

[spot balances: Balance] at result.** when .=[-0-9]* !/result.open !/result.closed
@key = asset_code; . = total

[future]
native_listing.venue_id := kraken_futures; quantity_unit := QUOTE if:symbol=[PpFf][Ii]_*
quantity_unit := QUOTE if:instrument=[PpFf][Ii]_*; quantity_unit := BASE if:symbol=[PpFf][Ff]_*
quantity_unit := BASE if:instrument=[PpFf][Ff]_*; symbol = listing; instrument = listing

[future fills: ExecutionReport] at fills.* when fill_id
use future; fill_id = exec_id; exec_type := TRADE; order_id = venue_order_id; cli_ord_id = client_order_id; side = side
buy = side words:buy; fillTime = timestamp; time = timestamp; size = last_quantity; qty = last_quantity
price = last_price; seq = venue_sequence; remaining_order_qty = leaves_quantity; fillType = liquidity
fill_type = liquidity; fillType = origin only; fill_type = origin only; fee_paid = fees.0.amount
fee_currency = fees.0.asset_code; taker_order_type = raw_taker_order_type; /serverTime = published_at

[future orders: Order] at openOrders.*|orders.*|order when order_id
use future; order_id = venue_order_id; cli_ord_id = client_order_id; side = side; direction = side words:direction
orderType = type words:limited if:limitPrice=?*,stopPrice=?*; orderType = type; orderType = time_in_force only
orderType = post_only is:post; type = type words:limited if:limit_price!=0|0.0,stop_price=?*,stop_price!=0|0.0
type = type; {limitPrice,stopPrice} = {price,trigger_price}; {limit_price,stop_price} = {price,trigger_price} none:0
{unfilledSize,qty} = {leaves_quantity,leaves_quantity}; {filledSize,filled} = {cumulative_quantity,cumulative_quantity}
{receivedTime,time} = {created_at,created_at}; {lastUpdateTime,last_update_time} = {updated_at,updated_at}
{reduceOnly,reduce_only} = {reduce_only,reduce_only}; triggerSignal = trigger_kind
status = status words:waiting if:stopPrice=?*; status = status; /reason = status only
/is_cancel = status words:stopped if:stop_price=?*,stop_price!=0|0.0; /is_cancel = status words:ended
/is_cancel # the status states it; /reason = status_reason; order_id := kraken_futures:{venue_order_id}
status := UNTRIGGERED if:stop_price=?*,stop_price!=0|0.0; status := NEW if:qty
/serverTime # when the answer was sent

[cancellations: ExecutionReport] when is_cancel=true order_id
order_id = venue_order_id; cli_ord_id = client_order_id; reason = reason; is_cancel ~ true; exec_type := CANCELLED
order_status := CANCELLED; exec_id := {venue_order_id}-cancelled

[future positions: Position] at openPositions.* when size symbol
use future; side = side words:net; size = quantity neg if:side=short; size = quantity if:side!=short
price = entry_price; fillTime = opened_at; unrealizedFunding = accrued_funding; /serverTime = published_at
position_id := {account_id}:{native_listing.symbol}

[order events: ExecutionReport] at orderEvents.* when type order
type = exec_type words:events; reducedQuantity = reduced_quantity; order.orderId = venue_order_id
order.orderId = order.venue_order_id; order.cliOrdId = client_order_id; order.cliOrdId = order.client_order_id
order.symbol = listing; order.symbol = order.native_listing.symbol; order.side = side; order.side = order.side
order.type = order.type words:limited if:order.limitPrice=?*,order.stopPrice=?*; order.type = order.type
order.quantity = order.quantity; order.filled = cumulative_quantity; order.filled = order.cumulative_quantity
order.limitPrice = order.price; order.stopPrice = order.trigger_price; order.timestamp = order.created_at
order.lastUpdateTimestamp = timestamp; order.lastUpdateTimestamp = order.updated_at
order.reduceOnly = order.reduce_only; /serverTime = published_at; native_listing.venue_id := kraken_futures
order.native_listing.venue_id := kraken_futures; order.order_id := kraken_futures:{venue_order_id}
exec_id := {venue_order_id}-placed if:type=PLACE; exec_id := {venue_order_id}-cancelled if:type=CANCEL
exec_id := {venue_order_id}-{raw_exec_type}-{timestamp}; quantity_unit := QUOTE if:order.symbol=[PF]I_*
quantity_unit := BASE if:order.symbol=[PF]F_*; order.quantity_unit := QUOTE if:order.symbol=[PF]I_*
order.quantity_unit := BASE if:order.symbol=[PF]F_*

[future books: OrderBook] when orderBook.bids
orderBook.{asks,bids}.*.0 = {asks,bids}.*.price; orderBook.{asks,bids}.*.1 = {asks,bids}.*.quantity
serverTime = published_at

[future trades: Trade] at elements.* when event.Execution
uid # of the event: its trade has an id of its own
timestamp = published_at; event.Execution.execution.uid = trade_id; event.Execution.execution.price = price
event.Execution.execution.quantity = quantity; event.Execution.execution.timestamp = timestamp
event.Execution.execution.markPrice = market_context.mark_price
event.Execution.execution.usdValue = quote_quantity; event.Execution.execution.limitFilled = maker_order.filled
event.Execution.takerReducedQuantity = taker_order.reduced_quantity
event.Execution.execution.takerOrder.direction = aggressor
event.Execution.execution.{makerOrder,takerOrder}.tradeable = {native_listing,native_listing}.symbol
event.Execution.execution.{makerOrder,takerOrder}.uid = {maker_order,taker_order}.venue_order_id
event.Execution.execution.{makerOrder,takerOrder}.uid = {maker,taker}_order_id
event.Execution.execution.{makerOrder,takerOrder}.direction = {maker_order,taker_order}.raw_side
event.Execution.execution.{makerOrder,takerOrder}.timestamp = {maker_order,taker_order}.created_at
event.Execution.execution.{makerOrder,takerOrder}.lastUpdateTimestamp = {maker_order,taker_order}.updated_at
event.Execution.execution.{makerOrder,takerOrder}.limitPrice = {maker_order,taker_order}.price
event.Execution.execution.{makerOrder,takerOrder}.orderType = {maker_order,taker_order}.raw_type
event.Execution.execution.{makerOrder,takerOrder}.reduceOnly = {maker_order,taker_order}.reduce_only
native_listing.venue_id := kraken_futures
quantity_unit := QUOTE if:event.Execution.execution.takerOrder.tradeable=[PF]I_*
quantity_unit := BASE if:event.Execution.execution.takerOrder.tradeable=[PF]F_*

[sent orders: ExecutionReport] when sendStatus.status
sendStatus.status = order_status; sendStatus.status = reason only; sendStatus.order_id = venue_order_id
sendStatus.cli_ord_id = client_order_id; sendStatus.receivedTime = timestamp; serverTime = published_at
exec_type := NEW if:sendStatus.status=placed; exec_type := REJECTED if:sendStatus.status!=placed
order_status := REJECTED if:sendStatus.status!=placed
exec_id := {venue_order_id}-{raw_order_status} | {raw_order_status}-{published_at}

[sent cancels: ExecutionReport] when cancelStatus.status
cancelStatus.status = order_status; cancelStatus.status = reason only; cancelStatus.order_id = venue_order_id
cancelStatus.cli_ord_id = client_order_id; cancelStatus.receivedTime = timestamp; serverTime = published_at
exec_type := CANCELLED if:cancelStatus.status=cancelled
exec_type := CANCEL_REJECTED if:cancelStatus.status!=cancelled
exec_id := {venue_order_id}-{raw_order_status} | {raw_order_status}-{published_at}

[funding rates: FundingRate] at rates.* when relativeFundingRate
timestamp = funding_time; relativeFundingRate = rate; fundingRate = absolute_rate; settled := true
"""

VENUE = Venue(
    "kraken",
    tables(
        TABLES,
        {
            "instruments": pair,
            "tickers": today,
            "placed orders": spot_order,
            "orders": spot_order,
            "spot positions": lot,
            "future orders": order_state,
            "order events": event,
        },
    ),
    asset=asset,
    listing=listing,
    personal="account",
    common="""
        /result ~ success; /feed # the kind of the message; /result.count # how many records the answer has
        /len # of an answer in parts; /continuationToken # of an answer in parts
    """,
    words={
        "TakerOrderType": "MARKET: m; LIMIT: l",
        "OrderStatus": "FILLED: closed; NEW: untouched",
        "OrderType": "LIMIT: lmt post; MARKET: mkt; STOP: stp",
        "limited": "STOP_LIMIT: stp stop; TAKE_PROFIT_LIMIT: take_profit",
        # Orders that wait for a trigger, which Kraken calls open like all others.
        "waiting": "UNTRIGGERED: open untouched",
        # Whether an order in the feed of open orders has left the book.
        "ended": "NEW: false; CANCELLED: true",
        "stopped": "UNTRIGGERED: false; CANCELLED: true",
        "buy": "BUY: true; SELL: false",
        "direction": "BUY: 0; SELL: 1",
        # Positions are netted: a contract has one, and lots of a pair are all long or all short.
        "net": "NET: buy sell long short",
        # A fill among the events states no price: the report of the fill itself does.
        "events": "NEW: place; ORDER_STATUS: fill; CANCELLED: cancel; REPLACED: edit; REJECTED: reject",
        "TriggerKind": "INDEX: spot",
        "LiquiditySide": "TAKER: takerafteredit",
        "OrderReason": (
            "USER_REQUESTED: cancelled_by_user new_placed_order_by_user edited_by_user; "
            "INSUFFICIENT_FUNDS: eorder:insufficientfunds eorder:insufficientmargin insufficientavailablefunds "
            "not_enough_margin; RULE_VIOLATED: eorder:orderminimumnotmet eorder:ticksizecheckfailed; "
            "WOULD_TAKE: post_order_failed_because_it_would_filled postwouldexecute eorder:postonlyorder; "
            "NOT_FILLABLE: ioc_order_failed_because_it_would_not_be_executed iocwouldnotexecute; SELF_TRADE: selffill; "
            "MARKET_CLOSED: marketsuspended marketinactive market_inactive; LIQUIDATION: liquidation; "
            "TOO_MANY: toomanysmallorders eorder:orderslimitexceeded eorder:ratelimitexceeded; "
            "DUPLICATE_ID: clientorderidalreadyexist; TOO_LATE: filled; UNKNOWN_ORDER: notfound eorder:unknownorder; "
            "DEAD_MAN_SWITCH: dead_man_switch"
        ),
    },
)
