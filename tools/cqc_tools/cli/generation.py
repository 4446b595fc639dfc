"""Commands that write generated code."""

from typing import TYPE_CHECKING

import typer

from cqc_tools.cli.output import Json, Text, emit
from cqc_tools.foundation import configuration, console

if TYPE_CHECKING:
    from cqc_tools.generation.tree import Drift

app = typer.Typer()


@app.command()
def generate(as_json: Json = False) -> None:
    """Compile proto/ into the packages and the descriptor set."""
    from cqc_tools.generation import generate as stage

    with console.step("compile the contracts"):
        change = stage.generate(configuration.load())
    _emit(change, as_json)


@app.command()
def regenerate(as_json: Json = False) -> None:
    """Remove all generated code and write it anew. After an interruption, run it again."""
    from cqc_tools.generation import generate as stage

    with console.step("compile the contracts"):
        change = stage.regenerate(configuration.load())
    _emit(change, as_json)


def _emit(change: "Drift", as_json: bool) -> None:
    data = {"written": list(map(str, change.written)), "removed": list(map(str, change.removed)), "total": change.total}
    if not change:
        emit(Text(data, f"nothing changed: {change.total} generated files are up to date"), as_json)
        return
    lines = [*(f"wrote {path}" for path in change.written), *(f"removed {path}" for path in change.removed)]
    lines.append(f"{len(change.written)} written, {len(change.removed)} removed, {change.total} generated files")
    emit(Text(data, "\n".join(lines)), as_json)


@app.command()
def module_path(as_json: Json = False) -> None:
    """Write the Go module path of release.toml wherever go.mod's present path is used, and generate."""
    from cqc_tools.generation import module_path as stage

    with console.step("move the Go module"):
        moved = stage.move(configuration.load())
    text = f"{moved.before} is now {moved.after}: {len(moved.written)} files were written, and code was generated"
    if not moved.written:
        text = f"nothing changed: go.mod already says {moved.after}, as release.toml does"
    data = {"before": moved.before, "after": moved.after, "written": list(map(str, moved.written))}
    emit(Text(data, text), as_json)
