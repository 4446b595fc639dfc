"""The version of what is checked out: from the git tag through hatch-vcs, in the spelling of each ecosystem."""

import os
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

import semver
from packaging.version import InvalidVersion
from packaging.version import Version as PythonVersion

from cqc_tools.foundation import configuration, git, process, workspace
from cqc_tools.foundation.configuration import Configuration
from cqc_tools.foundation.errors import UserError

LAST = "last"
PRERELEASE = re.compile(r"(alpha|beta|rc)\.(0|[1-9]\d*)")


class Bump(IntEnum):
    """Which part of a version a change raises, before the rule that anything may break below 1.0."""

    NONE = 0
    PATCH = 1
    MINOR = 2
    MAJOR = 3


@dataclass(frozen=True)
class Version:
    """One version in three spellings: `pypi` is PEP 440, `npm` is semver, `go` is semver with a v, or a pseudo-version
    between releases."""

    pypi: str
    npm: str
    go: str

    @property
    def is_release(self) -> bool:
        """Whether this version may be published: it was made at a tag, without local changes."""
        return _is_release(PythonVersion(self.pypi))

    @property
    def tag(self) -> str:
        """The git tag of a release, which is also Go's spelling."""
        return self.go

    @property
    def semver(self) -> semver.Version:
        """The parsed version, which compares by precedence."""
        return semver.Version.parse(self.npm)

    @property
    def line(self) -> tuple[int, int]:
        """The major and the minor version, which all patches of a release share."""
        return self.semver.major, self.semver.minor

    @property
    def final(self) -> "Version":
        """The version that this one is a pre-release of, or this version if it is final."""
        return parse_release(str(self.semver.finalize_version()))


def parse_release(text: str) -> Version:
    """Read `1.2.0`, `v1.2.0` or `v1.3.0-rc.1`.

    Raises UserError for anything else. Pre-releases must be alpha, beta or rc with a dotted number, because semver
    sorts `rc10` before `rc2`.
    """
    number = text.removeprefix("v")
    fix = "write a version such as 1.2.0, 1.2.0-rc.1, 1.2.0-beta.2 or 1.2.0-alpha.3"
    try:
        parsed = semver.Version.parse(number)
    except ValueError:
        raise UserError(f"{text!r} is not a release version", fix) from None
    if parsed.build or (parsed.prerelease and not PRERELEASE.fullmatch(parsed.prerelease)):
        raise UserError(f"{text!r} cannot be published", fix)
    return Version(pypi=str(PythonVersion(number)), npm=number, go=f"v{number}")


def release_tags(version: Version, settings: Configuration) -> tuple[str, ...]:
    """The tags of a release: its own, and the one that go looks for."""
    go = [f"{settings.package('go').folder}/{version.tag}"] if "go" in settings.packages else []
    return (version.tag, *go)


def require_commits() -> None:
    """Raise UserError if there is no git history to compute a version from."""
    repository = git.Repository()
    if not repository.exists():
        raise UserError(
            f"{workspace.ROOT} is not a git checkout, and the version comes from git", "get it with git clone"
        )
    if not repository.has_commits():
        raise UserError("the repository has no commit yet, so there is nothing to release", "make one with git commit")


def of_checkout(top: Path = workspace.ROOT) -> Version:
    """The version of HEAD: at a tag that release, otherwise a development version, which can never be published.

    Raises UserError in a shallow clone, which has no tags to count from.
    """
    settings = configuration.load(top / configuration.FILE)
    repository = git.Repository(top)
    if repository.is_shallow():
        raise UserError(
            f"{top} is a shallow clone, so its version cannot be computed", "run git fetch --unshallow --tags"
        )
    command = [sys.executable, "-m", "hatchling", "version"]
    pypi = process.run(command, cwd=settings.folder("python", top), what="hatch-vcs").strip()
    try:
        python = PythonVersion(pypi)
    except InvalidVersion:
        raise UserError(
            f"hatch-vcs computed {pypi!r}, which is not a version", "check the tags: git tag --list"
        ) from None
    if _is_release(python):
        return parse_release(_semver_of(python))
    pseudo = _pseudo_version(repository, settings) if "go" in settings.packages else f"v{_development_semver(python)}"
    return Version(pypi=pypi, npm=_development_semver(python), go=pseudo)


