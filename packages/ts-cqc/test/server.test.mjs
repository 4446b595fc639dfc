// The server: health, reflection, validation, scopes, errors of handlers, and how it stops.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { after, before, describe, test } from "node:test";
import { fromBinary } from "@bufbuild/protobuf";
import { BinaryReader, BinaryWriter } from "@bufbuild/protobuf/wire";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import { connect } from "@cq/cqc/client";
import { ServiceError } from "@cq/cqc/errors";
import { SettingError, serve, service } from "@cq/cqc/server";
import { ErrorReason, MarketData, VenueGateway } from "@cq/cqc/services/v1";
import * as grpc from "@grpc/grpc-js";

const venueSymbolIds = ["binance:BTC-USDT-SPOT"];
const desk = { subject: "desk", scopes: new Set(["market.read"]), accounts: new Set(["a1"]) };
const verify = (token) => (token === "secret" ? desk : undefined);
const closing = [];
after(async () => {
  for (const close of closing.reverse()) await close();
});

async function served(services, options = {}) {
  const server = await serve(services, { address: "localhost:0", plaintext: true, graceMs: 3000, ...options });
  closing.push(() => server.stop());
  return server;
}
function connected({ port }) {
  const connection = connect({ target: `localhost:${port}`, plaintext: true, token: "" });
  closing.push(() => connection.close());
  return connection;
}
const failed = (promise) =>
  promise.then(
    () => assert.fail("the call succeeded"),
    (error) => error,
  );
const raw = (bytes) => bytes;
function rawClient({ port }) {
  const client = new grpc.Client(`localhost:${port}`, grpc.credentials.createInsecure());
  closing.push(() => client.close());
  return client;
}
const silent = (context) => {
  const { error } = console;
  const logged = [];
  console.error = (...words) => logged.push(words);
  context.after(() => {
    console.error = error;
  });
  return logged;
};

/** A message of grpc.health.v1 has one field, a string or an enum. */
const asked = (name) => Buffer.from(new BinaryWriter().tag(1, 2).string(name).finish());
function statusOf(bytes) {
  const reader = new BinaryReader(bytes);
  reader.tag();
  return ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"][reader.int32()];
}

describe("handlers", () => {
  let client;
  let port;
  before(async () => {
    class Market {
      value = 65000;
      getPrice({ assetId }, { metadata, deadline, principal }) {
        assert.equal(metadata.get("x-desk")[0], "7");
        assert.ok(deadline instanceof Date);
        assert.equal(principal, undefined);
        return { assetId, value: this.value };
      }
      getTicker() {
        throw new Error("the password is hunter2");
      }
      getOrderBook() {
        throw { code: grpc.status.OUT_OF_RANGE, details: "no such depth" };
      }
      async getPool() {
        throw new ServiceError(ErrorReason.NO_DATA, "no pool", { metadata: {} });
      }
      async *streamTrades() {
        yield { resumeToken: "1", event: { case: "trade", value: { tradeId: "1" } } };
        throw new Error("the password is hunter2");
      }
    }
    const server = await served([service(MarketData, new Market())]);
    port = server.port;
    client = connected(server).client(MarketData);
  });

  test("a handler returns a message, or the fields of one", async () => {
    const price = await client.getPrice({ assetId: "BTC" }, { headers: { "x-desk": "7" } });
    assert.deepEqual([price.assetId, price.value], ["BTC", 65000]);
  });

  test("an invalid request does not reach the handler", async () => {
    const failure = ServiceError.of(await failed(client.getPrice({ assetId: "btc" })));
    assert.equal(failure.reason, ErrorReason.INVALID_FIELD);
    assert.equal(failure.violations[0].field, "asset_id");
  });

  test("a method without a handler is not implemented", async () => {
    const failure = await failed(client.getInstrumentStatus({ venueSymbolId: venueSymbolIds[0] }));
    assert.equal(failure.code, grpc.status.UNIMPLEMENTED);
  });

  test("an error that was not meant for the client is logged, and not sent", async (context) => {
    const logged = silent(context);
    const failure = await failed(client.getTicker({ venueSymbolId: venueSymbolIds[0] }));
    assert.equal(failure.code, grpc.status.INTERNAL);
    assert.doesNotMatch(failure.message, /hunter2/);
    const received = [];
    const streamed = await failed(
      (async () => {
        for await (const { resumeToken } of client.streamTrades({ venueSymbolIds })) received.push(resumeToken);
      })(),
    );
    assert.equal(streamed.code, grpc.status.INTERNAL);
    assert.doesNotMatch(streamed.message, /hunter2/);
    assert.deepEqual(received, ["1"]);
    assert.equal(logged.length, 2);
    assert.match(logged[0][0], /cqc.services.v1.MarketData.GetTicker/);
    assert.match(logged[0][1].message, /hunter2/);
  });

  test("a ServiceError or a status is sent", async () => {
    const pool = ServiceError.of(await failed(client.getPool({ venueSymbolId: venueSymbolIds[0] })));
    assert.equal(pool.reason, ErrorReason.NO_DATA);
    const book = await failed(client.getOrderBook({ venueSymbolId: venueSymbolIds[0] }));
    assert.deepEqual([book.code, book.details], [grpc.status.OUT_OF_RANGE, "no such depth"]);
  });

  test("an address in use is a setting that is wrong", async () => {
    const failure = await failed(serve([], { address: `localhost:${port}`, plaintext: true }));
    assert.ok(failure instanceof SettingError);
    assert.equal(failure.setting, "address");
    assert.match(failure.message, /cannot listen on/);
  });
});

