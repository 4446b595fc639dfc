"""What the user sees: progress on standard error, results on standard output, as text or as JSON."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from cqc_tools.foundation import process
from cqc_tools.foundation.errors import StageFailed

progress = Console(stderr=True, highlight=False, soft_wrap=True)
# A log has no width of its own: tables are not folded there.
output = Console(highlight=False, soft_wrap=True, width=None if Console().is_terminal else 200)

# Seconds by title, of the steps that this process has finished.
measured: dict[str, float] = {}


@contextmanager
def step(title: str) -> Iterator[None]:
    """Show that something is under way, then how long it took; a spinner on a terminal, one line elsewhere."""
    started = time.monotonic()
    if progress.is_terminal:
        with progress.status(title):
            yield
    else:
        yield
    measured[title] = time.monotonic() - started
    progress.print(f"[green]ok[/green]  {title} [dim]({measured[title]:.1f} s)[/dim]")


def all_steps(steps: Sequence[tuple[str, Callable[[], object]]]) -> None:
    """Run independent steps two at a time and report each; afterwards raise StageFailed with all that failed."""

    def timed(work: Callable[[], object]) -> float:
        started = time.monotonic()
        work()
        return time.monotonic() - started

    failures = []
    with ThreadPoolExecutor(max_workers=2) as pool:
        futures: list[tuple[str, Future[float]]] = [(title, pool.submit(timed, work)) for title, work in steps]
        for title, future in futures:
            try:
                with progress.status(title):
                    seconds = future.result()
                progress.print(f"[green]ok[/green]  {title} [dim]({seconds:.1f} s)[/dim]")
            except StageFailed as failure:
                progress.print(f"[red]FAILED[/red]  {title}")
                failures.append(f"{title}:\n{failure}")
            except KeyboardInterrupt:
                # The pool waits for its threads, and they for their programs.
                pool.shutdown(wait=False, cancel_futures=True)
                process.stop_all()
                raise
    if failures:
        raise StageFailed("\n\n".join(failures))


def table(columns: Sequence[str], rows: Sequence[Sequence[object]], title: str = "") -> None:
    """Print rows for a person to read."""
    shown = Table(title=title or None, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for column in columns:
        shown.add_column(column, overflow="fold")
    for row in rows:
        shown.add_row(*(Text(str(cell)) for cell in row))
    output.print(shown, soft_wrap=False)


def print_json(value: Any) -> None:
    """Print a value for a program to read."""
    print(json.dumps(value, indent=2))
