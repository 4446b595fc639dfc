"""Resolve the Python requirements again, with hashes, for every platform, and find the licences of what users get."""

import importlib.metadata
import json
from pathlib import Path

from cqc_tools.foundation import configuration, console, files, process, temporary, workspace
from cqc_tools.foundation.errors import StageFailed

REQUIREMENTS = [
    workspace.ROOT / "tools" / "requirements.in",
    workspace.ROOT / "tools" / "python-runtimes" / "oldest.in",
    workspace.ROOT / "tools" / "python-runtimes" / "newest.in",
    workspace.ROOT / "tools" / "foreign-toolchains" / "requirements.in",
    *sorted((workspace.ROOT / "tools" / "environments").rglob("*.in")),
]

LICENCES = workspace.ROOT / "tools" / "licences.json"
# What authors call a licence, where SPDX has a name for it.
SPDX = {
    "3-Clause BSD License": "BSD-3-Clause",
    "BSD License": "BSD-3-Clause",
    "MIT License": "MIT",
    "Apache 2.0": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
}


def lock() -> list[Path]:
    """Write a .lock file beside each .in file; returns the written paths relative to the checkout."""
    written = []
    for requirements in REQUIREMENTS:
        target = requirements.with_suffix(".lock")
        with console.step(f"resolve {requirements.relative_to(workspace.ROOT)}"):
            process.run(
                [
                    workspace.VENV_BIN / "uv",
                    *("pip", "compile", "--quiet", "--universal", "--generate-hashes", "--upgrade"),
                    *("--python-version", "3.11", "--custom-compile-command", "make lock", "--no-emit-index-url"),
                    *(requirements.relative_to(workspace.ROOT), "--output-file", target),
                ],
                what="uv pip compile",
            )
        written.append(target.relative_to(workspace.ROOT))
    with console.step("find licences"):
        found = {"python": _python_licences(), "go": _go_licences()}
    files.write_text(LICENCES, json.dumps(found, indent=2, sort_keys=True) + "\n")
    return [*written, LICENCES.relative_to(workspace.ROOT)]


def _python_licences() -> dict[str, str]:
    """The licence that each package of the newest tested versions declares, by name."""
    lock_file = workspace.ROOT / "tools" / "python-runtimes" / "newest.lock"
    with temporary.folder("licences") as folder:
        options = ["--quiet", "--no-deps", "--require-hashes", "--target", str(folder), "-r", str(lock_file)]
        command = [str(workspace.VENV_BIN / "uv"), "pip", "install", *options]
        process.run(command, what="uv pip install")
        return {
            installed.metadata["Name"].lower().replace("_", "-").replace(".", "-"): _licence(installed.metadata)
            for installed in importlib.metadata.distributions(path=[str(folder)])
        }


def _licence(metadata: importlib.metadata.PackageMetadata) -> str:
    """An SPDX expression if the package has one, or else its author's words."""
    if "License-Expression" in metadata:
        return metadata["License-Expression"]
    classified = [item for item in metadata.get_all("Classifier") or () if item.startswith("License :: OSI Approved")]
    words = " ".join(metadata.get_all("License") or ()) or " AND ".join(
        item.rpartition(" :: ")[2] for item in classified
    )
    if not words:
        raise StageFailed(f"{metadata['Name']} declares no licence", "choose another package, or ask its author")
    return SPDX.get(words.splitlines()[0].strip(), words.splitlines()[0].strip())


def _go_licences() -> dict[str, str]:
    """The licence of each module that the Go module requires, read from its licence file."""
    module = configuration.load().folder("go")
    required = (
        json.loads(process.run(["go", "mod", "edit", "-json"], cwd=module, what="read go.mod")).get("Require") or ()
    )
    names = [item["Path"] for item in required]
    process.run(["go", "mod", "download", *names], cwd=module, what="go mod download")
    listed = process.run_bytes(["go", "list", "-m", "-json", *names], cwd=module, what="go list")
    command = ["go", "run", "./licences"]
    printed = process.run(command, cwd=workspace.ROOT / "tools" / "go", stdin=listed, what="recognise licences")
    return {str(name): str(licence) for name, licence in json.loads(printed).items()}
