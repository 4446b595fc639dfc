"""The first thing that a new user may see: a prerequisite is missing or too old."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cqc_tools.foundation import workspace

BOOTSTRAP = workspace.ROOT / "tools" / "bootstrap.py"


def path_with(folder: Path, **programs: str | None) -> str:
    """A PATH with the real programs, except those given: they print a version, or are missing if it is None."""
    folder.mkdir()
    for name in ("git", "make", "go", "node", "npm"):
        printed = programs.get(name, "")
        if printed is None:
            continue
        if printed:
            program = folder / name
            program.write_text(f"#!/bin/sh\necho '{printed}'\n")
            program.chmod(0o755)
        else:
            (folder / name).symlink_to(shutil.which(name) or name)
    return f"{folder}:/bin"


def bootstrap(path: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(BOOTSTRAP)], env={"PATH": path}, capture_output=True, text=True)


def test_all_missing_prerequisites_are_named_together(tmp_path: Path) -> None:
    folder = tmp_path / "bin"
    done = bootstrap(path_with(folder, go=None, node="v18.20.0").removesuffix(":/bin"))
    assert done.returncode == 2
    assert "Go was not found, 1.24 or newer is needed: https://go.dev/dl/" in done.stderr
    assert "Node 18.20.0 was found, 20.0 or newer is needed" in done.stderr
    assert "git" not in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("program", "printed", "expected"),
    [
        ("git", "git version 2.20.1", "git 2.20.1 was found, 2.31 or newer"),
        ("make", "GNU Make 3.80", "make 3.80 was found, 3.81 or newer"),
        ("go", "go version go1.21.13 linux/amd64", "Go 1.21.13 was found, 1.24 or newer"),
        ("npm", "9.9.9", "npm 9.9.9 was found, 10.0 or newer"),
    ],
)
def test_an_old_version_is_named_with_the_required_one(
    tmp_path: Path, program: str, printed: str, expected: str
) -> None:
    done = bootstrap(path_with(tmp_path / "bin", **{program: printed}))
    assert done.returncode == 2
    assert expected in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_every_python_can_parse_the_bootstrap() -> None:
    """Newer syntax would fail before the bootstrap could name the required version."""
    text = BOOTSTRAP.read_text()
    for late in ('f"', "f'", ":=", "->", "match ", "print("):
        assert late not in text
