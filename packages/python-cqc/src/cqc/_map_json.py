"""JSON as it was written: numbers keep their spelling, and every value has a place."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

ABSENT: Any = object()
Parts = tuple[str, ...]


class Number(str):
    """A JSON number as the text that was sent, so that `1.10`, `1e-7` and an 18-digit id come back as they were."""

    __slots__ = ()


def parse_json(text: str | bytes) -> Any:
    """Parse JSON with every number as `Number`. Raises ValueError if the text is not JSON."""
    return json.loads(text, parse_int=Number, parse_float=Number, parse_constant=Number)


def json_text(value: Any) -> str:
    """Write a value as JSON on one line, its numbers as they were sent."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{_quoted(str(key))}:{json_text(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(json_text(item) for item in value) + "]"
    if isinstance(value, str) and not isinstance(value, Number):
        return _quoted(value)
    return "null" if value is None else word(value)


def _quoted(text: str) -> str:
    # A half of a surrogate pair is JSON, but no UTF-8, which a protobuf string has to be.
    return json.dumps(text, ensure_ascii=any("\ud800" <= letter <= "\udfff" for letter in text))


def word(value: Any) -> str:
    """The text of a string, number or boolean. Raises ValueError for a list, an object and null."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int | Decimal):
        return str(value)
    if isinstance(value, float):
        return repr(value)
    raise ValueError(f"{value!r} is not a single value")


def states_nothing(value: Any) -> bool:
    """Whether a value is null, an empty text, an empty list or an empty object."""
    return value is None or (isinstance(value, str | list | tuple | dict) and not value)


def children(value: Any) -> Iterator[tuple[str, Any]]:
    """The items of an object or a list with their keys; nothing for a single value."""
    if isinstance(value, dict):
        yield from ((str(key), item) for key, item in value.items())
    elif isinstance(value, list | tuple):
        yield from ((str(index), item) for index, item in enumerate(value))


def child(value: Any, key: str) -> Any:
    """The item of an object or a list, or ABSENT."""
    if isinstance(value, dict):
        return value.get(key, ABSENT)
    if isinstance(value, list | tuple) and key.isdecimal() and key.isascii() and int(key) < len(value):
        return value[int(key)]
    return ABSENT


def look(value: Any, parts: Parts) -> Any:
    """The value at a place, or ABSENT."""
    for part in parts:
        value = child(value, part)
        if value is ABSENT:
            return ABSENT
    return value


def is_star(part: str) -> bool:
    """Whether a part of a place stands for any number of items."""
    return part.startswith("*")


def selector(part: str) -> tuple[str, str]:
    """The key and the word by which a part of a place chooses items; no word if it does not."""
    key, _, text = part.removeprefix("*-").removeprefix("*").partition("=")
    return key, text


def find(value: Any, parts: Parts, at: Parts = (), indices: Parts = ()) -> Iterator[tuple[Parts, Parts, Any]]:
    """Every place that matches, with what its stars stand for.

    `*` is any item of a list, `**` any of an object; `key=word` is the first item of a list that has the word under the
    key, `*key=word` any such item, counted among themselves. `*-` and `*-key=word` count from the last item.
    """
    if not parts:
        yield at, indices, value
        return
    first, rest = parts[0], parts[1:]
    if first in ("*", "**", "*-"):
        if isinstance(value, dict) == (first == "**"):
            found = list(children(value))
            for key, item in found:
                index = str(len(found) - 1 - int(key)) if first == "*-" else key
                yield from find(item, rest, (*at, key), (*indices, index))
    elif "=" in first and isinstance(value, list | tuple):
        wanted, text = selector(first)
        found = [(key, item) for key, item in children(value) if _says(child(item, wanted), text)]
        for count, (key, item) in enumerate(found if is_star(first) else found[:1]):
            index = str(len(found) - 1 - count if first.startswith("*-") else count)
            yield from find(item, rest, (*at, key), (*indices, index) if is_star(first) else indices)
    else:
        item = child(value, first)
        if item is not ABSENT:
            yield from find(item, rest, (*at, first), indices)


def _says(value: Any, text: str) -> bool:
    return isinstance(value, str | bool | int) and word(value) == text


def leaves(value: Any, at: Parts = ()) -> Iterator[tuple[Parts, Any]]:
    """Every single value, empty list and empty object with its place."""
    found = False
    for key, item in children(value):
        found = True
        yield from leaves(item, (*at, key))
    if not found:
        yield at, value


def pointer(parts: Parts) -> str:
    """The JSON Pointer (RFC 6901) of a place."""
    return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in parts)


def pointed(text: str) -> Parts:
    """The place of a JSON Pointer."""
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:])
