"""Rules over several fields: messages that meet them and break them are found by trying values.

protovalidate decides here which rules a message breaks; every other language then has to agree.
"""

import heapq
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from cqc_tools.contracts.messages import Messages, set_field

# How many messages are kept for each rule, and how many are varied to find them.
KEPT = 12
VARIED = 40
# A message is repaired in so many steps at most, from so many of the best messages of the step before.
STEPS, REPAIRED = 6, 24
TEXTS = ("", "x", "y", "*")
MASKS: tuple[tuple[str, ...], ...] = ((), ("name",), ("*",), ("name", "*"))
# Seconds and nanoseconds.
TIMES = {
    "google.protobuf.Timestamp": ((1, 0), (2, 0), (10, 0), (0, 0)),
    "google.protobuf.Duration": ((1, 0), (5, 0), (0, 0), (0, 999_999_999), (86_400, 0), (86_400, 1), (10**6, 0)),
}
STRING = re.compile(r"'(?:\\.|[^'\\])*'")
# Path and id of each broken rule.
Broken = list[tuple[str, str]]


class Source(Protocol):
    """Where values to try come from."""

    def minimal(self, descriptor: Descriptor) -> Any:
        """A valid message with as few fields as possible."""

    def valid(self, field: FieldDescriptor, rules: Any) -> list[Any]:
        """Values that meet the rules of one element of a field."""


class Search:
    """Tries messages until every rule over several fields is met and broken."""

    def __init__(self, messages: Messages) -> None:
        import protovalidate

        self.messages = messages
        self._validator = protovalidate.Validator()

    def broken(self, message: Message) -> Broken:
        """The path and id of every rule that a message breaks."""
        found = self._validator.collect_violations(message)
        return [(_path(violation.proto.field), violation.proto.rule_id) for violation in found]

    def over_fields(self, descriptor: Descriptor) -> list[Any]:
        """The rules with a CEL expression on a message and its fields."""
        rules = [*self.messages.rules(descriptor).cel]
        return rules + [rule for field in descriptor.fields for rule in self._of_field(field)]

    def repair(self, source: Source, message: Any) -> Any | None:
        """A message in which few fields were changed until it breaks no rule; None if none was found."""
        # Fields that no rule of this message names cannot repair it.
        words = self._words(message.DESCRIPTOR)
        best = [(len(self.broken(message)), message)]
        for _ in range(STEPS):
            if best[0][0] == 0:
                return best[0][1]
            found = {message.SerializeToString(deterministic=True): (broken, message) for broken, message in best}
            for _, start in best:
                for changed in self._changed(source, start, words):
                    found.setdefault(
                        changed.SerializeToString(deterministic=True), (len(self.broken(changed)), changed)
                    )
            best = sorted(found.values(), key=lambda pair: pair[0])[:REPAIRED]
        return None

    def examples(self, source: Source, descriptor: Descriptor, rule: Any) -> tuple[list[Any], list[tuple[Any, str]]]:
        """Messages that break one rule over several fields, with the path, and the valid ones that they vary."""
        start = source.minimal(descriptor)
        words = _names([rule.expression]) | {
            field.name for field in descriptor.fields if rule.id in {own.id for own in self._of_field(field)}
        }
        # Those that break the fewest rules are varied first, so valid ones if there are any.
        waiting = [(0, 0, start)]
        seen: set[bytes] = set()
        meeting: list[Any] = []
        breaking: list[tuple[Any, str]] = []
        for _ in range(VARIED):
            if not waiting or len(breaking) >= KEPT:
                break
            *_, start = heapq.heappop(waiting)
            for message in self._changed(source, start, words):
                data = message.SerializeToString(deterministic=True)
                if data in seen:
                    continue
                seen.add(data)
                broken = self.broken(message)
                paths = [path for path, name in broken if name == rule.id]
                if paths and len(breaking) < KEPT:
                    breaking.append((message, paths[0]))
                elif not paths:
                    heapq.heappush(waiting, (len(broken), len(seen), message))
                    if not broken and len(meeting) < KEPT:
                        meeting.append(message)
        return meeting, breaking

    def _of_field(self, field: FieldDescriptor) -> list[Any]:
        own = self.messages.rules(field)
        return [*own.cel, *own.repeated.items.cel]

    def _words(self, descriptor: Descriptor) -> set[str]:
        """The names in the expressions of a message's rules, and its fields with rules of their own."""
        own = {field.name for field in descriptor.fields if self._of_field(field)}
        return own | _names([rule.expression for rule in self.over_fields(descriptor)])

    def _changed(self, source: Source, message: Any, words: set[str], depth: int = 2) -> Iterator[Any]:
        """Copies of a message with another value, or none, in one field that the rules name."""
        for field in message.DESCRIPTOR.fields:
            if field.name not in words:
                continue
            for value in self._values(source, message, field, words, depth):
                changed = message.__class__()
                changed.CopyFrom(message)
                changed.ClearField(field.name)
                if value is not None:
                    set_field(changed, field, value)
                yield changed

    def _values(
        self, source: Source, message: Any, field: FieldDescriptor, words: set[str], depth: int
    ) -> Iterator[Any]:
        # None is an absent field.
        yield None
        if is_map(field):
            return
        elements: Sequence[Any] = list(itertools.islice(self._elements(source, message, field, words, depth), 40))
        if not field.is_repeated:
            yield from elements
            return
        yield from ([element] for element in elements)
        yield from ([elements[0], element] for element in elements[:4])
        yield from (list(elements[:count]) for count in (3, 4) if len(elements) >= count)

    def _elements(
        self, source: Source, message: Any, field: FieldDescriptor, words: set[str], depth: int
    ) -> Iterator[Any]:
        kind = field.message_type
        if kind and kind.full_name in TIMES:
            yield from (
                self.messages.new(kind).__class__(seconds=time[0], nanos=time[1]) for time in TIMES[kind.full_name]
            )
        elif kind and kind.full_name == "google.protobuf.FieldMask":
            yield from (self.messages.new(kind).__class__(paths=paths) for paths in MASKS)
        elif kind:
            inner = source.minimal(kind)
            yield inner
            if depth:
                present = not field.is_repeated and message.HasField(field.name)
                yield from self._changed(source, getattr(message, field.name) if present else inner, words, depth - 1)
        elif field.enum_type:
            yield from (value.number for value in field.enum_type.values)
        elif field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
            yield from (True, False)
        elif field.type == FieldDescriptor.TYPE_STRING:
            rules = self.messages.rules(field)
            own = rules.repeated.items if field.is_repeated else rules
            yield from dict.fromkeys([*source.valid(field, own)[:8], *TEXTS])
        elif field.type != FieldDescriptor.TYPE_BYTES:
            yield from (0, 1, 2)


def _names(expressions: Iterable[str]) -> set[str]:
    return {word for text in expressions for word in re.findall(r"[a-z_]\w*", STRING.sub("", text))}


def is_map(field: FieldDescriptor) -> bool:
    """Whether a field is a map."""
    return bool(field.message_type and field.message_type.GetOptions().map_entry)


def _path(field: Any) -> str:
    """A path as CQC's own validation spells it in every language."""
    parts: list[str] = []
    for element in field.elements if field else ():
        parts.append(f".{element.field_name}" if parts else element.field_name)
        if element.subscript:
            value = element.subscript.value
            if isinstance(value, str):
                value = '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
            parts.append(f"[{str(value).lower() if isinstance(value, bool) else value}]")
    return "".join(parts)
