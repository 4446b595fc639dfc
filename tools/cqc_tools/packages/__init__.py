"""The packages of a release, and the registries that hold them.

What differs from one ecosystem to the next is one `Ecosystem` value and one `Registry` class, in ecosystems/<key>.py.
Everything else iterates over the ecosystems that release.toml names.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from packageurl import PackageURL

from cqc_tools.foundation.configuration import Configuration, Patience
from cqc_tools.foundation.version import Version
from cqc_tools.packages.credentials import Credentials
from cqc_tools.packages.git_remote import GitRemote

__all__ = [
    "Access",
    "Artifact",
    "Credentials",
    "Declaration",
    "Ecosystem",
    "Holdings",
    "Installation",
    "Registry",
    "Requirement",
    "Resolved",
    "Source",
    "artifact",
    "belonging",
    "sha256",
]


@dataclass(frozen=True)
class Artifact:
    """A built file. `ecosystem` is the ecosystem's key, `digest` the digest as that ecosystem spells it:
    `sha256:<hex>`, `sha512-<base64>` or `h1:<base64>`."""

    ecosystem: str
    path: Path
    size: int
    sha256: str
    digest: str

    def to_json(self) -> dict[str, Any]:
        """The file's entry in release.json."""
        return {
            "ecosystem": self.ecosystem,
            "file": self.path.name,
            "size": self.size,
            "sha256": self.sha256,
            "digest": self.digest,
        }


@dataclass(frozen=True)
class Requirement:
    """A run-time dependency of a built package; `versions` is the range as the ecosystem spells it."""

    purl: PackageURL
    versions: str
    optional: bool = False


@dataclass(frozen=True)
class Resolved:
    """A package that the locks of a checkout resolve a dependency to, directly or through others: its `purl` has the
    version. `licence` is an SPDX expression, or the words of its author; `requires` are the purls, with versions, of
    what it depends on itself."""

    purl: PackageURL
    licence: str
    requires: tuple[PackageURL, ...] = ()


@dataclass(frozen=True)
class Declaration:
    """The name, version and dependencies in a built package's own metadata."""

    name: str
    version: str
    purl: PackageURL
    requirements: tuple[Requirement, ...] = ()


@dataclass(frozen=True)
class Source:
    """A clean clone of the commit to build or release."""

    folder: Path
    commit: str
    version: Version
    configuration: Configuration


@dataclass(frozen=True)
class Installation:
    """A user's project with the package installed from a registry.

    `describe` is a command that prints the installed package's version and descriptor set (base64) as JSON. `example`
    runs the example program that the project holds, and is empty if it holds none.
    """

    folder: Path
    environment: Mapping[str, str]
    seconds: float
    describe: tuple[str, ...]
    example: tuple[str, ...] = ()


@dataclass(frozen=True)
class Holdings:
    """Everything a registry has under our package's name, which may belong to someone else: versions as the ecosystem
    spells them, lowest first, and the source addresses that the newest version names."""

    versions: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()


@dataclass(frozen=True)
class Access:
    """How to reach the registries of one target: `addresses` by key, the git remote, and a scratch folder for what
    their clients need on disk. `logins` are those that were part of an address, by the same keys. Without them and
    without `credentials` each client finds its own."""

    addresses: Mapping[str, str]
    remote: GitRemote
    scratch: Path
    patience: Patience
    credentials: Credentials | None = None
    logins: Mapping[str, Credentials] = field(default_factory=dict)


