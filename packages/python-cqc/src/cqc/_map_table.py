"""Tables: rows of text, checked against the descriptors of the messages when a venue is built."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from fnmatch import fnmatchcase
from importlib import import_module
from typing import Any

from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from cqc._map_codecs import UNITS, Codec, Flag, Instant, Integer, Length, Numeric, Word, codec_for, is_decimal, number
from cqc._map_json import ABSENT, Parts, find, is_star, json_text, selector, states_nothing, word
from cqc._map_words import Words, value_names

_FLOATS = (FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT)
_KINDS = {
    FieldDescriptor.CPPTYPE_STRING: "a text",
    FieldDescriptor.CPPTYPE_BOOL: "a bool",
    FieldDescriptor.CPPTYPE_DOUBLE: "a double",
    FieldDescriptor.CPPTYPE_FLOAT: "a float",
}
_INTEGERS = (FieldDescriptor.CPPTYPE_INT32, FieldDescriptor.CPPTYPE_INT64)


class TableError(ValueError):
    """Faulty tables. The message names each table and row, one per line, and what to write instead."""


def meant(name: str, known: Iterable[str]) -> str:
    """What a misspelt name may have been, for the end of a message; empty if nothing is close."""
    names = sorted(set(known))
    parts = set(name.split("_")) - {"id", "time", "price", "quantity", "of", "raw"}
    close = get_close_matches(name, names, 3, 0.7) or [item for item in names if parts & set(item.split("_"))][:6]
    return f"; did you mean {' or '.join(close)}?" if close else ""


@dataclass(frozen=True)
class Place:
    """A place in a payload: `a.b`, `a.*.b`, from the payload's root `/a.b`, or `@name`, `@key`."""

    parts: Parts
    absolute: bool = False
    special: str = ""

    @classmethod
    def of(cls, text: str) -> Place:
        """Parse a place. A dot inside a key is written `\\.`."""
        if text in ("@name", "@key"):
            return cls((), special=text[1:])
        parts = re.split(r"(?<!\\)\.", text.removeprefix("/"))
        return cls(tuple(part.replace("\\.", ".") for part in parts if part), text.startswith("/"))


@dataclass(frozen=True)
class Context:
    """What is known besides a record: the payload, where it stood, and the record's place in it."""

    payload: Any
    name: str
    record: Any = None
    at: Parts = ()

    def values(self, place: Place) -> list[tuple[Parts, Parts, Any]]:
        """What stands at a place: where exactly, what its stars stand for, and the value."""
        if place.special == "name":
            return [((), (), self.name)] if self.name else []
        if place.special == "key":
            return [((), (), self.at[-1])] if self.at else []
        if not place.absolute:
            return list(find(self.record, place.parts, self.at))
        return list(find(self.payload, tuple(self._own(depth, part) for depth, part in enumerate(place.parts))))

    def _own(self, depth: int, part: str) -> str:
        """Stars above the record stand for the record's own place, and `$` for its last part."""
        if part == "$" and self.at:
            return self.at[-1]
        return self.at[depth] if part in ("*", "**") and depth < len(self.at) else part

    def value(self, place: str) -> Any:
        """The first value at a place, for `derive` functions; None if there is none."""
        found = self.values(Place.of(place))
        return found[0][2] if found else None


Derive = Callable[[Any, Context], None]


@dataclass(frozen=True)
class Condition:
    """`key`, `!key`, `key=a|b` or `key!=a|b`; several, separated by spaces or commas, all have to hold.

    A key alone holds if it is there, even if it states nothing; `key=?*` holds if it states something, as words may
    hold the wildcards of a shell. ` or ` between groups of tests: one group has to hold.
    """

    groups: tuple[tuple[tuple[Place, bool, tuple[str, ...]], ...], ...] = ((),)

    @classmethod
    def of(cls, text: str) -> Condition:
        """Parse a condition."""
        groups = []
        for group in re.split(r"\s+or\s+", text):
            tests = []
            for item in filter(None, re.split(r"[\s,]+", group)):
                key, equals, words = item.partition("=")
                wanted = not (key.startswith("!") or key.endswith("!"))
                tests.append((Place.of(key.strip("!")), wanted, tuple(words.split("|")) if equals else ()))
            groups.append(tuple(tests))
        return cls(tuple(groups))

    def holds(self, context: Context) -> bool:
        """Whether all tests of a group hold."""
        return any(all(self._holds(context, *test) for test in tests) for tests in self.groups)

    @staticmethod
    def _holds(context: Context, place: Place, wanted: bool, words: tuple[str, ...]) -> bool:
        found = [value for _, _, value in context.values(place)]
        if not words:
            return bool(found) == wanted
        texts = ["" if states_nothing(value) else _text(value) for value in found]
        return any(fnmatchcase(text, item) for text in texts for item in words) == wanted


