"""Enum values as people read them, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from google.protobuf.descriptor import EnumDescriptor
    from google.protobuf.internal.enum_type_wrapper import _EnumTypeWrapper

__all__ = ["display_name", "parse_display_name"]


def display_name(enum: _EnumTypeWrapper[Any], value: int) -> str:
    """How an enum value is shown to people: `display_name(OrderType, order.type)` is `STOP LIMIT`.

    It is the value's name without the enum's; a value that only a newer contract knows is shown as its number.
    """
    known = enum.DESCRIPTOR.values_by_number.get(value)
    return str(value) if known is None else _shown(known.name, enum.DESCRIPTOR)


def parse_display_name(enum: _EnumTypeWrapper[Any], text: str) -> Any:
    """Read what `display_name` wrote, whatever the case, with spaces, hyphens or underscores between words.

    The full name and a number are understood too. Raises ValueError that lists the names there are.
    """
    wanted = text.strip().upper().replace(" ", "_").replace("-", "_").removeprefix(_prefix(enum.DESCRIPTOR))
    shown = {_shown(value.name, enum.DESCRIPTOR): value.number for value in enum.DESCRIPTOR.values}
    found = shown.get(wanted.replace("_", " "))
    if found is not None:
        return found
    number = text.strip()
    if number.removeprefix("-").isdecimal() and number.isascii() and -(2**31) <= int(number) < 2**31:
        return int(number)
    raise ValueError(f"{text!r} is none of {', '.join(shown)}")


def _prefix(descriptor: EnumDescriptor) -> str:
    """What all names of an enum begin with, such as `ORDER_TYPE_`: the one for zero ends with UNSPECIFIED."""
    return descriptor.values_by_number[0].name.removesuffix("UNSPECIFIED")


def _shown(name: str, descriptor: EnumDescriptor) -> str:
    return name.removeprefix(_prefix(descriptor)).replace("_", " ")
