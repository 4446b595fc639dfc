"""The version of what is checked out, from the git tag through hatch-vcs, spelled for each ecosystem."""

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

import semver
from packaging.version import InvalidVersion
from packaging.version import Version as PythonVersion

from cqc_tools.foundation import configuration, process, workspace
from cqc_tools.foundation.errors import UserError

LAST = "last"
PRERELEASE = re.compile(r"(alpha|beta|rc)\.(0|[1-9]\d*)")


class Bump(IntEnum):
    """How much of a version a change raises, before the rule that nothing is promised below 1.0."""

    NONE = 0
    PATCH = 1
    MINOR = 2
    MAJOR = 3


@dataclass(frozen=True)
class Version:
    """One version in its spellings: `pypi` after PEP 440, `npm` after semver, `go` with its v (a pseudo-version
    between releases)."""

    pypi: str
    npm: str
    go: str

    @property
    def is_release(self) -> bool:
        """Whether this version may be published: made at a tag, without local changes."""
        return _is_release(PythonVersion(self.pypi))

    @property
    def tag(self) -> str:
        """The git tag of a release, which is Go's spelling too."""
        return self.go

    @property
    def semver(self) -> semver.Version:
        """What sorts as versions do."""
        return semver.Version.parse(self.npm)

    @property
    def final(self) -> "Version":
        """The version that this one is a pre-release of, or itself."""
        return parse_release(str(self.semver.finalize_version()))


def parse_release(text: str) -> Version:
    """Read `1.2.0`, `v1.2.0` or `v1.3.0-rc.1`.

    Raises UserError for anything that is not a release: only alpha, beta and rc with a dotted number are accepted,
    because `rc10` without the dot sorts before `rc2` in semver.
    """
    number = text.removeprefix("v")
    expected = "expected something like 1.2.0, 1.2.0-rc.1, 1.2.0-beta.2 or 1.2.0-alpha.3"
    try:
        parsed = semver.Version.parse(number)
    except ValueError:
        raise UserError(f"{text!r} is not a release version: {expected}") from None
    if parsed.build or (parsed.prerelease and not PRERELEASE.fullmatch(parsed.prerelease)):
        raise UserError(f"{text!r} cannot be published: {expected}")
    return Version(pypi=str(PythonVersion(number)), npm=number, go=f"v{number}")


def require_commits() -> None:
    """Raise UserError where there is no git history to tell a version from."""
    if not (workspace.ROOT / ".git").exists():
        raise UserError(
            f"{workspace.ROOT} is not a git checkout, and the version comes from git: get it with git clone"
        )
    if not process.run(["git", "-C", workspace.ROOT, "rev-list", "--all", "--max-count=1"]).strip():
        raise UserError("there is nothing to release: the repository has no commit yet, make one with git commit")


def of_checkout(repository: Path = workspace.ROOT) -> Version:
    """The version of HEAD: its tag's at a tag, otherwise a development version that can never be published.

    Raises UserError in a shallow clone, which has no tags to count from.
    """
    package = repository / "packages" / "python-cqc"
    git = ["git", "-C", str(repository)]
    if process.run([*git, "rev-parse", "--is-shallow-repository"]).strip() == "true":
        raise UserError(
            f"{repository} is a shallow clone, so its version cannot be told: run git fetch --unshallow --tags"
        )
    pypi = process.run([sys.executable, "-m", "hatchling", "version"], cwd=package, what="hatch-vcs").strip()
    try:
        python = PythonVersion(pypi)
    except InvalidVersion:
        raise UserError(f"hatch-vcs computed {pypi!r}, which is not a version: see git tag --list") from None
    if _is_release(python):
        return parse_release(_semver_of(python))
    return Version(pypi=pypi, npm=_development_semver(python), go=_pseudo_version(repository))


def chosen(release: str) -> Version:
    """The release that a command line names, with LAST the highest final one, or without a name the one that is checked
    out.

    Raises UserError when there is no such release.
    """
    if release == LAST:
        if last := last_final(released()):
            return last
        raise UserError("nothing has been released yet: there is no tag of a final release here, see git tag --list")
    if release:
        return parse_release(release)
    found = of_checkout()
    if not found.is_release:
        raise UserError(f"what is checked out is {found.npm}, not a release: say which one with VERSION=x.y.z")
    return found


def released(repository: Path = workspace.ROOT) -> list[Version]:
    """The releases that the repository's tags name, lowest first."""
    tags = process.run(["git", "-C", repository, "tag", "--list", "v[0-9]*"]).split()
    versions = []
    for tag in tags:
        try:
            versions.append(parse_release(tag))
        except UserError:
            continue
    return sorted(versions, key=lambda version: version.semver)


def last_final(past: Sequence[Version]) -> Version | None:
    """The highest release that is no pre-release."""
    return max((item for item in past if item == item.final), key=lambda item: item.semver, default=None)


def next_release(bump: Bump, past: Sequence[Version]) -> Version:
    """The lowest release after `past` that a change asking for `bump` may have; 0.1.0 when there was none.

    Below 1.0 nothing is promised: what breaks raises the minor version, as what adds does. A final version follows its
    own pre-releases.
    """
    last = last_final(past)
    raised = parse_release("0.1.0") if last is None else parse_release(str(_raised(last.semver, bump)))
    return max([raised, *(item.final for item in past if item.final != item)], key=lambda item: item.semver)


def _raised(last: semver.Version, bump: Bump) -> semver.Version:
    if bump == Bump.MAJOR and last.major:
        return last.bump_major()
    return last.bump_minor() if bump >= Bump.MINOR else last.bump_patch()


def _is_release(python: PythonVersion) -> bool:
    return not python.is_devrelease and python.local is None


def _semver_of(python: PythonVersion) -> str:
    words = {"a": "alpha", "b": "beta", "rc": "rc"}
    release = ".".join(map(str, (*python.release, 0, 0)[:3]))
    return release + (f"-{words[python.pre[0]]}.{python.pre[1]}" if python.pre else "")


def _development_semver(python: PythonVersion) -> str:
    base = _semver_of(python)
    commit = f".{python.local}" if python.local else ""
    return f"{base}{'.' if python.pre else '-'}dev.{python.dev or 0}{commit}"


def _pseudo_version(repository: Path) -> str:
    git = ["git", "-C", str(repository)]
    commit, seconds = process.run([*git, "log", "-1", "--format=%H %ct"]).split()
    reachable = process.run([*git, "tag", "--list", "v[0-9]*", "--merged", "HEAD"]).split()
    named = re.search(r"/v([0-9]+)$", configuration.load(repository / "release.toml").package("go").name)
    majors = [int(named.group(1))] if named else [0, 1]
    older = [item.go for item in released(repository) if item.go in reachable and item.semver.major in majors]
    options = ["-commit", commit, "-time", seconds, *(["-older", older[-1]] if older else [])]
    options += ["-major", f"v{named.group(1)}"] if named else []
    return process.run([workspace.GO_TOOLS / "pseudoversion", *options]).strip()
