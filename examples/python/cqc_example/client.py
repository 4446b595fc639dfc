"""Rebuild the order books of a MarketData server and hash them."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import grpc

from cqc import BookBuilder
from cqc.markets.v1 import Trade
from cqc.services.v1 import (
    GetPriceRequest,
    ListVenueSymbolsRequest,
    StreamOrderBookRequest,
    StreamTradesRequest,
    asset_registry_pb2_grpc,
    market_data_pb2_grpc,
)
from cqc.venues.v1 import VenueSymbol

PAGE_SIZE = 5
TIMEOUT = 60  # seconds


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
        for listing in _listings(asset_registry_pb2_grpc.AssetRegistryStub(channel)):
            name = listing.venue_symbol_id
            book, deltas = _book(market_data, name)
            trades = _trades(market_data, name)
            if trades:
                _check_price(market_data, listing, trades[-1])
            result.books += 1
            result.deltas += deltas
            result.trades += len(trades)
            lines.append(f"book {name} {'-' if book.sequence is None else book.sequence}")
            lines += [f"b {level.price} {level.quantity}" for level in book.bids()]
            lines += [f"a {level.price} {level.quantity}" for level in book.asks()]
            lines += [f"t {trade.trade_id} {trade.price} {trade.quantity} {trade.aggressor}" for trade in trades]
    result.digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    return result


def _listings(registry: asset_registry_pb2_grpc.AssetRegistryStub) -> Iterator[VenueSymbol]:
    token = ""
    while True:
        page = registry.ListVenueSymbols(
            ListVenueSymbolsRequest(page_size=PAGE_SIZE, page_token=token), timeout=TIMEOUT
        )
        yield from page.venue_symbols
        token = page.next_page_token
        if not token:
            return


def _book(market_data: market_data_pb2_grpc.MarketDataStub, name: str) -> tuple[BookBuilder, int]:
    book: BookBuilder | None = None
    deltas = 0
    for step in market_data.StreamOrderBook(StreamOrderBookRequest(venue_symbol_id=name), timeout=TIMEOUT):
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
    if book is None:
        raise RuntimeError(f"the server sent no snapshot for {name}")
    return book, deltas


def _trades(market_data: market_data_pb2_grpc.MarketDataStub, name: str) -> list[Trade]:
    stream = market_data.StreamTrades(StreamTradesRequest(venue_symbol_ids=[name]), timeout=TIMEOUT)
    return [step.trade for step in stream if step.HasField("trade")]


def _check_price(market_data: market_data_pb2_grpc.MarketDataStub, listing: VenueSymbol, last: Trade) -> None:
    pair = "-".join(listing.symbol_id.split("-")[:2])
    price = market_data.GetPrice(GetPriceRequest(asset_id=pair), timeout=TIMEOUT)
    if price.venue_symbol_id == listing.venue_symbol_id and price.value != float(last.price):
        raise RuntimeError(f"the server's price for {pair} is {price.value}, but its last trade was at {last.price}")