describe("access", () => {
  let target;
  before(async () => {
    const getPrice = (_, { principal }) => ({ quoteAssetId: principal.subject });
    const cancelAllOrders = () => ({});
    target = await served([service(MarketData, { getPrice }), service(VenueGateway, { cancelAllOrders })], { verify });
  });

  const calling = (authorization, call) => {
    const headers = authorization ? { authorization } : {};
    const market = connected(target).client(MarketData);
    return call
      ? call(connected(target).client(VenueGateway), headers)
      : market.getPrice({ assetId: "BTC" }, { headers });
  };

  test("a caller needs a token that the verifier knows, and the method's scope", async () => {
    assert.equal((await calling("Bearer secret")).quoteAssetId, "desk");
    const reason = async (...call) => ServiceError.of(await failed(calling(...call))).reason;
    assert.equal(await reason(), ErrorReason.CREDENTIALS_MISSING);
    assert.equal(await reason("Bearer guess"), ErrorReason.CREDENTIALS_INVALID);
    const cancel = (client, headers) => client.cancelAllOrders({ accountId: "a1" }, { headers });
    assert.equal(await reason("Bearer secret", cancel), ErrorReason.SCOPE_MISSING);
  });

  test("health needs no token", async () => {
    const client = rawClient(target);
    const answer = await new Promise((resolve, reject) => {
      client.makeUnaryRequest("/grpc.health.v1.Health/Check", raw, raw, asked(""), (error, bytes) =>
        error ? reject(error) : resolve(bytes),
      );
    });
    assert.equal(statusOf(answer), "SERVING");
  });
});

describe("settings", () => {
  const key = new URL("localhost.key", import.meta.url).pathname;
  const certificate = new URL("localhost.crt", import.meta.url).pathname;
  for (const [setting, pattern, options] of [
    ["verify", /anyone who can reach 0.0.0.0:0 could call/, { address: "0.0.0.0:0", plaintext: true }],
    ["verify", /anyone/, { certificate, key }],
    ["certificate", /missing; give the paths.*plaintext/, {}],
    ["key", /missing/, { certificate }],
    ["key", /cannot read missing.key/, { verify, certificate, key: "missing.key" }],
    ["certificate", /cannot be used/, { verify, certificate, key: certificate }],
    ["plaintext", /uses no `certificate`/, { plaintext: true, certificate, key }],
    ["address", /localhost is not a host and a port/, { plaintext: true, address: "localhost" }],
    ["address", /is not a host and a port/, { plaintext: true, address: "http://localhost:0" }],
    ["address", /is not a host and a port/, { plaintext: true, address: ":0" }],
  ]) {
    test(`${setting}: ${pattern.source}`, async () => {
      const failure = await failed(serve([], { address: "localhost:0", ...options }));
      assert.ok(failure instanceof SettingError, String(failure));
      assert.equal(failure.setting, setting);
      assert.match(failure.message, pattern);
    });
  }

  test("a verifier makes every address possible", async () => {
    const server = await served([], { address: "0.0.0.0:0", verify });
    assert.equal(server.address, `0.0.0.0:${server.port}`);
  });
});

