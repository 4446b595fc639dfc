"""Build all artifacts of one commit, once, from a clean clone, into dist/<version>/."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from cqc_tools.contracts import descriptors
from cqc_tools.foundation import console, files, git, temporary, workspace
from cqc_tools.foundation.errors import StageFailed, UserError
from cqc_tools.foundation.version import parse_release
from cqc_tools.packages import Artifact, Declaration, Ecosystem, Source, artifact, ecosystems, manifest, sbom, sources
from cqc_tools.packages.manifest import Build
from cqc_tools.toolchain import tool_versions


def build_checkout(release: str = "") -> Build:
    """Build a released version from its tag, or without one what is checked out: at a tag the release, otherwise a
    development version."""
    with temporary.folder("build") as scratch:
        folder = Path(scratch, "source")
        source = sources.of_tag(folder, parse_release(release)) if release else sources.of_checkout(folder)
        return build(source, workspace.DIST)


def build(source: Source, dist: Path) -> Build:
    """Build the artifacts of a clean clone into a folder of `dist` named for the version, which appears there only when
    it is complete. An earlier build of the same bytes is left as it is, one of other bytes is replaced.

    Raises StageFailed with the output of the build that failed, or if a package declares another name or version.
    """
    chosen = ecosystems.load(source.configuration)
    seconds: dict[str, float] = {}
    dist.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".build-", dir=dist) as part:
        out = Path(part, "out")
        out.mkdir()
        artifacts: dict[str, tuple[Artifact, ...]] = {}
        # Go comes first: it reads git, while the others put files into the clone.
        for ecosystem in reversed(chosen):
            with console.step(f"build {ecosystem.label}", seconds):
                artifacts[ecosystem.key] = ecosystem.build(source, out, Path(part))
        committed = datetime.fromtimestamp(git.Repository(source.folder).commit_time(source.commit), UTC)
        with console.step("describe the build", seconds):
            sboms = [
                _bill_of_materials(ecosystem, declared, artifacts[ecosystem.key], source, committed)
                for ecosystem, declared in zip(chosen, _declared(chosen, artifacts, source).values(), strict=True)
            ]
        descriptor_set = source.configuration.folder("go", source.folder) / descriptors.DESCRIPTOR_SET
        built = Build(
            source.version,
            source.commit,
            out,
            descriptors.digest(descriptor_set.read_bytes()),
            tuple(file for group in artifacts.values() for file in group),
            tuple(sboms),
            committed,
            tool_versions.versions(_node_modules(source)),
            seconds,
        )
        (out / manifest.FILE).write_text(built.manifest())
        (out / manifest.SUMS).write_text(built.sums())
        # Reading it back checks it against its schema.
        manifest.load(out, chosen)
        return _put(built, dist / source.version.npm, Path(part, "replaced"), chosen)


def _node_modules(source: Source) -> Path:
    return source.configuration.folder("typescript", source.folder) / "node_modules"


def _put(built: Build, folder: Path, replaced: Path, chosen: Sequence[Ecosystem]) -> Build:
    """Move a finished build into place, unless the same build is already there."""
    moved = built.moved(folder)
    if folder.exists():
        try:
            if manifest.load(folder, chosen) == moved:
                return moved
        except UserError:
            console.note(f"{folder} was damaged and is replaced")
    files.replace_folder(built.folder, folder, replaced)
    return moved


def _declared(
    chosen: Sequence[Ecosystem], artifacts: Mapping[str, Sequence[Artifact]], source: Source
) -> dict[str, Declaration]:
    """Each package's own metadata, which must name the package and version of this release."""
    found = {}
    for ecosystem in chosen:
        declared = ecosystem.declare(artifacts[ecosystem.key])
        wanted = (source.configuration.package(ecosystem.key).name, ecosystem.spell(source.version))
        if (declared.name, declared.version) != wanted:
            raise StageFailed(
                f"the {ecosystem.label} package declares {declared.name} {declared.version}, not {' '.join(wanted)}",
                f"compare release.toml, the tag {source.version.tag} and the package's own manifest",
            )
        found[ecosystem.key] = declared
    return found


def _bill_of_materials(
    ecosystem: Ecosystem, declared: Declaration, artifacts: Sequence[Artifact], source: Source, committed: datetime
) -> Artifact:
    """Write the bill of materials of a package beside it."""
    file = artifacts[-1].path
    stem = file.name.removesuffix(file.suffix).removesuffix("-py3-none-any")
    path = file.with_name(f"{stem}.cdx.json")
    resolved = ecosystem.resolve(source, declared)
    path.write_text(sbom.describe(declared, artifacts, source.configuration.repository, committed, resolved))
    made = artifact(ecosystem.key, path, "")
    return replace(made, digest=f"sha256:{made.sha256}")
