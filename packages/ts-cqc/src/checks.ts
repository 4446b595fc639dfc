// Consistency checks for reported books, executions and candles, and for the references of any fact. Requires the optional peer dependency bignumber.js.
//
// Venues do report inconsistent data. Investigate an anomaly, but do not reject the message: a gateway that rejects a
// fill loses track of the position.
import { type DescMessage, type MessageShape, ScalarType } from "@bufbuild/protobuf";
import { type ReflectMessage, reflect } from "@bufbuild/protobuf/reflect";
import { canonical } from "./book.js";
import { type Exact, parseDecimal } from "./decimal.js";
import { type BookLevel, type OrderBook, OrderBookSchema } from "./gen/cqc/markets/v1/orderbook_pb.js";
import { type Candle, CandleSchema } from "./gen/cqc/markets/v1/trade_pb.js";
import { ExecType, type ExecutionReport, ExecutionReportSchema } from "./gen/cqc/venues/v1/execution_pb.js";
import { OrderStatus } from "./gen/cqc/venues/v1/order_pb.js";
import { toUnixNanos } from "./timestamp.js";

/** What is inconsistent. */
export const AnomalyKind = {
  /** A number is not a plain decimal. */
  NUMBER_MALFORMED: "number.malformed",
  /** Neither an id nor the venue's name states the listing. */
  REFERENCE_LISTING_MISSING: "reference.listing_missing",
  /** Neither an id nor the venue's code states the asset. */
  REFERENCE_ASSET_MISSING: "reference.asset_missing",
  /** The best bid is above the best ask. */
  BOOK_CROSSED: "book.crossed",
  /** The best bid equals the best ask. */
  BOOK_LOCKED: "book.locked",
  /** Levels are not best first. */
  BOOK_UNSORTED: "book.unsorted",
  /** A price occurs twice on one side. */
  BOOK_DUPLICATE_PRICE: "book.duplicate_price",
  /** A quantity is negative. */
  BOOK_NEGATIVE_QUANTITY: "book.negative_quantity",
  /** A quantity is zero. */
  BOOK_ZERO_QUANTITY: "book.zero_quantity",
  /** A level without order id has no price or no quantity. */
  BOOK_LEVEL_INCOMPLETE: "book.level_incomplete",
  /** The first or previous sequence is greater than the sequence. */
  BOOK_SEQUENCE: "book.sequence",
  /** More was filled than ordered. */
  EXECUTION_OVERFILLED: "execution.overfilled",
  /** Cumulative plus leaves quantity of an open order is not the ordered quantity. */
  EXECUTION_LEAVES_MISMATCH: "execution.leaves_mismatch",
  /** The order is filled but has a leaves quantity. */
  EXECUTION_FILLED_WITH_LEAVES: "execution.filled_with_leaves",
  /** The order is partially filled but nothing is left. */
  EXECUTION_PARTIAL_WITHOUT_LEAVES: "execution.partial_without_leaves",
  /** The last fill is larger than all fills together. */
  EXECUTION_LAST_ABOVE_CUMULATIVE: "execution.last_above_cumulative",
  /** The fill has no quantity. */
  EXECUTION_TRADE_WITHOUT_QUANTITY: "execution.trade_without_quantity",
  /** A quantity is negative. */
  EXECUTION_NEGATIVE_QUANTITY: "execution.negative_quantity",
  /** The high is below the low. */
  CANDLE_HIGH_BELOW_LOW: "candle.high_below_low",
  /** The open is not between low and high. */
  CANDLE_OPEN_OUTSIDE: "candle.open_outside",
  /** The close is not between low and high. */
  CANDLE_CLOSE_OUTSIDE: "candle.close_outside",
  /** The volume-weighted average price is not between low and high. */
  CANDLE_VWAP_OUTSIDE: "candle.vwap_outside",
  /** A volume is negative. */
  CANDLE_NEGATIVE_VOLUME: "candle.negative_volume",
  /** The taker buy volume is larger than the volume. */
  CANDLE_TAKER_VOLUME_ABOVE_VOLUME: "candle.taker_volume_above_volume",
  /** The close time is before the open time. */
  CANDLE_CLOSES_BEFORE_OPEN: "candle.closes_before_open",
} as const;
export type AnomalyKind = (typeof AnomalyKind)[keyof typeof AnomalyKind];

