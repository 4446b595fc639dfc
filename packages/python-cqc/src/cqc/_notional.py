"""The notional value of a quantity."""

from decimal import Decimal

from cqc._decimal import EXACT, parse_decimal
from cqc.markets.v1 import QuantityUnit
from cqc.venues.v1 import VenueSymbol

__all__ = ["notional"]


def notional(price: str, quantity: str, listing: VenueSymbol) -> Decimal:
    """Return the exact value of a quantity at a price, in quote units, with the sign of the quantity.

    The listing specifies what a quantity counts. Base units are multiplied by the price; quote units already are the
    value. Contracts are multiplied by the contract size first, which is in base units, or in quote units for inverse
    contracts. Raises ValueError if the listing lacks a unit or the contract size, or if a number is malformed.
    """
    factors = [quantity]
    unit = listing.quantity_unit
    if unit == QuantityUnit.QUANTITY_UNIT_CONTRACTS:
        if not listing.HasField("contract_size"):
            raise ValueError(f"{listing.venue_symbol_id} counts contracts but has no contract_size")
        factors.append(listing.contract_size)
        unit = listing.contract_size_unit
    if unit == QuantityUnit.QUANTITY_UNIT_BASE:
        factors.append(price)
    elif unit != QuantityUnit.QUANTITY_UNIT_QUOTE:
        raise ValueError(f"{listing.venue_symbol_id} does not specify the unit of its quantities or contracts")
    product = Decimal(1)
    for text in factors:
        product = EXACT.multiply(product, parse_decimal(text))
    return product
