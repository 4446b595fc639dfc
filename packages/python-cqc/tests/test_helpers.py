"""The helpers: validation, interceptors, decimals, timestamps, display names, books, transitions, checks."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent import futures
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc.error_details_pb2 import BadRequest
from google.rpc.status_pb2 import Status
from hypothesis import given
from hypothesis import strategies as st

import cqc
from cqc import interceptors
from cqc.markets.v1 import (
    BookLevel,
    Candle,
    OrderBook,
    Price,
    Swap,
    Symbol,
    SymbolLeg,
)
from cqc.services.v1 import (
    CreateSymbolRequest,
    GetPriceRequest,
    NewOrder,
    StreamPricesRequest,
    StreamPricesResponse,
    market_data_pb2_grpc,
)
from cqc.venues.v1 import (
    Balance,
    ExecType,
    ExecutionReport,
    Fee,
    Order,
    OrderStatus,
    OrderType,
    TimeInForce,
    TransferState,
)

VECTORS = Path(__file__).parents[2] / "go-cqc" / "testdata"
NAME = "binance:BTC-USDT-SPOT"

PLAIN = st.builds(
    lambda sign, whole, fraction: (
        f"{sign if (whole + fraction).strip('0') else ''}{whole.lstrip('0') or '0'}"
        + (f".{fraction}" if fraction else "")
    ),
    st.sampled_from(["", "-"]),
    st.text("0123456789", min_size=1, max_size=78),
    st.text("0123456789", max_size=38),
)


# Validation


def test_violations_have_field_rule_id_and_message() -> None:
    found = cqc.validate(NewOrder(type=OrderType.ORDER_TYPE_LIMIT, account_id="a", slippage_limit_bps="1.00001"))
    by_rule = {item.rule_id: item for item in found}
    assert by_rule["new_order.limit_price"].field == ""
    assert by_rule["new_order.limit_price"].message == (
        "a limit order needs exactly one of price, volatility_price, strike_asset_price and price_match"
    )
    assert by_rule["required"].field == "size"
    assert by_rule["string.decimal_max_scale"].field == "slippage_limit_bps"


def test_violation_path_includes_list_index() -> None:
    found = cqc.validate(CreateSymbolRequest(symbol=Symbol(legs=[SymbolLeg(symbol_id="A-B-SPOT", ratio="0")])))
    assert ("symbol.legs[0].ratio", "string.decimal_positive") in {(item.field, item.rule_id) for item in found}


def test_valid_message_has_no_violations() -> None:
    assert cqc.validate(Price(asset_id="BTC-USD", value=67890.5)) == []


def test_missing_extra_is_named_in_the_error() -> None:
    code = "import sys; sys.modules['protovalidate'] = None; import cqc; cqc.validate"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert 'pip install "cqc[validation]"' in done.stderr


def test_helpers_are_imported_lazily() -> None:
    code = "import cqc, sys; print([name for name in sys.modules if name in ('protovalidate', 'decimal', 'cqc._book')])"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"
    for name in cqc.__all__:
        assert getattr(cqc, name)
        assert name in dir(cqc)


class Prices(market_data_pb2_grpc.MarketDataServicer):
    def GetPrice(self, request: GetPriceRequest, context: Any) -> Price:
        return Price(asset_id=request.asset_id)

    def StreamPrices(self, request: StreamPricesRequest, context: Any) -> Iterator[StreamPricesResponse]:
        yield StreamPricesResponse(price=Price(asset_id=request.asset_ids[0]))


class AsyncPrices(market_data_pb2_grpc.MarketDataServicer):
    async def GetPrice(self, request: GetPriceRequest, context: Any) -> Price:
        return Price(asset_id=request.asset_id)

    async def StreamPrices(self, request: StreamPricesRequest, context: Any) -> Any:
        yield StreamPricesResponse(price=Price(asset_id=request.asset_ids[0]))


@pytest.fixture(params=["server", "client"])
def stub(request: pytest.FixtureRequest) -> Iterator[market_data_pb2_grpc.MarketDataStub]:
    """A client and a server; the named side has the interceptor."""
    checks: Any = [interceptors.ValidationServerInterceptor()] if request.param == "server" else []
    server = grpc.server(futures.ThreadPoolExecutor(2), interceptors=checks)
    market_data_pb2_grpc.add_MarketDataServicer_to_server(Prices(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        if request.param == "client":
            channel = grpc.intercept_channel(channel, interceptors.ValidationClientInterceptor())
        yield market_data_pb2_grpc.MarketDataStub(channel)
    server.stop(None).wait()


def check_invalid_argument(error: Any, field: str, rule: str) -> None:
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert error.details().startswith("invalid cqc.services.v1.")
    (data,) = [value for key, value in error.trailing_metadata() if key == "grpc-status-details-bin"]
    status = Status.FromString(data)
    details = BadRequest()
    assert any(detail.Unpack(details) for detail in status.details)
    assert (field, rule) in {(item.field, item.reason) for item in details.field_violations}
    assert all(item.description for item in details.field_violations)


def test_interceptors_pass_valid_requests(stub: market_data_pb2_grpc.MarketDataStub) -> None:
    assert stub.GetPrice(GetPriceRequest(asset_id="BTC-USD")).asset_id == "BTC-USD"
    (response,) = stub.StreamPrices(StreamPricesRequest(asset_ids=["ETH"]))
    assert response.price.asset_id == "ETH"


def test_interceptors_reject_invalid_requests(stub: market_data_pb2_grpc.MarketDataStub) -> None:
    calls: list[Callable[[], object]] = [
        lambda: stub.GetPrice(GetPriceRequest(asset_id="btc")),
        lambda: list(stub.StreamPrices(StreamPricesRequest(asset_ids=["btc"]))),
    ]
    for call, field in zip(calls, ("asset_id", "asset_ids[0]"), strict=True):
        with pytest.raises(grpc.RpcError) as rejected:
            call()
        check_invalid_argument(rejected.value, field, "string.asset_reference")


@pytest.mark.parametrize("side", ["server", "client"])
def test_asyncio_interceptors(side: str) -> None:
    async def run() -> None:
        on_server, on_client = side == "server", side == "client"
        server = grpc.aio.server(interceptors=[interceptors.AsyncValidationServerInterceptor()] if on_server else [])
        market_data_pb2_grpc.add_MarketDataServicer_to_server(AsyncPrices(), server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        try:
            checks = interceptors.async_validation_client_interceptors() if on_client else []
            async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", interceptors=checks) as channel:
                stub: Any = market_data_pb2_grpc.MarketDataStub(channel)
                assert (await stub.GetPrice(GetPriceRequest(asset_id="BTC"))).asset_id == "BTC"
                responses = [item async for item in stub.StreamPrices(StreamPricesRequest(asset_ids=["ETH"]))]
                assert [item.price.asset_id for item in responses] == ["ETH"]
                with pytest.raises(grpc.aio.AioRpcError) as rejected:
                    await stub.GetPrice(GetPriceRequest(asset_id="btc"))
                check_invalid_argument(rejected.value, "asset_id", "string.asset_reference")
                with pytest.raises(grpc.aio.AioRpcError) as rejected:
                    async for _ in stub.StreamPrices(StreamPricesRequest(asset_ids=["btc"])):
                        pass
                check_invalid_argument(rejected.value, "asset_ids[0]", "string.asset_reference")
        finally:
            await server.stop(None)

    asyncio.run(run())


# Decimals


@given(PLAIN)
def test_decimals_round_trip_digit_for_digit(text: str) -> None:
    assert cqc.format_decimal(cqc.parse_decimal(text)) == text


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**30), max_value=10**30, places=20))
def test_decimals_are_formatted_without_exponent(value: Decimal) -> None:
    text = cqc.format_decimal(value)
    assert cqc.parse_decimal(text) == value
    assert "E" not in text.upper()


@pytest.mark.parametrize("text", ["", "-0", "01", "1.", ".5", "1e-8", "NaN", "+1", "\u0661", "1\n", "9" * 79])
def test_malformed_decimals_are_rejected(text: str) -> None:
    with pytest.raises(ValueError, match="not a plain decimal"):
        cqc.parse_decimal(text)


@pytest.mark.parametrize("value", ["NaN", "Infinity", "1E78", "1E-39", "1E+999999", "0E-39"])
def test_decimals_beyond_the_limits_are_rejected(value: str) -> None:
    with pytest.raises(ValueError, match=r"finite|digits"):
        cqc.format_decimal(Decimal(value))


def test_format_decimal() -> None:
    assert cqc.format_decimal(Decimal("2.288e-5")) == "0.00002288"
    assert cqc.format_decimal(Decimal("1E+3")) == "1000"
    assert cqc.format_decimal(Decimal("-0.00")) == "0.00"
    with pytest.raises(TypeError, match=r"expected a decimal\.Decimal"):
        cqc.format_decimal(0.1)  # type: ignore[arg-type]


# Timestamps and display names


@given(st.integers(-62_135_596_800 * 10**9, 253_402_300_800 * 10**9 - 1))
def test_nanoseconds_round_trip(nanos: int) -> None:
    assert cqc.to_unix_nanos(cqc.from_unix_nanos(nanos)) == nanos


def test_to_datetime() -> None:
    time = Timestamp(seconds=1710500000, nanos=123456789)
    assert cqc.to_datetime(time) == datetime(2024, 3, 15, 10, 53, 20, 123456, UTC)
    assert cqc.to_datetime(Timestamp(seconds=-1, nanos=999_999_999)).microsecond == 999_999
    for wrong in (Timestamp(nanos=-1), Timestamp(nanos=10**9), Timestamp(seconds=253_402_300_800)):
        with pytest.raises(ValueError, match="invalid timestamp"):
            cqc.to_unix_nanos(wrong)
    with pytest.raises(ValueError, match="years 1 to 9999"):
        cqc.from_unix_nanos(10**21)


@pytest.mark.parametrize("enum", [OrderType, OrderStatus, TimeInForce])
def test_display_names_round_trip(enum: Any) -> None:
    for value in [*enum.values(), 99]:
        shown = cqc.display_name(enum, value)
        assert "_" not in shown
        for spelling in (shown, shown.lower(), f" {shown.replace(' ', '-')} ", shown.replace(" ", "_")):
            assert cqc.parse_display_name(enum, spelling) == value


def test_display_names() -> None:
    assert cqc.display_name(OrderType, OrderType.ORDER_TYPE_STOP_LIMIT) == "STOP LIMIT"
    assert cqc.parse_display_name(OrderType, "ORDER_TYPE_STOP_LIMIT") == OrderType.ORDER_TYPE_STOP_LIMIT
    with pytest.raises(ValueError, match=r"unknown OrderType 'stopp': expected one of UNSPECIFIED, MARKET, LIMIT"):
        cqc.parse_display_name(OrderType, "stopp")


# Transitions


@pytest.mark.parametrize("enum", [OrderStatus, TransferState])
def test_can_transition(enum: Any) -> None:
    prefix = enum.DESCRIPTOR.values_by_number[0].name.removesuffix("UNSPECIFIED")
    table = json.loads((VECTORS / "transitions.json").read_text())[enum.DESCRIPTOR.name]
    assert {f"{prefix}{name}" for name in (*table, "UNSPECIFIED")} == set(enum.keys())
    for before in enum.keys():  # noqa: SIM118  the enum is no mapping
        for after in enum.keys():  # noqa: SIM118
            states = [name.removeprefix(prefix) for name in (before, after)]
            legal = before == after or "UNSPECIFIED" in states or states[1] in table[states[0]]
            assert cqc.can_transition(enum, enum.Value(before), enum.Value(after)) is legal, (before, after)


def test_ended_orders_may_return_to_work() -> None:
    for before, after, legal in (
        ("CANCELLED", "NEW", True),
        ("CANCELLED", "PARTIALLY_FILLED", True),
        ("PARTIALLY_FILLED", "REJECTED", True),
        ("REPLACED", "CANCELLED", True),
        ("EXPIRED", "NEW", True),
        ("REJECTED", "FILLED", True),
    ):
        states = [OrderStatus.Value(f"ORDER_STATUS_{name}") for name in (before, after)]
        assert cqc.can_transition(OrderStatus, *states) is legal


def test_unknown_state_may_precede_and_follow_any() -> None:
    assert cqc.can_transition(OrderStatus, 99, OrderStatus.ORDER_STATUS_NEW)
    assert cqc.can_transition(OrderStatus, OrderStatus.ORDER_STATUS_REJECTED, 99)


def test_enum_without_transitions_is_rejected() -> None:
    with pytest.raises(ValueError, match=r"cqc\.venues\.v1\.OrderType declares no transitions"):
        cqc.can_transition(OrderType, 1, 2)


# Checks


def level(price: str, quantity: str) -> BookLevel:
    return BookLevel(price=price, quantity=quantity)


def kinds(anomalies: list[cqc.Anomaly]) -> list[tuple[str, str]]:
    return [(item.kind, item.field) for item in anomalies]


def test_kinds_are_strings_named_after_their_check() -> None:
    assert cqc.AnomalyKind("book.crossed") is cqc.AnomalyKind.BOOK_CROSSED
    for name, kind in cqc.AnomalyKind.__members__.items():
        assert name == kind.value.replace(".", "_").upper()


def test_book_anomalies() -> None:
    plain = OrderBook(venue_symbol_id=NAME, bids=[level("10.0", "1"), level("9", "2")], asks=[level("11", "1")])
    assert cqc.check_book(plain) == []
    crossed = OrderBook(venue_symbol_id=NAME, bids=[level("10.00", "1")], asks=[level("9.99", "1")])
    assert [item.message for item in cqc.check_book(crossed)] == ["the best bid 10.00 is above the best ask 9.99"]
    odd = OrderBook(
        venue_symbol_id=NAME,
        bids=[level("9", "0"), level("10", "-1"), level("10.0", "1")],
        asks=[level("10", "1e5")],
        sequence=1,
    )
    odd.previous_sequence = 2
    assert kinds(cqc.check_book(odd)) == [
        ("book.zero_quantity", "bids[0].quantity"),
        ("book.negative_quantity", "bids[1].quantity"),
        ("book.unsorted", "bids[1].price"),
        ("book.duplicate_price", "bids[2].price"),
        ("number.malformed", "asks[0].quantity"),
        ("book.locked", "bids"),
        ("book.sequence", "previous_sequence"),
    ]


def test_levels_without_order_id_need_price_and_quantity() -> None:
    book = OrderBook(
        venue_symbol_id=NAME, bids=[level("", ""), BookLevel(order_id="a"), BookLevel(price="1", order_id="b")]
    )
    assert kinds(cqc.check_book(book)) == [
        ("book.level_incomplete", "bids[0].quantity"),
        ("book.level_incomplete", "bids[0].price"),
    ]


def test_missing_references() -> None:
    report = ExecutionReport(order=Order(), fees=[Fee(asset_code="BNB"), Fee(amount="1")])
    assert kinds(cqc.check_execution(report)) == [
        ("reference.listing_missing", "venue_symbol_id"),
        ("reference.asset_missing", "fees[1].asset_id"),
        ("reference.listing_missing", "order.venue_symbol_id"),
    ]
    report.native_listing.venue_id, report.native_listing.symbol = "binance", "BTCUSDT"
    report.order.quote_id = "q"
    report.fees[1].asset_id = "BNB"
    assert cqc.check_references(report) == []
    report.native_listing.symbol = ""
    assert kinds(cqc.check_references(report)) == [("reference.listing_missing", "venue_symbol_id")]
    report.legs.add(venue_symbol_id=NAME)
    assert cqc.check_references(report) == []
    assert cqc.check_references(Balance(asset_id="BTC")) == []
    assert kinds(cqc.check_references(Balance())) == [("reference.asset_missing", "asset_id")]
    assert kinds(cqc.check_references(Swap(venue_symbol_id=NAME, in_asset_code="0x1"))) == [
        ("reference.asset_missing", "out_asset_id")
    ]
    assert kinds(cqc.check_book(OrderBook())) == [("reference.listing_missing", "venue_symbol_id")]
    assert kinds(cqc.check_candle(Candle(open="1", high="1", low="1", close="1"))) == [
        ("reference.listing_missing", "venue_symbol_id")
    ]


def test_execution_anomalies() -> None:
    fill = ExecutionReport(
        venue_symbol_id=NAME,
        exec_type=ExecType.EXEC_TYPE_TRADE,
        order_status=OrderStatus.ORDER_STATUS_PARTIALLY_FILLED,
        last_quantity="0.001",
        cumulative_quantity="0.001",
        leaves_quantity="0.001",
        order=Order(venue_symbol_id=NAME, quantity="0.002"),
    )
    assert cqc.check_execution(fill) == []
    fill.leaves_quantity = "0.000"
    assert kinds(cqc.check_execution(fill)) == [
        ("execution.leaves_mismatch", "leaves_quantity"),
        ("execution.partial_without_leaves", "order_status"),
    ]
    fill.order_status = OrderStatus.ORDER_STATUS_CANCELLED
    assert cqc.check_execution(fill) == []
    fill.order_status, fill.order.quote_quantity = OrderStatus.ORDER_STATUS_NEW, "100"
    assert cqc.check_execution(fill) == []
    fill.order.ClearField("quote_quantity")
    fill.cumulative_quantity, fill.order_status = "0.0021", OrderStatus.ORDER_STATUS_FILLED
    fill.leaves_quantity, fill.last_quantity = "1", "0"
    assert {kind for kind, _ in kinds(cqc.check_execution(fill))} == {
        "execution.overfilled",
        "execution.leaves_mismatch",
        "execution.filled_with_leaves",
        "execution.trade_without_quantity",
    }


def test_candle_anomalies() -> None:
    candle = Candle(venue_symbol_id=NAME, open="2", high="3", low="1", close="2", volume="5", taker_buy_volume="5.0")
    assert cqc.check_candle(candle) == []
    candle.high, candle.taker_buy_volume, candle.vwap = "1.5", "5.01", "0.9"
    candle.open_time.seconds = 1
    candle.close_time.nanos = 1
    assert kinds(cqc.check_candle(candle)) == [
        ("candle.open_outside", "open"),
        ("candle.close_outside", "close"),
        ("candle.vwap_outside", "vwap"),
        ("candle.taker_volume_above_volume", "taker_buy_volume"),
        ("candle.closes_before_open", "close_time"),
    ]
    candle.high = "0.5"
    assert ("candle.high_below_low", "high") in kinds(cqc.check_candle(candle))
