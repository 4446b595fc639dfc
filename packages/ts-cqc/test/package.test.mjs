// The package, imported by JavaScript modules without a compiler.
import assert from "node:assert/strict";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { test } from "node:test";
import { runInNewContext } from "node:vm";
import { create, equals, fromBinary, fromJsonString, toBinary, toJsonString } from "@bufbuild/protobuf";
import { TimestampSchema, timestampNow } from "@bufbuild/protobuf/wkt";
import { createValidator } from "@bufbuild/protovalidate";
import { descriptorSet } from "@cq/cqc";
import { Asset, AssetSchema, Token } from "@cq/cqc/assets/v1";
import { OrderBook, Price, Trade } from "@cq/cqc/markets/v1";
import { MarketDataClient, MarketDataService } from "@cq/cqc/services/v1/grpc";
import { rulesRegistry, withRules } from "@cq/cqc/validate";
import * as grpc from "@grpc/grpc-js";
import fc from "fast-check";

const root = new URL("node_modules/@cq/cqc/", import.meta.url);

test("a message name is its schema, and Token is Asset", () => {
  assert.equal(Token, Asset);
  assert.equal(Asset, AssetSchema);
  assert.equal(create(Token, { assetId: "USDC" }).assetId, "USDC");
});

test("a name that shadows a global of JavaScript has another", async () => {
  const globals = new Set(runInNewContext("Object.getOwnPropertyNames(globalThis)"));
  const others = { Symbol: "MarketSymbol" };
  for (const domain of ["assets", "events", "markets", "options", "portfolio", "services", "venues"]) {
    const exported = await import(`@cq/cqc/${domain}/v1`);
    for (const name of Object.keys(exported).filter((item) => globals.has(item))) {
      assert.equal(exported[others[name]], exported[name], name);
    }
  }
});

test("the tarball is small, and has the descriptor set once per form", () => {
  const size = statSync(new URL("package.tgz", import.meta.url)).size;
  assert.ok(size <= 700_000, `${size} bytes`);
  const files = readdirSync(root, { recursive: true }).filter((name) => /[.](d[.]ts|js)$/.test(name));
  // Part of a message of validate.proto, which only the descriptor set has.
  const holders = files.filter((name) => readFileSync(new URL(name, root), "latin1").includes("cel_expression"));
  assert.deepEqual(
    holders.map((name) => name.split("/")[1]),
    ["cjs", "esm"],
    holders.join(", "),
  );
});

test("a validator that does not know the rules finds everything valid, which is why withRules exists", () => {
  const price = create(Price, { assetId: "btc/usd" });
  assert.equal(createValidator().validate(Price, price).kind, "valid");
  assert.equal(createValidator({ registry: rulesRegistry() }).validate(withRules(Price), price).kind, "invalid");
  assert.equal(withRules(TimestampSchema).typeName, TimestampSchema.typeName);
});

test("license, readme and protos are shipped", () => {
  for (const name of ["LICENSE", "README.md", "proto/cqc/markets/v1/price.proto"]) {
    assert.ok(readFileSync(new URL(name, root)).length > 100, name);
  }
});

test("the descriptor set has exactly the shipped protos, whose comments it lacks, in dependency order", () => {
  const files = descriptorSet().file;
  const seen = new Set();
  for (const file of files) {
    for (const dependency of file.dependency) assert.ok(seen.has(dependency), `${dependency} before ${file.name}`);
    seen.add(file.name);
  }
  const shipped = readdirSync(new URL("proto/", root), { recursive: true }).filter((name) =>
    /^cqc.*[.]proto$/.test(name),
  );
  assert.deepEqual(
    shipped.sort(),
    files
      .map((file) => file.name)
      .filter((name) => name.startsWith("cqc/"))
      .sort(),
  );
  assert.ok(files.every((file) => file.sourceCodeInfo === undefined));
  assert.match(readFileSync(new URL("proto/cqc/markets/v1/price.proto", root), "utf8"), /What an asset is worth/);
});

