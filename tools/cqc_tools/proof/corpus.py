"""Valid and invalid messages, made from the rules in the contracts: every rule is met at its bounds and broken.

Each case is a message with as few fields as the rules allow, and one field changed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from google.protobuf import text_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from cqc_tools.contracts.messages import Messages, set_field
from cqc_tools.foundation.errors import StageFailed
from cqc_tools.proof.corpus_values import BASES, CELS, PATTERNS, STRINGS


@dataclass(frozen=True)
class Case:
    """A message, and the rule it breaks with the field's path; both are None for a valid message."""

    type: str
    data: bytes
    rule: str | None
    field: str | None


@dataclass(frozen=True)
class Change:
    """A value for a field, and the id of the rule it breaks; `suffix` follows the field's name in the path."""

    value: Any
    rule: str | None = None
    suffix: str = ""


class _Generator:
    """Makes messages and field values from the rules."""

    def __init__(self, messages: Messages) -> None:
        self.messages = messages
        self.ours = {descriptor.full_name for descriptor in messages.types}
        self._made: dict[tuple[str, str | None], Any] = {}

    def minimal(self, descriptor: Descriptor, base: str | None = None) -> Any:
        """A valid message with as few fields as possible; `base` replaces the descriptor's entry in BASES."""
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
            required = self.messages.rules(field).required
            if required and field.message_type and not field.is_repeated:
                set_field(message, field, self.minimal(field.message_type))
            elif required or needed:
                valid = next(change for change in changes if not change.rule and not _is_default(field, change.value))
                set_field(message, field, valid.value)
        text = BASES.get(descriptor.full_name, "") if base is None else base
        given = text_format.Parse(text, self.messages.new(descriptor))
        for oneof in descriptor.oneofs:
            if self.messages.rules(oneof).required and not given.WhichOneof(oneof.name):
                field = oneof.fields[0]
                if field.message_type:
                    set_field(message, field, self.minimal(field.message_type))
                for change in [change for change in self.changes(field) if not change.rule][:1]:
                    set_field(message, field, change.value)
        message.MergeFrom(given)
        return message

    def changes(self, field: FieldDescriptor) -> list[Change]:
        """Values at the bounds of a field's rules and just beyond them."""
        rules = self.messages.rules(field)
        if field.is_repeated:
            return self._lists(field, rules.repeated)
        return self._values(field, rules)

    def _values(self, field: FieldDescriptor, rules: Any) -> list[Change]:
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
            case "duration":
                assert field.message_type
                return self._durations(rules.duration, self.messages.new(field.message_type).__class__)
            case kind:
                return _numbers(kind, getattr(rules, kind))

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
                valid, invalid = PATTERNS[limit]
                changes += [Change(text) for text in valid] + [Change(text, "string.pattern") for text in invalid]
            else:
                valid, invalid = STRINGS[rule.name]
                changes += [Change(text) for text in valid]
                changes += [Change(text, f"string.{rule.name}") for text in invalid]
                if rule.name == "uuid":
                    changes.append(Change("", "string.uuid_empty"))
        scale = next((limit for rule, limit in rules.ListFields() if rule.name == "decimal_max_scale"), None)
        if scale is None:
            return changes
        # The values for the field's other rules may have more decimal places.
        return [change for change in changes if change.rule or len(change.value.partition(".")[2]) <= scale]

    def _enums(self, rules: Any, numbers: list[int]) -> list[Change]:
        changes = [Change(number) for number in numbers if number not in rules.not_in]
        changes += [Change(number, "enum.not_in") for number in rules.not_in]
        return changes + ([Change(99_999, "enum.defined_only")] if rules.defined_only else [])

    def _durations(self, rules: Any, duration: Any) -> list[Change]:
        zero, more, less = duration(), duration(nanos=1), duration(nanos=-1)
        if rules.HasField("gt"):
            return [Change(more), Change(zero, "duration.gt"), Change(less, "duration.gt")]
        return [Change(zero), Change(less, "duration.gte")]

    def _lists(self, field: FieldDescriptor, rules: Any) -> list[Change]:
        items = self._values(field, rules.items) if rules.HasField("items") else []
        changes = [Change([item.value], item.rule, "[0]" if item.rule else "") for item in items]
        if rules.HasField("min_items"):
            changes.append(Change(self._some(field, rules.min_items, rules.items)))
            changes.append(Change([], "repeated.min_items"))
        if rules.HasField("max_items"):
            changes.append(Change(self._some(field, rules.max_items, rules.items)))
            changes.append(Change(self._some(field, rules.max_items + 1, rules.items), "repeated.max_items"))
        if rules.unique:
            one = self._some(field, 1, rules.items)
            changes.append(Change([*one, *one], "repeated.unique"))
        return changes

    def _some(self, field: FieldDescriptor, count: int, rules: Any) -> list[Any]:
        """Distinct valid elements."""
        if field.message_type:
            return [self.minimal(field.message_type) for _ in range(count)]
        if field.cpp_type in (FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_ENUM):
            return list(range(1, count + 1))
        names = {rule.name for rule, _ in rules.string.ListFields()} if rules.HasField("string") else set()
        stem = "a:ABC" if "venue_symbol_id" in names else "A"
        if rules.string.pattern:
            return PATTERNS[rules.string.pattern][0][:count]
        return [f"{stem}{number}" for number in range(count)]


