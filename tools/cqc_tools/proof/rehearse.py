"""A whole release against registries on this machine: tag, build, publish, install, let the languages talk."""

import shutil
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from cqc_tools.foundation import configuration, console, process, version, workspace
from cqc_tools.foundation.errors import StageFailed, UserError
from cqc_tools.generation import module_path
from cqc_tools.packages import Source, build, local, targets
from cqc_tools.release import candidate, journal, publish, report, verify
from cqc_tools.release.verify import Verification

# The files and the report of the last rehearsal, to look at.
KEPT = workspace.CACHE / "rehearsal"


def rehearse(release: str) -> Verification:
    """Release `release`, or the next version when it is empty, from a scratch clone.

    Raises UserError for a version that cannot be released and StageFailed with the reason when any step fails.
    """
    started = time.monotonic()
    chosen = version.parse_release(release) if release else candidate.upcoming()
    if chosen in version.released():
        raise UserError(f"{chosen.tag} is released already: choose another with make rehearse VERSION=x.y.z")
    if steps := module_path.steps_to(chosen, configuration.load()):
        raise UserError(steps)
    with tempfile.TemporaryDirectory(prefix="cqc-rehearsal-", ignore_cleanup_errors=True) as scratch:
        folder = Path(scratch)
        with console.step(f"clone and tag {chosen.tag}"):
            source = tagged_clone(folder / "source", chosen)
        # The build goes where nothing is kept: a rehearsed version is not a release.
        built = build.build(source, folder / "dist")
        with local.running(folder / "registries") as addresses:
            where = targets.packages(addresses, source.configuration, folder)
            publish.publish(built, source, list(where.values()), journal.load(built.folder, "rehearsal"))
            verification = verify.verify(chosen, where, built)
        held = zip(where.values(), verification.packages, strict=True)
        report.write(built, report.REHEARSAL, [report.holding(registry, built, item.files) for registry, item in held])
        shutil.rmtree(KEPT, ignore_errors=True)
        shutil.copytree(built.folder, KEPT)
    console.progress.print(f"report: {KEPT / report.FILE}")
    verification.require()
    return replace(verification, seconds=time.monotonic() - started)


def tagged_clone(folder: Path, chosen: version.Version) -> Source:
    """Clone what is checked out and give the clone both tags of the release.

    Raises StageFailed when the version that hatch-vcs then computes is not the chosen one.
    """
    commit = build.clone(folder)
    settings = configuration.load(folder / "release.toml")
    # Where HEAD is a release already, the clone must know it by one version only.
    others = process.run(["git", "-C", folder, "tag", "--points-at", commit]).split()
    if others:
        process.run(["git", "-C", folder, "tag", "--delete", *others], what="git tag")
    for tag in (chosen.tag, f"{settings.package('go').folder}/{chosen.tag}"):
        process.run(["git", "-C", folder, "tag", tag, commit], what="git tag")
    computed = version.of_checkout(folder)
    if computed != chosen:
        raise StageFailed(f"the tag says {chosen.pypi}, hatch-vcs computes {computed.pypi}")
    return Source(folder, commit, chosen, settings)
