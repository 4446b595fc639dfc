"""Build all artifacts of one commit, once, from a clean clone, into dist/<version>/."""

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema_rs import Draft202012Validator
from rich.markup import escape

from cqc_tools.contracts.descriptors import DESCRIPTOR_SET
from cqc_tools.foundation import configuration, console, process, timings, workspace
from cqc_tools.foundation.errors import StageFailed, UserError
from cqc_tools.foundation.version import Version, of_checkout, parse_release, require_commits
from cqc_tools.packages import Artifact, Declaration, Source, sbom, sha256
from cqc_tools.packages.ecosystems import go, python, typescript
from cqc_tools.toolchain import tool_versions

MANIFEST = "release.json"
SUMS = "SHA256SUMS"
SCHEMA = Path(__file__).parent / "schemas" / "release.schema.json"
# How each ecosystem spells the digest of a file.
DIGESTS: Mapping[str, Callable[[Path], str]] = {
    go.ECOSYSTEM: go.h1,
    python.ECOSYSTEM: lambda path: f"sha256:{sha256(path)}",
    typescript.ECOSYSTEM: typescript.integrity,
}


@dataclass(frozen=True)
class Build:
    """What was built: the files in `folder`, of `commit`, with the digest of the contracts they hold.

    `committed` is the commit's own time, in UTC; `toolchain` the version of each tool by its name; `sboms` are one per
    ecosystem.
    """

    version: Version
    commit: str
    folder: Path
    descriptor_set_sha256: str
    artifacts: tuple[Artifact, ...]
    sboms: tuple[Artifact, ...]
    committed: datetime
    toolchain: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """The content of release.json, which schemas/release.schema.json describes."""
        return {
            "version": {"pypi": self.version.pypi, "npm": self.version.npm, "go": self.version.go},
            "commit": self.commit,
            "committed": self.committed.isoformat(),
            "descriptor_set_sha256": self.descriptor_set_sha256,
            "artifacts": [_file_to_json(artifact) for artifact in self.artifacts],
            "sboms": [_file_to_json(artifact) for artifact in self.sboms],
            "toolchain": dict(self.toolchain),
        }

    @property
    def files(self) -> tuple[Artifact, ...]:
        """Everything that the build describes."""
        return (*self.artifacts, *self.sboms)

    def sums(self) -> str:
        """The content of SHA256SUMS, as `sha256sum --check` takes it."""
        lines = [f"{file.sha256}  {file.path.name}\n" for file in self.files]
        manifest = hashlib.sha256(self.manifest().encode()).hexdigest()
        return "".join([*lines, f"{manifest}  {MANIFEST}\n"])

    def manifest(self) -> str:
        """release.json as text."""
        return json.dumps(self.to_json(), indent=2) + "\n"


def _file_to_json(file: Artifact) -> dict[str, Any]:
    return {
        "ecosystem": file.ecosystem,
        "file": file.path.name,
        "size": file.size,
        "sha256": file.sha256,
        "digest": file.digest,
    }


def load(folder: Path) -> Build:
    """Read the build in a folder, and make sure that its files are the ones that were built.

    Raises UserError naming what is missing, malformed or changed, with the command that builds it again.
    """
    again = f"build it again: rm -r {folder} && {_command(folder.name)}"
    path = folder / MANIFEST
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        if not folder.exists():
            raise UserError(f"{folder} does not exist, nothing was built there: {_command(folder.name)}") from None
        raise UserError(f"{path} cannot be read ({error.strerror}): {again}") from None
    except ValueError as error:
        raise UserError(f"{path} is not JSON ({error}): {again}") from None
    if malformed := next(iter(_validator().iter_errors(content)), None):
        place = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in malformed.instance_path)
        raise UserError(f"{path} is malformed at ${place}: {malformed.message}\n{again}")

    def files(kind: str) -> tuple[Artifact, ...]:
        return tuple(
            Artifact(item["ecosystem"], folder / item["file"], item["size"], item["sha256"], item["digest"])
            for item in content[kind]
        )

    built = Build(
        Version(**content["version"]),
        content["commit"],
        folder,
        content["descriptor_set_sha256"],
        files("artifacts"),
        files("sboms"),
        datetime.fromisoformat(content["committed"]),
        content["toolchain"],
    )
    if findings := [finding for file in built.files if (finding := _finding(file, file in built.sboms))]:
        raise UserError("\n".join([f"{folder} is not what {MANIFEST} says:", *findings, again]))
    if not (folder / SUMS).is_file() or (folder / SUMS).read_text() != built.sums():
        raise UserError(f"{folder / SUMS} and {path} contradict each other, one was changed after the build\n{again}")
    return built


