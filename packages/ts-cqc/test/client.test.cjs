// The client and the server as CommonJS.
const assert = require("node:assert/strict");
const { test } = require("node:test");
const { connect, pages } = require("@cq/cqc/client");
const { ServiceError } = require("@cq/cqc/errors");
const { serve, service } = require("@cq/cqc/server");
const { ErrorReason, MarketData } = require("@cq/cqc/services/v1");

test("a CommonJS client calls a CommonJS server", async () => {
  const handlers = {
    listTrades: () => ({ trades: [{ tradeId: "1" }] }),
    getPrice: () => {
      throw new ServiceError(ErrorReason.NO_DATA, "no price");
    },
  };
  const server = await serve([service(MarketData, handlers)], { address: "localhost:0", plaintext: true });
  const connection = connect({ target: `localhost:${server.port}`, plaintext: true, token: "" });
  try {
    const client = connection.client(MarketData);
    const ids = [];
    for await (const { tradeId } of pages(client.listTrades, { venueSymbolId: "binance:BTC-USDT-SPOT" }, "trades")) {
      ids.push(tradeId);
    }
    assert.deepEqual(ids, ["1"]);
    const failure = await client.getPrice({ assetId: "BTC" }).catch(ServiceError.of);
    assert.equal(failure.reason, ErrorReason.NO_DATA);
  } finally {
    connection.close();
    await server.stop();
  }
});

test("an error of the ES module's copy is understood", async () => {
  const copy = await import("@cq/cqc/errors");
  const handlers = {
    getPrice: () => {
      throw new copy.ServiceError(ErrorReason.NO_DATA, "no price");
    },
  };
  const server = await serve([service(MarketData, handlers)], { address: "localhost:0", plaintext: true });
  const connection = connect({ target: `localhost:${server.port}`, plaintext: true, token: "" });
  const failure = await connection.client(MarketData).getPrice({ assetId: "BTC" }).catch(ServiceError.of);
  assert.equal(failure.reason, ErrorReason.NO_DATA);
  connection.close();
  await server.stop();
});
