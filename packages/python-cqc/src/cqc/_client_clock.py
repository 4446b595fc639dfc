"""Time and randomness, as functions that tests replace."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import Protocol

__all__ = ["Timer", "jitter", "later", "monotonic", "nanos", "sleep"]


class Timer(Protocol):
    """A function scheduled to run later."""

    def cancel(self) -> None:
        """Do not run it."""


nanos = time.time_ns
monotonic = time.monotonic
sleep = time.sleep


def later(delay: float, run: Callable[[], None]) -> Timer:
    """Run a function in another thread after `delay` seconds."""
    timer = threading.Timer(delay, run)
    timer.daemon = True
    timer.start()
    return timer


def jitter() -> float:
    """Return a random factor for a delay, so that the clients of a lost server do not all return together."""
    return random.uniform(0.8, 1.2)
