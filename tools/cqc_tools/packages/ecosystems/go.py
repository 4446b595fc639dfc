"""The Go module: its zip is what a module proxy would make of the tag, and pushing the tag publishes it."""

import json
import os
import re
import shutil
import tempfile
import time
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import semver
from packageurl import PackageURL

from cqc_tools.foundation import process, workspace
from cqc_tools.foundation.configuration import Patience
from cqc_tools.foundation.errors import NoAnswer, Refused, StageFailed
from cqc_tools.foundation.version import Version
from cqc_tools.packages import (
    Artifact,
    Declaration,
    Holdings,
    Installation,
    Requirement,
    Source,
    belonging,
    is_trusted_publisher,
    sha256,
)

ECOSYSTEM = "Go"
REFUSED = re.compile(
    r"returned error: 40[13]|Authentication failed|could not read (Username|Password)|Permission denied"
    r"|hook declined|protected|prohibited",
    re.IGNORECASE,
)
NO_MODULE = re.compile(r"invalid version: (missing \S*go\.mod|.*has non-.* module path|go\.mod has)")
CREDENTIALS = (
    "The remote has to let git push tags there: see its rules for tags, and git's credentials for this address"
)
DESCRIBER = """package main

import (
	"encoding/base64"
	"fmt"

	cqc "%s"
	"google.golang.org/protobuf/proto"
)

func main() {
	bytes, err := proto.Marshal(cqc.DescriptorSet())
	if err != nil {
		panic(err)
	}
	fmt.Println(base64.StdEncoding.EncodeToString(bytes))
}
"""


