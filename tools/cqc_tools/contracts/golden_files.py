"""Where the golden bytes are: one file per version with every message, as each language wrote it."""

from pathlib import Path

from cqc_tools.foundation import workspace
from cqc_tools.foundation.version import Version, parse_release

FOLDER = workspace.ROOT / "tools" / "golden"


def file_of(version: Version) -> Path:
    """The file for the golden bytes of a version, whether or not it exists."""
    return FOLDER / f"{version.npm}.jsonl"


def versions() -> list[Version]:
    """The versions that have golden bytes, lowest first."""
    found = [parse_release(path.stem) for path in FOLDER.glob("*.jsonl")]
    return sorted(found, key=lambda version: version.semver)
