"""The client of the behaviour tests in Python: `python behaviour_client.py <host:port> <file with cases>`.

For each case of the file, a JSON array, it loads the script into the scripted server, does what the case says through
the public functions of the package, and prints one line of JSON: the case's `name`; `lines`, what happened, in the
words of the case's `expect`; and `log`, the calls as the server saw them. Each case runs twice, in threads and with
asyncio; a case with `load` false runs once, against whatever the server does.

The package's own tests in memory run the same functions over channels of their own.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import pkgutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import aclosing, closing
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import descriptor_pool, json_format, message_factory
from google.protobuf.wrappers_pb2 import StringValue

import cqc.services.v1
from cqc import BookBuilder
from cqc.client import (
    BookUpdate,
    CertificateError,
    Lost,
    OutcomeUnknownError,
    connect,
    connect_async,
    follow,
    follow_async,
    follow_book,
    follow_book_async,
    pages,
    pages_async,
    place_order,
    place_order_async,
)
from cqc.errors import ServiceError
from cqc.services.v1 import ErrorReason

Case = dict[str, Any]
Trace = Callable[[str], None]
EPOCH = 946_684_800_000  # 2000-01-01T00:00:00Z in milliseconds, the zero of the cases' times


def load_services() -> None:
    """Register every service of the installed package, with its messages."""
    for module in pkgutil.iter_modules(cqc.services.v1.__path__, "cqc.services.v1."):
        if module.name.endswith("_pb2_grpc"):
            importlib.import_module(module.name)


def request_of(case: Case) -> Any:
    """The request of a case."""
    service, _, method = case["method"].partition("/")
    described = descriptor_pool.Default().FindServiceByName(service).methods_by_name[method]
    return json_format.ParseDict(case["request"], message_factory.GetMessageClass(described.input_type)())


def stub_of(case: Case, channel: Any) -> Any:
    """The stub of a case's service."""
    service, _, _ = case["method"].partition("/")
    file = descriptor_pool.Default().FindServiceByName(service).file.name
    module = importlib.import_module(file.removesuffix(".proto").replace("/", ".") + "_pb2_grpc")
    return getattr(module, f"{service.rpartition('.')[2]}Stub")(channel)


class Calls:
    """The lines of a case's calls."""

    def __init__(self, case: Case) -> None:
        self._kind = case["call"]
        self._given = case["request"].get("request_id", "")
        self._request_id = ""

    def line(self, method: str, request: Any, deadline: str) -> str:
        """Describe a call. `deadline` is the time left in milliseconds, or empty if it has none."""
        words = ["call", method.rpartition(".")[2]]
        if self._kind in ("follow", "follow_book"):
            words.append(f"token={request.resume_token}")
        elif self._kind == "pages":
            words.append(f"token={request.page_token}")
        else:
            words.append(f"deadline={deadline}")
        if request_id := getattr(request, "request_id", ""):
            is_new = not self._request_id
            is_known = request_id == self._request_id
            words.append(
                "request_id="
                + ("given" if request_id == self._given else "new" if is_new else "same" if is_known else "other")
            )
            self._request_id = request_id
        if self._kind == "place_order":
            words += _order_words(request)
        return " ".join(words)


def _order_words(request: Any) -> Iterator[str]:
    if "order" in request.DESCRIPTOR.fields_by_name:
        yield f"send_before={request.send_before.ToMilliseconds() - EPOCH}"
    key = request.order if "order" in request.DESCRIPTOR.fields_by_name else request.key
    yield f"account_id={key.account_id}"
    yield f"client_order_id={key.client_order_id}"


def shown(message: Any, path: str) -> str:
    """The value at a path of a message; a dash if it is not set."""
    for name in path.split("."):
        field = message.DESCRIPTOR.fields_by_name[name]
        is_set = message.HasField(name) if field.has_presence else bool(getattr(message, name))
        if not is_set:
            return "-"
        message = getattr(message, name)
    return f"{message:.17g}" if isinstance(message, float) else str(message)


def error_line(error: BaseException) -> str:
    """Describe how a case ended."""
    if isinstance(error, OutcomeUnknownError):
        return f"error OutcomeUnknownError {error.cause.code().name}"  # type: ignore[attr-defined]
    if isinstance(error, CertificateError) or not isinstance(error, grpc.RpcError):
        return f"error {type(error).__name__}"
    found = ServiceError.of(error)
    words = ["error", error.code().name]
    if found is None:
        return " ".join([*words, "-"])
    words.append(ErrorReason.Name(found.reason).removeprefix("ERROR_REASON_"))
    if found.retry_delay is not None:
        words.append(f"retry={round(found.retry_delay.total_seconds() * 1000)}")
    words += [f"{key}={value}" for key, value in sorted(found.metadata.items())]
    words += [f"violation={item.field}:{item.rule_id}" for item in found.violations]
    return " ".join(words)


def lost_line(lost: Lost) -> str:
    """Describe a lost connection."""
    return f"lost {lost.cause} {round(lost.delay * 1000)}"


def _best(levels: Any) -> str:
    return f"{levels[0].price}@{levels[0].quantity}" if levels else "-"


