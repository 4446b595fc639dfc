"""Build all artifacts of one commit, once, from a clean clone, into dist/<version>/."""

import hashlib
import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.markup import escape

from cqc_tools import configuration, console, process, workspace
from cqc_tools.contracts import DESCRIPTOR_SET
from cqc_tools.ecosystems import Artifact, Source, go, npm, python
from cqc_tools.errors import UserError
from cqc_tools.version import Version, of_checkout

MANIFEST = "release.json"


@dataclass(frozen=True)
class Build:
    """What was built: the files in `folder`, of `commit`, with the digest of the contracts they hold."""

    version: Version
    commit: str
    folder: Path
    descriptor_set_sha256: str
    artifacts: tuple[Artifact, ...]

    def to_json(self) -> dict[str, Any]:
        """The content of release.json: spellings of the version, commit, and each file's size and digests."""
        return {
            "version": {"pypi": self.version.pypi, "npm": self.version.npm, "go": self.version.go},
            "commit": self.commit,
            "descriptor_set_sha256": self.descriptor_set_sha256,
            "artifacts": [
                {
                    "ecosystem": artifact.ecosystem,
                    "file": artifact.path.name,
                    "size": artifact.size,
                    "sha256": artifact.sha256,
                    "digest": artifact.digest,
                }
                for artifact in self.artifacts
            ],
        }


def clone(folder: Path) -> str:
    """Clone what is checked out, with its tags, into `folder`; returns the commit to build.

    Where the working tree differs from HEAD, the clone gets one more commit that holds the differences, and the user is
    told: a build of it is a development version, even at a tag. Raises UserError when there is no commit yet.
    """
    git = ["git", "-C", str(workspace.ROOT)]
    if not (workspace.ROOT / ".git").exists():
        raise UserError(
            f"{workspace.ROOT} is not a git checkout, and the version comes from git: get it with git clone"
        )
    if not process.run([*git, "rev-list", "--all", "--max-count=1"]).strip():
        raise UserError("there is nothing to build: the repository has no commit yet, make one with git commit")
    commit = process.run([*git, "rev-parse", "HEAD"]).strip()
    process.run(
        ["git", "clone", "--quiet", "--no-hardlinks", "--no-checkout", workspace.ROOT, folder], what="git clone"
    )
    # Line endings and modes are the repository's, whatever the user's own settings say.
    for setting in ("core.autocrlf=false", "core.fileMode=true", "commit.gpgSign=false", "core.hooksPath=/dev/null"):
        process.run(["git", "-C", folder, "config", *setting.split("=")])
    process.run(["git", "-C", folder, "checkout", "--quiet", "--detach", commit], what="git checkout")
    changes = process.run([*git, "status", "--porcelain", "--untracked-files=all"], what="git status").splitlines()
    if not changes:
        return commit
    console.progress.print(
        f"[yellow]note:[/yellow] {len(changes)} uncommitted changes are included, such as {escape(changes[0][3:])}"
    )
    return _commit_working_tree(folder)


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


def build_checkout() -> Build:
    """Build what is checked out: at a tag the release, otherwise a development version."""
    with tempfile.TemporaryDirectory(prefix="cqc-build-") as scratch:
        folder = Path(scratch, "source")
        commit = clone(folder)
        source = Source(folder, commit, of_checkout(folder), configuration.load(folder / "release.toml"))
        return build(source, workspace.DIST)


def build(source: Source, dist: Path) -> Build:
    """Build the artifacts of a clean clone into a folder of `dist` named for the version; it appears there only when
    all of it is done, in place of an earlier build of the same version.

    Raises StageFailed with the output of the build that failed.
    """
    dist.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".build-", dir=dist) as part:
        out = Path(part, "out")
        out.mkdir()
        artifacts: list[Artifact] = []
        # Go first: it reads git, the other two put files into the clone.
        for ecosystem in (go, python, npm):
            with console.step(f"build {ecosystem.ECOSYSTEM}"):
                artifacts += ecosystem.build(source, out, Path(part))
        folder = dist / source.version.npm
        descriptor_set = source.folder / source.configuration.go.folder / DESCRIPTOR_SET
        built = Build(
            source.version,
            source.commit,
            folder,
            hashlib.sha256(descriptor_set.read_bytes()).hexdigest(),
            tuple(
                Artifact(item.ecosystem, folder / item.path.name, item.size, item.sha256, item.digest)
                for item in artifacts
            ),
        )
        sums = "".join(f"{artifact.sha256}  {artifact.path.name}\n" for artifact in built.artifacts)
        (out / "SHA256SUMS").write_text(sums)
        (out / MANIFEST).write_text(json.dumps(built.to_json(), indent=2) + "\n")
        if folder.exists():
            os.rename(folder, Path(part, "replaced"))
        os.rename(out, folder)
    return built