describe("health", () => {
  test("each service is served, and others are not known", async () => {
    const client = rawClient(await served([service(MarketData, {})]));
    const check = (name) =>
      new Promise((resolve) => {
        client.makeUnaryRequest("/grpc.health.v1.Health/Check", raw, raw, asked(name), (error, bytes) =>
          resolve(error?.code ?? statusOf(bytes)),
        );
      });
    assert.equal(await check(""), "SERVING");
    assert.equal(await check("cqc.services.v1.MarketData"), "SERVING");
    assert.equal(await check("cqc.services.v1.VenueGateway"), grpc.status.NOT_FOUND);
  });

  test("a watcher is told when the server stops", async () => {
    const server = await served([service(MarketData, {})]);
    const call = rawClient(server).makeServerStreamRequest("/grpc.health.v1.Health/Watch", raw, raw, asked(""));
    const seen = [];
    const failure = await failed(
      (async () => {
        for await (const bytes of call) {
          seen.push(statusOf(bytes));
          if (seen.length === 1) void server.stop();
        }
      })(),
    );
    assert.deepEqual(seen, ["SERVING", "NOT_SERVING"]);
    assert.equal(failure.code, grpc.status.UNAVAILABLE);
  });
});

describe("reflection", () => {
  let client;
  before(async () => {
    client = rawClient(await served([service(MarketData, {})]));
  });

  /** Returns the fields of the answer to a request with one field. */
  async function ask(version, field, value) {
    const path = `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`;
    const call = client.makeBidiStreamRequest(path, raw, raw);
    const writer = new BinaryWriter().tag(field, 2);
    call.write(Buffer.from((value instanceof Uint8Array ? writer.bytes(value) : writer.string(value)).finish()));
    call.end();
    const [answer] = await once(call, "data");
    await once(call, "end");
    return parsed(answer);
  }
  function parsed(bytes) {
    const reader = new BinaryReader(bytes);
    const fields = new Map();
    while (reader.pos < reader.len) {
      const [number, type] = reader.tag();
      fields.set(number, [...(fields.get(number) ?? []), type === 2 ? reader.bytes() : reader.int32()]);
    }
    return fields;
  }
  const text = (bytes) => Buffer.from(bytes).toString();
  const files = (answer) =>
    parsed(answer.get(4)[0])
      .get(1)
      .map((bytes) => fromBinary(FileDescriptorProtoSchema, bytes));

  for (const version of ["v1", "v1alpha"]) {
    test(`${version} lists and describes the services`, async () => {
      const names = parsed((await ask(version, 7, "")).get(6)[0]).get(1);
      assert.deepEqual(
        names.map((bytes) => text(parsed(bytes).get(1)[0])),
        [
          "cqc.services.v1.MarketData",
          "grpc.health.v1.Health",
          "grpc.reflection.v1.ServerReflection",
          "grpc.reflection.v1alpha.ServerReflection",
        ],
      );
      const [first, ...imports] = files(await ask(version, 4, "cqc.services.v1.MarketData"));
      assert.equal(first.name, "cqc/services/v1/market_data.proto");
      const known = new Set([first, ...imports].map(({ name }) => name));
      for (const { dependency } of [first, ...imports]) {
        for (const name of dependency) assert.ok(known.has(name), name);
      }
    });
  }

  test("a symbol is a type, or a part of one", async () => {
    for (const [symbol, file] of [
      ["cqc.services.v1.MarketData.GetPrice", "cqc/services/v1/market_data.proto"],
      ["cqc.markets.v1.Price", "cqc/markets/v1/price.proto"],
      ["cqc.markets.v1.Price.value", "cqc/markets/v1/price.proto"],
      ["google.rpc.ErrorInfo", "google/rpc/error_details.proto"],
      ["google.protobuf.Timestamp", "google/protobuf/timestamp.proto"],
      ["grpc.health.v1.Health", "grpc/health/v1/health.proto"],
    ]) {
      assert.equal(files(await ask("v1", 4, symbol))[0].name, file);
    }
  });

  test("descriptors have the rules", async () => {
    const [file] = files(await ask("v1", 3, "cqc/services/v1/market_data.proto"));
    assert.ok(file.dependency.includes("buf/validate/validate.proto"));
    const request = file.messageType.find(({ name }) => name === "GetPriceRequest");
    assert.ok(request.field[0].options.$unknown?.length > 0);
  });

  test("extensions are found by number", async () => {
    const numbers = parsed((await ask("v1", 6, "google.protobuf.MethodOptions")).get(5)[0]);
    assert.equal(text(numbers.get(1)[0]), "google.protobuf.MethodOptions");
    const wanted = new BinaryWriter().tag(1, 2).string("google.protobuf.MethodOptions").tag(2, 0).int32(80201).finish();
    assert.equal(files(await ask("v1", 5, wanted))[0].name, "cqc/options/v1/options.proto");
  });

  test("what is not known is NOT_FOUND", async () => {
    const error = parsed((await ask("v1", 4, "cqc.services.v1.Nothing")).get(7)[0]);
    assert.equal(error.get(1)[0], grpc.status.NOT_FOUND);
    assert.match(text(error.get(2)[0]), /cqc.services.v1.Nothing is not known/);
  });
});

