"""Run independent pieces of work, time each, and keep its failure instead of stopping at the first."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

from cqc_tools.foundation import console, process
from cqc_tools.foundation.configuration import Configuration
from cqc_tools.foundation.errors import StageFailed, ToolError, all_of

T = TypeVar("T")


class Result(Protocol):
    """The result of a stage, which may be a failure."""

    @property
    def failure(self) -> ToolError | None:
        """The failure, None if the stage passed."""

    def to_json(self) -> dict[str, Any]:
        """The result for a program."""

    def show(self) -> None:
        """Print the result for a person."""


@dataclass(frozen=True)
class Outcome:
    """One piece of work and how it ended. `result` is None if it has nothing to report beyond passing or failing."""

    title: str
    seconds: float
    failure: ToolError | None = None
    result: Result | None = None

    @property
    def passed(self) -> bool:
        """Whether it succeeded."""
        return self.failure is None

    def to_json(self) -> dict[str, Any]:
        """The outcome for a program."""
        return {
            "title": self.title,
            "passed": self.passed,
            "seconds": round(self.seconds, 2),
            "failure": self.failure.to_json() if self.failure else None,
            **({"result": self.result.to_json()} if self.result else {}),
        }


class Once(Generic[T]):
    """A value that several threads need and the first one makes. A failure is kept too, and raised to everyone."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._made: Callable[[], T] | None = None

    def get(self) -> T:
        """The value, made now if no one has asked before. Raises the ToolError that making it raised."""
        with self._lock:
            if self._made is None:
                try:
                    value = self._make()
                except ToolError as failure:
                    self._made = partial(_fail, failure)
                else:
                    self._made = lambda: value
        return self._made()


def _fail(failure: ToolError) -> Any:
    raise failure


def run(title: str, work: Callable[[], Result | None]) -> Outcome:
    """Do one piece of work, and show when it is done."""
    started = time.monotonic()
    result, failure = None, None
    try:
        result = work()
    except ToolError as raised:
        failure = raised
    seconds = time.monotonic() - started
    outcome = Outcome(title, seconds, failure or (result.failure if result else None), result)
    if outcome.passed:
        console.ok(title, f"{seconds:.1f} s")
    else:
        console.progress.print(f"[red]FAILED[/red]  {title} [dim]({seconds:.1f} s)[/dim]")
    return outcome


def run_all(
    works: Sequence[tuple[str, Callable[[], Result | None]]], workers: int = console.WORKERS
) -> Iterator[Outcome]:
    """Do several independent pieces of work, `workers` at a time; outcomes come in the order of `works`."""
    for future in process.in_parallel([partial(run, *work) for work in works], workers):
        yield future.result()


def as_one(failures: Iterable[ToolError | None]) -> ToolError | None:
    """One failure for several, None if there are none."""
    found = [failure for failure in failures if failure]
    return all_of(found) if found else None


def left_out(settings: Configuration) -> str:
    """A sentence about what is left out in a project without CQC's own code, nothing in CQC itself."""
    if settings.cqc_code:
        return ""
    parts = "helpers, corpus, golden bytes, venues, examples, environments"
    return f"left out, because release.toml has cqc_code = false: {parts}"


def first_problems(problem: str, lines: Sequence[str], shown: int, fix: str = "") -> StageFailed:
    """A failure that lists the first few of many problems."""
    more = [f"... and {len(lines) - shown} more"] if len(lines) > shown else []
    return StageFailed(problem, fix, "\n".join([*lines[:shown], *more]))
