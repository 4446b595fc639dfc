"""Run command lines in forks of one process that has already imported the libraries they use.

These imports take longer than most commands in the tests. A checkout's own modules are imported in the fork, so each
command starts as a new process does. This module is both sides: `run` for the tests, `_serve` in the process.
"""

import atexit
import importlib
import json
import os
import runpy
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import IO, Any, NoReturn

LIBRARIES = (
    "cyclonedx.output.json",
    "google.protobuf.descriptor_pb2",
    "jinja2",
    "jsonschema_rs",
    "markdown_it",
    "packageurl",
    "packaging.metadata",
    "pypi_simple",
    "rich.table",
    "semver",
    "tenacity",
    "tomlkit",
    "twine.settings",
    "typer._adapters",
)


def run(arguments: Sequence[str], folder: Path, environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run the command line of the checkout in `folder`; nothing is raised if it fails."""
    if sys.platform != "linux":
        # Other systems' libraries may fail in a fork.
        command = [sys.executable, "-m", "cqc_tools", *arguments]
        return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    with tempfile.TemporaryDirectory(prefix="cqc-run-") as scratch:
        output, errors = Path(scratch, "stdout"), Path(scratch, "stderr")
        request = {
            "arguments": list(arguments),
            "folder": str(folder),
            "environment": dict(environment),
            "umask": _umask(),
            "output": str(output),
            "errors": str(errors),
        }
        server = _server()
        assert server.stdin
        assert server.stdout
        server.stdin.write(json.dumps(request) + "\n")
        server.stdin.flush()
        code = int(server.stdout.readline())
        return subprocess.CompletedProcess(list(arguments), code, output.read_text(), errors.read_text())


@cache
def _server() -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    server = subprocess.Popen(
        [sys.executable, __file__], env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    # The server stops when its standard input is closed.
    atexit.register(server.communicate)
    return server


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask


def _serve(requests: IO[str]) -> None:
    for name in LIBRARIES:
        importlib.import_module(name)
    for line in requests:
        child = os.fork()
        if not child:
            _run(json.loads(line))
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _run(request: dict[str, Any]) -> NoReturn:
    code: Any = 1
    try:
        for number, name, mode in (
            (0, os.devnull, os.O_RDONLY),
            (1, request["output"], os.O_WRONLY | os.O_CREAT),
            (2, request["errors"], os.O_WRONLY | os.O_CREAT),
        ):
            os.dup2(os.open(name, mode), number)
        os.umask(request["umask"])
        os.chdir(request["folder"])
        os.environ.clear()
        os.environ.update(request["environment"])
        sys.path[0] = os.environ["PYTHONPATH"]
        sys.argv = ["cqc_tools", *request["arguments"]]
        runpy.run_module("cqc_tools", run_name="__main__", alter_sys=True)
    except SystemExit as ended:
        code = ended.code
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 0)


if __name__ == "__main__":
    _serve(sys.stdin)
