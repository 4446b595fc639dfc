"""The parts of the tests, what each needs, and the order in which they run."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from cqc_tools.foundation import console
from cqc_tools.foundation.errors import StageFailed, ToolError, UserError
from cqc_tools.proof import (
    check,
    faults,
    interop,
    outcomes,
    package_tests,
    rehearse,
    runtimes,
    tools_tests,
    venue_roundtrip,
)
from cqc_tools.proof.environments import matrix
from cqc_tools.proof.outcomes import Outcome, Result
from cqc_tools.proof.subject import Subject
from cqc_tools.proof.suites import MeasuredTest, Suites

ALL, FAST = "all", "fast"
CORPUS_SAMPLE = 16_000


@dataclass(frozen=True)
class Part:
    """One part of the tests. `run` is told whether test runners may print straight to the user; `whole` runs instead if
    the part runs alone.

    `needs_package` is the key of the ecosystem that it tests.
    """

    name: str
    run: Callable[[Subject, bool], Result | None]
    whole: Callable[[Subject, bool], Result | None] | None = None
    needs_build: bool = False
    needs_package: str = ""
    needs_cqc_code: bool = False


# The parts of a phase run two at a time, the longest first. A part that uses both cores has a phase of its own.
PHASES: tuple[tuple[Part, ...], ...] = (
    (
        Part("check", lambda subject, live: check.run(subject.settings)),
        Part("build", lambda subject, live: _built(subject)),
        Part("rehearsal", lambda subject, live: rehearse.rehearse("", subject.settings)),
        Part("go", package_tests.go, needs_build=True, needs_package="go"),
        Part("python", package_tests.python, needs_build=True, needs_package="python"),
        # `make interop` judges the whole corpus.
        Part("interop", lambda subject, live: interop.run(subject, CORPUS_SAMPLE), needs_build=True),
        Part("typescript", package_tests.typescript, needs_build=True, needs_package="typescript"),
        Part(
            "environments",
            lambda subject, live: matrix.run(subject, matrix.TESTED),
            needs_build=True,
            needs_package="typescript",
            needs_cqc_code=True,
        ),
        Part("lossless", lambda subject, live: venue_roundtrip.run(subject), needs_build=True, needs_cqc_code=True),
    ),
    # Every sort of fault, at another registry and moment each week; `make faults` runs all combinations.
    (
        Part(
            "faults",
            lambda subject, live: faults.run(faults.sample(faults.scenarios(subject.settings), interop.weekly_seed())),
        ),
    ),
    (
        Part(
            "tools",
            lambda subject, live: tools_tests.run(subject.settings, live, seed=interop.weekly_seed()),
            whole=lambda subject, live: tools_tests.run(subject.settings, live),
        ),
    ),
)
FAST_PHASES: tuple[tuple[Part, ...], ...] = (
    (
        Part("check", lambda subject, live: check.run(subject.settings, quick=True)),
        Part(
            "python",
            lambda subject, live: package_tests.python(subject, live, (runtimes.NEWEST,)),
            needs_build=True,
            needs_package="python",
        ),
    ),
    (Part("tools", lambda subject, live: tools_tests.run(subject.settings, live, quick=True)),),
)
PARTS = tuple(part.name for phase in PHASES for part in phase)


@dataclass(frozen=True)
class Tests:
    """All parts that ran, in order, and a sentence about what was left out."""

    parts: tuple[Outcome, ...]
    left_out: str
    seconds: float

    @property
    def failure(self) -> ToolError | None:
        """The failure of a single part; of several parts, the names of those that failed."""
        failed = [outcome for outcome in self.parts if outcome.failure]
        if not failed:
            return None
        if len(self.parts) == 1:
            return failed[0].failure
        names = ", ".join(outcome.title for outcome in failed)
        return StageFailed(f"tests failed: {names}", "make help lists the targets that run one part alone")

    @property
    def slowest(self) -> tuple[MeasuredTest, ...]:
        """The slowest tests of tools/."""
        suites = [outcome.result for outcome in self.parts if outcome.title == "tools"]
        return tuple(test for result in suites if isinstance(result, Suites) for test in result.slowest)

    def to_json(self) -> dict[str, Any]:
        """The result for a program."""
        return {
            "passed": self.failure is None,
            "seconds": round(self.seconds, 2),
            "parts": [
                {"part": outcome.title, **{key: value for key, value in outcome.to_json().items() if key != "title"}}
                for outcome in self.parts
            ],
            "left_out": self.left_out,
        }

    def show(self) -> None:
        """Print the result of a single part; of several parts, the failures and a table."""
        if len(self.parts) == 1:
            if self.parts[0].result:
                self.parts[0].result.show()
        else:
            self._show_table()
        if self.left_out:
            console.output.print(self.left_out)

    def _show_table(self) -> None:
        shown: list[ToolError] = []
        for outcome in self.parts:
            if outcome.failure:
                console.progress.rule(outcome.title, align="left")
                # A failed build fails every part that needs it.
                known = any(outcome.failure is failure for failure in shown)
                console.progress.print("see above" if known else str(outcome.failure), markup=False)
                shown.append(outcome.failure)
        console.progress.rule(align="left")
        if self.slowest:
            console.table(("slowest tests", "time"), [(test.name, f"{test.seconds:.1f} s") for test in self.slowest])
            console.output.print()
        rows = [
            (outcome.title, "passed" if outcome.passed else "FAILED", f"{outcome.seconds:.0f} s")
            for outcome in self.parts
        ]
        console.table(("part", "result", "time"), [*rows, ("all", "", f"{self.seconds:.0f} s")])


def run(name: str, subject: Subject, live: bool = True) -> Tests:
    """Run one part, all parts, or the fast ones.

    A single part's test runner prints straight to the user if `live`. Raises UserError for an unknown part.
    """
    started = time.monotonic()
    if name not in (*PARTS, ALL, FAST):
        raise UserError(f"there are no tests called {name!r}", f"choose one of {', '.join((*PARTS, ALL, FAST))}")
    phases = FAST_PHASES if name == FAST else PHASES
    chosen = [[part for part in phase if name in (part.name, ALL, FAST)] for phase in phases]
    alone = sum(map(len, chosen)) == 1
    done: list[Outcome] = []
    for phase in chosen:
        works = [(part.name, partial(_run, part, subject, live, alone)) for part in phase if _belongs(part, subject)]
        done += outcomes.run_all(works)
    return Tests(tuple(done), outcomes.left_out(subject.settings), time.monotonic() - started)


def _belongs(part: Part, subject: Subject) -> bool:
    has_package = not part.needs_package or part.needs_package in subject.settings.packages
    return has_package and (subject.settings.cqc_code or not part.needs_cqc_code)


def _run(part: Part, subject: Subject, live: bool, alone: bool) -> Result | None:
    if part.needs_build:
        _built(subject)
    run = part.whole if alone and part.whole else part.run
    return run(subject, live and alone)


def _built(subject: Subject) -> None:
    """Build the packages, if no other part has."""
    _ = subject.built
