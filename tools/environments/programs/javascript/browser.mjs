// A web page that calls a service through Connect; the service runs in the same page instead of behind a network.
import { create, fromBinary, toBinary, toJsonString } from "@bufbuild/protobuf";
import { createRouterTransport } from "@connectrpc/connect";
import { BookBuilder } from "@cq/cqc";
import { connect } from "@cq/cqc/connect";
import { parseDecimal } from "@cq/cqc/decimal";
import { OrderBook, Price } from "@cq/cqc/markets/v1";
import { MarketData } from "@cq/cqc/services/v1";
import check from "./check.cjs";

const transport = createRouterTransport(({ service }) => {
  service(MarketData, { getPrice: ({ assetId }) => ({ assetId, value: 65_000.5 }) });
});
const marketData = connect({ transport, token: "" }).client(MarketData);
const price = await marketData.getPrice({ assetId: "BTC-USD" });
if (price.value !== 65_000.5) throw new Error(`expected 65000.5, found ${price.value}`);
const protobuf = { create, fromBinary, toBinary, toJsonString };
const loaded = {
  cqc: { BookBuilder },
  decimal: { parseDecimal },
  markets: { OrderBook, Price },
  services: { MarketData },
};
console.log(check({ protobuf, ...loaded }));
