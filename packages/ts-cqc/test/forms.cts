// The package, required by a CommonJS module.
import assets = require("@cq/cqc/assets/v1");
import protobuf = require("@bufbuild/protobuf");

import decimal = require("@cq/cqc/decimal");
import errors = require("@cq/cqc/errors");
import validation = require("@cq/cqc/validate");

const exact: decimal.Exact = decimal.parseDecimal("0.10");
if (!exact.isZero()) console.log(validation.validate(assets.AssetSchema, protobuf.create(assets.AssetSchema)));

const failure: errors.ServiceError | undefined = errors.ServiceError.of(new Error("not from gRPC"));
if (failure) console.log(failure.reason, failure.metadata.account_id);

const token: assets.Token = protobuf.create(assets.Token, { assetId: "USDC" });
export = token;
