"""The npm package: a tarball by `npm pack`, on any registry that npm talks to."""

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
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import semver
from packageurl import PackageURL

from cqc_tools.foundation import console, files, kept_trees, process, workspace
from cqc_tools.foundation.configuration import Configuration, Patience
from cqc_tools.foundation.errors import NoAnswer, OverLimit, ProgramFailed, Refused, StageFailed
from cqc_tools.foundation.version import Version
from cqc_tools.generation.generate import write_descriptor_copies
from cqc_tools.packages import (
    Artifact,
    Credentials,
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
)
from cqc_tools.packages.local import npm

KEY, LABEL = "typescript", "npm"
# The name that CQC's own examples import, whatever the package is called in release.toml.
IMPORTED_AS = "@cq/cqc"
# Some commands report their error code in words only.
ERROR_CODE = re.compile(r"npm (?:error|ERR!) code (\w+)")
PACKED = "package.tgz"
# The dist-tags of older lines.
OF_LINE = re.compile(r"release-([0-9]+\.[0-9]+)")
GUARD = Path(__file__).with_name("npm_guard.cjs")
PROVENANCE = "https://slsa.dev/provenance/v1"
CREDENTIALS = "give npm credentials that may publish this package: npm login, a token in .npmrc, or trusted publishing"
DESCRIBE = """
import {{ createRequire }} from "node:module";
import {{ toBinary }} from "@bufbuild/protobuf";
import {{ FileDescriptorSetSchema }} from "@bufbuild/protobuf/wkt";
import {{ descriptorSet }} from "{package}";
const {{ version }} = createRequire(import.meta.url)("{package}/package.json");
const descriptor_set = Buffer.from(toBinary(FileDescriptorSetSchema, descriptorSet())).toString("base64");
console.log(JSON.stringify({{ version, descriptor_set }}));
"""


def build(source: Source, out: Path, scratch: Path) -> tuple[Artifact, ...]:
    """Compile to ES modules and CommonJS, stamp the name and version, pack."""
    settings = source.configuration.package(KEY)
    package = source.folder / settings.folder
    environment = workspace.tool_environment()
    _install_dependencies(package, workspace.ROOT / settings.folder)
    write_descriptor_copies(source.folder, source.configuration)
    _compile(package)
    shutil.copyfile(source.folder / "LICENSE", package / "LICENSE")
    shutil.copytree(source.configuration.folder("go", source.folder) / "proto", package / "proto")
    manifest = package / "package.json"
    content = json.loads(manifest.read_text())
    stamped = {"name": settings.name, "version": source.version.npm}
    content = {**stamped, **content, **stamped, **legacy_entries(content["exports"])}
    manifest.write_text(json.dumps(content, indent=2) + "\n")
    _normalise_modes(package)
    printed = process.run(
        ["npm", "pack", "--json", "--ignore-scripts", "--pack-destination", out],
        cwd=package,
        env=environment,
        what="npm pack",
    )
    file = out / _packed_file(printed)
    return (artifact(KEY, file, integrity(file)),)


def legacy_entries(exports: Mapping[str, Any]) -> dict[str, Any]:
    """`main`, `types` and `typesVersions` for what does not read `exports`: TypeScript with `moduleResolution: node10`,
    which is the default of `module: commonjs` before TypeScript 7, and old bundlers."""
    required = {name: entry["require"] for name, entry in exports.items() if isinstance(entry, dict)}
    root = required.pop(".")
    paths = {name.removeprefix("./"): [entry["types"]] for name, entry in required.items()}
    # TypeScript looks up `types` there too, where the pattern of a project that has one would match it.
    paths[root["types"].removeprefix("./")] = [root["types"]]
    return {"main": root["default"], "types": root["types"], "typesVersions": {"*": paths}}


