// How money is counted: a plain reference calculation against the vector that all three languages share.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fromJson } from "@bufbuild/protobuf";
import { TimestampSchema } from "@bufbuild/protobuf/wkt";
import { fromUnixNanos, toUnixNanos } from "@cq/cqc";
import { AssetSchema, AssetType } from "@cq/cqc/assets/v1";
import { QuantityUnit } from "@cq/cqc/markets/v1";
import { CostBasisMethod, LotSchema, PnLSchema, TransactionSchema, TransactionType } from "@cq/cqc/portfolio/v1";
import { validate } from "@cq/cqc/validate";
import { MarginTierSchema, OrderSide, VenueSymbolSchema } from "@cq/cqc/venues/v1";
import fc from "fast-check";

/** An exact fraction in lowest terms. */
class Rational {
  constructor(numerator, denominator = 1n) {
    let [divisor, rest] = [numerator < 0n ? -numerator : numerator, denominator < 0n ? -denominator : denominator];
    while (rest) [divisor, rest] = [rest, divisor % rest];
    if (denominator < 0n) divisor = -divisor;
    this.numerator = numerator / divisor;
    this.denominator = denominator / divisor;
  }

  static of(text) {
    const [integer, fraction = ""] = String(text).split(".");
    return new Rational(BigInt(integer + fraction), 10n ** BigInt(fraction.length));
  }

  plus = (other) =>
    new Rational(
      this.numerator * other.denominator + other.numerator * this.denominator,
      this.denominator * other.denominator,
    );
  times = (other) => new Rational(this.numerator * other.numerator, this.denominator * other.denominator);
  over = (other) => new Rational(this.numerator * other.denominator, this.denominator * other.numerator);
  negated = () => new Rational(-this.numerator, this.denominator);
  minus = (other) => this.plus(other.negated());
  abs = () => (this.sign() < 0 ? this.negated() : this);
  sign = () => Number(this.numerator > 0n) - Number(this.numerator < 0n);
  compare = (other) => this.minus(other).sign();

  /** Rounded half up, which is as good as any: no figure below ends in the middle. */
  toFixed(digits) {
    const scaled = this.abs().numerator * 10n ** BigInt(digits) * 2n + this.denominator;
    const text = String(scaled / (2n * this.denominator)).padStart(digits + 1, "0");
    const sign = this.sign() < 0 ? "-" : "";
    return digits ? `${sign}${text.slice(0, -digits)}.${text.slice(-digits)}` : sign + text;
  }
}

const ZERO = Rational.of(0);
const ONE = Rational.of(1);
const smaller = (a, b) => (a.compare(b) < 0 ? a : b);

// The sum of these is the total.
const PARTS = ["realized", "unrealized", "funding", "fees", "rebates", "interest", "fx", "other"];
const FIELDS = [...PARTS, "total", "realizedFromCost", "startEquity", "endEquity", "netFlows"];
// Where the value of each kind of transaction's legs belongs, besides the lots.
const COMPONENT = new Map([
  [TransactionType.DEPOSIT, "netFlows"],
  [TransactionType.WITHDRAWAL, "netFlows"],
  [TransactionType.FUNDING, "funding"],
  [TransactionType.INTEREST, "interest"],
  [TransactionType.REWARD, "other"],
  [TransactionType.ADJUSTMENT, "other"],
  [TransactionType.UNSPECIFIED, "other"],
]);

const byTime = (a, b) => Number(a.acquiredAt - b.acquiredAt);
// The order in which a disposal uses up lots. An average has one lot, so its order does not matter.
const METHODS = new Map([
  [CostBasisMethod.FIFO, byTime],
  [CostBasisMethod.LIFO, (a, b) => -byTime(a, b)],
  [CostBasisMethod.HIFO, (a, b) => b.cost.compare(a.cost) || byTime(a, b)],
  [CostBasisMethod.AVERAGE, byTime],
]);

const isInverse = (listing) => listing.contractSizeUnit === QuantityUnit.QUOTE;
const settlementAsset = (listing) => listing.symbolId.split("-")[3];

/** Of some contracts that were opened at `entry`, in the settlement asset. */
function profit(listing, contracts, entry, price) {
  const gain = isInverse(listing) ? ONE.over(entry).minus(ONE.over(price)) : price.minus(entry);
  return contracts.times(Rational.of(listing.contractSize ?? listing.quantoMultiplier)).times(gain);
}

