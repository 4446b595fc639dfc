"""Run a server until it ends or whoever started it is gone: `python leash.py <command>...`.

Standard input is a pipe whose other end nobody writes to. It ends when the starter does, even if that was killed and
could not stop its servers.
"""

import os
import signal
import subprocess
import sys
import threading


def main() -> int:
    """Run the command; returns its exit code."""
    try:
        child = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
    except OSError as error:
        print(f"{error.strerror}: {error.filename}", file=sys.stderr)
        return 127
    # The starter stops the whole process group and waits for this process, which must not end before the server.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    threading.Thread(target=_stop_at_end_of_input, daemon=True).start()
    code = child.wait()
    return code if code >= 0 else 128 - code


def _stop_at_end_of_input() -> None:
    while os.read(0, 1024):
        pass
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main())
