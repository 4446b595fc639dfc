// The same package, required by a CommonJS module.
import assets = require("@cq/cqc/assets/v1");
import protobuf = require("@bufbuild/protobuf");

const token: assets.Token = protobuf.create(assets.Token, { assetId: "USDC" });
export = token;
