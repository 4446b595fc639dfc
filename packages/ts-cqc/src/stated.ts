import { clone, type DescField, type DescMessage, type MessageShape } from "@bufbuild/protobuf";
import { reflect } from "@bufbuild/protobuf/reflect";
import type { FieldMask } from "@bufbuild/protobuf/wkt";

// What a record is about and when it came in: a partial message sets these whether or not it states them.
const IDENTITY: ReadonlySet<string> = new Set([
  "position_id",
  "account_id",
  "asset_id",
  "asset_code",
  "all_assets",
  "type",
  "raw_type",
  "window",
  "raw_window",
  "venue_symbol_id",
  "native_listing",
  "received_at",
]);

/**
 * Returns the whole record after a message that may be partial: Position, Ticker, OpenInterest, FundingRate, Balance or
 * AccountMargin, or any other message with a `stated` mask. `applyStated(TickerSchema, known, update)`.
 *
 * Without `stated`, `next` is the whole record. With it, each stated field is that of `next`, and cleared if `next`
 * lacks it; every other field is that of `old`. The fields that identify the record, and `receivedAt`, are taken from
 * `next` where it sets them. The result has no `stated`. Neither argument is changed.
 *
 * `old` is an empty message for the first one of a record. Throws a RangeError if `stated` names something other than a
 * field of the message, such as the field of a field.
 */
export function applyStated<D extends DescMessage>(
  schema: D,
  old: MessageShape<D>,
  next: MessageShape<D> & { stated?: FieldMask | undefined },
): MessageShape<D> {
  if (!next.stated) return clone(schema, next as MessageShape<D>);
  const result = clone(schema, old);
  const target = reflect(schema, result);
  // A copy, because lists, maps and messages would be shared with next.
  const source = reflect(schema, clone(schema, next as MessageShape<D>));
  const fields = new Map<string, DescField>(schema.fields.map((field) => [field.name, field]));
  const stated = new Set(next.stated.paths);
  for (const path of stated) {
    const field = fields.get(path);
    if (!field) {
      throw new RangeError(`stated names ${JSON.stringify(path)}, which is not a field of ${schema.typeName}`);
    }
    target.clear(field);
  }
  for (const field of schema.fields) {
    if ((stated.has(field.name) || IDENTITY.has(field.name)) && source.isSet(field)) {
      target.set(field, source.get(field));
    }
  }
  for (const field of schema.fields) if (field.name === "stated") target.clear(field);
  return result;
}
