"""Mapping tables between venue payloads and CQC messages, usable in both directions.

A payload is parsed JSON with fractions as `Decimal`. Reading it yields a bundle: named messages, or named lists of
messages. Paths in both are dotted: `filters.PRICE_FILTER.tickSize` is a place in a payload,
`listing.rules.tick_tiers.0.tick_size` a target in a bundle.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

import cqc

ABSENT: Any = object()
NANOS = 10**9


@dataclass
class Venue:
    """The id conversions of a venue, the symbols and asset codes seen so far, and the receive time of the payload."""

    venue_id: str
    venue_symbol_id: Callable[[str], str]
    asset_id: Callable[[str], str] = lambda code: code
    received_at: Timestamp = field(default_factory=lambda: cqc.from_unix_nanos(0))
    natives: dict[tuple[str, str], str] = field(default_factory=dict)
    codes: dict[str, str] = field(default_factory=dict)

    @property
    def account_id(self) -> str:
        """Id of the account that the payloads belong to."""
        return f"{self.venue_id}:main"

    def listing(self, native: str, spelling: str = "") -> str:
        """Map the venue's symbol to a venue_symbol_id, and remember the symbol for writing. `spelling` is needed if the
        venue's APIs use different symbols for the same listing."""
        found = self.venue_symbol_id(native)
        self.natives[found, spelling] = native
        return found

    def native(self, venue_symbol_id: str, spelling: str = "") -> str:
        """Return the venue's symbol for a listing."""
        return self.natives[venue_symbol_id, spelling]

    def asset(self, code: str) -> str:
        """Map the venue's asset code to an asset id, and remember the code for writing."""
        found = self.asset_id(code)
        self.codes[found] = code
        return found


# Values


@dataclass(frozen=True)
class Codec:
    """Converts one value between payload and message. `absent` holds the venue's sentinels for "no value"; a number
    in it matches any formatting of that number."""

    read: Callable[[Any, Venue], Any]
    write: Callable[[Any, Venue], Any]
    absent: tuple[Any, ...] = ()
    # Trailing zeros of a fractional second carry no information.
    is_instant: bool = False

    def unless(self, *absent: Any) -> Codec:
        """Return a codec that treats these values as absent."""
        return replace(self, absent=absent)

    def is_absent(self, value: Any) -> bool:
        """Return whether a value is null or a sentinel."""
        if value is None:
            return True
        return any(
            _number(value) == item if isinstance(item, int) and not isinstance(value, bool) else value == item
            for item in self.absent
        )


def plain(value: Any) -> str:
    """Expand the exponent of a number and keep its digits."""
    return cqc.format_decimal(Decimal(str(value)))


def _shifted(number: str, digits: int) -> str:
    """Multiply by a power of ten and keep the digits."""
    return cqc.format_decimal(Decimal(number).scaleb(digits))


def timestamp(seconds: Decimal) -> Timestamp:
    """Convert exact Unix seconds."""
    return cqc.from_unix_nanos(int(seconds * NANOS))


def _unix(digits: int) -> Codec:
    """Integer Unix time in units of 10**-digits seconds."""
    unit = 10 ** (9 - digits)
    return Codec(
        lambda value, _: cqc.from_unix_nanos(int(value) * unit), lambda value, _: cqc.to_unix_nanos(value) // unit
    )


def _from_rfc3339(text: str) -> Timestamp:
    whole, _, rest = text.removesuffix("Z").partition(".")
    seconds = int(datetime.fromisoformat(whole + "+00:00").timestamp())
    return Timestamp(seconds=seconds, nanos=int(f"{rest:0<9}") if rest else 0)


