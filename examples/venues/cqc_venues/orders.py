"""What holds for orders of every venue."""

from __future__ import annotations

from decimal import Decimal

from cqc.venues.v1 import Order, OrderStatus
from cqc_venues.mapping import Rule, Venue, derived

# What every message about an account of ours says beside the payload.
OWNED = (
    derived("account_id", lambda _, venue: venue.account_id),
    derived("received_at", lambda _, venue: venue.received_at),
)


def partly_filled(status: str = "status") -> Rule:
    """An open order of which something is filled is partly filled, also where the venue still calls it open."""

    def state(message: Order, _venue: Venue) -> OrderStatus.ValueType:
        found: OrderStatus.ValueType = getattr(message, status)
        if found == OrderStatus.ORDER_STATUS_NEW and Decimal(message.cumulative_quantity or "0"):
            return OrderStatus.ORDER_STATUS_PARTIALLY_FILLED
        return found

    return derived(status, state)
