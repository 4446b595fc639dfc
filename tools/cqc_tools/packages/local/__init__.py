"""Registries on this machine: a real pypiserver, verdaccio and git remote, on free loopback ports."""

import socket
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import waitress

from cqc_tools.foundation import process, workspace
from cqc_tools.foundation.errors import StageFailed
from cqc_tools.packages import Credentials, Ecosystem

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]
# These registries accept anything, but their clients insist on credentials.
ANYONE = Credentials("anyone", "anything")


@dataclass(frozen=True)
class Running:
    """Addresses of registries by their keys in release.toml; `credentials` is None if the clients find their own."""

    addresses: Mapping[str, str]
    credentials: Credentials | None = ANYONE


@contextmanager
def running(folder: Path, chosen: Sequence[Ecosystem]) -> Iterator[Running]:
    """Start the ecosystems' registries and a git remote, which keep their files under `folder` and stop with the
    context."""
    from cqc_tools.packages.local import git

    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack, ThreadPoolExecutor() as pool:
        servers = [*(ecosystem.serve(folder) for ecosystem in chosen), git.serving(folder)]
        starting = [pool.submit(stack.enter_context, server) for server in servers]
        yield Running({key: address for started in starting for key, address in started.result().items()})


def serve_application(application: Application) -> None:
    """Serve a WSGI application on a free loopback port, printed as the first line, until the process is stopped."""
    server = waitress.create_server(application, host="127.0.0.1", port=0)
    print(server.effective_port, flush=True)
    server.run()


@contextmanager
def own_server(module: str, *arguments: str | Path, log: Path) -> Iterator[str]:
    """Run one of this room's modules as a server and yield its address, which ends with a slash."""
    words = [sys.executable, "-m", f"{__name__}.{module}", *arguments]
    environment = workspace.tool_environment(PYTHONPATH=str(workspace.ROOT / "tools"))
    with process.server(words, cwd=workspace.ROOT, env=environment, log=log) as server:
        port = first_line(server, log, module)
        yield f"http://127.0.0.1:{int(port)}/"


def free_port() -> int:
    """A loopback port that is free now; another program may take it before it is used."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def first_line(server: Any, log: Path, what: str, patience: float = 60) -> str:
    """The first line that a server prints, which says where it listens.

    Raises StageFailed with its log if it ends, or stays silent for `patience` seconds.
    """
    found: list[bytes] = []
    reader = threading.Thread(target=lambda: found.append(server.stdout.readline()), daemon=True)
    reader.start()
    reader.join(patience)
    if not found or not found[0]:
        raise StageFailed(f"{what} did not start", details=log.read_text(errors="replace").strip())
    return found[0].decode().strip()
