"""Real venue payloads through the contracts and back: mapped, validated, through each other language, and compared.

The mappings are the example in examples/venues; the messages go from Python to Go in binary, from Go to TypeScript in
JSON, and back to Python in binary.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cqc_tools.foundation import console, process, workspace
from cqc_tools.foundation.errors import StageFailed
from cqc_tools.packages import examples
from cqc_tools.proof.interop import Peer

MAPPINGS = workspace.EXAMPLES / "venues"
SHOWN = 20


@dataclass(frozen=True)
class Lossless:
    """What came back. `rows` has one entry per venue and kind of record; `broken` names the rules that a mapped message
    breaks, in any language; `lost` the values that did not come back."""

    payloads: str
    languages: tuple[str, ...]
    rows: tuple[Mapping[str, Any], ...]
    sentinels: tuple[Mapping[str, Any], ...]
    not_kept: tuple[Mapping[str, Any], ...]
    skipped: tuple[Mapping[str, Any], ...]
    broken: tuple[str, ...]
    lost: tuple[str, ...]
    lives: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """The result for a program."""
        return asdict(self)

    def show(self) -> None:
        """Print the result for a person."""
        console.output.print(f"\nMapped {self.payloads}")
        console.table(
            ("venue", "kind", "records", "messages", "numbers", "other values", "sentinels", "lost"),
            [
                tuple(
                    row[name]
                    for name in ("venue", "kind", "records", "messages", "numbers", "others", "sentinels", "lost")
                )
                for row in self.rows
            ],
        )
        console.output.print("\nSentinels, which became absence:")
        console.table(
            ("venue", "kind", "value", "times"),
            [(item["venue"], item["kind"], item["value"], item["times"]) for item in self.sentinels],
        )
        console.output.print("\nNot kept by the contracts:")
        console.table(
            ("venue", "kind", "place", "reason"),
            [(item["venue"], item["kind"], item["place"], item["reason"]) for item in self.not_kept],
        )
        for item in self.skipped:
            console.output.print(f"No record, {item['venue']}: {item['payloads']} payloads, {item['reason']}")
        lives = self.lives
        console.output.print(
            f"\nOrder lives: {lives['orders']} orders, {lives['transitions']} transitions between "
            f"{', '.join(lives['states'])}: {len(lives['refused'])} refused"
        )
        total = {name: sum(row[name] for row in self.rows) for name in ("records", "numbers", "others", "lost")}
        console.output.print(
            f"{total['records']} records through {', '.join(self.languages)}: {total['numbers']} numbers and "
            f"{total['others']} other values compared, {total['lost']} lost"
        )

    def refuse_losses(self) -> None:
        """Raise StageFailed that names the first values that were lost, rules that were broken or lives that were
        refused."""
        problems = [*self.lost, *self.broken, *self.lives["refused"]]
        if problems:
            more = [f"... and {len(problems) - SHOWN} more"] if len(problems) > SHOWN else []
            raise StageFailed("\n".join(["the contracts do not hold what the venues sent:", *problems[:SHOWN], *more]))
        if not self.rows:
            raise StageFailed(f"there is nothing to map in {self.payloads}")


def lossless(python: Path, peers: Sequence[Peer]) -> Lossless:
    """Run it on the captured payloads where they are beside the checkout, else on the samples; `python` is an
    interpreter with the built package, `peers` are the languages that the messages pass through.

    Raises StageFailed when a mapping or a peer fails.
    """
    folder = workspace.CAPTURED_VENUES if workspace.CAPTURED_VENUES.is_dir() else examples.SAMPLE
    payloads = "the captured payloads of the venues"
    if folder == examples.SAMPLE:
        payloads = "the samples in examples/data, because no captured payloads lie beside the checkout"
    command: list[str | Path] = [python, "-m", "cqc_venues"]
    environment = workspace.tool_environment(PYTHONPATH=str(MAPPINGS))

    def run(*arguments: str | Path, stdin: bytes | None = None) -> str:
        words = [*command, *arguments]
        return process.run(words, cwd=MAPPINGS, env=environment, stdin=stdin, what="map the venues' payloads")

    with console.step("map and validate the payloads"):
        records = [json.loads(line) for line in run("map", folder).splitlines()]
    broken = [f"{record['place']} {text}" for record in records for text in record["broken"]]
    messages = [message for record in records for group in record["messages"].values() for message in group]
    with console.step(f"{len(messages)} messages through {', '.join(peer.language for peer in peers)}"):
        broken += _pass_through(peers, messages)
    with console.step("compare what came back"):
        lines = "".join(json.dumps(record) + "\n" for record in records)
        found = json.loads(run("compare", folder, stdin=lines.encode()))
    lists = {name: tuple(found[name]) for name in ("rows", "sentinels", "not_kept", "skipped", "lost")}
    languages = ("Python", *(peer.language for peer in peers), "Python")
    return Lossless(payloads=payloads, languages=languages, broken=tuple(broken), lives=found["lives"], **lists)


def _pass_through(peers: Sequence[Peer], messages: list[dict[str, str]]) -> list[str]:
    """Have each peer validate all messages, then read and write them in turn; the data of the messages become what the
    last one wrote. Returns the rules that were broken."""
    broken = []
    for peer in peers:
        verdicts = peer.ask([{"op": "validate", **message} for message in messages])
        broken += [
            f"{peer.language} {message['type']}: {verdict}"
            for message, verdict in zip(messages, verdicts, strict=True)
            if verdict.get("error") or verdict["data"]
        ]
    for number, peer in enumerate(peers):
        first, last = number == 0, number == len(peers) - 1
        spelling = {"from": "binary" if first else "json", "to": "binary" if last else "json"}
        answers = peer.ask([{"op": "convert", **message, **spelling} for message in messages])
        for message, answer in zip(messages, answers, strict=True):
            if "error" in answer:
                raise StageFailed(f"{peer.language} could not read a {message['type']}: {answer['error']}")
            message["data"] = answer["data"]
    return broken
