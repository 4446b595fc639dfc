// Serves captured traffic through MarketData and AssetRegistry, as the comments of the protos specify. A replay has no
// pauses, so no heartbeat falls due within a stream, and it ends after the captured traffic.
import { createHash } from "node:crypto";
import { clone, create, equals, type MessageInitShape } from "@bufbuild/protobuf";
import { type Timestamp, timestampDate, timestampNow } from "@bufbuild/protobuf/wkt";
import { BookBuilder, BookError, toUnixNanos } from "@cq/cqc";
import { accessServerInterceptor, type Principal } from "@cq/cqc/access";
import { ServiceError } from "@cq/cqc/errors";
import { statusOf } from "@cq/cqc/grpc";
import { validationServerInterceptor } from "@cq/cqc/interceptors";
import {
  BookAction,
  BookLevel,
  ChecksumKind,
  OrderBook,
  OrderBookDelta,
  PriceKind,
  PriceSource,
  type Trade,
} from "@cq/cqc/markets/v1";
import {
  type AssetRegistry,
  ErrorReason,
  type MarketData,
  StreamOrderBookResponse,
  StreamResetReason,
  type StreamTradesResponse,
} from "@cq/cqc/services/v1";
import { AssetRegistryService, MarketDataService, type ServiceImplementation } from "@cq/cqc/services/v1/grpc";
import * as grpc from "@grpc/grpc-js";
import { load, type Market } from "./mapping.js";

const defaultPageSize = 100;

/** Returns the holder of a token. A real service asks its identity provider, and serves over TLS. */
function verify(token: string): Principal | undefined {
  if (token !== "example") return undefined;
  return { subject: "reader", scopes: new Set(["market.read", "registry.read"]), accounts: new Set() };
}

type Filters = readonly unknown[];

/** Returns a token that only a request with the same filters takes. */
function tokenOf(position: number, filters: Filters): string {
  return `${position}-${createHash("sha256").update(JSON.stringify(filters)).digest("hex").slice(0, 16)}`;
}

/** Returns how many of `size` items come before the token. An empty token is before the first. */
function positionOf(token: string, reason: ErrorReason, size: number, filters: Filters): number {
  const position = Number.parseInt(token, 10) || 0;
  if (token && (position > size || token !== tokenOf(position, filters))) {
    const message = `${JSON.stringify(token)} is not a token that this server returned for the same filters`;
    throw new ServiceError(reason, message);
  }
  return position;
}

function page<T>(
  all: T[],
  request: { pageSize: number; pageToken: string },
  filters: Filters,
): { items: T[]; nextPageToken: string } {
  const start = positionOf(request.pageToken, ErrorReason.INVALID_PAGE_TOKEN, all.length, filters);
  const end = start + (request.pageSize || defaultPageSize);
  return { items: all.slice(start, end), nextPageToken: end < all.length ? tokenOf(end, filters) : "" };
}

/** A time as a filter: JSON has no bigint. */
function filterOf(time: Timestamp | undefined): string {
  return time ? `${toUnixNanos(time)}` : "";
}

function notFound(type: string, id: string): ServiceError {
  const message = `no ${type} ${id} was captured; call ListVenueSymbols for the valid ids`;
  return new ServiceError(ErrorReason.RECORD_NOT_FOUND, message, {
    metadata: { type, id, checked_at: new Date().toISOString() },
  });
}

function failed(error: unknown): Partial<grpc.StatusObject> {
  if (error instanceof ServiceError) return statusOf(error);
  return { code: grpc.status.INTERNAL, details: String(error) };
}

/** Completes a unary call with the result of `make`, or with the status of the error it throws. */
function answer<T>(callback: grpc.sendUnaryData<T>, make: () => T): void {
  try {
    callback(null, make());
  } catch (error) {
    callback(failed(error));
  }
}

/** Writes all items with backpressure, then ends the call. */
async function send<T>(call: grpc.ServerWritableStream<unknown, T>, items: () => Iterable<T>): Promise<void> {
  try {
    for (const item of items()) {
      if (call.cancelled) return;
      if (!call.write(item)) await new Promise((resolve) => call.once("drain", resolve).once("cancelled", resolve));
    }
    call.end();
  } catch (error) {
    call.emit("error", failed(error));
  }
}

type Registry = Pick<ServiceImplementation<typeof AssetRegistry>, "listVenueSymbols">;
type Replay = Pick<
  ServiceImplementation<typeof MarketData>,
  "getPrice" | "getOrderBook" | "streamOrderBook" | "listTrades" | "streamTrades"
