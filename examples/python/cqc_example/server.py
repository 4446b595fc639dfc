"""Serves captured traffic through MarketData and AssetRegistry, as the comments of the protos specify.

A replay has no pauses, so no heartbeat falls due within a stream, and it ends after the captured traffic.
"""

import hashlib
import signal
from collections.abc import Iterator, Sequence
from concurrent import futures
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from cqc import BookBuilder, BookError, to_unix_nanos
from cqc.access import AccessServerInterceptor, Principal
from cqc.errors import ServiceError
from cqc.interceptors import ValidationServerInterceptor
from cqc.markets.v1 import (
    BOOK_ACTION_DELETE,
    PRICE_KIND_LAST,
    PRICE_SOURCE_VENUE,
    BookLevel,
    OrderBook,
    OrderBookDelta,
    Price,
    Trade,
)
from cqc.services.v1 import (
    STREAM_RESET_REASON_SEQUENCE_GAP,
    ErrorReason,
    GetOrderBookRequest,
    GetOrderBookResponse,
    GetPriceRequest,
    Heartbeat,
    ListTradesRequest,
    ListTradesResponse,
    ListVenueSymbolsRequest,
    ListVenueSymbolsResponse,
    SnapshotComplete,
    StreamOrderBookRequest,
    StreamOrderBookResponse,
    StreamReset,
    StreamTradesRequest,
    StreamTradesResponse,
    asset_registry_pb2_grpc,
    market_data_pb2_grpc,
)
from cqc.venues.v1 import VenueSymbol
from cqc_example.mapping import Market, load

DEFAULT_PAGE_SIZE = 100
Item = TypeVar("Item", Trade, VenueSymbol)


def verify(token: str) -> Principal | None:
    """Return the holder of a token. A real service asks its identity provider, and serves over TLS."""
    return Principal("reader", frozenset({"market.read", "registry.read"})) if token == "example" else None


def _now() -> Timestamp:
    now = Timestamp()
    now.FromDatetime(datetime.now(UTC))
    return now


def _token(position: int, *filters: object) -> str:
    """Return a token that only a request with the same filters takes."""
    return f"{position}-{hashlib.sha256(repr(filters).encode()).hexdigest()[:16]}"


def _position(token: str, reason: ErrorReason.ValueType, size: int, *filters: object) -> int:
    """Return how many of `size` items come before the token. An empty token is before the first."""
    digits = token.partition("-")[0]
    position = int(digits) if digits.isdecimal() and len(digits) < 20 else 0
    if token and (position > size or token != _token(position, *filters)):
        raise ServiceError(reason, f"{token!r} is not a token that this server returned for the same filters")
    return position


def _page(
    items: Sequence[Item], request: ListTradesRequest | ListVenueSymbolsRequest, *filters: object
) -> tuple[Sequence[Item], str]:
    reason = ErrorReason.ERROR_REASON_INVALID_PAGE_TOKEN
    start = _position(request.page_token, reason, len(items), *filters)
    end = start + (request.page_size or DEFAULT_PAGE_SIZE)
    return items[start:end], _token(end, *filters) if end < len(items) else ""


def _not_found(kind: str, name: str) -> ServiceError:
    return ServiceError(
        ErrorReason.ERROR_REASON_RECORD_NOT_FOUND,
        f"no {kind} {name} was captured; call ListVenueSymbols for the valid ids",
        type=kind,
        id=name,
        checked_at=_now().ToJsonString(),
    )


class Listings(asset_registry_pb2_grpc.AssetRegistryServicer):
    """Lists the captured listings. It keeps no history, and none of them changes."""

    def __init__(self, markets: dict[str, Market]) -> None:
        self.listings = [markets[name].listing for name in sorted(markets)]
        self.started = _now()

    def ListVenueSymbols(
        self, request: ListVenueSymbolsRequest, context: grpc.ServicerContext
    ) -> ListVenueSymbolsResponse:
        """Return one page of listings, sorted by id."""
        if request.HasField("as_of") and to_unix_nanos(request.as_of) < to_unix_nanos(self.started):
            oldest = self.started.ToJsonString()
            raise ServiceError(
                ErrorReason.ERROR_REASON_AS_OF_NOT_KEPT, f"the history starts at {oldest}", oldest=oldest
            )
        found = [
            listing
            for listing in self.listings
            if request.venue_id in ("", listing.venue_id) and request.symbol_id in ("", listing.symbol_id)
        ]
        filters = ("listings", request.venue_id, request.symbol_id, request.valid_at, request.as_of)
        page, next_token = _page(found, request, *filters)
        return ListVenueSymbolsResponse(venue_symbols=page, next_page_token=next_token)


