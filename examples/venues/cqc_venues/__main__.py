"""Command line: `python -m cqc_venues map|compare FOLDER`.

`map` prints the messages of each payload as one JSON object per line. `compare` reads those lines from standard input,
writes the payloads again from the messages, and prints as JSON how they differ from the originals.
"""

from __future__ import annotations

import argparse
import base64
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.message import Message

import cqc
from cqc_venues.lives import replay
from cqc_venues.mapping import compare
from cqc_venues.records import load


def messages_of(bundle: dict[str, Any]) -> Iterator[Message]:
    """Yield all messages of a bundle."""
    for item in bundle.values():
        yield from item if isinstance(item, list) else [item]


def map_all(folder: Path) -> None:
    """Print the messages of each record and the rules they violate."""
    for record in load(folder):
        if record.table is None:
            continue
        bundle = record.table.read(record.payload, record.venue)
        written = {
            name: [_written(message) for message in (item if isinstance(item, list) else [item])]
            for name, item in bundle.items()
        }
        broken = [
            f"{message.DESCRIPTOR.name}.{violation.field}: {violation.message}"
            for message in messages_of(bundle)
            for violation in cqc.validate(message)
        ]
        print(json.dumps({"place": record.place, "messages": written, "broken": broken}))


def _written(message: Message) -> dict[str, str]:
    data = base64.b64encode(message.SerializeToString(deterministic=True)).decode()
    return {"type": message.DESCRIPTOR.full_name, "data": data}


def _parsed(message: dict[str, str]) -> Message:
    descriptor = descriptor_pool.Default().FindMessageTypeByName(message["type"])
    return message_factory.GetMessageClass(descriptor).FromString(base64.b64decode(message["data"]))


def compare_all(folder: Path, lines: Iterator[str]) -> dict[str, Any]:
    """Compare the messages with the payloads.

    Returns the counts per venue and kind, the sentinels, the values not kept, the skipped payloads, the lost values and
    the replayed order lifecycles.
    """
    rows: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    sentinels: Counter[tuple[str, str, str]] = Counter()
    not_kept: dict[tuple[str, str, str], str] = {}
    skipped: Counter[tuple[str, str]] = Counter()
    lost = []
    history: list[tuple[str, Message]] = []
    for record in load(folder):
        venue = record.venue.venue_id
        if record.table is None:
            skipped[venue, record.skipped] += 1
            continue
        record.table.read(record.payload, record.venue)  # registers symbols and asset codes
        given = json.loads(next(lines))
        if given["place"] != record.place:
            raise SystemExit(
                f"expected messages for {record.place}, got {given['place']}: pass the output of `map {folder}`"
            )
        bundle: dict[str, Any] = {}
        for name, kind in record.table.messages.items():
            found = [_parsed(message) for message in given["messages"][name]]
            bundle[name] = found if isinstance(kind, list) else found[0]
        result = compare(record.table.rules, record.payload, record.table.write(bundle, record.venue))
        row = rows[venue, record.table.kind]
        row["records"] += 1
        messages = list(messages_of(bundle))
        history += [(venue, message) for message in messages]
        row["messages"] += len(messages)
        row["numbers"] += result.numbers
        row["others"] += result.others
        row["sentinels"] += len(result.sentinels)
        row["lost"] += len(result.lost)
        sentinels.update((venue, record.table.kind, sentinel) for sentinel in result.sentinels)
        not_kept |= {(venue, record.table.kind, place): reason for place, reason in result.not_kept.items()}
        lost += [f"{record.place} {item}" for item in result.lost]
    return {
        "rows": [{"venue": venue, "kind": kind, **row} for (venue, kind), row in rows.items()],
        "sentinels": [
            {"venue": venue, "kind": kind, "value": value, "times": times}
            for (venue, kind, value), times in sentinels.items()
        ],
        "not_kept": [
            {"venue": venue, "kind": kind, "place": place, "reason": reason}
            for (venue, kind, place), reason in not_kept.items()
        ],
        "skipped": [
            {"venue": venue, "reason": reason, "payloads": count} for (venue, reason), count in skipped.items()
        ],
        "lost": lost,
        "lives": replay(history),
    }


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="cqc_venues", description=__doc__)
    parser.add_argument("command", choices=["map", "compare"])
    parser.add_argument("folder", type=Path, help="directory with one subdirectory per venue")
    chosen = parser.parse_args()
    if chosen.command == "map":
        map_all(chosen.folder)
    else:
        print(json.dumps(compare_all(chosen.folder, iter(sys.stdin))))


if __name__ == "__main__":
    main()
