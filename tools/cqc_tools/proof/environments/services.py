"""Servers and clients in every language, as programs of their own: reflection and health, and an outage."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from cqc_tools.foundation import process, workspace
from cqc_tools.foundation.errors import ProgramFailed, StageFailed
from cqc_tools.packages.local import first_line
from cqc_tools.proof import kept
from cqc_tools.proof.environments import go, installs
from cqc_tools.proof.environments.environment import SOURCES, Environment, Figures, expect, inside, program, tools
from cqc_tools.proof.subject import Subject

PROGRAMS = SOURCES / "programs"
BUF = workspace.VENV_BIN / "buf"
SERVICE, HEALTH = "cqc.services.v1.MarketData", "grpc.health.v1.Health"
OUTAGE, BACK_WITHIN = 120.0, 5.0
STARTED_WITHIN = 30.0


@dataclass(frozen=True)
class Program:
    """A program that serves prices, or follows a server's; its last two arguments are the command and the address."""

    command: tuple[str | Path, ...]
    folder: Path
    suffix: str = ""

    def arguments(self, command: str, address: str) -> list[str | Path]:
        """The whole command line."""
        return [*self.command, command + self.suffix, address]


def _python(suffix: str, subject: Subject) -> Program:
    interpreter = installs.python("newest", subject)
    return Program((interpreter, PROGRAMS / "python" / "service.py"), PROGRAMS, suffix)


def _go(subject: Subject) -> Program:
    copy = go.consumer("service", subject)
    program("go", "build", "-o", "service.binary", "./service", cwd=copy)
    return Program((copy / "service.binary",), copy)


def _typescript(subject: Subject) -> Program:
    installed = installs.node("javascript", subject)
    work = installs.scratch(installed, "service", PROGRAMS / "javascript" / "service.mjs")
    return Program(("node", "service.mjs"), work)


LANGUAGES: Mapping[str, tuple[str, Callable[[Subject], Program]]] = {
    "python": ("python", partial(_python, "")),
    "python-aio": ("python", partial(_python, "_async")),
    "go": ("go", _go),
    "typescript": ("typescript", _typescript),
}


@contextmanager
def serving(server: Program, logs: Path, address: str = "127.0.0.1:0") -> Iterator[str]:
    """Run a server for as long as the context lasts; yields its address."""
    logs.mkdir(parents=True, exist_ok=True)
    log = logs / "server.log"
    command = server.arguments("serve", address)
    with process.server(command, cwd=server.folder, env=inside(), log=log) as child:
        yield first_line(child, log, "the server", STARTED_WITHIN).removeprefix("listening on ")


def _grpcurl() -> Path:
    """grpcurl, built from its pinned module."""
    sources = [SOURCES / "go-tools" / name for name in ("go.mod", "go.sum")]
    version = process.run(["go", "version"], what="go version")

    def build(folder: Path) -> None:
        program("go", "build", "-o", f"{folder}/", "tool", cwd=SOURCES / "go-tools", what="build grpcurl")

    return kept.folder("environments/go-tools", [*sources, version.encode()], build) / "grpcurl"


