"""How money is counted: a plain reference calculation against the vector that all three languages share."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar

import pytest
from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

import cqc
from cqc.assets.v1 import Asset, AssetType
from cqc.markets.v1 import QuantityUnit
from cqc.portfolio.v1 import CostBasisMethod, Lot, PnL, Transaction, TransactionType
from cqc.venues.v1 import MarginTier, OrderSide, VenueSymbol

VECTOR = json.loads((Path(__file__).parents[2] / "go-cqc" / "testdata" / "money.json").read_text())
# The sum of the first eight is the total.
PARTS = ("realized", "unrealized", "funding", "fees", "rebates", "interest", "fx", "other")
FIELDS = (*PARTS, "total", "realized_from_cost", "start_equity", "end_equity", "net_flows")
# Where the value of each kind of transaction's legs belongs, besides the lots.
COMPONENT = {
    TransactionType.TRANSACTION_TYPE_DEPOSIT: "net_flows",
    TransactionType.TRANSACTION_TYPE_WITHDRAWAL: "net_flows",
    TransactionType.TRANSACTION_TYPE_FUNDING: "funding",
    TransactionType.TRANSACTION_TYPE_INTEREST: "interest",
    TransactionType.TRANSACTION_TYPE_REWARD: "other",
    TransactionType.TRANSACTION_TYPE_ADJUSTMENT: "other",
    TransactionType.TRANSACTION_TYPE_UNSPECIFIED: "other",
}


@dataclass
class Held:
    """A lot, or a part of one. `base` is the unit value at the start of the interval, else the unit cost."""

    acquired_at: int
    quantity: Fraction
    cost: Fraction
    base: Fraction


@dataclass
class Position:
    """Contracts of a listing, below zero for a short position. `base` is the value of all at the interval's start."""

    listing: VenueSymbol
    contracts: Fraction = Fraction(0)
    entry: Fraction = Fraction(0)
    base: Fraction = Fraction(0)

    @property
    def inverse(self) -> bool:
        return self.listing.contract_size_unit == QuantityUnit.QUANTITY_UNIT_QUOTE

    @property
    def settlement_asset(self) -> str:
        return self.listing.symbol_id.split("-")[3]

    def profit(self, contracts: Fraction, price: Fraction) -> Fraction:
        """In the settlement asset."""
        size = contracts * Fraction(self.listing.contract_size or self.listing.quanto_multiplier)
        return size * (1 / self.entry - 1 / price if self.inverse else price - self.entry)

    def open(self, contracts: Fraction, price: Fraction) -> None:
        held, self.contracts = self.contracts, self.contracts + contracts
        if not held:
            self.entry = price
        elif self.inverse:
            self.entry = self.contracts / (held / self.entry + contracts / price)
        else:
            self.entry = (held * self.entry + contracts * price) / self.contracts


Choice = Callable[[list[Held]], list[Held]]
# The order in which a disposal uses up lots. An average has one lot, so its order does not matter.
METHODS: dict[int, Choice] = {
    CostBasisMethod.COST_BASIS_METHOD_FIFO: lambda lots: sorted(lots, key=lambda lot: lot.acquired_at),
    CostBasisMethod.COST_BASIS_METHOD_LIFO: lambda lots: sorted(lots, key=lambda lot: lot.acquired_at)[::-1],
    CostBasisMethod.COST_BASIS_METHOD_HIFO: lambda lots: sorted(lots, key=lambda lot: (-lot.cost, lot.acquired_at)),
    CostBasisMethod.COST_BASIS_METHOD_AVERAGE: lambda lots: lots,
}
by_method = pytest.mark.parametrize("method", METHODS, ids=CostBasisMethod.Name)


@dataclass(frozen=True)
class Books:
    """What a calculation reads. `prices` are per asset or listing: time, and units of the reporting asset."""

    assets: list[Asset]
    listings: list[VenueSymbol]
    holdings: list[Lot]
    transactions: list[Transaction]
    prices: dict[str, list[tuple[int, Fraction]]]


