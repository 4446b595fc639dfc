"""Loads payloads from `<venue>/{instruments,books,stream,account}.jsonl` and selects the table for each."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

from cqc_venues import binance, binance_futures, coinbase, deribit, kraken
from cqc_venues.mapping import Table, Venue, timestamp

MODULES: dict[str, ModuleType] = {
    "binance": binance,
    "binance_futures": binance_futures,
    "coinbase": coinbase,
    "deribit": deribit,
    "kraken": kraken,
}


@dataclass(frozen=True)
class Record:
    """One prepared payload with its location, such as `kraken/account.jsonl:3`. If it has no table, `skipped` is the
    reason."""

    venue: Venue
    place: str
    table: Table | None
    payload: Any
    skipped: str = ""


def load(folder: Path) -> Iterator[Record]:
    """Yield the payloads of every venue in the folder."""
    for name, module in MODULES.items():
        venue = module.venue()
        for file in ("instruments", "books", "stream", "account"):
            path = folder / name / f"{file}.jsonl"
            if not path.exists():
                continue
            for number, line in enumerate(path.read_text().splitlines(), 1):
                payload = json.loads(line, parse_float=Decimal)
                table, skipped = _table(module, file, payload)
                if file == "account":
                    payload = payload["payload"]
                if isinstance(payload, dict) and "received_at" in payload:
                    venue.received_at = timestamp(Decimal(str(payload["received_at"])))
                if table:
                    payload = table.prepare(payload)
                yield Record(venue, f"{name}/{path.name}:{number}", table, payload, skipped)


def _table(module: ModuleType, file: str, payload: Any) -> tuple[Table | None, str]:
    if file == "instruments":
        return module.instrument, ""
    if file == "books":
        return module.book, ""
    if file == "stream":
        return module.stream_table(payload["frame"]), "connection and subscription messages"
    name = payload["name"]
    if name in getattr(module, "SKIPPED", {}):
        return None, module.SKIPPED[name]
    return module.ACCOUNT[name], ""
