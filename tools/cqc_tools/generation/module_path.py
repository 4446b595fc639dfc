"""The path of the Go module, which every import repeats: replace it everywhere when it changes."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

from cqc_tools.foundation import configuration, files, process, workspace
from cqc_tools.foundation.configuration import Configuration
from cqc_tools.foundation.errors import ProgramFailed
from cqc_tools.foundation.git import Repository
from cqc_tools.foundation.version import Version
from cqc_tools.generation import generate

# The change log describes earlier releases, and release.toml has the new path already.
KEPT = ("CHANGELOG.md", configuration.FILE)
# What `git grep` exits with if no file matches.
NO_MATCH = 1


@dataclass(frozen=True)
class Move:
    """A change of the module's path, with the files that were rewritten, relative to the top of the repository."""

    before: str
    after: str
    written: tuple[Path, ...]


def move(settings: Configuration) -> Move:
    """Replace the path in go.mod by the one in release.toml: in go.mod, imports, go_package, documentation and
    generated code.

    Raises StageFailed if the protos do not compile.
    """
    before, after = declared(settings), settings.package("go").name
    if before == after:
        return Move(before, after, ())
    # A path without a major version is also the beginning of the same path with one.
    pattern = re.compile(rf"{re.escape(before)}(?![\w.-]*\w|/v[0-9]+\b)" if not _major(before) else re.escape(before))
    written = []
    manifest = f"{settings.package('go').folder}/go.mod"
    # go.mod is last: until it is written, an interrupted run starts over.
    for name in sorted(_mentioning(before), key=lambda name: name == manifest):
        path = workspace.ROOT / name
        text = path.read_text()
        if name not in KEPT and (changed := pattern.sub(after.replace("\\", r"\\"), text)) != text:
            files.write_text(path, changed)
            written.append(Path(name))
    generate.generate(settings)
    process.run(["gofmt", "-w", *(path for path in written if path.suffix == ".go")], what="gofmt")
    return Move(before, after, tuple(sorted(written)))


def declared(settings: Configuration) -> str:
    """The path in the module's go.mod. Raises ProgramFailed if it cannot be read."""
    printed = process.run(["go", "mod", "edit", "-json"], cwd=settings.folder("go"), what="read the module's go.mod")
    return str(json.loads(printed)["Module"]["Path"])


def steps_to(release: Version, settings: Configuration) -> str:
    """The steps required before a release, because Go accepts major versions from 2 on only if the module's path names
    them; empty if there are none."""
    major = release.semver.major
    path = re.sub(r"/v[0-9]+$", "", settings.package("go").name) + (f"/v{major}" if major >= 2 else "")
    if settings.package("go").name == path and declared(settings) == path:
        return ""
    return (
        f"Go accepts {release.tag} only from a module with the path {path}. Either\n"
        f'  1. in {configuration.FILE}, under [packages.go], write name = "{path}"\n'
        "  2. run make module-path, which updates go.mod, imports, go_package, documentation and generated code\n"
        "  3. run make test, then git commit\n"
        "or choose a version that the path allows"
    )


def _mentioning(path: str) -> list[str]:
    try:
        printed = Repository().run("grep", "-IlFz", "-e", path)
    except ProgramFailed as failure:
        if failure.returncode != NO_MATCH:
            raise
        return []
    return list(filter(None, printed.split("\0")))


def _major(path: str) -> bool:
    return bool(re.search(r"/v[0-9]+$", path))
