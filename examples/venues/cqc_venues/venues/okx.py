"""OKX: https://www.okx.com/docs-v5. The model of a venue: start here to map another."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

import cqc
from cqc.mapping import Context, Venue, candle_close, code_as_asset, tables, trigger_direction
from cqc.markets.v1 import LegSide, OptionType, SymbolLeg, SymbolType, Ticker
from cqc.venues.v1 import AttachedOrderKind, OrderType, VenueSymbol

_NATIVE = re.compile(r"([A-Z0-9]+)-([A-Z0-9]+)(?:-(SWAP|\d{6})(?:-(\d+(?:\.\d+)?)-([CP]))?)?")


def product(segment: str, symbol: str) -> str | None:
    """`BTC-USD-SWAP` is settled in BTC, `BTC-USDT-SWAP` in USDT. Dated contracts expire at 8:00 UTC."""
    found = _NATIVE.fullmatch(symbol)
    if not found:
        return None
    base, quote, term, strike, right = found.groups()
    kind = SymbolType.SYMBOL_TYPE_MARGIN if segment == "MARGIN" else SymbolType.SYMBOL_TYPE_SPOT
    parts: dict[str, Any] = {"quote_asset_id": quote}
    try:
        if term:
            kind = SymbolType.SYMBOL_TYPE_PERPETUAL
            parts["settlement_asset_id"] = base if quote == "USD" else quote
        if term not in (None, "SWAP"):
            kind = SymbolType.SYMBOL_TYPE_FUTURE
            parts["expiry"] = Timestamp()
            parts["expiry"].FromJsonString(f"20{term[:2]}-{term[2:4]}-{term[4:]}T08:00:00Z")
        if strike:
            kind = SymbolType.SYMBOL_TYPE_OPTION
            right = OptionType.OPTION_TYPE_CALL if right == "C" else OptionType.OPTION_TYPE_PUT
            parts |= {"strike_asset_id": parts.pop("quote_asset_id"), "strike": strike, "option_type": right}
        return cqc.symbol_id(cqc.SymbolIdParts(kind, base, **parts))
    except ValueError:
        return None


def listing(segment: str, symbol: str) -> str | None:
    """The id of the listing; a name that stands for no product makes none."""
    return cqc.venue_symbol_id("okx", product(segment, symbol) or "")


def contract(message: VenueSymbol, context: Context) -> None:
    """OKX states the size of a contract as a product."""
    sent = context.record
    if sent.get("ctVal") and sent.get("ctMult", "1") != "1":
        message.contract_size = cqc.format_decimal(Decimal(sent["ctVal"]) * Decimal(sent["ctMult"]))


def days(message: Ticker, _context: Context) -> None:
    """OKX states the open of the day in UTC and in UTC+8: when these days began."""
    seconds = message.timestamp.seconds
    for window in message.windows[1:]:
        offset = 0 if window is message.windows[1] else 8 * 3600
        window.start_time.seconds = (seconds + offset) // 86400 * 86400 - offset


def order(message: Any, context: Context) -> None:
    """Which of the two an attached order is; an order with a trigger and a price rests at it once triggered."""
    for item, sent in zip(message.attached_orders, context.value("attachAlgoOrds") or [], strict=False):
        kind = "STOP_LOSS" if sent.get("slTriggerPx") else "TAKE_PROFIT"
        item.kind = AttachedOrderKind.Value(f"ATTACHED_ORDER_KIND_{kind}")
    name = OrderType.Name(message.type).replace("TRIGGER_MARKET", "TRIGGER")
    if message.price and name.endswith(("_STOP", "_TAKE_PROFIT", "_TRIGGER")):
        message.type = OrderType.Value(f"{name}_LIMIT")
    trigger_direction(message, context)


def withdrawn(message: Any, _context: Context) -> None:
    """OKX states what arrives, and takes a fee in the same asset on top."""
    fee = message.fee.amount if message.fee.asset_code == message.asset_code else ""
    if message.received_amount:
        message.amount = cqc.format_decimal(Decimal(message.received_amount) + Decimal(fee or 0))


def spread(message: VenueSymbol, context: Context) -> None:
    """A spread is a combination of one of each leg."""
    sides = {"buy": LegSide.LEG_SIDE_BUY, "sell": LegSide.LEG_SIDE_SELL}
    message.symbol_id = cqc.combo_id(
        SymbolLeg(symbol_id=product("", leg["instId"]) or "", side=sides[leg["side"]], ratio="1")
        for leg in context.record.get("legs", [])
    )
    message.venue_symbol_id = cqc.venue_symbol_id("okx", message.symbol_id)


# Market and stop orders of SPOT and MARGIN have their limits in USDT instead of units of the base.
TABLES = r"""
[listing]
instId = listing; instType = native_listing.segment

