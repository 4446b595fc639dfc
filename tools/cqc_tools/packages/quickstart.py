"""The section `## Start` of a package's README, followed literally in an empty folder.

The fences of the section are steps, in order: `sh` holds commands, any other language a file, whose name is the last
code span before it, and `text` what the commands before it print. Commands below the comment `<!-- keeps running -->`
are a server, which must accept connections on the port of the README before the next step.
"""

import re
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from cqc_tools.foundation import process
from cqc_tools.foundation.errors import StageFailed
from cqc_tools.packages import Installation, local

SECTION = re.compile(r"^## Start\n(.*?)(?=^## |\Z)", re.DOTALL | re.MULTILINE)
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
SPAN = re.compile(r"`([^`\n]+)`")
KEEPS_RUNNING = "<!-- keeps running -->"
PORT = "50051"
PATIENCE = 60.0


@dataclass(frozen=True)
class Step:
    """One fence: commands, a file by its `name`, or expected output. `line` is its place in the README."""

    language: str
    content: str
    line: int
    name: str = ""
    keeps_running: bool = False


def steps(readme: str) -> list[Step]:
    """Return the steps of a README's start; none if it has no such section."""
    section = SECTION.search(readme)
    return list(_steps(readme, section)) if section else []


def installs(readme: str, package: str) -> bool:
    """Whether the start of a README installs a package. One that is published under another name than the README's must
    not be looked for under that name, which may be a stranger's."""
    name = re.compile(rf"(?<![\w@/.-]){re.escape(package)}(?![\w.-])(?!/\w)")
    return any(step.language == "sh" and name.search(step.content) for step in steps(readme))


def _steps(readme: str, section: re.Match[str]) -> Iterator[Step]:
    before = section.start(1)
    for fence in FENCE.finditer(readme, section.start(1), section.end(1)):
        prose = readme[before : fence.start()]
        before = fence.end()
        names = SPAN.findall(prose)
        line = readme.count("\n", 0, fence.start()) + 1
        yield Step(fence[1], fence[2], line, names[-1] if names else "", KEEPS_RUNNING in prose)


def follow(readme: Path, installed: Installation, folder: Path) -> None:
    """Follow a README's start in a new folder, with the environment of an installation from the registry.

    Raises StageFailed, naming the line, for a command that fails and for output that differs.
    """
    folder.mkdir(parents=True)
    port = str(local.free_port())
    printed = ""
    with ExitStack() as servers:
        for number, step in enumerate(steps(readme.read_text())):
            where = f"{readme.name}, line {step.line}"
            content = step.content.replace(f":{PORT}", f":{port}")
            if step.language == "text":
                if printed != content:
                    raise StageFailed(
                        f"{where}: the commands before it print something else",
                        details=f"printed:\n{printed}\nexpected:\n{content}",
                    )
            elif step.language != "sh":
                path = folder / step.name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(content)
            elif step.keeps_running:
                command = ["sh", "-ec", f"exec {content.strip()}"]
                log = folder / f"server-{number}.log"
                server = process.server(command, cwd=folder, env=installed.environment, log=log)
                servers.enter_context(server)
                _wait_for(int(port), log, where)
            else:
                printed = process.run(["sh", "-ec", content], cwd=folder, env=installed.environment, what=where)


def _wait_for(port: int, log: Path, where: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("localhost", port), timeout=1).close()
        except OSError:
            process.interrupted.wait(0.05)
        else:
            return
    raise StageFailed(
        f"{where}: the server does not listen after {PATIENCE:.0f} s", details=log.read_text(errors="replace").strip()
    )
