"""Rules shared by all venues."""

from __future__ import annotations

from decimal import Decimal

from cqc.venues.v1 import Order, OrderStatus
from cqc_venues.mapping import Rule, Venue, at, derived, listing


def owned(message: str = "") -> tuple[Rule, Rule]:
    """The account id and the receive time, which are not in the payload."""
    account = derived(f"{message}.account_id".removeprefix("."), lambda _, venue: venue.account_id)
    return account, received(message)


def received(message: str = "") -> Rule:
    """The receive time, which is not in the payload."""
    return derived(f"{message}.received_at".removeprefix("."), lambda _, venue: venue.received_at)


OWNED = owned()


def account_ids(message: str = "") -> tuple[Rule, Rule]:
    """The ids of a VenueAccount, which are not in the payload."""
    account = derived(f"{message}.account_id".removeprefix("."), lambda _, venue: venue.account_id)
    return account, derived(f"{message}.venue_id".removeprefix("."), lambda _, venue: venue.venue_id)


def listed(place: str) -> list[Rule]:
    """The ids of `listing` and `symbol`, derived from the venue's symbol at `place`."""
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
    """Set PARTIALLY_FILLED if the venue reports a partly filled order as open."""

    def state(message: Order, _venue: Venue) -> OrderStatus.ValueType:
        found: OrderStatus.ValueType = getattr(message, status)
        if found == OrderStatus.ORDER_STATUS_NEW and Decimal(message.cumulative_quantity or "0"):
            return OrderStatus.ORDER_STATUS_PARTIALLY_FILLED
        return found

    return derived(status, state)
