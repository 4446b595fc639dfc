"""Bybit, version 5 of its API: https://bybit-exchange.github.io/docs/v5. Also some records of older versions."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import cqc
from cqc.mapping import Context, Venue, candle_close, tables
from cqc.portfolio.v1 import Position, PositionStatus
from cqc.venues.v1 import AttachedOrderKind, Transfer, VenueSymbol

# Identity

_MONTHS = "JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC".split()
_DATED = re.compile(r"([A-Z0-9]+?)(USDT)?-(\d{1,2})([A-Z]{3})(\d\d)(?:-(\d+(?:\.\d+)?)-([CP])(?:-(USDT|USDC))?)?")
_SPOT = re.compile(r"([A-Z0-9]+?)(USDT|USDC|USDE|BTC|ETH|EUR|BRL|BRZ|DAI|PLN|TRY|MNT)")
_MULTIPLE = re.compile(r"(?P<before>1000+)(?P<base>[A-Z]\w*)|(?P<coin>[A-Z]+)(?P<after>1000+)")


def asset(code: str) -> str | None:
    """Bybit's codes are the asset ids, except those of contracts on a multiple (`1000BONK`)."""
    return code if re.fullmatch(r"[A-Z0-9]{1,32}", code) and not _MULTIPLE.fullmatch(code) else None


def _base(name: str) -> tuple[str, str]:
    """The asset of a contract's base, and how many of it one unit of the base is."""
    found = _MULTIPLE.fullmatch(name)
    if not found:
        return name, ""
    return found["base"] or found["coin"], found["before"] or found["after"]


def listing(segment: str, symbol: str) -> str | None:
    """`BTCUSDT` is a pair in `spot` and a perpetual in `linear`: without the segment it is not known.

    `BTCPERP` and dated names without USDT are settled in USDC.
    """
    dated = _DATED.fullmatch(symbol)
    if dated and dated[4] in _MONTHS:
        base, usdt, day, month, year, strike, right, settled = dated.groups()
        date = f"20{year}{_MONTHS.index(month) + 1:02}{int(day):02}"
        settled = settled or usdt or "USDC"
        if strike is None:
            return _checked(f"{_base(base)[0]}-{settled}-FUT-{settled}-{date}")
        quote = "USD" if settled == "USDC" else settled
        return _checked(f"{base}-{quote}-OPT-{settled}-{date}-{strike.replace('.', 'd')}-{right}")
    if segment in ("", "linear") and re.fullmatch(r"[A-Z0-9]+PERP", symbol):
        return _checked(f"{_base(symbol.removesuffix('PERP'))[0]}-USDC-PERP-USDC")
    if segment == "linear" and re.fullmatch(r"[A-Z0-9]+USDT", symbol):
        return _checked(f"{_base(symbol.removesuffix('USDT'))[0]}-USDT-PERP-USDT")
    if segment in ("", "inverse") and re.fullmatch(r"[A-Z0-9]+USD", symbol):
        base = symbol.removesuffix("USD")
        return _checked(f"{base}-USD-PERP-{base}")
    pair = _SPOT.fullmatch(symbol) if segment == "spot" else None
    return _checked(f"{pair[1]}-{pair[2]}-SPOT") if pair else None


def _checked(symbol_id: str) -> str | None:
    try:
        return cqc.venue_symbol_id("bybit", symbol_id)
    except cqc.InvalidIdError:
        return None


# What rows cannot fill


def settled(message: Any, _context: Context) -> None:
    """Fees of a derivative without a stated asset are in what it is settled in."""
    native = message.native_listing
    words = (listing(native.segment, native.symbol) or "").split("-")
    for fee in message.fees:
        if not fee.asset_code and len(words) > 3:
            fee.asset_code = words[3]


def order(message: Any, context: Context) -> None:
    """The kinds of attached orders; what was charged in which assets."""
    kinds = (AttachedOrderKind.ATTACHED_ORDER_KIND_TAKE_PROFIT, AttachedOrderKind.ATTACHED_ORDER_KIND_STOP_LOSS)
    stated = [
        kind
        for kind, key in zip(kinds, ("takeProfit", "stopLoss"), strict=True)
        if re.search("[1-9]", str(context.value(key) or ""))
    ]
    for item, kind in zip(message.attached_orders, stated, strict=False):
        item.kind = kind
    charged = context.value("cumFeeDetail") or {}
    for index, (code, amount) in enumerate(charged.items()):
        fee = message.fees[index] if index < len(message.fees) else message.fees.add()
        fee.asset_code, fee.amount = code, str(amount)
    settled(message, context)


