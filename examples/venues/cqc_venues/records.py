"""Loads the payloads of every venue that has a module in `cqc_venues.venues`."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import cqc
from cqc.mapping import Number, Reading, Venue, parse_json
from cqc_venues import venues

# Instruments first: a venue may learn from them how it names its listings.
FIRST = ("instruments", "books", "stream", "account")


@dataclass(frozen=True)
class Record:
    """One payload with its location, such as `kraken/account.jsonl:3`."""

    folder: str
    place: str
    reading: Reading


def modules(only: str = "") -> dict[str, Venue]:
    """The venues by the name of their folders."""
    names = [info.name for info in pkgutil.iter_modules(venues.__path__) if only in ("", info.name)]
    return {name: import_module(f"{venues.__name__}.{name}").VENUE for name in names}


def load(folders: Sequence[Path], only: str = "") -> Iterator[Record]:
    """Read the payloads of every venue, or only one, in the folders, each of which has a folder a venue."""
    for name, venue in modules(only).items():
        for folder in folders:
            paths = sorted((folder / name).glob("*.jsonl"), key=lambda path: (_order(path.stem), path.name))
            for path in paths:
                for number, line in enumerate(path.read_text().splitlines(), 1):
                    yield Record(name, f"{name}/{path.name}:{number}", _read(venue, path.stem, parse_json(line)))


def _order(stem: str) -> int:
    return FIRST.index(stem) if stem in FIRST else len(FIRST)


def _read(venue: Venue, stem: str, line: Any) -> Reading:
    """Unwrap a line: a bare instrument, or what was captured together with where it stood or when it came."""
    name, payload = stem, line
    if stem == "stream":
        payload = line["frame"]
    elif stem == "books":
        name, payload = line["url"], line["body"]
    elif stem != "instruments":
        name, payload = line["name"], line["payload"]
    received = line.get("received_at", Number("0")) if isinstance(line, dict) and stem in ("stream", "books") else "0"
    nanos = int(cqc.parse_decimal(received).scaleb(9))
    return venue.read(payload, name, account_id=f"{venue.venue_id}:main", received_at=cqc.from_unix_nanos(nanos))
