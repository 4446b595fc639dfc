"""The versions of the tools that a build is made with."""

import json
import platform
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version as installed
from pathlib import Path

from cqc_tools.foundation import process, workspace

# Each prints its version as the last word.
PROGRAMS = {
    "git": ["git", "--version"],
    "go": ["go", "env", "GOVERSION"],
    "node": ["node", "--version"],
    "npm": ["npm", "--version"],
    "protoc-gen-go": [str(workspace.GO_TOOLS / "protoc-gen-go"), "--version"],
    "protoc-gen-go-grpc": [str(workspace.GO_TOOLS / "protoc-gen-go-grpc"), "--version"],
}
PYTHON_PACKAGES = ("grpcio-tools", "hatch-vcs", "hatchling", "mypy-protobuf")
NODE_PACKAGES = ("typescript", "@bufbuild/protoc-gen-es")


def versions(modules: Path) -> dict[str, str]:
    """The version of each tool by its name, sorted; `modules` is the npm package's node_modules."""
    with ThreadPoolExecutor(max_workers=2) as pool:
        answers = pool.map(lambda command: process.run(command, what="read a tool's version"), PROGRAMS.values())
        found = {
            name: answer.split()[-1].removeprefix("go").removeprefix("v")
            for name, answer in zip(PROGRAMS, answers, strict=True)
        }
    found["python"] = platform.python_version()
    found["protoc"] = _protoc()
    found |= {name: installed(name) for name in PYTHON_PACKAGES}
    for name in NODE_PACKAGES:
        manifest = modules / name / "package.json"
        found[name] = json.loads(manifest.read_text())["version"]
    return dict(sorted(found.items()))


def _protoc() -> str:
    printed = process.run([workspace.VENV_BIN / "python", "-m", "grpc_tools.protoc", "--version"])
    return printed.split()[-1]
