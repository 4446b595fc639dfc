"""Check what can be checked without running anything: conventions, lint, format, types, drift of generated code."""

import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from cqc_tools.contracts import conventions, descriptors
from cqc_tools.foundation import console, process, workspace
from cqc_tools.foundation.configuration import Configuration
from cqc_tools.foundation.errors import ProgramFailed, StageFailed, ToolError
from cqc_tools.generation import generate
from cqc_tools.proof import go_workspace, outcomes
from cqc_tools.proof.outcomes import Outcome

BUF, RUFF, MYPY, ZIZMOR = (workspace.VENV_BIN / name for name in ("buf", "ruff", "mypy", "zizmor"))
LINT_IMPORTS = workspace.VENV_BIN / "lint-imports"
ACTIONLINT, STATICCHECK = workspace.GO_TOOLS / "actionlint", workspace.GO_TOOLS / "staticcheck"
PYRIGHT, BIOME = (workspace.NODE_TOOLS / "node_modules" / ".bin" / name for name in ("pyright", "biome"))
RUFF_CONFIG = ("--config", "tools/pyproject.toml", "--force-exclude")
FORMAT = "run make format"
SHOWN = 20
# Their Go code is vetted in the environments themselves, with the packages that users install.
ENVIRONMENTS = ("tools/environments",)
Command = Sequence[str | Path]


@dataclass(frozen=True)
class Check:
    """One check. A quick one takes about a second and compiles nothing."""

    title: str
    run: Callable[[], object]
    quick: bool = False


@dataclass(frozen=True)
class Checks:
    """All checks that ran, and a sentence about what was left out."""

    outcomes: tuple[Outcome, ...]
    left_out: str = ""

    @property
    def failure(self) -> ToolError | None:
        """The findings of all checks as one failure."""
        return outcomes.as_one(outcome.failure for outcome in self.outcomes)

    def to_json(self) -> dict[str, Any]:
        """The result for a program."""
        return {"checks": [outcome.to_json() for outcome in self.outcomes], "left_out": self.left_out}

    def show(self) -> None:
        """Print the result for a person."""
        passed = sum(outcome.passed for outcome in self.outcomes)
        console.output.print(f"{passed} of {len(self.outcomes)} checks passed")
        if self.left_out:
            console.output.print(self.left_out)


def run(settings: Configuration, quick: bool = False) -> Checks:
    """Run all checks, or only the quick ones, two at a time."""
    # Compilers and type checkers read them, and git does not have them.
    generate.write_descriptor_copies(workspace.ROOT, settings)
    chosen = [check for check in checks(settings) if check.quick or not quick]
    done = outcomes.run_all([(check.title, partial(_without_result, check.run)) for check in chosen])
    return Checks(tuple(done), outcomes.left_out(settings))


def checks(settings: Configuration) -> list[Check]:
    """Every check of this project."""
    python, go = _python_sources(settings), _go_folders(settings)
    found = [
        Check("drift of generated code", partial(_drift, settings), quick=True),
        Check("conventions of the contracts", partial(_conventions, settings), quick=True),
        Check("buf lint", partial(_run, "buf lint", [BUF, "lint", "proto"]), quick=True),
        Check("buf format", partial(_formatted, [BUF, "format", "proto", "-d", "--exit-code"]), quick=True),
        Check("ruff", partial(_run, "ruff", [RUFF, "check", *RUFF_CONFIG, *python]), quick=True),
        Check("ruff format", partial(_formatted, [RUFF, "format", "--check", *RUFF_CONFIG, *python]), quick=True),
        Check("gofmt", partial(_gofmt, [*go, *ENVIRONMENTS]), quick=True),
        # biome.json lists the files.
        Check("biome format", partial(_formatted, [BIOME, "check", "--linter-enabled=false"]), quick=True),
        Check("biome lint", partial(_run, "biome lint", [BIOME, "lint", "--error-on-warnings"]), quick=True),
        Check("actionlint", partial(_run, "actionlint", [ACTIONLINT, "-shellcheck=", "-pyflakes="]), quick=True),
        Check("zizmor", partial(_run, "zizmor", _zizmor()), quick=True),
        Check("imports between rooms", _lint_imports, quick=True),
        Check("go vet and staticcheck", partial(_go, settings)),
        Check("mypy --strict", partial(_mypy, settings)),
    ]
    if "python" in settings.packages:
        found.append(Check("pyright", partial(_pyright, settings)))
    if "typescript" in settings.packages:
        found.append(Check("tsc --strict", partial(_tsc, settings)))
    return found


def format_sources(settings: Configuration) -> list[str]:
    """Format protos, Python, Go and TypeScript in place; returns the names of the formatters."""
    python = _python_sources(settings)
    formatters: dict[str, Sequence[Command]] = {
        "buf": [[BUF, "format", "proto", "-w"]],
        "ruff": [
            [RUFF, "check", "--fix-only", "--quiet", *RUFF_CONFIG, *python],
            [RUFF, "format", *RUFF_CONFIG, *python],
        ],
        "gofmt": [["gofmt", "-w", *_go_folders(settings), *ENVIRONMENTS]],
        "biome": [[BIOME, "check", "--write", "--linter-enabled=false"]],
    }
    for name, commands in formatters.items():
        for command in commands:
            process.run(command, env=_environment(), what=f"format with {name}")
    return list(formatters)


def _without_result(check: Callable[[], object]) -> None:
    check()


