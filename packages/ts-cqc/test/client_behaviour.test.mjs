// Runs the corpus of client behaviour, which all languages share, over both drivers: in memory, and in virtual time.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { create, fromBinary, fromJson, toBinary, toJson } from "@bufbuild/protobuf";
import { anyPack, DurationSchema, durationFromMs } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createRouterTransport } from "@connectrpc/connect";
import { connect as connectGrpc, follow, followBook, pages, placeOrder, serviceConfig } from "@cq/cqc/client";
import { connect as connectConnect } from "@cq/cqc/connect";
import { ServiceError } from "@cq/cqc/errors";
import * as services from "@cq/cqc/services/v1";
import * as grpc from "@grpc/grpc-js";
import fc from "fast-check";

const dist = new URL("node_modules/@cq/cqc/dist/esm/gen/google/rpc/", import.meta.url);
const { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } = await import(new URL("error_details_pb.js", dist));
const { StatusSchema } = await import(new URL("status_pb.js", dist));
const read = (name) => readFileSync(new URL(`testdata/${name}`, import.meta.url), "utf8");
const cases = JSON.parse(read("client_behaviour.json"));
// These have calls that gRPC repeats. Over Connect the package does it, so that they too run in memory.
const repeated = JSON.parse(read("client_sockets.json"));
const all = Object.values(services).filter((item) => item.kind === "service");

/** Replaces the clock of this process: time passes only when nothing else is left to do. */
class VirtualTime {
  now = 0;
  timers = new Map();
  last = 0;
  real = { setTimeout, clearTimeout, dateNow: Date.now, performanceNow: performance.now, random: Math.random };

  install() {
    globalThis.setTimeout = (call, ms = 0, ...values) => {
      const id = ++this.last;
      this.timers.set(id, { at: this.now + Math.max(0, ms), call: () => call(...values) });
      return { id, unref() {}, ref() {}, hasRef: () => true, [Symbol.toPrimitive]: () => id };
    };
    globalThis.clearTimeout = (timer) => this.timers.delete(timer?.id);
    Date.now = () => Date.UTC(2000, 0, 1) + this.now;
    performance.now = () => this.now;
    // No jitter.
    Math.random = () => 0.5;
  }

  uninstall() {
    const { dateNow, performanceNow, random, ...timers } = this.real;
    Object.assign(globalThis, timers);
    Date.now = dateNow;
    performance.now = performanceNow;
    Math.random = random;
  }

  async run(work) {
    let running = true;
    work.then(
      () => (running = false),
      () => (running = false),
    );
    for (;;) {
      for (let turn = 0; turn < 4; turn++) await new Promise(setImmediate);
      if (!running) return work;
      const [id, timer] = [...this.timers].reduce(
        (one, other) => (other[1].at < one[1].at ? other : one),
        [0, { at: 1e9 }],
      );
      assert.ok(id && timer.at < 1e7, "the case waits for something that never happens, or never ends");
      this.timers.delete(id);
      this.now = Math.max(this.now, timer.at);
      timer.call();
    }
  }
}

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** The scripted server: plays the next attempt for whatever call reaches it. */
class Script {
  requestIds = [];
  lines = [];

  constructor(row, time) {
    this.row = row;
    this.time = time;
    this.attempts = [...row.attempts];
  }

  log(text) {
    this.lines.push(`${Math.round(this.time.now)} ${text}`);
  }

  called(method, request, deadline) {
    const fields = toJson(method.input, request, { useProtoFieldName: true });
    const words = [`call ${method.parent.name}/${method.name}`];
    if (this.row.call === "pages") words.push(`token=${fields.page_token ?? ""}`);
    if (this.row.call.startsWith("follow")) words.push(`token=${fields.resume_token ?? ""}`);
    else if (this.row.call !== "pages")
      words.push(`deadline=${deadline === undefined ? "none" : Math.round(deadline)}`);
    if (method.input.fields.some(({ name }) => name === "request_id"))
      words.push(`request_id=${this.kind(fields.request_id)}`);
    if (fields.send_before) words.push(`send_before=${Date.parse(fields.send_before) - Date.UTC(2000, 0, 1)}`);
    const order = fields.order ?? fields.key;
    if (this.row.call === "place_order" && order) {
      words.push(`account_id=${order.account_id}`, `client_order_id=${order.client_order_id}`);
    }
    this.log(words.join(" "));
  }

