"""All environments, and how they run: two at a time."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from cqc_tools.foundation import console
from cqc_tools.foundation.errors import ToolError, UserError
from cqc_tools.proof import outcomes
from cqc_tools.proof.environments import environment, go, python, services, tracing, typescript
from cqc_tools.proof.environments.environment import Environment
from cqc_tools.proof.outcomes import Outcome
from cqc_tools.proof.subject import Subject

ALL: tuple[Environment, ...] = (
    *typescript.ENVIRONMENTS,
    *python.ENVIRONMENTS,
    *go.ENVIRONMENTS,
    *services.ENVIRONMENTS,
    *tracing.ENVIRONMENTS,
)
NAMES = tuple(item.name for item in ALL)
# Those that are part of `make test`: one for each way in which compilers find the package.
TESTED = ("tsc-5.9-node10", "tsc-5.9-esm", "tsc-5.9-bundler", "tsc-7-esm")


def described() -> list[str]:
    """The rows of the table in docs/environments.md."""
    rows = ["| environment | what it shows | versions |", "| --- | --- | --- |"]
    own = "the machine's own"
    for item in ALL:
        name = f"{item.name} (slow)" if item.slow else item.name
        versions = ", ".join(f"{tool} {version}" for tool, version in item.versions.items())
        rows.append(f"| {name} | {item.proves} | {versions or own} |")
    return rows


@dataclass(frozen=True)
class Environments:
    """The environments that ran, in the order of the list."""

    outcomes: tuple[Outcome, ...]
    seconds: float
    left_out: str = ""

    @property
    def failure(self) -> ToolError | None:
        """The failures of all environments as one."""
        return outcomes.as_one(outcome.failure for outcome in self.outcomes)

    def to_json(self) -> dict[str, Any]:
        """The result for a program."""
        return {
            "passed": self.failure is None,
            "seconds": round(self.seconds, 2),
            "environments": [outcome.to_json() for outcome in self.outcomes],
            "left_out": self.left_out,
        }

    def show(self) -> None:
        """Print one line per environment, with its figures."""
        rows = [
            (outcome.title, "passed" if outcome.passed else "FAILED", f"{outcome.seconds:.1f} s", _figures(outcome))
            for outcome in self.outcomes
        ]
        passed = sum(outcome.passed for outcome in self.outcomes)
        rows.append(("all", f"{passed} of {len(rows)}", f"{self.seconds:.0f} s", ""))
        console.table(("environment", "result", "time", "figures"), rows)
        if self.left_out:
            console.output.print(self.left_out)


def chosen(names: Sequence[str], slow: bool = False) -> tuple[Environment, ...]:
    """The environments with some names, or without names all quick ones, or all `slow` ones.

    Raises UserError for an unknown name.
    """
    unknown = [name for name in names if name not in NAMES]
    if unknown:
        raise UserError(f"there is no environment called {unknown[0]!r}", f"choose from {', '.join(NAMES)}")
    return tuple(item for item in ALL if (item.name in names if names else item.slow == slow))


def run(subject: Subject, names: Sequence[str] = (), slow: bool = False) -> Environments:
    """Run the chosen environments.

    Those of packages that the project does not have are left out, and all without CQC's own code, which they use.
    """
    wanted = chosen(names, slow)
    left_out = outcomes.left_out(subject.settings)
    if left_out:
        return Environments((), 0, left_out)
    started = time.monotonic()
    works = [
        (item.name, partial(environment.use, item, subject))
        for item in wanted
        if set(item.packages) <= set(subject.settings.packages)
    ]
    _ = subject.built
    return Environments(tuple(outcomes.run_all(works)), time.monotonic() - started)


def _figures(outcome: Outcome) -> str:
    figures = outcome.result.to_json() if outcome.result else {}
    return ", ".join(f"{name} {value}" for name, value in figures.items())
