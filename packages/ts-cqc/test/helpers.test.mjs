// The helpers: validation, interceptors, decimals, timestamps, display names, books, transitions, checks.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { create, fromBinary } from "@bufbuild/protobuf";
import { anyUnpack, TimestampSchema } from "@bufbuild/protobuf/wkt";
import { canTransition, displayName, fromUnixNanos, parseDisplayName, toUnixNanos } from "@cq/cqc";
import { AnomalyKind, checkBook, checkCandle, checkExecution, checkReferences } from "@cq/cqc/checks";
import { formatDecimal, parseDecimal } from "@cq/cqc/decimal";
import { validationClientInterceptor, validationServerInterceptor } from "@cq/cqc/interceptors";
import { CandleSchema, OrderBookSchema, PriceSchema, SwapSchema } from "@cq/cqc/markets/v1";
import { CreateSymbolRequestSchema, NewOrderSchema } from "@cq/cqc/services/v1";
import { MarketDataClient, MarketDataService } from "@cq/cqc/services/v1/grpc";
import { validate } from "@cq/cqc/validate";
import {
  BalanceSchema,
  ExecType,
  ExecutionReportSchema,
  OrderStatus,
  OrderStatusSchema,
  OrderType,
  OrderTypeSchema,
  TransferStateSchema,
} from "@cq/cqc/venues/v1";
import * as grpc from "@grpc/grpc-js";
import { BigNumber } from "bignumber.js";
import fc from "fast-check";

const details = (name) => new URL(`node_modules/@cq/cqc/dist/esm/gen/google/rpc/${name}_pb.js`, import.meta.url);
const { BadRequestSchema } = await import(details("error_details"));
const { StatusSchema } = await import(details("status"));
const name = "binance:BTC-USDT-SPOT";

const plain = fc
  .tuple(
    fc.boolean(),
    fc.bigInt({ min: 0n, max: 10n ** 78n - 1n }),
    fc.string({ unit: fc.constantFrom(..."0123456789"), maxLength: 38 }),
  )
  .map(([negative, whole, fraction]) => {
    const text = fraction ? `${whole}.${fraction}` : `${whole}`;
    return negative && /[1-9]/.test(text) ? `-${text}` : text;
  });

test("violations have field, rule id and message", () => {
  const found = new Map(
    validate(NewOrderSchema, create(NewOrderSchema, { type: OrderType.LIMIT, slippageLimitBps: "1.00001" })).map(
      (violation) => [violation.ruleId, violation],
    ),
  );
  assert.deepEqual(found.get("new_order.limit_price"), {
    field: "",
    ruleId: "new_order.limit_price",
    message: "a limit order needs exactly one of price, volatility_price, strike_asset_price and price_match",
  });
  assert.equal(found.get("required").field, "size");
  assert.equal(found.get("string.decimal_max_scale").field, "slippage_limit_bps");
  const request = create(CreateSymbolRequestSchema, { symbol: { legs: [{ symbolId: "A-B-SPOT", ratio: "0" }] } });
  assert.ok(validate(CreateSymbolRequestSchema, request).some(({ field }) => field === "symbol.legs[0].ratio"));
  assert.deepEqual(validate(PriceSchema, create(PriceSchema, { assetId: "BTC-USD" })), []);
});

const servers = [];
const clients = {};
before(async () => {
  for (const side of ["server", "client"]) {
    const server = new grpc.Server(side === "server" ? { interceptors: [validationServerInterceptor] } : {});
    const handlers = {
      getPrice: (call, callback) => callback(null, { assetId: call.request.assetId }),
      streamPrices(call) {
        call.write({ event: { case: "price", value: { assetId: call.request.assetIds[0] } } });
        call.end();
      },
    };
    server.addService(MarketDataService, handlers);
    const port = await new Promise((resolve, reject) => {
      server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, bound) =>
        error ? reject(error) : resolve(bound),
      );
    });
    servers.push(server);
    const interceptors = side === "client" ? [validationClientInterceptor] : [];
    clients[side] = new MarketDataClient(`127.0.0.1:${port}`, grpc.credentials.createInsecure(), { interceptors });
  }
});
after(() => {
  for (const client of Object.values(clients)) client.close();
  for (const server of servers) server.forceShutdown();
});

const getPrice = (client, assetId) =>
  new Promise((resolve, reject) => {
    client.getPrice({ assetId }, (error, price) => (error ? reject(error) : resolve(price)));
  });
async function streamPrices(client, assetId) {
  const found = [];
  for await (const { event } of client.streamPrices({ assetIds: [assetId] })) found.push(event.value.assetId);
  return found;
}
const isInvalidArgument = (field) => (error) => {
  assert.equal(error.code, grpc.status.INVALID_ARGUMENT);
  assert.match(error.details, /^invalid cqc[.]services[.]v1[.]/);
  const [data] = error.metadata.get("grpc-status-details-bin");
  const rejected = fromBinary(StatusSchema, data).details.map((detail) => anyUnpack(detail, BadRequestSchema));
  const [violation] = rejected.find((detail) => detail !== undefined).fieldViolations;
  assert.equal(violation.field, field);
  assert.equal(violation.reason, "string.asset_reference");
  assert.ok(violation.description);
  return true;
};

