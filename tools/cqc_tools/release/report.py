"""The page that people look at: what of a release is on which registry, with digests, contract changes and timings."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from markdown_it import MarkdownIt
from markupsafe import Markup

from cqc_tools.foundation import files
from cqc_tools.foundation.configuration import Configuration
from cqc_tools.foundation.errors import NoAnswer, Refused, UserError
from cqc_tools.packages import Registry, manifest, reading
from cqc_tools.packages.manifest import Build
from cqc_tools.packages.targets import OpenTarget
from cqc_tools.release import candidate

FILE = "report.html"
# How long the steps of a release took, kept beside its build from one command to the next.
TIMINGS = "timings.json"
# The name of a rehearsal's target, whose registries no longer exist when the report is read.
REHEARSAL = "rehearsal"


@dataclass(frozen=True)
class HeldFile:
    """A file or tag of a release in a registry; a digest is None if the file was not built or is not served."""

    name: str
    built: str | None
    served: str | None


@dataclass(frozen=True)
class Holding:
    """What one registry holds of a release. `unread` says why it could not be read, if so."""

    label: str
    package: str
    version: str
    address: str
    files: tuple[HeldFile, ...]
    unread: str = ""

    @property
    def state(self) -> str:
        """`complete`, `incomplete`, `absent`, `conflict` if other bytes are served than were built, or `unknown`."""
        if self.unread:
            return "unknown"
        if any(file.served not in (None, file.built) for file in self.files):
            return "conflict"
        there = sum(file.served is not None for file in self.files)
        if not there:
            return "absent"
        return "complete" if there == len(self.files) else "incomplete"


@dataclass(frozen=True)
class Report:
    """A release as seen at `read_at`, in UTC. `changes` is Markdown; `seconds` says how long each step took; `labels`
    names each ecosystem's registry by its key."""

    built: Build
    repository: str
    target: str
    read_at: datetime
    holdings: tuple[Holding, ...]
    previous: str
    changes: str
    seconds: Mapping[str, float]
    labels: Mapping[str, str]

    @property
    def is_complete(self) -> bool:
        """Whether every registry holds every file, with the bytes that were built."""
        return all(holding.state == "complete" for holding in self.holdings)


def holding(registry: Registry, built: Build, served: Mapping[str, str], unread: str = "") -> Holding:
    """What a registry that serves these digests, by file name, holds of a release."""
    expected = registry.expected(built.artifacts, built.version, built.commit)
    return Holding(
        registry.label,
        registry.package,
        registry.spell(built.version),
        registry.address,
        tuple(HeldFile(name, expected.get(name), served.get(name)) for name in sorted(expected.keys() | served.keys())),
        unread,
    )


def read(built: Build, registries: Sequence[Registry]) -> list[Holding]:
    """What the registries hold of a release now. Raises UserError for a development version."""
    if not built.version.is_release:
        raise UserError(
            f"{built.version.npm} is a development version, which no registry holds",
            "tag a release and publish it first",
        )

    def one(registry: Registry) -> Holding:
        try:
            return holding(registry, built, registry.read(built.version))
        except (NoAnswer, Refused) as failure:
            return holding(registry, built, {}, failure.problem)

    return reading.together([lambda registry=registry: one(registry) for registry in registries])  # type: ignore[misc]


def holdings(built: Build, target: OpenTarget, served: Sequence[Mapping[str, str]]) -> list[Holding]:
    """What the registries of a target hold of a release, given the digests that each serves, by file name."""
    return [holding(registry, built, found) for registry, found in zip(target.registries, served, strict=True)]


def write(
    built: Build,
    target: OpenTarget,
    held: Sequence[Holding],
    settings: Configuration,
    seconds: Mapping[str, float],
) -> Path:
    """Write report.html beside a build; `seconds` are added to the timings of earlier commands. Returns the page."""
    chosen = candidate.choose(built.version.npm)
    report = Report(
        built,
        settings.repository,
        target.name,
        datetime.now(UTC).replace(microsecond=0),
        tuple(held),
        chosen.last.tag if chosen.last else "",
        chosen.to_markdown(),
        _timings(built.folder, {**built.seconds, **seconds}),
        {registry.key: registry.label for registry in target.registries},
    )
    page = built.folder / FILE
    files.write_text(page, render(report))
    return page


def _timings(folder: Path, seconds: Mapping[str, float]) -> dict[str, float]:
    """Keep how long steps took beside those of earlier commands; returns seconds by step."""
    path = folder / TIMINGS
    try:
        kept = {str(step): float(taken) for step, taken in json.loads(path.read_text()).items()}
    except (OSError, ValueError, TypeError, AttributeError):
        # Nothing depends on timings: unreadable ones are dropped.
        kept = {}
    merged = kept | dict(seconds)
    if merged != kept:
        files.write_text(path, json.dumps(merged, indent=2) + "\n")
    return merged


def render(report: Report) -> str:
    """The report as one self-contained HTML page."""
    # HTML in a changelog or a proto comment is shown as text, never interpreted.
    changes = MarkdownIt("commonmark", {"html": False}).enable("table").render(report.changes)
    return _template().render(
        report=report, built=report.built, changes=Markup(changes), sums=manifest.SUMS, rehearsal=REHEARSAL
    )


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("cqc_tools.release"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, Any] = {"bytes": _bytes, "moment": lambda moment: f"{moment:%Y-%m-%d %H:%M} UTC"}
    environment.filters.update(filters)
    return environment.get_template("report.html.j2")


def _bytes(size: int) -> str:
    return f"{size:,} bytes".replace(",", "\N{NARROW NO-BREAK SPACE}")