[unit]
quantity_unit := CONTRACTS if:instId=*-*-* or /arg.instId=*-*-*; quantity_unit := BASE if:instId=*-* or /arg.instId=*-*

[book]
use unit; {/arg.instId,instId} = listing; ts = timestamp; checksum = checksum int32; seqId = sequence
prevSeqId = previous_sequence none:-1; checksum_kind := CRC32_OKX if:checksum=?*; {bids,asks}.*.0 = {bids,asks}.*.price
{bids,asks}.*.1 = {bids,asks}.*.quantity; {bids,asks}.*.3 = {bids,asks}.*.order_count
{bids,asks}.*.2 # deprecated, always 0

[fill]
use listing; tradeId = trade_id; exec_id := {trade_id} | {venue_order_id}-{timestamp}; exec_type := TRADE
ordId = venue_order_id; clOrdId = client_order_id; side = side; posSide = position_side; fillPx = last_price
fillSz = last_quantity; execType = liquidity; state = order_status; billId # the ledger has it
legs.*.{instId,px,sz,side,tradeId} = legs.*.{native_listing.symbol,price,quantity,side,trade_id}
legs.*.fee = legs.*.fees.0.amount neg; legs.*.feeCcy = legs.*.fees.0.asset_code
fillFee = fees.0.amount neg if:fillFee=?*; fillFeeCcy = fees.0.asset_code if:fillFee=?*
fee = fees.0.amount neg if:!state,fee=?*; feeCcy = fees.0.asset_code if:!state,fee=?*; fillPnl = realized_pnl
{fillTime,ts} = timestamp; fill{Idx,Mark,Fwd}Px = market_context.{index,mark,forward}_price
fill{Px,Mark}Vol = market_context.{price,mark}_volatility; fillPxUsd = last_strike_asset_price
fillNotionalUsd = last_valuation.amount; last_valuation.asset_code := USD if:fillNotionalUsd=?*; tag # the order has it
sprdId = listing; use unit

[balance]
ccy = asset_code; {cashBal,bal} = total; availBal = free; frozenBal = locked; ordFrozen = locked_by_orders; liab = debt
interest = interest; maxLoan = max_borrowable; collateralEnabled = collateral_enabled; uTime = timestamp
/data.*.eventType # why OKX pushed; {/data.*.pTime,/pTime} = published_at
{/data.*.trades,/trades} # each is a fill of its own; openAvgPx = average_cost.amount; rewardBal = bonus
average_cost.asset_code := USD if:openAvgPx=?*