const decimal = fc
  .tuple(fc.bigInt({ min: 0n, max: 10n ** 30n }), fc.integer({ min: 0, max: 18 }))
  .map(([digits, scale]) => {
    const text = digits.toString().padStart(scale + 1, "0");
    return scale === 0 ? text : `${text.slice(0, -scale)}.${text.slice(-scale)}`;
  });

test("a trade round-trips in binary and JSON, digit for digit", () => {
  fc.assert(
    fc.property(decimal, decimal, fc.string(), (price, quantity, tradeId) => {
      const trade = create(Trade, { tradeId, price, quantity, receivedAt: timestampNow() });
      assert.ok(equals(Trade, fromBinary(Trade, toBinary(Trade, trade)), trade));
      assert.ok(equals(Trade, fromJsonString(Trade, toJsonString(Trade, trade)), trade));
    }),
  );
});

test("the rules are evaluated by a validator of the user's own", () => {
  const validator = createValidator({ registry: rulesRegistry() });
  const level = (price) =>
    create(OrderBook, {
      venueSymbolId: "binance:BTC-USDT-SPOT",
      receivedAt: timestampNow(),
      bids: [{ price, quantity: "1" }],
    });
  fc.assert(
    fc.property(decimal, (price) => assert.equal(validator.validate(withRules(OrderBook), level(price)).kind, "valid")),
  );
  for (const price of ["-0", "01", "1.", ".5", "1e-8", "NaN", "٣", "1\n", "+1", "-0.00"]) {
    const result = validator.validate(withRules(OrderBook), level(price));
    assert.equal(result.kind, "invalid", JSON.stringify(price));
    assert.deepEqual(
      result.violations.map((violation) => violation.ruleId),
      ["string.decimal"],
    );
  }
  assert.deepEqual(
    validator.validate(withRules(OrderBook), level("")).violations.map((violation) => violation.ruleId),
    ["book_level.key"],
  );
  const wrongId = validator.validate(withRules(Price), create(Price, { assetId: "btc/usd", value: 1 }));
  assert.deepEqual(
    wrongId.violations.map((violation) => violation.ruleId),
    ["string.asset_reference"],
  );
});

test("unary and streaming RPCs", async (context) => {
  const server = new grpc.Server();
  const book = { venueSymbolId: "binance:BTC-USDT-SPOT", bids: [{ price: "0.10", quantity: "3" }] };
  server.addService(MarketDataService, {
    getPrice: (call, callback) => callback(null, { assetId: call.request.assetId, value: 67890.5 }),
    streamOrderBook(call) {
      call.write({ event: { case: "snapshot", value: book } });
      call.write({ event: { case: "snapshotComplete", value: {} } });
      call.write({ event: { case: "delta", value: { ...book, sequence: 18446744073709551615n } } });
      call.end();
    },
  });
  const port = await new Promise((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  const client = new MarketDataClient(`127.0.0.1:${port}`, grpc.credentials.createInsecure());
  context.after(() => {
    client.close();
    server.forceShutdown();
  });

  const price = await new Promise((resolve, reject) => {
    client.getPrice({ assetId: "BTC-USD" }, (error, response) => (error ? reject(error) : resolve(response)));
  });
  assert.deepEqual([price.assetId, price.value], ["BTC-USD", 67890.5]);

  const steps = [];
  for await (const step of client.streamOrderBook({ venueSymbolId: "binance:BTC-USDT-SPOT" })) steps.push(step.event);
  assert.deepEqual(
    steps.map((event) => event.case),
    ["snapshot", "snapshotComplete", "delta"],
  );
  assert.equal(steps[0].value.bids[0].price, "0.10");
  assert.equal(steps[2].value.sequence, 18446744073709551615n);

  const unimplemented = await new Promise((resolve) => client.getTicker({}, (error) => resolve(error)));
  assert.equal(unimplemented.code, grpc.status.UNIMPLEMENTED);
});
