"""Write a release to its registries and read it back: one version, the same bytes, everywhere."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cqc_tools.foundation import console, git, process, version, workspace
from cqc_tools.foundation.configuration import Configuration
from cqc_tools.foundation.errors import Conflict, NoAnswer, Refused, StageFailed, ToolError, UserError
from cqc_tools.foundation.version import Version
from cqc_tools.packages import Registry, Source, build, manifest, reading
from cqc_tools.packages.manifest import Build
from cqc_tools.release.journal import Journal, State

# How often one run writes a file that the registry demonstrably did not accept.
ATTEMPTS = 3


@dataclass(frozen=True)
class Outcome:
    """One registry after publishing: the digest of each file that it serves, and which of them this run wrote."""

    key: str
    label: str
    package: str
    version: str
    address: str
    served: Mapping[str, str]
    written: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The outcome for a program."""
        return {
            "ecosystem": self.key,
            "package": self.package,
            "version": self.version,
            "registry": self.address,
            "files": [
                {"file": name, "digest": digest, "written": name in self.written}
                for name, digest in self.served.items()
            ],
        }


@dataclass(frozen=True)
class Published:
    """A complete release; `seconds` says how long each step took."""

    outcomes: tuple[Outcome, ...]
    seconds: Mapping[str, float]

    def to_json(self) -> list[dict[str, Any]]:
        """The result for a program."""
        return [outcome.to_json() for outcome in self.outcomes]

    def show(self) -> None:
        """Print the result for a person."""
        console.table(
            ("registry", "package", "version", "file", "digest", "this run"),
            [
                (item.label, item.package, item.version, name, digest, "wrote it" if name in item.written else "")
                for item in self.outcomes
                for name, digest in item.served.items()
            ],
        )
        written = sum(len(item.written) for item in self.outcomes)
        console.output.print(
            f"{written} files and tags were written, the release is complete"
            if written
            else "nothing to do: the release is complete, with the bytes that were built"
        )


def require_tags(chosen: Version, settings: Configuration) -> str:
    """The commit of a release. Raises UserError if its tag is missing here, or if its tags disagree."""
    repository = git.Repository()
    commit = repository.tag_commit(chosen.tag)
    if commit is None:
        raise UserError(
            f"there is no tag {chosen.tag} here",
            f"fetch it with git fetch --tags, or create the release with git tag {chosen.tag}",
        )
    for tag in version.release_tags(chosen, settings)[1:]:
        if repository.tag_commit(tag) not in (None, commit):
            raise UserError(f"{tag} is on another commit than {chosen.tag}", f"git tag --delete {tag}")
    return commit


def prepare(chosen: Version, settings: Configuration) -> tuple[Build, Source]:
    """The build of a release in dist/<version>/, made from the tag unless it is already there, and its source.

    Raises UserError for whatever the user has to correct before anything can be written.
    """
    commit = require_tags(chosen, settings)
    folder = workspace.DIST / chosen.npm
    built = manifest.load(folder) if folder.exists() else build.build_checkout(chosen.npm)
    if built.commit != commit:
        raise UserError(
            f"{folder} was built from {built.commit[:12]}, but {chosen.tag} is {commit[:12]}",
            f"remove it and publish again: rm -r {folder}",
        )
    return built, Source(workspace.ROOT, commit, chosen, settings)


def publish(built: Build, source: Source, registries: Sequence[Registry], journal: Journal) -> Published:
    """Publish to registries in the order given, the hardest to undo last. All are read before the first is written, and
    only what is absent is written.

    Raises UserError for a development version, Conflict if a registry holds other bytes under the version, and another
    StageFailed if a registry rejects a write or cannot be read; before the first write wherever that is known by then.
    """
    if not built.version.is_release:
        raise UserError(
            f"{built.version.npm} is a development version and cannot be published",
            "tag a release first: make plan shows the next version",
        )
    seconds: dict[str, float] = {}
    parts = [_Part(registry, built, source, journal) for registry in registries]
    with console.step(f"read {len(parts)} registries", seconds):
        reading.together([part.look for part in parts])
    try:
        if waiting := [part for part in parts if part.missing]:
            with console.step("check the credentials", seconds):
                reading.together([part.authorise for part in waiting])
        for part in parts:
            part.write_missing(seconds)
    except ToolError as failure:
        raise failure.after(_progress(parts)) from None
    return Published(tuple(part.outcome() for part in parts), seconds)


def _progress(parts: Sequence["_Part"]) -> str:
    """What a run wrote before it failed, in a sentence."""
    written = [f"{name} to {reading.where(part.registry)}" for part in parts for name in part.written]
    open_writes = [
        f"{name} arrived at {reading.where(part.registry)}" for part in parts for name in sorted(part.in_progress)
    ]
    known = f"This run wrote {', '.join(written)}." if written else "This run wrote nothing that is known."
    if not open_writes:
        return known if written else "This run wrote nothing."
    return f"{known} Whether {', '.join(open_writes)} is not known."


def refuse_differences(registry: Registry, built: Build, served: Mapping[str, str]) -> None:
    """Raise Conflict if a registry serves other bytes than those that were built."""
    expected = registry.expected(built.artifacts, built.version, built.commit)
    if differences := reading.differences(registry, expected, served):
        what = f"{registry.package} {registry.spell(built.version)}"
        raise Conflict(f"{reading.where(registry)} holds other bytes as {what}", differences)