def _text(value: Any) -> str:
    return json_text(value) if isinstance(value, dict | list | tuple) else word(value)


@dataclass(frozen=True)
class Target:
    """A field of a message, by its path: `price`, `fees.0.amount`, `bids.*.price`."""

    steps: tuple[str, ...]
    field: FieldDescriptor

    @classmethod
    def of(cls, message: Any, text: str) -> Target:
        """Find the field. Raises TableError if there is none."""
        steps = tuple(text.split("."))
        found: FieldDescriptor | None = None
        here: Any = message
        for step in steps:
            if step == "*" or step.isdecimal():
                if found is None or not found.is_repeated or found.message_type is None:
                    raise TableError(f"{message.name}.{text}: {step} does not follow a list of messages")
                here = found.message_type
                continue
            if here is None:
                star = found is not None and found.is_repeated and found.message_type is not None
                why = f"{found.name} is a list: add .* or an index" if found and star else f"{step} follows a value"
                raise TableError(f"{message.name}.{text}: {why}")
            if step not in here.fields_by_name:
                raise TableError(
                    f"{message.name}.{text}: {here.name} has no field {step}{meant(step, here.fields_by_name)}"
                )
            found = here.fields_by_name[step]
            here = None if found.is_repeated else found.message_type
        if found is None or steps[-1].isdecimal() or steps[-1] == "*":
            raise TableError(f"{message.name}.{text} is not a field")
        return cls(steps, found)

    def sibling(self, name: str) -> Target | None:
        """Another field of the same message, if there is one."""
        owner = self.field.containing_type
        assert owner is not None
        names = owner.fields_by_name
        return Target((*self.steps[:-1], name), names[name]) if name in names else None

    def instances(self, message: Any, indices: Parts = (), depth: int = 0) -> list[Parts]:
        """What the stars can stand for in a message."""
        if "*" not in self.steps[depth:]:
            return [indices]
        star = self.steps.index("*", depth)
        items = Target(self.steps[:star], self.field).items(message, indices)
        return [found for index in range(items) for found in self.instances(message, (*indices, str(index)), star + 1)]

    def items(self, message: Any, indices: Sequence[str]) -> int:
        """How many items the list at these steps has."""
        parent = self.parent(message, indices, create=False)
        return 0 if parent is None else len(getattr(parent, self.steps[-1]))

    def parent(self, message: Any, indices: Sequence[str], create: bool) -> Any:
        """The message that holds the field, or None if it is not there and not to be made."""
        stars = iter(indices)
        for step in self.steps[:-1]:
            if step == "*" or step.isdecimal():
                index = int(step if step != "*" else next(stars, "-1"))
                if index < 0:
                    raise ValueError(f"{self.field.full_name} needs a star for every list on its way")
                while create and len(message) <= index:
                    message.add()
                if len(message) <= index:
                    return None
                message = message[index]
            else:
                known = message.DESCRIPTOR.fields_by_name[step]
                if not create and not known.is_repeated and not message.HasField(step):
                    return None
                message = getattr(message, step)
        return message

    def get(self, message: Any, indices: Sequence[str] = ()) -> Any:
        """The value, or ABSENT. A default counts as absent if the field has no presence."""
        parent = self.parent(message, indices, create=False)
        if parent is None:
            return ABSENT
        value = getattr(parent, self.field.name)
        if self.field.is_repeated:
            return list(value) or ABSENT
        if self.field.has_presence:
            return value if parent.HasField(self.field.name) else ABSENT
        return ABSENT if value == self.field.default_value else value

    def put(self, message: Any, value: Any, indices: Sequence[str] = ()) -> None:
        """Set the value. Raises ValueError or TypeError if the field cannot hold it."""
        parent = self.parent(message, indices, create=True)
        name = self.field.name
        if isinstance(value, Message):
            getattr(parent, name).CopyFrom(value)
        elif self.field.is_repeated:
            parent.ClearField(name)
            getattr(parent, name).extend(value)
        else:
            setattr(parent, name, value)