>;

type Whole = Market & { snapshot: OrderBook };
/** Markets with a snapshot, sorted by name. */
type Captured = Map<string, Whole>;

/** Lists the captured listings. It keeps no history, and none of them changes. */
function registry(markets: Captured): Registry {
  const listings = [...markets.values()].map((market) => market.listing);
  const started = timestampNow();
  return {
    listVenueSymbols: (call, callback) =>
      answer(callback, () => {
        const { venueId, symbolId, validAt, asOf } = call.request;
        if (asOf && toUnixNanos(asOf) < toUnixNanos(started)) {
          const oldest = timestampDate(started).toISOString();
          const metadata = { oldest };
          throw new ServiceError(ErrorReason.AS_OF_NOT_KEPT, `the history starts at ${oldest}`, { metadata });
        }
        const found = listings.filter(
          (listing) =>
            (venueId === undefined || venueId === listing.venueId) &&
            (symbolId === undefined || symbolId === listing.symbolId),
        );
        const filters = ["listings", venueId, symbolId, filterOf(validAt), filterOf(asOf)];
        const { items, nextPageToken } = page(found, call.request, filters);
        return { venueSymbols: items, nextPageToken };
      }),
  };
}

function replay(markets: Captured): Replay {
  function market(name: string): Whole {
    const found = markets.get(name);
    if (!found) throw notFound("VenueSymbol", name);
    return found;
  }
  return {
    // Returns the last captured trade price of a pair such as BTC-USD.
    getPrice: (call, callback) =>
      answer(callback, () => {
        const [asset = "", quote = "USD"] = call.request.assetId.split("-");
        const known = new Set<string>();
        for (const [name, { listing, trades }] of markets) {
          const [base = "", priced = ""] = listing.symbolId.split("-");
          known.add(base).add(priced);
          const trade = trades.at(-1);
          if (!trade || base !== asset || priced !== quote) continue;
          return {
            assetId: call.request.assetId,
            value: Number(trade.price),
            timestamp: trade.timestamp,
            quoteAssetId: quote,
            venueSymbolId: name,
            kind: PriceKind.LAST,
            source: PriceSource.VENUE,
            receivedAt: trade.receivedAt,
          };
        }
        for (const part of [asset, quote]) if (!known.has(part)) throw notFound("Asset", part);
        throw new ServiceError(ErrorReason.NO_DATA, `no trade of ${call.request.assetId} was captured`);
      }),
    // Returns the captured snapshot, cut to the requested depth.
    getOrderBook: (call, callback) =>
      answer(callback, () => ({ orderBook: cut(market(call.request.venueSymbolId).snapshot, call.request.depth) })),
    // Streams the snapshot and the captured deltas, then ends. A token holds the number of messages before it.
    streamOrderBook: (call) =>
      send(call, function* (): Iterable<MessageInitShape<typeof StreamOrderBookResponse>> {
        const { venueSymbolId, depth, resumeToken } = call.request;
        const filters = ["book", venueSymbolId, depth];
        const messages = [...steps(market(venueSymbolId), depth)];
        let sent = positionOf(resumeToken, ErrorReason.INVALID_RESUME_TOKEN, messages.length, filters);
        if (sent < 2) {
          // The client left before SnapshotComplete, so it does not know the state.
          sent = 0;
        } else {
          const value = { sentAt: timestampNow() };
          yield { event: { case: "heartbeat", value }, resumeToken: tokenOf(sent, filters) };
        }
        for (const { event } of messages.slice(sent)) {
          sent++;
          yield { event, resumeToken: event.case === "reset" ? "" : tokenOf(sent, filters) };
        }
      }),
    // Returns one page of captured trades. The resume token continues after the last captured trade.
    listTrades: (call, callback) =>
      answer(callback, () => {
        const { venueSymbolId, startTime, endTime } = call.request;
        const { trades } = market(venueSymbolId);
        const found = trades.filter(
          (trade) =>
            (!startTime || toUnixNanos(startTime) <= timeOf(trade)) &&
            (!endTime || timeOf(trade) < toUnixNanos(endTime)),
        );
        const filters = ["trades", venueSymbolId, filterOf(startTime), filterOf(endTime)];
        const { items, nextPageToken } = page(found, call.request, filters);
        const resumeToken = endTime ? "" : tokenOf(trades.length, ["trades", [venueSymbolId]]);
        return { trades: items, nextPageToken, resumeToken };
      }),
    // Streams the captured trades of the listings, then ends. A token holds the number of trades before it.
    streamTrades: (call) =>
      send(call, function* (): Iterable<MessageInitShape<typeof StreamTradesResponse>> {
        const { venueSymbolIds, resumeToken } = call.request;
        const trades = venueSymbolIds.flatMap((name) => market(name).trades);
        const filters = ["trades", venueSymbolIds];
        let sent = positionOf(resumeToken, ErrorReason.INVALID_RESUME_TOKEN, trades.length, filters);
        const heartbeat = { sentAt: timestampNow() };
        yield { event: { case: "heartbeat", value: heartbeat }, resumeToken: tokenOf(sent, filters) };
        for (const value of trades.slice(sent)) {
          sent++;
          yield { event: { case: "trade", value }, resumeToken: tokenOf(sent, filters) };
        }
      }),
  };
}

