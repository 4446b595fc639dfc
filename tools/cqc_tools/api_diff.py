"""What changed in the contracts between two revisions, what it breaks, and which bump it asks for."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from google.protobuf import descriptor_pool, message_factory, text_format
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
    ServiceDescriptorProto,
)

# Types that read each other's bytes: see "Updating A Message Type" of the Protocol Buffers language guide.
WIRE_COMPATIBLE = (
    {"int32", "uint32", "int64", "uint64", "bool", "enum"},
    {"sint32", "sint64"},
    {"string", "bytes"},
    {"fixed32", "sfixed32"},
    {"fixed64", "sfixed64"},
)


class Bump(IntEnum):
    """How much of a version a change raises, before the rule that nothing is promised below 1.0."""

    NONE = 0
    PATCH = 1
    MINOR = 2
    MAJOR = 3


@dataclass(frozen=True)
class Element:
    """A named thing of the contracts. `facts` are what a change of is shown; a nested thing names its `parent`."""

    kind: str
    name: str
    parent: str
    comment: str
    deprecated: bool
    facts: Mapping[str, str]
    reserved: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Change:
    """One difference. `breaks` names who is broken by it: readers of the `wire`, of `JSON`, or users' `source` code."""

    action: str
    kind: str
    name: str
    details: tuple[str, ...] = ()
    breaks: tuple[str, ...] = ()

    @property
    def bump(self) -> Bump:
        """What the change asks for."""
        if self.breaks:
            return Bump.MAJOR
        return Bump.PATCH if self.action == "commented" else Bump.MINOR


@dataclass(frozen=True)
class ApiDiff:
    """All differences, by name."""

    changes: tuple[Change, ...]

    @property
    def bump(self) -> Bump:
        """The bump that all changes together ask for."""
        return max((change.bump for change in self.changes), default=Bump.NONE)

    def to_json(self) -> dict[str, Any]:
        """The differences for a program."""
        return {
            "bump": self.bump.name.lower(),
            "changes": [
                {
                    "action": change.action,
                    "kind": change.kind,
                    "name": change.name,
                    "details": list(change.details),
                    "breaks": list(change.breaks),
                }
                for change in self.changes
            ],
        }

    def to_markdown(self) -> str:
        """The differences for a person, what breaks first."""
        if not self.changes:
            return "No change of the contracts.\n"
        headings = {
            "Breaking": [change for change in self.changes if change.breaks],
            **{
                action.capitalize(): [
                    change for change in self.changes if change.action == action and not change.breaks
                ]
                for action in ("added", "changed", "deprecated", "commented")
            },
        }
        sections = []
        for heading, changes in headings.items():
            if changes:
                sections.append("\n".join([f"### {heading}", "", *map(_markdown, changes), ""]))
        return "\n".join(sections)


def diff(before: FileDescriptorSet, after: FileDescriptorSet) -> ApiDiff:
    """Compare two descriptor sets of the contracts."""
    old, new = elements(before), elements(after)
    changes: list[Change] = []
    for name in sorted(old.keys() | new.keys()):
        if name not in old:
            # A new message brings its fields, a new enum its values: only the outermost new thing is told.
            if new[name].parent not in new or new[name].parent in old:
                changes.append(Change("added", new[name].kind, name))
        elif name not in new:
            if old[name].parent not in old or old[name].parent in new:
                changes.append(Change("removed", old[name].kind, name, (), _removal_breaks(old[name], new)))
        else:
            changes += _changes(old[name], new[name])
    return ApiDiff(tuple(changes))


def _markdown(change: Change) -> str:
    verb = f"{change.action} " if change.breaks else ""
    broken = f" (breaks {', '.join(change.breaks)})" if change.breaks else ""
    details = "".join(f"\n  - {detail}" for detail in change.details)
    return f"- {verb}{change.kind} `{change.name}`{broken}{details}"


def _removal_breaks(gone: Element, new: Mapping[str, Element]) -> tuple[str, ...]:
    if gone.kind in ("field", "value"):
        # A later field under the same number would be misread; a reservation rules that out.
        parent = new[gone.parent]
        reserved = gone.facts["number"] in parent.reserved
        return ("JSON", "source") if reserved else ("wire", "JSON", "source")
    return ("wire", "source") if gone.kind == "rpc" else ("source",)


def _changes(old: Element, new: Element) -> Iterator[Change]:
    details, breaks = [], set()
    for fact in dict.fromkeys([*old.facts, *new.facts]):
        was, is_now = old.facts.get(fact, "none"), new.facts.get(fact, "none")
        if was != is_now:
            details.append(f"{fact}: {was} -> {is_now}")
            breaks |= _fact_breaks(fact, was, is_now)
    if details:
        ordered = tuple(who for who in ("wire", "JSON", "source") if who in breaks)
        yield Change("changed", new.kind, new.name, tuple(details), ordered)
    if new.deprecated and not old.deprecated:
        yield Change("deprecated", new.kind, new.name)
    if old.comment != new.comment:
        yield Change("commented", new.kind, new.name)