[position]
use listing; /data.*.eventType # why OKX pushed; {/data.*.pTime,/pTime} = published_at
{/data.*.trades,/trades} # each is a fill of its own; {uTime,uTIme} = updated_at; posId = venue_position_id
posSide = side; mgnMode = margin_mode; pos = quantity; availPos = available_quantity; avgPx = entry_price
last = last_price; markPx = market_context.mark_price; idxPx = market_context.index_price; lever = leverage
liqPx = liquidation_price; margin = collateral; imr = initial_margin; mmr = maintenance_margin
mgnRatio = maintenance_margin_level; uplLastPx = unrealized_pnl_at_last; uplRatio = unrealized_pnl_ratio
upl = unrealized_pnl; realizedPnl = realized_pnl_net; pnl = realized_pnl; fundingFee = funding; fee = fees.0.amount neg
liqPenalty = liquidation_fee neg; interest = interest; liab = debt neg; liabCcy = debt_asset_code
optVal = settlement_value; notionalUsd = valuations.0.amount; valuations.0.asset_code := USD if:notionalUsd=?*
adl_quantile := 0 if:adl=0; adl_quantile := 0.2 if:adl=1; adl_quantile := 0.4 if:adl=2; adl_quantile := 0.6 if:adl=3
adl_quantile := 0.8 if:adl=4; adl_quantile := 1 if:adl=5; ccy = settlement_asset_code; adl = raw_adl_rank
tradeId = last_venue_trade_id; cTime = opened_at; pTime = published_at; bePx = break_even_price none:0
{delta,gamma,vega,theta}BS = greeks.{delta,gamma,vega,theta}; fees.0.asset_code := {settlement_asset_code} if:fee=?*
openAvgPx = entry_price; closeAvgPx = exit_price; openMaxPos = largest_quantity; closeTotalPos = closed_quantity
direction = side; uly # the listing states it
position_id := okx:{venue_position_id} | okx:{native_listing.symbol}:{raw_side} | okx:{native_listing.symbol}
{delta,gamma,vega,theta}PA = premium_adjusted_greeks.{delta,gamma,vega,theta}; use unit

[transfer]
ccy = asset_code; chain = network; txId = onchain.transaction_id; from # personal data: an e-mail address or a phone
to = to_address if:to=*[A-Za-z]*,to!=*@*; to # personal data: an e-mail address or a phone
{depId,wdId} = venue_transfer_id; clientId = client_transfer_id; fee = fee.amount re:([\d.]+)
feeCcy = fee.asset_code if:fee=?*; actualDepBlkConfirm = confirmations; ts = created_at; pTime = updated_at
fee.asset_code := {asset_code} if:fee=?*; transfer_id := okx:{venue_transfer_id}

[instruments: VenueSymbol] when instId tickSz lotSz
instId = native_symbol; instType = segment; uly = native_pair; instFamily = price_index; alias = expiry_series
state = trading_mode; {base,quote,settle}Ccy = {base,quote,settlement}_code; ctVal = contract_size if:ctMult=1
ctMult ~ 1; category # deprecated by OKX; optType # the symbol has it; ctValCcy = base_code if:ctValCcy!=USD
ctValCcy = quote_code if:ctValCcy=USD; ctType = raw_payoff_type; lever = max_leverage
{list,exp}Time = {listed,delisted}_at; tickSz = rules.tick_tiers.0.tick_size; lotSz = rules.limit_order.lot_step
minSz = rules.limit_order.min_quantity; maxLmtSz = rules.limit_order.max_quantity
max{Iceberg,Twap}Sz = rules.{iceberg,twap}_order.max_quantity
max{Mkt,Stop}Sz = rules.{market,trigger}_order.max_notional if:instType=SPOT|MARGIN
rules.market_order.notional_asset_code := USDT if:instType=SPOT|MARGIN,maxMktSz=?*; contTdSwTime = launch_phase_ends_at
rules.trigger_order.notional_asset_code := USDT if:instType=SPOT|MARGIN,maxStopSz=?*; instIdCode = native_id
max{Mkt,Stop}Sz = rules.{market,trigger}_order.max_quantity if:instType!=SPOT|MARGIN
max{Lmt,Mkt}Amt = rules.{limit,market}_order.max_notional; rules.market_order.notional_asset_code := USD if:maxMktAmt=?*
rules.limit_order.notional_asset_code := USD if:maxLmtAmt=?*; maxTriggerSz = rules.trigger_order.max_quantity
contract_size_unit := BASE if:ctValCcy!=USD ctVal=?*; contract_size_unit := QUOTE if:ctValCcy=USD ctVal=?*; use unit

[symbols: Symbol] in instruments
stk = strike; expTime = expiry; optType = option_type

[spreads: VenueSymbol] when sprdId tickSz
sprdId = native_symbol; sprdType = raw_payoff_type; state = trading_mode; baseCcy = base_code; quoteCcy = quote_code
tickSz = rules.tick_tiers.0.tick_size; lotSz = rules.limit_order.lot_step; listTime = listed_at
minSz = rules.limit_order.min_quantity; expTime = delisted_at