decimal = Codec(lambda value, _: plain(value), lambda value, _: value)
percent = Codec(lambda value, _: _shifted(str(value), -2), lambda value, _: _shifted(value, 2))
string = Codec(lambda value, _: str(value), lambda value, _: value)
integer = Codec(lambda value, _: int(value), lambda value, _: value)
double = Codec(lambda value, _: float(value), lambda value, _: repr(value))
flag = Codec(lambda value, _: value, lambda value, _: value)
flag_string = Codec(lambda value, _: value == "true", lambda value, _: str(value).lower())
seconds = Codec(
    lambda value, _: timestamp(Decimal(str(value))),
    lambda value, _: Decimal(cqc.to_unix_nanos(value)) / NANOS,
    is_instant=True,
)
milliseconds = _unix(3)
rfc3339 = Codec(lambda value, _: _from_rfc3339(value), lambda value, _: value.ToJsonString())
minutes = Codec(lambda value, _: Duration(seconds=value * 60), lambda value, _: value.seconds // 60)


def listing_as(spelling: str) -> Codec:
    """A listing in the spelling of one of the venue's APIs."""
    return Codec(
        lambda value, venue: venue.listing(value, spelling), lambda value, venue: venue.native(value, spelling)
    )


listing = listing_as("")
asset = Codec(lambda value, venue: venue.asset(value), lambda value, venue: venue.codes[value])
strings = Codec(lambda value, _: list(value), lambda value, _: list(value))
decimals = Codec(lambda value, _: [plain(item) for item in value], lambda value, _: list(value))


# Rules

Put = Callable[[Any, Any, Venue], None]
Get = Callable[[Any, Venue], Any]


@dataclass(frozen=True)
class Rule:
    """One row of a table: a place in the payload, how to read it into a bundle (`put`) and how to write it (`get`)."""

    place: str
    put: Put
    get: Get
    codec: Codec | None = None
    # Rules for the elements of a list, each of which becomes a message.
    elements: Sequence[Rule] = ()
    reason: str = ""


def at(place: str, target: str, codec: Codec) -> Rule:
    """Map a value to a field."""
    return Rule(
        place,
        lambda bundle, value, venue: _set(bundle, target, codec.read(value, venue)),
        lambda bundle, venue: _convert(_get(bundle, target), codec, venue),
        codec,
    )


def enum(place: str, target: str, values: Mapping[Any, int], absent: Sequence[Any] = ()) -> Rule:
    """Map a string to an enum field, and keep the string in the matching `raw_` field."""
    raw = _raw_field(target)

    def put(bundle: Any, value: Any, _venue: Venue) -> None:
        _set(bundle, target, values.get(value, 0))
        _set(bundle, raw, str(value))

    return Rule(
        place,
        put,
        lambda bundle, _: _get(bundle, raw),
        Codec(lambda value, _: value, lambda value, _: value, tuple(absent)),
    )


def enums(place: str, target: str, values: Mapping[str, int]) -> Rule:
    """Map a list of strings to a repeated enum field, and keep the strings in the matching `raw_` field."""
    raw = _raw_field(target)

    def put(bundle: Any, value: Any, _venue: Venue) -> None:
        _set(bundle, target, [values[item] for item in value if item in values])
        _set(bundle, raw, value)

    return Rule(place, put, lambda bundle, _: _get(bundle, raw))


def _raw_field(target: str) -> str:
    parent, dot, name = target.rpartition(".")
    return f"{parent}{dot}raw_{name}"


def choice(place: str, target: str, values: Mapping[Any, int]) -> Rule:
    """Map a value to an enum field one to one, so that no `raw_` field is needed."""
    back = {value: key for key, value in values.items()}
    return Rule(
        place,
        lambda bundle, value, _: _set(bundle, target, values[value]),
        lambda bundle, _: back.get(_get(bundle, target), ABSENT),
    )


def each(place: str, target: str, *rules: Rule | Sequence[Rule]) -> Rule:
    """Map each element of a list to a message."""
    elements = _flat(rules)

    def put(bundle: Any, value: Any, venue: Venue) -> None:
        for index, item in enumerate(value):
            read(elements, item, _at(bundle, f"{target}.{index}"), venue)

    def get(bundle: Any, venue: Venue) -> Any:
        found = _get(bundle, target)
        return ABSENT if found is ABSENT else [write(elements, item, venue) for item in found]

    return Rule(place, put, get, elements=elements)


def fixed(place: str, value: Any) -> Rule:
    """A constant that the message type implies."""
    return Rule(place, lambda *_: None, lambda *_: value)


def derived(target: str, value: Callable[[Any, Venue], Any]) -> Rule:
    """A field that is not in the payload. The function receives the bundle as read so far."""
    return Rule("", lambda bundle, _, venue: _set(bundle, target, value(bundle, venue)), lambda *_: ABSENT)


def custom(place: str, put: Put, get: Get) -> Rule:
    """Map with custom functions. `get` receives the bundle and returns ABSENT if there is nothing to write."""
    return Rule(place, put, get)


def only_absent(place: str, *absent: Any) -> Rule:
    """A field that holds nothing but these sentinels in every captured payload."""
    return Rule(place, lambda *_: None, lambda *_: ABSENT, string.unless(*absent))


def not_kept(place: str, reason: str) -> Rule:
    """A value that the contracts do not keep, and why. The place may contain `*`."""
    return Rule(place, lambda *_: None, lambda *_: ABSENT, reason=reason)


def within(place: str, *rules: Rule | Sequence[Rule]) -> list[Rule]:
    """Prefix the places of the rules."""
    return [replace(rule, place=f"{place}.{rule.place}") if rule.place else rule for rule in _flat(rules)]


def only_where(rule: Rule, applies: Callable[[Any], bool]) -> Rule:
    """Write the value only for messages that satisfy the predicate."""
    return replace(rule, get=lambda message, venue: rule.get(message, venue) if applies(message) else ABSENT)


def _flat(rules: Sequence[Rule | Sequence[Rule]]) -> list[Rule]:
    return [item for rule in rules for item in ([rule] if isinstance(rule, Rule) else rule)]


@dataclass(frozen=True)
class Table:
    """All rules for one kind of payload. `messages` maps each name to a message type, or to `[type]` for a list.
    `prepare` restructures a payload, without loss, to give every value a place."""

    kind: str
    messages: Mapping[str, Any]
    rules: Sequence[Rule]
    prepare: Callable[[Any], Any] = lambda payload: payload

    def read(self, payload: Any, venue: Venue) -> dict[str, Any]:
        """Read a prepared payload into messages."""
        bundle = {name: [] if isinstance(kind, list) else kind() for name, kind in self.messages.items()}
        read(self.rules, payload, Bundle(bundle, self.messages), venue)
        return bundle

    def write(self, bundle: Mapping[str, Any], venue: Venue) -> Any:
        """Write the prepared payload again, except for the values that are not kept."""
        return write(self.rules, Bundle(dict(bundle), self.messages), venue)


def table(kind: str, messages: Mapping[str, Any], *rules: Rule | Sequence[Rule], prepare: Any = None) -> Table:
    """Build a table."""
    return Table(kind, messages, _flat(rules), prepare or (lambda payload: payload))


@dataclass(frozen=True)
class Bundle:
    """Messages and their types by name."""

    messages: dict[str, Any]
    kinds: Mapping[str, Any]


def read(rules: Sequence[Rule], payload: Any, bundle: Any, venue: Venue) -> None:
    """Read a payload into a bundle or a message."""
    for rule in rules:
        if rule.reason:
            continue
        value = payload if not rule.place or rule.place == "." else _look(payload, rule.place)
        if value is ABSENT or (rule.place and rule.codec and rule.codec.is_absent(value)):
            continue
        rule.put(bundle, value, venue)


def write(rules: Sequence[Rule], bundle: Any, venue: Venue) -> Any:
    """Write a payload from a bundle or a message."""
    payload: Any = {}
    for rule in rules:
        if not rule.place or rule.reason:
            continue
        value = rule.get(bundle, venue)
        if value is ABSENT:
            continue
        if rule.place == ".":
            payload = value
        else:
            node = payload
            *parents, last = rule.place.split(".")
            for part in parents:
                node = node.setdefault(part, {})
            node[last] = value
    return payload


def _look(payload: Any, place: str) -> Any:
    for part in place.split("."):
        if isinstance(payload, list) and part.isdigit() and int(part) < len(payload):
            payload = payload[int(part)]
        elif isinstance(payload, dict) and part in payload:
            payload = payload[part]
        else:
            return ABSENT
    return payload


def _convert(value: Any, codec: Codec, venue: Venue) -> Any:
    return value if value is ABSENT else codec.write(value, venue)


def _at(node: Any, target: str) -> Any:
    """Return the message or list at a target, creating it if missing."""
    kind: Any = None
    for part in target.split("."):
        if isinstance(node, Bundle):
            kind, node = node.kinds[part], node.messages[part]
        elif part.isdigit():
            while len(node) <= int(part):
                node.append(kind[0]()) if isinstance(node, list) else node.add()
            node = node[int(part)]
        else:
            node = getattr(node, part)
    return node


def _set(bundle: Any, target: str, value: Any) -> None:
    parent, _, name = target.rpartition(".")
    message = _at(bundle, parent) if parent else bundle
    if isinstance(value, Message):
        getattr(message, name).CopyFrom(value)
    elif isinstance(value, list):
        message.ClearField(name)
        getattr(message, name).extend(value)
    else:
        setattr(message, name, value)


def _get(node: Any, target: str) -> Any:
    """Return the value at a target, or ABSENT. A default value counts as unset if its field has no presence."""
    for part in target.split("."):
        if isinstance(node, Bundle):
            node = node.messages[part]
        elif part.isdigit():
            if int(part) >= len(node):
                return ABSENT
            node = node[int(part)]
        else:
            known = node.DESCRIPTOR.fields_by_name[part]
            if known.has_presence and not node.HasField(part):
                return ABSENT
            node = list(getattr(node, part)) if known.is_repeated else getattr(node, part)
            if not known.has_presence and not known.is_repeated and node == known.default_value:
                return ABSENT
    return node


# Comparison of a payload with its round trip


@dataclass
class Comparison:
    """Outcome of the comparison: counts of equal values, and the values that differ."""

    numbers: int = 0
    others: int = 0
    sentinels: list[str] = field(default_factory=list)
    not_kept: dict[str, str] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)


