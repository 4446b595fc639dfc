"""Install what an environment's lock file pins, once, and the package under test beside it."""

import json
import os
import shutil
import sys
import tarfile
import zipfile
from functools import partial
from pathlib import Path

from cqc_tools.foundation import console, workspace
from cqc_tools.foundation.errors import UserError
from cqc_tools.proof import kept, runtimes
from cqc_tools.proof.environments.environment import SOURCES, program
from cqc_tools.proof.subject import Subject


def node(name: str, subject: Subject) -> Path:
    """The folder whose node_modules has what tools/environments/<name>/package-lock.json pins, and our package."""
    manifests = [SOURCES / name / "package.json", SOURCES / name / "package-lock.json"]
    folder = kept.folder(f"environments/{name}", manifests, partial(_npm_ci, name, manifests))
    tarball = subject.artifact(".tgz")
    installed = folder / "node_modules" / subject.settings.package("typescript").name
    kept.ensure(folder / "package.sha256", [tarball], partial(_unpack_tarball, tarball, installed))
    return folder


def platform_program(folder: Path, pattern: str) -> Path:
    """The one program below node_modules that npm installed for this platform.

    Raises UserError if the lock has none for this platform.
    """
    found = sorted((folder / "node_modules").glob(pattern))
    if len(found) != 1:
        raise UserError(
            f"{folder.name}/package-lock.json has no {pattern} for {sys.platform} {os.uname().machine}",
            f"add its package to the optionalDependencies in tools/environments/{folder.name}/package.json",
        )
    return found[0]


def python(name: str, subject: Subject) -> Path:
    """The interpreter of a virtual environment with what tools/environments/python/<name>.lock pins, and the wheel."""
    interpreter, wheel = python_without_wheel(SOURCES / "python" / f"{name}.lock"), subject.artifact(".whl")
    kept.ensure(
        interpreter.parent.parent / "wheel.sha256", [wheel], partial(runtimes.install_wheel, interpreter, wheel)
    )
    return interpreter


def python_without_wheel(lock: Path) -> Path:
    """The interpreter of a virtual environment with what a lock pins."""
    sources: list[bytes | Path] = [lock, sys.version.encode()]
    venv = kept.folder(f"environments/python-{lock.stem}", sources, partial(_uv_sync, lock))
    return workspace.venv_bin(venv, "python")


def go_module(subject: Subject) -> Path:
    """The folder of our Go module, unpacked from its zip."""
    archive = subject.artifact(".zip")

    def unpack(folder: Path) -> None:
        with zipfile.ZipFile(archive) as packed:
            packed.extractall(folder / "unpacked")
        (manifest,) = (folder / "unpacked").rglob("go.mod")
        # The module's path and version are the folder's name.
        manifest.parent.rename(folder / "module")

    return kept.folder("environments/go-module", [archive], unpack) / "module"


def scratch(folder: Path, name: str, *programs: Path) -> Path:
    """An empty folder inside an installation, where programs find its packages; `programs` are copied into it."""
    made = folder / "run" / name
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir(parents=True)
    for path in programs:
        shutil.copy(path, made)
    return made


def _npm_ci(name: str, manifests: list[Path], folder: Path) -> None:
    for manifest in manifests:
        shutil.copy(manifest, folder)
    with console.step(f"install tools/environments/{name}"):
        program("npm", "ci", "--ignore-scripts", "--prefer-offline", cwd=folder, what="npm ci")


def _unpack_tarball(tarball: Path, installed: Path) -> None:
    shutil.rmtree(installed, ignore_errors=True)
    unpacked = installed.parent / ".unpacked"
    shutil.rmtree(unpacked, ignore_errors=True)
    with tarfile.open(tarball) as archive:
        archive.extractall(unpacked, filter="data")
    (unpacked / "package").rename(installed)


def _uv_sync(lock: Path, venv: Path) -> None:
    with console.step(f"install {lock.relative_to(workspace.ROOT)}"):
        base = ["--quiet", "--allow-existing", "--no-project", "--python", sys.executable]
        program(runtimes.UV, "venv", *base, venv, what="uv venv")
        interpreter = workspace.venv_bin(venv, "python")
        options = ("--quiet", "--require-hashes", "--python", interpreter)
        program(runtimes.UV, "pip", "sync", *options, lock, what="uv pip sync")


def entry_points(folder: Path, package: str) -> list[str]:
    """The import paths that our package exports, as a program writes them."""
    manifest = json.loads((folder / "node_modules" / package / "package.json").read_text())
    paths = [path for path in manifest["exports"] if not path.endswith(".json") and "*" not in path]
    return sorted(package + path.removeprefix(".") for path in paths)
