// A web page that calls a service through Connect; the service runs in the same page instead of behind a network.
import * as protobuf from "@bufbuild/protobuf";
import * as cqc from "@cq/cqc";
import { connect } from "@cq/cqc/connect";
import * as decimal from "@cq/cqc/decimal";
import * as markets from "@cq/cqc/markets/v1";
import * as services from "@cq/cqc/services/v1";
import { createRouterTransport } from "@connectrpc/connect";
import check from "./check.cjs";

const transport = createRouterTransport(({ service }) => {
  service(services.MarketData, { getPrice: ({ assetId }) => ({ assetId, value: 65_000.5 }) });
});
const marketData = connect({ transport, token: "" }).client(services.MarketData);
const price = await marketData.getPrice({ assetId: "BTC-USD" });
if (price.value !== 65_000.5) throw new Error(`expected 65000.5, found ${price.value}`);
console.log(check({ protobuf, cqc, decimal, markets, services }));
