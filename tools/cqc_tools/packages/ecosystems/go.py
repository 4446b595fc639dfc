"""The Go module: its zip is what a module proxy makes of the tag, and pushing the tag publishes it."""

import json
import os
import re
import shutil
import tempfile
import time
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import semver
from packageurl import PackageURL

from cqc_tools.foundation import git, process, temporary, workspace
from cqc_tools.foundation.configuration import Patience
from cqc_tools.foundation.errors import ProgramFailed, Refused, StageFailed
from cqc_tools.foundation.version import Version
from cqc_tools.packages import (
    Artifact,
    Declaration,
    Ecosystem,
    Holdings,
    Installation,
    Requirement,
    Resolved,
    Source,
    artifact,
    belonging,
    identity,
    licences,
)
from cqc_tools.packages.git_remote import GitRemote, classified

KEY, LABEL = "go", "Go"
# go has no machine-readable errors: these are its words for a commit that holds no module of ours.
NO_MODULE = re.compile(r"invalid version: (missing \S*go\.mod|.*has non-.* module path|go\.mod has)")
MODULE_PATH = re.compile(r"[a-z0-9.-]+\.[a-z0-9.-]+(/[A-Za-z0-9._~-]+)+")
DESCRIBE = """package main

import (
	"encoding/base64"
	"encoding/json"
	"os"

	contracts "%s"
	"google.golang.org/protobuf/proto"
)

func main() {
	bytes, err := proto.Marshal(contracts.DescriptorSet())
	if err != nil {
		panic(err)
	}
	described := map[string]string{
		"version":        contracts.Version(),
		"descriptor_set": base64.StdEncoding.EncodeToString(bytes),
	}
	if err := json.NewEncoder(os.Stdout).Encode(described); err != nil {
		panic(err)
	}
}
"""


def build(source: Source, out: Path, scratch: Path) -> tuple[Artifact, ...]:
    """Make the module zip from git; its h1 is the one that every user's go.sum will hold."""
    module = source.configuration.package(KEY)
    file = out / _zip_name(module.folder, source.version)
    process.run(
        [
            workspace.GO_TOOLS / "modulezip",
            *("-repo", source.folder, "-revision", source.commit, "-subdir", module.folder),
            *("-module", module.name, "-version", source.version.go, "-out", file),
        ],
        what="make the Go module zip",
    )
    return (artifact(KEY, file, h1(file)),)


def h1(file: Path) -> str:
    """A module zip's digest as go.sum spells it."""
    return process.run([workspace.GO_TOOLS / "modulezip", "-hash", file], what="hash the Go module zip").strip()


def declare(artifacts: Sequence[Artifact]) -> Declaration:
    """Read the go.mod in the zip; the version is part of each file's name.

    Raises StageFailed if the files do not all belong to one module and version.
    """
    (packed,) = artifacts
    with zipfile.ZipFile(packed.path) as archive, temporary.folder("go-mod") as folder:
        # The first @ in a name is the one before the version: module paths contain none.
        modules = {tuple(name.split("@")[0:1] + name.split("@")[1].split("/")[0:1]) for name in archive.namelist()}
        if len(modules) != 1:
            raise StageFailed(f"{packed.path.name} holds files of more than one module")
        ((name, version),) = modules
        file = folder / "go.mod"
        file.write_bytes(archive.read(f"{name}@{version}/go.mod"))
        manifest = json.loads(process.run(["go", "mod", "edit", "-json", file], what="read go.mod"))
    if manifest["Module"]["Path"] != name:
        raise StageFailed(
            f"{packed.path.name} holds {name}, but its go.mod declares {manifest['Module']['Path']}",
            "run make module-path, which writes the path of release.toml into go.mod",
        )
    return Declaration(
        name,
        version,
        _purl(name, version),
        # Each requirement is a lower bound: go selects the highest of all modules' lower bounds.
        tuple(
            Requirement(_purl(item["Path"], item["Version"]), f">={item['Version']}")
            for item in manifest.get("Require") or ()
            if not item.get("Indirect")
        ),
    )


def resolve(source: Source, declared: Declaration) -> tuple[Resolved, ...]:
    """See Ecosystem: every module that go.mod requires, which since Go 1.17 are all that the packages import."""
    file = source.configuration.folder(KEY, source.folder) / "go.mod"
    required = json.loads(process.run(["go", "mod", "edit", "-json", file], what="read go.mod")).get("Require") or ()
    known = licences.load(source.folder, KEY)
    if not known:
        return ()
    return tuple(Resolved(_purl(item["Path"], item["Version"]), licences.of(known, item["Path"])) for item in required)


