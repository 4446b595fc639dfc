// Partial messages.
import assert from "node:assert/strict";
import { test } from "node:test";
import { clone, create, equals, ScalarType } from "@bufbuild/protobuf";
import { reflect } from "@bufbuild/protobuf/reflect";
import { applyStated } from "@cq/cqc";
import { FundingRateSchema, OpenInterestSchema, TickerSchema } from "@cq/cqc/markets/v1";
import { PositionSchema } from "@cq/cqc/portfolio/v1";
import { AccountMarginSchema, BalanceSchema } from "@cq/cqc/venues/v1";
import fc from "fast-check";

const IDENTITY = ["position_id", "account_id", "asset_id", "asset_code", "all_assets", "type", "raw_type", "window"];
IDENTITY.push("raw_window", "venue_symbol_id", "native_listing", "received_at");

test("what is stated and absent is cleared", () => {
  const old = { accountId: "a", quantity: "1", liquidationPrice: "50", venueFields: { "/a": "1" } };
  const nativeListing = { venueId: "okx", symbol: "BTC-USDT-SWAP" };
  const stated = { paths: ["liquidation_price", "quantity"] };
  const next = { accountId: "a", nativeListing, quantity: "2", unrealizedPnl: "9", stated };
  const expected = { accountId: "a", nativeListing, quantity: "2", venueFields: { "/a": "1" } };
  assert.deepEqual(
    applyStated(PositionSchema, create(PositionSchema, old), create(PositionSchema, next)),
    create(PositionSchema, expected),
  );
  for (const path of ["quantities", "market_context.mark", ""]) {
    const wrong = create(PositionSchema, { stated: { paths: [path] } });
    assert.throws(() => applyStated(PositionSchema, create(PositionSchema), wrong), /which is not a field of/);
  }
});

function scalar(kind, number) {
  if (kind === ScalarType.STRING) return ["", "1", "2"][number];
  if (kind === ScalarType.BOOL) return number > 0;
  return kind === ScalarType.UINT64 || kind === ScalarType.INT64 ? BigInt(number) : number;
}

/** A message in which each field is unset (0) or has one of three values. */
function record(schema, numbers) {
  const message = reflect(schema);
  for (const [index, field] of schema.fields.entries()) {
    const number = numbers[index];
    if (field.name === "stated" || number === 0) continue;
    if (field.fieldKind === "message") message.set(field, reflect(field.message));
    else if (field.fieldKind === "map") message.get(field).set("/a", String(number));
    else if (field.fieldKind === "enum") message.set(field, number);
    else if (field.fieldKind === "scalar") message.set(field, scalar(field.scalar, number - 1));
    else if (field.listKind === "message") message.get(field).add(reflect(field.message));
    else message.get(field).add(field.listKind === "enum" ? number : scalar(field.scalar, number - 1));
  }
  return message.message;
}

/** A message with one field of another. */
function only(schema, message, field) {
  const result = reflect(schema);
  const source = reflect(schema, clone(schema, message));
  if (source.isSet(field)) result.set(field, source.get(field));
  return result.message;
}

for (const schema of [
  PositionSchema,
  TickerSchema,
  OpenInterestSchema,
  FundingRateSchema,
  BalanceSchema,
  AccountMarginSchema,
]) {
  test(`stated fields of ${schema.name} are those of the new message, and others those of the old one`, () => {
    const { length } = schema.fields;
    const numbers = fc.array(fc.nat(3), { minLength: length, maxLength: length });
    const names = schema.fields.map((field) => field.name).filter((name) => name !== "stated");
    fc.assert(
      fc.property(numbers, numbers, fc.subarray(names), (olds, news, paths) => {
        const [old, next] = [record(schema, olds), record(schema, news)];
        assert.ok(equals(schema, applyStated(schema, old, next), next));
        const partial = { ...clone(schema, next), stated: { $typeName: "google.protobuf.FieldMask", paths } };
        const result = applyStated(schema, old, partial);
        assert.equal(result.stated, undefined);
        for (const field of schema.fields) {
          if (field.name === "stated") continue;
          const isKey = IDENTITY.includes(field.name) && reflect(schema, next).isSet(field);
          const expected = isKey || paths.includes(field.name) ? next : old;
          assert.ok(equals(schema, only(schema, result, field), only(schema, expected, field)), field.name);
        }
        assert.ok(equals(schema, old, record(schema, olds)));
        assert.ok(equals(schema, next, record(schema, news)));
      }),
      { numRuns: 50 },
    );
  });
}
