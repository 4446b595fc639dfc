"""Replays captured order lifecycles and checks each transition against the contracts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

from google.protobuf.message import Message

import cqc
from cqc.venues.v1 import ExecutionReport, Order, OrderStatus

OPEN = (
    OrderStatus.ORDER_STATUS_PENDING_NEW,
    OrderStatus.ORDER_STATUS_NEW,
    OrderStatus.ORDER_STATUS_UNTRIGGERED,
    OrderStatus.ORDER_STATUS_PARTIALLY_FILLED,
)


def replay(messages: Iterable[tuple[str, Message]]) -> dict[str, Any]:
    """Replay each order from PENDING_NEW through its open states to each captured final state.

    API documentation reuses one order id for an order that fills, is cancelled or expires, so every final state follows
    the last open state. Returns the number of orders and transitions, the states seen, and the refused transitions.
    """
    states: dict[tuple[str, str], list[tuple[int, OrderStatus.ValueType]]] = defaultdict(list)
    for venue, message in messages:
        if isinstance(message, (Order, ExecutionReport)):
            moment, status = _state(message)
            if status:
                states[_key(venue, message)].append((moment, status))
    seen: set[OrderStatus.ValueType] = set()
    refused = []
    transitions = 0
    for (venue, order), reached in states.items():
        path: list[OrderStatus.ValueType] = [OrderStatus.ORDER_STATUS_PENDING_NEW]
        path += [status for _, status in sorted(reached) if status in OPEN]
        ends = sorted({status for _, status in reached if status not in OPEN})
        steps = [*pairwise(path), *((path[-1], end) for end in ends)]
        for before, after in steps:
            transitions += 1
            seen |= {before, after}
            if not cqc.can_transition(OrderStatus, before, after):
                refused.append(f"{venue} {order}: {OrderStatus.Name(before)} to {OrderStatus.Name(after)}")
    return {
        "orders": len(states),
        "transitions": transitions,
        "states": [cqc.display_name(OrderStatus, status) for status in sorted(seen)],
        "refused": refused,
    }


def _key(venue: str, message: Order | ExecutionReport) -> tuple[str, str]:
    order = message.venue_order_id
    if not order and isinstance(message, ExecutionReport):
        order = message.order.venue_order_id
    return venue, order or message.client_order_id


def _state(message: Order | ExecutionReport) -> tuple[int, OrderStatus.ValueType]:
    if isinstance(message, Order):
        return cqc.to_unix_nanos(message.updated_at or message.created_at), message.status
    return cqc.to_unix_nanos(message.timestamp), message.order_status
