"""The source of events: services that keep records, and publish every change. Their records are the truth."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from itertools import count
from typing import Any

from google.protobuf.message import Message

import cqc
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
from cqc.events.v1 import (
    AccountChanged,
    AccountMarginChanged,
    AssetActionAnnounced,
    AssetCreated,
    AssetDeploymentCreated,
    AssetUpdated,
    BalanceChanged,
    CancelRejected,
    Event,
    FundingPaid,
    LedgerEntryRecorded,
    OrderAccepted,
    OrderCancelled,
    OrderExpired,
    OrderFilled,
    OrderListUpdated,
    OrderPlaced,
    OrderRejected,
    OrderReplaced,
    OrderTriggered,
    OrderUpdated,
    PortfolioChanged,
    PositionChanged,
    PositionClosed,
    PositionOpened,
    PriceUpdated,
    QualityFlagRaised,
    QuoteRequestUpdated,
    RegistryRecordChanged,
    RelationshipEstablished,
    ReplaceRejected,
    RiskAlert,
    RiskLimitChanged,
    StreamGap,
    SymbolCreated,
    SymbolDelisted,
    SymbolUpdated,
    TradeCancelled,
    TradeCorrected,
    TradingState,
    TradingStateChanged,
    TransactionRecorded,
    TransferUpdated,
    VenueAssetListed,
    VenueSymbolDelisted,
    VenueSymbolListed,
    VenueSymbolUpdated,
)
from cqc.markets.v1 import Price, Symbol, SymbolIdentifier
from cqc.portfolio.v1 import Portfolio, Position, RiskLimit, Transaction
from cqc.services.v1 import TradingScope, TradingStateRecord
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
from cqc_events.log import TOPICS, Log

SERVICES = {
    "registry": "asset-registry",
    "prices": "market-data",
    "orders": "venue-gateway",
    "positions": "venue-gateway",
    "transfers": "venue-gateway",
    "balances": "venue-gateway",
    "books": "portfolio",
    "risk": "risk-engine",
}
"""The service that publishes each topic."""

REPORTS: Mapping[int, Callable[..., Any]] = {
    ExecType.EXEC_TYPE_NEW: OrderAccepted,
    ExecType.EXEC_TYPE_TRADE: OrderFilled,
    ExecType.EXEC_TYPE_CANCELLED: OrderCancelled,
    ExecType.EXEC_TYPE_REPLACED: OrderReplaced,
    ExecType.EXEC_TYPE_REJECTED: OrderRejected,
    ExecType.EXEC_TYPE_EXPIRED: OrderExpired,
    ExecType.EXEC_TYPE_TRIGGERED: OrderTriggered,
    ExecType.EXEC_TYPE_TRADE_CORRECT: TradeCorrected,
    ExecType.EXEC_TYPE_TRADE_CANCEL: TradeCancelled,
    ExecType.EXEC_TYPE_CANCEL_REJECTED: CancelRejected,
    ExecType.EXEC_TYPE_REPLACE_REJECTED: ReplaceRejected,
}
"""The event of each kind of report. Every other report is in an OrderUpdated."""

CHANGES: Mapping[type[Message], Callable[[Any, bool], tuple[Message, str]]] = {
    Asset: lambda it, new: ((AssetCreated if new else AssetUpdated)(asset=it), it.asset_id),
    AssetAction: lambda it, _: (AssetActionAnnounced(action=it), it.action_id),
    AssetDeployment: lambda it, new: (
        AssetDeploymentCreated(deployment=it) if new else RegistryRecordChanged(deployment=it),
        it.deployment_id,
    ),
    AssetGroup: lambda it, _: (RegistryRecordChanged(group=it), it.group_id),
    AssetIdentifier: lambda it, _: (RegistryRecordChanged(asset_identifier=it), it.identifier_id),
    AssetQualityFlag: lambda it, _: (QualityFlagRaised(flag=it), it.flag_id),
    AssetRelationship: lambda it, new: (
        RelationshipEstablished(relationship=it) if new else RegistryRecordChanged(relationship=it),
        it.relationship_id,
    ),
    Chain: lambda it, _: (RegistryRecordChanged(chain=it), it.chain_id),
    Symbol: lambda it, new: ((SymbolCreated if new else SymbolUpdated)(symbol=it), it.symbol_id),
    SymbolIdentifier: lambda it, _: (RegistryRecordChanged(symbol_identifier=it), it.identifier_id),
    Venue: lambda it, _: (RegistryRecordChanged(venue=it), it.venue_id),
    VenueAsset: lambda it, new: (
        VenueAssetListed(venue_asset=it) if new else RegistryRecordChanged(venue_asset=it),
        it.venue_asset_id,
    ),
    VenueSymbol: lambda it, new: (_listing_event(it, new), it.venue_symbol_id),
    Price: lambda it, _: (PriceUpdated(price=it), it.asset_id),
    StreamGap: lambda it, _: (it, it.venue_symbol_id),
    OrderList: lambda it, _: (OrderListUpdated(order_list=it), it.account_id),
    QuoteRequest: lambda it, _: (QuoteRequestUpdated(quote_request=it), it.account_id),
    Transfer: lambda it, _: (TransferUpdated(transfer=it), it.account_id),
    Balance: lambda it, _: (BalanceChanged(balance=it), it.account_id),
    AccountMargin: lambda it, _: (AccountMarginChanged(margin=it), it.account_id),
    FundingPaid: lambda it, _: (it, it.account_id),
    LedgerEntry: lambda it, _: (LedgerEntryRecorded(ledger_entry=it), it.account_id),
    Portfolio: lambda it, _: (PortfolioChanged(portfolio=it), it.portfolio_id),
    Transaction: lambda it, _: (TransactionRecorded(transaction=it), it.portfolio_id),
    RiskLimit: lambda it, _: (RiskLimitChanged(limit=it), it.limit_id),
    RiskAlert: lambda it, _: (it, _scope(it)),
}
"""The event and the subject of a record that was added (True) or changed."""


def _listing_event(listing: VenueSymbol, new: bool) -> Message:
    if new:
        return VenueSymbolListed(venue_symbol=listing)
    if listing.HasField("delisted_at"):
        return VenueSymbolDelisted(venue_symbol=listing)
    return VenueSymbolUpdated(venue_symbol=listing)


def _scope(event: Any) -> str:
    return event.account_id or event.portfolio_id or event.venue_id or "everywhere"


class Source:
    """All services of a system. A record is an object that its owner changes and then saves."""

    def __init__(self, started_at: int = 1_700_000_000) -> None:
        self.logs = {service: Log(service) for service in SERVICES.values()}
        self.events: list[Event] = []
        """The events of all services in the order in which they were published."""
        self._ticks = count(started_at * 1000)
        self._records: dict[int, Message] = {}
        self._settings: dict[str, AccountSettings] = {}
        self._report_sequences: dict[str, int] = {}

    def __iter__(self) -> Iterator[Message]:
        """All records as the services return them: the names of credentials are for few."""
        for record in self._records.values():
            if isinstance(record, VenueAccount):
                record = _without_credentials(record)
            yield record

    def now(self) -> Any:
        """The time. Every call is a millisecond later."""
        return cqc.from_unix_nanos(next(self._ticks) * 1_000_000)

    def save(self, record: Any, cause: Event | None = None, **extra: Any) -> Event:
        """Add a record, or take over its changes; gives it its next revision, and publishes it."""
        new = self._keep(record)
        happened, subject = CHANGES[type(record)](record, new)
        for name, value in extra.items():
            setattr(happened, name, value)
        return self._publish(happened, subject, getattr(record, "revision", None), cause)

    def delist(self, symbol: Symbol) -> Event:
        """Save a product that expired, or that no venue lists any more."""
        self._keep(symbol)
        return self._publish(SymbolDelisted(symbol=symbol), symbol.symbol_id, symbol.revision)

    def save_order(self, order: Order, report: ExecutionReport | None = None, cause: Event | None = None) -> Event:
        """Save an order, with the report that changed it if there was one."""
        new = self._keep(order)
        happened: Message
        if report is not None:
            number = self._report_sequences[order.account_id] = self._report_sequences.get(order.account_id, 0) + 1
            report.report_sequence = number
            report.order_id, report.order_status = order.order_id, order.status
            self._records[id(report)] = report
            happened = REPORTS.get(report.exec_type, OrderUpdated)(order=order, execution=report)
        else:
            happened = OrderPlaced(order=order) if new else OrderUpdated(order=order)
        return self._publish(happened, order.account_id, order.revision, cause)

    def save_position(self, position: Position, previous_quantity: str = "", cause: Event | None = None) -> Event:
        """Save a position. With quantity 0 it is closed."""
        new = self._keep(position)
        happened: Message
        if not Decimal(position.quantity or 0):
            happened = PositionClosed(position=position)
        elif new:
            happened = PositionOpened(position=position)
        else:
            happened = PositionChanged(position=position, previous_quantity=previous_quantity or None)
        return self._publish(happened, position.account_id, position.revision, cause)

    def save_account(self, account: VenueAccount, settings: AccountSettings | None = None) -> Event:
        """Save an account, with its settings if they changed."""
        self._keep(account)
        if settings is not None:
            self._settings[account.account_id] = settings
            self._records[id(settings)] = settings
        happened = AccountChanged(
            account=_without_credentials(account), settings=self._settings.get(account.account_id)
        )
        return self._publish(happened, account.account_id, account.revision)

    def set_trading_state(
        self, scope: TradingScope, state: TradingState.ValueType, reason: str, limit_id: str | None = None
    ) -> Event:
        """Allow, restrict or stop trading in a scope."""
        held = (it for it in self._records.values() if isinstance(it, TradingStateRecord) and it.scope == scope)
        record = next(held, TradingStateRecord(scope=scope, state=TradingState.TRADING_STATE_ACTIVE))
        previous, changed_by = record.state, "risk-engine" if limit_id else "trader-1"
        self._keep(record)
        record.state, record.reason, record.changed_by = state, reason, changed_by
        record.ClearField("limit_id")
        if limit_id:
            record.limit_id = limit_id
        happened = TradingStateChanged(
            state=state, previous_state=previous, reason=reason, changed_by=changed_by, limit_id=limit_id
        )
        for field, value in scope.ListFields():
            setattr(happened, field.name, value)
        event = self._publish(happened, _scope(happened), record.revision)
        record.since.CopyFrom(event.metadata.occurred_at)
        return event

    def _keep(self, record: Any) -> bool:
        """Give a record its next revision. Returns whether it is new."""
        new = id(record) not in self._records
        self._records[id(record)] = record
        names = record.DESCRIPTOR.fields_by_name
        if "revision" in names:
            record.revision += 1
        if "created_at" in names and "updated_at" in names and not isinstance(record, Order):
            record.updated_at.CopyFrom(self.now())
            if new:
                record.created_at.CopyFrom(record.updated_at)
        return new

    def _publish(self, happened: Message, subject: str, revision: int | None, cause: Event | None = None) -> Event:
        occurred_at = self.now()
        topic = TOPICS[happened.DESCRIPTOR.full_name]
        metadata: dict[str, Any] = {"revision": revision, "occurred_at": occurred_at}
        if cause is not None:
            metadata["causation_id"] = cause.metadata.event_id
            metadata["correlation_id"] = cause.metadata.correlation_id or cause.metadata.event_id
        event = self.logs[SERVICES[topic]].publish(happened, subject, self.now(), **metadata)
        self.events.append(event)
        return event


def _without_credentials(account: VenueAccount) -> VenueAccount:
    public = VenueAccount()
    public.CopyFrom(account)
    public.ClearField("credentials_ref")
    return public
