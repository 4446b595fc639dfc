"""Install a published release as its users do, from every registry of a target, and compare what they get."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from cqc_tools.contracts import descriptors
from cqc_tools.foundation import console, temporary
from cqc_tools.foundation.configuration import Configuration
from cqc_tools.foundation.errors import StageFailed
from cqc_tools.foundation.version import Version
from cqc_tools.packages import Installation, Registry, examples, manifest, quickstart, reading, signatures
from cqc_tools.packages.examples import Replay
from cqc_tools.packages.manifest import Build
from cqc_tools.packages.signatures import Signature
from cqc_tools.packages.targets import OpenTarget

MISSING = "missing"


@dataclass(frozen=True)
class Package:
    """A release in one registry: the digest of each file that it serves, and the contracts of its installation, which
    are empty if nothing was installed."""

    key: str
    label: str
    package: str
    version: str
    registry: str
    files: Mapping[str, str]
    descriptor_set_sha256: str = ""
    install_seconds: float = 0.0


@dataclass(frozen=True)
class Verification:
    """The result of verifying a release on a target; `findings` is empty if everything agrees. `compared` says what
    it was compared with, `signatures` who signed its files, `steps` how long each step took."""

    version: str
    target: str
    compared: str
    packages: tuple[Package, ...]
    traffic: str
    replays: tuple[Replay, ...]
    findings: tuple[str, ...]
    seconds: float
    steps: Mapping[str, float] = field(default_factory=dict)
    signatures: tuple[Signature, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The result for a program."""
        return asdict(self)

    def show(self) -> None:
        """Print the result for a person."""
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
                    item.label,
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
        self._show_signatures()
        if not self.findings:
            agreed = f"{len(self.replays)} pairs of server and client agree " if self.replays else ""
            console.output.print(
                f"\nVersion {self.version} is on all registries, {self.compared}; {agreed}({self.seconds:.0f} s)."
            )

    def _show_signatures(self) -> None:
        signed = [item for item in self.signatures if item.signer]
        if signed:
            console.output.print()
            console.table(("file", "where", "signed by"), [(item.file, item.where, item.signer) for item in signed])
        if unsigned := [item for item in self.signatures if not item.signer]:
            console.output.print("\nNOT SIGNED, so only the digests above vouch for the origin of:")
            for item in unsigned:
                console.output.print(f"  {item.file} on {item.where}", markup=False)
            if not signed:
                console.output.print("Only a release that was published by the release workflow is signed.")

    @property
    def failure(self) -> StageFailed | None:
        """The findings as a failure, None if there are none."""
        if not self.findings:
            return None
        return StageFailed(
            f"version {self.version} is not as it should be",
            f"publish what is missing: make publish VERSION={self.version} TARGET={self.target}\n"
            "files with other bytes need a new version",
            "\n".join(self.findings),
        )


def verify(
    version: Version,
    target: OpenTarget,
    built: Build | None,
    settings: Configuration,
    more: Callable[[Mapping[str, Installation]], object] = lambda _: None,
) -> Verification:
    """Read a release's bytes, install it from each registry, and run the release's own examples against each other.

    Without `built`, the packages are compared with each other only. `more` gets what was installed, while it is there.
    Raises StageFailed if a registry cannot be read or an installation fails.
    """
    started = time.monotonic()
    steps: dict[str, float] = {}
    with console.step(f"read {len(target.registries)} registries", steps):
        served = dict(zip(target.registries, reading.read_all(target.registries, version), strict=True))
    packages = {
        registry.key: Package(
            registry.key,
            registry.label,
            registry.package,
            registry.spell(version),
            registry.address,
            found,
        )
        for registry, found in served.items()
    }
    findings = [
        finding for registry, found in served.items() for finding in _differences(registry, found, version, built)
    ]
    with console.step("check the signatures", steps):
        signed, unlike = check_signatures(version, served, built, settings)
    findings += unlike
    traffic, replays = "", []
    # What is missing cannot be installed, and an incomplete release is not what its users will get.
    if not findings:
        with temporary.folder("verify") as scratch:
            installed = install(version, target, settings, scratch)
            for key, installation in installed.items():
                packages[key], found_versions = _described(packages[key], installation)
                findings += found_versions
            findings += _descriptor_sets(packages, built)
            talking = {key: installation for key, installation in installed.items() if installation.example}
            if talking:
                data, traffic = examples.traffic()
                with console.step(f"{len(talking) ** 2} pairs of server and client", steps):
                    replays = examples.all_pairs(talking, data, Path(scratch, "logs"))
            _follow_readmes(version, target, installed, settings, scratch)
            more(installed)
    return Verification(
        version.npm,
        target.name,
        "with the bytes that were built" if built else "with the same contracts in each language",
        tuple(packages.values()),
        traffic,
        tuple(replays),
        tuple(findings),
        time.monotonic() - started,
        {**steps, **{f"install {item.package}": item.install_seconds for item in packages.values()}},
        tuple(signed),
    )


