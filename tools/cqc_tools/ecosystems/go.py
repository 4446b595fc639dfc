"""The Go module: its zip is what a module proxy would make of the tag, and pushing the tag publishes it."""

import json
import os
import shutil
import tempfile
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path

from packageurl import PackageURL

from cqc_tools import process, workspace
from cqc_tools.ecosystems import Artifact, Declaration, Installation, Requirement, Source, sha256
from cqc_tools.errors import StageFailed
from cqc_tools.version import Version

ECOSYSTEM = "Go"


def build(source: Source, out: Path, scratch: Path) -> tuple[Artifact, ...]:
    """Make the module zip; its h1 is the one that go.sum of every user will hold."""
    module = source.configuration.go
    file = out / f"go-cqc-{source.version.go}.zip"
    process.run(
        [
            workspace.GO_TOOLS / "modulezip",
            *("-repo", source.folder, "-revision", source.commit, "-subdir", module.folder),
            *("-module", module.name, "-version", source.version.go, "-out", file),
        ],
        what="make the Go module zip",
    )
    return (Artifact(ECOSYSTEM, file, file.stat().st_size, sha256(file), h1(file)),)


def h1(file: Path) -> str:
    """The digest of a module zip as go.sum spells it."""
    return process.run([workspace.GO_TOOLS / "modulezip", "-hash", file], what="hash the Go module zip").strip()


def declared(artifacts: Sequence[Artifact]) -> Declaration:
    """What the go.mod in the zip says; the version is in the name of each file.

    Raises StageFailed when the files are not all of one module and version.
    """
    (artifact,) = artifacts
    with zipfile.ZipFile(artifact.path) as archive, tempfile.TemporaryDirectory(prefix="go-mod-") as folder:
        # No path of a module has an @ before that of the version.
        modules = {tuple(name.split("@")[0:1] + name.split("@")[1].split("/")[0:1]) for name in archive.namelist()}
        if len(modules) != 1:
            raise StageFailed(f"{artifact.path.name} holds files of more than one module")
        ((name, version),) = modules
        file = Path(folder, "go.mod")
        file.write_bytes(archive.read(f"{name}@{version}/go.mod"))
        manifest = json.loads(process.run(["go", "mod", "edit", "-json", file], what="read go.mod"))
    if manifest["Module"]["Path"] != name:
        raise StageFailed(f"{artifact.path.name} holds {name}, its go.mod says {manifest['Module']['Path']}")
    return Declaration(
        name,
        version,
        _purl(name, version),
        # A requirement is a lower bound, and the newest lower bound of all is what go takes.
        tuple(
            Requirement(_purl(item["Path"], item["Version"]), f">={item['Version']}")
            for item in manifest.get("Require") or ()
            if not item.get("Indirect")
        ),
    )


def _purl(module: str, version: str) -> PackageURL:
    namespace, _, name = module.rpartition("/")
    return PackageURL("golang", namespace, name, version)


class GitRemote:
    """A module in a git repository at `address`, which go commands know as `repository`; what they need on disk is put
    below `scratch`."""

    ecosystem = ECOSYSTEM

    def __init__(self, package: str, folder: str, repository: str, address: str, scratch: Path) -> None:
        self.package = package
        self.folder = folder
        self.repository = repository
        self.address = address
        self.scratch = scratch

    def spell(self, version: Version) -> str:
        """See Registry."""
        return version.go

    def read(self, version: Version) -> dict[str, str]:
        """See Registry."""
        # The remote is asked, never a module proxy: a proxy remembers that it did not find a version.
        tag = f"refs/tags/{self.folder}/{version.go}"
        if not process.run(["git", "ls-remote", self.address, tag], what="git ls-remote"):
            return {}
        with tempfile.TemporaryDirectory(prefix="go-", dir=self.scratch) as cache:
            printed = process.run(
                ["go", "mod", "download", "-json", f"{self.package}@{version.go}"],
                cwd=Path(cache),
                env={**self.client_environment(), "GOMODCACHE": cache},
                what="go mod download",
            )
        return {f"go-cqc-{version.go}.zip": json.loads(printed)["Sum"]}

    def write(self, artifacts: tuple[Artifact, ...], source: Source) -> None:
        """See Registry: both tags of the release, in one push that happens as a whole or not at all."""
        tags = [source.version.tag, f"{self.folder}/{source.version.tag}"]
        process.run(
            ["git", "push", "--quiet", "--atomic", self.address, *(f"refs/tags/{tag}" for tag in tags)],
            cwd=source.folder,
            what="git push",
        )

    def install(self, example: Path, version: Version, folder: Path) -> Installation:
        """See Registry."""
        shutil.copytree(example, folder)
        # What the example needs beside our module is downloaded once for all rehearsals.
        process.run(["go", "mod", "download"], cwd=folder, what="go mod download")
        environment = self.client_environment()
        started = time.monotonic()
        process.run(["go", "get", f"{self.package}/...@{version.go}"], cwd=folder, env=environment, what="go get")
        seconds = time.monotonic() - started
        process.run(["go", "mod", "tidy"], cwd=folder, env=environment, what="go mod tidy")
        program = folder / "cqc-example"
        process.run(["go", "build", "-o", program, "."], cwd=folder, env=environment, what="compile the Go example")
        return Installation((str(program),), folder, environment, seconds)

    def client_environment(self) -> dict[str, str]:
        """An environment in which our repository, and nothing else, comes from this remote.

        The module cache is new: one that saw our version in another remote would answer with what was there. Other
        modules are taken from the checkout's cache, then from where the user's go takes them.
        """
        shared = workspace.tool_environment()
        others = process.run(["go", "env", "GOPROXY"], env=shared).strip()
        owner = self.repository.removeprefix("https://").rpartition("/")[0]
        # The caller may pass settings to git the same way: ours comes after them.
        count = int(os.environ.get("GIT_CONFIG_COUNT", "0"))
        return workspace.tool_environment(
            GOMODCACHE=str(self.scratch / "go-mod"),
            # Lets the build cache serve the same sources from another folder.
            GOFLAGS=f"{shared['GOFLAGS']} -trimpath",
            GOPROXY=f"file://{shared['GOMODCACHE']}/cache/download,{others}",
            GOPRIVATE=owner,
            GIT_CONFIG_COUNT=str(count + 1),
            **{
                f"GIT_CONFIG_KEY_{count}": f"url.{self.address}.insteadOf",
                f"GIT_CONFIG_VALUE_{count}": self.repository,
            },
        )
