"""Binance, USD-margined futures: https://developers.binance.com/docs/derivatives/usds-margined-futures.

Order updates of coin-margined futures have the same form, and are read too.
"""

from __future__ import annotations

import re

from cqc.mapping import Context, Venue, candle_close, tables, trigger_direction
from cqc.venues.v1 import Balance
from cqc_venues.venues.binance import (
    MARKET,
    WORDS,
    asset,
    base_multiplier,
    market_orders,
    multiple,
    order_of_report,
    split,
)

# Identity


def listing(_segment: str, symbol: str) -> str | None:
    """`BTCUSDT` is a perpetual, `BTCUSDT_240329` a future, `BTCUSD_PERP` and `BTCUSD_240329` are settled in BTC."""
    pair, _, term = symbol.partition("_")
    if term and not re.fullmatch(r"PERP|\d{6}", term):
        return None
    kind = f"FUT-{{}}-20{term}" if term.isdecimal() else "PERP-{}"
    # Of the old futures in BUSD, such as BTCBUSD_210129, none was of a coin that ends with B.
    if re.fullmatch(r"[A-Z0-9]+USD_PERP|BNBUSD_\d+|[A-Z0-9]*[AC-Z0-9]USD_\d+", symbol):
        base = pair.removesuffix("USD")
        return f"binance_futures:{base}-USD-{kind.format(base)}"
    codes = split(pair)
    return f"binance_futures:{multiple(codes[0])[0]}-{codes[1]}-{kind.format(codes[1])}" if codes else None


# What rows cannot state


def no_change(message: Balance, context: Context) -> None:
    """Of a trade Binance states the change without profit and fee, which is not the change of the balance: clear it."""
    if context.value("/a.m") == "ORDER" and not message.HasField("change"):
        message.stated.paths.append("change")


