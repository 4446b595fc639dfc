"""Partial messages."""

from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from hypothesis import given
from hypothesis import strategies as st

import cqc
from cqc.markets.v1 import FundingRate, NativeListing, OpenInterest, Ticker
from cqc.portfolio.v1 import Position
from cqc.venues.v1 import AccountMargin, Balance

TYPES = (Position, Ticker, OpenInterest, FundingRate, Balance, AccountMargin)
IDENTITY = {"position_id", "account_id", "asset_id", "asset_code", "all_assets", "type", "raw_type", "window"}
IDENTITY |= {"raw_window", "venue_symbol_id", "native_listing", "received_at"}
SCALARS: dict[int, st.SearchStrategy[Any]] = {
    1: st.floats(allow_nan=False),
    3: st.integers(-(2**63), 2**63 - 1),
    4: st.integers(0, 2**64 - 1),
    5: st.integers(-(2**31), 2**31 - 1),
    8: st.booleans(),
    9: st.text(max_size=3),
    13: st.integers(0, 2**32 - 1),
    14: st.integers(0, 3),
}


@st.composite
def records(draw: st.DrawFn, kind: Any) -> Any:
    """A message with some of its fields set; messages in it are empty, lists and maps have one element."""
    message = kind()
    for field in kind.DESCRIPTOR.fields:
        if field.name == "stated" or draw(st.booleans()):
            continue
        value = getattr(message, field.name)
        if field.message_type and field.message_type.GetOptions().map_entry:
            value["key"] = draw(st.text(max_size=3))
        elif hasattr(value, "append"):
            value.add() if field.message_type else value.append(draw(SCALARS[field.type]))
        elif field.message_type:
            value.SetInParent()
        else:
            setattr(message, field.name, draw(SCALARS[field.type]))
    return message


def states(message: Any, name: str) -> Any:
    return {field.name: value for field, value in message.ListFields()}.get(name)


@pytest.mark.parametrize("kind", TYPES)
@given(data=st.data())
def test_stated_fields_are_those_of_the_new_message_and_others_those_of_the_old(kind: Any, data: st.DataObject) -> None:
    old, new = data.draw(records(kind)), data.draw(records(kind))
    names = [field.name for field in kind.DESCRIPTOR.fields if field.name != "stated"]
    stated = set(data.draw(st.lists(st.sampled_from(names))))
    whole = kind.FromString(new.SerializeToString())
    new.stated.paths.extend(sorted(stated))
    new.stated.SetInParent()
    before = old.SerializeToString(deterministic=True), new.SerializeToString(deterministic=True)
    result = cqc.apply_stated(old, new)
    assert not result.HasField("stated")
    for name in names:
        is_new = name in stated or (name in IDENTITY and states(new, name) is not None)
        assert states(result, name) == states(new if is_new else old, name), name
    assert before == (old.SerializeToString(deterministic=True), new.SerializeToString(deterministic=True))
    assert cqc.apply_stated(old, whole) == whole


def test_stated_and_absent_is_cleared() -> None:
    old = Position(account_id="a", quantity="1", liquidation_price="50", venue_fields={"/a": "1"})
    listing = NativeListing(venue_id="okx", symbol="BTC-USDT-SWAP")
    new = Position(account_id="a", native_listing=listing, quantity="2", unrealized_pnl="9")
    new.stated.paths.extend(["liquidation_price", "quantity"])
    expected = Position(account_id="a", native_listing=listing, quantity="2", venue_fields={"/a": "1"})
    assert cqc.apply_stated(old, new) == expected


def test_invalid_masks_and_types() -> None:
    for path in ("quantities", "market_context.mark", ""):
        with pytest.raises(ValueError, match="which is not a field of"):
            cqc.apply_stated(Position(), Position(stated=FieldMask(paths=[path])))
    with pytest.raises(TypeError, match="cannot apply"):
        cqc.apply_stated(Ticker(), Position())
    with pytest.raises(TypeError, match="cannot apply"):
        cqc.apply_stated(NativeListing(), NativeListing())