function meanEntry(listing, held, entry, opened, price) {
  const sum = held.plus(opened);
  if (isInverse(listing)) return sum.over(held.over(entry).plus(opened.over(price)));
  return held.times(entry).plus(opened.times(price)).over(sum);
}

/** One interval under one method. A lot's `base` is its unit value at the start of the interval, else its unit cost. */
class Calculation {
  sums = {};
  lots = new Map();
  positions = new Map();

  constructor(books, method, order = METHODS.get(method)) {
    Object.assign(this, { books, method, order });
  }

  run(start, end) {
    for (const { accountId, assetId, acquiredAt, remainingQuantity, unitCost } of this.books.holdings) {
      const cost = Rational.of(unitCost);
      const quantity = Rational.of(remainingQuantity);
      this.acquire(accountId, assetId, { acquiredAt: toUnixNanos(acquiredAt), quantity, cost, base: cost });
    }
    const reversed = new Set(this.books.transactions.map((tx) => tx.reversesTransactionId).filter(Boolean));
    const entries = this.books.transactions
      .filter((tx) => !reversed.has(tx.transactionId) && tx.reversesTransactionId === undefined)
      .map((tx) => ({ tx, at: toUnixNanos(tx.timestamp) }))
      .sort((a, b) => Number(a.at - b.at));
    this.clear();
    for (const { tx, at } of entries) if (at < start) this.book(tx, at);
    this.clear();
    this.sums.startEquity = this.equity(start);
    for (const { asset, lots } of this.lots.values()) for (const lot of lots) lot.base = this.price(asset, start);
    for (const position of this.positions.values()) position.base = this.value(position, start);
    for (const { tx, at } of entries) if (start <= at && at < end) this.book(tx, at);
    this.sums.endEquity = this.equity(end);
    for (const { asset, lots } of this.lots.values()) {
      for (const lot of lots) {
        this.count(this.partOf(asset, "unrealized"), lot.quantity.times(this.price(asset, end).minus(lot.base)));
      }
    }
    for (const position of this.positions.values()) {
      this.count("unrealized", this.value(position, end).minus(position.base));
    }
    for (const part of PARTS) this.count("total", this.sums[part]);
    return this.sums;
  }

  clear() {
    this.sums = Object.fromEntries(FIELDS.map((field) => [field, ZERO]));
  }

  count(name, amount) {
    this.sums[name] = this.sums[name].plus(amount);
  }

  book(tx, at) {
    const legs = tx.legs
      .map((leg) => ({ ...leg, accountId: leg.accountId ?? tx.accountId, amount: Rational.of(leg.amount) }))
      .sort((a, b) => a.amount.compare(b.amount));
    if (tx.type === TransactionType.TRANSFER) {
      const [sent, received] = legs;
      for (const lot of this.take(sent.accountId, sent.assetId, received.amount)) {
        this.acquire(received.accountId, received.assetId, lot);
      }
    } else {
      this.setUnitValues(tx.type, legs, at);
      for (const { accountId, assetId, amount, unit } of legs) {
        this.move(accountId, assetId, amount, unit, at);
        if (COMPONENT.has(tx.type)) this.count(COMPONENT.get(tx.type), amount.times(unit));
      }
    }
    if (tx.terms && legs.length === 0) this.trade(tx.accountId, tx.terms, at);
    for (const { assetId, amount } of tx.fees) {
      const [change, unit] = [Rational.of(amount).negated(), this.price(assetId, at)];
      this.count(change.sign() < 0 ? "fees" : "rebates", change.times(unit));
      this.move(tx.accountId, assetId, change, unit, at);
    }
  }

  setUnitValues(type, legs, at) {
    for (const leg of legs) {
      leg.unit = leg.unitValue === undefined ? this.price(leg.assetId, at) : Rational.of(leg.unitValue);
    }
    if ((type !== TransactionType.TRADE && type !== TransactionType.LIQUIDATION) || legs.length !== 2) return;
    const rank = (leg) => {
      if (leg.assetId === vector.reporting_asset_id) return 0;
      if (leg.unitValue !== undefined) return 1;
      return this.partOf(leg.assetId) === "fx" ? 2 : 3;
    };
    // The first leg goes out.
    const [anchor, other] = rank(legs[0]) <= rank(legs[1]) ? legs : [legs[1], legs[0]];
    other.unit = anchor.amount.times(anchor.unit).negated().over(other.amount);
  }