# Coin-margined futures count contracts, all others base units.
TABLES = (
    r"""
[unit]
quantity_unit := CONTRACTS if:s=*USD_PERP|*[!B]USD_[0-9]*|BNBUSD_[0-9]*
quantity_unit := CONTRACTS if:symbol=*USD_PERP|*[!B]USD_[0-9]*|BNBUSD_[0-9]*
quantity_unit := BASE
"""
    + MARKET
    + r"""
[instruments: VenueSymbol] when symbol contractType filters
use filters
pair = native_pair; contractType = raw_symbol_type; contractType = expiry_series if:symbol=*_*
deliveryDate = delisted_at none:4133404800000; onboardDate = listed_at; marginAsset = settlement_code
maintMarginPercent # documented as to be ignored; requiredMarginPercent # documented as to be ignored
{price,quantity}Precision = {price,quantity}_precision; baseAssetPrecision = base_precision
quotePrecision = quote_precision; underlyingType = underlying_kind; underlyingSubType = categories
triggerProtect = rules.trigger_protect; liquidationFee = fees.0.liquidation; marketTakeBound = rules.market_take_bound
filters.filterType=MAX_NUM_ORDERS.limit = rules.max_open_orders
filters.filterType=MAX_NUM_ALGO_ORDERS.limit = rules.max_algo_orders
filters.filterType=MIN_NOTIONAL.notional = rules.limit_order.min_notional
filters.filterType=PERCENT_PRICE.multiplierDecimal # the number of digits of the multipliers
rules.price_band.reference := MARK if:filters.*.multiplierUp

[symbols: Symbol] in instruments
deliveryDate = expiry if:symbol=*_*; payoff := LINEAR

[mark prices: Ticker] when e=markPriceUpdate
e ~ markPriceUpdate; p = mark_price; i = index_price; P = estimated_delivery_price; E = timestamp; use event

[funding: FundingRate] in mark prices when r=?*
s = listing; r = rate; T = funding_time; E = timestamp; E = published_at

[open interest: OpenInterest] when openInterest symbol
symbol = listing; openInterest = quantity; time = timestamp; use unit

[liquidations: Liquidation] at data.o|o when /e=forceOrder or /data.e=forceOrder
/e ~ forceOrder; /data.e ~ forceOrder; /E = published_at; /data.E = published_at; s = listing; S = side
o = raw_order_type; f = raw_time_in_force; X = raw_status; q = quantity; z = filled_quantity; l = last_quantity
p = price; ap = average_price none:0; T = timestamp; use unit

[margin]
{initial,maint}Margin = {initial,maintenance}_margin; positionInitialMargin = position_initial_margin
openOrderInitialMargin = order_initial_margin; updateTime = timestamp

[margin of an asset]
use margin; asset = asset_code; walletBalance = wallet_balance; balance = wallet_balance; marginBalance = equity
unrealizedProfit = unrealized_pnl; crossWalletBalance = cross_wallet_balance; crossUnPnl = cross_unrealized_pnl
availableBalance = available; maxWithdrawAmount = max_withdrawable; marginAvailable = serves_as_collateral

[balance]
asset = asset_code; walletBalance = total; balance = total; crossWalletBalance = cross_wallet_balance
availableBalance = free; maxWithdrawAmount = max_withdrawable; updateTime = timestamp

[position]
symbol = listing; positionAmt = quantity; entryPrice = entry_price none:0; breakEvenPrice = break_even_price none:0
markPrice = market_context.mark_price; liquidationPrice = liquidation_price none:0; leverage = leverage
unrealizedProfit = unrealized_pnl; unRealizedProfit = unrealized_pnl; isolated = margin_mode words:isolated
marginType = margin_mode; isolatedMargin = collateral none:0; isolatedWallet = isolated_wallet none:0
isAutoAddMargin = auto_add_margin; positionSide = side; notional = notional; maxNotional = max_notional
maxNotionalValue = max_notional; bidNotional = open_buy_notional; askNotional = open_sell_notional
marginAsset = settlement_asset_code; initialMargin = initial_margin; maintMargin = maintenance_margin
positionInitialMargin = position_initial_margin; openOrderInitialMargin = order_initial_margin; updateTime = updated_at
position_id := binance_futures:{native_listing.symbol}:{raw_side}; use unit

[accounts: VenueAccount] when totalWalletBalance assets
type := DERIVATIVES; feeTier = fee_tier; canTrade = can_trade; canDeposit = can_deposit; canWithdraw = can_withdraw
updateTime # documented as to be ignored; tradeGroupId = self_trade_group_id none:-1

[margin of the account: AccountMargin] in accounts
multiAssetsMargin = multi_asset; all_assets := true if:multiAssetsMargin=true
asset_code := USD if:multiAssetsMargin=true; asset_code := USDT if:multiAssetsMargin=false
totalMaintMargin = maintenance_margin; totalInitialMargin = initial_margin; totalWalletBalance = wallet_balance
totalUnrealizedProfit = unrealized_pnl; totalMarginBalance = margin_balance if:multiAssetsMargin!=false
totalMarginBalance = equity if:multiAssetsMargin=false; totalPositionInitialMargin = position_initial_margin
totalOpenOrderInitialMargin = order_initial_margin; totalCrossWalletBalance = cross_wallet_balance
totalCrossUnPnl = cross_unrealized_pnl; availableBalance = available; maxWithdrawAmount = max_withdrawable

[margin of an asset: AccountMargin] in accounts at assets.*
use margin of an asset

[balances: Balance] in accounts at assets.*
use balance

[positions: Position] in accounts at positions.*
use position

[margin of an asset: AccountMargin] when crossWalletBalance asset
use margin of an asset

[balances: Balance] in margin of an asset
use balance

[positions: Position] when positionAmt symbol
use position

[balances: Balance] at a.B.* partial when /e=ACCOUNT_UPDATE
/e ~ ACCOUNT_UPDATE; /E = published_at; /T = timestamp; /a.m = change_reason; a = asset_code; wb = total
cw = cross_wallet_balance; bc = change none:0 if:/a.m!=ORDER

[positions: Position] at a.P.* partial when /e=ACCOUNT_UPDATE
/e ~ ACCOUNT_UPDATE; /E = published_at; /T = updated_at; s = listing; pa = quantity; ep = entry_price none:0
bep = break_even_price none:0; cr = cumulative_realized_pnl; up = unrealized_pnl; mt = margin_mode
iw = isolated_wallet none:0; ps = side; position_id := binance_futures:{native_listing.symbol}:{raw_side}; use unit

[orders: Order] when orderId status type side
symbol = listing; orderId = venue_order_id; clientOrderId = client_order_id; price = price none:0
avgPrice = average_price none:0; origQty = quantity none:0; executedQty = cumulative_quantity
cumQuote = cumulative_quote_quantity; timeInForce = time_in_force; timeInForce = post_only is:GTX; type = type
reduceOnly = reduce_only; closePosition = close_position; side = side; positionSide = position_side
stopPrice = trigger_price none:0 if:type!=TRAILING*; activatePrice = activation_price none:0
priceRate = trailing_offset none:0; trailing_offset_kind := PERCENT if:priceRate=*[1-9]*; workingType = trigger_kind
priceProtect = price_protect; origType = original_type; priceMatch = price_match none:NONE
price_match_depth := 5 if:priceMatch=*_5; price_match_depth := 10 if:priceMatch=*_10
price_match_depth := 20 if:priceMatch=*_20; selfTradePreventionMode = self_trade_prevention
goodTillDate = good_til_time; time = created_at; updateTime = updated_at; use unit
status = status words:waiting if:status=NEW,type=STOP*|TAKE*|TRAILING*; status = status
order_id := binance_futures:{native_listing.symbol}:{venue_order_id}

[orders: Order] when algoId algoStatus
algoId = venue_order_id; clientAlgoId = client_order_id; algoType ~ CONDITIONAL; symbol = listing; type = type
orderType = type; side = side; positionSide = position_side; timeInForce = time_in_force; quantity = quantity none:0
algoStatus = status words:waiting if:algoStatus=NEW; algoStatus = status; triggerPrice = trigger_price none:0
price = price none:0; workingType = trigger_kind; reduceOnly = reduce_only; closePosition = close_position
priceProtect = price_protect; createTime = created_at; updateTime = updated_at; triggerTime = triggered_at
selfTradePreventionMode = self_trade_prevention; actualOrderId = attached_venue_order_id; use unit
order_id := binance_futures:algo:{venue_order_id}

[reports: ExecutionReport] at o when /e=ORDER_TRADE_UPDATE
/e ~ ORDER_TRADE_UPDATE; /E = published_at; /T = timestamp; s = {native_listing,order.native_listing}.symbol
c = {client_order_id,order.client_order_id}; S = {side,order.side}; o = order.type; f = order.time_in_force
f = order.post_only is:GTX; q = order.quantity none:0; p = order.price none:0
ap = {average_price,order.average_price} none:0; sp = order.trigger_price none:0 if:o!=TRAILING*
x = exec_type words:placed if:x=CALCULATED,X=NEW; x = exec_type words:prevented if:X=EXPIRED*; x = exec_type
X = {order_status,order.status} words:waiting if:X=NEW,o=STOP*|TAKE*|TRAILING*; X = {order_status,order.status}
i = {venue_order_id,order.venue_order_id}; l = last_quantity none:0; L = last_price none:0
z = {cumulative_quantity,order.cumulative_quantity}; n = fees.0.amount if:N=?*,t!=0; n = fees.0.amount none:0
N = fees.0.asset_code if:t!=0; T = timestamp; T = order.updated_at; t = trade_id none:0; b = open_bid_notional
a = open_ask_notional; m = liquidity words:maker if:t!=0; m = liquidity none:false; R = order.reduce_only
wt = order.trigger_kind; ot = order.original_type; ps = {position_side,order.position_side}; cp = order.close_position
AP = order.activation_price none:0; cr = order.trailing_offset none:0; pP = order.price_protect
order.trailing_offset_kind := PERCENT if:cr=*[1-9]*; rp = realized_pnl if:t!=0; rp = realized_pnl none:0
si # documented as to be ignored; ss # documented as to be ignored; V = order.self_trade_prevention
pm = order.price_match none:NONE; gtd = order.good_til_time; er = reason none:0
order.price_match_depth := 5 if:pm=*_5; order.price_match_depth := 10 if:pm=*_10
order.price_match_depth := 20 if:pm=*_20; reason := SELF_TRADE if:x=TRADE_PREVENTION
origin := INSURANCE if:X=NEW_INSURANCE; origin := ADL if:c=adl_autoclose*; origin := LIQUIDATION if:c=autoclose-*
origin := SETTLEMENT if:c=settlement_autoclose-*; origin := DELIVERY if:c=delivery_autoclose-*
order.origin := INSURANCE if:X=NEW_INSURANCE; order.origin := ADL if:c=adl_autoclose*
order.origin := LIQUIDATION if:c=autoclose-*; order.origin := SETTLEMENT if:c=settlement_autoclose-*
order.origin := DELIVERY if:c=delivery_autoclose-*; use unit
order.quantity_unit := CONTRACTS if:s=*USD_PERP|*[!B]USD_[0-9]*|BNBUSD_[0-9]*; order.quantity_unit := BASE
exec_id := {native_listing.symbol}-{trade_id} | {native_listing.symbol}-{venue_order_id}-{raw_exec_type}-{timestamp}
order.order_id := binance_futures:{native_listing.symbol}:{venue_order_id}

[fills: ExecutionReport] when id orderId qty commission
symbol = listing; id = trade_id; orderId = venue_order_id; price = last_price; qty = last_quantity
quoteQty = last_quote_quantity; commission = fees.0.amount; commissionAsset = fees.0.asset_code; side = side
maker = liquidity words:maker; realizedPnl = realized_pnl; positionSide = position_side; time = timestamp
buyer # the side states it; exec_type := TRADE; exec_id := {native_listing.symbol}-{trade_id}; use unit

[ledger: LedgerEntry] when incomeType tranId
incomeType = type; symbol = listing; income = change; asset = asset_code; info = text; time = timestamp
tranId = venue_payment_id; tradeId = trade_id; entry_id := {raw_type}-{venue_payment_id}
"""
)

