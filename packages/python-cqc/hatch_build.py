"""Add the protos and the descriptor set to the distributions, from where they are in the repository."""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class SharedFiles(BuildHookInterface):  # type: ignore[type-arg]
    """Does nothing in an unpacked sdist, which contains the files already.

    pyproject.toml gives the paths: `sources` is the folder of the protos, `descriptor_set` the compiled contracts.
    """

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        (package,) = (path.parent.name for path in Path(self.root, "src").glob("*/__init__.py"))
        sources, descriptor_set = (Path(self.root, self.config[key]).resolve() for key in ("sources", "descriptor_set"))
        if version != "standard" or not Path(sources, package).is_dir():
            return
        inside = package if self.target_name == "wheel" else f"src/{package}"
        build_data["force_include"][str(sources)] = f"{inside}/proto"
        build_data["force_include"][str(descriptor_set)] = f"{inside}/{descriptor_set.name}"
