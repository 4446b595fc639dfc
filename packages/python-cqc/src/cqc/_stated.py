"""Merging a venue's partial message into the record that is known so far."""

from __future__ import annotations

from typing import Any, TypeVar

from google.protobuf.message import Message

__all__ = ["apply_stated"]

_Record = TypeVar("_Record", bound=Message)

# What a record is about and when it came in: a partial message sets these whether or not it states them.
_IDENTITY = frozenset(
    {
        "position_id",
        "account_id",
        "asset_id",
        "asset_code",
        "all_assets",
        "type",
        "raw_type",
        "window",
        "raw_window",
        "venue_symbol_id",
        "native_listing",
        "received_at",
    }
)


def apply_stated(old: _Record, new: _Record) -> _Record:
    """Return the whole record after a message that may be partial: Position, Ticker, OpenInterest, FundingRate,
    Balance or AccountMargin, or any other message with a `stated` mask.

    Without `stated`, `new` is the whole record. With it, each stated field is that of `new`, and cleared if `new` lacks
    it; every other field is that of `old`. The fields that identify the record, and `received_at`, are taken from `new`
    where it sets them. The result has no `stated`. Neither argument is changed.

    `old` is an empty message for the first one of a record. Raises ValueError if `stated` names something other than a
    field of the message, such as the field of a field, and TypeError if the messages have different types or no
    `stated`.
    """
    fields = new.DESCRIPTOR.fields_by_name
    if type(old) is not type(new) or "stated" not in fields:
        raise TypeError(f"cannot apply a {new.DESCRIPTOR.full_name} to a {old.DESCRIPTOR.full_name}")
    result = type(new)()
    if not new.HasField("stated"):
        result.CopyFrom(new)
        return result
    result.CopyFrom(old)
    stated = set(new.stated.paths)  # type: ignore[attr-defined]
    for path in sorted(stated):
        if path not in fields:
            raise ValueError(f"stated names {path!r}, which is not a field of {new.DESCRIPTOR.full_name}")
        result.ClearField(path)
    for field, value in new.ListFields():
        if field.name in stated or field.name in _IDENTITY:
            _set(result, field.name, value)
    result.ClearField("stated")
    return result


def _set(message: Message, name: str, value: Any) -> None:
    message.ClearField(name)
    if isinstance(value, Message):
        getattr(message, name).MergeFrom(value)
        getattr(message, name).SetInParent()
    elif hasattr(value, "MergeFrom"):
        getattr(message, name).MergeFrom(value)  # a list or a map
    else:
        setattr(message, name, value)