  kind(id) {
    if (!id) return "";
    if (id === this.row.request.request_id) return "given";
    if (this.requestIds.includes(id)) return "same";
    this.requestIds.push(id);
    return "new";
  }

  /** Yields what the server sends, and throws the status with which it ends. */
  async *play(method, request, { deadline, signal }) {
    this.called(method, request, deadline);
    const steps = this.attempts.shift() ?? [{ at: 0, status: { code: "UNAVAILABLE" } }];
    const opened = this.time.now;
    for (const { at, send, status } of steps) {
      if (opened + at > this.time.now) await sleep(opened + at - this.time.now);
      if (signal.aborted) return;
      if (send) yield fromJson(method.output, send);
      else if (status) throw status;
      else return;
    }
    await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
  }
}

function details({ reason, domain = "cqc", metadata = {}, retry_delay_ms: delay, violations = [] }) {
  const found = [];
  if (reason) found.push([ErrorInfoSchema, { domain, reason, metadata }]);
  if (violations.length > 0) {
    const fieldViolations = violations.map(({ rule_id: reason, field, message: description }) => ({
      field,
      reason,
      description,
    }));
    found.push([BadRequestSchema, { fieldViolations }]);
  }
  if (delay !== undefined) found.push([RetryInfoSchema, { retryDelay: create(DurationSchema, durationFromMs(delay)) }]);
  return found;
}

/** The scripted server as a Connect transport, in memory. */
function connectDriver(script) {
  const fail = (status) => {
    if (!("code" in status) || status instanceof Error) throw status;
    const name = Object.keys(grpc.status).find((key) => key === status.code);
    const headers = status.pushback_ms === undefined ? {} : { "grpc-retry-pushback-ms": `${status.pushback_ms}` };
    const outgoing = details(status).map(([desc, value]) => ({ desc, value }));
    throw new ConnectError(status.message ?? "", grpc.status[name], headers, outgoing);
  };
  const handler = (method) => {
    const call = (context) => ({
      deadline: Number(context.requestHeader.get("connect-timeout-ms") ?? Number.NaN) || undefined,
      signal: context.signal,
    });
    if (method.methodKind === "unary") {
      return async (request, context) => {
        try {
          for await (const message of script.play(method, request, call(context))) return message;
        } catch (status) {
          fail(status);
        }
        throw new ConnectError("cancelled", Code.Canceled);
      };
    }
    return async function* (request, context) {
      try {
        yield* script.play(method, request, call(context));
      } catch (status) {
        fail(status);
      }
    };
  };
  const transport = createRouterTransport((router) => {
    for (const service of all) {
      const handlers = service.methods.map((method) => [method.localName, handler(method)]);
      router.service(service, Object.fromEntries(handlers));
    }
  });
  return connectConnect({ transport });
}

