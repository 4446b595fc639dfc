"""CHANGELOG.md: people write it, the contract changes are put beside that, and the release notes come from it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise

from markdown_it import MarkdownIt

from cqc_tools.foundation import configuration, process, workspace
from cqc_tools.foundation.errors import StageFailed, UserError
from cqc_tools.foundation.version import Version, released
from cqc_tools.release.candidate import Candidate

FILE = workspace.ROOT / "CHANGELOG.md"
UNRELEASED = "Unreleased"
YANKED = "[YANKED]"
# What stands between the two is written anew each time; everything else is kept as people wrote it.
BEGIN = "<!-- What changed in the contracts, by `make changelog`: write above or below, not here. -->"
END = "<!-- End of what `make changelog` wrote. -->"
HEADER = """# Changelog

What users of the packages notice, in the form of [Keep a Changelog](https://keepachangelog.com/en/1.1.0/). The versions
follow [Semantic Versioning](https://semver.org/spec/v2.0.0.html): below 1.0 a minor version may break.

## [Unreleased]
"""


@dataclass(frozen=True)
class Section:
    """A version's part of the changelog: lines `start` (its heading) up to, without, `end`."""

    name: str
    start: int
    end: int


def update(candidate: Candidate) -> Section:
    """Write the section of a release into CHANGELOG.md, or bring the contract changes in it up to date.

    What people wrote under Unreleased moves into a new section. A pre-release has the section of its final version.
    """
    text = FILE.read_text() if FILE.exists() else HEADER
    written = with_release(text, candidate, configuration.load().repository, datetime.now(UTC).date().isoformat())
    part = FILE.with_suffix(".part")
    part.write_text(written)
    part.replace(FILE)
    return section(written, candidate.version)


def notes(release: Version) -> str:
    """The text of a release's section, as its tag has it, or the working tree's where there is no tag yet.

    Raises UserError when there is no such section.
    """
    text = _at(release)
    try:
        found = section(text, release)
    except LookupError:
        raise UserError(
            f"CHANGELOG.md has no section for {release.final.npm}: write it with make changelog VERSION={release.npm}"
        ) from None
    body = text.splitlines()[found.start + 1 : found.end]
    kept = [line for line in body if line not in (BEGIN, END)]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(kept)).strip() + "\n"


def with_release(text: str, candidate: Candidate, repository: str, date: str) -> str:
    """The changelog with a section of the release that holds its contract changes."""
    release = candidate.version.final
    block = [BEGIN, "", "### Contracts", "", *candidate.to_markdown(4).rstrip().splitlines(), "", END]
    lines = text.splitlines()
    try:
        found = section(text, release)
    except LookupError:
        lines = _with_new_section(text, f"## [{release.npm}] - {date}", block)
    else:
        body = lines[found.start : found.end]
        if BEGIN in body and END in body:
            body[body.index(BEGIN) : body.index(END) + 1] = block
        else:
            body = [*_trimmed(body), "", *block, ""]
        lines[found.start : found.end] = body
    return "\n".join(_with_links(lines, candidate, repository)) + "\n"


def with_yanked(text: str, release: Version) -> str:
    """The changelog with a release marked as withdrawn.

    Raises LookupError when it has no section for the release itself.
    """
    found = section(text, release)
    if found.name != release.npm:
        raise LookupError(release.npm)
    lines = text.splitlines()
    if YANKED not in lines[found.start]:
        lines[found.start] += f" {YANKED}"
    return "\n".join(lines) + "\n"


def section(text: str, release: Version) -> Section:
    """The section of a release, which for a pre-release is that of its final version.

    Raises LookupError when there is none.
    """
    for found in _sections(text):
        if found.name == release.final.npm:
            return found
    raise LookupError(release.npm)


def has_entry(release: Version) -> bool:
    """Whether the changelog says anything about a release."""
    try:
        return bool(notes(release).strip())
    except UserError:
        return False


def _at(release: Version) -> str:
    if release in released():
        try:
            return process.run(["git", "-C", workspace.ROOT, "show", f"{release.tag}:{FILE.name}"])
        except StageFailed:
            return ""
    return FILE.read_text() if FILE.exists() else ""


def _sections(text: str) -> Iterator[Section]:
    """The parts under the headings of second level; the links at the end of the page belong to none."""
    environment: dict[str, dict[str, dict[str, list[int]]]] = {}
    tokens = MarkdownIt().parse(text, environment)
    headings = [
        (token.map[0], following.content)
        for token, following in pairwise(tokens)
        if token.type == "heading_open" and token.tag == "h2" and token.level == 0 and token.map
    ]
    lines = text.splitlines()
    links = sorted(link["map"][0] for link in environment.get("references", {}).values())
    last = len(lines)
    while links and not any(line.strip() for line in lines[links[-1] + 1 : last]):
        last = links.pop()
    ends = [*(start for start, _ in headings[1:]), last]
    for (start, content), end in zip(headings, ends, strict=False):
        name = re.match(r"\[?v?([^]\s]+)", content)
        yield Section(name.group(1) if name else "", start, end)


def _with_new_section(text: str, heading: str, block: list[str]) -> list[str]:
    lines = text.splitlines()
    sections = list(_sections(text))
    unreleased = next((item for item in sections if item.name.lower() == UNRELEASED.lower()), None)
    if unreleased is None:
        start = sections[0].start if sections else len(lines)
        return [*_trimmed(lines[:start]), "", heading, "", *block, "", *lines[start:]]
    hand_written = _trimmed(lines[unreleased.start + 1 : unreleased.end])
    while hand_written and not hand_written[0].strip():
        hand_written.pop(0)
    moved = [heading, "", *([*hand_written, ""] if hand_written else []), *block, ""]
    return [*lines[: unreleased.start + 1], "", *moved, *lines[unreleased.end :]]


def _with_links(lines: list[str], candidate: Candidate, repository: str) -> list[str]:
    """The page with a link that its heading points to: everything that changed since the release before."""
    release = candidate.version.final
    page = f"compare/{candidate.last.tag}...{release.tag}" if candidate.last else f"releases/tag/{release.tag}"
    link = f"[{release.npm}]: {repository}/{page}"
    kept = [line for line in lines if not line.startswith(f"[{release.npm}]: ")]
    first = next((index for index, line in enumerate(kept) if re.match(r"\[\d[^]]*\]: ", line)), None)
    if first is None:
        return [*_trimmed(kept), "", link]
    return [*kept[:first], link, *kept[first:]]


def _trimmed(lines: list[str]) -> list[str]:
    """Without empty lines at the end."""
    kept = list(lines)
    while kept and not kept[-1].strip():
        kept.pop()
    return kept