@dataclass(frozen=True)
class Row:
    """One row: a place, and the field that holds its value, a constant, or the reason why it is not kept."""

    place: Place
    target: Target | None = None
    raw: Target | None = None
    codec: Codec = field(default_factory=Codec)
    absent: tuple[str, ...] = ()
    condition: Condition = field(default_factory=Condition)
    pattern: str = ""
    sign: Target | None = None
    scale: Place | None = None
    constant: str = ""
    reason: str = ""
    text: str = ""

    def is_absent(self, value: Any) -> bool:
        """Whether the value states nothing, or is one of the row's sentinels. Numbers match in any spelling."""
        if states_nothing(value):
            return True
        if isinstance(value, dict | list | tuple):
            return False
        if isinstance(self.codec, Instant) and word(value) in ("0", "-1"):
            return True
        return any(word(value) == item or _equal(value, item) for item in self.absent)

    def read(self, value: Any, context: Context, scales: Mapping[str, int]) -> Any:
        """The value of the field, or ABSENT. Raises ValueError."""
        assert self.target is not None
        if self.pattern:
            value = _inner(self.pattern, value)
        codec = self.scaled(context, scales)
        if not self.target.field.is_repeated:
            return codec.read(value)
        known = [item for item in map(codec.read, _listed(value)) if item is not ABSENT]
        return known or ABSENT

    def scaled(self, context: Context, scales: Mapping[str, int]) -> Codec:
        """The codec, with the scale that another place tells."""
        if self.scale is None or not isinstance(self.codec, Numeric):
            return self.codec
        found = [word(value) for _, _, value in context.values(self.scale) if not states_nothing(value)]
        if len(found) != 1 or found[0] not in scales:
            raise ValueError(f"no scale is known for {found}")
        return replace(self.codec, shift=self.codec.shift + scales[found[0]])

    def put(self, message: Any, value: Any, sent: Any, indices: Sequence[str]) -> None:
        """Fill the field and what belongs to it. Raises ValueError or TypeError."""
        assert self.target is not None
        if self.sign is not None:
            if number(value):
                self.sign.put(message, _signed(self.sign.field.enum_type, value.startswith("-")), indices)
            value = value.removeprefix("-")
        enum = self.target.field.enum_type
        if enum is not None:
            inner = _inner(self.pattern, sent) if self.pattern else sent
            if self.raw is not None:
                self.raw.put(
                    message,
                    [word(item) for item in _listed(inner)] if self.raw.field.is_repeated else word(inner),
                    indices,
                )
            elif not value or (self.target.field.is_repeated and 0 in value):
                raise ValueError(f"{_text(sent)!r} is no known {enum.name}")
            if self.target.field.is_repeated:
                known = [item for item in value if item]
                # Two words may mean the same value; the raw list has both.
                value = list(dict.fromkeys(known)) if self.raw is not None else known
        self.target.put(message, value, indices)

    def selectors(self, at: Parts) -> list[tuple[Parts, Row]]:
        """The places whose words chose the items on the way to a place, as constants."""
        found = []
        for depth, part in enumerate(self.place.parts, len(at) - len(self.place.parts)):
            key, text = selector(part)
            if "=" in part:
                found.append(((*at[: depth + 1], *key.split(".")), Row(self.place, constant=text)))
        return found

    def get(self, message: Any, indices: Sequence[str], context: Context, scales: Mapping[str, int]) -> Any:
        """The payload's value again, or ABSENT. Raises ValueError."""
        if self.constant or self.target is None:
            return self.constant or ABSENT
        value = self.raw.get(message, indices) if self.raw is not None else ABSENT
        if value is ABSENT:
            value = self.target.get(message, indices)
            if value is ABSENT:
                return ABSENT
            if self.sign is not None and self.sign.get(message, indices) == _signed(self.sign.field.enum_type, True):
                value = f"-{value}"
            codec = self.scaled(context, scales)
            value = [codec.write(item) for item in value] if self.target.field.is_repeated else codec.write(value)
        if self.pattern and value is not ABSENT:
            before, after = self._around()
            value = f"{before}{word(value)}{after}"
        return value

    def _around(self) -> tuple[str, str]:
        """The literal text before and after the pattern's group."""
        before, _, rest = self.pattern.partition("(")
        return _literal(before), _literal(rest.rpartition(")")[2])

    def piece(self, sent: Any, written: Any) -> tuple[int, int, int, int, str] | None:
        """Which part of a string the pattern accounts for, where its group is, and what is written there.

        None if what is written there does not state the same.
        """
        text, found, (before, after) = word(sent), re.search(self.pattern, word(sent)), self._around()
        if found is None or not isinstance(written, str):
            return None
        inner = written[len(before) : len(written) - len(after)]
        start, end = found.span(1)
        is_same = inner == found[1] if isinstance(self.codec, Word) else self.codec.same(found[1], inner)
        if not is_same:
            return None
        first = start - len(before) if text[:start].endswith(before) else start
        last = end + len(after) if text[end:].startswith(after) else end
        return first, last, start, end, inner

    def same(self, sent: Any, written: Any) -> bool:
        """Whether a value that was written again states what was sent."""
        if written is ABSENT or isinstance(sent, dict):
            return False
        if isinstance(written, list) and not isinstance(sent, list | tuple):
            return len(written) == 1 and self.same(sent, written[0])
        if isinstance(sent, list | tuple):
            return (
                isinstance(written, list | tuple)
                and len(sent) == len(written)
                and all(self.same(one, other) for one, other in zip(sent, written, strict=True))
            )
        if isinstance(written, list | tuple):
            return len(written) == 1 and self.same(sent, written[0])
        try:
            if self.constant or isinstance(self.codec, Word):
                return word(sent) == word(written)
            if not self.pattern:
                return self.codec.same(sent, written)
            one, other = _parts(self.pattern, sent), _parts(self.pattern, written)
            return one[::2] == other[::2] and self.codec.same(one[1], other[1])
        except (ValueError, ArithmeticError):
            return False


