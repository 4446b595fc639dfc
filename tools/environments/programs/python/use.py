"""A trading program with the package's types, for type checkers in strict mode and linters; it also runs."""

from collections.abc import Iterator
from decimal import Decimal

import grpc

from cqc import BookBuilder, Violation, format_decimal, parse_decimal, validate
from cqc.client import BookState, connect, follow, follow_book, pages, place_order
from cqc.errors import ServiceError
from cqc.events.v1 import Event
from cqc.markets.v1 import BookLevel, OrderBook, Price, Trade
from cqc.server import serve
from cqc.services.v1 import (
    ERROR_REASON_NO_DATA,
    GetPriceRequest,
    ListTradesRequest,
    PlaceOrderRequest,
    StreamOrderBookRequest,
    StreamPricesRequest,
    StreamPricesResponse,
)
from cqc.services.v1.market_data_pb2_grpc import MarketDataServicer, MarketDataStub
from cqc.services.v1.venue_gateway_pb2_grpc import VenueGatewayStub
from cqc.venues.v1 import Order


class Prices(MarketDataServicer):
    """Knows one price."""

    def GetPrice(self, request: GetPriceRequest, context: grpc.ServicerContext) -> Price:  # pylint: disable=invalid-name
        """Return the price of any asset."""
        if request.asset_id == "XMR":
            raise ServiceError(ERROR_REASON_NO_DATA, "no price of XMR yet")
        return Price(asset_id=request.asset_id, value=65_000.5)


def best_bid(book: OrderBook) -> Decimal:
    """Return the best bid's price."""
    bids = BookBuilder(book).book().bids
    return parse_decimal(bids[0].price)


def trades(stub: MarketDataStub, listing: str) -> Iterator[Trade]:
    """Yield all trades of a listing."""
    yield from pages(stub.ListTrades, ListTradesRequest(venue_symbol_id=listing), lambda page: page.trades)


def prices(stub: MarketDataStub) -> Iterator[StreamPricesResponse]:
    """Yield prices for as long as the caller takes them."""
    yield from follow(stub.StreamPrices, StreamPricesRequest(asset_ids=["BTC"]))


def books(stub: MarketDataStub, listing: str) -> Iterator[OrderBook]:
    """Yield a listing's book whenever it is current."""
    for update in follow_book(stub.StreamOrderBook, StreamOrderBookRequest(venue_symbol_id=listing)):
        if update.state == BookState.LIVE and update.book is not None:
            yield update.book.book()


def place(stub: VenueGatewayStub, request: PlaceOrderRequest) -> Order:
    """Place an order, at most once."""
    return place_order(stub, request, timeout=5.0)


def current(target: str) -> float:
    """Ask a server for a price."""
    with connect(target, token="", plaintext=True) as channel:
        price: Price = MarketDataStub(channel).GetPrice(GetPriceRequest(asset_id="BTC"))
        return price.value


def main() -> None:
    """Use messages and helpers."""
    book = OrderBook(venue_symbol_id="binance:BTC-USDT-SPOT", bids=[BookLevel(price="0.10", quantity="3")])
    assert format_decimal(best_bid(book) * 2) == "0.20"
    violations: list[Violation] = list(validate(Price()))
    assert violations
    assert Event().WhichOneof("event") is None
    with serve(Prices(), address="127.0.0.1:0", plaintext=True) as server:
        assert current(server.address) == 65_000.5
    print("ok")


if __name__ == "__main__":
    main()
