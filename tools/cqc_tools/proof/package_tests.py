"""Test the built packages as users get them, each with its language's own runner."""

import shutil
import sys
import zipfile
from functools import partial
from pathlib import Path

from cqc_tools.foundation import console, process, temporary, workspace
from cqc_tools.proof import runtimes, suites
from cqc_tools.proof.subject import Subject
from cqc_tools.proof.suites import Suite, Suites


def python(subject: Subject, live: bool, names: tuple[str, ...] = ()) -> Suites:
    """Check the wheel and sdist, and test the wheel on some runtimes, or on all that its Python can have."""
    wheel, sdist = subject.artifact(".whl"), subject.artifact(".tar.gz")
    process.run([sys.executable, "-m", "twine", "check", "--strict", wheel, sdist], what="twine")
    # W004, a module that cannot be imported: PyInstaller runs its hooks as files, and their names have a hyphen.
    options = ["--ignore", "W004"]
    process.run([workspace.VENV_BIN / "check-wheel-contents", *options, wheel], what="check-wheel-contents")
    chosen = names or runtimes.names(subject)
    # The output of two runtimes must not be mixed.
    tasks = [partial(_python_suite, name, subject, live and len(chosen) == 1) for name in chosen]
    return Suites(tuple(future.result() for future in process.in_parallel(tasks, console.WORKERS)))


def _python_suite(name: str, subject: Subject, live: bool) -> Suite:
    runtime = runtimes.runtime(name, subject)
    runtime.check()
    versions = ", ".join(f"{package} {version}" for package, version in runtime.versions().items())
    tests = subject.settings.folder("python") / "tests"
    if not tests.is_dir():
        imported: list[str | Path] = [runtime.python, "-c", f"import {subject.settings.root_package}"]
        return suites.run(f"import on the {name} runtime ({versions})", imported, live=live)
    return suites.run_pytest(f"pytest on the {name} runtime ({versions})", runtime.python, tests, live=live)


def go(subject: Subject, live: bool) -> Suites:
    """Test the module, unpacked from its zip."""
    race = ["-race"]
    if not shutil.which(process.run(["go", "env", "CC"], what="go env").strip()):
        # The race detector needs cgo, and a C compiler is not among the prerequisites.
        console.note("no C compiler was found: go test runs WITHOUT the race detector")
        race = []
    environment = workspace.tool_environment(**({"GOTOOLCHAIN": f"go{subject.go}"} if subject.go else {}))
    version = process.run(["go", "version"], env=environment, what="go version").split()[2]
    with temporary.folder("go") as scratch:
        with zipfile.ZipFile(subject.artifact(".zip")) as archive:
            archive.extractall(scratch)
        (manifest,) = scratch.rglob("go.mod")
        # Without -count=1 go would answer from its cache when the module is the same. `make check` vets the sources.
        command = ["go", "test", "-count=1", *race, "./..."]
        return Suites(
            (suites.run(f"go test with {version}", command, live=live, cwd=manifest.parent, environment=environment),)
        )


def typescript(subject: Subject, live: bool) -> Suites:
    """Test the tarball as ESM and as CommonJS."""
    package = subject.settings.folder("typescript")
    script = package / "test" / "run.mjs"
    if not script.exists():
        console.note(f"{script.relative_to(workspace.ROOT)} does not exist: the npm package is only tested by interop")
        return Suites(())
    return Suites((suites.run("node --test", ["node", script, subject.artifact(".tgz")], live=live, cwd=package),))
