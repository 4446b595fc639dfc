"""Command line: `python -m cqc_venues map|compare|unnamed FOLDER...`.

`map` prints the messages of each payload as one JSON object per line. `compare` reads those lines from standard input,
writes the payloads again from the messages, and prints as JSON what became of every value. `unnamed` lists the values
that are in `venue_fields`, lost or not kept, for who writes a table.
"""

from __future__ import annotations

import argparse
import base64
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.message import Message

import cqc
from cqc.markets.v1 import OrderBook, OrderBookDelta
from cqc_venues.lives import replay
from cqc_venues.records import Record, load


def map_all(folders: Sequence[Path]) -> None:
    """Print the messages of each payload and the rules they violate."""
    for record in load(folders):
        messages = [
            {
                "type": message.DESCRIPTOR.full_name,
                "data": base64.b64encode(message.SerializeToString(deterministic=True)).decode(),
                "broken": [
                    f"{message.DESCRIPTOR.name}.{violation.field}: {violation.message}"
                    for violation in cqc.validate(message)
                ],
            }
            for message in record.reading.messages
        ]
        print(json.dumps({"place": record.place, "messages": messages}))


def _parsed(message: dict[str, Any]) -> Message:
    descriptor = descriptor_pool.Default().FindMessageTypeByName(message["type"])
    return message_factory.GetMessageClass(descriptor).FromString(base64.b64decode(message["data"]))


@dataclass
class Row:
    """What became of the values of one kind of record of one venue."""

    books: bool = False
    skipped: str = ""
    records: int = 0
    typed: int = 0
    in_venue_fields: int = 0
    not_kept: int = 0
    empty: int = 0
    lost: int = 0
    refused: int = 0
    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)
    unnamed: Counter[str] = field(default_factory=Counter)


@dataclass
class Comparison:
    """The rows by venue and kind, the lost values, and the messages for the replay of orders."""

    rows: dict[tuple[str, str], Row] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)
    messages: list[tuple[str, Message]] = field(default_factory=list)

    def add(self, record: Record, messages: Sequence[Message], refused: Sequence[bool]) -> None:
        """Count one payload."""
        reading = record.reading
        for kind, counts in reading.counts(messages).items():
            row = self.rows.setdefault((record.folder, kind), Row())
            row.records += counts.records
            row.typed += counts.typed
            row.in_venue_fields += counts.in_venue_fields
            row.not_kept += sum(counts.not_kept.values())
            row.empty += counts.empty
            row.lost += len(counts.lost)
            row.reasons += counts.not_kept
            self.lost += [f"{record.place} {item}" for item in counts.lost]
        for (kind, place), times in reading.unnamed().items():
            self.rows[record.folder, kind].unnamed[place] += times
        for item in reading.items:
            self.rows[record.folder, item.kind].skipped = item.kind if item.message is None else ""
        mapped = [item for item in reading.items if item.message is not None]
        for item, message, bad in zip(mapped, messages, refused, strict=True):
            row = self.rows[record.folder, item.kind]
            row.refused += bad
            row.books = row.books or isinstance(message, OrderBook | OrderBookDelta)
        self.messages += [(record.folder, message) for message in messages]

    def to_json(self) -> dict[str, Any]:
        """The counts per venue and kind, what was not kept or has no field, the lost values and the order lives."""
        counted = ("books", "records", "typed", "in_venue_fields", "not_kept", "empty", "lost", "refused")
        rows = [(venue, kind, row) for (venue, kind), row in self.rows.items()]
        return {
            "rows": [
                {"venue": venue, "kind": kind, **{name: getattr(row, name) for name in counted}}
                for venue, kind, row in rows
                if not row.skipped
            ],
            "skipped": [
                {"venue": venue, "reason": row.skipped, "records": row.records, "values": row.not_kept}
                for venue, _, row in rows
                if row.skipped
            ],
            "not_kept": [
                {"venue": venue, "kind": kind, "place": place, "reason": reason, "times": times}
                for venue, kind, row in rows
                if not row.skipped
                for (place, reason), times in row.reasons.items()
            ],
            "unnamed": [
                {"venue": venue, "kind": kind, "place": place, "times": times}
                for venue, kind, row in rows
                for place, times in row.unnamed.most_common()
            ],
            "lost": self.lost,
            "lives": replay(self.messages),
        }