def position(message: Position, context: Context) -> None:
    """Whether it is closed, and its place in the queue on Bybit's scale of 1 to 5."""
    order(message, context)
    if message.quantity and not Decimal(message.quantity):
        message.status = PositionStatus.POSITION_STATUS_CLOSED
    if message.raw_adl_rank in ("1", "2", "3", "4", "5"):
        message.adl_quantile = cqc.format_decimal(Decimal(int(message.raw_adl_rank) - 1) / 4)


def multiple(message: VenueSymbol, _context: Context) -> None:
    """`1000BONK` and `SHIB1000` count thousands."""
    if message.segment != "spot" and _base(message.base_code)[1]:
        message.base_multiplier = _base(message.base_code)[1]


def withdrawn(message: Transfer, _context: Context) -> None:
    """Bybit takes the fee on top of the amount that arrives."""
    fee = Decimal(message.fee.amount) if message.HasField("fee") else Decimal(0)
    message.amount = cqc.format_decimal(Decimal(message.received_amount) + fee)


TABLES = r"""
[answered]
/time = published_at if:/result
[listing]
symbol = listing; category = native_listing.segment; /result.category = native_listing.segment; /result.symbol = listing
[contract]
native_listing.segment := inverse if:symbol=*USD|*USD[HMUZ]??; native_listing.segment := linear if:symbol=*USDT|*PERP
[unit]
quantity_unit := QUOTE if:symbol=*USD|*USD[HMUZ]?? or s=*USD|*USD[HMUZ]??; quantity_unit := BASE
[book]
s = listing; /result.s = listing; u = sequence; cts = timestamp; ts = timestamp if:!cts; ts = published_at; use answered
/ts = timestamp if:!/cts; /cts = timestamp; /ts = published_at; {b,a}.*.0 = {bids,asks}.*.price; use unit
{b,a}.*.1 = {bids,asks}.*.quantity; seq # orders books of several depths among each other
[fill]
use listing; use answered; /creationTime = published_at; execId = exec_id; execId = trade_id; orderId = venue_order_id
tradeId = exec_id if:!execId; tradeId = trade_id; orderLinkId = client_order_id; side = side; execPrice = last_price
execQty = last_quantity; execValue = last_quote_quantity if:symbol!=*USD|*USD[HMUZ]??; execTime = timestamp
tradeTime = timestamp; isMaker = liquidity words:maker; lastLiquidityInd = liquidity; execFee = fees.0.amount
feeCurrency = fees.0.asset_code; feeCoin = fees.0.asset_code; feeRate = fees.0.rate; leavesQty = leaves_quantity
execType = exec_type; execType = origin only if:!createType; execType = origin only if:createType=; createType = origin
closedSize = closed_quantity; execPnl = realized_pnl; blockTradeId = block_trade_id; seq = venue_sequence
tradeIv = market_context.price_volatility; markIv = market_context.mark_volatility; exec_type := TRADE
{mark,index,underlying}Price = market_context.{mark,index,underlying}_price; orderQty = order.quantity none:0
orderPrice = order.price none:0 if:orderType!=Market; orderType = order.type none:UNKNOWN; marketUnit = order.raw_flags
isLeverage = order.auto_borrow; stopOrderType = order.raw_conditions none:UNKNOWN
order.order_id := bybit:{venue_order_id} if:orderType=?*; use unit
order.venue_order_id := {venue_order_id} if:orderType=?*; order.quantity_unit := BASE if:orderType=?*,symbol!=*USD
[attached]
{takeProfit,tpLimitPrice} = attached_orders.0.{trigger_price,price} none:0
tpTriggerBy = attached_orders.0.trigger_kind none:UNKNOWN if:takeProfit=*[1-9]*
{stopLoss,slLimitPrice} = attached_orders.1.{trigger_price,price} none:0 if:takeProfit=*[1-9]*,stopLoss=*[1-9]*
slTriggerBy = attached_orders.1.trigger_kind none:UNKNOWN if:takeProfit=*[1-9]*,stopLoss=*[1-9]*
{stopLoss,slLimitPrice} = attached_orders.0.{trigger_price,price} none:0
slTriggerBy = attached_orders.0.trigger_kind none:UNKNOWN if:stopLoss=*[1-9]*
[instruments: VenueSymbol] when symbol priceFilter
symbol = native_symbol; /result.category = segment; symbolId = native_id; contractType = raw_symbol_type
status = trading_mode; baseCoin = base_code; quoteCoin = quote_code; settleCoin = settlement_code
symbolType = underlying_kind; launchTime = listed_at; deliveryTime = delisted_at; deliveryFeeRate = fees.0.settlement
priceScale = price_precision; leverageFilter.leverageStep = leverage_step; fundingInterval = funding_interval m
leverageFilter.{min,max}Leverage = {min,max}_leverage; priceFilter.{min,max}Price = rules.{min,max}_price
priceFilter.tickSize = rules.tick_tiers.0.tick_size; lotSizeFilter.basePrecision = rules.limit_order.lot_step
lotSizeFilter.qtyStep = rules.limit_order.lot_step; {lower,upper}FundingRate = {min,max}_funding_rate
lotSizeFilter.{min,max}OrderQty = rules.limit_order.{min,max}_quantity; segment := option if:optionsType
lotSizeFilter.maxLimitOrderQty = rules.limit_order.max_quantity; segment := linear if:contractType=Linear*
lotSizeFilter.{min,max}OrderAmt = rules.limit_order.{min,max}_notional; segment := inverse if:contractType=Inverse*
lotSizeFilter.minNotionalValue = rules.limit_order.min_notional; segment := spot; use unit
lotSizeFilter.maxMktOrderQty = rules.market_order.max_quantity
lotSizeFilter.maxMarketOrderQty = rules.market_order.max_quantity
lotSizeFilter.postOnlyMaxOrderQty = rules.post_only_order.max_quantity
rules.market_order.min_quantity := {rules.limit_order.min_quantity} if:lotSizeFilter.maxMktOrderQty=?*
rules.market_order.lot_step := {rules.limit_order.lot_step} if:lotSizeFilter.maxMktOrderQty=?*
rules.post_only_order.min_quantity := {rules.limit_order.min_quantity} if:lotSizeFilter.postOnlyMaxOrderQty=?*
rules.post_only_order.lot_step := {rules.limit_order.lot_step} if:lotSizeFilter.postOnlyMaxOrderQty=?*
marginTrading = margin_enabled is:both|utaOnly|normalSpotOnly
[symbols: Symbol] in instruments
contractType = payoff; optionsType = option_type
[margin tiers: VenueSymbol] when riskLimitValue isLowestRisk
symbol = native_symbol; /result.category = segment; segment := inverse if:symbol=*USD; segment := linear; use unit
id = margin_tiers.0.tier_id; riskLimitValue = margin_tiers.0.max_notional if:symbol!=*USD
maxLeverage = margin_tiers.0.max_leverage
{initialMargin,maintenanceMargin} = margin_tiers.0.{initial,maintenance}_margin_rate % if:initialMargin=[1-9]*,maxLeverage!=1|1.00
{initialMargin,maintenanceMargin} = margin_tiers.0.{initial,maintenance}_margin_rate if:initialMargin=0*
[assets: VenueAsset] when coin chains.0.chainDeposit
asset_id := {code}; coin = code; name = name; remainAmount = networks.0.max_withdrawal
networks.*.max_withdrawal := {@remainAmount}; chains.*.chain = networks.*.network
chains.*.chainType = networks.*.network_name; chains.*.confirmation = networks.*.deposit_confirmations
chains.*.withdrawFee = networks.*.withdrawal_fee; chains.*.withdrawPercentageFee = networks.*.withdrawal_fee_rate
chains.*.{deposit,withdraw}Min = networks.*.min_{deposit,withdrawal}
chains.*.chain{Deposit,Withdraw} = networks.*.{deposit,withdrawal}_status
[book deltas: OrderBookDelta] when s b a /type=delta
use book
[book snapshots: OrderBook] when s b a u
use book
[candles: Candle] when start end interval open
/topic = listing re:kline\.[^.]+\.(.+); start = open_time; interval = interval m; interval = calendar_interval only
{open,high,low,close} = {open,high,low,close}; volume = volume; confirm = closed; /ts = published_at
turnover = quote_volume if:/topic!=*USD; turnover = base_volume if:/topic=*USD; end # start and interval state it
volume_unit := QUOTE if:/topic=*USD; volume_unit := BASE
timestamp # of the last trade in the candle, which trades state
[skip: a candle of whose request, which states the length, there is no record] at result|. when @name=*ohlcv
[ticker]
use listing; use answered; lastPrice = last_price; {bid,ask}1Price = {bid,ask}_price none:0; /cs = sequence
{bid,ask}Price = {bid,ask}_price none:0; {bid,ask}1Size = {bid,ask}_quantity none:0; /ts = timestamp
{bid,ask}Size = {bid,ask}_quantity none:0; {mark,index}Price = {mark,index}_price; prevPrice24h = windows.0.open
predictedDeliveryPrice = estimated_delivery_price none:0; lastTickDirection = last_tick_direction
tickDirection = last_tick_direction; {high,low}Price24h = windows.0.{high,low}; volume24h = windows.0.volume
windows.0.duration := 24h if:lastPrice,volume24h or highPrice24h or prevPrice24h or turnover24h or change24h
windows.1.duration := 1h if:prevPrice1h=?*; turnover24h = windows.0.quote_volume if:symbol!=*USD|*USD[HMUZ]??; use unit
turnover24h = windows.0.settlement_volume if:symbol=*USD|*USD[HMUZ]??; prevPrice1h = windows.1.open
price24hPcnt = windows.0.price_change_percent e2; change24h = windows.0.price_change_percent e2
deliveryTime # the listing states it; deliveryFeeRate # the listing states it
native_listing.segment := linear if:symbol=*USDT|*PERP,fundingRate=?* or symbol=*USDT,markPrice
native_listing.segment := inverse if:symbol=*USD|*USD[HMUZ]??; native_listing.segment := option if:delta
[interest]
use listing; use answered; openInterest = quantity; use unit; use contract; timestamp = timestamp; /ts = timestamp
openInterestValue = notional if:symbol!=*USD|*USD[HMUZ]??
[rate]
use listing; use answered; use contract; fundingRate = rate; nextFundingTime = funding_time; /ts = timestamp
fundingRateTimestamp = funding_time; fundingIntervalHour = interval h; fundingCap = max_rate
[volatility]
use listing; use answered; {delta,gamma,vega,theta} = {delta,gamma,vega,theta}; underlyingPrice = underlying_price
{bid1,ask1,mark}Iv = {bid,ask,mark}_implied_volatility none:0; markPriceIv = mark_implied_volatility none:0
{bid,ask}Iv = {bid,ask}_implied_volatility none:0; /ts = timestamp
[ticker changes: Ticker] partial when symbol /type=delta /topic=tickers*
use ticker
[open interest: OpenInterest] in ticker changes partial when openInterest or openInterestValue
use interest
[funding: FundingRate] in ticker changes partial when fundingRate or nextFundingTime
use rate
[tickers: Ticker] when symbol lastPrice !orderId
use ticker
[open interest: OpenInterest] in tickers when openInterest
use interest
[funding: FundingRate] in tickers when fundingRate
use rate
[greeks: OptionGreeks] in tickers when delta
use volatility
[funding history: FundingRate] when fundingRate fundingRateTimestamp
use rate; settled := true
[open interest history: OpenInterest] when openInterest timestamp
quantity_unit := QUOTE if:/result.symbol=*USD; use interest
[trades: Trade] when execId price size isBlockTrade or T s S v p i
use listing; use answered; {execId,i} = {trade_id,trade_id}; {price,p} = {price,price}; {size,v} = {quantity,quantity}
{side,S} = {aggressor,aggressor}; {time,T} = {timestamp,timestamp}; {isBlockTrade,BT} = {block,block}; s = listing
L = tick_direction; seq = sequence; /ts = published_at; native_listing.segment := inverse if:s=*USD
native_listing.segment := linear if:s=*USDT|*PERP,L or s=*USDT,/topic=*.linear.*; use unit
[liquidations: Liquidation] when T s S v p or symbol size side price updatedTime !orderId
{symbol,s} = {native_listing.symbol,native_listing.symbol}; {price,p} = {bankruptcy_price,bankruptcy_price}
{size,v} = {quantity,quantity}; {updatedTime,T} = {timestamp,timestamp}; /ts = published_at
{side,S} = {side,side} words:liquidated; native_listing.segment := inverse if:s=*USD or symbol=*USD
native_listing.segment := linear; use unit
[funding paid: FundingPaid] when execType=Funding
symbol = listing; category = native_listing.segment; execFee = amount neg; execTime = funding_time; use contract
execId = venue_payment_id; execPrice = mark_price; feeCurrency = asset_code; orderType ~ UNKNOWN; execType ~ Funding
stopOrderType ~ UNKNOWN; asset_code := USDT if:symbol=*USDT; asset_code := USDC if:symbol=*PERP; leavesQty ~ 0
orderQty ~ 0; orderPrice ~ 0; closedSize ~ 0; nextPageCursor # of the answer
[fills: ExecutionReport] when execPrice execQty
use fill
[closing orders: Order] when closedPnl avgEntryPrice orderId
use listing; orderId = venue_order_id; side = side; qty = quantity; orderPrice = price if:orderType!=Market
orderType = type; avgExitPrice = average_price; closedSize = cumulative_quantity; fillCount = fill_count
cumExitValue = cumulative_quote_quantity if:symbol!=*USD|*USD[HMUZ]??; leverage = leverage; createdTime = created_at
updatedTime = updated_at; execType = origin; position_effect := CLOSE; order_id := bybit:{venue_order_id}; use unit
[orders: Order] when orderStatus orderId
use listing; orderId = venue_order_id; orderLinkId = client_order_id; side = side; orderStatus = status
orderType = type words:trailing if:stopOrderType=TrailingStop; timeInForce = time_in_force; cumExecFee = fees.0.amount
orderType = type words:stop if:side=Buy,triggerDirection=1; orderType = type words:stop if:side=Sell,triggerDirection=2
orderType = type words:take if:side=Sell,triggerDirection=1; orderType = type words:take if:side=Buy,triggerDirection=2
orderType = type words:trigger if:stopOrderType=tpslOrder,triggerPrice=?*; orderType = type; positionIdx = position_side
timeInForce = post_only is:PostOnly; triggerDirection = trigger_direction none:0; triggerPrice = trigger_price none:0
triggerBy = trigger_kind none:UNKNOWN; stopOrderType = raw_conditions none:UNKNOWN; avgPrice = average_price none:0
qty = quantity if:marketUnit!=quoteCoin; qty = quote_quantity if:marketUnit=quoteCoin; cumExecQty = cumulative_quantity
price = price none:0 if:orderType!=Market; cumExecValue = cumulative_quote_quantity if:symbol!=*USD|*USD[HMUZ]??
closeOnTrigger = close_position; feeCurrency = fees.0.asset_code; cumFeeDetail # the fees have it; createType = origin
leavesQty = leaves_quantity if:orderStatus!=Cancelled|Rejected|PartiallyFilledCanceled|Deactivated|Filled
leavesQty = leaves_quantity if:leavesQty=0|0.0*; reduceOnly = reduce_only; isLeverage = auto_borrow; smpOrderId ~ 0
leavesQty = cancelled_quantity if:orderStatus=Cancelled|Rejected|PartiallyFilledCanceled|Deactivated
leaves_quantity := 0 if:orderStatus=Cancelled|Rejected|PartiallyFilledCanceled|Deactivated|Filled; slippageTolerance ~ 0
cancelType = status_reason none:UNKNOWN; rejectReason = status_reason none:EC_NoError,UNKNOWN if:cancelType!=Cancel*
rejectReason = status_reason_text none:EC_NoError,UNKNOWN; tpslMode = raw_flags none:UNKNOWN; createdTime = created_at
placeType = raw_placement_source; smpType = self_trade_prevention; smpGroup = self_trade_group_id none:0
orderIv = volatility_price none:0; createdAt = created_at; updatedTime = updated_at; updatedAt = updated_at
updateTimeStamp = updated_at; /creationTime # when the push was sent; order_id := bybit:{venue_order_id}; use attached
blockTradeId # of its fills, which state it; lastPriceOnCreated # of the ticker then; use unit; iv = volatility_price
slippageToleranceType ~ UNKNOWN; basePrice # see lastPriceOnCreated
[positions: Position] when symbol side size positionValue
use listing; use answered; positionIdx = side; size = quantity neg if:side=Sell; size = quantity if:side!=Sell
use contract; use unit; side # the sign of the quantity states it; avgPrice = entry_price none:0; leverage = leverage
entryPrice = entry_price none:0; sessionAvgPrice = session_entry_price none:0; markPrice = market_context.mark_price
liqPrice = liquidation_price none:0; bustPrice = bankruptcy_price none:0; tradeMode = margin_mode; seq = sequence
positionValue = entry_cost if:symbol!=*USD|*USD[HMUZ]??; positionBalance = collateral none:0; positionStatus = status
positionIM = position_initial_margin; positionIMByMp = position_initial_margin; positionMM = maintenance_margin
positionMMByMp = maintenance_margin; orderMargin = order_initial_margin; occClosingFee = closing_fee_reserve
riskId = venue_margin_tier_id none:0; riskLimitValue = max_notional none:0 if:symbol!=*USD|*USD[HMUZ]??; use attached
unrealisedPnl = unrealized_pnl; curRealisedPnl = realized_pnl_net; cumRealisedPnl = cumulative_realized_pnl
sessionRPL = session_realized_pnl; sessionUPL = session_unrealized_pnl; autoAddMargin = auto_add_margin
isReduceOnly = reduce_only; adlRankIndicator = raw_adl_rank; deleverageIndicator = raw_adl_rank; openTime = opened_at
updatedTime = updated_at; updatedAt = updated_at; /creationTime = published_at
{tpslMode,tpSlMode,tpSLMode} # deprecated by Bybit; trailingStop = attached_orders.2.trailing_offset none:0
activePrice = attached_orders.2.activation_price none:0
position_id := bybit:{native_listing.symbol}:{raw_side} | bybit:{native_listing.symbol}
[coin]
coin = asset_code; walletBalance = total; availableToWithdraw = max_withdrawable; availableToBorrow = max_borrowable
borrowAmount = debt; accruedInterest = interest; bonus = bonus; locked = locked_by_orders; use answered
collateralSwitch = collateral_enabled; /creationTime = published_at; /{result.list,data}.*.accountType = {type,type}
[coin margin]
coin = asset_code; equity = equity; usdValue = valuations.0.amount; totalOrderIM = order_initial_margin; use answered
totalPositionIM = position_initial_margin; totalPositionMM = maintenance_margin; unrealisedPnl = unrealized_pnl
cumRealisedPnl = realized_pnl; marginCollateral = serves_as_collateral; /creationTime = published_at
valuations.0.asset_code := USD if:usdValue=?*
[margin: AccountMargin] when totalEquity
{accountIM,accountMM}Rate = {initial,maintenance}_margin_ratio; accountLTV = loan_to_value; totalEquity = equity
totalWalletBalance = wallet_balance; totalMarginBalance = margin_balance; totalAvailableBalance = available
{totalPerpUPL,totalPerpUpl} = {unrealized_pnl,unrealized_pnl}; totalInitialMargin = initial_margin; use answered
totalMaintenanceMargin = maintenance_margin; /creationTime = published_at; asset_code := USD; all_assets := true
accountType # the balances have it
[balances: Balance] in margin at coin.*
use coin
[margin of an asset: AccountMargin] in margin at coin.*
use coin margin
[balances: Balance] at data.*.coin.*|. when coin walletBalance !transferBalance
use coin
[margin of an asset: AccountMargin] in balances when equity
use coin margin
[funding balances: Balance] at result.balance.* when coin transferBalance
coin = asset_code; walletBalance = total; transferBalance = max_withdrawable; bonus = bonus; use answered
/result.accountType = type
[exposure: AccountMargin] when baseCoin totalDelta
baseCoin = asset_code; total{Delta,Gamma,Vega,Theta} = option_exposure.{delta,gamma,vega,theta}
/creationTime = published_at
[ledger: LedgerEntry] when transactionTime cashFlow
use listing; use answered; id = entry_id; transactionTime = timestamp; type = type words:funding if:funding=?*
type = type; side = side; qty = quantity; size = position_after; currency = asset_code; tradePrice = price
funding = funding; fee = fees.0.amount; feeRate = fees.0.rate if:type=TRADE; feeRate = rate if:type=SETTLEMENT
cashFlow = cash_flow; change = change; cashBalance = balance_after; tradeId = trade_id; orderId = venue_order_id
orderLinkId = client_order_id; fees.0.asset_code := {asset_code} if:fee=?*; use unit
entry_id := {trade_id}-{raw_type} | {venue_order_id}-{raw_type}-{timestamp} | {asset_code}-{raw_type}-{timestamp}
[deliveries: LedgerEntry] when deliveryRpl
use listing; use answered; deliveryPrice = price; deliveryTime = timestamp; side = side; fee = fees.0.amount
position = quantity; deliveryRpl = realized_pnl; strike # the listing states it
entry_id := {native_listing.symbol}-{timestamp}; type := SETTLEMENT; use unit
[settlements: Ticker] when deliveryPrice
use listing; use answered; deliveryPrice = delivery_price; deliveryTime = timestamp
[deposits: Transfer] when toAddress successAt
coin = asset_code; chain = network; amount = amount; txID = onchain.transaction_id; status = state words:deposits
toAddress = to_address if:toAddress!=*@*; tag = memo; depositFee = fee.amount; successAt = completed_at; type := DEPOSIT
confirmations = confirmations; blockHash = onchain.block_hash; id = venue_transfer_id
transfer_id := bybit:{venue_transfer_id} | bybit:{onchain.transaction_id}
fee.asset_code := {asset_code} if:depositFee=?*
[withdrawals: Transfer] when withdrawId
coin = asset_code; chain = network; amount = received_amount; txID = onchain.transaction_id; status = state; tag = memo
toAddress = to_address if:toAddress!=*@*; toAddress # an e-mail address; withdrawFee = fee.amount; type := WITHDRAWAL
createTime = created_at; updateTime = updated_at; withdrawId = venue_transfer_id; withdrawType = raw_type
transfer_id := bybit:{venue_transfer_id}; fee.asset_code := {asset_code} if:withdrawFee=?*
[transfers: Transfer] when transferId coin
transferId = venue_transfer_id; coin = asset_code; amount = amount; {from,to}AccountType = {from,to}_wallet
timestamp = created_at; status = state; type := INTERNAL; transfer_id := bybit:{venue_transfer_id}
[borrow rates: BorrowRate] at result.vipCoinList.*.list.*|result.list.*|. when hourlyBorrowRate
/result.vipCoinList.*.vipLevel = tier; vipLevel = tier; currency = asset_code; hourlyBorrowRate = rate; interval := 1h
borrowable = borrowable; collateralRatio = collateral_ratio; marginCollateral = collateral; timestamp = timestamp
maxBorrowingAmount = max_borrow; /time = timestamp
[fee rates: VenueAccount] at result|. when list.0.makerFeeRate
list.*.symbol = fee_rates.*.native_listing.symbol; list.*.makerFeeRate = fee_rates.*.maker; /time = timestamp
list.*.takerFeeRate = fee_rates.*.taker
[fee rates: VenueAccount] when makerFeeRate takerFeeRate
symbol = fee_rates.0.native_listing.symbol; makerFeeRate = fee_rates.0.maker; takerFeeRate = fee_rates.0.taker
[settings: AccountSettings] when marginMode unifiedMarginStatus
marginMode = margin_mode; marginMode = margin_model words:model only; spotHedgingStatus = spot_hedging
updatedTime = timestamp
[quotes: Quote] when quoteTxId exchangeRate
quoteTxId = venue_quote_id; exchangeRate = bid_price; fromAmount = quantity; toAmount = quote_quantity
expiredTime = expires_at; quote_id := bybit:{venue_quote_id}; /time = timestamp
[conversions: ExecutionReport] at result.result|result.list.*|. when exchangeTxId convertRate
exchangeTxId = exec_id; exchangeTxId = venue_order_id; convertRate = last_price; fromAmount = last_quantity
toAmount = last_quote_quantity; exchangeStatus = order_status words:conversions; createdAt = timestamp; use answered
exec_type := TRADE; side := SELL; quantity_unit := BASE
[skip: a version of the API that Bybit shut down] when e or wallet_id or loanAccountList
[skip: the answer to a request: an order, a report or a transfer states the outcome] when orderId !side or transferId or exchangeStatus or coin amount
[skip: a deposit address, which GetDepositAddress answers] when addressDeposit or chains.0.addressDeposit
[skip: statistics of the venue's accounts and of the past, which the contracts do not hold] when buyRatio or period
[skip: limits of conversions, which the contracts do not hold] when coins.0.singleFromMinLimit
[skip: sub-accounts with personal data] when subMembers
[skip: service news and the clock] when @name=fetch_status|fetch_time
[skip: no record: a confirmation, a refusal or an empty answer] at . when @name=*
"""

