"""BitMEX: https://www.bitmex.com/app/apiOverview. Amounts are in the smallest unit of an asset, such as satoshi."""

from __future__ import annotations

import calendar
import re

import cqc
from cqc.mapping import Context, Venue, code_as_asset, tables, under
from cqc.markets.v1 import Candle, LegSide, Symbol, SymbolLeg
from cqc.venues.v1 import ExecutionReport, Order, OrderStatus, VenueSymbol

# Identity

_MONTHS = "FGHJKMNQUVXZ"
SCALES = {"XBt": -8, "XBT": -8, "USDt": -6, "USDT": -6, "Gwei": -9, "LAMp": -9, "MAMp": -6}
"""Power of ten of each currency's amounts. BitMEX counts satoshi under the code `XBT` too."""
_ASSETS = {"XBT": "BTC", "XBt": "BTC", "USDt": "USDT", "Gwei": "ETH", "LAMp": "SOL", "MAMp": "POL"}


def asset(code: str) -> str | None:
    """XBT is BTC. A code with lower-case letters, such as `XBt`, is the asset's smallest unit."""
    return _ASSETS.get(code) or code_as_asset(code)


def expiry(month: str, year: str) -> str:
    """Futures expire on the last Friday of their month at noon."""
    at = _MONTHS.index(month) + 1
    last = max(week[calendar.FRIDAY] for week in calendar.monthcalendar(2000 + int(year), at))
    return f"20{year}{at:02}{last:02}T1200"


def product(symbol: str) -> str | None:
    """The product that a name stands for, or None for names such as `ETHUSDT`: it was settled in BTC once and in USDT
    later, so only the instrument's record tells which product it is."""
    spot = re.fullmatch(r"([A-Z0-9]+)_([A-Z0-9]+)", symbol)
    if spot:
        return f"{asset(spot[1])}-{asset(spot[2])}-SPOT"
    future = re.fullmatch(rf"([A-Z0-9]+)([{_MONTHS}])(\d\d)", symbol)
    if future:
        base = asset(future[1])
        return f"{base}-{'USD' if base == 'BTC' else 'BTC'}-FUT-BTC-{expiry(future[2], future[3])}"
    perpetual = re.fullmatch(r"XBT(USD|EUR)|([A-Z0-9]+)(USD)", symbol)
    if perpetual:
        return f"{asset(perpetual[2] or 'XBT')}-{perpetual[1] or 'USD'}-PERP-BTC"
    return "BTC-USDT-PERP-USDT" if symbol == "XBTUSDT" else None


def legs(symbol: str) -> list[SymbolLeg]:
    """A spread buys its near leg and sells its far one."""
    names = [product(name) for name in symbol.split("-")]
    if len(names) != 2 or None in names:
        return []
    sides = (LegSide.LEG_SIDE_BUY, LegSide.LEG_SIDE_SELL)
    return [SymbolLeg(symbol_id=name, side=side, ratio="1") for name, side in zip(names, sides, strict=True) if name]


def listing(_segment: str, symbol: str) -> str | None:
    """`XBTUSD` is `bitmex:BTC-USD-PERP-BTC`."""
    parts = legs(symbol)
    found = cqc.combo_id(parts) if parts else product(symbol)
    return f"bitmex:{found}" if found else None


def instrument(message: VenueSymbol, context: Context) -> None:
    """The id, from the contract's terms rather than its name."""
    base, quote, settled = (asset(code) for code in (message.base_code, message.quote_code, message.settlement_code))
    ends = context.value("settle") or context.value("expiry")
    kind = context.value("typ")
    if kind == "FFWCSX":
        message.symbol_id = f"{base}-{quote}-PERP-{settled}"
    elif kind == "FFCCSX" and ends:
        time = re.sub(r"[-:]|(:00)?(\.000)?Z", "", ends)[:13]
        message.symbol_id = f"{base}-{quote}-FUT-{settled}-{time.removesuffix('T0800')}"
    elif kind.startswith("MR"):
        message.symbol_id = f"{base}-{quote}-INDEX-{message.native_symbol.removeprefix('.')}"
    if message.symbol_id:
        message.venue_symbol_id = f"bitmex:{message.symbol_id}"


