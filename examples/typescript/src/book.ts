// Rebuilds an order book from a snapshot and the deltas after it.
import { BookAction, type BookLevel, type OrderBook, type OrderBookDelta } from "@cq/cqc/markets/v1";

// The contracts allow as many fraction digits.
const scale = 38;

/** The exact value of a decimal text, in units of 1e-38. */
function exact(text: string): bigint {
  const [whole = "", fraction = ""] = text.split(".");
  return BigInt(whole + fraction.padEnd(scale, "0"));
}

type Side = Map<bigint, BookLevel>;

/** One book. Prices are compared by value, and kept as the venue wrote them last. */
export class BookBuilder {
  readonly #bids: Side = new Map();
  readonly #asks: Side = new Map();
  sequence: bigint | undefined;
  gaps = 0;

  constructor(snapshot: OrderBook) {
    this.sequence = snapshot.sequence;
    set(this.#bids, snapshot.bids);
    set(this.#asks, snapshot.asks);
  }

  /** Applies a delta, unless the book has it already; a gap in the sequence is counted. */
  apply(delta: OrderBookDelta): void {
    if (delta.sequence !== undefined && this.sequence !== undefined) {
      if (delta.sequence <= this.sequence) return;
      // Where a venue leaves numbers out, it says which one came before.
      const before = delta.previousSequence ?? (delta.firstSequence ?? 1n) - 1n;
      if (before > this.sequence) this.gaps++;
      this.sequence = delta.sequence;
    }
    set(this.#bids, delta.bids);
    set(this.#asks, delta.asks);
  }

  /** Bids from the highest price. */
  bids(): BookLevel[] {
    return rising(this.#bids).reverse();
  }

  /** Asks from the lowest price. */
  asks(): BookLevel[] {
    return rising(this.#asks);
  }
}

function set(side: Side, levels: BookLevel[]): void {
  for (const level of levels) {
    const price = exact(level.price);
    if (level.action === BookAction.DELETE || exact(level.quantity) === 0n) side.delete(price);
    else side.set(price, level);
  }
}

function rising(side: Side): BookLevel[] {
  return [...side].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)).map(([, level]) => level);
}
