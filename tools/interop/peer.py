"""The Python peer of the tests across languages: reads requests from standard input, one JSON object a line.

Each request has an `op` and is answered by `{"data": ...}` or, when it is refused, `{"error": ...}`; messages are in
base64 unless said otherwise:

- convert: `type`, `from` and `to` (binary or json), `data` -> the message in the other format
- validate: `type`, `data` -> [[field, rule, message], ...]
- check: `type` (OrderBook, ExecutionReport or Candle), `data` -> [[kind, field, text], ...]
- transition: `before`, `after` -> whether an order may go from one state to the other
- decimal: `text` -> the number, read and written again
- nanos: `data` (a Timestamp) -> nanoseconds as text, after they were made a Timestamp and read again
- notional: `price`, `quantity`, `data` (a VenueSymbol) -> the value as text, without trailing zeros
- name: `enum`, `value` -> [display name, the value that is read from it]
- book: `snapshot`, `deltas` -> [what became of each delta, the book in binary at the end]
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


def parse(name: str, data: str) -> Message:
    descriptor = descriptor_pool.Default().FindMessageTypeByName(name)
    return message_factory.GetMessageClass(descriptor).FromString(base64.b64decode(data))


def written(message: Message) -> str:
    return base64.b64encode(message.SerializeToString(deterministic=True)).decode()


def convert(request: Any) -> str:
    if request["from"] == "binary":
        message = parse(request["type"], request["data"])
    else:
        message = parse(request["type"], "")
        json_format.Parse(request["data"], message)
    return written(message) if request["to"] == "binary" else json_format.MessageToJson(message, indent=None)


def validate(request: Any) -> list[list[str]]:
    return [[item.field, item.rule, item.message] for item in cqc.validate(parse(request["type"], request["data"]))]


def check(request: Any) -> list[list[str]]:
    checks: dict[str, Callable[[Any], list[cqc.Oddity]]] = {
        "cqc.markets.v1.OrderBook": cqc.check_book,
        "cqc.venues.v1.ExecutionReport": cqc.check_execution,
        "cqc.markets.v1.Candle": cqc.check_candle,
    }
    found = checks[request["type"]](parse(request["type"], request["data"]))
    return [[item.kind, item.field, item.text] for item in found]


def decimal(request: Any) -> str:
    return cqc.format_decimal(cqc.parse_decimal(request["text"]))


def nanos(request: Any) -> str:
    return str(
        cqc.to_unix_nanos(
            cqc.from_unix_nanos(cqc.to_unix_nanos(Timestamp.FromString(base64.b64decode(request["data"]))))
        )
    )


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
    became = []
    for data in request["deltas"]:
        try:
            became.append("applied" if builder.apply(OrderBookDelta.FromString(base64.b64decode(data))) else "stale")
        except cqc.SequenceGapError as gap:
            became.append(f"gap {gap.have} {gap.before}")
    return [became, written(builder.book())]


def main() -> None:
    """Answer until standard input ends."""
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
        except Exception as error:  # the test reports whatever went wrong, with the message that caused it
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer))


if __name__ == "__main__":
    main()
