// The client over sockets: retries, request ids, deadlines, streams that outlive a server, and lost answers.
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { create, createFileRegistry } from "@bufbuild/protobuf";
import { FieldDescriptorProto_Type, FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import * as overGrpc from "@cq/cqc/client";
import * as overConnect from "@cq/cqc/connect";
import { ServiceError } from "@cq/cqc/errors";
import { serve, service } from "@cq/cqc/server";
import { ErrorReason, MarketData, Portfolio, VenueGateway } from "@cq/cqc/services/v1";
import { InterceptingCall, status } from "@grpc/grpc-js";

const { follow, followBook, pages, placeOrder } = overGrpc;
const unavailable = { code: status.UNAVAILABLE, details: "try again" };
const venueSymbolId = "binance:BTC-USDT-SPOT";

const closing = [];
after(async () => {
  for (const close of closing.reverse()) await close();
});
async function served(services, address = "localhost:0") {
  const server = await serve(services, { address, plaintext: true, graceMs: 1000 });
  closing.push(() => server.stop());
  return server;
}
const drivers = {
  "grpc-js": (target, options) => overGrpc.connect({ target, plaintext: true, ...options }),
  Connect: (target, options) =>
    overConnect.connect({ transport: createGrpcTransport, baseUrl: `http://${target}`, ...options }),
};
function connected(driver, target, options) {
  const connection = drivers[driver](target, options);
  closing.push(() => connection.close());
  return connection;
}
const failed = (promise) =>
  promise.then(
    () => assert.fail("the call succeeded"),
    (error) => error,
  );

for (const driver of Object.keys(drivers)) {
  test(`${driver}: a read is repeated while the server is not available`, async () => {
    let calls = 0;
    const getPrice = () => {
      if (++calls < 4) throw unavailable;
      return { value: 65000 };
    };
    const { port } = await served([service(MarketData, { getPrice })]);
    const { getPrice: get } = connected(driver, `localhost:${port}`).client(MarketData);
    assert.equal((await get({ assetId: "BTC" })).value, 65000);
    assert.equal(calls, 4);
  });

  test(`${driver}: all attempts of a call have the same request id`, async () => {
    const seen = [];
    const createPortfolio = ({ requestId }) => {
      seen.push(requestId);
      if (seen.length < 3) throw unavailable;
      return { portfolio: { portfolioId: "p1" } };
    };
    const { port } = await served([service(Portfolio, { createPortfolio })]);
    const client = connected(driver, `localhost:${port}`).client(Portfolio);
    const request = { portfolio: { portfolioId: "p1", name: "p", status: 1, reportingAssetId: "USD" } };
    await client.createPortfolio(request);
    assert.equal(seen.length, 3);
    assert.match(seen[0], /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    assert.deepEqual(new Set(seen).size, 1);
    assert.equal("requestId" in request, false);
    const requestId = "0b0f3a52-6c0e-4d6a-9a52-2f1c5a0b7c11";
    await client.createPortfolio({ ...request, requestId });
    assert.equal(seen.at(-1), requestId);
  });

  test(`${driver}: placing an order is not repeated by itself`, async () => {
    let calls = 0;
    const placeOrder = () => {
      calls++;
      throw unavailable;
    };
    const { port } = await served([service(VenueGateway, { placeOrder })]);
    const client = connected(driver, `localhost:${port}`).client(VenueGateway);
    assert.equal((await failed(client.placeOrder(order()))).code, status.UNAVAILABLE);
    assert.equal(calls, 1);
  });

  test(`${driver}: a call has the connection's deadline, a stream has none`, async () => {
    const deadlines = [];
    const market = service(MarketData, {
      async getPrice(_, { deadline, signal }) {
        deadlines.push(deadline - Date.now());
        if (deadlines.length === 1) await new Promise((resolve) => signal.addEventListener("abort", resolve));
        return {};
      },
      async *streamTrades(_, { deadline }) {
        deadlines.push(deadline);
        yield { resumeToken: "t", event: { case: "trade", value: { tradeId: "1" } } };
      },
    });
    const { port } = await served([market]);
    const client = connected(driver, `localhost:${port}`, { timeoutMs: 500 }).client(MarketData);
    assert.equal((await failed(client.getPrice({ assetId: "BTC" }))).code, status.DEADLINE_EXCEEDED);
    await client.getPrice({ assetId: "BTC" }, { timeoutMs: 30_000 });
    for await (const { event } of client.streamTrades({ venueSymbolIds: [venueSymbolId] })) {
      assert.equal(event.value.tradeId, "1");
    }
    const [first, second, third] = deadlines;
    assert.ok(first <= 500 && second > 500 && third === undefined, `${deadlines}`);
  });

  test(`${driver}: cancelling ends the call on the server`, async () => {
    const aborted = [];
    const market = service(MarketData, {
      getPrice: (_, { signal }) =>
        new Promise((resolve) => {
          aborted.push(new Promise((end) => signal.addEventListener("abort", end)));
          controller.abort();
          signal.addEventListener("abort", () => resolve({}));
        }),
      async *streamTrades(_, { signal }) {
        aborted.push(new Promise((end) => signal.addEventListener("abort", end)));
        yield { resumeToken: "t", event: { case: "trade", value: { tradeId: "1" } } };
        await aborted.at(-1);
      },
    });
    const { port } = await served([market]);
    const client = connected(driver, `localhost:${port}`).client(MarketData);
    const controller = new AbortController();
    const failure = await failed(client.getPrice({ assetId: "BTC" }, { signal: controller.signal }));
    assert.equal(failure.code, status.CANCELLED);
    assert.equal(
      (await failed(client.getPrice({ assetId: "BTC" }, { signal: controller.signal }))).code,
      status.CANCELLED,
    );
    // Leaving the loop is enough.
    for await (const _ of client.streamTrades({ venueSymbolIds: [venueSymbolId] })) break;
    for await (const _ of follow(client.streamTrades, { venueSymbolIds: [venueSymbolId] })) break;
    await Promise.all(aborted);
    assert.equal(aborted.length, 3);
  });

  test(`${driver}: an error keeps its reason`, async () => {
    const getPrice = ({ assetId }) => {
      throw new ServiceError(ErrorReason.RATE_LIMITED, `too many of ${assetId}`, {
        metadata: { limit: "weight" },
        retryDelay: 1500,
      });
    };
    const { port } = await served([service(MarketData, { getPrice })]);
    const error = await failed(connected(driver, `localhost:${port}`).client(MarketData).getPrice({ assetId: "BTC" }));
    const { reason, metadata, retryDelay } = ServiceError.of(error);
    assert.deepEqual([reason, { ...metadata }, retryDelay], [ErrorReason.RATE_LIMITED, { limit: "weight" }, 1500]);
  });

  test(`${driver}: pages are fetched as they are needed`, async () => {
    const asked = [];
    const listTrades = ({ pageToken }) => {
      asked.push(pageToken);
      const number = Number(pageToken || "1");
      const trades = [`${number}a`, `${number}b`].map((tradeId) => ({ tradeId }));
      return { trades, nextPageToken: number < 3 ? `${number + 1}` : "" };
    };
    const { port } = await served([service(MarketData, { listTrades })]);
    const client = connected(driver, `localhost:${port}`).client(MarketData);
    const ids = [];
    for await (const { tradeId } of pages(client.listTrades, { venueSymbolId }, "trades")) {
      ids.push(tradeId);
      if (ids.length === 3) break;
    }
    assert.deepEqual(
      [ids, asked],
      [
        ["1a", "1b", "2a"],
        ["", "2"],
      ],
    );
  });

  test(`${driver}: a book survives the restart of its server`, async () => {
    const tokens = [];
    const sequence = (number) => ({ sequence: BigInt(number), venueSymbolId, receivedAt: { seconds: 1n } });
    const market = service(MarketData, {
      async *streamOrderBook({ resumeToken }, { signal }) {
        tokens.push(resumeToken);
        const level = (price) => [{ price, quantity: "1" }];
        if (resumeToken === "") {
          const value = { ...sequence(1), bids: level("100"), asks: level("101") };
          yield { resumeToken: "s", event: { case: "snapshot", value } };
          yield { resumeToken: "c", event: { case: "snapshotComplete", value: {} } };
        } else {
          yield { resumeToken: "d", event: { case: "delta", value: { ...sequence(2), bids: level("100.5") } } };
        }
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
      },
    });
    let server = await served([market]);
    const client = connected(driver, `localhost:${server.port}`).client(MarketData);
    const states = [];
    const causes = [];
    const options = { onLost: ({ cause }) => causes.push(cause) };
    for await (const { book, state } of followBook(client.streamOrderBook, { venueSymbolId }, options)) {
      const last = states.at(-1);
      if (last !== `${state} ${book?.bids()[0]?.price}`) states.push(`${state} ${book?.bids()[0]?.price}`);
      if (states.length === 1) {
        const { address } = server;
        await server.stop();
        server = await served([market], address);
      }
      if (states.length === 3) break;
    }
    assert.deepEqual(states, ["LIVE 100", "STALE 100", "LIVE 100.5"]);
    assert.equal(causes[0], "UNAVAILABLE");
    assert.deepEqual([tokens[0], tokens.at(-1)], ["", "c"]);
  });

  test(`${driver}: an order whose answer was lost is placed once`, async () => {
    const placed = new Map();
    const gateway = service(VenueGateway, {
      placeOrder({ order: { clientOrderId }, sendBefore }) {
        assert.ok(sendBefore);
        placed.set(clientOrderId, (placed.get(clientOrderId) ?? 0) + 1);
        throw unavailable;
      },
      getOrder({ key }) {
        return { order: { orderId: `o-${key.id.value}`, clientOrderId: key.id.value } };
      },
    });
    const { port } = await served([gateway]);
    const client = connected(driver, `localhost:${port}`).client(VenueGateway);
    assert.equal((await placeOrder(client, order("c1"))).orderId, "o-c1");
    assert.deepEqual([...placed], [["c1", 1]]);
  });

  test(`${driver}: an order that is cancelled may have been placed`, async () => {
    const controller = new AbortController();
    const gateway = service(VenueGateway, {
      async placeOrder(_, { signal }) {
        controller.abort();
        await new Promise((resolve) => signal.addEventListener("abort", resolve));
        return {};
      },
    });
    const { port } = await served([gateway]);
    const client = connected(driver, `localhost:${port}`).client(VenueGateway);
    const failure = await failed(placeOrder(client, order("c1"), { signal: controller.signal }));
    assert.equal(failure.name, "OutcomeUnknownError");
    assert.equal(failure.cause.code, status.CANCELLED);
    await assert.rejects(placeOrder(client, order("c1"), { signal: controller.signal }), { name: "AbortError" });
  });

  test(`${driver}: an order that may have been placed says how to find out`, async () => {
    const gateway = service(VenueGateway, {
      placeOrder() {
        throw unavailable;
      },
      getOrder() {
        throw new ServiceError(ErrorReason.SCOPE_MISSING, "no", { metadata: { scope: "orders.read" } });
      },
    });
    const { port } = await served([gateway]);
    const client = connected(driver, `localhost:${port}`).client(VenueGateway);
    const error = await failed(placeOrder(client, order("c2"), { timeoutMs: 2000 }));
    assert.ok(error instanceof overGrpc.OutcomeUnknownError);
    assert.deepEqual([error.accountId, error.clientOrderId], ["a1", "c2"]);
    assert.equal(ServiceError.of(error.cause).reason, ErrorReason.SCOPE_MISSING);
    assert.match(error.message, /call GetOrder by its client order id; .* at or after 20\d\d-/);
  });
}

function order(clientOrderId = "c0") {
  const side = 1;
  return {
    order: { accountId: "a1", clientOrderId, venueSymbolId, side, type: 1, size: { case: "quantity", value: "1" } },
  };
}

test("reads of a service of others are repeated too", async () => {
  const file = create(FileDescriptorProtoSchema, {
    name: "other.proto",
    package: "other.v1",
    syntax: "proto3",
    messageType: [
      { name: "Text", field: [{ name: "text", number: 1, type: FieldDescriptorProto_Type.STRING, label: 1 }] },
    ],
    service: [
      {
        name: "Other",
        method: [
          { name: "Read", inputType: ".other.v1.Text", outputType: ".other.v1.Text", options: { idempotencyLevel: 1 } },
          { name: "Write", inputType: ".other.v1.Text", outputType: ".other.v1.Text" },
        ],
      },
    ],
  });
  const Other = createFileRegistry(file, () => undefined).getService("other.v1.Other");
  const calls = { read: 0, write: 0 };
  const handler = (name) => (request) => {
    if (++calls[name] === 1) throw unavailable;
    return request;
  };
  const { port } = await served([service(Other, { read: handler("read"), write: handler("write") })]);
  const client = connected("grpc-js", `localhost:${port}`).client(Other);
  assert.equal((await client.read({ text: "a" })).text, "a");
  assert.equal((await failed(client.write({ text: "a" }))).code, status.UNAVAILABLE);
  assert.deepEqual(calls, { read: 2, write: 1 });
});

test("the interceptors of the caller see each call once, and no token", async () => {
  let calls = 0;
  const getPrice = () => {
    if (++calls === 1) throw unavailable;
    return { value: 1 };
  };
  const { port } = await served([service(MarketData, { getPrice })]);
  const seen = [];
  const interceptor = (options, next) => {
    seen.push(options.method_definition.path);
    return new InterceptingCall(next(options));
  };
  const client = connected("grpc-js", `localhost:${port}`, { interceptors: [interceptor] }).client(MarketData);
  await client.getPrice({ assetId: "BTC" }, { headers: { "x-desk": "7" } });
  assert.deepEqual([seen, calls], [["/cqc.services.v1.MarketData/GetPrice"], 2]);
});

// A server of grpc-go resets a call at its deadline. The client may read that before its own timer runs.
const silent = { startRead() {} };
const resetting = {
  "grpc-js": () =>
    overGrpc.connect({
      target: "localhost:1",
      plaintext: true,
      interceptors: [
        ({ deadline }) =>
          new InterceptingCall(silent, {
            start(metadata, { onReceiveStatus }) {
              const reset = { code: status.CANCELLED, details: "Call cancelled", metadata };
              setTimeout(onReceiveStatus, deadline + 5 - Date.now(), reset);
            },
            sendMessage() {},
            halfClose() {},
            cancel() {},
          }),
      ],
    }),
  Connect: () => {
    const reset = async (_method, _signal, timeoutMs) => {
      await new Promise((resolve) => setTimeout(resolve, timeoutMs + 5));
      throw new ConnectError("http/2 stream closed with error code CANCEL (0x8)", Code.Canceled);
    };
    return overConnect.connect({ transport: { unary: reset, stream: reset } });
  },
};
for (const driver of Object.keys(drivers)) {
  test(`${driver}: a call that the server resets at its deadline has exceeded it`, async () => {
    const client = resetting[driver]().client(MarketData);
    const unary = client.getPrice({ assetId: "BTC" }, { timeoutMs: 20 });
    assert.equal((await failed(unary)).code, status.DEADLINE_EXCEEDED);
    const followed = follow(client.streamTrades, { venueSymbolIds: [venueSymbolId] }, { timeoutMs: 20 });
    assert.equal((await failed(followed.next())).code, status.DEADLINE_EXCEEDED);
  });
}

test("a server that speaks of certificates is not taken for an untrusted one", async () => {
  const getPrice = () => {
    throw new ServiceError(ErrorReason.VENUE_UNAVAILABLE, "TLS handshake with the venue failed", {
      metadata: { venue_id: "binance" },
    });
  };
  const { port } = await served([service(MarketData, { getPrice })]);
  const client = connected("grpc-js", `localhost:${port}`).client(MarketData);
  const error = await failed(client.getPrice({ assetId: "BTC" }));
  assert.equal(ServiceError.of(error).reason, ErrorReason.VENUE_UNAVAILABLE);
  assert.equal(error.name, "Error");
});

test("errors of the client survive structuredClone", () => {
  const { CertificateError, OutcomeUnknownError, ProtocolError, SettingError } = overGrpc;
  for (const error of [
    new SettingError("token", "it is empty", "set it"),
    new ProtocolError("a.B.C", "it repeats itself"),
    new CertificateError("localhost:1", "self-signed", "set `ca`", new Error("cause")),
    new OutcomeUnknownError("a1", "c1", { seconds: 1n, nanos: 0 }, new Error("cause")),
  ]) {
    const clone = structuredClone(error);
    assert.ok(clone instanceof Error);
    assert.equal(clone.message, error.message);
    assert.ok(clone.cause);
  }
});
