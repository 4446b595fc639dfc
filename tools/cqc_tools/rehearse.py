"""A whole release against registries on this machine: tag, build, publish, install, let the languages talk."""

import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cqc_tools import (
    build,
    candidate,
    configuration,
    console,
    module_path,
    process,
    publish,
    record,
    registries,
    talk,
    targets,
    version,
)
from cqc_tools.ecosystems import Installation, Registry, Source, belonging
from cqc_tools.errors import StageFailed, UserError
from cqc_tools.talk import Replay


@dataclass(frozen=True)
class Rehearsal:
    """What a rehearsal saw. `rows` has one entry per package."""

    version: str
    commit: str
    traffic: str
    seconds: float
    replays: tuple[Replay, ...]
    rows: tuple[Mapping[str, Any], ...]

    def to_json(self) -> dict[str, Any]:
        """The result for a program."""
        return asdict(self)

    def show(self) -> None:
        """Print the result for a person."""
        first = self.replays[0]
        console.output.print(
            f"\nReplayed {self.traffic}: {first.books} books, {first.deltas} deltas, {first.trades} trades"
        )
        console.table(
            ("server", "client", "digest of the rebuilt books"),
            [(item.server, item.client, item.digest[:16]) for item in self.replays],
        )
        console.output.print()
        console.table(
            ("package", "version", "digest", "registry", "install", "pairs"),
            [
                (
                    row["package"],
                    row["version"],
                    row["digest"][:27],
                    row["registry"],
                    f"{row['install_seconds']:.1f} s",
                    f"{row['pairs_passed']}/{row['pairs']}",
                )
                for row in self.rows
            ],
        )
        console.output.print(
            f"\nVersion {self.version} is on all three registries with the bytes that were built; "
            f"{len(self.replays)} pairs agree ({self.seconds:.0f} s)."
        )


def rehearse(release: str) -> Rehearsal:
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
        with registries.running(folder / "registries") as local:
            where = targets.packages(local, source.configuration, folder)
            publish.publish(built, source, list(where.values()), record.load(built.folder, "rehearsal"))
            examples: dict[str, Installation] = {}
            for language, registry in where.items():
                with console.step(f"install {registry.package} {registry.ecosystem} as a user"):
                    examples[language] = registry.install(
                        source.folder / "examples" / language, chosen, folder / "users" / language
                    )
                spelled = registry.spell(chosen)
                if (installed := talk.installed_version(language, examples[language])) != spelled:
                    raise StageFailed(f"{registry.package} says that it is {installed}, {spelled} was installed")
            data, traffic = talk.traffic()
            with console.step("nine pairs of server and client"):
                replays = talk.all_pairs(examples, data, folder / "logs")
            rows = [_row(language, registry, built, examples, replays) for language, registry in where.items()]
    return Rehearsal(chosen.npm, source.commit, traffic, time.monotonic() - started, tuple(replays), tuple(rows))


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
    for tag in (chosen.tag, f"{settings.go.folder}/{chosen.tag}"):
        process.run(["git", "-C", folder, "tag", tag, commit], what="git tag")
    computed = version.of_checkout(folder)
    if computed != chosen:
        raise StageFailed(f"the tag says {chosen.pypi}, hatch-vcs computes {computed.pypi}")
    return Source(folder, commit, chosen, settings)


def _row(
    language: str,
    registry: Registry,
    built: build.Build,
    examples: Mapping[str, Installation],
    replays: list[Replay],
) -> dict[str, Any]:
    artifacts = belonging(built.artifacts, registry.ecosystem)
    pairs = [item for item in replays if language in (item.server, item.client)]
    return {
        "package": registry.package,
        "ecosystem": registry.ecosystem,
        "version": registry.spell(built.version),
        "digest": artifacts[-1].digest,
        "registry": registry.address,
        "install_seconds": round(examples[language].seconds, 2),
        "pairs": 2 * len(examples) - 1,
        "pairs_passed": len(pairs),
    }
