// Ids of products, combinations and listings, with the vectors that all three languages share.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { create, equals, fromJson } from "@bufbuild/protobuf";
import { TimestampSchema, timestampFromMs } from "@bufbuild/protobuf/wkt";
import {
  comboId,
  InvalidIdError,
  parseSymbolId,
  parseVenueSymbolId,
  symbolId,
  symbolIdOf,
  venueSymbolId,
} from "@cq/cqc";
import { LegSide, OptionType, SymbolLegSchema, SymbolSchema, SymbolType } from "@cq/cqc/markets/v1";
import fc from "fast-check";

const vectors = JSON.parse(readFileSync(new URL("testdata/ids.json", import.meta.url), "utf8"));

function partsOf({ type, option_type, expiry, ...texts }) {
  const camel = (name) => name.replace(/_[a-z]/g, (letter) => letter[1].toUpperCase());
  const parts = Object.fromEntries(Object.entries(texts).map(([name, text]) => [camel(name), text]));
  parts.type = SymbolType[type.replace("SYMBOL_TYPE_", "")];
  if (option_type) parts.optionType = OptionType[option_type.replace("OPTION_TYPE_", "")];
  if (expiry) parts.expiry = fromJson(TimestampSchema, expiry);
  return parts;
}

function assertParts(found, expected) {
  const { expiry, ...texts } = found;
  const { expiry: expectedExpiry, ...expectedTexts } = expected;
  assert.deepEqual(texts, expectedTexts);
  assert.equal(expiry === undefined, expectedExpiry === undefined);
  if (expiry) assert.ok(equals(TimestampSchema, expiry, expectedExpiry));
}

function assertInvalid(build, part) {
  assert.throws(build, (error) => error instanceof InvalidIdError && error.part === part, part);
}

test("symbol ids", () => {
  for (const { id, parts } of vectors.symbol_ids.valid) {
    assertParts(parseSymbolId(id), partsOf(parts));
    assert.equal(symbolId(partsOf(parts)), id);
  }
  for (const { id, part } of vectors.symbol_ids.invalid) assertInvalid(() => parseSymbolId(id), part);
  for (const { parts, part } of vectors.symbol_ids.unbuildable) assertInvalid(() => symbolId(partsOf(parts)), part);
  for (const { parts, id } of vectors.symbol_ids.respelled) assert.equal(symbolId(partsOf(parts)), id);
});

test("venue symbol ids", () => {
  for (const { id, parts } of vectors.venue_symbol_ids.valid) {
    const { venueId, symbolId, qualifier } = parseVenueSymbolId(id);
    assert.deepEqual([venueId, symbolId, ...(qualifier === undefined ? [] : [qualifier])], parts);
    assert.equal(venueSymbolId(...parts), id);
  }
  for (const { id, part } of vectors.venue_symbol_ids.invalid) assertInvalid(() => parseVenueSymbolId(id), part);
});

test("combo ids", () => {
  const legsOf = (legs) => legs.map((leg) => fromJson(SymbolLegSchema, leg));
  for (const { legs, id } of vectors.combos.valid) assert.equal(comboId(legsOf(legs)), id);
  for (const { legs, part } of vectors.combos.invalid) assertInvalid(() => comboId(legsOf(legs)), part);
});

test("the id that a record must have", () => {
  for (const { symbol, id } of vectors.symbols.valid) assert.equal(symbolIdOf(fromJson(SymbolSchema, symbol)), id);
  for (const { symbol, part } of vectors.symbols.invalid) {
    assertInvalid(() => symbolIdOf(fromJson(SymbolSchema, symbol)), part);
  }
});

test("the error has fields", () => {
  assert.throws(
    () => parseSymbolId("BTC-USD-FUT-BTC-20240230"),
    ({ name, part, value, expected, message }) =>
      name === "InvalidIdError" &&
      part === "expiry" &&
      value === "20240230" &&
      expected.startsWith("an existing date") &&
      message === `expiry "20240230" is not valid: expected ${expected}`,
  );
});

const asset = fc.stringMatching(/^[A-Z0-9]{1,8}(_[A-Z0-9]{1,8}){0,2}$/);
const key = fc.stringMatching(/^[A-Z0-9]{4,64}$/);
const expiry = fc
  .date({ min: new Date("0001-01-01T00:00:00Z"), max: new Date("9999-12-31T23:59:59Z"), noInvalidDate: true })
  .map((date) => timestampFromMs(Math.floor(date.getTime() / 1000) * 1000));
const pair = { baseAssetId: asset, quoteAssetId: asset };
const settled = { settlementAssetId: asset, expiry };
const parts = fc.oneof(
  fc.record({ type: fc.constantFrom(SymbolType.SPOT, SymbolType.MARGIN, SymbolType.INDEX), ...pair }),
  fc.record({ type: fc.constant(SymbolType.PERPETUAL), ...pair, settlementAssetId: asset }),
  fc.record({ type: fc.constant(SymbolType.FUTURE), ...pair, ...settled }),
  fc.record({
    type: fc.constant(SymbolType.OPTION),
    baseAssetId: asset,
    strikeAssetId: asset,
    ...settled,
    strike: fc.stringMatching(/^([1-9][0-9]{0,19}([.][0-9]{0,17}[1-9])?|0[.][0-9]{0,17}[1-9])$/),
    optionType: fc.constantFrom(OptionType.CALL, OptionType.PUT),
  }),
  fc.record({ type: fc.constant(SymbolType.INDEX), ...pair, variant: fc.stringMatching(/^[A-Z0-9]{1,20}$/) }),
  fc.record({
    type: fc.constant(SymbolType.EVENT),
    key,
    quoteAssetId: asset.filter((id) => !["SPOT", "MARGIN", "INDEX"].includes(id)),
  }),
  fc.record({ type: fc.constant(SymbolType.COMBO), key }),
);

test("parts round-trip", () => {
  fc.assert(fc.property(parts, (given) => assertParts(parseSymbolId(symbolId(given)), given)));
});

test("an accepted id is the only spelling", () => {
  const edit = fc.tuple(
    fc.nat(200),
    fc.nat(1),
    fc.string({ unit: fc.constantFrom(..."0123456789ACPSTd_-:. "), maxLength: 2 }),
  );
  fc.assert(
    fc.property(parts, edit, (given, [place, removed, added]) => {
      const id = [...symbolId(given)];
      id.splice(place % id.length, removed, added);
      const changed = id.join("");
      let found;
      try {
        found = parseSymbolId(changed);
      } catch (error) {
        assert.ok(error instanceof InvalidIdError);
        return;
      }
      assert.equal(symbolId(found), changed);
    }),
  );
});

test("a combination's id is the digest of its sorted legs", () => {
  const leg = fc.record({
    symbolId: parts.map(symbolId),
    ratio: fc.constantFrom("1", "2", "0.5"),
    side: fc.constantFrom(LegSide.BUY, LegSide.SELL),
  });
  fc.assert(
    fc.property(fc.array(leg, { minLength: 1, maxLength: 4 }), (legs) => {
      const texts = legs.map(({ symbolId, ratio, side }) => `${symbolId}*${ratio}*${LegSide[side]}`);
      const digest = createHash("sha256").update(texts.sort().join("|")).digest("hex");
      const messages = legs.reverse().map((leg) => create(SymbolLegSchema, leg));
      assert.equal(comboId(messages), `COMBO-${digest.slice(0, 32).toUpperCase()}`);
    }),
  );
});
