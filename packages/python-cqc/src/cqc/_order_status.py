"""The legal transitions of an order's status."""

from cqc.venues.v1 import OrderStatus, order_pb2

__all__ = ["can_transition"]


def can_transition(before: OrderStatus.ValueType, after: OrderStatus.ValueType) -> bool:
    """Return whether an order may move from one status to another.

    False only if the contract rules the transition out. Repeating a status is legal, and so is any transition from or
    to a status that is unspecified or unknown to this version. As in FIX, an order may fill after it was cancelled, and
    a cancellation may be rejected; see the comments of `cqc.venues.v1.OrderStatus`.
    """
    statuses = OrderStatus.DESCRIPTOR.values_by_number
    if before == after or not (before and after) or before not in statuses or after not in statuses:
        return True
    return after in statuses[before].GetOptions().Extensions[order_pb2.next_order_status]
