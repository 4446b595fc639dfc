"""Run the tests of tools/."""

import sys
from pathlib import Path

from cqc_tools.foundation import console, workspace
from cqc_tools.foundation.configuration import Configuration
from cqc_tools.proof import suites
from cqc_tools.proof.suites import Suites


def run(settings: Configuration, live: bool, quick: bool = False) -> Suites:
    """Run pytest in two processes, without the tests marked `slow` if `quick`, and without those marked `cqc_code` if
    the project has none."""
    left_out = [*(["slow"] if quick else []), *([] if settings.cqc_code else ["cqc_code"])]
    options = ["-n", str(console.WORKERS), "--dist", "worksteal"]
    options += ["-m", " and ".join(f"not {mark}" for mark in left_out)] if left_out else []
    environment = workspace.tool_environment(PYTHONPATH=str(workspace.ROOT / "tools"))
    suite = suites.run_pytest(
        "pytest", Path(sys.executable), workspace.ROOT / "tools" / "tests", *options, live=live, environment=environment
    )
    return Suites((suite,))