def compare(rules: Sequence[Rule], payload: Any, written: Any, prefix: str = "") -> Comparison:
    """Classify every value of a payload as equal, a sentinel that became absent, not kept, or lost.

    A written value that was not in the payload also counts as lost.
    """
    result = Comparison()
    remaining = dict(leaves(written))
    for place, value in leaves(payload):
        rule = _rule_of(rules, place)
        shown = prefix + re.sub(r"(?<=\.)\d+(?=\.|$)|^\d+(?=\.|$)", "*", place)
        returned = remaining.pop(place, ABSENT)
        if rule and rule.reason:
            result.not_kept[prefix + rule.place] = rule.reason
        elif returned is not ABSENT and same(value, returned, bool(rule and rule.codec and rule.codec.is_instant)):
            if _number(value) is None:
                result.others += 1
            else:
                result.numbers += 1
        elif returned is ABSENT and (value is None or (rule and rule.codec and rule.codec.is_absent(value))):
            if value is not None:
                result.sentinels.append(f"{shown} {value!s}" if value != "" else f'{shown} ""')
        else:
            result.lost.append(f"{shown}: {value!r} came back as {'nothing' if returned is ABSENT else repr(returned)}")
    result.lost += [f"{prefix}{place}: {value!r} was not in the payload" for place, value in remaining.items()]
    return result


