"""Hyperliquid: https://hyperliquid.gitbook.io/hyperliquid-docs/for-developers/api."""

from __future__ import annotations

import re
from decimal import Decimal

import cqc
from cqc.mapping import Context, Venue, candle_close, tables
from cqc.venues.v1 import ExecutionReport, MarginMode, Order, OrderOrigin, OrderStatus, VenueAsset, VenueSymbol

# Identity

TOKENS = {"0": "USDC", "235": "USDE", "360": "USDH"}
"""Collateral tokens by number. Some records state the number instead of the name."""

_PERPETUAL = re.compile(r"k?([A-Z0-9]+)")


def asset(code: str) -> str | None:
    """A token's name is its asset id. `kPEPE` counts thousands and `+10` is an outcome of an event: both are None."""
    code = TOKENS.get(code, code)
    return code if re.fullmatch(r"[A-Z][A-Z0-9]{0,31}", code) else None


def listing(_segment: str, symbol: str) -> str | None:
    """`BTC` and `kPEPE` are perpetuals, `PURR/USDC` is a spot market. The names of other spot markets (`@107`)
    and of builders' perpetuals (`xyz:NVDA`) do not state their assets or collateral."""
    base, slash, quote = symbol.partition("/")
    if slash:
        return f"hyperliquid:{base}-{quote}-SPOT" if asset(base) and asset(quote) else None
    found = _PERPETUAL.fullmatch(symbol)
    return f"hyperliquid:{found[1]}-USDC-PERP-USDC" if found else None


def perpetual(message: VenueSymbol, context: Context) -> None:
    """What follows from the collateral, the digits of the quantity and the margin modes."""
    builder, colon, name = message.native_symbol.partition(":")
    settled = asset(message.settlement_code)
    if colon and settled:
        message.symbol_id = f"{name}-{settled}-PERP-{settled}"
        message.venue_symbol_id = f"hyperliquid:{message.symbol_id}:{builder}"
    digits = message.quantity_precision
    message.rules.limit_order.lot_step = cqc.format_decimal(Decimal(1).scaleb(-digits))
    message.price_precision = 6 - digits
    if message.native_symbol.startswith("k"):
        message.base_multiplier = "1000"
    isolated = context.value("onlyIsolated")
    if isolated is not None:
        message.margin_modes.append(MarginMode.MARGIN_MODE_ISOLATED)
    if isolated is False:
        message.margin_modes.append(MarginMode.MARGIN_MODE_CROSS)


def token(message: VenueAsset, context: Context) -> None:
    """The number is another code of the token."""
    message.other_codes.append(str(context.value("index")))


def working(message: Order, context: Context) -> None:
    """An order is `open` at Hyperliquid while it waits for its trigger, and when it is partly filled."""
    if message.status not in (OrderStatus.ORDER_STATUS_UNSPECIFIED, OrderStatus.ORDER_STATUS_NEW):
        return
    triggered = message.raw_status == "triggered"
    if (context.value("order.isTrigger") or context.value("isTrigger")) and not triggered:
        message.status = OrderStatus.ORDER_STATUS_UNTRIGGERED
    elif message.HasField("leaves_quantity") and message.leaves_quantity != message.quantity:
        message.status = OrderStatus.ORDER_STATUS_PARTIALLY_FILLED
    else:
        message.status = OrderStatus.ORDER_STATUS_NEW


def liquidated(message: ExecutionReport, context: Context) -> None:
    """A fill of a liquidation is stated to both sides, so compare who was liquidated with the account's address."""
    user = context.value("/data.user")
    if user and user == context.value("liquidation.liquidatedUser"):
        message.origin = OrderOrigin.ORDER_ORIGIN_LIQUIDATION


NO_HASH = "0x" + 64 * "0"

