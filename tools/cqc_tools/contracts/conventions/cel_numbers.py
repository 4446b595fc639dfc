"""Numbers of enum values in CEL expressions carry the names of the values in a comment.

CEL in every language knows only the numbers, and a number alone tells a reader nothing.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from cqc_tools.contracts.conventions.sources import Finding, Place, Sources

PATH = r"[a-zA-Z_]\w*(?:\[\d+\])?(?:\.[a-zA-Z_]\w*(?:\[\d+\])?(?!\s*\())*"
NUMBER = r"-?\d+\b(?![.\w])"
# `path == 1`, `path in [1, 2]`, `1 == path`, `1 in path`.
AFTER = re.compile(rf"({PATH})\s*(?:(?:==|!=|<=|>=|<|>)\s*({NUMBER})|in\s*\[([^\]]*)\])")
BEFORE = re.compile(rf"(?<![\w.])({NUMBER})\s*(?:==|!=|<=|>=|<|>|in\b)\s*({PATH})")
# `int(path)`.
NUMBER_OF = re.compile(rf"\bint\(\s*({PATH})\s*\)")
# `path.all(name, ...)` makes `name` an element of the path.
MACRO = re.compile(rf"({PATH})\.(?:all|exists|exists_one|filter|map)\(\s*(\w+)\s*,")
NAMED = re.compile(r"(-?\d+) = ([A-Z][A-Z0-9_]*)")
STRING = re.compile(r"'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"")

# What a name in an expression stands for: a message, an enum, or a field.
Meaning = Descriptor | EnumDescriptor | FieldDescriptor | None


def unnamed_numbers(sources: Sources) -> Iterator[Finding]:
    """Rules whose numbers of enum values have no comment, a wrong one, or one that is no longer right."""
    for message in sources.messages:
        if rules := sources.rules(message):
            for rule in rules.cel:
                yield from _of_rule(sources, sources.place(message), rule, message)
        for field in message.fields:
            if (rules := sources.rules(field)) and not message.GetOptions().map_entry:
                own = [*rules.cel, *rules.repeated.items.cel] if field.is_repeated else rules.cel
                for rule in own:
                    yield from _of_rule(sources, sources.place(field), rule, field)


def compared(expression: str, this: Meaning) -> set[tuple[EnumDescriptor, int]]:
    """Enums and the numbers that an expression compares with fields of theirs."""
    text = NUMBER_OF.sub(r"\1", STRING.sub("''", expression))
    meanings: dict[str, Meaning] = {"this": this}
    for match in MACRO.finditer(text):
        meanings[match[2]] = _resolve(match[1], meanings)
    pairs = [(match[1], match[2] or match[3]) for match in AFTER.finditer(text)]
    pairs += [(match[2], match[1]) for match in BEFORE.finditer(text)]
    return {
        (enum, int(number))
        for path, numbers in pairs
        if (enum := _enum(_resolve(path, meanings)))
        for number in re.findall(NUMBER, numbers)
    }


def _resolve(path: str, meanings: Mapping[str, Meaning]) -> Meaning:
    first, *names = re.sub(r"\[\d+\]", "", path).split(".")
    meaning = meanings.get(first)
    for name in names:
        inner = meaning.message_type if isinstance(meaning, FieldDescriptor) else meaning
        meaning = inner.fields_by_name.get(name) if isinstance(inner, Descriptor) else None
    return meaning


def _enum(meaning: Meaning) -> EnumDescriptor | None:
    found = meaning.enum_type if isinstance(meaning, FieldDescriptor) else meaning
    return found if isinstance(found, EnumDescriptor) else None


def _of_rule(sources: Sources, within: Place, rule: Any, this: Meaning) -> Iterator[Finding]:
    line, named = _comment(sources.texts[within.file].splitlines(), within, rule.id)
    names = set()
    unnamed, needed = [], []
    for enum, number in sorted(compared(rule.expression, this), key=lambda pair: (pair[1], pair[0].full_name)):
        # Several, if the value has an alias.
        known = {(number, value.name) for value in enum.values if value.number == number}
        names |= known
        if not known:
            problem = f"{rule.id} compares {enum.name} with {number}, a value that it does not have"
            yield Finding(within.file, line, problem, f"use a value of {enum.name}")
        # Zero is the unspecified value of every enum, so it needs no name.
        elif number:
            needed.append(f"{number} = {enum.values_by_number[number].name}")
            unnamed += [] if known & named else [str(number)]
    wrong = [f"{number} = {name}" for number, name in sorted(named - names)]
    if unnamed or wrong:
        told = [f"does not name {', '.join(unnamed)}"] if unnamed else []
        told += [f"names {', '.join(wrong)}, which it does not use"] if wrong else []
        fix = f"write the comment `// {', '.join(needed)}` above the rule" if needed else "remove that from the comment"
        yield Finding(within.file, line, f"{rule.id} {' and '.join(told)}", fix)


def _comment(lines: list[str], within: Place, rule: str) -> tuple[int, set[tuple[int, str]]]:
    """The line of a rule, and the numbers with names in the comment above it."""
    at = next(
        (index for index in range(within.first - 1, within.last) if f'"{rule}"' in lines[index]),
        within.first - 1,
    )
    start = at
    while start > within.first - 1 and not re.search(r"\bcel\b", lines[start]):
        start -= 1
    above = start
    while above > 0 and lines[above - 1].strip().startswith("//"):
        above -= 1
    # A list that is too long for one line goes on in the next.
    comment = " ".join(line.strip().lstrip("/ ") for line in lines[above : at + 1] if line.strip().startswith("//"))
    named = {(int(number), name) for number, name in NAMED.findall(comment)}
    return start + 1, named
