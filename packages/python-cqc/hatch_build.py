"""Add the version, the protos and the descriptor set to the distributions."""

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class SharedFiles(BuildHookInterface):  # type: ignore[type-arg]
    """Writes the version into a module, for an editable installation too: reading it needs no metadata then.

    pyproject.toml gives the paths of the other files: `sources` is the folder of the protos, `descriptor_set` the
    compiled contracts. An unpacked sdist contains them already.
    """

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        (package,) = (path.parent.name for path in Path(self.root, "src").glob("*/__init__.py"))
        built = Path(self.root, "src", package, "_built.py")
        built.write_text(f'"""Written when the package was built."""\n\nVERSION = "{self.metadata.version}"\n')
        # Git ignores the file, and hatch what git ignores.
        build_data["artifacts"].append(f"/src/{package}/{built.name}")
        sources, descriptor_set = (Path(self.root, self.config[key]).resolve() for key in ("sources", "descriptor_set"))
        if version != "standard" or not Path(sources, package).is_dir():
            return
        inside = package if self.target_name == "wheel" else f"src/{package}"
        build_data["force_include"][str(sources)] = f"{inside}/proto"
        build_data["force_include"][str(descriptor_set)] = f"{inside}/{descriptor_set.name}"
