// Maps the venues' native formats to CQC messages. Decimals stay strings, exactly as the venue sent them.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { create } from "@bufbuild/protobuf";
import { type Timestamp, TimestampSchema, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { AggressorSide, BookLevel, OrderBook, OrderBookDelta, QuantityUnit, Trade } from "@cq/cqc/markets/v1";
import { VenueSymbol } from "@cq/cqc/venues/v1";

/** Captured data for one listing, in arrival order. */
export interface Market {
  listing: VenueSymbol;
  snapshot?: OrderBook;
  deltas: OrderBookDelta[];
  trades: Trade[];
}

type Pair = [price: string, quantity: string];

interface BinanceBook {
  url: string;
  received_at: number;
  body: { lastUpdateId: number; E?: number; T?: number; bids: Pair[]; asks: Pair[] };
}

interface BinanceDelta {
  e: "depthUpdate";
  s: string;
  E: number;
  T?: number;
  U: number;
  u: number;
  pu?: number;
  b: Pair[];
  a: Pair[];
}

interface BinanceTrade {
  e: "aggTrade";
  s: string;
  E: number;
  T: number;
  a: number;
  p: string;
  q: string;
  f: number;
  l: number;
  m: boolean;
  M?: boolean;
}

interface BinanceRow {
  received_at: number;
  frame: { data: BinanceDelta | BinanceTrade | { e?: undefined } };
}

type CoinbaseFrame = { product_id: string } & (
  | { type: "snapshot"; bids: Pair[]; asks: Pair[] }
  | { type: "l2update"; changes: [side: "buy" | "sell", price: string, size: string][]; time: string }
  | {
      type: "match" | "last_match";
      trade_id: number;
      maker_order_id: string;
      taker_order_id: string;
      side: "buy" | "sell";
      size: string;
      price: string;
      sequence: number;
      time: string;
    }
  | { type: "subscriptions" }
  | { type: "ticker" }
);

// Binance joins base and quote without a separator: BTCUSDT.
const binanceQuotes = ["USDT", "BUSD", "USDC", "BTC", "ETH", "BNB", "EUR"];
const quantityUnit = QuantityUnit.BASE;

/** Loads the captured data of Binance spot, Binance futures and Coinbase from `<data>/<venue>/*.jsonl`. */
export function load(data: string): Map<string, Market> {
  const markets = new Map<string, Market>();
  function market(venue: string, native: string): Market {
    const listing = listingOf(venue, native);
    const found = markets.get(listing.venueSymbolId) ?? { listing, deltas: [], trades: [] };
    markets.set(listing.venueSymbolId, found);
    return found;
  }

  for (const venue of ["binance", "binance_futures"]) {
    for (const row of rows<BinanceBook>(join(data, venue, "books.jsonl"))) {
      const native = /symbol=(\w+)/.exec(row.url)?.[1];
      if (!native) throw new Error(`no symbol in ${row.url}`);
      const found = market(venue, native);
      found.snapshot = binanceBook(found.listing.venueSymbolId, row);
    }
    for (const row of rows<BinanceRow>(join(data, venue, "stream.jsonl"))) {
      const event = row.frame.data;
      const receivedAt = seconds(row.received_at);
      if (event.e === "depthUpdate") {
        const found = market(venue, event.s);
        found.deltas.push(binanceDelta(found.listing.venueSymbolId, event, receivedAt));
      } else if (event.e === "aggTrade") {
        const found = market(venue, event.s);
        found.trades.push(binanceTrade(found.listing.venueSymbolId, event, receivedAt));
      }
    }
  }
  for (const row of rows<{ received_at: number; frame: CoinbaseFrame }>(join(data, "coinbase", "stream.jsonl"))) {
    const frame = row.frame;
    if (frame.type === "subscriptions" || frame.type === "ticker") continue;
    const found = market("coinbase", frame.product_id);
    addCoinbase(found, frame, seconds(row.received_at));
  }
  return markets;
}

function rows<T>(path: string): T[] {
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, "utf8")
    .split("\n")
    .filter((line) => line !== "");
  return lines.map((line) => JSON.parse(line) as T);
}

function listingOf(venue: string, native: string): VenueSymbol {
  const suffix = binanceQuotes.find((candidate) => native.endsWith(candidate)) ?? "";
  const [base = "", quote = ""] =
    venue === "coinbase" ? native.split("-") : [native.slice(0, native.length - suffix.length), suffix];
  const symbolId = venue === "binance_futures" ? `${base}-${quote}-PERP-${quote}` : `${base}-${quote}-SPOT`;
  return create(VenueSymbol, {
    venueSymbolId: `${venue}:${symbolId}`,
    venueId: venue,
    symbolId,
    nativeSymbol: native,
    quantityUnit,
  });
}

