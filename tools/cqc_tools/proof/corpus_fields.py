"""Values at the bounds of a field's rules and just beyond them, and messages with as few fields as the rules allow."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from google.protobuf import text_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from cqc_tools.contracts.messages import Messages, set_field
from cqc_tools.foundation.errors import StageFailed
from cqc_tools.proof.corpus_search import Search, is_map
from cqc_tools.proof.corpus_values import BASES, PATTERNS, SHAPES, STRINGS

# Values of buf.validate.Ignore.
IF_ZERO_VALUE, ALWAYS = 1, 3
BOUNDS = ("gt", "gte", "lt", "lte")
NEVER = 253_402_300_799


@dataclass(frozen=True)
class Change:
    """A value for a field, and the id of the rule it breaks; `suffix` follows the field's name in the path."""

    value: Any
    rule: str | None = None
    suffix: str = ""


class Fields:
    """Makes messages and field values from the rules."""

    def __init__(self, messages: Messages, search: Search) -> None:
        self.messages = messages
        self.search = search
        self.ours = {descriptor.full_name for descriptor in messages.types}
        self._made: dict[tuple[str, str | None], Any] = {}

    def minimal(self, descriptor: Descriptor, base: str | None = None) -> Any:
        """A valid message with as few fields as possible; `base` replaces the descriptor's entry in BASES.

        Raises StageFailed if none was found.
        """
        key = (descriptor.full_name, base)
        if key not in self._made:
            self._made[key] = self._make_minimal(descriptor, base)
        message = self.messages.new(descriptor)
        message.CopyFrom(self._made[key])
        return message

    def _make_minimal(self, descriptor: Descriptor, base: str | None) -> Any:
        message = self.messages.new(descriptor)
        if descriptor.full_name not in self.ours:
            return message
        for field in descriptor.fields:
            if field.containing_oneof:
                continue
            changes = self.changes(field)
            needed = any(change.rule for change in changes if _is_default(field, change.value))
            if needed or self.messages.rules(field).required:
                set_field(message, field, self._smallest(field, changes))
        text = BASES.get(descriptor.full_name, "") if base is None else base
        given = text_format.Parse(text, self.messages.new(descriptor))
        for oneof in descriptor.oneofs:
            if self.messages.rules(oneof).required and not given.WhichOneof(oneof.name):
                field = oneof.fields[0]
                set_field(message, field, self._smallest(field, self.changes(field)))
        message.MergeFrom(given)
        if base is not None:
            return message
        repaired = self.search.repair(self, message)
        if repaired is None:
            broken = ", ".join(sorted({rule for _, rule in self.search.broken(message)}))
            raise StageFailed(
                f"no valid {descriptor.full_name} was found: {broken} remain broken",
                "add the fields that it needs to BASES in tools/cqc_tools/proof/corpus_values.py",
            )
        return repaired

    def _smallest(self, field: FieldDescriptor, changes: list[Change]) -> Any:
        """A valid value for a field that has to be set."""
        if field.message_type and not field.is_repeated and field.message_type.full_name in self.ours:
            return self.minimal(field.message_type)
        for change in changes:
            if not change.rule and not _is_default(field, change.value):
                return change.value
        if is_map(field):
            raise StageFailed(
                f"the corpus has no value for the required map {field.full_name}", "add a rule for its keys"
            )
        if field.is_repeated:
            return self.some(field, 1, self.messages.rules(field).repeated.items)
        return self.messages.new(field.message_type) if field.message_type else self.some(field, 1, None)[0]

    def changes(self, field: FieldDescriptor) -> list[Change]:
        """Values at the bounds of a field's rules and just beyond them."""
        rules = self.messages.rules(field)
        if is_map(field):
            changes = self._maps(field, rules.map)
        elif field.is_repeated:
            changes = self._lists(field, rules.repeated)
        else:
            changes = self.values(field, rules)
        return [_unless_ignored(rules.ignore, change) for change in changes]

    def values(self, field: FieldDescriptor, rules: Any) -> list[Change]:
        """The same for one element of a field, or of a map's keys or values."""
        match rules.WhichOneof("type"):
            case None:
                return []
            case "string":
                return self._strings(rules.string)
            case "enum":
                assert field.enum_type
                return self._enums(rules.enum, [value.number for value in field.enum_type.values])
            case "bool":
                return [Change(rules.bool.const), Change(not rules.bool.const, "bool.const")]
            case "duration" | "timestamp" as kind:
                assert field.message_type
                return _times(kind, getattr(rules, kind), self.messages.new(field.message_type).__class__)
            case "field_mask":
                assert field.message_type
                return self._masks(rules.field_mask, self.messages.new(field.message_type).__class__)
            case kind:
                return _numbers(kind, getattr(rules, kind))

    def valid(self, field: FieldDescriptor, rules: Any) -> list[Any]:
        """Those of these values that break no rule."""
        return [change.value for change in self.values(field, rules) if not change.rule]

    def _strings(self, rules: Any) -> list[Change]:
        changes = []
        for rule, limit in rules.ListFields():
            if rule.name == "min_len":
                changes += [Change("x" * limit), Change("x" * (limit - 1), "string.min_len")]
            elif rule.name == "max_len":
                changes += [Change("x" * limit), Change("x" * (limit + 1), "string.max_len"), Change("é" * limit)]
            elif rule.name == "decimal_max_scale":
                changes += [Change(f"1.{'1' * limit}"), Change(f"1.{'1' * (limit + 1)}", "string.decimal_max_scale")]
            elif rule.name == "pattern":
                valid, invalid = _known(PATTERNS, limit, "PATTERNS")
                changes += [Change(text) for text in valid] + [Change(text, "string.pattern") for text in invalid]
            elif rule.name == "not_in":
                changes += [Change(text, "string.not_in") for text in limit]
            elif rule.name == "in":
                changes += [Change(text) for text in limit]
                changes += [Change(text, "string.in") for text in ("", "another") if text not in limit]
            else:
                valid, invalid = _known(STRINGS, rule.name, "STRINGS")
                changes += [Change(text) for text in valid]
                changes += [Change(text, f"string.{rule.name}") for text in invalid]
                if rule.name == "uuid":
                    changes.append(Change("", "string.uuid_empty"))
        stated = {rule.name: limit for rule, limit in rules.ListFields()}

        def is_refused(text: str) -> bool:
            """Whether another rule of the field refuses a value that meets one."""
            places = len(text.partition(".")[2])
            return text in stated.get("not_in", ()) or places > stated.get("decimal_max_scale", places)

        return [change for change in changes if change.rule or not is_refused(change.value)]

    def _enums(self, rules: Any, numbers: list[int]) -> list[Change]:
        refused = {*rules.not_in, *(set(numbers) - set(getattr(rules, "in")) if getattr(rules, "in") else ())}
        changes = [Change(number) for number in numbers if number not in refused]
        changes += [Change(number, "enum.not_in") for number in rules.not_in]
        changes += [Change(number, "enum.in") for number in refused - {*rules.not_in}]
        return changes + ([Change(99_999, "enum.defined_only")] if rules.defined_only else [])

    def _masks(self, rules: Any, mask: Any) -> list[Change]:
        refused = list(rules.not_in)
        allowed = list(getattr(rules, "in")) or ["name"]
        changes = [Change(mask(paths=allowed[:1])), Change(mask(paths=allowed))]
        return changes + [Change(mask(paths=[*allowed, path]), "field_mask.not_in") for path in refused]

    def _lists(self, field: FieldDescriptor, rules: Any) -> list[Change]:
        items = self.values(field, rules.items) if rules.HasField("items") else []
        items = [_unless_ignored(rules.items.ignore, item) for item in items]
        fewest = max(rules.min_items, 1)
        first = self.some(field, fewest - 1, rules.items)
        changes = [
            Change([*first, item.value], item.rule, f"[{fewest - 1}]" if item.rule else "")
            for item in items
            if not rules.unique or item.value not in first
        ]
        if rules.HasField("min_items"):
            changes.append(Change(self.some(field, rules.min_items, rules.items)))
            too_few = {0, rules.min_items - 1} if rules.min_items else ()
            changes += [Change(self.some(field, count, rules.items), "repeated.min_items") for count in too_few]
        if rules.HasField("max_items"):
            most = self.some(field, rules.max_items + 1, rules.items)
            changes.append(Change(most[: rules.max_items]))
            # A list of distinct values is not longer than there are values.
            changes += [Change(most, "repeated.max_items")] if len(most) > rules.max_items else []
        if rules.unique:
            changes.append(Change(self.some(field, max(rules.min_items, 2), rules.items)))
            one = self.some(field, fewest, rules.items)
            changes.append(Change([*one, one[-1]], "repeated.unique"))
        return changes

    def _maps(self, field: FieldDescriptor, rules: Any) -> list[Change]:
        assert field.message_type
        key, value = (field.message_type.fields_by_name[name] for name in ("key", "value"))
        keys = self.some(key, rules.max_pairs + 1, rules.keys)
        (some,) = self.some(value, 1, rules.values)
        changes = [Change({keys[0]: some})]
        if rules.HasField("keys"):
            for change in self.values(key, rules.keys):
                changes.append(
                    Change({change.value: some}, change.rule, _subscript(change.value) if change.rule else "")
                )
        if rules.HasField("values"):
            for change in self.values(value, rules.values):
                suffix = _subscript(keys[0]) if change.rule else ""
                changes.append(Change({keys[0]: change.value}, change.rule, suffix))
        if rules.HasField("min_pairs"):
            changes.append(Change({}, "map.min_pairs"))
        if rules.HasField("max_pairs"):
            changes.append(Change(dict.fromkeys(keys[: rules.max_pairs], some)))
            changes.append(Change(dict.fromkeys(keys[: rules.max_pairs + 1], some), "map.max_pairs"))
        return changes

    def some(self, field: FieldDescriptor, count: int, rules: Any) -> list[Any]:
        """Distinct valid elements: so many, or all that there are."""
        if field.message_type:
            return [self.minimal(field.message_type) for _ in range(count)]
        if field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
            return _some_strings(count, rules.string if rules else None)
        if field.cpp_type == FieldDescriptor.CPPTYPE_ENUM:
            known = self.valid(field, rules) if rules else []
            # Without rules any number is an element.
            return (known or list(range(1, count + 1)))[:count]
        return list(range(1, count + 1))


