"""What differs per ecosystem, behind two small interfaces: how a package is built, and how its registry is used."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from packageurl import PackageURL

from cqc_tools.configuration import Configuration
from cqc_tools.version import Version


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
    """An example project with the package installed from a registry, and how to run it there."""

    command: tuple[str, ...]
    folder: Path
    environment: Mapping[str, str]
    seconds: float


class Registry(Protocol):
    """One package in one registry."""

    ecosystem: str
    package: str
    address: str

    def spell(self, version: Version) -> str:
        """A version as the ecosystem writes it."""

    def read(self, version: Version) -> dict[str, str]:
        """The digest of each file that the registry serves for a version, by file name, computed over the bytes that
        its clients get; empty when it has none."""

    def write(self, artifacts: tuple[Artifact, ...], source: Source) -> None:
        """Publish a release's files."""

    def install(self, example: Path, version: Version, folder: Path) -> Installation:
        """Install the package into a fresh copy of an example project, as a user would, from this registry alone."""


def sha256(path: Path) -> str:
    """SHA-256 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
