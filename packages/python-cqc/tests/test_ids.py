"""Ids of products, combinations and listings, with the vectors that all three languages share."""

import json
import random
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.json_format import ParseDict
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

import cqc
from cqc.markets.v1 import LegSide, OptionType, OrderBook, Symbol, SymbolLeg, SymbolType

VECTORS = json.loads((Path(__file__).parents[2] / "go-cqc" / "testdata" / "ids.json").read_text())


def cases(subject: str, verdict: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", VECTORS[subject][verdict], ids=lambda case: json.dumps(case)[:60])


def parts_of(case: dict[str, Any]) -> cqc.SymbolIdParts:
    given = {**case, "type": SymbolType.Value(case["type"])}
    if "option_type" in case:
        given["option_type"] = OptionType.Value(case["option_type"])
    if "expiry" in case:
        given["expiry"] = Timestamp()
        given["expiry"].FromJsonString(case["expiry"])
    return cqc.SymbolIdParts(**given)


def legs_of(case: dict[str, Any]) -> list[SymbolLeg]:
    return [ParseDict(leg, SymbolLeg()) for leg in case["legs"]]


@cases("symbol_ids", "valid")
def test_symbol_ids_state_their_parts(case: Any) -> None:
    assert cqc.parse_symbol_id(case["id"]) == parts_of(case["parts"])
    assert cqc.symbol_id(parts_of(case["parts"])) == case["id"]


@cases("symbol_ids", "invalid")
def test_invalid_symbol_ids_are_refused(case: Any) -> None:
    with pytest.raises(cqc.InvalidIdError) as error:
        cqc.parse_symbol_id(case["id"])
    assert error.value.part == case["part"]


@cases("symbol_ids", "unbuildable")
def test_invalid_parts_are_refused(case: Any) -> None:
    with pytest.raises(cqc.InvalidIdError) as error:
        cqc.symbol_id(parts_of(case["parts"]))
    assert error.value.part == case["part"]


@cases("symbol_ids", "respelled")
def test_a_number_has_one_spelling(case: Any) -> None:
    assert cqc.symbol_id(parts_of(case["parts"])) == case["id"]


@cases("venue_symbol_ids", "valid")
def test_venue_symbol_ids_state_their_parts(case: Any) -> None:
    assert cqc.parse_venue_symbol_id(case["id"]) == cqc.VenueSymbolIdParts(*case["parts"])
    assert cqc.venue_symbol_id(*case["parts"]) == case["id"]


@cases("venue_symbol_ids", "invalid")
def test_invalid_venue_symbol_ids_are_refused(case: Any) -> None:
    with pytest.raises(cqc.InvalidIdError) as error:
        cqc.parse_venue_symbol_id(case["id"])
    assert error.value.part == case["part"]


@cases("combos", "valid")
def test_combo_ids(case: Any) -> None:
    assert cqc.combo_id(legs_of(case)) == case["id"]


@cases("combos", "invalid")
def test_invalid_legs_are_refused(case: Any) -> None:
    with pytest.raises(cqc.InvalidIdError) as error:
        cqc.combo_id(legs_of(case))
    assert error.value.part == case["part"]


@cases("symbols", "valid")
def test_the_id_that_a_record_must_have(case: Any) -> None:
    assert cqc.symbol_id_of(ParseDict(case["symbol"], Symbol())) == case["id"]


@cases("symbols", "invalid")
def test_records_without_an_id_are_refused(case: Any) -> None:
    with pytest.raises(cqc.InvalidIdError) as error:
        cqc.symbol_id_of(ParseDict(case["symbol"], Symbol()))
    assert error.value.part == case["part"]


def test_the_rules_accept_every_valid_id() -> None:
    for case in VECTORS["symbol_ids"]["valid"]:
        assert rules_of(SymbolLeg(symbol_id=case["id"])) == set(), case
    for case in VECTORS["venue_symbol_ids"]["valid"]:
        assert rules_of(OrderBook(venue_symbol_id=case["id"])) == set(), case


def test_only_dates_spellings_and_lengths_escape_the_rules() -> None:
    for case in VECTORS["symbol_ids"]["invalid"]:
        refused = rules_of(SymbolLeg(symbol_id=case["id"])) == {"string.symbol_id"}
        assert refused or case["part"] in ("expiry", "base_asset_id"), case
    for case in VECTORS["venue_symbol_ids"]["invalid"]:
        refused = rules_of(OrderBook(venue_symbol_id=case["id"])) == {"string.venue_symbol_id"}
        assert refused or case["part"] == "expiry", case


def rules_of(message: SymbolLeg | OrderBook) -> set[str]:
    return {found.rule_id for found in cqc.validate(message)} & {"string.symbol_id", "string.venue_symbol_id"}


def test_the_error_has_fields() -> None:
    with pytest.raises(ValueError, match=r"expiry '20240230' is not valid: expected an existing date") as error:
        cqc.parse_symbol_id("BTC-USD-FUT-BTC-20240230")
    assert isinstance(error.value, cqc.InvalidIdError)
    assert (error.value.part, error.value.value) == ("expiry", "20240230")
    assert error.value.expected.startswith("an existing date YYYYMMDD")


ASSETS: st.SearchStrategy[str] = st.from_regex(r"[A-Z0-9]{1,8}(_[A-Z0-9]{1,8}){0,2}", fullmatch=True)
EXPIRIES = st.datetimes(min_value=datetime(1, 1, 1), max_value=datetime(9999, 12, 31)).map(
    lambda time: Timestamp(seconds=int(time.replace(tzinfo=UTC, microsecond=0).timestamp()))
)
STRIKES = st.from_regex(r"[1-9][0-9]{0,19}([.][0-9]{0,17}[1-9])?|0[.][0-9]{0,17}[1-9]", fullmatch=True)
RIGHTS = st.sampled_from([OptionType.OPTION_TYPE_CALL, OptionType.OPTION_TYPE_PUT])
KEYS = st.from_regex(r"[A-Z0-9]{4,64}", fullmatch=True)


def parts(kind: SymbolType.ValueType, **strategies: st.SearchStrategy[Any]) -> st.SearchStrategy[cqc.SymbolIdParts]:
    return st.builds(cqc.SymbolIdParts, st.just(kind), **strategies)


RESERVED = ("SPOT", "MARGIN", "INDEX")
PAIR = {"base_asset_id": ASSETS, "quote_asset_id": ASSETS}
FUTURE = {"settlement_asset_id": ASSETS, "expiry": EXPIRIES}
PARTS = st.one_of(
    parts(SymbolType.SYMBOL_TYPE_SPOT, **PAIR),
    parts(SymbolType.SYMBOL_TYPE_MARGIN, **PAIR),
    parts(SymbolType.SYMBOL_TYPE_PERPETUAL, **PAIR, settlement_asset_id=ASSETS),
    parts(SymbolType.SYMBOL_TYPE_FUTURE, **PAIR, **FUTURE),
    parts(
        SymbolType.SYMBOL_TYPE_OPTION,
        base_asset_id=ASSETS,
        strike_asset_id=ASSETS,
        **FUTURE,
        strike=STRIKES,
        option_type=RIGHTS,
    ),
    parts(SymbolType.SYMBOL_TYPE_INDEX, **PAIR, variant=st.from_regex(r"([A-Z0-9]{1,20})?", fullmatch=True)),
    parts(SymbolType.SYMBOL_TYPE_EVENT, key=KEYS, quote_asset_id=ASSETS.filter(lambda asset: asset not in RESERVED)),
    parts(SymbolType.SYMBOL_TYPE_COMBO, key=KEYS),
)


@given(PARTS)
def test_parts_round_trip(given_parts: cqc.SymbolIdParts) -> None:
    assert cqc.parse_symbol_id(cqc.symbol_id(given_parts)) == given_parts


@given(PARTS, st.data())
def test_an_accepted_id_is_the_only_spelling(given_parts: cqc.SymbolIdParts, data: st.DataObject) -> None:
    text = list(cqc.symbol_id(given_parts))
    place = data.draw(st.integers(0, len(text) - 1))
    text[place : place + data.draw(st.integers(0, 1))] = data.draw(st.text("0123456789ACPSTd_-:. ", max_size=2))
    changed = "".join(text)
    try:
        found = cqc.parse_symbol_id(changed)
    except cqc.InvalidIdError:
        return
    assert cqc.symbol_id(found) == changed


LEGS = st.lists(
    st.builds(
        SymbolLeg,
        symbol_id=PARTS.map(cqc.symbol_id),
        ratio=st.sampled_from(["1", "2", "0.5", "10"]),
        side=st.sampled_from([LegSide.LEG_SIDE_BUY, LegSide.LEG_SIDE_SELL]),
    ),
    min_size=1,
    max_size=4,
)


@given(LEGS, st.randoms())
def test_a_combination_has_one_id_however_it_is_written(legs: list[SymbolLeg], source: random.Random) -> None:
    combo = cqc.combo_id(legs)
    assert cqc.parse_symbol_id(combo).type == SymbolType.SYMBOL_TYPE_COMBO
    rewritten = [
        SymbolLeg(symbol_id=leg.symbol_id, side=leg.side, ratio=f"{leg.ratio}{'0' if '.' in leg.ratio else '.0'}")
        for leg in legs
    ]
    source.shuffle(rewritten)
    assert cqc.combo_id(rewritten) == combo
    rewritten[0].ratio = "3"
    assert cqc.combo_id(rewritten) != combo
