"""Use what needs no extra; what needs one cannot be imported."""

import importlib
import sys

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
for module, extra in (("cqc.client", "client"), ("cqc.interceptors", "validation"), ("cqc.server", "server")):
    try:
        importlib.import_module(module)
    except ModuleNotFoundError as missing:
        print(f"{module} needs cqc[{extra}]: {missing}", file=sys.stderr)
    else:
        raise SystemExit(f"{module} was imported without cqc[{extra}]")
print("ok")
