"""An interrupted rehearsal, invalid input to it, and examples that disagree."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from conftest import Checkout

from cqc_tools.foundation.errors import StageFailed
from cqc_tools.packages import Installation, examples


def processes_naming(text: str) -> list[str]:
    """The command lines of running processes that contain a string."""
    found = []
    for command in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = command.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if text in line:
            found.append(line)
    return found


needs_proc = pytest.mark.skipif(
    not Path("/proc").is_dir(), reason="NOT TESTED here: only Linux lists processes in /proc"
)


def _as_started_by(interrupt: signal.Handlers) -> None:
    """The signals of a terminal's program, or of one in the background of a script, however the tests were started."""
    signal.signal(signal.SIGINT, interrupt)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@contextmanager
def rehearsing_until(
    moment: str, checkout: Checkout, scratch: Path, in_background: bool = False
) -> Iterator[subprocess.Popen[str]]:
    """A rehearsal that has reached a moment; in the background of a script SIGINT is ignored."""
    command = [sys.executable, "-m", "cqc_tools", "rehearse", "--release", "0.7.7"]
    with subprocess.Popen(
        command,
        cwd=checkout.folder,
        env=checkout.environment(TMPDIR=str(scratch)),
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=partial(_as_started_by, signal.SIG_IGN if in_background else signal.SIG_DFL),
    ) as running:
        assert running.stderr
        seen = ""
        while moment not in seen:
            line = running.stderr.readline()
            seen += line
            assert line, seen
        yield running


@pytest.mark.long
@needs_proc
@pytest.mark.parametrize(
    ("sign", "moment", "in_background"),
    [
        (signal.SIGINT, "build Go", False),
        (signal.SIGINT, "publish cqc", False),
        (signal.SIGTERM, "build Go", True),
        (signal.SIGTERM, "publish cqc", False),
        (signal.SIGHUP, "publish cqc", False),
    ],
)
def test_an_interrupted_rehearsal_leaves_nothing(
    checkout: Checkout, tmp_path: Path, sign: int, moment: str, in_background: bool
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    tags = checkout.git("tag")
    with rehearsing_until(moment, checkout, scratch, in_background) as running:
        running.send_signal(sign)
        printed, rest = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "interrupted" in rest
    assert "Traceback" not in rest
    assert printed == ""
    assert processes_naming(str(scratch)) == []
    assert list(scratch.iterdir()) == []
    assert checkout.git("tag") == tags
    assert checkout.git("status", "--porcelain") == ""


@pytest.mark.long
@needs_proc
def test_the_servers_of_a_killed_rehearsal_end_and_the_next_run_removes_its_files(
    checkout: Checkout, tmp_path: Path
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with rehearsing_until("publish cqc", checkout, scratch) as running:
        assert processes_naming(str(scratch)) != []
        running.kill()
    deadline = time.monotonic() + 30
    while (left := processes_naming(str(scratch / "cqc-rehearsal"))) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert left == []
    assert list(scratch.iterdir()) != []
    assert checkout.cqc("version", TMPDIR=str(scratch)).returncode == 0
    assert list(scratch.iterdir()) == []


@pytest.fixture(scope="module")
def first_released(pristine: Checkout, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    checkout = pristine.copy(tmp_path_factory.mktemp("first-released") / "checkout")
    checkout.git("tag", "v1.0.0")
    return checkout


@pytest.mark.parametrize(
    ("release", "expected"),
    [
        ("1.2", "1.2.0-rc.1"),
        ("1.0.0", "v1.0.0 is already released"),
        ("1.2.0-dev.1", "cannot be published"),
        ("2.0.0", "/v2"),
    ],
)
def test_a_version_that_cannot_be_released_is_refused(first_released: Checkout, release: str, expected: str) -> None:
    done = first_released.cqc("rehearse", "--release", release)
    assert done.returncode == 2
    assert expected in done.stderr
    assert "Traceback" not in done.stderr


def example(folder: Path, digest: str) -> Installation:
    """A program with the examples' command line, which prints this digest as that of its rebuilt books."""
    program = folder / f"{digest}.py"
    program.write_text(
        "import json, sys, threading\n"
        "if sys.argv[1] == 'serve':\n"
        "    print('listening on 127.0.0.1:1', flush=True)\n"
        "    threading.Event().wait()\n"
        f"print(json.dumps(dict(books=1, deltas=1, trades=1, digest={digest!r})))\n"
    )
    return Installation(folder, dict(os.environ), 0.0, describe=(), example=(sys.executable, str(program)))


def test_a_client_that_rebuilds_other_books_is_named(tmp_path: Path) -> None:
    agreeing = {name: example(tmp_path, "same") for name in ("python", "go")}
    assert len(examples.all_pairs(agreeing, tmp_path, tmp_path / "logs")) == 4
    with pytest.raises(StageFailed, match="client typescript: other"):
        examples.all_pairs({**agreeing, "typescript": example(tmp_path, "other")}, tmp_path, tmp_path / "logs")