def composed(sent: Any, written: Sequence[tuple[Row, Any]]) -> Any:
    """A string again of which several rows hold a part each; ABSENT unless they account for all of it."""
    try:
        pieces = sorted(filter(None, (row.piece(sent, value) for row, value in written)))
    except (ValueError, ArithmeticError):
        return ABSENT
    covered = 0
    for first, last, *_ in pieces:
        if first > covered:
            return ABSENT
        covered = max(covered, last)
    text = word(sent)
    if covered < len(text):
        return ABSENT
    for _, _, start, end, inner in sorted(pieces, key=lambda piece: -piece[2]):
        text = text[:start] + inner + text[end:]
    return text


def _listed(value: Any) -> Any:
    """The items of a list; any other value is the only item."""
    return value if isinstance(value, list | tuple) else [value]


def _equal(value: Any, item: str) -> bool:
    try:
        return number(value) == number(item)
    except ValueError:
        return False


def _inner(pattern: str, value: Any) -> str:
    """What the pattern's group holds. Raises ValueError if the pattern does not match."""
    return _parts(pattern, value)[1]


def _parts(pattern: str, value: Any) -> tuple[str, str, str]:
    """What is before the pattern's group, in it and after it. Raises ValueError if the pattern does not match."""
    text = word(value)
    found = re.search(pattern, text)
    if not found or not found[1]:
        raise ValueError(f"{text!r} does not match {pattern}")
    return text[: found.start(1)], found[1], text[found.end(1) :]


def _literal(pattern: str) -> str:
    return re.sub(r"\\(.)", r"\1", pattern.removeprefix("^").removesuffix("$"))


