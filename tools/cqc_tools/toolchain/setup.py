"""Check the prerequisites and install the locked toolchain inside the checkout.

Standard library only: this runs on the user's own Python before anything is installed.
"""

import hashlib
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from cqc_tools.foundation import configuration, errors, files, workspace
from cqc_tools.foundation.errors import ProgramFailed, ToolError

# (name, command that prints the version, lowest version, first version that is too new or None, where to get it)
PREREQUISITES = [
    ("git", ["git", "--version"], (2, 31), None, "https://git-scm.com/downloads"),
    # macOS still ships 3.81, and the Makefile uses nothing newer.
    ("make", ["make", "--version"], (3, 81), None, "https://www.gnu.org/software/make/"),
    # grpcio-tools, which contains protoc, has no wheels for later Pythons.
    ("Python", [sys.executable, "--version"], (3, 11), (3, 15), "https://www.python.org/downloads/"),
    ("Go", ["go", "version"], (1, 24), None, "https://go.dev/dl/"),
    ("Node", ["node", "--version"], (20, 0), None, "https://nodejs.org/"),
    ("npm", ["npm", "--version"], (10, 0), None, "https://nodejs.org/ (npm comes with it)"),
]
PYTHON, GO, TYPESCRIPT, NPM = "Python tools", "Go tools", "TypeScript package", "npm tools"


