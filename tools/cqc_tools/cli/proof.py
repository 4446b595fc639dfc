"""Commands that check, test and rehearse."""

from typing import Annotated

import typer

from cqc_tools.cli.output import Json, Text, emit
from cqc_tools.foundation import configuration

app = typer.Typer()
Release = Annotated[str, typer.Option(help="Test the build of this version in dist/, such as 1.2.0.")]


@app.command()
def check(
    quick: Annotated[bool, typer.Option("--quick", help="Only the checks that take about a second.")] = False,
    as_json: Json = False,
) -> None:
    """Lint, check the format and types, compile all languages, and compare generated code with proto/."""
    from cqc_tools.proof import check as stage

    emit(stage.run(configuration.load(), quick), as_json)


@app.command("format")
def format_sources(as_json: Json = False) -> None:
    """Format all sources in place."""
    from cqc_tools.proof import check as stage

    formatters = stage.format_sources(configuration.load())
    emit(Text({"formatters": formatters}, f"formatted with {', '.join(formatters)}"), as_json)


@app.command()
def test(
    part: Annotated[str, typer.Argument(help="One part, such as interop; or fast, or all.")] = "all",
    release: Release = "",
    python: Annotated[str, typer.Option(help="Test the wheel on this Python instead of the toolchain's.")] = "",
    go: Annotated[str, typer.Option(help="Test the module with this version of Go, such as 1.24.0.")] = "",
    as_json: Json = False,
) -> None:
    """Run the tests."""
    from cqc_tools.proof import menu
    from cqc_tools.proof.subject import Subject

    subject = Subject(configuration.load(), release, python, go)
    emit(menu.run(part, subject, live=not as_json), as_json)


@app.command()
def golden(
    release: Annotated[str, typer.Argument(help="Version that is about to be released, such as 1.2.0.")],
    as_json: Json = False,
) -> None:
    """Keep the bytes of every message, as each language writes it, for a version: they must stay readable forever."""
    from cqc_tools.foundation.version import parse_release
    from cqc_tools.proof import golden as stage
    from cqc_tools.proof.subject import Subject

    emit(stage.keep(parse_release(release), Subject(configuration.load())), as_json)


@app.command()
def lossless(release: Release = "", as_json: Json = False) -> None:
    """Map real venue payloads to the contracts, through all languages and back, and account for every value."""
    from cqc_tools.proof import venue_roundtrip
    from cqc_tools.proof.subject import Subject

    emit(venue_roundtrip.run(Subject(configuration.load(), release)), as_json)


@app.command()
def interop(release: Release = "", as_json: Json = False) -> None:
    """Compare all languages: messages, verdicts, helpers, golden bytes, and each client with each server."""
    from cqc_tools.proof import interop as stage
    from cqc_tools.proof.subject import Subject

    emit(stage.run(Subject(configuration.load(), release)), as_json)


@app.command()
def rehearse(
    release: Annotated[str, typer.Option(help="Version to release in the scratch clone, such as 1.2.0.")] = "",
    as_json: Json = False,
) -> None:
    """Run a whole release against registries on this machine; your tags and registries are not touched."""
    from cqc_tools.proof import rehearse as stage

    emit(stage.rehearse(release, configuration.load()), as_json)


@app.command()
def compatibility(
    release: Annotated[str, typer.Option(help="Version that the one before it has to work with, such as 1.2.0.")] = "",
    target: Annotated[
        str, typer.Option(help="Install both releases from this target instead of registries on this machine.")
    ] = "",
    as_json: Json = False,
) -> None:
    """Let clients and servers of a release and of the one before it talk, in every language."""
    from cqc_tools.proof import compatibility as stage

    settings = configuration.load()
    emit(stage.published(release, target, settings) if target else stage.rehearsed(release, settings), as_json)


@app.command()
def faults(as_json: Json = False) -> None:
    """Publish with every fault that can happen, and verify that a rerun completes the release or stops in conflict."""
    from cqc_tools.proof import faults as stage

    emit(stage.run(stage.scenarios(configuration.load())), as_json)


@app.command()
def environments(
    names: Annotated[
        list[str] | None, typer.Argument(help="Only these, such as vite; by default all quick ones.")
    ] = None,
    release: Release = "",
    as_json: Json = False,
) -> None:
    """Use the packages in their users' toolchains: compilers, bundlers, runtimes, checkers, neighbours."""
    _environments(names or [], False, release, as_json)


@app.command()
def environments_slow(release: Release = "", as_json: Json = False) -> None:
    """Use the packages in the toolchains that take more than 20 seconds, and outlast an outage of two minutes."""
    _environments([], True, release, as_json)


def _environments(names: list[str], slow: bool, release: str, as_json: bool) -> None:
    from cqc_tools.proof.environments import matrix
    from cqc_tools.proof.subject import Subject

    emit(matrix.run(Subject(configuration.load(), release), names, slow), as_json)
