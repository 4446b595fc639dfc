"""Commands that read the contracts."""

from typing import Annotated

import typer

from cqc_tools.cli.output import Json, Text, emit
from cqc_tools.foundation import configuration

app = typer.Typer()


@app.command()
def diff(
    before: Annotated[str, typer.Argument(help="Tag or revision to compare from.")],
    after: Annotated[str, typer.Argument(help="Tag or revision to compare to.")] = "HEAD",
    as_json: Json = False,
) -> None:
    """Print what changed in the contracts between two revisions, what breaks, and the version that it needs."""
    from cqc_tools.contracts import descriptors
    from cqc_tools.contracts.api_diff import diff as api_diff
    from cqc_tools.contracts.api_diff import markdown

    settings = configuration.load()
    sides = (descriptors.at(before, settings), descriptors.at(after, settings))
    found = api_diff.diff(*sides, settings.root_package)
    needed = f"\nThe changes need a {found.bump.name.lower()} version.\n" if found.bump else ""
    text = f"## Contracts from {before} to {after}\n\n{markdown.render(found)}{needed}"
    emit(Text(found.to_json(), text), as_json)
