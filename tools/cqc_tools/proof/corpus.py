"""Valid and invalid messages, made from the rules in the contracts: every rule is met at its bounds and broken.

Each case is a message with as few fields as the rules allow, and one field changed. For rules over several fields,
corpus_search.py tries combinations, and corpus_values.py has examples that people chose.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from cqc_tools.contracts.messages import Messages, set_field
from cqc_tools.foundation.errors import StageFailed
from cqc_tools.proof.corpus_fields import Change, Fields, nested
from cqc_tools.proof.corpus_search import Search
from cqc_tools.proof.corpus_values import CELS


@dataclass(frozen=True)
class Case:
    """A message, and the rule it breaks with the field's path; both are None for a valid message."""

    type: str
    data: bytes
    rule: str | None
    field: str | None


def cases(messages: Messages) -> list[Case]:
    """All cases of all message types, without duplicates.

    Raises StageFailed if no message breaks a rule over several fields, or examples exist for a rule that was removed.
    """
    search = Search(messages)
    fields = Fields(messages, search)
    own = {cel.id for descriptor in messages.types for cel in search.over_fields(descriptor)}
    found = [case for descriptor in messages.types for case in _of_message(fields, descriptor, own)]
    problems = [f"  {rule} is no longer in the contracts" for rule in sorted(CELS.keys() - own)]
    for rule in CELS.keys() & own:
        name, valid, invalid = CELS[rule]
        descriptor = messages.pool.FindMessageTypeByName(name)
        found += [_case(fields.minimal(descriptor, text)) for text in valid]
        found += [_case(fields.minimal(descriptor, text), rule, "") for text in invalid]
    for descriptor in messages.types:
        for rule in search.over_fields(descriptor):
            meeting, breaking = search.examples(fields, descriptor, rule)
            found += [_case(message) for message in meeting]
            found += [_case(message, rule.id, path) for message, path in breaking]
            if not breaking and rule.id not in CELS:
                problems.append(f"  no {descriptor.full_name} was found that breaks {rule.id}")
    if problems:
        raise StageFailed(
            "the corpus does not match the rules over several fields",
            "update CELS in tools/cqc_tools/proof/corpus_values.py",
            "\n".join(problems),
        )
    return list(dict.fromkeys(found))


def _of_message(fields: Fields, descriptor: Descriptor, own: set[str]) -> Iterator[Case]:
    messages = fields.messages
    yield _case(fields.minimal(descriptor))
    for oneof in descriptor.oneofs:
        if messages.rules(oneof).required:
            message = fields.minimal(descriptor)
            message.ClearField(message.WhichOneof(oneof.name))
            yield _case(message, "required", oneof.name)
    for field in descriptor.fields:
        if messages.rules(field).required:
            message = fields.minimal(descriptor)
            message.ClearField(field.name)
            yield _case(message, "required", field.name)
        for change in (*fields.changes(field), *nested(fields, field)):
            message = fields.minimal(descriptor)
            set_field(message, field, change.value)
            yield _judged(fields.search, message, field.name, change, own)


def _judged(search: Search, message: Message, name: str, change: Change, own: set[str]) -> Case:
    """The case of a changed field. A value that is valid by the field's rules may break a rule over several fields."""
    if change.rule is None:
        for path, rule in search.broken(message):
            if rule in own:
                return _case(message, rule, path)
    return _case(message, change.rule, name + change.suffix)


def _case(message: Message, rule: str | None = None, field: str | None = None) -> Case:
    data = message.SerializePartialToString(deterministic=True)
    return Case(message.DESCRIPTOR.full_name, data, rule, field if rule else None)
