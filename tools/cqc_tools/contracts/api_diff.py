"""What changed in the contracts between two revisions, what it breaks, and which bump it asks for."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from google.protobuf import descriptor_pool, message_factory, text_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
    OneofDescriptorProto,
    ServiceDescriptorProto,
)
from google.protobuf.message import Message

from cqc_tools.foundation.errors import StageFailed
from cqc_tools.foundation.version import Bump

# Types that read each other's bytes: see "Updating A Message Type" of the Protocol Buffers language guide.
WIRE_COMPATIBLE = (
    {"int32", "uint32", "int64", "uint64", "bool", "enum"},
    {"sint32", "sint64"},
    {"string", "bytes"},
    {"fixed32", "sfixed32"},
    {"fixed64", "sfixed64"},
)
# Who can be broken: readers of the wire, of JSON, users' source code, and writers whose values a stricter rule refuses.
BROKEN = ("wire", "JSON", "source", "validation")
# In the order in which people read them; the names are those of Keep a Changelog, but for the last.
HEADINGS = {
    "added": "Added",
    "changed": "Changed",
    "deprecated": "Deprecated",
    "removed": "Removed",
    "commented": "Documentation",
}


@dataclass(frozen=True)
class Reserved:
    """The numbers, as inclusive ranges, and the names that may not be used again."""

    numbers: tuple[tuple[int, int], ...] = ()
    names: frozenset[str] = frozenset()

    def holds(self, first: int, last: int) -> bool:
        """Whether all numbers from first to last are reserved."""
        for low, high in sorted(self.numbers):
            if low <= first <= high:
                first = high + 1
        return first > last

    def __str__(self) -> str:
        spans = [str(low) if low == high else f"{low} to {high}" for low, high in sorted(self.numbers)]
        return ", ".join([*spans, *(f'"{name}"' for name in sorted(self.names))]) or "none"


@dataclass(frozen=True)
class Element:
    """A named thing of the contracts.

    `facts` are what a change of is shown, `rules` those that protovalidate checks, by their path in its options. A
    nested thing names its `parent`, and `signature` is how it is declared, for those who have not seen it yet.
    """

    kind: str
    name: str
    parent: str
    comment: str
    deprecated: bool
    signature: str
    facts: Mapping[str, str]
    rules: Mapping[str, Any] = field(default_factory=dict)
    reserved: Reserved = Reserved()


@dataclass(frozen=True)
class Change:
    """One difference. `breaks` names who is broken by it, of BROKEN; `summary` says what a new thing is."""

    action: str
    kind: str
    name: str
    details: tuple[str, ...] = ()
    breaks: tuple[str, ...] = ()
    summary: str = ""

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

    @property
    def breaks(self) -> tuple[str, ...]:
        """Everyone who is broken by some change, of BROKEN."""
        return _ordered({who for change in self.changes for who in change.breaks})

    def to_json(self) -> dict[str, Any]:
        """The differences for a program."""
        return {
            "bump": self.bump.name.lower(),
            "breaks": list(self.breaks),
            "changes": [
                {
                    "action": change.action,
                    "kind": change.kind,
                    "name": change.name,
                    "summary": change.summary,
                    "details": list(change.details),
                    "breaks": list(change.breaks),
                }
                for change in self.changes
            ],
        }

    def to_markdown(self, level: int = 3) -> str:
        """The differences for a person, with headings of a level; under each heading what breaks comes first."""
        if not self.changes:
            return "No change of the contracts.\n"
        sections = []
        if self.breaks:
            sections.append(f"**Breaking** for {', '.join(self.breaks)}.\n")
        for action, heading in HEADINGS.items():
            changes = [change for change in self.changes if change.action == action]
            if changes:
                lines = _documented(changes) if action == "commented" else _listed(changes)
                sections.append("\n".join([f"{'#' * level} {heading}", "", *lines, ""]))
        return "\n".join(sections)


def diff(before: FileDescriptorSet, after: FileDescriptorSet) -> ApiDiff:
    """Compare two descriptor sets of the contracts.

    Raises StageFailed when a rule of a new field cannot be understood.
    """
    old, new = elements(before), elements(after)
    renamed = dict(_renamed(old, new))
    successors = set(renamed.values())
    changes: list[Change] = []
    for name in sorted(old.keys() | new.keys()):
        if name in renamed:
            changes += _changes(old[name], new[renamed[name]])
        elif name in successors:
            continue
        elif name not in old:
            # A new message brings its fields, a new enum its values: only the outermost new thing is told.
            if new[name].parent not in new or new[name].parent in old:
                breaks = _addition_breaks(new[name], old, after)
                changes.append(Change("added", new[name].kind, name, (), breaks, _summary(new[name])))
        elif name not in new:
            if old[name].parent not in old or old[name].parent in new:
                changes.append(Change("removed", old[name].kind, name, (), _removal_breaks(old[name], new)))
        else:
            changes += _changes(old[name], new[name])
    return ApiDiff(tuple(changes))


def _ordered(broken: Iterable[str]) -> tuple[str, ...]:
    found = set(broken)
    return tuple(who for who in BROKEN if who in found)


def _listed(changes: Sequence[Change]) -> Iterator[str]:
    for change in sorted(changes, key=lambda change: not change.breaks):
        summary = f": {change.summary}" if change.summary else ""
        broken = f" **Breaks {', '.join(change.breaks)}.**" if change.breaks else ""
        yield f"- {change.kind} `{change.name}`{summary}{broken}"
        yield from (f"  - {detail}" for detail in change.details)


def _documented(changes: Sequence[Change]) -> Iterator[str]:
    """Comments change in numbers: a line for each thing with parts, not for each part."""
    parts: dict[str, list[str]] = {}
    for change in changes:
        whole, _, part = change.name.rpartition(".")
        if change.kind in ("field", "value", "rpc", "oneof"):
            parts.setdefault(whole, []).append(part)
        else:
            parts.setdefault(change.name, [])
    for whole, names in sorted(parts.items()):
        yield f"- `{whole}`" + (f": {', '.join(f'`{name}`' for name in names)}" if names else "")


def _summary(element: Element) -> str:
    """How a thing is declared, and the first sentence of its comment."""
    sentence = re.split(r"(?<=\.)\s|\n\s*\n", element.comment, maxsplit=1)[0]
    words = " ".join(sentence.split())
    return ". ".join(filter(None, [f"`{element.signature}`" if element.signature else "", words]))


def _renamed(old: Mapping[str, Element], new: Mapping[str, Element]) -> Iterator[tuple[str, str]]:
    """Fields and values that kept their number and got another name: old name, new name."""
    free = {
        (element.parent, element.facts["number"]): name
        for name, element in reversed(list(new.items()))
        if name not in old and element.kind in ("field", "value")
    }
    for name, element in old.items():
        if name not in new and element.kind in ("field", "value"):
            successor = free.pop((element.parent, element.facts["number"]), None)
            if successor:
                yield name, successor


def _addition_breaks(added: Element, old: Mapping[str, Element], after: FileDescriptorSet) -> tuple[str, ...]:
    """A message of those who do not know the new part yet must stay valid."""
    if added.parent not in old or not added.rules or added.kind not in ("field", "oneof"):
        return ()
    part = added.name.removeprefix(f"{added.parent}.")
    return ("validation",) if part in _refused_when_empty(after, added.parent) else ()


def _refused_when_empty(descriptor_set: FileDescriptorSet, name: str) -> set[str]:
    """The fields and oneofs of a message that its rules find fault with when nothing is set."""
    import protovalidate

    message = message_factory.GetMessageClass(_pool(descriptor_set).FindMessageTypeByName(name))()
    try:
        violations = protovalidate.Validator().collect_violations(message)
    except protovalidate.CompilationError as error:
        raise StageFailed(f"the rules of {name} cannot be understood: {error}") from None
    paths = [found.proto.field for found in violations]
    return {path.elements[0].field_name for path in paths if path and path.elements}


def _removal_breaks(gone: Element, new: Mapping[str, Element]) -> tuple[str, ...]:
    if gone.kind in ("field", "value"):
        # A later field under the same number would be misread; a reservation rules that out.
        number = int(gone.facts["number"])
        return ("JSON", "source") if new[gone.parent].reserved.holds(number, number) else ("wire", "JSON", "source")
    return ("wire", "source") if gone.kind in ("rpc", "service") else ("source",)


def _changes(old: Element, new: Element) -> Iterator[Change]:
    details: list[str] = []
    breaks: set[str] = set()
    if old.name != new.name:
        details.append(f"renamed to `{new.name.rpartition('.')[2]}`")
        breaks |= {"JSON", "source"}
    for fact in dict.fromkeys([*old.facts, *new.facts]):
        was, is_now = old.facts.get(fact, "none"), new.facts.get(fact, "none")
        # The JSON name follows the name.
        if was != is_now and not (fact == "JSON name" and old.name != new.name):
            details.append(f"{fact}: {was} -> {is_now}")
            breaks |= _fact_breaks(fact, was, is_now)
    numbers_are_free = not all(new.reserved.holds(*span) for span in old.reserved.numbers)
    names_are_free = bool(old.reserved.names - new.reserved.names)
    if numbers_are_free or names_are_free:
        details.append(f"reserved: {old.reserved} -> {new.reserved}")
        breaks |= ({"wire"} if numbers_are_free else set()) | ({"JSON"} if names_are_free else set())
    for rule in dict.fromkeys([*old.rules, *new.rules]):
        before, after = old.rules.get(rule), new.rules.get(rule)
        if before != after:
            details.append(f"rule {rule}: {_shown(before)} -> {_shown(after)}")
            breaks |= {"validation"} if _is_stricter(rule, before, after) else set()
    if old.deprecated and not new.deprecated:
        details.append("no longer deprecated")
    if details:
        yield Change("changed", new.kind, old.name, tuple(details), _ordered(breaks))
    if new.deprecated and not old.deprecated:
        yield Change("deprecated", new.kind, new.name)
    if old.comment != new.comment:
        yield Change("commented", new.kind, new.name)


def _fact_breaks(fact: str, was: str, is_now: str) -> set[str]:
    if fact == "type":
        kinds = {"enum" if kind.startswith("enum ") else kind for kind in (was, is_now)}
        same_wire = any(kinds <= group for group in WIRE_COMPATIBLE) and len(kinds) == 2
        return {"JSON", "source"} if same_wire else {"wire", "JSON", "source"}
    if fact.startswith("option features"):
        return {"source"}
    return {
        "number": {"wire"},
        "cardinality": {"wire", "JSON", "source"},
        "presence": {"source"},
        "oneof": {"wire", "source"},
        "JSON name": {"JSON"},
        "default": {"wire", "source"},
        "extends": {"wire", "source"},
        "request": {"wire", "source"},
        "response": {"wire", "source"},
        "streaming": {"wire", "source"},
        # Clients send again what is said to be idempotent.
        "option idempotency_level": {"wire"},
        "file": {"source"},
        "Go package": {"source"},
    }.get(fact, set())


# Rules by what makes them stricter; of all others it cannot be told, so any change of them counts as stricter.
STRICTER_WHEN_HIGHER = {"lower bound", "min_len", "min_bytes", "min_items", "min_pairs"}
STRICTER_WHEN_LOWER = {"upper bound", "max_len", "max_bytes", "max_items", "max_pairs"}


def _is_stricter(rule: str, before: Any, after: Any) -> bool:
    """Whether values that were valid may be refused now. None stands for no such rule."""
    name = rule.rpartition(".")[2]
    if name == "ignore":
        # What is ignored is not checked: the higher number ignores more.
        return int(before or 0) > int(after or 0)
    if after is None or before is None:
        return before is None
    if name in STRICTER_WHEN_HIGHER:
        return bool(after > before)
    if name in STRICTER_WHEN_LOWER:
        return bool(after < before)
    if name == "in":
        return not set(before) <= set(after)
    if name == "not_in":
        return not set(after) <= set(before)
    return True


def _shown(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, Bound):
        sign = ">" if value.sign > 0 else "<"
        return f"{sign if value.is_excluded else f'{sign}='} {value.value}"
    if isinstance(value, tuple):
        return f"[{', '.join(map(_shown, value))}]"
    return str(value).lower() if isinstance(value, bool) else str(value)


@dataclass(frozen=True)
class Bound:
    """The end of a range of valid values; `sign` is +1 for a lower end and -1 for an upper one."""

    value: float | str
    is_excluded: bool
    sign: int

    def _key(self) -> tuple[float, int]:
        # Times and durations are compared as text only: a change of them counts as stricter.
        return (self.value, self.sign * self.is_excluded) if isinstance(self.value, (int, float)) else (float("nan"), 0)

    def __gt__(self, other: "Bound") -> bool:
        return not self._key() <= other._key()

    def __lt__(self, other: "Bound") -> bool:
        return not self._key() >= other._key()


BOUNDS = {
    "gt": ("lower bound", True, 1),
    "gte": ("lower bound", False, 1),
    "lt": ("upper bound", True, -1),
    "lte": ("upper bound", False, -1),
}


def _rules(options: Message) -> Iterator[tuple[str, Any]]:
    """What buf.validate says in options, by path and value: `string.min_len`, 1."""
    for extension, value in options.ListFields():
        if extension.is_extension and extension.full_name.startswith("buf.validate."):
            yield from _leaves(value, "")


def _leaves(message: Message, prefix: str) -> Iterator[tuple[str, Any]]:
    for declared, value in message.ListFields():
        path = prefix + (f"({declared.full_name})" if declared.is_extension else declared.name)
        is_message = declared.type == FieldDescriptor.TYPE_MESSAGE
        if declared.name in BOUNDS and not declared.is_extension:
            name, is_excluded, sign = BOUNDS[declared.name]
            yield f"{prefix}{name}", Bound(_text(value) if is_message else value, is_excluded, sign)
        elif declared.is_repeated:
            yield from _repeated(path, value, is_message)
        elif not is_message:
            # false is how a rule is written that does not hold.
            yield from () if value is False else ((path, value),)
        elif value.DESCRIPTOR.full_name.startswith("google.protobuf."):
            yield path, _text(value)
        elif value.ListFields():
            yield from _leaves(value, f"{path}.")


def _repeated(path: str, values: Iterable[Any], is_message: bool) -> Iterator[tuple[str, Any]]:
    if not is_message:
        yield path, tuple(values)
        return
    for index, value in enumerate(values):
        # CEL rules have an id, which tells one from the other wherever they stand.
        yield f"{path}[{getattr(value, 'id', '') or index}]", _text(value)


def _text(message: Message) -> str:
    return text_format.MessageToString(message, as_one_line=True).strip()


def elements(descriptor_set: FileDescriptorSet) -> dict[str, Element]:
    """Everything that the contracts declare, by full name."""
    pool = _pool(descriptor_set)
    found: dict[str, Element] = {}
    for file in descriptor_set.file:
        if file.package.startswith("cqc."):
            for element in _File(file, pool).elements():
                found[element.name] = element
    return found


def _pool(descriptor_set: FileDescriptorSet) -> descriptor_pool.DescriptorPool:
    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_set.file:
        pool.Add(file)
    return pool


@dataclass
class _File:
    """Reads one file; comments are found by the path of numbers that descriptors give to declarations."""

    file: FileDescriptorProto
    pool: descriptor_pool.DescriptorPool
    comments: dict[tuple[int, ...], str] = field(default_factory=dict)

    def elements(self) -> Iterator[Element]:
        for location in self.file.source_code_info.location:
            comments = (location.leading_comments.strip(), location.trailing_comments.strip())
            self.comments[tuple(location.path)] = "\n\n".join(filter(None, comments))
        package = self.file.package
        # All files of a package go to one Go package: it is told once.
        yield Element("package", package, "", "", False, "", {"Go package": self.file.options.go_package})
        for index, message in enumerate(self.file.message_type):
            yield from self._top_level(self._message(message, package, (4, index)))
        for index, enum in enumerate(self.file.enum_type):
            yield from self._top_level(self._enum(enum, package, (5, index)))
        for index, service in enumerate(self.file.service):
            yield from self._top_level(self._service(service, package, (6, index)))
        for index, extension in enumerate(self.file.extension):
            yield from self._top_level([self._field(extension, package, (7, index), "extension", [])])

    def _top_level(self, declared: Iterable[Element]) -> Iterator[Element]:
        """What stands in the file itself has no parent, but the file matters to those who import it."""
        for element in declared:
            if element.parent == self.file.package:
                yield replace(element, parent="", facts={**element.facts, "file": self.file.name})
            else:
                yield element

    def _element(
        self,
        kind: str,
        declared: Any,
        parent: str,
        path: tuple[int, ...],
        facts: Mapping[str, str],
        *,
        signature: str = "",
        reserved: Reserved = Reserved(),
    ) -> Element:
        options = self._known(declared.options)
        others = {
            f"option {_option_name(option)}": _option_text(option, value)
            for option, value in options.ListFields()
            if option.name != "deprecated" and not option.full_name.startswith("buf.validate.")
        }
        return Element(
            kind,
            f"{parent}.{declared.name}",
            parent,
            self.comments.get(path, ""),
            bool(getattr(options, "deprecated", False)),
            signature,
            {**facts, **others},
            dict(_rules(options)),
            reserved,
        )

    def _known(self, options: Message) -> Message:
        """Options with their extensions known; where the descriptor set does not carry options.proto, as they are."""
        try:
            descriptor = self.pool.FindMessageTypeByName(options.DESCRIPTOR.full_name)
        except KeyError:
            return options
        return message_factory.GetMessageClass(descriptor).FromString(options.SerializeToString())

    def _message(self, message: DescriptorProto, parent: str, path: tuple[int, ...]) -> Iterator[Element]:
        # The end of a message's range is exclusive, that of an enum's inclusive.
        spans = tuple((gap.start, gap.end - 1) for gap in message.reserved_range)
        reserved = Reserved(spans, frozenset(message.reserved_name))
        yield self._element("message", message, parent, path, {}, reserved=reserved)
        name = f"{parent}.{message.name}"
        for index, oneof in enumerate(message.oneof_decl):
            # The compiler makes a oneof of its own for each optional field.
            if not any(part.proto3_optional and part.oneof_index == index for part in message.field):
                yield self._element("oneof", oneof, name, (*path, 8, index), {})
        for index, declared in enumerate(message.field):
            yield self._field(declared, name, (*path, 2, index), "field", message.oneof_decl)
        for index, extension in enumerate(message.extension):
            yield self._field(extension, name, (*path, 6, index), "extension", [])
        for index, nested in enumerate(message.nested_type):
            if not nested.options.map_entry:
                yield from self._message(nested, name, (*path, 3, index))
        for index, enum in enumerate(message.enum_type):
            yield from self._enum(enum, name, (*path, 4, index))

    def _field(
        self,
        declared: FieldDescriptorProto,
        parent: str,
        path: tuple[int, ...],
        kind: str,
        oneofs: Sequence[OneofDescriptorProto],
    ) -> Element:
        full_name = f"{parent}.{declared.name}"
        is_extension = kind == "extension"
        known = self.pool.FindExtensionByName(full_name) if is_extension else self.pool.FindFieldByName(full_name)
        in_oneof = declared.HasField("oneof_index") and not declared.proto3_optional
        entry = known.message_type if known.message_type and known.message_type.GetOptions().map_entry else None
        is_map = entry is not None
        if entry is not None:
            key, value = entry.fields_by_name["key"], entry.fields_by_name["value"]
            type_name = f"map<{_type(key)}, {_type(value)}>"
        else:
            type_name = _type(known)
        cardinality = "map" if is_map else "repeated" if known.is_repeated else "single"
        facts = {
            "number": str(declared.number),
            "type": type_name,
            "cardinality": cardinality,
            "presence": "explicit" if known.has_presence else "implicit",
            "oneof": oneofs[declared.oneof_index].name if in_oneof else "none",
            "JSON name": declared.json_name,
            **({"default": declared.default_value} if declared.HasField("default_value") else {}),
            **({"extends": declared.extendee.removeprefix(".")} if declared.HasField("extendee") else {}),
        }
        label = "repeated " if cardinality == "repeated" else "optional " if declared.proto3_optional else ""
        spelled = re.sub(r"\b(enum|message) ", "", type_name)
        signature = f"{label}{spelled} {declared.name} = {declared.number}"
        return self._element(kind, declared, parent, path, facts, signature=signature)

    def _enum(self, enum: EnumDescriptorProto, parent: str, path: tuple[int, ...]) -> Iterator[Element]:
        spans = tuple((gap.start, gap.end) for gap in enum.reserved_range)
        reserved = Reserved(spans, frozenset(enum.reserved_name))
        yield self._element("enum", enum, parent, path, {}, reserved=reserved)
        name = f"{parent}.{enum.name}"
        for index, value in enumerate(enum.value):
            facts, signature = {"number": str(value.number)}, f"{value.name} = {value.number}"
            yield self._element("value", value, name, (*path, 2, index), facts, signature=signature)

    def _service(self, service: ServiceDescriptorProto, parent: str, path: tuple[int, ...]) -> Iterator[Element]:
        yield self._element("service", service, parent, path, {})
        name = f"{parent}.{service.name}"
        for index, method in enumerate(service.method):
            request, response = method.input_type.removeprefix("."), method.output_type.removeprefix(".")
            streams = [
                side for side, on in (("request", method.client_streaming), ("response", method.server_streaming)) if on
            ]
            facts = {"request": request, "response": response, "streaming": " and ".join(streams) or "none"}
            asked = f"stream {request}" if method.client_streaming else request
            answered = f"stream {response}" if method.server_streaming else response
            signature = f"rpc {method.name}({asked}) returns ({answered})"
            yield self._element("rpc", method, name, (*path, 2, index), facts, signature=signature)


def _type(declared: FieldDescriptor) -> str:
    if declared.message_type:
        return f"message {declared.message_type.full_name}"
    if declared.enum_type:
        return f"enum {declared.enum_type.full_name}"
    return FieldDescriptorProto.Type.Name(declared.type).removeprefix("TYPE_").lower()  # type: ignore[arg-type]


def _option_name(option: FieldDescriptor) -> str:
    return f"({option.full_name})" if option.is_extension else option.name


def _option_text(option: FieldDescriptor, value: Any) -> str:
    if option.is_repeated:
        return f"[{', '.join(_option_item(option, item) for item in value)}]"
    return _option_item(option, value)


def _option_item(option: FieldDescriptor, value: Any) -> str:
    if option.type == FieldDescriptor.TYPE_MESSAGE:
        return _text(value)
    if option.enum_type:
        known = option.enum_type.values_by_number.get(value)
        return known.name if known else str(value)
    return str(value).lower() if isinstance(value, bool) else str(value)