/** The scripted server as a channel of @grpc/grpc-js, in memory. */
function grpcDriver(script) {
  const methods = new Map(all.flatMap(({ methods, typeName }) => methods.map((m) => [`/${typeName}/${m.name}`, m])));
  const createCall = (path, deadline) => {
    const method = methods.get(path);
    const controller = new AbortController();
    let listener;
    let request;
    let timer;
    let ended = false;
    const finish = (code, text, packed = []) => {
      if (ended) return;
      ended = true;
      clearTimeout(timer);
      controller.abort();
      const metadata = new grpc.Metadata();
      if (packed.length > 0) {
        const list = packed.map(([schema, value]) => anyPack(schema, create(schema, value)));
        const status = toBinary(StatusSchema, create(StatusSchema, { code, message: text, details: list }));
        metadata.set("grpc-status-details-bin", Buffer.from(status));
      }
      process.nextTick(() => listener.onReceiveStatus({ code, details: text, metadata }));
    };
    const play = async () => {
      const left = Number.isFinite(Number(deadline)) ? Number(deadline) - Date.now() : undefined;
      if (left !== undefined) timer = setTimeout(() => finish(grpc.status.DEADLINE_EXCEEDED, "too late"), left);
      try {
        const call = { deadline: left, signal: controller.signal };
        for await (const message of script.play(method, fromBinary(method.input, request), call)) {
          if (ended) return;
          listener.onReceiveMessage(Buffer.from(toBinary(method.output, message)));
          if (method.methodKind === "unary") break;
        }
        finish(grpc.status.OK, "");
      } catch (status) {
        finish(grpc.status[status.code], status.message ?? "", details(status));
      }
    };
    return {
      start: (_, given) => (listener = given),
      sendMessageWithContext({ callback }, bytes) {
        request = bytes;
        process.nextTick(() => callback?.());
      },
      halfClose: () => void play(),
      startRead() {},
      cancelWithStatus: (code, text) => finish(code, text),
      getPeer: () => "memory",
      getCallNumber: () => 0,
      setCredentials() {},
      getAuthContext: () => null,
    };
  };
  const channelOverride = { createCall, close() {}, getTarget: () => "memory", getConnectivityState: () => 2 };
  return connectGrpc({ target: "memory", plaintext: true, channelOptions: { channelOverride } });
}

const at = (message, path) => path.split(".").reduce((value, name) => value?.[name], message);
const lower = (name) => name.replace(/_(.)/g, (_, letter) => letter.toUpperCase());

async function perform(row, script, connection) {
  const [typeName, name] = row.method.split("/");
  const service = all.find((item) => item.typeName === typeName);
  const method = service.methods.find((item) => item.name === name);
  const client = connection.client(service);
  const call = client[method.localName];
  const request = fromJson(method.input, row.request);
  const controller = new AbortController();
  if (row.cancel_ms !== undefined) setTimeout(() => controller.abort(), row.cancel_ms);
  const options = { signal: controller.signal, ...(row.timeout_ms === undefined ? {} : { timeoutMs: row.timeout_ms }) };
  const onLost = ({ cause, delayMs }) => script.log(`lost ${cause} ${Math.round(delayMs)}`);
  const json = (schema, message) => toJson(schema, message, { useProtoFieldName: true });
  const level = (levels) => (levels[0] ? `${levels[0].price}@${levels[0].quantity}` : "-");
  const show = {
    pages: (item) => `item ${at(item, lower(row.show))}`,
    follow: ({ event }) =>
      `item ${method.output.oneofs[0].fields.find((field) => field.localName === event.case).name}`,
    follow_book: ({ book, state, reason }) =>
      `book ${state} ${reason || "-"} ${book ? `${level(book.bids())} ${level(book.asks())}` : "absent"}`,
  }[row.call];
  try {
    if (row.call === "unary")
      return script.log(`result ${at(json(method.output, await call(request, options)), row.show) ?? "-"}`);
    if (row.call === "place_order") {
      const order = await placeOrder(client, request, options);
      return script.log(`result ${order[lower(row.show)]}`);
    }
    const items = {
      pages: () => pages(call, request, lower(row.items), options),
      follow: () => follow(call, request, { ...options, onLost }),
      follow_book: () => followBook(call, request, { ...options, onLost }),
    }[row.call]();
    let count = 0;
    for await (const item of items) {
      script.log(show(item));
      if (++count === row.take) break;
      if (row.handle_ms) await sleep(row.handle_ms);
    }
    script.log("done");
  } catch (error) {
    if (controller.signal.aborted) return script.log("cancelled");
    const { name, cause } = error;
    const codeOf = ({ code }) => Object.keys(grpc.status).find((key) => grpc.status[key] === code);
    if (name === "OutcomeUnknownError") return script.log(`error ${name} ${codeOf(cause)}`);
    if (["CertificateError", "ProtocolError"].includes(name)) return script.log(`error ${name}`);
    const known = ServiceError.of(error);
    const words = ["error", codeOf(error), known ? services.ErrorReason[known.reason] : "-"];
    if (known?.retryDelay !== undefined) words.push(`retry=${known.retryDelay}`);
    const facts = Object.entries(known?.metadata ?? {}).sort(([one], [other]) => (one < other ? -1 : 1));
    words.push(...facts.map(([key, value]) => `${key}=${value}`));
    words.push(...(known?.violations ?? []).map(({ field, ruleId }) => `violation=${field}:${ruleId}`));
    script.log(words.join(" "));
  }
}

