import * as protobuf from "@bufbuild/protobuf";
import * as cqc from "@cq/cqc";
import * as decimal from "@cq/cqc/decimal";
import * as markets from "@cq/cqc/markets/v1";
import * as services from "@cq/cqc/services/v1";
import { validate } from "@cq/cqc/validate";
import check from "./check.cjs";

if (validate(markets.Price, protobuf.create(markets.Price)).length === 0) throw new Error("nothing was validated");
console.log(check({ protobuf, cqc, decimal, markets, services }));
