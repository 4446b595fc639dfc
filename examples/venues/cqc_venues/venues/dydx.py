"""dYdX v4, its mainnet: https://docs.dydx.xyz."""

from __future__ import annotations

import re

from google.protobuf.timestamp_pb2 import Timestamp

import cqc
from cqc.mapping import Context, Venue, candle_close, code_as_asset, tables, trigger_direction
from cqc.markets.v1 import Ticker
from cqc.portfolio.v1 import Position
from cqc.venues.v1 import Order, OrderStatus, Transfer, TransferType

# Identity


def listing(_segment: str, symbol: str) -> str | None:
    """Every market is a perpetual in dollars, settled in USDC. Names such as `X,RAYDIUM,4K3D...-USD` are no product."""
    found = re.fullmatch(r"([A-Z0-9]{1,32})-USD", symbol)
    return f"dydx:{found[1]}-USD-PERP-USDC" if found else None


def order(message: Order, context: Context) -> None:
    """A partly filled order is open at dYdX."""
    filled = cqc.parse_decimal(message.cumulative_quantity or "0")
    if message.status == OrderStatus.ORDER_STATUS_NEW and filled:
        message.status = OrderStatus.ORDER_STATUS_PARTIALLY_FILLED
    trigger_direction(message, context)


def position(message: Position, context: Context) -> None:
    """The realized profit of dYdX includes funding."""
    sent = context.record
    if sent.get("realizedPnl") and sent.get("netFunding"):
        profit = cqc.parse_decimal(sent["realizedPnl"]) - cqc.parse_decimal(sent["netFunding"])
        message.realized_pnl = cqc.format_decimal(profit)


def closing(message: Ticker, context: Context) -> None:
    """When a candle ended, if it has ended: until then its last mid price is of the time when it was received."""
    length = {"1MIN": 1, "5MINS": 5, "15MINS": 15, "30MINS": 30, "1HOUR": 60, "4HOURS": 240, "1DAY": 1440}
    minutes = length.get(context.record["resolution"])
    if minutes:
        end = Timestamp()
        end.FromJsonString(context.record["startedAt"])
        end.seconds += 60 * minutes
        if end.ToNanoseconds() <= message.received_at.ToNanoseconds():
            message.timestamp.CopyFrom(end)


def transfer(message: Transfer, _context: Context) -> None:
    """A transfer between the subaccounts of one address is internal, one between two addresses is not."""
    if message.raw_type.startswith("TRANSFER") and message.from_address == message.to_address:
        message.type = TransferType.TRANSFER_TYPE_INTERNAL


