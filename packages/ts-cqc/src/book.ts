import { clone, create, equals } from "@bufbuild/protobuf";
import { crc32 } from "./crc32.js";
import { keepFacts } from "./facts.js";
import { NativeListingSchema } from "./gen/cqc/markets/v1/native_listing_pb.js";
import {
  BookAction,
  type BookLevel,
  BookLevelSchema,
  ChecksumKind,
  type OrderBook,
  type OrderBookDelta,
  OrderBookSchema,
} from "./gen/cqc/markets/v1/orderbook_pb.js";
import { isPlain } from "./plain.js";

/** Why a book cannot be trusted, or a message not applied to it. */
export const BookErrorKind = {
  /** Deltas are missing. `expected` is the book's sequence, and `actual` the sequence that the delta follows. */
  SEQUENCE_GAP: "sequence_gap",
  /** The book is not the venue's. `expected` is the venue's checksum, and `actual` the one of this book. */
  CHECKSUM_MISMATCH: "checksum_mismatch",
  /** This version cannot compute the checksum. `actual` is the number of its kind. */
  CHECKSUM_KIND_UNKNOWN: "checksum_kind_unknown",
  /** A level without price or quantity has an order id, `actual`, that is not in the book. */
  ORDER_UNKNOWN: "order_unknown",
  /** A price or quantity, `actual`, is not a plain decimal. */
  LEVEL_MALFORMED: "level_malformed",
  /** The delta is for another listing, `actual`. */
  LISTING_MISMATCH: "listing_mismatch",
} as const;
export type BookErrorKind = (typeof BookErrorKind)[keyof typeof BookErrorKind];

/** A snapshot or delta that a book cannot be built from. Fetch a new snapshot and `reset` the book with it. */
export class BookError extends Error {
  override readonly name = "BookError";

  /** The `venueSymbolId` of the snapshot or delta, or the parts of its `nativeListing` joined by colons. */
  readonly listing: string;
  /** The number of the snapshot or delta; undefined if the venue does not number changes. */
  readonly sequence: bigint | undefined;

  /** `expected` and `actual` are explained at each kind. */
  constructor(
    readonly kind: BookErrorKind,
    message: OrderBook | OrderBookDelta,
    readonly expected: string,
    readonly actual: string,
  ) {
    const listing = listingOf(message);
    super(`${listing}: ${kind}: expected ${expected}, got ${actual}`);
    this.listing = listing;
    this.sequence = message.sequence;
    keepFacts(this);
  }
}

/** How a BookBuilder works. */
export interface BookOptions {
  /** Compare the checksum of each snapshot and delta that has one with the book's. */
  verifyChecksums?: boolean;
}

type BookMessage = OrderBook | OrderBookDelta;
type Side = Map<string, BookLevel>;
type Change = readonly [key: string, level: BookLevel | undefined];

/**
 * Builds the order book of one listing from a snapshot and the deltas that follow it.
 *
 * Levels are keyed by the numeric value of their price, so `1.0` and `1.00` are the same level, or by order id on
 * venues that publish individual orders. There a price or quantity that a delta leaves out keeps its value, and an
 * order that is new at a price comes after the others. Prices and quantities are kept as the venue last sent them. A
 * book whose snapshot has a `depth` keeps that many prices per side.
 */
export class BookBuilder {
  private last!: OrderBook;
  private bidLevels: Side = new Map();
  private askLevels: Side = new Map();
  private readonly verify: boolean;

  /** Starts a book from a snapshot. Throws a BookError as `reset` does. */
  constructor(snapshot: OrderBook, { verifyChecksums = false }: BookOptions = {}) {
    this.verify = verifyChecksums;
    this.reset(snapshot);
  }

  /**
   * Replaces the whole book with a snapshot.
   *
   * Throws a BookError if a level is malformed, or the checksum is to be verified and is not that of the snapshot.
   * Neither changes the book.
   */
  reset(snapshot: OrderBook): void {
    const bids: Side = new Map();
    const asks: Side = new Map();
    commit(bids, changes(bids, snapshot.bids, snapshot));
    commit(asks, changes(asks, snapshot.asks, snapshot));
    if (this.verify) verify(bids, asks, snapshot);
    this.last = clone(OrderBookSchema, { ...snapshot, bids: [], asks: [] });
    // These describe the snapshot and do not survive a delta.
    for (const field of ["firstSequence", "previousSequence", "checksum"] as const) delete this.last[field];
    this.last.checksumKind = ChecksumKind.UNSPECIFIED;
    this.last.venueFields = {};
    this.bidLevels = bids;
    this.askLevels = asks;
    this.trim();
  }

