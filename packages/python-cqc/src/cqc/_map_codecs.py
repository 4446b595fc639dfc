"""Conversion of single values, chosen from the descriptor of the field."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from cqc._decimal import EXACT, format_decimal
from cqc._map_json import ABSENT, Number, word
from cqc._map_words import Words
from cqc._timestamp import from_unix_nanos, to_unix_nanos

_NUMBER = re.compile(r"[-+]?(\d{1,400}\.?\d{0,400}|\.\d{1,400})([eE][-+]?\d{1,3})?", re.ASCII)
_INSTANT = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.](\d{1,9}))?(Z|[+-]\d\d:?\d\d)?", re.ASCII)
_LENGTH = re.compile(
    r"(?:PT?)?(\d{1,9})?(ms|[smhHdDwW]|(?i:sec(?:ond)?s?|min(?:ute)?s?|hours?|days?|weeks?))(?:utc)?", re.ASCII
)
# `Min15`, `Hour4`: the unit first.
_UNIT_FIRST = re.compile(r"(?i:(sec(?:ond)?|min(?:ute)?|hour|day|week))(\d{1,9})", re.ASCII)
UNITS = {"s": 0, "ms": 3, "us": 6, "ns": 9}
# 10^11 seconds is the year 5138; the same number of milliseconds is 1973.
_SIZES = (("s", Decimal(10**11)), ("ms", Decimal(10**14)), ("us", Decimal(10**17)), ("ns", Decimal("Infinity")))
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_TRUE = {"true", "1", "yes", "y", "on", "t"}
_FALSE = {"false", "0", "no", "n", "off", "f"}


def number(value: Any) -> Decimal:
    """The exact number that a value states. Raises ValueError if the value states none."""
    text = word(value)
    if isinstance(value, bool) or not _NUMBER.fullmatch(text):
        raise ValueError(f"{text!r} is not a number")
    return Decimal(text)


def is_decimal(field: FieldDescriptor) -> bool:
    """Whether the rules of a string field require a number."""
    for extension, rules in field.GetOptions().ListFields():
        if extension.full_name == "buf.validate.field":
            text = (rules.repeated.items if field.is_repeated else rules).string
            return any(
                rule.full_name.startswith(("cqc.rules.v1.decimal", "cqc.rules.v1.uint256"))
                for rule, _ in text.ListFields()
            )
    return False


@dataclass(frozen=True)
class Codec:
    """Converts between a value of a payload and a value of a field.

    `read` raises ValueError for a value that the field cannot hold. `same` tells whether a value that was written again
    states the same as the one that was sent.
    """

    def read(self, value: Any) -> Any:
        """A field's value from a payload's value."""
        return word(value)

    def write(self, value: Any) -> Any:
        """A payload's value from a field's value, or ABSENT."""
        return value

    def same(self, sent: Any, written: Any) -> bool:
        """Whether both state the same."""
        return word(sent) == word(written)


@dataclass(frozen=True)
class Numeric(Codec):
    """A decimal text, with all digits. `shift` moves the point: -2 reads percent as a fraction. `added` comes last."""

    shift: int = 0
    negated: bool = False
    added: int = 0

    def _moved(self, value: Decimal, shift: int) -> str:
        moved = value.scaleb(shift, EXACT)
        if self.negated:
            moved = moved.copy_negate()
        return format_decimal(moved if moved else moved.copy_abs())

    def read(self, value: Any) -> Any:
        moved = self._moved(number(value), self.shift)
        return format_decimal(EXACT.add(Decimal(moved), self.added)) if self.added else moved

    def write(self, value: Any) -> Any:
        return Number(self._moved(EXACT.subtract(Decimal(value), self.added), -self.shift))

    def same(self, sent: Any, written: Any) -> bool:
        one, other = number(sent), number(written)
        return one == other and _digits(one) == _digits(other)


def _digits(value: Decimal) -> tuple[int, ...]:
    """The digits that were stated, with trailing zeros, whether they stand before or after the point."""
    _, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int)
    return digits + (0,) * max(exponent, 0) if value else ()


@dataclass(frozen=True)
class Double(Numeric):
    """A double. A number with more digits than a double has is not the same after it."""

    def read(self, value: Any) -> Any:
        return float(number(value).scaleb(self.shift, EXACT)) * (-1 if self.negated else 1)

    def write(self, value: Any) -> Any:
        return Number(Decimal(repr(-value if self.negated else value)).scaleb(-self.shift, EXACT))

    def same(self, sent: Any, written: Any) -> bool:
        return number(sent) == number(written)


@dataclass(frozen=True)
class Integer(Codec):
    """A whole number. With `signed`, the venue writes 32 bits with a sign that the field has without."""

    signed: bool = False
    negated: bool = False

    def read(self, value: Any) -> Any:
        found = number(value)
        if found != found.to_integral_value():
            raise ValueError(f"{value!r} is not a whole number")
        found = -found if self.negated else found
        return int(found) % 2**32 if self.signed else int(found)

    def write(self, value: Any) -> Any:
        value = -value if self.negated else value
        return Number(value - 2**32 if self.signed and value >= 2**31 else value)

    def same(self, sent: Any, written: Any) -> bool:
        return number(sent) == number(written)


@dataclass(frozen=True)
class Flag(Codec):
    """A boolean, also from the words and numbers that venues use for it. With `truths`, true for these words only.

    With `negated`, the payload states the opposite, such as `trade_disabled`.
    """

    truths: frozenset[str] = frozenset()
    negated: bool = False

    def read(self, value: Any) -> Any:
        text = word(value).lower()
        if self.truths:
            return True if word(value) in self.truths else ABSENT
        if text not in _TRUE | _FALSE:
            raise ValueError(f"{text!r} is neither true nor false")
        return (text in _TRUE) != self.negated

    def write(self, value: Any) -> Any:
        return ABSENT if self.truths else value != self.negated

    def same(self, sent: Any, written: Any) -> bool:
        return bool(self.read(sent) == self.read(written))


@dataclass(frozen=True)
class Instant(Codec):
    """A time: a number since 1970, whose size tells the unit unless the table does, or RFC 3339."""

    unit: str = ""

    def read(self, value: Any) -> Any:
        text = word(value)
        found = _INSTANT.fullmatch(text)
        if found:
            day, time, rest, zone = found.groups()
            seconds = int(datetime.fromisoformat(f"{day}T{time}{(zone or 'Z').replace('Z', '+00:00')}").timestamp())
            return from_unix_nanos(seconds * 10**9 + int(f"{rest or '':0<9}"))
        stated = number(value)
        unit = self.unit if self.unit in UNITS else next(name for name, end in _SIZES if stated.copy_abs() < end)
        nanos = stated.scaleb(9 - UNITS[unit], EXACT)
        if nanos != nanos.to_integral_value():
            raise ValueError(f"{text!r} is finer than a nanosecond")
        return from_unix_nanos(int(nanos))

    def write(self, value: Any) -> Any:
        if self.unit not in UNITS:
            return value.ToJsonString()
        return Number(f"{Decimal(to_unix_nanos(value)).scaleb(UNITS[self.unit] - 9, EXACT).normalize(EXACT):f}")

    def same(self, sent: Any, written: Any) -> bool:
        return bool(self.read(sent) == self.read(written))


@dataclass(frozen=True)
class Length(Codec):
    """A length of time: a number of `unit` (`ms`, `s`, `m`, `h`, `d`), or a string: `5m`, `4HOURS`, `PT1H`, `Min15`."""

    unit: str = ""

    def read(self, value: Any) -> Any:
        text = _UNIT_FIRST.sub(r"\2\1", word(value))
        found = _LENGTH.fullmatch(text)
        if found:
            # `D` alone is a day.
            count, unit = Decimal(found[1] or 1), "ms" if found[2] == "ms" else found[2][0].lower()
        elif self.unit:
            count, unit = number(value), self.unit
        else:
            raise ValueError(f"{text!r} has no unit of time")
        nanos = count * (10**6 if unit == "ms" else _SECONDS[unit] * 10**9)
        if nanos != nanos.to_integral_value() or abs(nanos) > 315_576_000_000 * 10**9:
            raise ValueError(f"{text!r} is no length of time that a Duration holds")
        result = Duration()
        result.FromNanoseconds(int(nanos))
        return result

    def write(self, value: Any) -> Any:
        nanos = Decimal(value.ToNanoseconds())
        if not self.unit:
            return f"{nanos.scaleb(-9).normalize():f}s"
        return Number(f"{nanos / (10**6 if self.unit == 'ms' else _SECONDS[self.unit] * 10**9):f}")

    def same(self, sent: Any, written: Any) -> bool:
        return bool(self.read(sent) == self.read(written))


@dataclass(frozen=True)
class Word(Codec):
    """A value of an enum by the venue's word for it. `read` answers 0 for a word that nobody knows."""

    words: Words
    known_only: bool = False

    def read(self, value: Any) -> Any:
        found = self.words.number(word(value))
        return ABSENT if self.known_only and not found else found

    def write(self, value: Any) -> Any:
        return self.words.word(value) or ABSENT


def codec_for(
    field: FieldDescriptor,
    words: Words | None,
    *,
    unit: str = "",
    shift: int = 0,
    negated: bool = False,
    added: int = 0,
    truths: frozenset[str] = frozenset(),
    only: bool = False,
    signed: bool = False,
) -> Codec:
    """The codec of a field. Raises TypeError for a field that holds no single value."""
    kind = field.cpp_type
    if words is not None:
        return Word(words, only)
    if field.message_type is not None:
        name = field.message_type.full_name
        if name == Timestamp.DESCRIPTOR.full_name:
            return Instant(unit)
        if name == Duration.DESCRIPTOR.full_name:
            return Length(unit)
        raise TypeError(f"{field.full_name} is a message: name one of its fields")
    if kind == FieldDescriptor.CPPTYPE_BOOL:
        return Flag(truths, negated)
    if kind in (FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT):
        return Double(shift, negated)
    if kind == FieldDescriptor.CPPTYPE_STRING:
        if field.type != FieldDescriptor.TYPE_STRING:
            raise TypeError(f"{field.full_name} holds bytes")
        return Numeric(shift, negated, added) if is_decimal(field) else Codec()
    return Integer(signed, negated)
