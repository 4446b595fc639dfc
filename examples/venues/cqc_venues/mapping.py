"""Tables that say which field of a venue's payload is which field of a message, and are read in both directions.

A payload is what `json` made of the venue's text, with fractions as `Decimal`. It becomes a bundle: messages, or lists
of them, by name. Places in both are written with dots: `filters.PRICE_FILTER.tickSize` is where the payload has it,
`listing.rules.tick_tiers.0.tick_size` where the bundle does.
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
    """What a service knows of a venue beside one payload: its listings and asset codes, and when the payload came."""

    venue_id: str
    venue_symbol_id: Callable[[str], str]
    asset_id: Callable[[str], str] = lambda code: code
    received_at: Timestamp = field(default_factory=lambda: cqc.from_unix_nanos(0))
    natives: dict[tuple[str, str], str] = field(default_factory=dict)
    codes: dict[str, str] = field(default_factory=dict)

    @property
    def account_id(self) -> str:
        """Our id of the account that the payloads are of."""
        return f"{self.venue_id}:main"

    def listing(self, native: str, spelling: str = "") -> str:
        """Our id of a listing; the venue's name of it is remembered, as a registry of listings would. Where a venue's
        interfaces have different names for one listing, `spelling` tells them apart."""
        found = self.venue_symbol_id(native)
        self.natives[found, spelling] = native
        return found

    def native(self, venue_symbol_id: str, spelling: str = "") -> str:
        """The venue's name of a listing."""
        return self.natives[venue_symbol_id, spelling]

    def asset(self, code: str) -> str:
        """Our id of an asset; the venue's code is remembered."""
        found = self.asset_id(code)
        self.codes[found] = code
        return found


# Values


@dataclass(frozen=True)
class Codec:
    """How one value is written in the contracts and by the venue. `absent` are the venue's ways to say that there is
    none; numbers among them stand for every spelling of the number."""

    read: Callable[[Any, Venue], Any]
    write: Callable[[Any, Venue], Any]
    absent: tuple[Any, ...] = ()
    # Zeros at the end of an instant's fraction say nothing.
    is_instant: bool = False

    def unless(self, *absent: Any) -> Codec:
        """The same, with these values meaning that there is none."""
        return replace(self, absent=absent)

    def is_absent(self, value: Any) -> bool:
        """Whether a venue's value says that there is none."""
        if value is None:
            return True
        return any(
            _number(value) == item if isinstance(item, int) and not isinstance(value, bool) else value == item
            for item in self.absent
        )


def plain(value: Any) -> str:
    """A number as the contracts write it: a venue's exponents are expanded, its digits stay."""
    return cqc.format_decimal(Decimal(str(value)))


def _shifted(text: str, digits: int) -> str:
    """A number times a power of ten, with the same digits."""
    return cqc.format_decimal(Decimal(text).scaleb(digits))


def timestamp(seconds: Decimal) -> Timestamp:
    """A time from exact seconds since 1970."""
    return cqc.from_unix_nanos(int(seconds * NANOS))