def _reflection(language: str, subject: Subject) -> Figures:
    """List, describe and call by name with grpcurl and buf, which know the contracts by reflection alone."""
    _, make = LANGUAGES[language]
    grpcurl = (_grpcurl(), "-plaintext", "-max-time", "20")
    server = make(subject)
    with serving(server, workspace.CACHE / "environments" / "logs" / f"reflection-{language}") as address:
        listed = program(*grpcurl, address, "list").split()
        expect("whether the service and health are listed", {SERVICE, HEALTH} <= set(listed), True)
        expect(
            "whether the service is described", "rpc GetPrice" in program(*grpcurl, address, "describe", SERVICE), True
        )
        message = program(*grpcurl, address, "describe", "cqc.markets.v1.Price")
        expect("whether the message is described", "asset_id" in message, True)
        method = f"{SERVICE}/GetPrice"
        price = json.loads(program(*grpcurl, "-d", '{"asset_id": "BTC"}', address, method))
        # The descriptors that Python reflects have no JSON names, and grpcurl then prints the fields' own.
        expect("the price", sorted(map(str, price.values())), ["65000.5", "BTC"])
        for request, said in (('{"asset_id": "XMR"}', "NO_DATA"), ("{}", "InvalidArgument")):
            refused = _refusal(*grpcurl, "-d", request, address, method)
            expect(f"whether the refusal of {request} has {said}", said in refused, True)
        for name in ("", SERVICE):
            health = program(*grpcurl, "-d", json.dumps({"service": name}), address, f"{HEALTH}/Check")
            expect(f"the health of {name or 'the server'}", json.loads(health), {"status": "SERVING"})
        curl = (BUF, "curl", "--protocol", "grpc", "--http2-prior-knowledge")
        called = program(*curl, "-d", '{"assetId": "BTC"}', f"http://{address}/{method}")
        expect("the price by buf curl", json.loads(called), {"assetId": "BTC", "value": 65000.5})
    return {"buf": process.run([BUF, "--version"], what="buf --version").strip()}


def _refusal(*command: str | Path) -> str:
    """What a program prints when it fails."""
    try:
        program(*command)
    except ProgramFailed as failure:
        return failure.details
    raise StageFailed(f"{' '.join(map(str, command))} did not fail")


@dataclass
class Follower:
    """A client that follows a stream, and when it received what."""

    language: str
    child: Any
    lines: list[tuple[float, str]] = field(default_factory=list)
    changed: threading.Condition = field(default_factory=threading.Condition)

    def read(self) -> None:
        """Read to the end of the program."""
        for line in self.child.stdout:
            with self.changed:
                self.lines.append((time.monotonic(), line.decode().strip()))
                self.changed.notify_all()

    def item_after(self, moment: float, patience: float) -> float:
        """When the first item after a moment arrived. Raises StageFailed if none did within `patience` seconds."""

        def arrived() -> float | None:
            return next((when for when, line in self.lines if when > moment and line.startswith("item")), None)

        with self.changed:
            found = self.changed.wait_for(arrived, patience)
        if found is None:
            last = "\n".join(line for _, line in self.lines[-5:])
            raise StageFailed(f"the {self.language} client received nothing within {patience:g} s", details=last)
        return found


def _outage(subject: Subject) -> Figures:
    """Stop a server for two minutes: its clients must receive prices again within seconds of its return."""
    programs = {name: make(subject) for name, (_, make) in LANGUAGES.items()}
    logs = workspace.CACHE / "environments" / "logs" / "outage"
    with ExitStack() as clients:
        with serving(programs["go"], logs) as address:
            followers = [
                clients.enter_context(_following(name, client, address, logs)) for name, client in programs.items()
            ]
            for follower in followers:
                follower.item_after(0, STARTED_WITHIN)
        process.interrupted.wait(OUTAGE)
        with serving(programs["go"], logs, address):
            back = time.monotonic()
            return {
                follower.language: f"{follower.item_after(back, BACK_WITHIN) - back:.1f} s" for follower in followers
            }


@contextmanager
def _following(language: str, client: Program, address: str, logs: Path) -> Iterator[Follower]:
    command, log = client.arguments("follow", address), logs / f"{language}.log"
    with process.server(command, cwd=client.folder, env=inside(), log=log) as child:
        follower = Follower(language, child)
        reader = threading.Thread(target=follower.read, daemon=True)
        reader.start()
        yield follower


ENVIRONMENTS: tuple[Environment, ...] = (
    *(
        Environment(
            f"reflection-{language}",
            f"grpcurl and buf curl list, describe and call the {language} server, and check its health",
            "go-tools/go.mod",
            tools("github.com/fullstorydev/grpcurl"),
            (package,),
            partial(_reflection, language),
        )
        for language, (package, _) in LANGUAGES.items()
    ),
    Environment(
        "outage",
        f"A server that is away for {OUTAGE:g} s: every client follows again within {BACK_WITHIN:g} s of its return",
        "go/go.mod",
        tools("google.golang.org/grpc"),
        ("python", "go", "typescript"),
        _outage,
        slow=True,
    ),
)
