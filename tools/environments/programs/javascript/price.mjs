// As little as a browser needs to send a price: its bundle shows what the package costs.
import { create, toBinary } from "@bufbuild/protobuf";
import { Price } from "@cq/cqc/markets/v1";

console.log(toBinary(Price, create(Price, { assetId: "BTC-USD", value: 65_000.5 })).length > 10 ? "ok" : "wrong");
