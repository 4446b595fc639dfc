// Rebuilds the order books of a MarketData server and hashes them.
import { createHash } from "node:crypto";
import { BookBuilder } from "@cq/cqc";
import type { Price, Trade } from "@cq/cqc/markets/v1";
import {
  AssetRegistryClient,
  type ListVenueSymbolsResponse,
  MarketDataClient,
  type StreamOrderBookResponse,
  type StreamTradesResponse,
} from "@cq/cqc/services/v1";
import type { VenueSymbol } from "@cq/cqc/venues/v1";
import { credentials, type requestCallback } from "@grpc/grpc-js";

const pageSize = 5;
const timeoutMs = 60_000;

/** Totals, and a SHA-256 of the final books and trades that is the same in every language. */
export interface Result {
  books: number;
  deltas: number;
  trades: number;
  digest: string;
}

/** Consumes the streams of every listing until the server ends them. */
export async function rebuild(address: string): Promise<Result> {
  const registry = new AssetRegistryClient(address, credentials.createInsecure());
  const marketData = new MarketDataClient(address, credentials.createInsecure());
  const result: Result = { books: 0, deltas: 0, trades: 0, digest: "" };
  const lines: string[] = [];
  try {
    for (const listing of await listVenueSymbols(registry)) {
      const name = listing.venueSymbolId;
      const { book, deltas } = await followBook(marketData, name);
      const trades = await followTrades(marketData, name);
      const last = trades.at(-1);
      if (last) await checkPrice(marketData, listing, last);
      result.books++;
      result.deltas += deltas;
      result.trades += trades.length;
      lines.push(`book ${name} ${book.sequence ?? "-"}`);
      for (const { price, quantity } of book.bids()) lines.push(`b ${price} ${quantity}`);
      for (const { price, quantity } of book.asks()) lines.push(`a ${price} ${quantity}`);
      for (const trade of trades) {
        lines.push(`t ${trade.tradeId} ${trade.price} ${trade.quantity} ${trade.aggressor}`);
      }
    }
  } finally {
    registry.close();
    marketData.close();
  }
  result.digest = createHash("sha256").update(lines.join("\n")).digest("hex");
  return result;
}

function deadline(): { deadline: number } {
  return { deadline: Date.now() + timeoutMs };
}

/** Turns a callback-style unary call into a promise. */
function unary<T>(call: (callback: requestCallback<T>) => void): Promise<T> {
  return new Promise((resolve, reject) => call((error, value) => (value ? resolve(value) : reject(error))));
}

async function listVenueSymbols(registry: AssetRegistryClient): Promise<VenueSymbol[]> {
  const found: VenueSymbol[] = [];
  let pageToken = "";
  do {
    const page = await unary<ListVenueSymbolsResponse>((callback) =>
      registry.listVenueSymbols({ pageSize, pageToken }, deadline(), callback),
    );
    found.push(...page.venueSymbols);
    pageToken = page.nextPageToken;
  } while (pageToken);
  return found;
}

async function followBook(
  marketData: MarketDataClient,
  venueSymbolId: string,
): Promise<{ book: BookBuilder; deltas: number }> {
  let book: BookBuilder | undefined;
  let deltas = 0;
  const stream: AsyncIterable<StreamOrderBookResponse> = marketData.streamOrderBook({ venueSymbolId }, deadline());
  for await (const { event } of stream) {
    if (event.case === "snapshot") {
      book = new BookBuilder(event.value);
    } else if (event.case === "delta") {
      if (!book) throw new Error(`the server sent a delta for ${venueSymbolId} before its snapshot`);
      book.apply(event.value);
      deltas++;
    } else if (event.case === "reset") {
      book = undefined;
    }
  }
  if (!book) throw new Error(`the server sent no snapshot for ${venueSymbolId}`);
  return { book, deltas };
}

async function followTrades(marketData: MarketDataClient, venueSymbolId: string): Promise<Trade[]> {
  const trades: Trade[] = [];
  const stream: AsyncIterable<StreamTradesResponse> = marketData.streamTrades(
    { venueSymbolIds: [venueSymbolId] },
    deadline(),
  );
  for await (const { event } of stream) if (event.case === "trade") trades.push(event.value);
  return trades;
}

async function checkPrice(marketData: MarketDataClient, listing: VenueSymbol, last: Trade): Promise<void> {
  const pair = listing.symbolId.split("-").slice(0, 2).join("-");
  const price = await unary<Price>((callback) => marketData.getPrice({ assetId: pair }, deadline(), callback));
  if (price.venueSymbolId === listing.venueSymbolId && price.value !== Number(last.price)) {
    throw new Error(`the server's price for ${pair} is ${price.value}, but its last trade was at ${last.price}`);
  }
}