def check_signatures(
    version: Version, served: Mapping[Registry, Mapping[str, str]], built: Build | None, settings: Configuration
) -> tuple[list[Signature], list[str]]:
    """Who signed the release's files, here and on the registries, and a finding for each signature that is not the
    release workflow's."""
    checker = signatures.Checker(settings.repository, version)
    looked_at = [signatures.check_beside(checker, built.folder / manifest.SUMS)] if built else []
    bundles = reading.together([partial(registry.signatures, found, version) for registry, found in served.items()])
    for (registry, found), kept in zip(served.items(), bundles, strict=True):
        # Tags are signed by people, if at all, and go compares a module with a public log.
        files = {name: digest for name, digest in found.items() if not digest.startswith(("commit:", "h1:"))}
        looked_at.append(signatures.check(checker, reading.where(registry), files, kept))
    return [item for signed, _ in looked_at for item in signed], [item for _, wrong in looked_at for item in wrong]


def _differences(registry: Registry, served: Mapping[str, str], version: Version, built: Build | None) -> list[str]:
    """What a registry lacks, and what it serves with other bytes than those that were built."""
    where = reading.where(registry)
    what = f"{registry.package} {registry.spell(version)}"
    if not served:
        return [f"  {where} does not have {what}"]
    findings = [f"  {where} has {what} without {lack}" for lack in registry.lacks(served, version)]
    if built:
        expected = registry.expected(built.artifacts, version, built.commit)
        findings += [
            f"  {item.file} on {where}: built {item.built or 'no such file'}, served {item.served}"
            for item in reading.differences(registry, expected, served)
        ]
    return findings


def install(version: Version, target: OpenTarget, settings: Configuration, scratch: Path) -> dict[str, Installation]:
    """The packages of a release, each installed from its registry, below `scratch`, into the release's own example or
    into an empty project."""
    source = scratch / "source"
    # Someone who did not make the release gets its examples from the remote that has its tags.
    target.remote.clone(source, "--depth=1", "--branch", version.tag)
    installed: dict[str, Installation] = {}

    def install_one(registry: Registry) -> None:
        example = source / "examples" / registry.key
        has_example = settings.cqc_code and example.is_dir()
        installed[registry.key] = registry.install(
            version, scratch / "users" / registry.key, example if has_example else None
        )

    console.all_steps(
        [
            (
                f"install {registry.package} {registry.spell(version)} from {registry.label} as a user",
                partial(install_one, registry),
            )
            for registry in target.registries
        ]
    )
    return {registry.key: installed[registry.key] for registry in target.registries}


def _follow_readmes(
    version: Version,
    target: OpenTarget,
    installed: Mapping[str, Installation],
    settings: Configuration,
    scratch: Path,
) -> None:
    """Do what the READMEs of the packages tell a new user to do, in empty folders."""
    followed = []
    for registry in target.registries:
        package, installation = settings.package(registry.key), installed[registry.key]
        readme = scratch / "source" / package.folder / "README.md"
        if not readme.is_file() or not quickstart.steps(readme.read_text()):
            continue
        if not is_latest(registry.spell(version), registry.holdings().versions, is_final=version == version.final):
            console.note(
                f"{package.folder}/README.md installs the latest version, so its start is NOT TRIED with {version.npm}"
            )
        elif quickstart.installs(readme.read_text(), package.name):
            follow = partial(quickstart.follow, readme, installation, scratch / "starts" / registry.key)
            followed.append((f"the start in {package.folder}/README.md", follow))
        else:
            console.note(f"{package.folder}/README.md does not install {package.name}, so its start is NOT TRIED")
    console.all_steps(followed)


def is_latest(chosen: str, held: Sequence[str], *, is_final: bool) -> bool:
    """Whether clients that are given no version install this one: a release of an older line never, a pre-release only
    if a registry holds nothing else. `held` is lowest first."""
    return list(held) == [chosen] or (is_final and list(held[-1:]) == [chosen])


def _described(package: Package, installed: Installation) -> tuple[Package, list[str]]:
    described = examples.describe(package.label, installed)
    digest = descriptors.digest(described.descriptor_set)
    package = replace(package, descriptor_set_sha256=digest, install_seconds=round(installed.seconds, 2))
    if described.version == package.version:
        return package, []
    return package, [f"  {package.package} reports version {described.version}, but {package.version} was installed"]


def _descriptor_sets(packages: Mapping[str, Package], built: Build | None) -> list[str]:
    """A finding if the packages do not hold the contracts that were built, or at least the same ones."""
    digests = {item.package: item.descriptor_set_sha256 for item in packages.values()}
    wanted = built.descriptor_set_sha256 if built else next(iter(digests.values()))
    if set(digests.values()) == {wanted}:
        return []
    lines = [f"    {package}: {digest}" for package, digest in digests.items()]
    return ["\n".join(["  the packages do not hold the same contracts, by SHA-256 of the descriptor set:", *lines])]
