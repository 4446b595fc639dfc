"""Type checkers, linters and neighbours of the Python package, from the oldest runtime to the newest."""

import json
import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from cqc_tools.foundation import files, temporary, workspace
from cqc_tools.packages import sources
from cqc_tools.proof import runtimes
from cqc_tools.proof.environments import installs
from cqc_tools.proof.environments.environment import SOURCES, Environment, Figures, expect, inside, program, tools
from cqc_tools.proof.subject import Subject

PROGRAMS = SOURCES / "programs" / "python"
PYINSTALLER = "pyinstaller.lock"
USE = PROGRAMS / "use.py"
PYRIGHT = workspace.NODE_TOOLS / "node_modules" / "pyright" / "index.js"


def _mypy(subject: Subject) -> Figures:
    interpreter = installs.python("checkers", subject)
    cache = workspace.CACHE / "environments" / "mypy"
    program(interpreter, "-m", "mypy", "--strict", "--config-file=", "--cache-dir", cache, USE, cwd=PROGRAMS)
    return {}


def _pyright(subject: Subject) -> Figures:
    interpreter = installs.python("checkers", subject)
    venv = interpreter.parent.parent
    project = installs.scratch(venv, "pyright", USE)
    settings = {"typeCheckingMode": "strict", "venvPath": str(venv.parent), "venv": venv.name, "exclude": []}
    files.write_text(project / "pyrightconfig.json", json.dumps(settings))
    printed = program("node", PYRIGHT, "--project", project, "--stats", cwd=project)
    expect("the number of files that pyright checked", re.findall(r"files checked: (\d+)", printed), ["1"])
    return {}


def _pylint(subject: Subject) -> Figures:
    interpreter = installs.python("checkers", subject)
    # pylint knows no name of any generated protobuf module unless it reads the stubs.
    options = ("--rcfile=/dev/null", "--prefer-stubs=y", "--disable=unused-argument", "--max-line-length=120")
    program(interpreter, "-m", "pylint", "--persistent=n", *options, USE, cwd=PROGRAMS)
    return {}


def _together(name: str, implementation: str, subject: Subject) -> Figures:
    """Use the package beside the neighbours, imported before and after them."""
    interpreter = installs.python(name, subject)
    environment = inside(PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION=implementation)
    for order in ("first", "last"):
        printed = program(interpreter, PROGRAMS / "together.py", order, env=environment)
        expect("the protobuf implementation", printed.strip(), implementation)
    return {}


def _warnings(name: str, subject: Subject) -> Figures:
    """Import every module and run a program with warnings as errors."""
    interpreter = installs.python(name, subject)
    imported = program(interpreter, "-W", "error", PROGRAMS / "every_module.py").strip()
    expect("use.py printed", program(interpreter, "-W", "error", USE).strip(), "ok")
    return {"modules": imported}


def _plain(subject: Subject) -> Figures:
    """Use what needs no extra, where none is installed."""
    expect("plain.py printed", program(installs.python("plain", subject), PROGRAMS / "plain.py").strip(), "ok")
    return {}


def _editable(subject: Subject) -> Figures:
    """Install the sources in place, as a contributor does, and ask for the version."""
    interpreter = installs.python_without_wheel(SOURCES / "python" / "editable.lock")
    with temporary.folder("editable") as folder:
        source = sources.of_checkout(folder / "source")
        package = source.configuration.folder("python", source.folder)
        options = ("--quiet", "--offline", "--no-deps", "--no-build-isolation", "--python", str(interpreter))
        program(runtimes.UV, "pip", "install", *options, "--editable", package, what="uv pip install --editable")
        code = "import cqc; print(cqc.__version__); print(cqc.__file__)"
        version, imported = program(interpreter, "-c", code, cwd=folder).split("\n")[:2]
    expect("the version of an editable install", version, source.version.pypi)
    if not Path(imported).is_relative_to(package):
        expect("the folder of an editable install", imported, str(package))
    return {"version": version}


_NEIGHBOURS = (
    "protobuf",
    "grpcio",
    "temporalio",
    "opentelemetry-exporter-otlp-proto-grpc",
    "googleapis-common-protos",
    "google-cloud-pubsub",
    "betterproto",
)


def _pyinstaller(subject: Subject) -> Figures:
    """Freeze a program into one file, and run it where neither the package nor Python is installed."""
    interpreter = installs.python_without_wheel(SOURCES / PYINSTALLER)
    printed = program(interpreter, SOURCES / "pyinstaller_check.py", subject.artifact(".whl"), interpreter)
    return {"result": printed.strip().splitlines()[-1].removeprefix("ok: ")}


def _environment(
    name: str, proves: str, lock: str, packages: Sequence[str], run: Callable[[Subject], Figures]
) -> Environment:
    path = "../node/package-lock.json" if lock == "node" else f"python/{lock}.lock"
    return Environment(name, proves, path, tools(*packages), ("python",), run)


ENVIRONMENTS = (
    _environment("mypy", "`mypy --strict`: a program with client, messages, helpers", "checkers", ("mypy",), _mypy),
    # Its lock is the toolchain's own, in tools/node.
    _environment("pyright", "pyright in strict mode: the same program", "node", ("pyright",), _pyright),
    _environment("pylint", "pylint with `prefer-stubs`: the same program", "checkers", ("pylint",), _pylint),
    *(
        _environment(
            f"python-{name}-{implementation}",
            f"Messages beside packages with protos of their own, imported before and after them; {words} protobuf",
            name,
            _NEIGHBOURS,
            partial(_together, name, implementation),
        )
        for name in (runtimes.OLDEST, runtimes.NEWEST)
        for implementation, words in (("upb", "C"), ("python", "pure Python"))
    ),
    *(
        _environment(
            f"python-{name}-warnings",
            "Every module imported, and a program run, with `-W error`",
            name,
            runtimes.SHOWN,
            partial(_warnings, name),
        )
        for name in (runtimes.OLDEST, runtimes.NEWEST)
    ),
    _environment(
        "python-plain",
        "Without extras: what needs none works, the rest says which it needs",
        "plain",
        runtimes.SHOWN,
        _plain,
    ),
    _environment(
        "python-editable", "An editable install knows its version", "editable", ("hatchling", "hatch-vcs"), _editable
    ),
    Environment(
        "pyinstaller",
        "A program frozen into one file finds messages, rules, descriptors and the version",
        PYINSTALLER,
        tools("pyinstaller"),
        ("python",),
        _pyinstaller,
        slow=True,
    ),
)
