"""Lives of a trading system: generated ones, and those that venues' payloads tell."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import count
from typing import Any

from google.protobuf.message import Message

from cqc.assets.v1 import (
    Asset,
    AssetAction,
    AssetActionType,
    AssetDeployment,
    AssetGroup,
    AssetGroupMember,
    AssetIdentifier,
    AssetQualityFlag,
    AssetRelationship,
    AssetStatus,
    AssetType,
    Chain,
    DataSource,
    FlagSeverity,
    FlagType,
    RelationshipType,
    TokenStandard,
)
from cqc.events.v1 import Event, FundingPaid, RiskAlert, RiskAlertSeverity, RiskAlertType, StreamGap, TradingState
from cqc.markets.v1 import Price, PriceKind, PriceSource, QuantityUnit, Symbol, SymbolIdentifier, SymbolType
from cqc.options.v1 import options_pb2
from cqc.portfolio.v1 import (
    Portfolio,
    PortfolioStatus,
    Position,
    PositionStatus,
    RiskAction,
    RiskLimit,
    RiskMetric,
    Transaction,
    TransactionLeg,
    TransactionType,
)
from cqc.services.v1 import TradingScope
from cqc.venues.v1 import (
    AccountMargin,
    AccountSettings,
    AccountStatus,
    Balance,
    BalanceChangeReason,
    BalanceType,
    ExecType,
    ExecutionReport,
    Fee,
    LedgerEntry,
    MarginMode,
    Order,
    OrderList,
    OrderListStatus,
    OrderListType,
    OrderOrigin,
    OrderReason,
    OrderSide,
    OrderStatus,
    OrderType,
    PositionSide,
    Quote,
    QuoteRequest,
    QuoteRequestState,
    Transfer,
    TransferApproval,
    TransferState,
    TransferType,
    Venue,
    VenueAccount,
    VenueAsset,
    VenueSymbol,
    VenueType,
)
from cqc_events.source import Source

TRANSITIONS: dict[int, list[int]] = {
    value.number: [OrderStatus.Value(name) for name in value.GetOptions().Extensions[options_pb2.next_state]]
    for value in OrderStatus.DESCRIPTOR.values
}
TRANSFER_STATES: dict[int, list[int]] = {
    value.number: [TransferState.Value(name) for name in value.GetOptions().Extensions[options_pb2.next_state]]
    for value in TransferState.DESCRIPTOR.values
}

NEW, UNTRIGGERED = OrderStatus.ORDER_STATUS_NEW, OrderStatus.ORDER_STATUS_UNTRIGGERED
PENDING_NEW = OrderStatus.ORDER_STATUS_PENDING_NEW
PENDING_CANCEL, PENDING_REPLACE = OrderStatus.ORDER_STATUS_PENDING_CANCEL, OrderStatus.ORDER_STATUS_PENDING_REPLACE
CANCELLED, EXPIRED = OrderStatus.ORDER_STATUS_CANCELLED, OrderStatus.ORDER_STATUS_EXPIRED
REJECTED, REPLACED = OrderStatus.ORDER_STATUS_REJECTED, OrderStatus.ORDER_STATUS_REPLACED
FILLED, PARTIALLY_FILLED = OrderStatus.ORDER_STATUS_FILLED, OrderStatus.ORDER_STATUS_PARTIALLY_FILLED
ENDED = (CANCELLED, EXPIRED, REJECTED, REPLACED)


class Trade:
    """An order with what leads to its status: its base state, a pending request, and its fills."""

    def __init__(self, order: Order, quantity: int) -> None:
        self.order, self.quantity = order, quantity
        self.base = PENDING_NEW
        self.pending: OrderStatus.ValueType | None = None
        self.fills: dict[str, int] = {}

    @property
    def filled(self) -> int:
        """The quantity filled so far."""
        return sum(self.fills.values())

    @property
    def status(self) -> OrderStatus.ValueType:
        """The status by the precedence that OrderStatus states."""
        if self.pending:
            return self.pending
        if self.filled >= self.quantity:
            return FILLED
        if self.base in ENDED:
            return self.base
        return PARTIALLY_FILLED if self.filled else self.base


class Life:
    """A random life of one account, its registry, its books and its limits. The same seed gives the same life.

    - source: the services that lived it
    - statuses: every change of an order's status, as (before, after)
    """

    def __init__(self, seed: int, steps: int = 40) -> None:
        self.random = random.Random(seed)
        self.source = Source()
        self.statuses: list[tuple[int, int]] = []
        self._numbers: dict[str, int] = {}
        self._trades: list[Trade] = []
        self._transfers: list[Transfer] = []
        self._position: Position | None = None
        self._held: dict[tuple[str, int], Balance] = {}
        self._amounts: dict[tuple[str, int], int] = {}
        self._limits: list[RiskLimit] = []
        self._alerts: list[RiskAlert] = []
        self._quotes: list[QuoteRequest] = []
        self._gaps: list[StreamGap] = []
        self._account_margin = AccountMargin(asset_id="USDT")
        self._settings = AccountSettings()
        self._prices: dict[str, Price] = {}
        self._begin()
        self.live(steps)

    def live(self, steps: int) -> None:
        """Live on."""
        areas = [self._trade] * 8 + [self._move_funds] * 3 + [self._registry_step] * 2
        areas += [self._books_step, self._risk_step, self._risk_step, self._prices_step, self._account_step]
        for _ in range(steps):
            self.random.choice(areas)()

    # Beginnings

    def _begin(self) -> None:
        now, save = self.source.now, self.source.save
        self.venue = Venue(venue_id="binance", name="Binance", type=VenueType.VENUE_TYPE_CEX)
        self.chain = Chain(chain_id="eip155:1", name="Ethereum", native_asset_id="ETH")
        self.assets = [
            Asset(asset_id=name, symbol=name, name=name, type=AssetType.ASSET_TYPE_NATIVE) for name in ("BTC", "USDT")
        ]
        self.symbol = Symbol(
            symbol_id="BTC-USDT-SPOT",
            symbol="BTC/USDT",
            type=SymbolType.SYMBOL_TYPE_SPOT,
            base_asset_id="BTC",
            quote_asset_id="USDT",
        )
        self.listing = VenueSymbol(
            venue_symbol_id="binance:BTC-USDT-SPOT",
            venue_id="binance",
            symbol_id="BTC-USDT-SPOT",
            native_symbol="BTCUSDT",
            quantity_unit=QuantityUnit.QUANTITY_UNIT_BASE,
            received_at=now(),
        )
        for record in (self.venue, self.chain, *self.assets, self.symbol, self.listing):
            save(record)
        self.account = VenueAccount(
            account_id=f"binance:desk {self.random.randrange(9)}",
            venue_id="binance",
            status=AccountStatus.ACCOUNT_STATUS_ACTIVE,
            credentials_ref="vault/binance",
        )
        self.source.save_account(self.account)
        self._account_margin.account_id = self._settings.account_id = self.account.account_id
        self.portfolio = Portfolio(
            portfolio_id="p-1",
            name="Desk",
            reporting_asset_id="USD",
            account_ids=[self.account.account_id],
            status=PortfolioStatus.PORTFOLIO_STATUS_ACTIVE,
        )
        save(self.portfolio)

    def _id(self, prefix: str) -> str:
        self._numbers[prefix] = self._numbers.get(prefix, 0) + 1
        return f"{prefix}-{self._numbers[prefix]}"

    # Orders

    def _trade(self) -> None:
        if not self._trades or self.random.random() < 0.2:
            self._place()
            return
        trade = self.random.choice(self._trades)
        steps = self._steps(trade)
        if steps:
            getattr(self, self.random.choice(steps))(trade)

    def _steps(self, trade: Trade) -> list[str]:
        """What can happen to an order in its state."""
        status, open_rest = trade.status, trade.filled < trade.quantity
        steps = ["_status_report"] if status != PENDING_NEW else []
        if trade.fills:
            steps += ["_bust", "_correct"]
        if status == PENDING_NEW:
            return [*steps, "_accept", "_accept", "_fill", "_reject", "_cancelled", "_expire", "_request"]
        if status in (PENDING_CANCEL, PENDING_REPLACE):
            steps += ["_refuse", "_cancelled", "_fill", "_request", "_reject", "_expire", "_replaced_by_venue"]
            return [*steps, "_replace"] if status == PENDING_REPLACE else steps
        if status in ENDED:
            steps += ["_fill"] if open_rest else []
            return [*steps, "_restate"] if status in (CANCELLED, EXPIRED) and open_rest else steps
        if status == FILLED:
            return steps
        steps += ["_fill", "_fill", "_request", "_cancelled", "_expire", "_replaced_by_venue", "_reject"]
        if status == NEW:
            return [*steps, "_restate"]
        return [*steps, "_trigger"] if status == UNTRIGGERED else steps

    def _place(self) -> Trade:
        quantity = self.random.randint(1, 9)
        found = self.random.random() < 0.1
        order = Order(
            order_id=self._id("o"),
            account_id=self.account.account_id,
            venue_symbol_id=self.listing.venue_symbol_id,
            side=self.random.choice([OrderSide.ORDER_SIDE_BUY, OrderSide.ORDER_SIDE_SELL]),
            quantity=str(quantity),
            quantity_unit=QuantityUnit.QUANTITY_UNIT_BASE,
            type=OrderType.ORDER_TYPE_LIMIT,
            price=str(self.random.randint(100, 110)),
            origin=OrderOrigin.ORDER_ORIGIN_EXTERNAL if found else OrderOrigin.ORDER_ORIGIN_USER,
            status=PENDING_NEW,
            received_at=self.source.now(),
        )
        trade = Trade(order, quantity)
        if found:
            trade.base = order.status = NEW
        else:
            order.client_order_id = f"c-{order.order_id}"
        self._trades.append(trade)
        self.source.save_order(order)
        if self.random.random() < 0.2:
            self._list_orders(trade)
        return trade

    def _list_orders(self, first: Trade) -> None:
        orders = OrderList(
            list_id=self._id("list"),
            account_id=self.account.account_id,
            type=OrderListType.ORDER_LIST_TYPE_OCO,
            status=OrderListStatus.ORDER_LIST_STATUS_PENDING,
            order_ids=[first.order.order_id],
            received_at=self.source.now(),
        )
        self.source.save(orders)
        orders.status = OrderListStatus.ORDER_LIST_STATUS_EXECUTING
        orders.venue_list_id = "77"
        self.source.save(orders)
        first.order.list_id = orders.list_id
        self.source.save_order(first.order)

    def _report(self, trade: Trade, exec_type: ExecType.ValueType, **fields: Any) -> Event:
        """Bring an order up to date, and save it with a report."""
        order, before = trade.order, trade.order.status
        report = ExecutionReport(
            exec_id=self._id("e"),
            exec_type=exec_type,
            account_id=order.account_id,
            venue_symbol_id=order.venue_symbol_id,
            side=order.side,
            quantity_unit=order.quantity_unit,
            cumulative_quantity=str(trade.filled),
            received_at=self.source.now(),
            **fields,
        )
        self._settle(trade)
        self.statuses.append((before, order.status))
        event = self.source.save_order(order, report)
        return event

    def _settle(self, trade: Trade) -> None:
        order = trade.order
        order.status = trade.status
        order.quantity, order.cumulative_quantity = str(trade.quantity), str(trade.filled)
        ended = trade.base in ENDED or trade.filled >= trade.quantity
        order.leaves_quantity = "0" if ended else str(trade.quantity - trade.filled)
        order.fill_count = len(trade.fills)
        order.received_at.CopyFrom(self.source.now())

    def _accept(self, trade: Trade) -> None:
        trade.base = self.random.choice([NEW, NEW, UNTRIGGERED])
        trade.order.venue_order_id = f"v-{trade.order.order_id}"
        self._report(trade, ExecType.EXEC_TYPE_NEW)

    def _trigger(self, trade: Trade) -> None:
        trade.base = NEW
        self._report(trade, ExecType.EXEC_TYPE_TRIGGERED)

    def _fill(self, trade: Trade) -> None:
        rest = trade.quantity - trade.filled
        quantity = self.random.randint(1, max(rest, 1))
        if trade.base in (PENDING_NEW, UNTRIGGERED):
            trade.base = NEW
        price = self.random.randint(100, 110)
        trade.fills[f"e-{self._numbers.get('e', 0) + 1}"] = quantity
        if trade.filled >= trade.quantity:
            trade.pending = trade.pending if trade.pending and self.random.random() < 0.5 else None
        event = self._report(trade, ExecType.EXEC_TYPE_TRADE, **self._filled(quantity, price))
        sign = 1 if trade.order.side == OrderSide.ORDER_SIDE_BUY else -1
        self._balance("BTC", sign * quantity, event)
        self._balance("USDT", -sign * quantity * price, event)
        self._move_position(sign * quantity, event)
        self._book(event, sign * quantity)

    @staticmethod
    def _filled(quantity: int, price: int) -> dict[str, Any]:
        fee = Fee(asset_id="USDT", amount="0.1")
        return {"last_quantity": str(quantity), "last_price": str(price), "trade_id": "t", "fees": [fee]}

    def _bust(self, trade: Trade) -> None:
        exec_id = self.random.choice(list(trade.fills))
        quantity = trade.fills.pop(exec_id)
        self._report(trade, ExecType.EXEC_TYPE_TRADE_CANCEL, ref_exec_id=exec_id, **self._filled(quantity, 100))

    def _correct(self, trade: Trade) -> None:
        exec_id = self.random.choice(list(trade.fills))
        others = trade.filled - trade.fills[exec_id]
        trade.fills[exec_id] = self.random.randint(1, max(trade.quantity - others, 1))
        fields = self._filled(trade.fills[exec_id], 101)
        self._report(trade, ExecType.EXEC_TYPE_TRADE_CORRECT, ref_exec_id=exec_id, **fields)

    def _request(self, trade: Trade) -> None:
        """Send a cancellation or a replacement; the pending state has no report."""
        before = trade.order.status
        trade.pending = self.random.choice([PENDING_CANCEL, PENDING_REPLACE])
        self._settle(trade)
        self.statuses.append((before, trade.order.status))
        self.source.save_order(trade.order)

    def _refuse(self, trade: Trade) -> None:
        cancel = trade.pending == PENDING_CANCEL
        trade.pending = None
        trade.base = NEW if trade.base == PENDING_NEW else trade.base
        exec_type = ExecType.EXEC_TYPE_CANCEL_REJECTED if cancel else ExecType.EXEC_TYPE_REPLACE_REJECTED
        self._report(trade, exec_type, reason=OrderReason.ORDER_REASON_TOO_LATE)

    def _replace(self, trade: Trade) -> None:
        trade.pending = None
        trade.base = NEW if trade.base == PENDING_NEW else trade.base
        trade.quantity = max(self.random.randint(1, 9), trade.filled)
        trade.order.price = str(self.random.randint(100, 110))
        trade.order.replaced = True
        self._report(trade, ExecType.EXEC_TYPE_REPLACED)

    def _replaced_by_venue(self, trade: Trade) -> None:
        trade.pending, trade.base = None, REPLACED
        self._report(trade, ExecType.EXEC_TYPE_REPLACED)
        self._place()

    def _cancelled(self, trade: Trade) -> None:
        trade.pending, trade.base = None, CANCELLED
        self._report(trade, ExecType.EXEC_TYPE_CANCELLED, reason=OrderReason.ORDER_REASON_USER_REQUESTED)

    def _expire(self, trade: Trade) -> None:
        trade.pending, trade.base = None, EXPIRED
        self._report(trade, ExecType.EXEC_TYPE_EXPIRED)

    def _reject(self, trade: Trade) -> None:
        trade.pending, trade.base = None, REJECTED
        self._report(trade, ExecType.EXEC_TYPE_REJECTED, reason=OrderReason.ORDER_REASON_INSUFFICIENT_FUNDS)

    def _restate(self, trade: Trade) -> None:
        """The venue puts an ended order back to work, or a working one back to waiting."""
        trade.base = NEW if trade.base in ENDED else UNTRIGGERED
        self._report(trade, ExecType.EXEC_TYPE_RESTATED)

    def _status_report(self, trade: Trade) -> None:
        self._report(trade, ExecType.EXEC_TYPE_ORDER_STATUS)

    # Money

    def _balance(self, asset: str, change: int, cause: Event | None = None, wallet: int = 0) -> None:
        key = asset, wallet or BalanceType.BALANCE_TYPE_SPOT
        balance = self._held.get(key)
        if balance is None:
            balance = Balance(account_id=self.account.account_id, asset_id=asset, type=key[1])  # type: ignore[arg-type]
            self._held[key] = balance
        self._amounts[key] = self._amounts.get(key, 1000) + change
        balance.total = balance.free = str(self._amounts[key])
        balance.change = str(change)
        balance.received_at.CopyFrom(self.source.now())
        self.source.save(balance, cause)
        if self.random.random() < 0.5:
            entry = LedgerEntry(
                entry_id=self._id("l"),
                account_id=self.account.account_id,
                type=BalanceChangeReason.BALANCE_CHANGE_REASON_TRADE,
                asset_id=asset,
                change=str(change),
                received_at=self.source.now(),
            )
            self.source.save(entry, cause)

    def _move_position(self, change: int, cause: Event | None) -> None:
        """Change the position. One that goes through zero is closed, and another is opened on the other side."""
        position = self._position
        before = int(position.quantity) if position else 0
        after = before + change
        if position and (after == 0 or (after > 0) != (before > 0)):
            position.quantity, position.status = "0", PositionStatus.POSITION_STATUS_CLOSED
            position.realized_pnl = str(self.random.randint(-50, 50))
            self.source.save_position(position, str(before), cause)
            self._position = position = None
        if after == 0:
            return
        if position is None:
            position = self._position = Position(
                position_id=self._id("pos"),
                account_id=self.account.account_id,
                venue_symbol_id=self.listing.venue_symbol_id,
                side=PositionSide.POSITION_SIDE_NET,
                margin_mode=MarginMode.MARGIN_MODE_CROSS,
                status=PositionStatus.POSITION_STATUS_OPEN,
            )
        position.quantity = str(after)
        position.received_at.CopyFrom(self.source.now())
        self.source.save_position(position, str(before), cause)

    def _move_funds(self) -> None:
        self.random.choice([self._transfer, self._transfer, self._funding, self._margin])()

    def _transfer(self) -> None:
        working = [transfer for transfer in self._transfers if TRANSFER_STATES[transfer.state]]
        if not working or self.random.random() < 0.3:
            transfer = self._new_transfer()
        else:
            transfer = self.random.choice(working)
            self._next_transfer_state(transfer)
        transfer.received_at.CopyFrom(self.source.now())
        event = self.source.save(transfer)
        if transfer.state == TransferState.TRANSFER_STATE_COMPLETED:
            self._balance("USDT", 10, event, self.random.choice([0, BalanceType.BALANCE_TYPE_FUNDING]))

    def _new_transfer(self) -> Transfer:
        kind = self.random.choice(list(TransferType.values())[1:])
        deposit = kind == TransferType.TRANSFER_TYPE_DEPOSIT
        transfer = Transfer(
            transfer_id=self._id("tr"),
            type=kind,
            account_id=self.account.account_id,
            asset_id="USDT",
            amount="10",
            approvals_required=0 if deposit else 2,
            state=TransferState.TRANSFER_STATE_PROCESSING if deposit else TransferState.TRANSFER_STATE_PENDING_APPROVAL,
        )
        if not deposit:
            transfer.client_transfer_id, transfer.created_by = f"c-{transfer.transfer_id}", "trader-1"
        self._transfers.append(transfer)
        return transfer

    def _next_transfer_state(self, transfer: Transfer) -> None:
        if transfer.state == TransferState.TRANSFER_STATE_PENDING_APPROVAL and self.random.random() < 0.9:
            approved = self.random.random() < 0.8
            principal = f"approver-{len(transfer.approvals)}"
            transfer.approvals.append(
                TransferApproval(principal=principal, approved=approved, decided_at=self.source.now())
            )
            if not approved:
                transfer.state = TransferState.TRANSFER_STATE_REJECTED
            elif len(transfer.approvals) == transfer.approvals_required:
                transfer.state = TransferState.TRANSFER_STATE_REQUESTED
        elif transfer.state == TransferState.TRANSFER_STATE_PENDING_APPROVAL:
            transfer.state = TransferState.TRANSFER_STATE_EXPIRED
        else:
            transfer.state = self.random.choice(TRANSFER_STATES[transfer.state])  # type: ignore[assignment]

    def _funding(self) -> None:
        paid = FundingPaid(
            account_id=self.account.account_id,
            venue_symbol_id=self.listing.venue_symbol_id,
            asset_id="USDT",
            amount=str(self.random.randint(-9, 9)),
            received_at=self.source.now(),
        )
        self._balance("USDT", int(paid.amount), self.source.save(paid))

    def _margin(self) -> None:
        self._account_margin.received_at.CopyFrom(self.source.now())
        self._account_margin.equity = str(self.random.randint(0, 999))
        self.source.save(self._account_margin)

    def _account_step(self) -> None:
        settings = None
        if self.random.random() < 0.5:
            self._settings.auto_borrow = not self._settings.auto_borrow
            self._settings.received_at.CopyFrom(self.source.now())
            settings = self._settings
        self.account.can_withdraw = self.random.random() < 0.5
        self.source.save_account(self.account, settings)
        self._quote()

    def _quote(self) -> None:
        """Request quotes, or bring the newest request to its next state."""
        states = QuoteRequestState
        if not self._quotes or self._quotes[-1].state > states.QUOTE_REQUEST_STATE_ACTIVE:
            request = QuoteRequest(
                quote_request_id=self._id("q"),
                account_id=self.account.account_id,
                venue_symbol_id=self.listing.venue_symbol_id,
                quantity="1",
                quantity_unit=QuantityUnit.QUANTITY_UNIT_BASE,
                state=states.QUOTE_REQUEST_STATE_PENDING,
            )
            self._quotes.append(request)
        else:
            request = self._quotes[-1]
            request.state = self.random.choice(list(states.values())[request.state + 1 :])
            quote = Quote(quote_id=self._id("quote"), bid_price="100", received_at=self.source.now())
            request.quotes.append(quote)
        request.received_at.CopyFrom(self.source.now())
        self.source.save(request)

    # Registry, books, prices, risk

    def _registry_step(self) -> None:
        now = self.source.now()
        asset_id = self._id("TOKEN").replace("-", "")
        listed = self.random.choice(["asset", "update", "listing", "delist", "facts"])
        if listed == "asset":
            self.assets.append(Asset(asset_id=asset_id, symbol="T", name="Token", type=AssetType.ASSET_TYPE_TOKEN))
            self.source.save(self.assets[-1])
        elif listed == "update":
            asset = self.random.choice(self.assets)
            asset.status = self.random.choice([AssetStatus.ASSET_STATUS_ACTIVE, AssetStatus.ASSET_STATUS_INACTIVE])
            self.source.save(asset)
        elif listed == "listing":
            self.listing.price_precision += 1
            self.listing.received_at.CopyFrom(now)
            self.source.save(self.listing)
            self.symbol.tick_size = f"0.{self.random.randint(1, 9)}"
            self.source.save(self.symbol)
        elif listed == "delist" and not self.listing.HasField("delisted_at"):
            self.listing.delisted_at.CopyFrom(now)
            self.source.save(self.listing)
            self.source.delist(self.symbol)
        else:
            for record in self._facts(asset_id, now):
                self.source.save(record)
                if self.random.random() < 0.5:
                    self.source.save(record)

    def _facts(self, asset_id: str, now: Any) -> Iterator[Message]:
        """Records of every other kind."""
        number = asset_id.removeprefix("TOKEN")
        yield AssetAction(
            action_id=f"action-{number}",
            asset_id="BTC",
            type=AssetActionType.ASSET_ACTION_TYPE_AIRDROP,
            announced_at=now,
        )
        deployment = f"eip155:1/erc20:0x{int(number):040x}"
        yield AssetDeployment(
            deployment_id=deployment,
            asset_id="USDT",
            chain_id="eip155:1",
            address=f"eip155:1:0x{int(number):040x}",
            standard=TokenStandard.TOKEN_STANDARD_ERC20,
            decimals=6,
        )
        yield AssetGroup(group_id=f"GROUP{number}", name="Majors", members=[AssetGroupMember(asset_id="BTC")])
        coingecko = DataSource.DATA_SOURCE_COINGECKO
        yield AssetIdentifier(
            identifier_id=f"id-{number}", asset_id="BTC", data_source=coingecko, external_id="bitcoin", valid_from=now
        )
        yield SymbolIdentifier(
            identifier_id=f"sid-{number}",
            symbol_id="BTC-USDT-SPOT",
            data_source=coingecko,
            external_id="b",
            valid_from=now,
        )
        yield AssetQualityFlag(
            flag_id=f"flag-{number}",
            asset_id="USDT",
            type=FlagType.FLAG_TYPE_DEPEGGED,
            severity=FlagSeverity.FLAG_SEVERITY_HIGH,
            raw_data_source="desk",
            raised_at=now,
        )
        yield AssetRelationship(
            relationship_id=f"rel-{number}",
            from_asset_id="USDT",
            to_asset_id="BTC",
            type=RelationshipType.RELATIONSHIP_TYPE_PEGGED_TO,
            valid_from=now,
        )
        yield VenueAsset(venue_asset_id=f"va-{number}", venue_id="binance", asset_id="BTC", code="BTC", received_at=now)

    def _book(self, cause: Event, quantity: int) -> None:
        entry = Transaction(
            transaction_id=self._id("tx"),
            portfolio_id=self.portfolio.portfolio_id,
            account_id=self.account.account_id,
            type=TransactionType.TRANSACTION_TYPE_TRADE,
            legs=[TransactionLeg(asset_id="BTC", amount=str(quantity))],
            caused_by=cause.metadata.event_id,
            timestamp=cause.metadata.occurred_at,
        )
        self.source.save(entry, cause)

    def _books_step(self) -> None:
        self.portfolio.description = f"{self.random.randrange(99)}"
        self.source.save(self.portfolio)

    def _prices_step(self) -> None:
        now = self.source.now()
        price = Price(
            asset_id=self.random.choice(["BTC-USD", "BTC-EUR"]),
            value=self.random.uniform(1, 9),
            timestamp=now,
            kind=PriceKind.PRICE_KIND_LAST,
            source=PriceSource.PRICE_SOURCE_VENUE,
            received_at=now,
        )
        self._prices.setdefault(price.asset_id, Price()).CopyFrom(price)
        self.source.save(self._prices[price.asset_id])
        if self._gaps and not self._gaps[-1].HasField("ended_at"):
            self._gaps[-1].ended_at.CopyFrom(now)
        else:
            listing = self.listing.venue_symbol_id
            self._gaps.append(StreamGap(venue_symbol_id=listing, stream="trades", started_at=now))
        self.source.save(self._gaps[-1])

    def _risk_step(self) -> None:
        working = [limit for limit in self._limits if not limit.HasField("valid_to")]
        step = self.random.choice(["create", "update", "delete", "state", "alert"])
        if step == "create" or not working:
            limit = RiskLimit(
                limit_id=self._id("limit"),
                name="Largest order",
                metric=RiskMetric.RISK_METRIC_ORDER_NOTIONAL,
                action=RiskAction.RISK_ACTION_REJECT,
                reporting_asset_id="USD",
                threshold="100",
                enabled=True,
            )
            self._limits.append(limit)
            self.source.save(limit)
        elif step == "update":
            limit = self.random.choice(working)
            limit.threshold = str(self.random.randint(1, 999))
            self.source.save(limit)
        elif step == "delete":
            limit = self.random.choice(working)
            limit.valid_to.CopyFrom(self.source.now())
            self.source.save(limit)
        elif step == "state":
            account, both = self.account.account_id, {"account_id": self.account.account_id, "venue_id": "binance"}
            scope: dict[str, str] = self.random.choice([{}, {"account_id": account}, both])
            state = self.random.choice(list(TradingState.values())[1:])
            by = self.random.choice([None, working[0].limit_id])
            self.source.set_trading_state(TradingScope(**scope), state, "test", by)
        else:
            self._alert(working[0].limit_id)

    def _alert(self, limit_id: str) -> None:
        if self._alerts and not self._alerts[-1].HasField("resolved_at"):
            self._alerts[-1].resolved_at.CopyFrom(self.source.now())
        else:
            alert = RiskAlert(
                alert_id=self._id("alert"),
                type=RiskAlertType.RISK_ALERT_TYPE_LIMIT_BREACHED,
                severity=RiskAlertSeverity.RISK_ALERT_SEVERITY_CRITICAL,
                limit_id=limit_id,
                message="over the limit",
                raised_at=self.source.now(),
            )
            self._alerts.append(alert)
        self.source.save(self._alerts[-1])


# Recorded lives


class Recorded:
    """The life that recorded facts describe: a gateway stores them one by one.

    - source: the services that lived it
    - facts: how many facts of each type were told
    """

    def __init__(self, facts: Iterable[tuple[str, Message]]) -> None:
        self.source = Source()
        self.facts: dict[str, int] = {}
        self._known: dict[Any, Any] = {}
        self._numbers = count(1)
        for venue, fact in facts:
            tell = getattr(self, f"_{fact.DESCRIPTOR.name}", None)
            if tell is not None:
                self.facts[fact.DESCRIPTOR.name] = self.facts.get(fact.DESCRIPTOR.name, 0) + 1
                tell(venue, fact)

    def _upsert(self, key: Any, fact: Any, **ours: Any) -> Any:
        """The record of a fact, with everything that the fact states. `ours` are fields that the system assigns."""
        record = self._known.get((type(fact), key))
        if record is None:
            record = self._known[type(fact), key] = type(fact)()
            kept = ours
        else:
            kept = {name: getattr(record, name) for name in ours}
        if "revision" in fact.DESCRIPTOR.fields_by_name:
            kept["revision"] = record.revision
        _overlay(record, fact)
        for name, value in kept.items():
            setattr(record, name, value)
        return record

    def _number(self, prefix: str) -> str:
        return f"{prefix}-{next(self._numbers)}"

    def _simple(self, key: Any, fact: Any, **ours: Any) -> None:
        self.source.save(self._upsert(key, fact, **ours))

    def _once(self, key: Any, fact: Any) -> None:
        """Save a fact that never changes, unless it is known."""
        if (type(fact), key) not in self._known:
            self._simple(key, fact)

    def _Symbol(self, _venue: str, fact: Symbol) -> None:
        self._simple(fact.symbol_id, fact)

    def _VenueSymbol(self, _venue: str, fact: VenueSymbol) -> None:
        self._simple(fact.venue_symbol_id, fact)

    def _VenueAsset(self, venue: str, fact: VenueAsset) -> None:
        self._simple((venue, fact.code), fact, venue_asset_id=self._number("va"))

    def _Balance(self, venue: str, fact: Balance) -> None:
        self._simple((venue, fact.account_id, _place(fact), fact.type or fact.raw_type), fact)

    def _AccountMargin(self, venue: str, fact: AccountMargin) -> None:
        key = venue, fact.account_id, _place(fact), fact.all_assets, fact.window or fact.raw_window
        self._simple(key, fact)

    def _Transfer(self, venue: str, fact: Transfer) -> None:
        key = venue, fact.account_id, fact.venue_transfer_id or fact.client_transfer_id or fact.transfer_id
        self._simple(key, fact, transfer_id=self._number("tr"))

    def _QuoteRequest(self, venue: str, fact: QuoteRequest) -> None:
        key = venue, fact.venue_quote_request_id or fact.client_quote_request_id or fact.quote_request_id
        self._simple(key, fact, quote_request_id=self._number("q"))

    def _OrderList(self, venue: str, fact: OrderList) -> None:
        key = venue, fact.venue_list_id or fact.client_list_id or fact.list_id
        self._simple(key, fact, list_id=self._number("list"))

    def _LedgerEntry(self, venue: str, fact: LedgerEntry) -> None:
        self._once((venue, fact.account_id, fact.entry_id), fact)

    def _FundingPaid(self, venue: str, fact: FundingPaid) -> None:
        payment = fact.venue_payment_id or fact.SerializeToString(deterministic=True)
        self._once((venue, fact.account_id, payment), fact)

    def _VenueAccount(self, venue: str, fact: VenueAccount) -> None:
        self.source.save_account(self._upsert((venue, fact.account_id), fact))

    def _AccountSettings(self, venue: str, fact: AccountSettings) -> None:
        account = self._known.get((VenueAccount, (venue, fact.account_id)))
        if account is None:
            empty = VenueAccount(account_id=fact.account_id, venue_id=venue.partition("_")[0])
            account = self._upsert((venue, fact.account_id), empty)
        self.source.save_account(account, self._upsert((venue, fact.account_id), fact))

    def _Position(self, venue: str, fact: Position) -> None:
        key = venue, fact.account_id, fact.position_id
        held = self._known.get((Position, key))
        if held is not None and not Decimal(held.quantity or 0):
            # The venue uses the id of a closed position for another one.
            del self._known[Position, key]
            held = None
        before = held.quantity if held is not None else ""
        position = self._upsert(key, fact, position_id=self._number("pos"))
        self.source.save_position(position, before)

    def _Order(self, venue: str, fact: Order) -> None:
        self.source.save_order(self._known_order(venue, fact))

    def _known_order(self, venue: str, fact: Order) -> Order:
        key = venue, fact.account_id, fact.venue_order_id or fact.client_order_id or fact.order_id
        order: Order = self._upsert(key, fact, order_id=self._number("o"))
        return order

    def _ExecutionReport(self, venue: str, fact: ExecutionReport) -> None:
        key = venue, fact.account_id, fact.exec_id
        if (ExecutionReport, key) in self._known:
            return
        report = self._known[ExecutionReport, key] = ExecutionReport()
        report.CopyFrom(fact)
        told = Order()
        if fact.HasField("order"):
            told.CopyFrom(fact.order)
        for name in ("account_id", "venue_symbol_id", "native_listing", "venue_order_id", "client_order_id", "side"):
            _copy_field(told, fact, name)
        for name in ("cumulative_quantity", "leaves_quantity", "average_price", "quantity_unit", "received_at"):
            _copy_field(told, fact, name)
        told.status = fact.order_status or told.status
        known = self._known.get((Order, (venue, told.account_id, told.venue_order_id or told.client_order_id)))
        if known is not None:
            # A report says what it says of the order; what it leaves out stays.
            whole = Order()
            whole.CopyFrom(known)
            for field, _ in told.ListFields():
                whole.ClearField(field.name)  # type: ignore[arg-type]
            whole.MergeFrom(told)
            told = whole
        self.source.save_order(self._known_order(venue, told), report)


def _place(fact: Any) -> tuple[Any, ...]:
    native = fact.native_listing
    asset = (fact.asset_id, "") if fact.asset_id else ("", fact.asset_code)
    return *asset, fact.venue_symbol_id or (native.venue_id, native.segment, native.symbol, native.id)


def _copy_field(to: Any, source: Any, name: str) -> None:
    field = source.DESCRIPTOR.fields_by_name[name]
    value = getattr(source, name)
    if field.message_type is not None:
        if source.HasField(name):
            getattr(to, name).CopyFrom(value)
    elif source.HasField(name) if field.has_presence else value:
        setattr(to, name, value)


def _overlay(record: Any, fact: Any) -> None:
    """Replace a record by a fact; of a partial fact only what it states."""
    if "stated" not in fact.DESCRIPTOR.fields_by_name or not fact.HasField("stated"):
        record.CopyFrom(fact)
        return
    partial = type(fact)()
    partial.CopyFrom(fact)
    partial.ClearField("stated")
    for path in fact.stated.paths:
        record.ClearField(path.partition(".")[0])
    for field, _ in partial.ListFields():
        record.ClearField(field.name)
    record.MergeFrom(partial)
