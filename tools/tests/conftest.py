"""Scratch checkouts on which the command line is run as a user runs it."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from cqc_tools.foundation import workspace
from cqc_tools.packages import build
from cqc_tools.packages.local import Registries

IDENTITY = {
    f"GIT_{role}_{key}": value
    for role in ("AUTHOR", "COMMITTER")
    for key, value in {"NAME": "test", "EMAIL": "test@localhost"}.items()
}


@dataclass(frozen=True)
class Checkout:
    """A clone of what is checked out, with the installed toolchain linked in."""

    folder: Path

    def environment(self, **extra: str) -> dict[str, str]:
        return {**os.environ, **IDENTITY, "PYTHONPATH": str(self.folder / "tools"), **extra}

    def cqc(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run the command line; nothing is raised when it fails."""
        command = [sys.executable, "-m", "cqc_tools", *arguments]
        return subprocess.run(
            command, cwd=self.folder, env=self.environment(**environment), capture_output=True, text=True
        )

    def git(self, *arguments: str) -> str:
        command = ["git", "-C", str(self.folder), *arguments]
        return subprocess.run(command, env=self.environment(), capture_output=True, text=True, check=True).stdout

    def commit(self, message: str = "change") -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)


def make_checkout(folder: Path) -> Checkout:
    build.clone(folder)
    for name in (".venv", "packages/ts-cqc/node_modules", "tools/node/node_modules"):
        (folder / name).symlink_to(workspace.ROOT / name)
    # The registries of its target `local` are its own, and what a rehearsal leaves to look at.
    (folder / ".cache").mkdir()
    for path in workspace.CACHE.iterdir():
        if path.name not in ("registries", "rehearsal"):
            (folder / ".cache" / path.name).symlink_to(path)
    # A link is not the folder that .gitignore names.
    exclude = folder / ".git" / "info" / "exclude"
    exclude.write_text("/.venv\n/.cache\nnode_modules\n")
    checkout = Checkout(folder)
    for tag in checkout.git("tag").split():
        checkout.git("tag", "--delete", tag)
    return checkout


def point_target(checkout: Checkout, local: Registries, *more: str) -> None:
    """Let the target `test` of a checkout's release.toml be registries that run; `more` are lines for it."""
    names = ("python_index", "python_upload", "npm", "git")
    lines = [f"{name} = {json.dumps(getattr(local, name))}" for name in names]
    settings = checkout.folder / "release.toml"
    settings.write_text("\n".join([settings.read_text(), "[targets.test]", *lines, *more, ""]))


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return make_checkout(tmp_path / "checkout")
