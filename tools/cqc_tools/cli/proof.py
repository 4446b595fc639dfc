"""Commands that check, test and rehearse."""

from typing import Annotated

import typer

from cqc_tools.cli.output import Json, emit
from cqc_tools.foundation import configuration

app = typer.Typer()


@app.command()
def rehearse(
    release: Annotated[str, typer.Option(help="Version to release in the scratch clone, such as 1.2.0.")] = "",
    as_json: Json = False,
) -> None:
    """Run a whole release against registries on this machine; your tags and registries are not touched."""
    from cqc_tools.proof import rehearse as stage

    emit(stage.rehearse(release, configuration.load()), as_json)


@app.command()
def faults(as_json: Json = False) -> None:
    """Publish with every fault that can happen, and verify that a rerun completes the release or stops in conflict."""
    from cqc_tools.proof import faults as stage

    emit(stage.run(stage.scenarios(configuration.load())), as_json)
