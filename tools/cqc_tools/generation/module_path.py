"""The Go module's path, which stands in every import: a new one is written wherever the old one stands."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

from cqc_tools.foundation import process, workspace
from cqc_tools.foundation.configuration import Configuration
from cqc_tools.foundation.version import Version
from cqc_tools.generation import generate

# What was released under the old path stays told as it was.
KEPT = ("CHANGELOG.md", "release.toml")


@dataclass(frozen=True)
class Move:
    """What a move of the module did: the files that were written, relative to the top of the repository."""

    before: str
    after: str
    written: tuple[Path, ...]


def move(settings: Configuration) -> Move:
    """Give the module the path that release.toml names: go.mod, imports, go_package, documentation, generated code.

    Raises StageFailed when the protos do not compile.
    """
    before, after = declared(settings), settings.package("go").name
    if before == after:
        return Move(before, after, ())
    # A path that has its /vN already is not the old one.
    pattern = re.compile(rf"{re.escape(before)}(?![\w.-]*\w|/v[0-9]+\b)" if not _major(before) else re.escape(before))
    written = []
    names = process.run(["git", "-C", workspace.ROOT, "grep", "-IlFz", before]).split("\0")
    # go.mod is the last: until then a run that was interrupted starts again.
    for name in sorted(filter(None, names), key=lambda name: name == f"{settings.package('go').folder}/go.mod"):
        path = workspace.ROOT / name
        text = path.read_text()
        if name not in KEPT and (changed := pattern.sub(after.replace("\\", r"\\"), text)) != text:
            path.write_text(changed)
            written.append(Path(name))
    tree = generate.generate()
    generate.write(tree, generate.compare(tree))
    process.run(["gofmt", "-w", *(path for path in written if path.suffix == ".go")], what="gofmt")
    return Move(before, after, tuple(sorted(written)))


def declared(settings: Configuration) -> str:
    """The path in the module's go.mod."""
    printed = process.run(
        ["go", "mod", "edit", "-json"],
        cwd=workspace.ROOT / settings.package("go").folder,
        what="read the module's go.mod",
    )
    return str(json.loads(printed)["Module"]["Path"])


def steps_to(release: Version, settings: Configuration) -> str:
    """What has to be done before a release can be made, because Go takes a major version from 2 on only where the
    module's path names it; empty when nothing has."""
    major = release.semver.major
    path = re.sub(r"/v[0-9]+$", "", settings.package("go").name) + (f"/v{major}" if major >= 2 else "")
    if settings.package("go").name == path and declared(settings) == path:
        return ""
    return (
        f"{release.tag} needs the Go module path {path}: Go takes it under no other. The steps:\n"
        f'  1. in release.toml, under [go]: module = "{path}"\n'
        "  2. make module-path    # writes it into go.mod, imports, go_package and documentation, and generates\n"
        "  3. make test, then git commit\n"
        "or choose a version that the path allows"
    )


def _major(path: str) -> bool:
    return bool(re.search(r"/v[0-9]+$", path))
