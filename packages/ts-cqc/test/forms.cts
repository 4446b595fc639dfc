// The package, required by a CommonJS module.
import assets = require("@cq/cqc/assets/v1");
import protobuf = require("@bufbuild/protobuf");

import decimal = require("@cq/cqc/decimal");
import validation = require("@cq/cqc/validation");

const exact: decimal.Exact = decimal.parseDecimal("0.10");
if (!exact.isZero()) console.log(validation.validate(assets.AssetSchema, protobuf.create(assets.AssetSchema)));

const token: assets.Token = protobuf.create(assets.Token, { assetId: "USDC" });
export = token;
