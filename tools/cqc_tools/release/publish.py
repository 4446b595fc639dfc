"""Write a release to its registries and read it back: one version, the same bytes, on all three."""

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import tenacity

from cqc_tools.foundation import configuration, console, process, workspace
from cqc_tools.foundation.errors import NoAnswer, Refused, StageFailed, UserError
from cqc_tools.foundation.version import Version
from cqc_tools.packages import Registry, Source, build, targets
from cqc_tools.packages.build import Build
from cqc_tools.release import journal, report
from cqc_tools.release.journal import Record, State

# How often one run writes a file that the registry was seen not to have taken.
ATTEMPTS = 3
WAYS_OUT = (
    "A published file can never be replaced, so there are two ways out:\n"
    "  publish the bytes that are there: build the commit they were built from, and run make publish again, or\n"
    "  release a new version on all registries: tag the next one, and run make publish VERSION=<next>"
)


@dataclass(frozen=True)
class Difference:
    """A file whose bytes in a registry are not the ones that were built; None where one side has no such file."""

    file: str
    built: str | None
    served: str | None


@dataclass(frozen=True)
class Outcome:
    """One registry after publishing: the digest of each file that it serves, and which of them this run wrote."""

    ecosystem: str
    package: str
    version: str
    address: str
    served: Mapping[str, str]
    written: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The result for a program."""
        return {
            "ecosystem": self.ecosystem,
            "package": self.package,
            "version": self.version,
            "registry": self.address,
            "files": [
                {"file": name, "digest": digest, "written": name in self.written}
                for name, digest in self.served.items()
            ],
        }


def publish_release(version: Version, target: str) -> list[Outcome]:
    """Publish a release to a target of release.toml, from dist/<version>/, which is built from the tag first when it is
    not there.

    Raises UserError for what the user has to put right before anything is written, else see `publish`.
    """
    settings = configuration.load()
    settings.target(target)
    commit = tag_commit(version)
    folder = workspace.DIST / version.npm
    built = build.load(folder) if folder.exists() else build.build_checkout(version.npm)
    if built.commit != commit:
        raise UserError(
            f"{folder} was built from {built.commit[:12]}, but {version.tag} is {commit[:12]}: "
            f"remove it and publish again: rm -r {folder}"
        )
    go_tag = f"{settings.package('go').folder}/{version.tag}"
    if tag_commit(version, go_tag, absent=commit) != commit:
        raise UserError(f"{go_tag} is on another commit than {version.tag}: remove it with git tag --delete {go_tag}")
    source = Source(workspace.ROOT, commit, version, settings)
    with targets.opened(target, settings) as registries:
        outcomes = publish(built, source, list(registries.values()), journal.load(folder, target))
        held = zip(registries.values(), outcomes, strict=True)
        report.write(built, target, [report.holding(registry, built, item.served) for registry, item in held])
    return outcomes


def show(outcomes: Sequence[Outcome]) -> None:
    """Print the result for a person."""
    console.table(
        ("registry", "package", "version", "file", "digest", "this run"),
        [
            (item.ecosystem, item.package, item.version, name, digest, "wrote it" if name in item.written else "")
            for item in outcomes
            for name, digest in item.served.items()
        ],
    )
    written = sum(len(item.written) for item in outcomes)
    console.output.print(
        f"{written} files and tags were written, the release is complete"
        if written
        else "nothing to do: the release is complete, with the bytes that were built"
    )


def tag_commit(version: Version, tag: str = "", absent: str = "") -> str:
    """The commit of a release's tag, or of another `tag`; `absent` where there is none.

    Raises UserError when there is none and no `absent`.
    """
    tag = tag or version.tag
    git = ["git", "-C", str(workspace.ROOT)]
    if tag not in process.run([*git, "tag", "--list", tag], what="git tag").split():
        if absent:
            return absent
        raise UserError(
            f"there is no tag {tag}: fetch it with git fetch --tags, or make the release with git tag {tag}"
        )
    return process.run([*git, "rev-parse", f"refs/tags/{tag}^{{commit}}"], what="git rev-parse").strip()


def publish(built: Build, source: Source, registries: Sequence[Registry], kept: Record) -> list[Outcome]:
    """Publish to the registries in the order given, least reversible last. All are read before the first is written,
    and only what is absent is written.

    Raises UserError for a development version, StageFailed when a registry holds other bytes under the version, does
    not let us write, or cannot be read: before the first write where it can be known by then.
    """
    if not built.version.is_release:
        raise UserError(f"{built.version.npm} is a development version and cannot be published: tag a release first")
    parts = [_Part(registry, built, source, kept) for registry in registries]
    with console.step(f"read {len(parts)} registries"):
        together(part.look for part in parts)
    for part in parts:
        part.write_missing()
    return [part.outcome() for part in parts]


def together(tasks: Iterable[Callable[[], None]]) -> None:
    """Run independent tasks at the same time; raise one StageFailed with every failure."""
    failures = []
    with ThreadPoolExecutor() as pool:
        try:
            for future in [pool.submit(task) for task in tasks]:
                try:
                    future.result()
                except StageFailed as failure:
                    failures.append(failure)
        except KeyboardInterrupt:
            # The pool waits for its threads, and they for their programs or the next look.
            _interrupted.set()
            pool.shutdown(wait=False, cancel_futures=True)
            process.stop_all()
            raise
    if failures:
        raise StageFailed("\n\n".join(map(str, failures)))


_interrupted = threading.Event()
# Half a second, doubling, no longer than 30 s.
_usual_wait = tenacity.wait_exponential(multiplier=0.5, max=30)


def patiently(
    registry: Registry,
    read: Callable[[], dict[str, str]],
    enough: Callable[[Mapping[str, str]], bool] = lambda _: True,
) -> dict[str, str]:
    """Read until there is an answer and it is `enough`, or the registry had its time to settle; then the last answer
    counts, whatever it is.

    Raises NoAnswer when the last one was none.
    """
    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(NoAnswer) | tenacity.retry_if_result(lambda answer: not enough(answer)),
        stop=tenacity.stop_before_delay(registry.patience.settle_seconds) | tenacity.stop_when_event_set(_interrupted),
        wait=_wait_as_asked,
        sleep=tenacity.sleep_using_event(_interrupted),
        retry_error_callback=lambda state: state.outcome.result() if state.outcome else {},
    )
    return retrying(read)


def _wait_as_asked(state: tenacity.RetryCallState) -> float:
    """As long as the registry asked for, else longer each time."""
    failure = state.outcome.exception() if state.outcome else None
    asked = failure.retry_after if isinstance(failure, NoAnswer) else None
    return asked or _usual_wait(state)


class _Part:
    """A release in one registry: what belongs there, and what is there."""

    def __init__(self, registry: Registry, built: Build, source: Source, kept: Record) -> None:
        self.registry = registry
        self.built = built
        self.source = source
        self.kept = kept
        self.expected = registry.expected(built.artifacts, built.version, built.commit)
        self.served: dict[str, str] = {}
        self.written: tuple[str, ...] = ()

    def look(self) -> None:
        """Learn what the registry has; a write that may still be on its way is waited for.

        Raises StageFailed for other bytes under our version, and when it cannot be learnt.
        """
        underway = self.kept.attempted(self.registry.ecosystem) & self.expected.keys()
        self._read_until(lambda served: underway <= served.keys())

    def write_missing(self) -> None:
        """Write what is absent, each group after its intent is recorded, and read it back."""
        missing = [name for name in self.expected if name not in self.served]
        title = f"publish {self.registry.package} {self.built.version.npm} to {self.registry.ecosystem}"
        if not missing:
            console.progress.print(f"[green]ok[/green]  {title} [dim](is there already)[/dim]")
            return
        with console.step(title):
            for names in self.registry.writes(missing):
                self._write(names)
            if missing := sorted(self.expected.keys() - self.served.keys()):
                raise StageFailed(f"{self._where()} does not show {', '.join(missing)}: run the same command again")

    def _write(self, names: Sequence[str]) -> None:
        ecosystem = self.registry.ecosystem
        for attempt in range(1, ATTEMPTS + 1):
            self.kept.note(ecosystem, dict.fromkeys(names, State.ATTEMPTED))
            failure: NoAnswer | Refused | None = None
            try:
                self.registry.write(names, self.built.artifacts, self.source)
            except (NoAnswer, Refused) as error:
                failure = error
            # Whatever the answer was, what the registry serves decides; after a clear no one look is enough.
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
                raise StageFailed(
                    f"{self._where()} did not take {', '.join(names)}:\n{failure}\n"
                    "Nothing else was written; when that is put right, run the same command again"
                )
            if not failure:
                # It said yes and does not show it: another write could not make that better.
                raise StageFailed(
                    f"{self._where()} took {', '.join(names)} and does not show it after "
                    f"{self.registry.patience.settle_seconds:.0f} s: run the same command again later"
                )

    def _read_until(self, enough: Callable[[Mapping[str, str]], bool], wait: float | None = None) -> None:
        """Read until it is `enough`, or the registry had its time to settle; a registry that gave no answer by then
        leaves it unknown. `wait` is how long the registry asked to be left alone."""
        if wait:
            _interrupted.wait(wait)
        try:
            self.served = patiently(self.registry, lambda: self.registry.read(self.built.version), enough)
        except (NoAnswer, Refused) as error:
            self._note_unknown()
            raise StageFailed(
                f"{self._where()} cannot be read, so it is not known what it holds, and nothing more is written:\n"
                f"{error}\nWhen it answers again, run the same command again"
            ) from error
        self._note()
        refuse_differences(self.registry, compare(self.expected, self.served), self.built.version)

    def _note(self) -> None:
        differing = {item.file for item in compare(self.expected, self.served)}
        states = {
            name: (State.CONFLICT if name in differing else State.VERIFIED) if name in self.served else State.ABSENT
            for name in self.expected
        }
        self.kept.note(self.registry.ecosystem, states)

    def _note_unknown(self) -> None:
        # A write that may be on its way stays on record as that.
        underway = self.kept.attempted(self.registry.ecosystem)
        unknown = {name: State.UNKNOWN for name in self.expected if name not in underway}
        self.kept.note(self.registry.ecosystem, unknown)

    def _where(self) -> str:
        return f"{self.registry.ecosystem} at {self.registry.address}"

    def outcome(self) -> Outcome:
        """What the registry serves now."""
        registry = self.registry
        return Outcome(
            registry.ecosystem,
            registry.package,
            registry.spell(self.built.version),
            registry.address,
            {name: self.served[name] for name in self.expected},
            self.written,
        )


def compare(expected: Mapping[str, str], served: Mapping[str, str]) -> list[Difference]:
    """The files that a registry serves with other bytes than expected, or that were never built; what it lacks is no
    difference, it can still be published."""
    return [
        Difference(name, expected.get(name), digest)
        for name, digest in sorted(served.items())
        if expected.get(name) != digest
    ]


def refuse_differences(registry: Registry, differences: Sequence[Difference], version: Version) -> None:
    """Raise StageFailed that names each differing file with both digests and the ways out."""
    if not differences:
        return
    lines = [f"  {item.file}: built {item.built or 'no such file'}, served {item.served}" for item in differences]
    what = f"{registry.package} {registry.spell(version)}"
    raise StageFailed(
        "\n".join(
            [f"conflict: {registry.ecosystem} at {registry.address} holds other bytes as {what}:", *lines, WAYS_OUT]
        )
    )
