"""Registries on this machine: a real pypiserver, verdaccio and git remote, on free loopback ports."""

import socketserver
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from cqc_tools.foundation import process, workspace
from cqc_tools.foundation.errors import StageFailed
from cqc_tools.packages import Credentials

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]


# What the registries on this machine take: anything, but their clients insist on having something to show.
ANYONE = Credentials("anyone", "anything")


@dataclass(frozen=True)
class Registries:
    """Addresses of registries: where pip reads (ends with a slash), where twine uploads (empty for twine's own), npm's
    (ends with a slash) and the git remote. `credentials` is None where the clients have to find theirs themselves."""

    python_index: str
    python_upload: str
    npm: str
    git: str
    credentials: Credentials | None = None


@contextmanager
def running(folder: Path) -> Iterator[Registries]:
    """Start all three with their storage under `folder`; they end with the context, whatever ends it."""
    from cqc_tools.packages.local import git, npm, pypi

    with ExitStack() as stack, ThreadPoolExecutor(max_workers=3) as pool:
        starting = [
            pool.submit(stack.enter_context, server)
            for server in (pypi.running(folder / "pypi"), npm.running(folder / "npm"), git.running(folder / "git"))
        ]
        python, registry, remote = (started.result() for started in starting)
        yield Registries(f"{python}simple/", python, registry, remote, ANYONE)


class _Server(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _QuietHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        print(format % args, file=sys.stderr)


def serve(application: Application) -> None:
    """Serve a WSGI application on a free loopback port, printed as the first line, until the process is ended."""
    with make_server("127.0.0.1", 0, application, _Server, _QuietHandler) as server:
        print(server.server_port, flush=True)
        server.serve_forever()


@contextmanager
def serving(command: str, *arguments: str | Path, log: Path) -> Iterator[str]:
    """Run one of the tool's own servers and yield its address, ending with a slash."""
    words = [sys.executable, "-m", "cqc_tools", command, *arguments]
    environment = workspace.tool_environment(PYTHONPATH=str(workspace.ROOT / "tools"))
    with process.server(words, cwd=workspace.ROOT, env=environment, log=log) as server:
        port = first_line(server, log, command)
        yield f"http://127.0.0.1:{int(port)}/"


def first_line(server: Any, log: Path, what: str, patience: float = 60) -> str:
    """The first line a server prints, which says where it listens.

    Raises StageFailed with its log when it ends or stays silent for `patience` seconds.
    """
    found: list[bytes] = []
    reader = threading.Thread(target=lambda: found.append(server.stdout.readline()), daemon=True)
    reader.start()
    reader.join(patience)
    if not found or not found[0]:
        raise StageFailed(f"{what} did not start:\n{log.read_text(errors='replace').strip()}")
    return found[0].decode().strip()
