// Oddities in facts. Venues do send them: an oddity is a reason to look, not to refuse, because a gateway that refuses a
// fill loses the position. Needs the optional peer bignumber.js.
import { canonical } from "./books.js";
import { type Exact, parseDecimal } from "./decimal.js";
import type { BookLevel, OrderBook } from "./gen/cqc/markets/v1/orderbook_pb.js";
import type { Candle } from "./gen/cqc/markets/v1/trade_pb.js";
import { ExecType, type ExecutionReport } from "./gen/cqc/venues/v1/execution_pb.js";
import { OrderStatus } from "./gen/cqc/venues/v1/order_pb.js";
import { toUnixNanos } from "./timestamps.js";

/** Something in a fact that does not fit together. */
export interface Oddity {
  /** Names it, such as `book.crossed`. */
  readonly kind: string;
  /** Path to the field that is odd, such as `bids[3].price`. */
  readonly field: string;
  /** What was found, for people. */
  readonly text: string;
}

/** A number with the text that it was written as. */
interface Written {
  readonly value: Exact;
  readonly text: string;
}

class Found {
  readonly oddities: Oddity[] = [];

  add(kind: string, field: string, text: string): void {
    this.oddities.push({ kind, field, text });
  }

  /** Reads a decimal of a fact; what is none is an oddity itself. */
  number(field: string, text: string | undefined): Written | undefined {
    if (text === undefined) return undefined;
    try {
      return { value: parseDecimal(text), text };
    } catch {
      this.add("number.malformed", field, `${text} is not a plain decimal number`);
      return undefined;
    }
  }

  negative(kind: string, field: string, number: Written | undefined): void {
    if (number?.value.isNegative()) this.add(kind, field, `${number.text} is below zero`);
  }
}

function below(one: Written | undefined, other: Written | undefined): boolean {
  return one !== undefined && other !== undefined && one.value.isLessThan(other.value);
}

/**
 * Reports what is odd in an order book, by exact arithmetic: sides that cross (`book.crossed`) or touch (`book.locked`),
 * levels that are not best first (`book.unsorted`) or there twice (`book.duplicate_price`), quantities that are negative
 * (`book.negative_quantity`) or zero (`book.zero_quantity`), and sequences that run backwards (`book.sequence`).
 */
export function checkBook(book: OrderBook): Oddity[] {
  const found = new Found();
  const bid = side(found, "bids", book.bids, -1);
  const ask = side(found, "asks", book.asks, 1);
  if (bid && ask) {
    if (below(ask, bid))
      found.add("book.crossed", "bids", `the best bid ${bid.text} is above the best ask ${ask.text}`);
    else if (!below(bid, ask)) found.add("book.locked", "bids", `the best bid ${bid.text} is the best ask`);
  }
  for (const [field, value] of [
    ["first_sequence", book.firstSequence],
    ["previous_sequence", book.previousSequence],
  ] as const) {
    if (book.sequence !== undefined && value !== undefined && value > book.sequence) {
      found.add("book.sequence", field, `${value} is above sequence ${book.sequence}`);
    }
  }
  return found.oddities;
}

/** Checks the levels of one side and returns its best price; prices get better against the direction. */
function side(found: Found, name: string, levels: readonly BookLevel[], direction: number): Written | undefined {
  let best: Written | undefined;
  let before: Written | undefined;
  const seen = new Set<string>();
  const better = (one: Written, other: Written) => (direction > 0 ? below(one, other) : below(other, one));
  levels.forEach((level, index) => {
    const field = `${name}[${index}]`;
    const quantity = found.number(`${field}.quantity`, level.quantity);
    found.negative("book.negative_quantity", `${field}.quantity`, quantity);
    if (quantity?.value.isZero()) {
      found.add("book.zero_quantity", `${field}.quantity`, "a level of a book has no quantity");
    }
    const price = found.number(`${field}.price`, level.price);
    if (!price) return;
    const key = `${canonical(level.price)} ${level.orderId ?? ""}`;
    if (seen.has(key)) found.add("book.duplicate_price", `${field}.price`, `${level.price} is there twice`);
    seen.add(key);
    if (before && better(price, before)) {
      found.add("book.unsorted", `${field}.price`, `${price.text} is better than ${before.text} before it`);
    }
    before = price;
    if (!best || better(price, best)) best = price;
  });
  return best;
}

const CLOSED: readonly OrderStatus[] = [
  OrderStatus.CANCELLED,
  OrderStatus.EXPIRED,
  OrderStatus.REJECTED,
  OrderStatus.REPLACED,
];

