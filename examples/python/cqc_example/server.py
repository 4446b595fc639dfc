"""Serves captured traffic through MarketData and AssetRegistry."""

import signal
from collections.abc import Iterator
from concurrent import futures
from datetime import UTC, datetime
from pathlib import Path

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from cqc.markets.v1 import PRICE_KIND_LAST, PRICE_SOURCE_VENUE, Price
from cqc.services.v1 import (
    GetOrderBookRequest,
    GetOrderBookResponse,
    GetPriceRequest,
    Heartbeat,
    ListTradesRequest,
    ListTradesResponse,
    ListVenueSymbolsRequest,
    ListVenueSymbolsResponse,
    StreamOrderBookRequest,
    StreamOrderBookResponse,
    StreamTradesRequest,
    StreamTradesResponse,
    asset_registry_pb2_grpc,
    market_data_pb2_grpc,
)
from cqc_example.mapping import Market, load

DEFAULT_PAGE_SIZE = 100


def _now() -> Timestamp:
    now = Timestamp()
    now.FromDatetime(datetime.now(UTC))
    return now


def _page(request: ListTradesRequest | ListVenueSymbolsRequest, size: int) -> tuple[slice, str]:
    start = int(request.page_token or 0)
    end = start + (request.page_size or DEFAULT_PAGE_SIZE)
    return slice(start, end), str(end) if end < size else ""


class Listings(asset_registry_pb2_grpc.AssetRegistryServicer):
    """Lists the captured listings."""

    def __init__(self, markets: dict[str, Market]) -> None:
        self.listings = [markets[name].listing for name in sorted(markets)]

    def ListVenueSymbols(
        self, request: ListVenueSymbolsRequest, context: grpc.ServicerContext
    ) -> ListVenueSymbolsResponse:
        """Return one page of listings, sorted by id."""
        page, next_token = _page(request, len(self.listings))
        return ListVenueSymbolsResponse(venue_symbols=self.listings[page], next_page_token=next_token)


class Replay(market_data_pb2_grpc.MarketDataServicer):
    """Replays the captured data from the start for every client."""

    def __init__(self, markets: dict[str, Market]) -> None:
        self.markets = markets

    def GetPrice(self, request: GetPriceRequest, context: grpc.ServicerContext) -> Price:
        """Return the last captured trade price of a pair such as BTC-USD."""
        asset, _, quote = request.asset_id.partition("-")
        for name in sorted(self.markets):
            market = self.markets[name]
            if market.trades and market.listing.symbol_id.startswith(f"{asset}-{quote or 'USD'}-"):
                trade = market.trades[-1]
                return Price(
                    asset_id=request.asset_id,
                    value=float(trade.price),
                    timestamp=trade.timestamp,
                    quote_asset_id=quote or "USD",
                    venue_symbol_id=name,
                    kind=PRICE_KIND_LAST,
                    source=PRICE_SOURCE_VENUE,
                    received_at=trade.received_at,
                )
        context.abort(grpc.StatusCode.NOT_FOUND, f"no captured trade for {request.asset_id}")
        raise AssertionError  # abort raises

    def GetOrderBook(self, request: GetOrderBookRequest, context: grpc.ServicerContext) -> GetOrderBookResponse:
        """Return the captured snapshot, cut to the requested depth."""
        market = self._market(request.venue_symbol_id, context)
        answer = GetOrderBookResponse(order_book=market.snapshot)
        if request.depth:
            del answer.order_book.bids[request.depth :]
            del answer.order_book.asks[request.depth :]
            answer.order_book.depth = request.depth
        return answer

    def StreamOrderBook(
        self, request: StreamOrderBookRequest, context: grpc.ServicerContext
    ) -> Iterator[StreamOrderBookResponse]:
        """Stream the snapshot and the captured deltas, then end. The resume token is the number of deltas sent."""
        market = self._market(request.venue_symbol_id, context)
        if not request.resume_token:
            yield StreamOrderBookResponse(snapshot=market.snapshot, resume_token="0")
        for number, delta in enumerate(market.deltas, 1):
            if number > int(request.resume_token or 0):
                yield StreamOrderBookResponse(delta=delta, resume_token=str(number))
        yield StreamOrderBookResponse(heartbeat=Heartbeat(sent_at=_now()), resume_token=str(len(market.deltas)))

    def ListTrades(self, request: ListTradesRequest, context: grpc.ServicerContext) -> ListTradesResponse:
        """Return one page of captured trades."""
        trades = self._market(request.venue_symbol_id, context).trades
        page, next_token = _page(request, len(trades))
        return ListTradesResponse(trades=trades[page], next_page_token=next_token)

    def StreamTrades(
        self, request: StreamTradesRequest, context: grpc.ServicerContext
    ) -> Iterator[StreamTradesResponse]:
        """Stream the captured trades of the listings, then end. The resume token is the number of trades sent."""
        number = 0
        for name in request.venue_symbol_ids:
            for trade in self._market(name, context).trades:
                number += 1
                if number > int(request.resume_token or 0):
                    yield StreamTradesResponse(trade=trade, resume_token=str(number))

    def _market(self, name: str, context: grpc.ServicerContext) -> Market:
        if name not in self.markets:
            context.abort(
                grpc.StatusCode.NOT_FOUND, f"no captured data for {name}; call ListVenueSymbols for the valid ids"
            )
        return self.markets[name]


def serve(data: Path, address: str) -> None:
    """Serve until SIGTERM or SIGINT. The first line printed is the listening address."""
    markets = {name: market for name, market in load(data).items() if market.snapshot}
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=8))
    market_data_pb2_grpc.add_MarketDataServicer_to_server(Replay(markets), server)
    asset_registry_pb2_grpc.add_AssetRegistryServicer_to_server(Listings(markets), server)
    host = address.rpartition(":")[0]
    port = server.add_insecure_port(address)
    server.start()
    print(f"listening on {host}:{port}", flush=True)
    for sign in (signal.SIGTERM, signal.SIGINT):
        signal.signal(sign, lambda *_: server.stop(grace=1))
    server.wait_for_termination()
