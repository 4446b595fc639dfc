"""`python -m cqc_tools`: the command line, a thin layer over the stages."""

import signal
import sys
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cqc_tools.foundation import console, process
from cqc_tools.foundation.errors import StageFailed, UserError

app = typer.Typer(
    name="cqc_tools",
    help="Generate, check, build, publish and verify CQC. `make help` lists the same by target.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
Tagged = Annotated[str, typer.Option(help="Version, such as 1.2.0, or `last`; the checked out tag if left out.")]
Release = Annotated[
    str, typer.Option("--release", help="Version, such as 1.2.0; HEAD's tag or else the next one, if left out.")
]
Target = Annotated[str, typer.Option(help="Target of release.toml: local, private or public.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output.")]


@app.command()
def generate() -> None:
    """Compile proto/ into the three packages and the descriptor set."""
    from cqc_tools.generation import generate as stage

    with console.step("compile the contracts"):
        tree = stage.generate()
    change = stage.compare(tree)
    if not change:
        console.output.print(f"nothing changed: {change.total} generated files are up to date")
        return
    stage.write(tree, change)
    for verb, paths in (("wrote", change.written), ("removed", change.removed)):
        for path in paths:
            console.output.print(f"{verb} {path}")
    console.output.print(
        f"{len(change.written)} written, {len(change.removed)} removed, {change.total} generated files"
    )


@app.command()
def check() -> None:
    """Lint, format, drift of generated code, and that all three languages compile."""
    from cqc_tools.proof import check as stage

    stage.check()


@app.command("format")
def format_sources() -> None:
    """Format protos, Python and Go in place."""
    from cqc_tools.proof import check as stage

    stage.format_sources()


@app.command()
def version(as_json: Json = False) -> None:
    """Print the version of what is checked out, in its three spellings."""
    from cqc_tools.foundation.version import of_checkout

    found = of_checkout()
    if as_json:
        console.print_json({**asdict(found), "is_release": found.is_release})
        return
    console.output.print(found.npm)
    console.table(("ecosystem", "version"), [("PyPI", found.pypi), ("npm", found.npm), ("Go", found.go)])
    if not found.is_release:
        console.output.print("a development version: it can be built, never published")


@app.command()
def build(
    release: Annotated[str, typer.Option(help="Released version to build from its tag, such as 1.2.0.")] = "",
    as_json: Json = False,
) -> None:
    """Build sdist, wheel, npm tarball and Go module zip, of a tag or of what is checked out, into dist/<version>/."""
    from cqc_tools.packages import build as stage

    built = stage.build_checkout(release)
    if as_json:
        console.print_json(built.to_json())
        return
    console.table(
        ("artifact", "bytes", "digest"),
        [(file.path.name, file.size, file.digest) for file in built.files],
    )
    console.output.print(f"built {built.version.npm} of {built.commit[:12]} in {built.folder}")


@app.command()
def diff(
    before: Annotated[str, typer.Argument(help="Tag or revision to compare from.")],
    after: Annotated[str, typer.Argument(help="Tag or revision to compare to.")] = "HEAD",
    as_json: Json = False,
) -> None:
    """Print what changed in the contracts between two tags, what it breaks, and the bump that it asks for."""
    from cqc_tools.contracts import api_diff, descriptors

    found = api_diff.diff(descriptors.at(before), descriptors.at(after))
    if as_json:
        console.print_json(found.to_json())
        return
    console.output.print(f"## Contracts from {before} to {after}\n", markup=False)
    console.output.print(found.to_markdown(), markup=False)
    console.output.print(f"The change asks for a {found.bump.name.lower()} version." if found.bump else "")


@app.command()
def plan(release: Release = "", target: Target = "local", as_json: Json = False) -> None:
    """Print what the next release is, what changed, what the registries hold and what will be written."""
    from cqc_tools.release import plan as stage

    found = stage.plan(release, target)
    if as_json:
        console.print_json(found.to_json())
    else:
        found.show()


@app.command()
def preflight(release: Release = "", target: Target = "local", as_json: Json = False) -> None:
    """Print everything that stands in the way of a release, with what to do about it; exit code 1 if there is any."""
    from cqc_tools.release import preflight as stage

    found = stage.preflight(release, target)
    if as_json:
        console.print_json(found.to_json())
    else:
        found.show()
    if found.findings:
        raise typer.Exit(1)


@app.command()
def changelog(release: Release = "", as_json: Json = False) -> None:
    """Write the section of a release into CHANGELOG.md; what people wrote there is kept."""
    from cqc_tools.release import candidate
    from cqc_tools.release import changelog as stage

    chosen = candidate.choose(release)
    section = stage.update(chosen)
    if as_json:
        console.print_json({"version": chosen.version.npm, "section": section.name, "line": section.start + 1})
        return
    console.output.print(f"wrote {section.name} into {stage.FILE.name}, line {section.start + 1}: read it, then commit")


@app.command()
def notes(release: Release = "", as_json: Json = False) -> None:
    """Print the release notes: the release's section of CHANGELOG.md."""
    from cqc_tools.release import candidate
    from cqc_tools.release import changelog as stage

    chosen = candidate.choose(release).version
    text = stage.notes(chosen)
    if as_json:
        console.print_json({"version": chosen.npm, "notes": text})
    else:
        console.output.print(text, markup=False, end="")


@app.command()
def module_path(as_json: Json = False) -> None:
    """Write the Go module path of release.toml wherever the one of go.mod stands, and generate."""
    from cqc_tools.generation import module_path as stage

    with console.step("move the Go module"):
        moved = stage.move()
    if as_json:
        console.print_json({"before": moved.before, "after": moved.after, "written": list(map(str, moved.written))})
        return
    if not moved.written:
        console.output.print(f"nothing changed: go.mod says {moved.after}, as release.toml does")
        return
    console.output.print(f"{moved.before} is now {moved.after}: {len(moved.written)} files were written, and generated")


@app.command()
def publish(release: Tagged = "", target: Target = "local", as_json: Json = False) -> None:
    """Publish a release to a target's three registries; what is there already is compared, never written again."""
    from cqc_tools.foundation.version import chosen
    from cqc_tools.release import publish as stage

    outcomes = stage.publish_release(chosen(release), target)
    if as_json:
        console.print_json([outcome.to_json() for outcome in outcomes])
    else:
        stage.show(outcomes)


@app.command()
def verify(release: Tagged = "", target: Target = "local", as_json: Json = False) -> None:
    """Install a release from a target's registries as its users do, and compare bytes, contracts and behaviour."""
    from cqc_tools.foundation.version import chosen
    from cqc_tools.release import verify as stage

    result = stage.verify_release(chosen(release), target)
    if as_json:
        console.print_json(result.to_json())
        result.require()
    else:
        result.show()


@app.command()
def report(release: Tagged = "", target: Target = "local", as_json: Json = False) -> None:
    """Write dist/<version>/report.html: what is on which registry, with digests, contract changes and timings."""
    from cqc_tools.foundation.version import chosen
    from cqc_tools.release import report as stage

    page = stage.make(chosen(release), target)
    if as_json:
        console.print_json({"report": str(page)})
    else:
        console.output.print(f"wrote {page}")


@app.command()
def breaking(as_json: Json = False) -> None:
    """Print what changed in the contracts since the last release; fail when it breaks more than the version may."""
    from cqc_tools.release import breaking as stage

    found = stage.find()
    if as_json:
        console.print_json({"next": found.version.npm, **found.changes.to_json()})
    else:
        since = f" since {found.last.tag}" if found.last else ""
        console.output.print(f"## Contracts{since}\n\n{found.to_markdown()}\nNext: {found.version.tag}", markup=False)
    stage.refuse(found)


@app.command()
def attest(release: Tagged = "", as_json: Json = False) -> None:
    """Sign the sdist and the wheel in dist/<version>/ with the identity of the CI run."""
    from cqc_tools.foundation.version import chosen
    from cqc_tools.release import attest as stage

    attestations = stage.attest(chosen(release))
    if as_json:
        console.print_json([str(path) for path in attestations])
    else:
        console.output.print("\n".join(map(str, attestations)))


class DraftStep(StrEnum):
    """What is done with the release on GitHub."""

    BEGIN = "begin"
    SAVE = "save"
    ANNOUNCE = "announce"
    FETCH = "fetch"


@app.command()
def draft(step: DraftStep, release: Tagged = "", as_json: Json = False) -> None:
    """The release on GitHub: a draft that holds the build, then state and report too, until it is announced."""
    from cqc_tools.foundation.version import chosen
    from cqc_tools.release import draft as stage

    wanted = chosen(release)
    done = {
        DraftStep.BEGIN: stage.begin,
        DraftStep.SAVE: stage.save,
        DraftStep.ANNOUNCE: stage.announce,
        DraftStep.FETCH: stage.fetch,
    }[step](wanted)
    if as_json:
        console.print_json({"release": wanted.tag, "step": step, "files": done})
    else:
        console.output.print("\n".join([*done, f"{len(done)} files"]))


@app.command()
def retract(
    release: Annotated[str, typer.Option(help="Released version that must not be used any more.")],
    reason: Annotated[str, typer.Option(help="Why, in one line that users will read.")],
    target: Target = "local",
    apply: Annotated[bool, typer.Option("--apply", help="Write go.mod and CHANGELOG.md for the next version.")] = False,
    as_json: Json = False,
) -> None:
    """Print what each registry lets one do about a bad release; no registry is written."""
    from cqc_tools.release import retract as stage

    found = stage.retract(release, reason, target, apply)
    if as_json:
        console.print_json(found.to_json())
    else:
        found.show()


@app.command()
def rehearse(
    release: Annotated[str, typer.Option(help="Version to release in the scratch clone, such as 1.2.0.")] = "",
    as_json: Json = False,
) -> None:
    """A whole release against registries on this machine; the user's tags and registries are not touched."""
    from cqc_tools.proof import rehearse as stage

    result = stage.rehearse(release)
    if as_json:
        console.print_json(result.to_json())
    else:
        result.show()


@app.command()
def faults(as_json: Json = False) -> None:
    """Publish with everything that can go wrong on the way, and see that a rerun completes it or stops in conflict."""
    from cqc_tools.proof import faults as stage

    results = stage.run(stage.scenarios())
    if as_json:
        console.print_json(results.to_json())
        results.require()
    else:
        results.show()


@app.command()
def golden(
    release: Annotated[str, typer.Argument(help="Version that is about to be released, such as 1.2.0.")],
) -> None:
    """Keep every message's bytes, as each language writes it, for a version: they must be readable for ever."""
    from cqc_tools.foundation.version import parse_release
    from cqc_tools.proof import menu as stage
    from cqc_tools.proof.golden import file_of

    version = parse_release(release)
    count = stage.write_golden(version)
    console.output.print(f"wrote {count} messages to {file_of(version)}: commit it before the tag")


@app.command()
def lossless(release: Release = "", as_json: Json = False) -> None:
    """Map the venues' own payloads to the contracts, through all languages and back, and account for every value."""
    from cqc_tools.proof import menu as stage

    result = stage.lossless(stage.Subject(release))
    if as_json:
        console.print_json(result.to_json())
    else:
        result.show()
    result.refuse_losses()


@app.command()
def test(
    part: Annotated[
        str, typer.Argument(help="check, tools, python, go, typescript, interop, lossless, rehearsal, faults or all.")
    ] = "all",
    release: Annotated[str, typer.Option(help="Test the build of this version in dist/, such as 1.2.0.")] = "",
    python: Annotated[str, typer.Option(help="Test the wheel on this Python instead of the toolchain's.")] = "",
    go: Annotated[str, typer.Option(help="Test the module with this version of Go, such as 1.24.0.")] = "",
) -> None:
    """Run the tests."""
    from cqc_tools.proof import menu as stage

    stage.run(part, stage.Subject(release, python, go))


@app.command()
def lock() -> None:
    """Resolve the Python requirements of the toolchain and the test runtimes again, with hashes."""
    from cqc_tools.toolchain import locks as stage

    for path in stage.lock():
        console.output.print(f"resolved {path}")


@app.command(hidden=True)
def serve_packages(folder: Path) -> None:
    """Serve a folder as a Python index; used by the rehearsal."""
    from cqc_tools.packages.local import pypi

    pypi.serve(folder)


@app.command(hidden=True)
def serve_git(folder: Path) -> None:
    """Serve bare repositories over HTTP; used by the rehearsal."""
    from cqc_tools.packages.local import git

    git.serve(folder)


INTERRUPTED = 130


def main() -> int:
    """Run the command line; 0 done, 1 the answer is no, 2 the user has to put something right, 130 interrupted."""
    # A run that is asked to end cleans up as an interrupted one does.
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        app()
    except SystemExit as ended:
        # typer ends with 2 after a wrong command line, and turns an interruption into its exit code.
        code = ended.code if isinstance(ended.code, int) else 0
    except UserError as error:
        console.progress.print("[red]error:[/red]", end=" ")
        console.progress.print(str(error), markup=False)
        return 2
    except StageFailed as failure:
        console.progress.print("[red]failed:[/red]", end=" ")
        console.progress.print(str(failure), markup=False)
        return 1
    else:
        code = 0
    if code == INTERRUPTED:
        process.stop_all()
        console.progress.print("interrupted: everything that was started has been stopped, run the same command again")
    return code


if __name__ == "__main__":
    sys.exit(main())