@dataclass
class Calculation:
    """One interval under one method."""

    books: Books
    method: int
    choice: Choice | None = None
    sums: dict[str, Fraction] = field(default_factory=lambda: dict.fromkeys(FIELDS, Fraction(0)))
    lots: dict[tuple[str, str], list[Held]] = field(default_factory=lambda: defaultdict(list))
    positions: dict[tuple[str, str, int], Position] = field(default_factory=dict)

    def run(self, start: int, end: int) -> dict[str, Fraction]:
        for lot in self.books.holdings:
            cost = Fraction(lot.unit_cost)
            held = Held(cqc.to_unix_nanos(lot.acquired_at), Fraction(lot.remaining_quantity), cost, cost)
            self.add(lot.account_id, lot.asset_id, held)
        gone = {tx.reverses_transaction_id for tx in self.books.transactions} - {""}
        entries = [
            tx
            for tx in self.books.transactions
            if tx.transaction_id not in gone and not tx.HasField("reverses_transaction_id")
        ]
        entries.sort(key=lambda tx: cqc.to_unix_nanos(tx.timestamp))
        for tx in entries:
            if cqc.to_unix_nanos(tx.timestamp) < start:
                self.book(tx)
        self.sums = dict.fromkeys(FIELDS, Fraction(0))
        self.sums["start_equity"] = self.equity(start)
        for (_, asset), lots in self.lots.items():
            for held in lots:
                held.base = self.price(asset, start)
        for position in self.positions.values():
            position.base = self.value(position, start)
        for tx in entries:
            if start <= cqc.to_unix_nanos(tx.timestamp) < end:
                self.book(tx)
        self.sums["end_equity"] = self.equity(end)
        for (_, asset), lots in self.lots.items():
            for held in lots:
                self.sums[self.part_of(asset, "unrealized")] += held.quantity * (self.price(asset, end) - held.base)
        for position in self.positions.values():
            self.sums["unrealized"] += self.value(position, end) - position.base
        self.sums["total"] = sum((self.sums[part] for part in PARTS), Fraction(0))
        return self.sums

    def book(self, tx: Transaction) -> None:
        at = cqc.to_unix_nanos(tx.timestamp)
        if tx.type == TransactionType.TRANSACTION_TYPE_TRANSFER:
            sent, received = sorted(tx.legs, key=lambda leg: Fraction(leg.amount))
            quantity = Fraction(received.amount)
            for part in list(self.take(sent.account_id or tx.account_id, sent.asset_id, quantity)):
                self.add(received.account_id or tx.account_id, received.asset_id, part)
        else:
            values = self.leg_values(tx, at)
            for leg, unit in sorted(zip(tx.legs, values, strict=True), key=lambda pair: Fraction(pair[0].amount)):
                self.move(leg.account_id or tx.account_id, leg.asset_id, Fraction(leg.amount), unit, at)
                if tx.type in COMPONENT:
                    self.sums[COMPONENT[tx.type]] += Fraction(leg.amount) * unit
        if tx.HasField("terms") and not tx.legs:
            self.trade(tx, at)
        for fee in tx.fees:
            amount, unit = Fraction(fee.amount), self.price(fee.asset_id, at)
            self.sums["fees" if amount > 0 else "rebates"] -= amount * unit
            self.move(tx.account_id, fee.asset_id, -amount, unit, at)

    def leg_values(self, tx: Transaction, at: int) -> list[Fraction]:
        """The value of a unit of each leg."""
        values = [Fraction(leg.unit_value) if leg.unit_value else self.price(leg.asset_id, at) for leg in tx.legs]
        trades = (TransactionType.TRANSACTION_TYPE_TRADE, TransactionType.TRANSACTION_TYPE_LIQUIDATION)
        if tx.type in trades and len(tx.legs) == 2:
            anchor = min(
                (0, 1),
                key=lambda i: (
                    not self.is_reporting(tx.legs[i].asset_id),
                    not tx.legs[i].unit_value,
                    self.part_of(tx.legs[i].asset_id, "") != "fx",
                    Fraction(tx.legs[i].amount) > 0,
                ),
            )
            value = Fraction(tx.legs[anchor].amount) * values[anchor]
            values[1 - anchor] = -value / Fraction(tx.legs[1 - anchor].amount)
        return values

    def trade(self, tx: Transaction, at: int) -> None:
        key = (tx.account_id, tx.terms.venue_symbol_id, tx.terms.position_side)
        if key not in self.positions:
            (listing,) = (one for one in self.books.listings if one.venue_symbol_id == key[1])
            self.positions[key] = Position(listing)
        position, price, opened = self.positions[key], Fraction(tx.terms.price), Fraction(tx.terms.quantity)
        assert tx.terms.quantity_unit == QuantityUnit.QUANTITY_UNIT_CONTRACTS
        if tx.terms.side == OrderSide.ORDER_SIDE_SELL:
            opened = -opened
        if position.contracts * opened < 0:
            closed = (max if opened < 0 else min)(opened, -position.contracts)
            profit, unit = position.profit(-closed, price), self.price(position.settlement_asset, at)
            base = position.base * -closed / position.contracts
            self.sums["realized"] += profit * unit - base
            self.sums["realized_from_cost"] += profit * unit
            position.base -= base
            position.contracts += closed
            opened -= closed
            self.move(tx.account_id, position.settlement_asset, profit, unit, at)
        if opened:
            position.open(opened, price)

    def move(self, account: str, asset: str, amount: Fraction, unit: Fraction, at: int) -> None:
        """Open a lot, or dispose of some."""
        if amount > 0:
            self.add(account, asset, Held(at, amount, unit, unit))
        for part in self.take(account, asset, -amount) if amount < 0 else ():
            self.sums[self.part_of(asset, "realized")] += part.quantity * (unit - part.base)
            if self.part_of(asset, "") != "fx":
                self.sums["realized_from_cost"] += part.quantity * (unit - part.cost)

    def add(self, account: str, asset: str, held: Held) -> None:
        lots = self.lots[account, asset]
        if self.method == CostBasisMethod.COST_BASIS_METHOD_AVERAGE and lots:
            (pool,) = lots
            quantity = pool.quantity + held.quantity
            for name in ("cost", "base"):
                whole = getattr(pool, name) * pool.quantity + getattr(held, name) * held.quantity
                setattr(pool, name, whole / quantity)
            pool.quantity = quantity
        else:
            lots.append(held)

    def take(self, account: str, asset: str, quantity: Fraction) -> Iterator[Held]:
        lots = self.lots[account, asset]
        for held in (self.choice or METHODS[self.method])(lots):
            part = replace(held, quantity=min(quantity, held.quantity))
            held.quantity -= part.quantity
            quantity -= part.quantity
            if part.quantity:
                yield part
        assert not quantity, f"{account} holds too little {asset}"
        lots[:] = [held for held in lots if held.quantity]

    def equity(self, at: int) -> Fraction:
        held = (lot.quantity * self.price(asset, at) for (_, asset), lots in self.lots.items() for lot in lots)
        return sum(held, Fraction(0)) + sum(self.value(position, at) for position in self.positions.values())

    def value(self, position: Position, at: int) -> Fraction:
        if not position.contracts:
            return Fraction(0)
        profit = position.profit(position.contracts, self.price(position.listing.venue_symbol_id, at))
        return profit * self.price(position.settlement_asset, at)

    def price(self, name: str, at: int) -> Fraction:
        """The newest price at or before a time."""
        if self.is_reporting(name):
            return Fraction(1)
        return max((time, price) for time, price in self.books.prices[name] if time <= at)[1]

    def is_reporting(self, asset: str) -> bool:
        return bool(asset == VECTOR["reporting_asset_id"])

    def part_of(self, asset: str, otherwise: str) -> str:
        """`fx` for fiat assets and those pegged to one."""
        assets = {one.asset_id: one for one in self.books.assets}
        money = AssetType.ASSET_TYPE_FIAT
        peg = assets[asset].peg_asset_id
        return "fx" if assets[asset].type == money or (peg and assets[peg].type == money) else otherwise


