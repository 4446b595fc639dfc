"""The licences of the packages that the locks name, as `make lock` found them: builds ask nobody."""

import json
from collections.abc import Mapping
from pathlib import Path

from cqc_tools.foundation.errors import StageFailed

FILE = Path("tools", "licences.json")


def load(checkout: Path, ecosystem: str) -> Mapping[str, str]:
    """The licence of each package of an ecosystem by its name; nothing in a checkout that has none."""
    try:
        found = json.loads((checkout / FILE).read_text())
    except FileNotFoundError:
        return {}
    return {str(name): str(licence) for name, licence in found.get(ecosystem, {}).items()}


def of(known: Mapping[str, str], name: str) -> str:
    """The licence of a locked package. Raises StageFailed if it is not known."""
    if name not in known:
        raise StageFailed(f"{FILE} has no licence of {name}, which a lock names", "make lock, then commit")
    return known[name]
