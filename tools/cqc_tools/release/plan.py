"""What a release would be: its version, what changed, what each registry holds, and what would be written where."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from cqc_tools.foundation import configuration, console, version
from cqc_tools.foundation.errors import NoAnswer, Refused
from cqc_tools.generation import module_path
from cqc_tools.packages import Holdings, Registry, targets
from cqc_tools.packages.ecosystems.go import GitRemote
from cqc_tools.release import candidate
from cqc_tools.release.candidate import Candidate

SHOWN_VERSIONS = 5


@dataclass(frozen=True)
class Shelf:
    """What one registry holds under the name of our package; `problem` says why that is not known, `is_foreign` whether
    the name belongs to a project that is not developed in our repository."""

    ecosystem: str
    package: str
    address: str
    version: str
    holdings: Holdings
    to_write: str
    is_foreign: bool
    problem: str

    @property
    def has_version(self) -> bool:
        """Whether the registry has something under the version of the release."""
        return self.version in self.holdings.versions

    @property
    def step(self) -> str:
        """What publishing will do here."""
        if self.problem:
            return f"{self.ecosystem} has to be asked again: {self.problem}"
        if self.is_foreign:
            return f"nothing can be written to {self.ecosystem}: {self.package} belongs to another project there"
        if self.has_version:
            return f"{self.ecosystem} has {self.package} {self.version}: compare its bytes, write only what is missing"
        return f"write {self.to_write} to {self.ecosystem} at {self.address}"


@dataclass(frozen=True)
class Plan:
    """A release that nothing has been written of yet. `blocked` says what has to be done before it can be made."""

    candidate: Candidate
    target: str
    repository: str
    shelves: tuple[Shelf, ...]
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
            "blocked": self.blocked or None,
            "contracts": chosen.changes.to_json(),
            "target": self.target,
            "registries": [
                {
                    "ecosystem": shelf.ecosystem,
                    "package": shelf.package,
                    "address": shelf.address,
                    "version": shelf.version,
                    "versions": list(shelf.holdings.versions),
                    "has_version": shelf.has_version,
                    "belongs_to_another_project": shelf.is_foreign,
                    "problem": shelf.problem or None,
                }
                for shelf in self.shelves
            ],
            "steps": [shelf.step for shelf in self.shelves],
        }

    def show(self) -> None:
        """Print the plan for a person."""
        chosen, out = self.candidate, console.output
        before = chosen.last.npm if chosen.last else "nothing, it is the first release"
        out.print(f"# {chosen.version.npm}, after {before}\n", markup=False)
        out.print(chosen.to_markdown(level=2), markup=False)
        if chosen.last:
            bump = chosen.changes.bump
            asks = (
                f"The change asks for a {bump.name.lower()} version" if bump else "The contracts ask for no new version"
            )
            out.print(f"{asks}: {chosen.least.npm} or higher.", markup=False)
        if chosen.version.semver.finalize_version() < chosen.least.semver:
            out.print(f"{chosen.version.npm} is lower than that.", markup=False)
        if self.blocked:
            out.print(f"\n{self.blocked}.", markup=False)
        out.print(f"\n## What target {self.target} holds\n", markup=False)
        console.table(("registry", "package", "versions", "this version"), [self._row(shelf) for shelf in self.shelves])
        out.print("\n## What publishing will do, in this order\n", markup=False)
        for number, shelf in enumerate(self.shelves, 1):
            out.print(f"{number}. {shelf.step}", markup=False)

    def _row(self, shelf: Shelf) -> tuple[str, str, str, str]:
        versions = shelf.holdings.versions
        shown = ", ".join(versions[-SHOWN_VERSIONS:]) or "none"
        if len(versions) > SHOWN_VERSIONS:
            shown = f"{len(versions)} versions, the last ones {shown}"
        if shelf.is_foreign:
            shown += " (another project's)"
        here = f"{shelf.version} is there" if shelf.has_version else f"{shelf.version} is absent"
        return shelf.ecosystem, shelf.package, "not known" if shelf.problem else shown, here


def plan(release: str, target: str) -> Plan:
    """Plan a release, or the next one where none is named, for a target of release.toml; nothing is written.

    Raises UserError for a version or a target that is none.
    """
    with planned(release, target) as (found, _):
        return found


@contextmanager
def planned(release: str, target: str) -> Iterator[tuple[Plan, Mapping[str, Registry]]]:
    """A plan, with the registries of its target open."""
    settings = configuration.load()
    # What cannot be is refused before anything is started.
    version.require_commits()
    if release:
        version.parse_release(release)
    with ThreadPoolExecutor() as pool:
        # Git is read while the registries of the target start or answer: most of the time is spent waiting for others.
        choosing = pool.submit(candidate.choose, release)
        with targets.opened(target, settings) as registries:
            holdings = {registry.ecosystem: pool.submit(_held, registry) for registry in registries.values()}
            chosen = choosing.result()
            blocked = module_path.steps_to(chosen.version, settings)
            shelves = tuple(
                _shelf(registry, chosen, settings.repository, *holdings[registry.ecosystem].result())
                for registry in registries.values()
            )
            yield Plan(chosen, target, settings.repository, shelves, blocked), registries


def reason(failure: Exception) -> str:
    """What a failure comes from, in one line: what a program that failed said last."""
    first, *said = (line.strip() for line in str(failure).splitlines() if line.strip())
    return said[0] if said and "failed with exit code" in first else first


def is_same_repository(address: str, repository: str) -> bool:
    """Whether an address, in whatever way packages write it, leads into a repository."""
    plain = address.removeprefix("git+").removesuffix(".git").replace("git@", "https://").lower()
    plain = plain.replace("ssh://https://", "https://").replace("git://", "https://")
    host = repository.removeprefix("https://").partition("/")[0].lower()
    plain = plain.replace(f"https://{host}:", f"https://{host}/")
    wanted = repository.lower().removesuffix(".git").rstrip("/")
    return plain.rstrip("/") == wanted or plain.startswith((f"{wanted}/", f"{wanted}#"))


def _held(registry: Registry) -> tuple[Holdings, str]:
    """What a registry holds, or else why that is not known."""
    try:
        return registry.holdings(), ""
    except (NoAnswer, Refused) as failure:
        return Holdings(), reason(failure)


def _shelf(registry: Registry, chosen: Candidate, repository: str, holdings: Holdings, problem: str) -> Shelf:
    version = registry.spell(chosen.version)
    if isinstance(registry, GitRemote):
        tags = " and ".join(registry.tags(chosen.version))
        to_write = f"the tags {tags}, in one push that happens whole or not at all,"
    else:
        to_write = f"{registry.package} {version}"
    is_foreign = bool(holdings.versions) and not any(
        is_same_repository(source, repository) for source in holdings.sources
    )
    return Shelf(
        registry.ecosystem, registry.package, registry.address, version, holdings, to_write, is_foreign, problem
    )
