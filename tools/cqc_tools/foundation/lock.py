"""Locks that one process of this machine holds at a time, and loses with its end, however it ends."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cqc_tools.foundation.errors import UserError, disk_full


@contextmanager
def held(path: Path, what: str) -> Iterator[None]:
    """Hold the lock at `path` for as long as the context lasts; the file stays.

    Raises UserError naming the process that holds it, without waiting. `what` is what both of them do.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Not inherited by programs, which may outlive a killed run for a moment.
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise disk_full(error, path) or error from error
    with os.fdopen(handle, "r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = file.read().strip()
            process = f"process {holder}" if holder else "another process"
            raise UserError(
                f"{process} is about to {what} in this checkout already",
                "wait until it has ended" + (f", or stop it: kill {holder}" if holder else ""),
            ) from None
        try:
            file.truncate()
            file.write(f"{os.getpid()}\n")
            file.flush()
        except OSError as error:
            # The lock itself takes no space, but its holder's number does.
            raise disk_full(error, path) or error from error
        yield
