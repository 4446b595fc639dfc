"""Validation rules as comparable values, and whether a changed rule rejects what was valid before."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from google.protobuf import text_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

# How the end of a range is written in buf.validate: its name here, whether the end itself is excluded, the sign.
BOUNDS = {
    "gt": ("lower bound", True, 1),
    "gte": ("lower bound", False, 1),
    "lt": ("upper bound", True, -1),
    "lte": ("upper bound", False, -1),
}
STRICTER_WHEN_HIGHER = {"min_len", "min_bytes", "min_items", "min_pairs"}
STRICTER_WHEN_LOWER = {"max_len", "max_bytes", "max_items", "max_pairs"}


@dataclass(frozen=True)
class Bound:
    """One end of a range of valid values; `sign` is +1 for the lower end and -1 for the upper end."""

    value: float | str
    is_excluded: bool
    sign: int

    def is_stricter_than(self, other: "Bound") -> bool:
        """Whether this bound may reject a value that the other one accepts.

        Bounds of timestamps and durations are kept as text, which has no order: any other text counts as stricter.
        """
        mine, others = self.value, other.value
        if isinstance(mine, str) or isinstance(others, str):
            return self != other
        if mine == others:
            return self.is_excluded and not other.is_excluded
        if math.isnan(mine) or math.isnan(others):
            return True
        return mine * self.sign > others * self.sign

    def __str__(self) -> str:
        sign = ">" if self.sign > 0 else "<"
        return f"{sign}{'' if self.is_excluded else '='} {self.value}"


def read(options: Message) -> Iterator[tuple[str, Any]]:
    """The buf.validate rules in a declaration's options, by path and value, such as `string.min_len` and 1."""
    for extension, value in options.ListFields():
        if is_rule(extension):
            yield from _leaves(value, "")


def is_rule(option: FieldDescriptor) -> bool:
    """Whether an option belongs to buf.validate."""
    return option.full_name.startswith("buf.validate.")


def is_stricter(rule: str, before: Any, after: Any) -> bool:
    """Whether a changed rule may reject values that were valid; None stands for the absence of the rule.

    A rule whose direction is unknown counts as stricter whenever it changes.
    """
    name = rule.rpartition(".")[2]
    if name == "ignore":
        # A higher number of buf.validate.Ignore skips validation in more cases.
        return int(before or 0) > int(after or 0)
    if after is None or before is None:
        return before is None
    if isinstance(before, Bound) and isinstance(after, Bound):
        return after.is_stricter_than(before)
    if name in STRICTER_WHEN_HIGHER:
        return bool(after > before)
    if name in STRICTER_WHEN_LOWER:
        return bool(after < before)
    if name == "in":
        return not set(before) <= set(after)
    if name == "not_in":
        return not set(after) <= set(before)
    return True


def show(value: Any) -> str:
    """A rule's value for a person."""
    if value is None:
        return "none"
    if isinstance(value, tuple):
        return f"[{', '.join(map(show, value))}]"
    return str(value).lower() if isinstance(value, bool) else str(value)


def in_one_line(message: Message) -> str:
    """A message in the text format."""
    return text_format.MessageToString(message, as_one_line=True).strip()


def _leaves(message: Message, prefix: str) -> Iterator[tuple[str, Any]]:
    for declared, value in message.ListFields():
        path = prefix + (f"({declared.full_name})" if declared.is_extension else declared.name)
        is_message = declared.type == FieldDescriptor.TYPE_MESSAGE
        if declared.name in BOUNDS and not declared.is_extension:
            name, is_excluded, sign = BOUNDS[declared.name]
            yield f"{prefix}{name}", Bound(in_one_line(value) if is_message else value, is_excluded, sign)
        elif declared.is_repeated:
            yield from _repeated(path, value, is_message)
        elif not is_message:
            # A rule set to false is off.
            yield from () if value is False else ((path, value),)
        elif value.DESCRIPTOR.full_name.startswith("google.protobuf."):
            yield path, in_one_line(value)
        elif value.ListFields():
            yield from _leaves(value, f"{path}.")


def _repeated(path: str, values: Iterable[Any], is_message: bool) -> Iterator[tuple[str, Any]]:
    if not is_message:
        yield path, tuple(values)
        return
    for index, value in enumerate(values):
        # CEL rules are identified by their id, whatever their position.
        yield f"{path}[{getattr(value, 'id', '') or index}]", in_one_line(value)