TABLES = r"""
[hash]
hash = onchain.transaction_id none:NO_HASH; onchain.network := Hyperliquid if:hash=0x*,hash!=NO_HASH

[context]
/0.universe.$.name = listing; /data.coin = listing; name = listing; /data.ctxs.*.0 = native_listing.segment
@key = native_listing.id if:/channel=allDexsAssetCtxs

[ticker]
use context
{mark,mid}Px = {mark,mid}_price; oraclePx = index_price; windows.0.duration := 24h; prevDayPx = windows.0.open
dayNtlVlm = windows.0.quote_volume; dayBaseVlm = windows.0.volume; quantity_unit := BASE
impactPxs.0 = impact_bid_price; impactPxs.1 = impact_ask_price

[funding]
use context
funding = rate; premium = premium_rate; interval := 1h; markPx = mark_price; oraclePx = index_price

[interest]
use context
openInterest = quantity; quantity_unit := BASE

[summary]
marginSummary.accountValue = equity; marginSummary.totalNtlPos = position_value
marginSummary.totalMarginUsed = initial_margin; crossMarginSummary.accountValue = cross_equity
marginSummary.totalRawUsd = wallet_balance if:marginSummary.totalNtlPos=0|0.0
crossMarginSummary.totalRawUsd = cross_wallet_balance if:crossMarginSummary.totalNtlPos=0|0.0
crossMarginSummary.accountValue = equity if:!assetPositions.0
crossMarginSummary.totalNtlPos = position_value if:marginSummary
crossMarginSummary.totalNtlPos = position_value if:!assetPositions.0
crossMarginSummary.totalMarginUsed = initial_margin if:marginSummary
crossMarginSummary.totalMarginUsed = initial_margin if:!assetPositions.0
crossMaintenanceMarginUsed = maintenance_margin; withdrawable = max_withdrawable
crossMarginSummary.withdrawable = max_withdrawable; time = timestamp; /data.dex = native_listing.segment
asset_code := USDC if:/data.dex!=?*

[position]
position.coin = listing; type = side; position.szi = quantity; quantity_unit := BASE; position.entryPx = entry_price
position.leverage.type = margin_mode; position.leverage.value = leverage; position.maxLeverage = max_leverage
position.liquidationPx = liquidation_price; position.positionValue = notional if:position.szi!=-*
position.positionValue = notional neg if:position.szi=-*; position.returnOnEquity = return_on_margin
position.marginUsed = collateral if:position.leverage.type=isolated; position.unrealizedPnl = unrealized_pnl
position.marginUsed = position_initial_margin if:position.leverage.type=cross
position.cumFunding.sinceOpen = funding neg; position.cumFunding.allTime = cumulative_funding neg
settlement_asset_code := USDC if:position.coin!=*:*; /time = published_at
/data.clearinghouseState.time = published_at; position_id := hyperliquid:{native_listing.symbol}

[balance]
coin = asset_code; total = total; hold = locked; entryNtl = cost_basis.amount none:0; type := SPOT
cost_basis.asset_code := USDC if:entryNtl=*[1-9]*; token # the number of the token that coin names

[order]
coin = listing; side = side; limitPx = price; oid = venue_order_id; cloid = client_order_id; origSz = quantity
quantity_unit := BASE; orderType = type; tif = time_in_force; tif = post_only is:Alo; timestamp = created_at
triggerPx = trigger_price none:0; triggerCondition = trigger_direction none:N/A re:(above|below)
triggerCondition # the direction and the trigger price state it; isTrigger # the type states it
reduceOnly = reduce_only; isPositionTpsl = close_position; children.*.orderType = attached_orders.*.kind
children.*.triggerPx = attached_orders.*.trigger_price; children.*.oid = attached_orders.*.venue_order_id
children.*.cloid = attached_orders.*.client_order_id; children.*.origSz = attached_orders.*.quantity
sz = leaves_quantity; order_id := hyperliquid:{venue_order_id}

[order in a status]
order.coin = listing; order.side = side; order.limitPx = price; order.oid = venue_order_id
order.cloid = client_order_id; order.origSz = quantity; quantity_unit := BASE; order.orderType = type
order.tif = time_in_force; order.tif = post_only is:Alo; order.timestamp = created_at
order.triggerPx = trigger_price none:0; order.triggerCondition = trigger_direction none:N/A re:(above|below)
order.triggerCondition # the direction and the trigger price state it; order.isTrigger # the type states it
order.reduceOnly = reduce_only; order.isPositionTpsl = close_position
order.children.*.orderType = attached_orders.*.kind; order.children.*.triggerPx = attached_orders.*.trigger_price
order.children.*.oid = attached_orders.*.venue_order_id; order.children.*.cloid = attached_orders.*.client_order_id
order.children.*.origSz = attached_orders.*.quantity; order.sz = cancelled_quantity if:status=*anceled|scheduledCancel
order.sz = leaves_quantity if:status!=*anceled|scheduledCancel|*ejected; statusTimestamp = updated_at
status = status; status = status_reason only; order_id := hyperliquid:{venue_order_id}

[skip: a broken sample, whose price is no number] when px=not-a-number

[skip: a builder's perpetual, without the collateral that the list of them states] at . when name=*:* szDecimals

[instruments: VenueSymbol] at universe.*|*.universe.*|. when name szDecimals !weiDecimals
name = native_symbol; szDecimals = quantity_precision; maxLeverage = max_leverage; quantity_unit := BASE
isDelisted = trading_mode words:delisted; /*.collateralToken = settlement_code
/collateralToken = settlement_code; settlement_code := USDC; rules.max_price_significant_digits := 5
onlyIsolated # margin_modes states it

[symbols: Symbol] in instruments
payoff := LINEAR

[tickers: Ticker] in instruments when oraclePx
use ticker

[funding rates: FundingRate] in instruments when oraclePx
use funding

[open interests: OpenInterest] in instruments when oraclePx
use interest

[contexts: Ticker] at 1.*|data.ctx|data.ctxs.*.1.* when oraclePx
use ticker

[funding rates: FundingRate] in contexts
use funding

[open interests: OpenInterest] in contexts
use interest

[tokens: VenueAsset] at tokens.* when tokenId weiDecimals
name = code; tokenId = native_id; weiDecimals = precision; asset_id := {code}; index # other_codes has it

[mids: Ticker] at data.mids.** when /channel=allMids
. = mid_price; @key = listing; /data.dex # the name of the listing starts with it

[books: OrderBook] when levels coin
coin = listing; time = timestamp; quantity_unit := BASE; depth := 20; levels.0.*.px = bids.*.price
levels.0.*.sz = bids.*.quantity; levels.0.*.n = bids.*.order_count; levels.1.*.px = asks.*.price
levels.1.*.sz = asks.*.quantity; levels.1.*.n = asks.*.order_count

[best prices: Ticker] when bbo coin
coin = listing; time = timestamp; quantity_unit := BASE; bbo.0.px = bid_price; bbo.0.sz = bid_quantity
bbo.1.px = ask_price; bbo.1.sz = ask_quantity

[trades: Trade] when px tid !oid
coin = listing; side = aggressor; px = price; sz = quantity; quantity_unit := BASE; tid = trade_id none:0
time = timestamp; users # addresses of the parties, which are personal data
use hash

[candles: Candle] when t o h l c
s = listing; i = interval; i = calendar_interval only; t = open_time; o = open; h = high; l = low; c = close
v = volume; volume_unit := BASE; n = trade_count; price_kind := TRADE; T # the start and the length state it

[fills: ExecutionReport] at data.fills.*|*|. when px tid oid
coin = listing; side = side; px = last_price; sz = last_quantity; quantity_unit := BASE; time = timestamp
startPosition = position_quantity_before; dir = position_effect; dir = origin only; closedPnl = realized_pnl
crossed = liquidity words:crossed; oid = venue_order_id; cloid = client_order_id; tid = trade_id none:0
exec_type := TRADE; exec_id := {venue_order_id}-{trade_id} | {venue_order_id}-{timestamp}; fee = fees.0.amount
feeToken = fees.0.asset_code; fees.0.asset_code := USDC if:fee=?*,!feeToken,coin!=@*|*/*|*:*
liquidationMarkPx = market_context.mark_price; liquidation.markPx = market_context.mark_price
liquidation.liquidatedUser # an address, which is personal data; /data.isSnapshot # how the fills were sent
use hash

[orders: Order] when order.oid status
use order in a status

[orders: Order] at order when order.oid status
use order in a status
/status # the answer to the request

[orders: Order] when oid limitPx
use order

[triggers: ExecutionReport] when oid tpsl triggerPx
coin = listing; oid = venue_order_id; time = timestamp; triggerPx = order.trigger_price; tpsl = order.type
order.order_id := hyperliquid:{venue_order_id}
exec_type := NEW if:!resultingOid; order_status := UNTRIGGERED if:!resultingOid; exec_type := TRIGGERED
exec_id := {venue_order_id}-{timestamp}

[funding history: FundingRate] when coin fundingRate time !szi
coin = listing; fundingRate = rate; premium = premium_rate; time = funding_time; interval := 1h; settled := true

[funding payments: FundingPaid] when delta.type=funding
delta.type ~ funding; delta.coin = listing; delta.usdc = amount; delta.szi = position_quantity
delta.fundingRate = rate; time = funding_time; asset_code := USDC if:delta.coin!=*:*; quantity_unit := BASE
hash = venue_payment_id none:NO_HASH

[transfers: Transfer] when delta.usdc hash
use hash
delta.type = type words:ledger; delta.usdc = amount; asset_code := USDC; state := COMPLETED; time = created_at
time = completed_at; delta.fee = fee.amount; fee.asset_code := USDC if:delta.fee=?*; delta.nonce = onchain.nonce
from_wallet := spot if:delta.toPerp=true; to_wallet := perp if:delta.toPerp=true
from_wallet := perp if:delta.toPerp=false; to_wallet := spot if:delta.toPerp=false
delta.toPerp # from_wallet and to_wallet state it; transfer_id := hyperliquid:{onchain.transaction_id}

[margin: AccountMargin] at data.clearinghouseState|. when assetPositions withdrawable
use summary

[positions: Position] in margin at assetPositions.*
use position

[positions: Position] when position.szi
use position

[spot balances: Balance] at data.spotState.balances.*|balances.*|. when coin token hold
use balance

[spot collateral: AccountMargin] at data.spotState.tokenToAvailableAfterMaintenance.* when 0 1
0 = asset_code; 1 = liquidation_buffer; native_listing.segment := spot

[fee rates: VenueAccount] when userCrossRate userAddRate
userCrossRate = fee_rates.0.taker; userAddRate = fee_rates.0.maker; fee_rates.0.basis := VALUE

[skip: who runs a part of the venue, for which the contracts have no message] when deployer
[skip: outcomes of events, whose fields the contracts leave out in this version] at . when outcomes
[skip: the answer to a request: an order or a report states the outcome] at . when status=ok|err or statuses or error
[skip: the answer to a request: an order or a report states the outcome] at . when resting.oid or filled.oid
[skip: a part of an order, without the order] at . when offsetType callbackPrice
"""

