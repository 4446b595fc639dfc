"""Add the .proto files, which are at the top of the repository, to the sdist and the wheel."""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ProtoSources(BuildHookInterface):  # type: ignore[type-arg]
    """Copies `../../proto` in a checkout; an unpacked sdist already contains the files."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        sources = Path(self.root, "..", "..", "proto").resolve()
        if version == "standard" and Path(sources, "cqc").is_dir():
            inside = "cqc/proto" if self.target_name == "wheel" else "src/cqc/proto"
            build_data["force_include"][str(sources)] = inside