async function linesOf(row, open) {
  const time = new VirtualTime();
  const script = new Script(row, time);
  const connection = open(script);
  time.install();
  try {
    await time.run(perform(row, script, connection));
  } finally {
    time.uninstall();
    connection.close();
  }
  return script.lines;
}

/** Whether the case's lines hold only where nothing repeats calls, as in the memory of the other drivers. */
function isRepeated({ call, attempts }) {
  const isUnavailable = ({ status }) => status?.code === "UNAVAILABLE";
  // The first call of placeOrder is never repeated.
  return (
    !call.startsWith("follow") &&
    attempts
      .slice(call === "place_order" ? 1 : 0)
      .flat()
      .some(isUnavailable)
  );
}

for (const row of cases) {
  test(`grpc-js: ${row.name}`, async () => assert.deepEqual(await linesOf(row, grpcDriver), row.expect));
  if (isRepeated(row)) continue;
  test(`Connect: ${row.name}`, async () => assert.deepEqual(await linesOf(row, connectDriver), row.expect));
}

for (const row of repeated) {
  test(`Connect, without times: ${row.name}`, async () => {
    const lines = (await linesOf(row, connectDriver)).map((line) => line.replace(/^\d+ /, ""));
    const calls = lines.filter((line) => line.startsWith("call "));
    const others = lines
      .filter((line) => !line.startsWith("call "))
      .map((line) => line.replace(/^(lost \S+) .*/, "$1"));
    assert.deepEqual(others, row.expect);
    assert.deepEqual(
      calls.map((line) => line.split(" ")[1]),
      row.calls.map((line) => line.split(" ")[0]),
    );
    const words = (line, name) => line.split(" ").filter((word) => word.startsWith(`${name}=`));
    for (const name of ["token", "request_id"]) {
      assert.deepEqual(
        calls.map((line) => words(line, name)),
        row.calls.map((line) => words(line, name)),
      );
    }
  });
}

test("the service config is the same in all languages", () => {
  assert.equal(`${serviceConfig()}\n`, read("service_config.json"));
});

/** Runs work in virtual time, without a driver. */
async function virtually(work) {
  const time = new VirtualTime();
  time.install();
  try {
    await time.run(work());
  } finally {
    time.uninstall();
  }
}

const endings = fc.constantFrom("UNAVAILABLE", "INTERNAL", "CANCELLED", "OK", "silence");
async function end(ending, signal) {
  if (ending === "silence") await new Promise((resolve) => signal.addEventListener("abort", resolve));
  if (ending !== "OK") throw Object.assign(new Error(ending), { code: grpc.status[ending] ?? grpc.status.CANCELLED });
}