def compare_all(folders: Sequence[Path], lines: Iterator[str]) -> dict[str, Any]:
    """Compare the messages, as other languages returned them, with the payloads."""
    result = Comparison()
    for record in load(folders):
        given = json.loads(next(lines))
        if given["place"] != record.place:
            raise SystemExit(f"expected messages for {record.place}, got {given['place']}: pass the output of `map`")
        found = given["messages"]
        result.add(record, [_parsed(item) for item in found], [bool(item["broken"]) for item in found])
    return result.to_json()


def unnamed(folders: Sequence[Path], venue: str) -> None:
    """Print what a venue's tables leave, per kind and place, with the first payload that has it."""
    result = Comparison()
    left: dict[str, list[str]] = {}
    faults: dict[tuple[str, str, str], str] = {}
    rows: Counter[tuple[str, str, str]] = Counter()
    words: Counter[tuple[str, str, str, str]] = Counter()
    for record in load(folders, venue):
        messages = record.reading.messages
        found = [cqc.validate(message) for message in messages]
        result.add(record, messages, [bool(item) for item in found])
        for message, violations in zip(messages, found, strict=True):
            for item in violations:
                text = f"refused  {message.DESCRIPTOR.name}.{item.field}: {item.message}"
                left.setdefault(text, []).append(record.place)
        faults |= {(record.folder, *key): why for key, why in record.reading.faults().items()}
        for row_key, times in record.reading.rows().items():
            rows[record.folder, *row_key] += times
        for word_key, times in record.reading.unknown_words().items():
            words[record.folder, *word_key] += times
        for kind, counts in record.reading.counts().items():
            for lost in counts.lost:
                pointer, _, reason = lost.partition(": ")
                place = re.sub(r"\.\d+(?=\.)", ".*", pointer.replace("/", "."))
                left.setdefault(f"lost  {kind} {place}: {reason}", []).append(record.place)
    for text, places in left.items():
        print(f"{text} x{len(places)}, first {places[0]}")
    for (folder, kind), row in result.rows.items():
        for place, times in row.unnamed.most_common():
            why = faults.get((folder, kind, place), "")
            print(
                f"in venue_fields  {folder} {kind}: {place} x{times}"
                + (f", though a row names it: {why}" if why else "")
            )
    for (folder, kind, target, word), times in words.items():
        print(f"unknown word  {folder} {kind}: {target} {word!r} x{times}")
    # A row of `common` or of a shared section is in several tables.
    occurring = {(folder, line) for (folder, _, line), times in rows.items() if times}
    never = {(folder, line): kind for folder, kind, line in rows if (folder, line) not in occurring}
    for (folder, line), kind in never.items():
        print(f"never occurs  {folder} {kind}: {line}")
    plain = [row for row in result.rows.values() if not row.books and not row.skipped]
    typed = sum(row.typed for row in plain)
    total = typed + sum(row.in_venue_fields + row.lost for row in plain)
    print(f"{typed} of {total} values outside books are typed ({100 * typed / max(total, 1):.1f} %)")


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="cqc_venues", description=__doc__)
    parser.add_argument("command", choices=["map", "compare", "unnamed"])
    parser.add_argument("folders", type=Path, nargs="+", help="folders with one folder per venue")
    parser.add_argument("--venue", default="", help="only this venue, for `unnamed`")
    chosen = parser.parse_args()
    if chosen.command == "map":
        map_all(chosen.folders)
    elif chosen.command == "compare":
        print(json.dumps(compare_all(chosen.folders, iter(sys.stdin))))
    else:
        unnamed(chosen.folders, chosen.venue)


if __name__ == "__main__":
    main()
