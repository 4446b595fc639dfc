// The package as CommonJS code requires it.
const assert = require("node:assert/strict");
const { test } = require("node:test");

test("every subpath can be required, and messages are values", () => {
  for (const domain of ["assets", "events", "markets", "portfolio", "rules", "services", "venues"]) {
    assert.ok(Object.keys(require(`@cq/cqc/${domain}/v1`)).length > 0, domain);
  }
  const { create, toBinary, fromBinary } = require("@bufbuild/protobuf");
  const { Price } = require("@cq/cqc/markets/v1");
  const price = create(Price, { assetId: "BTC-USD", value: 67890.5 });
  assert.equal(fromBinary(Price, toBinary(Price, price)).value, 67890.5);
});

test("the descriptor set can be read", () => {
  assert.ok(require("@cq/cqc").descriptorSet().file.some((file) => file.name === "cqc/markets/v1/price.proto"));
});

test("package.json is reachable and says the version", () => {
  assert.match(require("@cq/cqc/package.json").version, /^\d+\.\d+\.\d+/);
});
