// What editors and compilers make of the client: docs on hover, inferred items, and errors for wrong names.
import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import ts from "typescript-5.9";
import { documentationAt, languageService } from "./language_service.mjs";

const file = fileURLToPath(new URL("client_types.mts", import.meta.url));
const text = `
import { create } from "@bufbuild/protobuf";
import { createClient, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-web";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { BookState, connect, follow, followBook, pages, placeOrder, type Client } from "@cq/cqc/client";
import { connect as connectConnect, type Connection } from "@cq/cqc/connect";
import { serve, service, type Handlers } from "@cq/cqc/server";
import { type Order } from "@cq/cqc/venues/v1";
import { type Trade } from "@cq/cqc/markets/v1";
import { EventLog, GetPriceRequest, MarketData, Portfolio, VenueGateway } from "@cq/cqc/services/v1";

const market = connect({ target: "localhost:50051" }).client(MarketData);
const price = await market.getPrice({ assetId: "BTC" });
const value: number = price.value;
await market.getPrice(create(GetPriceRequest, { assetId: "BTC" }), { timeoutMs: 1000, headers: { a: "b" } });
// @ts-expect-error
await market.getPrice({ asset_id: "BTC" });
// @ts-expect-error
await market.getPrices({ assetId: "BTC" });
// @ts-expect-error
price.asset;

for await (const trade of pages(market.listTrades, { venueSymbolId: "x" }, "trades")) {
  const exact: Trade = trade;
  // @ts-expect-error
  trade.nothing;
}
// @ts-expect-error
pages(market.listTrades, { venueSymbolId: "x" }, "candles");
// @ts-expect-error
pages(market.listTrades, { venueSymbolId: "x" }, "nextPageToken");
// @ts-expect-error
pages(market.listTrades, { venue_symbol_id: "x" }, "trades");
// @ts-expect-error
pages(market.getPrice, { assetId: "x" }, "value");

for await (const { event } of follow(market.streamTrades, { venueSymbolIds: ["x"] }, { onLost: ({ cause, delayMs }) => {} })) {
  if (event.case === "trade") { const exact: Trade = event.value; }
  // @ts-expect-error
  if (event.case === "snapshot") {}
}
// @ts-expect-error
follow(market.getPrice, { assetId: "x" });
// @ts-expect-error
follow(market.streamTrades, { venueSymbolId: "x" });
follow(connect().client(EventLog).streamEvents, {});
for await (const { book, state, reason } of followBook(market.streamOrderBook, { venueSymbolId: "x" })) {
  if (state === BookState.LIVE) book.bids()[0]?.price;
  // @ts-expect-error
  if (state === BookState.RESET) book.bids();
  const text: string = reason;
}
// @ts-expect-error
followBook(market.streamTrades, { venueSymbolIds: ["x"] });

const order: Order = await placeOrder(connect().client(VenueGateway), { order: { accountId: "a", clientOrderId: "c" } });
// @ts-expect-error
placeOrder(market, {});

// The clients of Connect can be used too, and all its transports.
declare const transport: Transport;
const connected = createClient(MarketData, transport);
follow(connected.streamTrades, { venueSymbolIds: ["x"] });
pages(connected.listTrades, { venueSymbolId: "x" }, "trades");
placeOrder(createClient(VenueGateway, transport), {});
const assignable: Client<typeof MarketData> = connected;
const connections: Connection[] = [
  connectConnect({ transport }),
  connectConnect({ transport: createConnectTransport, baseUrl: "https://x", token: async () => "t" }),
  connectConnect({ transport: createGrpcWebTransport, baseUrl: "https://x" }),
  connectConnect({ transport: createGrpcTransport, baseUrl: "https://x" }),
  connect(),
];

class Market implements Handlers<typeof MarketData> {
  async getPrice({ assetId }: { assetId: string }) { return { assetId, value: 1 }; }
  async *streamTrades() { yield { resumeToken: "t" }; }
}
await serve([
  service(MarketData, new Market()),
  service(Portfolio, { createPortfolio: ({ requestId }, { principal, signal }) => ({ portfolio: { portfolioId: requestId } }) }),
  service(VenueGateway, {
    // @ts-expect-error
    getOrder: ({ key }) => ({ order: { id: key?.accountId } }),
  }),
  // @ts-expect-error
  service(EventLog, { listEvent: () => ({}) }),
]);
console.log(value, order, assignable, connections);
export {};
`;
const options = {
  module: ts.ModuleKind.NodeNext,
  target: ts.ScriptTarget.ES2022,
  strict: true,
  exactOptionalPropertyTypes: true,
  skipLibCheck: true,
  types: ["node"],
};
const service = languageService(file, text, options);
const hovered = (code) => documentationAt(service, file, text.indexOf(code) + code.lastIndexOf(".") + 1);

test("names and types are checked, and items inferred", () => {
  const found = service.getSemanticDiagnostics(file).map(({ messageText, start }) => {
    const line = text.slice(0, start).split("\n").length;
    return `line ${line}: ${ts.flattenDiagnosticMessageText(messageText, "\n")}`;
  });
  assert.deepEqual(found, []);
});

test("methods show the comments of the contract", () => {
  assert.match(hovered("market.getPrice"), /^Returns the newest price/);
  assert.match(hovered("market.listTrades"), /^Lists past trades of a listing, oldest first/);
  assert.match(hovered("market.streamTrades"), /^Streams the trades of listings/);
  assert.match(hovered("price.value"), /./);
});
