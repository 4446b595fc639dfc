// For test runners that load ES modules; `test` is one of their globals.
import * as protobuf from "@bufbuild/protobuf";
import * as cqc from "@cq/cqc";
import * as decimal from "@cq/cqc/decimal";
import * as markets from "@cq/cqc/markets/v1";
import * as services from "@cq/cqc/services/v1";
import check from "./check.cjs";

test("the package works as ES modules", () => {
  expect(check({ protobuf, cqc, decimal, markets, services })).toBe("ok");
});