def _signed(enum: EnumDescriptor | None, negative: bool) -> int:
    """SELL, SELLER or SHORT for a negative number, else BUY, BUYER or LONG."""
    assert enum is not None
    ends = ("_SELL", "_SELLER", "_SHORT") if negative else ("_BUY", "_BUYER", "_LONG")
    return next(int(value.number) for value in enum.values if value.name.endswith(ends))


@dataclass(frozen=True)
class Constant:
    """`field := value`: what the kind of payload says, without a value of its own in it."""

    target: Target
    choices: tuple[str, ...]
    condition: Condition
    words: Words | None

    def apply(self, message: Any, context: Context) -> None:
        """Set the field, unless it is set; with a star in its path, in every item that is there."""
        if not self.condition.holds(context):
            return
        codec = codec_for(self.target.field, self.words)
        texts = (self._filled(choice, message, context) for choice in self.choices)
        text = next((text for text in texts if text is not None), None)
        for indices in self.target.instances(message) if text is not None else ():
            if self.target.get(message, indices) is ABSENT:
                # What a payload states in braces may not fit; the rules of the message then tell.
                with suppress(ValueError, ArithmeticError):
                    value = codec.read(text)
                    self.target.put(message, [value] if self.target.field.is_repeated else value, indices)

    def _filled(self, choice: str, message: Any, context: Context) -> str | None:
        parts = []
        for index, part in enumerate(re.split(r"[{}]", choice)):
            if index % 2 == 0:
                parts.append(part)
            elif part.startswith("@"):
                value = context.value(part if part in ("@name", "@key") else part[1:])
                if states_nothing(value):
                    return None
                parts.append(_text(value))
            else:
                value = Target.of(message.DESCRIPTOR, part).get(message)
                if value is ABSENT:
                    return None
                parts.append(value.ToJsonString() if isinstance(value, Timestamp | Duration) else str(value))
        return "".join(parts)


@dataclass(frozen=True)
class Table:
    """How one kind of record becomes a message; made by `table` and `skip`."""

    kind: str
    message: type[Message] | None
    rows: str
    when: str
    root: str
    also: tuple[Table, ...] = ()
    derive: tuple[Derive, ...] = ()
    partial: str | bool = False


def table(
    kind: str,
    message: type[Message],
    rows: str,
    *,
    when: str = "",
    root: str = "",
    also: Sequence[Table] = (),
    derive: Derive | Sequence[Derive] = (),
    partial: str | bool = False,
) -> Table:
    """Describe how one kind of record becomes a message.

    - kind: name in the report, such as "trades"
    - rows: see the documentation of `cqc.mapping`
    - when: condition on the record, such as `/arg.channel=trades !algoId`
    - root: where the records stand, such as `data.*`; several, separated by `|`, are tried in turn; default the venue's
    - also: tables of further messages from the same record, or from records inside it (their `root` starts at it)
    - derive: functions that fill what rows cannot, from the message and the context
    - partial: the venue states only what changed, so the message gets `stated`; a text is the condition for that
    """
    functions = (derive,) if callable(derive) else tuple(derive)
    return Table(kind, message, rows, when, root, tuple(also), functions, partial)


def under(path: str, rows: str) -> str:
    """Rows whose fields are those of a message inside another: `under("order", "px = price")` is `px = order.price`."""
    lines = []
    for line in _lines(rows):
        line = re.sub(
            r"(\s=\s+)(listing\b)?", lambda found: found[1] + ((found[2] and "native_listing.symbol") or ""), line
        )
        if " := " in line:
            line = f"{path}." + re.sub(r"\{(?!@)", "{" + path + ".", line)
        lines.append(re.sub(r"\s=\s+", f" = {path}.", line, count=1))
    return "\n".join(lines)


def skip(reason: str, when: str, *, root: str = "") -> Table:
    """Describe records for which the contracts have no message, and why. `when` and `root` as for `table`."""
    return Table(reason, None, "", when, root)


_HEADER = re.compile(
    r"\[([^\]:]+)(?::\s*([^\]]+))?\](?: in (?P<outer>[^\[]+?))?(?: at (?P<root>\S+))?"
    r"(?: (?P<partial>partial(?: if:\S+)?))?(?: when (?P<when>.+))?"
)
_PACKAGES = ("markets", "venues", "portfolio", "assets", "events")


