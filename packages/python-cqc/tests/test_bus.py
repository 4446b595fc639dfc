"""How Events travel on a bus."""

from typing import Any
from urllib.parse import unquote

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

import cqc
from cqc.events.v1 import Event, EventMetadata, OrderFilled, PriceUpdated

METADATA = EventMetadata(
    event_id="8f14e45f-ceea-467f-9575-1e8a5fe0f001",
    topic="orders",
    subject="main.account/1 é",
    sequence=42,
    occurred_at=Timestamp(seconds=1_710_500_000, nanos=120_000_000),
    source="venue-gateway",
)
FILLED = Event(metadata=METADATA, order_filled=OrderFilled())


def test_attributes() -> None:
    assert cqc.attributes(FILLED) == {
        "specversion": "1.0",
        "id": "8f14e45f-ceea-467f-9575-1e8a5fe0f001",
        "source": "urn:cqc:venue-gateway",
        "type": "cqc.events.v1.OrderFilled",
        "subject": "main.account/1 é",
        "time": "2024-03-15T10:53:20.120Z",
        "datacontenttype": "application/protobuf",
        "partitionkey": "main.account/1 é",
        "sequence": "00000000000000000042",
    }
    caused = Event()
    caused.CopyFrom(FILLED)
    caused.metadata.correlation_id, caused.metadata.causation_id = "c", "8f14e45f-ceea-467f-9575-1e8a5fe0f002"
    caused.metadata.sequence = 2**64 - 1
    found = cqc.attributes(caused)
    assert (found["correlationid"], found["causationid"]) == ("c", "8f14e45f-ceea-467f-9575-1e8a5fe0f002")
    assert found["sequence"] == "18446744073709551615"


def test_topics_and_subjects() -> None:
    assert cqc.nats_subject(FILLED) == "cqc.events.v1.orders.order_filled.main%2Eaccount%2F1%20%C3%A9"
    assert cqc.kafka_topic(FILLED) == "cqc.events.v1.orders"


@given(st.text(min_size=1))
def test_last_token_of_a_subject_can_be_decoded(subject: str) -> None:
    event = Event(metadata=METADATA, order_filled=OrderFilled())
    event.metadata.subject = subject
    *_, token = cqc.nats_subject(event).split(".")
    assert unquote(token, errors="strict") == subject
    assert set(token) <= set("%_:-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")


@pytest.mark.parametrize("call", [cqc.attributes, cqc.nats_subject, cqc.kafka_topic])
def test_events_that_cannot_be_published(call: Any) -> None:
    with pytest.raises(cqc.UnknownEventError, match="of topic orders is not known to this version") as unknown:
        call(Event(metadata=METADATA))
    error = unknown.value
    assert error.event_id == METADATA.event_id
    assert (error.topic, error.subject, error.sequence) == ("orders", "main.account/1 é", 42)
    with pytest.raises(ValueError, match=r"metadata\.topic is 'orders', but price_updated belongs to 'prices'"):
        call(Event(metadata=METADATA, price_updated=PriceUpdated()))
    with pytest.raises(ValueError, match=r"metadata\.event_id is missing"):
        call(Event(order_filled=OrderFilled()))
    without_time = Event()
    without_time.CopyFrom(FILLED)
    without_time.metadata.ClearField("occurred_at")
    with pytest.raises(ValueError, match=r"metadata\.occurred_at is missing"):
        cqc.attributes(without_time)
