// For test runners that load CommonJS; `test` is one of their globals.
const check = require("./check.cjs");

test("the package works as CommonJS", () => {
  const loaded = {
    protobuf: require("@bufbuild/protobuf"),
    cqc: require("@cq/cqc"),
    decimal: require("@cq/cqc/decimal"),
    markets: require("@cq/cqc/markets/v1"),
    services: require("@cq/cqc/services/v1"),
  };
  expect(check(loaded)).toBe("ok");
});