function timeOf(trade: Trade): bigint {
  const time = trade.timestamp ?? trade.receivedAt;
  return time ? toUnixNanos(time) : 0n;
}

/** Returns the best `depth` prices of each side, or the whole book for 0. */
function cut(book: OrderBook, depth: number): OrderBook {
  const made = clone(OrderBook, book);
  if (depth > 0) {
    made.bids = made.bids.slice(0, depth);
    made.asks = made.asks.slice(0, depth);
    made.depth = depth;
    made.checksum = undefined;
    made.checksumKind = ChecksumKind.UNSPECIFIED;
  }
  return made;
}

/** Yields the messages of a book's stream, without tokens. */
function* steps(market: Whole, depth: number): Iterable<StreamOrderBookResponse> {
  const step = (event: MessageInitShape<typeof StreamOrderBookResponse>["event"]) =>
    create(StreamOrderBookResponse, { event });
  yield step({ case: "snapshot", value: cut(market.snapshot, depth) });
  yield step({ case: "snapshotComplete", value: {} });
  const book = new BookBuilder(market.snapshot);
  let last = book.sequence;
  let bids = book.bids().slice(0, depth);
  let asks = book.asks().slice(0, depth);
  for (const captured of market.deltas) {
    try {
      if (!book.apply(captured)) continue;
    } catch (error) {
      if (!(error instanceof BookError)) throw error;
      // No later snapshot was captured, so the book stays unknown.
      yield step({ case: "reset", value: { reason: StreamResetReason.SEQUENCE_GAP, detail: error.message } });
      return;
    }
    const delta = clone(OrderBookDelta, captured);
    if (depth > 0) {
      const [oldBids, oldAsks] = [bids, asks];
      bids = book.bids().slice(0, depth);
      asks = book.asks().slice(0, depth);
      delta.bids = changes(oldBids, bids);
      delta.asks = changes(oldAsks, asks);
      delta.checksum = undefined;
      delta.checksumKind = ChecksumKind.UNSPECIFIED;
      if (delta.bids.length + delta.asks.length === 0) continue;
    }
    // What is left out must not look like a gap.
    if (last !== undefined && delta.sequence !== undefined) {
      delta.previousSequence = last;
      last = delta.sequence;
    }
    yield step({ case: "delta", value: delta });
  }
}

/** Returns the levels that turn one side into another. Deletions come first, because 1.0 may become 1.00. */
function changes(before: BookLevel[], after: BookLevel[]): BookLevel[] {
  const kept = new Set(after.map((level) => level.price));
  const known = new Map(before.map((level) => [level.price, level]));
  const gone = before
    .filter(({ price }) => !kept.has(price))
    .map(({ price }) => create(BookLevel, { price, quantity: "0", action: BookAction.DELETE }));
  const set = after.filter((level) => {
    const old = known.get(level.price);
    return !old || !equals(BookLevel, old, level);
  });
  return [...gone, ...set];
}

/** Serves until SIGTERM or SIGINT. The first line printed is the listening address. */
export function serve(data: string, address: string): void {
  const markets: Captured = new Map();
  const loaded = [...load(data)].sort(([one], [other]) => (one < other ? -1 : 1));
  for (const [name, { snapshot, ...market }] of loaded) if (snapshot) markets.set(name, { ...market, snapshot });
  const server = new grpc.Server({ interceptors: [accessServerInterceptor(verify), validationServerInterceptor] });
  server.addService(MarketDataService, replay(markets));
  server.addService(AssetRegistryService, registry(markets));
  server.bindAsync(address, grpc.ServerCredentials.createInsecure(), (error, port) => {
    if (error) throw error;
    console.log(`listening on ${address.slice(0, address.lastIndexOf(":"))}:${port}`);
  });
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => server.forceShutdown());
}
