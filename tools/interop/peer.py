"""The Python peer of the interoperability tests. It reads one JSON request per line from standard input.

Each request has an `op`. The response is `{"data": ...}`, or `{"error": ...}` if the request is rejected. Messages are
binary in base64 unless noted:

- convert: `type`, `from` and `to` (binary or json), `data` -> the message in the other format
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
import importlib
import json
import pkgutil
import sys
from collections.abc import Callable
from typing import Any

from google.protobuf import descriptor_pool, json_format, message_factory
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

import cqc
from cqc.markets.v1 import OrderBook, OrderBookDelta
from cqc.venues import v1 as venues
from cqc.venues.v1 import VenueSymbol


def load_all() -> None:
    """Register every message of the installed package."""
    for module in pkgutil.walk_packages(cqc.__path__, "cqc."):
        if module.name.endswith("_pb2"):
            importlib.import_module(module.name)


def decode(name: str, data: str) -> Message:
    descriptor = descriptor_pool.Default().FindMessageTypeByName(name)
    return message_factory.GetMessageClass(descriptor).FromString(base64.b64decode(data))


def encode(message: Message) -> str:
    return base64.b64encode(message.SerializeToString(deterministic=True)).decode()


def convert(request: Any) -> str:
    if request["from"] == "binary":
        message = decode(request["type"], request["data"])
    else:
        message = decode(request["type"], "")
        json_format.Parse(request["data"], message)
    return encode(message) if request["to"] == "binary" else json_format.MessageToJson(message, indent=None)


def validate(request: Any) -> list[list[str]]:
    return [[item.field, item.rule_id, item.message] for item in cqc.validate(decode(request["type"], request["data"]))]


def check(request: Any) -> list[list[str]]:
    checks: dict[str, Callable[[Any], list[cqc.Anomaly]]] = {
        "cqc.markets.v1.OrderBook": cqc.check_book,
        "cqc.venues.v1.ExecutionReport": cqc.check_execution,
        "cqc.markets.v1.Candle": cqc.check_candle,
    }
    found = checks[request["type"]](decode(request["type"], request["data"]))
    return [[item.kind, item.field, item.message] for item in found]


def decimal(request: Any) -> str:
    return cqc.format_decimal(cqc.parse_decimal(request["text"]))


def nanos(request: Any) -> str:
    first = cqc.to_unix_nanos(Timestamp.FromString(base64.b64decode(request["data"])))
    return str(cqc.to_unix_nanos(cqc.from_unix_nanos(first)))


def notional(request: Any) -> str:
    listing = VenueSymbol.FromString(base64.b64decode(request["data"]))
    value = cqc.notional(request["price"], request["quantity"], listing)
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def name(request: Any) -> list[Any]:
    enum = getattr(venues, request["enum"])
    shown = cqc.display_name(enum, request["value"])
    return [shown, cqc.parse_display_name(enum, shown.lower().replace(" ", "-"))]


def book(request: Any) -> list[Any]:
    builder = cqc.BookBuilder(OrderBook.FromString(base64.b64decode(request["snapshot"])))
    results = []
    for data in request["deltas"]:
        try:
            results.append("applied" if builder.apply(OrderBookDelta.FromString(base64.b64decode(data))) else "stale")
        except cqc.SequenceGapError as gap:
            results.append(f"gap {gap.have} {gap.before}")
    return [results, encode(builder.book())]


def main() -> None:
    """Respond to requests until standard input ends."""
    load_all()
    operations: dict[str, Callable[[Any], Any]] = {
        "convert": convert,
        "validate": validate,
        "check": check,
        "transition": lambda request: cqc.can_transition(request["before"], request["after"]),
        "decimal": decimal,
        "nanos": nanos,
        "notional": notional,
        "name": name,
        "book": book,
    }
    for line in sys.stdin:
        try:
            request = json.loads(line)
            answer = {"data": operations[request["op"]](request)}
        except Exception as error:  # the test reports any failure
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer))


if __name__ == "__main__":
    main()
