"""Rebuild the order books of a MarketData server and hash them."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import grpc

from cqc import BookBuilder
from cqc.errors import ServiceError
from cqc.markets.v1 import Trade
from cqc.services.v1 import (
    ErrorReason,
    GetPriceRequest,
    ListTradesRequest,
    ListVenueSymbolsRequest,
    StreamOrderBookRequest,
    StreamTradesRequest,
    asset_registry_pb2_grpc,
    market_data_pb2_grpc,
)
from cqc.venues.v1 import VenueSymbol

PAGE_SIZE = 5
TOP = 3
# The number of books that are also followed with a limited depth.
LIMITED = 2
TIMEOUT = 60  # seconds
# Over a network a token needs TLS: grpc.secure_channel and grpc.access_token_call_credentials.
CREDENTIALS = (("authorization", "Bearer example"),)


@dataclass
class Result:
    """Totals, and a SHA-256 of the final books and trades that is the same in every language."""

    books: int
    deltas: int
    trades: int
    digest: str


def rebuild(address: str) -> Result:
    """Consume the streams of every listing until the server ends them."""
    result = Result(0, 0, 0, "")
    lines: list[str] = []
    with grpc.insecure_channel(address) as channel:
        market_data = market_data_pb2_grpc.MarketDataStub(channel)
        registry = asset_registry_pb2_grpc.AssetRegistryStub(channel)
        _check_refusal(registry)
        for listing in _listings(registry):
            name = listing.venue_symbol_id
            book, deltas = _book(market_data, name, 0)
            if result.books < LIMITED:
                _check_depth(market_data, name, book)
            trades = _trades(market_data, name)
            _check_price(market_data, listing, trades)
            result.books += 1
            result.deltas += deltas
            result.trades += len(trades)
            lines.append(f"book {name} {'-' if book.sequence is None else book.sequence}")
            lines += [f"b {level.price} {level.quantity}" for level in book.bids()]
            lines += [f"a {level.price} {level.quantity}" for level in book.asks()]
            lines += [f"t {trade.trade_id} {trade.price} {trade.quantity} {trade.aggressor}" for trade in trades]
    result.digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    return result


def _check_depth(market_data: market_data_pb2_grpc.MarketDataStub, name: str, whole: BookBuilder) -> None:
    top, _ = _book(market_data, name, TOP)
    if [*top.bids(), *top.asks()] != [*whole.bids()[:TOP], *whole.asks()[:TOP]]:
        raise RuntimeError(f"the best {TOP} prices of {name} differ from those of its whole book")


def _check_refusal(registry: asset_registry_pb2_grpc.AssetRegistryStub) -> None:
    try:
        registry.ListVenueSymbols(ListVenueSymbolsRequest(page_token="1"), timeout=TIMEOUT, metadata=CREDENTIALS)
    except grpc.RpcError as error:
        failure = ServiceError.of(error)
        if failure is None or failure.reason != ErrorReason.ERROR_REASON_INVALID_PAGE_TOKEN:
            raise
        return
    raise RuntimeError("the server took a page token that it did not return")


def _listings(registry: asset_registry_pb2_grpc.AssetRegistryStub) -> Iterator[VenueSymbol]:
    token = ""
    while True:
        request = ListVenueSymbolsRequest(page_size=PAGE_SIZE, page_token=token)
        page = registry.ListVenueSymbols(request, timeout=TIMEOUT, metadata=CREDENTIALS)
        yield from page.venue_symbols
        token = page.next_page_token
        if not token:
            return


def _book(market_data: market_data_pb2_grpc.MarketDataStub, name: str, depth: int) -> tuple[BookBuilder, int]:
    """Follow a book to the end. Leaves after the first delta and resumes, as after a lost connection."""
    book: BookBuilder | None = None
    deltas = 0
    request = StreamOrderBookRequest(venue_symbol_id=name, depth=depth)
    while True:
        stream = market_data.StreamOrderBook(request, timeout=TIMEOUT, metadata=CREDENTIALS)
        for step in stream:
            event = step.WhichOneof("event")
            if event == "snapshot":
                book = BookBuilder(step.snapshot)
            elif event == "delta":
                if book is None:
                    raise RuntimeError(f"the server sent a delta for {name} before its snapshot")
                book.apply(step.delta)
                deltas += 1
            elif event == "reset":
                book = None
            if deltas == 1 and not request.resume_token:
                request.resume_token = step.resume_token
                stream.cancel()
                break
        else:
            break
    if book is None:
        raise RuntimeError(f"the server sent no snapshot for {name}")
    return book, deltas


def _trades(market_data: market_data_pb2_grpc.MarketDataStub, name: str) -> list[Trade]:
    """Return the trades that are listed, and those that the stream adds to the list."""
    trades: list[Trade] = []
    request = ListTradesRequest(venue_symbol_id=name, page_size=PAGE_SIZE)
    token = ""
    while True:
        page = market_data.ListTrades(request, timeout=TIMEOUT, metadata=CREDENTIALS)
        trades += page.trades
        token = token or page.resume_token
        request.page_token = page.next_page_token
        if not request.page_token:
            break
    added = _streamed(market_data, StreamTradesRequest(venue_symbol_ids=[name], resume_token=token))
    # What was traded while the pages were read comes twice.
    known = {trade.trade_id for trade in trades}
    trades += [trade for trade in added if trade.trade_id not in known]
    if trades != _streamed(market_data, StreamTradesRequest(venue_symbol_ids=[name])):
        raise RuntimeError(f"the listed trades of {name} differ from the streamed ones")
    return trades


def _streamed(market_data: market_data_pb2_grpc.MarketDataStub, request: StreamTradesRequest) -> list[Trade]:
    stream = market_data.StreamTrades(request, timeout=TIMEOUT, metadata=CREDENTIALS)
    return [step.trade for step in stream if step.HasField("trade")]


def _check_price(market_data: market_data_pb2_grpc.MarketDataStub, listing: VenueSymbol, trades: list[Trade]) -> None:
    pair = "-".join(listing.symbol_id.split("-")[:2])
    try:
        price = market_data.GetPrice(GetPriceRequest(asset_id=pair), timeout=TIMEOUT, metadata=CREDENTIALS)
    except grpc.RpcError as error:
        failure = ServiceError.of(error)
        if failure is None or failure.reason != ErrorReason.ERROR_REASON_NO_DATA or trades:
            raise
        return
    if trades and price.venue_symbol_id == listing.venue_symbol_id and price.value != float(trades[-1].price):
        raise RuntimeError(
            f"the server's price for {pair} is {price.value}, but its last trade was at {trades[-1].price}"
        )
