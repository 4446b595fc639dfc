"""Run the tests: each part with its language's own runner, on the packages as they are built."""

import hashlib
import shutil
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from cqc_tools.contracts import descriptors, golden_files
from cqc_tools.foundation import configuration, console, process, workspace
from cqc_tools.foundation.errors import StageFailed, UserError
from cqc_tools.foundation.version import Version, parse_release, released
from cqc_tools.packages import build, manifest
from cqc_tools.packages.manifest import Build
from cqc_tools.proof import check, conformance, faults, golden, interop, rehearse
from cqc_tools.proof import venue_roundtrip as stage
from cqc_tools.proof.venue_roundtrip import Lossless

RUNTIMES = ("oldest", "newest")
INTEROP = workspace.ROOT / "tools" / "interop"
# A different set of values each week, and the same one within it, so that a failure can be repeated.
INTEROP_SEED = int(time.strftime("%G%V"))
INTEROP_MESSAGES_PER_TYPE = 8


@dataclass(frozen=True)
class Subject:
    """What is tested: the build of `release`, or of what is checked out without one; on another Python or version of Go
    than the toolchain's where they are given."""

    release: str = ""
    python: str = ""
    go: str = ""


def run(part: str, subject: Subject) -> None:
    """Run one part of the tests, or all of them.

    Raises UserError for an unknown part and StageFailed naming every part that failed.
    """
    parts: dict[str, Callable[[], None]] = {
        "check": check.check,
        "tools": _tools,
        "python": lambda: _python(subject),
        "go": lambda: _go(subject),
        "typescript": lambda: _typescript(subject),
        "interop": lambda: _interop(subject),
        "lossless": lambda: _lossless(subject),
        "rehearsal": lambda: _shown(rehearse.rehearse("", configuration.load())),
        # Of each fault at some registry and moment; `make faults` runs all.
        "faults": lambda: _shown(faults.run(faults.scenarios(configuration.load())[::3])),
    }
    if part != "all" and part not in parts:
        raise UserError(f"there are no tests called {part!r}: choose one of {', '.join(parts)}, all")
    failed, seconds = [], {}
    for name in parts if part == "all" else [part]:
        console.progress.rule(name, align="left")
        started = time.monotonic()
        try:
            parts[name]()
        except StageFailed as failure:
            failed.append(name)
            console.progress.print(str(failure), markup=False)
        seconds[name] = time.monotonic() - started
    console.progress.rule(align="left")
    console.table(
        ("tests", "result", "time"),
        [(name, "FAILED" if name in failed else "passed", f"{taken:.0f} s") for name, taken in seconds.items()],
    )
    if failed:
        raise StageFailed(f"tests of {', '.join(failed)}; make help lists the targets that run one part alone")


@cache
def _built(release: str) -> Build:
    """The packages, built once for all parts; those of a release are not built again, so that what is tested is what
    will be published."""
    if release:
        return manifest.load(workspace.DIST / parse_release(release).npm)
    return build.build_checkout()


def _artifact(subject: Subject, ending: str) -> Path:
    return next(file.path for file in _built(subject.release).artifacts if file.path.name.endswith(ending))


def _passes(what: str, command: list[str | Path], cwd: Path = workspace.ROOT, **environment: str) -> None:
    if not process.passes(command, cwd=cwd, env=workspace.tool_environment(**environment)):
        raise StageFailed(f"{what} failed")


def _tools() -> None:
    _passes(
        "pytest",
        [sys.executable, "-m", "pytest", "-c", "tools/pyproject.toml", "tools/tests"],
        PYTHONPATH=str(workspace.ROOT / "tools"),
    )


