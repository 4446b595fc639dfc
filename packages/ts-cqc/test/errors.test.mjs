// Every error class of the package: across threads, as text, and from other transports.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { MessageChannel, receiveMessageOnPort } from "node:worker_threads";
import { create } from "@bufbuild/protobuf";
import { timestampNow } from "@bufbuild/protobuf/wkt";
import { Code as ConnectCode, ConnectError } from "@connectrpc/connect";
import { BookBuilder, parseSymbolId } from "@cq/cqc";
import { Code, ServiceError } from "@cq/cqc/errors";
import { Event } from "@cq/cqc/events/v1";
import { OrderBook, OrderBookDelta, QuantityUnit } from "@cq/cqc/markets/v1";
import { ErrorReason } from "@cq/cqc/services/v1";
import * as grpc from "@grpc/grpc-js";

const thrown = (action) => {
  try {
    action();
  } catch (error) {
    return error;
  }
  return assert.fail("nothing was thrown");
};
const book = new BookBuilder(create(OrderBook, { venueSymbolId: "a:B", sequence: 18446744073709551615n }));
const limited = new ServiceError(ErrorReason.RATE_LIMITED, "slow down", { metadata: { limit: "x" }, retryDelay: 1500 });
const certificate = ["localhost:1", "unable to verify the first certificate", "set CQC_CA"];
const sent = ["main", "order-1", timestampNow(), new Error("the connection broke")];
const samples = {
  BookError: () => thrown(() => book.apply(create(OrderBookDelta, { venueSymbolId: "c:D" }))),
  CertificateError: (Class) => new Class(...certificate, new Error("UNAVAILABLE")),
  InvalidIdError: () => thrown(() => parseSymbolId("nothing")),
  OutcomeUnknownError: (Class) => new Class(...sent),
  ProtocolError: (Class) => new Class("cqc.services.v1.MarketData.ListTrades", "it repeats a page token"),
  ServiceError: () => limited,
  SettingError: (Class) => new Class("CQC_CA", "the file is empty", "name a PEM file"),
  UnitNotReconcilableError: (Class) => new Class("a:B", QuantityUnit.CONTRACTS, "its size is not known"),
  UnknownEventError: (Class) => new Class(create(Event, { metadata: { topic: "orders", sequence: 7n } })),
};

const manifest = JSON.parse(readFileSync(new URL("node_modules/@cq/cqc/package.json", import.meta.url), "utf8"));
const entries = Object.keys(manifest.exports).filter((name) => name !== "./package.json");
const exported = (await Promise.all(entries.map((name) => import(`@cq/cqc${name.slice(1)}`)))).flatMap(Object.values);
const classes = new Set(exported.filter((item) => item?.prototype instanceof Error));

for (const Class of classes) {
  test(`${Class.name} keeps its facts across threads`, () => {
    assert.ok(samples[Class.name], `add a sample of ${Class.name} to this file`);
    const error = samples[Class.name](Class);
    assert.ok(error instanceof Class);
    assert.equal(error.name, Class.name);
    const { port1, port2 } = new MessageChannel();
    port1.postMessage(error);
    const posted = receiveMessageOnPort(port2).message;
    port1.close();
    const { name, cause, ...facts } = error;
    assert.ok(Object.keys(facts).length > 0);
    for (const clone of [structuredClone(error), posted]) {
      assert.ok(clone instanceof Error);
      assert.equal(clone.message, error.message);
      if (error.cause instanceof Error) {
        // The place of the facts is taken, so the text has those that identify what failed.
        assert.equal(clone.cause.message, error.cause.message);
        for (const fact of Object.values(facts).filter((value) => typeof value === "string")) {
          assert.ok(clone.message.includes(fact), fact);
        }
      } else assert.deepEqual({ ...clone.cause }, { name, ...facts });
    }
  });
}

const facts = ({ name, message, reason, reasonName, code, metadata, retryDelay, violations }) => {
  return {
    name,
    message,
    reason,
    reasonName,
    code,
    metadata: { ...metadata },
    retryDelay,
    violations: [...violations],
  };
};

test("ServiceError.of restores what was cloned", () => {
  const violations = [{ field: "a", ruleId: "b", message: "c" }];
  for (const error of [limited, new ServiceError(ErrorReason.INVALID_FIELD, "no", { violations })]) {
    const restored = ServiceError.of(structuredClone(error));
    assert.ok(restored instanceof ServiceError);
    assert.deepEqual(facts(restored), facts(error));
    assert.deepEqual(facts(ServiceError.of(structuredClone(restored))), facts(error));
  }
});

test("the text of a ServiceError has reason, message, metadata in the order of the contract, and the next step", () => {
  const metadata = { checked_at: "2026-01-01T00:00:00Z", type: "Order", id: "7" };
  const missing = new ServiceError(ErrorReason.RECORD_NOT_FOUND, "no such order", { metadata });
  assert.ok(missing.nextStep);
  assert.equal(missing.message, "no such order");
  assert.equal(
    String(missing),
    `RECORD_NOT_FOUND: no such order (type=Order, id=7, checked_at=2026-01-01T00:00:00Z); ${missing.nextStep}`,
  );
  const plain = new ServiceError(ErrorReason.CREDENTIALS_MISSING, "no token");
  assert.equal(String(plain), `CREDENTIALS_MISSING: no token; ${plain.nextStep}`);
});

test("every reason says what to do next", () => {
  for (const reason of Object.values(ErrorReason).filter((value) => typeof value === "number" && value !== 0)) {
    assert.ok(new ServiceError(reason, "").nextStep, ErrorReason[reason]);
  }
});

test("codes are those of gRPC and Connect", () => {
  const numbers = Object.entries(grpc.status).filter(([, value]) => typeof value === "number");
  assert.deepEqual(Object.entries(Code).sort(), numbers.sort());
  assert.equal(Code.UNAVAILABLE, ConnectCode.Unavailable);
});

test("a ConnectError is read, received or about to be sent", () => {
  const status = limited.status();
  const received = new ConnectError(limited.message, limited.code);
  received.details = status.details.map(({ typeUrl, value }) => ({ type: typeUrl.split("/")[1], value }));
  assert.deepEqual(facts(ServiceError.of(received)), facts(limited));
  assert.equal(ServiceError.of(new ConnectError("no", ConnectCode.Internal)), undefined);
  for (const other of [null, "text", 7, {}, new Error("no"), { details: [] }]) {
    assert.equal(ServiceError.of(other), undefined);
  }
});
