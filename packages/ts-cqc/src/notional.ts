// What a quantity of a listing amounts to. Requires the optional peer dependency bignumber.js.
import { BigNumber } from "bignumber.js";
import { type Exact, parseDecimal } from "./decimal.js";
import { keepFacts } from "./facts.js";
import { QuantityUnit } from "./gen/cqc/markets/v1/quantity_pb.js";
import type { Symbol as Product } from "./gen/cqc/markets/v1/symbol_pb.js";
import type { VenueSymbol } from "./gen/cqc/venues/v1/venue_symbol_pb.js";

const Quotient = BigNumber.clone({ DECIMAL_PLACES: 18, ROUNDING_MODE: BigNumber.ROUND_HALF_EVEN });

/** An exact number of units of an asset. */
export interface Amount {
  readonly value: Exact;
  readonly assetId: string;
}

/** A quantity cannot be converted, because its listing does not define its unit that way. */
export class UnitNotReconcilableError extends RangeError {
  override readonly name = "UnitNotReconcilableError";
  /** Name of the ErrorReason. */
  readonly reason = "UNIT_NOT_RECONCILABLE";

  constructor(
    /** Listing. */
    readonly venueSymbolId: string,
    /** Unit of the quantity. */
    readonly unit: QuantityUnit,
    why: string,
  ) {
    super(`${venueSymbolId}: ${why}`);
    keepFacts(this);
  }
}

/**
 * Returns the exact value of a quantity at a price: an option's premium, otherwise the value of what is traded.
 *
 * `price` is in quote units per unit of the listing's base, and `quantity` counts `unit`. `symbol` is the listing's
 * product. The amount is in the quote asset; for contracts with a `quanto_multiplier` it is in the settlement asset.
 * Its sign is that of price times quantity, and so it is zero at a price of zero. Exact, never rounded.
 *
 * Throws a UnitNotReconcilableError for a combination, whose legs have notionals of their own, for a unit that is
 * unspecified or not defined by the listing, and for a quanto contract counted in anything but contracts. Throws a
 * RangeError if `symbol` is not the listing's product, or if a number is malformed.
 */
export function notional(
  price: string,
  quantity: string,
  unit: QuantityUnit,
  listing: VenueSymbol,
  symbol: Product,
): Amount {
  requireProduct(listing, symbol);
  const size = sizeOf(quantity, unit, listing);
  const factor = parseDecimal(price);
  if (size.unit === QuantityUnit.QUOTE) {
    return { value: size.value.times(factor.comparedTo(0) ?? 0), assetId: symbol.quoteAssetId };
  }
  const value = size.value.times(factor);
  if (size.unit === QuantityUnit.BASE) return { value, assetId: symbol.quoteAssetId };
  if (!symbol.settlementAssetId) {
    throw new UnitNotReconcilableError(listing.venueSymbolId, unit, "the product has no settlement_asset_id");
  }
  return { value, assetId: symbol.settlementAssetId };
}

/**
 * Returns a quantity in units of the base asset, `base_multiplier` included, with the sign of the quantity.
 *
 * `price` is in quote units per unit of the listing's base. It is needed only for quantities in quote units and for
 * contracts whose size is in quote units, such as inverse contracts. Their base quantity is a quotient, rounded half to
 * even at 18 digits after the point; every other one is exact.
 *
 * Throws a UnitNotReconcilableError as `notional` does, and for every quanto contract. Throws a RangeError if the
 * price is needed and is missing or zero, or if a number is malformed.
 */
export function baseQuantity(quantity: string, unit: QuantityUnit, listing: VenueSymbol, price?: string): Exact {
  const size = sizeOf(quantity, unit, listing);
  const units = size.value.times(parseDecimal(listing.baseMultiplier ?? "1"));
  if (size.unit === QuantityUnit.BASE) return units;
  if (size.unit !== QuantityUnit.QUOTE) {
    throw new UnitNotReconcilableError(listing.venueSymbolId, unit, "a quanto contract has no base quantity");
  }
  if (price === undefined) {
    throw new RangeError(`${listing.venueSymbolId}: a quantity in quote units needs a price`);
  }
  return divide(units, parseDecimal(price).abs(), listing, "price");
}