def _rule_of(rules: Sequence[Rule], place: str) -> Rule | None:
    """Return the rule for a place; `not_kept` takes precedence."""
    for rule in rules:
        if rule.reason and fnmatchcase(place, rule.place):
            return rule
    for rule in rules:
        if rule.place == place:
            return rule
        if rule.elements and (rule.place == "." or place.startswith(rule.place + ".")):
            rest = place if rule.place == "." else place.removeprefix(rule.place + ".")
            return _rule_of(rule.elements, rest.partition(".")[2])
    return None


def leaves(value: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every scalar of a payload with its place."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, f"{place}.{key}" if place else str(key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from leaves(item, f"{place}.{index}" if place else str(index))
    else:
        yield place, value


def same(sent: Any, returned: Any, is_instant: bool = False) -> bool:
    """Return whether two values are equal: numbers in value and significant digits, times as instants."""
    if isinstance(sent, bool) or isinstance(returned, bool):
        return sent is returned
    one, other = _number(sent), _number(returned)
    if one is not None and other is not None:
        return one == other and (is_instant or _significant(one) == _significant(other))
    if _is_time(sent) and _is_time(returned):
        return _from_rfc3339(sent) == _from_rfc3339(returned)
    return str(sent) == str(returned)


def _is_time(value: Any) -> bool:
    return isinstance(value, str) and bool(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", value))


def _number(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", str(value)):
        return None
    return Decimal(str(value))


def _significant(number: Decimal) -> tuple[int, ...]:
    """Return the significant digits, including trailing zeros and the zeros implied by an exponent, as in 1E+3."""
    _, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int)
    if not number:
        return ()
    return digits + (0,) * max(exponent, 0)
