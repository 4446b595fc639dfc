"""CHANGELOG.md: people write it, the tool adds the contract changes, and the release notes are taken from it."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise

from markdown_it import MarkdownIt

from cqc_tools.foundation import files, git, workspace
from cqc_tools.foundation.errors import UserError
from cqc_tools.foundation.version import Version, parse_release, released
from cqc_tools.release.candidate import Candidate

FILE = workspace.ROOT / "CHANGELOG.md"
UNRELEASED = "Unreleased"
YANKED = "[YANKED]"
REASON = "Yanked: "
# What is between these two lines is rewritten every time; everything else stays as people wrote it.
BEGIN = "<!-- Contract changes, written by `make changelog`: edit above or below, not here. -->"
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


def update(candidate: Candidate, repository: str) -> Section:
    """Write the section of a release into CHANGELOG.md, or update the contract changes in it.

    What people wrote under Unreleased moves into a new section. A pre-release uses the section of its final version.
    """
    text = FILE.read_text() if FILE.exists() else HEADER
    written = with_release(text, candidate, repository, datetime.now(UTC).date().isoformat())
    files.write_text(FILE, written)
    return section(written, candidate.version)


def notes(release: Version) -> str:
    """The text of a release's section: from its tag, or from the working tree if there is no tag yet.

    Raises UserError if there is no such section.
    """
    text = _at(release)
    try:
        found = section(text, release)
    except LookupError:
        raise UserError(
            f"CHANGELOG.md has no section for {release.final.npm}", f"make changelog VERSION={release.npm}"
        ) from None
    body = text.splitlines()[found.start + 1 : found.end]
    kept = [line for line in body if line not in (BEGIN, END)]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(kept)).strip() + "\n"


def with_release(text: str, candidate: Candidate, repository: str, date: str) -> str:
    """The changelog with a section for the release, which holds its contract changes."""
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


def with_yanked(text: str, release: Version, reason: str) -> str:
    """The changelog with a release marked as withdrawn, and the reason below its heading. A reason that is there is
    kept, as it is in go.mod. Raises LookupError if there is no section for that release."""
    found = section(text, release)
    if found.name != release.npm:
        raise LookupError(release.npm)
    lines = text.splitlines()
    if YANKED not in lines[found.start]:
        lines[found.start] += f" {YANKED}"
    body = lines[found.start + 1 : found.end]
    if not any(line.startswith(REASON) for line in body):
        lines[found.start + 1 : found.start + 1] = [
            "",
            f"{REASON}{reason}",
            *([""] if body and body[0].strip() else []),
        ]
    return "\n".join(lines) + "\n"


def section(text: str, release: Version) -> Section:
    """The section of a release, or for a pre-release that of its final version. Raises LookupError if there is none."""
    for found in _sections(text):
        if found.name == release.final.npm:
            return found
    raise LookupError(release.npm)


def pending(past: Sequence[Version]) -> list[Version]:
    """The releases that have a section, and no tag yet."""
    found = []
    for item in _sections(FILE.read_text() if FILE.exists() else ""):
        try:
            found.append(parse_release(item.name))
        except UserError:
            continue
    return [item for item in found if item not in past]


def has_entry(release: Version) -> bool:
    """Whether the changelog has an entry for a release."""
    try:
        return bool(notes(release).strip())
    except UserError:
        return False


def _at(release: Version) -> str:
    if release in released():
        return (git.Repository().content(release.tag, FILE.name) or b"").decode(errors="replace")
    return FILE.read_text() if FILE.exists() else ""


def _sections(text: str) -> Iterator[Section]:
    """The sections under second-level headings; the links at the end of the page belong to none."""
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
    """The page with the link target of the heading: everything that changed since the previous release."""
    release = candidate.version.final
    page = f"compare/{candidate.last.tag}...{release.tag}" if candidate.last else f"releases/tag/{release.tag}"
    link = f"[{release.npm}]: {repository}/{page}"
    kept = [line for line in lines if not line.startswith(f"[{release.npm}]: ")]
    first = next((index for index, line in enumerate(kept) if re.match(r"\[\d[^]]*\]: ", line)), None)
    if first is None:
        return [*_trimmed(kept), "", link]
    return [*kept[:first], link, *kept[first:]]


def _trimmed(lines: list[str]) -> list[str]:
    """The lines without trailing empty ones."""
    kept = list(lines)
    while kept and not kept[-1].strip():
        kept.pop()
    return kept