TABLES = r"""
[account]
subaccountId # account_id stands for it; subaccountNumber # account_id stands for it

[position]
use account; market = listing; status = status; side = side words:positions; size = quantity
maxSize = largest_quantity if:side=LONG; entryPrice = entry_price if:sumClose=0|0.0; entryPrice = entry_vwap
exitPrice = exit_price; unrealizedPnl = unrealized_pnl; realizedPnl # the sum of realized_pnl and funding
netFunding = funding; sumOpen = opened_quantity; sumClose = closed_quantity; createdAt = opened_at
createdAtHeight = opened_onchain.block_number; closedAt = closed_at; settlement_asset_id := USDC; quantity_unit := BASE
position_id := dydx:{native_listing.symbol}

[book]
quantity_unit := BASE; /id = listing if:/channel

[ticker]
oraclePrice = index_price; oraclePrice = mark_price; priceChange24H = windows.0.price_change; quantity_unit := BASE
volume24H = windows.0.quote_volume; trades24H = windows.0.trade_count; windows.0.duration := 24h if:priceChange24H

[funding]
nextFundingRate = rate; defaultFundingRate1H = interest_rate; interval := 1h

[interest]
openInterest = quantity; quantity_unit := BASE

[markets: VenueSymbol] at result.markets.**|contents.markets.**|markets.**|. when clobPairId tickSize
ticker = native_symbol; clobPairId = native_id; status = trading_mode; tickSize = rules.tick_tiers.0.tick_size
stepSize = rules.limit_order.lot_step; initialMarginFraction = margin_tiers.0.initial_margin_rate
maintenanceMarginFraction = margin_tiers.0.maintenance_margin_rate; marketType = margin_modes; quantity_unit := BASE
atomicResolution = base_precision neg; stepBaseQuantums # stepSize in units of 10^atomicResolution
subticksPerTick # tickSize in units of 10^(quantumConversionExponent - 6 - atomicResolution); settlement_code := USDC
[symbols: Symbol] in markets
payoff := LINEAR
[tickers: Ticker] in markets
use ticker; ticker = listing
[funding: FundingRate] in markets when nextFundingRate
use funding; ticker = listing
[open interest: OpenInterest] in markets when openInterest
use interest; ticker = listing

[changes of status: InstrumentStatus] at contents.trading.** when status
@key = listing; status = trading_mode
[changes of funding with status: FundingRate] in changes of status partial when nextFundingRate
use funding; @key = listing

[changes of markets: Ticker] at contents.trading.** partial when priceChange24H or volume24H or trades24H
use ticker; @key = listing
[changes of funding: FundingRate] in changes of markets partial when nextFundingRate
use funding; @key = listing
[changes of open interest: OpenInterest] in changes of markets partial when openInterest
use interest; @key = listing

[oracle prices: Ticker] at contents.oraclePrices.** partial when oraclePrice effectiveAt
@key = listing; oraclePrice = index_price; oraclePrice = mark_price; effectiveAt = timestamp
effectiveAtHeight = sequence; marketId # the listing states it; quantity_unit := BASE

[book deltas: OrderBookDelta] at contents.*|contents when bids /type=channel_* or asks /type=channel_*
use book; {bids,asks}.*.0 = {bids,asks}.*.price; {bids,asks}.*.1 = {bids,asks}.*.quantity

[books: OrderBook] when bids asks
use book; {bids,asks}.*.price = {bids,asks}.*.price; {bids,asks}.*.size = {bids,asks}.*.quantity

[trades: Trade] at contents.*.trades.*|contents.trades.*|result.trades.*|trades.*|. when createdAt price !orderId
/id = listing if:/channel; id = trade_id; side = aggressor; size = quantity; price = price; type = taker_order_type
type = liquidation is:LIQUIDATED; createdAt = timestamp; createdAtHeight = onchain.block_number; quantity_unit := BASE

[candles: Candle] at contents.candles.*|contents.*|contents|result.candles.*|candles.*|. when startedAt resolution
ticker = listing; resolution = interval; startedAt = open_time; {open,high,low,close} = {open,high,low,close}
baseTokenVolume = volume; volume_unit := BASE; usdVolume = quote_volume; trades = trade_count; price_kind := TRADE
[open interest of candles: OpenInterest] in candles when startingOpenInterest
ticker = listing; startedAt = timestamp; startingOpenInterest = quantity; quantity_unit := BASE
[mid prices of candles: Ticker] in candles when orderbookMidPriceOpen
ticker = listing; startedAt = timestamp; orderbookMidPriceOpen = mid_price
[closing mid prices of candles: Ticker] in candles when orderbookMidPriceClose
ticker = listing; orderbookMidPriceClose = mid_price

[funding paid: FundingRate] at result.historicalFunding.*|historicalFunding.*|. when effectiveAt rate
ticker = listing; rate = rate; price = index_price; price = mark_price; effectiveAt = funding_time; settled := true
interval := 1h

[orders: Order] at contents.*.orders.*|contents.orders.*|result.*|*|. when clientId clobPairId
use account; id = venue_order_id; order_id := dydx:{venue_order_id}; ticker = listing; clobPairId = native_listing.id
clientId = client_order_id; clientMetadata = label; side = side; size = quantity; price = price; type = type
status = status; totalFilled = cumulative_quantity; timeInForce = time_in_force; postOnly = post_only
reduceOnly = reduce_only; orderFlags = raw_flags; goodTilBlockTime = good_til_time; goodTilBlock = good_til_block
triggerPrice = trigger_price; removalReason = status_reason; updatedAt = updated_at; quantity_unit := BASE

[fills: ExecutionReport] at contents.*.fills.*|contents.fills.*|result.fills.*|fills.*|. when orderId liquidity
use account; id = exec_id; exec_type := TRADE; orderId = venue_order_id; market = listing; side = side
size = last_quantity; price = last_price; liquidity = liquidity; type = origin words:fills; fee = fees.0.amount
fees.0.asset_id := USDC if:fee=?*; createdAt = timestamp; createdAtHeight = onchain.block_number
marketType # the listing states it; clientMetadata # the order has it; quantity_unit := BASE

[subaccounts: AccountMargin] at contents.subaccount|result.subaccount|subaccount|subaccounts.*|. when freeCollateral
equity = equity; freeCollateral = available; asset_id := USDC
latestProcessedBlockHeight # how far the indexer is, not when the account changed
[accounts: VenueAccount] in subaccounts when address
venue_account_id := {@address}/{@subaccountNumber}; address # venue_account_id states it
subaccountNumber # venue_account_id states it
[positions of subaccounts: Position] in subaccounts at openPerpetualPositions.** when market size
use position
[balances: Balance] in subaccounts at assetPositions.** when symbol size
use account; symbol = asset_code; size = total if:side!=SHORT; size = total if:size=-*
size = total neg if:side=SHORT,size!=-*; side # the sign of the total states it
assetId # the code of the asset states it

[positions: Position] at contents.*.perpetualPositions.*|contents.perpetualPositions.*|positions.*|. when market sumOpen
use position

[transfers: Transfer] at result.transfers.*|transfers.*|. when sender recipient
id = venue_transfer_id; transfer_id := dydx:{venue_transfer_id}; type = type; state := COMPLETED
{sender,recipient}.address = {from,to}_address; {sender,recipient}.subaccountNumber = {from,to}_wallet; size = amount
amount = amount; symbol = asset_code; asset = asset_code; createdAt = created_at; createdAtHeight = onchain.block_number
transactionHash = onchain.transaction_id
[skip: the answer of the chain to a request, which an order or a transfer states] when codespace or result
[skip: the clock, the height of the chain or the key of an account] when epoch or height or blockHeight or info
[skip: a remark of the documentation, a subscription, a refusal] when @name=*
"""