class _Part:
    """A release in one registry: what belongs there, and what is there."""

    def __init__(self, registry: Registry, built: Build, source: Source, journal: Journal) -> None:
        self.registry = registry
        self.built = built
        self.source = source
        self.journal = journal
        self.expected = registry.expected(built.artifacts, built.version, built.commit)
        self.served: dict[str, str] = {}
        self.written: tuple[str, ...] = ()

    @property
    def in_progress(self) -> set[str]:
        """What was sent without the registry having shown what came of it."""
        return self.journal.attempted(self.registry.key) & self.expected.keys()

    def look(self) -> None:
        """Read the registry, waiting for a write that may still be in progress.

        Raises Conflict for other bytes under our version, and StageFailed if the registry cannot be read.
        """
        in_progress = self.in_progress
        self._read_until(lambda served: in_progress <= served.keys())

    @property
    def missing(self) -> list[str]:
        """What is absent."""
        return [name for name in self.expected if name not in self.served]

    def authorise(self) -> None:
        """Raise Refused or NoAnswer, naming the registry, if this run may not write there."""
        try:
            self.registry.authorise(self.source)
        except (NoAnswer, Refused) as failure:
            problem = f"{reading.where(self.registry)}: {failure.problem}"
            raise type(failure)(problem, failure.fix or "run the same command again", failure.details) from failure

    def write_missing(self, seconds: dict[str, float]) -> None:
        """Write what is absent, each group after its intent is recorded, and read it back."""
        missing = self.missing
        title = f"publish {self.registry.package} {self.built.version.npm} to {self.registry.label}"
        if not missing:
            console.ok(title, "already there")
            return
        with console.step(title, seconds):
            for names in self.registry.writes(missing):
                # Another machine may have written the rest of the same release by now.
                if not set(names) <= self.served.keys():
                    self._write(names)
            if missing := sorted(self.expected.keys() - self.served.keys()):
                raise StageFailed(
                    f"{reading.where(self.registry)} does not show {', '.join(missing)}", "run the same command again"
                )

    def _write(self, names: Sequence[str]) -> None:
        for attempt in range(1, ATTEMPTS + 1):
            self.journal.note(self.registry.key, dict.fromkeys(names, State.ATTEMPTED))
            failure: NoAnswer | Refused | None = None
            try:
                self.registry.write(names, self.built.artifacts, self.source)
            except (NoAnswer, Refused) as error:
                failure = error
            # Whatever the answer was, what the registry serves decides; after a clear rejection one look is enough.
            wait = failure.retry_after if isinstance(failure, NoAnswer) else None
            final = isinstance(failure, Refused) or (wait or 0) > self.registry.patience.settle_seconds
            if final:
                self._read_until(lambda _: True)
            else:
                self._read_until(lambda served: set(names) <= served.keys(), wait)
            if set(names) <= self.served.keys():
                self.written += tuple(names)
                return
            if failure and (final or attempt == ATTEMPTS):
                raise type(failure)(
                    f"{reading.where(self.registry)} did not accept {', '.join(names)}: {failure.problem}",
                    f"{failure.fix or 'wait until it works again'}, then run the same command again",
                    failure.details,
                ) from failure
            if not failure:
                # It accepted the write and does not show it: another write cannot help.
                raise StageFailed(
                    f"{reading.where(self.registry)} accepted {', '.join(names)}, but does not show it after "
                    f"{self.registry.patience.settle_seconds:.0f} s",
                    "run the same command again later",
                )

    def _read_until(self, enough: Callable[[Mapping[str, str]], bool], wait: float | None = None) -> None:
        """Read until the answer is `enough`, or the registry had its time to settle. `wait` is how long the registry
        asked to be left alone first."""
        if wait:
            process.interrupted.wait(wait)
        try:
            self.served = reading.patiently(self.registry, lambda: self.registry.read(self.built.version), enough)
        except (NoAnswer, Refused) as failure:
            self._note_unknown()
            raise type(failure)(
                f"{reading.where(self.registry)} cannot be read, so nothing more is written: {failure.problem}",
                failure.fix or "run the same command again when it answers",
                failure.details,
            ) from failure
        self._note()
        refuse_differences(self.registry, self.built, self.served)

    def _note(self) -> None:
        differing = {item.file for item in reading.differences(self.registry, self.expected, self.served)}
        states = {
            name: (State.CONFLICT if name in differing else State.VERIFIED) if name in self.served else State.ABSENT
            for name in self.expected
        }
        self.journal.note(self.registry.key, states)

    def _note_unknown(self) -> None:
        # A write that may be in progress keeps that state.
        in_progress = self.journal.attempted(self.registry.key)
        unknown = {name: State.UNKNOWN for name in self.expected if name not in in_progress}
        self.journal.note(self.registry.key, unknown)

    def outcome(self) -> Outcome:
        """What the registry serves now."""
        registry = self.registry
        return Outcome(
            registry.key,
            registry.label,
            registry.package,
            registry.spell(self.built.version),
            registry.address,
            {name: self.served[name] for name in self.expected},
            self.written,
        )
