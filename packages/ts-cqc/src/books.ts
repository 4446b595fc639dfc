import { clone } from "@bufbuild/protobuf";
import {
  BookAction,
  type BookLevel,
  BookLevelSchema,
  ChecksumKind,
  type OrderBook,
  type OrderBookDelta,
  OrderBookSchema,
} from "./gen/cqc/markets/v1/orderbook_pb.js";

/** Deltas are missing: get a new snapshot and `reset` the book with it. */
export class SequenceGapError extends Error {
  override readonly name = "SequenceGapError";

  /** `have` is the sequence of the book, `before` the one that the delta follows. */
  constructor(
    readonly venueSymbolId: string,
    readonly have: bigint,
    readonly before: bigint,
  ) {
    super(
      `${venueSymbolId}: the delta follows sequence ${before}, the book is at ${have}: ` +
        "deltas are missing, take a new snapshot",
    );
  }
}

/**
 * An order book that follows its venue: a snapshot and the deltas after it.
 *
 * Levels are told apart by the value of their price, so `1.0` and `1.00` are one level, or by the order where a venue
 * publishes single orders; they are kept as the venue wrote them last. Numbers are converted only where they are
 * compared.
 */
export class BookBuilder {
  private last!: OrderBook;
  private bidLevels = new Map<string, BookLevel>();
  private askLevels = new Map<string, BookLevel>();

  constructor(snapshot: OrderBook) {
    this.reset(snapshot);
  }

  /** Drops everything and starts again from a snapshot. */
  reset(snapshot: OrderBook): void {
    this.last = clone(OrderBookSchema, { ...snapshot, bids: [], asks: [] });
    // They describe the snapshot, not the book that grows out of it.
    for (const field of ["firstSequence", "previousSequence", "checksum"] as const) delete this.last[field];
    this.last.checksumKind = ChecksumKind.UNSPECIFIED;
    this.bidLevels = new Map();
    this.askLevels = new Map();
    set(this.bidLevels, snapshot.bids);
    set(this.askLevels, snapshot.asks);
  }

  /**
   * Brings the book up to a delta; false for a delta that the book has already.
   *
   * Throws a SequenceGapError, and leaves the book as it was, when deltas between the two are missing, and a RangeError for
   * a delta of another listing. Deltas without a sequence are applied as they come.
   */
  apply(delta: OrderBookDelta): boolean {
    if (delta.venueSymbolId !== this.last.venueSymbolId) {
      throw new RangeError(
        `a delta of ${delta.venueSymbolId} cannot be applied to a book of ${this.last.venueSymbolId}`,
      );
    }
    if (delta.sequence !== undefined && this.last.sequence !== undefined) {
      if (delta.sequence <= this.last.sequence) return false;
      const before = follows(delta, delta.sequence);
      if (before > this.last.sequence) throw new SequenceGapError(delta.venueSymbolId, this.last.sequence, before);
    }
    if (delta.sequence !== undefined) this.last.sequence = delta.sequence;
    set(this.bidLevels, delta.bids);
    set(this.askLevels, delta.asks);
    for (const field of ["timestamp", "publishedAt", "receivedAt"] as const) {
      const time = delta[field];
      if (time) this.last[field] = time;
      else delete this.last[field];
    }
    return true;
  }

  /** The sequence up to which the book is complete; undefined where its venue does not number them. */
  get sequence(): bigint | undefined {
    return this.last.sequence;
  }

  /** The levels to sell to, highest price first. */
  bids(): BookLevel[] {
    return sorted(this.bidLevels, -1);
  }

  /** The levels to buy from, lowest price first. */
  asks(): BookLevel[] {
    return sorted(this.askLevels, 1);
  }

  /** The book as it is now, as a snapshot of its own. */
  book(): OrderBook {
    const now = clone(OrderBookSchema, this.last);
    now.bids = this.bids().map((level) => clone(BookLevelSchema, level));
    now.asks = this.asks().map((level) => clone(BookLevelSchema, level));
    return now;
  }
}

/** The sequence that a delta comes after. Where a venue leaves numbers out, it says which one came before. */
function follows(delta: OrderBookDelta, sequence: bigint): bigint {
  if (delta.previousSequence !== undefined) return delta.previousSequence;
  const first = delta.firstSequence ?? sequence;
  return first > 0n ? first - 1n : 0n;
}

function set(side: Map<string, BookLevel>, levels: readonly BookLevel[]): void {
  for (const level of levels) {
    const key = level.orderId === undefined ? canonical(level.price) : `order ${level.orderId}`;
    if (level.action === BookAction.DELETE || /^[0.]*$/.test(level.quantity)) side.delete(key);
    else side.set(key, level);
  }
}

/** Writes equal numbers alike; plain decimals differ in trailing zeros only. */
export function canonical(text: string): string {
  return text.includes(".") ? text.replace(/[.]?0*$/, "") : text;
}

function sorted(side: Map<string, BookLevel>, direction: number): BookLevel[] {
  const order = (one?: string, other?: string) =>
    Number((one ?? "") > (other ?? "")) - Number((one ?? "") < (other ?? ""));
  return [...side.values()].sort(
    (one, other) => comparePlain(one.price, other.price) * direction || order(one.orderId, other.orderId),
  );
}

/** Compares two plain decimals by value, without converting them: by sign, digits before the point, digits. */
function comparePlain(one: string, other: string): number {
  const negative = one.startsWith("-");
  if (negative !== other.startsWith("-")) return negative ? -1 : 1;
  const [oneInteger = "", oneFraction = ""] = canonical(one.replace("-", "")).split(".");
  const [otherInteger = "", otherFraction = ""] = canonical(other.replace("-", "")).split(".");
  const texts = (a: string, b: string) => Number(a > b) - Number(a < b);
  const order =
    oneInteger.length - otherInteger.length || texts(oneInteger, otherInteger) || texts(oneFraction, otherFraction);
  return negative ? -order : order;
}