def _runtime(name: str, subject: Subject) -> Path:
    """The interpreter of a virtual environment with a locked protobuf and grpcio, and the built wheel.

    Raises UserError when the Python that was asked for is not there.
    """
    base = shutil.which(subject.python or sys.executable)
    if base is None:
        raise UserError(f"{subject.python} was not found: install it, or name another one")
    lock = workspace.ROOT / "tools" / "python-runtimes" / f"{name}.lock"
    version = process.run([base, "-c", "import sys; print(sys.version)"], what="ask Python for its version")
    venv = workspace.CACHE / "python-runtimes" / f"{name}-{version.split()[0]}"
    stamp = venv / "requirements.sha256"
    wanted = hashlib.sha256(lock.read_bytes() + version.encode()).hexdigest()
    python = workspace.venv_bin(venv, "python")
    if not stamp.exists() or stamp.read_text() != wanted:
        with console.step(f"set up the {name} runtime on Python {version.split()[0]}"):
            shutil.rmtree(venv, ignore_errors=True)
            process.run([base, "-m", "venv", venv], what="make a virtual environment")
            options = ["--quiet", "--no-deps", "--require-hashes", "-r", str(lock)]
            process.run([python, "-m", "pip", "install", *options], what="pip install")
            stamp.write_text(wanted)
    options = ["--quiet", "--no-deps", "--no-index", "--force-reinstall", str(_artifact(subject, ".whl"))]
    process.run([python, "-m", "pip", "install", *options], what="pip install")
    return python


def _python(subject: Subject) -> None:
    wheel, sdist = _artifact(subject, ".whl"), _artifact(subject, ".tar.gz")
    process.run([sys.executable, "-m", "twine", "check", "--strict", wheel, sdist], what="twine")
    process.run([workspace.VENV_BIN / "check-wheel-contents", wheel], what="check-wheel-contents")
    # The oldest runtime has no wheels for a Python that is newer than it.
    for name in RUNTIMES[1:] if subject.python else RUNTIMES:
        python = _runtime(name, subject)
        process.run([python, "-m", "pip", "check"], what="pip check")
        versions = process.run([python, "-m", "pip", "freeze"]).splitlines()
        shown = ", ".join(line for line in versions if line.startswith(("protobuf==", "grpcio==")))
        console.progress.print(f"{name} runtime: {shown}")
        _passes(
            f"pytest on the {name} runtime",
            [python, "-m", "pytest", "-c", "tools/pyproject.toml", "packages/python-cqc/tests"],
        )


def _go(subject: Subject) -> None:
    """Vet and test the module as users get it: unpacked from its zip."""
    race = ["-race"]
    if not shutil.which(process.run(["go", "env", "CC"]).strip()):
        # The race detector needs cgo, and a C compiler is not among the prerequisites.
        console.progress.print("[yellow]note:[/yellow] no C compiler was found: go test runs WITHOUT the race detector")
        race = []
    environment = {"GOTOOLCHAIN": f"go{subject.go}"} if subject.go else {}
    with tempfile.TemporaryDirectory(prefix="cqc-go-") as scratch:
        with zipfile.ZipFile(_artifact(subject, ".zip")) as archive:
            archive.extractall(scratch)
        (manifest,) = Path(scratch).rglob("go.mod")
        console.progress.print(process.run(["go", "version"], env=workspace.tool_environment(**environment)).strip())
        for command in (["vet", "./..."], ["test", *race, "./..."]):
            _passes(f"go {command[0]}", ["go", *command], cwd=manifest.parent, **environment)


def _typescript(subject: Subject) -> None:
    package = workspace.TYPESCRIPT_PACKAGE
    _passes("node --test", ["node", package / "test" / "run.mjs", _artifact(subject, ".tgz")], cwd=package)


