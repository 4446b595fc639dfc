"""Run other programs: their output is captured, shown on failure, and no child outlives the tool."""

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from cqc_tools.foundation import workspace
from cqc_tools.foundation.errors import StageFailed

Command = Sequence[str | Path]
_started: set[subprocess.Popen[bytes]] = set()


def run(
    command: Command,
    *,
    cwd: Path = workspace.ROOT,
    env: Mapping[str, str] | None = None,
    stdin: bytes | None = None,
    what: str = "",
) -> str:
    """Run a command to its end and return its standard output as text; see `run_bytes`."""
    return run_bytes(command, cwd=cwd, env=env, stdin=stdin, what=what).decode(errors="replace")


def run_bytes(
    command: Command,
    *,
    cwd: Path = workspace.ROOT,
    env: Mapping[str, str] | None = None,
    stdin: bytes | None = None,
    what: str = "",
) -> bytes:
    """Run a command to its end and return its standard output.

    Raises StageFailed with everything the command printed when it exits non-zero or cannot be started. `what` says in
    the user's words what the command was for.
    """
    with _running(command, cwd, env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        output, errors = child.communicate(stdin)
    if child.returncode:
        words = " ".join(map(str, command))
        details = (output + errors).decode(errors="replace").strip()
        raise StageFailed(f"{what or 'command'} failed with exit code {child.returncode}: {words}\n{details}")
    return output


def passes(command: Command, *, cwd: Path = workspace.ROOT, env: Mapping[str, str] | None = None) -> bool:
    """Run a command with its output going straight to the user; say whether it succeeded."""
    with _running(command, cwd, env, stdin=subprocess.DEVNULL) as child:
        return child.wait() == 0


@contextmanager
def server(command: Command, *, cwd: Path, env: Mapping[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server for as long as the context lasts; its standard output is a pipe, standard error goes to `log`."""
    with (
        log.open("wb") as errors,
        _running(command, cwd, env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors) as child,
    ):
        yield child


def stop_all() -> None:
    """End every program that is still running, in whatever thread it was started."""
    for child in list(_started):
        _stop(child)


@contextmanager
def _running(
    command: Command,
    cwd: Path,
    env: Mapping[str, str] | None,
    *,
    stdin: int,
    stdout: int | None = None,
    stderr: int | IO[bytes] | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """A program in a process group of its own, which is ended with the context together with what it started."""
    words = [str(word) for word in command]
    try:
        child = subprocess.Popen(
            words,
            cwd=cwd,
            env=dict(env or workspace.tool_environment()),
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )
    except OSError as error:
        raise StageFailed(f"could not start {words[0]}: {error.strerror}: {error.filename}") from error
    _started.add(child)
    try:
        yield child
    finally:
        _stop(child)
        _started.discard(child)
        for pipe in (child.stdin, child.stdout, child.stderr):
            if pipe:
                with suppress(BrokenPipeError):
                    pipe.close()


def _stop(child: subprocess.Popen[bytes], patience: float = 5.0) -> None:
    """Ask a program that still runs to end, insist after `patience` seconds, then end whatever it left behind."""
    if child.poll() is not None:
        return
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            child.wait(patience)
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