class Replay(market_data_pb2_grpc.MarketDataServicer):
    """Replays the captured data from the start for every client."""

    def __init__(self, markets: dict[str, Market]) -> None:
        self.markets = markets

    def GetPrice(self, request: GetPriceRequest, context: grpc.ServicerContext) -> Price:
        """Return the last captured trade price of a pair such as BTC-USD."""
        asset, _, quote = request.asset_id.partition("-")
        pair = [asset, quote or "USD"]
        for name in sorted(self.markets):
            market = self.markets[name]
            if market.trades and market.listing.symbol_id.split("-")[:2] == pair:
                trade = market.trades[-1]
                return Price(
                    asset_id=request.asset_id,
                    value=float(trade.price),
                    timestamp=trade.timestamp,
                    quote_asset_id=pair[1],
                    venue_symbol_id=name,
                    kind=PRICE_KIND_LAST,
                    source=PRICE_SOURCE_VENUE,
                    received_at=trade.received_at,
                )
        known = {part for market in self.markets.values() for part in market.listing.symbol_id.split("-")[:2]}
        for part in pair:
            if part not in known:
                raise _not_found("Asset", part)
        raise ServiceError(ErrorReason.ERROR_REASON_NO_DATA, f"no trade of {request.asset_id} was captured")

    def GetOrderBook(self, request: GetOrderBookRequest, context: grpc.ServicerContext) -> GetOrderBookResponse:
        """Return the captured snapshot, cut to the requested depth."""
        return GetOrderBookResponse(order_book=_cut(self._market(request.venue_symbol_id).snapshot, request.depth))

    def StreamOrderBook(
        self, request: StreamOrderBookRequest, context: grpc.ServicerContext
    ) -> Iterator[StreamOrderBookResponse]:
        """Stream the snapshot and the captured deltas, then end. A token holds the number of messages before it."""
        market = self._market(request.venue_symbol_id)
        steps = list(_steps(market, request.depth))
        filters = ("book", request.venue_symbol_id, request.depth)
        reason = ErrorReason.ERROR_REASON_INVALID_RESUME_TOKEN
        sent = _position(request.resume_token, reason, len(steps), *filters)
        if sent < 2:
            # The client left before SnapshotComplete, so it does not know the state.
            sent = 0
        else:
            yield StreamOrderBookResponse(heartbeat=Heartbeat(sent_at=_now()), resume_token=_token(sent, *filters))
        for number, step in enumerate(steps[sent:], sent + 1):
            if not step.HasField("reset"):
                step.resume_token = _token(number, *filters)
            yield step

    def ListTrades(self, request: ListTradesRequest, context: grpc.ServicerContext) -> ListTradesResponse:
        """Return one page of captured trades. The resume token continues after the last captured trade."""
        captured = self._market(request.venue_symbol_id).trades
        start = to_unix_nanos(request.start_time) if request.HasField("start_time") else None
        end = to_unix_nanos(request.end_time) if request.HasField("end_time") else None
        found = [
            trade
            for trade in captured
            if (start is None or start <= _time(trade)) and (end is None or _time(trade) < end)
        ]
        page, next_token = _page(found, request, "trades", request.venue_symbol_id, start, end)
        answer = ListTradesResponse(trades=page, next_page_token=next_token)
        if end is None:
            answer.resume_token = _token(len(captured), "trades", [request.venue_symbol_id])
        return answer

    def StreamTrades(
        self, request: StreamTradesRequest, context: grpc.ServicerContext
    ) -> Iterator[StreamTradesResponse]:
        """Stream the captured trades of the listings, then end. A token holds the number of trades before it."""
        trades = [trade for name in request.venue_symbol_ids for trade in self._market(name).trades]
        filters = ("trades", list(request.venue_symbol_ids))
        reason = ErrorReason.ERROR_REASON_INVALID_RESUME_TOKEN
        sent = _position(request.resume_token, reason, len(trades), *filters)
        yield StreamTradesResponse(heartbeat=Heartbeat(sent_at=_now()), resume_token=_token(sent, *filters))
        for number, trade in enumerate(trades[sent:], sent + 1):
            yield StreamTradesResponse(trade=trade, resume_token=_token(number, *filters))

    def _market(self, name: str) -> Market:
        if name not in self.markets:
            raise _not_found("VenueSymbol", name)
        return self.markets[name]


