"""Install a published release as its users do, from every registry of a target, and compare what they get."""

import base64
import hashlib
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from cqc_tools.contracts import descriptors
from cqc_tools.foundation import configuration, console, process, workspace
from cqc_tools.foundation.errors import NoAnswer, Refused, StageFailed
from cqc_tools.foundation.version import Version
from cqc_tools.packages import Installation, Registry, build, examples, targets
from cqc_tools.packages.build import Build
from cqc_tools.packages.examples import Replay
from cqc_tools.release import publish, report

MISSING = "missing"


@dataclass(frozen=True)
class Package:
    """A release in one registry: the digest of each file that it serves, and what its installation says of itself;
    empty where nothing was installed."""

    language: str
    ecosystem: str
    package: str
    version: str
    registry: str
    files: Mapping[str, str]
    descriptor_set_sha256: str = ""
    install_seconds: float = 0.0


@dataclass(frozen=True)
class Verification:
    """What verifying a release found; `findings` is empty when everything agrees. `compared` says with what."""

    version: str
    compared: str
    packages: tuple[Package, ...]
    traffic: str
    replays: tuple[Replay, ...]
    findings: tuple[str, ...]
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """The result for a program."""
        return asdict(self)

    def show(self) -> None:
        """Print the result for a person.

        Raises StageFailed with the findings, if there are any.
        """
        if self.replays:
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
            ("registry", "package", "version", "file", "digest", "descriptor set", "install"),
            [
                (
                    item.ecosystem,
                    item.package,
                    item.version,
                    name,
                    digest[:27],
                    item.descriptor_set_sha256[:12],
                    f"{item.install_seconds:.1f} s" if item.install_seconds else "",
                )
                for item in self.packages
                for name, digest in (item.files or {MISSING: MISSING}).items()
            ],
        )
        self.require()
        console.output.print(
            f"\nVersion {self.version} is on all registries, {self.compared}; "
            f"{len(self.replays)} pairs of server and client agree ({self.seconds:.0f} s)."
        )

    def require(self) -> None:
        """Raise StageFailed with the findings, if there are any."""
        if self.findings:
            raise StageFailed("\n".join([f"version {self.version} is not what it should be:", *self.findings]))


def verify_release(version: Version, target: str) -> Verification:
    """Verify a release on a target of release.toml; a build of it in dist/ is compared with it, but not needed.

    Raises UserError for a target that is not filled in and a build that was changed.
    """
    settings = configuration.load()
    settings.target(target)
    folder = workspace.DIST / version.npm
    built = build.load(folder) if folder.exists() else None
    with targets.opened(target, settings) as registries:
        found = verify(version, registries, built)
        if built:
            held = zip(registries.values(), found.packages, strict=True)
            report.write(built, target, [report.holding(registry, built, item.files) for registry, item in held])
    return found


def verify(version: Version, registries: Mapping[str, Registry], built: Build | None) -> Verification:
    """Read a release's bytes, install it from each registry into the examples that belong to it, and let them talk.

    Raises StageFailed when a registry cannot be read or an installation fails.
    """
    started = time.monotonic()
    served: dict[str, dict[str, str]] = {}
    with console.step(f"read {len(registries)} registries"):
        publish.together(partial(_read, served, *item, version) for item in registries.items())
    packages = {
        language: Package(
            language,
            registry.ecosystem,
            registry.package,
            registry.spell(version),
            registry.address,
            served[language],
        )
        for language, registry in registries.items()
    }
    findings = [
        finding
        for language, registry in registries.items()
        for finding in _differences(registry, served[language], version, built)
    ]
    traffic, replays = "", []
    # What is not there cannot be installed, and an incomplete release is not what its users will get.
    if not findings:
        with tempfile.TemporaryDirectory(prefix="cqc-verify-", ignore_cleanup_errors=True) as scratch:
            installed = _install(version, registries, Path(scratch))
            for language, example in installed.items():
                packages[language] = _described(packages[language], example)
            data, traffic = examples.traffic()
            with console.step(f"{len(installed) ** 2} pairs of server and client"):
                replays = examples.all_pairs(installed, data, Path(scratch, "logs"))
            findings += _versions(packages, installed) + _descriptor_sets(packages, built)
    return Verification(
        version.npm,
        "with the bytes that were built" if built else "the same contracts in each language",
        tuple(packages.values()),
        traffic,
        tuple(replays),
        tuple(findings),
        time.monotonic() - started,
    )


def _read(served: dict[str, dict[str, str]], language: str, registry: Registry, version: Version) -> None:
    try:
        served[language] = publish.patiently(registry, lambda: registry.read(version))
    except (NoAnswer, Refused) as error:
        raise StageFailed(f"{registry.ecosystem} at {registry.address} cannot be read:\n{error}") from error


def _differences(registry: Registry, served: Mapping[str, str], version: Version, built: Build | None) -> list[str]:
    """What a registry lacks, and what it serves with other bytes than those that were built."""
    where = f"{registry.ecosystem} at {registry.address}"
    what = f"{registry.package} {registry.spell(version)}"
    if not served:
        return [f"  {where} does not have {what}: make publish VERSION={version.npm} publishes what is missing"]
    findings = [f"  {where} has {what} without {lack}" for lack in registry.lacks(served, version)]
    if built:
        expected = registry.expected(built.artifacts, version, built.commit)
        findings += [
            f"  {item.file} on {where}: built {item.built or 'no such file'}, served {item.served}"
            for item in publish.compare(expected, served)
        ]
    return findings


def _install(version: Version, registries: Mapping[str, Registry], scratch: Path) -> dict[str, Installation]:
    """The examples of the release itself, each with the package installed from its registry."""
    source = scratch / "source"
    # Whoever did not make the release has its examples from the remote that has its tags.
    process.run(
        ["git", "clone", "--quiet", "--depth=1", "--branch", version.tag, registries["go"].address, source],
        what="clone the release",
    )
    installed: dict[str, Installation] = {}

    def install(language: str, registry: Registry) -> None:
        installed[language] = registry.install(source / "examples" / language, version, scratch / "users" / language)

    console.all_steps(
        [
            (f"install {registry.package} {registry.ecosystem} as a user", partial(install, language, registry))
            for language, registry in registries.items()
        ]
    )
    return {language: installed[language] for language in registries}


def _described(package: Package, example: Installation) -> Package:
    what = f"descriptor set of {package.package}"
    printed = process.run(example.describe, cwd=example.folder, env=example.environment, what=what)
    digest = hashlib.sha256(descriptors.canonical(base64.b64decode(printed))).hexdigest()
    return replace(package, descriptor_set_sha256=digest, install_seconds=round(example.seconds, 2))


def _versions(packages: Mapping[str, Package], installed: Mapping[str, Installation]) -> list[str]:
    return [
        f"  {packages[language].package} says that it is {said}, {packages[language].version} was installed"
        for language, example in installed.items()
        if (said := examples.installed_version(language, example)) != packages[language].version
    ]


def _descriptor_sets(packages: Mapping[str, Package], built: Build | None) -> list[str]:
    """Whether every package holds the contracts that were built, or at least the same ones."""
    digests = {item.package: item.descriptor_set_sha256 for item in packages.values()}
    wanted = built.descriptor_set_sha256 if built else next(iter(digests.values()))
    if set(digests.values()) == {wanted}:
        return []
    lines = [f"    {package}: {digest}" for package, digest in digests.items()]
    return ["\n".join(["  the packages do not hold the same contracts, by SHA-256 of the descriptor set:", *lines])]
