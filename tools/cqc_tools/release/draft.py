"""The release on GitHub: a draft that holds the built files and the state of publishing, until all is published.

It is reached with the `gh` program, which a CI runner has and knows who it is.
"""

import json
import shutil
import tempfile
from pathlib import Path

from cqc_tools.foundation import console, process, workspace
from cqc_tools.foundation.errors import StageFailed, UserError
from cqc_tools.foundation.version import Version
from cqc_tools.packages import build, sha256
from cqc_tools.packages.build import Build
from cqc_tools.release import changelog
from cqc_tools.release.publish import WAYS_OUT


def begin(release: Version) -> list[str]:
    """Make sure that the draft holds the files of the build in dist/, and fetch what an earlier run left beside them.

    Returns the names that were uploaded. Raises StageFailed when the draft holds other bytes under a built file's name:
    it is never overwritten.
    """
    built = build.load(workspace.DIST / release.npm)
    files = _built_files(built)
    there = _assets(release)
    if there is None:
        with console.step(f"make the draft release {release.tag}"):
            options = ["--draft", "--verify-tag", "--title", release.tag, "--notes", "Being published."]
            _gh("create", release, *options, *(["--prerelease"] if release != release.final else []), *files.values())
        return sorted(files)
    with tempfile.TemporaryDirectory(prefix="cqc-draft-") as scratch, console.step(f"read the release {release.tag}"):
        fetched = Path(scratch)
        if there:
            _gh("download", release, "--dir", fetched)
        differing = [
            f"  {name}: built {sha256(path)}, the release has {sha256(fetched / name)}"
            for name, path in files.items()
            if name in there and sha256(path) != sha256(fetched / name)
        ]
        if differing:
            raise StageFailed("\n".join([f"the release {release.tag} holds other bytes:", *differing, WAYS_OUT]))
        for path in fetched.iterdir():
            if path.name not in files and not (built.folder / path.name).exists():
                shutil.copyfile(path, built.folder / path.name)
    missing = {name: path for name, path in files.items() if name not in there}
    if missing:
        _gh("upload", release, *missing.values())
    return sorted(missing)


def save(release: Version) -> list[str]:
    """Keep what lies beside the built files, such as the state of publishing and the report; returns the names."""
    built = build.load(workspace.DIST / release.npm)
    beside = [
        path for path in sorted(built.folder.iterdir()) if path.is_file() and path.name not in _built_files(built)
    ]
    if beside:
        with console.step(f"save {len(beside)} files to the release {release.tag}"):
            _gh("upload", release, "--clobber", *beside)
    return [path.name for path in beside]


def fetch(release: Version) -> list[str]:
    """Put what a release holds into dist/, for who did not build it; returns the names.

    Raises UserError when there is no such release, or its files are not the ones that were built.
    """
    there = _assets(release)
    folder = workspace.DIST / release.npm
    if not there:
        raise UserError(f"there is no release {release.tag} with files on GitHub: see gh release list")
    workspace.DIST.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=workspace.DIST) as scratch:
        fetched = Path(scratch, release.npm)
        with console.step(f"fetch the release {release.tag}"):
            _gh("download", release, "--dir", fetched)
        build.load(fetched)
        if folder.exists():
            folder.rename(Path(scratch, "replaced"))
        fetched.rename(folder)
    return sorted(there)


def announce(release: Version) -> list[str]:
    """Publish the draft, with the notes of CHANGELOG.md; a pre-release is never the latest one. Returns its files."""
    with tempfile.TemporaryDirectory(prefix="cqc-notes-") as scratch, console.step(f"announce {release.tag}"):
        notes = Path(scratch, "notes.md")
        notes.write_text(changelog.notes(release))
        is_final = release == release.final
        flags = [f"--prerelease={str(not is_final).lower()}", *([] if is_final else ["--latest=false"])]
        _gh("edit", release, "--draft=false", "--notes-file", notes, *flags)
    return sorted(_assets(release) or [])


def _built_files(built: Build) -> dict[str, Path]:
    names = [*(file.path.name for file in built.files), build.MANIFEST, build.SUMS]
    return {name: built.folder / name for name in names}


def _assets(release: Version) -> list[str] | None:
    """Names of the files of a release, None when there is no such release."""
    try:
        printed = _gh("view", release, "--json", "assets")
    except StageFailed as failure:
        if "release not found" in str(failure):
            return None
        raise
    return [str(asset["name"]) for asset in json.loads(printed)["assets"]]


def _gh(verb: str, release: Version, *arguments: str | Path) -> str:
    if not shutil.which("gh"):
        raise UserError("gh, which reaches the releases on GitHub, was not found: https://cli.github.com")
    return process.run(["gh", "release", verb, release.tag, *arguments], what=f"gh release {verb}")