def _unix(digits: int) -> Codec:
    """Whole units since 1970, each ten to the minus `digits` seconds."""
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
text = Codec(lambda value, _: str(value), lambda value, _: value)
count = Codec(lambda value, _: int(value), lambda value, _: value)
real = Codec(lambda value, _: float(value), lambda value, _: repr(value))
flag = Codec(lambda value, _: value, lambda value, _: value)
flag_text = Codec(lambda value, _: value == "true", lambda value, _: str(value).lower())
seconds = Codec(
    lambda value, _: timestamp(Decimal(str(value))),
    lambda value, _: Decimal(cqc.to_unix_nanos(value)) / NANOS,
    is_instant=True,
)
milliseconds = _unix(3)
rfc3339 = Codec(lambda value, _: _from_rfc3339(value), lambda value, _: value.ToJsonString())
minutes = Codec(lambda value, _: Duration(seconds=value * 60), lambda value, _: value.seconds // 60)


def listing_as(spelling: str) -> Codec:
    """A listing by the name that one of the venue's interfaces has for it."""
    return Codec(
        lambda value, venue: venue.listing(value, spelling), lambda value, venue: venue.native(value, spelling)
    )


listing = listing_as("")
asset = Codec(lambda value, venue: venue.asset(value), lambda value, venue: venue.codes[value])
texts = Codec(lambda value, _: list(value), lambda value, _: list(value))
decimals = Codec(lambda value, _: [plain(item) for item in value], lambda value, _: list(value))


# Rules

Put = Callable[[Any, Any, Venue], None]
Get = Callable[[Any, Venue], Any]


@dataclass(frozen=True)
class Rule:
    """One line of a table: a place in the payload, and how it gets into the bundle (`put`) and back (`get`)."""

    place: str
    put: Put
    get: Get
    codec: Codec | None = None
    # The lines for what stands at the place, where it is a list; each is read into a message of its own.
    elements: Sequence[Rule] = ()
    reason: str = ""


def at(place: str, target: str, codec: Codec) -> Rule:
    """A value of the payload is a field of a message."""
    return Rule(
        place,
        lambda bundle, value, venue: _set(bundle, target, codec.read(value, venue)),
        lambda bundle, venue: _convert(_get(bundle, target), codec, venue),
        codec,
    )


def word(place: str, target: str, words: Mapping[Any, int], absent: Sequence[Any] = ()) -> Rule:
    """A word of the venue is an enum value, and is kept in the field `raw_...` beside it."""
    raw = _beside(target)

    def put(bundle: Any, value: Any, _venue: Venue) -> None:
        _set(bundle, target, words.get(value, 0))
        _set(bundle, raw, str(value))

    return Rule(
        place,
        put,
        lambda bundle, _: _get(bundle, raw),
        Codec(lambda value, _: value, lambda value, _: value, tuple(absent)),
    )


def words(place: str, target: str, known: Mapping[str, int]) -> Rule:
    """A list of words is a list of enum values, and is kept in the field `raw_...` beside it."""
    raw = _beside(target)

    def put(bundle: Any, value: Any, _venue: Venue) -> None:
        _set(bundle, target, [known[item] for item in value if item in known])
        _set(bundle, raw, value)

    return Rule(place, put, lambda bundle, _: _get(bundle, raw))


def _beside(target: str) -> str:
    """The field that keeps the venue's own word for an enum's value."""
    parent, dot, name = target.rpartition(".")
    return f"{parent}{dot}raw_{name}"


def choice(place: str, target: str, values: Mapping[Any, int]) -> Rule:
    """A value of the venue is an enum value, one to one."""
    back = {value: key for key, value in values.items()}
    return Rule(
        place,
        lambda bundle, value, _: _set(bundle, target, values[value]),
        lambda bundle, _: back.get(_get(bundle, target), ABSENT),
    )


def each(place: str, target: str, *rules: Rule | Sequence[Rule]) -> Rule:
    """Each element of a list is a message of a list."""
    elements = _flat(rules)

    def put(bundle: Any, value: Any, venue: Venue) -> None:
        for index, item in enumerate(value):
            read(elements, item, _at(bundle, f"{target}.{index}"), venue)

    def get(bundle: Any, venue: Venue) -> Any:
        found = _get(bundle, target)
        return ABSENT if found is ABSENT else [write(elements, item, venue) for item in found]

    return Rule(place, put, get, elements=elements)


def fixed(place: str, value: Any) -> Rule:
    """The payload says the same in every record of its kind: the kind of message says it."""
    return Rule(place, lambda *_: None, lambda *_: value)


def derived(target: str, value: Callable[[Any, Venue], Any]) -> Rule:
    """A field of a message that the payload does not state; the function gets what is in the bundle so far."""
    return Rule("", lambda bundle, _, venue: _set(bundle, target, value(bundle, venue)), lambda *_: ABSENT)


def custom(place: str, put: Put, get: Get) -> Rule:
    """Anything else; `get` is given the bundle, and answers ABSENT where the payload had nothing."""
    return Rule(place, put, get)


def only_absent(place: str, *absent: Any) -> Rule:
    """A field that had one of these values, which mean that there is none, in every payload there was to learn from."""
    return Rule(place, lambda *_: None, lambda *_: ABSENT, text.unless(*absent))


def not_kept(place: str, reason: str) -> Rule:
    """What the contracts do not keep, and why. The place may have `*` in it."""
    return Rule(place, lambda *_: None, lambda *_: ABSENT, reason=reason)


def within(place: str, *rules: Rule | Sequence[Rule]) -> list[Rule]:
    """Rules for what stands below a place."""
    return [replace(rule, place=f"{place}.{rule.place}") if rule.place else rule for rule in _flat(rules)]


def only_where(rule: Rule, applies: Callable[[Any], bool]) -> Rule:
    """A rule whose value is given back only from messages to which it applies."""
    return replace(rule, get=lambda message, venue: rule.get(message, venue) if applies(message) else ABSENT)


def _flat(rules: Sequence[Rule | Sequence[Rule]]) -> list[Rule]:
    return [item for rule in rules for item in ([rule] if isinstance(rule, Rule) else rule)]


@dataclass(frozen=True)
class Table:
    """All rules for one kind of payload. `messages` names what it becomes, a list in brackets; `prepare` brings a
    payload into a form in which every place has a name, without losing anything."""

    kind: str
    messages: Mapping[str, Any]
    rules: Sequence[Rule]
    prepare: Callable[[Any], Any] = lambda payload: payload

    def read(self, payload: Any, venue: Venue) -> dict[str, Any]:
        """The messages of a payload that was prepared."""
        bundle = {name: [] if isinstance(kind, list) else kind() for name, kind in self.messages.items()}
        read(self.rules, payload, Bundle(bundle, self.messages), venue)
        return bundle

    def write(self, bundle: Mapping[str, Any], venue: Venue) -> Any:
        """The payload that the messages came from, as far as the contracts keep it."""
        return write(self.rules, Bundle(dict(bundle), self.messages), venue)


def table(kind: str, messages: Mapping[str, Any], *rules: Rule | Sequence[Rule], prepare: Any = None) -> Table:
    """A table of these rules."""
    return Table(kind, messages, _flat(rules), prepare or (lambda payload: payload))


@dataclass(frozen=True)
class Bundle:
    """Messages by name."""

    messages: dict[str, Any]
    kinds: Mapping[str, Any]


def read(rules: Sequence[Rule], payload: Any, bundle: Any, venue: Venue) -> None:
    """Bring a payload into messages."""
    for rule in rules:
        if rule.reason:
            continue
        value = payload if not rule.place or rule.place == "." else _look(payload, rule.place)
        if value is ABSENT or (rule.place and rule.codec and rule.codec.is_absent(value)):
            continue
        rule.put(bundle, value, venue)


def write(rules: Sequence[Rule], bundle: Any, venue: Venue) -> Any:
    """Bring messages into a payload."""
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
    """The message or list at a place of a bundle, made where it is not there yet."""
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
    """The value at a place of a bundle; ABSENT where there is none. An unset number, text or flag is none."""
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


# What a message gives back, compared with what the venue sent


@dataclass
class Comparison:
    """What became of the values of a payload."""

    numbers: int = 0
    others: int = 0
    sentinels: list[str] = field(default_factory=list)
    not_kept: dict[str, str] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)


