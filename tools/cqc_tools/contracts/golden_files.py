"""The files of golden bytes: one per version, with every message as each language wrote it.

The first line names the contracts that the bytes are from; each further line is one message type.
"""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from google.protobuf.descriptor_pb2 import FileDescriptorSet

from cqc_tools.foundation import files, workspace
from cqc_tools.foundation.version import Version, parse_release

PLACE = Path("tools", "golden")
FOLDER = workspace.ROOT / PLACE
CONTRACTS = "contracts_sha256"


def file_of(version: Version) -> Path:
    """The file for the golden bytes of a version, whether or not it exists."""
    return FOLDER / f"{version.npm}.jsonl"


def versions() -> list[Version]:
    """The versions that have golden bytes, lowest first."""
    found = [parse_release(path.stem) for path in FOLDER.glob("*.jsonl")]
    return sorted(found, key=lambda version: version.semver)


def fingerprint(descriptor_set: FileDescriptorSet) -> str:
    """SHA-256 of the contracts without their comments, which do not change what messages are written."""
    digest = hashlib.sha256()
    for file in descriptor_set.file:
        bare = type(file)()
        bare.CopyFrom(file)
        bare.ClearField("source_code_info")
        digest.update(bare.SerializeToString(deterministic=True))
    return digest.hexdigest()


def write(version: Version, contracts: str, lines: Iterable[dict[str, Any]]) -> None:
    """Keep the lines of a version, and the fingerprint of the contracts that they are from."""
    content = [{CONTRACTS: contracts}, *lines]
    files.write_text(file_of(version), "".join(f"{json.dumps(line)}\n" for line in content))


def is_current(version: Version, contracts: str, top: Path) -> bool:
    """Whether a checkout has golden bytes of a version that are from contracts with this fingerprint."""
    path = top / PLACE / file_of(version).name
    if not path.exists():
        return False
    with path.open() as lines:
        return bool(json.loads(next(lines))[CONTRACTS] == contracts)


def read(version: Version) -> tuple[str, list[dict[str, Any]]]:
    """The fingerprint of the contracts that the golden bytes of a version are from, and the lines."""
    first, *lines = (json.loads(line) for line in file_of(version).read_text().splitlines())
    return str(first[CONTRACTS]), lines
