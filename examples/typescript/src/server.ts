// Serves captured traffic through MarketData and AssetRegistry.
import type { MessageInitShape } from "@bufbuild/protobuf";
import { timestampNow } from "@bufbuild/protobuf/wkt";
import { type OrderBook, PriceKind, PriceSource } from "@cq/cqc/markets/v1";
import {
  type AssetRegistry,
  AssetRegistryService,
  type MarketData,
  MarketDataService,
  type ServiceImplementation,
  type StreamOrderBookResponse,
  type StreamTradesResponse,
} from "@cq/cqc/services/v1";
import * as grpc from "@grpc/grpc-js";
import { load, type Market } from "./mapping.js";

const defaultPageSize = 100;

/** Thrown by a handler to fail the call with a gRPC status. */
class StatusError extends Error {
  constructor(
    readonly code: grpc.status,
    readonly details: string,
  ) {
    super(details);
  }
}

/** Parses a page or resume token, which is a number of items. An empty token is zero. */
function position(token: string): number {
  if (!/^\d*$/.test(token)) {
    const details = `invalid token ${JSON.stringify(token)}: pass one that this server returned`;
    throw new StatusError(grpc.status.INVALID_ARGUMENT, details);
  }
  return Number(token);
}

function page<T>(all: T[], request: { pageSize: number; pageToken: string }): { items: T[]; nextPageToken: string } {
  const start = position(request.pageToken);
  const end = start + (request.pageSize || defaultPageSize);
  return { items: all.slice(start, end), nextPageToken: end < all.length ? String(end) : "" };
}

/** Completes a unary call with the result of `make`, or with the status it throws. */
function answer<T>(callback: grpc.sendUnaryData<T>, make: () => T): void {
  try {
    callback(null, make());
  } catch (error) {
    callback(error instanceof StatusError ? error : { code: grpc.status.INTERNAL, details: String(error) });
  }
}

/** Writes all items with backpressure, then ends the call. */
async function send<T>(call: grpc.ServerWritableStream<unknown, T>, items: () => Iterable<T>): Promise<void> {
  try {
    for (const item of items()) {
      if (call.cancelled) return;
      if (!call.write(item)) await new Promise((resolve) => call.once("drain", resolve));
    }
    call.end();
  } catch (error) {
    call.emit("error", error instanceof StatusError ? error : { code: grpc.status.INTERNAL, details: String(error) });
  }
}

type Registry = Pick<ServiceImplementation<typeof AssetRegistry>, "listVenueSymbols">;
type Replay = Pick<
  ServiceImplementation<typeof MarketData>,
  "getPrice" | "getOrderBook" | "streamOrderBook" | "listTrades" | "streamTrades"
>;

/** Markets with a snapshot, sorted by name. */
type Captured = Map<string, Market & { snapshot: OrderBook }>;

function registry(markets: Captured): Registry {
  const listings = [...markets.values()].map((market) => market.listing);
  return {
    listVenueSymbols: (call, callback) =>
      answer(callback, () => {
        const { items, nextPageToken } = page(listings, call.request);
        return { venueSymbols: items, nextPageToken };
      }),
  };
}

function replay(markets: Captured): Replay {
  function market(name: string) {
    const found = markets.get(name);
    if (found) return found;
    const details = `no captured data for ${name}; call ListVenueSymbols for the valid ids`;
    throw new StatusError(grpc.status.NOT_FOUND, details);
  }
  return {
    // Returns the last captured trade price of a pair such as BTC-USD.
    getPrice: (call, callback) =>
      answer(callback, () => {
        const [asset = "", quote = "USD"] = call.request.assetId.split("-");
        for (const [name, { listing, trades }] of markets) {
          const trade = trades.at(-1);
          if (!trade || !listing.symbolId.startsWith(`${asset}-${quote}-`)) continue;
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
        throw new StatusError(grpc.status.NOT_FOUND, `no captured trade for ${call.request.assetId}`);
      }),
    // Returns the captured snapshot, cut to the requested depth.
    getOrderBook: (call, callback) =>
      answer(callback, () => {
        const { snapshot } = market(call.request.venueSymbolId);
        const { depth } = call.request;
        if (depth === 0) return { orderBook: snapshot };
        const bids = snapshot.bids.slice(0, depth);
        const asks = snapshot.asks.slice(0, depth);
        return { orderBook: { ...snapshot, bids, asks, depth } };
      }),
    // Streams the snapshot and the captured deltas, then ends. The resume token is the number of deltas sent.
    streamOrderBook: (call) =>
      send(call, function* (): Iterable<MessageInitShape<typeof StreamOrderBookResponse>> {
        const { snapshot, deltas } = market(call.request.venueSymbolId);
        const sent = position(call.request.resumeToken);
        if (!call.request.resumeToken) yield { event: { case: "snapshot", value: snapshot }, resumeToken: "0" };
        for (const [index, value] of deltas.entries()) {
          if (index >= sent) yield { event: { case: "delta", value }, resumeToken: String(index + 1) };
        }
        yield {
          event: { case: "heartbeat", value: { sentAt: timestampNow() } },
          resumeToken: String(deltas.length),
        };
      }),
    // Returns one page of captured trades.
    listTrades: (call, callback) =>
      answer(callback, () => {
        const { items, nextPageToken } = page(market(call.request.venueSymbolId).trades, call.request);
        return { trades: items, nextPageToken };
      }),
    // Streams the captured trades of the listings, then ends. The resume token is the number of trades sent.
    streamTrades: (call) =>
      send(call, function* (): Iterable<MessageInitShape<typeof StreamTradesResponse>> {
        const trades = call.request.venueSymbolIds.flatMap((name) => market(name).trades);
        const sent = position(call.request.resumeToken);
        for (const [index, value] of trades.entries()) {
          if (index >= sent) yield { event: { case: "trade", value }, resumeToken: String(index + 1) };
        }
      }),
  };
}

/** Serves until SIGTERM or SIGINT. The first line printed is the listening address. */
export function serve(data: string, address: string): void {
  const markets: Captured = new Map();
  const loaded = [...load(data)].sort(([one], [other]) => (one < other ? -1 : 1));
  for (const [name, { snapshot, ...market }] of loaded) if (snapshot) markets.set(name, { ...market, snapshot });
  const server = new grpc.Server();
  server.addService(MarketDataService, replay(markets));
  server.addService(AssetRegistryService, registry(markets));
  server.bindAsync(address, grpc.ServerCredentials.createInsecure(), (error, port) => {
    if (error) throw error;
    console.log(`listening on ${address.slice(0, address.lastIndexOf(":"))}:${port}`);
  });
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => server.forceShutdown());
}