test("each message comes once and in order, whatever interrupts the stream", async () => {
  const attempt = fc.record({ count: fc.nat(6), heartbeats: fc.boolean(), ending: endings });
  const property = fc.asyncProperty(fc.array(attempt, { maxLength: 12 }), fc.nat(40_000), async (attempts, workMs) => {
    const total = 20;
    const plans = [...attempts];
    async function* open({ resumeToken }, { signal }) {
      const { count, heartbeats, ending } = plans.shift() ?? { count: total, heartbeats: false, ending: "OK" };
      const first = Number(resumeToken);
      for (let id = first + 1; id <= Math.min(total, first + count); id++) {
        if (heartbeats) yield { resumeToken: `${id - 1}`, event: { case: "heartbeat" } };
        yield { resumeToken: `${id}`, event: { case: "trade", value: id } };
      }
      await end(ending, signal);
    }
    const seen = [];
    await virtually(async () => {
      for await (const { event } of follow(open, {})) {
        seen.push(event.value);
        if (seen.length === total) break;
        if (seen.length === 3) await sleep(workMs);
      }
    });
    assert.deepEqual(
      seen,
      Array.from({ length: total }, (_, index) => index + 1),
    );
  });
  await fc.assert(property, { numRuns: 60 });
});

test("a book that is LIVE is the server's, whatever is lost or left out", async () => {
  const change = fc.record({ price: fc.integer({ min: 1, max: 6 }), quantity: fc.nat(3) });
  const attempt = fc.record({
    anew: fc.boolean(),
    count: fc.nat(5),
    skipped: fc.integer({ min: -3, max: 5 }),
    cut: fc.boolean(),
    ending: endings,
  });
  const changes = fc.array(change, { minLength: 8, maxLength: 8 });
  const property = fc.asyncProperty(changes, fc.array(attempt, { maxLength: 10 }), async (deltas, attempts) => {
    const books = [new Map()];
    for (const { price, quantity } of deltas) {
      const next = new Map(books.at(-1));
      if (quantity === 0) next.delete(`${price}`);
      else next.set(`${price}`, `${quantity}`);
      books.push(next);
    }
    const plans = [...attempts];
    let now = 0;
    const venueSymbolId = "binance:BTC-USDT-SPOT";
    const level = ([price, quantity]) => ({ price, quantity });
    const message = (resumeToken, name, value) =>
      fromJson(services.StreamOrderBookResponse, { resume_token: resumeToken, [name]: value });
    async function* open({ resumeToken }, { signal }) {
      const last = { anew: false, count: deltas.length, skipped: -1, cut: false, ending: "OK" };
      const { anew, count, skipped, cut, ending } = plans.shift() ?? last;
      let sequence = Number(resumeToken);
      if (anew || resumeToken === "" || resumeToken === "snapshot") {
        sequence = now;
        const bids = [...books[sequence]].map(level);
        yield message("snapshot", "snapshot", { venue_symbol_id: venueSymbolId, sequence: `${sequence}`, bids });
        if (cut) await end(ending === "OK" ? "UNAVAILABLE" : ending, signal);
        yield message(`${sequence}`, "snapshot_complete", {});
      }
      for (let done = 0; done < count && sequence < deltas.length; done++) {
        const { price, quantity } = deltas[sequence++];
        now = Math.max(now, sequence);
        if (done === skipped) continue;
        const bids = [level([`${price}`, `${quantity}`])];
        yield message(`${sequence}`, "delta", { venue_symbol_id: venueSymbolId, sequence: `${sequence}`, bids });
      }
      await end(ending, signal);
    }
    await virtually(async () => {
      let known = false;
      for await (const { book, state } of followBook(open, { venueSymbolId })) {
        assert.equal(book === undefined, state === "RESET");
        if (state === "STALE") assert.ok(known);
        known = state === "LIVE";
        if (state !== "LIVE") continue;
        const bids = new Map(book.bids().map(({ price, quantity }) => [price, quantity]));
        assert.deepEqual(bids, new Map([...books[Number(book.sequence)]].sort().reverse()));
        if (Number(book.sequence) === deltas.length) break;
      }
    });
  });
  await fc.assert(property, { numRuns: 100 });
});