[margin tiers: VenueSymbol] when tier maxLever
instId = native_symbol; imr = margin_tiers.0.initial_margin_rate; mmr = margin_tiers.0.maintenance_margin_rate
tier = margin_tiers.0.tier_id; minSz = margin_tiers.0.min_quantity; maxSz = margin_tiers.0.max_quantity
maxLever = margin_tiers.0.max_leverage; {base,quote}MaxLoan = margin_tiers.0.max_{base,quote}_borrow

[assets: VenueAsset] when canDep chain
asset_id := {code}; ccy = code; name = name; chain = networks.0.network; {usedWdQuota,wdQuota} # the account's own
{canDep,canWd} = networks.0.{deposit,withdrawal}_status; mainNet = networks.0.is_default; logoLink # a picture
{min,max}Fee = networks.0.{min,max}_withdrawal_fee; {min,max}Wd = networks.0.{min,max}_withdrawal

[spread book snapshots: OrderBook] when bids asks /arg.sprdId
/arg.sprdId = listing; ts = timestamp; {bids,asks}.*.0 = {bids,asks}.*.price; {bids,asks}.*.1 = {bids,asks}.*.quantity
{bids,asks}.*.2 = {bids,asks}.*.order_count

[book deltas: OrderBookDelta] when bids asks /action=update
use book

[book snapshots: OrderBook] when bids asks
use book

[conversions: ExecutionReport] when fillBaseSz
instId = listing; side = side; fillPx = last_price; fillBaseSz = last_quantity; fillQuoteSz = last_quote_quantity
tradeId = trade_id; clTReqId = client_order_id; quoteId = venue_order_id; ts = timestamp; state = order_status
exec_id := {trade_id} | {venue_order_id}-{timestamp}; exec_type := TRADE; quantity_unit := BASE
{baseCcy,quoteCcy} # the listing states it

[quotes: Quote] when quoteId !tradeId !blockTdId
quoteId = venue_quote_id; cnvtPx = ask_price if:side=buy; cnvtPx = bid_price if:side=sell; baseSz = quantity
{baseCcy,quoteCcy,origRfqSz,rfqSz,rfqSzCcy,side,rfqId,quoteSide} # the request; legs.*.{instId,side} # the request
quoteSz = quote_quantity; {quoteTime,uTime} = timestamp; state = raw_state; validUntil = expires_at
quote_id := okx:{venue_quote_id}; legs.*.px = leg_prices.*.ask_price if:quoteSide=sell
legs.*.px = leg_prices.*.bid_price if:quoteSide=buy; legs.*.sz = leg_prices.*.quantity

[fills: ExecutionReport] when fillPx ordId !ordType
use fill

[block trades: Trade] at data.*.legs.* when tradeId px side /data.*.blockTdId
/data.*.blockTdId = block_trade_id; tradeId = trade_id; px = price; sz = quantity; instId = listing; side = aggressor
/data.*.cTime = timestamp; block := true; /data.*.{rfqId,quoteId,clRfqId} # the quotes have it
{fee,feeCcy} # of our own leg: the fill has it

[trades: Trade] when tradeId px side !ordId
use unit; use listing; sprdId = listing; tradeId = trade_id; px = price; sz = quantity; side = aggressor; ts = timestamp
fillVol = market_context.price_volatility; {fwd,mark}Px = market_context.{forward,mark}_price
{idxPx,indexPx} = market_context.index_price; block := true if:/arg.channel=*block*
{optType,instFamily} # the listing states it

