"""Temporary folders that do not outlive the run, not even one that was killed."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PREFIX = "cqc-"
LOCK = ".in-use"


@contextmanager
def folder(purpose: str) -> Iterator[Path]:
    """A new folder in the system's temporary folder that is removed with the context.

    `purpose` becomes part of its name. The folder is locked as long as it is in use: `remove_leftovers` removes those
    of killed runs.
    """
    made = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{purpose}-"))
    try:
        # Held until the process ends, however it ends.
        with (made / LOCK).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            content = made / "content"
            content.mkdir()
            yield content
    finally:
        # A server that was just stopped may still write a file.
        shutil.rmtree(made, ignore_errors=True)


def remove_leftovers() -> None:
    """Remove this user's folders whose run was killed."""
    for found in Path(tempfile.gettempdir()).glob(f"{PREFIX}*-*"):
        with suppress(OSError):
            if found.stat().st_uid == os.getuid() and _is_abandoned(found):
                shutil.rmtree(found, ignore_errors=True)


def _is_abandoned(found: Path) -> bool:
    try:
        lock = (found / LOCK).open("r+")
    except FileNotFoundError:
        # Being made or removed by another run, or not a folder of this module.
        return False
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True
