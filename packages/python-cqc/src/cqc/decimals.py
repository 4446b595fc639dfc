"""The contracts' exact numbers as `decimal.Decimal` and back, never through a float, and what is computed from them."""

from __future__ import annotations

import decimal
import re
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cqc.venues.v1 import VenueSymbol

__all__ = ["MAX_FRACTION_DIGITS", "MAX_INTEGER_DIGITS", "format_decimal", "notional", "parse_decimal"]

MAX_INTEGER_DIGITS = 78
"""The largest number of digits before the point of a decimal in the contracts: a uint256's."""
MAX_FRACTION_DIGITS = 38
"""The largest number of digits after the point of a decimal in the contracts."""

_PLAIN = re.compile(r"-?(0|[1-9][0-9]{0,77})([.][0-9]{1,38})?")
# Wide enough that no product or sum of the contracts' numbers is rounded; if one were, it would raise.
EXACT = decimal.Context(
    prec=1000,
    Emin=decimal.MIN_EMIN,
    Emax=decimal.MAX_EMAX,
    traps=[decimal.Inexact, decimal.Rounded, decimal.InvalidOperation],
)


def parse_decimal(text: str) -> Decimal:
    """Read a decimal of the contracts, such as "0.00010000", exactly and with its trailing zeros.

    Raises ValueError for what is not a plain decimal: exponents, signs of plus and of a zero, leading zeros and more
    than 78 or 38 digits are refused, as the rule `string.decimal` does.
    """
    if not _PLAIN.fullmatch(text) or (text.startswith("-") and not text.strip("-0.")):
        raise ValueError(f"{text!r} is not a plain decimal number such as 0.00010000")
    return Decimal(text)


def format_decimal(value: Decimal) -> str:
    """Write a number as the contracts do: all of its digits, trailing zeros included, no exponent.

    Raises ValueError for what is no finite number, and for more than 78 digits before or 38 after the point. A float is
    refused with a TypeError: it has lost digits already.
    """
    if not isinstance(value, Decimal):
        raise TypeError(f"{value!r} is no decimal.Decimal: make one from the text that the number came as")
    _, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int):
        raise ValueError(f"{value} is not a finite number")
    if exponent < -MAX_FRACTION_DIGITS or (value and len(digits) + exponent > MAX_INTEGER_DIGITS):
        raise ValueError(
            f"{value} has more than {MAX_INTEGER_DIGITS} digits before or {MAX_FRACTION_DIGITS} after the point"
        )
    if not value:
        return "0" if exponent >= 0 else f"0.{'0' * -exponent}"
    return f"{value:f}"


def notional(price: str, quantity: str, listing: VenueSymbol) -> Decimal:
    """What a quantity is worth at a price, in quote units, exactly; it has the sign of the quantity.

    What the quantity counts is taken from the listing: base units are multiplied by the price, quote units are the
    value already, contracts are multiplied by the contract size first (in base units and by the price, or in quote
    units, as inverse contracts are). Raises ValueError naming what the listing does not say, or the text that is no
    decimal.
    """
    from cqc.markets.v1 import QuantityUnit

    factors = [quantity]
    unit = listing.quantity_unit
    if unit == QuantityUnit.QUANTITY_UNIT_CONTRACTS:
        if not listing.HasField("contract_size"):
            raise ValueError(f"{listing.venue_symbol_id} counts contracts and has no contract_size")
        factors.append(listing.contract_size)
        unit = listing.contract_size_unit
    if unit == QuantityUnit.QUANTITY_UNIT_BASE:
        factors.append(price)
    elif unit != QuantityUnit.QUANTITY_UNIT_QUOTE:
        raise ValueError(f"{listing.venue_symbol_id} does not say what its quantities or contracts count")
    product = Decimal(1)
    for text in factors:
        product = EXACT.multiply(product, parse_decimal(text))
    return product
