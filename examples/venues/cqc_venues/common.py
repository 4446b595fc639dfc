"""What the mappings of all venues share."""

from __future__ import annotations

from decimal import Decimal

from cqc.venues.v1 import Order, OrderStatus
from cqc_venues.mapping import Rule, Venue, at, derived, listing


def owned(message: str = "") -> tuple[Rule, Rule]:
    """What a message about an account of ours says beside the payload."""
    account = derived(f"{message}.account_id".removeprefix("."), lambda _, venue: venue.account_id)
    return account, received(message)


def received(message: str = "") -> Rule:
    """When a message came."""
    return derived(f"{message}.received_at".removeprefix("."), lambda _, venue: venue.received_at)


OWNED = owned()


def listed(place: str) -> list[Rule]:
    """The names of an instrument, in the bundle's `listing` and `symbol`, from the one that its venue has for it."""
    return [
        derived("listing.venue_id", lambda _, venue: venue.venue_id),
        at(place, "listing.venue_symbol_id", listing),
        derived(
            "listing.native_symbol", lambda bundle, venue: venue.native(bundle.messages["listing"].venue_symbol_id)
        ),
        derived("listing.symbol_id", lambda bundle, _: bundle.messages["listing"].venue_symbol_id.split(":")[1]),
        derived("symbol.symbol_id", lambda bundle, _: bundle.messages["listing"].symbol_id),
    ]


def partly_filled(status: str = "status") -> Rule:
    """An open order of which something is filled is partly filled, also where the venue still calls it open."""

    def state(message: Order, _venue: Venue) -> OrderStatus.ValueType:
        found: OrderStatus.ValueType = getattr(message, status)
        if found == OrderStatus.ORDER_STATUS_NEW and Decimal(message.cumulative_quantity or "0"):
            return OrderStatus.ORDER_STATUS_PARTIALLY_FILLED
        return found

    return derived(status, state)
