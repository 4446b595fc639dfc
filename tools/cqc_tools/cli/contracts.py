"""Commands that read the contracts."""

from typing import Annotated

import typer

from cqc_tools.cli.output import Json, Text, emit

app = typer.Typer()


@app.command()
def diff(
    before: Annotated[str, typer.Argument(help="Tag or revision to compare from.")],
    after: Annotated[str, typer.Argument(help="Tag or revision to compare to.")] = "HEAD",
    as_json: Json = False,
) -> None:
    """Print what changed in the contracts between two revisions, what breaks, and the version that it needs."""
    from cqc_tools.contracts import api_diff, descriptors

    found = api_diff.diff(descriptors.at(before), descriptors.at(after))
    needed = f"\nThe changes need a {found.bump.name.lower()} version.\n" if found.bump else ""
    text = f"## Contracts from {before} to {after}\n\n{found.to_markdown()}{needed}"
    emit(Text(found.to_json(), text), as_json)
