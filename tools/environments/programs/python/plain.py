"""Use what needs no extra; what needs one says which."""

import importlib

import grpc

import cqc
from cqc.events.v1 import Event
from cqc.markets.v1 import BookLevel, OrderBook, Price
from cqc.services.v1.market_data_pb2_grpc import MarketDataStub

book = cqc.BookBuilder(OrderBook(bids=[BookLevel(price="0.10", quantity="3")])).book()
assert cqc.format_decimal(cqc.parse_decimal(book.bids[0].price)) == "0.10"
assert Price.FromString(Price(value=1).SerializeToString()).value == 1
assert Event().WhichOneof("event") is None
assert len(cqc.descriptor_set().file) > 1
with grpc.insecure_channel("localhost:1") as channel:
    assert MarketDataStub(channel).GetPrice
for module in ("cqc.client", "cqc.errors", "cqc.interceptors", "cqc.server"):
    said = ""
    try:
        importlib.import_module(module)
    except ImportError as missing:
        said = str(missing)
    assert 'pip install "cqc[' in said, f"without its extra, {module} says {said!r}"
print("ok")
