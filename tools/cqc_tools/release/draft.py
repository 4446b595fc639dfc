"""The release on GitHub: a draft that holds the built files and the state of publishing, until all is published.

Uses the `gh` program, which CI runners have, with the run's own identity.
"""

import json
import tempfile
from dataclasses import replace
from pathlib import Path

from cqc_tools.foundation import console, files, temporary, workspace
from cqc_tools.foundation.errors import Conflict, Difference, UserError
from cqc_tools.foundation.version import Version, end_of, released
from cqc_tools.packages import manifest, sha256
from cqc_tools.packages.manifest import Build
from cqc_tools.release import changelog, github

# More releases than any repository of ours will have; gh lists 30 by default.
ALL = "10000"


def begin(release: Version) -> list[str]:
    """Ensure that the draft holds the files of the build in dist/, and fetch what an earlier run left beside them.

    Returns the names that were uploaded. Raises Conflict if the draft holds other bytes under a built file's name: it
    is never overwritten.
    """
    built = manifest.load(workspace.DIST / release.npm)
    built_files = _built_files(built)
    there = _assets(release)
    if there is None:
        with console.step(f"create the draft release {release.tag}"):
            options = ["--draft", "--verify-tag", "--title", release.tag, "--notes", "Being published."]
            flags = ["--prerelease"] if release != release.final else []
            _gh("create", release.tag, *options, *flags, *built_files.values())
        return sorted(built_files)
    with temporary.folder("draft") as fetched, console.step(f"read the release {release.tag}"):
        if there:
            _gh("download", release.tag, "--dir", fetched)
        built = _adopted(built, fetched)
        differing = [
            Difference(f"the release {release.tag}", name, sha256(path), sha256(fetched / name))
            for name, path in built_files.items()
            if name in there and sha256(path) != sha256(fetched / name)
        ]
        if differing:
            raise Conflict(f"the release {release.tag} holds other bytes", differing)
        for path in fetched.iterdir():
            if path.name not in built_files and not (built.folder / path.name).exists():
                files.write_bytes(built.folder / path.name, path.read_bytes())
    missing = {name: path for name, path in built_files.items() if name not in there}
    if missing:
        _gh("upload", release.tag, *missing.values())
    return sorted(missing)


def _adopted(built: Build, draft: Path) -> Build:
    """The build as the draft describes it, if that is the same one made with other versions of the tools: what counts
    are the artifacts and the bills of materials, and what is published is described once."""
    try:
        described = json.loads((draft / manifest.FILE).read_text())
        adopted = replace(built, toolchain=dict(described["toolchain"]))
    except (FileNotFoundError, ValueError, TypeError, KeyError):
        return built
    if adopted == built or adopted.to_json() != described:
        return built
    # In the order in which a reader checks them.
    files.write_text(built.folder / manifest.SUMS, adopted.sums())
    files.write_text(built.folder / manifest.FILE, adopted.manifest())
    console.note(f"{built.version.npm} was built with other versions of the tools before: its {manifest.FILE} is kept")
    return adopted


def save(release: Version) -> list[str]:
    """Upload what lies beside the built files, such as the state of publishing and the report; returns the names."""
    built = manifest.load(workspace.DIST / release.npm)
    beside = [
        path
        for path in sorted(built.folder.iterdir())
        # A killed run may have left a hidden file that it had not finished.
        if path.is_file() and path.name not in _built_files(built) and not path.name.startswith(".")
    ]
    if beside:
        with console.step(f"save {len(beside)} files to the release {release.tag}"):
            _gh("upload", release.tag, "--clobber", *beside)
    return [path.name for path in beside]


def fetch(release: Version) -> list[str]:
    """Download a release's files into dist/, for someone who did not build it; returns the names.

    Raises UserError if there is no such release, or its files are not the ones that were built.
    """
    there = _assets(release)
    folder = workspace.DIST / release.npm
    if not there:
        raise UserError(f"there is no release {release.tag} with files on GitHub", "list them with gh release list")
    workspace.DIST.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=workspace.DIST) as scratch:
        fetched = Path(scratch, release.npm)
        with console.step(f"fetch the release {release.tag}"):
            _gh("download", release.tag, "--dir", fetched)
        manifest.load(fetched)
        files.replace_folder(fetched, folder, Path(scratch, "replaced"))
    return sorted(there)


def announce(release: Version) -> list[str]:
    """Publish the draft with the notes of CHANGELOG.md; a pre-release or a release of an older line never becomes the
    latest one. Returns its files."""
    with temporary.folder("notes") as scratch, console.step(f"announce {release.tag}"):
        notes = Path(scratch, "notes.md")
        notes.write_text(changelog.notes(release))
        is_final = release == release.final
        is_newest = is_final and not end_of(release.line, released())
        flags = [f"--prerelease={str(not is_final).lower()}", *([] if is_newest else ["--latest=false"])]
        _gh("edit", release.tag, "--draft=false", "--notes-file", notes, *flags)
    return sorted(_assets(release) or [])


def _built_files(built: Build) -> dict[str, Path]:
    names = [*(file.path.name for file in built.files), manifest.FILE, manifest.SUMS]
    return {name: built.folder / name for name in names}


def _assets(release: Version) -> list[str] | None:
    """Names of the files of a release, None if there is no such release."""
    listed = json.loads(_gh("list", "--json", "tagName", "--limit", ALL))
    if release.tag not in (item["tagName"] for item in listed):
        return None
    return [str(asset["name"]) for asset in json.loads(_gh("view", release.tag, "--json", "assets"))["assets"]]


def _gh(verb: str, *arguments: str | Path) -> str:
    return github.run("release", verb, *arguments)
