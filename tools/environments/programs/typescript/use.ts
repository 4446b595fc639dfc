// A trading program, checked in strict mode with each compiler and module resolution, and run where it can be.
import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { BookBuilder, toUnixNanos } from "@cq/cqc";
import { type Exact, parseDecimal } from "@cq/cqc/decimal";
import { ServiceError } from "@cq/cqc/errors";
import { Event } from "@cq/cqc/events/v1";
import { OrderBook, Price, type PriceSchema } from "@cq/cqc/markets/v1";
import { ErrorReason, MarketData } from "@cq/cqc/services/v1";
import { type Violation, validate } from "@cq/cqc/validate";

const wanted: MessageInitShape<typeof PriceSchema> = { assetId: "BTC-USD", value: 65_000.5 };
const price: Price = fromBinary(Price, toBinary(Price, create(Price, wanted)));
const book: OrderBook = create(OrderBook, {
  venueSymbolId: "binance:BTC-USDT-SPOT",
  bids: [{ price: "0.10", quantity: "3" }],
});
const builder: BookBuilder = new BookBuilder(book);
const bid: string | undefined = builder.book().bids[0]?.price;
const doubled: Exact = parseDecimal(bid ?? "0").times(2);
const violations: Violation[] = validate(Price, create(Price));
const refused: ServiceError = new ServiceError(ErrorReason.NO_DATA, "no price yet");
const nanos: bigint | undefined = price.receivedAt && toUnixNanos(price.receivedAt);
const event: Event = create(Event);
// @ts-expect-error a field that does not exist
const wrong: MessageInitShape<typeof PriceSchema> = { asset: "BTC" };

const facts: unknown[] = [price.value, bid, doubled.toFixed(), refused.reason === ErrorReason.NO_DATA, nanos];
const named: boolean = MarketData.method.getPrice.output.typeName === "cqc.markets.v1.Price";
if (violations.length === 0 || !named || !event || !wrong) throw new Error("validation or descriptors do not work");
if (facts.join() !== "65000.5,0.10,0.2,true,") throw new Error(`wrong: ${facts}`);
