"""OKX: https://www.okx.com/docs-v5. The model of a venue: start here to map another."""

from __future__ import annotations

import hashlib
import re
from decimal import Decimal
from typing import Any

import cqc
from cqc.mapping import Context, Venue, candle_close, tables
from cqc.markets.v1 import Ticker
from cqc.venues.v1 import AttachedOrderKind, Transfer, VenueSymbol

# Identity

_NATIVE = re.compile(r"([A-Z0-9]+)-([A-Z0-9]+)(?:-(SWAP|\d{6})(?:-(\d+(?:\.\d+)?)-([CP]))?)?")


def asset(code: str) -> str | None:
    """OKX's codes are the asset ids."""
    return code if re.fullmatch(r"[A-Z0-9]{1,32}", code) else None


def listing(segment: str, symbol: str) -> str | None:
    """`BTC-USD-SWAP` is settled in BTC, `BTC-USDT-SWAP` in USDT."""
    found = _NATIVE.fullmatch(symbol)
    if not found:
        return None
    base, quote, term, strike, right = found.groups()
    settled = base if quote == "USD" else quote
    if term is None:
        return f"okx:{base}-{quote}-{'MARGIN' if segment == 'MARGIN' else 'SPOT'}"
    if term == "SWAP":
        return f"okx:{base}-{quote}-PERP-{settled}"
    kind = f"FUT-{settled}-20{term}" if strike is None else f"OPT-{settled}-20{term}-{strike.replace('.', 'd')}-{right}"
    return f"okx:{base}-{quote}-{kind}"


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


def attached(order: Any, _context: Context) -> None:
    """Which of the two an attached order is."""
    for item, sent in zip(order.attached_orders, _context.value("attachAlgoOrds") or [], strict=False):
        item.kind = (
            AttachedOrderKind.ATTACHED_ORDER_KIND_STOP_LOSS
            if sent.get("slTriggerPx")
            else AttachedOrderKind.ATTACHED_ORDER_KIND_TAKE_PROFIT
        )


def withdrawn(message: Transfer, _context: Context) -> None:
    """OKX takes the fee on top of the amount that arrives."""
    total = Decimal(message.received_amount) + Decimal(message.fee.amount or 0)
    message.amount = cqc.format_decimal(total)


def spread(message: VenueSymbol, context: Context) -> None:
    """A spread is a combination of one of each leg."""
    legs = [(listing("", leg["instId"]) or "", leg["side"]) for leg in context.record.get("legs", [])]
    text = "|".join(sorted(f"{found.partition(':')[2]}*1*{side.upper()}" for found, side in legs))
    message.symbol_id = f"COMBO-{hashlib.sha256(text.encode()).hexdigest()[:32].upper()}"
    message.venue_symbol_id = f"okx:{message.symbol_id}"


TRIGGERS = "conditional|oco|trigger|move_order_stop"

