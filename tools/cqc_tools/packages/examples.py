"""Let the installed examples talk: each serves market data to each, and all rebuild the same books."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from cqc_tools.foundation import process, workspace
from cqc_tools.foundation.errors import StageFailed
from cqc_tools.packages import Installation
from cqc_tools.packages.local import first_line

SAMPLE = workspace.EXAMPLES / "data"


@dataclass(frozen=True)
class Replay:
    """What one client rebuilt from one server: counts, and the digest of all final books and trades."""

    server: str
    client: str
    books: int
    deltas: int
    trades: int
    digest: str


def traffic() -> tuple[Path, str]:
    """The exchange traffic to replay and a sentence that says which it is: captured where present, else the sample."""
    if workspace.CAPTURED_VENUES.is_dir():
        return workspace.CAPTURED_VENUES, "captured traffic of Binance and Coinbase"
    return SAMPLE, "the sample in examples/data, because no captured traffic lies beside the checkout"


def installed_version(language: str, example: Installation) -> str:
    """The version that the installed package says it has, in its own ecosystem's spelling."""
    command = [*example.command, "version"]
    return process.run(command, cwd=example.folder, env=example.environment, what=f"{language} version").strip()


@contextmanager
def serving(language: str, example: Installation, data: Path, logs: Path) -> Iterator[str]:
    """Run an example's server on a free port; yields `host:port`."""
    log = logs / f"serve-{language}.log"
    command: list[str | Path] = [*example.command, "serve", "--data", data, "--address", "127.0.0.1:0"]
    with process.server(command, cwd=example.folder, env=example.environment, log=log) as server:
        yield first_line(server, log, f"the {language} server").removeprefix("listening on ")


def replay(server: str, client: str, example: Installation, address: str) -> Replay:
    """Run an example's client against a server.

    Raises StageFailed when the client fails or prints no result.
    """
    what = f"{client} client of the {server} server"
    printed = process.run(
        [*example.command, "rebuild", "--address", address],
        cwd=example.folder,
        env=example.environment,
        what=what,
    )
    with suppress(ValueError, KeyError, IndexError):
        result = json.loads(printed.splitlines()[-1])
        return Replay(
            server, client, int(result["books"]), int(result["deltas"]), int(result["trades"]), str(result["digest"])
        )
    raise StageFailed(f"{what} printed no result:\n{printed}")


def all_pairs(examples: Mapping[str, Installation], data: Path, logs: Path) -> list[Replay]:
    """Replay through every pair of server and client.

    Raises StageFailed naming the pairs whose digest differs from the majority, or when nothing was replayed.
    """
    logs.mkdir(parents=True, exist_ok=True)
    replays = []
    for server, example in examples.items():
        with serving(server, example, data, logs) as address:
            replays += [replay(server, client, examples[client], address) for client in examples]
    digests = [item.digest for item in replays]
    usual = max(digests, key=digests.count)
    differing = [item for item in replays if item.digest != usual]
    if differing:
        lines = [f"  server {item.server}, client {item.client}: {item.digest}" for item in differing]
        raise StageFailed("\n".join([f"the rebuilt books differ from {usual}:", *lines]))
    if not all(item.books and item.deltas and item.trades for item in replays):
        raise StageFailed(f"nothing to compare: {data} gave no books, no deltas or no trades")
    return replays
