"""Compare two revisions of the contracts: what changed, who is affected, and the version bump it requires."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor_pb2 import FileDescriptorSet

from cqc_tools.contracts.api_diff import rules
from cqc_tools.contracts.api_diff.elements import Element, elements
from cqc_tools.contracts.messages import Messages
from cqc_tools.foundation.errors import StageFailed
from cqc_tools.foundation.version import Bump

# Types that can read each other's bytes: see "Updating A Message Type" in the Protocol Buffers language guide.
WIRE_COMPATIBLE = (
    {"int32", "uint32", "int64", "uint64", "bool", "enum"},
    {"sint32", "sint64"},
    {"string", "bytes"},
    {"fixed32", "sfixed32"},
    {"fixed64", "sfixed64"},
)
# Who a change can break: readers of the wire format, readers of JSON, source code, and writers of values that a
# stricter rule rejects.
BROKEN = ("wire", "JSON", "source", "validation")


@dataclass(frozen=True)
class Change:
    """One difference. `breaks` lists who it breaks, from BROKEN; `summary` describes a new declaration."""

    action: str
    kind: str
    name: str
    details: tuple[str, ...] = ()
    breaks: tuple[str, ...] = ()
    summary: str = ""

    @property
    def bump(self) -> Bump:
        """The version bump that this change requires."""
        if self.breaks:
            return Bump.MAJOR
        return Bump.PATCH if self.action == "commented" else Bump.MINOR


@dataclass(frozen=True)
class ApiDiff:
    """All differences, sorted by name."""

    changes: tuple[Change, ...]

    @property
    def bump(self) -> Bump:
        """The version bump that all changes together require."""
        return max((change.bump for change in self.changes), default=Bump.NONE)

    @property
    def breaks(self) -> tuple[str, ...]:
        """Everyone broken by any of the changes, from BROKEN."""
        return _in_order({who for change in self.changes for who in change.breaks})

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


def diff(before: FileDescriptorSet, after: FileDescriptorSet, root_package: str) -> ApiDiff:
    """Compare what two descriptor sets declare below a root package.

    Raises StageFailed if a rule of a new field cannot be compiled.
    """
    old, new = elements(before, root_package), elements(after, root_package)
    renamed = dict(_renamed(old, new))
    successors = set(renamed.values())
    changes: list[Change] = []
    for name in sorted(old.keys() | new.keys()):
        if name in renamed:
            changes += _changes(old[name], new[renamed[name]])
        elif name in successors:
            continue
        elif name not in old:
            # The parts of a new message, enum or service are not listed one by one.
            if new[name].parent not in new or new[name].parent in old:
                breaks = _addition_breaks(new[name], old, after, root_package)
                changes.append(Change("added", new[name].kind, name, (), breaks, _summary(new[name])))
        elif name not in new:
            if old[name].parent not in old or old[name].parent in new:
                changes.append(Change("removed", old[name].kind, name, (), _removal_breaks(old[name], new)))
        else:
            changes += _changes(old[name], new[name])
    return ApiDiff(tuple(changes))


def _in_order(broken: Iterable[str]) -> tuple[str, ...]:
    found = set(broken)
    return tuple(who for who in BROKEN if who in found)


def _summary(element: Element) -> str:
    """The declaration in one line, and the first sentence of its comment."""
    sentence = re.split(r"(?<=\.)\s|\n\s*\n", element.comment, maxsplit=1)[0]
    words = " ".join(sentence.split())
    return ". ".join(filter(None, [f"`{element.signature}`" if element.signature else "", words]))


def _renamed(old: Mapping[str, Element], new: Mapping[str, Element]) -> Iterator[tuple[str, str]]:
    """Fields and enum values that kept their number under a new name, as pairs of old and new name."""
    free = {
        (element.parent, element.attributes["number"]): name
        for name, element in reversed(list(new.items()))
        if name not in old and element.kind in ("field", "value")
    }
    for name, element in old.items():
        if name not in new and element.kind in ("field", "value"):
            successor = free.pop((element.parent, element.attributes["number"]), None)
            if successor:
                yield name, successor


def _addition_breaks(
    added: Element, old: Mapping[str, Element], after: FileDescriptorSet, root_package: str
) -> tuple[str, ...]:
    """A new part must not make messages invalid that were written without it."""
    if added.parent not in old or not added.rules or added.kind not in ("field", "oneof"):
        return ()
    part = added.name.removeprefix(f"{added.parent}.")
    return ("validation",) if part in _rejected_when_empty(Messages(after, root_package), added.parent) else ()


def _rejected_when_empty(messages: Messages, name: str) -> set[str]:
    """The fields and oneofs that violate the rules of a message in which nothing is set."""
    import protovalidate

    message = messages.new(messages.pool.FindMessageTypeByName(name))
    try:
        violations = protovalidate.Validator().collect_violations(message)
    except protovalidate.CompilationError as error:
        raise StageFailed(
            f"the validation rules of {name} do not compile: {error}", "correct its (buf.validate...) options"
        ) from None
    paths = [found.proto.field for found in violations]
    return {path.elements[0].field_name for path in paths if path and path.elements}


def _removal_breaks(gone: Element, new: Mapping[str, Element]) -> tuple[str, ...]:
    if gone.kind in ("field", "value"):
        # Without a reservation, a later field could take the number, and old bytes would be misread.
        number = int(gone.attributes["number"])
        return ("JSON", "source") if new[gone.parent].reserved.covers(number, number) else ("wire", "JSON", "source")
    return ("wire", "source") if gone.kind in ("rpc", "service") else ("source",)


def _changes(old: Element, new: Element) -> Iterator[Change]:
    details: list[str] = []
    breaks: set[str] = set()
    if old.name != new.name:
        details.append(f"renamed to `{new.name.rpartition('.')[2]}`")
        breaks |= {"JSON", "source"}
    for attribute in dict.fromkeys([*old.attributes, *new.attributes]):
        was, is_now = old.attributes.get(attribute, "none"), new.attributes.get(attribute, "none")
        # The JSON name follows from the name.
        if was != is_now and not (attribute == "JSON name" and old.name != new.name):
            details.append(f"{attribute}: {was} -> {is_now}")
            breaks |= _attribute_breaks(attribute, was, is_now)
    numbers_are_free = not all(new.reserved.covers(*span) for span in old.reserved.numbers)
    names_are_free = bool(old.reserved.names - new.reserved.names)
    if numbers_are_free or names_are_free:
        details.append(f"reserved: {old.reserved} -> {new.reserved}")
        breaks |= ({"wire"} if numbers_are_free else set()) | ({"JSON"} if names_are_free else set())
    for rule in dict.fromkeys([*old.rules, *new.rules]):
        before, after = old.rules.get(rule), new.rules.get(rule)
        if before != after:
            details.append(f"rule {rule}: {rules.show(before)} -> {rules.show(after)}")
            breaks |= {"validation"} if rules.is_stricter(rule, before, after) else set()
    if old.deprecated and not new.deprecated:
        details.append("no longer deprecated")
    if details:
        yield Change("changed", new.kind, old.name, tuple(details), _in_order(breaks))
    if new.deprecated and not old.deprecated:
        yield Change("deprecated", new.kind, new.name)
    if old.comment != new.comment:
        yield Change("commented", new.kind, new.name)


def _attribute_breaks(attribute: str, was: str, is_now: str) -> set[str]:
    if attribute == "type":
        kinds = {"enum" if kind.startswith("enum ") else kind for kind in (was, is_now)}
        same_wire = any(kinds <= group for group in WIRE_COMPATIBLE) and len(kinds) == 2
        return {"JSON", "source"} if same_wire else {"wire", "JSON", "source"}
    if attribute.startswith("option features"):
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
        # Clients retry calls that are declared idempotent.
        "option idempotency_level": {"wire"},
        "file": {"source"},
        "Go package": {"source"},
    }.get(attribute, set())
