"""What a quantity of a listing amounts to."""

from __future__ import annotations

import decimal
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from cqc._decimal import EXACT, parse_decimal
from cqc._pickling import reduce
from cqc.markets.v1 import QuantityUnit, Symbol
from cqc.venues.v1 import VenueSymbol

__all__ = [
    "Amount",
    "UnitNotReconcilableError",
    "base_price",
    "base_quantity",
    "gross_notional",
    "notional",
    "underlying_notional",
]

_BASE = QuantityUnit.QUANTITY_UNIT_BASE
_QUOTE = QuantityUnit.QUANTITY_UNIT_QUOTE
_CONTRACTS = QuantityUnit.QUANTITY_UNIT_CONTRACTS

_SCALE = Decimal("1e-18")
# ROUND_05UP keeps enough of a quotient that does not end to round it again without error.
_QUOTIENT = decimal.Context(
    prec=1000,
    rounding=decimal.ROUND_05UP,
    Emin=decimal.MIN_EMIN,
    Emax=decimal.MAX_EMAX,
    traps=[decimal.InvalidOperation, decimal.DivisionByZero],
)


@dataclass(frozen=True)
class Amount:
    """An exact number of units of an asset."""

    value: Decimal
    asset_id: str


class UnitNotReconcilableError(ValueError):
    """A quantity cannot be converted, because its listing does not define its unit that way.

    `reason` is the name of the ErrorReason, `venue_symbol_id` the listing and `unit` the unit of the quantity.
    """

    reason = "UNIT_NOT_RECONCILABLE"

    __reduce__ = reduce

    def __init__(self, venue_symbol_id: str, unit: QuantityUnit.ValueType, why: str) -> None:
        super().__init__(f"{venue_symbol_id}: {why}")
        self.venue_symbol_id = venue_symbol_id
        self.unit = unit


def notional(price: str, quantity: str, unit: QuantityUnit.ValueType, listing: VenueSymbol, symbol: Symbol) -> Amount:
    """Return the exact value of a quantity at a price: an option's premium, otherwise the value of what is traded.

    `price` is in quote units per unit of the listing's base, and `quantity` counts `unit`. `symbol` is the listing's
    product. The amount is in the quote asset; for contracts with a `quanto_multiplier` it is in the settlement asset.
    Its sign is that of price times quantity, and so it is zero at a price of zero. Exact, never rounded.

    Raises UnitNotReconcilableError for a combination, whose legs have notionals of their own, for a unit that is
    unspecified or not defined by the listing, and for a quanto contract counted in anything but contracts. Raises
    ValueError if `symbol` is not the listing's product, or if a number is malformed.
    """
    _require_product(listing, symbol)
    size = _size(quantity, unit, listing)
    amount = parse_decimal(price)
    if size.unit == _QUOTE:
        return Amount(EXACT.multiply(size.value, _sign(amount)), symbol.quote_asset_id)
    value = EXACT.multiply(size.value, amount)
    if size.unit == _BASE:
        return Amount(value, symbol.quote_asset_id)
    if not symbol.settlement_asset_id:
        raise UnitNotReconcilableError(listing.venue_symbol_id, unit, "the product has no settlement_asset_id")
    return Amount(value, symbol.settlement_asset_id)


def base_quantity(
    quantity: str, unit: QuantityUnit.ValueType, listing: VenueSymbol, price: str | None = None
) -> Decimal:
    """Return a quantity in units of the base asset, `base_multiplier` included, with the sign of the quantity.

    `price` is in quote units per unit of the listing's base. It is needed only for quantities in quote units and for
    contracts whose size is in quote units, such as inverse contracts. Their base quantity is a quotient, rounded half
    to even at 18 digits after the point; every other one is exact.

    Raises UnitNotReconcilableError as `notional` does, and for every quanto contract. Raises ValueError if the price is
    needed and is missing or zero, or if a number is malformed.
    """
    size = _size(quantity, unit, listing)
    multiplier = parse_decimal(listing.base_multiplier) if listing.HasField("base_multiplier") else Decimal(1)
    units = EXACT.multiply(size.value, multiplier)
    if size.unit == _BASE:
        return units
    if size.unit != _QUOTE:
        raise UnitNotReconcilableError(listing.venue_symbol_id, unit, "a quanto contract has no base quantity")
    if price is None:
        raise ValueError(f"{listing.venue_symbol_id}: a quantity in quote units needs a price")
    return _divide(units, parse_decimal(price).copy_abs(), listing, "price")


