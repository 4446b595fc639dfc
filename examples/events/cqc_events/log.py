"""Numbers and keeps the events of one service, and serves them as `EventLog`."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

import grpc
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

import cqc
from cqc.errors import ServiceError
from cqc.events.v1 import Event, EventMetadata
from cqc.options.v1 import options_pb2
from cqc.services.v1 import (
    ErrorReason,
    Heartbeat,
    ListEventsRequest,
    ListEventsResponse,
    StreamEventsRequest,
    StreamEventsResponse,
    StreamReset,
    StreamResetReason,
    event_log_pb2_grpc,
)

DEFAULT_PAGE_SIZE = 100
DEFAULT_HEARTBEAT = 5.0

KINDS: dict[str, Descriptor] = {
    field.name: field.message_type for field in Event.DESCRIPTOR.oneofs_by_name["event"].fields if field.message_type
}
"""The message of each field of Event."""
FIELDS = {kind.full_name: name for name, kind in KINDS.items()}
"""The field of each kind of event, by the full name of its message."""
TOPICS = {kind.full_name: kind.GetOptions().Extensions[options_pb2.topic] for kind in KINDS.values()}
"""The topic of each kind of event, by the full name of its message."""


class Log:
    """The events of one service in the order in which they were recorded. Methods may be called from any thread."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.events: list[Event] = []
        self.changed = threading.Condition()
        self._namespace: UUID = uuid5(NAMESPACE_URL, f"urn:cqc:{source}")
        self._lanes: dict[tuple[str, str], list[Event]] = defaultdict(list)
        self._first_kept = 0

    def publish(self, happened: Message, subject: str, recorded_at: Timestamp, **metadata: Any) -> Event:
        """Number an event within its topic and subject, and keep it. Returns the event as it is published."""
        name = happened.DESCRIPTOR.full_name
        with self.changed:
            lane = self._lanes[TOPICS[name], subject]
            sequence = len(lane) + 1
            event = Event(
                metadata=EventMetadata(
                    # Derived, so that a service that crashes after publishing publishes the same event again.
                    event_id=str(uuid5(self._namespace, f"{TOPICS[name]} {sequence} {subject}")),
                    topic=TOPICS[name],
                    subject=subject,
                    sequence=sequence,
                    recorded_at=recorded_at,
                    source=self.source,
                    **metadata,
                ),
                **{FIELDS[name]: happened},  # type: ignore[arg-type]
            )
            lane.append(event)
            self.events.append(event)
            self.changed.notify_all()
        return event

    def forget(self, count: int) -> None:
        """Keep all but the oldest events."""
        with self.changed:
            self._first_kept = count

    def token(self) -> str:
        """The `resume_token` of a list that is read now: the stream continues with what is published next."""
        return _encode({"source": self.source, "next": len(self.events)})

    def lane(self, topic: str, subject: str, after_sequence: int) -> list[Event]:
        """The events of a topic and subject after a sequence. Raises ServiceError if the first is no longer kept."""
        with self.changed:
            events = self._lanes.get((topic, subject), [])
            lost = {event.metadata.event_id for event in self.events[: self._first_kept]}
            oldest = next((e.metadata.sequence for e in events if e.metadata.event_id not in lost), len(events) + 1)
            if after_sequence + 1 < oldest:
                raise ServiceError(
                    ErrorReason.ERROR_REASON_SEQUENCE_NOT_KEPT,
                    f"the events of {topic} {subject} before {oldest} are no longer kept",
                    oldest=str(oldest),
                )
            return events[after_sequence:]

    def is_kept(self, position: int) -> bool:
        """Whether all events from a position on are kept."""
        return position >= self._first_kept


class EventLogService(event_log_pb2_grpc.EventLogServicer):
    """Serves a log. Every principal may read every account.

    The server needs an interceptor of `cqc.interceptors`, which refuses invalid requests and returns ServiceErrors.
    """

    def __init__(self, log: Log) -> None:
        self.log = log

    def ListEvents(self, request: ListEventsRequest, context: grpc.ServicerContext) -> ListEventsResponse:
        """Return one page of the events of a topic and subject."""
        after, token, asked = request.after_sequence, self.log.token(), [request.topic, request.subject]
        if request.page_token:
            page = _decode(request.page_token)
            if page.get("asked") != [*asked, after]:
                raise ServiceError(ErrorReason.ERROR_REASON_INVALID_PAGE_TOKEN, "not a page of this list")
            after, token = page["after"], page["token"]
        size = request.page_size or DEFAULT_PAGE_SIZE
        events = self.log.lane(request.topic, request.subject, after)
        response = ListEventsResponse(events=events[:size], resume_token=token)
        if len(events) > size:
            page = {"asked": [*asked, request.after_sequence], "after": after + size, "token": token}
            response.next_page_token = _encode(page)
        return response

    def StreamEvents(
        self, request: StreamEventsRequest, context: grpc.ServicerContext
    ) -> Iterator[StreamEventsResponse]:
        """Send what was published since the token, and everything that is published from now on."""
        interval = request.heartbeat_interval.ToTimedelta().total_seconds() or DEFAULT_HEARTBEAT
        filters = {"topics": sorted(request.topics), "subjects": sorted(request.subjects)}
        position = self._position(request.resume_token, filters)
        context.add_callback(self._wake)
        if not self.log.is_kept(position):
            reason = StreamResetReason.STREAM_RESET_REASON_RESUME_TOKEN_EXPIRED
            position = len(self.log.events)
            yield StreamEventsResponse(reset=StreamReset(reason=reason))
        # Nothing was sent yet: if nothing is to be sent, a heartbeat is due.
        due = time.monotonic()
        while context.is_active():
            with self.log.changed:
                while position == len(self.log.events) and context.is_active() and time.monotonic() < due:
                    self.log.changed.wait(due - time.monotonic())
                news = self.log.events[position:]
            for event in news:
                position += 1
                if self._selects(request, event.metadata):
                    yield StreamEventsResponse(published=event, resume_token=self._token(position, filters))
                    due = time.monotonic() + interval
            if time.monotonic() >= due:
                yield StreamEventsResponse(heartbeat=_heartbeat(), resume_token=self._token(position, filters))
                due = time.monotonic() + interval

    def _wake(self) -> None:
        with self.log.changed:
            self.log.changed.notify_all()

    def _token(self, position: int, filters: dict[str, list[str]]) -> str:
        return _encode({"source": self.log.source, "next": position, **filters})

    def _position(self, token: str, filters: dict[str, list[str]]) -> int:
        if not token:
            return len(self.log.events)
        resumed = _decode(token)
        position = resumed.pop("next", None)
        # The token of a list has no filters, and starts a stream with any.
        if not isinstance(position, int) or resumed not in (
            {"source": self.log.source},
            {"source": self.log.source, **filters},
        ):
            raise ServiceError(ErrorReason.ERROR_REASON_INVALID_RESUME_TOKEN, "not a token of this service and stream")
        return position

    @staticmethod
    def _selects(request: StreamEventsRequest, metadata: EventMetadata) -> bool:
        return (not request.topics or metadata.topic in request.topics) and (
            not request.subjects or metadata.subject in request.subjects
        )


def _heartbeat() -> Heartbeat:
    return Heartbeat(sent_at=cqc.from_unix_nanos(time.time_ns()))


def _encode(content: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode()


def _decode(token: str) -> dict[str, Any]:
    """Return the content of a token; empty if this log did not issue it."""
    try:
        content = json.loads(base64.urlsafe_b64decode(token.encode()))
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}