def _command(version: str) -> str:
    try:
        return f"make build VERSION={parse_release(version).npm}"
    except UserError:
        return "make build"


def _finding(file: Artifact, is_sbom: bool) -> str:
    """What is wrong with a file of a build, nothing if it is as it was built."""
    name = file.path.name
    if not file.path.is_file():
        return f"  {name} is missing"
    found = sha256(file.path)
    if found != file.sha256:
        size = file.path.stat().st_size
        return f"  {name} was changed: sha256 {found} of {size} bytes, it was {file.sha256} of {file.size} bytes"
    digest = f"sha256:{found}" if is_sbom else DIGESTS[file.ecosystem](file.path)
    if (file.path.stat().st_size, digest) != (file.size, file.digest):
        return f"  {name} has {file.path.stat().st_size} bytes and digest {digest}, not {file.size} and {file.digest}"
    return ""


@cache
def _validator() -> Draft202012Validator:
    return Draft202012Validator(json.loads(SCHEMA.read_text()))


def clone(folder: Path) -> str:
    """Clone what is checked out, with its tags, into `folder`; returns the commit to build.

    Where the working tree differs from HEAD, the clone gets one more commit that holds the differences, and the user is
    told: a build of it is a development version, even at a tag. Raises UserError when there is no commit yet.
    """
    require_commits()
    git = ["git", "-C", str(workspace.ROOT)]
    commit = process.run([*git, "rev-parse", "HEAD"]).strip()
    _clone_at(folder, commit)
    changes = process.run([*git, "status", "--porcelain", "--untracked-files=all"], what="git status").splitlines()
    if not changes:
        return commit
    console.progress.print(
        f"[yellow]note:[/yellow] {len(changes)} uncommitted changes are included, such as {escape(changes[0][3:])}"
    )
    return _commit_working_tree(folder)


def _clone_at(folder: Path, commit: str) -> None:
    process.run(
        ["git", "clone", "--quiet", "--no-hardlinks", "--no-checkout", workspace.ROOT, folder], what="git clone"
    )
    # Line endings and modes are the repository's, whatever the user's own settings say.
    for setting in ("core.autocrlf=false", "core.fileMode=true", "commit.gpgSign=false", "core.hooksPath=/dev/null"):
        process.run(["git", "-C", folder, "config", *setting.split("=")])
    process.run(["git", "-C", folder, "checkout", "--quiet", "--detach", commit], what="git checkout")