  trade(account, terms, at) {
    const key = `${account} ${terms.venueSymbolId} ${terms.positionSide}`;
    if (!this.positions.has(key)) {
      const listing = this.books.listings.find((one) => one.venueSymbolId === terms.venueSymbolId);
      this.positions.set(key, { listing, contracts: ZERO, entry: ONE, base: ZERO });
    }
    const position = this.positions.get(key);
    const { listing, contracts, entry, base } = position;
    const price = Rational.of(terms.price);
    const direction = Rational.of(terms.side === OrderSide.SELL ? -1 : 1);
    let quantity = Rational.of(terms.quantity);
    if (contracts.times(direction).sign() < 0) {
      const share = smaller(quantity.over(contracts.abs()), ONE);
      const amount = profit(listing, contracts.times(share), entry, price);
      const unit = this.price(settlementAsset(listing), at);
      this.count("realized", amount.times(unit).minus(base.times(share)));
      this.count("realizedFromCost", amount.times(unit));
      position.base = base.minus(base.times(share));
      position.contracts = contracts.minus(contracts.times(share));
      quantity = quantity.minus(contracts.abs().times(share));
      this.move(account, settlementAsset(listing), amount, unit, at);
    }
    if (quantity.sign()) {
      const opened = quantity.times(direction);
      position.entry = position.contracts.sign() ? meanEntry(listing, contracts, entry, opened, price) : price;
      position.contracts = position.contracts.plus(opened);
    }
  }

  /** Opens a lot, or disposes of some. */
  move(account, asset, amount, unit, at) {
    if (amount.sign() > 0) this.acquire(account, asset, { acquiredAt: at, quantity: amount, cost: unit, base: unit });
    if (amount.sign() >= 0) return;
    for (const lot of this.take(account, asset, amount.negated())) {
      this.count(this.partOf(asset, "realized"), lot.quantity.times(unit.minus(lot.base)));
      if (this.partOf(asset) !== "fx") this.count("realizedFromCost", lot.quantity.times(unit.minus(lot.cost)));
    }
  }

  lotsOf(account, asset) {
    const key = `${account} ${asset}`;
    if (!this.lots.has(key)) this.lots.set(key, { asset, lots: [] });
    return this.lots.get(key);
  }

  acquire(account, asset, lot) {
    const { lots } = this.lotsOf(account, asset);
    if (this.method !== CostBasisMethod.AVERAGE || lots.length === 0) {
      lots.push(lot);
      return;
    }
    const [pool] = lots;
    const quantity = pool.quantity.plus(lot.quantity);
    for (const name of ["cost", "base"]) {
      pool[name] = pool[name].times(pool.quantity).plus(lot[name].times(lot.quantity)).over(quantity);
    }
    pool.quantity = quantity;
  }

  take(account, asset, quantity) {
    const held = this.lotsOf(account, asset);
    const taken = [];
    let rest = quantity;
    for (const lot of held.lots.toSorted(this.order)) {
      const part = { ...lot, quantity: smaller(rest, lot.quantity) };
      lot.quantity = lot.quantity.minus(part.quantity);
      rest = rest.minus(part.quantity);
      if (part.quantity.sign()) taken.push(part);
    }
    assert.equal(rest.sign(), 0, `${account} holds too little ${asset}`);
    held.lots = held.lots.filter((lot) => lot.quantity.sign());
    return taken;
  }

  equity(at) {
    const lots = [...this.lots.values()].flatMap(({ asset, lots }) =>
      lots.map((lot) => lot.quantity.times(this.price(asset, at))),
    );
    const positions = [...this.positions.values()].map((position) => this.value(position, at));
    return [...lots, ...positions].reduce((sum, one) => sum.plus(one), ZERO);
  }

  value({ listing, contracts, entry }, at) {
    const gain = profit(listing, contracts, entry, this.price(listing.venueSymbolId, at));
    return gain.times(this.price(settlementAsset(listing), at));
  }

