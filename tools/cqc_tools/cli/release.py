"""Commands of a release, each composed of stages."""

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated

import typer

from cqc_tools.cli.options import Release, Tagged, Target
from cqc_tools.cli.output import Json, ResultFailed, Text, emit
from cqc_tools.foundation import configuration, lock, workspace
from cqc_tools.foundation.version import chosen, parse_release

app = typer.Typer()


@app.command()
def plan(release: Release = "", target: Target = "local", as_json: Json = False) -> None:
    """Print the next release, what changed, what the registries hold and what will be written."""
    from cqc_tools.release import plan as stage

    with stage.planned(release, target, configuration.load()) as (found, _):
        emit(found, as_json)


@app.command()
def preflight(release: Release = "", target: Target = "local", as_json: Json = False) -> None:
    """Print every obstacle to a release, with the step that removes it; exits 1 if there is one."""
    from cqc_tools.release import plan as planning
    from cqc_tools.release import preflight as stage

    settings = configuration.load()
    with planning.planned(release, target, settings) as (planned, opened):
        found = stage.preflight(planned, opened, settings)
    emit(found, as_json)


@app.command()
def changelog(release: Release = "", as_json: Json = False) -> None:
    """Write the section of a release into CHANGELOG.md; what people wrote there is kept."""
    from cqc_tools.release import candidate
    from cqc_tools.release import changelog as stage

    found = candidate.choose(release)
    section = stage.update(found, configuration.load().repository)
    data = {"version": found.version.npm, "section": section.name, "line": section.start + 1}
    text = f"wrote {section.name} into {stage.FILE.name}, line {section.start + 1}: read it, then commit"
    emit(Text(data, text), as_json)


@app.command()
def notes(release: Release = "", as_json: Json = False) -> None:
    """Print the release notes: the release's section of CHANGELOG.md."""
    from cqc_tools.release import candidate
    from cqc_tools.release import changelog as stage

    version = candidate.choose(release).version
    text = stage.notes(version)
    emit(Text({"version": version.npm, "notes": text}, text), as_json)


@app.command()
def release_pr(release: Release = "", target: Target = "local", as_json: Json = False) -> None:
    """Prepare a release on a branch of its own, and open its pull request where gh is logged in."""
    from cqc_tools.release import pull_request as stage

    settings = configuration.load()
    # What is invalid is rejected before anything is made.
    settings.target(target)
    emit(stage.prepare(release, target, settings), as_json)


@app.command()
def breaking(as_json: Json = False) -> None:
    """Print the contract changes since the last release; exits 1 if they break more than the version allows."""
    from cqc_tools.release import breaking as stage
    from cqc_tools.release import candidate

    found = candidate.choose()
    since = f" since {found.last.tag}" if found.last else ""
    text = f"## Contracts{since}\n\n{found.to_markdown()}\nNext: {found.version.tag}"
    emit(Text({"next": found.version.npm, **found.changes.to_json()}, text), as_json)
    if refusal := stage.refusal(found, configuration.load()):
        raise ResultFailed(refusal)


@app.command()
def attest(release: Tagged = "", as_json: Json = False) -> None:
    """Sign SHA256SUMS, the sdist and the wheel in dist/<version>/ with the identity of the CI run."""
    from cqc_tools.packages import manifest
    from cqc_tools.release import attest as stage

    paths = [str(path) for path in stage.attest(manifest.load(workspace.DIST / chosen(release).npm))]
    emit(Text(paths, "\n".join(paths)), as_json)


@app.command()
def publish(release: Tagged = "", target: Target = "local", as_json: Json = False) -> None:
    """Publish a release to a target's registries; what is already there is compared, never written again. Exits 3 if
    other bytes are there."""
    from cqc_tools.packages import targets
    from cqc_tools.release import journal, report
    from cqc_tools.release import publish as stage

    settings = configuration.load()
    version = chosen(release)
    targets.checked(settings, target)
    stage.require_tags(version, settings)
    # Two runs would write one state, and neither would know what the other has sent.
    with lock.held(workspace.DIST / f".publishing-{version.npm}", f"publish {version.npm}"):
        built, source = stage.prepare(version, settings)
        with targets.opened(target, settings) as opened:
            published = stage.publish(built, source, opened.registries, journal.load(built.folder, target))
        held = report.holdings(built, opened, [item.served for item in published.outcomes])
        report.write(built, opened, held, settings, published.seconds)
    emit(published, as_json)


@app.command()
def verify(release: Tagged = "", target: Target = "local", as_json: Json = False) -> None:
    """Install a release from a target's registries as its users do, and compare bytes, contracts and behaviour."""
    from cqc_tools.packages import manifest, targets
    from cqc_tools.release import report
    from cqc_tools.release import verify as stage

    settings = configuration.load()
    version = chosen(release)
    targets.checked(settings, target)
    folder = workspace.DIST / version.npm
    built = manifest.load(folder) if folder.exists() else None
    with targets.opened(target, settings) as opened:
        found = stage.verify(version, opened, built, settings)
        if built:
            held = report.holdings(built, opened, [item.files for item in found.packages])
            report.write(built, opened, held, settings, found.steps)
    emit(found, as_json)


@app.command()
def report(release: Tagged = "", target: Target = "local", as_json: Json = False) -> None:
    """Write dist/<version>/report.html: what is on which registry, with digests, contract changes and timings."""
    from cqc_tools.packages import manifest, targets
    from cqc_tools.release import report as stage

    settings = configuration.load()
    version = chosen(release)
    targets.checked(settings, target)
    built = manifest.load(workspace.DIST / version.npm)
    with targets.opened(target, settings) as opened:
        held = stage.read(built, opened.registries)
        page = stage.write(built, opened, held, settings, {})
    emit(Text({"report": str(page)}, f"wrote {page}"), as_json)


class DraftStep(StrEnum):
    """What to do with the release on GitHub."""

    BEGIN = "begin"
    SAVE = "save"
    ANNOUNCE = "announce"
    FETCH = "fetch"


@app.command()
def draft(step: DraftStep, release: Tagged = "", as_json: Json = False) -> None:
    """Manage the release on GitHub: a draft that holds the build, then state and report too, until it is announced."""
    from cqc_tools.release import draft as stage

    wanted = chosen(release)
    steps = {
        DraftStep.BEGIN: stage.begin,
        DraftStep.SAVE: stage.save,
        DraftStep.ANNOUNCE: stage.announce,
        DraftStep.FETCH: stage.fetch,
    }
    names: Sequence[str] = steps[step](wanted)
    text = "\n".join([*names, f"{len(names)} files"])
    emit(Text({"release": wanted.tag, "step": step, "files": list(names)}, text), as_json)


@app.command()
def retract(
    release: Annotated[str, typer.Option(help="Released version that must not be used any more.")],
    reason: Annotated[str, typer.Option(help="Why, in one line that users will read.")],
    target: Target = "local",
    apply: Annotated[bool, typer.Option("--apply", help="Write go.mod and CHANGELOG.md for the next version.")] = False,
    as_json: Json = False,
) -> None:
    """Print what each registry allows for a bad release; no registry is written."""
    from cqc_tools.packages import targets
    from cqc_tools.release import retract as stage

    settings = configuration.load()
    version = parse_release(release)
    stage.require_reason(version, reason)
    with targets.opened(target, settings) as opened:
        found = stage.retract(version, reason, opened, settings, apply=apply)
    emit(found, as_json)
