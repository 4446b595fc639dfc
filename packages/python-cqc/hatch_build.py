"""Bring the proto sources, which live at the top of the repository, into the distributions."""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ProtoSources(BuildHookInterface):  # type: ignore[type-arg]
    """In a checkout the sources are `../../proto`; an unpacked sdist has them in place already."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        sources = Path(self.root, "..", "..", "proto").resolve()
        if version == "standard" and Path(sources, "cqc").is_dir():
            inside = "cqc/proto" if self.target_name == "wheel" else "src/cqc/proto"
            build_data["force_include"][str(sources)] = inside
