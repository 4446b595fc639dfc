"""Errors as values and access by scope and account, through real servers and clients."""

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent import futures
from datetime import timedelta
from typing import Any

import grpc
import grpc.aio
import pytest

import cqc
from cqc.access import AccessServerInterceptor, AsyncAccessServerInterceptor, Principal, principal, scope_of
from cqc.errors import ServiceError
from cqc.interceptors import AsyncValidationServerInterceptor, ValidationServerInterceptor
from cqc.markets.v1 import Price
from cqc.services.v1 import (
    CreateTransferRequest,
    ErrorReason,
    GetPriceRequest,
    ListOrdersRequest,
    ListOrdersResponse,
    StreamExecutionReportsRequest,
    StreamExecutionReportsResponse,
    market_data_pb2_grpc,
    venue_gateway_pb2_grpc,
)

READER = Principal("reader", frozenset({"market.read"}))
TRADER = Principal(
    "trader", frozenset({scope_of("cqc.services.v1.VenueGateway.ListOrders") or ""}), frozenset({"main"})
)


def verify(token: str) -> Principal | None:
    return {"reader": READER, "trader": TRADER}.get(token)


def bearer(token: str) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {token}"),)


class Prices(market_data_pb2_grpc.MarketDataServicer):
    def GetPrice(self, request: GetPriceRequest, context: grpc.ServicerContext) -> Price:
        raise ServiceError(
            ErrorReason.ERROR_REASON_RATE_LIMITED,
            f"too many requests of {principal().subject}",
            retry_delay=timedelta(seconds=1.5),
            limit="weight",
        )


class Orders(venue_gateway_pb2_grpc.VenueGatewayServicer):
    def ListOrders(self, request: ListOrdersRequest, context: grpc.ServicerContext) -> ListOrdersResponse:
        return ListOrdersResponse(next_page_token=principal().subject)

    def StreamExecutionReports(
        self, request: StreamExecutionReportsRequest, context: grpc.ServicerContext
    ) -> Iterator[StreamExecutionReportsResponse]:
        for _ in range(3):
            yield StreamExecutionReportsResponse(resume_token=principal().subject)
        raise ServiceError(ErrorReason.ERROR_REASON_TOO_MANY_STREAMS, "one is enough", limit="1")


