"""Time and chance, as functions that tests replace."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from typing import Protocol

__all__ = ["Timer", "jitter", "later", "monotonic", "nanos", "sleep"]


class Timer(Protocol):
    """A function that runs later unless it is cancelled."""

    def cancel(self) -> None:
        """Stop the timer."""


nanos = time.time_ns
monotonic = time.monotonic
sleep = time.sleep


def later(delay: float, run: Callable[[], None]) -> Timer:
    """Run a function after `delay` seconds, in another thread."""
    timer = threading.Timer(delay, run)
    timer.daemon = True
    timer.start()
    return timer


def jitter() -> float:
    """Return the factor by which a wait differs, so that clients that lost the same server come back one by one."""
    return random.uniform(0.8, 1.2)
