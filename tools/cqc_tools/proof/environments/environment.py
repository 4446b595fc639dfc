"""An environment, and how it runs programs."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cqc_tools.foundation import console, process, workspace
from cqc_tools.foundation.errors import ProgramFailed, StageFailed, ToolError
from cqc_tools.proof.environments import pins
from cqc_tools.proof.subject import Subject

SOURCES = workspace.ROOT / "tools" / "environments"
# For localhost, and only for tests.
CERTIFICATE, KEY = (workspace.TYPESCRIPT_PACKAGE / "test" / f"localhost.{ending}" for ending in ("crt", "key"))
# What a program of an environment may take, also on a busy machine with an empty compiler cache.
LIMIT = 300.0
LINES_SHOWN = 40

Figures = Mapping[str, object]


@dataclass(frozen=True)
class Environment:
    """A toolchain in which users use a package.

    - proves: what the run shows, for the documentation
    - lock: the file in tools/environments that pins what is installed
    - tools: what users would name of it, with the package's name in the lock
    - packages: keys of the ecosystems whose packages it uses
    - run: installs, runs and checks; returns figures worth recording. Raises ToolError if the package does not work
    - slow: takes more than 20 seconds, so only `make environments-slow` runs it
    """

    name: str
    proves: str
    lock: str
    tools: Mapping[str, str]
    packages: tuple[str, ...]
    run: Callable[[Subject], Figures]
    slow: bool = False

    @property
    def versions(self) -> dict[str, str]:
        """The pinned version of each tool. Raises UserError if the lock lacks one."""
        return {tool: pins.pinned(SOURCES / self.lock, package) for tool, package in self.tools.items()}


def tools(*packages: str) -> dict[str, str]:
    """Tools that users call by the last part of the package's name."""
    return {package.rpartition("/")[2]: package for package in packages}


@dataclass(frozen=True)
class Used:
    """The figures of an environment in which the package works."""

    figures: Figures
    failure: None = None

    def to_json(self) -> dict[str, Any]:
        """The result for a program."""
        return dict(self.figures)

    def show(self) -> None:
        """Print the figures."""
        console.output.print(", ".join(f"{name} {value}" for name, value in self.figures.items()), markup=False)


def use(environment: Environment, subject: Subject) -> Used:
    """Run an environment. A failure names it, and has the end of the failed program's output."""
    try:
        return Used({**environment.versions, **environment.run(subject)})
    except json.JSONDecodeError as error:
        raise StageFailed(f"{environment.name}: a program printed no JSON: {error}", details=_end(error.doc)) from error
    except ProgramFailed as failure:
        raise StageFailed(f"{environment.name}: {failure.problem}", failure.fix, _end(failure.details)) from failure
    except ToolError as failure:
        raise StageFailed(f"{environment.name}: {failure.problem}", failure.fix, failure.details) from failure


def program(
    *command: str | Path, cwd: Path = workspace.ROOT, env: Mapping[str, str] | None = None, what: str = ""
) -> str:
    """Run a program of an environment and return its standard output; see `process.run`. It has a time limit."""
    return process.run(command, cwd=cwd, env=env or inside(), what=what, limit=LIMIT)


def inside(**extra: str) -> dict[str, str]:
    """The tools' environment, with the caches of other programs inside the checkout as well."""
    return workspace.tool_environment(XDG_CACHE_HOME=str(workspace.CACHE / "environments" / "caches"), **extra)


def expect(what: str, found: object, expected: object) -> None:
    """Raise StageFailed unless two values are equal."""
    if found != expected:
        raise StageFailed(f"{what}: expected {expected!r}, found {found!r}")


def _end(text: str) -> str:
    lines = text.splitlines()
    left_out = len(lines) - LINES_SHOWN
    return "\n".join([f"... {left_out} lines", *lines[-LINES_SHOWN:]] if left_out > 0 else lines)
