"""What can be said about the tree without running it: lint, format, drift, and that all languages compile."""

import json
import os
import sys
from pathlib import Path

from cqc_tools.foundation import configuration, console, process, workspace
from cqc_tools.foundation.errors import StageFailed
from cqc_tools.generation import generate

PYTHON_SOURCES = [
    "tools",
    "packages/python-cqc/hatch_build.py",
    *(
        f"packages/python-cqc/src/cqc/{path.name}"
        for path in sorted(workspace.PYTHON_PACKAGE.glob("src/cqc/*.py"))
        if path.name != "_buf_validate.py"  # generated
    ),
    "packages/python-cqc/tests",
    "examples/python",
    "examples/venues",
]
GO_FOLDERS = ["packages/go-cqc", "tools/go", "tools/interop/go", "examples/go"]
RUFF_CONFIG = ["--config", "tools/pyproject.toml"]
# biome.json lists the files.
BIOME: list[str | Path] = [workspace.NODE_TOOLS / "node_modules" / ".bin" / "biome"]


def check() -> None:
    """Run all checks.

    Raises StageFailed with every finding of every check, each with the command that mends it where there is one.
    """
    generate.write_descriptor_copies(workspace.ROOT, configuration.load())
    console.all_steps(
        [
            ("drift of generated code", _drift),
            ("buf lint", lambda: process.run([workspace.VENV_BIN / "buf", "lint", "proto"], what="buf lint")),
            ("buf format", lambda: _mendable([workspace.VENV_BIN / "buf", "format", "proto", "-d", "--exit-code"])),
            (
                "ruff",
                lambda: process.run([workspace.VENV_BIN / "ruff", "check", *RUFF_CONFIG, *PYTHON_SOURCES], what="ruff"),
            ),
            (
                "ruff format",
                lambda: _mendable([workspace.VENV_BIN / "ruff", "format", "--check", *RUFF_CONFIG, *PYTHON_SOURCES]),
            ),
            ("mypy --strict", _mypy),
            ("pyright", _pyright),
            ("gofmt", _gofmt),
            ("go build and go vet", _go),
            ("staticcheck", _staticcheck),
            ("biome format", lambda: _mendable([*BIOME, "check", "--linter-enabled=false"])),
            ("biome lint", lambda: process.run([*BIOME, "lint", "--error-on-warnings"], what="biome lint")),
            ("tsc --strict", _tsc),
            (
                "actionlint",
                lambda: process.run(
                    [workspace.GO_TOOLS / "actionlint", "-shellcheck=", "-pyflakes="], what="actionlint"
                ),
            ),
            ("zizmor", _zizmor),
        ]
    )


def format_sources() -> None:
    """Format protos, Python, Go and TypeScript in place."""
    process.run([workspace.VENV_BIN / "buf", "format", "proto", "-w"], what="buf format")
    process.run(
        [workspace.VENV_BIN / "ruff", "check", "--fix-only", "--quiet", *RUFF_CONFIG, *PYTHON_SOURCES], what="ruff"
    )
    process.run([workspace.VENV_BIN / "ruff", "format", *RUFF_CONFIG, *PYTHON_SOURCES], what="ruff format")
    process.run(["gofmt", "-w", *GO_FOLDERS], what="gofmt")
    process.run([*BIOME, "check", "--write", "--linter-enabled=false"], what="biome format")


def _mendable(command: list[str | Path]) -> None:
    try:
        process.run(command, what="format")
    except StageFailed as failure:
        raise StageFailed(f"{failure}\nrun: make format") from None


def _drift() -> None:
    if change := generate.drift(configuration.load()):
        lines = [f"  differs: {path}" for path in change.written] + [f"  stale: {path}" for path in change.removed]
        raise StageFailed("\n".join(["generated code is not what proto/ says:", *lines, "run: make generate"]))


def _mypy() -> None:
    environment = workspace.tool_environment(
        MYPYPATH=os.pathsep.join(
            [str(workspace.PYTHON_PACKAGE / "src"), "tools", "tools/tests", "examples/python", "examples/venues"]
        )
    )
    # Apart, because their modules have the same names.
    sets = (
        ["tools/cqc_tools", "tools/tests"],
        ["packages/python-cqc/tests"],
        ["examples/python", "examples/venues"],
    )
    for sources in sets:
        command: list[str | Path] = [workspace.VENV_BIN / "mypy", "--config-file", "tools/pyproject.toml", *sources]
        process.run(command, env=environment, what="mypy")


def _pyright() -> None:
    # The configuration is written here because it names the interpreter and the sources of this very checkout.
    config = workspace.CACHE / "pyrightconfig.json"
    config.write_text(
        json.dumps(
            {
                "include": [
                    "../packages/python-cqc/tests/import_forms.py",
                    "../packages/python-cqc/src/cqc/__init__.py",
                ],
                "extraPaths": ["../packages/python-cqc/src"],
                "typeCheckingMode": "strict",
                "pythonVersion": "3.11",
            }
        )
    )
    pyright = workspace.NODE_TOOLS / "node_modules" / ".bin" / "pyright"
    process.run([pyright, "--pythonpath", sys.executable, "--project", config], what="pyright")


def _gofmt() -> None:
    unformatted = process.run(["gofmt", "-l", *GO_FOLDERS], what="gofmt").split()
    if unformatted:
        raise StageFailed("\n".join(["not formatted:", *unformatted, "run: make format"]))


def go_workspace() -> dict[str, str]:
    """An environment in which Go code of the checkout sees the checkout's own module instead of a published one."""
    work = workspace.CACHE / "go.work"
    version = process.run(["go", "env", "GOVERSION"]).strip().removeprefix("go").split("-")[0]
    lines = [f"go {version}", *(f"use ../{folder}" for folder in GO_FOLDERS)]
    work.write_text("\n".join(lines) + "\n")
    return workspace.tool_environment(GOWORK=str(work))


def _go() -> None:
    environment = go_workspace()
    for command in ("build", "vet"):
        options = ["-o", os.devnull] if command == "build" else []
        packages = [f"./{folder}/..." for folder in GO_FOLDERS]
        process.run(["go", command, *options, *packages], env=environment, what=f"go {command}")


def _staticcheck() -> None:
    environment = {**go_workspace(), "STATICCHECK_CACHE": str(workspace.CACHE / "staticcheck")}
    # protoc-gen-go writes no package comments.
    checks = ["-checks", "all,-ST1000"]
    packages = [f"./{folder}/..." for folder in GO_FOLDERS]
    process.run([workspace.GO_TOOLS / "staticcheck", *checks, *packages], env=environment, what="staticcheck")


def _zizmor() -> None:
    command: list[str | Path] = [
        workspace.VENV_BIN / "zizmor",
        "--offline",
        "--no-progress",
        "--persona=auditor",
        "--quiet",
        ".github",
    ]
    process.run(command, what="zizmor")


def _tsc() -> None:
    tsc = workspace.TYPESCRIPT_PACKAGE / "node_modules" / ".bin" / "tsc"
    # The package, and a file that uses every form in which users import it.
    for project in ("tsconfig.json", "tsconfig.forms.json"):
        process.run([tsc, "--noEmit", "--strict", "-p", project], cwd=workspace.TYPESCRIPT_PACKAGE, what="tsc")
