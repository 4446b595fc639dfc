"""The npm package: a tarball by `npm pack`, any registry that npm talks to."""

import base64
import hashlib
import json
import os
import re
import shlex
import shutil
import tarfile
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import semver
from packageurl import PackageURL

from cqc_tools.foundation import console, process, workspace
from cqc_tools.foundation.configuration import Patience
from cqc_tools.foundation.errors import NoAnswer, Refused, StageFailed
from cqc_tools.foundation.version import Version
from cqc_tools.packages import (
    Artifact,
    Credentials,
    Declaration,
    Holdings,
    Installation,
    Requirement,
    Source,
    belonging,
    is_trusted_publisher,
    sha256,
)

ECOSYSTEM = "npm"
IMPORTED_AS = "@cq/cqc"
ERROR_CODE = re.compile(r"npm (?:error|ERR!) code (\w+)")
CREDENTIALS = "Give npm credentials that may publish this package: npm login, a token in .npmrc, or trusted publishing"


def build(source: Source, out: Path, scratch: Path) -> tuple[Artifact, ...]:
    """Compile to ES modules and CommonJS, stamp the version, pack."""
    package = source.folder / source.configuration.package("typescript").folder
    environment = workspace.tool_environment()
    process.run(["npm", "ci", "--prefer-offline", "--ignore-scripts"], cwd=package, env=environment, what="npm ci")
    process.run(["npm", "run", "build"], cwd=package, env=environment, what="compile the npm package")
    shutil.copyfile(source.folder / "LICENSE", package / "LICENSE")
    shutil.copytree(source.folder / "proto", package / "proto")
    manifest = package / "package.json"
    stamped = {"name": source.configuration.package("typescript").name, "version": source.version.npm}
    manifest.write_text(json.dumps({**stamped, **json.loads(manifest.read_text()), **stamped}, indent=2) + "\n")
    _normalise_modes(package)
    printed = process.run(
        ["npm", "pack", "--json", "--ignore-scripts", "--pack-destination", out],
        cwd=package,
        env=environment,
        what="npm pack",
    )
    file = out / _packed_file(printed)
    return (Artifact(ECOSYSTEM, file, file.stat().st_size, sha256(file), integrity(file)),)


def declared(artifacts: Sequence[Artifact]) -> Declaration:
    """What the package.json in the tarball says."""
    (artifact,) = artifacts
    with tarfile.open(artifact.path) as archive:
        file = archive.extractfile("package/package.json")
        if file is None:
            raise StageFailed(f"{artifact.path.name} holds no package.json")
        manifest = json.load(file)
    optional = {name for name, about in manifest.get("peerDependenciesMeta", {}).items() if about.get("optional")}
    needed = {**manifest.get("dependencies", {}), **manifest.get("peerDependencies", {})}
    return Declaration(
        manifest["name"],
        manifest["version"],
        _purl(manifest["name"], manifest["version"]),
        tuple(Requirement(_purl(name), versions, name in optional) for name, versions in needed.items()),
    )


def _purl(package: str, version: str | None = None) -> PackageURL:
    scope, _, name = package.rpartition("/")
    return PackageURL("npm", scope or None, name, version)


def _normalise_modes(package: Path) -> None:
    """npm keeps file modes in the tarball, and a clone's depend on the user's umask."""
    for path in package.iterdir():
        if path.name == "node_modules":
            continue
        for item in [path, *path.rglob("*")]:
            os.chmod(item, 0o755 if item.is_dir() else 0o644)


def _packed_file(printed: str) -> str:
    """The file name in what `npm pack --json` printed: a list up to npm 11, an object by package name after."""
    packed = json.loads(printed)
    (entry,) = packed if isinstance(packed, list) else packed.values()
    return str(entry["filename"])


def integrity(file: Path) -> str:
    """A file's digest as npm's lock files spell it."""
    return "sha512-" + base64.b64encode(hashlib.sha512(file.read_bytes()).digest()).decode()


