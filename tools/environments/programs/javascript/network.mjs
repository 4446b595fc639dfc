// Serves a price and asks for it, over TLS if there is a certificate: `network.mjs [CERTIFICATE KEY]`.
import { connect } from "@cq/cqc/client";
import { serve, service } from "@cq/cqc/server";
import { MarketData } from "@cq/cqc/services/v1";
import call from "./call.cjs";

await call({ connect, serve, service, MarketData }, ...process.argv.slice(2));
console.log("ok");
