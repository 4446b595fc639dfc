"""What the user sees: progress on standard error, results on standard output."""

import time
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cqc_tools.foundation import process
from cqc_tools.foundation.errors import ToolError, all_of

# Steps of a stage that run at the same time: the tool is made for two cores.
WORKERS = 2

progress = Console(stderr=True, highlight=False, soft_wrap=True)
# A log has no width of its own: tables are not folded there.
output = Console(highlight=False, soft_wrap=True, width=None if Console().is_terminal else 200)


@contextmanager
def step(title: str, seconds: MutableMapping[str, float] | None = None) -> Iterator[None]:
    """Show a step and, once it succeeds, how long it took; a spinner on a terminal, one line elsewhere.

    The duration is also put into `seconds`, under the title.
    """
    started = time.monotonic()
    if progress.is_terminal:
        with progress.status(title):
            yield
    else:
        yield
    taken = time.monotonic() - started
    if seconds is not None:
        seconds[title] = round(taken, 2)
    ok(title, f"{taken:.1f} s")


def ok(title: str, remark: str) -> None:
    """Show that a step is done."""
    progress.print(f"[green]ok[/green]  {title} [dim]({remark})[/dim]")


def note(text: str) -> None:
    """Tell the user something that is not an error."""
    progress.print("[yellow]note:[/yellow]", end=" ")
    progress.print(text, markup=False)


def all_steps(steps: Sequence[tuple[str, Callable[[], object]]]) -> None:
    """Run independent steps, two at a time, and show each.

    Raises the failure of the one that failed, or SeveralFailed.
    """

    def timed(work: Callable[[], object]) -> float:
        started = time.monotonic()
        work()
        return time.monotonic() - started

    failures: list[ToolError] = []
    futures = process.in_parallel([partial(timed, work) for _, work in steps], WORKERS)
    for title, _ in steps:
        with progress.status(title) if progress.is_terminal else nullcontext():
            future = next(futures)
        try:
            ok(title, f"{future.result():.1f} s")
        except ToolError as failure:
            progress.print(f"[red]FAILED[/red]  {title}")
            failures.append(failure)
    if failures:
        raise all_of(failures)


def table(columns: Sequence[str], rows: Sequence[Sequence[object]], title: str = "") -> None:
    """Print rows for a person to read."""
    shown = Table(title=title or None, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for column in columns:
        shown.add_column(column, overflow="fold")
    for row in rows:
        shown.add_row(*(Text(str(cell)) for cell in row))
    output.print(shown, soft_wrap=False)
