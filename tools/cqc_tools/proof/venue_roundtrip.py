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
COUNTS = ("records", "messages", "numbers", "others", "sentinels", "lost")

Row = Mapping[str, Any]


@dataclass(frozen=True)
class VenueRoundtrip:
    """The payloads that were mapped and the values that came back.

    - rows: counts per venue and kind of record
    - sentinels: values that mean "absent" at a venue, and became absent fields
    - not_kept: values that the contracts deliberately leave out, with the reason
    - skipped: payloads without a record
    - broken: rules that a mapped message breaks in any language
    - lost: values that did not come back
    - lives: the status changes of every order, and those that `can_transition` rejects
    """

    payloads: str
    languages: tuple[str, ...]
    rows: tuple[Row, ...]
    sentinels: tuple[Row, ...]
    not_kept: tuple[Row, ...]
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

    def to_json(self) -> dict[str, Any]:
        """The result for a program."""
        return asdict(self)

    def show(self) -> None:
        """Print the result for a person."""
        console.output.print(f"\nMapped {self.payloads}")
        console.table(
            ("venue", "kind", "records", "messages", "numbers", "other values", "sentinels", "lost"),
            [(row["venue"], row["kind"], *(row[name] for name in COUNTS)) for row in self.rows],
        )
        console.output.print("\nSentinels, which became absent fields:")
        console.table(
            ("venue", "kind", "value", "times"),
            [(item["venue"], item["kind"], item["value"], item["times"]) for item in self.sentinels],
        )
        console.output.print("\nLeft out by the contracts:")
        console.table(
            ("venue", "kind", "place", "reason"),
            [(item["venue"], item["kind"], item["place"], item["reason"]) for item in self.not_kept],
        )
        for item in self.skipped:
            console.output.print(f"No record at {item['venue']}: {item['payloads']} payloads, {item['reason']}")
        lives = self.lives
        console.output.print(
            f"\nOrder lives: {lives['orders']} orders, {lives['transitions']} transitions between "
            f"{', '.join(lives['states'])}, {len(lives['refused'])} rejected"
        )
        total = {name: sum(row[name] for row in self.rows) for name in COUNTS}
        console.output.print(
            f"{total['records']} records through {', '.join(self.languages)}: {total['numbers']} numbers and "
            f"{total['others']} other values compared, {total['lost']} lost"
        )


def run(subject: Subject) -> VenueRoundtrip:
    """Map captured payloads if the checkout has them next to it, otherwise the samples in examples/data.

    Raises StageFailed if a mapping or a peer fails.
    """
    steps: dict[str, float] = {}
    with console.step("prepare the venue mappings and peers", steps):
        python = runtimes.runtime(runtimes.NEWEST, subject).python
        languages = peers.load(subject, *(key for key in subject.settings.packages if key != "python"))
    folder, payloads = _payloads()
    mappings = partial(_mappings, python)
    with console.step("map and validate the payloads", steps):
        records = [json.loads(line) for line in mappings("map", folder).splitlines()]
    broken = [f"{record['place']} {text}" for record in records for text in record["broken"]]
    messages = [message for record in records for group in record["messages"].values() for message in group]
    with console.step(f"{len(messages)} messages through {', '.join(peer.language for peer in languages)}", steps):
        broken += _pass_through(languages, messages)
    with console.step("compare with the payloads", steps):
        lines = "".join(json.dumps(record) + "\n" for record in records)
        found = json.loads(mappings("compare", folder, stdin=lines.encode()))
    return VenueRoundtrip(
        payloads,
        ("Python", *(peer.language for peer in languages), "Python"),
        broken=tuple(broken),
        lives=found["lives"],
        **{name: tuple(found[name]) for name in ("rows", "sentinels", "not_kept", "skipped", "lost")},
        steps=steps,
    )


def _payloads() -> tuple[Path, str]:
    """The folder with the payloads, and its description."""
    if workspace.CAPTURED_VENUES.is_dir():
        return workspace.CAPTURED_VENUES, "the captured payloads of the venues"
    return examples.SAMPLE, "the samples in examples/data: there are no captured payloads next to the checkout"


def _mappings(python: Path, *arguments: str | Path, stdin: bytes | None = None) -> str:
    return process.run(
        [python, "-m", "cqc_venues", *arguments],
        cwd=MAPPINGS,
        env=workspace.tool_environment(PYTHONPATH=str(MAPPINGS)),
        stdin=stdin,
        what="the venue mappings",
    )


def _pass_through(languages: Sequence[Peer], messages: list[dict[str, str]]) -> list[str]:
    """Have each peer validate all messages, then convert them in turn; returns the broken rules.

    The data of `messages` become what the last peer wrote.
    """
    validations = [{"op": "validate", **message} for message in messages]
    verdicts = peers.ask_all([(peer, validations) for peer in languages])
    broken = [
        f"{peer.language} {message['type']}: {verdict}"
        for peer, answers in zip(languages, verdicts, strict=True)
        for message, verdict in zip(messages, answers, strict=True)
        if verdict.get("error") or verdict["data"]
    ]
    formats = ["binary", *["json"] * (len(languages) - 1), "binary"]
    for peer, start, end in zip(languages, formats, formats[1:], strict=False):
        answers = peer.ask([{"op": "convert", **message, "from": start, "to": end} for message in messages])
        for message, answer in zip(messages, answers, strict=True):
            if "error" in answer:
                raise StageFailed(f"{peer.language} cannot read a {message['type']}: {answer['error']}")
            message["data"] = answer["data"]
    return broken
