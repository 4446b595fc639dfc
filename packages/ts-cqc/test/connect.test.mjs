// Our validation of requests with Connect, in memory and through a server that knows nothing of it.
import assert from "node:assert/strict";
import { createServer } from "node:http2";
import { test } from "node:test";
import { Code, ConnectError, createClient, createRouterTransport } from "@connectrpc/connect";
import { connectNodeAdapter, createGrpcTransport } from "@connectrpc/connect-node";
import { validationInterceptor } from "@cq/cqc/connect/validation";
import { ServiceError } from "@cq/cqc/errors";
import { ErrorReason, MarketData } from "@cq/cqc/services/v1";

let handled = 0;
const routes = ({ service }) =>
  service(MarketData, {
    getPrice({ assetId }) {
      handled++;
      return { assetId };
    },
    async *streamPrices({ assetIds }) {
      handled++;
      for (const assetId of assetIds) yield { event: { case: "price", value: { assetId } } };
    },
  });

async function listed(stream) {
  const found = [];
  for await (const { event } of stream) found.push(event.value.assetId);
  return found;
}

async function check(transport) {
  const client = createClient(MarketData, transport);
  handled = 0;
  assert.equal((await client.getPrice({ assetId: "BTC" })).assetId, "BTC");
  assert.deepEqual(await listed(client.streamPrices({ assetIds: ["BTC", "ETH"] })), ["BTC", "ETH"]);
  assert.equal(handled, 2);
  for (const [call, field] of [
    [() => client.getPrice({ assetId: "btc" }), "asset_id"],
    [() => listed(client.streamPrices({ assetIds: ["btc"] })), "asset_ids[0]"],
  ]) {
    await assert.rejects(call, (error) => {
      assert.ok(error instanceof ConnectError);
      assert.equal(error.code, Code.InvalidArgument);
      const failure = ServiceError.of(error);
      assert.equal(failure.reason, ErrorReason.INVALID_FIELD);
      assert.deepEqual(
        failure.violations.map((violation) => [violation.field, violation.ruleId]),
        [[field, "string.asset_reference"]],
      );
      return true;
    });
  }
  assert.equal(handled, 2);
}

const interceptors = [validationInterceptor];

test("a client sends no invalid request", () => check(createRouterTransport(routes, { transport: { interceptors } })));

test("a server does not handle an invalid request", () =>
  check(createRouterTransport(routes, { router: { interceptors } })));

test("over HTTP/2 and gRPC", async (context) => {
  const server = createServer(connectNodeAdapter({ routes, interceptors }));
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const sessions = new Set();
  server.on("session", (session) => sessions.add(session));
  context.after(() => {
    for (const session of sessions) session.destroy();
    server.close();
  });
  await check(createGrpcTransport({ baseUrl: `http://127.0.0.1:${server.address().port}` }));
});
