"""The npm package: a tarball by `npm pack`, any registry that npm talks to."""

import base64
import hashlib
import json
import os
import shutil
import tarfile
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from packageurl import PackageURL

from cqc_tools import process, workspace
from cqc_tools.ecosystems import Artifact, Declaration, Installation, Requirement, Source, sha256
from cqc_tools.errors import StageFailed
from cqc_tools.version import Version

ECOSYSTEM = "npm"


def build(source: Source, out: Path, scratch: Path) -> tuple[Artifact, ...]:
    """Compile to ES modules and CommonJS, stamp the version, pack."""
    package = source.folder / source.configuration.npm.folder
    environment = workspace.tool_environment()
    process.run(["npm", "ci", "--prefer-offline", "--ignore-scripts"], cwd=package, env=environment, what="npm ci")
    process.run(["npm", "run", "build"], cwd=package, env=environment, what="compile the npm package")
    shutil.copyfile(source.folder / "LICENSE", package / "LICENSE")
    shutil.copytree(source.folder / "proto", package / "proto")
    manifest = package / "package.json"
    stamped = {"name": source.configuration.npm.name, "version": source.version.npm}
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
    """A scoped package on an npm registry at `address`; what npm needs on disk is put below `scratch`."""

    ecosystem = ECOSYSTEM

    def __init__(self, package: str, address: str, scratch: Path) -> None:
        self.package = package
        self.address = address
        self.scratch = scratch

    def spell(self, version: Version) -> str:
        """See Registry."""
        return version.npm

    def read(self, version: Version) -> dict[str, str]:
        """See Registry."""
        with tempfile.TemporaryDirectory(prefix="npm-", dir=self.scratch) as folder:
            environment = self._environment(Path(folder))
            wanted = f"{self.package}@{version.npm}"
            try:
                found = process.run(
                    ["npm", "view", wanted, "version", "--prefer-online"],
                    cwd=Path(folder),
                    env=environment,
                    what="npm view",
                )
            except StageFailed as failure:
                if "E404" not in str(failure):
                    raise
                found = ""
            if not found.strip():
                return {}
            printed = process.run(
                ["npm", "pack", wanted, "--json", "--prefer-online"], cwd=Path(folder), env=environment, what="npm pack"
            )
            file = Path(folder, _packed_file(printed))
            return {file.name: integrity(file)}

    def write(self, artifacts: tuple[Artifact, ...], source: Source) -> None:
        """See Registry."""
        (artifact,) = artifacts
        dist_tag = "next" if "-" in source.version.npm else "latest"
        with tempfile.TemporaryDirectory(prefix="npm-", dir=self.scratch) as folder:
            # npm takes a path without ./ for the name of a repository.
            process.run(
                ["npm", "publish", f"./{artifact.path.name}", "--tag", dist_tag, "--access", "public"],
                cwd=artifact.path.parent,
                env=self._environment(Path(folder)),
                what="npm publish",
            )

    def install(self, example: Path, version: Version, folder: Path) -> Installation:
        """See Registry."""
        shutil.copytree(example, folder, ignore=shutil.ignore_patterns("node_modules", "dist"))
        environment = self._environment(folder)
        started = time.monotonic()
        process.run(
            ["npm", "install", f"{self.package}@{version.npm}", "--prefer-offline"],
            cwd=folder,
            env=environment,
            what="npm install",
        )
        seconds = time.monotonic() - started
        process.run(["npm", "run", "build"], cwd=folder, env=environment, what="compile the TypeScript example")
        return Installation(("node", "dist/main.js"), folder, environment, seconds)

    def _environment(self, folder: Path) -> dict[str, str]:
        """An environment in which our scope, and nothing else, comes from this registry."""
        scope = self.package.partition("/")[0]
        host = self.address.partition(":")[2]
        settings = folder / "cqc.npmrc"
        user = os.environ.get("npm_config_userconfig") or str(Path.home() / ".npmrc")
        own = Path(user).read_text() if Path(user).is_file() else ""
        settings.write_text(f"{own}\n{scope}:registry={self.address}\n{host}:_authToken=rehearsal\n")
        return workspace.tool_environment(npm_config_userconfig=str(settings))
