"""The versions that the lock files of the environments pin."""

import json
import re
from functools import cache
from pathlib import Path

from cqc_tools.foundation.errors import UserError


def pinned(lock: Path, tool: str) -> str:
    """The version of a package in a lock file of npm or uv, or in a go.mod.

    Raises UserError if the lock does not pin it.
    """
    found = _versions(lock).get(tool)
    if found is None:
        raise UserError(f"{lock} pins no {tool}", "add it to the file that the lock is made from, and lock again")
    return found


@cache
def _versions(lock: Path) -> dict[str, str]:
    text = lock.read_text()
    if lock.suffix == ".json":
        packages = json.loads(text)["packages"]
        return {path.removeprefix("node_modules/"): found["version"] for path, found in packages.items() if path}
    if lock.name == "go.mod":
        return dict(re.findall(r"^(?:require )?\t?([\w./-]+\.[\w./-]+) v([\w.+-]+)", text, re.MULTILINE))
    return dict(re.findall(r"^([\w.-]+)==([\w.]+)", text, re.MULTILINE))
