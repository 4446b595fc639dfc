// One trace from our client to our server as ES modules: `node --import ./tracing_hook.mjs traced.mjs CERTIFICATE KEY`.
import { connect } from "@cq/cqc/client";
import { serve, service } from "@cq/cqc/server";
import { MarketData } from "@cq/cqc/services/v1";
import call from "./call.cjs";
import { check } from "./tracing.cjs";

await call({ connect, serve, service, MarketData }, ...process.argv.slice(2));
console.log(check());
