"""Human-readable names of enum values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from google.protobuf.descriptor import EnumDescriptor
    from google.protobuf.internal.enum_type_wrapper import _EnumTypeWrapper

__all__ = ["display_name", "parse_display_name"]


def display_name(enum: _EnumTypeWrapper[Any], value: int) -> str:
    """Return the name of an enum value for display: `display_name(OrderType, order.type)` is `STOP LIMIT`.

    This is the value's name without the enum's prefix. A value unknown to this version is shown as its number.
    """
    known = enum.DESCRIPTOR.values_by_number.get(value)
    return str(value) if known is None else _without_prefix(known.name, enum.DESCRIPTOR)


def parse_display_name(enum: _EnumTypeWrapper[Any], text: str) -> Any:
    """Parse a display name, ignoring case; words may be separated by spaces, hyphens or underscores.

    Also accepts the full name of a value and its number. Raises ValueError listing the display names.
    """
    wanted = text.strip().upper().replace(" ", "_").replace("-", "_").removeprefix(_prefix(enum.DESCRIPTOR))
    numbers = {_without_prefix(value.name, enum.DESCRIPTOR): value.number for value in enum.DESCRIPTOR.values}
    found = numbers.get(wanted.replace("_", " "))
    if found is not None:
        return found
    number = text.strip()
    if number.removeprefix("-").isdecimal() and number.isascii() and -(2**31) <= int(number) < 2**31:
        return int(number)
    raise ValueError(f"unknown {enum.DESCRIPTOR.name} {text!r}: expected one of {', '.join(numbers)}")


def _prefix(descriptor: EnumDescriptor) -> str:
    """Return the common prefix of an enum's values, such as `ORDER_TYPE_`, taken from the UNSPECIFIED value."""
    return descriptor.values_by_number[0].name.removesuffix("UNSPECIFIED")


def _without_prefix(name: str, descriptor: EnumDescriptor) -> str:
    return name.removeprefix(_prefix(descriptor)).replace("_", " ")