def _commit_working_tree(folder: Path) -> str:
    """Bring a clone to the state of the working tree, as a commit with the date of the one before."""
    tracked = process.run(["git", "-C", folder, "ls-files", "-z"]).split("\0")
    present = process.run(
        ["git", "-C", workspace.ROOT, "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    ).split("\0")
    for name in filter(None, tracked):
        (folder / name).unlink()
    for name in filter(None, present):
        if (workspace.ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(workspace.ROOT / name, folder / name)
    date = process.run(["git", "-C", folder, "log", "-1", "--format=%cI"]).strip()
    identity = {
        f"GIT_{role}_{key}": value
        for role in ("AUTHOR", "COMMITTER")
        for key, value in {"NAME": "uncommitted", "EMAIL": "uncommitted@localhost", "DATE": date}.items()
    }
    process.run(["git", "-C", folder, "add", "--all"], what="git add")
    environment = workspace.tool_environment(**identity)
    process.run(
        ["git", "-C", folder, "commit", "--quiet", "-m", "Uncommitted changes"], env=environment, what="git commit"
    )
    return process.run(["git", "-C", folder, "rev-parse", "HEAD"]).strip()


def clone_tag(folder: Path, version: Version) -> Source:
    """Clone a released version, whatever is checked out.

    Raises UserError when it has no tag here, and StageFailed when hatch-vcs computes another version than the tag's.
    """
    require_commits()
    try:
        commit = process.run(
            ["git", "-C", workspace.ROOT, "rev-parse", "--verify", "--quiet", f"refs/tags/{version.tag}^{{commit}}"]
        ).strip()
    except StageFailed:
        raise UserError(
            f"there is no tag {version.tag} here: get it with git fetch --tags, or see git tag --list 'v*'"
        ) from None
    _clone_at(folder, commit)
    # The commit may carry another release's tag too, such as that of its release candidate.
    others = set(process.run(["git", "-C", folder, "tag", "--points-at", commit, "v*"]).split())
    if others := others - {version.tag}:
        process.run(["git", "-C", folder, "tag", "--delete", *sorted(others)], what="git tag")
    computed = of_checkout(folder)
    if computed != version:
        raise StageFailed(f"the tag says {version.pypi}, hatch-vcs computes {computed.pypi}")
    return Source(folder, commit, version, configuration.load(folder / "release.toml"))


def build_checkout(release: str = "") -> Build:
    """Build a released version from its tag, or what is checked out when none is named: at a tag the release,
    otherwise a development version."""
    with tempfile.TemporaryDirectory(prefix="cqc-build-") as scratch:
        folder = Path(scratch, "source")
        if release:
            return build(clone_tag(folder, parse_release(release)), workspace.DIST)
        commit = clone(folder)
        source = Source(folder, commit, of_checkout(folder), configuration.load(folder / "release.toml"))
        return build(source, workspace.DIST)


def build(source: Source, dist: Path) -> Build:
    """Build the artifacts of a clean clone into a folder of `dist` named for the version; it appears there only when
    all of it is done. An earlier build of the same bytes is left as it is, one of other bytes is replaced.

    Raises StageFailed with the output of the build that failed, or when an artifact says that it is something else.
    """
    dist.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".build-", dir=dist) as part:
        out = Path(part, "out")
        out.mkdir()
        artifacts: dict[str, tuple[Artifact, ...]] = {}
        # Go first: it reads git, the other two put files into the clone.
        for ecosystem in (go, python, typescript):
            with console.step(f"build {ecosystem.ECOSYSTEM}"):
                artifacts[ecosystem.ECOSYSTEM] = ecosystem.build(source, out, Path(part))
        committed = _committed(source)
        with console.step("describe what was built"):
            sboms = [
                _describe(ecosystem, package, artifacts[ecosystem], source, committed)
                for ecosystem, package in _declared(artifacts, source).items()
            ]
        descriptor_set = source.folder / source.configuration.package("go").folder / DESCRIPTOR_SET
        built = Build(
            source.version,
            source.commit,
            out,
            hashlib.sha256(descriptor_set.read_bytes()).hexdigest(),
            tuple(file for files in artifacts.values() for file in files),
            tuple(sboms),
            committed,
            tool_versions.versions(),
        )
        (out / MANIFEST).write_text(built.manifest())
        (out / SUMS).write_text(built.sums())
        # Reading it back checks it against its schema.
        load(out)
        built = _put(built, dist / source.version.npm, Path(part, "replaced"))
        timings.update(built.folder)
        return built


def _put(built: Build, folder: Path, replaced: Path) -> Build:
    """Move a finished build to where it belongs, unless it is there already."""
    moved = replace(
        built,
        folder=folder,
        artifacts=tuple(replace(file, path=folder / file.path.name) for file in built.artifacts),
        sboms=tuple(replace(file, path=folder / file.path.name) for file in built.sboms),
    )
    if folder.exists():
        try:
            if load(folder) == moved:
                return moved
        except UserError:
            console.progress.print(f"[yellow]note:[/yellow] {escape(str(folder))} was damaged and is replaced")
        os.rename(folder, replaced)
    os.rename(built.folder, folder)
    return moved


def _committed(source: Source) -> datetime:
    seconds = process.run(["git", "-C", source.folder, "show", "--no-patch", "--format=%ct", source.commit])
    return datetime.fromtimestamp(int(seconds), UTC)


def _declared(artifacts: Mapping[str, Sequence[Artifact]], source: Source) -> dict[str, Declaration]:
    """What each package says of itself, which is what was asked for."""
    settings, version = source.configuration, source.version
    found = {
        ecosystem.ECOSYSTEM: ecosystem.declared(artifacts[ecosystem.ECOSYSTEM])
        for ecosystem in (go, python, typescript)
    }
    wanted = {
        go.ECOSYSTEM: (settings.package("go").name, version.go),
        python.ECOSYSTEM: (settings.package("python").name, version.pypi),
        typescript.ECOSYSTEM: (settings.package("typescript").name, version.npm),
    }
    for ecosystem, package in found.items():
        if (package.name, package.version) != wanted[ecosystem]:
            name, number = wanted[ecosystem]
            raise StageFailed(
                f"the {ecosystem} package says that it is {package.name} {package.version}, not {name} {number}: "
                f"see release.toml, the tag {version.tag} and the package's own manifest"
            )
    return found


def _describe(
    ecosystem: str, package: Declaration, artifacts: Sequence[Artifact], source: Source, committed: datetime
) -> Artifact:
    """Write the bill of materials of a package beside it."""
    file = artifacts[-1].path
    stem = file.name.removesuffix(file.suffix).removesuffix("-py3-none-any")
    path = file.with_name(f"{stem}.cdx.json")
    path.write_text(sbom.describe(package, artifacts, source.configuration.repository, committed))
    digest = sha256(path)
    return Artifact(ecosystem, path, path.stat().st_size, digest, f"sha256:{digest}")
