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

/** Deltas are missing: fetch a new snapshot and `reset` the book with it. */
export class SequenceGapError extends Error {
  override readonly name = "SequenceGapError";

  /** `have` is the book's sequence, and `before` the sequence that the delta follows. */
  constructor(
    readonly venueSymbolId: string,
    readonly have: bigint,
    readonly before: bigint,
  ) {
    super(
      `${venueSymbolId}: deltas are missing: the book is at sequence ${have}, but the delta follows ${before}; ` +
        "reset the book with a new snapshot",
    );
  }
}

/**
 * Builds the order book of one listing from a snapshot and the deltas that follow it.
 *
 * Levels are keyed by the numeric value of their price, so `1.0` and `1.00` are the same level, or by order id on
 * venues that publish individual orders. Prices and quantities are kept as the venue last sent them, and parsed only
 * for comparison.
 */
export class BookBuilder {
  private last!: OrderBook;
  private bidLevels = new Map<string, BookLevel>();
  private askLevels = new Map<string, BookLevel>();

  constructor(snapshot: OrderBook) {
    this.reset(snapshot);
  }

  /** Replaces the whole book with a snapshot. */
  reset(snapshot: OrderBook): void {
    this.last = clone(OrderBookSchema, { ...snapshot, bids: [], asks: [] });
    // These describe the snapshot and do not survive a delta.
    for (const field of ["firstSequence", "previousSequence", "checksum"] as const) delete this.last[field];
    this.last.checksumKind = ChecksumKind.UNSPECIFIED;
    this.bidLevels = new Map();
    this.askLevels = new Map();
    set(this.bidLevels, snapshot.bids);
    set(this.askLevels, snapshot.asks);
  }

  /**
   * Applies a delta; returns false if the book already includes it.
   *
   * Deltas without a sequence are always applied. Throws a SequenceGapError if deltas are missing between the book and
   * this one, and a RangeError if the delta is for another listing; neither changes the book.
   */
  apply(delta: OrderBookDelta): boolean {
    if (delta.venueSymbolId !== this.last.venueSymbolId) {
      throw new RangeError(`cannot apply a delta for ${delta.venueSymbolId} to ${this.last.venueSymbolId}`);
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

  /** The sequence of the last applied update; undefined if the venue does not number its updates. */
  get sequence(): bigint | undefined {
    return this.last.sequence;
  }

  /** Returns the bids, highest price first. */
  bids(): BookLevel[] {
    return sorted(this.bidLevels, -1);
  }

  /** Returns the asks, lowest price first. */
  asks(): BookLevel[] {
    return sorted(this.askLevels, 1);
  }

  /** Returns a snapshot of the current book. */
  book(): OrderBook {
    const now = clone(OrderBookSchema, this.last);
    now.bids = this.bids().map((level) => clone(BookLevelSchema, level));
    now.asks = this.asks().map((level) => clone(BookLevelSchema, level));
    return now;
  }
}

/** Returns the sequence that a delta follows. Venues that skip numbers state it in previous_sequence. */
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

/** Returns the same string for equal numbers; plain decimals differ only in trailing zeros. */
export function canonical(text: string): string {
  return text.includes(".") ? text.replace(/[.]?0*$/, "") : text;
}

function sorted(side: Map<string, BookLevel>, direction: number): BookLevel[] {
  return [...side.values()].sort(
    (one, other) =>
      comparePlain(one.price, other.price) * direction || compareText(one.orderId ?? "", other.orderId ?? ""),
  );
}

/**
 * Compares two plain decimals by value without parsing them: by sign, then length and digits of the integer part, then
 * fraction.
 */
function comparePlain(one: string, other: string): number {
  const negative = one.startsWith("-");
  if (negative !== other.startsWith("-")) return negative ? -1 : 1;
  const [oneInteger = "", oneFraction = ""] = canonical(one.replace("-", "")).split(".");
  const [otherInteger = "", otherFraction = ""] = canonical(other.replace("-", "")).split(".");
  const order =
    oneInteger.length - otherInteger.length ||
    compareText(oneInteger, otherInteger) ||
    compareText(oneFraction, otherFraction);
  return negative ? -order : order;
}

function compareText(one: string, other: string): number {
  return Number(one > other) - Number(one < other);
}