VENUE = Venue(
    "hyperliquid",
    tables(
        TABLES.replace("NO_HASH", NO_HASH),
        {
            "instruments": perpetual,
            "tokens": token,
            "candles": candle_close,
            "orders": working,
            "fills": liquidated,
        },
    ),
    root="data.*|data|*|.",
    time="ms",
    asset=asset,
    listing=listing,
    common="/channel # the kind of the message",
    words={
        "AggressorSide": "BUYER: B; SELLER: A",
        "OrderSide": "BUY: B; SELL: A",
        "crossed": "TAKER: true; MAKER: false",
        "delisted": "CLOSED: true; OPEN: false",
        "PositionEffect": "OPEN: openlong openshort; CLOSE: closelong closeshort; FLIP: long>short short>long",
        "OrderOrigin": (
            "LIQUIDATION: liquidatedcrosslong liquidatedcrossshort liquidatedisolatedlong liquidatedisolatedshort; "
            "ADL: autodeleveraging; SETTLEMENT: settlement"
        ),
        "OrderType": "STOP: sl; TAKE_PROFIT: tp",
        "AttachedOrderKind": ("STOP_LOSS: stopmarket stoplimit; TAKE_PROFIT: takeprofitmarket takeprofitlimit"),
        "TimeInForce": "IOC: frontendmarket liquidationmarket",
        "TriggerDirection": "UP: above; DOWN: below",
        "OrderStatus": (
            "NEW: open triggered; CANCELLED: margincanceled vaultwithdrawalcanceled openinterestcapcanceled "
            "selftradecanceled reduceonlycanceled siblingfilledcanceled delistedcanceled liquidatedcanceled "
            "scheduledcancel; REJECTED: tickrejected mintradentlrejected perpmarginrejected reduceonlyrejected "
            "badalopxrejected ioccancelrejected badtriggerpxrejected marketordernoliquidityrejected "
            "positionincreaseatopeninterestcaprejected positionflipatopeninterestcaprejected "
            "tooaggressiveatopeninterestcaprejected openinterestincreaserejected insufficientspotbalancerejected "
            "oraclerejected perpmaxpositionrejected"
        ),
        "OrderReason": (
            "USER_REQUESTED: canceled; INSUFFICIENT_FUNDS: margincanceled perpmarginrejected "
            "insufficientspotbalancerejected; SELF_TRADE: selftradecanceled; LIQUIDATION: liquidatedcanceled; "
            "WOULD_INCREASE: reduceonlycanceled reduceonlyrejected; LIST_TRIGGERED: siblingfilledcanceled; "
            "MARKET_CLOSED: delistedcanceled; DEAD_MAN_SWITCH: scheduledcancel; WOULD_TAKE: badalopxrejected; "
            "RULE_VIOLATED: tickrejected mintradentlrejected badtriggerpxrejected oraclerejected; "
            "NOT_FILLABLE: ioccancelrejected marketordernoliquidityrejected"
        ),
        "ledger": (
            "DEPOSIT: deposit; WITHDRAWAL: withdraw; INTERNAL: accountclasstransfer subaccounttransfer internaltransfer"
        ),
    },
)