def spelled(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


def find_prerequisite_problems() -> list[str]:
    """One line for each prerequisite that is missing or has an unsuitable version."""
    problems = []
    for name, command, lowest, too_new, source in PREREQUISITES:
        wanted = f"{spelled(lowest)} or newer" + (f", below {spelled(too_new)}," if too_new else "")
        try:
            printed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
        except (OSError, subprocess.SubprocessError):
            problems.append(f"{name} was not found, {wanted} is needed: {source}")
            continue
        numbers = re.search(r"\d+(?:\.\d+)+", printed)
        found = tuple(map(int, numbers.group().split("."))) if numbers else ()
        if found < lowest or (too_new and found >= too_new):
            problems.append(f"{name} {spelled(found)} was found, {wanted} is needed: {source}")
    return problems


def run(command: list[str | Path], cwd: Path = workspace.ROOT) -> str:
    """Run a command of the set-up and return its output, which is shown only if it fails."""
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=workspace.tool_environment(),
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise ProgramFailed(command, done.returncode, done.stdout, done.stderr)
    return done.stdout


def install_python() -> None:
    shutil.rmtree(workspace.VENV, ignore_errors=True)
    run([sys.executable, "-m", "venv", workspace.VENV])
    python = workspace.VENV_BIN / "python"
    options = ["--quiet", "--no-deps", "--require-hashes", "-r", "tools/requirements.lock"]
    run([python, "-m", "pip", "install", *options])


def install_node(package: Path) -> Callable[[], object]:
    return lambda: run(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"], cwd=package)


def install_go() -> None:
    workspace.GO_TOOLS.mkdir(parents=True, exist_ok=True)
    run(["go", "build", "-o", f"{workspace.GO_TOOLS}/", "tool", "./..."], cwd=workspace.ROOT / "tools" / "go")


def install_third_party_protos() -> None:
    """Copy the protos that the contracts import out of the pinned Go module that contains them."""
    module = "github.com/bufbuild/protovalidate"
    pin = workspace.ROOT / "tools" / "protos"
    run(["go", "mod", "download", module], cwd=pin)
    carrier = run(["go", "list", "-m", "-f", "{{.Dir}}", module], cwd=pin).strip()
    source = Path(carrier, "proto", "protovalidate", "buf", "validate", "validate.proto")
    target = workspace.THIRD_PARTY_PROTO / "buf" / "validate" / "validate.proto"
    files.write_bytes(target, source.read_bytes())


def install_go_and_protos() -> None:
    install_go()
    install_third_party_protos()


@dataclass(frozen=True)
class Step:
    """A part of the set-up: `locks` are the files that determine it, and `result` exists once it is done."""

    what: str
    locks: tuple[str, ...]
    result: Path
    install: Callable[[], object]
    # Prints the version of the compiler, for tools that must be rebuilt with a new one: staticcheck cannot analyze code
    # for a newer Go than it was built with.
    compiler: tuple[str, ...] = ()

    def fingerprint(self) -> str:
        """What an installation is made from; an environment works for one Python and in one place only."""
        digest = hashlib.sha256(f"{sys.version} {workspace.ROOT}".encode())
        if self.compiler:
            digest.update(run([*self.compiler]).encode())
        for name in self.locks:
            digest.update((workspace.ROOT / name).read_bytes())
        return digest.hexdigest()

    @property
    def stamp(self) -> Path:
        """The file that records what the installation was made from."""
        return workspace.CACHE / "setup" / self.what.replace(" ", "-").lower()

    def ensure(self) -> None:
        """Do the step, unless it was already done from the same files."""
        wanted = self.fingerprint()
        if self.result.exists() and self.stamp.exists() and self.stamp.read_text() == wanted:
            return
        started = time.monotonic()
        print(f"setup: {self.what} ...", flush=True)
        self.stamp.unlink(missing_ok=True)
        self.install()
        files.write_text(self.stamp, wanted)
        print(f"setup: {self.what} ready in {time.monotonic() - started:.0f} s", flush=True)


def steps() -> list[Step]:
    """The parts of the set-up. Raises UserError if release.toml cannot be read."""
    package = configuration.load().package("typescript").folder
    if not (workspace.ROOT / package / "package-lock.json").exists():
        # A new project has no package of its own until it is generated, with the dependencies of CQC's package.
        package = str(workspace.TYPESCRIPT_PACKAGE.relative_to(workspace.ROOT))
    go_sources = ("tools/go/go.sum", "tools/go/modulezip/main.go", "tools/go/pseudoversion/main.go")
    return [
        Step(PYTHON, ("tools/requirements.lock",), workspace.VENV, install_python),
        Step(
            GO,
            (*go_sources, "tools/protos/go.sum"),
            workspace.THIRD_PARTY_PROTO,
            install_go_and_protos,
            ("go", "version"),
        ),
        Step(
            TYPESCRIPT,
            (f"{package}/package-lock.json",),
            workspace.ROOT / package / "node_modules",
            install_node(workspace.ROOT / package),
        ),
        Step(
            NPM,
            ("tools/node/package-lock.json",),
            workspace.NODE_TOOLS / "node_modules",
            install_node(workspace.NODE_TOOLS),
        ),
    ]


def setup() -> int:
    """Install whatever is missing or outdated; returns the exit code."""
    problems = find_prerequisite_problems()
    if problems:
        print(*(f"error: {problem}" for problem in problems), sep="\n", file=sys.stderr)
        return errors.USAGE
    try:
        parts = steps()
    except ToolError as invalid:
        print(f"error: {invalid}", file=sys.stderr)
        return invalid.exit_code
    # Two at a time: the set-up is made for two cores.
    with ThreadPoolExecutor(max_workers=2) as pool:
        outcomes = [(step.what, pool.submit(step.ensure)) for step in parts]
    failures = [(what, error) for what, future in outcomes if (error := future.exception())]
    for what, error in failures:
        print(f"error: {what} could not be installed: {error}", file=sys.stderr)
    if failures:
        print("Check the network and the package registries, then run the same command again.", file=sys.stderr)
    return errors.FAILED if failures else errors.OK


def clean() -> int:
    """Remove everything that was installed or built inside the checkout; returns the exit code."""
    removed = [
        workspace.VENV,
        workspace.CACHE,
        workspace.DIST,
        workspace.NODE_TOOLS / "node_modules",
    ]
    try:
        package = configuration.load().folder("typescript")
        removed += [package / "node_modules", package / "dist"]
    except ToolError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    for path in removed:
        if path.exists():
            shutil.rmtree(path)
            print(f"removed {path.relative_to(workspace.ROOT)}")
    return errors.OK


def main() -> int:
    """Set up, or with --clean remove everything; returns 0 if done, 1 if something failed, 2 for a user's mistake."""
    try:
        return clean() if "--clean" in sys.argv[1:] else setup()
    except KeyboardInterrupt:
        print("interrupted: run the same command again, finished steps are kept", file=sys.stderr)
        return errors.INTERRUPTED
