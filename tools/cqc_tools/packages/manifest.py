"""A build's files and the two that describe them: release.json, whose schema follows from the ecosystems, and
SHA256SUMS."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from jsonschema_rs import Draft202012Validator

from cqc_tools.foundation import configuration
from cqc_tools.foundation.errors import UserError
from cqc_tools.foundation.version import Version, parse_release
from cqc_tools.packages import Artifact, Ecosystem, ecosystems, sha256

FILE = "release.json"
SUMS = "SHA256SUMS"
# Where the schema is published for readers of release.json; a test compares it with `schema`.
SCHEMA = Path(__file__).parent / "schemas" / "release.schema.json"


@dataclass(frozen=True)
class Build:
    """What was built from `commit`: the files in `folder`, and the digest of the contracts they hold.

    `committed` is the commit's own time, in UTC; `toolchain` the version of each tool by its name; `sboms` has one bill
    of materials per ecosystem; `seconds` says how long each step of this run took.
    """

    version: Version
    commit: str
    folder: Path
    descriptor_set_sha256: str
    artifacts: tuple[Artifact, ...]
    sboms: tuple[Artifact, ...]
    committed: datetime
    toolchain: Mapping[str, str]
    seconds: Mapping[str, float] = field(default_factory=dict, compare=False)

    def to_json(self) -> dict[str, Any]:
        """The content of release.json."""
        return {
            "version": {"pypi": self.version.pypi, "npm": self.version.npm, "go": self.version.go},
            "commit": self.commit,
            "committed": self.committed.isoformat(),
            "descriptor_set_sha256": self.descriptor_set_sha256,
            "artifacts": [file.to_json() for file in self.artifacts],
            "sboms": [file.to_json() for file in self.sboms],
            "toolchain": dict(self.toolchain),
        }

    @property
    def files(self) -> tuple[Artifact, ...]:
        """Every file that the build describes."""
        return (*self.artifacts, *self.sboms)

    def manifest(self) -> str:
        """release.json as text."""
        return json.dumps(self.to_json(), indent=2) + "\n"

    def sums(self) -> str:
        """The content of SHA256SUMS, for `sha256sum --check`."""
        lines = [f"{file.sha256}  {file.path.name}\n" for file in self.files]
        return "".join([*lines, f"{hashlib.sha256(self.manifest().encode()).hexdigest()}  {FILE}\n"])

    def moved(self, folder: Path) -> "Build":
        """The same build in another folder."""
        return replace(
            self,
            folder=folder,
            artifacts=tuple(replace(file, path=folder / file.path.name) for file in self.artifacts),
            sboms=tuple(replace(file, path=folder / file.path.name) for file in self.sboms),
        )


def load(folder: Path, chosen: Sequence[Ecosystem] | None = None) -> Build:
    """Read the build in a folder and check that its files are the ones that were built.

    `chosen` are the ecosystems of its release, by default those of this checkout's release.toml. Raises UserError
    naming what is missing, malformed or changed, with the command that builds it again.
    """
    again = f"build it again: rm -r {folder} && {_command(folder.name)}"
    chosen = ecosystems.load(configuration.load()) if chosen is None else chosen
    path = folder / FILE
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        if not folder.exists():
            raise UserError(f"{folder} does not exist: nothing was built there", _command(folder.name)) from None
        raise UserError(f"{path} cannot be read: {error.strerror}", again) from None
    except ValueError as error:
        raise UserError(f"{path} is not JSON: {error}", again) from None
    if malformed := next(iter(Draft202012Validator(schema(chosen)).iter_errors(content)), None):
        place = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in malformed.instance_path)
        raise UserError(f"{path} is malformed at ${place}: {malformed.message}", again)

    def files(kind: str) -> tuple[Artifact, ...]:
        return tuple(
            Artifact(item["ecosystem"], folder / item["file"], item["size"], item["sha256"], item["digest"])
            for item in content[kind]
        )

    built = Build(
        Version(**content["version"]),
        content["commit"],
        folder,
        content["descriptor_set_sha256"],
        files("artifacts"),
        files("sboms"),
        datetime.fromisoformat(content["committed"]),
        content["toolchain"],
    )
    digests = {ecosystem.key: ecosystem.digest for ecosystem in chosen}
    found = [
        _finding(file, digests[file.ecosystem](file.path) if file.path.is_file() else "") for file in built.artifacts
    ]
    found += [_finding(file, f"sha256:{sha256(file.path)}" if file.path.is_file() else "") for file in built.sboms]
    if findings := list(filter(None, found)):
        raise UserError(f"{folder} is not what {FILE} says", again, "\n".join(findings))
    if not (folder / SUMS).is_file() or (folder / SUMS).read_text() != built.sums():
        raise UserError(f"{folder / SUMS} and {path} contradict each other: one was changed after the build", again)
    if path.read_text() != built.manifest():
        raise UserError(f"{path} was changed after the build: {SUMS} has another digest for it", again)
    return built


def _command(version: str) -> str:
    try:
        return f"make build VERSION={parse_release(version).npm}"
    except UserError:
        return "make build"


def _finding(file: Artifact, digest: str) -> str:
    """What is wrong with a file of a build; empty if it is as it was built."""
    name = file.path.name
    if not file.path.is_file():
        return f"  {name} is missing"
    found, size = sha256(file.path), file.path.stat().st_size
    if found != file.sha256:
        return f"  {name} was changed: sha256 {found} of {size} bytes, it was {file.sha256} of {file.size} bytes"
    if (size, digest) != (file.size, file.digest):
        return f"  {name} has {size} bytes and digest {digest}, not {file.size} and {file.digest}"
    return ""


def schema(chosen: Sequence[Ecosystem]) -> dict[str, Any]:
    """The JSON Schema of release.json for these ecosystems."""
    keys = sorted(ecosystem.key for ecosystem in chosen)
    labels = ", ".join(sorted(ecosystem.label for ecosystem in chosen))
    count = sum(ecosystem.files for ecosystem in chosen)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"{FILE}: one build of the contracts",
        "description": "One version, built once from one commit: its files with their digests, and the tools used.",
        "type": "object",
        "additionalProperties": False,
        "required": [
            "version",
            "commit",
            "committed",
            "descriptor_set_sha256",
            "artifacts",
            "sboms",
            "toolchain",
        ],
        "properties": {
            "version": {
                "description": "The version in its three spellings: PEP 440, semver, and Go's with a leading v.",
                "type": "object",
                "additionalProperties": False,
                "required": ["pypi", "npm", "go"],
                "properties": {
                    "pypi": {"type": "string", "minLength": 1},
                    "npm": {"type": "string", "minLength": 1},
                    "go": {"type": "string", "pattern": "^v"},
                },
            },
            "commit": {
                "description": "The git commit that was built.",
                "type": "string",
                "pattern": "^[0-9a-f]{40}([0-9a-f]{24})?$",
            },
            "committed": {
                "description": "When that commit was made, in UTC.",
                "type": "string",
                "pattern": "^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}\\+00:00$",
            },
            "descriptor_set_sha256": {
                "description": "SHA-256 of the compiled contracts without comments, which every package holds.",
                "$ref": "#/$defs/sha256",
            },
            "artifacts": {
                "description": f"The files that are published to {labels}.",
                "type": "array",
                "minItems": count,
                "maxItems": count,
                "items": {"oneOf": [{"$ref": f"#/$defs/{key}"} for key in keys]},
            },
            "sboms": {
                "description": "A CycloneDX bill of materials for each package.",
                "type": "array",
                "minItems": len(keys),
                "maxItems": len(keys),
                "items": {"$ref": "#/$defs/sbom"},
            },
            "toolchain": {
                "description": "The version of each tool used, by its name.",
                "type": "object",
                "minProperties": 1,
                "additionalProperties": {"type": "string", "minLength": 1},
            },
        },
        "$defs": {
            "sha256": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
            **{
                ecosystem.key: _file_schema(
                    f"A file that is published to {ecosystem.label}, with the digest as {ecosystem.label} spells it.",
                    {"const": ecosystem.key},
                    ecosystem.file_pattern,
                    ecosystem.digest_pattern,
                )
                for ecosystem in sorted(chosen, key=lambda ecosystem: ecosystem.key)
            },
            "sbom": _file_schema("A bill of materials.", {"enum": keys}, r"\.cdx\.json", "sha256:[0-9a-f]{64}"),
        },
    }


def _file_schema(description: str, ecosystem: dict[str, Any], ending: str, digest: str) -> dict[str, Any]:
    return {
        "description": description,
        "type": "object",
        "additionalProperties": False,
        "required": ["ecosystem", "file", "size", "sha256", "digest"],
        "properties": {
            "ecosystem": ecosystem,
            # A plain name: no path leads out of the build's folder.
            "file": {"type": "string", "pattern": f"^[A-Za-z0-9@_][A-Za-z0-9._+@-]*{ending}$"},
            "size": {"type": "integer", "minimum": 1},
            "sha256": {"$ref": "#/$defs/sha256"},
            "digest": {"type": "string", "pattern": f"^{digest}$"},
        },
    }
