"""Toolchains of the Go module: the lowest Go and the newest, a linter, vendoring, a workspace, and binary sizes."""

import shutil
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from cqc_tools.foundation import process, workspace
from cqc_tools.foundation.errors import StageFailed
from cqc_tools.proof import go_workspace
from cqc_tools.proof.environments import installs
from cqc_tools.proof.environments.environment import SOURCES, Environment, Figures, expect, inside, program, tools
from cqc_tools.proof.subject import Subject

CONSUMER = SOURCES / "go"
# The version in the `go` line of our go.mod.
LOWEST = "1.24.0"
LOCK = "go/go.mod"
VALIDATOR = "github.com/google/cel-go/"


def go_version(environment: Mapping[str, str]) -> str:
    """The version of Go that runs in an environment, such as 1.24.0."""
    return process.run(["go", "env", "GOVERSION"], env=environment, what="go env").strip().removeprefix("go")


def consumer(name: str, subject: Subject, source: Path = CONSUMER) -> Path:
    """A copy of a consumer's module that takes our module from the built zip."""
    copy = installs.scratch(workspace.CACHE / "environments" / "go", name)
    shutil.copytree(source, copy, dirs_exist_ok=True)
    replaced = f"-replace={subject.settings.package('go').name}={installs.go_module(subject)}"
    process.run(["go", "mod", "edit", replaced], cwd=copy, what="go mod edit")
    return copy


def _version(toolchain: str, subject: Subject) -> Figures:
    """Vet, build and test a consumer with one version of Go."""
    environment = inside(GOTOOLCHAIN=toolchain)
    copy = consumer(f"go-{toolchain}", subject)
    for command in (("vet", "./..."), ("build", "./..."), ("test", "-count=1", "./...")):
        program("go", *command, cwd=copy, env=environment)
    return {"version": go_version(environment)}


def _staticcheck(subject: Subject) -> Figures:
    copy = consumer("staticcheck", subject)
    staticcheck = workspace.GO_TOOLS / "staticcheck"
    program(staticcheck, "./...", cwd=copy)
    return {"version": program(staticcheck, "-version").split()[1]}


def _vendor(subject: Subject) -> Figures:
    copy = consumer("vendor", subject)
    program("go", "mod", "vendor", cwd=copy)
    vendored = copy / "vendor" / subject.settings.package("go").name
    # The sources that a company's reviewers see, in the packages that are imported.
    expect("whether the module is vendored", vendored.is_dir(), True)
    program("go", "build", "-mod=vendor", "./...", cwd=copy)
    return {"packages": len({path.parent for path in vendored.rglob("*.go")})}


def _workspace(subject: Subject) -> Figures:
    copy = consumer("workspace", subject)
    name = subject.settings.package("go").name
    program("go", "mod", "edit", f"-dropreplace={name}", f"-droprequire={name}", cwd=copy)
    environment = go_workspace.write(copy, [copy, installs.go_module(subject)])
    program("go", "test", "-count=1", "./...", cwd=copy, env=environment)
    return {}


def _binaries(subject: Subject) -> Figures:
    """Build a program that does not validate and one that does; only the second may contain CEL."""
    copy = consumer("binaries", subject)
    figures = {}
    for name, has_validator in (("decimals", False), ("validating", True)):
        linked = program("go", "list", "-deps", f"./{name}", cwd=copy).splitlines()
        found = [package for package in linked if package.startswith(VALIDATOR)]
        if bool(found) != has_validator:
            raise StageFailed(
                f"./{name} must {'' if has_validator else 'not '}link {VALIDATOR}", details="\n".join(found)
            )
        program("go", "build", "-ldflags=-s -w", "-o", name + ".binary", f"./{name}", cwd=copy)
        program(copy / f"{name}.binary")
        figures[name] = f"{(copy / f'{name}.binary').stat().st_size / 1e6:.1f} MB"
    return figures


def _environment(name: str, proves: str, run: Callable[[Subject], Figures]) -> Environment:
    libraries = tools("google.golang.org/grpc", "google.golang.org/protobuf")
    return Environment(name, proves, LOCK, libraries, ("go",), run)


ENVIRONMENTS = (
    *(
        _environment(name, f"{words}: vet, build and test of a module that uses ours", partial(_version, toolchain))
        for name, words, toolchain in (
            ("go-lowest", f"Go {LOWEST}", f"go{LOWEST}"),
            ("go", "The machine's own Go", "local"),
        )
    ),
    _environment("staticcheck", "staticcheck of a module that uses ours", _staticcheck),
    _environment("go-vendor", "`go mod vendor`, and a build with `-mod=vendor`", _vendor),
    _environment("go-workspace", "`go.work` with our module's sources: tests", _workspace),
    _environment("go-binaries", "A program that does not validate contains no CEL; binary sizes", _binaries),
)