for (const side of ["server", "client"]) {
  test(`the ${side} interceptor passes valid requests and rejects invalid ones`, async () => {
    assert.equal((await getPrice(clients[side], "BTC-USD")).assetId, "BTC-USD");
    assert.deepEqual(await streamPrices(clients[side], "ETH"), ["ETH"]);
    await assert.rejects(getPrice(clients[side], "btc"), isInvalidArgument("asset_id"));
    await assert.rejects(streamPrices(clients[side], "btc"), isInvalidArgument("asset_ids[0]"));
  });
}

test("the client reports an invalid request once its stream can be listened to", async () => {
  const failure = await new Promise((resolve) => {
    const stream = clients.client.streamPrices({ assetIds: ["btc"] });
    // Later than the same turn, as after an await.
    Promise.resolve().then(() => stream.on("error", resolve));
  });
  assert.ok(isInvalidArgument("asset_ids[0]")(failure));
  let returned = false;
  await new Promise((resolve) => {
    clients.client.getPrice({ assetId: "btc" }, () => resolve(assert.ok(returned)));
    returned = true;
  });
});

test("a value of the wrong type fails the call, with its cause", async () => {
  await assert.rejects(getPrice(clients.client, 5), (error) => {
    assert.equal(error.code, grpc.status.INTERNAL);
    assert.match(error.details, /GetPriceRequest cannot be validated/);
    return true;
  });
});

test("decimals round-trip digit for digit", () => {
  fc.assert(
    fc.property(plain, (text) => {
      assert.equal(formatDecimal(parseDecimal(text), (text.split(".")[1] ?? "").length), text);
    }),
  );
  assert.equal(formatDecimal(new BigNumber("2.288e-5")), "0.00002288");
  assert.equal(formatDecimal(new BigNumber("1e3")), "1000");
  assert.equal(formatDecimal(new BigNumber("-0"), 2), "0.00");
  for (const text of ["", "-0", "01", "1.", ".5", "1e-8", "NaN", "+1", "\u0661", "1\n", "9".repeat(79)]) {
    assert.throws(() => parseDecimal(text), RangeError, text);
  }
  for (const text of ["NaN", "Infinity", "1e78", "1e-39"]) {
    assert.throws(() => formatDecimal(new BigNumber(text)), RangeError, text);
  }
  assert.throws(() => formatDecimal(new BigNumber(1), 39), RangeError);
});

test("nanoseconds round-trip", () => {
  const limits = { min: -62_135_596_800_000_000_000n, max: 253_402_300_799_999_999_999n };
  fc.assert(fc.property(fc.bigInt(limits), (nanos) => assert.equal(toUnixNanos(fromUnixNanos(nanos)), nanos)));
  for (const wrong of [{ nanos: -1 }, { nanos: 1e9 }, { seconds: 253_402_300_800n }]) {
    assert.throws(() => toUnixNanos(create(TimestampSchema, wrong)), RangeError);
  }
  assert.throws(() => fromUnixNanos(10n ** 21n), RangeError);
});

test("display names round-trip", () => {
  for (const { number, name: full } of OrderTypeSchema.values) {
    const shown = displayName(OrderTypeSchema, number);
    for (const spelling of [shown, shown.toLowerCase(), ` ${shown.replaceAll(" ", "-")} `, full]) {
      assert.equal(parseDisplayName(OrderTypeSchema, spelling), number);
    }
  }
  assert.equal(displayName(OrderTypeSchema, OrderType.STOP_LIMIT), "STOP LIMIT");
  assert.equal(parseDisplayName(OrderTypeSchema, displayName(OrderTypeSchema, 99)), 99);
  assert.throws(
    () => parseDisplayName(OrderTypeSchema, "stopp"),
    /unknown OrderType "stopp": expected one of UNSPECIFIED, MARKET, LIMIT/,
  );
});

const level = (price, quantity) => ({ price, quantity });

for (const schema of [OrderStatusSchema, TransferStateSchema]) {
  test(`canTransition of ${schema.name}`, () => {
    const table = JSON.parse(readFileSync(new URL("testdata/transitions.json", import.meta.url), "utf8"))[schema.name];
    const prefix = schema.value[0].name.replace("UNSPECIFIED", "");
    const states = schema.values.map((value) => ({ number: value.number, name: value.name.slice(prefix.length) }));
    assert.deepEqual(
      states.map(({ name }) => name),
      ["UNSPECIFIED", ...Object.keys(table)],
    );
    for (const before of states) {
      for (const after of states) {
        const legal = before === after || !before.number || !after.number || table[before.name].includes(after.name);
        assert.equal(canTransition(schema, before.number, after.number), legal, `${before.name} to ${after.name}`);
      }
    }
  });
}

