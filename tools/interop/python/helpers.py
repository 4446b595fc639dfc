"""The operations of a peer that call CQC's helpers. Messages are binary in base64:

- validate: `type`, `data` -> [[field, rule_id, message], ...]
- check: `type`, `data` -> [[kind, field, message], ...], of the references if the type has no check of its own
- transition: `enum`, `before`, `after` -> whether one state may follow the other
- decimal: `text` -> the decimal, parsed and formatted again
- nanos: `data` (a Timestamp) -> its nanoseconds as a string, after conversion to a Timestamp and back
- notional: `price`, `underlying`, `quantity`, `unit`, `data` (a VenueSymbol), `symbol` -> [notional, base quantity,
  base price, underlying notional], each a number or [number, asset], or why there is none, without trailing zeros
- gross: `amounts` ([[number, asset], ...]) -> their gross notional, in the same form
- stated: `type`, `old`, `new` -> the message after `new` was applied to `old`
- event: `data` (an Event) -> [attributes, NATS subject, Kafka topic], or what is known of an unknown event
- name: `enum`, `value` -> [display name, the value parsed from it]
- book: `snapshot`, `deltas` -> [the result of each delta, the final book], or why the snapshot was rejected
- checksum: `data` (an OrderBook), `kind` -> the checksum
- symbol_id, venue_symbol_id: `text` -> [its parts, the id that is built from them], or why it is invalid
- symbol_id_of, combo_id: `data` (a Symbol) -> its id or that of its legs, or why it has none
"""

import base64
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from peer import decode, encode

import cqc
from cqc.events.v1 import Event
from cqc.markets.v1 import OrderBook, OrderBookDelta, Symbol
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
    found = checks.get(request["type"], cqc.check_references)(decode(request["type"], request["data"]))
    return [[item.kind, item.field, item.message] for item in found]


def transition(request: Any) -> bool:
    """See the module."""
    return cqc.can_transition(getattr(venues, request["enum"]), request["before"], request["after"])


def decimal(request: Any) -> str:
    """See the module."""
    return cqc.format_decimal(cqc.parse_decimal(request["text"]))


def nanos(request: Any) -> str:
    """See the module."""
    first = cqc.to_unix_nanos(Timestamp.FromString(base64.b64decode(request["data"])))
    return str(cqc.to_unix_nanos(cqc.from_unix_nanos(first)))


def notional(request: Any) -> list[Any]:
    """See the module."""
    listing = VenueSymbol.FromString(base64.b64decode(request["data"]))
    symbol = Symbol.FromString(base64.b64decode(request["symbol"]))
    price, quantity, unit = request["price"], request["quantity"], request["unit"]
    return [
        _answer(lambda: cqc.notional(price, quantity, unit, listing, symbol)),
        _answer(lambda: cqc.base_quantity(quantity, unit, listing, price)),
        _answer(lambda: cqc.base_price(price, listing)),
        _answer(lambda: cqc.underlying_notional(request["underlying"], quantity, unit, listing, symbol)),
    ]


def _answer(call: Callable[[], Decimal | cqc.Amount]) -> Any:
    try:
        found = call()
    except cqc.UnitNotReconcilableError as error:
        return [error.reason, error.venue_symbol_id, error.unit, str(error)]
    except ValueError:
        return "rejected"
    return _pair(found) if isinstance(found, cqc.Amount) else _text(found)


def _pair(amount: cqc.Amount) -> list[str]:
    return [_text(amount.value), amount.asset_id]


def _text(value: Decimal) -> str:
    text = f"{value:f}" if value else "0"
    return text.rstrip("0").rstrip(".") if "." in text else text


def gross(request: Any) -> list[list[str]]:
    """See the module."""
    amounts = [cqc.Amount(cqc.parse_decimal(value), asset) for value, asset in request["amounts"]]
    return [_pair(amount) for amount in cqc.gross_notional(amounts)]


def stated(request: Any) -> str:
    """See the module."""
    old, new = (decode(request["type"], request[name]) for name in ("old", "new"))
    return encode(cqc.apply_stated(old, new))


def event(request: Any) -> list[Any]:
    """See the module."""
    published = Event.FromString(base64.b64decode(request["data"]))
    try:
        return [cqc.attributes(published), cqc.nats_subject(published), cqc.kafka_topic(published)]
    except cqc.UnknownEventError as unknown:
        return [unknown.topic, unknown.subject, str(unknown.sequence), str(unknown)]


def name(request: Any) -> list[Any]:
    """See the module."""
    enum = getattr(venues, request["enum"])
    shown = cqc.display_name(enum, request["value"])
    return [shown, cqc.parse_display_name(enum, shown.lower().replace(" ", "-"))]


def book(request: Any) -> list[Any]:
    """See the module."""
    results: list[Any] = []
    try:
        snapshot = OrderBook.FromString(base64.b64decode(request["snapshot"]))
        builder = cqc.BookBuilder(snapshot, verify_checksums=True)
    except cqc.BookError as error:
        return _book_error(error)
    for data in request["deltas"]:
        try:
            results.append("applied" if builder.apply(OrderBookDelta.FromString(base64.b64decode(data))) else "stale")
        except cqc.BookError as error:
            results.append(_book_error(error))
    return [results, encode(builder.book())]


def _book_error(error: cqc.BookError) -> list[Any]:
    sequence = None if error.sequence is None else str(error.sequence)
    return [error.kind, error.listing, sequence, error.expected, error.actual]


def checksum(request: Any) -> int:
    """See the module."""
    return cqc.book_checksum(OrderBook.FromString(base64.b64decode(request["data"])), request["kind"])


def symbol_id(request: Any) -> list[Any]:
    """See the module."""
    try:
        parts = cqc.parse_symbol_id(request["text"])
        texts = [parts.base_asset_id, parts.quote_asset_id, parts.strike_asset_id, parts.settlement_asset_id]
        expiry = "" if parts.expiry is None else str(parts.expiry.seconds)
        more = [expiry, parts.strike, parts.option_type, parts.variant, parts.key]
        return [[parts.type, *texts, *more], cqc.symbol_id(parts)]
    except cqc.InvalidIdError as error:
        return _id_error(error)


def venue_symbol_id(request: Any) -> list[Any]:
    """See the module."""
    try:
        parts = cqc.parse_venue_symbol_id(request["text"])
        texts = (parts.venue_id, parts.symbol_id, parts.qualifier)
        return [list(texts), cqc.venue_symbol_id(*texts)]
    except cqc.InvalidIdError as error:
        return _id_error(error)


def symbol_id_of(request: Any) -> Any:
    """See the module."""
    try:
        return cqc.symbol_id_of(Symbol.FromString(base64.b64decode(request["data"])))
    except cqc.InvalidIdError as error:
        return _id_error(error)


def combo_id(request: Any) -> Any:
    """See the module."""
    try:
        return cqc.combo_id(Symbol.FromString(base64.b64decode(request["data"])).legs)
    except cqc.InvalidIdError as error:
        return _id_error(error)


def _id_error(error: cqc.InvalidIdError) -> list[Any]:
    return [error.part, error.value, error.expected]


OPERATIONS: dict[str, Callable[[Any], Any]] = {
    "validate": validate,
    "check": check,
    "transition": transition,
    "decimal": decimal,
    "nanos": nanos,
    "notional": notional,
    "gross": gross,
    "stated": stated,
    "event": event,
    "name": name,
    "book": book,
    "checksum": checksum,
    "symbol_id": symbol_id,
    "venue_symbol_id": venue_symbol_id,
    "symbol_id_of": symbol_id_of,
    "combo_id": combo_id,
}