def _some_strings(count: int, rules: Any | None) -> list[str]:
    if rules is None:
        return [f"A{number}" for number in range(1, count + 1)]
    if allowed := list(getattr(rules, "in")):
        return allowed[:count]
    stated = {rule.name: limit for rule, limit in rules.ListFields()}
    shape = next((SHAPES[key] for key in (*stated, stated.get("pattern")) if key in SHAPES), None)
    if shape is None and rules.pattern:
        return PATTERNS[rules.pattern][0][:count]
    return [(shape or "A{}").format(number) for number in range(1, count + 1)]


def _known(values: Mapping[str, tuple[list[str], list[str]]], rule: str, table: str) -> tuple[list[str], list[str]]:
    """Strings that meet a rule and strings that break it."""
    if rule not in values:
        raise StageFailed(
            f"the corpus has no strings for the rule {rule}",
            f"add them to {table} in tools/cqc_tools/proof/corpus_values.py",
        )
    return values[rule]


def nested(fields: Fields, field: FieldDescriptor) -> Iterator[Change]:
    """Messages inside a field that break one rule each, so the path has two parts or more."""
    inner = field.message_type
    wrap: Callable[[Any], Any] = lambda message: message  # noqa: E731
    where = "."
    if inner and is_map(field):
        key, inner = inner.fields_by_name["key"], inner.fields_by_name["value"].message_type
        (name,) = fields.some(key, 1, fields.messages.rules(field).map.keys)
        wrap, where = (lambda message: {name: message}), f"{_subscript(name)}."
    elif inner and field.is_repeated:
        first = fields.some(field, max(fields.messages.rules(field).repeated.min_items, 1) - 1, None)
        wrap, where = (lambda message: [*first, message]), f"[{len(first)}]."
    if inner is None or inner.full_name not in fields.ours:
        return
    for inner_field in inner.fields:
        if fields.messages.rules(inner_field).required:
            message = fields.minimal(inner)
            message.ClearField(inner_field.name)
            yield Change(wrap(message), "required", where + inner_field.name)
        once: set[str] = set()
        for change in fields.changes(inner_field):
            if change.rule and change.rule not in once:
                once.add(change.rule)
                message = fields.minimal(inner)
                set_field(message, inner_field, change.value)
                yield Change(wrap(message), change.rule, where + inner_field.name + change.suffix)


