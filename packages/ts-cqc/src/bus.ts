// How an Event travels on a message bus: CloudEvents attributes, NATS subjects and Kafka topics.
import { type DescField, type DescMessage, getOption, toJson } from "@bufbuild/protobuf";
import { type Timestamp, TimestampSchema } from "@bufbuild/protobuf/wkt";
import { keepFacts } from "./facts.js";
import { type Event, EventSchema } from "./gen/cqc/events/v1/event_pb.js";
import { topic } from "./gen/cqc/options/v1/options_pb.js";
import { toUnixNanos } from "./timestamp.js";

/**
 * An Event whose content this version of the package does not know.
 *
 * Its type cannot be named: forward it under the attributes and the subject with which it came. `eventId`, `topic`, `subject`
 * and `sequence` are those of its metadata; note the sequence, so that the next event shows no false gap.
 */
export class UnknownEventError extends RangeError {
  override readonly name = "UnknownEventError";
  readonly eventId: string;
  readonly topic: string;
  readonly subject: string;
  readonly sequence: bigint;

  constructor({ metadata }: Event) {
    super(`event ${metadata?.eventId ?? ""} of topic ${metadata?.topic ?? ""} is not known to this version`);
    this.eventId = metadata?.eventId ?? "";
    this.topic = metadata?.topic ?? "";
    this.subject = metadata?.subject ?? "";
    this.sequence = metadata?.sequence ?? 0n;
    keepFacts(this);
  }
}

/**
 * Returns the CloudEvents 1.0 attributes of an event, whose data is the Event itself.
 *
 * The keys are specversion, id, source, type, subject, time, datacontenttype, partitionkey and sequence, and
 * correlationid and causationid if the event has them. `time` is RFC 3339 in UTC with 0, 3, 6 or 9 fraction digits.
 * `sequence` has 20 digits with leading zeros, so that it orders as text.
 *
 * Throws an UnknownEventError, and a RangeError if the metadata lacks event_id, source, subject or a valid occurred_at,
 * or if its topic is not that of the event.
 */
export function attributes(event: Event): Record<string, string> {
  const { field, metadata } = known(event);
  if (!metadata.occurredAt) throw new RangeError("metadata.occurred_at is missing");
  return {
    specversion: "1.0",
    id: metadata.eventId,
    source: `urn:cqc:${metadata.source}`,
    type: field.message.typeName,
    subject: metadata.subject,
    time: rfc3339(metadata.occurredAt),
    datacontenttype: "application/protobuf",
    partitionkey: metadata.subject,
    sequence: String(metadata.sequence).padStart(20, "0"),
    ...(metadata.correlationId !== undefined && { correlationid: metadata.correlationId }),
    ...(metadata.causationId !== undefined && { causationid: metadata.causationId }),
  };
}

/**
 * Returns the NATS subject of an event, such as `cqc.events.v1.orders.order_filled.main`.
 *
 * Its last token is the subject of the event; every byte of it outside `[A-Za-z0-9_:-]` is `%XX`. The header
 * `Nats-Msg-Id` is the event's id. Throws as `attributes` does, but needs no `occurredAt`.
 */
export function natsSubject(event: Event): string {
  const { field, metadata } = known(event);
  return `cqc.events.v1.${metadata.topic}.${field.name}.${token(metadata.subject)}`;
}

/**
 * Returns the Kafka topic of an event, such as `cqc.events.v1.orders`; the key is `metadata.subject` in UTF-8.
 *
 * Throws as `natsSubject` does.
 */
export function kafkaTopic(event: Event): string {
  return `cqc.events.v1.${known(event).metadata.topic}`;
}

interface Known {
  readonly field: DescField & { readonly message: DescMessage };
  readonly metadata: NonNullable<Event["metadata"]>;
}

function known(event: Event): Known {
  const field = EventSchema.fields.find((item) => item.oneof && item.localName === event.event.case);
  if (field?.fieldKind !== "message") throw new UnknownEventError(event);
  const { metadata } = event;
  for (const [name, value] of [
    ["event_id", metadata?.eventId],
    ["source", metadata?.source],
    ["subject", metadata?.subject],
  ]) {
    if (!value) throw new RangeError(`metadata.${name} is missing`);
  }
  const expected = getOption(field.message, topic);
  if (metadata?.topic !== expected) {
    const stated = JSON.stringify(metadata?.topic ?? "");
    throw new RangeError(`metadata.topic is ${stated}, but ${field.name} belongs to ${JSON.stringify(expected)}`);
  }
  return { field, metadata };
}

function rfc3339(timestamp: Timestamp): string {
  toUnixNanos(timestamp); // refuses what is out of range, which toJson does not do for the nanos
  return toJson(TimestampSchema, timestamp);
}

function token(subject: string): string {
  const bytes = new TextEncoder().encode(subject);
  return Array.from(bytes, (byte) => {
    const char = String.fromCharCode(byte);
    return /[A-Za-z0-9_:-]/.test(char) ? char : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  }).join("");
}
