"""What differs per ecosystem, behind two small interfaces: how a package is built, and how its registry is used."""

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from packageurl import PackageURL

from cqc_tools.foundation.configuration import Configuration, Patience
from cqc_tools.foundation.version import Version


@dataclass(frozen=True)
class Artifact:
    """A built file. `digest` is spelled as its ecosystem does: `sha256:<hex>`, `sha512-<base64>` or `h1:<base64>`."""

    ecosystem: str
    path: Path
    size: int
    sha256: str
    digest: str


@dataclass(frozen=True)
class Requirement:
    """A package that a built one needs at run time; `versions` is the range as the ecosystem spells it."""

    purl: PackageURL
    versions: str
    optional: bool = False


@dataclass(frozen=True)
class Declaration:
    """What a built package says of itself in its own metadata."""

    name: str
    version: str
    purl: PackageURL
    requirements: tuple[Requirement, ...]


@dataclass(frozen=True)
class Source:
    """A clean clone of the commit to build or release."""

    folder: Path
    commit: str
    version: Version
    configuration: Configuration


@dataclass(frozen=True)
class Installation:
    """An example project with the package installed from a registry, and how to run it there; `describe` prints
    the installed package's descriptor set in base64."""

    command: tuple[str, ...]
    folder: Path
    environment: Mapping[str, str]
    seconds: float
    describe: tuple[str, ...] = ()


@dataclass(frozen=True)
class Credentials:
    """A name and a password or token."""

    name: str
    secret: str = field(repr=False)


@dataclass(frozen=True)
class Holdings:
    """What a registry has under the name of our package, which need not be ours: its versions as the ecosystem spells
    them, lowest first, and the addresses that the newest one names as its source."""

    versions: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()


class Registry(Protocol):
    """One package in one registry.

    A release has files in a registry, each known by its name there and its digest; in a git remote the tags are among
    them, and their digest is the commit.
    """

    ecosystem: str
    package: str
    address: str
    patience: Patience

    def spell(self, version: Version) -> str:
        """A version as the ecosystem writes it."""

    def expected(self, artifacts: Sequence[Artifact], version: Version, commit: str) -> dict[str, str]:
        """The digest of each file that a complete release of these artifacts has here, by name."""

    def read(self, version: Version) -> dict[str, str]:
        """The digest of each file that the registry serves for a version, by name, computed over the bytes that its
        clients get; empty when it has none.

        Raises NoAnswer or Refused when that cannot be told.
        """

    def lacks(self, served: Mapping[str, str], version: Version) -> list[str]:
        """What a complete release has here and `served` does not, as far as that can be told without the build."""

    def holdings(self) -> Holdings:
        """Everything that the registry has under our name, whoever put it there.

        Raises NoAnswer or Refused when that cannot be told.
        """

    def authorise(self) -> None:
        """Make sure that there are credentials for a write, as far as it can be told without one.

        Raises Refused, saying how to give them.
        """

    def withdrawal(self, version: Version, reason: str) -> tuple[str, str]:
        """What can be done about a version that must not be used any more: in words, and as a shell command where the
        registry has a client for that."""

    def writes(self, missing: Sequence[str]) -> list[tuple[str, ...]]:
        """The missing files, in the groups and the order in which they are written: each group as a whole or not at
        all."""

    def write(self, names: Sequence[str], artifacts: Sequence[Artifact], source: Source) -> None:
        """Publish one group of `writes`, once: no client may send it again by itself.

        Raises NoAnswer when it is not known whether the registry took it, Refused when it did not.
        """

    def install(self, example: Path, version: Version, folder: Path) -> Installation:
        """Install the package into a fresh copy of an example project, as a user would, from this registry alone."""


def is_trusted_publisher() -> bool:
    """Whether this runs where registries take the identity of the workflow instead of a secret: the job that publishes
    has it, the ones before need not."""
    return os.environ.get("GITHUB_ACTIONS") == "true"


def belonging(artifacts: Sequence[Artifact], ecosystem: str) -> tuple[Artifact, ...]:
    """The artifacts of an ecosystem."""
    return tuple(artifact for artifact in artifacts if artifact.ecosystem == ecosystem)


def sha256(path: Path) -> str:
    """SHA-256 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