def base_price(price: str, listing: VenueSymbol) -> Decimal:
    """Return a price per unit of the base asset, which makes the prices of two listings of a product comparable.

    `price` is in quote units per unit of the listing's base. The result is the price divided by the listing's
    `base_multiplier`, rounded half to even at 18 digits after the point. A price without multiplier is returned as it
    is. Raises ValueError if a number is malformed or the multiplier is zero.
    """
    amount = parse_decimal(price)
    if not listing.HasField("base_multiplier"):
        return amount
    return _divide(amount, parse_decimal(listing.base_multiplier), listing, "base_multiplier")


def underlying_notional(
    underlying_price: str, quantity: str, unit: QuantityUnit.ValueType, listing: VenueSymbol, symbol: Symbol
) -> Amount:
    """Return the exact value of an option's underlying, in the strike asset, with the sign of price times quantity.

    `underlying_price` is in units of the strike asset per unit of the base asset. Raises UnitNotReconcilableError as
    `notional` does, and for an option counted in quote units, whose size depends on its premium. Raises ValueError if
    `symbol` is not an option or not the listing's product, or if a number is malformed.
    """
    _require_product(listing, symbol)
    if not symbol.strike_asset_id:
        raise ValueError(f"{symbol.symbol_id} has no strike_asset_id, so it is not an option")
    if _size(quantity, unit, listing).unit == _QUOTE:
        raise UnitNotReconcilableError(listing.venue_symbol_id, unit, "an option in quote units has no fixed size")
    value = EXACT.multiply(base_quantity(quantity, unit, listing), parse_decimal(underlying_price))
    return Amount(value, symbol.strike_asset_id)


def gross_notional(notionals: Iterable[Amount]) -> list[Amount]:
    """Return the exact sum of amounts without their signs, one per asset, in the order in which the assets appear.

    A combination has no notional of its own: its size is the gross notional of its legs' notionals.
    """
    sums: dict[str, Decimal] = {}
    for amount in notionals:
        sums[amount.asset_id] = EXACT.add(sums.get(amount.asset_id, Decimal(0)), amount.value.copy_abs())
    return [Amount(value, asset_id) for asset_id, value in sums.items()]


@dataclass(frozen=True)
class _Size:
    """A quantity in BASE or QUOTE, or in CONTRACTS for settlement units per quote unit of a quanto's price."""

    value: Decimal
    unit: QuantityUnit.ValueType


def _size(quantity: str, unit: QuantityUnit.ValueType, listing: VenueSymbol) -> _Size:
    count = parse_decimal(quantity)
    name = listing.venue_symbol_id
    if listing.symbol_id.startswith("COMBO-"):
        raise UnitNotReconcilableError(name, unit, "a combination is counted by its legs")
    if listing.HasField("quanto_multiplier"):
        if unit != _CONTRACTS:
            raise UnitNotReconcilableError(name, unit, "a quanto listing is counted in contracts")
        return _Size(EXACT.multiply(count, parse_decimal(listing.quanto_multiplier)), _CONTRACTS)
    if unit in (_BASE, _QUOTE):
        return _Size(count, unit)
    if unit != _CONTRACTS:
        raise UnitNotReconcilableError(name, unit, "the unit of the quantity is not known")
    if not listing.HasField("contract_size") or listing.contract_size_unit not in (_BASE, _QUOTE):
        raise UnitNotReconcilableError(name, unit, "the listing does not define the size of its contracts")
    return _Size(EXACT.multiply(count, parse_decimal(listing.contract_size)), listing.contract_size_unit)


def _require_product(listing: VenueSymbol, symbol: Symbol) -> None:
    if listing.symbol_id != symbol.symbol_id:
        raise ValueError(f"{listing.venue_symbol_id} lists {listing.symbol_id}, not {symbol.symbol_id}")


def _sign(value: Decimal) -> Decimal:
    return Decimal((value > 0) - (value < 0))


def _divide(one: Decimal, other: Decimal, listing: VenueSymbol, divisor: str) -> Decimal:
    if not other:
        raise ValueError(f"{listing.venue_symbol_id}: the {divisor} is zero")
    quotient = _QUOTIENT.divide(one, other)
    exponent = quotient.as_tuple().exponent
    if isinstance(exponent, int) and exponent < -18:
        return quotient.quantize(_SCALE, decimal.ROUND_HALF_EVEN, _QUOTIENT)
    return quotient