M = TypeVar("M", bound=Message)


def parsed(values: list[Any], kind: type[M]) -> list[M]:
    messages = [ParseDict(value, kind()) for value in values]
    for message in messages:
        assert cqc.validate(message) == []
    return messages


def nanos(text: str) -> int:
    timestamp = Timestamp()
    timestamp.FromJsonString(text)
    return cqc.to_unix_nanos(timestamp)


def books_of(example: dict[str, Any]) -> Books:
    return Books(
        parsed(VECTOR["assets"], Asset),
        parsed(VECTOR["listings"], VenueSymbol),
        parsed(example["holdings"], Lot),
        parsed(example["transactions"], Transaction),
        {
            name: [(nanos(one["timestamp"]), Fraction(one["price"])) for one in prices]
            for name, prices in example["prices"].items()
        },
    )


BOOKS = books_of(VECTOR["examples"]["worked"])
PERPETUAL = next(one for one in BOOKS.listings if one.contract_size_unit == QuantityUnit.QUANTITY_UNIT_QUOTE)
INTERVALS = {name: (nanos(start), nanos(end)) for name, (start, end) in VECTOR["intervals"].items()}


def calculate(books: Books, interval: str, method: int, choice: Choice | None = None) -> dict[str, Fraction]:
    return Calculation(books, method, choice).run(*INTERVALS[interval])