function levels(pairs: Pair[]): BookLevel[] {
  return pairs.map(([price, quantity]) => create(BookLevel, { price, quantity }));
}

function seconds(unix: number): Timestamp {
  const micros = BigInt(Math.round(unix * 1e6));
  return create(TimestampSchema, { seconds: micros / 1_000_000n, nanos: Number(micros % 1_000_000n) * 1000 });
}

function millis(unix: number | undefined): Timestamp | undefined {
  return unix === undefined ? undefined : timestampFromMs(unix);
}

/** Parses a time with up to nine fractional digits; Date keeps only three. */
function iso(text: string): Timestamp {
  const fraction = /\.(\d+)/.exec(text)?.[1] ?? "";
  const whole = Date.parse(text.replace(/\.\d+/, ""));
  return create(TimestampSchema, { seconds: BigInt(whole / 1000), nanos: Number(fraction.padEnd(9, "0")) });
}

function binanceBook(venueSymbolId: string, row: BinanceBook): OrderBook {
  return create(OrderBook, {
    venueSymbolId,
    bids: levels(row.body.bids),
    asks: levels(row.body.asks),
    sequence: BigInt(row.body.lastUpdateId),
    timestamp: millis(row.body.T),
    publishedAt: millis(row.body.E),
    receivedAt: seconds(row.received_at),
    quantityUnit,
  });
}

function binanceDelta(venueSymbolId: string, event: BinanceDelta, receivedAt: Timestamp): OrderBookDelta {
  return create(OrderBookDelta, {
    venueSymbolId,
    bids: levels(event.b),
    asks: levels(event.a),
    firstSequence: BigInt(event.U),
    sequence: BigInt(event.u),
    previousSequence: event.pu === undefined ? undefined : BigInt(event.pu),
    timestamp: millis(event.T),
    publishedAt: millis(event.E),
    receivedAt,
    quantityUnit,
  });
}

function binanceTrade(venueSymbolId: string, event: BinanceTrade, receivedAt: Timestamp): Trade {
  return create(Trade, {
    tradeId: String(event.a),
    venueSymbolId,
    price: event.p,
    quantity: event.q,
    quantityUnit,
    // `m` means the buyer was the maker, so the seller was the aggressor.
    aggressor: event.m ? AggressorSide.SELLER : AggressorSide.BUYER,
    firstTradeId: String(event.f),
    lastTradeId: String(event.l),
    // `M` has no field: the key is its JSON Pointer, the value its JSON.
    venueFields: event.M === undefined ? {} : { "/M": JSON.stringify(event.M) },
    timestamp: millis(event.T),
    publishedAt: millis(event.E),
    receivedAt,
  });
}

function addCoinbase(
  market: Market,
  frame: Exclude<CoinbaseFrame, { type: "subscriptions" } | { type: "ticker" }>,
  receivedAt: Timestamp,
): void {
  const venueSymbolId = market.listing.venueSymbolId;
  if (frame.type === "snapshot") {
    market.snapshot = create(OrderBook, {
      venueSymbolId,
      bids: levels(frame.bids),
      asks: levels(frame.asks),
      receivedAt,
      quantityUnit,
    });
  } else if (frame.type === "l2update") {
    const changed = (side: string) =>
      levels(frame.changes.filter((change) => change[0] === side).map(([, price, size]): Pair => [price, size]));
    market.deltas.push(
      create(OrderBookDelta, {
        venueSymbolId,
        bids: changed("buy"),
        asks: changed("sell"),
        timestamp: iso(frame.time),
        receivedAt,
        quantityUnit,
      }),
    );
  } else {
    market.trades.push(
      create(Trade, {
        tradeId: String(frame.trade_id),
        venueSymbolId,
        price: frame.price,
        quantity: frame.size,
        quantityUnit,
        // `side` is the maker's side.
        aggressor: frame.side === "sell" ? AggressorSide.BUYER : AggressorSide.SELLER,
        rawAggressor: frame.side,
        makerOrderId: frame.maker_order_id,
        takerOrderId: frame.taker_order_id,
        sequence: BigInt(frame.sequence),
        timestamp: iso(frame.time),
        receivedAt,
      }),
    );
  }
}