  /**
   * Applies a delta; returns false if the book already includes it.
   *
   * Follows the rules at the contract's OrderBookDelta. Throws a BookError if deltas are missing between the book and
   * this one, if the delta is for another listing or has a level that cannot be applied, or if the checksum is to be
   * verified and is not that of the book. After an error about a checksum the book includes the delta; the others do not
   * change the book.
   */
  apply(delta: OrderBookDelta): boolean {
    if (!sameListing(this.last, delta)) {
      throw new BookError(BookErrorKind.LISTING_MISMATCH, delta, listingOf(this.last), listingOf(delta));
    }
    const have = this.last.sequence;
    // A venue that restarts its numbers states the previous one.
    if (delta.sequence !== undefined && have !== undefined && delta.previousSequence !== have) {
      if (delta.sequence <= have) return false;
      const before = follows(delta, delta.sequence);
      if (before > have) throw new BookError(BookErrorKind.SEQUENCE_GAP, delta, `${have}`, `${before}`);
    }
    const bids = changes(this.bidLevels, delta.bids, delta);
    const asks = changes(this.askLevels, delta.asks, delta);
    commit(this.bidLevels, bids);
    commit(this.askLevels, asks);
    if (delta.sequence !== undefined) this.last.sequence = delta.sequence;
    for (const field of ["timestamp", "publishedAt", "receivedAt"] as const) {
      const time = delta[field];
      if (time) this.last[field] = time;
      else delete this.last[field];
    }
    this.trim();
    if (this.verify) verify(this.bidLevels, this.askLevels, delta);
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

  /** Removes prices beyond the depth: the venue does not report when they are gone. */
  private trim(): void {
    if (!this.last.depth) return;
    trim(this.bidLevels, this.last.depth, -1);
    trim(this.askLevels, this.last.depth, 1);
  }
}

/**
 * Computes the checksum of a book, best level first, as an unsigned 32-bit number.
 *
 * Prices and quantities must be spelled as the venue sent them. Throws a BookError if this version does not know the
 * kind.
 *
 * Sources: https://docs.kraken.com/exchange/guides/websockets/book-checksum-v2 and l3-checksum-v2 beside it,
 * https://www.okx.com/docs-v5/en (Order Book Channel),
 * https://www.bitget.com/api-doc/spot/websocket/public/Depth-Channel.
 */
export function bookChecksum(book: OrderBook, kind: ChecksumKind): number {
  return checksum(book.bids, book.asks, kind, book);
}

function checksum(
  bids: readonly BookLevel[],
  asks: readonly BookLevel[],
  kind: ChecksumKind,
  message: BookMessage,
): number {
  const numbersOf = (levels: readonly BookLevel[]) => levels.flatMap(({ price, quantity }) => [price, quantity]);
  switch (kind) {
    case ChecksumKind.CRC32_KRAKEN:
    case ChecksumKind.CRC32_KRAKEN_ORDERS: {
      const numbers = numbersOf([asks, bids].flatMap((side) => byPrice(side).slice(0, 10).flat()));
      return crc32(numbers.map((number) => number.replace(".", "").replace(/^0+/, "")).join(""));
    }
    case ChecksumKind.CRC32_OKX:
    case ChecksumKind.CRC32_BITGET: {
      const at = (place: number) => [bids, asks].flatMap((side) => side.slice(place, place + 1));
      return crc32(numbersOf(Array.from({ length: 25 }, (_, place) => at(place)).flat()).join(":"));
    }
    default: {
      const expected = "a kind of checksum that this version knows";
      throw new BookError(BookErrorKind.CHECKSUM_KIND_UNKNOWN, message, expected, String(kind));
    }
  }
}

function verify(bids: Side, asks: Side, message: BookMessage): void {
  if (message.checksum === undefined) return;
  const actual = checksum(sorted(bids, -1), sorted(asks, 1), message.checksumKind, message);
  if (actual === message.checksum) return;
  throw new BookError(BookErrorKind.CHECKSUM_MISMATCH, message, `${message.checksum}`, `${actual}`);
}

function sameListing(book: OrderBook, delta: OrderBookDelta): boolean {
  if (book.venueSymbolId && delta.venueSymbolId) return book.venueSymbolId === delta.venueSymbolId;
  const [one, other] = [book, delta].map(({ nativeListing }) => nativeListing ?? create(NativeListingSchema));
  return one !== undefined && other !== undefined && equals(NativeListingSchema, one, other);
}

function listingOf({ venueSymbolId, nativeListing }: BookMessage): string {
  if (venueSymbolId) return venueSymbolId;
  const { venueId, segment, symbol, id } = nativeListing ?? create(NativeListingSchema);
  return [venueId, segment, symbol, id ?? ""].join(":");
}

function follows(delta: OrderBookDelta, sequence: bigint): bigint {
  if (delta.previousSequence !== undefined) return delta.previousSequence;
  const first = delta.firstSequence ?? sequence;
  return first > 0n ? first - 1n : 0n;
}

function byPrice(levels: readonly BookLevel[]): BookLevel[][] {
  const prices: BookLevel[][] = [];
  for (const level of levels) {
    const last = prices.at(-1);
    if (last?.[0] && canonical(last[0].price) === canonical(level.price)) last.push(level);
    else prices.push([level]);
  }
  return prices;
}

/** Returns the levels to set, and undefined for those to remove, so that an error leaves the side as it was. */
function changes(side: Side, levels: readonly BookLevel[], message: BookMessage): Change[] {
  const made: Change[] = [];
  const changed = new Map<string, BookLevel | undefined>();
  for (const change of levels) {
    const { price, quantity, orderId } = change;
    if (orderId === undefined) checkNumber(price, message);
    const key = keyOf(change);
    let removed = change.action === BookAction.DELETE;
    let level: BookLevel | undefined;
    if (!removed && quantity) {
      checkNumber(quantity, message);
      removed = /^[0.]*$/.test(quantity);
    }
    if (!removed) {
      level = clone(BookLevelSchema, change);
      // Actions belong to updates, not to books.
      level.action = BookAction.UNSPECIFIED;
      level.rawAction = "";
      if (orderId !== undefined && !(price && quantity)) {
        const known = changed.has(key) ? changed.get(key) : side.get(key);
        if (!known) throw new BookError(BookErrorKind.ORDER_UNKNOWN, message, "an order in the book", orderId);
        level.price ||= known.price;
        level.quantity ||= known.quantity;
      }
      checkNumber(level.price, message);
      checkNumber(level.quantity, message);
    }
    changed.set(key, level);
    made.push([key, level]);
  }
  return made;
}

function commit(side: Side, made: readonly Change[]): void {
  for (const [key, level] of made) {
    const known = side.get(key);
    // An order that moves to another price loses its priority.
    if (known && (!level || canonical(level.price) !== canonical(known.price))) side.delete(key);
    if (level) side.set(key, level);
  }
}

function trim(side: Side, depth: number, direction: number): void {
  if (side.size <= depth) return;
  for (const level of byPrice(sorted(side, direction)).slice(depth).flat()) side.delete(keyOf(level));
}

function keyOf(level: BookLevel): string {
  return level.orderId === undefined ? canonical(level.price) : `order ${level.orderId}`;
}

function checkNumber(text: string, message: BookMessage): void {
  if (!isPlain(text)) throw new BookError(BookErrorKind.LEVEL_MALFORMED, message, "a plain decimal", text);
}

/** Returns the same string for equal numbers; plain decimals differ only in trailing zeros. */
export function canonical(text: string): string {
  return text.includes(".") ? text.replace(/[.]?0*$/, "") : text;
}

function sorted(side: Side, direction: number): BookLevel[] {
  // Sorting is stable, so orders at a price stay in the order of their priority.
  return [...side.values()].sort((one, other) => comparePlain(one.price, other.price) * direction);
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
