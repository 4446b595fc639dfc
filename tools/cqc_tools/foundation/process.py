"""Run other programs: their output is captured and shown on failure, and no child outlives the tool."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, TypeVar

from cqc_tools.foundation import workspace
from cqc_tools.foundation.errors import DiskFull, OverLimit, ProgramFailed, met_full_disk

Command = Sequence[str | Path]
LEASH = Path(__file__).with_name("leash.py")
# Limits the files and the memory of the program it becomes. The shell counts files in units of 512 bytes, memory in
# KiB, and not every system knows both.
LIMITED = 'ulimit -f "$1" 2>/dev/null; ulimit -d "$2" 2>/dev/null; shift 2; exec "$@"'
UNIT = 512
# Far more than any client of a registry needs, far less than a machine has: no answer may use up the rest.
MEMORY = 2 << 30
# How much of a stopped program's output is reported, in bytes.
SHOWN = 4096
T = TypeVar("T")
_started: set[subprocess.Popen[bytes]] = set()
# What programs print if the system gives them no larger file, or no more memory.
_TOO_LARGE = re.compile(
    r"\bEFBIG\b|File too large|file size limit exceeded|died of signal 25|SIGXFSZ|Out of memory|MemoryError"
    r"|heap out of memory",
    re.IGNORECASE,
)
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
    largest: int | None = None,
) -> str:
    """Run a command to its end and return its standard output as text; see `run_bytes`."""
    output = run_bytes(command, cwd=cwd, env=env, stdin=stdin, what=what, limit=limit, largest=largest)
    return output.decode(errors="replace")


def run_bytes(
    command: Command,
    *,
    cwd: Path = workspace.ROOT,
    env: Mapping[str, str] | None = None,
    stdin: bytes | None = None,
    what: str = "",
    limit: float | None = None,
    largest: int | None = None,
) -> bytes:
    """Run a command to its end and return its standard output.

    Raises ProgramFailed if it exits non-zero or cannot be started, and OverLimit if it runs for more than `limit`
    seconds, or if its output or a file that it writes has more than `largest` bytes. `what` names the purpose in the
    user's words.
    """
    if largest:
        return _run_within(command, cwd, env, what, limit, largest)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with _running(command, cwd, env, what=what, **pipes) as child:
        try:
            output, errors = child.communicate(stdin, limit)
        except subprocess.TimeoutExpired as expired:
            raise _too_slow(command, limit, expired.output or b"", expired.stderr or b"", what) from None
    if child.returncode:
        raise _failed(command, child.returncode, output, errors, what)
    return output


def _too_slow(command: Command, limit: float | None, output: bytes, errors: bytes, what: str) -> OverLimit:
    printed, said = (text.decode(errors="replace") for text in (output, errors))
    return OverLimit(command, f"did not end within {limit:g} s", printed, said, what)


def _failed(command: Command, code: int, output: bytes, errors: bytes, what: str) -> ProgramFailed | DiskFull:
    failure = ProgramFailed(command, code, output.decode(errors="replace"), errors.decode(errors="replace"), what)
    if met_full_disk(failure.stderr):
        return DiskFull(f"{workspace.ROOT} or {tempfile.gettempdir()}", str(failure))
    return failure


def _run_within(
    command: Command, cwd: Path, env: Mapping[str, str] | None, what: str, limit: float | None, largest: int
) -> bytes:
    # Its output goes to files, which are limited like all others.
    with ExitStack() as stack:
        printed, errors = (stack.enter_context(tempfile.TemporaryFile()) for _ in range(2))
        words = ["sh", "-c", LIMITED, "sh", str(-(-largest // UNIT)), str(MEMORY >> 10), *command]
        with _running(words, cwd, env, stdin=subprocess.DEVNULL, stdout=printed, stderr=errors, what=what) as child:
            try:
                code = child.wait(limit)
            except subprocess.TimeoutExpired:
                code = None
        for file in (printed, errors):
            file.seek(0)
        output, said = printed.read(), errors.read()
    if code is None:
        # Of an endless output, what was printed last does not matter.
        raise _too_slow(command, limit, output[:SHOWN], said[:SHOWN], what)
    if code == -signal.SIGXFSZ or (code and _TOO_LARGE.search(said.decode(errors="replace"))):
        exceeded = f"met a file or an answer that is too large, larger than {largest >> 20} MB"
        raise OverLimit(command, exceeded, "", said.decode(errors="replace"), what)
    if code:
        raise _failed(command, code, output, said, what)
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
    stdout: int | IO[bytes] | None = None,
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