def _unless_ignored(ignore: int, change: Change) -> Change:
    """The change, which breaks nothing if the rules are ignored for its value."""
    value = change.value
    if isinstance(value, Message):
        return change
    is_zero = not value and not (isinstance(value, float) and value != value)
    return (
        replace(change, rule=None, suffix="") if ignore == ALWAYS or (ignore == IF_ZERO_VALUE and is_zero) else change
    )


def _subscript(key: object) -> str:
    return f'["{key}"]' if isinstance(key, str) else f"[{key}]"


def _rule(kind: str, stated: dict[str, Any]) -> str:
    return f"{kind}.{'_'.join(name for name in BOUNDS if name in stated)}"


def _numbers(kind: str, rules: Any) -> list[Change]:
    stated = {rule.name: limit for rule, limit in rules.ListFields()}
    step: float = 1 if kind not in ("double", "float") else 0.5
    changes = []
    rule = _rule(kind, stated)
    if "gte" in stated:
        changes.append(Change(stated["gte"]))
        if kind[0] != "u" or stated["gte"]:
            changes.append(Change(stated["gte"] - step, rule))
    if "gt" in stated:
        changes += [Change(stated["gt"] + step), Change(stated["gt"], rule)]
    if "lte" in stated:
        changes += [Change(stated["lte"]), Change(stated["lte"] + step, rule)]
    if "lt" in stated:
        changes += [Change(stated["lt"] - step), Change(stated["lt"], rule)]
    inside = stated.get("gte", 0) <= 0 <= stated.get("lte", 0) and stated.get("gt", -1) < 0 < stated.get("lt", 1)
    # Without presence, the field is zero in an empty message.
    changes += [] if inside else [Change(0, rule)]
    if stated.get("finite"):
        changes += [
            Change(max(2.5, stated.get("gte", 0)) if not stated.keys() & {"lt", "lte"} else stated.get("gte", 0.0))
        ]
        changes += [Change(float(text), f"{kind}.finite") for text in ("nan", "inf", "-inf")]
    return changes