def _python_sources(settings: Configuration) -> list[str]:
    """Hand-written Python. tools/pyproject.toml excludes generated files from ruff."""
    found = ["tools"]
    if "python" in settings.packages:
        package = settings.package("python").folder
        modules = sorted((workspace.ROOT / package / "src" / settings.root_package).glob("*.py"))
        found += [f"{package}/hatch_build.py", *_tests(settings)]
        found += [path.relative_to(workspace.ROOT).as_posix() for path in modules]
    return found + (["examples/python", "examples/venues", "examples/events"] if settings.cqc_code else [])


def _tests(settings: Configuration) -> list[str]:
    """The folder with the Python package's tests, if it has any."""
    folder = f"{settings.package('python').folder}/tests"
    return [folder] if (workspace.ROOT / folder).is_dir() else []


def _go_folders(settings: Configuration) -> list[str]:
    package = [settings.package("go").folder] if "go" in settings.packages else []
    return [*package, "tools/go", "tools/interop/go", *(["examples/go"] if settings.cqc_code else [])]


def _environment() -> dict[str, str]:
    """An environment for linters and formatters; biome has no other setting for its cache."""
    return workspace.tool_environment(XDG_CACHE_HOME=str(workspace.CACHE))


def _run(what: str, command: Command) -> None:
    process.run(command, env=_environment(), what=what)


def _formatted(command: Command) -> None:
    try:
        process.run(command, env=_environment(), what="the formatter")
    except ProgramFailed as failure:
        if failure.returncode is not None:
            failure.fix = FORMAT
        raise


def _gofmt(folders: Sequence[str]) -> None:
    if unformatted := process.run(["gofmt", "-l", *folders], what="gofmt").strip():
        raise StageFailed("Go files are not formatted", FORMAT, unformatted)


def _drift(settings: Configuration) -> None:
    if change := generate.drift(settings):
        lines = [f"  differs: {path}" for path in change.written] + [f"  stale: {path}" for path in change.removed]
        raise outcomes.first_problems("generated code does not match proto/", lines, SHOWN, "run make generate")


def _conventions(settings: Configuration) -> None:
    if found := conventions.findings(descriptors.compile_checkout(settings)):
        raise outcomes.first_problems(f"proto/ breaks {len(found)} conventions", [f"  {item}" for item in found], SHOWN)


def _zizmor() -> Command:
    return [ZIZMOR, "--offline", "--no-progress", "--persona=auditor", "--quiet", ".github"]


def _lint_imports() -> None:
    environment = workspace.tool_environment(PYTHONPATH=str(workspace.ROOT / "tools"))
    command: Command = [
        LINT_IMPORTS,
        "--config",
        "tools/pyproject.toml",
        "--cache-dir",
        workspace.CACHE / "import-linter",
    ]
    process.run(command, env=environment, what="import-linter")


def _go(settings: Configuration) -> None:
    """Both report code that does not compile, so `go build` would only compile everything again."""
    folders = _go_folders(settings)
    environment = go_workspace.write(workspace.CACHE, [workspace.ROOT / folder for folder in folders])
    options = [*go_workspace.tags(settings), *(f"./{folder}/..." for folder in folders)]
    process.run(["go", "vet", *options], env=environment, what="go vet")
    process.run([STATICCHECK, "-checks", "all", *options], env=environment, what="staticcheck")


def _mypy(settings: Configuration) -> None:
    # Each group is checked alone, because modules in different groups have the same names.
    groups = [["tools/cqc_tools", "tools/tests"]]
    path = ["tools", "tools/tests"]
    if "python" in settings.packages:
        groups += [[tests] for tests in _tests(settings)]
        path.append(f"{settings.package('python').folder}/src")
    if settings.cqc_code:
        groups += [["tools/interop/python"], ["examples/python", "examples/venues", "examples/events"]]
        path += ["tools/interop/python", "examples/python", "examples/venues", "examples/events"]
        path += ["examples/events/tests"]
    environment = workspace.tool_environment(MYPYPATH=os.pathsep.join(path))
    for group in groups:
        process.run([MYPY, "--config-file", "tools/pyproject.toml", *group], env=environment, what="mypy")


def _pyright(settings: Configuration) -> None:
    package = settings.folder("python")
    candidates = [package / "tests" / "import_forms.py", package / "src" / settings.root_package / "__init__.py"]
    sources = [source for source in candidates if source.exists()]
    if not sources:
        return
    # Generated, because it names the folders of this checkout.
    config = workspace.CACHE / "pyrightconfig.json"
    config.write_text(
        json.dumps(
            {
                "include": [os.path.relpath(source, workspace.CACHE) for source in sources],
                "extraPaths": [os.path.relpath(package / "src", workspace.CACHE)],
                "typeCheckingMode": "strict",
                "pythonVersion": "3.11",
            }
        )
    )
    process.run([PYRIGHT, "--pythonpath", sys.executable, "--project", config], what="pyright")


def _tsc(settings: Configuration) -> None:
    package = settings.folder("typescript")
    # The package, and a file with every form in which users import it.
    for project in ("tsconfig.json", "tsconfig.forms.json"):
        if (package / project).exists():
            compiler = package / "node_modules" / "typescript" / "bin" / "tsc"
            command: Command = ["node", compiler, "--noEmit", "--strict", "-p", project]
            process.run(command, cwd=package, what="tsc")