def item_line(case: Case, item: Any) -> str:
    """Describe what the consumer received."""
    if isinstance(item, BookUpdate):
        book = (
            f"{_best(item.book.bids())} {_best(item.book.asks())}" if isinstance(item.book, BookBuilder) else "absent"
        )
        return f"book {item.state.name} {item.reason or '-'} {book}"
    if case["call"] == "follow":
        return f"item {item.WhichOneof('event')}"
    return f"item {shown(item, case['show'])}"


def run(case: Case, channel: grpc.Channel, trace: Trace, work: Callable[[float], None]) -> None:
    """Do what a case says. `work` is called with the seconds for which the consumer handles an item."""
    request, stub = request_of(case), stub_of(case, channel)
    method = getattr(stub, case["method"].partition("/")[2])
    timeout = {"timeout": case["timeout_ms"] / 1000} if "timeout_ms" in case else {}

    def on_lost(lost: Lost) -> None:
        trace(lost_line(lost))

    try:
        match case["call"]:
            case "unary":
                trace(f"result {shown(method(request, **timeout), case['show'])}")
                return
            case "place_order":
                trace(f"result {shown(place_order(stub, request, **timeout), case['show'])}")
                return
            case "pages":
                items = pages(method, request, lambda page: getattr(page, case["items"]), **timeout)
            case "follow":
                items = follow(method, request, on_lost=on_lost, **timeout)
            case "follow_book":
                items = follow_book(method, request, on_lost=on_lost, **timeout)
        taken = 0
        with closing(items) as generator:
            for item in generator:
                trace(item_line(case, item))
                if (taken := taken + 1) == case.get("take"):
                    break
                work(case.get("handle_ms", 0) / 1000)
        trace("done")
    except Exception as error:
        trace(error_line(error))


async def run_async(case: Case, channel: grpc.aio.Channel, trace: Trace) -> None:
    """Do what a case says, through the forms for grpc.aio."""
    request, stub = request_of(case), stub_of(case, channel)
    method = getattr(stub, case["method"].partition("/")[2])
    timeout = {"timeout": case["timeout_ms"] / 1000} if "timeout_ms" in case else {}

    def on_lost(lost: Lost) -> None:
        trace(lost_line(lost))

    try:
        match case["call"]:
            case "unary":
                trace(f"result {shown(await method(request, **timeout), case['show'])}")
                return
            case "place_order":
                trace(f"result {shown(await place_order_async(stub, request, **timeout), case['show'])}")
                return
            case "pages":
                items = pages_async(method, request, lambda page: getattr(page, case["items"]), **timeout)
            case "follow":
                items = follow_async(method, request, on_lost=on_lost, **timeout)
            case "follow_book":
                items = follow_book_async(method, request, on_lost=on_lost, **timeout)
        taken = 0
        async with aclosing(items) as generator:
            async for item in generator:
                trace(item_line(case, item))
                if (taken := taken + 1) == case.get("take"):
                    break
                await asyncio.sleep(case.get("handle_ms", 0) / 1000)
        trace("done")
    except Exception as error:
        trace(error_line(error))


class Script:
    """The scripted server, as tools/interop/python/behaviour_server.py describes it."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._channel = channel

    def load(self, case: Case) -> None:
        """Set what the server does with the next calls."""
        self._call("Load", json.dumps(case["attempts"]))

    def log(self) -> Any:
        """The calls since then."""
        return json.loads(self._call("Log"))

    def _call(self, method: str, value: str = "") -> str:
        call: grpc.UnaryUnaryMultiCallable[StringValue, StringValue] = self._channel.unary_unary(
            f"/cqc.testing.Script/{method}", StringValue.SerializeToString, StringValue.FromString
        )
        return call(StringValue(value=value), timeout=10).value


class Lines(list[str]):
    """What happened, without times."""

    def trace(self, line: str) -> None:
        """Add a line. The wait after a loss varies by chance."""
        self.append(line.rpartition(" ")[0] if line.startswith("lost ") else line)


def main(target: str, file: str) -> None:
    """See the module."""
    load_services()
    # One event loop for all cases: grpc.aio reports errors of a loop that another one has followed.
    with grpc.insecure_channel(target) as control, asyncio.Runner() as runner:
        script = Script(control)
        for case in json.loads(Path(file).read_text()):
            is_loaded = case.get("load", True)
            if is_loaded:
                script.load(case)
            lines = Lines()
            with connect(target, plaintext=True, token="") as channel:
                run(case, channel, lines.trace, time.sleep)
            if is_loaded:
                script.load(case)
                other = Lines()
                runner.run(_run_async(case, target, other.trace))
                if other != lines:
                    lines = Lines(["in threads", *lines, "with asyncio", *other])
            print(json.dumps({"name": case["name"], "lines": lines, "log": script.log()}), flush=True)


async def _run_async(case: Case, target: str, trace: Trace) -> None:
    async with connect_async(target, plaintext=True, token="") as channel:
        await run_async(case, channel, trace)


if __name__ == "__main__":
    main(*sys.argv[1:])
