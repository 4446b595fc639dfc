// A program with Connect alone: @grpc/grpc-js, @bufbuild/protovalidate and bignumber.js are not installed.
import { Code, ConnectError, createRouterTransport } from "@connectrpc/connect";
import { BookBuilder } from "@cq/cqc";
import { natsSubject } from "@cq/cqc/bus";
import { connect } from "@cq/cqc/connect";
import { ServiceError } from "@cq/cqc/errors";
import type { Price } from "@cq/cqc/markets/v1";
import { MarketData } from "@cq/cqc/services/v1";

const transport = createRouterTransport(({ service }) => {
  service(MarketData, {
    getPrice({ assetId }) {
      if (assetId === "XMR") throw new ConnectError("no price of XMR yet", Code.NotFound);
      return { assetId, value: 65_000.5 };
    },
  });
});

const marketData = connect({ transport }).client(MarketData);
const price: Price = await marketData.getPrice({ assetId: "BTC" });
if (price.value !== 65_000.5) throw new Error(`expected 65000.5, found ${price.value}`);
const failure: unknown = await marketData.getPrice({ assetId: "XMR" }).catch((error: unknown) => error);
if (!(failure instanceof ConnectError) || ServiceError.of(failure)) throw new Error(`expected no reason: ${failure}`);
if (typeof natsSubject !== "function" || typeof BookBuilder !== "function") throw new Error("helpers are missing");