def spread(message: Symbol, context: Context) -> None:
    """The legs and assets of a spread, which its id does not state."""
    if context.value("typ").startswith("FFM"):
        message.legs.extend(legs(context.value("symbol")))
        message.quote_asset_id = asset(context.value("quoteCurrency")) or ""
        message.settlement_asset_id = asset(context.value("settlCurrency")) or ""


def waiting(message: Order | ExecutionReport, context: Context) -> None:
    """An order that waits for its trigger is `New` at BitMEX."""
    if context.value("ordStatus") == "New" and context.value("stopPx") and not context.value("triggered"):
        if isinstance(message, ExecutionReport):
            message.order_status = OrderStatus.ORDER_STATUS_UNTRIGGERED
            message = message.order
        message.status = OrderStatus.ORDER_STATUS_UNTRIGGERED


def bucket(candle: Candle, _context: Context) -> None:
    """The time of a candle is its end."""
    candle.open_time.FromNanoseconds(candle.close_time.ToNanoseconds() - candle.interval.ToNanoseconds())


NOBODY = "00000000-0000-0000-0000-000000000000"

ORDER = r"""
symbol = listing; side = side; orderQty = quantity; price = price; quantity_unit := CONTRACTS; text = raw_conditions
displayQty = display_quantity; stopPx = trigger_price; pegPriceType = peg_kind
ordType = type words:trailing if:pegPriceType=TrailingStopPeg
pegOffsetValue = trailing_offset if:pegPriceType=TrailingStopPeg,pegOffsetValue!=-*
pegOffsetValue = trailing_offset neg if:pegPriceType=TrailingStopPeg,pegOffsetValue=-*
trailing_offset_kind := PRICE if:pegPriceType=TrailingStopPeg
pegOffsetValue = peg_offset if:pegPriceType!=TrailingStopPeg
peg_offset_kind := PRICE if:pegOffsetValue=?*,pegPriceType!=TrailingStopPeg; exDestination ~ XBME
trigger_direction := DOWN if:ordType=Stop*,side=Sell; trigger_direction := UP if:ordType=Stop*,side=Buy
trigger_direction := UP if:ordType=*IfTouched,side=Sell; trigger_direction := DOWN if:ordType=*IfTouched,side=Buy
multiLegReportingType ~ SingleSecurity; ordType = type; timeInForce = time_in_force; execInst = raw_flags
ordStatus = status; triggered = raw_trigger_status
post_only := true if:execInst=*ParticipateDoNotInitiate*; reduce_only := true if:execInst=*ReduceOnly*
close_position := true if:execInst=*Close*; trigger_kind := MARK if:execInst=*MarkPrice*
trigger_kind := INDEX if:execInst=*IndexPrice*; trigger_kind := LAST if:execInst=*LastPrice*
orderID = venue_order_id none:NOBODY; clOrdID = client_order_id; clOrdLinkID = venue_list_id
cumQty = cumulative_quantity; leavesQty = leaves_quantity; avgPx = average_price; workingIndicator = working
order_id := bitmex:{venue_order_id} | bitmex:{@execID}; ordRejReason = status_reason_text
"""