def _compile(package: Path) -> None:
    """Write dist/, or take what the same sources and the same lock compiled to before."""

    def run() -> dict[Path, bytes]:
        process.run(
            ["npm", "run", "build"], cwd=package, env=workspace.tool_environment(), what="compile the npm package"
        )
        return {path.relative_to(package): path.read_bytes() for path in sorted(package.glob("dist/**/*.*"))}

    inputs = sorted(path for path in [*package.glob("src/**/*"), *package.glob("*.*")] if path.is_file())
    sources = (part for path in inputs for part in (path.relative_to(package).as_posix().encode(), path.read_bytes()))
    for path, content in kept_trees.tree("compiled", sources, run).items():
        (package / path).parent.mkdir(parents=True, exist_ok=True)
        (package / path).write_bytes(content)


def _install_dependencies(package: Path, installed: Path) -> None:
    """Give a clone its locked dependencies: those that the set-up installed in `installed` from the same lock, or else
    new ones."""
    lock = "package-lock.json"
    is_same = (installed / lock).is_file() and (installed / lock).read_bytes() == (package / lock).read_bytes()
    if is_same and (installed / "node_modules").is_dir():
        (package / "node_modules").symlink_to(installed / "node_modules")
        return
    command = ["npm", "ci", "--prefer-offline", "--ignore-scripts"]
    process.run(command, cwd=package, env=workspace.tool_environment(), what="npm ci")


def declare(artifacts: Sequence[Artifact]) -> Declaration:
    """Read the package.json in the tarball."""
    (packed,) = artifacts
    with tarfile.open(packed.path) as archive:
        file = archive.extractfile("package/package.json")
        if file is None:
            raise StageFailed(f"{packed.path.name} holds no package.json")
        manifest = json.load(file)
    optional = {name for name, about in manifest.get("peerDependenciesMeta", {}).items() if about.get("optional")}
    needed = {**manifest.get("dependencies", {}), **manifest.get("peerDependencies", {})}
    return Declaration(
        manifest["name"],
        manifest["version"],
        _purl(manifest["name"], manifest["version"]),
        tuple(Requirement(_purl(name), versions, name in optional) for name, versions in needed.items()),
    )


def resolve(source: Source, declared: Declaration) -> tuple[Resolved, ...]:
    """See Ecosystem: from package-lock.json, which has licences."""
    locked = json.loads((source.configuration.folder(KEY, source.folder) / "package-lock.json").read_text())["packages"]

    def place(name: str, inside: str) -> str:
        """Where node finds a package that another one imports: in its own folder, or else in one above."""
        while f"{inside}/node_modules/{name}".lstrip("/") not in locked and inside:
            inside = inside.rpartition("/node_modules/")[0] if "/node_modules/" in inside else ""
        return f"{inside}/node_modules/{name}".lstrip("/")

    def purl(where: str) -> PackageURL:
        return _purl(where.rpartition("node_modules/")[2], locked[where]["version"])

    found: dict[str, Resolved] = {}
    waiting = [place(_name(item.purl), "") for item in declared.requirements]
    while waiting:
        where = waiting.pop()
        if where in found or where not in locked:
            continue
        entry = locked[where]
        # Optional dependencies may be for other systems; those that are locked are listed.
        needed = {**entry.get("dependencies", {}), **entry.get("peerDependencies", {})}
        places = [path for path in (place(name, where) for name in sorted(needed)) if path in locked]
        found[where] = Resolved(purl(where), str(entry.get("license", "")), tuple(map(purl, places)))
        waiting += places
    return tuple(found[where] for where in sorted(found))


def _name(purl: PackageURL) -> str:
    return f"{purl.namespace}/{purl.name}" if purl.namespace else str(purl.name)


def check_name(name: str) -> str:
    """See Ecosystem: only the scope tells npm which packages come from the target's registry."""
    if re.fullmatch(r"@[a-z0-9~-][a-z0-9._~-]*/[a-z0-9~-][a-z0-9._~-]*", name):
        return ""
    return "a scoped name such as @team/cqc, so that npm takes this scope, and no other, from the target's registry"


def _purl(package: str, version: str | None = None) -> PackageURL:
    scope, _, name = package.rpartition("/")
    return PackageURL("npm", scope or None, name, version)


