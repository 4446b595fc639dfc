"""Conventions that the compiler cannot check: each finding names the file, the line, and how to fix it.

Every project: comments, numbers in CEL expressions, and the options of `<root>.options.v1` where a project has them.
CQC's own contracts (`cqc_code = true`) also: reachability, the venues' own words, and retries.
"""

from collections.abc import Callable, Iterator
from itertools import chain

from cqc_tools.contracts.conventions import cel_numbers, options, prose, services, venue_words
from cqc_tools.contracts.conventions.sources import Finding, Sources
from cqc_tools.contracts.descriptors import Contracts

Convention = Callable[[Sources], Iterator[Finding]]
EVERYWHERE: tuple[Convention, ...] = (
    cel_numbers.unnamed_numbers,
    prose.pronouns,
    options.next_states,
    options.topics,
    options.scopes,
    options.error_codes,
)
ONLY_CQC: tuple[Convention, ...] = (
    services.unreachable,
    services.retries,
    venue_words.missing_words,
)


def findings(contracts: Contracts) -> list[Finding]:
    """Everything in the contracts that breaks a convention, by file and line."""
    sources = Sources(contracts)
    chosen = EVERYWHERE + (ONLY_CQC if contracts.settings.cqc_code else ())
    found = chain.from_iterable(convention(sources) for convention in chosen)
    return sorted(set(found), key=lambda finding: (finding.file, finding.line, finding.problem))