TABLES = r"""
[ticker]
indicativeTaxRate # deprecated by BitMEX
symbol = listing; timestamp = timestamp; quantity_unit := CONTRACTS; lastPrice = last_price
lastTickDirection = last_tick_direction; {bid,ask,mid,mark}Price = {bid,ask,mid,mark}_price; bidSize = bid_quantity
askSize = ask_quantity; fairPrice = mark_price; indexPrice = index_price
impact{Bid,Ask,Mid}Price = impact_{bid,ask,mid}_price
indicativeSettlePrice = estimated_delivery_price; indicativeSettlePrice = index_price if:!indexPrice
fairBasis # mark_price less index_price; fairBasisRate # fairBasis or the funding rate per year
openValue # open interest times mark_price times the listing's quanto_multiplier; limitDownPrice = min_price
limitUpPrice = max_price; prevClosePrice = settlement_price; settledPrice = delivery_price

[windows]
windows.0.duration := 24h if:volume24h=?*; volume24h = windows.0.volume; homeNotional24h = windows.0.base_volume
turnover24h = windows.0.settlement_volume by:settlCurrency; foreignNotional24h = windows.0.quote_volume
prevPrice24h = windows.0.open; vwap = windows.0.vwap; highPrice = windows.0.high; lowPrice = windows.0.low
lastChangePcnt = windows.0.price_change_percent e2; openingTimestamp = windows.1.start_time; volume = windows.1.volume
turnover = windows.1.settlement_volume by:settlCurrency; closingTimestamp # an hour after openingTimestamp
totalVolume = windows.2.volume; totalTurnover = windows.2.settlement_volume by:settlCurrency
prevTotalVolume # the total less the session's; prevTotalTurnover # the total less the session's

[funding]
symbol = listing; timestamp = timestamp; fundingRate = rate; indicativeFundingRate = next_rate
fundingTimestamp = funding_time; fundingInterval = interval h re:2000-01-01T(\d+):00:00\.000Z

[interest]
symbol = listing; timestamp = timestamp; openInterest = quantity; quantity_unit := CONTRACTS
openValue = base_quantity by:settlCurrency if:isInverse=true
openValue = notional by:settlCurrency if:isInverse=false,isQuanto=false

[deprecated]
simple{OrderQty,LeavesQty,CumQty,Qty,Cost,Value,Pnl,PnlPcnt} # deprecated by BitMEX
indicativeTaxRate # deprecated by BitMEX

[position]
use deprecated
symbol = listing; currency = settlement_asset_code; underlying # the listing states it
quoteCurrency # the listing states it; realisedCost # realized_pnl with the other sign
currentComm # realized_pnl less realized_pnl_net; unrealisedCost # settlement_value less unrealized_pnl
currentCost # settlement_value less unrealized_pnl and realized_pnl
currentQty = quantity; quantity_unit := CONTRACTS; side := NET
crossMargin = margin_mode; leverage = leverage; initMarginReq = initial_margin_rate
maintMarginReq = maintenance_margin_rate; deleveragePercentile = adl_quantile; prevClosePrice = settlement_price
openOrderBuyQty = open_buy_quantity; openOrderSellQty = open_sell_quantity; posState = status
isOpen = status words:open; markPrice = market_context.mark_price; lastPrice = last_price
markValue = settlement_value by:currency neg if:currentQty=[1-9]*,markValue=-*
markValue = settlement_value by:currency neg if:currentQty=-*,markValue!=-*; markValue = settlement_value by:currency
{home,foreign}Notional = {base_quantity,notional} neg if:currentQty=[1-9]*,{home,foreign}Notional=-*
{home,foreign}Notional = {base_quantity,notional} neg if:currentQty=-*,{home,foreign}Notional!=-*
{home,foreign}Notional = {base_quantity,notional}
posInit = position_initial_margin by:currency; posComm = closing_fee_reserve by:currency
posMargin = isolated_wallet by:currency if:crossMargin=false; posMaint = maintenance_margin by:currency
initMargin = order_initial_margin by:currency; maintMargin = collateral by:currency
realisedGrossPnl = realized_pnl by:currency; realisedPnl = realized_pnl_net by:currency
unrealisedPnl = unrealized_pnl by:currency; unrealisedGrossPnl = unrealized_pnl by:currency
unrealisedPnlPcnt = unrealized_pnl_ratio; unrealisedRoePcnt = return_on_margin; avgEntryPrice = entry_price
avgCostPrice = entry_price; breakEvenPrice = break_even_price; marginCallPrice = margin_call_price none:0
liquidationPrice = liquidation_price none:0; bankruptPrice = bankruptcy_price none:0; currentTimestamp = updated_at
timestamp = published_at; position_id := bitmex:{native_listing.symbol}

[instruments: VenueSymbol] when underlying typ tickSize
symbol = native_symbol; instrumentID = native_id; state = trading_mode; typ = raw_symbol_type; listing = listed_at
expiry = delisted_at; underlying = base_code; rootSymbol = categories; quoteCurrency = quote_code
settlCurrency = settlement_code; underlyingSymbol = native_pair; referenceSymbol = price_index
maxOrderQty = rules.limit_order.max_quantity; minPrice = rules.min_price; maxPrice = rules.max_price
lotSize = rules.limit_order.lot_step; lotSize = rules.limit_order.min_quantity
tickSize = rules.tick_tiers.0.tick_size; quantity_unit := CONTRACTS if:typ=FF*; reference ~ BMEX
positionCurrency # the unit of the contract states it; isInverse # the payoff states it; isQuanto # the payoff states it
multiplier = contract_size by:settlCurrency neg if:isInverse=true
multiplier = contract_size by:settlCurrency if:isInverse=false,isQuanto=false,typ=FF[WC]*
multiplier = quanto_multiplier by:settlCurrency if:isQuanto=true
contract_size_unit := QUOTE if:isInverse=true; contract_size_unit := BASE if:isInverse=false,isQuanto=false,typ=FF[WC]*
underlyingToSettleMultiplier = contract_size by:settlCurrency neg if:isInverse=true
underlyingToPositionMultiplier # contract_size is its inverse; markMethod = raw_mark_method
initMargin = margin_tiers.0.initial_margin_rate; maintMargin = margin_tiers.0.maintenance_margin_rate
riskLimit = margin_tiers.0.max_notional by:settlCurrency
settlCurrency = margin_tiers.0.notional_asset_code if:riskLimit=?*; makerFee = fees.0.maker; takerFee = fees.0.taker
settlementFee = fees.0.settlement; fundingInterval = funding_interval h re:2000-01-01T(\d+):00:00\.000Z
{taxed,insuranceFee,indicativeTaxRate} # deprecated by BitMEX
fundingBaseSymbol # made of base_code; fundingQuoteSymbol # made of quote_code
fundingPremiumSymbol # made of native_symbol; nearLegSymbol # the legs state it; farLegSymbol # the legs state it

[symbols: Symbol] in instruments
settle = expiry; listedSettle = expiry
payoff := INVERSE if:isInverse=true; payoff := QUANTO if:isQuanto=true
payoff := LINEAR if:isInverse=false,isQuanto=false,typ=FF[WC]*

[tickers: Ticker] in instruments
use ticker
use windows

[funding rates: FundingRate] in instruments when fundingRate=?*
use funding

[open interests: OpenInterest] in instruments when openInterest=?*
use interest

[instrument updates: Ticker] partial when /table=instrument or timestamp indicativeSettlePrice or markPrice openValue
use ticker

[open interests: OpenInterest] in instrument updates partial when openInterest
use interest

[funding rates: FundingRate] in instrument updates partial when fundingRate
use funding

[funding history: FundingRate] when fundingRate fundingRateDaily
symbol = listing; timestamp = funding_time; fundingRate = rate; settled := true
fundingInterval = interval h re:2000-01-01T(\d+):00:00\.000Z; fundingRateDaily # the rate times the payments of a day

[trades: Trade] when price size side tickDirection or price size side /table=trade
symbol = listing; timestamp = timestamp; side = aggressor; size = quantity; quantity_unit := CONTRACTS; price = price
tickDirection = tick_direction; trdMatchID = trade_id; homeNotional = base_quantity; foreignNotional = quote_quantity
grossValue = base_quantity e-8 if:symbol=XBT*; grossValue = quote_quantity e-8 if:symbol=*[FGHJKMNQUVXZ][0-9][0-9]
trdType = raw_conditions; grossValue # size times price times the listing's quanto_multiplier

[candles: Candle] when open high low close trades /table=tradeBin1m or open high low close trades @name=*bin_1m
symbol = listing; timestamp = close_time; interval := 1m; open = open; high = high; low = low; close = close
trades = trade_count; volume = volume; volume_unit := CONTRACTS; vwap = vwap; homeNotional = base_volume
foreignNotional = quote_volume; turnover = base_volume e-8 if:symbol=XBT*; price_kind := TRADE
lastSize # the last trade of the interval states it
[skip: a candle of whose request, which states the length, there is no record] when open high low close trades

[quotes: Ticker] when bidPrice askPrice bidSize
use ticker

[book snapshots: OrderBook] at . when /table=orderBookL2* /action=partial
data.*.symbol = listing; data.*side=Buy.id = bids.*.order_id; data.*-side=Sell.id = asks.*.order_id
data.*side=Buy.price = bids.*.price; data.*side=Buy.size = bids.*.quantity; data.*-side=Sell.price = asks.*.price
data.*-side=Sell.size = asks.*.quantity; data.*side=Buy.timestamp = bids.*.timestamp
data.*-side=Sell.timestamp = asks.*.timestamp; quantity_unit := CONTRACTS; depth := 25 if:/table=orderBookL2_25

[book deltas: OrderBookDelta] at . when /table=orderBookL2* data.0
data.*.symbol = listing; data.*side=Buy.id = bids.*.order_id; data.*side=Sell.id = asks.*.order_id
data.*side=Buy.price = bids.*.price; data.*side=Buy.size = bids.*.quantity; data.*side=Sell.price = asks.*.price
data.*side=Sell.size = asks.*.quantity; data.*side=Buy.timestamp = bids.*.timestamp
data.*side=Sell.timestamp = asks.*.timestamp; quantity_unit := CONTRACTS
bids.*.action := NEW if:/action=insert; asks.*.action := NEW if:/action=insert
bids.*.action := CHANGE if:/action=update; asks.*.action := CHANGE if:/action=update
bids.*.action := DELETE if:/action=delete; asks.*.action := DELETE if:/action=delete

[book rows: OrderBookDelta] when id side size price
symbol = listing; id = bids.0.order_id if:side=Buy; price = bids.0.price if:side=Buy
size = bids.0.quantity if:side=Buy; transactTime = bids.0.timestamp if:side=Buy; id = asks.0.order_id if:side=Sell
price = asks.0.price if:side=Sell; size = asks.0.quantity if:side=Sell; transactTime = asks.0.timestamp if:side=Sell
timestamp = timestamp; quantity_unit := CONTRACTS; side # the list states it

[best levels: OrderBook] when symbol bids asks
symbol = listing; timestamp = timestamp; quantity_unit := CONTRACTS; depth := 10
{bids,asks}.*.0 = {bids,asks}.*.price; {bids,asks}.*.1 = {bids,asks}.*.quantity

[funding payments: FundingPaid] when execID execType=Funding
execType ~ Funding; symbol = listing; execID = venue_payment_id; execComm = amount neg by:settlCurrency
settlCurrency = asset_code; timestamp = funding_time; transactTime = funding_time

[refused requests: ExecutionReport] when execID execType=*Reject
execID = exec_id; execType = exec_type; orderID = venue_order_id none:NOBODY; clOrdID = client_order_id
symbol = listing; workingIndicator = working; ordRejReason = reason; text = reason_text; timestamp = timestamp
transactTime = timestamp; ordStatus # of the request, not of the order: exec_type states it

[executions: ExecutionReport] when execID
use order of an execution
use deprecated
execID = exec_id; execType = exec_type; orderID = venue_order_id none:NOBODY; clOrdID = client_order_id
clOrdLinkID = venue_list_id; symbol = listing; side = side; ordStatus = order_status; quantity_unit := CONTRACTS
lastQty = last_quantity; lastPx = last_price; trdMatchID = trade_id; lastLiquidityInd = liquidity
commission = fees.0.rate; execComm = fees.0.amount by:settlCurrency; cumQty = cumulative_quantity
settlCurrency = fees.0.asset_code if:execComm=?*; settlCurrency = last_valuation.asset_code if:execCost=?*
execCost = last_valuation.amount by:settlCurrency neg if:execCost=-*
execCost = last_valuation.amount by:settlCurrency if:execCost!=-*; leavesQty = leaves_quantity; avgPx = average_price
foreignNotional = last_quote_quantity neg if:foreignNotional=-*; workingIndicator = working
foreignNotional = last_quote_quantity if:foreignNotional!=-*; underlyingLastPx = market_context.index_price
lastMkt ~ XBME; execType = origin only; text = origin only; ordRejReason = reason_text; timestamp = timestamp
transactTime = timestamp; currency # the listing states it

[liquidations: Liquidation] when orderID leavesQty !ordStatus
orderID = liquidation_id; symbol = listing; side = side; price = price; leavesQty = leaves_quantity
quantity_unit := CONTRACTS

[orders: Order] when orderID ordStatus
use order
use deprecated
transactTime = created_at; timestamp = updated_at; currency # the listing states it
settlCurrency # the listing states it

[positions: Position] when currentQty symbol riskLimit
use position

[position updates: Position] partial when currentQty symbol
use position

[margin: AccountMargin] when marginBalance
currency = asset_code; walletBalance = wallet_balance by:currency; amount = wallet_balance by:currency
prevRealisedPnl = previous_session_realized_pnl by:currency; realisedPnl = session_realized_pnl by:currency
grossMarkValue = position_value by:currency; initMargin = order_initial_margin by:currency
maintMargin = position_initial_margin by:currency; unrealisedPnl = unrealized_pnl by:currency
marginBalance = equity by:currency; marginLeverage = effective_leverage; marginUsedPcnt = initial_margin_ratio
availableMargin = available by:currency; excessMargin = available by:currency
withdrawableMargin = max_withdrawable by:currency; timestamp = timestamp

[wallets: Balance] when currency deltaAmount amount
currency = asset_code; amount = total by:currency; timestamp = timestamp; prevTimestamp = flows.0.end_time
prevAmount = flows.0.total by:currency; prevDeposited = flows.0.deposited by:currency
prevWithdrawn = flows.0.withdrawn by:currency; prevTransferIn = flows.0.transferred_in by:currency
prevTransferOut = flows.0.transferred_out by:currency; deposited = flows.1.deposited by:currency
withdrawn = flows.1.withdrawn by:currency; transferIn = flows.1.transferred_in by:currency
transferOut = flows.1.transferred_out by:currency; prevTimestamp = flows.2.start_time
deltaAmount = flows.2.change by:currency; deltaDeposited = flows.2.deposited by:currency
deltaWithdrawn = flows.2.withdrawn by:currency; deltaTransferIn = flows.2.transferred_in by:currency
deltaTransferOut = flows.2.transferred_out by:currency; addr # the account's own address

[skip: sums over all contracts of a root, for which the contracts have no message] when rootSymbol turnover date
[skip: the results of other traders] when isRealName
[skip: a request] when clOrdID orderQty !orderID
[skip: the answer to a request: an order or a report states the outcome] at . when error
[skip: a push without rows] at . when table action !data.0
"""

