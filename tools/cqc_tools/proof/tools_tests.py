"""Run the tests of tools/."""

import sys
from pathlib import Path

from cqc_tools.foundation import console, workspace
from cqc_tools.foundation.configuration import Configuration
from cqc_tools.proof import suites
from cqc_tools.proof.suites import Suites


def run(settings: Configuration, live: bool, quick: bool = False, seed: int | None = None) -> Suites:
    """Run pytest in two processes, without the tests marked `slow` if `quick`, and without those marked `cqc_code` if
    the project has none. With a seed, only a share of the tests marked `long` runs; another one for the next seed."""
    left_out = [*(["slow"] if quick else []), *([] if settings.cqc_code else ["cqc_code"])]
    options = ["-n", str(console.WORKERS), "--dist", "worksteal"]
    options += ["-m", " and ".join(f"not {mark}" for mark in left_out)] if left_out else []
    options += [f"--share-of-long={seed}"] if seed is not None else []
    title = "pytest" if seed is None else "pytest with this week's twelfth of the long tests (make test-tools runs all)"
    environment = workspace.tool_environment(PYTHONPATH=str(workspace.ROOT / "tools"))
    suite = suites.run_pytest(
        title, Path(sys.executable), workspace.ROOT / "tools" / "tests", *options, live=live, environment=environment
    )
    return Suites((suite,))
