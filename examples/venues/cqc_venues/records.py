"""The payloads of a folder, each with the table for it: `<venue>/{instruments,books,stream,account}.jsonl`."""

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
    """One payload, prepared, with its table and where it stands (`kraken/account.jsonl:3`). Without a table it is no
    record of anything that the contracts hold, for the reason in `skipped`."""

    venue: Venue
    place: str
    table: Table | None
    payload: Any
    skipped: str = ""


def load(folder: Path) -> Iterator[Record]:
    """All payloads of the venues that are there, in the order of the files."""
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
        return module.stream_table(payload["frame"]), "frames about the connection and its subscriptions"
    name = payload["name"]
    if name in getattr(module, "NO_RECORD", {}):
        return None, module.NO_RECORD[name]
    return module.ACCOUNT[name], ""