def tables(text: str, derive: Mapping[str, Derive | Sequence[Derive]] | None = None) -> list[Table]:
    """Parse the tables of a venue from one text; see "Tables" in the documentation of `cqc.mapping`.

    `derive` has the functions of tables by their kind. Raises TableError for a header or name that is not understood.
    """
    derive = derive or {}
    sections: list[tuple[re.Match[str], list[str]]] = []
    for line in filter(None, (line.strip() for line in text.splitlines())):
        if line.startswith("["):
            header = _HEADER.fullmatch(line)
            if not header or {"in", "at", "partial", "when"} & set((header["when"] or "").split()):
                raise TableError(
                    f"{line}: expected `[kind: Message] in KIND at ROOT partial when CONDITION`, in this order; only "
                    "the brackets are required"
                )
            if not header[2] and any(header.groupdict().values()):
                raise TableError(f"{line}: a section of shared rows is `[name]` alone; a table is `[kind: Message]`")
            sections.append((header, []))
        elif sections:
            sections[-1][1].append(line)
        else:
            raise TableError(f"{line}: a row before the first header")
    shared: dict[str, str] = {}
    made: list[tuple[str, Table]] = []
    for header, lines in sections:
        kind, message = header[1].strip(), (header[2] or "").strip()
        rows = "\n".join(_included(line, shared) for line in _lines("\n".join(lines)))
        if not message:
            if kind in shared:
                raise TableError(f"[{kind}]: a section of shared rows before has this name; choose another")
            shared[kind] = rows
        elif kind == "skip":
            made.append(("", skip(message, header["when"] or "", root=header["root"] or "")))
        else:
            options: dict[str, Any] = {"when": header["when"] or "", "root": header["root"] or ""}
            options["partial"] = _partial(header["partial"] or "")
            found = table(kind, _message(message), rows, derive=derive.get(kind, ()), **options)
            made.append((header["outer"] or "", found))
    outermost = {item.kind for outer, item in made if not outer}
    for outer, item in made:
        if outer and outer not in outermost:
            raise TableError(f"[{item.kind}: ...] in {outer}: no table has this kind{meant(outer, outermost)}")
    kinds = {item.kind for _, item in made}
    for kind in derive:
        if kind not in kinds:
            raise TableError(f"derive: no table has the kind {kind}{meant(kind, kinds)}")
    return [
        replace(item, also=tuple(inner for outer, inner in made if outer == item.kind))
        for outer, item in made
        if not outer
    ]


def _partial(text: str) -> str | bool:
    return text.partition(" if:")[2] or bool(text)


def _included(line: str, shared: Mapping[str, str]) -> str:
    if not line.startswith("use "):
        return line
    name = line[4:].strip()
    if name not in shared:
        raise TableError(f"{line}: no section [{name}] stands before it{meant(name, shared)}")
    return shared[name]


def _message(name: str) -> type[Message]:
    for package in _PACKAGES:
        found = getattr(import_module(f"cqc.{package}.v1"), name, None)
        if isinstance(found, type) and issubclass(found, Message):
            return found
    raise TableError(f"[...: {name}]: no message has this name{meant(name, type_names())}")


def type_names() -> set[str]:
    """The names of all messages and enums that tables can use."""
    modules = (import_module(f"cqc.{package}.v1") for package in _PACKAGES)
    return {name for module in modules for name in dir(module) if name[0].isupper() and not name.isupper()}


@dataclass(frozen=True)
class Defaults:
    """What a venue says once for all of its tables."""

    root: str
    time: str
    words: Mapping[str, str]
    common: str


@dataclass(frozen=True)
class Compiled:
    """A table with its rows checked."""

    table: Table
    roots: tuple[Parts, ...]
    when: Condition
    partial: Condition | None
    rows: tuple[Row, ...]
    constants: tuple[Constant, ...]
    also: tuple[Compiled, ...]


