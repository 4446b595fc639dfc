"""Lists, streams, books and orders of `cqc.client` over sockets: what type checkers see, and restarts of a server."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import AsyncGenerator, Generator, Iterator
from concurrent import futures
from contextlib import aclosing, closing
from typing import Any, assert_type

import grpc
import grpc.aio
import pytest

from cqc import BookBuilder
from cqc.client import (
    BookState,
    BookUpdate,
    Lost,
    OutcomeUnknownError,
    connect,
    connect_async,
    follow,
    follow_async,
    follow_book,
    follow_book_async,
    pages,
    pages_async,
    place_order,
    place_order_async,
)
from cqc.markets.v1 import BookLevel, OrderBook, OrderBookDelta, Trade
from cqc.server import Server, serve
from cqc.services.v1 import (
    GetOrderRequest,
    GetOrderResponse,
    ListTradesRequest,
    ListTradesResponse,
    NewOrder,
    PlaceOrderRequest,
    PlaceOrderResponse,
    SnapshotComplete,
    StreamOrderBookRequest,
    StreamOrderBookResponse,
    StreamTradesRequest,
    StreamTradesResponse,
)
from cqc.services.v1.market_data_pb2_grpc import (
    MarketDataServicer,
    MarketDataStub,
    add_MarketDataServicer_to_server,
)
from cqc.services.v1.venue_gateway_pb2_grpc import VenueGatewayServicer, VenueGatewayStub
from cqc.venues.v1 import ORDER_SIDE_BUY, ORDER_TYPE_MARKET, Order

LISTING = "binance:BTC-USDT-SPOT"
TRADES = StreamTradesRequest(venue_symbol_ids=[LISTING])
BOOK = StreamOrderBookRequest(venue_symbol_id=LISTING)
LIMIT = 30.0


class Market(MarketDataServicer, VenueGatewayServicer):
    """A server's handlers; those of a server that is started later take up where these end."""

    def __init__(self, first: int = 1) -> None:
        self.first = first
        self.requests: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.ended: queue.SimpleQueue[str] = queue.SimpleQueue()
        self.placed: dict[str, PlaceOrderRequest] = {}

    def ListTrades(self, request: ListTradesRequest, context: grpc.ServicerContext) -> ListTradesResponse:
        self.requests.put(request)
        page = int(request.page_token or "0")
        trades = [Trade(trade_id=f"{page}{number}") for number in range(2)]
        return ListTradesResponse(trades=trades, next_page_token=str(page + 1) if page < 2 else "")

    def StreamTrades(
        self, request: StreamTradesRequest, context: grpc.ServicerContext
    ) -> Iterator[StreamTradesResponse]:
        self.requests.put(request)
        try:
            for number in (self.first, self.first + 1):
                yield StreamTradesResponse(trade=Trade(trade_id=str(number)), resume_token=f"t{number}")
            wait_for_the_end(context)
        finally:
            self.ended.put("trades")

    def StreamOrderBook(
        self, request: StreamOrderBookRequest, context: grpc.ServicerContext
    ) -> Iterator[StreamOrderBookResponse]:
        self.requests.put(request)
        if not request.resume_token:
            book = OrderBook(venue_symbol_id=LISTING, sequence=10, bids=[level("100", "1")], asks=[level("101", "2")])
            yield StreamOrderBookResponse(snapshot=book, resume_token="s1")
            yield StreamOrderBookResponse(snapshot_complete=SnapshotComplete(), resume_token="s2")
        bids = [level("100", str(self.first))]
        delta = OrderBookDelta(venue_symbol_id=LISTING, sequence=10 + self.first, bids=bids)
        yield StreamOrderBookResponse(delta=delta, resume_token="d1")
        wait_for_the_end(context)

    def PlaceOrder(self, request: PlaceOrderRequest, context: grpc.ServicerContext) -> PlaceOrderResponse:
        self.requests.put(request)
        self.placed[request.order.client_order_id] = request
        context.abort(grpc.StatusCode.UNAVAILABLE, "the answer got lost")

    def GetOrder(self, request: GetOrderRequest, context: grpc.ServicerContext) -> GetOrderResponse:
        if request.key.client_order_id == "secret":
            context.abort(grpc.StatusCode.PERMISSION_DENIED, "not yours")
        assert request.key.client_order_id in self.placed
        return GetOrderResponse(order=Order(order_id="o1", account_id=request.key.account_id))


def wait_for_the_end(context: grpc.ServicerContext) -> None:
    ended = threading.Event()
    if context.add_callback(ended.set):
        assert ended.wait(LIMIT)


def level(price: str, quantity: str) -> BookLevel:
    return BookLevel(price=price, quantity=quantity)