def _normalise_modes(package: Path) -> None:
    """Set every mode: npm keeps modes in the tarball, and a clone's depend on the user's umask."""
    for path in package.iterdir():
        if path.name == "node_modules":
            continue
        for item in [path, *path.rglob("*")]:
            os.chmod(item, 0o755 if item.is_dir() else 0o644)


def _packed_file(printed: str) -> str:
    """The file name in what `npm pack --json` printed: a list up to npm 11, an object by package name after that."""
    packed = json.loads(printed)
    (entry,) = packed if isinstance(packed, list) else packed.values()
    return str(entry["filename"])


def integrity(file: Path) -> str:
    """A file's digest as npm's lock files spell it."""
    return "sha512-" + base64.b64encode(hashlib.sha512(file.read_bytes()).digest()).decode()


class NpmRegistry:
    """A scoped package on the npm registry at `address`; npm's own files go below `scratch`. Without `credentials`,
    which hold a token, and without a `login` npm finds its own."""

    key = KEY
    label = LABEL

    def __init__(
        self,
        package: str,
        address: str,
        credentials: Credentials | None,
        scratch: Path,
        patience: Patience,
        login: Credentials | None = None,
    ) -> None:
        self.package = package
        self.address = address.rstrip("/") + "/"
        self.credentials = credentials
        self.scratch = scratch
        self.patience = patience
        self.login = login

    def spell(self, version: Version) -> str:
        """See Registry."""
        return version.npm

    def expected(self, artifacts: Sequence[Artifact], version: Version, commit: str) -> dict[str, str]:
        """See Registry."""
        return {artifact.path.name: artifact.digest for artifact in belonging(artifacts, KEY)}

    def read(self, version: Version) -> dict[str, str]:
        """See Registry."""
        with self._folder() as folder:
            # A new cache: from an old one npm would answer with the tarball it once saw, not with what is served now.
            environment = {**self._environment(folder), "npm_config_cache": str(folder / "cache")}
            try:
                printed = self._npm(
                    folder, "pack", f"{self.package}@{version.npm}", "--ignore-scripts", env=environment
                )
            except _MissingVersion:
                # npm says that of any JSON: it has to be our package's.
                if not self.holdings().versions:
                    raise NoAnswer(f"{self.address} answered with something that is not {self.package}") from None
                return {}
            except _Missing:
                return {}
            file = folder / _packed_file(printed)
            return {file.name: integrity(file)}

    def signatures(self, served: Mapping[str, str], version: Version) -> dict[str, list[str]]:
        """See Registry: the provenance that npm signs while it publishes. The registry's own signature is not in it."""
        import requests

        from cqc_tools.packages import web

        url = f"{self.address}-/npm/v1/attestations/{quote(self.package, safe='@')}@{version.npm}"
        try:
            with web.session(self.patience) as session:
                answer = session.get(url, allow_redirects=False)
            # Only npm's own registry is sure to know this address: others answer with an error or a login form.
            if answer.is_redirect or (400 <= answer.status_code < 500 and answer.status_code != 429):
                return {}
            answer.raise_for_status()
            kept = [item["bundle"] for item in answer.json()["attestations"] if item["predicateType"] == PROVENANCE]
        except (requests.RequestException, ValueError, LookupError, TypeError) as error:
            raise NoAnswer(f"{url} did not answer with attestations: {error}") from error
        return {name: [json.dumps(bundle) for bundle in kept] for name in served if kept}

    def lacks(self, served: Mapping[str, str], version: Version) -> list[str]:
        """See Registry."""
        return []  # a release is a single file

    def holdings(self) -> Holdings:
        """See Registry."""
        with self._folder() as folder:
            try:
                printed = self._npm(folder, "view", self.package, "versions", "repository.url", "--prefer-online")
            except _Missing:
                return Holdings()
        found = json.loads(printed or "{}")
        # npm prints a single version, or a single field, without its list or object.
        versions = found.get("versions", []) if isinstance(found, dict) else found
        source = found.get("repository.url", "") if isinstance(found, dict) else ""
        versions = [versions] if isinstance(versions, str) else versions
        if not isinstance(versions, list) or not all(map(semver.Version.is_valid, map(str, versions))) or not versions:
            # A registry that has no such package says 404.
            raise NoAnswer(f"{self.address} answered with something that is not {self.package}")
        ordered = sorted(versions, key=semver.Version.parse)
        return Holdings(tuple(ordered), (source,) if source else ())

    @property
    def upload_address(self) -> str:
        """See Registry."""
        return self.address

    def authorise(self, source: Source) -> None:
        """See Registry: npm exchanges the identity of a CI run, but only while it publishes."""
        if self.credentials:
            return
        if identity.is_public(self.address) and (token := identity.detect(f"npm:{urlsplit(self.address).hostname}")):
            self._exchange(token)
            return
        with self._folder() as folder:
            self._npm(folder, "whoami")

    def _exchange(self, token: str) -> None:
        """Ask the registry whether it takes this run's identity for our package; npm will ask again."""
        import requests

        from cqc_tools.packages import web

        path = f"-/npm/v1/oidc/token/exchange/package/{quote(self.package, safe='@')}"
        try:
            with web.session(self.patience) as session:
                answer = session.post(
                    f"{self.address}{path}", headers={"Authorization": f"Bearer {token}"}, allow_redirects=False
                )
        except requests.RequestException as error:
            raise NoAnswer(f"{self.address} did not answer: {error}") from error
        if not answer.ok or answer.is_redirect:
            raise Refused(
                f"{self.address} does not take this run's identity for {self.package}: {answer.status_code} "
                f"{answer.reason}",
                "add the workflow as a trusted publisher in the package's settings on npm",
                answer.text[:500].strip(),
            )

    def withdrawal(self, version: Version, reason: str) -> tuple[str, str]:
        """See Registry."""
        with self._folder() as folder:
            tags = self._dist_tags(folder)
        where = f"--{self.package.partition('/')[0]}:registry={self.address}"
        commands = [["npm", "deprecate", f"{self.package}@{version.npm}", reason, where]]
        others = [item for item in self.holdings().versions if item != version.npm]
        for tag in (tag for tag, tagged in tags.items() if tagged == version.npm):
            if instead := successor(tag, others):
                commands.append(["npm", "dist-tag", "add", f"{self.package}@{instead}", tag, where])
            elif tag != "latest":
                commands.append(["npm", "dist-tag", "rm", self.package, tag, where])
        return "deprecate it: npm shows the reason at every install", " && ".join(map(shlex.join, commands))

    def announcement(self, version: Version) -> str:
        """See Registry."""
        return f"{self.package} {version.npm}"

    def writes(self, missing: Sequence[str]) -> list[tuple[str, ...]]:
        """See Registry."""
        return [(name,) for name in missing]

    def write(self, names: Sequence[str], artifacts: Sequence[Artifact], source: Source) -> None:
        """See Registry."""
        (packed,) = belonging(artifacts, KEY)
        with self._folder() as folder:
            tags = self._dist_tags(folder)
            tag = dist_tag(source.version, tags)
            if not tags and tag != "latest":
                console.note(
                    f"{source.version.npm} is the first version of {self.package}, so npm makes it `latest` although "
                    f"it is published as `{tag}`. The first final release becomes `latest` instead"
                )
            # npm takes a name without / for that of a package, and escapes in a path as those of an address.
            shutil.copyfile(packed.path, folder / PACKED)
            self._npm(folder, "publish", f"./{PACKED}", "--tag", tag, "--access", "public", "--ignore-scripts")

    def _dist_tags(self, folder: Path) -> dict[str, str]:
        """Our package's dist-tags in the registry; empty before its first version."""
        try:
            printed = self._npm(folder, "view", self.package, "dist-tags", "--prefer-online")
        except _Missing:
            return {}
        found = json.loads(printed or "{}")
        return found if isinstance(found, dict) else {}

    def _npm(self, folder: Path, command: str, *arguments: str, env: Mapping[str, str] | None = None) -> str:
        """Run npm in a scratch folder and return the JSON that it prints. It sends one request, to this registry, and
        waits no longer than our patience."""
        patience = f"--fetch-timeout={int(self.patience.answer_seconds * 1000)}"
        options = ["--json", *self._addressed(), f"--registry={self.address}", "--fetch-retries=0", patience]
        words = ["npm", command, *arguments, *options]
        try:
            return process.run(
                words,
                cwd=folder,
                env=self._guarded(env or self._environment(folder)),
                what=f"npm {command}",
                **self.patience.limits,
            )
        except OverLimit as failure:
            raise NoAnswer(failure.problem, details=failure.details) from failure
        except ProgramFailed as failure:
            code, summary = _error(failure)
            if code == "E404" and command != "publish":
                raise _Missing from failure
            if code == "ETARGET":
                raise _MissingVersion from failure
            if code == "ECQCREDIRECT":
                fix = "if that is the registry, make it the npm address in release.toml"
                raise Refused(summary, fix, str(failure)) from failure
            if code in ("E401", "E403", "ENEEDAUTH", "EOTP", "E404", "E402"):
                raise Refused(summary, CREDENTIALS, str(failure)) from failure
            raise NoAnswer(summary, details=str(failure)) from failure

    def _guarded(self, environment: Mapping[str, str]) -> dict[str, str]:
        """An environment in which npm refuses other servers and endless answers."""
        path = str(GUARD).replace("\\", "\\\\").replace('"', '\\"')
        options = f'{environment.get("NODE_OPTIONS", "")} --require "{path}"'.strip()
        largest = str(self.patience.largest)
        return {
            **environment,
            "NODE_OPTIONS": options,
            "CQC_REGISTRY": self.address,
            "CQC_LARGEST_ANSWER": largest,
        }

    def _addressed(self) -> list[str]:
        """Options by which our scope comes from this registry, however new a version is and whatever .npmrc says."""
        scope = self.package.partition("/")[0]
        return [f"--{scope}:registry={self.address}", "--before=null", "--min-release-age=0"]

    def install(self, version: Version, folder: Path, example: Path | None) -> Installation:
        """See Registry."""
        imported = self.package
        if example:
            shutil.copytree(example, folder, ignore=shutil.ignore_patterns("node_modules", "dist"))
            imported = IMPORTED_AS
        else:
            files.write_text(folder / "package.json", json.dumps({"private": True, "type": "module"}) + "\n")
        environment = self._environment(folder)
        alias = "" if self.package == imported else f"{imported}@npm:"
        wanted = f"{self.package}@{version.npm}"
        started = time.monotonic()
        # Dependencies may come from npm's cache. Our package may not: the cache would answer with what this address
        # served before.
        command = ["npm", "cache", "add", wanted, "--prefer-online", *self._addressed()]
        guarded = self._guarded(environment)
        process.run(command, cwd=folder, env=guarded, what="npm cache add", **self.patience.limits)
        command = ["npm", "install", f"{alias}{wanted}", "--prefer-offline", *self._addressed()]
        process.run(command, cwd=folder, env=environment, what="npm install", **self.patience.limits)
        seconds = time.monotonic() - started
        if example:
            process.run(["npm", "run", "build"], cwd=folder, env=environment, what="compile the TypeScript example")
        describe = ("node", "--input-type=module", "-e", DESCRIBE.format(package=imported))
        run = ("node", "dist/main.js") if example else ()
        return Installation(folder, environment, seconds, describe, run)

    @contextmanager
    def _folder(self) -> Iterator[Path]:
        """A project of its own: otherwise npm would read the .npmrc of a folder above."""
        with tempfile.TemporaryDirectory(prefix="npm-", dir=self.scratch, ignore_cleanup_errors=True) as folder:
            Path(folder, "package.json").write_text("{}\n")
            yield Path(folder)

    def _environment(self, folder: Path) -> dict[str, str]:
        """An environment with the user's npm settings and this registry's credentials."""
        scope = self.package.partition("/")[0]
        settings = folder / "cqc.npmrc"
        user = os.environ.get("npm_config_userconfig") or str(Path.home() / ".npmrc")
        lines = [Path(user).read_text()] if Path(user).is_file() else []
        # For commands without our options, such as those of a README.
        lines.append(f"{scope}:registry={self.address}\nbefore=null\nmin-release-age=0")
        if self.credentials:
            lines.append(f"{self.address.partition(':')[2]}:_authToken={self.credentials.secret}")
        if self.login:
            lines.append(f"{self.address.partition(':')[2]}:_auth={self.login.basic}")
        settings.touch(mode=0o600)
        settings.write_text("\n".join(lines) + "\n")
        return workspace.tool_environment(npm_config_userconfig=str(settings))