def compile_table(source: Table, defaults: Defaults, faults: list[str], inside: bool = False) -> Compiled:
    """Check a table against the descriptors. Adds what is wrong to `faults`."""
    root = source.root or ("." if inside else defaults.root)
    roots = tuple(Place.of(item.strip()).parts for item in root.split("|"))
    rows: list[Row] = []
    constants: list[Constant] = []
    lines = _lines(source.rows)
    for text in sorted({line for line in lines if lines.count(line) > 1}):
        faults.append(f"table {source.kind!r}, row {text!r}: it stands there twice, perhaps through `use`; remove one")
    for text in (*lines, *(() if inside else _lines(defaults.common))):
        try:
            for line in _spread(text):
                made = _row(line, source, defaults)
                if isinstance(made, Row):
                    rows.append(replace(made, text=line))
                else:
                    constants.append(made)
        except (TypeError, ValueError) as error:
            faults.append(f"table {source.kind!r}, row {text!r}: {error}")
    also = tuple(compile_table(item, defaults, faults, inside=True) for item in source.also)
    partial = Condition.of(source.partial if isinstance(source.partial, str) else "") if source.partial else None
    return Compiled(source, roots, Condition.of(source.when), partial, tuple(rows), tuple(constants), also)


def _lines(text: str) -> list[str]:
    return [line.strip() for line in re.split(r"[;\n]", text) if line.strip()]


def _spread(text: str) -> list[str]:
    """`{bids,asks}.*.0 = {bids,asks}.*.price` as one row for each."""
    groups = [] if " := " in text else re.findall(r"\{([^{}]*)\}", text.partition(" # ")[0])
    if not groups:
        return [text]
    options = [group.split(",") for group in groups]
    if len({len(option) for option in options}) != 1:
        raise ValueError("lists in braces need the same length")
    result = []
    for choice in zip(*options, strict=True):
        line = text
        for item in choice:
            line = re.sub(r"\{[^{}]*\}", lambda _, item=item: item.strip(), line, count=1)  # type: ignore[misc]
        result.append(line)
    return result


def _row(text: str, source: Table, defaults: Defaults) -> Row | Constant:
    found = re.fullmatch(r"(\S+)\s+(=|:=|~|#)\s+(.*)", text)
    if not found:
        raise ValueError(
            "expected `place = field`, `field := value`, `place ~ word` or `place # reason`, spaces around the sign; "
            "a `;` in a reason ends the row"
        )
    left, operator, right = found.groups()
    if operator == "#":
        return Row(Place.of(left), reason=right)
    if operator == "~":
        return Row(Place.of(left), constant=right.strip())
    if source.message is None:
        raise ValueError("only `~` and `#` without a message")
    message = source.message.DESCRIPTOR
    if operator == ":=":
        right, _, condition = right.partition(" if:")
        target = Target.of(message, left)
        words = _words(target.field, "", defaults)
        choices = tuple(item.strip() for item in right.split(" | "))
        if words is not None and not all(words.number(item) for item in choices if "{" not in item):
            enum = target.field.enum_type
            assert enum is not None
            raise ValueError(f"{enum.name} has no value {right}; it has {', '.join(value_names(enum))}")
        codec = codec_for(target.field, words)
        for item in choices:
            if "{" not in item:
                codec.read(item)
        return Constant(target, choices, Condition.of(condition), words)
    path, *modifiers = right.split()
    path = "native_listing.symbol" if path == "listing" else path
    return _typed(Place.of(left), Target.of(message, path), modifiers, defaults)


def _words(field: FieldDescriptor, name: str, defaults: Defaults) -> Words | None:
    enum = field.enum_type
    if enum is None:
        if name:
            raise ValueError(f"words: is for an enum, and {field.name} is none")
        return None
    if "=" in name:
        inline = name.replace("=", ": ").replace(",", "; ").replace("|", " ")
        return Words(enum, inline, defaults.words.get(enum.name, ""))
    if name and name not in defaults.words:
        raise ValueError(f"the venue's `words` have no entry {name!r}{meant(name, defaults.words)}")
    return Words(enum, *(defaults.words[key] for key in (name, enum.name) if key in defaults.words))


