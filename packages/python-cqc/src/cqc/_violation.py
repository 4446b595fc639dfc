"""A violated rule, apart from the code that evaluates rules: reading one from an error needs no validator."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Violation"]


@dataclass(frozen=True)
class Violation:
    """A rule that a message violates.

    `field` is the path to the offending field, such as `legs[0].ratio`; it is empty for a rule about several fields.
    `rule_id` identifies the rule, such as `string.decimal` or `new_order.limit_price`. `message` describes the problem.
    """

    field: str
    rule_id: str
    message: str
