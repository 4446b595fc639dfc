"""Every form in which users import the contracts; type checkers read this file, the tests run it."""

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

import cqc
from cqc.assets.v1 import Asset, asset_pb2
from cqc.markets.v1 import OrderBook, Price, price_pb2
from cqc.services.v1 import GetPriceRequest, market_data_pb2_grpc


def price_of_bitcoin() -> Price:
    """A price through the package's own name, checked against the module's."""
    price: price_pb2.Price = Price(asset_id="BTC-USD", value=67890.50, timestamp=Timestamp(seconds=1))
    return price


def an_asset() -> asset_pb2.Asset:
    """An asset, typed by its module."""
    asset: Asset = asset_pb2.Asset(asset_id="BTC", symbol="BTC", name="Bitcoin")
    return asset


def an_empty_book() -> OrderBook:
    """A message of another file of the same domain."""
    return OrderBook(venue_symbol_id="binance:BTC-USDT-SPOT")


class Prices(market_data_pb2_grpc.MarketDataServicer):
    """A server that knows one price."""

    def GetPrice(self, request: GetPriceRequest, context: grpc.ServicerContext) -> Price:
        """Answer with the asset that was asked for."""
        price = price_of_bitcoin()
        price.asset_id = request.asset_id
        return price


def helpers(price: Price, book: OrderBook) -> tuple[list[cqc.Violation], list[cqc.Oddity], str, int]:
    """What the package computes, typed."""
    builder = cqc.BookBuilder(book)
    return (
        cqc.validate(price),
        cqc.check_book(builder.book()),
        cqc.format_decimal(cqc.parse_decimal("0.10")),
        cqc.to_unix_nanos(price.timestamp),
    )


def ask(channel: grpc.Channel) -> Price:
    """Ask a server for a price."""
    return market_data_pb2_grpc.MarketDataStub(channel).GetPrice(GetPriceRequest(asset_id="BTC-USD"), timeout=10)


def version() -> str:
    """The installed version."""
    return cqc.__version__
