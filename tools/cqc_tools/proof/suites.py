"""Run a test runner: its output goes to the user, or into the failure while other parts run too."""

import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cqc_tools.foundation import console, process, temporary, workspace
from cqc_tools.foundation.errors import StageFailed, ToolError
from cqc_tools.proof import outcomes

PYTEST = ("-m", "pytest", "-c", "tools/pyproject.toml")
SLOWEST = 10


@dataclass(frozen=True)
class MeasuredTest:
    """A test and how long it took, with its fixtures."""

    name: str
    seconds: float


@dataclass(frozen=True)
class Suite:
    """One run of a test runner; `tests` is None for a runner that does not report a count."""

    title: str
    tests: int | None = None
    skipped: int = 0
    slowest: tuple[MeasuredTest, ...] = ()
    failure: ToolError | None = None

    def to_json(self) -> dict[str, Any]:
        """The result for a program."""
        return {
            "title": self.title,
            "passed": self.failure is None,
            "tests": self.tests,
            "skipped": self.skipped,
            "slowest": [asdict(test) for test in self.slowest],
        }


@dataclass(frozen=True)
class Suites:
    """The test suites of one part."""

    suites: tuple[Suite, ...]

    @property
    def failure(self) -> ToolError | None:
        """The failures of all suites as one."""
        return outcomes.as_one(suite.failure for suite in self.suites)

    @property
    def slowest(self) -> tuple[MeasuredTest, ...]:
        """The slowest tests of all suites."""
        return tuple(sorted((test for suite in self.suites for test in suite.slowest), key=lambda test: -test.seconds))

    def to_json(self) -> dict[str, Any]:
        """The result for a program."""
        return {"suites": [suite.to_json() for suite in self.suites]}

    def show(self) -> None:
        """Print the result for a person."""
        for suite in self.suites:
            counts = [] if suite.tests is None else [f"{suite.tests} tests"]
            counts += [f"{suite.skipped} skipped"] if suite.skipped else []
            counts += ["FAILED" if suite.failure else "passed"]
            console.output.print(f"{suite.title}: {', '.join(counts)}")


def run(
    title: str,
    command: Sequence[str | Path],
    *,
    live: bool,
    cwd: Path = workspace.ROOT,
    environment: Mapping[str, str] | None = None,
) -> Suite:
    """Run a test runner; with `live` its output goes straight to the user."""
    failure: ToolError | None = None
    if live:
        if not process.passes(command, cwd=cwd, env=environment):
            failure = StageFailed(f"{title} failed")
    else:
        try:
            process.run(command, cwd=cwd, env=environment, what=title)
        except ToolError as raised:
            failure = raised
    return Suite(title, failure=failure)


def run_pytest(
    title: str, python: Path, tests: Path, *options: str, live: bool, environment: Mapping[str, str] | None = None
) -> Suite:
    """Run pytest on a folder."""
    with temporary.folder("pytest") as scratch:
        report = Path(scratch, "report.xml")
        command: list[str | Path] = [python, *PYTEST, *options, f"--junitxml={report}", tests]
        suite = run(title, command, live=live, environment=environment)
        if not report.exists():
            return suite
        cases = list(ElementTree.parse(report).iter("testcase"))
    measured = [
        MeasuredTest(f"{case.get('classname', '').rpartition('.')[2]}::{case.get('name')}", float(case.get("time", 0)))
        for case in cases
    ]
    return Suite(
        title,
        len(cases),
        sum(case.find("skipped") is not None for case in cases),
        tuple(sorted(measured, key=lambda test: -test.seconds)[:SLOWEST]),
        suite.failure,
    )
