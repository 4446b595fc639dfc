"""Two runs in one checkout, and a full disk."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from conftest import Checkout

from cqc_tools.foundation import errors, files, lock, process
from cqc_tools.foundation.errors import DiskFull, UserError

HOLD = """
import pathlib, sys, time
from cqc_tools.foundation import lock
with lock.held(pathlib.Path(sys.argv[1]), "publish 1.2.0"):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_publish_in_one_checkout_is_refused(checkout: Checkout) -> None:
    checkout.git("tag", "v1.2.0")
    path = checkout.folder / "dist" / ".publishing-1.2.0"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)],
        env=checkout.environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == b"held\n"
        done = checkout.cqc("publish", "--release", "1.2.0")
        assert done.returncode == 2
        assert f"process {holder.pid} is about to publish 1.2.0 in this checkout already" in done.stderr
        assert f"kill {holder.pid}" in done.stderr
        # Another release is not affected.
        with lock.held(path.with_name(".publishing-1.3.0"), "publish 1.3.0"):
            pass
        holder.send_signal(signal.SIGKILL)
    with (
        lock.held(path, "publish 1.2.0"),
        pytest.raises(UserError, match=f"process {os.getpid()} "),
        lock.held(path, "publish 1.2.0"),
    ):
        pass


def test_a_full_disk_is_named_and_leaves_the_file_as_it_was(checkout: Checkout) -> None:
    """The disk is full from the first write into the checkout."""
    changelog = checkout.folder / "CHANGELOG.md"
    before = changelog.read_bytes()
    command = [sys.executable, "-m", "cqc_tools.proof.disk_faults", "full", "1", str(checkout.folder)]
    done = subprocess.run(
        [*command, "changelog", "--release", "1.2.0"],
        cwd=checkout.folder,
        env=checkout.environment(),
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 1
    assert f"no space is left on the disk of {changelog}" in done.stderr
    assert "make clean" in done.stderr
    assert "Traceback" not in done.stderr
    assert changelog.read_bytes() == before
    assert [path.name for path in checkout.folder.glob(".CHANGELOG*")] == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="NOT TESTED here: the system has no /dev/full")
def test_a_full_disk_ends_a_write(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    target = tmp_path / "folder" / "file"
    files.write_text(target, "before")
    monkeypatch.setattr(tempfile, "mkstemp", lambda **_: (os.open("/dev/full", os.O_WRONLY), str(tmp_path / "x")))
    with pytest.raises(DiskFull, match=f"no space is left on the disk of {target}"):
        files.write_text(target, "after")
    assert target.read_text() == "before"


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("fatal: write error: No space left on device", DiskFull),
        ("npm error code ENOSPC", DiskFull),
        ("remote: fatal: write error: No space left on device", errors.ProgramFailed),
    ],
)
def test_a_program_that_meets_a_full_disk(said: str, kind: type[errors.ToolError]) -> None:
    with pytest.raises(kind):
        process.run(["sh", "-c", f"echo '{said}' >&2; exit 1"])
