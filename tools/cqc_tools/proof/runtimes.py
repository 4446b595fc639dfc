"""Python environments with locked versions of protobuf and grpcio, and the built wheel."""

import json
import shutil
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from cqc_tools.foundation import console, process, workspace
from cqc_tools.foundation.errors import UserError
from cqc_tools.proof import kept
from cqc_tools.proof.subject import Subject

OLDEST, NEWEST = "oldest", "newest"
UV = workspace.VENV_BIN / "uv"
# The packages whose versions make a runtime the oldest or the newest.
SHOWN = ("protobuf", "grpcio")


@dataclass(frozen=True)
class Runtime:
    """A Python environment with the built wheel."""

    name: str
    python: Path

    def versions(self) -> dict[str, str]:
        """The installed versions of protobuf and grpcio."""
        printed = process.run([UV, "pip", "list", "--format=json", "--python", self.python], what="uv pip list")
        return {item["name"]: item["version"] for item in json.loads(printed) if item["name"] in SHOWN}

    def check(self) -> None:
        """Raise ProgramFailed if the installed versions do not fit together."""
        process.run([UV, "pip", "check", "--python", self.python], what="uv pip check")


def names(subject: Subject) -> tuple[str, ...]:
    """The runtimes that a Python can have: the oldest packages have no wheels for a Python newer than they are."""
    return (NEWEST,) if subject.python else (OLDEST, NEWEST)


def runtime(name: str, subject: Subject) -> Runtime:
    """Returns a runtime with the wheel under test. Raises UserError if its Python is not installed."""
    base = shutil.which(subject.python or sys.executable)
    if base is None:
        raise UserError(f"{subject.python} was not found", "install it, or name another one")
    version = process.run([base, "-c", "import sys; print(sys.version)"], what="ask Python for its version")
    title = f"{name} runtime on Python {version.split()[0]}"
    lock = workspace.ROOT / "tools" / "python-runtimes" / f"{name}.lock"
    venv = kept.folder(
        f"python-runtimes/{name}-{version.split()[0]}",
        [lock, base.encode(), version.encode()],
        partial(_install, title, base, lock),
    )
    python = workspace.venv_bin(venv, "python")
    wheel = subject.artifact(".whl")
    kept.ensure(venv / "wheel.sha256", [wheel], partial(install_wheel, python, wheel))
    return Runtime(name, python)


def _install(title: str, base: str, lock: Path, venv: Path) -> None:
    with console.step(f"set up the {title}"):
        process.run([UV, "venv", "--quiet", "--allow-existing", "--no-project", "--python", base, venv], what="uv venv")
        # pip and not uv: only pip reads the user's own pip settings, such as the address of a company's index.
        options = ["--quiet", "--no-compile", "--no-deps", "--require-hashes", "-r", str(lock)]
        process.run([sys.executable, "-m", "pip", "--python", venv, "install", *options], what="pip install")


def install_wheel(python: Path, wheel: Path) -> None:
    """Install a wheel into an environment that has its dependencies."""
    options = ["--quiet", "--offline", "--no-index", "--no-deps", "--reinstall", "--python", str(python)]
    process.run([UV, "pip", "install", *options, wheel], what="install the wheel")
