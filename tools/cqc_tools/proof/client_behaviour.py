"""The clients of all languages behave the same: each one against the scripted server of each language.

The cases are in testdata/client_sockets.json, which testdata/client_behaviour.md describes. What needs neither sockets
nor retries by gRPC is in testdata/client_behaviour.json, which each package's own tests run in memory.
"""

import base64
import itertools
import json
import random
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.wrappers_pb2 import StringValue

from cqc_tools.contracts.messages import Messages
from cqc_tools.foundation import console, files, process, temporary, workspace
from cqc_tools.foundation.errors import StageFailed
from cqc_tools.packages.local import first_line
from cqc_tools.proof import outcomes
from cqc_tools.proof.peers import CLIENT, SERVER, Peer

CASES = workspace.GO_MODULE / "testdata" / "client_sockets.json"
# A client waits more than it works.
PARALLEL = 6
PATIENCE = 120.0
OUTAGE = 3.0
BACK_WITHIN = 5.0
SHOWN = 20

Case = dict[str, Any]


@dataclass(frozen=True)
class Pair:
    """A client that did what the cases expect, against one server."""

    client: str
    server: str
    cases: int
    seconds: float


@dataclass(frozen=True)
class Return:
    """How long a client took to follow again once its server was back."""

    client: str
    seconds: float


@dataclass
class Behaviour:
    """What the clients did."""

    pairs: list[Pair] = field(default_factory=list)
    returns: list[Return] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """The result for a program."""
        return {"pairs": [asdict(item) for item in self.pairs], "returns": [asdict(item) for item in self.returns]}

    def show(self) -> None:
        """Print the result for a person."""
        console.table(
            ("client", "server", "cases", "time"),
            [(item.client, item.server, item.cases, f"{item.seconds:.1f} s") for item in self.pairs],
        )
        cases = sum(item.cases for item in self.pairs)
        console.output.print(f"{cases} cases of {len(self.pairs)} pairs of client and server went as expected")
        back = ", ".join(f"{item.client} {item.seconds:.1f} s" for item in self.returns)
        console.output.print(f"after an outage of {OUTAGE:g} s the clients followed again within: {back}")


# Its result, and what was not as expected.
_Task = Callable[[], tuple[Pair | Return, list[str]]]


def cases(sample: int | None = None, seed: int = 0) -> list[Case]:
    """The cases, or that many of them, in the order of the file."""
    found: list[Case] = json.loads(CASES.read_text())
    if sample is None or sample >= len(found):
        return found
    chosen = sorted(random.Random(seed).sample(range(len(found)), sample))
    return [found[number] for number in chosen]


def run(languages: Sequence[Peer], messages: Messages, chosen: Sequence[Case]) -> Behaviour:
    """Run the cases in each client against each server, and let each client live through an outage.

    Raises StageFailed with the first differences.
    """
    with temporary.folder("behaviour") as folder:
        pairs: list[_Task] = [
            partial(_pair, client, server, messages, chosen, folder / f"{client.language}-{server.language}")
            for client, server in itertools.product(languages, languages)
        ]
        returns: list[_Task] = [partial(_outage, client, folder / client.language) for client in languages]
        # Outages take longest, so they begin first.
        done = [future.result() for future in process.in_parallel([*returns, *pairs], PARALLEL)]
    differences = [difference for _, found in done for difference in found]
    if differences:
        raise outcomes.first_problems(
            "clients do not behave as the cases expect",
            differences,
            SHOWN,
            f"a case of {CASES.relative_to(workspace.ROOT)} changes only together with the documented behaviour",
        )
    results = [result for result, _ in done]
    return Behaviour(
        [item for item in results if isinstance(item, Pair)], [item for item in results if isinstance(item, Return)]
    )


def _pair(
    client: Peer, server: Peer, messages: Messages, chosen: Sequence[Case], folder: Path
) -> tuple[Pair, list[str]]:
    folder.mkdir()
    title = f"{client.language} client, {server.language} server"
    started = time.monotonic()
    with serving(server, folder) as (port, _):
        results = _results(client, port, chosen, folder)
    pair = Pair(client.language, server.language, len(chosen), round(time.monotonic() - started, 2))
    return pair, [f"{title}: {found}" for found in differences(messages, chosen, results)]


def differences(messages: Messages, chosen: Sequence[Case], results: Sequence[Mapping[str, Any]]) -> list[str]:
    """Where the results of a client are not what the cases expect."""
    found = []
    if (names := [case["name"] for case in chosen]) != (answered := [result["name"] for result in results]):
        found.append(f"results of {len(answered)} cases instead of {len(names)}, or in another order")
    for case, result in zip(chosen, results, strict=False):
        for what, expected, actual in (
            ("line", case["expect"], result["lines"]),
            ("call", case["calls"], call_lines(messages, case, result["log"])),
        ):
            for number, (wanted, got) in enumerate(itertools.zip_longest(expected, actual), 1):
                if wanted != got:
                    found.append(f"{case['name']}: {what} {number}: expected {wanted or 'none'}, got {got or 'none'}")
                    break
    return found