/**
 * Returns a price per unit of the base asset, which makes the prices of two listings of a product comparable.
 *
 * `price` is in quote units per unit of the listing's base. The result is the price divided by the listing's
 * `base_multiplier`, rounded half to even at 18 digits after the point. A price without multiplier is returned as it
 * is. Throws a RangeError if a number is malformed or the multiplier is zero.
 */
export function basePrice(price: string, listing: VenueSymbol): Exact {
  const amount = parseDecimal(price);
  if (listing.baseMultiplier === undefined) return amount;
  return divide(amount, parseDecimal(listing.baseMultiplier), listing, "base_multiplier");
}

/**
 * Returns the exact value of an option's underlying, in the strike asset, with the sign of price times quantity.
 *
 * `underlyingPrice` is in units of the strike asset per unit of the base asset. Throws a UnitNotReconcilableError as
 * `notional` does, and for an option counted in quote units, whose size depends on its premium. Throws a RangeError if
 * `symbol` is not an option or not the listing's product, or if a number is malformed.
 */
export function underlyingNotional(
  underlyingPrice: string,
  quantity: string,
  unit: QuantityUnit,
  listing: VenueSymbol,
  symbol: Product,
): Amount {
  requireProduct(listing, symbol);
  if (!symbol.strikeAssetId) throw new RangeError(`${symbol.symbolId} has no strike_asset_id, so it is not an option`);
  if (sizeOf(quantity, unit, listing).unit === QuantityUnit.QUOTE) {
    throw new UnitNotReconcilableError(listing.venueSymbolId, unit, "an option in quote units has no fixed size");
  }
  const value = baseQuantity(quantity, unit, listing).times(parseDecimal(underlyingPrice));
  return { value, assetId: symbol.strikeAssetId };
}

/**
 * Returns the exact sum of amounts without their signs, one per asset, in the order in which the assets appear.
 *
 * A combination has no notional of its own: its size is the gross notional of its legs' notionals.
 */
export function grossNotional(notionals: Iterable<Amount>): Amount[] {
  const sums = new Map<string, Exact>();
  for (const { value, assetId } of notionals) {
    sums.set(assetId, (sums.get(assetId) ?? new BigNumber(0)).plus(value.abs()));
  }
  return Array.from(sums, ([assetId, value]) => ({ value, assetId }));
}

/** A quantity in BASE or QUOTE, or in CONTRACTS for settlement units per quote unit of a quanto's price. */
interface Size {
  readonly value: Exact;
  readonly unit: QuantityUnit;
}

function sizeOf(quantity: string, unit: QuantityUnit, listing: VenueSymbol): Size {
  const { BASE, CONTRACTS, QUOTE } = QuantityUnit;
  const { contractSize, contractSizeUnit, quantoMultiplier } = listing;
  const count = parseDecimal(quantity);
  const refuse = (why: string) => new UnitNotReconcilableError(listing.venueSymbolId, unit, why);
  if (listing.symbolId.startsWith("COMBO-")) throw refuse("a combination is counted by its legs");
  if (quantoMultiplier !== undefined) {
    if (unit !== CONTRACTS) throw refuse("a quanto listing is counted in contracts");
    return { value: count.times(parseDecimal(quantoMultiplier)), unit };
  }
  if (unit === BASE || unit === QUOTE) return { value: count, unit };
  if (unit !== CONTRACTS) throw refuse("the unit of the quantity is not known");
  if (contractSize === undefined || (contractSizeUnit !== BASE && contractSizeUnit !== QUOTE)) {
    throw refuse("the listing does not define the size of its contracts");
  }
  return { value: count.times(parseDecimal(contractSize)), unit: contractSizeUnit };
}

function requireProduct(listing: VenueSymbol, symbol: Product): void {
  if (listing.symbolId !== symbol.symbolId) {
    throw new RangeError(`${listing.venueSymbolId} lists ${listing.symbolId}, not ${symbol.symbolId}`);
  }
}

function divide(one: Exact, other: Exact, listing: VenueSymbol, divisor: string): Exact {
  if (other.isZero()) throw new RangeError(`${listing.venueSymbolId}: the ${divisor} is zero`);
  // A result of the class that was configured would pass its rounding on to the caller's divisions.
  return new BigNumber(new Quotient(one).dividedBy(other));
}