def assert_rounded(value: Fraction, figure: str) -> None:
    digits = Decimal(figure.replace(",", ""))
    assert round(value, -int(digits.as_tuple().exponent)) == Fraction(digits), figure


# Rows of the worked example in SPEC, "How money is counted".
COLUMNS = "start_equity end_equity net_flows realized unrealized funding fees rebates fx other total"
FIGURES = {
    "1": "35,500 31,523.20 0 0 -3,980.30 0 -2.50 1.00 5.00 0 -3,976.80",
    "2": "31,523.20 32,654.3143 -1,000 -59.90 2,186.4143 12.60 -2.10 0 -11.10 5.20 2,131.1143",
    "1+2": "35,500 32,654.3143 -1,000 239.60 -2,093.3857 12.60 -4.60 1.00 -6.10 5.20 -1,845.6857",
}


@pytest.mark.parametrize("interval", FIGURES)
def test_the_figures_of_the_worked_example(interval: str) -> None:
    found = calculate(BOOKS, interval, CostBasisMethod.COST_BASIS_METHOD_FIFO)
    for column, figure in zip(COLUMNS.split(), FIGURES[interval].split(), strict=True):
        assert_rounded(found[column], figure)
    assert_rounded(found["realized_from_cost"], {"1": "0", "2": "239.60", "1+2": "239.60"}[interval])


@pytest.mark.parametrize(
    ("method", "realized", "unrealized"),
    [
        (CostBasisMethod.COST_BASIS_METHOD_LIFO, "-90.9762", "2,217.4905"),
        (CostBasisMethod.COST_BASIS_METHOD_HIFO, "-59.90", "2,186.4143"),
        (CostBasisMethod.COST_BASIS_METHOD_AVERAGE, "-62.4267", "2,188.9410"),
    ],
)
def test_the_figures_of_other_methods(method: int, realized: str, unrealized: str) -> None:
    found = calculate(BOOKS, "2", method)
    assert_rounded(found["realized"], realized)
    assert_rounded(found["unrealized"], unrealized)
    assert_rounded(found["total"], "2,131.1143")


@pytest.mark.parametrize("example", VECTOR["examples"])
def test_every_amount_of_every_interval_under_every_method(example: str) -> None:
    books = books_of(VECTOR["examples"][example])
    pnls = parsed(VECTOR["examples"][example]["expected"], PnL)
    questions = [(*interval, method) for interval in INTERVALS.values() for method in METHODS]
    assert questions == [
        (cqc.to_unix_nanos(pnl.start_time), cqc.to_unix_nanos(pnl.end_time), pnl.method) for pnl in pnls
    ]
    for (start, end, method), pnl in zip(questions, pnls, strict=True):
        found = Calculation(books, method).run(start, end)
        for name in FIELDS:
            assert abs(found[name] - Fraction(getattr(pnl, name))) < Fraction(1, 10**12), name


def test_a_trade_off_the_market_costs_what_was_paid() -> None:
    legs = [{"assetId": "BTC", "amount": "0.1"}, {"assetId": "USDT", "amount": "-5010"}]
    trade = {**VECTOR["examples"]["worked"]["transactions"][0], "legs": legs, "fees": []}
    books = replace(BOOKS, transactions=parsed([trade], Transaction))
    split = cqc.to_unix_nanos(books.transactions[0].timestamp) + 1
    found = Calculation(books, CostBasisMethod.COST_BASIS_METHOD_FIFO).run(INTERVALS["1"][0], split)
    for name, figure in {"realized": "0", "unrealized": "-10", "fx": "0", "total": "-10"}.items():
        assert_rounded(found[name], figure)