[orders: Order] when ordId state side ordType or algoId state side ordType
use listing; sprdId = listing; {algoId,algoClOrdId} = {venue,client}_order_id if:ordType=<algo>
ordId = attached_venue_order_id if:ordType=<algo>,algoId=?*; ordId = venue_order_id
algoId = parent_venue_order_id if:ordType!=<algo>; clOrdId = client_order_id if:ordType!=<algo>
clOrdId = client_order_id if:algoClOrdId!=?*; tag = label; side = side; posSide = position_side
ordType = type words:stop if:ordType=conditional|oco,slTriggerPx=?*; ordType = type; ordType = time_in_force only
ordType = post_only is:post_only; state = status words:triggers if:ordType=conditional|oco|trigger|move_order_stop
state = status; tgtCcy # the unit of sz; sz = quantity if:tgtCcy!=quote_ccy; sz = quote_quantity if:tgtCcy=quote_ccy
px = price; ordPx = price none:-1; avgPx = average_price none:0; accFillSz = cumulative_quantity
canceledSz = cancelled_quantity; lever = leverage none:0; tdMode = margin_mode; reduceOnly = reduce_only
category = origin; source = raw_placement_source; stpId = self_trade_group_id; stpMode = self_trade_prevention
cancelSource = status_reason; cancelSourceReason = status_reason_text; fee = fees.0.amount neg
feeCcy = fees.0.asset_code if:fee=?*; rebate = fees.1.amount neg none:0; rebateCcy = fees.1.asset_code if:rebate=*[1-9]*
rebateCcy # of no rebate; pnl = realized_pnl; cTime = created_at; uTime = updated_at; pTime # when the push was sent
fillTime = last_fill_at; triggerPx = trigger_price; triggerPxType = trigger_kind; triggerTime = triggered_at
pxVol = volatility_price; pxUsd = strike_asset_price; notionalUsd = valuation.amount
valuation.asset_code := USD if:notionalUsd=?*; ccy # asset of the margin, which the listing and the mode state
{uly,ctVal} # the listing states it; activePx = activation_price; moveTriggerPx = trigger_price
callbackRatio = trailing_offset e2; trailing_offset_kind := PERCENT if:callbackRatio=?*
callbackSpread = trailing_offset; trailing_offset_kind := PRICE if:callbackSpread=?*; timeInterval = algo.interval s
szLimit = algo.slice_quantity; pxSpread = algo.price_spread; algo.strategy := ICEBERG if:ordType=iceberg
algo.strategy := TWAP if:ordType=twap; linkedAlgoOrd.algoId = attached_venue_order_id
{sl,tp}TriggerPx = trigger_price if:ordType={conditional|oco,conditional}
{sl,tp}TriggerPxType = trigger_kind if:ordType={conditional|oco,conditional}
{sl,tp}OrdPx = price none:-1 if:ordType={conditional|oco,conditional}
{sl,tp}TriggerPx = attached_orders.0.trigger_price if:ordType!={conditional|oco,conditional}
{sl,tp}TriggerPxType = attached_orders.0.trigger_kind if:ordType!={conditional|oco,conditional}
{sl,tp}OrdPx = attached_orders.0.price none:-1 if:ordType!={conditional|oco,conditional}
attached_orders.0.kind := STOP_LOSS if:slTriggerPx=?*,ordType!=conditional|oco
attached_orders.0.kind := TAKE_PROFIT if:tpTriggerPx=?*,ordType!=conditional
attachAlgoOrds.*.{sl,tp}TriggerPx = attached_orders.*.trigger_price
attachAlgoOrds.*.{sl,tp}TriggerPxType = attached_orders.*.trigger_kind
attachAlgoOrds.*.{sl,tp}OrdPx = attached_orders.*.price none:-1
attachAlgoOrds.*.{attachAlgoId,attachAlgoClOrdId} = attached_orders.*.{venue,client}_order_id
{fillPx,fillSz,fillNotionalUsd,fillFee,fillPnl,code,amendResult,tradeId,actualSz} ~ 0; actualSide = raw_conditions
pxType = raw_flags; isTpLimit ~ false; order_id := okx:{venue_order_id}; use unit; {last,lastPx} # the ticker has it
fillFeeCcy # states nothing where nothing was filled

[order fills: ExecutionReport] in orders when fillPx=?* fillSz!=0 tradeId=?*
use fill

[greeks: OptionGreeks] when markVol instId
use listing; {delta,gamma,theta,vega}BS = {delta,gamma,theta,vega}
{bid,ask,mark}Vol = {bid,ask,mark}_implied_volatility; {delta,gamma,theta,vega}Bs = {delta,gamma,theta,vega}
fwdPx = underlying_price; uly = underlying_name; ts = timestamp

[funding: FundingRate] when fundingRate
use listing; fundingRate = rate; realizedRate = realized_rate; fundingTime = funding_time; nextFundingRate = next_rate
nextFundingTime = next_funding_time; {min,max}FundingRate = {min,max}_rate; premium = premium_rate; ts = timestamp

