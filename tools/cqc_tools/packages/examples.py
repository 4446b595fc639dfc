"""Run the installed examples against each other: each serves market data to each, and all rebuild the same books."""

import base64
import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from cqc_tools.foundation import process, workspace
from cqc_tools.foundation.errors import StageFailed
from cqc_tools.packages import Installation
from cqc_tools.packages.local import first_line

SAMPLE = workspace.EXAMPLES / "data"


@dataclass(frozen=True)
class Described:
    """What an installed package says about itself: its version, as its ecosystem spells it, and its descriptor set."""

    version: str
    descriptor_set: bytes


@dataclass(frozen=True)
class Replay:
    """What one client rebuilt from one server: counts, and the digest of all final books and trades."""

    server: str
    client: str
    books: int
    deltas: int
    trades: int
    digest: str


def describe(label: str, installed: Installation) -> Described:
    """Ask an installed package for its version and descriptor set."""
    printed = process.run(
        installed.describe, cwd=installed.folder, env=installed.environment, what=f"describe the {label} package"
    )
    found = json.loads(printed)
    return Described(str(found["version"]), base64.b64decode(found["descriptor_set"]))


def traffic() -> tuple[Path, str]:
    """The exchange traffic to replay, and a phrase that says which it is: captured traffic if there is any beside the
    checkout, or else the sample."""
    if workspace.CAPTURED_VENUES.is_dir():
        return workspace.CAPTURED_VENUES, "captured traffic of Binance and Coinbase"
    return SAMPLE, "the sample in examples/data, because there is no captured traffic beside the checkout"


@contextmanager
def serving(language: str, installed: Installation, data: Path, logs: Path) -> Iterator[str]:
    """Run an example's server on a free port; yields `host:port`."""
    log = logs / f"serve-{language}.log"
    command: list[str | Path] = [*installed.example, "serve", "--data", data, "--address", "127.0.0.1:0"]
    with process.server(command, cwd=installed.folder, env=installed.environment, log=log) as server:
        yield first_line(server, log, f"the {language} server").removeprefix("listening on ")


def replay(server: str, client: str, installed: Installation, address: str) -> Replay:
    """Run an example's client against a server. Raises StageFailed if the client fails or prints no result."""
    what = f"{client} client of the {server} server"
    printed = process.run(
        [*installed.example, "rebuild", "--address", address],
        cwd=installed.folder,
        env=installed.environment,
        what=what,
    )
    with suppress(ValueError, KeyError, IndexError):
        result = json.loads(printed.splitlines()[-1])
        return Replay(
            server, client, int(result["books"]), int(result["deltas"]), int(result["trades"]), str(result["digest"])
        )
    raise StageFailed(f"{what} printed no result", details=printed)


def all_pairs(
    examples: Mapping[str, Installation], data: Path, logs: Path, chosen: Collection[tuple[str, str]] = ()
) -> list[Replay]:
    """Replay through every pair of server and client, or through the chosen ones.

    Raises StageFailed naming the pairs whose digest differs from the majority, or if nothing was replayed.
    """
    logs.mkdir(parents=True, exist_ok=True)
    with ExitStack() as servers:
        addresses = {name: servers.enter_context(serving(name, examples[name], data, logs)) for name in examples}
        pairs = chosen or [(server, client) for server in examples for client in examples]
        tasks = [partial(replay, server, client, examples[client], addresses[server]) for server, client in pairs]
        # A client and its server keep one processor busy.
        replays = [future.result() for future in process.in_parallel(tasks, workers=2)]
    digests = [item.digest for item in replays]
    usual = max(digests, key=digests.count)
    differing = [item for item in replays if item.digest != usual]
    if differing:
        lines = [f"  server {item.server}, client {item.client}: {item.digest}" for item in differing]
        raise StageFailed(f"the rebuilt books differ from {usual}", details="\n".join(lines))
    if not all(item.books and item.deltas and item.trades for item in replays):
        raise StageFailed(f"nothing to compare: {data} holds no books, no deltas or no trades")
    return replays
