"""Commands that build packages."""

from dataclasses import asdict
from typing import Annotated

import typer

from cqc_tools.cli.output import Json, Text, emit
from cqc_tools.foundation import console

app = typer.Typer()


@app.command()
def version(as_json: Json = False) -> None:
    """Print the version of what is checked out, in the spelling of each ecosystem."""
    from cqc_tools.foundation import configuration
    from cqc_tools.foundation.version import of_checkout
    from cqc_tools.packages import ecosystems

    found = of_checkout()
    spelled = {ecosystem.label: ecosystem.spell(found) for ecosystem in ecosystems.load(configuration.load())}
    lines = [f"{found.npm}", *(f"{label:<8}{text}" for label, text in spelled.items())]
    if not found.is_release:
        lines.append("a development version: it can be built, never published")
    emit(Text({**asdict(found), "is_release": found.is_release}, "\n".join(lines)), as_json)


@app.command()
def build(
    release: Annotated[str, typer.Option(help="Released version to build from its tag, such as 1.2.0.")] = "",
    as_json: Json = False,
) -> None:
    """Build every package of a tag, or of what is checked out, into dist/<version>/."""
    from cqc_tools.packages import build as stage

    built = stage.build_checkout(release)
    if not as_json:
        console.table(
            ("artifact", "bytes", "digest"), [(file.path.name, file.size, file.digest) for file in built.files]
        )
    emit(Text(built.to_json(), f"built {built.version.npm} of {built.commit[:12]} in {built.folder}"), as_json)


@app.command()
def release_schema() -> None:
    """Print the JSON Schema of release.json, for the ecosystems in release.toml."""
    from cqc_tools.cli.output import print_json
    from cqc_tools.foundation import configuration
    from cqc_tools.packages import ecosystems, manifest

    print_json(manifest.schema(ecosystems.load(configuration.load())))