def order(client_order_id: str) -> PlaceOrderRequest:
    return PlaceOrderRequest(
        order=NewOrder(
            account_id="main",
            client_order_id=client_order_id,
            venue_symbol_id=LISTING,
            side=ORDER_SIDE_BUY,
            type=ORDER_TYPE_MARKET,
            quantity="1",
        )
    )


def start(market: Market, address: str = "127.0.0.1:0") -> Server:
    return serve(market, address=address, plaintext=True, grace=LIMIT)


@pytest.fixture
def market() -> Market:
    return Market()


@pytest.fixture
def server(market: Market) -> Iterator[Server]:
    with start(market) as server:
        yield server


@pytest.fixture
def channel(server: Server) -> Iterator[grpc.Channel]:
    with connect(server.address, plaintext=True, token="") as channel:
        yield channel


def test_a_page_is_fetched_when_it_is_needed(channel: grpc.Channel, market: Market) -> None:
    request = ListTradesRequest(venue_symbol_id=LISTING)
    trades = pages(MarketDataStub(channel).ListTrades, request, lambda page: page.trades, timeout=LIMIT)
    assert_type(trades, Generator[Trade, None, None])
    assert [next(trades).trade_id, next(trades).trade_id] == ["00", "01"]
    assert market.requests.qsize() == 1
    assert [trade.trade_id for trade in trades] == ["10", "11", "20", "21"]
    assert [market.requests.get().page_token for _ in range(3)] == ["", "1", "2"]
    assert request.page_token == ""


def test_a_stream_is_followed_through_a_restart(market: Market) -> None:
    lost: list[Lost] = []
    later = Market(3)
    server = start(market)
    with connect(server.address, plaintext=True, token="") as channel:
        messages = follow(MarketDataStub(channel).StreamTrades, TRADES, on_lost=lost.append)
        assert_type(messages, Generator[StreamTradesResponse, None, None])
        assert [next(messages).trade.trade_id, next(messages).trade.trade_id] == ["1", "2"]
        servers: queue.SimpleQueue[Server] = queue.SimpleQueue()

        def restart() -> None:
            server.stop()
            servers.put(start(later, server.address))

        threading.Thread(target=restart).start()
        with closing(messages) as rest:
            assert next(rest).trade.trade_id == "3"
        # The call ends with the loop, not with the channel.
        assert later.ended.get(timeout=LIMIT)
        servers.get(timeout=LIMIT).stop()
    assert [market.requests.get().resume_token, later.requests.get().resume_token] == ["", "t2"]
    assert {loss.cause for loss in lost} == {"UNAVAILABLE"}
    assert TRADES.resume_token == ""


def test_a_loop_in_another_thread_ends_with_the_channel(server: Server, market: Market) -> None:
    channel = connect(server.address, plaintext=True, token="")
    ended: queue.SimpleQueue[BaseException] = queue.SimpleQueue()

    def loop() -> None:
        try:
            list(follow(MarketDataStub(channel).StreamTrades, TRADES))
        except ValueError as error:
            ended.put(error)

    thread = threading.Thread(target=loop)
    thread.start()
    assert market.requests.get(timeout=LIMIT)
    channel.close()
    assert "Cannot invoke RPC" in str(ended.get(timeout=LIMIT))
    thread.join(LIMIT)


class Generating(grpc.UnaryStreamClientInterceptor):  # type: ignore[misc,unused-ignore]
    """Returns a generator instead of a call, as OpenTelemetry's does."""

    def __init__(self) -> None:
        self.closed: queue.SimpleQueue[str] = queue.SimpleQueue()

    def intercept_unary_stream(self, continuation: Any, details: Any, request: Any) -> Any:
        def messages() -> Iterator[Any]:
            try:
                yield from continuation(details, request)
            finally:
                self.closed.put("closed")

        return messages()


