"""Bybit, version 5 of its API: https://bybit-exchange.github.io/docs/v5."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import cqc
from cqc.mapping import Context, Venue, candle_close, code_as_asset, settlement_asset, tables, trigger_type
from cqc.portfolio.v1 import PositionStatus
from cqc.venues.v1 import AttachedOrderKind, TrailingOffsetKind, Transfer, VenueSymbol

_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_DATED = re.compile(r"([A-Z0-9]+?)(USDT)?-(\d{1,2})([A-Z]{3})(\d\d)(?:-(\d+(?:\.\d+)?)-([CP])(?:-(USDT|USDC))?)?")
_SPOT = re.compile(r"([A-Z0-9]+?)(USDT|USDC|USDE|BTC|ETH|EUR|BRL|BRZ|DAI|PLN|TRY|MNT)")
_MULTIPLE = re.compile(r"(?P<before>1000+)(?P<base>[A-Z]\w*)|(?P<coin>[A-Z]+)(?P<after>1000+)")


def asset(code: str) -> str | None:
    """Bybit's codes are the asset ids, except those of contracts on a multiple (`1000BONK`)."""
    return None if _MULTIPLE.fullmatch(code) else code_as_asset(code)


def _base(name: str) -> tuple[str, str]:
    """The asset of a contract's base, and how many of it one unit of the base is."""
    found = _MULTIPLE.fullmatch(name)
    return (found["base"] or found["coin"], found["before"] or found["after"]) if found else (name, "")


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
            return cqc.venue_symbol_id("bybit", f"{_base(base)[0]}-{settled}-FUT-{settled}-{date}")
        quote = "USD" if settled == "USDC" else settled
        return cqc.venue_symbol_id("bybit", f"{base}-{quote}-OPT-{settled}-{date}-{strike.replace('.', 'd')}-{right}")
    perpetual = re.fullmatch(r"([A-Z0-9]+?)(PERP|USDT|USD)", symbol)
    if perpetual and segment in {"PERP": ("", "linear"), "USDT": ("linear",), "USD": ("", "inverse")}[perpetual[2]]:
        base, quote = _base(perpetual[1])[0], "USDC" if perpetual[2] == "PERP" else perpetual[2]
        return cqc.venue_symbol_id("bybit", f"{base}-{quote}-PERP-{base if quote == 'USD' else quote}")
    pair = _SPOT.fullmatch(symbol) if segment == "spot" else None
    return cqc.venue_symbol_id("bybit", f"{pair[1]}-{pair[2]}-SPOT") if pair else None


def attached(message: Any, context: Context) -> None:
    """The kinds of the attached orders that are there."""
    names = {"takeProfit": "TAKE_PROFIT", "stopLoss": "STOP_LOSS", "trailingStop": "TRAILING_STOP"}
    kinds = [kind for key, kind in names.items() if re.search("[1-9]", str(context.value(key) or ""))]
    for index in reversed(range(len(message.attached_orders))):
        if not (message.attached_orders[index].trigger_price or message.attached_orders[index].trailing_offset):
            del message.attached_orders[index]
    for item, kind in zip(message.attached_orders, kinds, strict=False):
        item.kind = AttachedOrderKind.Value(f"ATTACHED_ORDER_KIND_{kind}")
        if item.trailing_offset:
            item.trailing_offset_kind = TrailingOffsetKind.TRAILING_OFFSET_KIND_PRICE


def charged(message: Any, context: Context) -> None:
    """What an order was charged in which assets."""
    for index, (code, amount) in enumerate((context.value("cumFeeDetail") or {}).items()):
        fee = message.fees[index] if index < len(message.fees) else message.fees.add()
        fee.asset_code, fee.amount = code, str(amount)


def position(message: Any, _context: Context) -> None:
    """Whether it is closed, and its place in the queue on Bybit's scale of 1 to 5."""
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
    if message.received_amount:
        message.amount = cqc.format_decimal(Decimal(message.received_amount) + Decimal(message.fee.amount or 0))