def _time(trade: Trade) -> int:
    return to_unix_nanos(trade.timestamp if trade.HasField("timestamp") else trade.received_at)


def _cut(book: OrderBook, depth: int) -> OrderBook:
    """Return the best `depth` prices of each side, or the whole book for 0."""
    cut = OrderBook()
    cut.CopyFrom(book)
    if depth:
        del cut.bids[depth:]
        del cut.asks[depth:]
        cut.depth = depth
        cut.ClearField("checksum")
        cut.ClearField("checksum_kind")
    return cut


def _steps(market: Market, depth: int) -> Iterator[StreamOrderBookResponse]:
    """Yield the messages of a book's stream, without tokens."""
    yield StreamOrderBookResponse(snapshot=_cut(market.snapshot, depth))
    yield StreamOrderBookResponse(snapshot_complete=SnapshotComplete())
    book = BookBuilder(market.snapshot)
    last = book.sequence
    bids, asks = book.bids()[:depth], book.asks()[:depth]
    for captured in market.deltas:
        try:
            if not book.apply(captured):
                continue
        except BookError as error:
            reset = StreamReset(reason=STREAM_RESET_REASON_SEQUENCE_GAP, detail=str(error))
            yield StreamOrderBookResponse(reset=reset)
            # No later snapshot was captured, so the book stays unknown.
            return
        delta = OrderBookDelta()
        delta.CopyFrom(captured)
        if depth:
            old_bids, old_asks = bids, asks
            bids, asks = book.bids()[:depth], book.asks()[:depth]
            for field in ("bids", "asks", "checksum", "checksum_kind"):
                delta.ClearField(field)
            delta.bids.extend(_changes(old_bids, bids))
            delta.asks.extend(_changes(old_asks, asks))
            if not delta.bids and not delta.asks:
                continue
        # What is left out must not look like a gap.
        if last is not None and delta.HasField("sequence"):
            delta.previous_sequence = last
            last = delta.sequence
        yield StreamOrderBookResponse(delta=delta)


def _changes(before: list[BookLevel], after: list[BookLevel]) -> list[BookLevel]:
    """Return the levels that turn one side into another. Deletions come first, because 1.0 may become 1.00."""
    kept = {level.price for level in after}
    known = {level.price: level for level in before}
    gone = [BookLevel(price=price, quantity="0", action=BOOK_ACTION_DELETE) for price in known if price not in kept]
    return gone + [level for level in after if known.get(level.price) != level]


def serve(data: Path, address: str) -> None:
    """Serve until SIGTERM or SIGINT. The first line printed is the listening address."""
    markets = {name: market for name, market in load(data).items() if market.snapshot.HasField("received_at")}
    server = grpc.server(
        futures.ThreadPoolExecutor(max_workers=8),
        interceptors=[AccessServerInterceptor(verify), ValidationServerInterceptor()],
    )
    market_data_pb2_grpc.add_MarketDataServicer_to_server(Replay(markets), server)
    asset_registry_pb2_grpc.add_AssetRegistryServicer_to_server(Listings(markets), server)
    host = address.rpartition(":")[0]
    port = server.add_insecure_port(address)
    server.start()
    print(f"listening on {host}:{port}", flush=True)
    for sign in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sign, lambda *_: server.stop(grace=1))
    server.wait_for_termination()
