"""Every way to import the package, checked by mypy and pyright and run by the tests."""

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

import cqc
from cqc.assets.v1 import Asset, asset_pb2
from cqc.markets.v1 import OrderBook, Price, price_pb2
from cqc.services.v1 import GetPriceRequest, market_data_pb2_grpc


def price_of_bitcoin() -> Price:
    """Construct a message by its package name, annotated with its module name."""
    price: price_pb2.Price = Price(asset_id="BTC-USD", value=67890.50, timestamp=Timestamp(seconds=1))
    return price


def an_asset() -> asset_pb2.Asset:
    """Construct a message by its module name, annotated with its package name."""
    asset: Asset = asset_pb2.Asset(asset_id="BTC", symbol="BTC", name="Bitcoin")
    return asset


def an_empty_book() -> OrderBook:
    """Construct a message of another file in the same domain."""
    return OrderBook(venue_symbol_id="binance:BTC-USDT-SPOT")


class Prices(market_data_pb2_grpc.MarketDataServicer):
    """A server with a single price."""

    def GetPrice(self, request: GetPriceRequest, context: grpc.ServicerContext) -> Price:
        """Return the price under the requested asset id."""
        price = price_of_bitcoin()
        price.asset_id = request.asset_id
        return price


def helpers(price: Price, book: OrderBook) -> tuple[list[cqc.Violation], list[cqc.Anomaly], str, int]:
    """Call the helpers with their declared types."""
    builder = cqc.BookBuilder(book)
    return (
        cqc.validate(price),
        cqc.check_book(builder.book()),
        cqc.format_decimal(cqc.parse_decimal("0.10")),
        cqc.to_unix_nanos(price.timestamp),
    )


def get_price(channel: grpc.Channel) -> Price:
    """Call an RPC."""
    return market_data_pb2_grpc.MarketDataStub(channel).GetPrice(GetPriceRequest(asset_id="BTC-USD"), timeout=10)


def version() -> str:
    """Return the installed version."""
    return cqc.__version__
