// The package, required by CommonJS code.
const assert = require("node:assert/strict");
const { test } = require("node:test");

test("every domain can be required, and message names are schemas", () => {
  for (const domain of ["assets", "events", "markets", "options", "portfolio", "services", "venues"]) {
    assert.ok(Object.keys(require(`@cq/cqc/${domain}/v1`)).length > 0, domain);
  }
  const { create, toBinary, fromBinary } = require("@bufbuild/protobuf");
  const { Price } = require("@cq/cqc/markets/v1");
  const price = create(Price, { assetId: "BTC-USD", value: 67890.5 });
  assert.equal(fromBinary(Price, toBinary(Price, price)).value, 67890.5);
});

test("the descriptor set can be decoded", () => {
  assert.ok(
    require("@cq/cqc")
      .descriptorSet()
      .file.some((file) => file.name === "cqc/markets/v1/price.proto"),
  );
});

test("package.json is exported and has the version", () => {
  assert.match(require("@cq/cqc/package.json").version, /^\d+\.\d+\.\d+/);
});

/** Returns the files that are loaded by requiring a module, starting from an empty cache. */
function loaded(name) {
  for (const file of Object.keys(require.cache)) delete require.cache[file];
  require(name);
  return Object.keys(require.cache).map((file) => file.replaceAll("\\", "/"));
}

test("no domain loads gRPC, the descriptor set or the index of another", () => {
  for (const domain of ["assets", "events", "markets", "options", "portfolio", "services", "venues"]) {
    const files = loaded(`@cq/cqc/${domain}/v1`);
    assert.deepEqual(
      files.filter((file) => /grpc|descriptor_set/.test(file)),
      [],
      domain,
    );
    const indexes = files.filter((file) => /\/gen\/cqc\/.*\/index\.js$/.test(file));
    assert.equal(indexes.length, 1, indexes.join(", "));
  }
  const root = loaded("@cq/cqc");
  assert.deepEqual(
    root.filter((file) => /grpc|\/gen\/cqc\/.*\/index\.js$/.test(file)),
    [],
  );
  assert.deepEqual(
    loaded("@cq/cqc/errors").filter((file) => /grpc|connect|protovalidate|descriptor_set/.test(file)),
    [],
  );
  assert.ok(loaded("@cq/cqc/services/v1/grpc").some((file) => file.includes("@grpc/grpc-js")));
});
