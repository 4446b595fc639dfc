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


def declared(settings: Configuration, top: Path = workspace.ROOT) -> str:
    """The path in the go.mod of a checkout's module. Raises ProgramFailed if it cannot be read."""
    folder = settings.folder("go", top)
    printed = process.run(["go", "mod", "edit", "-json"], cwd=folder, what="read the module's go.mod")
    return str(json.loads(printed)["Module"]["Path"])


def needed(release: Version, settings: Configuration) -> str:
    """The path that Go requires of a release: from 2.0 on it names the major version."""
    major = release.semver.major
    return re.sub(r"/v[0-9]+$", "", settings.package("go").name) + (f"/v{major}" if major >= 2 else "")


def steps_to(release: Version, settings: Configuration, top: Path = workspace.ROOT) -> str:
    """The steps required before a checkout can be released, because Go accepts major versions from 2 on only if the
    module's path names them; empty if there are none."""
    if "go" not in settings.packages:
        return ""
    path = needed(release, settings)
    if settings.package("go").name == path and declared(settings, top) == path and not _strays(path, settings, top):
        return ""
    return (
        f"Go accepts {release.tag} only from a module with the path {path}. Either\n"
        f'  1. in {configuration.FILE}, under [packages.go], write name = "{path}"\n'
        "  2. run make module-path, which updates go.mod, imports, go_package, documentation and generated code\n"
        "  3. run make test, then git commit\n"
        "or choose a version that the path allows"
    )


def _strays(path: str, settings: Configuration, top: Path) -> list[str]:
    """The protos and Go sources that name the module without its major version, or with another one."""
    plain = re.sub(r"/v[0-9]+$", "", path)
    named = re.compile(rf"[\"\s]{re.escape(plain)}((?:/v[0-9]+)?)[/\";]")
    return [
        name
        for name in _mentioning(plain, top, f"{workspace.PROTO.name}/*.proto", f"{settings.package('go').folder}/*.go")
        if any(f"{plain}{major}" != path for major in named.findall((top / name).read_text()))
    ]


def _mentioning(path: str, top: Path = workspace.ROOT, *among: str) -> list[str]:
    try:
        printed = Repository(top).run("grep", "-IlFz", "-e", path, "--", *among)
    except ProgramFailed as failure:
        if failure.returncode != NO_MATCH:
            raise
        return []
    return list(filter(None, printed.split("\0")))


def _major(path: str) -> bool:
    return bool(re.search(r"/v[0-9]+$", path))
