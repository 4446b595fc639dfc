"""Comments that tools and readers rely on."""

import re
from collections.abc import Iterator

from cqc_tools.contracts.conventions.sources import Finding, Sources

# Strings come first, so that the slashes of an address in a string begin no comment.
TOKENS = re.compile(r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|//[^\n]*|/\*.*?\*/', re.DOTALL)
PRONOUN = re.compile(r"(?:It|They|This|That|These|Those|He|She|Its|Their)\b")


def pronouns(sources: Sources) -> Iterator[Finding]:
    """Comments that begin with a pronoun: generated documentation shows them without what they refer to."""
    for file, text in sources.texts.items():
        for line, comment in comments(text):
            if match := PRONOUN.match(comment):
                yield Finding(file, line, f"a comment begins with {match[0]!r}", "name the thing instead")


def comments(text: str) -> Iterator[tuple[int, str]]:
    """Each comment of a proto file with the number of its first line; lines below one another are one comment."""
    previous = -1
    for match in TOKENS.finditer(text):
        if not match[0].startswith("/"):
            continue
        line = text.count("\n", 0, match.start()) + 1
        alone = not text[text.rfind("\n", 0, match.start()) + 1 : match.start()].strip()
        if not (alone and line == previous + 1):
            yield line, match[0].lstrip("/*").strip()
        previous = line if alone and match[0].startswith("//") else -1