def _holds(field: FieldDescriptor) -> str:
    if field.enum_type is not None:
        return "an enum"
    if field.message_type is not None:
        return f"a {field.message_type.name}"
    return "a decimal" if is_decimal(field) else _KINDS.get(field.cpp_type, "an integer")


def _typed(place: Place, target: Target, modifiers: list[str], defaults: Defaults) -> Row:
    values = dict.fromkeys(("words", "none", "if", "re", "sign", "by", "is"), "")
    unit, shift = "", 0
    flags = dict.fromkeys(("neg", "1+", "only", "int32"), False)
    for item in modifiers:
        name, colon, rest = item.partition(":")
        if colon and name in values:
            values[name] = rest
        elif item == "%" or re.fullmatch(r"e-?\d+", item):
            shift = -2 if item == "%" else int(item[1:])
        elif item in flags:
            flags[item] = True
        elif item in UNITS or item in ("m", "h", "d"):
            unit = item
        else:
            known = (*(f"{name}:" for name in values), *flags, "%", "e-8", *UNITS, "m", "h", "d")
            spaces = "; if: and re: have no spaces in them" if values["if"] or values["re"] else ""
            raise ValueError(
                f"unknown modifier {item}{meant(item, known)}{spaces}; the modifiers are {' '.join(known)}"
            )
    if not place.absolute and target.steps.count("*") not in (0, sum(map(is_star, place.parts))):
        raise ValueError("a field with stars needs as many in its place, or an index such as fees.0.amount")
    words = _words(target.field, values["words"], defaults)
    sign = target.sibling(values["sign"]) if values["sign"] else None
    if values["sign"] and (sign is None or sign.field.enum_type is None):
        owner = target.field.containing_type
        names = [item.name for item in owner.fields if item.enum_type] if owner else []
        raise ValueError(f"no enum {values['sign']} beside {target.field.name}{meant(values['sign'], names)}")
    scaled = shift or values["by"] or sign
    signs = is_decimal(target.field) or target.field.cpp_type in (*_FLOATS, *(() if scaled else _INTEGERS))
    opposite = signs or (not scaled and target.field.cpp_type == FieldDescriptor.CPPTYPE_BOOL)
    if (scaled and not signs) or (flags["neg"] and not opposite):
        raise ValueError("only a number has a sign, and only a decimal or a double has a scale")
    if flags["1+"] and not is_decimal(target.field):
        raise ValueError("only a decimal is counted from one")
    truths = frozenset(values["is"].split("|")) if values["is"] else frozenset[str]()
    is_time = target.field.message_type is not None and target.field.message_type.name == "Timestamp"
    codec = codec_for(
        target.field,
        words,
        unit=unit or (defaults.time if is_time else ""),
        shift=shift,
        negated=flags["neg"],
        added=int(flags["1+"]),
        truths=truths,
        only=flags["only"],
        signed=flags["int32"],
    )
    if unit and not isinstance(codec, Instant | Length):
        raise ValueError(
            f"{unit} is a unit of time, and {target.field.name} holds none: leave it out, or use e-3 to scale"
        )
    if isinstance(codec, Instant) and unit and unit not in UNITS:
        raise ValueError(f"{unit} counts a length of time; a time is in {', '.join(UNITS)}")
    misplaced = (("only", words is not None), ("int32", isinstance(codec, Integer)))
    for name, fits in (*misplaced, ("is", isinstance(codec, Flag))):
        if (flags.get(name) or values.get(name)) and not fits:
            raise ValueError(f"{name} does not fit {target.field.name}, which is {_holds(target.field)}")
    if values["re"]:
        try:
            groups = re.compile(values["re"]).groups
        except re.error as error:
            raise ValueError(f"re:{values['re']} is no regular expression: {error}") from error
        if groups != 1:
            raise ValueError(f"re:{values['re']} needs one group, such as re:candle(.+); write others as (?:...)")
    return Row(
        place,
        target,
        target.sibling(f"raw_{target.field.name}") if words is not None else None,
        codec,
        tuple(values["none"].split(",")) if values["none"] else (),
        Condition.of(values["if"]),
        values["re"],
        sign,
        Place.of(values["by"]) if values["by"] else None,
    )