def _times(kind: str, rules: Any, time: Any) -> list[Change]:
    """Timestamps or durations at their bounds and one nanosecond beyond."""
    stated = {rule.name: limit for rule, limit in rules.ListFields()}
    rule = _rule(kind, stated)
    changes = []

    def moved(bound: Any, nanoseconds: int) -> Any:
        total = bound.seconds * 10**9 + bound.nanos + nanoseconds
        # A duration's two parts have the same sign, a timestamp's nanoseconds are never negative.
        seconds = total // 10**9 if kind == "timestamp" or total >= 0 else -(-total // 10**9)
        return time(seconds=seconds, nanos=total - seconds * 10**9)

    for name, inside, beyond in (("gte", 0, -1), ("gt", 1, 0), ("lte", 0, 1), ("lt", -1, 0)):
        if name in stated:
            changes += [Change(moved(stated[name], inside)), Change(moved(stated[name], beyond), rule)]
    if stated.get("lt_now"):
        changes += [Change(time(seconds=1)), Change(time(seconds=NEVER), "timestamp.lt_now")]
    if stated.get("gt_now"):
        changes += [Change(time(seconds=NEVER)), Change(time(seconds=1), "timestamp.gt_now")]
    return changes


def _is_default(field: FieldDescriptor, value: Any) -> bool:
    if field.is_repeated:
        return not value
    return not field.has_presence and not field.message_type and value == field.default_value