describe("stopping", () => {
  test("open streams end soon, unary calls in flight finish", async () => {
    let answer;
    let closed = false;
    const market = service(MarketData, {
      getPrice: () => new Promise((resolve) => (answer = resolve)),
      async *streamTrades(_, { signal }) {
        signal.addEventListener("abort", () => (closed = true));
        yield { resumeToken: "1", event: { case: "trade", value: { tradeId: "1" } } };
        await new Promise(() => {});
      },
    });
    const server = await served([market], { graceMs: 20_000 });
    const client = connected(server).client(MarketData);
    const price = client.getPrice({ assetId: "BTC" });
    const started = performance.now();
    let stopped;
    const failure = await failed(
      (async () => {
        for await (const _ of client.streamTrades({ venueSymbolIds })) stopped = server.stop();
      })(),
    );
    assert.deepEqual([failure.code, failure.details], [grpc.status.UNAVAILABLE, "the server is stopping"]);
    assert.ok(closed);
    answer({ value: 1 });
    assert.equal((await price).value, 1);
    await stopped;
    assert.ok(performance.now() - started < 5000);
    assert.equal((await failed(client.getPrice({ assetId: "BTC" }))).code, grpc.status.UNAVAILABLE);
  });

  test("a call that does not finish is cut off after the grace", async () => {
    const market = service(MarketData, { getPrice: () => new Promise(() => {}) });
    const server = await served([market], { graceMs: 200 });
    const client = connected(server).client(MarketData);
    const price = failed(client.getPrice({ assetId: "BTC" }));
    const reached = client.getTicker({ venueSymbolId: venueSymbolIds[0] }).catch(() => {});
    await reached;
    await server.stop();
    assert.ok([grpc.status.CANCELLED, grpc.status.UNAVAILABLE].includes((await price).code));
  });

  for (const signal of ["SIGTERM", "SIGINT"]) {
    test(`${signal} stops a server that waits`, async () => {
      const program = `
        import { serve, service } from "@cq/cqc/server";
        import { MarketData } from "@cq/cqc/services/v1";
        const server = await serve([service(MarketData, {})], { address: "localhost:0", plaintext: true });
        const ended = server.wait();
        console.log(server.port);
        await ended;
        console.log("stopped");
      `;
      const child = spawn(process.execPath, ["--input-type=module", "--eval", program], {
        cwd: new URL(".", import.meta.url).pathname,
        stdio: ["ignore", "pipe", "inherit"],
        timeout: 20_000,
      });
      const [port] = await once(child.stdout, "data");
      assert.ok(Number(port) > 0);
      child.kill(signal);
      let rest = "";
      child.stdout.on("data", (bytes) => {
        rest += bytes;
      });
      const [code] = await once(child, "close");
      assert.deepEqual([rest.trim(), code], ["stopped", 0]);
    });
  }
});