def _error(failure: ProgramFailed) -> tuple[str, str]:
    """npm's code for an error and its summary in one line."""
    found = ERROR_CODE.search(failure.stderr)
    code, summary = found.group(1) if found else "", ""
    with suppress(ValueError, AttributeError):
        error = json.loads(failure.stdout).get("error", {})
        code = error.get("code") or code
        summary = " ".join(str(error.get("summary", "")).split())
    said = (line.partition(" ")[2].partition(" ")[2] for line in failure.stderr.splitlines() if "code" not in line)
    return code, summary or next((line for line in said if line), failure.problem)


class _Missing(Exception):
    """The registry has no such package or version, according to npm."""


class _MissingVersion(_Missing):
    """The registry has the package without such a version, according to npm."""


def dist_tag(version: Version, tags: Mapping[str, str]) -> str:
    """The dist-tag to publish under: `latest`, or `next` for a pre-release. Neither ever moves backwards: a release of
    an older line gets a tag of its own, such as `release-1.1`."""
    chosen = semver.Version.parse(version.npm)
    usual = "next" if chosen.prerelease else "latest"
    if usual in tags and semver.Version.parse(tags[usual]) > chosen:
        return f"release-{chosen.major}.{chosen.minor}{'-next' if chosen.prerelease else ''}"
    return usual


