"""The consumer in examples/events rebuilds every life from its events: generated lives, and those of real venues."""

import json
import os
import subprocess
import sys

import pytest

from cqc_tools.foundation import configuration, workspace
from cqc_tools.packages import examples

pytestmark = pytest.mark.cqc_code
EVENTS = workspace.EXAMPLES / "events"
SOURCES = (configuration.load().folder("python") / "src", EVENTS, workspace.EXAMPLES / "venues")
# More venues beside some checkouts.
CAPTURED = (workspace.CAPTURED_VENUES, workspace.CAPTURED_VENUES.parent / "more")


def run(*words: object, stdin: str = "") -> str:
    """Run a Python module with the sources of the examples."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, SOURCES))}
    command = [sys.executable, "-m", *map(str, words)]
    done = subprocess.run(command, input=stdin, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_suite_of_the_example() -> None:
    """In a process of its own, because the contracts must not be loaded into that of the tools."""
    settings = workspace.ROOT / "tools" / "pyproject.toml"
    run("pytest", "-q", "-c", settings, "--rootdir", EVENTS, EVENTS / "tests")


def test_recorded_lives_are_rebuilt(capsys: pytest.CaptureFixture[str]) -> None:
    folders = [folder for folder in CAPTURED if folder.is_dir()] or [examples.SAMPLE]
    found = json.loads(run("cqc_events", "recorded", stdin=run("cqc_venues", "map", *folders)))
    with capsys.disabled():
        names = "captured traffic" if folders[0] in CAPTURED else "the sample in examples/data"
        print(f"\n{names}: {found['records']} records rebuilt from {sum(found['events'].values())} events")
    assert found["wrong"] == []
    assert {"Order", "ExecutionReport", "Balance", "Position"} <= set(found["facts"])