  /** The newest price at or before a time. */
  price(name, at) {
    if (name === vector.reporting_asset_id) return ONE;
    const known = this.books.prices[name].filter((one) => one.at <= at);
    return known.reduce((newest, one) => (one.at >= newest.at ? one : newest)).price;
  }

  /** `fx` for fiat assets and those pegged to one. */
  partOf(asset, otherwise) {
    const find = (id) => this.books.assets.find((one) => one.assetId === id);
    const { type, pegAssetId } = find(asset);
    return [type, find(pegAssetId)?.type].includes(AssetType.FIAT) ? "fx" : otherwise;
  }
}

function parsed(schema, values) {
  return values.map((value) => {
    const message = fromJson(schema, value);
    assert.deepEqual(validate(schema, message), []);
    return message;
  });
}

const nanos = (text) => toUnixNanos(fromJson(TimestampSchema, text));
const vector = JSON.parse(readFileSync(new URL("testdata/money.json", import.meta.url), "utf8"));
const booksOf = (example) => ({
  assets: parsed(AssetSchema, vector.assets),
  listings: parsed(VenueSymbolSchema, vector.listings),
  holdings: parsed(LotSchema, example.holdings),
  transactions: parsed(TransactionSchema, example.transactions),
  prices: Object.fromEntries(
    Object.entries(example.prices).map(([name, prices]) => [
      name,
      prices.map(({ timestamp, price }) => ({ at: nanos(timestamp), price: Rational.of(price) })),
    ]),
  ),
});
const BOOKS = booksOf(vector.examples.worked);
const INTERVALS = Object.fromEntries(Object.entries(vector.intervals).map(([name, times]) => [name, times.map(nanos)]));
const PERPETUAL = BOOKS.listings.find(isInverse);

const calculate = (books, interval, method, order) => new Calculation(books, method, order).run(...INTERVALS[interval]);

function assertFigure(value, figure, name) {
  const plain = figure.replaceAll(",", "");
  assert.equal(value.toFixed(plain.split(".")[1]?.length ?? 0), plain, name);
}

/** The sums, with the two that only add up together as one. */
function together({ realized, unrealized, ...others }) {
  return { ...others, gains: realized.plus(unrealized) };
}

const textOf = (sums) => Object.fromEntries(Object.entries(sums).map(([name, sum]) => [name, sum.toFixed(30)]));

// Rows of the worked example in SPEC, "How money is counted".
const COLUMNS = "startEquity endEquity netFlows realized unrealized funding fees rebates fx other total".split(" ");
const FIGURES = {
  1: "35,500 31,523.20 0 0 -3,980.30 0 -2.50 1.00 5.00 0 -3,976.80",
  2: "31,523.20 32,654.3143 -1,000 -59.90 2,186.4143 12.60 -2.10 0 -11.10 5.20 2,131.1143",
  "1+2": "35,500 32,654.3143 -1,000 239.60 -2,093.3857 12.60 -4.60 1.00 -6.10 5.20 -1,845.6857",
};

test("the figures of the worked example", () => {
  const fromCost = { 1: "0", 2: "239.60", "1+2": "239.60" };
  for (const [interval, figures] of Object.entries(FIGURES)) {
    const found = calculate(BOOKS, interval, CostBasisMethod.FIFO);
    for (const [i, figure] of figures.split(" ").entries()) {
      assertFigure(found[COLUMNS[i]], figure, `${interval} ${COLUMNS[i]}`);
    }
    assertFigure(found.realizedFromCost, fromCost[interval], `${interval} realizedFromCost`);
  }
});

test("the figures of other methods", () => {
  for (const [method, realized, unrealized] of [
    [CostBasisMethod.LIFO, "-90.9762", "2,217.4905"],
    [CostBasisMethod.HIFO, "-59.90", "2,186.4143"],
    [CostBasisMethod.AVERAGE, "-62.4267", "2,188.9410"],
  ]) {
    const found = calculate(BOOKS, "2", method);
    assertFigure(found.realized, realized);
    assertFigure(found.unrealized, unrealized);
    assertFigure(found.total, "2,131.1143");
  }
});