def compare(rules: Sequence[Rule], payload: Any, back: Any, prefix: str = "") -> Comparison:
    """Account for every value of a payload: given back equal, a sentinel that became absence, not kept for a reason, or
    lost; a value that was not in the payload counts as lost too."""
    result = Comparison()
    given = dict(leaves(back))
    for place, value in leaves(payload):
        rule = _rule_of(rules, place)
        shown = prefix + re.sub(r"(?<=\.)\d+(?=\.|$)|^\d+(?=\.|$)", "*", place)
        returned = given.pop(place, ABSENT)
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
    result.lost += [f"{prefix}{place}: {value!r} was invented" for place, value in given.items()]
    return result


def _rule_of(rules: Sequence[Rule], place: str) -> Rule | None:
    """The most specific rule for a place of a payload."""
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
    """Every value of a payload with its place; an empty list or object is no value."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, f"{place}.{key}" if place else str(key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from leaves(item, f"{place}.{index}" if place else str(index))
    else:
        yield place, value


def same(sent: Any, returned: Any, is_instant: bool = False) -> bool:
    """Whether two values say the same: numbers by value and significant digits, times as instants, all else as text."""
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
    """The digits that say something: zeros before the first other one do not, those after the last one do.

    A venue's exponent, as in 1E+3, says how the number is spelled, so the zeros that it stands for count.
    """
    _, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int)
    if not number:
        return ()
    return digits + (0,) * max(exponent, 0)