VENUE = Venue(
    "bybit",
    tables(
        TABLES,
        {
            "instruments": multiple,
            "candles": candle_close,
            "fills": settled,
            "deliveries": settled,
            "orders": order,
            "positions": position,
            "withdrawals": withdrawn,
        },
    ),
    root="data.*|data|result.list.*|result.rows.*|result.data.*|result|*|.",
    time="ms",
    asset=asset,
    listing=listing,
    common="""
        /retCode ~ 0; /retMsg # of the answer; /retExtInfo # of the answer; /topic # the subscription; /type # the kind of the message
        /id # of the message; /time # when the answer was sent; /result.nextPageCursor # of a page; /op # the request
        /result.category # the records repeat it; /creationTime # when the push was sent
    """,
    words={
        "BalanceChangeReason": "REALIZED_PNL: realizedp&l realisedp&l; SETTLEMENT: delivery; TRANSFER: transferin transferout",
        "BalanceType": "DERIVATIVES: contract; FUNDING: fund; SPOT: spot",
        "ExecType": "TRADE: adltrade busttrade delivery settle blocktrade movePosition sessionsettlepnl",
        "MarginMode": "ISOLATED: 1",
        "OrderOrigin": (
            "USER: createbyuser; LIQUIDATION: busttrade createbyliq createbytakeover_passthrough; "
            "ADL: adltrade createbyadl_passthrough; DELIVERY: delivery; SETTLEMENT: settle createbysettle"
        ),
        "OrderReason": (
            "USER_REQUESTED: cancelbyuser ec_percancelrequest; LIQUIDATION: cancelbyprepareliq cancelallbeforeliq; "
            "ADL: cancelbyprepareadl cancelallbeforeadl; SELF_TRADE: cancelbysmp; DEAD_MAN_SWITCH: cancelbydcp; "
            "WOULD_INCREASE: cancelbyreduceonly; MARKET_CLOSED: cancelbysettle cancelbydelivery; "
            "WOULD_TAKE: ec_postonlywilltakeliquidity; NOT_FILLABLE: ec_noimmediateqtytofill ec_cancelfornofullfill; "
            "INSUFFICIENT_FUNDS: insufficient_margin; UNKNOWN_ORDER: ec_unknownorder; DUPLICATE_ID: ec_dupclordid"
        ),
        "OrderStatus": "NEW: triggered",
        "PositionSide": "NET: 0; LONG: 1; SHORT: 2",
        "PositionStatus": "OPEN: normal; LIQUIDATING: liq; DELEVERAGED: adl",
        "TransferStatus": "SUSPENDED: 0; ENABLED: 1",
        "TransferState": (
            "PROCESSING: securitycheck pending moreinformationrequired; SENT: blockchainconfirmed; COMPLETED: success; "
            "CANCELLED: cancelbyuser; REJECTED: reject; FAILED: fail failed"
        ),
        "TriggerDirection": "UP: 1; DOWN: 2",
        "conversions": "FILLED: success; PENDING_NEW: processing init; REJECTED: failure",
        "deposits": "PROCESSING: 0 1 2; COMPLETED: 3; FAILED: 4",
        "funding": "FUNDING: settlement",
        # Bybit states whose position was liquidated.
        "liquidated": "SELLER: Buy; BUYER: Sell",
        "maker": "MAKER: true; TAKER: false",
        "model": "PORTFOLIO: portfoliomargin; STANDARD: regularmargin isolatedmargin",
        "stop": "STOP: market; STOP_LIMIT: limit",
        "take": "TAKE_PROFIT: market; TAKE_PROFIT_LIMIT: limit",
        "trailing": "TRAILING_STOP: market; TRAILING_STOP_LIMIT: limit",
        "trigger": "TRIGGER_MARKET: market; TRIGGER_LIMIT: limit",
    },
)
