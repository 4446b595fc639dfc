"""How every command prints its result: as text for a person, or as JSON for a program."""

import json
from dataclasses import dataclass
from typing import Annotated, Any, Protocol

import typer

from cqc_tools.foundation import console
from cqc_tools.foundation.errors import ToolError, UserError, redacted

JSON_OPTION = "--json"
Json = Annotated[bool, typer.Option(JSON_OPTION, help="Print the result as JSON on standard output.")]


class Result(Protocol):
    """The value that a stage returns. A result that can fail also has a property `failure: ToolError | None`."""

    def to_json(self) -> Any:
        """Returns the result for a program."""

    def show(self) -> None:
        """Prints the result for a person; never raises."""


class ResultFailed(Exception):
    """A result that has been printed, and is a failure."""

    def __init__(self, failure: ToolError) -> None:
        super().__init__(failure.problem)
        self.failure = failure


@dataclass(frozen=True)
class Text:
    """A result that is a few lines for a person."""

    data: Any
    text: str

    def to_json(self) -> Any:
        """See Result."""
        return self.data

    def show(self) -> None:
        """See Result."""
        console.output.print(self.text.rstrip("\n"), markup=False)


def emit(result: Result, as_json: bool) -> None:
    """Print a result. Raises ResultFailed if the result is a failure."""
    if as_json:
        print_json(result.to_json())
    else:
        result.show()
    failure: ToolError | None = getattr(result, "failure", None)
    if failure:
        raise ResultFailed(failure)


def print_json(value: Any) -> None:
    """Print a value for a program to read."""
    print(redacted(json.dumps(value, indent=2)))


def show_failure(failure: ToolError) -> None:
    """Print a failure on standard error: the problem, the details, the fix."""
    label = "error" if isinstance(failure, UserError) else "failed"
    console.progress.print(f"[red]{label}:[/red]", end=" ")
    console.progress.print(failure.problem, markup=False)
    if failure.details:
        console.progress.print(failure.details, markup=False)
    if failure.fix:
        console.progress.print("[bold]fix:[/bold]", end=" ")
        console.progress.print(failure.fix, markup=False)


def show_interrupted() -> None:
    """Print that the run was interrupted."""
    console.progress.print("interrupted: everything that was started has been stopped, run the same command again")
