// Rebuilds the order books of a MarketData server and hashes them.
import { createHash } from "node:crypto";
import { create, equals } from "@bufbuild/protobuf";
import { BookBuilder } from "@cq/cqc";
import { ServiceError } from "@cq/cqc/errors";
import { BookLevel, type Price, Trade } from "@cq/cqc/markets/v1";
import {
  ErrorReason,
  ListTradesRequest,
  type ListTradesResponse,
  type ListVenueSymbolsResponse,
  StreamOrderBookRequest,
  type StreamOrderBookResponse,
  type StreamTradesResponse,
} from "@cq/cqc/services/v1";
import { AssetRegistryClient, MarketDataClient } from "@cq/cqc/services/v1/grpc";
import type { VenueSymbol } from "@cq/cqc/venues/v1";
import { credentials, Metadata, type requestCallback } from "@grpc/grpc-js";

const pageSize = 5;
const top = 3;
/** Number of books that are also followed with a limited depth. */
const limitedBooks = 2;
const timeoutMs = 60_000;
// Over a network a token needs TLS: credentials.createSsl and credentials.createFromMetadataGenerator.
const metadata = new Metadata();
metadata.set("authorization", "Bearer example");

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
    await checkRefusal(registry);
    for (const listing of await listVenueSymbols(registry)) {
      const name = listing.venueSymbolId;
      const { book, deltas } = await followBook(marketData, name, 0);
      if (result.books < limitedBooks) await checkDepth(marketData, name, book);
      const trades = await allTrades(marketData, name);
      await checkPrice(marketData, listing, trades);
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

async function checkDepth(marketData: MarketDataClient, name: string, whole: BookBuilder): Promise<void> {
  const { book } = await followBook(marketData, name, top);
  if (!same(book.bids(), whole.bids().slice(0, top)) || !same(book.asks(), whole.asks().slice(0, top))) {
    throw new Error(`the best ${top} prices of ${name} differ from those of its whole book`);
  }
}

async function checkRefusal(registry: AssetRegistryClient): Promise<void> {
  const refused = await unary<ListVenueSymbolsResponse>((callback) =>
    registry.listVenueSymbols({ pageToken: "1" }, metadata, deadline(), callback),
  ).catch((error) => {
    if (ServiceError.of(error)?.reason !== ErrorReason.INVALID_PAGE_TOKEN) throw error;
  });
  if (refused) throw new Error("the server took a page token that it did not return");
}

async function listVenueSymbols(registry: AssetRegistryClient): Promise<VenueSymbol[]> {
  const found: VenueSymbol[] = [];
  let pageToken = "";
  do {
    const page = await unary<ListVenueSymbolsResponse>((callback) =>
      registry.listVenueSymbols({ pageSize, pageToken }, metadata, deadline(), callback),
    );
    found.push(...page.venueSymbols);
    pageToken = page.nextPageToken;
  } while (pageToken);
  return found;
}

function same(some: BookLevel[], others: BookLevel[]): boolean {
  return (
    some.length === others.length &&
    some.every((level, index) => {
      const other = others[index];
      return other !== undefined && equals(BookLevel, level, other);
    })
  );
}

/** Follows a book to the end. Leaves after the first delta and resumes, as after a lost connection. */
async function followBook(
  marketData: MarketDataClient,
  venueSymbolId: string,
  depth: number,
): Promise<{ book: BookBuilder; deltas: number }> {
  let book: BookBuilder | undefined;
  let deltas = 0;
  const request = create(StreamOrderBookRequest, { venueSymbolId, depth });
  let left: boolean;
  do {
    left = false;
    const stream = marketData.streamOrderBook(request, metadata, deadline());
    for await (const { event, resumeToken } of stream as AsyncIterable<StreamOrderBookResponse>) {
      if (event.case === "snapshot") {
        book = new BookBuilder(event.value);
      } else if (event.case === "delta") {
        if (!book) throw new Error(`the server sent a delta for ${venueSymbolId} before its snapshot`);
        book.apply(event.value);
        deltas++;
      } else if (event.case === "reset") {
        book = undefined;
      }
      if (deltas === 1 && !request.resumeToken) {
        request.resumeToken = resumeToken;
        left = true;
        // Leaving the loop does not cancel the call, which reports the cancellation as an error.
        stream.on("error", () => {}).cancel();
        break;
      }
    }
  } while (left);
  if (!book) throw new Error(`the server sent no snapshot for ${venueSymbolId}`);
  return { book, deltas };
}

/** Returns the trades that are listed, and those that the stream adds to the list. */
async function allTrades(marketData: MarketDataClient, venueSymbolId: string): Promise<Trade[]> {
  const trades: Trade[] = [];
  const request = create(ListTradesRequest, { venueSymbolId, pageSize });
  let token = "";
  do {
    const page = await unary<ListTradesResponse>((callback) =>
      marketData.listTrades(request, metadata, deadline(), callback),
    );
    trades.push(...page.trades);
    token ||= page.resumeToken;
    request.pageToken = page.nextPageToken;
  } while (request.pageToken);
  // What was traded while the pages were read comes twice.
  const known = new Set(trades.map(({ tradeId }) => tradeId));
  const added = await streamTrades(marketData, venueSymbolId, token);
  trades.push(...added.filter(({ tradeId }) => !known.has(tradeId)));
  const streamed = await streamTrades(marketData, venueSymbolId, "");
  const differs = (trade: Trade, index: number) => {
    const other = streamed[index];
    return other === undefined || !equals(Trade, trade, other);
  };
  if (trades.length !== streamed.length || trades.some(differs)) {
    throw new Error(`the listed trades of ${venueSymbolId} differ from the streamed ones`);
  }
  return trades;
}

async function streamTrades(marketData: MarketDataClient, venueSymbolId: string, token: string): Promise<Trade[]> {
  const trades: Trade[] = [];
  const request = { venueSymbolIds: [venueSymbolId], resumeToken: token };
  const stream: AsyncIterable<StreamTradesResponse> = marketData.streamTrades(request, metadata, deadline());
  for await (const { event } of stream) if (event.case === "trade") trades.push(event.value);
  return trades;
}

async function checkPrice(marketData: MarketDataClient, listing: VenueSymbol, trades: Trade[]): Promise<void> {
  const assetId = listing.symbolId.split("-").slice(0, 2).join("-");
  const last = trades.at(-1);
  let price: Price;
  try {
    price = await unary<Price>((callback) => marketData.getPrice({ assetId }, metadata, deadline(), callback));
  } catch (error) {
    if (!last && ServiceError.of(error)?.reason === ErrorReason.NO_DATA) return;
    throw error;
  }
  if (last && price.venueSymbolId === listing.venueSymbolId && price.value !== Number(last.price)) {
    throw new Error(`the server's price for ${assetId} is ${price.value}, but its last trade was at ${last.price}`);
  }
}
