"""The peers: programs in each language, made from a built package, that the languages are compared with.

One reads and writes messages on request; tools/interop/python/peer.py describes the requests. In CQC itself there are
also a client and a scripted server; see client_behaviour.py. Peers stay in the cache until their package or their own
sources change.
"""

import json
import shutil
import tarfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from cqc_tools.foundation import console, process, workspace
from cqc_tools.foundation.errors import StageFailed
from cqc_tools.proof import go_workspace, kept, runtimes
from cqc_tools.proof.subject import Subject

SOURCES = workspace.ROOT / "tools" / "interop"
CLIENT, SERVER = "behaviour_client", "behaviour_server"

Request = dict[str, Any]
Answer = dict[str, Any]


@dataclass(frozen=True)
class Peer:
    """The programs of one language: `command` reads and writes messages, `programs` are the others by their name."""

    language: str
    command: Sequence[str | Path]
    folder: Path
    environment: Mapping[str, str]
    programs: Mapping[str, Sequence[str | Path]] = field(default_factory=dict)

    def ask(self, requests: Sequence[Request]) -> list[Answer]:
        """Send all requests and return the answers in the same order."""
        lines = "".join(json.dumps(request) + "\n" for request in requests)
        printed = process.run(
            self.command, cwd=self.folder, env=self.environment, stdin=lines.encode(), what=f"{self.language} peer"
        )
        answers = [json.loads(line) for line in printed.split("\n") if line]
        if len(answers) != len(requests):
            raise StageFailed(f"the {self.language} peer answered {len(answers)} of {len(requests)} requests")
        return answers


def ask_all(questions: Sequence[tuple[Peer, Sequence[Request]]]) -> list[list[Answer]]:
    """Ask several peers, two at a time; returns the answers of each, in the order of `questions`."""
    tasks = [partial(peer.ask, requests) for peer, requests in questions]
    return [future.result() for future in process.in_parallel(tasks, console.WORKERS)]


def load(subject: Subject, *keys: str) -> list[Peer]:
    """The peers of some ecosystems, or of all that release.toml names."""
    chosen = [key for key in _PEERS if (key in keys if keys else key in subject.settings.packages)]
    tasks = [partial(_PEERS[key], subject) for key in chosen]
    return [future.result() for future in process.in_parallel(tasks, console.WORKERS)]


def _python(subject: Subject) -> Peer:
    python = runtimes.runtime(runtimes.NEWEST, subject).python
    command: list[str | Path] = [python, SOURCES / "python" / "peer.py", subject.settings.root_package]
    if subject.settings.cqc_code:
        command.append("helpers")
    programs = {name: [python, SOURCES / "python" / f"{name}.py"] for name in (CLIENT, SERVER)}
    return Peer("Python", command, workspace.ROOT, workspace.tool_environment(), programs)


def _go(subject: Subject) -> Peer:
    archive = subject.artifact(".zip")
    sources = sorted(path for path in (SOURCES / "go").rglob("*") if path.is_file())
    version = process.run(["go", "version"], what="go version")
    made_from: list[bytes | Path] = [archive, *sources, version.encode()]
    folder = kept.folder("peers/go", made_from, partial(_compile_go, subject, archive))
    programs = {name: [folder / name] for name in (CLIENT, SERVER)}
    return Peer("Go", [folder / "peer"], folder, workspace.tool_environment(), programs)


def _compile_go(subject: Subject, archive: Path, folder: Path) -> None:
    with console.step("compile the Go peer"):
        source = Path(shutil.copytree(SOURCES / "go", folder / "source"))
        module = folder / "module"
        with zipfile.ZipFile(archive) as packed:
            packed.extractall(folder / "unpacked")
        # The module's path and version are the folder's name.
        (manifest,) = (folder / "unpacked").rglob("go.mod")
        manifest.parent.rename(module)
        packages = sorted({path.parent.relative_to(module).as_posix() for path in module.rglob("*.pb.go")})
        name = subject.settings.package("go").name
        imports = [f'import _ "{name}/{package}"' for package in packages]
        (source / "messages.go").write_text("\n".join(["package main", *imports, ""]))
        environment = go_workspace.write(folder, [source, module])
        builds = {"peer": "."}
        if subject.settings.cqc_code:
            builds |= {program: f"./{program}" for program in (CLIENT, SERVER)}
        for program, path in builds.items():
            command = ["go", "build", *go_workspace.tags(subject.settings), "-o", str(folder / program), path]
            process.run(command, cwd=source, env=environment, what="compile the Go peer")


def _typescript(subject: Subject) -> Peer:
    tarball = subject.artifact(".tgz")
    sources = sorted((SOURCES / "typescript").iterdir())
    folder = kept.folder("peers/typescript", [tarball, *sources], partial(_install_typescript, subject, tarball))
    command = ["node", "peer.mjs", subject.settings.package("typescript").name]
    if subject.settings.cqc_code:
        command.append("./helpers.mjs")
    programs = {program: ["node", f"{program}.mjs"] for program in (CLIENT, SERVER)}
    return Peer("TypeScript", command, folder, workspace.tool_environment(), programs)


def _install_typescript(subject: Subject, tarball: Path, folder: Path) -> None:
    shutil.copytree(SOURCES / "typescript", folder, dirs_exist_ok=True)
    installed = folder / "node_modules" / subject.settings.package("typescript").name
    installed.parent.mkdir(parents=True)
    with tarfile.open(tarball) as archive:
        archive.extractall(folder, filter="data")
    (folder / "package").rename(installed)
    # Its dependencies are those of the package's own lock file.
    modules = subject.settings.folder("typescript") / "node_modules"
    manifest = json.loads((installed / "package.json").read_text())
    for name in sorted({*manifest.get("dependencies", {}), *manifest.get("peerDependencies", {})}):
        (folder / "node_modules" / name).parent.mkdir(exist_ok=True)
        (folder / "node_modules" / name).symlink_to(modules / name)


_PEERS: Mapping[str, Callable[[Subject], Peer]] = {"python": _python, "go": _go, "typescript": _typescript}