def _fact_breaks(fact: str, was: str, is_now: str) -> set[str]:
    if fact == "type":
        same_wire = any({was, is_now} <= group for group in WIRE_COMPATIBLE)
        return {"JSON", "source"} if same_wire else {"wire", "JSON", "source"}
    return {
        "number": {"wire"},
        "cardinality": {"wire", "JSON", "source"},
        "presence": {"source"},
        "oneof": {"wire", "source"},
        "JSON name": {"JSON"},
        "request": {"wire", "source"},
        "response": {"wire", "source"},
        "streaming": {"wire", "source"},
    }.get(fact, set())


def elements(descriptor_set: FileDescriptorSet) -> dict[str, Element]:
    """Everything that the contracts declare, by full name."""
    pool = descriptor_pool.DescriptorPool()
    found: dict[str, Element] = {}
    for file in descriptor_set.file:
        pool.Add(file)
        if file.package.startswith("cqc."):
            for element in _File(file, pool).elements():
                found[element.name] = element
    return found


@dataclass
class _File:
    """Reads one file; comments are found by the path of numbers that descriptors give to declarations."""

    file: FileDescriptorProto
    pool: descriptor_pool.DescriptorPool
    comments: dict[tuple[int, ...], str] = field(default_factory=dict)

    def elements(self) -> Iterator[Element]:
        for location in self.file.source_code_info.location:
            self.comments[tuple(location.path)] = location.leading_comments.strip()
        package = self.file.package
        for index, message in enumerate(self.file.message_type):
            yield from self._message(message, package, (4, index))
        for index, enum in enumerate(self.file.enum_type):
            yield from self._enum(enum, package, (5, index))
        for index, service in enumerate(self.file.service):
            yield from self._service(service, package, (6, index))
        for index, extension in enumerate(self.file.extension):
            yield self._field(extension, package, (7, index), "extension", [])

    def _element(
        self,
        kind: str,
        declared: Any,
        parent: str,
        path: tuple[int, ...],
        facts: Mapping[str, str],
        reserved: Iterable[str] = (),
    ) -> Element:
        rules = self._rules(declared.options)
        return Element(
            kind,
            f"{parent}.{declared.name}",
            parent,
            self.comments.get(path, ""),
            declared.options.deprecated,
            {**facts, **({"rules": rules} if rules else {})},
            frozenset(reserved),
        )

    def _rules(self, options: Any) -> str:
        """Options in text, extensions by their names, without the mark of deprecation."""
        descriptor = self.pool.FindMessageTypeByName(options.DESCRIPTOR.full_name)
        known: Any = message_factory.GetMessageClass(descriptor).FromString(options.SerializeToString())
        known.ClearField("deprecated")
        return text_format.MessageToString(known, as_one_line=True).strip()

    def _message(self, message: DescriptorProto, parent: str, path: tuple[int, ...]) -> Iterator[Element]:
        reserved = {str(number) for gap in message.reserved_range for number in range(gap.start, gap.end)}
        yield self._element("message", message, parent, path, {}, reserved)
        name = f"{parent}.{message.name}"
        oneofs = [oneof.name for oneof in message.oneof_decl]
        for index, declared in enumerate(message.field):
            yield self._field(declared, name, (*path, 2, index), "field", oneofs)
        for index, nested in enumerate(message.nested_type):
            yield from self._message(nested, name, (*path, 3, index))
        for index, enum in enumerate(message.enum_type):
            yield from self._enum(enum, name, (*path, 4, index))

    def _field(
        self, declared: FieldDescriptorProto, parent: str, path: tuple[int, ...], kind: str, oneofs: list[str]
    ) -> Element:
        label = FieldDescriptorProto.Label.Name(declared.label).removeprefix("LABEL_").lower()
        in_oneof = declared.HasField("oneof_index") and not declared.proto3_optional
        facts = {
            "number": str(declared.number),
            "type": declared.type_name.removeprefix(".")
            or FieldDescriptorProto.Type.Name(declared.type).removeprefix("TYPE_").lower(),
            "cardinality": "repeated" if label == "repeated" else "single",
            "presence": "explicit" if declared.proto3_optional else "as the type has it",
            "oneof": oneofs[declared.oneof_index] if in_oneof else "none",
            "JSON name": declared.json_name,
        }
        return self._element(kind, declared, parent, path, facts)

    def _enum(self, enum: EnumDescriptorProto, parent: str, path: tuple[int, ...]) -> Iterator[Element]:
        reserved = {str(number) for gap in enum.reserved_range for number in range(gap.start, gap.end + 1)}
        yield self._element("enum", enum, parent, path, {}, reserved)
        name = f"{parent}.{enum.name}"
        for index, value in enumerate(enum.value):
            yield self._element("value", value, name, (*path, 2, index), {"number": str(value.number)})

    def _service(self, service: ServiceDescriptorProto, parent: str, path: tuple[int, ...]) -> Iterator[Element]:
        yield self._element("service", service, parent, path, {})
        name = f"{parent}.{service.name}"
        for index, method in enumerate(service.method):
            streams = [
                side for side, on in (("request", method.client_streaming), ("response", method.server_streaming)) if on
            ]
            facts = {
                "request": method.input_type.removeprefix("."),
                "response": method.output_type.removeprefix("."),
                "streaming": " and ".join(streams) or "none",
            }
            yield self._element("rpc", method, name, (*path, 2, index), facts)
