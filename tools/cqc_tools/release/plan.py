"""What a release would be: its version, what changed, what each registry holds, and what would be written where."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from cqc_tools.foundation import console, version
from cqc_tools.foundation.configuration import Configuration
from cqc_tools.foundation.errors import NoAnswer, Refused
from cqc_tools.generation import module_path
from cqc_tools.packages import Holdings, Registry, targets
from cqc_tools.packages.targets import OpenTarget
from cqc_tools.release import candidate
from cqc_tools.release.candidate import Candidate

SHOWN_VERSIONS = 5


@dataclass(frozen=True)
class Prospect:
    """What one registry holds under our package's name, and what publishing would write there. `problem` says why the
    holdings are unknown; `is_foreign` whether the name belongs to a project outside our repository."""

    key: str
    label: str
    package: str
    address: str
    version: str
    holdings: Holdings
    announcement: str
    is_foreign: bool
    problem: str

    @property
    def has_version(self) -> bool:
        """Whether the registry already has the version of the release."""
        return self.version in self.holdings.versions

    @property
    def step(self) -> str:
        """What publishing will do here."""
        if self.problem:
            return f"{self.label} has to be asked again: {self.problem}"
        if self.is_foreign:
            return f"nothing can be written to {self.label}: {self.package} belongs to another project there"
        if self.has_version:
            return f"{self.label} has {self.package} {self.version}: compare its bytes, write only what is missing"
        return f"write {self.announcement} to {self.label} at {self.address}"

    def to_json(self) -> dict[str, Any]:
        """The prospect for a program."""
        return {
            "ecosystem": self.key,
            "package": self.package,
            "address": self.address,
            "version": self.version,
            # What could not be read is not known to be absent.
            "versions": None if self.problem else list(self.holdings.versions),
            "has_version": None if self.problem else self.has_version,
            "belongs_to_another_project": None if self.problem else self.is_foreign,
            "problem": self.problem or None,
        }


@dataclass(frozen=True)
class Plan:
    """A release of which nothing has been written yet. `blocked` says what has to be done before it can be made."""

    candidate: Candidate
    target: str
    repository: str
    prospects: tuple[Prospect, ...]
    blocked: str

    def to_json(self) -> dict[str, Any]:
        """The plan for a program."""
        chosen = self.candidate
        return {
            "version": {"pypi": chosen.version.pypi, "npm": chosen.version.npm, "go": chosen.version.go},
            "commit": chosen.commit,
            "is_tagged": chosen.is_tagged,
            "last": chosen.last.npm if chosen.last else None,
            "bump": chosen.changes.bump.name.lower(),
            "lowest_version": chosen.least.npm,
            "line_ended_by": chosen.end.npm if chosen.end else None,
            "blocked": self.blocked or None,
            "contracts": chosen.changes.to_json(),
            "target": self.target,
            "registries": [prospect.to_json() for prospect in self.prospects],
            "steps": [prospect.step for prospect in self.prospects],
        }

    def show(self) -> None:
        """Print the plan for a person."""
        chosen, out = self.candidate, console.output
        before = f"after {chosen.last.npm}" if chosen.last else "the first release"
        out.print(f"# {chosen.version.npm}, {before}\n", markup=False)
        out.print(chosen.to_markdown(level=2), markup=False)
        if chosen.last:
            bump = chosen.changes.bump
            needed = f"The changes need a {bump.name.lower()} version" if bump else "The contracts have not changed"
            out.print(f"{needed}: {chosen.least.npm} or higher.", markup=False)
        if chosen.is_too_low:
            out.print(f"{chosen.version.npm} is too low.", markup=False)
        if chosen.end:
            out.print(
                f"It belongs to an older line, which {chosen.end.npm} ended: it does not become the latest version.",
                markup=False,
            )
        if self.blocked:
            out.print(f"\n{self.blocked}.", markup=False)
        out.print(f"\n## What target {self.target} holds\n", markup=False)
        console.table(
            ("registry", "package", "versions", "this version"), [self._row(prospect) for prospect in self.prospects]
        )
        out.print("\n## What publishing will do, in this order\n", markup=False)
        for number, prospect in enumerate(self.prospects, 1):
            out.print(f"{number}. {prospect.step}", markup=False)

    def _row(self, prospect: Prospect) -> tuple[str, str, str, str]:
        versions = prospect.holdings.versions
        shown = ", ".join(versions[-SHOWN_VERSIONS:]) or "none"
        if len(versions) > SHOWN_VERSIONS:
            shown = f"{len(versions)} versions, the last ones {shown}"
        if prospect.is_foreign:
            shown += " (another project's)"
        if prospect.problem:
            return prospect.label, prospect.package, "unknown", "unknown"
        here = f"{prospect.version} is {'there' if prospect.has_version else 'absent'}"
        return prospect.label, prospect.package, shown, here


@contextmanager
def planned(release: str, target: str, settings: Configuration) -> Iterator[tuple[Plan, OpenTarget]]:
    """Plan a release, or the next one if none is named, with the registries of its target open; nothing is written.

    Raises UserError if the version or the target is invalid.
    """
    # What is invalid is rejected before any registry starts.
    version.require_commits()
    if release:
        version.parse_release(release)
    with ThreadPoolExecutor() as pool:
        # Git is read while the registries start and answer: most of the time goes into waiting for them.
        choosing = pool.submit(candidate.choose, release)
        with targets.opened(target, settings) as opened:
            holdings = [pool.submit(_held, registry) for registry in opened.registries]
            chosen = choosing.result()
            blocked = module_path.steps_to(chosen.version, settings)
            prospects = tuple(
                _prospect(registry, chosen, settings.repository, *held.result())
                for registry, held in zip(opened.registries, holdings, strict=True)
            )
            yield Plan(chosen, target, settings.repository, prospects, blocked), opened


def is_same_repository(address: str, repository: str) -> bool:
    """Whether an address, in any of the forms that packages use, leads into a repository."""
    plain = address.removeprefix("git+").removesuffix(".git").replace("git@", "https://").lower()
    plain = plain.replace("ssh://https://", "https://").replace("git://", "https://")
    host = repository.removeprefix("https://").partition("/")[0].lower()
    plain = plain.replace(f"https://{host}:", f"https://{host}/")
    wanted = repository.lower().removesuffix(".git").rstrip("/")
    return plain.rstrip("/") == wanted or plain.startswith((f"{wanted}/", f"{wanted}#"))


def _held(registry: Registry) -> tuple[Holdings, str]:
    """What a registry holds, or else why that is unknown."""
    try:
        return registry.holdings(), ""
    except (NoAnswer, Refused) as failure:
        return Holdings(), failure.problem


def _prospect(registry: Registry, chosen: Candidate, repository: str, holdings: Holdings, problem: str) -> Prospect:
    is_foreign = bool(holdings.versions) and not any(
        is_same_repository(source, repository) for source in holdings.sources
    )
    return Prospect(
        registry.key,
        registry.label,
        registry.package,
        registry.address,
        registry.spell(chosen.version),
        holdings,
        registry.announcement(chosen.version),
        is_foreign,
        problem,
    )
