"""Run the command line with a fault at one moment of its work on disk: as it opens the n-th file for writing below a
folder, and then at all that follow if the disk is full.

    python -m cqc_tools.proof.disk_faults {full|kill} <n> <folder> <arguments of the command line>
"""

import errno
import os
import runpy
import signal
import sys
from enum import StrEnum

WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class DiskFault(StrEnum):
    """What happens at the chosen moment."""

    FULL = "full"
    KILL = "kill"


def strike(fault: DiskFault, number: int, folder: str) -> None:
    """Let the fault happen as this process opens the n-th file for writing below a folder."""
    opened = 0

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal opened
        if event != "open":
            return
        path, _, flags = arguments
        if not isinstance(path, str | os.PathLike) or not isinstance(flags, int) or not flags & WRITING:
            return
        path = os.path.abspath(os.fspath(path))
        if not path.startswith(folder + os.sep):
            return
        opened += 1
        if opened < number:
            return
        if fault is DiskFault.KILL:
            os.kill(os.getpid(), signal.SIGKILL)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)

    sys.addaudithook(watch)


if __name__ == "__main__":
    fault, number, folder = DiskFault(sys.argv[1]), int(sys.argv[2]), os.path.abspath(sys.argv[3])
    sys.argv = ["cqc_tools", *sys.argv[4:]]
    strike(fault, number, folder)
    runpy.run_module("cqc_tools", run_name="__main__", alter_sys=True)
