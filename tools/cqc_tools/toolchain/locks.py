"""Resolve the Python requirements again, with hashes, for every platform."""

from pathlib import Path

from cqc_tools.foundation import console, process, workspace

REQUIREMENTS = [
    workspace.ROOT / "tools" / "requirements.in",
    workspace.ROOT / "tools" / "python-runtimes" / "oldest.in",
    workspace.ROOT / "tools" / "python-runtimes" / "newest.in",
    workspace.ROOT / "tools" / "foreign-toolchains" / "requirements.in",
    *sorted((workspace.ROOT / "tools" / "environments").rglob("*.in")),
]


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
    return written
