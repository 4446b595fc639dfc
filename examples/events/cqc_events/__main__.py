"""Command line: `python -m cqc_events generated|recorded`.

Rebuilds lives from their events alone. `generated` makes 1,000 lives, `recorded` reads the facts of venues as
`python -m cqc_venues map FOLDER...` prints them. Prints how many events there were, of which kinds, and as JSON the
records that differ from those of the source. Exits 1 if any does.
"""

from __future__ import annotations

import argparse
import base64
import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.message import Message

from cqc.events.v1 import FundingPaid
from cqc_events.consumer import RECORDS, Consumer
from cqc_events.lives import Life, Recorded
from cqc_events.source import Source

GENERATED = 1000
# Facts of these types are in the pool because the modules above import them.
KNOWN = {FundingPaid.DESCRIPTOR.full_name, *(kind.DESCRIPTOR.full_name for kind in RECORDS)}


def content(records: Iterable[Message]) -> Counter[tuple[str, bytes]]:
    """The records without their keys, for a comparison."""
    return Counter((record.DESCRIPTOR.name, record.SerializeToString(deterministic=True)) for record in records)


def facts(lines: Iterable[str]) -> Iterator[tuple[str, Message]]:
    """The messages that the mappings of venues printed, with their venues."""
    for line in lines:
        read = json.loads(line)
        for message in read["messages"]:
            if message["type"] in KNOWN:
                descriptor = descriptor_pool.Default().FindMessageTypeByName(message["type"])
                data = base64.b64decode(message["data"])
                yield read["place"].partition("/")[0], message_factory.GetMessageClass(descriptor).FromString(data)


def rebuild(sources: Iterable[Source]) -> dict[str, Any]:
    """Rebuild each source from its events, and compare."""
    kinds: Counter[str] = Counter()
    wrong, lives, records = [], 0, 0
    for life, source in enumerate(sources, 1):
        consumer, lives = Consumer(), life
        for event in source.events:
            wrong += [f"life {life}: {finding}" for finding in consumer.receive(event)]
            kinds[event.WhichOneof("event") or ""] += 1
        truth, rebuilt = content(source), content(consumer.replica)
        wrong += [f"life {life}: {name} is missing" for name, _ in (truth - rebuilt).elements()]
        wrong += [f"life {life}: {name} is not of the source" for name, _ in (rebuilt - truth).elements()]
        records += truth.total()
    return {"lives": lives, "records": records, "events": dict(kinds), "wrong": wrong}


def main(words: list[str] | None = None) -> int:
    """Run a command and return the exit status."""
    parser = argparse.ArgumentParser(prog="cqc_events", description=__doc__)
    parser.add_argument("lives", choices=["generated", "recorded"])
    if parser.parse_args(words).lives == "generated":
        result = rebuild(Life(seed).source for seed in range(GENERATED))
    else:
        recorded = Recorded(facts(sys.stdin))
        result = {**rebuild([recorded.source]), "facts": recorded.facts}
    print(json.dumps(result, indent=2))
    return 1 if result["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
