const protobuf = require("@bufbuild/protobuf");
const cqc = require("@cq/cqc");
const decimal = require("@cq/cqc/decimal");
const markets = require("@cq/cqc/markets/v1");
const services = require("@cq/cqc/services/v1");
const { validate } = require("@cq/cqc/validate");
const check = require("./check.cjs");

if (validate(markets.Price, protobuf.create(markets.Price)).length === 0) throw new Error("nothing was validated");
console.log(check({ protobuf, cqc, decimal, markets, services }));