def _interop(subject: Subject) -> None:
    descriptor_set = descriptors.generated(configuration.load())
    with tempfile.TemporaryDirectory(prefix="cqc-interop-") as scratch:
        folder = Path(scratch)
        with console.step("build the peers"):
            peers = _peers(folder, subject)
        outcomes = list(interop.cross(peers, descriptor_set, INTEROP_MESSAGES_PER_TYPE, INTEROP_SEED))
        forwarded = interop.forward(peers, descriptor_set, INTEROP_SEED)
        with console.step("verdicts on the corpus of valid and invalid messages"):
            verdicts = conformance.rules(peers, descriptor_set)
        with console.step("answers of the helpers"):
            answers = conformance.helpers(peers, descriptor_set, INTEROP_SEED)
        with console.step("golden bytes of released versions"):
            kept = golden.read(peers, descriptor_set, released())
    console.table(
        ("written by", "read by", "format", "types", "messages"),
        [(item.writer, item.reader, item.format, item.types, item.messages) for item in outcomes],
    )
    console.output.print(f"{sum(item.messages for item in outcomes)} messages came back equal (seed {INTEROP_SEED})")
    console.output.print(f"{forwarded} types kept the fields of a newer schema in {len(peers)} languages")
    for asked_of, rows in (("rule", verdicts), ("helper", answers)):
        console.table((asked_of, "asked", "agreed"), [(row.subject, row.asked, row.agreed) for row in rows])
        asked, agreed = sum(row.asked for row in rows), sum(row.agreed for row in rows)
        console.output.print(f"{agreed} of {asked} answers agree in {len(peers)} languages")
    for row in kept:
        console.output.print(f"{row.types} messages of {row.version}, read {row.read} times: each says what it said")


def _shown(result: Any) -> None:
    result.show()
    if result.failure:
        raise result.failure


def write_golden(version: Version) -> int:
    """Keep the bytes of every message as the built packages write it; returns the number of messages.

    Raises UserError for a version that is released: what it wrote is kept already.
    """
    if version in released():
        raise UserError(f"{version.tag} is released: its golden bytes in {golden_files.FOLDER} stay as they are")
    descriptor_set = descriptors.generated(configuration.load())
    with tempfile.TemporaryDirectory(prefix="cqc-golden-") as scratch:
        folder = Path(scratch)
        with console.step("build the peers"):
            peers = _peers(folder, Subject())
        return golden.write(version, peers, descriptor_set)


def lossless(subject: Subject) -> Lossless:
    """Venue payloads through the built packages of all languages and back."""
    with tempfile.TemporaryDirectory(prefix="cqc-lossless-") as scratch:
        folder = Path(scratch)
        with console.step("build the peers"):
            python, peers = _runtime("newest", subject), [_go_peer(folder), _typescript_peer(folder, subject)]
        return stage.lossless(python, peers)


def _lossless(subject: Subject) -> None:
    result = lossless(subject)
    result.show()
    result.refuse_losses()


def _peers(folder: Path, subject: Subject) -> list[interop.Peer]:
    return [_python_peer(subject), _go_peer(folder), _typescript_peer(folder, subject)]


def _python_peer(subject: Subject) -> interop.Peer:
    command = [_runtime("newest", subject), INTEROP / "peer.py"]
    return interop.Peer("Python", command, workspace.ROOT, workspace.tool_environment())


def _go_peer(folder: Path) -> interop.Peer:
    program = folder / "peer"
    environment = check.go_workspace()
    process.run(["go", "build", "-o", program, "."], cwd=INTEROP / "go", env=environment, what="compile the Go peer")
    return interop.Peer("Go", [program], folder, workspace.tool_environment())


def _typescript_peer(folder: Path, subject: Subject) -> interop.Peer:
    project = folder / "typescript"
    modules = project / "node_modules"
    (modules / "@cq").mkdir(parents=True)
    with tarfile.open(_artifact(subject, ".tgz")) as archive:
        archive.extractall(modules / "@cq", filter="data")
    (modules / "@cq" / "package").rename(modules / "@cq" / "cqc")
    # The package's own dependencies, at the versions of its lock file.
    for scope in ("@bufbuild", "@grpc", "bignumber.js"):
        (modules / scope).symlink_to(workspace.TYPESCRIPT_PACKAGE / "node_modules" / scope)
    shutil.copy(INTEROP / "typescript" / "peer.mjs", project)
    return interop.Peer("TypeScript", ["node", "peer.mjs"], project, workspace.tool_environment())
