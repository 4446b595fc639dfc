"""Go workspaces: Go code that depends on our module gets the module's sources instead of a published version."""

import os
from collections.abc import Sequence
from pathlib import Path

from cqc_tools.foundation import files, process, workspace
from cqc_tools.foundation.configuration import Configuration


def tags(settings: Configuration) -> tuple[str, ...]:
    """Options for go commands: the build tag of files that need CQC's own code, if the project has it."""
    return ("-tags", "cqc_code") if settings.cqc_code else ()


def write(folder: Path, modules: Sequence[Path]) -> dict[str, str]:
    """Write go.work into a folder; returns an environment in which go uses it."""
    version = process.run(["go", "env", "GOVERSION"], what="go env").strip().removeprefix("go").split("-")[0]
    uses = [f'use "{Path(os.path.relpath(module, folder)).as_posix()}"' for module in modules]
    files.write_text(folder / "go.work", "\n".join([f"go {version}", *uses, ""]))
    return workspace.tool_environment(GOWORK=str(folder / "go.work"))
