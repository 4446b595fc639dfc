"""The page that people look at: what of a release is on which registry, with digests, contract changes and timings."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from markdown_it import MarkdownIt
from markupsafe import Markup

from cqc_tools.foundation import configuration, timings, workspace
from cqc_tools.foundation.errors import NoAnswer, Refused, UserError
from cqc_tools.foundation.version import Version
from cqc_tools.packages import Registry, build, targets
from cqc_tools.packages.build import Build
from cqc_tools.release import candidate

FILE = "report.html"
# What a rehearsal calls its registries, which are gone afterwards.
REHEARSAL = "rehearsal"


@dataclass(frozen=True)
class HeldFile:
    """A file or tag of a release in a registry; the digests are None where it was not built or is not served."""

    name: str
    built: str | None
    served: str | None


@dataclass(frozen=True)
class Holding:
    """What one registry holds of a release. `unread` says why it could not be read, if so."""

    ecosystem: str
    package: str
    version: str
    address: str
    files: tuple[HeldFile, ...]
    unread: str = ""

    @property
    def state(self) -> str:
        """`complete`, `incomplete`, `absent`, `conflict` where other bytes are served than were built, or `unknown`."""
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
    """A release as it was seen at `read_at`, in UTC. `changes` is Markdown; `seconds` says how long which step took."""

    built: Build
    repository: str
    target: str
    read_at: datetime
    holdings: tuple[Holding, ...]
    previous: str
    changes: str
    seconds: Mapping[str, float]

    @property
    def is_complete(self) -> bool:
        """Whether every registry holds every file, with the bytes that were built."""
        return all(holding.state == "complete" for holding in self.holdings)


def holding(registry: Registry, built: Build, served: Mapping[str, str], unread: str = "") -> Holding:
    """What a registry that serves these digests, by file name, holds of a release."""
    expected = registry.expected(built.artifacts, built.version, built.commit)
    return Holding(
        registry.ecosystem,
        registry.package,
        registry.spell(built.version),
        registry.address,
        tuple(HeldFile(name, expected.get(name), served.get(name)) for name in sorted(expected.keys() | served.keys())),
        unread,
    )


def make(release: Version, target: str) -> Path:
    """Write the report of a build in dist/, as its target's registries hold it now; returns the page.

    Raises UserError for a build or a target that cannot be read.
    """
    settings = configuration.load()
    settings.target(target)
    built = build.load(workspace.DIST / release.npm)
    if not built.version.is_release:
        raise UserError(f"{built.version.npm} is a development version, which is in no registry: tag a release first")

    def read(registry: Registry) -> Holding:
        try:
            return holding(registry, built, registry.read(built.version))
        except (NoAnswer, Refused) as failure:
            return holding(registry, built, {}, str(failure))

    with targets.opened(target, settings) as registries, ThreadPoolExecutor() as pool:
        return write(built, target, list(pool.map(read, registries.values())))


def write(built: Build, target: str, holdings: Sequence[Holding]) -> Path:
    """Write report.html beside a build, with the contract changes since the release before."""
    chosen = candidate.choose(built.version.npm)
    report = Report(
        built,
        configuration.load().repository,
        target,
        datetime.now(UTC).replace(microsecond=0),
        tuple(holdings),
        chosen.last.tag if chosen.last else "",
        chosen.to_markdown(),
        timings.update(built.folder),
    )
    page = built.folder / FILE
    part = page.with_suffix(".part")
    part.write_text(render(report))
    part.replace(page)
    return page


def render(report: Report) -> str:
    """The report as one HTML page, which loads nothing from anywhere."""
    # What people and protos wrote is text: HTML in it is shown, not taken.
    changes = MarkdownIt("commonmark", {"html": False}).enable("table").render(report.changes)
    return _template().render(
        report=report, built=report.built, changes=Markup(changes), sums=build.SUMS, rehearsal=REHEARSAL
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