class Registry(Protocol):
    """One package in one registry.

    A release consists of files here, each with a name and a digest. In a git remote the tags count as files, and their
    digest is the commit.
    """

    key: str
    label: str
    package: str

    @property
    def address(self) -> str:
        """Where it is."""

    @property
    def patience(self) -> Patience:
        """How long to wait for it."""

    def spell(self, version: Version) -> str:
        """Returns a version as the ecosystem writes it."""

    def expected(self, artifacts: Sequence[Artifact], version: Version, commit: str) -> dict[str, str]:
        """Returns the digest of each file that a complete release of these artifacts has here, by name."""

    def read(self, version: Version) -> dict[str, str]:
        """Returns the digest of each file that the registry serves for a version, by name, computed from the bytes
        that clients receive; empty if it serves none.

        Raises NoAnswer or Refused if the registry cannot be read.
        """

    def signatures(self, served: Mapping[str, str], version: Version) -> dict[str, list[str]]:
        """Returns the sigstore bundles, as JSON, in which a signer states what a served file is, by the file's name;
        empty if the registry keeps none.

        Raises NoAnswer or Refused if the registry cannot be read.
        """

    def lacks(self, served: Mapping[str, str], version: Version) -> list[str]:
        """Returns what a complete release has and `served` does not, as far as that is known without the build."""

    def holdings(self) -> Holdings:
        """Returns everything under our name, whoever published it.

        Raises NoAnswer or Refused if the registry cannot be read.
        """

    def authorise(self, source: Source) -> None:
        """Checks, as far as possible without a write, that this run may publish a release: that its credentials are
        accepted, or that its CI identity can be exchanged for some.

        Raises Refused with the way to supply them.
        """

    @property
    def upload_address(self) -> str:
        """Where files are published to, which may differ from where they are read."""

    def withdrawal(self, version: Version, reason: str) -> tuple[str, str]:
        """Returns how to withdraw a version: in words, and as a shell command if the registry has a client for it."""

    def announcement(self, version: Version) -> str:
        """Returns what publishing a version writes here, in words."""

    def writes(self, missing: Sequence[str]) -> list[tuple[str, ...]]:
        """Returns the missing files in the groups and the order in which they are written, each group atomically."""

    def write(self, names: Sequence[str], artifacts: Sequence[Artifact], source: Source) -> None:
        """Publishes one group of `writes`, once: no client may retry by itself.

        Raises NoAnswer if it is unknown whether the registry accepted the group, Refused if it did not.
        """

    def install(self, version: Version, folder: Path, example: Path | None) -> Installation:
        """Installs the package, from this registry alone, into a new project folder as a user would. The project is a
        copy of `example`, or an empty one."""


@dataclass(frozen=True)
class Ecosystem:
    """Everything that differs from one ecosystem to the next.

    - key: its table in release.toml, its folder in examples/, its name in JSON
    - label: the registry's name as people say it
    - permanence: how hard a release is to undo there; publishing goes from the lowest to the highest
    - addresses: the keys that a [targets.<name>] table of release.toml needs for it
    - files, file_pattern, digest_pattern: how many files a release has, and regular expressions of their names' endings
      and digests
    - spell: a version as the ecosystem writes it
    - check_name: what a package name must look like, or nothing if the name is valid
    - build: build the artifacts of a source into a folder, with a scratch folder
    - declare: read a built package's own metadata
    - resolve: what the locks of a checkout resolve a package's dependencies to, nothing without locks
    - digest: a file's digest as the ecosystem spells it
    - default_addresses: the clients' own default addresses
    - registry: the package in the registry of a target
    - serve: run a real registry on this machine, which keeps its files in a folder, and yield its addresses
    """

    key: str
    label: str
    permanence: int
    addresses: tuple[str, ...]
    files: int
    file_pattern: str
    digest_pattern: str
    spell: Callable[[Version], str]
    check_name: Callable[[str], str]
    build: Callable[[Source, Path, Path], tuple[Artifact, ...]]
    declare: Callable[[Sequence[Artifact]], Declaration]
    digest: Callable[[Path], str]
    default_addresses: Callable[[Configuration], Mapping[str, str]]
    registry: Callable[[Configuration, Access], Registry]
    serve: Callable[[Path], AbstractContextManager[Mapping[str, str]]]
    resolve: Callable[[Source, Declaration], tuple[Resolved, ...]] = lambda source, declared: ()


def artifact(ecosystem: str, path: Path, digest: str) -> Artifact:
    """Describe a built file."""
    return Artifact(ecosystem, path, path.stat().st_size, sha256(path), digest)


def belonging(artifacts: Sequence[Artifact], ecosystem: str) -> tuple[Artifact, ...]:
    """Return the artifacts of one ecosystem."""
    return tuple(artifact for artifact in artifacts if artifact.ecosystem == ecosystem)


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