def test_silence_is_noticed_behind_an_interceptor_that_returns_a_generator(market: Market) -> None:
    # Without validation, so that the heartbeats may be short.
    server = grpc.server(futures.ThreadPoolExecutor())
    add_MarketDataServicer_to_server(market, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    request = StreamTradesRequest()
    request.CopyFrom(TRADES)
    request.heartbeat_interval.FromMilliseconds(50)
    interceptor = Generating()
    lost: list[Lost] = []
    with connect(f"127.0.0.1:{port}", plaintext=True, token="", interceptors=[interceptor]) as channel:
        messages = follow(MarketDataStub(channel).StreamTrades, request, on_lost=lost.append)
        received = [next(messages).trade.trade_id for _ in range(4)]
        assert received == ["1", "2", "1", "2"]
        assert [loss.cause for loss in lost] == ["SILENCE"]
        messages.close()
        assert interceptor.closed.get(timeout=LIMIT)
    server.stop(None).wait(LIMIT)


def test_a_book_is_followed_through_a_restart(market: Market) -> None:
    later = Market(2)
    server = start(market)
    with connect(server.address, plaintext=True, token="") as channel:
        updates = follow_book(MarketDataStub(channel).StreamOrderBook, BOOK)
        assert_type(updates, Generator[BookUpdate, None, None])
        first = next(updates)
        assert (first.state, best(first)) == (BookState.LIVE, "1")
        assert best(next(updates)) == "1"
        server.stop()
        stale = next(updates)
        assert (stale.state, stale.reason, best(stale)) == (BookState.STALE, "UNAVAILABLE", "1")
        with start(later, server.address):
            live = next(updates)
            assert (live.state, live.reason, best(live)) == (BookState.LIVE, "", "2")
            assert later.requests.get().resume_token == "d1"


def best(update: BookUpdate) -> str:
    assert_type(update.book, BookBuilder | None)
    assert update.book is not None
    return update.book.bids()[0].quantity


def test_an_order_whose_answer_is_lost_is_looked_up(channel: grpc.Channel, market: Market) -> None:
    request = order("c1")
    placed = place_order(VenueGatewayStub(channel), request)
    assert_type(placed, Order)
    assert placed.order_id == "o1"
    (sent,) = (market.requests.get(),)
    assert market.requests.empty()
    assert sent.request_id
    assert sent.HasField("send_before")
    assert (request.request_id, request.HasField("send_before")) == ("", False)


def test_an_order_that_cannot_be_looked_up_is_unknown(channel: grpc.Channel) -> None:
    with pytest.raises(OutcomeUnknownError) as raised:
        place_order(VenueGatewayStub(channel), order("secret"))
    error = raised.value
    assert (error.account_id, error.client_order_id) == ("main", "secret")
    assert isinstance(error.cause, grpc.RpcError)
    assert "GetOrder" in str(error)


def test_asyncio(market: Market) -> None:
    async def run(server: Server) -> None:
        async with connect_async(server.address, plaintext=True, token="") as channel:
            stub = MarketDataStub(channel)
            listed = pages_async(stub.ListTrades, ListTradesRequest(venue_symbol_id=LISTING), lambda page: page.trades)
            assert_type(listed, AsyncGenerator[Trade, None])
            assert [trade.trade_id async for trade in listed] == ["00", "01", "10", "11", "20", "21"]

            placed = await place_order_async(VenueGatewayStub(channel), order("c1"))
            assert_type(placed, Order)
            assert placed.order_id == "o1"

            later = Market(2)
            updates = follow_book_async(stub.StreamOrderBook, BOOK)
            assert best(await anext(updates)) == "1"
            assert best(await anext(updates)) == "1"
            messages = follow_async(stub.StreamTrades, TRADES)
            received = [(await anext(messages)).trade.trade_id, (await anext(messages)).trade.trade_id]
            assert received == ["1", "2"]
            await asyncio.to_thread(server.stop)
            stale = await anext(updates)
            assert_type(stale, BookUpdate)
            assert (stale.state, best(stale)) == (BookState.STALE, "1")
            again = await asyncio.to_thread(start, later, server.address)
            async with aclosing(updates), aclosing(messages):
                assert best(await anext(updates)) == "2"
                message = await anext(messages)
                assert_type(message, StreamTradesResponse)
                assert message.trade.trade_id == "2"
            assert await asyncio.to_thread(later.ended.get, timeout=LIMIT)
            await asyncio.to_thread(again.stop)

    server = start(market)
    asyncio.run(run(server), debug=True)


def test_a_task_that_is_cancelled_ends_its_call(market: Market) -> None:
    async def run(server: Server) -> None:
        async with connect_async(server.address, plaintext=True, token="") as channel:

            async def loop() -> None:
                async for _ in follow_async(MarketDataStub(channel).StreamTrades, TRADES):
                    pass

            task = asyncio.create_task(loop())
            assert await asyncio.to_thread(market.requests.get, timeout=LIMIT)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await asyncio.to_thread(market.ended.get, timeout=LIMIT)

    with start(market) as server:
        asyncio.run(run(server))


def test_a_timeout_ends_all_attempts_to_follow() -> None:
    with connect("127.0.0.1:1", plaintext=True, token="") as channel, pytest.raises(grpc.RpcError) as raised:
        next(follow(MarketDataStub(channel).StreamTrades, TRADES, timeout=0.5))
    assert raised.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED


def test_a_timeout_ends_all_attempts_to_follow_with_asyncio() -> None:
    async def run() -> None:
        async with connect_async("127.0.0.1:1", plaintext=True, token="") as channel:
            stub: Any = MarketDataStub(channel)
            with pytest.raises(grpc.RpcError) as raised:
                await anext(follow_async(stub.StreamTrades, TRADES, timeout=0.5))
        assert raised.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED

    asyncio.run(run())
