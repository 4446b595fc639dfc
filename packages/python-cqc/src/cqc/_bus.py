"""How an Event travels on a message bus: CloudEvents attributes, NATS subjects and Kafka topics."""

from __future__ import annotations

from urllib.parse import quote

from cqc._pickling import reduce
from cqc.events.v1 import Event
from cqc.options.v1 import topic

__all__ = ["UnknownEventError", "attributes", "kafka_topic", "nats_subject"]


class UnknownEventError(ValueError):
    """An Event whose content this version of the package does not know.

    Its type cannot be named: forward it under the attributes and the subject with which it came. `event_id`, `topic`,
    `subject` and `sequence` are those of its metadata; note the sequence, so that the next event shows no false gap.
    """

    __reduce__ = reduce

    def __init__(self, event: Event) -> None:
        metadata = event.metadata
        super().__init__(f"event {metadata.event_id} of topic {metadata.topic} is not known to this version")
        self.event_id = metadata.event_id
        self.topic = metadata.topic
        self.subject = metadata.subject
        self.sequence = metadata.sequence


def attributes(event: Event) -> dict[str, str]:
    """Return the CloudEvents 1.0 attributes of an event, whose data is the Event itself.

    The keys are specversion, id, source, type, subject, time, datacontenttype, partitionkey and sequence, and
    correlationid and causationid if the event has them. `time` is RFC 3339 in UTC with 0, 3, 6 or 9 fraction digits.
    `sequence` has 20 digits with leading zeros, so that it orders as text.

    Raises UnknownEventError, and ValueError if the metadata lacks event_id, source, subject or a valid occurred_at, or
    if its topic is not that of the event.
    """
    name = _known(event)
    metadata = event.metadata
    if not metadata.HasField("occurred_at"):
        raise ValueError("metadata.occurred_at is missing")
    found = {
        "specversion": "1.0",
        "id": metadata.event_id,
        "source": f"urn:cqc:{metadata.source}",
        "type": getattr(event, name).DESCRIPTOR.full_name,
        "subject": metadata.subject,
        "time": metadata.occurred_at.ToJsonString(),
        "datacontenttype": "application/protobuf",
        "partitionkey": metadata.subject,
        "sequence": f"{metadata.sequence:020d}",
    }
    if metadata.HasField("correlation_id"):
        found["correlationid"] = metadata.correlation_id
    if metadata.HasField("causation_id"):
        found["causationid"] = metadata.causation_id
    return found


def nats_subject(event: Event) -> str:
    """Return the NATS subject of an event, such as `cqc.events.v1.orders.order_filled.main`.

    Its last token is the subject of the event; every byte of it outside `[A-Za-z0-9_:-]` is `%XX`. The header
    `Nats-Msg-Id` is the event's id. Raises as `attributes` does, but needs no `occurred_at`.
    """
    name = _known(event)
    return f"{kafka_topic(event)}.{name}.{_token(event.metadata.subject)}"


def kafka_topic(event: Event) -> str:
    """Return the Kafka topic of an event, such as `cqc.events.v1.orders`; the key is `metadata.subject` in UTF-8.

    Raises as `nats_subject` does.
    """
    _known(event)
    return f"cqc.events.v1.{event.metadata.topic}"


def _known(event: Event) -> str:
    """Return the name of the event's field."""
    name = event.WhichOneof("event")
    if name is None:
        raise UnknownEventError(event)
    for field in ("event_id", "source", "subject"):
        if not getattr(event.metadata, field):
            raise ValueError(f"metadata.{field} is missing")
    expected = getattr(event, name).DESCRIPTOR.GetOptions().Extensions[topic]
    if event.metadata.topic != expected:
        raise ValueError(f"metadata.topic is {event.metadata.topic!r}, but {name} belongs to {expected!r}")
    return name


def _token(subject: str) -> str:
    # quote leaves the dot and the tilde, which are not among the safe bytes.
    return quote(subject, safe=":").replace(".", "%2E").replace("~", "%7E")