test("every amount of every interval under every method", () => {
  const questions = Object.values(INTERVALS).flatMap((times) =>
    [...METHODS.keys()].map((method) => [...times, method]),
  );
  for (const [name, example] of Object.entries(vector.examples)) {
    const books = booksOf(example);
    const expected = parsed(PnLSchema, example.expected);
    assert.deepEqual(
      expected.map((pnl) => [toUnixNanos(pnl.startTime), toUnixNanos(pnl.endTime), pnl.method]),
      questions,
    );
    for (const [i, [start, end, method]] of questions.entries()) {
      const found = new Calculation(books, method).run(start, end);
      for (const field of FIELDS) {
        const difference = found[field].minus(Rational.of(expected[i][field])).abs();
        assert.ok(difference.compare(Rational.of("0.000000000001")) < 0, `${name} ${field} ${CostBasisMethod[method]}`);
      }
    }
  }
});

test("the highest cost is a cost and not a mark", () => {
  assertFigure(calculate(BOOKS, "2", CostBasisMethod.HIFO).realized, "-59.90");
  const byMark = (a, b) => b.base.compare(a.base) || byTime(a, b);
  assertFigure(calculate(BOOKS, "2", CostBasisMethod.HIFO, byMark).realized, "-90.98");
});

test("a correction leaves what recording it right leaves", () => {
  const correction = parsed(TransactionSchema, vector.correction.transactions);
  const others = BOOKS.transactions.filter((tx) => tx.transactionId !== vector.correction.instead_of);
  assert.equal(others.length, BOOKS.transactions.length - 1);
  const corrected = { ...BOOKS, transactions: [...others, ...correction] };
  const uncorrected = { ...BOOKS, transactions: [...others, correction[0]] };
  for (const method of METHODS.keys()) {
    for (const interval of Object.keys(INTERVALS)) {
      assert.deepEqual(textOf(calculate(corrected, interval, method)), textOf(calculate(BOOKS, interval, method)));
    }
    assert.notDeepEqual(textOf(calculate(uncorrected, "2", method)), textOf(calculate(BOOKS, "2", method)));
  }
});

test("a transfer moves lots with their cost and time", () => {
  const moved = { ...BOOKS, transactions: [...BOOKS.transactions, ...parsed(TransactionSchema, [vector.transfer])] };
  for (const method of METHODS.keys()) {
    for (const interval of Object.keys(INTERVALS)) {
      // Which lots the disposals use up can change, because some are in another account.
      const found = together(calculate(moved, interval, method));
      assert.deepEqual(textOf(found), textOf(together(calculate(BOOKS, interval, method))));
    }
    const calculation = new Calculation(moved, method);
    calculation.run(...INTERVALS["1"]);
    const [lot, ...others] = calculation.lotsOf("cold", "BNB").lots;
    assert.deepEqual([lot.quantity.toFixed(1), lot.cost.toFixed(0), others], ["0.4", "500", []]);
    assert.equal(lot.acquiredAt, toUnixNanos(BOOKS.holdings[1].acquiredAt));
  }
});

test("the mean entry of inverse contracts is harmonic", () => {
  const [each, both] = [Rational.of(100), Rational.of(200)];
  const entry = meanEntry(PERPETUAL, each, Rational.of(50_000), each, Rational.of(40_000));
  assertFigure(entry, "44,444.44");
  assertFigure(profit(PERPETUAL, both, entry, Rational.of(42_000)), "-0.0261905");
  assertFigure(profit(PERPETUAL, both, Rational.of(45_000), Rational.of(42_000)), "-0.0317460");
});

test("a margin tier deducts", () => {
  const [tier] = parsed(MarginTierSchema, [vector.margin_tier]);
  const [whole, half] = [Rational.of(100_000), Rational.of(50_000)];
  const maintenance = whole.times(Rational.of(tier.maintenanceMarginRate)).minus(Rational.of(tier.deduction));
  assertFigure(maintenance, "450");
  assertFigure(half.times(Rational.of("0.004")).plus(half.times(Rational.of("0.005"))), "450");
});

const [START] = INTERVALS["1"];
const seconds = (min, max) => fc.integer({ min, max }).map((count) => START + BigInt(count) * 1_000_000_000n);
const amounts = fc.integer({ min: 1, max: 1000 }).map((thousandths) => (thousandths / 1000).toFixed(3));
const signed = fc.tuple(fc.constantFrom("", "-"), amounts).map(([sign, amount]) => sign + amount);
const unitPrices = fc.integer({ min: 500, max: 2000 }).map(String);
const ASSETS = ["BTC", "BNB", "USDT"];
const ACCOUNTS = ["main", "cold"];

