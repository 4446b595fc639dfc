"""Run other programs: their output is captured and shown on failure, and no child outlives the tool."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TypeVar

from cqc_tools.foundation import workspace
from cqc_tools.foundation.errors import ProgramFailed, StageFailed

Command = Sequence[str | Path]
LEASH = Path(__file__).with_name("leash.py")
T = TypeVar("T")
_started: set[subprocess.Popen[bytes]] = set()
# Set once the run is interrupted: threads that wait for something else stop waiting.
interrupted = threading.Event()


def run(
    command: Command,
    *,
    cwd: Path = workspace.ROOT,
    env: Mapping[str, str] | None = None,
    stdin: bytes | None = None,
    what: str = "",
    limit: float | None = None,
) -> str:
    """Run a command to its end and return its standard output as text; see `run_bytes`."""
    return run_bytes(command, cwd=cwd, env=env, stdin=stdin, what=what, limit=limit).decode(errors="replace")


def run_bytes(
    command: Command,
    *,
    cwd: Path = workspace.ROOT,
    env: Mapping[str, str] | None = None,
    stdin: bytes | None = None,
    what: str = "",
    limit: float | None = None,
) -> bytes:
    """Run a command to its end and return its standard output.

    Raises ProgramFailed if it exits non-zero or cannot be started, and StageFailed if it runs for more than `limit`
    seconds. `what` names the purpose in the user's words.
    """
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with _running(command, cwd, env, what=what, **pipes) as child:
        try:
            output, errors = child.communicate(stdin, limit)
        except subprocess.TimeoutExpired as expired:
            printed = b"\n".join(filter(None, (expired.output, expired.stderr)))
            raise StageFailed(
                f"{what or command[0]} did not end within {limit:g} s", details=printed.decode(errors="replace").strip()
            ) from None
    if child.returncode:
        raise ProgramFailed(
            command, child.returncode, output.decode(errors="replace"), errors.decode(errors="replace"), what
        )
    return output


def passes(command: Command, *, cwd: Path = workspace.ROOT, env: Mapping[str, str] | None = None) -> bool:
    """Run a command with its output going straight to the user; returns whether it succeeded."""
    with _running(command, cwd, env, stdin=subprocess.DEVNULL) as child:
        return child.wait() == 0


@contextmanager
def server(command: Command, *, cwd: Path, env: Mapping[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server for as long as the context lasts; its standard output is a pipe, standard error goes to `log`.

    It is stopped with this process, even if that is killed.
    """
    # The pipe to its standard input is closed with this process, however that ends; see leash.py.
    with background([sys.executable, "-I", LEASH, *command], cwd=cwd, env=env, log=log) as child:
        yield child


@contextmanager
def background(command: Command, *, cwd: Path, env: Mapping[str, str], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program for as long as the context lasts, with pipes for its standard input and output; standard error goes
    to `log`."""
    with (
        log.open("wb") as errors,
        _running(command, cwd, env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors) as child,
    ):
        yield child


def in_parallel(tasks: Iterable[Callable[[], T]], workers: int | None = None) -> Iterator[Future[T]]:
    """Run tasks in threads and yield their finished futures in the order of the tasks.

    If the run is interrupted, tasks that have not started never do, every program is stopped, and the interruption
    goes on.
    """
    with ThreadPoolExecutor(workers) as pool:
        try:
            for future in [pool.submit(task) for task in tasks]:
                future.exception()
                yield future
        except BaseException as error:
            # The pool waits for its threads, and they for their programs or the next attempt.
            pool.shutdown(wait=False, cancel_futures=True)
            if not isinstance(error, GeneratorExit):
                stop_all()
            raise


def stop_all() -> None:
    """Stop every program that is still running, in whatever thread it was started, and wake threads that wait."""
    interrupted.set()
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
    what: str = "",
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
        raise ProgramFailed(words, None, stderr=f"{error.strerror}: {error.filename}", purpose=what) from error
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
    """Ask a running program to end, kill it after `patience` seconds, then kill whatever it left behind."""
    if child.poll() is not None:
        return
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            child.wait(patience)
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