[open interest: OpenInterest] when oi
use listing; oi = quantity; oiCcy = base_quantity; oiUsd = notional if:instId=*-USD-*; ts = timestamp; use unit

[liquidations: Liquidation] at data.*.details.*|details.* when bkPx
/data.*.instId = listing; /data.*.instType = native_listing.segment; /instId = listing; bkPx = bankruptcy_price
/instType = native_listing.segment; side = side; sz = quantity; ts = timestamp; quantity_unit := CONTRACTS
{/data.*.uly,/data.*.instFamily,/uly,/instFamily} # the listing states it

[settlements: Ticker] at data.*.details.*|details.*|. when insId px
insId = listing; use listing; px = delivery_price; {ts,/data.*.ts,/ts} = timestamp

[positions: Position] at data.*.posData.*|posData.*|data.*|. when mgnMode posId
use position

[positions: Position] when liqPx instId posSide
use position

[margin: AccountMargin] when details totalEq
totalEq = equity; isoEq = isolated_equity; adjEq = margin_balance; imr = initial_margin; mmr = maintenance_margin
mgnRatio = maintenance_margin_level; ordFroz = order_initial_margin; borrowFroz = borrow_initial_margin
notionalUsd = position_value; upl = unrealized_pnl; availEq = available; delta = delta; uTime = timestamp
asset_code := USD; all_assets := true

[balances: Balance] in margin at details.*
use balance

[margin of an asset: AccountMargin] in margin at details.* when eq
ccy = asset_code; eq = equity; availEq = available; isoEq = isolated_equity; upl = unrealized_pnl
isoUpl = isolated_unrealized_pnl; imr = initial_margin; mmr = maintenance_margin; mgnRatio = maintenance_margin_level
notionalLever = effective_leverage; crossLiab = debt; uTime = timestamp; eqUsd = valuations.0.amount
disEq = valuations.0.discounted_amount; valuations.0.asset_code := USD if:eqUsd=?*

[balances: Balance] at data.*.balData.*|balData.*|data.*|. when ccy cashBal
use balance

[funding balances: Balance] when availBal ccy frozenBal
use balance; type := FUNDING

[ledger: LedgerEntry] when billId
use listing; billId = entry_id; type = type words:bills; subType = raw_sub_type; ccy = asset_code; balChg = change
bal = balance_after; fee = fees.0.amount neg; fees.0.asset_code := {asset_code} if:fee=?*; pnl = funding if:type=8
pnl = realized_pnl if:type!=8; sz = quantity; {px,price} = price none:0; execType = liquidity; mgnMode = margin_mode
posBal = position_after; posBalChg = position_change; ordId = venue_order_id; clOrdId = client_order_id
tradeId = trade_id none:0; interest = interest; notes = text; ts = timestamp; tag # the order has it
fill{Idx,Mark,Fwd}Px = market_context.{index,mark,forward}_price
fill{Px,Mark}Vol = market_context.{price,mark}_volatility

[deposits: Transfer] when depId
use transfer; state = state words:deposits; type := DEPOSIT; amt = amount

[withdrawals: Transfer] when wdId
use transfer; state = state words:withdrawals; type := WITHDRAWAL; amt = received_amount

[transfers: Transfer] when transId
ccy = asset_code; amt = amount; transId = venue_transfer_id; from = from_wallet; to = to_wallet; state = state
type = raw_type; transfer_id := okx:{venue_transfer_id}; type := INTERNAL

[borrow rates: BorrowRate] when rate ccy
ccy = asset_code; rate = rate; amt = total_borrowed; ts = timestamp

[fee rates: VenueAccount] when maker taker
level = fee_tier; instType = fee_rates.0.segment; maker = fee_rates.0.maker neg; taker = fee_rates.0.taker neg
delivery = fee_rates.0.settlement neg; exercise = fee_rates.0.exercise neg; ts = timestamp; category # deprecated by OKX

[settings: AccountSettings] when lever mgnMode
instId = listings.0.native_listing.symbol; lever = listings.0.leverages.0.leverage; posMode = position_mode
mgnMode = listings.0.leverages.0.margin_mode; posSide = listings.0.leverages.0.position_side; acctLv = raw_margin_model
autoLoan = auto_borrow; spotBorrowAutoRepay = auto_repay

