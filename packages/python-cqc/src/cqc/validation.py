"""The rules of the contracts, checked. Needs the extra `validation`: `pip install "cqc[validation]"`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

try:
    import protovalidate
except ImportError as error:
    raise ImportError('checking the rules needs protovalidate: pip install "cqc[validation]"') from error

if TYPE_CHECKING:
    from google.protobuf.message import Message

__all__ = ["Violation", "validate"]


@dataclass(frozen=True)
class Violation:
    """One rule of the contracts that a message breaks.

    `field` is the path from the message to what breaks the rule, such as `legs[0].ratio`; empty for a rule about
    several fields together. `rule` is the id of the rule, such as `string.decimal` or `new_order.limit_price`.
    `message` says what was expected, for people.
    """

    field: str
    rule: str
    message: str


def validate(message: Message) -> list[Violation]:
    """Return everything in which a message breaks the rules that its contract states; empty when it keeps to all.

    It works for any message with buf.validate rules, of other contracts too. Raises protovalidate.CompilationError or
    EvaluationError for rules that cannot be evaluated, which none of CQC's own are.
    """
    return [
        Violation(_path(violation.proto.field), violation.proto.rule_id, violation.proto.message)
        for violation in protovalidate.collect_violations(message)
    ]


def _path(field: Any) -> str:
    words: list[str] = []
    for element in field.elements if field else ():
        words.append(f".{element.field_name}" if words else element.field_name)
        if element.subscript:
            value = element.subscript.value
            if isinstance(value, str):
                value = '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
            elif isinstance(value, bool):
                value = str(value).lower()
            words.append(f"[{value}]")
    return "".join(words)
