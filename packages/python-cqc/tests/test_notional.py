"""Notionals and base quantities, with the vectors that all three languages share."""

import json
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import ParseDict
from hypothesis import given
from hypothesis import strategies as st

import cqc
from cqc.markets.v1 import QuantityUnit, Symbol
from cqc.venues.v1 import VenueSymbol

VECTORS = json.loads((Path(__file__).parents[2] / "go-cqc" / "testdata" / "notional.json").read_text())
CASES = [(item, quantity) for item in VECTORS["quantities"] for quantity in item["quantities"]]
BASE, QUOTE = QuantityUnit.QUANTITY_UNIT_BASE, QuantityUnit.QUANTITY_UNIT_QUOTE
PLAIN = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**40), max_value=10**40, places=20).map(
    cqc.format_decimal
)


def records(item: Any) -> tuple[VenueSymbol, Symbol]:
    return ParseDict(item["listing"], VenueSymbol()), ParseDict(item["symbol"], Symbol())


def amount(pair: list[str]) -> cqc.Amount:
    return cqc.Amount(Decimal(pair[0]), pair[1])


def refusal(listing: VenueSymbol, unit: QuantityUnit.ValueType, call: Any) -> None:
    with pytest.raises(cqc.UnitNotReconcilableError) as refused:
        call()
    error = refused.value
    assert (error.reason, error.venue_symbol_id, error.unit) == ("UNIT_NOT_RECONCILABLE", listing.venue_symbol_id, unit)


@pytest.mark.parametrize(("item", "given"), CASES, ids=lambda value: value.get("name", value.get("unit")))
def test_vectors(item: Any, given: Any) -> None:
    listing, symbol = records(item)
    price, quantity, unit = given["price"], given["quantity"], QuantityUnit.Value(given["unit"])
    if given["notional"]:
        assert cqc.notional(price, quantity, unit, listing, symbol) == amount(given["notional"])
    else:
        refusal(listing, unit, lambda: cqc.notional(price, quantity, unit, listing, symbol))
    if given["base_quantity"]:
        assert cqc.base_quantity(quantity, unit, listing, price) == Decimal(given["base_quantity"])
    else:
        refusal(listing, unit, lambda: cqc.base_quantity(quantity, unit, listing, price))
    assert cqc.base_price(price, listing) == Decimal(given["base_price"])
    if "underlying_price" in given:
        underlying = given["underlying_price"]
        if given["underlying_notional"]:
            found = cqc.underlying_notional(underlying, quantity, unit, listing, symbol)
            assert found == amount(given["underlying_notional"])
        else:
            refusal(listing, unit, lambda: cqc.underlying_notional(underlying, quantity, unit, listing, symbol))


@pytest.mark.parametrize("case", VECTORS["gross"])
def test_gross_notional(case: Any) -> None:
    assert cqc.gross_notional(map(amount, case["notionals"])) == [amount(pair) for pair in case["gross"]]


@pytest.mark.parametrize("case", VECTORS["differences"])
def test_gain_of_a_price_move(case: Any) -> None:
    (item,) = [item for item in VECTORS["quantities"] if item["name"] == case["name"]]
    listing, symbol = records(item)
    values = []
    for place in (case["from"], case["to"]):
        step = item["quantities"][place]
        price, quantity, unit = step["price"], step["quantity"], QuantityUnit.Value(step["unit"])
        if case["of"] == "base_quantity":
            values.append(cqc.base_quantity(quantity, unit, listing, price))
        else:
            values.append(cqc.notional(price, quantity, unit, listing, symbol).value)
    assert values[1] - values[0] == Decimal(case["difference"])


def test_invalid_arguments() -> None:
    listing, symbol = VenueSymbol(venue_symbol_id="a:B", symbol_id="B"), Symbol(symbol_id="B")
    with pytest.raises(ValueError, match="a:B lists B, not C"):
        cqc.notional("1", "1", BASE, listing, Symbol(symbol_id="C"))
    with pytest.raises(ValueError, match="B has no strike_asset_id"):
        cqc.underlying_notional("1", "1", BASE, listing, symbol)
    with pytest.raises(ValueError, match="needs a price"):
        cqc.base_quantity("1", QUOTE, listing)
    with pytest.raises(ValueError, match="the price is zero"):
        cqc.base_quantity("1", QUOTE, listing, "0.0")
    with pytest.raises(ValueError, match="the base_multiplier is zero"):
        cqc.base_price("1", VenueSymbol(venue_symbol_id="a:B", base_multiplier="0"))
    with pytest.raises(ValueError, match="not a plain decimal"):
        cqc.notional("1e5", "1", QUOTE, listing, symbol)


@given(PLAIN, PLAIN)
def test_notional_is_exact(price: str, quantity: str) -> None:
    found = cqc.notional(price, quantity, BASE, VenueSymbol(), Symbol(quote_asset_id="USDT"))
    assert Fraction(found.value) == Fraction(price) * Fraction(quantity)


@given(PLAIN, PLAIN)
def test_quotients_are_rounded_half_to_even(price: str, quantity: str) -> None:
    if not Decimal(price):
        return
    found = cqc.base_quantity(quantity, QUOTE, VenueSymbol(), price)
    exact = Fraction(quantity) / abs(Fraction(price)) * 10**18
    assert Fraction(found) * 10**18 == round(exact)  # round is half to even