test("an unknown state may precede and follow any", () => {
  assert.ok(canTransition(OrderStatusSchema, 99, OrderStatus.NEW));
  assert.ok(canTransition(OrderStatusSchema, OrderStatus.REJECTED, 99));
  assert.throws(() => canTransition(OrderTypeSchema, OrderType.MARKET, OrderType.LIMIT), /OrderType declares no/);
});

test("anomaly kinds are named after their check", () => {
  for (const [name, kind] of Object.entries(AnomalyKind)) assert.equal(name, kind.replace(".", "_").toUpperCase());
});

test("checks", () => {
  const kinds = (anomalies) => anomalies.map(({ kind, field }) => `${kind} ${field}`);
  const sorted = { venueSymbolId: name, bids: [level("10.0", "1"), level("9", "2")], asks: [level("11", "1")] };
  assert.deepEqual(checkBook(create(OrderBookSchema, sorted)), []);
  const bids = [level("10.00", "0"), level("10", "-1")];
  assert.deepEqual(
    kinds(checkBook(create(OrderBookSchema, { venueSymbolId: name, bids, asks: [level("9.99", "x")] }))),
    [
      "book.zero_quantity bids[0].quantity",
      "book.negative_quantity bids[1].quantity",
      "book.duplicate_price bids[1].price",
      "number.malformed asks[0].quantity",
      "book.crossed bids",
    ],
  );
  const individual = create(OrderBookSchema, {
    venueSymbolId: name,
    bids: [level("", ""), { orderId: "a" }],
  });
  assert.deepEqual(kinds(checkBook(individual)), [
    "book.level_incomplete bids[0].quantity",
    "book.level_incomplete bids[0].price",
  ]);
  const fill = create(ExecutionReportSchema, {
    venueSymbolId: name,
    execType: ExecType.TRADE,
    orderStatus: OrderStatus.PARTIALLY_FILLED,
    lastQuantity: "0.001",
    cumulativeQuantity: "0.001",
    leavesQuantity: "0.000",
    order: { venueSymbolId: name, quantity: "0.002" },
  });
  assert.deepEqual(kinds(checkExecution(fill)), [
    "execution.leaves_mismatch leaves_quantity",
    "execution.partial_without_leaves order_status",
  ]);
  fill.order.quoteQuantity = "100";
  assert.deepEqual(kinds(checkExecution(fill)), ["execution.partial_without_leaves order_status"]);
  const prices = { open: "2", high: "1.5", low: "1", close: "1.2", volume: "5", takerBuyVolume: "5.01" };
  assert.deepEqual(kinds(checkCandle(create(CandleSchema, { venueSymbolId: name, ...prices }))), [
    "candle.open_outside open",
    "candle.taker_volume_above_volume taker_buy_volume",
  ]);
});

test("missing references", () => {
  const found = (anomalies) => anomalies.map(({ kind, field }) => `${kind} ${field}`);
  const missing = (schema, init) => found(checkReferences(schema, create(schema, init)));
  const report = create(ExecutionReportSchema, { order: {}, fees: [{ assetCode: "BNB" }, { amount: "1" }] });
  assert.deepEqual(found(checkExecution(report)), [
    "reference.listing_missing venue_symbol_id",
    "reference.asset_missing fees[1].asset_id",
    "reference.listing_missing order.venue_symbol_id",
  ]);
  const native = { venueId: "binance", symbol: "BTCUSDT" };
  const fees = [{ assetId: "BNB" }];
  assert.deepEqual(missing(ExecutionReportSchema, { nativeListing: native, order: { quoteId: "q" }, fees }), []);
  assert.deepEqual(missing(ExecutionReportSchema, { nativeListing: { venueId: "binance" } }), [
    "reference.listing_missing venue_symbol_id",
  ]);
  assert.deepEqual(missing(ExecutionReportSchema, { legs: [{ venueSymbolId: name }] }), []);
  assert.deepEqual(missing(BalanceSchema, { assetId: "BTC" }), []);
  assert.deepEqual(missing(BalanceSchema, {}), ["reference.asset_missing asset_id"]);
  assert.deepEqual(missing(SwapSchema, { venueSymbolId: name, inAssetCode: "0x1" }), [
    "reference.asset_missing out_asset_id",
  ]);
  assert.deepEqual(found(checkBook(create(OrderBookSchema))), ["reference.listing_missing venue_symbol_id"]);
  assert.deepEqual(found(checkCandle(create(CandleSchema, { open: "1", high: "1", low: "1", close: "1" }))), [
    "reference.listing_missing venue_symbol_id",
  ]);
});
