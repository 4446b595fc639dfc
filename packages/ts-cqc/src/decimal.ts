// Exact conversion between the contracts' decimal strings and BigNumber, never through a number. Requires the optional
// peer dependency bignumber.js.
import { BigNumber } from "bignumber.js";
import { isPlain, MAX_FRACTION_DIGITS, MAX_INTEGER_DIGITS } from "./plain.js";

/** An exact number: a BigNumber. */
// Derived from the class because the CommonJS declarations of bignumber.js do not export BigNumber as a type.
export type Exact = InstanceType<typeof BigNumber>;

export { MAX_FRACTION_DIGITS, MAX_INTEGER_DIGITS };

/**
 * Parses a decimal string such as "0.00010000" exactly.
 *
 * A BigNumber does not keep trailing zeros: keep the string if they matter. Accepts what the rule `string.decimal`
 * accepts. Throws a RangeError for an exponent, a plus sign, a negative zero, leading zeros, and more than 78 digits
 * before or 38 after the point.
 */
export function parseDecimal(text: string): Exact {
  if (!isPlain(text)) {
    throw new RangeError(`${JSON.stringify(text)} is not a plain decimal such as 0.00010000`);
  }
  return new BigNumber(text);
}

/**
 * Formats a number as a decimal string with all its digits and no exponent, padded with zeros to at least
 * `fractionDigits` after the point.
 *
 * Throws a RangeError if the number is not finite or has more than 78 digits before or 38 after the point.
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