def chosen(release: str) -> Version:
    """The release named on a command line: LAST is the highest final one, and no name means the one checked out.

    Raises UserError if there is no such release.
    """
    if release == LAST:
        if last := last_final(released()):
            return last
        raise UserError("there is no tag of a final release here", "fetch the tags: git fetch --tags")
    if release:
        return parse_release(release)
    found = of_checkout()
    if not found.is_release:
        raise UserError(f"what is checked out is {found.npm}, not a release", "name one with VERSION=x.y.z")
    return found


def released(top: Path = workspace.ROOT) -> list[Version]:
    """The releases that a repository's tags name, lowest first."""
    versions = []
    for tag in git.Repository(top).tags("v[0-9]*"):
        try:
            versions.append(parse_release(tag))
        except UserError:
            continue
    return sorted(versions, key=lambda version: version.semver)


def end_of(line: Sequence[int], past: Iterable[Version]) -> Version | None:
    """The release that ends a line: the lowest final one after (major, minor), or after a whole (major,). None for the
    newest line, which is still open."""
    later = (item for item in past if item == item.final and item.line[: len(line)] > tuple(line))
    return min(later, key=lambda item: item.semver, default=None)


def before(end: Version | None, past: Iterable[Version]) -> list[Version]:
    """The releases of a line and of the lines before it. `end` is the release that ends the line, if there is one."""
    return [item for item in past if end is None or item.final.semver < end.semver]


def predecessors(chosen: Version, past: Iterable[Version]) -> list[Version]:
    """The other releases that a version has to be higher than, lowest first.

    v0.1.1 follows the releases of the line 0.1, even if 0.2.0 is out. The first version of a line follows all releases
    of its major version, the first of a major version everything.
    """
    others = sorted((item for item in past if item != chosen), key=lambda item: item.semver)
    for length in (2, 1):
        if of_line := [item for item in others if item.line[:length] == chosen.line[:length]]:
            return of_line
    return others


def end_of_checkout(top: Path = workspace.ROOT) -> Version | None:
    """The release that ends the line which is checked out; None if that is the newest one.

    The name of the branch decides, or in CI the branch that a pull request goes to. On other branches the highest
    release in the history of HEAD does.
    """
    settings = configuration.load(top / configuration.FILE)
    repository, past = git.Repository(top), released(top)
    branch = repository.branch() or os.environ.get("GITHUB_BASE_REF", "")
    if branch == settings.branch:
        return None
    if line := settings.line_of(branch):
        return end_of([int(part) for part in line.split(".")], past)
    reachable = set(repository.tags("v[0-9]*", merged="HEAD"))
    last = last_final([item for item in past if item.tag in reachable])
    return end_of(last.line, past) if last else None


def last_final(past: Sequence[Version]) -> Version | None:
    """The highest final release, None if there is none."""
    return max((item for item in past if item == item.final), key=lambda item: item.semver, default=None)


def next_release(bump: Bump, past: Sequence[Version]) -> Version:
    """The lowest version after `past` that a change with this bump may have; 0.1.0 for the first release.

    Below 1.0 a breaking change raises the minor version, as an addition does. A final version follows its own
    pre-releases.
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


def _pseudo_version(repository: git.Repository, settings: Configuration) -> str:
    commit, seconds = repository.run("log", "-1", "--format=%H %ct").split()
    reachable = repository.tags("v[0-9]*", merged="HEAD")
    named = re.search(r"/v([0-9]+)$", settings.package("go").name)
    majors = [int(named.group(1))] if named else [0, 1]
    past = released(repository.folder)
    older = [item.go for item in past if item.go in reachable and item.semver.major in majors]
    options = ["-commit", commit, "-time", seconds, *(["-older", older[-1]] if older else [])]
    options += ["-major", f"v{named.group(1)}"] if named else []
    return process.run([workspace.GO_TOOLS / "pseudoversion", *options]).strip()