[settings: AccountSettings] when posMode
posMode = position_mode; acctLv = raw_margin_model
[skip: a candle of whose request, which states the length, there is no record] when @name=*candlesticks*|*ohlcv

[candles: Candle] at data.* when 0 4 /arg.channel
/arg.instId = listing; /arg.channel = interval re:candle(.+); /arg.channel = calendar_interval re:candle(.+) only
0 = open_time; 1 = open; 2 = high; 3 = low; 4 = close; 8 = closed; 5 = closed if:/arg.channel!=candle*
5 = volume if:/arg.channel=candle*; 7 = quote_volume; 6 = base_volume if:/arg.instId=*-*-*
6 = quote_volume if:/arg.instId!=*-*-*,!7; 6 # of a pair: 7 states it; volume_unit := CONTRACTS if:/arg.instId=*-*-*,6
volume_unit := BASE if:6; price_kind := INDEX if:/arg.channel=index*; price_kind := MARK if:/arg.channel=mark*
price_kind := TRADE

[tickers: Ticker] when last !algoId !posSide or markPx !mgnMode or idxPx !mgnMode or settlePx or buyLmt or vol24h
use listing; sprdId = listing; last = last_price; lastSz = last_quantity; {bid,ask}Px = {bid,ask}_price
{bid,ask}Sz = {bid,ask}_quantity; markPx = mark_price; idxPx = index_price; ts = timestamp
settlePx = estimated_delivery_price; buyLmt = max_price; sellLmt = min_price; windows.0.duration := 24h if:vol24h=?*
windows.0.duration := 24h if:high24h=?*; {open,high,low}24h = windows.0.{open,high,low}; vol24h = windows.0.volume
volCcy24h = windows.0.quote_volume if:instType=SPOT|MARGIN; volCcy24h = windows.0.base_volume if:instType!=SPOT|MARGIN
sodUtc0 = windows.1.open; sodUtc8 = windows.2.open; use unit
[skip: trading bots, which the contracts do not hold] when algoOrdType
[skip: the answer to a request: an order or a report states the outcome] when sCode
[skip: service news and the clock] when @name=*tatus*|fetch_time|*Economic*
[skip: no record: a remark of the documentation, a request or a refusal] when @name=*
"""

VENUE = Venue(
    "okx",
    tables(
        TABLES.replace("<algo>", "conditional|oco|trigger|move_order_stop|iceberg|twap|chase"),
        {"instruments": contract, "spreads": spread, "orders": order, "withdrawals": withdrawn}
        | {"candles": candle_close, "tickers": days},
    ),
    root="data.*|*|.",
    time="ms",
    asset=code_as_asset,
    listing=listing,
    common="""
        /code ~ 0; /action # the kind of the message; /arg # the subscription, which the record repeats
        /eventType # why OKX pushed; /curPage # of a push in parts; /lastPage # of a push in parts
        /inTime # when the gateway took the request; /outTime # when the gateway answered
    """,
    words={
        "OrderStatus": "NEW: live; UNTRIGGERED: pause; PARTIALLY_FILLED: partially_filled partially_effective",
        "OrderOrigin": "USER: twap",
        "OptionType": "CALL: C; PUT: P",
        "OrderType": "MARKET: optimal_limit_ioc; LIMIT: mmp mmp_and_post_only iceberg twap; TAKE_PROFIT: conditional",
        "stop": "STOP: conditional oco",
        # An order that triggered has placed another order.
        "triggers": "UNTRIGGERED: live; REPLACED: effective order_placed",
        "bills": "TRANSFER: 1; TRADE: 2; SETTLEMENT: 3; LIQUIDATION: 5; MARGIN: 6; INTEREST: 7; FUNDING: 8; ADL: 9",
        "deposits": "PROCESSING: 0 1 8; COMPLETED: 2; FAILED: 11",
        "withdrawals": "CANCELLED: -2; FAILED: -1; REQUESTED: 0; PROCESSING: 1; COMPLETED: 2",
    },
)
