"""Commands for the toolchain."""

import typer

from cqc_tools.cli.output import Json, Text, emit

app = typer.Typer()


@app.command()
def lock(as_json: Json = False) -> None:
    """Resolve the Python requirements of the toolchain and the test runtimes again, with hashes."""
    from cqc_tools.toolchain import locks

    paths = [str(path) for path in locks.lock()]
    emit(Text(paths, "\n".join(f"resolved {path}" for path in paths)), as_json)