def test_a_fee_can_be_paid_from_what_its_trade_bought() -> None:
    worked = VECTOR["examples"]["worked"]
    trade = {**worked["transactions"][0], "timestamp": "2025-02-10T00:00:00Z"}
    trade |= {"legs": [{"assetId": "BTC", "amount": "0.1"}, {"assetId": "USDT", "amount": "-4200"}]}
    trade |= {"fees": [{"assetId": "BTC", "amount": "0.001"}]}
    books = replace(BOOKS, transactions=parsed([trade], Transaction))
    lifo = calculate(books, "2", CostBasisMethod.COST_BASIS_METHOD_LIFO)
    assert_rounded(lifo["realized"], "0")
    # The oldest lot was worth 40,000 at the start of the interval.
    fifo = calculate(books, "2", CostBasisMethod.COST_BASIS_METHOD_FIFO)
    assert_rounded(fifo["realized"], "2")
    assert fifo["fees"] == lifo["fees"] == -42


def test_the_highest_cost_is_a_cost_and_not_a_mark() -> None:
    hifo = CostBasisMethod.COST_BASIS_METHOD_HIFO
    assert_rounded(calculate(BOOKS, "2", hifo)["realized"], "-59.90")
    by_mark = calculate(BOOKS, "2", hifo, lambda lots: sorted(lots, key=lambda lot: (-lot.base, lot.acquired_at)))
    assert_rounded(by_mark["realized"], "-90.98")


@by_method
def test_a_correction_leaves_what_recording_it_right_leaves(method: int) -> None:
    correction = parsed(VECTOR["correction"]["transactions"], Transaction)
    others = [tx for tx in BOOKS.transactions if tx.transaction_id != VECTOR["correction"]["instead_of"]]
    assert len(others) == len(BOOKS.transactions) - 1
    corrected = replace(BOOKS, transactions=[*others, *correction])
    uncorrected = replace(BOOKS, transactions=[*others, correction[0]])
    for interval in INTERVALS:
        assert calculate(corrected, interval, method) == calculate(BOOKS, interval, method)
    assert calculate(uncorrected, "2", method) != calculate(BOOKS, "2", method)


@by_method
def test_a_transfer_moves_lots_with_their_cost_and_time(method: int) -> None:
    transfer = parsed([VECTOR["transfer"]], Transaction)
    moved = replace(BOOKS, transactions=[*BOOKS.transactions, *transfer])
    for interval in INTERVALS:
        found, without = calculate(moved, interval, method), calculate(BOOKS, interval, method)
        assert {**found, "realized": 0, "unrealized": 0} == {**without, "realized": 0, "unrealized": 0}
        # The lots of the other account are no longer used up.
        assert found["realized"] + found["unrealized"] == without["realized"] + without["unrealized"]
    calculation = Calculation(moved, method)
    calculation.run(*INTERVALS["1"])
    (held,) = calculation.lots["cold", "BNB"]
    assert held.quantity == Fraction("0.4")
    assert held.cost == 500
    assert held.acquired_at == cqc.to_unix_nanos(BOOKS.holdings[1].acquired_at)


def test_the_mean_entry_of_inverse_contracts_is_harmonic() -> None:
    position = Position(PERPETUAL)
    for price in (50_000, 40_000):
        position.open(Fraction(100), Fraction(price))
    assert_rounded(position.entry, "44,444.44")
    assert_rounded(position.profit(position.contracts, Fraction(42_000)), "-0.0261905")
    position.entry = Fraction(45_000)
    assert_rounded(position.profit(position.contracts, Fraction(42_000)), "-0.0317460")


def test_a_margin_tier_deducts() -> None:
    (tier,) = parsed([VECTOR["margin_tier"]], MarginTier)
    notional = Fraction(100_000)
    assert notional * Fraction(tier.maintenance_margin_rate) - Fraction(tier.deduction) == 450
    assert 50_000 * Fraction("0.004") + 50_000 * Fraction("0.005") == 450


ACCOUNTS = ("main", "cold")
KINDS = [TransactionType.Name(kind).removeprefix("TRANSACTION_TYPE_") for kind in COMPONENT]
amounts = st.integers(1, 1000).map(lambda thousandths: f"{thousandths / 1000:.3f}")
unit_prices = st.integers(500, 2000).map(Fraction)


