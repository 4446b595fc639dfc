"""A whole release against registries on this machine: tag, build, publish, install, run the examples."""

import shutil
import time
from dataclasses import replace

from cqc_tools.foundation import console, temporary, version, workspace
from cqc_tools.foundation.configuration import Configuration
from cqc_tools.foundation.errors import UserError
from cqc_tools.packages import build, ecosystems, local, sources, targets
from cqc_tools.proof import compatibility
from cqc_tools.release import candidate, journal, publish, report
from cqc_tools.release.verify import Verification, verify

# The files and the report of the last rehearsal.
KEPT = workspace.CACHE / "rehearsal"


def rehearse(release: str, settings: Configuration) -> Verification:
    """Release `release`, or the next version if it is empty, from a scratch clone.

    Raises UserError for a version that cannot be released, and StageFailed with the reason if a step fails.
    """
    started = time.monotonic()
    chosen = version.parse_release(release) if release else candidate.upcoming()
    if chosen in version.released():
        raise UserError(f"{chosen.tag} is already released", "choose another version: make rehearse VERSION=x.y.z")
    with temporary.folder("rehearsal") as folder:
        with console.step(f"clone and tag {chosen.tag}"):
            source = sources.tagged(folder / "source", chosen)
        # The build is not kept in dist/: a rehearsed version is not a release.
        built = build.build(source, folder / "dist")
        with local.running(folder / "registries", ecosystems.load(source.configuration)) as running:
            target = targets.at(running, source.configuration, folder, name=report.REHEARSAL)
            published = publish.publish(built, source, target.registries, journal.load(built.folder, target.name))
            verification = verify(
                chosen,
                target,
                built,
                source.configuration,
                lambda installed: compatibility.with_previous(source, installed, running, folder),
            )
        held = report.holdings(built, target, [item.files for item in verification.packages])
        report.write(built, target, held, settings, {**published.seconds, **verification.steps})
        shutil.rmtree(KEPT, ignore_errors=True)
        shutil.copytree(built.folder, KEPT)
    console.progress.print(f"report: {KEPT / report.FILE}")
    return replace(verification, seconds=time.monotonic() - started)