/**
 * Reports what is odd in an execution report, by exact arithmetic: more filled than ordered (`execution.overfilled`), a
 * cumulative and a leaves quantity that do not add up to the ordered one while the order is open
 * (`execution.leaves_mismatch`), a filled order with something left (`execution.filled_with_leaves`), a partly filled one
 * with nothing left (`execution.partial_without_leaves`), a last fill above all fills
 * (`execution.last_above_cumulative`), a fill without quantity (`execution.trade_without_quantity`), and quantities below
 * zero (`execution.negative_quantity`). The ordered quantity is that of the embedded order, where there is one.
 */
export function checkExecution(report: ExecutionReport): Oddity[] {
  const found = new Found();
  const last = found.number("last_quantity", report.lastQuantity);
  const cumulative = found.number("cumulative_quantity", report.cumulativeQuantity);
  const leaves = found.number("leaves_quantity", report.leavesQuantity);
  const size = report.order?.size;
  const ordered = size?.case === "quantity" ? found.number("order.quantity", size.value) : undefined;
  found.negative("execution.negative_quantity", "last_quantity", last);
  found.negative("execution.negative_quantity", "cumulative_quantity", cumulative);
  found.negative("execution.negative_quantity", "leaves_quantity", leaves);
  if (cumulative && ordered && below(ordered, cumulative)) {
    found.add(
      "execution.overfilled",
      "cumulative_quantity",
      `${cumulative.text} is filled, ${ordered.text} was ordered`,
    );
  }
  const status = report.orderStatus;
  // Nothing is left of a closed order, whatever was filled.
  if (!CLOSED.includes(status) && ordered && cumulative && leaves) {
    if (!cumulative.value.plus(leaves.value).isEqualTo(ordered.value)) {
      const text = `${cumulative.text} filled and ${leaves.text} left are not the ${ordered.text} ordered`;
      found.add("execution.leaves_mismatch", "leaves_quantity", text);
    }
  }
  if (status === OrderStatus.FILLED && leaves?.value.isGreaterThan(0)) {
    found.add("execution.filled_with_leaves", "leaves_quantity", `the order is filled and ${leaves.text} is left`);
  }
  const nothingLeft = leaves ? leaves.value.isZero() : ordered && cumulative?.value.isEqualTo(ordered.value);
  if (status === OrderStatus.PARTIALLY_FILLED && nothingLeft) {
    found.add("execution.partial_without_leaves", "order_status", "the order is partly filled and nothing is left");
  }
  if (last && cumulative && below(cumulative, last)) {
    const text = `the last fill ${last.text} is above all fills ${cumulative.text}`;
    found.add("execution.last_above_cumulative", "last_quantity", text);
  }
  if (report.execType === ExecType.TRADE && (report.lastQuantity === undefined || last?.value.isZero())) {
    found.add("execution.trade_without_quantity", "last_quantity", "a fill has no quantity");
  }
  return found.oddities;
}

/**
 * Reports what is odd in a candle, by exact arithmetic: a high below the low (`candle.high_below_low`), an open, close or
 * vwap outside of the two (`candle.open_outside` and so on), volumes below zero (`candle.negative_volume`), a part of the
 * volume above all of it (`candle.taker_volume_above_volume`), and an end before its start (`candle.closes_before_open`).
 */
export function checkCandle(candle: Candle): Oddity[] {
  const found = new Found();
  const high = found.number("high", candle.high);
  const low = found.number("low", candle.low);
  if (high && low && below(high, low)) {
    found.add("candle.high_below_low", "high", `the high ${high.text} is below the low ${low.text}`);
  } else {
    const inner = [
      ["open", found.number("open", candle.open)],
      ["close", found.number("close", candle.close)],
      ["vwap", found.number("vwap", candle.vwap)],
    ] as const;
    for (const [field, value] of inner) {
      if (value && (below(value, low) || below(high, value))) {
        found.add(`candle.${field}_outside`, field, `${value.text} is not between the low and the high`);
      }
    }
  }
  const parts = [
    ["taker_buy_base_volume", candle.takerBuyBaseVolume, "volume", candle.volume],
    ["taker_buy_quote_volume", candle.takerBuyQuoteVolume, "quote_volume", candle.quoteVolume],
  ] as const;
  for (const [partField, partText, allField, allText] of parts) {
    const part = found.number(partField, partText);
    const all = found.number(allField, allText);
    found.negative("candle.negative_volume", partField, part);
    found.negative("candle.negative_volume", allField, all);
    if (part && all && below(all, part)) {
      found.add("candle.taker_volume_above_volume", partField, `${part.text} is above ${allField} ${all.text}`);
    }
  }
  if (candle.openTime && candle.closeTime && toUnixNanos(candle.closeTime) < toUnixNanos(candle.openTime)) {
    found.add("candle.closes_before_open", "close_time", "the candle ends before it starts");
  }
  return found.oddities;
}
