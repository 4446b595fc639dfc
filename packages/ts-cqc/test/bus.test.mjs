// How Events travel on a bus.
import assert from "node:assert/strict";
import { test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { attributes, kafkaTopic, natsSubject, UnknownEventError } from "@cq/cqc/bus";
import { EventSchema } from "@cq/cqc/events/v1";
import fc from "fast-check";

const metadata = {
  eventId: "8f14e45f-ceea-467f-9575-1e8a5fe0f001",
  topic: "orders",
  subject: "main.account/1 é",
  sequence: 42n,
  occurredAt: { seconds: 1_710_500_000n, nanos: 120_000_000 },
  source: "venue-gateway",
};
const filled = (other = {}) =>
  create(EventSchema, { metadata: { ...metadata, ...other }, event: { case: "orderFilled", value: {} } });

test("attributes", () => {
  const expected = {
    specversion: "1.0",
    id: "8f14e45f-ceea-467f-9575-1e8a5fe0f001",
    source: "urn:cqc:venue-gateway",
    type: "cqc.events.v1.OrderFilled",
    subject: "main.account/1 é",
    time: "2024-03-15T10:53:20.120Z",
    datacontenttype: "application/protobuf",
    partitionkey: "main.account/1 é",
    sequence: "00000000000000000042",
  };
  assert.deepEqual(attributes(filled()), expected);
  assert.deepEqual(attributes(filled({ correlationId: "c", causationId: "d", sequence: 2n ** 64n - 1n })), {
    ...expected,
    correlationid: "c",
    causationid: "d",
    sequence: "18446744073709551615",
  });
});

test("topics and subjects", () => {
  assert.equal(natsSubject(filled()), "cqc.events.v1.orders.order_filled.main%2Eaccount%2F1%20%C3%A9");
  assert.equal(kafkaTopic(filled()), "cqc.events.v1.orders");
});

test("the last token of a subject can be decoded", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", minLength: 1 }), (subject) => {
      const token = natsSubject(filled({ subject })).split(".").at(-1);
      assert.equal(decodeURIComponent(token), subject);
      assert.match(token, /^[A-Za-z0-9_:%-]+$/);
    }),
  );
});

test("events that cannot be published", () => {
  for (const call of [attributes, kafkaTopic, natsSubject]) {
    assert.throws(
      () => call(create(EventSchema, { metadata })),
      (error) => {
        assert.ok(error instanceof UnknownEventError);
        assert.equal(error.eventId, metadata.eventId);
        assert.deepEqual([error.topic, error.subject, error.sequence], ["orders", "main.account/1 é", 42n]);
        return true;
      },
    );
    assert.throws(
      () => call(create(EventSchema, { metadata, event: { case: "priceUpdated", value: {} } })),
      /metadata[.]topic is "orders", but price_updated belongs to "prices"/,
    );
    assert.throws(
      () => call(create(EventSchema, { event: { case: "orderFilled", value: {} } })),
      /metadata[.]event_id is missing/,
    );
  }
  assert.throws(() => attributes(filled({ occurredAt: undefined })), /metadata[.]occurred_at is missing/);
  assert.throws(() => attributes(filled({ occurredAt: { nanos: -1 } })), RangeError);
});
