// Every way to import the package, checked by the compiler in strict mode.
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { timestampNow } from "@bufbuild/protobuf/wkt";
import {
  applyStated,
  BookBuilder,
  canTransition,
  descriptorSet,
  displayName,
  parseDisplayName,
  toUnixNanos,
} from "@cq/cqc";
import { type Asset, AssetType, Token } from "@cq/cqc/assets/v1";
import { attributes, natsSubject, UnknownEventError } from "@cq/cqc/bus";
import { type Anomaly, AnomalyKind, checkBook, checkReferences } from "@cq/cqc/checks";
import { type Exact, formatDecimal, parseDecimal } from "@cq/cqc/decimal";
import { Event } from "@cq/cqc/events/v1";
import { validationClientInterceptor, validationServerInterceptor } from "@cq/cqc/interceptors";
import { MarketSymbol, OrderBook, Price, PriceSchema, QuantityUnit, Ticker, TickerSchema } from "@cq/cqc/markets/v1";
import { type Amount, notional, UnitNotReconcilableError } from "@cq/cqc/notional";
import type { MarketData } from "@cq/cqc/services/v1";
import { MarketDataClient, MarketDataService, type ServiceImplementation } from "@cq/cqc/services/v1/grpc";
import { type Violation, validate, withRules } from "@cq/cqc/validate";
import { OrderStatus, OrderStatusSchema, type OrderType, OrderTypeSchema, VenueSymbol } from "@cq/cqc/venues/v1";
import * as grpc from "@grpc/grpc-js";

const price: Price = create(Price, { assetId: "BTC-USD", value: 67890.5, timestamp: timestampNow() });
const same: Price = create(PriceSchema, price);
const token: Token = create(Token, { assetId: "USDC", type: AssetType.TOKEN });
const asset: Asset = token;
const book: OrderBook = create(OrderBook, { bids: [{ price: "0.10", quantity: "3" }] });
const quantity: string | undefined = book.bids[0]?.quantity;

type Handlers = ServiceImplementation<typeof MarketData>;
const handlers: Pick<Handlers, "getPrice" | "streamOrderBook"> = {
  getPrice(call, callback) {
    const assetId: string = call.request.assetId;
    callback(null, { assetId, value: 1 });
  },
  streamOrderBook(call) {
    call.write({ event: { case: "snapshot", value: book } });
    call.end();
  },
};
const server = new grpc.Server();
server.addService(MarketDataService, handlers);

const client: MarketDataClient = new MarketDataClient("127.0.0.1:1", grpc.credentials.createInsecure());
client.getPrice({ assetId: "BTC-USD" }, (error, price) => {
  const value: number | undefined = price?.value;
  console.log(error?.code, value);
});
client.streamOrderBook({ venueSymbolId: "binance:BTC-USDT-SPOT" }).on("data", (step) => console.log(step));
// @ts-expect-error a field that does not exist
const wrong: MessageInitShape<typeof PriceSchema> = { asset: "BTC" };
// @ts-expect-error a field of the wrong type
client.getPrice({ assetId: 5 }, () => {});

const validatingServer = new grpc.Server({ interceptors: [validationServerInterceptor] });
const validatingClient = new MarketDataClient("127.0.0.1:1", grpc.credentials.createInsecure(), {
  interceptors: [validationClientInterceptor],
});
const violations: Violation[] = [...validate(PriceSchema, price), ...validate(withRules(Price), price)];
const anomalies: Anomaly[] = checkBook(new BookBuilder(book).book());
const crossed: Anomaly | undefined = anomalies.find(({ kind }) => kind === AnomalyKind.BOOK_CROSSED);
const missing: Anomaly[] = checkReferences(PriceSchema, price);
const worth: Amount = notional("1", "2", QuantityUnit.BASE, create(VenueSymbol), create(MarketSymbol));
const exact: Exact = parseDecimal("0.10").plus(worth.value);
const refused = new UnitNotReconcilableError("a:B", QuantityUnit.CONTRACTS, "its size is not known");
const reason: "UNIT_NOT_RECONCILABLE" = refused.reason;
const legal: boolean = canTransition(OrderStatusSchema, OrderStatus.NEW, OrderStatus.FILLED);
const ticker: Ticker = applyStated(TickerSchema, create(Ticker), create(Ticker, { stated: { paths: ["ask_price"] } }));
const event: Event = create(Event);
const published: [Record<string, string>, string] = [attributes(event), natsSubject(event)];
const unknown: bigint = new UnknownEventError(event).sequence;
const nanos: bigint | undefined = price.timestamp && toUnixNanos(price.timestamp);
const orderType: OrderType = parseDisplayName(OrderTypeSchema, displayName(OrderTypeSchema, 2));

export const used = [
  ...[same, asset, quantity, wrong, descriptorSet().file.length, validatingServer, validatingClient],
  ...[violations, anomalies, crossed, formatDecimal(exact), nanos, orderType],
  ...[missing, reason, legal, ticker, published, unknown],
];