TABLES = r"""
[listing]
instId = listing; instType = native_listing.segment

[unit]
quantity_unit := CONTRACTS if:instId=*-*-* or /arg.instId=*-*-*; quantity_unit := BASE if:instId=*-* or /arg.instId=*-*

[greeks]
{delta,gamma,vega,theta}PA = premium_adjusted_greeks.{delta,gamma,vega,theta}

[book]
use unit
/arg.instId = listing; instId = listing; ts = timestamp; checksum = checksum int32; seqId = sequence
prevSeqId = previous_sequence none:-1; checksum_kind := CRC32_OKX if:checksum=?*; bids.*.0 = bids.*.price
bids.*.1 = bids.*.quantity; bids.*.3 = bids.*.order_count; bids.*.2 # deprecated, always 0; asks.*.0 = asks.*.price
asks.*.1 = asks.*.quantity; asks.*.3 = asks.*.order_count; asks.*.2 # deprecated, always 0

[fill]
use listing; tradeId = trade_id; exec_id := {trade_id} | {venue_order_id}-{timestamp}; exec_type := TRADE
ordId = venue_order_id; clOrdId = client_order_id; side = side; posSide = position_side; fillPx = last_price
fillSz = last_quantity; execType = liquidity; state = order_status; billId # the ledger has it
legs.*.instId = legs.*.native_listing.symbol; legs.*.{px,sz,side,tradeId} = legs.*.{price,quantity,side,trade_id}
legs.*.fee = legs.*.fees.0.amount neg; legs.*.feeCcy = legs.*.fees.0.asset_code
fillFee = fees.0.amount neg if:fillFee=?*; fillFeeCcy = fees.0.asset_code if:fillFee=?*
fee = fees.0.amount neg if:!state,fee=?*; feeCcy = fees.0.asset_code if:!state,fee=?*; fillPnl = realized_pnl
fillTime = timestamp; ts = timestamp; fillIdxPx = market_context.index_price; fillMarkPx = market_context.mark_price
fillFwdPx = market_context.forward_price; fillPxVol = market_context.price_volatility
fillMarkVol = market_context.mark_volatility; fillPxUsd = last_strike_asset_price
fillNotionalUsd = last_valuation.amount; last_valuation.asset_code := USD if:fillNotionalUsd=?*; tag # the order has it
sprdId = listing; use unit

[balance]
ccy = asset_code; cashBal = total; bal = total; availBal = free; frozenBal = locked; ordFrozen = locked_by_orders
liab = debt; interest = interest; maxLoan = max_borrowable; collateralEnabled = collateral_enabled; uTime = timestamp
/data.*.eventType # why OKX pushed; /data.*.pTime = published_at; /pTime = published_at
/data.*.trades # each is a fill of its own; /trades # each is a fill of its own; openAvgPx = average_cost.amount
rewardBal = bonus; average_cost.asset_code := USD if:openAvgPx=?*

[transfer]
ccy = asset_code; chain = network; txId = onchain.transaction_id; from # personal data: an e-mail address or a phone
to = to_address if:to=*[A-Za-z]*,to!=*@*; to # personal data: an e-mail address or a phone
depId = venue_transfer_id; wdId = venue_transfer_id; clientId = client_transfer_id
fee = fee.amount re:([\d.]+)
feeCcy = fee.asset_code if:fee=?*; actualDepBlkConfirm = confirmations; ts = created_at; pTime = updated_at
fee.asset_code := {asset_code} if:fee=?*; transfer_id := okx:{venue_transfer_id}

[instruments: VenueSymbol] when instId tickSz lotSz
instId = native_symbol; instType = segment; uly = native_pair; instFamily = price_index; alias = expiry_series
state = trading_mode; baseCcy = base_code; quoteCcy = quote_code; settleCcy = settlement_code
ctVal = contract_size if:ctMult=1; ctMult ~ 1; category # deprecated by OKX; optType # the symbol has it
ctValCcy = base_code if:ctValCcy!=USD; ctValCcy = quote_code if:ctValCcy=USD; ctType = raw_payoff_type
lever = max_leverage; listTime = listed_at; expTime = delisted_at; tickSz = rules.tick_tiers.0.tick_size
lotSz = rules.limit_order.lot_step; minSz = rules.limit_order.min_quantity; maxLmtSz = rules.limit_order.max_quantity
maxMktSz = rules.market_order.max_quantity; maxIcebergSz = rules.iceberg_order.max_quantity
maxTwapSz = rules.twap_order.max_quantity; maxStopSz = rules.trigger_order.max_quantity
maxTriggerSz = rules.trigger_order.max_quantity; maxLmtAmt = rules.limit_order.max_notional
maxMktAmt = rules.market_order.max_notional; contTdSwTime = launch_phase_ends_at; instIdCode = native_id
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
maxLever = margin_tiers.0.max_leverage; baseMaxLoan = margin_tiers.0.max_base_borrow
quoteMaxLoan = margin_tiers.0.max_quote_borrow

[assets: VenueAsset] when canDep chain
asset_id := {code}; ccy = code; name = name; chain = networks.0.network; canDep = networks.0.deposit_status
canWd = networks.0.withdrawal_status; mainNet = networks.0.is_default; minFee = networks.0.min_withdrawal_fee
maxFee = networks.0.max_withdrawal_fee; minWd = networks.0.min_withdrawal; maxWd = networks.0.max_withdrawal
logoLink # a picture; usedWdQuota # the account's own; wdQuota # the account's own

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
baseCcy # the listing states it; quoteCcy # the listing states it

[quotes: Quote] when quoteId !tradeId !blockTdId
quoteId = venue_quote_id; cnvtPx = ask_price if:side=buy; cnvtPx = bid_price if:side=sell; baseSz = quantity
baseCcy # the request; quoteCcy # the request; origRfqSz # the request; rfqSz # the request; rfqSzCcy # the request
side # the request; legs.*.instId # the request; legs.*.side # the request; rfqId # the request
quoteSide # the request; quoteSz = quote_quantity; quoteTime = timestamp; state = raw_state; validUntil = expires_at
uTime = timestamp; quote_id := okx:{venue_quote_id}; legs.*.px = leg_prices.*.ask_price if:quoteSide=sell
legs.*.px = leg_prices.*.bid_price if:quoteSide=buy; legs.*.sz = leg_prices.*.quantity

[fills: ExecutionReport] when fillPx ordId !ordType
use fill

[block trades: Trade] at data.*.legs.* when tradeId px side /data.*.blockTdId
/data.*.blockTdId = block_trade_id; tradeId = trade_id; px = price; sz = quantity; instId = listing; side = aggressor
/data.*.cTime = timestamp; block := true; /data.*.rfqId # the quotes have it; /data.*.quoteId # the quotes have it
/data.*.clRfqId # the quotes have it; fee # of our own leg: the fill has it; feeCcy # of our own leg: the fill has it

[trades: Trade] when tradeId px side !ordId
use unit
use listing; sprdId = listing; tradeId = trade_id; px = price; sz = quantity; side = aggressor; ts = timestamp
fillVol = market_context.price_volatility; fwdPx = market_context.forward_price; markPx = market_context.mark_price
idxPx = market_context.index_price; indexPx = market_context.index_price; block := true if:/arg.channel=*block*
optType # the listing states it; instFamily # the listing states it

[orders: Order] when ordId state side ordType or algoId state side ordType
use listing; sprdId = listing; algoId = venue_order_id if:ordType=<algo>; tag = label; side = side
algoClOrdId = client_order_id if:ordType=<algo>; tgtCcy # the unit of sz
ordId = attached_venue_order_id if:ordType=<algo>; ordId = venue_order_id; algoId = parent_venue_order_id
clOrdId = client_order_id if:ordType!=<algo>; clOrdId = client_order_id if:algoClOrdId!=?*
posSide = position_side; ordType = type words:stop if:ordType=conditional|oco,slTriggerPx=?*; ordType = type
state = status words:triggers if:ordType=<triggers>; state = status; ordType = time_in_force only
ordType = post_only is:post_only; px = price; ordPx = price none:-1
sz = quantity if:tgtCcy!=quote_ccy; sz = quote_quantity if:tgtCcy=quote_ccy
avgPx = average_price none:0; accFillSz = cumulative_quantity; canceledSz = cancelled_quantity; lever = leverage
tdMode = margin_mode; reduceOnly = reduce_only; category = origin; source = raw_placement_source
stpId = self_trade_group_id; stpMode = self_trade_prevention; cancelSource = status_reason
cancelSourceReason = status_reason_text; fee = fees.0.amount neg; feeCcy = fees.0.asset_code if:fee=?*
rebate = fees.1.amount neg if:fee=?*; rebateCcy = fees.1.asset_code if:fee=?*,rebate=?*; pnl = realized_pnl
cTime = created_at; uTime = updated_at; pTime # when the push was sent; fillTime = last_fill_at
triggerPx = trigger_price; triggerPxType = trigger_kind; triggerTime = triggered_at; pxVol = volatility_price
pxUsd = strike_asset_price; notionalUsd = valuation.amount; valuation.asset_code := USD if:notionalUsd=?*
ccy # asset of the margin, which the listing and the mode state; uly # the listing states it
ctVal # the listing states it; activePx = activation_price; moveTriggerPx = trigger_price
callbackRatio = trailing_offset e2; trailing_offset_kind := PERCENT if:callbackRatio=?*
callbackSpread = trailing_offset; trailing_offset_kind := PRICE if:callbackSpread=?*; timeInterval = algo.interval s
szLimit = algo.slice_quantity; pxSpread = algo.price_spread; algo.strategy := ICEBERG if:ordType=iceberg
algo.strategy := TWAP if:ordType=twap; linkedAlgoOrd.algoId = attached_venue_order_id
slTriggerPx = trigger_price if:ordType=conditional|oco; slOrdPx = price none:-1 if:ordType=conditional|oco
slTriggerPxType = trigger_kind if:ordType=conditional|oco; slTriggerPx = attached_orders.0.trigger_price
slTriggerPxType = attached_orders.0.trigger_kind; slOrdPx = attached_orders.0.price none:-1
attached_orders.0.kind := STOP_LOSS if:slTriggerPx=?*,ordType!=conditional|oco
tpTriggerPx = trigger_price if:ordType=conditional; tpOrdPx = price none:-1 if:ordType=conditional
tpTriggerPxType = trigger_kind if:ordType=conditional; tpTriggerPx = attached_orders.0.trigger_price
tpTriggerPxType = attached_orders.0.trigger_kind; tpOrdPx = attached_orders.0.price none:-1
attached_orders.0.kind := TAKE_PROFIT if:tpTriggerPx=?*,ordType!=conditional
attachAlgoOrds.*.{sl,tp}TriggerPx = attached_orders.*.trigger_price
attachAlgoOrds.*.{sl,tp}TriggerPxType = attached_orders.*.trigger_kind
attachAlgoOrds.*.{sl,tp}OrdPx = attached_orders.*.price none:-1
attachAlgoOrds.*.attachAlgoId = attached_orders.*.venue_order_id
attachAlgoOrds.*.attachAlgoClOrdId = attached_orders.*.client_order_id; fillPx ~ 0; fillSz ~ 0; fillNotionalUsd ~ 0
fillFee ~ 0; fillPnl ~ 0; code ~ 0; amendResult ~ 0; tradeId ~ 0; actualSz ~ 0; actualSide = raw_conditions
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
/data.*.uly # the listing states it; /data.*.instFamily # the listing states it; /uly # the listing states it
/instFamily # the listing states it

[settlements: Ticker] at data.*.details.*|details.*|. when insId px
insId = listing; use listing; px = delivery_price; ts = timestamp; /data.*.ts = timestamp; /ts = timestamp

[position]
use listing; /data.*.eventType # why OKX pushed; /data.*.pTime = published_at; /pTime = published_at
/data.*.trades # each is a fill of its own; /trades # each is a fill of its own; uTIme = updated_at
posId = venue_position_id; posSide = side; mgnMode = margin_mode; pos = quantity; availPos = available_quantity
avgPx = entry_price; last = last_price; markPx = market_context.mark_price; idxPx = market_context.index_price
lever = leverage; liqPx = liquidation_price; margin = collateral; imr = initial_margin; mmr = maintenance_margin
mgnRatio = maintenance_margin_level; uplLastPx = unrealized_pnl_at_last; uplRatio = unrealized_pnl_ratio
upl = unrealized_pnl; realizedPnl = realized_pnl_net; pnl = realized_pnl; fundingFee = funding; fee = fees.0.amount neg
liqPenalty = liquidation_fee neg; interest = interest; liab = debt neg; liabCcy = debt_asset_code
optVal = settlement_value; notionalUsd = valuations.0.amount; valuations.0.asset_code := USD if:notionalUsd=?*
adl_quantile := 0 if:adl=0; adl_quantile := 0.2 if:adl=1; adl_quantile := 0.4 if:adl=2; adl_quantile := 0.6 if:adl=3
adl_quantile := 0.8 if:adl=4; adl_quantile := 1 if:adl=5
ccy = settlement_asset_code; adl = raw_adl_rank; tradeId = last_venue_trade_id; cTime = opened_at; uTime = updated_at
pTime = published_at; bePx = break_even_price none:0; {delta,gamma,vega,theta}BS = greeks.{delta,gamma,vega,theta}
fees.0.asset_code := {settlement_asset_code} if:fee=?*; openAvgPx = entry_price; closeAvgPx = exit_price
openMaxPos = largest_quantity; closeTotalPos = closed_quantity; direction = side; uly # the listing states it
position_id := okx:{venue_position_id} | okx:{native_listing.symbol}:{raw_side} | okx:{native_listing.symbol}
use greeks; use unit

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
bal = balance_after; fee = fees.0.amount neg; pnl = realized_pnl; sz = quantity; {px,price} = price none:0
fees.0.asset_code := {asset_code} if:fee=?*; execType = liquidity; mgnMode = margin_mode; posBal = position_after
posBalChg = position_change; ordId = venue_order_id; clOrdId = client_order_id; tradeId = trade_id none:0
interest = interest; notes = text; ts = timestamp; fill{Idx,Mark,Fwd}Px = market_context.{index,mark,forward}_price
tag # the order has it; fill{Px,Mark}Vol = market_context.{price,mark}_volatility

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
delivery = fee_rates.0.settlement neg; exercise = fee_rates.0.exercise neg; ts = timestamp
category # deprecated by OKX

[settings: AccountSettings] when lever mgnMode
instId = listings.0.native_listing.symbol; lever = listings.0.leverages.0.leverage; posMode = position_mode
mgnMode = listings.0.leverages.0.margin_mode; posSide = listings.0.leverages.0.position_side
acctLv = raw_margin_model; autoLoan = auto_borrow; spotBorrowAutoRepay = auto_repay

[settings: AccountSettings] when posMode
posMode = position_mode; acctLv = raw_margin_model
[skip: a candle of whose request, which states the length, there is no record] when @name=*candlesticks*|*ohlcv

[candles: Candle] at data.* when 0 4 /arg.channel
/arg.instId = listing; /arg.channel = interval re:candle(.+); /arg.channel = calendar_interval re:candle(.+) only
0 = open_time; 1 = open; 2 = high; 3 = low; 4 = close; 8 = closed; 5 = volume; 6 = base_volume; 7 = quote_volume
price_kind := INDEX if:/arg.channel=index*; price_kind := MARK if:/arg.channel=mark*

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
        TABLES.replace("<triggers>", TRIGGERS).replace("<algo>", f"{TRIGGERS}|iceberg|twap|chase"),
        {
            "instruments": contract,
            "spreads": spread,
            "orders": attached,
            "candles": candle_close,
            "tickers": days,
            "withdrawals": withdrawn,
        },
    ),
    root="data.*|*|.",
    time="ms",
    asset=asset,
    listing=listing,
    common="""
        /code ~ 0; /action # the kind of the message; /arg # the subscription, which the record repeats
        /eventType # why OKX pushed; /curPage # of a push in parts; /lastPage # of a push in parts
        /inTime # when the gateway took the request; /outTime # when the gateway answered
    """,
    words={
        "OrderStatus": "NEW: live; UNTRIGGERED: pause; PARTIALLY_FILLED: partially_filled partially_effective",
        "OrderOrigin": "USER: twap; DELIVERY: delivery",
        "OptionType": "CALL: C; PUT: P",
        "OrderType": "MARKET: optimal_limit_ioc; LIMIT: mmp mmp_and_post_only iceberg twap; TAKE_PROFIT: conditional",
        "stop": "STOP: conditional oco",
        # An order that triggered has placed another order.
        "triggers": "UNTRIGGERED: live; REPLACED: effective order_placed",
        "PositionMode": "ONE_WAY: net_mode; HEDGE: long_short_mode",
        "TransferStatus": "ENABLED: true; DISABLED: false",
        "TransferState": "COMPLETED: success",
        "bills": "TRANSFER: 1; TRADE: 2; SETTLEMENT: 3; LIQUIDATION: 5; MARGIN: 6; INTEREST: 7; FUNDING: 8; ADL: 9",
        "deposits": "PROCESSING: 0 1 8; COMPLETED: 2; FAILED: 11",
        "withdrawals": "CANCELLED: -2; FAILED: -1; REQUESTED: 0; PROCESSING: 1; COMPLETED: 2",
    },
)