ENDED = "Cancelled|Rejected|PartiallyFilledCanceled|Deactivated"
TABLES = r"""
[answered]
/time = published_at if:/result
[listing]
{symbol,/result.symbol} = listing; {category,/result.category} = native_listing.segment
[contract]
native_listing.segment := inverse if:symbol=<inverse>; native_listing.segment := linear if:symbol=*USDT|*PERP
[unit]
quantity_unit := QUOTE if:symbol=<inverse> or s=<inverse>; quantity_unit := BASE
[book]
use answered; {s,/result.s} = listing; u = sequence; cts = timestamp; ts = timestamp if:!cts; {ts,/ts} = published_at
/ts = timestamp if:!/cts; /cts = timestamp; {b,a}.*.0 = {bids,asks}.*.price; use unit
{b,a}.*.1 = {bids,asks}.*.quantity; seq # orders books of several depths among each other
[fill]
use answered; use listing; use unit; /creationTime = published_at; exec_type := TRADE; execType = exec_type
execType = origin only if:!createType; execType = origin only if:createType=; createType = origin; execId = exec_id
{execId,tradeId} = trade_id; tradeId = exec_id if:!execId; orderId = venue_order_id; orderLinkId = client_order_id
seq = venue_sequence; blockTradeId = block_trade_id; side = side; execPrice = last_price; execQty = last_quantity
execValue = last_quote_quantity if:symbol!=<inverse>; closedSize = closed_quantity; leavesQty = leaves_quantity
{execTime,tradeTime} = timestamp; isMaker = liquidity words:maker; lastLiquidityInd = liquidity; execFee = fees.0.amount
feeRate = fees.0.rate; {feeCurrency,feeCoin} = fees.0.asset_code; execPnl = realized_pnl
tradeIv = market_context.price_volatility; markIv = market_context.mark_volatility
{mark,index,underlying}Price = market_context.{mark,index,underlying}_price
[attached]
{takeProfit,tpLimitPrice} = attached_orders.0.{trigger_price,price} none:0
tpTriggerBy = attached_orders.0.trigger_kind none:UNKNOWN if:takeProfit=*[1-9]*
{stopLoss,slLimitPrice} = attached_orders.1.{trigger_price,price} none:0
slTriggerBy = attached_orders.1.trigger_kind none:UNKNOWN if:stopLoss=*[1-9]*
{trailingStop,activePrice} = attached_orders.2.{trailing_offset,activation_price} none:0

[instruments: VenueSymbol] when symbol priceFilter
symbol = native_symbol; symbolId = native_id; symbolType = underlying_kind; /result.category = segment
segment := option if:optionsType; segment := linear if:contractType=Linear*; segment := inverse if:contractType=Inverse*
segment := spot; contractType = raw_symbol_type; status = trading_mode
marginTrading = margin_enabled is:both|utaOnly|normalSpotOnly; baseCoin = base_code; quoteCoin = quote_code
settleCoin = settlement_code; use unit; launchTime = listed_at; deliveryTime = delisted_at
deliveryFeeRate = fees.0.settlement; priceScale = price_precision; priceFilter.{min,max}Price = rules.{min,max}_price
priceFilter.tickSize = rules.tick_tiers.0.tick_size
lotSizeFilter.{min,max}OrderQty = rules.limit_order.{min,max}_quantity
lotSizeFilter.maxLimitOrderQty = rules.limit_order.max_quantity
lotSizeFilter.{min,max}OrderAmt = rules.limit_order.{min,max}_notional
lotSizeFilter.minNotionalValue = rules.limit_order.min_notional
lotSizeFilter.postOnlyMaxOrderQty = rules.post_only_order.max_quantity
{lotSizeFilter.basePrecision,lotSizeFilter.qtyStep} = rules.limit_order.lot_step
{lotSizeFilter.maxMktOrderQty,lotSizeFilter.maxMarketOrderQty} = rules.market_order.max_quantity
rules.market_order.min_quantity := {rules.limit_order.min_quantity} if:lotSizeFilter.maxMktOrderQty=?*
rules.market_order.lot_step := {rules.limit_order.lot_step} if:lotSizeFilter.maxMktOrderQty=?*
rules.post_only_order.min_quantity := {rules.limit_order.min_quantity} if:lotSizeFilter.postOnlyMaxOrderQty=?*
rules.post_only_order.lot_step := {rules.limit_order.lot_step} if:lotSizeFilter.postOnlyMaxOrderQty=?*
leverageFilter.leverageStep = leverage_step; leverageFilter.{min,max}Leverage = {min,max}_leverage
fundingInterval = funding_interval m; {lower,upper}FundingRate = {min,max}_funding_rate
[symbols: Symbol] in instruments
contractType = payoff; optionsType = option_type

[margin tiers: VenueSymbol] when riskLimitValue isLowestRisk
symbol = native_symbol; /result.category = segment; segment := inverse if:symbol=*USD; segment := linear; use unit
id = margin_tiers.0.tier_id; riskLimitValue = margin_tiers.0.max_notional if:symbol!=*USD
maxLeverage = margin_tiers.0.max_leverage
{initial,maintenance}Margin = margin_tiers.0.{initial,maintenance}_margin_rate % if:initialMargin=[1-9]*,maxLeverage!=1
{initial,maintenance}Margin = margin_tiers.0.{initial,maintenance}_margin_rate if:initialMargin=0*

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

[interest]
use answered; use listing; openInterest = quantity; use unit; use contract; {timestamp,/ts} = timestamp
openInterestValue = notional if:symbol!=<inverse>
[rate]
use answered; use listing; use contract; fundingRate = rate; {nextFundingTime,fundingRateTimestamp} = funding_time
/ts = timestamp; fundingIntervalHour = interval h; fundingCap = max_rate

[tickers: Ticker] partial if:/type=delta when symbol lastPrice !orderId or symbol /topic=tickers*
use answered; use listing
native_listing.segment := linear if:symbol=*USDT|*PERP,fundingRate=?* or symbol=*USDT,markPrice
native_listing.segment := inverse if:symbol=<inverse>; native_listing.segment := option if:delta; use unit
/ts = timestamp; /cs = sequence; lastPrice = last_price; {bid,ask}1Price = {bid,ask}_price none:0
{bid,ask}Price = {bid,ask}_price none:0; {bid,ask}1Size = {bid,ask}_quantity none:0
{bid,ask}Size = {bid,ask}_quantity none:0; {lastTickDirection,tickDirection} = last_tick_direction
{mark,index}Price = {mark,index}_price; predictedDeliveryPrice = estimated_delivery_price none:0
windows.0.duration := 24h if:volume24h or highPrice24h or prevPrice24h or turnover24h or change24h or price24hPcnt
prevPrice24h = windows.0.open; {high,low}Price24h = windows.0.{high,low}; volume24h = windows.0.volume
turnover24h = windows.0.quote_volume if:symbol!=<inverse>; turnover24h = windows.0.settlement_volume if:symbol=<inverse>
{price24hPcnt,change24h} = windows.0.price_change_percent e2; windows.1.duration := 1h if:prevPrice1h=?*
prevPrice1h = windows.1.open; {deliveryTime,deliveryFeeRate} # the listing states it
[open interest: OpenInterest] in tickers partial if:/type=delta when openInterest or openInterestValue
use interest
[funding: FundingRate] in tickers partial if:/type=delta when fundingRate or nextFundingTime=?*
use rate
[greeks: OptionGreeks] in tickers when delta
use answered; use listing; {delta,gamma,vega,theta} = {delta,gamma,vega,theta}; underlyingPrice = underlying_price
{bid1,ask1,mark}Iv = {bid,ask,mark}_implied_volatility none:0; markPriceIv = mark_implied_volatility none:0
{bid,ask}Iv = {bid,ask}_implied_volatility none:0; /ts = timestamp

[funding history: FundingRate] when fundingRate fundingRateTimestamp
use rate; settled := true
[open interest history: OpenInterest] when openInterest timestamp
quantity_unit := QUOTE if:/result.symbol=*USD; use interest

[trades: Trade] when execId price size isBlockTrade or T s S v p i
use answered; use listing; {execId,i} = trade_id; {price,p} = price; {size,v} = quantity; {side,S} = aggressor
{time,T} = timestamp; {isBlockTrade,BT} = block; s = listing; L = tick_direction; seq = sequence; /ts = published_at
native_listing.segment := inverse if:s=*USD
native_listing.segment := linear if:s=*USDT|*PERP,L or s=*USDT,/topic=*.linear.*; use unit
[liquidations: Liquidation] when T s S v p or symbol size side price updatedTime !orderId
{symbol,s} = listing; {price,p} = bankruptcy_price; {size,v} = filled_quantity; {updatedTime,T} = timestamp
/ts = published_at; {side,S} = side words:liquidated; native_listing.segment := inverse if:s=*USD or symbol=*USD
native_listing.segment := linear; use unit
[funding paid: FundingPaid] when execType=Funding
symbol = listing; category = native_listing.segment; execFee = amount neg; execTime = funding_time; use contract
execId = venue_payment_id; execPrice = mark_price; feeCurrency = asset_code; orderType ~ UNKNOWN; execType ~ Funding
stopOrderType ~ UNKNOWN; asset_code := USDT if:symbol=*USDT; asset_code := USDC if:symbol=*PERP; leavesQty ~ 0
orderQty ~ 0; orderPrice ~ 0; closedSize ~ 0; nextPageCursor # of the answer
[fills: ExecutionReport] when execPrice execQty
use fill

[orders: Order] when orderStatus orderId or closedPnl avgEntryPrice orderId
use listing; orderId = venue_order_id; order_id := bybit:{venue_order_id}; orderLinkId = client_order_id; use unit
side = side; positionIdx = position_side; orderStatus = status; cancelType = status_reason none:UNKNOWN
rejectReason = status_reason none:EC_NoError,UNKNOWN if:cancelType!=Cancel*
rejectReason = status_reason_text none:EC_NoError,UNKNOWN; orderType = type words:trailing if:stopOrderType=TrailingStop
orderType = type words:trigger if:stopOrderType=tpslOrder,triggerPrice=?*; orderType = type; timeInForce = time_in_force
timeInForce = post_only is:PostOnly; stopOrderType = raw_conditions none:UNKNOWN; tpslMode = raw_flags none:UNKNOWN
reduceOnly = reduce_only; closeOnTrigger = reduce_only if:closeOnTrigger=true; position_effect := CLOSE if:avgExitPrice
qty = quantity if:marketUnit!=quoteCoin; qty = quote_quantity if:marketUnit=quoteCoin
price = price none:0 if:orderType!=Market; {orderIv,iv} = volatility_price none:0; isLeverage = auto_borrow
leverage = leverage; triggerDirection = trigger_direction none:0; triggerPrice = trigger_price none:0
triggerBy = trigger_kind none:UNKNOWN; use attached; {closedSize,cumExecQty} = cumulative_quantity
avgPrice = average_price none:0; avgExitPrice = average_price
{cumExitValue,cumExecValue} = cumulative_quote_quantity if:symbol!=<inverse>
leavesQty = leaves_quantity if:orderStatus!=<ended>|Filled; leavesQty = leaves_quantity if:leavesQty!=*[1-9]*
leavesQty = cancelled_quantity if:leavesQty=*[1-9]*,orderStatus=<ended>
leaves_quantity := 0 if:orderStatus=<ended>|Filled; leavesValue # the leaves at the price, which the order states
fillCount = fill_count; cumExecFee = fees.0.amount; feeCurrency = fees.0.asset_code; cumFeeDetail # the fees have it
{createdTime,createdAt} = created_at; {updatedTime,updatedAt,updateTimeStamp} = updated_at
/creationTime # when the push was sent; smpOrderId ~ 0; smpType = self_trade_prevention
smpGroup = self_trade_group_id none:0; {execType,createType} = origin; slippageTolerance ~ 0
blockTradeId # of its fills, which state it; lastPriceOnCreated # of the ticker then; slippageToleranceType ~ UNKNOWN
basePrice # see lastPriceOnCreated

[positions: Position] when symbol side size positionValue
use answered; use listing; use contract; use unit
position_id := bybit:{native_listing.symbol}:{raw_side} | bybit:{native_listing.symbol}; positionIdx = side
positionStatus = status; tradeMode = margin_mode; side # the sign of the quantity states it
size = quantity neg if:side=Sell; size = quantity if:side!=Sell; {avgPrice,entryPrice} = entry_price none:0
sessionAvgPrice = session_entry_price none:0; markPrice = market_context.mark_price
{liq,bust}Price = {liquidation,bankruptcy}_price none:0; positionValue = entry_cost if:symbol!=<inverse>
leverage = leverage; riskId = venue_margin_tier_id none:0; riskLimitValue = max_notional none:0 if:symbol!=<inverse>
positionBalance = collateral none:0; {positionIM,positionIMByMp} = position_initial_margin
{positionMM,positionMMByMp} = maintenance_margin; orderMargin = order_initial_margin
occClosingFee = closing_fee_reserve; autoAddMargin = auto_add_margin; isReduceOnly = reduce_only
unrealisedPnl = unrealized_pnl; {cur,cum}RealisedPnl = {realized_pnl_net,cumulative_realized_pnl}
session{RPL,UPL} = session_{realized,unrealized}_pnl; use attached; {tpslMode,tpSlMode,tpSLMode} # deprecated by Bybit
{adlRankIndicator,deleverageIndicator} = raw_adl_rank; openTime = opened_at; {updatedTime,updatedAt} = updated_at
seq = sequence; /creationTime = published_at

[coin]
use answered; coin = asset_code; walletBalance = total; {availableToWithdraw,transferBalance} = max_withdrawable
borrowAmount = debt; availableToBorrow = max_borrowable; accruedInterest = interest; bonus = bonus
locked = locked_by_orders; collateralSwitch = collateral_enabled; /creationTime = published_at
/{result.list,data}.*.accountType = type; /result.accountType = type
[coin margin]
use answered; coin = asset_code; equity = equity; usdValue = valuations.0.amount; totalOrderIM = order_initial_margin
totalPositionIM = position_initial_margin; totalPositionMM = maintenance_margin; unrealisedPnl = unrealized_pnl
cumRealisedPnl = realized_pnl; marginCollateral = serves_as_collateral; /creationTime = published_at
valuations.0.asset_code := USD if:usdValue=?*

[margin: AccountMargin] when totalEquity
use answered; {accountIM,accountMM}Rate = {initial,maintenance}_margin_ratio; accountLTV = loan_to_value
totalEquity = equity; totalWalletBalance = wallet_balance; totalMarginBalance = margin_balance; asset_code := USD
totalAvailableBalance = available; {totalPerpUPL,totalPerpUpl} = unrealized_pnl; totalInitialMargin = initial_margin
totalMaintenanceMargin = maintenance_margin; /creationTime = published_at; all_assets := true
accountType # the balances have it
[balances: Balance] in margin at coin.*
use coin
[margin of an asset: AccountMargin] in margin at coin.*
use coin margin
[balances: Balance] at data.*.coin.*|result.balance.*|. when coin walletBalance
use coin
[margin of an asset: AccountMargin] in balances when equity
use coin margin
[exposure: AccountMargin] when baseCoin totalDelta
baseCoin = asset_code; total{Delta,Gamma,Vega,Theta} = option_exposure.{delta,gamma,vega,theta}
/creationTime = published_at

[ledger: LedgerEntry] when transactionTime cashFlow
use answered; use listing; id = entry_id
entry_id := {trade_id}-{raw_type} | {venue_order_id}-{raw_type}-{timestamp} | {asset_code}-{raw_type}-{timestamp}
type = type words:funding if:funding=?*; type = type; transactionTime = timestamp; currency = asset_code
change = change; cashFlow = cash_flow; cashBalance = balance_after; funding = funding; fee = fees.0.amount
feeRate = fees.0.rate if:type=TRADE; feeRate = rate if:type=SETTLEMENT; fees.0.asset_code := {asset_code} if:fee=?*
tradeId = trade_id; orderId = venue_order_id; orderLinkId = client_order_id; side = side; qty = quantity
size = position_after; tradePrice = price; use unit
[deliveries: LedgerEntry] when deliveryRpl
use answered; use listing; deliveryPrice = price; deliveryTime = timestamp; side = side; fee = fees.0.amount
position = quantity; deliveryRpl = realized_pnl; strike # the listing states it
entry_id := {native_listing.symbol}-{timestamp}; type := SETTLEMENT; use unit
[settlements: Ticker] when deliveryPrice
use answered; use listing; deliveryPrice = delivery_price; deliveryTime = timestamp

[transfers: Transfer] when toAddress successAt or withdrawId or transferId coin
{id,withdrawId,transferId} = venue_transfer_id
transfer_id := bybit:{venue_transfer_id} | bybit:{onchain.transaction_id}; type := DEPOSIT if:successAt
type := WITHDRAWAL if:withdrawId; type := INTERNAL; withdrawType = raw_type; status = state words:deposits if:successAt
status = state; coin = asset_code; amount = received_amount if:withdrawId; amount = amount if:!withdrawId
{depositFee,withdrawFee} = fee.amount; fee.asset_code := {asset_code} if:depositFee=?* or withdrawFee=?*
chain = network; toAddress = to_address if:toAddress!=*@*; toAddress # an e-mail address; tag = memo
txID = onchain.transaction_id; blockHash = onchain.block_hash; confirmations = confirmations
{from,to}AccountType = {from,to}_wallet; {createTime,timestamp} = created_at; updateTime = updated_at
successAt = completed_at
[borrow rates: BorrowRate] at result.vipCoinList.*.list.*|result.list.*|. when hourlyBorrowRate
{/result.vipCoinList.*.vipLevel,vipLevel} = tier; currency = asset_code; hourlyBorrowRate = rate; interval := 1h
borrowable = borrowable; collateralRatio = collateral_ratio; marginCollateral = collateral
{timestamp,/time} = timestamp; maxBorrowingAmount = max_borrow
[fee rates: VenueAccount] at result|. when list.0.makerFeeRate or makerFeeRate
list.*.symbol = fee_rates.*.native_listing.symbol; list.*.{maker,taker}FeeRate = fee_rates.*.{maker,taker}
symbol = fee_rates.0.native_listing.symbol; {maker,taker}FeeRate = fee_rates.0.{maker,taker}; /time = timestamp
[settings: AccountSettings] when marginMode unifiedMarginStatus
marginMode = margin_mode; marginMode = margin_model words:model only; spotHedgingStatus = spot_hedging
updatedTime = timestamp
[quotes: Quote] when quoteTxId exchangeRate
{fromCoinType,toCoinType} ~ crypto; quoteTxId = venue_quote_id; exchangeRate = bid_price; fromAmount = quantity
toAmount = quote_quantity; expiredTime = expires_at; quote_id := bybit:{venue_quote_id}; /time = timestamp
[conversions: ExecutionReport] at result.result|result.list.*|. when exchangeTxId convertRate
use answered; {fromCoinType,toCoinType} ~ crypto; exchangeTxId = exec_id; exchangeTxId = venue_order_id
convertRate = last_price; fromAmount = last_quantity; toAmount = last_quote_quantity; createdAt = timestamp
exchangeStatus = order_status words:conversions; exec_type := TRADE; side := SELL; quantity_unit := BASE
[skip: a version of the API that Bybit shut down] when e or wallet_id or loanAccountList
[skip: an answer, whose outcome other records state] when orderId !side or transferId or exchangeStatus or coin amount
[skip: a deposit address, which GetDepositAddress answers] when addressDeposit or chains.0.addressDeposit
[skip: statistics and conversion limits, which no message holds] when buyRatio or period or coins.0.singleFromMinLimit
[skip: sub-accounts with personal data] when subMembers
[skip: no record: a confirmation, a refusal, an empty answer, service news or the clock] at . when @name=*
"""