@st.composite
def random_books(draw: st.DrawFn) -> Books:
    """Books over 30 seconds, with far more in the first lots than all transactions dispose of."""
    start, assets = INTERVALS["1"][0], ("BTC", "BNB", "USDT")
    names = (*assets, PERPETUAL.venue_symbol_id)
    steps = st.lists(st.tuples(st.integers(1, 29), unit_prices), max_size=8)
    prices = {name: [(0, draw(unit_prices)), *((start + at * 10**9, p) for at, p in draw(steps))] for name in names}
    holdings = [
        Lot(account_id=account, asset_id=asset, remaining_quantity=quantity, unit_cost=str(draw(unit_prices)))
        for account in ACCOUNTS
        for asset in assets
        for quantity in ("0.5", "0.25", "1000")
    ]
    for lot in holdings:
        lot.acquired_at.CopyFrom(cqc.from_unix_nanos(start - draw(st.integers(1, 100)) * 10**9))
    transactions = [draw(random_transaction()) for _ in range(draw(st.integers(1, 12)))]
    return replace(BOOKS, holdings=holdings, transactions=transactions, prices=prices)


@st.composite
def random_transaction(draw: st.DrawFn) -> Transaction:
    account, other = draw(st.permutations(ACCOUNTS))
    first, second = draw(st.permutations(("BTC", "BNB", "USDT")))[:2]
    amount, sign = draw(amounts), draw(st.sampled_from(("", "-")))
    kind = draw(st.sampled_from(("TRADE", "CONTRACTS", "TRANSFER", "FEE", *KINDS)))
    tx: dict[str, Any] = {"portfolioId": "p", "accountId": account, "type": f"TRANSACTION_TYPE_{kind}"}
    leg = {"assetId": first, "amount": sign + amount}
    if kind == "CONTRACTS":
        tx["type"] = "TRANSACTION_TYPE_TRADE"
        tx["terms"] = {
            "venueSymbolId": PERPETUAL.venue_symbol_id,
            "side": draw(st.sampled_from(("ORDER_SIDE_BUY", "ORDER_SIDE_SELL"))),
            "positionSide": "POSITION_SIDE_NET",
            "quantity": str(draw(st.integers(1, 100))),
            "quantityUnit": "QUANTITY_UNIT_CONTRACTS",
            "price": str(draw(unit_prices)),
        }
    elif kind == "TRADE":
        tx["legs"] = [{"assetId": first, "amount": amount}, {"assetId": second, "amount": "-" + draw(amounts)}]
    elif kind == "TRANSFER":
        tx["legs"] = [{"assetId": first, "amount": amount, "accountId": other}, {**leg, "amount": "-" + amount}]
    elif kind != "FEE":
        tx["legs"] = [{**leg, "amount": amount} if kind == "DEPOSIT" else leg]
    if kind == "FEE" or draw(st.booleans()):
        tx["fees"] = [{"assetId": second, "amount": sign + draw(amounts)}]
    (transaction,) = parsed([{**tx, "timestamp": "1970-01-01T00:00:00Z"}], Transaction)
    at = INTERVALS["1"][0] + draw(st.integers(0, 29)) * 10**9
    transaction.timestamp.CopyFrom(cqc.from_unix_nanos(at))
    return transaction


@given(random_books(), st.integers(1, 29))
def test_components_sum_to_the_change_of_equity_and_intervals_add_up(books: Books, middle: int) -> None:
    start = INTERVALS["1"][0]
    split, end = start + middle * 10**9, start + 30 * 10**9
    totals = set()
    for method in METHODS:
        one, two, both = (
            Calculation(books, method).run(*interval) for interval in ((start, split), (split, end), (start, end))
        )
        for found in (one, two, both):
            assert found["total"] == sum(found[part] for part in PARTS)
            assert found["total"] == found["end_equity"] - found["start_equity"] - found["net_flows"]
            assert found["fees"] <= 0 <= found["rebates"]
        assert one["end_equity"] == two["start_equity"]
        for found in (one, two, both):
            found["realized + unrealized"] = found.pop("realized") + found.pop("unrealized")
            del found["start_equity"], found["end_equity"]
        assert {name: one[name] + two[name] for name in both} == both
        totals.add(both["total"])
    assert len(totals) == 1
