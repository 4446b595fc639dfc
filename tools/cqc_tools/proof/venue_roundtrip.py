"""Real venue payloads through every language and back: mapped, validated, converted, and compared with the original.

The mappings are the Python example in examples/venues. Messages go from Python to the other languages in turn: into the
first one in binary, between languages in JSON, and back to Python in binary.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from cqc_tools.foundation import console, process, workspace
from cqc_tools.foundation.errors import StageFailed
from cqc_tools.packages import examples
from cqc_tools.proof import outcomes, peers, runtimes
from cqc_tools.proof.peers import Peer
from cqc_tools.proof.subject import Subject

MAPPINGS = workspace.EXAMPLES / "venues"
SHOWN = 20
COUNTS = ("records", "typed", "in_venue_fields", "not_kept", "empty", "lost", "refused")

Row = Mapping[str, Any]


@dataclass(frozen=True)
class VenueRoundtrip:
    """The payloads that were mapped, and what became of their values.

    - rows: counts of values per venue and kind of record: `typed` came back from a field, `in_venue_fields` from there,
      `not_kept` are left out for a reason, `empty` state nothing or mean "none"; `refused` counts messages
    - not_kept: places that are left out, with the reason
    - unnamed: places that are in `venue_fields`
    - skipped: records for which the contracts have no message
    - broken: rules that a mapped message breaks in any language
    - lost: values that did not come back
    - lives: the status changes of every order, and those that `can_transition` rejects
    """

    payloads: str
    languages: tuple[str, ...]
    rows: tuple[Row, ...]
    not_kept: tuple[Row, ...]
    unnamed: tuple[Row, ...]
    skipped: tuple[Row, ...]
    broken: tuple[str, ...]
    lost: tuple[str, ...]
    lives: Row
    steps: Mapping[str, float] = field(default_factory=dict)

    @property
    def failure(self) -> StageFailed | None:
        """The first values that were lost, rules that were broken and status changes that were rejected."""
        problems = [*self.lost, *self.broken, *self.lives["refused"]]
        if problems:
            return outcomes.first_problems("the contracts do not hold everything that the venues sent", problems, SHOWN)
        return None if self.rows else StageFailed(f"there was nothing to map in {self.payloads}")

    def typed_share(self, venue: str = "") -> float:
        """The share of typed values in those that a message holds or lost, outside books: one is easy to type."""
        rows = [row for row in self.rows if not row["books"] and venue in ("", row["venue"])]
        typed = sum(int(row["typed"]) for row in rows)
        return typed / max(1, typed + sum(int(row["in_venue_fields"]) + int(row["lost"]) for row in rows))

    def to_json(self) -> dict[str, Any]:
        """The result for a program."""
        shares = {venue: self.typed_share(venue) for venue in dict.fromkeys(row["venue"] for row in self.rows)}
        return {**asdict(self), "typed_share": self.typed_share(), "typed_share_per_venue": shares}

    def show(self) -> None:
        """Print the result for a person."""
        console.output.print(f"\nMapped {self.payloads}")
        console.table(
            ("venue", "kind", *(name.replace("_", " ") for name in COUNTS)),
            [(row["venue"], row["kind"], *(row[name] for name in COUNTS)) for row in self.rows],
        )
        console.output.print("\nLeft out:")
        console.table(
            ("venue", "kind", "place", "reason", "times"),
            [[item[name] for name in ("venue", "kind", "place", "reason", "times")] for item in self.not_kept],
        )
        console.output.print("\nIn venue_fields:")
        console.table(
            ("venue", "kind", "place", "times"),
            [[item[name] for name in ("venue", "kind", "place", "times")] for item in self.unnamed],
        )
        for item in self.skipped:
            console.output.print(f"No message at {item['venue']}: {item['records']} records, {item['reason']}")
        lives = self.lives
        console.output.print(
            f"\nOrder lives: {lives['orders']} orders, {lives['transitions']} transitions between "
            f"{', '.join(lives['states'])}, {len(lives['refused'])} rejected"
        )
        for venue in dict.fromkeys(row["venue"] for row in self.rows):
            console.output.print(f"{venue}: {self.typed_share(venue):.1%} typed outside books")
        total = {name: sum(row[name] for row in self.rows) for name in COUNTS}
        console.output.print(
            f"{total['records']} records through {', '.join(self.languages)}: {total['typed']} values typed "
            f"({self.typed_share():.1%} outside books), {total['in_venue_fields']} in venue_fields, "
            f"{total['not_kept']} not kept, {total['lost']} lost, {total['refused']} messages refused"
        )


def run(subject: Subject) -> VenueRoundtrip:
    """Map captured payloads if the checkout has them next to it, otherwise the samples in examples/data.

    Raises StageFailed if a mapping or a peer fails.
    """
    steps: dict[str, float] = {}
    with console.step("prepare the venue mappings and peers", steps):
        python = runtimes.runtime(runtimes.NEWEST, subject).python
        languages = peers.load(subject, *(key for key in subject.settings.packages if key != "python"))
    folders, payloads = _payloads()
    mappings = partial(_mappings, python)
    with console.step("map and validate the payloads", steps):
        records = [json.loads(line) for line in mappings("map", *folders).splitlines()]
    messages = [message for record in records for message in record["messages"]]
    with console.step(f"{len(messages)} messages through {', '.join(peer.language for peer in languages)}", steps):
        _pass_through(languages, messages)
    broken = [
        f"{record['place']} {text}"
        for record in records
        for message in record["messages"]
        for text in message["broken"]
    ]
    with console.step("compare with the payloads", steps):
        lines = "".join(json.dumps(record) + "\n" for record in records)
        found = json.loads(mappings("compare", *folders, stdin=lines.encode()))
    return VenueRoundtrip(
        payloads,
        ("Python", *(peer.language for peer in languages), "Python"),
        broken=tuple(broken),
        lives=found["lives"],
        **{name: tuple(found[name]) for name in ("rows", "not_kept", "unnamed", "skipped", "lost")},
        steps=steps,
    )


def _payloads() -> tuple[list[Path], str]:
    """The folders with the payloads, and their description."""
    captured = [folder for folder in (workspace.CAPTURED_VENUES, workspace.MORE_VENUES) if folder.is_dir()]
    if captured:
        return captured, "the captured payloads of the venues"
    return [examples.SAMPLE], "the samples in examples/data: there are no captured payloads next to the checkout"


def _mappings(python: Path, *arguments: str | Path, stdin: bytes | None = None) -> str:
    return process.run(
        [python, "-m", "cqc_venues", *arguments],
        cwd=MAPPINGS,
        env=workspace.tool_environment(PYTHONPATH=str(MAPPINGS)),
        stdin=stdin,
        what="the venue mappings",
    )


def _pass_through(languages: Sequence[Peer], messages: list[dict[str, Any]]) -> None:
    """Have each peer validate all messages, then convert them in turn.

    The rules that a peer finds broken join `broken` of the message; its `data` becomes what the last peer wrote.
    """
    plain = [{"type": message["type"], "data": message["data"]} for message in messages]
    validations = [{"op": "validate", **message} for message in plain]
    verdicts = peers.ask_all([(peer, validations) for peer in languages])
    for peer, answers in zip(languages, verdicts, strict=True):
        for message, verdict in zip(messages, answers, strict=True):
            if verdict.get("error") or verdict["data"]:
                message["broken"].append(f"{peer.language} {message['type']}: {verdict}")
    formats = ["binary", *["json"] * (len(languages) - 1), "binary"]
    for peer, start, end in zip(languages, formats, formats[1:], strict=False):
        answers = peer.ask([{"op": "convert", **message, "from": start, "to": end} for message in plain])
        for message, answer in zip(plain, answers, strict=True):
            if "error" in answer:
                raise StageFailed(f"{peer.language} cannot read a {message['type']}: {answer['error']}")
            message["data"] = answer["data"]
    for message, converted in zip(messages, plain, strict=True):
        message["data"] = converted["data"]