VENUE = Venue(
    "dydx",
    tables(
        TABLES,
        {
            "orders": order,
            "candles": candle_close,
            "closing mid prices of candles": closing,
            "positions": position,
            "positions of subaccounts": position,
            "transfers": transfer,
        },
    ),
    root="contents.*|contents|result.*|result|*|.",
    asset=code_as_asset,
    listing=listing,
    common="""
        /requestId # of the request; /status ~ success; /isoTimestamp # when the gateway answered
        /{type,channel} # the kind of the frame; /connection_id # of the connection
        /message_id # counts the frames of a connection; /version # of the channel; /id # the data states it
    """,
    words={
        "TradingMode": "PRE_LAUNCH: INITIALIZING; SETTLING: FINAL_SETTLEMENT",
        "OrderType": "TAKE_PROFIT_LIMIT: TAKE_PROFIT",
        "OrderReason": "USER_REQUESTED: USER_CANCELED; WOULD_TAKE: POST_ONLY_WOULD_CROSS_MAKER_ORDER; "
        "SELF_TRADE: SELF_TRADE_ERROR; WOULD_INCREASE: REDUCE_ONLY_RESIZE; INSUFFICIENT_FUNDS: UNDERCOLLATERALIZED; "
        "NOT_FILLABLE: IMMEDIATE_OR_CANCEL_WOULD_REST_ON_BOOK FOK_ORDER_COULD_NOT_BE_FULLY_FULLED",
        "TransferType": "WITHDRAWAL: TRANSFER_OUT; DEPOSIT: TRANSFER_IN",
        "fills": "LIQUIDATION: LIQUIDATED; ADL: DELEVERAGED OFFSETTING",
        "positions": "NET: LONG SHORT",
    },
)