VENUE = Venue(
    "bitmex",
    tables(
        TABLES.replace("use order of an execution", under("order", ORDER))
        .replace("use order\n", ORDER)
        .replace("NOBODY", NOBODY),
        {"instruments": instrument, "symbols": spread, "candles": bucket, "orders": waiting, "executions": waiting},
    ),
    root="data.*|*|.",
    asset=asset,
    listing=listing,
    scales=SCALES,
    common="""
        /table # the kind of the message; /action # the kind of the message; account # the number of the user
        /keys # describes the table; /types # describes the table; /foreignKeys # describes the table
        /attributes # describes the table; /filter # the subscription, which the records repeat
    """,
    words={
        "TradingMode": "PRE_LAUNCH: unlisted; CLOSED: closed settled",
        "MarginMode": "CROSS: true; ISOLATED: false",
        "open": "OPEN: true; CLOSED: false",
        "PositionStatus": "LIQUIDATING: liquidation; LIQUIDATED: liquidated; DELEVERAGED: deleverage",
        "ExecType": (
            "CANCEL_REJECTED: cancelreject; REPLACE_REJECTED: amendreject; TRIGGERED: triggeredoractivatedbysystem; "
            "TRADE: settlement"
        ),
        "OrderReason": "UNKNOWN_ORDER: invalidorderid notfound",
        "LiquiditySide": "MAKER: addedliquidity added; TAKER: removedliquidity removed",
        "OrderOrigin": "LIQUIDATION: liquidation; ADL: deleverage; SETTLEMENT: settlement",
        "trailing": "TRAILING_STOP: stop; TRAILING_STOP_LIMIT: stoplimit",
        "PegKind": "MARKET: marketpeg; PRIMARY: primarypeg; MID: midpricepeg; LAST: lastpeg",
    },
)
