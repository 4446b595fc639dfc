"""The release in question: its version, the release before it, and the contract changes between the two."""

from dataclasses import dataclass

from cqc_tools.contracts import descriptors
from cqc_tools.contracts.api_diff import markdown
from cqc_tools.contracts.api_diff.diff import ApiDiff, diff
from cqc_tools.foundation import configuration, git, version
from cqc_tools.foundation.configuration import Configuration
from cqc_tools.foundation.version import Bump, Version


@dataclass(frozen=True)
class Candidate:
    """A future release, or one whose tag already exists.

    `last` is the final release before it, None for the first; `least` the lowest version that the contract changes
    since then allow; `commit` what is released; `past` the releases that it has to be higher than, lowest first; `end`
    the release that ends its line, None if its line is the newest one.
    """

    version: Version
    last: Version | None
    least: Version
    commit: str
    is_tagged: bool
    past: tuple[Version, ...]
    end: Version | None
    changes: ApiDiff

    @property
    def is_too_low(self) -> bool:
        """Whether the contract changes need a higher version."""
        return self.version.final.semver < self.least.semver

    def to_markdown(self, level: int = 3) -> str:
        """The changes for a person, with headings of a level."""
        return markdown.render(self.changes, level) if self.last else "The first release of the contracts.\n"


def choose(release: str = "") -> Candidate:
    """The release named `release`; without a name the release that HEAD is tagged as, or else the next one.

    Raises UserError for an invalid version, and if the contracts of HEAD or of the last release cannot be read.
    """
    version.require_commits()
    repository = git.Repository()
    tags = version.released()
    if release:
        wanted = version.parse_release(release)
    else:
        here = repository.tags(points_at="HEAD")
        wanted = max((item for item in tags if item.tag in here), key=lambda item: item.semver, default=upcoming())
    is_tagged = wanted in tags
    revision = wanted.tag if is_tagged else "HEAD"
    last = version.last_final([item for item in tags if item.semver < wanted.semver])
    changes = _changes(last, revision)
    return Candidate(
        wanted,
        last,
        version.next_release(changes.bump, [last] if last else []),
        repository.run("rev-parse", f"{revision}^{{commit}}").strip(),
        is_tagged,
        tuple(version.predecessors(wanted, tags)),
        version.end_of(wanted.line, tags),
        changes,
    )


def branches(chosen: Candidate, settings: Configuration) -> tuple[str, ...]:
    """The branches that a release may be made from, the usual one first."""
    major, minor = chosen.version.line
    of_line = (settings.line_branch(f"{major}.{minor}"), settings.line_branch(str(major)))
    return of_line if chosen.end else (settings.branch, *of_line)


def upcoming() -> Version:
    """The next release of the line that is checked out, given the contract changes up to HEAD.

    An older line has no room for what needs a higher version than its end: then this is the next patch, and
    `Candidate.least` is what the changes need.
    """
    version.require_commits()
    end = version.end_of_checkout()
    past = version.before(end, version.released())
    found = version.next_release(_changes(version.last_final(past), "HEAD").bump, past)
    return version.next_release(Bump.PATCH, past) if end and found.semver >= end.semver else found


def _changes(last: Version | None, revision: str) -> ApiDiff:
    settings = configuration.load()
    after = descriptors.at(revision, settings)
    return ApiDiff(()) if last is None else diff(descriptors.at(last.tag, settings), after, settings.root_package)
