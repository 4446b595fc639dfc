"""The legal transitions of a state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cqc.options.v1 import next_state

if TYPE_CHECKING:
    from google.protobuf.internal.enum_type_wrapper import _EnumTypeWrapper

__all__ = ["can_transition"]


def can_transition(enum: _EnumTypeWrapper[Any], before: int, after: int) -> bool:
    """Return whether a state may follow another: `can_transition(OrderStatus, before, after)`.

    Works for every enum whose values declare the states that may follow them, such as `OrderStatus` and
    `TransferState`. False only if the contract rules the transition out. Repeating a state is legal, and so is
    any transition from or to a state that is unspecified or unknown to this version. As in FIX, an order may fill after
    it was cancelled, and a cancellation may be rejected; see the comments of `cqc.venues.v1.OrderStatus`.

    Raises ValueError if no value of the enum declares what may follow it.
    """
    states = enum.DESCRIPTOR.values_by_number
    following = {number: value.GetOptions().Extensions[next_state] for number, value in states.items()}
    if not any(following.values()):
        raise ValueError(f"{enum.DESCRIPTOR.full_name} declares no transitions")
    if before == after or not (before and after) or before not in states or after not in states:
        return True
    return states[after].name in following[before]
