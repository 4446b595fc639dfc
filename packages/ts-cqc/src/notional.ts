// The notional value of a quantity. Requires the optional peer dependency bignumber.js.
import { type Exact, parseDecimal } from "./decimal.js";
import { QuantityUnit } from "./gen/cqc/markets/v1/quantity_pb.js";
import type { VenueSymbol } from "./gen/cqc/venues/v1/venue_symbol_pb.js";

/**
 * Returns the exact value of a quantity at a price, in quote units, with the sign of the quantity.
 *
 * The listing specifies what a quantity counts. Base units are multiplied by the price; quote units already are the
 * value. Contracts are multiplied by the contract size first, which is in base units, or in quote units for inverse
 * contracts. Throws a RangeError if the listing lacks a unit or the contract size, or if a number is malformed.
 */
export function notional(price: string, quantity: string, listing: VenueSymbol): Exact {
  const factors = [quantity];
  let unit = listing.quantityUnit;
  if (unit === QuantityUnit.CONTRACTS) {
    if (listing.contractSize === undefined) {
      throw new RangeError(`${listing.venueSymbolId} counts contracts but has no contract_size`);
    }
    factors.push(listing.contractSize);
    unit = listing.contractSizeUnit;
  }
  if (unit === QuantityUnit.BASE) factors.push(price);
  else if (unit !== QuantityUnit.QUOTE) {
    throw new RangeError(`${listing.venueSymbolId} does not specify the unit of its quantities or contracts`);
  }
  return factors.map(parseDecimal).reduce((product, factor) => product.times(factor));
}