def call_lines(messages: Messages, case: Case, log: Sequence[Mapping[str, Any]]) -> list[str]:
    """A line for each call in a server's log, as `calls` of the case has them."""
    lines, request_ids = [], RequestIds(case["request"].get("request_id", ""))
    for call in log:
        service, _, name = call["method"].partition("/")
        descriptor = messages.pool.FindServiceByName(service).methods_by_name[name].input_type
        request = messages.new(descriptor)
        request.ParseFromString(base64.b64decode(call["request"]))
        words = [f"{service.rpartition('.')[2]}/{name}"]
        words += [
            f"token={getattr(request, token)}"
            for token in ("resume_token", "page_token")
            if token in descriptor.fields_by_name
        ]
        words += [f"attempt={call['previous_attempts']}", f"deadline={'yes' if call['deadline'] else 'no'}"]
        if "request_id" in descriptor.fields_by_name:
            words.append(f"request_id={request_ids.describe(request.request_id)}")
        if case["call"] == "place_order":
            order = request.order if "order" in descriptor.fields_by_name else request.key
            words += [f"account_id={order.account_id}", f"client_order_id={order.client_order_id}"]
        lines.append(" ".join(words))
    return lines


class RequestIds:
    """Describes the request ids of a case's calls: given by the case, new, the same as in the call before, or none."""

    def __init__(self, given: str) -> None:
        self._given = given
        self._last = ""

    def describe(self, request_id: str) -> str:
        """Describe the next one. Anything but a UUID of version 4 is shown as it is."""
        if request_id == self._given:
            return "given" if request_id else "none"
        if request_id == self._last:
            return "same"
        self._last = request_id
        return "new" if _is_uuid4(request_id) else repr(request_id)


def _is_uuid4(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text and uuid.UUID(text).version == 4
    except ValueError:
        return False


def _results(client: Peer, port: int, chosen: Sequence[Case], folder: Path) -> list[dict[str, Any]]:
    """What a client prints for the cases."""
    file = folder / "cases.json"
    files.write_text(file, json.dumps(chosen))
    printed = process.run(
        [*client.programs[CLIENT], f"127.0.0.1:{port}", file],
        cwd=client.folder,
        env=client.environment,
        what=f"scripted {client.language} client",
        limit=PATIENCE,
    )
    return [json.loads(line) for line in printed.splitlines() if line]


@contextmanager
def serving(server: Peer, folder: Path, port: int = 0) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """Run a scripted server; yields its port and process."""
    log = folder / "server.log"
    command = [*server.programs[SERVER], str(port)]
    # It ends with its standard input, and so with this process.
    with process.background(command, cwd=server.folder, env=server.environment, log=log) as running:
        line = first_line(running, log, f"the scripted {server.language} server")
        yield json.loads(line)["port"], running


HEARTBEAT = {"heartbeat": {"sent_at": "2000-01-01T00:00:00Z"}, "resume_token": "before"}
TRADE = {"trade": {"trade_id": "1"}, "resume_token": "after"}
OUTAGE_CASE: Case = {
    "name": "outage",
    "call": "follow",
    "method": "cqc.services.v1.MarketData/StreamTrades",
    "request": {"venue_symbol_ids": ["binance:BTC-USDT"]},
    "take": 1,
    "load": False,
    "attempts": [],
}


def _outage(peer: Peer, folder: Path) -> tuple[Return, list[str]]:
    """Kill the server that a client follows, start another on the same port, and see how long the client needs."""
    folder.mkdir()
    with serving(peer, folder) as (port, server), Steering(port) as steering:
        steering.load([[{"at": 0, "send": HEARTBEAT}]])
        with _following(peer, port, folder) as client:
            steering.wait_for_calls(1)
            server.kill()
            server.wait()
            process.interrupted.wait(OUTAGE)
            with serving(peer, folder, port), Steering(port) as again:
                back = time.monotonic()
                again.load([[{"at": 0, "send": TRADE}]])
                line = first_line(client, folder / "client.log", f"the scripted {peer.language} client", PATIENCE)
                seconds = time.monotonic() - back
    lines = json.loads(line)["lines"]
    problems = []
    if [text.split()[0] for text in lines[:-2]] != ["lost"] * (len(lines) - 2) or lines[-2:] != ["item trade", "done"]:
        problems.append(f"expected losses, an item and the end, got {lines}")
    if seconds > BACK_WITHIN:
        problems.append(f"followed again after {seconds:.1f} s instead of {BACK_WITHIN:g} s")
    return Return(peer.language, round(seconds, 2)), [f"{peer.language} client, outage: {text}" for text in problems]


@contextmanager
def _following(client: Peer, port: int, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    file = folder / "cases.json"
    files.write_text(file, json.dumps([OUTAGE_CASE]))
    command = [*client.programs[CLIENT], f"127.0.0.1:{port}", file]
    with process.background(command, cwd=client.folder, env=client.environment, log=folder / "client.log") as running:
        yield running


class Steering:
    """Loads scripts into a scripted server and reads its log."""

    def __init__(self, port: int) -> None:
        self._channel = grpc.insecure_channel(f"127.0.0.1:{port}")

    def __enter__(self) -> "Steering":
        return self

    def __exit__(self, *error: object) -> None:
        self._channel.close()

    def _call(self, name: str, value: str = "") -> str:
        method = self._channel.unary_unary(
            f"/cqc.testing.Script/{name}", StringValue.SerializeToString, StringValue.FromString
        )
        return str(method(StringValue(value=value), timeout=PATIENCE, wait_for_ready=True).value)

    def load(self, attempts: Sequence[Sequence[Mapping[str, Any]]]) -> None:
        """Set what the server does with the next calls."""
        self._call("Load", json.dumps(attempts))

    def log(self) -> list[dict[str, Any]]:
        """The calls since then, as the server describes them."""
        return list(json.loads(self._call("Log")))

    def wait_for_calls(self, count: int) -> None:
        """Wait until so many calls have arrived. Raises StageFailed if they do not."""
        deadline = time.monotonic() + PATIENCE
        while len(self.log()) < count:
            if time.monotonic() > deadline or process.interrupted.wait(0.02):
                raise StageFailed(f"{count} calls did not arrive at the scripted server")
