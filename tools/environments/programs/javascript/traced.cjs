// One trace from our client to our server as CommonJS: `node traced.cjs CERTIFICATE KEY`.
const { check } = require("./tracing.cjs");
const { connect } = require("@cq/cqc/client");
const { serve, service } = require("@cq/cqc/server");
const { MarketData } = require("@cq/cqc/services/v1");
const call = require("./call.cjs");

call({ connect, serve, service, MarketData }, ...process.argv.slice(2)).then(() => console.log(check()));
