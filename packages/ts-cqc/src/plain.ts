// Decimal strings, for helpers that do not compute with them and so need no bignumber.js.

/** Maximum number of digits before the decimal point, enough for a uint256. */
export const MAX_INTEGER_DIGITS = 78;
/** Maximum number of digits after the decimal point. */
export const MAX_FRACTION_DIGITS = 38;

const PLAIN = /^-?(0|[1-9][0-9]{0,77})([.][0-9]{1,38})?$/;

/** Returns whether a string is what the rule `string.decimal` accepts. */
export function isPlain(text: string): boolean {
  return PLAIN.test(text) && !/^-[0.]*$/.test(text);
}