def successor(tag: str, others: Sequence[str]) -> str | None:
    """The version that a dist-tag moves to when its own is withdrawn: the highest final one, for a tag of an older line
    the highest final one of that line. `others` are the remaining versions, lowest first."""
    line = OF_LINE.match(tag)
    finals = [item for item in others if "-" not in item and (not line or item.startswith(f"{line[1]}."))]
    return finals[-1] if finals else None


def _default_addresses(settings: Configuration) -> Mapping[str, str]:
    """The registry of an npm without any configuration."""
    # Files that do not exist; npm refuses the same name for both.
    nobody = {key: f"/dev/null/{key}" for key in ("npm_config_userconfig", "npm_config_globalconfig")}
    environment = workspace.tool_environment(**nobody)
    for name in [name for name in environment if name.lower() == "npm_config_registry"]:
        del environment[name]
    command = ["npm", "config", "get", "registry"]
    return {"npm": process.run(command, cwd=Path(tempfile.gettempdir()), env=environment, what="npm config").strip()}


ECOSYSTEM = Ecosystem(
    key=KEY,
    label=LABEL,
    # A version can be deprecated, and unpublished only under conditions.
    permanence=2,
    addresses=("npm",),
    files=1,
    file_pattern=r"\.tgz",
    digest_pattern="sha512-[A-Za-z0-9+/]{86}==",
    spell=lambda version: version.npm,
    check_name=check_name,
    build=build,
    declare=declare,
    digest=integrity,
    default_addresses=_default_addresses,
    registry=lambda settings, access: NpmRegistry(
        settings.package(KEY).name,
        access.addresses["npm"],
        access.credentials,
        access.scratch,
        access.patience,
        access.logins.get("npm"),
    ),
    serve=npm.serving,
    resolve=resolve,
)