const series = fc
  .tuple(unitPrices, fc.array(fc.tuple(seconds(1, 29), unitPrices), { maxLength: 8 }))
  .map(([first, steps]) => [[START, first], ...steps].map(([at, price]) => ({ at, price: Rational.of(price) })));

const randomTransaction = fc
  .record({
    kind: fc.constantFrom("CONTRACTS", "TRADE", "TRANSFER", "FEE", ...[...COMPONENT.keys()]),
    accounts: fc.shuffledSubarray(ACCOUNTS, { minLength: 2 }),
    assets: fc.shuffledSubarray(ASSETS, { minLength: 3 }),
    amount: signed,
    other: amounts,
    side: fc.constantFrom(OrderSide.BUY, OrderSide.SELL),
    contracts: fc.integer({ min: 1, max: 100 }).map(String),
    price: unitPrices,
    fee: fc.option(signed, { nil: undefined }),
    at: seconds(0, 29),
  })
  .map(({ kind, accounts, assets, amount, other, side, contracts, price, fee, at }) => {
    const type = typeof kind === "number" ? kind : (TransactionType[kind] ?? TransactionType.TRADE);
    const leg = { assetId: assets[0], amount };
    const legs = {
      CONTRACTS: [],
      FEE: [],
      TRADE: [
        { ...leg, amount: other },
        { assetId: assets[1], amount: `-${other}` },
      ],
      TRANSFER: [
        { ...leg, amount: other, accountId: accounts[1] },
        { ...leg, amount: `-${other}` },
      ],
    }[kind] ?? [leg];
    const terms = { venueSymbolId: PERPETUAL.venueSymbolId, side, quantity: contracts, price };
    return {
      accountId: accounts[0],
      type,
      legs,
      terms: kind === "CONTRACTS" ? terms : undefined,
      fees: fee === undefined ? [] : [{ assetId: assets[2], amount: fee }],
      timestamp: fromUnixNanos(at),
    };
  });

/** Books over 30 seconds, with far more in the last lots than all transactions dispose of. */
const randomBooks = fc
  .record({
    prices: fc.tuple(series, series, series, series),
    costs: fc.array(fc.tuple(unitPrices, seconds(-100, -1)), { minLength: 12, maxLength: 12 }),
    transactions: fc.array(randomTransaction, { minLength: 1, maxLength: 12 }),
  })
  .map(({ prices, costs, transactions }) => ({
    ...BOOKS,
    transactions,
    prices: Object.fromEntries([...ASSETS, PERPETUAL.venueSymbolId].map((name, i) => [name, prices[i]])),
    holdings: costs.map(([unitCost, at], i) => ({
      accountId: ACCOUNTS[i % 2],
      assetId: ASSETS[i % 3],
      remainingQuantity: i < 6 ? "0.5" : "1000",
      unitCost,
      acquiredAt: fromUnixNanos(at),
    })),
  }));

test("components sum to the change of equity, and intervals add up", () => {
  fc.assert(
    fc.property(randomBooks, seconds(1, 29), (books, split) => {
      const end = START + 30_000_000_000n;
      const totals = new Set();
      for (const method of METHODS.keys()) {
        const [one, two, both] = [
          [START, split],
          [split, end],
          [START, end],
        ].map((interval) => new Calculation(books, method).run(...interval));
        for (const { total, startEquity, endEquity, netFlows, fees, rebates } of [one, two, both]) {
          assert.equal(total.compare(endEquity.minus(startEquity).minus(netFlows)), 0);
          assert.ok(fees.sign() <= 0 && rebates.sign() >= 0);
        }
        const [first, second, whole] = [one, two, both].map(together);
        for (const name of Object.keys(whole).filter((name) => !name.endsWith("Equity"))) {
          assert.equal(first[name].plus(second[name]).compare(whole[name]), 0, name);
        }
        totals.add(both.total.toFixed(30));
      }
      assert.equal(totals.size, 1);
    }),
    { numRuns: 50 },
  );
});