def cases(messages: Messages) -> list[Case]:
    """All cases of all message types.

    Raises StageFailed if a rule over several fields has no cases, or cases exist for a rule that was removed.
    """
    generator = _Generator(messages)
    stated = {cel.id for descriptor in messages.types for cel in messages.rules(descriptor).cel}
    if stated != CELS.keys():
        lines = [f"  {rule} has no cases" for rule in sorted(stated - CELS.keys())]
        lines += [f"  {rule} is no longer in the contracts" for rule in sorted(CELS.keys() - stated)]
        raise StageFailed(
            "the corpus does not match the rules over several fields",
            "update CELS in tools/cqc_tools/proof/corpus_values.py",
            "\n".join(lines),
        )
    found = [case for descriptor in messages.types for case in _of_message(generator, descriptor)]
    for rule, (name, valid, invalid) in CELS.items():
        descriptor = messages.pool.FindMessageTypeByName(name)
        found += [_case(generator.minimal(descriptor, text)) for text in valid]
        found += [_case(generator.minimal(descriptor, text), rule, "") for text in invalid]
    return found


def _of_message(generator: _Generator, descriptor: Descriptor) -> Iterator[Case]:
    yield _case(generator.minimal(descriptor))
    for oneof in descriptor.oneofs:
        if generator.messages.rules(oneof).required:
            message = generator.minimal(descriptor)
            message.ClearField(message.WhichOneof(oneof.name))
            yield _case(message, "required", oneof.name)
    for field in descriptor.fields:
        if generator.messages.rules(field).required:
            message = generator.minimal(descriptor)
            message.ClearField(field.name)
            yield _case(message, "required", field.name)
        if field.message_type and not field.is_repeated and field.message_type.full_name in generator.ours:
            yield from _nested(generator, descriptor, field)
        for change in generator.changes(field):
            # Setting another member of a oneof would break rules over several fields, which have cases of their own.
            if descriptor.full_name in BASES and _alternative(field):
                continue
            message = generator.minimal(descriptor)
            if not change.rule and _changes_meaning(descriptor, field, change.value):
                continue
            set_field(message, field, change.value)
            yield _case(message, change.rule, field.name + change.suffix)


def _nested(generator: _Generator, descriptor: Descriptor, field: FieldDescriptor) -> Iterator[Case]:
    """A message that breaks a rule inside another message, so the path has two parts."""
    assert field.message_type
    inner = generator.messages.new(field.message_type)
    for inner_field in field.message_type.fields:
        rules = generator.messages.rules(inner_field)
        if rules.required and not inner_field.containing_oneof:
            message = generator.minimal(descriptor)
            if not field.containing_oneof:
                set_field(message, field, inner)
                yield _case(message, "required", f"{field.name}.{inner_field.name}")
            return


def _alternative(field: FieldDescriptor) -> bool:
    """Whether a field is in a oneof; `optional` makes a synthetic one, whose name starts with an underscore."""
    return field.containing_oneof is not None and not field.containing_oneof.name.startswith("_")


def _changes_meaning(descriptor: Descriptor, field: FieldDescriptor, value: Any) -> bool:
    """Whether a valid value requires other fields; CELS has those combinations."""
    return any(cel_type == descriptor.full_name for cel_type, _, _ in CELS.values()) and (
        field.cpp_type == FieldDescriptor.CPPTYPE_ENUM
        or field.name in ("trigger_price", "trailing_offset", "activation_price", "to_account_id")
        or (field.name == "from_account_id" and value != "x")
    )


def _case(message: Message, rule: str | None = None, field: str | None = None) -> Case:
    data = message.SerializePartialToString(deterministic=True)
    return Case(message.DESCRIPTOR.full_name, data, rule, field if rule else None)


def _numbers(kind: str, rules: Any) -> list[Change]:
    stated = {rule.name: limit for rule, limit in rules.ListFields()}
    step: float = 1 if kind != "double" else 0.5
    changes = []
    bounds = {"gt", "gte", "lt", "lte"} & stated.keys()
    rule = f"{kind}.{'_'.join(sorted(bounds))}"
    if "gte" in stated:
        changes.append(Change(stated["gte"]))
        if kind[0] != "u" or stated["gte"]:
            changes.append(Change(stated["gte"] - step, rule))
    if "gt" in stated:
        changes += [Change(stated["gt"] + step), Change(stated["gt"], rule)]
    if "lte" in stated:
        changes += [Change(stated["lte"]), Change(stated["lte"] + step, rule)]
    if stated.get("finite"):
        changes += [Change(2.5)]
        changes += [Change(float(text), "double.finite") for text in ("nan", "inf", "-inf")]
    return changes


def _is_default(field: FieldDescriptor, value: Any) -> bool:
    if field.is_repeated:
        return not value
    return not field.has_presence and not field.message_type and value == field.default_value
