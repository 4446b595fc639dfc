"""How long the steps of a release took, kept beside its build from one command to the next."""

import json
from pathlib import Path

from cqc_tools.foundation import console

FILE = "timings.json"


def update(folder: Path) -> dict[str, float]:
    """Keep how long the steps of this process took, beside those of earlier ones; returns seconds by step."""
    path = folder / FILE
    try:
        kept = {str(step): float(seconds) for step, seconds in json.loads(path.read_text()).items()}
    except (OSError, ValueError, TypeError, AttributeError):
        # Nothing depends on them: what cannot be read is measured again.
        kept = {}
    seconds = kept | {step: round(taken, 2) for step, taken in console.measured.items()}
    if seconds != kept:
        part = path.with_suffix(".part")
        part.write_text(json.dumps(seconds, indent=2) + "\n")
        part.replace(path)
    return seconds