@pytest.fixture(scope="module")
def channel() -> Iterator[grpc.Channel]:
    guards: list[grpc.ServerInterceptor] = [AccessServerInterceptor(verify), ValidationServerInterceptor()]
    server = grpc.server(futures.ThreadPoolExecutor(2), interceptors=guards)
    market_data_pb2_grpc.add_MarketDataServicer_to_server(Prices(), server)
    venue_gateway_pb2_grpc.add_VenueGatewayServicer_to_server(Orders(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    with grpc.insecure_channel(f"127.0.0.1:{port}") as opened:
        yield opened
    server.stop(None)


def failure(call: Callable[[], Any]) -> ServiceError:
    with pytest.raises(grpc.RpcError) as raised:
        call()
    found = ServiceError.of(raised.value)
    assert found is not None
    assert raised.value.code() == found.code
    return found


def price(channel: grpc.Channel, metadata: Any) -> ServiceError:
    stub = market_data_pb2_grpc.MarketDataStub(channel)
    return failure(lambda: stub.GetPrice(GetPriceRequest(asset_id="BTC"), metadata=metadata))


def test_a_call_needs_a_token_that_the_verifier_knows(channel: grpc.Channel) -> None:
    for metadata in ((), (("authorization", "reader"),), (("authorization", "Basic reader"),)):
        assert price(channel, metadata).reason == ErrorReason.ERROR_REASON_CREDENTIALS_MISSING
    unknown = price(channel, bearer("nobody"))
    assert (unknown.reason, unknown.code) == (
        ErrorReason.ERROR_REASON_CREDENTIALS_INVALID,
        grpc.StatusCode.UNAUTHENTICATED,
    )


def test_a_call_needs_the_scope_of_its_method(channel: grpc.Channel) -> None:
    found = price(channel, bearer("trader"))
    assert found.reason == ErrorReason.ERROR_REASON_SCOPE_MISSING
    assert found.metadata == {"scope": "market.read"}
    assert found.code == grpc.StatusCode.PERMISSION_DENIED


def test_an_error_of_a_handler_reaches_the_client_with_all_its_fields(channel: grpc.Channel) -> None:
    found = price(channel, bearer("reader"))
    assert found.reason == ErrorReason.ERROR_REASON_RATE_LIMITED
    assert found.message == "too many requests of reader"
    assert found.metadata == {"limit": "weight"}
    assert found.retry_delay == timedelta(seconds=1.5)
    assert found.code == grpc.StatusCode.RESOURCE_EXHAUSTED


def test_an_invalid_request_is_an_error_with_violations(channel: grpc.Channel) -> None:
    stub = market_data_pb2_grpc.MarketDataStub(channel)
    found = failure(lambda: stub.GetPrice(GetPriceRequest(asset_id="btc"), metadata=bearer("reader")))
    assert found.reason == ErrorReason.ERROR_REASON_INVALID_FIELD
    assert found.violations == tuple(cqc.validate(GetPriceRequest(asset_id="btc")))


def test_an_account_of_someone_else_is_refused_whether_it_exists_or_not(channel: grpc.Channel) -> None:
    stub = venue_gateway_pb2_grpc.VenueGatewayStub(channel)
    own = stub.ListOrders(ListOrdersRequest(account_id="main"), metadata=bearer("trader"))
    assert own.next_page_token == "trader"
    found = failure(lambda: stub.ListOrders(ListOrdersRequest(account_id="other"), metadata=bearer("trader")))
    assert found.reason == ErrorReason.ERROR_REASON_ACCOUNT_NOT_ALLOWED
    assert found.metadata == {"account_id": "other"}


def test_accounts_are_found_at_any_depth_and_in_lists() -> None:
    from cqc.access import _accounts

    assert list(_accounts(CreateTransferRequest(from_account_id="a", to_account_id="b"))) == ["a", "b"]
    assert list(_accounts(StreamExecutionReportsRequest(account_ids=["a", "b"]))) == ["a", "b"]


def test_a_stream_knows_its_caller_at_every_step_and_ends_with_the_error(channel: grpc.Channel) -> None:
    stub = venue_gateway_pb2_grpc.VenueGatewayStub(channel)
    request = StreamExecutionReportsRequest(account_ids=["main"])
    received: list[str] = []

    def follow() -> None:
        received.extend(item.resume_token for item in stub.StreamExecutionReports(request, metadata=bearer("trader")))

    assert failure(follow).reason == ErrorReason.ERROR_REASON_TOO_MANY_STREAMS
    assert received == ["trader"] * 3
    with pytest.raises(LookupError):
        principal()


def test_asyncio() -> None:
    class Async(venue_gateway_pb2_grpc.VenueGatewayServicer):
        async def ListOrders(self, request: Any, context: Any) -> ListOrdersResponse:
            return ListOrdersResponse(next_page_token=principal().subject)

        async def StreamExecutionReports(self, request: Any, context: Any) -> Any:
            yield StreamExecutionReportsResponse(resume_token=principal().subject)
            raise ServiceError(ErrorReason.ERROR_REASON_TOO_MANY_STREAMS, "one is enough", limit="1")

    async def run() -> None:
        guards = [AsyncAccessServerInterceptor(verify), AsyncValidationServerInterceptor()]
        server = grpc.aio.server(interceptors=guards)
        venue_gateway_pb2_grpc.add_VenueGatewayServicer_to_server(Async(), server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as opened:
            stub: Any = venue_gateway_pb2_grpc.VenueGatewayStub(opened)
            own = await stub.ListOrders(ListOrdersRequest(account_id="main"), metadata=bearer("trader"))
            assert own.next_page_token == "trader"
            reasons = []
            for call in (
                stub.ListOrders(ListOrdersRequest(account_id="other"), metadata=bearer("trader")),
                stub.ListOrders(ListOrdersRequest(account_id="main")),
                stub.ListOrders(ListOrdersRequest(account_id="main", page_size=-1), metadata=bearer("trader")),
            ):
                with pytest.raises(grpc.aio.AioRpcError) as raised:
                    await call
                found = ServiceError.of(raised.value)
                assert found is not None
                reasons.append(found.reason)
            assert reasons == [
                ErrorReason.ERROR_REASON_ACCOUNT_NOT_ALLOWED,
                ErrorReason.ERROR_REASON_CREDENTIALS_MISSING,
                ErrorReason.ERROR_REASON_INVALID_FIELD,
            ]
            request = StreamExecutionReportsRequest(account_ids=["main"])
            tokens = []

            async def follow() -> None:
                async for item in stub.StreamExecutionReports(request, metadata=bearer("trader")):
                    tokens.append(item.resume_token)

            with pytest.raises(grpc.aio.AioRpcError) as raised:
                await follow()
            assert tokens == ["trader"]
            found = ServiceError.of(raised.value)
            assert found is not None
            assert found.reason == ErrorReason.ERROR_REASON_TOO_MANY_STREAMS
        await server.stop(None)

    asyncio.run(run())


def test_every_reason_makes_an_error_that_reads_back() -> None:
    for name, value in ErrorReason.items():
        if value == ErrorReason.ERROR_REASON_UNSPECIFIED:
            continue
        made = ServiceError(value, "what happened")
        read = ServiceError.from_status(made.status())
        assert read is not None
        assert (read.reason, read.message, read.code) == (value, "what happened", made.code), name


def test_an_item_of_a_batch_carries_the_same_words() -> None:
    made = ServiceError(ErrorReason.ERROR_REASON_ORDER_ENDED, "the order is filled", status="FILLED")
    item = made.to_order_error()
    assert (item.code, item.reason, item.message, dict(item.metadata)) == (
        grpc.StatusCode.FAILED_PRECONDITION.value[0],
        ErrorReason.ERROR_REASON_ORDER_ENDED,
        "the order is filled",
        {"status": "FILLED"},
    )
    read = ServiceError.from_order_error(item)
    assert read.status() == made.status()


def test_a_reason_has_only_the_metadata_of_its_options() -> None:
    with pytest.raises(ValueError, match="its keys are: scope"):
        ServiceError(ErrorReason.ERROR_REASON_SCOPE_MISSING, "no", account_id="a")
    with pytest.raises(ValueError, match="with a code"):
        ServiceError(ErrorReason.ERROR_REASON_UNSPECIFIED, "no")


def test_a_reason_of_a_newer_server_is_unspecified_and_keeps_code_and_metadata() -> None:
    status = ServiceError(ErrorReason.ERROR_REASON_SCOPE_MISSING, "no", scope="x").status()
    info = status.details[0]
    from google.rpc.error_details_pb2 import ErrorInfo

    info.Pack(ErrorInfo(domain="cqc", reason="FROM_THE_FUTURE", metadata={"when": "2031"}))
    read = ServiceError.from_status(status)
    assert read is not None
    assert read.reason == ErrorReason.ERROR_REASON_UNSPECIFIED
    assert (read.code, read.metadata) == (grpc.StatusCode.PERMISSION_DENIED, {"when": "2031"})


def test_an_error_without_error_info_is_not_a_service_error() -> None:
    assert ServiceError.of(ValueError("no")) is None


def test_scopes() -> None:
    assert scope_of("/cqc.services.v1.MarketData/GetPrice") == "market.read"
    assert scope_of("cqc.services.v1.MarketData.GetPrice") == "market.read"
    assert scope_of("/grpc.health.v1.Health/Check") is None
    assert scope_of("nothing") is None


def test_a_scope_is_found_once_its_service_is_loaded() -> None:
    code = (
        "from cqc.access import scope_of\n"
        "method = '/cqc.services.v1.VenueGateway/ListOrders'\n"
        "before = scope_of(method)\n"
        "import cqc.services.v1.venue_gateway_pb2_grpc\n"
        "print(before, scope_of(method))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "None orders.read\n"
