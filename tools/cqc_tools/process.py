"""Run other programs: their output is captured, shown on failure, and no child outlives the tool."""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from cqc_tools import workspace
from cqc_tools.errors import StageFailed


def run(
    command: Sequence[str | Path],
    *,
    cwd: Path = workspace.ROOT,
    env: Mapping[str, str] | None = None,
    stdin: bytes | None = None,
    what: str = "",
) -> str:
    """Run a command to its end and return its standard output.

    Raises StageFailed with everything the command printed when it exits non-zero or cannot be started. `what` says in
    the user's words what the command was for.
    """
    words = [str(word) for word in command]
    try:
        done = subprocess.run(
            words, cwd=cwd, env=dict(env or workspace.tool_environment()), input=stdin, capture_output=True
        )
    except OSError as error:
        raise StageFailed(f"{what or words[0]}: could not start {words[0]}: {error}") from error
    printed = done.stdout.decode(errors="replace")
    if done.returncode:
        details = (printed + done.stderr.decode(errors="replace")).strip()
        raise StageFailed(f"{what or 'command'} failed with exit code {done.returncode}: {' '.join(words)}\n{details}")
    return printed


def passes(command: Sequence[str | Path], *, cwd: Path = workspace.ROOT, env: Mapping[str, str] | None = None) -> bool:
    """Run a command with its output going straight to the user; say whether it succeeded."""
    words = [str(word) for word in command]
    try:
        return subprocess.run(words, cwd=cwd, env=dict(env or workspace.tool_environment())).returncode == 0
    except OSError as error:
        raise StageFailed(f"could not start {words[0]}: {error}") from error


def start(command: Sequence[str | Path], *, cwd: Path, env: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
    """Start a server in a process group of its own; standard output is a pipe, standard error goes to `log`."""
    with log.open("wb") as errors:
        return subprocess.Popen(
            [str(word) for word in command],
            cwd=cwd,
            env=dict(env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
        )


def stop(process: subprocess.Popen[bytes], patience: float = 5.0) -> None:
    """End a started process and its children: ask first, insist after `patience` seconds."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, sign)
        except ProcessLookupError:
            break
        try:
            process.wait(patience)
            if sign == signal.SIGTERM:
                continue  # the leader is gone; the second round reaches children that stayed behind
        except subprocess.TimeoutExpired:
            continue
    process.wait()
    if process.stdout:
        process.stdout.close()
