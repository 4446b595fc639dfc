"""The operations of a peer that call CQC's helpers. Messages are binary in base64:

- validate: `type`, `data` -> [[field, rule_id, message], ...]
- check: `type` (OrderBook, ExecutionReport or Candle), `data` -> [[kind, field, message], ...]
- transition: `before`, `after` -> whether an order may move from one status to the other
- decimal: `text` -> the decimal, parsed and formatted again
- nanos: `data` (a Timestamp) -> its nanoseconds as a string, after conversion to a Timestamp and back
- notional: `price`, `quantity`, `data` (a VenueSymbol) -> the notional as a string without trailing zeros
- name: `enum`, `value` -> [display name, the value parsed from it]
- book: `snapshot`, `deltas` -> [the result of each delta, the final book]
"""

import base64
from collections.abc import Callable
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from peer import decode, encode

import cqc
from cqc.markets.v1 import OrderBook, OrderBookDelta
from cqc.venues import v1 as venues
from cqc.venues.v1 import VenueSymbol


def validate(request: Any) -> list[list[str]]:
    """See the module."""
    return [[item.field, item.rule_id, item.message] for item in cqc.validate(decode(request["type"], request["data"]))]


def check(request: Any) -> list[list[str]]:
    """See the module."""
    checks: dict[str, Callable[[Any], list[cqc.Anomaly]]] = {
        "cqc.markets.v1.OrderBook": cqc.check_book,
        "cqc.venues.v1.ExecutionReport": cqc.check_execution,
        "cqc.markets.v1.Candle": cqc.check_candle,
    }
    found = checks[request["type"]](decode(request["type"], request["data"]))
    return [[item.kind, item.field, item.message] for item in found]


def transition(request: Any) -> bool:
    """See the module."""
    return cqc.can_transition(request["before"], request["after"])


def decimal(request: Any) -> str:
    """See the module."""
    return cqc.format_decimal(cqc.parse_decimal(request["text"]))


def nanos(request: Any) -> str:
    """See the module."""
    first = cqc.to_unix_nanos(Timestamp.FromString(base64.b64decode(request["data"])))
    return str(cqc.to_unix_nanos(cqc.from_unix_nanos(first)))


def notional(request: Any) -> str:
    """See the module."""
    listing = VenueSymbol.FromString(base64.b64decode(request["data"]))
    text = f"{cqc.notional(request['price'], request['quantity'], listing):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def name(request: Any) -> list[Any]:
    """See the module."""
    enum = getattr(venues, request["enum"])
    shown = cqc.display_name(enum, request["value"])
    return [shown, cqc.parse_display_name(enum, shown.lower().replace(" ", "-"))]


def book(request: Any) -> list[Any]:
    """See the module."""
    builder = cqc.BookBuilder(OrderBook.FromString(base64.b64decode(request["snapshot"])))
    results = []
    for data in request["deltas"]:
        try:
            results.append("applied" if builder.apply(OrderBookDelta.FromString(base64.b64decode(data))) else "stale")
        except cqc.SequenceGapError as gap:
            results.append(f"gap {gap.have} {gap.before}")
    return [results, encode(builder.book())]


OPERATIONS: dict[str, Callable[[Any], Any]] = {
    "validate": validate,
    "check": check,
    "transition": transition,
    "decimal": decimal,
    "nanos": nanos,
    "notional": notional,
    "name": name,
    "book": book,
}