VENUE = Venue(
    "bybit",
    tables(
        TABLES.replace("<inverse>", "*USD|*USD[HMUZ]??").replace("<ended>", ENDED),
        {
            "instruments": multiple,
            "candles": candle_close,
            "fills": settlement_asset,
            "deliveries": settlement_asset,
            "orders": (attached, charged, trigger_type, settlement_asset),
            "positions": (attached, settlement_asset, position),
            "transfers": withdrawn,
        },
    ),
    root="data.*|data|result.list.*|result.rows.*|result.data.*|result|*|.",
    time="ms",
    asset=asset,
    listing=listing,
    common="""
        /retCode ~ 0; {/retMsg,/retExtInfo} # of the answer; /topic # the subscription; /id # of the message
        {/time,/creationTime} # when it was sent; /result.nextPageCursor # of a page; /type # the kind of the message
    """,
    words={
        "BalanceChangeReason": "SETTLEMENT: delivery; TRANSFER: transferin transferout",
        "BalanceType": "DERIVATIVES: contract; FUNDING: fund",
        "CalendarInterval": "MONTH: M",
        "ExecType": "TRADE: adltrade busttrade delivery settle blocktrade movePosition sessionsettlepnl",
        "MarginMode": "ISOLATED: 1",
        "OptionType": "CALL: Call; PUT: Put",
        "OrderOrigin": """USER: createbyuser; LIQUIDATION: busttrade createbyliq createbytakeover_passthrough;
            ADL: adltrade createbyadl_passthrough; DELIVERY: delivery; SETTLEMENT: settle createbysettle""",
        "OrderReason": """USER_REQUESTED: cancelbyuser ec_percancelrequest; LIQUIDATION: cancelbyprepareliq;
            ADL: cancelbyprepareadl cancelallbeforeadl; SELF_TRADE: cancelbysmp; DEAD_MAN_SWITCH: cancelbydcp;
            WOULD_INCREASE: cancelbyreduceonly; MARKET_CLOSED: cancelbysettle cancelbydelivery;
            WOULD_TAKE: ec_postonlywilltakeliquidity; NOT_FILLABLE: ec_noimmediateqtytofill ec_cancelfornofullfill;
            INSUFFICIENT_FUNDS: insufficient_margin; UNKNOWN_ORDER: ec_unknownorder; DUPLICATE_ID: ec_dupclordid""",
        "OrderStatus": "NEW: triggered",
        "PositionSide": "NET: 0; LONG: 1; SHORT: 2",
        "PositionStatus": "OPEN: normal; LIQUIDATING: liq; DELEVERAGED: adl",
        "TransferStatus": "SUSPENDED: 0; ENABLED: 1",
        "TransferState": """PROCESSING: securitycheck pending moreinformationrequired; SENT: blockchainconfirmed;
            COMPLETED: success; CANCELLED: cancelbyuser; REJECTED: reject; FAILED: fail failed""",
        "TriggerDirection": "UP: 1; DOWN: 2",
        "conversions": "FILLED: success; PENDING_NEW: processing init; REJECTED: failure",
        "deposits": "PROCESSING: 0 1 2; COMPLETED: 3; FAILED: 4",
        "funding": "FUNDING: settlement",
        # Bybit states whose position was liquidated.
        "liquidated": "SELLER: Buy; BUYER: Sell",
        "maker": "MAKER: true; TAKER: false",
        "model": "PORTFOLIO: portfoliomargin; STANDARD: regularmargin isolatedmargin",
        "trailing": "TRAILING_STOP: market; TRAILING_STOP_LIMIT: limit",
        "trigger": "TRIGGER_MARKET: market; TRIGGER_LIMIT: limit",
    },
)