def build(source: Source, out: Path, scratch: Path) -> tuple[Artifact, ...]:
    """Make the module zip; its h1 is the one that go.sum of every user will hold."""
    module = source.configuration.package("go")
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
    below `scratch`. git finds its own credentials."""

    ecosystem = ECOSYSTEM

    def __init__(
        self, package: str, folder: str, repository: str, address: str, scratch: Path, patience: Patience
    ) -> None:
        self.package = package
        self.folder = folder
        self.repository = repository
        self.address = address
        self.scratch = scratch
        self.patience = patience

    def spell(self, version: Version) -> str:
        """See Registry."""
        return version.go

    def tags(self, version: Version) -> tuple[str, str]:
        """The two tags of a release: the one that stands for all of it, and the one that go looks for."""
        return version.tag, f"{self.folder}/{version.tag}"

    def expected(self, artifacts: Sequence[Artifact], version: Version, commit: str) -> dict[str, str]:
        """See Registry: the module zip that go makes of the tag, and both tags."""
        zips = {artifact.path.name: artifact.digest for artifact in belonging(artifacts, ECOSYSTEM)}
        return {**zips, **dict.fromkeys(self.tags(version), f"commit:{commit}")}

    def read(self, version: Version) -> dict[str, str]:
        """See Registry."""
        # The remote is asked, never a module proxy: a proxy remembers that it did not find a version.
        commits = self.commits(version)
        served = {tag: f"commit:{commit}" for tag, commit in commits.items()}
        if self.tags(version)[1] in commits:
            served[f"go-cqc-{version.go}.zip"] = self._h1(version)
        return served

    def commits(self, version: Version) -> dict[str, str]:
        """The commit of each tag of a release that the remote has."""
        names = [f"refs/tags/{tag}" for tag in self.tags(version)]
        # An annotated tag is listed twice: its own object, then the commit it stands for, with ^{} after the name.
        patterns = [*names, *(f"{name}^{{}}" for name in names)]
        listed = self._git("ls-remote", self.address, *patterns, cwd=self.scratch)
        found = {}
        for line in listed.splitlines():
            commit, _, name = line.partition("\t")
            found[name.removesuffix("^{}").removeprefix("refs/tags/")] = commit
        return found

    def _h1(self, version: Version) -> str:
        with tempfile.TemporaryDirectory(prefix="go-", dir=self.scratch, ignore_cleanup_errors=True) as cache:
            try:
                printed = process.run(
                    ["go", "mod", "download", "-json", f"{self.package}@{version.go}"],
                    cwd=Path(cache),
                    env={**self.client_environment(), "GOMODCACHE": cache},
                    what="go mod download",
                )
            except StageFailed as failure:
                if NO_MODULE.search(str(failure)):
                    return "no module"
                raise _classified(failure) from failure
        return str(json.loads(printed)["Sum"])

    def lacks(self, served: Mapping[str, str], version: Version) -> list[str]:
        """See Registry: both tags on one commit."""
        commits = {served[tag] for tag in self.tags(version) if tag in served}
        missing = [f"the tag {tag}" for tag in self.tags(version) if tag not in served]
        return [*missing, *(["both tags on one commit"] if len(commits) > 1 else [])]

    def holdings(self) -> Holdings:
        """See Registry: the module's path names its source."""
        listed = self._git("ls-remote", "--refs", self.address, f"refs/tags/{self.folder}/v*", cwd=self.scratch)
        names = [line.rpartition("/")[2].removeprefix("v") for line in listed.splitlines()]
        versions = sorted(map(semver.Version.parse, filter(semver.Version.is_valid, names)))
        return Holdings(tuple(f"v{version}" for version in versions), (self.repository,) if versions else ())

    def branch(self, name: str) -> str:
        """The commit that a branch of the remote is at, empty when there is no such branch."""
        listed = self._git("ls-remote", self.address, f"refs/heads/{name}", cwd=self.scratch)
        return listed.partition("\t")[0]

    def authorise(self) -> None:
        """See Registry: everything that a push does, but for its end."""
        if not is_trusted_publisher():
            refs = "HEAD:refs/tags/cqc-preflight"
            self._git("push", "--quiet", "--dry-run", self.address, refs, cwd=workspace.ROOT)

    def withdrawal(self, version: Version, reason: str) -> tuple[str, str]:
        """See Registry."""
        return f"the tags stay; a retraction in the go.mod of a higher version hides {version.go} from go", ""

    def writes(self, missing: Sequence[str]) -> list[tuple[str, ...]]:
        """See Registry: the tags that the remote lacks, at once; the zip is there with its tag."""
        tags = tuple(name for name in missing if not name.endswith(".zip"))
        return [tags] if tags else []

    def write(self, names: Sequence[str], artifacts: Sequence[Artifact], source: Source) -> None:
        """See Registry: one push that happens as a whole or not at all, and never moves a tag."""
        git: list[str | Path] = ["git", "-C", source.folder]
        refs = []
        for tag in names:
            # An annotated tag goes as it is.
            exists = tag in process.run([*git, "tag", "--list", tag]).split()
            object_name = process.run([*git, "rev-parse", f"refs/tags/{tag}"]).strip() if exists else source.commit
            refs.append(f"{object_name}:refs/tags/{tag}")
        self._git("push", "--quiet", "--atomic", self.address, *refs, cwd=source.folder)

    def _git(self, command: str, *arguments: str, cwd: Path) -> str:
        try:
            return process.run(["git", command, *arguments], cwd=cwd, env=self._environment(), what=f"git {command}")
        except StageFailed as failure:
            raise _classified(failure) from failure

    def _environment(self, **settings: str) -> dict[str, str]:
        """An environment in which git gives up on a silent remote and asks nobody for a password."""
        seconds = str(max(1, round(self.patience.answer_seconds)))
        settings = {"http.lowSpeedLimit": "1", "http.lowSpeedTime": seconds, **settings}
        # The caller may pass settings to git the same way: ours come after them.
        before = int(os.environ.get("GIT_CONFIG_COUNT", "0"))
        passed = {"GIT_CONFIG_COUNT": str(before + len(settings))}
        for number, (key, value) in enumerate(settings.items(), before):
            passed |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
        return workspace.tool_environment(GIT_TERMINAL_PROMPT="0", **passed)

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
        describer = folder / "describe" / "main.go"
        describer.parent.mkdir()
        describer.write_text(DESCRIBER % self.package)
        describe = folder / "cqc-describe"
        process.run(["go", "build", "-o", describe, "./describe"], cwd=folder, env=environment, what="go build")
        return Installation((str(program),), folder, environment, seconds, (str(describe),))

    def client_environment(self) -> dict[str, str]:
        """An environment in which our repository, and nothing else, comes from this remote.

        The module cache is new: one that saw our version in another remote would answer with what was there. Other
        modules are taken from the checkout's cache, then from where the user's go takes them.
        """
        shared = workspace.tool_environment()
        others = process.run(["go", "env", "GOPROXY"], env=shared).strip()
        redirected = {} if self.address == self.repository else {f"url.{self.address}.insteadOf": self.repository}
        return {
            **self._environment(**redirected),
            "GOMODCACHE": str(self.scratch / "go-mod"),
            # Lets the build cache serve the same sources from another folder.
            "GOFLAGS": f"{shared['GOFLAGS']} -trimpath",
            "GOPROXY": f"file://{shared['GOMODCACHE']}/cache/download,{others}",
            "GOPRIVATE": self.repository.removeprefix("https://").rpartition("/")[0],
        }


def _classified(failure: StageFailed) -> NoAnswer | Refused:
    """What a failed git or go command says about its remote."""
    if REFUSED.search(str(failure)):
        return Refused(f"{failure}\n{CREDENTIALS}")
    return NoAnswer(str(failure))
