// A service and its client, with the types that a program names; it runs on this machine, in plain text.
import { type Connection, connect, follow, followBook, pages, placeOrder } from "@cq/cqc/client";
import { ServiceError } from "@cq/cqc/errors";
import type { Price, Trade } from "@cq/cqc/markets/v1";
import { type Handlers, type Server, serve, service } from "@cq/cqc/server";
import { ErrorReason, MarketData, VenueGateway } from "@cq/cqc/services/v1";
import type { Order } from "@cq/cqc/venues/v1";

const handlers: Handlers<typeof MarketData> = {
  async getPrice({ assetId }) {
    if (assetId === "XMR") throw new ServiceError(ErrorReason.NO_DATA, "no price of XMR yet");
    return { assetId, value: 65_000.5 };
  },
  async listTrades({ pageToken }) {
    return { trades: [{ tradeId: pageToken || "1" }], nextPageToken: pageToken ? "" : "2" };
  },
  async *streamPrices({ assetIds }) {
    yield { event: { case: "price", value: { assetId: assetIds[0] ?? "", value: 1 } }, resumeToken: "1" };
  },
};

/** Names the types of what needs a gateway and a book; it is only compiled. */
export async function trade(connection: Connection): Promise<Order> {
  for await (const { book, state } of followBook(connection.client(MarketData).streamOrderBook, {})) {
    if (state === "LIVE" && book?.book().bids[0]?.price === "1") break;
  }
  return placeOrder(connection.client(VenueGateway), { order: { clientOrderId: "1" } });
}

async function main(): Promise<void> {
  const server: Server = await serve([service(MarketData, handlers)], { address: "127.0.0.1:0", plaintext: true });
  const connection: Connection = connect({ target: server.address, token: "", plaintext: true });
  const marketData = connection.client(MarketData);
  const price: Price = await marketData.getPrice({ assetId: "BTC" });
  const ids: string[] = [];
  for await (const found of pages(marketData.listTrades, { venueSymbolId: "binance:BTC-USDT-SPOT" }, "trades")) {
    const item: Trade = found;
    ids.push(item.tradeId ?? "");
  }
  for await (const { event } of follow(marketData.streamPrices, { assetIds: ["BTC"] })) {
    if (event.case === "price") ids.push(event.value.assetId);
    break;
  }
  const refused: unknown = await marketData.getPrice({ assetId: "XMR" }).catch((error: unknown) => error);
  const reason: ErrorReason | undefined = ServiceError.of(refused)?.reason;
  connection.close();
  await server.stop();
  if (price.value !== 65_000.5 || ids.join() !== "1,2,BTC" || reason !== ErrorReason.NO_DATA) {
    throw new Error(`wrong: ${price.value} ${ids} ${reason}`);
  }
}

void main();
