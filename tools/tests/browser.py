"""A pinned Chromium and axe-core, installed inside the checkout when a test first uses them."""

import hashlib
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from filelock import FileLock

from cqc_tools.foundation import workspace

PACKAGE = workspace.ROOT / "tools" / "browser"
FONTS = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig><dir>{fonts}</dir><cachedir>{fonts}/cache</cachedir></fontconfig>
"""


def launch_options() -> dict[str, Any]:
    """Returns playwright's launch options: the pinned Chromium on 64-bit Linux, the user's own Chrome elsewhere."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return {"channel": "chrome"}
    folder = _installed()
    environment = {
        **os.environ,
        "LD_LIBRARY_PATH": str(folder / "al2023" / "lib"),
        "FONTCONFIG_FILE": str(folder / "cqc-fonts.conf"),
    }
    return {
        "executable_path": str(folder / "chromium"),
        # It looks at pages that the test made, and root has no sandbox.
        "args": ["--no-sandbox"],
        "env": environment,
    }


def axe() -> str:
    """Returns the source of axe-core, which defines `axe` in the page that evaluates it."""
    return (_installed() / "axe.min.js").read_text()


def _installed() -> Path:
    lock = hashlib.sha256((PACKAGE / "package-lock.json").read_bytes()).hexdigest()[:16]
    folder = workspace.CACHE / "browser" / lock
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Tests run in several processes.
    with FileLock(folder.with_suffix(".lock")):
        if not folder.exists():
            part = folder.with_suffix(".part")
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir(parents=True)
            for name in ("package.json", "package-lock.json", "unpack.mjs"):
                shutil.copyfile(PACKAGE / name, part / name)
            environment = workspace.tool_environment(TMPDIR=str(part))
            for command in (["npm", "ci", "--ignore-scripts", "--prefer-offline"], ["node", "unpack.mjs"]):
                subprocess.run(command, cwd=part, env=environment, check=True, capture_output=True)
            shutil.copyfile(part / "node_modules" / "axe-core" / "axe.min.js", part / "axe.min.js")
            shutil.rmtree(part / "node_modules")
            (part / "cqc-fonts.conf").write_text(FONTS.format(fonts=folder / "fonts"))
            part.rename(folder)
    return folder