class NpmRegistry:
    """A scoped package on the npm registry at `address`, which ends with a slash; what npm needs on disk is put below
    `scratch`. Without `credentials` npm finds its own."""

    ecosystem = ECOSYSTEM

    def __init__(
        self, package: str, address: str, credentials: Credentials | None, scratch: Path, patience: Patience
    ) -> None:
        self.package = package
        self.address = address
        self.credentials = credentials
        self.scratch = scratch
        self.patience = patience

    def spell(self, version: Version) -> str:
        """See Registry."""
        return version.npm

    def expected(self, artifacts: Sequence[Artifact], version: Version, commit: str) -> dict[str, str]:
        """See Registry."""
        return {artifact.path.name: artifact.digest for artifact in belonging(artifacts, ECOSYSTEM)}

    def read(self, version: Version) -> dict[str, str]:
        """See Registry."""
        with self._folder() as folder:
            # With a new cache: npm would take the tarball from one that has it, whatever the registry serves by now.
            environment = {**self._environment(folder), "npm_config_cache": str(folder / "cache")}
            try:
                printed = self._npm(
                    "pack", f"{self.package}@{version.npm}", "--json", "--ignore-scripts", cwd=folder, env=environment
                )
            except _Missing:
                return {}
            file = folder / _packed_file(printed)
            return {file.name: integrity(file)}

    def lacks(self, served: Mapping[str, str], version: Version) -> list[str]:
        """See Registry."""
        return []  # there is one file, and nothing at all without it

    def holdings(self) -> Holdings:
        """See Registry."""
        with self._folder() as folder:
            asked = ["versions", "repository.url", "--json", "--prefer-online"]
            try:
                printed = self._npm("view", self.package, *asked, cwd=folder, env=self._environment(folder))
            except _Missing:
                return Holdings()
        found = json.loads(printed or "{}")
        # Of what it finds only one of, npm prints the thing alone.
        versions = found.get("versions", []) if isinstance(found, dict) else found
        source = found.get("repository.url", "") if isinstance(found, dict) else ""
        versions = [versions] if isinstance(versions, str) else versions
        ordered = sorted(versions, key=semver.Version.parse)
        return Holdings(tuple(ordered), (source,) if source else ())

    def authorise(self) -> None:
        """See Registry."""
        if self.credentials or is_trusted_publisher():
            return
        with self._folder() as folder:
            self._npm("whoami", f"--registry={self.address}", cwd=folder, env=self._environment(folder))

    def withdrawal(self, version: Version, reason: str) -> tuple[str, str]:
        """See Registry."""
        with self._folder() as folder:
            tags = self._dist_tags(folder, self._environment(folder))
        where = f"--{self.package.partition('/')[0]}:registry={self.address}"
        commands = [["npm", "deprecate", f"{self.package}@{version.npm}", reason, where]]
        finals = [item for item in self.holdings().versions if "-" not in item and item != version.npm]
        for tag in (tag for tag, tagged in tags.items() if tagged == version.npm and finals):
            commands.append(["npm", "dist-tag", "add", f"{self.package}@{finals[-1]}", tag, where])
        return "deprecate it: npm shows the reason at every install", " && ".join(map(shlex.join, commands))

    def writes(self, missing: Sequence[str]) -> list[tuple[str, ...]]:
        """See Registry."""
        return [(name,) for name in missing]

    def write(self, names: Sequence[str], artifacts: Sequence[Artifact], source: Source) -> None:
        """See Registry."""
        (artifact,) = belonging(artifacts, ECOSYSTEM)
        with self._folder() as folder:
            environment = self._environment(folder)
            tags = self._dist_tags(folder, environment)
            tag = dist_tag(source.version, tags)
            if not tags and tag != "latest":
                console.progress.print(
                    f"[yellow]note:[/yellow] {source.version.npm} is the first version of {self.package}, so npm makes "
                    f"it `latest` although it is published as `{tag}`: the first final release will take that over"
                )
            # npm takes a path without ./ for the name of a repository.
            options = ["--tag", tag, "--access", "public", "--ignore-scripts"]
            self._npm("publish", f"./{artifact.path.name}", *options, cwd=artifact.path.parent, env=environment)

    def _dist_tags(self, folder: Path, environment: Mapping[str, str]) -> dict[str, str]:
        """The registry's dist-tags of our package; none before its first version."""
        try:
            printed = self._npm(
                "view", self.package, "dist-tags", "--json", "--prefer-online", cwd=folder, env=environment
            )
        except _Missing:
            return {}
        found = json.loads(printed or "{}")
        return found if isinstance(found, dict) else {}

    def _npm(self, command: str, *arguments: str, cwd: Path, env: Mapping[str, str]) -> str:
        """Run npm, which asks once and does not wait longer than our patience."""
        options = ["--fetch-retries=0", f"--fetch-timeout={int(self.patience.answer_seconds * 1000)}"]
        try:
            return process.run(["npm", command, *arguments, *options], cwd=cwd, env=env, what=f"npm {command}")
        except StageFailed as failure:
            code = found.group(1) if (found := ERROR_CODE.search(str(failure))) else ""
            if code in ("E404", "ETARGET") and command != "publish":
                raise _Missing from failure
            if code in ("E401", "E403", "ENEEDAUTH", "EOTP", "E404", "E402"):
                raise Refused(f"{failure}\n{CREDENTIALS}") from failure
            raise NoAnswer(str(failure)) from failure

    def install(self, example: Path, version: Version, folder: Path) -> Installation:
        """See Registry."""
        shutil.copytree(example, folder, ignore=shutil.ignore_patterns("node_modules", "dist"))
        environment = self._environment(folder)
        # Whatever the package is called, the examples import it by the name that it has here.
        alias = "" if self.package == IMPORTED_AS else f"{IMPORTED_AS}@npm:"
        started = time.monotonic()
        process.run(
            ["npm", "install", f"{alias}{self.package}@{version.npm}", "--prefer-offline"],
            cwd=folder,
            env=environment,
            what="npm install",
        )
        seconds = time.monotonic() - started
        process.run(["npm", "run", "build"], cwd=folder, env=environment, what="compile the TypeScript example")
        describe = (
            'import { toBinary } from "@bufbuild/protobuf"; '
            'import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt"; '
            f'import {{ descriptorSet }} from "{IMPORTED_AS}"; '
            'console.log(Buffer.from(toBinary(FileDescriptorSetSchema, descriptorSet())).toString("base64"));'
        )
        return Installation(
            ("node", "dist/main.js"), folder, environment, seconds, ("node", "--input-type=module", "-e", describe)
        )

    @contextmanager
    def _folder(self) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(prefix="npm-", dir=self.scratch, ignore_cleanup_errors=True) as folder:
            yield Path(folder)

    def _environment(self, folder: Path) -> dict[str, str]:
        """An environment in which our scope, and nothing else, comes from this registry."""
        scope = self.package.partition("/")[0]
        settings = folder / "cqc.npmrc"
        user = os.environ.get("npm_config_userconfig") or str(Path.home() / ".npmrc")
        lines = [Path(user).read_text()] if Path(user).is_file() else []
        lines.append(f"{scope}:registry={self.address}")
        if self.credentials:
            lines.append(f"{self.address.partition(':')[2]}:_authToken={self.credentials.secret}")
        settings.touch(mode=0o600)
        settings.write_text("\n".join(lines) + "\n")
        return workspace.tool_environment(npm_config_userconfig=str(settings))


class _Missing(Exception):
    """npm says that the registry has no such package or version."""


def dist_tag(version: Version, tags: Mapping[str, str]) -> str:
    """The dist-tag to publish under: `latest`, or `next` for a pre-release, but only forwards; a release of an older
    line gets a tag of its own."""
    chosen = semver.Version.parse(version.npm)
    usual = "next" if chosen.prerelease else "latest"
    if usual in tags and semver.Version.parse(tags[usual]) > chosen:
        return f"release-{chosen.major}.{chosen.minor}{'-next' if chosen.prerelease else ''}"
    return usual
