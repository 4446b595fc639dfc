"""A consumer that misses events, or joins late, gets them from the EventLog of their source, over gRPC."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent import futures
from contextlib import contextmanager

import grpc
import pytest
from cqc_events.__main__ import content
from cqc_events.consumer import Consumer, GapDetected, Lane, Replica, StreamWasReset, listing
from cqc_events.lives import Life
from cqc_events.log import EventLogService, Log
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from test_consumer import assert_same, received

from cqc.errors import ServiceError
from cqc.events.v1 import Event, FundingPaid
from cqc.interceptors import ValidationServerInterceptor
from cqc.services.v1 import (
    ErrorReason,
    ListEventsRequest,
    StreamEventsRequest,
    StreamEventsResponse,
    StreamResetReason,
    event_log_pb2_grpc,
)

GATEWAY = "venue-gateway"
Stub = event_log_pb2_grpc.EventLogStub


@contextmanager
def serving(log: Log) -> Iterator[Stub]:
    """Serve a log on a free port; yields a client."""
    server = grpc.server(futures.ThreadPoolExecutor(4), interceptors=[ValidationServerInterceptor()])
    event_log_pb2_grpc.add_EventLogServicer_to_server(EventLogService(log), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield Stub(channel)
    finally:
        server.stop(None).wait()


def stream(stub: Stub, request: StreamEventsRequest) -> Iterator[StreamEventsResponse]:
    """Start a stream that fails instead of waiting forever."""
    responses: Iterator[StreamEventsResponse] = stub.StreamEvents(request, timeout=20)
    return responses


def reason_of(error: BaseException) -> ErrorReason.ValueType | None:
    failure = ServiceError.of(error)
    return failure.reason if failure else None


def copies(records: Iterable[Message]) -> list[Message]:
    return [type(record).FromString(record.SerializeToString()) for record in records]


def read_until(consumer: Consumer, responses: Iterable[StreamEventsResponse], last: Event) -> None:
    for response in responses:
        assert consumer.take(response) == []
        if response.published == last:
            return


def test_gap_is_filled_page_by_page() -> None:
    life = Life(3)
    log = life.source.logs[GATEWAY]
    lanes = {Lane.of(event.metadata) for event in log.events if event.metadata.sequence == 9}
    lost = {e.metadata.event_id for e in log.events if 2 < e.metadata.sequence < 9 and Lane.of(e.metadata) in lanes}
    consumer, findings = received(event for event in life.source.events if event.metadata.event_id not in lost)
    assert findings == [GapDetected(lane, 3, 8) for lane in consumer.lanes if lane in lanes]
    assert len(findings) > 1
    with serving(log) as stub:
        consumer.fill(listing(stub, page_size=2))
    assert_same(consumer, life.source)


def test_consumer_joins_late_with_lists_and_their_token() -> None:
    """The life goes on while the lists are read, and some changes are both in the lists and on the stream."""
    life = Life(4)
    consumers = {}
    tokens = {name: log.token() for name, log in life.source.logs.items()}
    life.live(20)
    lists = [record for record in copies(life.source) if not isinstance(record, FundingPaid)]
    replica = Replica(lists)
    life.live(20)
    for name, log in life.source.logs.items():
        consumers[name] = Consumer(replica, from_start=False, resume_token=tokens[name])
        with serving(log) as stub:
            read_until(consumers[name], stream(stub, consumers[name].request()), log.events[-1])
        assert consumers[name].gaps == []
    # No service lists payments of funding: those from before the token are in EventLog only.
    payments = [event.metadata.event_id for event in life.source.logs[GATEWAY].events if event.HasField("funding_paid")]
    early = set(payments) - set(replica[FundingPaid])
    rebuilt = content(replica)
    truth = content(life.source)
    assert rebuilt <= truth
    assert (truth - rebuilt).total() == len(early)


def test_stream_resumes_where_it_broke() -> None:
    life = Life(5)
    log = life.source.logs[GATEWAY]
    consumer = Consumer()
    consumer.resume_token = Log(GATEWAY).token()
    with serving(log) as stub:
        first = stub.StreamEvents(consumer.request(), timeout=20)
        read_until(consumer, first, log.events[len(log.events) // 2])
        first.cancel()
        life.live(20)
        read_until(consumer, stream(stub, consumer.request()), log.events[-1])
    assert consumer.missing_from(log.events) == []


def test_stream_follows_the_selected_topics_live() -> None:
    life = Life(6)
    log = life.source.logs["market-data"]
    with serving(log) as stub:
        responses = stream(stub, StreamEventsRequest(topics=["prices"], subjects=["BTC-USD"]))
        assert next(responses).HasField("heartbeat")
        before = len(log.events)
        life.live(60)
        expected = [event for event in log.events[before:] if event.metadata.subject == "BTC-USD"]
        assert expected
        assert [next(responses).published for _ in expected] == expected


def test_heartbeats_come_first_and_in_silence_and_carry_a_token() -> None:
    log = Life(0).source.logs[GATEWAY]
    with serving(log) as stub:
        responses = stream(stub, StreamEventsRequest(heartbeat_interval=Duration(seconds=1)))
        beats = [next(responses), next(responses)]
    assert all(beat.HasField("heartbeat") and beat.resume_token for beat in beats)
    waited = beats[1].heartbeat.sent_at.ToNanoseconds() - beats[0].heartbeat.sent_at.ToNanoseconds()
    assert 0.9e9 < waited < 3e9


def test_events_that_are_no_longer_kept() -> None:
    """An old token is answered with a reset, and a list fails with the oldest sequence: start anew from lists."""
    life = Life(7)
    log = life.source.logs[GATEWAY]
    token = Log(GATEWAY).token()
    log.forget(len(log.events) - 1)
    lane = Lane.of(log.events[-1].metadata)
    consumer = Consumer(resume_token=token)
    with serving(log) as stub:
        reset = next(stream(stub, consumer.request()))
        expired = StreamResetReason.STREAM_RESET_REASON_RESUME_TOKEN_EXPIRED
        assert consumer.take(reset) == [StreamWasReset(expired)]
        assert consumer.resume_token == ""
        with pytest.raises(grpc.RpcError) as raised:
            consumer.fill(listing(stub), [lane])
        failure = ServiceError.of(raised.value)
    assert failure is not None
    assert failure.reason == ErrorReason.ERROR_REASON_SEQUENCE_NOT_KEPT
    assert failure.metadata == {"oldest": str(log.events[-1].metadata.sequence)}


def test_foreign_tokens_are_refused() -> None:
    source = Life(8).source
    log = source.logs[GATEWAY]
    with serving(log) as stub:
        orders = next(stream(stub, StreamEventsRequest(topics=["orders"]))).resume_token
        foreign = source.logs["risk-engine"].token()
        for request in (
            StreamEventsRequest(topics=["balances"], resume_token=orders),
            StreamEventsRequest(resume_token=foreign),
            StreamEventsRequest(resume_token="x"),
        ):
            with pytest.raises(grpc.RpcError) as raised:
                next(stream(stub, request))
            assert reason_of(raised.value) == ErrorReason.ERROR_REASON_INVALID_RESUME_TOKEN
        subject = log.events[0].metadata.subject
        page = stub.ListEvents(ListEventsRequest(topic="orders", subject=subject, page_size=1))
        with pytest.raises(grpc.RpcError) as raised:
            stub.ListEvents(ListEventsRequest(topic="orders", subject="other", page_token=page.next_page_token))
        assert reason_of(raised.value) == ErrorReason.ERROR_REASON_INVALID_PAGE_TOKEN
        assert list(stub.ListEvents(ListEventsRequest(topic="orders", subject="other")).events) == []


def test_list_continues_as_a_stream() -> None:
    """All pages carry the token of the first page: what is published while they are read comes on the stream."""
    life = Life(9)
    log = life.source.logs[GATEWAY]
    subject = log.events[0].metadata.subject
    consumer = Consumer()
    with serving(log) as stub:
        request = ListEventsRequest(topic="orders", subject=subject, page_size=3)
        first = stub.ListEvents(request)
        life.live(30)
        pages = [first]
        while pages[-1].next_page_token:
            request.page_token = pages[-1].next_page_token
            pages.append(stub.ListEvents(request))
        assert {page.resume_token for page in pages} == {first.resume_token}
        listed = [event for page in pages for event in page.events]
        assert received(listed, consumer)[1] == []
        orders = [event for event in log.events if event.metadata.topic == "orders"]
        assert listed == orders
        consumer.resume_token = first.resume_token
        for response in stream(stub, consumer.request("orders")):
            consumer.take(response)
            if response.published == orders[-1]:
                break
    assert consumer.missing_from(orders) == []
    assert consumer.gaps == []
