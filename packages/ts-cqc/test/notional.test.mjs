// Notionals and base quantities, with the vectors that all three languages share.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { create, fromJson } from "@bufbuild/protobuf";
import { parseDecimal } from "@cq/cqc/decimal";
import { QuantityUnit, QuantityUnitSchema, SymbolSchema } from "@cq/cqc/markets/v1";
import {
  basePrice,
  baseQuantity,
  grossNotional,
  notional,
  UnitNotReconcilableError,
  underlyingNotional,
} from "@cq/cqc/notional";
import { VenueSymbolSchema } from "@cq/cqc/venues/v1";
import fc from "fast-check";

const vectors = JSON.parse(readFileSync(new URL("testdata/notional.json", import.meta.url), "utf8"));
const records = (item) => [fromJson(VenueSymbolSchema, item.listing), fromJson(SymbolSchema, item.symbol)];
const unitOf = ({ unit }) => QuantityUnitSchema.values.find(({ name }) => name === unit).number;
const pair = ({ value, assetId }) => [value.toFixed(), assetId];

for (const item of vectors.quantities) {
  test(item.name, () => {
    const [listing, symbol] = records(item);
    for (const given of item.quantities) {
      const { price, quantity } = given;
      const unit = unitOf(given);
      const check = (call, expected) => {
        if (expected !== null) return assert.deepEqual(call(), expected);
        const refused = (error) => {
          assert.ok(error instanceof UnitNotReconcilableError);
          const { name, reason, venueSymbolId } = error;
          assert.deepEqual([name, reason], ["UnitNotReconcilableError", "UNIT_NOT_RECONCILABLE"]);
          assert.deepEqual([venueSymbolId, error.unit], [listing.venueSymbolId, unit]);
          return true;
        };
        return assert.throws(call, refused);
      };
      check(() => pair(notional(price, quantity, unit, listing, symbol)), given.notional);
      check(() => baseQuantity(quantity, unit, listing, price).toFixed(), given.base_quantity);
      check(() => basePrice(price, listing).toFixed(), given.base_price);
      if (given.underlying_price) {
        const { underlying_price: underlying, underlying_notional: expected } = given;
        check(() => pair(underlyingNotional(underlying, quantity, unit, listing, symbol)), expected);
      }
    }
  });
}

test("the gross notional of legs", () => {
  for (const { notionals, gross } of vectors.gross) {
    const amounts = notionals.map(([value, assetId]) => ({ value: parseDecimal(value), assetId }));
    assert.deepEqual(grossNotional(amounts).map(pair), gross);
  }
});

test("the gain of a price move", () => {
  for (const { name, of, from, to, difference } of vectors.differences) {
    const item = vectors.quantities.find((other) => other.name === name);
    const [listing, symbol] = records(item);
    const [before, after] = [from, to].map((place) => {
      const { price, quantity, unit } = item.quantities[place];
      if (of === "base_quantity") return baseQuantity(quantity, unitOf({ unit }), listing, price);
      return notional(price, quantity, unitOf({ unit }), listing, symbol).value;
    });
    assert.equal(after.minus(before).toFixed(), difference);
  }
});

test("invalid arguments", () => {
  const listing = create(VenueSymbolSchema, { venueSymbolId: "a:B", symbolId: "B" });
  const symbol = create(SymbolSchema, { symbolId: "B" });
  const { BASE, QUOTE } = QuantityUnit;
  const other = create(SymbolSchema, { symbolId: "C" });
  assert.throws(() => notional("1", "1", BASE, listing, other), /a:B lists B, not C/);
  assert.throws(() => underlyingNotional("1", "1", BASE, listing, symbol), /B has no strike_asset_id/);
  assert.throws(() => baseQuantity("1", QUOTE, listing), /needs a price/);
  assert.throws(() => baseQuantity("1", QUOTE, listing, "0.0"), /the price is zero/);
  const zero = create(VenueSymbolSchema, { venueSymbolId: "a:B", baseMultiplier: "0" });
  assert.throws(() => basePrice("1", zero), /the base_multiplier is zero/);
  assert.throws(() => notional("1e5", "1", QUOTE, listing, symbol), /not a plain decimal/);
});

test("notional is exact, and quotients are rounded half to even", () => {
  const decimal = (scaled) => {
    const text = String(scaled < 0n ? -scaled : scaled).padStart(31, "0");
    return `${scaled < 0n ? "-" : ""}${text.slice(0, -30)}.${text.slice(-30)}`;
  };
  const number = fc.bigInt({ min: -(10n ** 50n), max: 10n ** 50n }).filter((value) => value !== 0n);
  const listing = create(VenueSymbolSchema);
  const symbol = create(SymbolSchema);
  fc.assert(
    fc.property(number, number, (price, quantity) => {
      const product = notional(decimal(price), decimal(quantity), QuantityUnit.BASE, listing, symbol).value;
      assert.equal(BigInt(product.shiftedBy(60).toFixed()), price * quantity);
      const quotient = baseQuantity(decimal(quantity), QuantityUnit.QUOTE, listing, decimal(price));
      const rounded = BigInt(quotient.shiftedBy(18).toFixed());
      const divisor = price < 0n ? -price : price;
      // Twice the distance from the exact quotient, in units of 1 / divisor.
      const distance = 2n * (rounded * divisor - quantity * 10n ** 18n);
      const magnitude = distance < 0n ? -distance : distance;
      assert.ok(magnitude < divisor || (magnitude === divisor && rounded % 2n === 0n));
    }),
  );
});
