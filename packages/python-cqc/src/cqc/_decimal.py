"""Exact conversion between the contracts' decimal strings and `decimal.Decimal`, never through a float."""

import decimal
import re
from decimal import Decimal

__all__ = ["MAX_FRACTION_DIGITS", "MAX_INTEGER_DIGITS", "format_decimal", "parse_decimal"]

MAX_INTEGER_DIGITS = 78
"""Maximum number of digits before the decimal point, enough for a uint256."""
MAX_FRACTION_DIGITS = 38
"""Maximum number of digits after the decimal point."""

_PLAIN = re.compile(r"-?(0|[1-9][0-9]{0,77})([.][0-9]{1,38})?")
# Wide enough for any sum or product of valid decimals. The traps turn a lost digit into an error.
EXACT = decimal.Context(
    prec=1000,
    Emin=decimal.MIN_EMIN,
    Emax=decimal.MAX_EMAX,
    traps=[decimal.Inexact, decimal.Rounded, decimal.InvalidOperation],
)


def parse_decimal(text: str) -> Decimal:
    """Parse a decimal string such as "0.00010000" exactly, keeping trailing zeros.

    Accepts what the rule `string.decimal` accepts. Raises ValueError for an exponent, a plus sign, a negative zero,
    leading zeros, and more than 78 digits before or 38 after the point.
    """
    if not _PLAIN.fullmatch(text) or (text.startswith("-") and not text.strip("-0.")):
        raise ValueError(f"{text!r} is not a plain decimal such as 0.00010000")
    return Decimal(text)


def format_decimal(value: Decimal) -> str:
    """Format a number as a decimal string with all its digits, including trailing zeros, and no exponent.

    Raises ValueError if the number is not finite or has more than 78 digits before or 38 after the point. Raises
    TypeError for a float, which has already lost digits.
    """
    if not isinstance(value, Decimal):
        raise TypeError(f"expected a decimal.Decimal, got {value!r}: construct one from the original string")
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
