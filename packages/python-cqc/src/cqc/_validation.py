"""Validation against the contracts' rules. Requires the extra `validation`: `pip install "cqc[validation]"`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

try:
    import protovalidate
except ImportError as error:
    raise ImportError('validation requires protovalidate: pip install "cqc[validation]"') from error

from cqc._violation import Violation

if TYPE_CHECKING:
    from google.protobuf.message import Message

__all__ = ["validate"]


def validate(message: Message) -> list[Violation]:
    """Return every violation of the rules in a message's contract; the list is empty if the message is valid.

    Works for any message with buf.validate rules. Raises protovalidate.CompilationError or EvaluationError if a rule
    cannot be evaluated, which does not happen for CQC's own rules.
    """
    return [
        Violation(_path(violation.proto.field), violation.proto.rule_id, violation.proto.message)
        for violation in protovalidate.collect_violations(message)
    ]


def _path(field: Any) -> str:
    parts: list[str] = []
    for element in field.elements if field else ():
        parts.append(f".{element.field_name}" if parts else element.field_name)
        if element.subscript:
            value = element.subscript.value
            if isinstance(value, str):
                value = '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
            elif isinstance(value, bool):
                value = str(value).lower()
            parts.append(f"[{value}]")
    return "".join(parts)