/** An inconsistency in reported data. */
export interface Anomaly {
  /** What is inconsistent. */
  readonly kind: AnomalyKind;
  /** Path to the inconsistent field, such as `bids[3].price`. */
  readonly field: string;
  /** Description of the problem. */
  readonly message: string;
}

/** A number and its original string. */
interface Written {
  readonly value: Exact;
  readonly text: string;
}

class Anomalies {
  constructor(readonly all: Anomaly[] = []) {}

  add(kind: AnomalyKind, field: string, message: string): void {
    this.all.push({ kind, field, message });
  }

  /** Parses a decimal; a malformed one is an anomaly and has no value. */
  number(field: string, text: string | undefined): Written | undefined {
    if (text === undefined) return undefined;
    try {
      return { value: parseDecimal(text), text };
    } catch {
      this.add(AnomalyKind.NUMBER_MALFORMED, field, `${text} is not a plain decimal`);
      return undefined;
    }
  }

  /** Parses a number of a level; an individual order may lack it. */
  stated(level: BookLevel, field: string, text: string): Written | undefined {
    if (text) return this.number(field, text);
    if (!level.orderId) {
      this.add(AnomalyKind.BOOK_LEVEL_INCOMPLETE, field, "only a level with an order_id may lack it");
    }
    return undefined;
  }

  negative(kind: AnomalyKind, field: string, number: Written | undefined): void {
    if (number?.value.isNegative()) this.add(kind, field, `${number.text} is negative`);
  }
}

function below(one: Written | undefined, other: Written | undefined): boolean {
  return one !== undefined && other !== undefined && one.value.isLessThan(other.value);
}

// Pairs of an id and the venue's code whose absence leaves the meaning of a fact open. Others, such as the settlement
// asset of a position, are absent if the venue does not report them.
const REFERENCE_PREFIXES = ["", "in_", "out_", "quote_"];

/**
 * Returns the references that a fact and the messages in it lack: the kinds `reference.*`.
 *
 * A listing is stated by `venueSymbolId`, or by a `nativeListing` with a symbol or an id. A message with legs, or an
 * order by quote, may have none, because its legs state theirs; neither does a message about an asset, such as a
 * balance, need one. An asset is stated by `assetId` or `assetCode`; in swaps and metrics by both of two pairs.
 *
 * Works for any message, such as Order, Balance, Position, Trade or Event. `field` is the path of the id.
 */
export function checkReferences<D extends DescMessage>(schema: D, message: MessageShape<D>): Anomaly[] {
  const found = new Anomalies();
  walk(found, "", reflect(schema, message));
  return found.all;
}

function walk(found: Anomalies, path: string, message: ReflectMessage): void {
  const has = (name: string) => message.fields.some((field) => field.name === name);
  if (has("native_listing") && !has("asset_id") && !namesListing(message)) {
    const text = "neither venue_symbol_id nor native_listing states the listing";
    found.add(AnomalyKind.REFERENCE_LISTING_MISSING, `${path}venue_symbol_id`, text);
  }
  for (const prefix of REFERENCE_PREFIXES) {
    const [id, code] = [`${prefix}asset_id`, `${prefix}asset_code`];
    if (has(code) && !states(message, id) && !states(message, code)) {
      const text = `neither ${id} nor ${code} states the asset`;
      found.add(AnomalyKind.REFERENCE_ASSET_MISSING, `${path}${id}`, text);
    }
  }
  for (const field of message.fields) {
    if (!message.isSet(field)) continue;
    if (field.fieldKind === "message") walk(found, `${path}${field.name}.`, message.get(field));
    if (field.fieldKind === "list" && field.listKind === "message") {
      let index = 0;
      for (const item of message.get(field)) walk(found, `${path}${field.name}[${index++}].`, item as ReflectMessage);
    }
  }
}

function namesListing(message: ReflectMessage): boolean {
  if (states(message, "venue_symbol_id") || states(message, "quote_id")) return true;
  return message.fields.some((field) => {
    if (field.name === "legs") return message.isSet(field);
    if (field.name !== "native_listing" || field.fieldKind !== "message") return false;
    const native = message.get(field);
    return states(native, "symbol") || states(native, "id");
  });
}