def check_name(name: str) -> str:
    """See Ecosystem."""
    return "" if MODULE_PATH.fullmatch(name) else "a module path such as github.com/team/contracts/packages/go"


def _purl(module: str, version: str) -> PackageURL:
    namespace, _, name = module.rpartition("/")
    return PackageURL("golang", namespace, name, version)


def _zip_name(folder: str, version: Version) -> str:
    return f"{Path(folder).name}-{version.go}.zip"


class GoModule:
    """A module in `folder` of the git repository that go commands know as `repository`, on a remote."""

    key = KEY
    label = LABEL

    def __init__(self, package: str, folder: str, repository: str, remote: GitRemote, scratch: Path) -> None:
        self.package = package
        self.folder = folder
        self.repository = repository
        self.remote = remote
        self.scratch = scratch

    @property
    def address(self) -> str:
        """See Registry."""
        return self.remote.address

    @property
    def patience(self) -> Patience:
        """See Registry."""
        return self.remote.patience

    def spell(self, version: Version) -> str:
        """See Registry."""
        return version.go

    def tags(self, version: Version) -> tuple[str, str]:
        """The two tags of a release: the one for all of it, and the one that go looks for."""
        return version.tag, f"{self.folder}/{version.tag}"

    def expected(self, artifacts: Sequence[Artifact], version: Version, commit: str) -> dict[str, str]:
        """See Registry: the module zip that go makes of the tag, and both tags."""
        zips = {item.path.name: item.digest for item in belonging(artifacts, KEY)}
        return {**zips, **dict.fromkeys(self.tags(version), f"commit:{commit}")}

    def read(self, version: Version) -> dict[str, str]:
        """See Registry."""
        # Reads the remote, never a module proxy: a proxy remembers that it did not find a version.
        commits = self.remote.tag_commits(self.tags(version))
        served = {tag: f"commit:{commit}" for tag, commit in commits.items()}
        if self.tags(version)[1] in commits:
            served[_zip_name(self.folder, version)] = self._h1(version)
        return served

    def _h1(self, version: Version) -> str:
        with tempfile.TemporaryDirectory(prefix="go-", dir=self.scratch, ignore_cleanup_errors=True) as cache:
            try:
                printed = process.run(
                    ["go", "mod", "download", "-json", f"{self.package}@{version.go}"],
                    cwd=Path(cache),
                    env={**self.client_environment(), "GOMODCACHE": cache},
                    what="go mod download",
                    **self.patience.limits,
                )
            except ProgramFailed as failure:
                if NO_MODULE.search(failure.stdout + failure.stderr):
                    return "no module"
                raise classified(failure, _error(failure.stdout)) from failure
        return str(json.loads(printed)["Sum"])

    def signatures(self, served: Mapping[str, str], version: Version) -> dict[str, list[str]]:
        """See Registry: go compares what it downloads with a public log instead."""
        return {}

    def lacks(self, served: Mapping[str, str], version: Version) -> list[str]:
        """See Registry: both tags, on one commit."""
        commits = {served[tag] for tag in self.tags(version) if tag in served}
        missing = [f"the tag {tag}" for tag in self.tags(version) if tag not in served]
        return [*missing, *(["both tags on one commit"] if len(commits) > 1 else [])]

    def holdings(self) -> Holdings:
        """See Registry: the module's path names its source."""
        prefix = f"{self.folder}/v"
        numbers = [name.removeprefix(prefix) for name in self.remote.tags(f"{prefix}*")]
        versions = sorted(map(semver.Version.parse, filter(semver.Version.is_valid, numbers)))
        return Holdings(tuple(f"v{version}" for version in versions), (self.repository,) if versions else ())

    @property
    def upload_address(self) -> str:
        """See Registry."""
        return self.remote.address

    def authorise(self, source: Source) -> None:
        """See Registry."""
        self.remote.try_push()
        self._require_known_workflows(source)

    def _require_known_workflows(self, source: Source) -> None:
        """GitHub takes no tag from a workflow's own token if the commit has other workflows than every branch has now,
        as it may after a review that took its time. A dry run does not show that."""
        server = os.environ.get("GITHUB_SERVER_URL", "")
        if not identity.is_github_run() or not (server and self.remote.address.startswith(server)):
            return
        repository = git.Repository(source.folder)
        ours = repository.tree(source.commit, workspace.WORKFLOWS)
        tips = (tip for tip in self.remote.branches().values() if repository.commit(tip))
        if ours is None or any(repository.tree(tip, workspace.WORKFLOWS) == ours for tip in tips):
            return
        tags = " ".join(f"{source.commit}:refs/tags/{tag}" for tag in self.tags(source.version))
        raise Refused(
            f"the workflows of {source.commit[:12]} differ from those of every branch: GitHub takes no such tag from a "
            "workflow",
            f"push the tags yourself, then run the failed jobs again: git push --atomic {self.remote.address} {tags}",
        )

    def withdrawal(self, version: Version, reason: str) -> tuple[str, str]:
        """See Registry."""
        return f"the tags stay; a retraction in the go.mod of a higher version hides {version.go} from go", ""

    def announcement(self, version: Version) -> str:
        """See Registry."""
        return f"the tags {' and '.join(self.tags(version))}, in one atomic push,"

    def writes(self, missing: Sequence[str]) -> list[tuple[str, ...]]:
        """See Registry: the tags that the remote lacks, together; the zip appears with its tag."""
        tags = tuple(name for name in missing if not name.endswith(".zip"))
        return [tags] if tags else []

    def write(self, names: Sequence[str], artifacts: Sequence[Artifact], source: Source) -> None:
        """See Registry: one atomic push that never moves a tag."""
        repository = git.Repository(source.folder)
        local = set(repository.tags())
        # An annotated tag is pushed as the object it is.
        objects = {
            tag: repository.run("rev-parse", f"refs/tags/{tag}").strip() if tag in local else source.commit
            for tag in names
        }
        self.remote.push_tags(objects, source.folder)

    def install(self, version: Version, folder: Path, example: Path | None) -> Installation:
        """See Registry."""
        if example:
            shutil.copytree(example, folder)
            # The example's other dependencies are downloaded once for all rehearsals.
            process.run(["go", "mod", "download"], cwd=folder, what="go mod download", **self.patience.limits)
        else:
            folder.mkdir(parents=True)
            process.run(["go", "mod", "init", "example.com/user"], cwd=folder, what="go mod init")
        environment = self.client_environment()
        started = time.monotonic()
        command = ["go", "get", f"{self.package}/...@{version.go}"]
        process.run(command, cwd=folder, env=environment, what="go get", **self.patience.limits)
        seconds = time.monotonic() - started
        describer = folder / "describe" / "main.go"
        describer.parent.mkdir()
        describer.write_text(DESCRIBE % self.package)
        command = ["go", "mod", "tidy"]
        process.run(command, cwd=folder, env=environment, what="go mod tidy", **self.patience.limits)
        programs = {"describe": "./describe", **({"example": "."} if example else {})}
        for name, package in programs.items():
            command = ["go", "build", "-o", str(folder / "bin" / name), package]
            process.run(command, cwd=folder, env=environment, what=f"compile the Go {name} program")
        run = (str(folder / "bin" / "example"),) if example else ()
        return Installation(folder, environment, seconds, (str(folder / "bin" / "describe"),), run)

    def client_environment(self) -> dict[str, str]:
        """An environment in which our repository, and nothing else, comes from this remote.

        The module cache is new: an old one would answer with what another remote once had under our version. Other
        modules come from the checkout's cache, then from wherever the user's go finds them.
        """
        shared = workspace.tool_environment()
        others = process.run(["go", "env", "GOPROXY"], env=shared).strip()
        redirected = {} if self.address == self.repository else {f"url.{self.address}.insteadOf": self.repository}
        return {
            **self.remote.environment(**redirected),
            "GOMODCACHE": str(self.scratch / "go-mod"),
            # Without paths in the binaries, the build cache serves the same sources from another folder.
            "GOFLAGS": f"{shared['GOFLAGS']} -trimpath",
            "GOPROXY": f"{Path(shared['GOMODCACHE'], 'cache', 'download').as_uri()},{others}",
            "GOPRIVATE": self.repository.removeprefix("https://").rpartition("/")[0],
        }


def _error(printed: str) -> str:
    """The error in what `go mod download -json` printed, in one line; empty if there is none."""
    with suppress(ValueError, AttributeError):
        return " ".join(str(json.loads(printed).get("Error", "")).split())
    return ""


@contextmanager
def _serve(folder: Path) -> Iterator[Mapping[str, str]]:
    """Nothing to start: the module is published to the target's git remote."""
    yield {}


ECOSYSTEM = Ecosystem(
    key=KEY,
    label=LABEL,
    # A version that a module proxy has fetched once stays there for ever.
    permanence=3,
    addresses=(),
    files=1,
    file_pattern=r"\.zip",
    digest_pattern="h1:[A-Za-z0-9+/]{43}=",
    spell=lambda version: version.go,
    check_name=check_name,
    build=build,
    declare=declare,
    digest=h1,
    default_addresses=lambda _: {},
    registry=lambda settings, access: GoModule(
        settings.package(KEY).name, settings.package(KEY).folder, settings.repository, access.remote, access.scratch
    ),
    serve=_serve,
    resolve=resolve,
)
