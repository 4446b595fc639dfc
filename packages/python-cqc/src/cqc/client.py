"""A thin client layer over gRPC: channels with safe defaults, pages, streams that resume, order books, and orders.

    with connect("markets.example.com:443", token=token) as channel:
        stub = MarketDataStub(channel)
        for update in follow_book(stub.StreamOrderBook, StreamOrderBookRequest(venue_symbol_id="binance:BTC-USDT")):
            ...

The stubs and errors are gRPC's own; `cqc.errors.ServiceError.of` reads the reason of an error. Each function has an
`_async` form for grpc.aio. Requires the extra `client`: `pip install "cqc[client]"`.
"""

from __future__ import annotations

from cqc._client_book import BookState, BookUpdate, follow_book, follow_book_async
from cqc._client_connect import Token, connect, connect_async
from cqc._client_errors import CertificateError, OutcomeUnknownError, ProtocolError
from cqc._client_follow import Lost, OnLost, follow, follow_async
from cqc._client_orders import place_order, place_order_async
from cqc._client_pages import CallOptions, pages, pages_async
from cqc._client_retries import service_config
from cqc._settings import SettingError

__all__ = [
    "BookState",
    "BookUpdate",
    "CallOptions",
    "CertificateError",
    "Lost",
    "OnLost",
    "OutcomeUnknownError",
    "ProtocolError",
    "SettingError",
    "Token",
    "connect",
    "connect_async",
    "follow",
    "follow_async",
    "follow_book",
    "follow_book_async",
    "pages",
    "pages_async",
    "place_order",
    "place_order_async",
    "service_config",
]
