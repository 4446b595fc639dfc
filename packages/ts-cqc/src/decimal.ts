// The contracts' exact numbers as BigNumber and back, never through a double, and what is computed from them. Needs the
// optional peer bignumber.js.
import { BigNumber } from "bignumber.js";
import { QuantityUnit } from "./gen/cqc/markets/v1/quantity_pb.js";
import type { VenueSymbol } from "./gen/cqc/venues/v1/venue_symbol_pb.js";

/** A number of bignumber.js. */
// Named through the class, because its declarations for CommonJS do not give the name `BigNumber` as a type.
export type Exact = InstanceType<typeof BigNumber>;

/** The largest number of digits before the point of a decimal in the contracts: a uint256's. */
export const MAX_INTEGER_DIGITS = 78;
/** The largest number of digits after the point of a decimal in the contracts. */
export const MAX_FRACTION_DIGITS = 38;

const PLAIN = /^-?(0|[1-9][0-9]{0,77})([.][0-9]{1,38})?$/;

/**
 * Reads a decimal of the contracts, such as "0.00010000", exactly.
 *
 * A BigNumber keeps the value, not the trailing zeros: keep the text where they matter. Throws a RangeError for what is
 * not a plain decimal: exponents, signs of plus and of a zero, leading zeros and more than 78 or 38 digits are refused,
 * as the rule `string.decimal` does.
 */
export function parseDecimal(text: string): Exact {
  if (!PLAIN.test(text) || text.endsWith("\n") || /^-[0.]*$/.test(text)) {
    throw new RangeError(`${JSON.stringify(text)} is not a plain decimal number such as 0.00010000`);
  }
  return new BigNumber(text);
}

/**
 * Writes a number as the contracts do: all of its digits, no exponent, and at least `fractionDigits` of them after the
 * point, filled up with zeros.
 *
 * Throws a RangeError for what is no finite number, and for more than 78 digits before or 38 after the point.
 */
export function formatDecimal(value: Exact, fractionDigits = 0): string {
  if (!value.isFinite()) throw new RangeError(`${value.toString()} is not a finite number`);
  const scale = Math.max(value.decimalPlaces() ?? 0, fractionDigits);
  if (scale > MAX_FRACTION_DIGITS || (value.e ?? 0) >= MAX_INTEGER_DIGITS) {
    const limits = `${MAX_INTEGER_DIGITS} digits before or ${MAX_FRACTION_DIGITS} after the point`;
    throw new RangeError(`${value.toString()} has more than ${limits}`);
  }
  return value.isZero() ? value.abs().toFixed(scale) : value.toFixed(scale);
}

/**
 * What a quantity is worth at a price, in quote units, exactly; it has the sign of the quantity.
 *
 * What the quantity counts is taken from the listing: base units are multiplied by the price, quote units are the value
 * already, contracts are multiplied by the contract size first (in base units and by the price, or in quote units, as
 * inverse contracts are). Throws a RangeError naming what the listing does not say, or the text that is no decimal.
 */
export function notional(price: string, quantity: string, listing: VenueSymbol): Exact {
  const factors = [quantity];
  let unit = listing.quantityUnit;
  if (unit === QuantityUnit.CONTRACTS) {
    if (listing.contractSize === undefined) {
      throw new RangeError(`${listing.venueSymbolId} counts contracts and has no contract_size`);
    }
    factors.push(listing.contractSize);
    unit = listing.contractSizeUnit;
  }
  if (unit === QuantityUnit.BASE) factors.push(price);
  else if (unit !== QuantityUnit.QUOTE) {
    throw new RangeError(`${listing.venueSymbolId} does not say what its quantities or contracts count`);
  }
  return factors.map(parseDecimal).reduce((product, factor) => product.times(factor));
}