/** Returns whether a message has a string field that is not empty. */
function states(message: ReflectMessage, name: string): boolean {
  return message.fields.some(
    (field) =>
      field.name === name &&
      field.fieldKind === "scalar" &&
      field.scalar === ScalarType.STRING &&
      message.get(field) !== "",
  );
}

/** Returns the anomalies in an order book: the kinds `number.*`, `book.*` and `reference.*`. */
export function checkBook(book: OrderBook): Anomaly[] {
  const found = new Anomalies(checkReferences(OrderBookSchema, book));
  const bid = side(found, "bids", book.bids, -1);
  const ask = side(found, "asks", book.asks, 1);
  if (bid && ask) {
    if (below(ask, bid)) {
      const message = `the best bid ${bid.text} is above the best ask ${ask.text}`;
      found.add(AnomalyKind.BOOK_CROSSED, "bids", message);
    } else if (!below(bid, ask)) {
      found.add(AnomalyKind.BOOK_LOCKED, "bids", `the best bid ${bid.text} equals the best ask`);
    }
  }
  const sequences = [
    ["first_sequence", book.firstSequence],
    ["previous_sequence", book.previousSequence],
  ] as const;
  for (const [field, value] of sequences) {
    if (book.sequence !== undefined && value !== undefined && value > book.sequence) {
      found.add(AnomalyKind.BOOK_SEQUENCE, field, `${value} is greater than sequence ${book.sequence}`);
    }
  }
  return found.all;
}

/** Checks the levels of one side and returns its best price. `direction` is 1 if prices rise from best to worst. */
function side(found: Anomalies, name: string, levels: readonly BookLevel[], direction: number): Written | undefined {
  let best: Written | undefined;
  let before: Written | undefined;
  const seen = new Set<string>();
  const better = (one: Written, other: Written) => (direction > 0 ? below(one, other) : below(other, one));
  levels.forEach((level, index) => {
    const field = `${name}[${index}]`;
    const quantity = found.stated(level, `${field}.quantity`, level.quantity);
    found.negative(AnomalyKind.BOOK_NEGATIVE_QUANTITY, `${field}.quantity`, quantity);
    if (quantity?.value.isZero()) {
      found.add(AnomalyKind.BOOK_ZERO_QUANTITY, `${field}.quantity`, "the level has zero quantity");
    }
    const price = found.stated(level, `${field}.price`, level.price);
    if (!price) return;
    const key = `${canonical(level.price)} ${level.orderId ?? ""}`;
    if (seen.has(key)) found.add(AnomalyKind.BOOK_DUPLICATE_PRICE, `${field}.price`, `${level.price} occurs twice`);
    seen.add(key);
    if (before && better(price, before)) {
      const message = `${price.text} is better than the preceding ${before.text}`;
      found.add(AnomalyKind.BOOK_UNSORTED, `${field}.price`, message);
    }
    before = price;
    if (!best || better(price, best)) best = price;
  });
  return best;
}

/** A closed order leaves nothing, however much was filled. */
const CLOSED: readonly OrderStatus[] = [
  OrderStatus.CANCELLED,
  OrderStatus.EXPIRED,
  OrderStatus.REJECTED,
  OrderStatus.REPLACED,
];

/**
 * Returns the anomalies in an execution report: the kinds `number.*`, `execution.*` and `reference.*`.
 *
 * The ordered quantity is taken from the embedded order; checks that need it are skipped without one, and for an order
 * that is sized by an amount in quote units or by the position that it closes.
 */
