"""Rebuilds state from events, and detects events that are lost, duplicated or out of order.

    consumer = Consumer()
    for event in bus:
        for finding in consumer.receive(event):
            print(finding)
        if consumer.gaps:
            consumer.fill(listing(stub))
    consumer.replica[Order]["o-1"].status

A `Replica` holds the records. A `Consumer` puts events into their order and applies them to its replica.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, NamedTuple, TypeVar

from google.protobuf.message import Message

from cqc.assets.v1 import (
    Asset,
    AssetAction,
    AssetDeployment,
    AssetGroup,
    AssetIdentifier,
    AssetQualityFlag,
    AssetRelationship,
    Chain,
)
from cqc.events.v1 import Event, EventMetadata, FundingPaid, RiskAlert, StreamGap, TradingStateChanged
from cqc.markets.v1 import Price, Symbol, SymbolIdentifier
from cqc.portfolio.v1 import Portfolio, Position, RiskLimit, Transaction
from cqc.services.v1 import (
    ListEventsRequest,
    StreamEventsRequest,
    StreamEventsResponse,
    StreamResetReason,
    TradingScope,
    TradingStateRecord,
    event_log_pb2_grpc,
)
from cqc.venues.v1 import (
    AccountMargin,
    AccountSettings,
    Balance,
    ExecType,
    ExecutionReport,
    LedgerEntry,
    Order,
    OrderList,
    QuoteRequest,
    Transfer,
    Venue,
    VenueAccount,
    VenueAsset,
    VenueSymbol,
)

M = TypeVar("M", bound=Message)


# Replica


def _optional(record: Any, *names: str) -> Hashable:
    """The values of fields of which some may be absent: absent differs from empty."""
    return tuple(getattr(record, name) if record.HasField(name) else None for name in names)


def _asset(record: Any) -> Hashable:
    return record.asset_id, "" if record.asset_id else record.asset_code


def _listing(record: Any) -> Hashable:
    native = record.native_listing
    return record.venue_symbol_id or (native.venue_id, native.segment, native.symbol, native.id)


RECORDS: Mapping[type[Message], Callable[[Any], Hashable]] = {
    Order: lambda order: order.order_id,
    ExecutionReport: lambda report: (report.account_id, report.exec_id),
    OrderList: lambda orders: orders.list_id,
    QuoteRequest: lambda request: request.quote_request_id,
    Position: lambda position: position.position_id,
    Transfer: lambda transfer: transfer.transfer_id,
    Balance: lambda it: (it.account_id, _asset(it), it.type or it.raw_type, _listing(it)),
    AccountMargin: lambda it: (it.account_id, _asset(it), it.all_assets, it.window or it.raw_window, _listing(it)),
    VenueAccount: lambda account: account.account_id,
    AccountSettings: lambda settings: settings.account_id,
    LedgerEntry: lambda entry: (entry.account_id, entry.entry_id),
    Portfolio: lambda portfolio: portfolio.portfolio_id,
    Transaction: lambda transaction: transaction.transaction_id,
    RiskLimit: lambda limit: limit.limit_id,
    RiskAlert: lambda alert: alert.alert_id,
    TradingStateRecord: lambda record: _optional(record.scope, "portfolio_id", "account_id", "venue_id"),
    Price: lambda price: price.asset_id,
    StreamGap: lambda gap: (gap.venue_symbol_id, gap.stream, gap.started_at.seconds, gap.started_at.nanos),
    Asset: lambda asset: asset.asset_id,
    AssetAction: lambda action: action.action_id,
    AssetDeployment: lambda deployment: deployment.deployment_id,
    AssetGroup: lambda group: group.group_id,
    AssetIdentifier: lambda identifier: identifier.identifier_id,
    AssetQualityFlag: lambda flag: flag.flag_id,
    AssetRelationship: lambda relationship: relationship.relationship_id,
    Chain: lambda chain: chain.chain_id,
    Symbol: lambda symbol: symbol.symbol_id,
    SymbolIdentifier: lambda identifier: identifier.identifier_id,
    Venue: lambda venue: venue.venue_id,
    VenueAsset: lambda asset: asset.venue_asset_id,
    VenueSymbol: lambda listing: listing.venue_symbol_id,
}
"""The kinds of record that events carry, and the key of each. The lists of the services carry the same records."""


class Replica:
    """The records of a system, rebuilt from its events or read from its lists.

    `replica[Order]` maps the ids of orders to orders; RECORDS states the key of every kind. Payments of funding have no
    id of their own: `replica[FundingPaid]` maps the ids of their events. Records must not be changed.
    """

    def __init__(self, records: Iterable[Message] = ()) -> None:
        self._records: dict[type[Message], dict[Any, Any]] = {kind: {} for kind in (*RECORDS, FundingPaid)}
        for record in records:
            self.put(record)

    def __getitem__(self, kind: type[M]) -> Mapping[Any, M]:
        """The records of one kind by their keys."""
        return self._records[kind]

    def __iter__(self) -> Iterator[Message]:
        """All records."""
        return chain.from_iterable(held.values() for held in self._records.values())

    def put(self, record: Message) -> None:
        """Take over a record, unless a later revision of it is held."""
        kind = type(record)
        held, key = self._records[kind], RECORDS[kind](record)
        known: Any = held.get(key)
        if known is None or getattr(record, "revision", 0) >= getattr(known, "revision", 0):
            held[key] = record

    def apply(self, event: Event) -> bool:
        """Take over the records of an event. Returns False for an event that this version does not know."""
        name = event.WhichOneof("event")
        if name is None:
            return False
        happened: Any = getattr(event, name)
        if isinstance(happened, TradingStateChanged):
            self.put(_trading_state(event.metadata, happened))
        elif isinstance(happened, FundingPaid):
            self._records[FundingPaid][event.metadata.event_id] = happened
        else:
            records = [happened] if type(happened) in RECORDS else _records_of(happened)
            for record in records:
                self.put(record)
            return bool(records)
        return True

    def fills(self, order_id: str) -> list[ExecutionReport]:
        """The fills of an order that still count: corrected ones as corrected, without those that were undone."""
        reports = [report for report in self[ExecutionReport].values() if report.order_id == order_id]
        fills: dict[str, ExecutionReport] = {}
        trades: dict[str, str] = {}  # the trade that a report is about, through corrections of corrections
        for report in sorted(reports, key=lambda report: report.report_sequence):
            trade = trades.get(report.ref_exec_id, report.ref_exec_id) or report.exec_id
            trades[report.exec_id] = trade
            if report.exec_type in (ExecType.EXEC_TYPE_TRADE, ExecType.EXEC_TYPE_TRADE_CORRECT):
                fills[trade] = report
            elif report.exec_type == ExecType.EXEC_TYPE_TRADE_CANCEL:
                fills.pop(trade, None)
        return list(fills.values())


def _records_of(happened: Message) -> list[Message]:
    return [value for _, value in happened.ListFields() if type(value) in RECORDS]


def _trading_state(metadata: EventMetadata, event: TradingStateChanged) -> TradingStateRecord:
    def optional(*names: str) -> dict[str, str]:
        return {name: getattr(event, name) for name in names if event.HasField(name)}  # type: ignore[arg-type]

    return TradingStateRecord(
        scope=TradingScope(**optional("portfolio_id", "account_id", "venue_id")),
        state=event.state,
        reason=event.reason,
        changed_by=event.changed_by,
        since=metadata.occurred_at,
        revision=metadata.revision,
        **optional("limit_id"),
    )


# Consumer


class Lane(NamedTuple):
    """Events that are numbered together."""

    source: str
    topic: str
    subject: str

    @classmethod
    def of(cls, metadata: EventMetadata) -> Lane:
        """The lane of an event."""
        return cls(metadata.source, metadata.topic, metadata.subject)


@dataclass(frozen=True)
class GapDetected:
    """The events from `first` to `last`, inclusive, did not arrive in time. Later ones wait until they do."""

    lane: Lane
    first: int
    last: int


@dataclass(frozen=True)
class DuplicateDropped:
    """An event arrived again, or is older than the first one of a consumer that joined late. It was dropped."""

    lane: Lane
    sequence: int
    event_id: str


@dataclass(frozen=True)
class ReorderDetected:
    """An event arrived after later ones of its lane, and was put in its place."""

    lane: Lane
    sequence: int


@dataclass(frozen=True)
class SequenceReused:
    """The source is broken: it numbered another event with a sequence that it had used. The event was dropped."""

    lane: Lane
    sequence: int
    event_id: str


@dataclass(frozen=True)
class UnknownEvent:
    """An event, or a record in it, is of a kind that this version does not know. Its sequence counts."""

    lane: Lane
    sequence: int


@dataclass(frozen=True)
class StreamWasReset:
    """The server of a stream lost events. `Consumer.fill` all lanes, or start anew from lists."""

    reason: StreamResetReason.ValueType


Finding = GapDetected | DuplicateDropped | ReorderDetected | SequenceReused | UnknownEvent | StreamWasReset
ListEvents = Callable[[Lane, int], Iterable[Event]]
"""Lists the events of a lane after a sequence, such as `listing`."""


@dataclass
class _Progress:
    first: int
    """Sequence of the event to apply first."""
    next: int
    """Sequence of the event to apply next."""
    waiting: dict[int, Event] = field(default_factory=dict)

    @property
    def newest(self) -> int:
        """Highest sequence that arrived."""
        return max(self.waiting, default=self.next - 1)


@dataclass
class Consumer:
    """Applies events to a replica in the order of their sequence, each exactly once.

    - replica: the state; for a consumer that joins late, with the records of the lists that it read
    - from_start: False for a consumer that joins late: a lane starts with the first event that arrives
    - unknown: number of unknown events per topic
    - resume_token: where to resume the stream; a consumer that joins late sets it to that of the first list

    Every event id is remembered. What runs forever remembers those of as long a time as the bus may deliver again.
    """

    replica: Replica = field(default_factory=Replica)
    from_start: bool = True
    unknown: Counter[str] = field(default_factory=Counter)
    resume_token: str = ""
    _progress: dict[Lane, _Progress] = field(default_factory=dict)
    _seen: set[str] = field(default_factory=set)

    @property
    def lanes(self) -> list[Lane]:
        """The lanes of which an event arrived."""
        return list(self._progress)

    @property
    def gaps(self) -> list[GapDetected]:
        """Where every lane with missing events stopped. Its state is not current until the gap is filled."""
        return [
            GapDetected(lane, progress.next, min(progress.waiting) - 1)
            for lane, progress in self._progress.items()
            if progress.waiting
        ]

    def receive(self, event: Event) -> list[Finding]:
        """Apply an event, or keep it until those before it arrive. Returns what is wrong or unknown, if anything."""
        metadata = event.metadata
        lane, sequence = Lane.of(metadata), metadata.sequence
        progress = self._progress.get(lane)
        if progress is None:
            first = 1 if self.from_start else sequence
            progress = self._progress[lane] = _Progress(first, first)
        if metadata.event_id in self._seen or sequence < progress.first:
            return [DuplicateDropped(lane, sequence, metadata.event_id)]
        if sequence < progress.next or sequence in progress.waiting:
            return [SequenceReused(lane, sequence, metadata.event_id)]
        self._seen.add(metadata.event_id)
        findings: list[Finding] = []
        if sequence > progress.newest + 1:
            findings.append(GapDetected(lane, progress.newest + 1, sequence - 1))
        elif sequence <= progress.newest:
            findings.append(ReorderDetected(lane, sequence))
        progress.waiting[sequence] = event
        while progress.next in progress.waiting:
            findings += self._apply(progress.waiting.pop(progress.next), lane)
            progress.next += 1
        return findings

    def _apply(self, event: Event, lane: Lane) -> list[Finding]:
        if self.replica.apply(event):
            return []
        self.unknown[lane.topic] += 1
        return [UnknownEvent(lane, event.metadata.sequence)]

    def take(self, response: StreamEventsResponse) -> list[Finding]:
        """Receive a message of the stream, and remember where to resume it."""
        self.resume_token = response.resume_token
        if response.HasField("published"):
            return self.receive(response.published)
        return [StreamWasReset(response.reset.reason)] if response.HasField("reset") else []

    def request(self, *topics: str) -> StreamEventsRequest:
        """The request that starts or resumes the stream of these topics; of all, without topics."""
        return StreamEventsRequest(topics=topics, resume_token=self.resume_token)

    def fill(self, list_events: ListEvents, lanes: Iterable[Lane] | None = None) -> None:
        """List what is missing: of the lanes with gaps, or of these lanes.

        Raises what `list_events` raises: after SEQUENCE_NOT_KEPT, start anew from lists.
        """
        for lane in [gap.lane for gap in self.gaps] if lanes is None else list(lanes):
            known = self._progress.get(lane)
            for event in list_events(lane, known.next - 1 if known else 0):
                self.receive(event)

    def missing_from(self, log: Iterable[Event]) -> list[EventMetadata]:
        """The events of a log that never arrived. Finds a lost event that no event of its lane followed."""
        return [event.metadata for event in log if event.metadata.event_id not in self._seen]


def listing(stub: event_log_pb2_grpc.EventLogStub, page_size: int = 0) -> ListEvents:
    """Return a function that lists the events of a lane from the EventLog of its source."""

    def list_events(lane: Lane, after_sequence: int) -> Iterator[Event]:
        request = ListEventsRequest(
            topic=lane.topic, subject=lane.subject, after_sequence=after_sequence, page_size=page_size
        )
        while True:
            page = stub.ListEvents(request)
            yield from page.events
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    return list_events