VENUE = Venue(
    "binance_futures",
    tables(
        TABLES,
        {
            "instruments": [base_multiplier, market_orders],
            "candles": candle_close,
            "balances": no_change,
            "orders": trigger_direction,
            "reports": order_of_report,
        },
    ),
    root="data|*|.",
    time="ms",
    asset=asset,
    listing=listing,
    common="/stream # the subscription: the record states its symbol and kind",
    words={
        **WORDS,
        "OrderType": "STOP_LIMIT: STOP; TAKE_PROFIT_LIMIT: TAKE_PROFIT",
        # An order of the insurance fund or of a deleveraging is reported once, when it is filled.
        "OrderStatus": "FILLED: NEW_INSURANCE NEW_ADL; NEW: TRIGGERED",
        "ExecType": "TRADE: CALCULATED; REPLACED: AMENDMENT; RESTATED: TRADE_PREVENTION",
        # The liquidation order was placed, and nothing is filled yet.
        "placed": "NEW: CALCULATED",
        "isolated": "ISOLATED: true; CROSS: false",
        "PriceMatch": "OPPONENT: OPPONENT_5 OPPONENT_10 OPPONENT_20; QUEUE: QUEUE_5 QUEUE_10 QUEUE_20",
        "TradingMode": "PRE_LAUNCH: PENDING_TRADING; SETTLING: PRE_DELIVERING DELIVERING PRE_SETTLE SETTLING; CLOSED: "
        "DELIVERED CLOSE",
        "BalanceChangeReason": "TRADE: ORDER; FUNDING: FUNDING_FEE; DEPOSIT: ADMIN_DEPOSIT; WITHDRAWAL: WITHDRAW "
        "ADMIN_WITHDRAW; MARGIN: MARGIN_TRANSFER MARGIN_TYPE_CHANGE; TRANSFER: ASSET_TRANSFER INTERNAL_TRANSFER "
        "CROSS_COLLATERAL_TRANSFER; INSURANCE: INSURANCE_CLEAR; CONVERSION: AUTO_EXCHANGE COIN_SWAP_DEPOSIT "
        "COIN_SWAP_WITHDRAW; SETTLEMENT: OPTIONS_SETTLE_PROFIT DELIVERED_SETTELMENT; FEE: COMMISSION; REBATE: "
        "COMMISSION_REBATE API_REBATE REFERRAL_KICKBACK; REWARD: WELCOME_BONUS CONTEST_REWARD",
    },
)