export function checkExecution(report: ExecutionReport): Anomaly[] {
  const found = new Anomalies(checkReferences(ExecutionReportSchema, report));
  const last = found.number("last_quantity", report.lastQuantity);
  const cumulative = found.number("cumulative_quantity", report.cumulativeQuantity);
  const leaves = found.number("leaves_quantity", report.leavesQuantity);
  const { order } = report;
  const isSized = order && order.quoteQuantity === undefined && !order.closePosition;
  const ordered = isSized ? found.number("order.quantity", order.quantity) : undefined;
  found.negative(AnomalyKind.EXECUTION_NEGATIVE_QUANTITY, "last_quantity", last);
  found.negative(AnomalyKind.EXECUTION_NEGATIVE_QUANTITY, "cumulative_quantity", cumulative);
  found.negative(AnomalyKind.EXECUTION_NEGATIVE_QUANTITY, "leaves_quantity", leaves);
  if (cumulative && ordered && below(ordered, cumulative)) {
    const message = `${cumulative.text} filled is more than ${ordered.text} ordered`;
    found.add(AnomalyKind.EXECUTION_OVERFILLED, "cumulative_quantity", message);
  }
  const status = report.orderStatus;
  if (!CLOSED.includes(status) && ordered && cumulative && leaves) {
    if (!cumulative.value.plus(leaves.value).isEqualTo(ordered.value)) {
      const message = `${cumulative.text} filled plus ${leaves.text} left is not ${ordered.text} ordered`;
      found.add(AnomalyKind.EXECUTION_LEAVES_MISMATCH, "leaves_quantity", message);
    }
  }
  if (status === OrderStatus.FILLED && leaves?.value.isGreaterThan(0)) {
    const message = `the order is filled but ${leaves.text} is left`;
    found.add(AnomalyKind.EXECUTION_FILLED_WITH_LEAVES, "leaves_quantity", message);
  }
  const nothingLeft = leaves ? leaves.value.isZero() : ordered && cumulative?.value.isEqualTo(ordered.value);
  if (status === OrderStatus.PARTIALLY_FILLED && nothingLeft) {
    const message = "the order is partially filled but nothing is left";
    found.add(AnomalyKind.EXECUTION_PARTIAL_WITHOUT_LEAVES, "order_status", message);
  }
  if (last && cumulative && below(cumulative, last)) {
    const message = `the last fill ${last.text} is larger than ${cumulative.text} filled in total`;
    found.add(AnomalyKind.EXECUTION_LAST_ABOVE_CUMULATIVE, "last_quantity", message);
  }
  if (report.execType === ExecType.TRADE && (report.lastQuantity === undefined || last?.value.isZero())) {
    found.add(AnomalyKind.EXECUTION_TRADE_WITHOUT_QUANTITY, "last_quantity", "the fill has no quantity");
  }
  return found.all;
}

/** Returns the anomalies in a candle: the kinds `number.*`, `candle.*` and `reference.*`. */
export function checkCandle(candle: Candle): Anomaly[] {
  const found = new Anomalies(checkReferences(CandleSchema, candle));
  const high = found.number("high", candle.high);
  const low = found.number("low", candle.low);
  if (high && low && below(high, low)) {
    found.add(AnomalyKind.CANDLE_HIGH_BELOW_LOW, "high", `the high ${high.text} is below the low ${low.text}`);
  } else {
    const inner = [
      [AnomalyKind.CANDLE_OPEN_OUTSIDE, "open", found.number("open", candle.open)],
      [AnomalyKind.CANDLE_CLOSE_OUTSIDE, "close", found.number("close", candle.close)],
      [AnomalyKind.CANDLE_VWAP_OUTSIDE, "vwap", found.number("vwap", candle.vwap)],
    ] as const;
    for (const [kind, field, value] of inner) {
      if (value && (below(value, low) || below(high, value))) {
        found.add(kind, field, `${value.text} is not between the low and the high`);
      }
    }
  }
  const volumes = [
    ["taker_buy_volume", candle.takerBuyVolume, "volume", candle.volume],
    ["taker_buy_quote_volume", candle.takerBuyQuoteVolume, "quote_volume", candle.quoteVolume],
  ] as const;
  for (const [partField, partText, wholeField, wholeText] of volumes) {
    const part = found.number(partField, partText);
    const whole = found.number(wholeField, wholeText);
    found.negative(AnomalyKind.CANDLE_NEGATIVE_VOLUME, partField, part);
    found.negative(AnomalyKind.CANDLE_NEGATIVE_VOLUME, wholeField, whole);
    if (part && whole && below(whole, part)) {
      const message = `${part.text} is larger than ${wholeField} ${whole.text}`;
      found.add(AnomalyKind.CANDLE_TAKER_VOLUME_ABOVE_VOLUME, partField, message);
    }
  }
  if (candle.openTime && candle.closeTime && toUnixNanos(candle.closeTime) < toUnixNanos(candle.openTime)) {
    found.add(AnomalyKind.CANDLE_CLOSES_BEFORE_OPEN, "close_time", "the candle closes before it opens");
  }
  return found.all;
}
