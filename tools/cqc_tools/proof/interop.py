"""Interoperability: the built packages of all languages read each other's messages and give the same answers.

Messages of every type are filled with generated values, written by each language in binary and JSON, read by each other
language, and compared with the original. If the project has CQC's own code, the languages also answer the questions of
conformance.py, read the golden bytes of golden.py, and call each other's servers as client_behaviour.py describes.
"""

import base64
import itertools
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from cqc_tools.contracts import descriptors
from cqc_tools.contracts.messages import Messages, set_field
from cqc_tools.foundation import console
from cqc_tools.foundation.errors import StageFailed, ToolError
from cqc_tools.foundation.version import before, end_of_checkout, released
from cqc_tools.proof import client_behaviour, conformance, golden, outcomes, peers
from cqc_tools.proof.client_behaviour import Behaviour
from cqc_tools.proof.conformance import Agreement
from cqc_tools.proof.golden import GoldenVersion
from cqc_tools.proof.peers import Answer, Peer, Request
from cqc_tools.proof.subject import Subject

FORMATS = ("binary", "json")
MESSAGES_PER_TYPE = 8
# The bounds of JSON: years 1 to 9999, and durations of ten thousand years in either direction.
TIMESTAMP_SECONDS = (-62_135_596_800, 253_402_300_799)
DURATION_SECONDS = 315_576_000_000
ALPHABET = 'abcXYZ019 -_/:."\\\n\té€𝄞'
LARGEST_DEPTH = 4
# `make interop` runs all cases of the clients.
CLIENT_SAMPLE = 10
# In the wire format, field 50000 with a number and field 50001 with a string. No message has fields with these numbers.
NEWER_FIELDS = b"\x80\xb5\x18\x2a" + b"\x8a\xb5\x18\x05newer"


@dataclass(frozen=True)
class Crossing:
    """The messages that one language wrote and another read, in one format."""

    writer: str
    reader: str
    format: str
    types: int
    messages: int


@dataclass
class Interop:
    """What the languages agreed on. After a failure the later results are missing.

    `forwarded` is the number of types whose unknown fields every language preserved.
    """

    languages: tuple[str, ...]
    seed: int
    crossings: list[Crossing] = field(default_factory=list)
    forwarded: int = 0
    rules: list[Agreement] = field(default_factory=list)
    helpers: list[Agreement] = field(default_factory=list)
    golden: list[GoldenVersion] = field(default_factory=list)
    behaviour: Behaviour | None = None
    steps: dict[str, float] = field(default_factory=dict)
    failure: ToolError | None = None

    def to_json(self) -> dict[str, Any]:
        """The result for a program."""
        return {
            "languages": self.languages,
            "seed": self.seed,
            "crossings": [asdict(item) for item in self.crossings],
            "forwarded": self.forwarded,
            "rules": [asdict(item) for item in self.rules],
            "helpers": [asdict(item) for item in self.helpers],
            "golden": [asdict(item) for item in self.golden],
            "behaviour": self.behaviour.to_json() if self.behaviour else None,
            "steps": self.steps,
        }

    def show(self) -> None:
        """Print the result for a person."""
        count = len(self.languages)
        console.table(
            ("written by", "read by", "format", "types", "messages"),
            [(item.writer, item.reader, item.format, item.types, item.messages) for item in self.crossings],
        )
        messages = sum(item.messages for item in self.crossings)
        console.output.print(f"{messages} messages came back unchanged (seed {self.seed})")
        console.output.print(f"{self.forwarded} types kept their unknown fields in {count} languages")
        for subject, rows, same in (
            ("rule", self.rules, "messages of the corpus have the same verdict, paths and rule ids"),
            ("helper", self.helpers, "answers of helpers are the same"),
        ):
            if rows:
                console.table((subject, "answers"), [(row.subject, row.answers) for row in rows])
                console.output.print(f"{sum(row.answers for row in rows)} {same} in {count} languages")
        for row in self.golden:
            console.output.print(f"{row.types} messages of {row.version} have the same content in {count} languages")
        if self.behaviour:
            self.behaviour.show()


def weekly_seed() -> int:
    """A seed that changes every week, so that a failure can be repeated and values vary over time."""
    return int(time.strftime("%G%V"))


def run(subject: Subject, sample: int | None = None) -> Interop:
    """Run all of it on the built packages: the whole corpus, or that many of its cases, half the messages and some of
    the clients' cases, others every week."""
    seed = weekly_seed()
    steps: dict[str, float] = {}
    with console.step("prepare the peers", steps):
        languages = peers.load(subject)
    messages = Messages(descriptors.generated(subject.settings), subject.settings.root_package)
    result = Interop(tuple(peer.language for peer in languages), seed, steps=steps)

    def crossings() -> None:
        result.crossings = cross(languages, messages, MESSAGES_PER_TYPE // (2 if sample else 1), seed)
        result.forwarded = forward(languages, messages, seed)

    def rules() -> None:
        result.rules = conformance.rules(languages, messages, sample, seed)

    def helpers() -> None:
        result.helpers = conformance.helpers(languages, messages, seed)

    def golden_bytes() -> None:
        result.golden = golden.read(languages, before(end_of_checkout(), released()))

    def behaviour() -> None:
        chosen = client_behaviour.cases(CLIENT_SAMPLE if sample else None, seed)
        result.behaviour = client_behaviour.run(languages, messages, chosen)

    stages: dict[str, Callable[[], None]] = {"exchange messages": crossings}
    if subject.settings.cqc_code:
        stages |= {
            "validate the corpus": rules,
            "compare the helpers": helpers,
            "read golden bytes": golden_bytes,
            "call the servers": behaviour,
        }
    failures = []
    for title, stage in stages.items():
        try:
            with console.step(title, steps):
                stage()
        except ToolError as failure:
            failures.append(failure)
    result.failure = outcomes.as_one(failures)
    return result


def cross(languages: Sequence[Peer], messages: Messages, per_type: int, seed: int) -> list[Crossing]:
    """Send `per_type` messages of every type from each language to each other one, in both formats.

    Raises StageFailed with the first message that changed or was rejected, and the seed.
    """
    source = random.Random(seed)
    originals = [fill(messages, descriptor, source) for descriptor in messages.types for _ in range(per_type)]
    names = [str(message.DESCRIPTOR.full_name) for message in originals]
    wires = [_base64(message.SerializeToString(deterministic=True)) for message in originals]
    # Each peer is started only twice, to write and then to read: starting it takes longer than converting a message.
    written = _convert(
        [(peer, [(names, wires, "binary", spelling) for spelling in FORMATS]) for peer in languages], seed
    )
    texts = [
        _Text(writer.language, spelling, data)
        for writer, groups in zip(languages, written, strict=True)
        for spelling, data in zip(FORMATS, groups, strict=True)
    ]
    received = {peer.language: [text for text in texts if text.writer != peer.language] for peer in languages}
    read = _convert(
        [(peer, [(names, text.data, text.format, "binary") for text in received[peer.language]]) for peer in languages],
        seed,
    )
    crossings = []
    for (reader, sent), groups in zip(received.items(), read, strict=True):
        for text, data in zip(sent, groups, strict=True):
            _require_equal(originals, text, reader, data, seed)
            crossings.append(Crossing(text.writer, reader, text.format, len(messages.types), len(originals)))
    return crossings


def forward(languages: Sequence[Peer], messages: Messages, seed: int) -> int:
    """Have every language read and write every type with fields that only a newer schema knows; returns the number of
    types.

    Raises StageFailed with the first type that lost such a field, and the seed.
    """
    source = random.Random(seed)
    names = [descriptor.full_name for descriptor in messages.types]
    wires = [fill(messages, descriptor, source).SerializeToString() + NEWER_FIELDS for descriptor in messages.types]
    request = (names, [_base64(wire) for wire in wires], "binary", "binary")
    for peer, (data,) in zip(languages, _convert([(peer, [request]) for peer in languages], seed), strict=True):
        for descriptor, wire, returned in zip(messages.types, wires, data, strict=True):
            message = messages.new(descriptor).__class__
            # Messages compare equal only if their unknown fields are equal too.
            if message.FromString(base64.b64decode(returned)) != message.FromString(wire):
                raise StageFailed(f"{peer.language} lost an unknown field of {descriptor.full_name} (seed {seed})")
    return len(names)


def fill(messages: Messages, descriptor: Descriptor, source: random.Random, depth: int = 0) -> Message:
    """A message with all kinds of values: extremes, absence, repetition, unknown enum values.

    NaN is left out because it does not equal itself.
    """
    message = messages.new(descriptor)
    match descriptor.full_name:
        case "google.protobuf.Timestamp":
            message.seconds, message.nanos = source.randint(*TIMESTAMP_SECONDS), source.randrange(10**9)
        case "google.protobuf.Duration":
            seconds = source.randint(-DURATION_SECONDS, DURATION_SECONDS)
            message.seconds, message.nanos = seconds, source.randrange(10**9) * (1 if seconds >= 0 else -1)
        case "google.protobuf.FieldMask":
            message.paths.extend(source.sample(["name", "display_decimals", "legs.ratio"], source.randint(0, 3)))
        case _:
            chosen = {source.choice(oneof.fields).name for oneof in descriptor.oneofs if source.random() < 0.9}
            for field in descriptor.fields:
                if field.containing_oneof and field.name not in chosen:
                    continue
                if field.message_type and (depth >= LARGEST_DEPTH or _is_absent(field, source)):
                    continue
                set_field(message, field, _value(messages, field, source, depth))
    return message  # type: ignore[no-any-return]


def _is_absent(field: FieldDescriptor, source: random.Random) -> bool:
    """Whether a message field stays unset this time."""
    return not field.is_repeated and source.random() < 0.2


def _value(messages: Messages, field: FieldDescriptor, source: random.Random, depth: int) -> Any:
    """A value for a whole field: a mapping for a map, a list for a repeated field."""
    if field.message_type and field.message_type.GetOptions().map_entry:
        key, value = field.message_type.fields_by_name["key"], field.message_type.fields_by_name["value"]
        return {_scalar(key, source): _element(messages, value, source, depth) for _ in range(source.randint(0, 3))}
    if field.is_repeated:
        return [_element(messages, field, source, depth) for _ in range(source.randint(0, 3))]
    return _element(messages, field, source, depth)


def _element(messages: Messages, field: FieldDescriptor, source: random.Random, depth: int) -> Any:
    return fill(messages, field.message_type, source, depth + 1) if field.message_type else _scalar(field, source)


def _scalar(field: FieldDescriptor, source: random.Random) -> Any:
    kind = field.cpp_type
    if kind == FieldDescriptor.CPPTYPE_STRING:
        if field.type == FieldDescriptor.TYPE_BYTES:
            return source.randbytes(source.randint(0, 40))
        return "".join(source.choices(ALPHABET, k=source.choice([0, 1, 8, 60])))
    if kind == FieldDescriptor.CPPTYPE_BOOL:
        return source.random() < 0.5
    if kind == FieldDescriptor.CPPTYPE_ENUM:
        # A value of a newer schema must be preserved too.
        assert field.enum_type
        return source.choice([*field.enum_type.values_by_number, 99_999])
    if kind == FieldDescriptor.CPPTYPE_DOUBLE:
        return source.choice(
            [0.0, 0.1, 5e-324, 1.7976931348623157e308, float("inf"), float("-inf"), source.gauss(0, 1e6)]
        )
    if kind == FieldDescriptor.CPPTYPE_FLOAT:
        return source.choice([0.0, 0.5, -1.25, float("inf")])
    bits = 64 if kind in (FieldDescriptor.CPPTYPE_INT64, FieldDescriptor.CPPTYPE_UINT64) else 32
    signed = kind in (FieldDescriptor.CPPTYPE_INT64, FieldDescriptor.CPPTYPE_INT32)
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    return source.choice([low, high, 0, 1, source.randint(low, high)])


@dataclass(frozen=True)
class _Text:
    """All messages, as one language wrote them in one format."""

    writer: str
    format: str
    data: list[str]


# Names of message types, one message of each, the format they are in, and the one to convert them to.
_Conversion = tuple[Sequence[str], Sequence[str], str, str]


def _convert(questions: Sequence[tuple[Peer, Sequence[_Conversion]]], seed: int) -> list[list[list[str]]]:
    """The converted messages of each conversion of each peer. Raises StageFailed if a peer rejects one."""
    requests = [
        [
            {"op": "convert", "type": name, "from": start, "to": end, "data": item}
            for names, data, start, end in conversions
            for name, item in zip(names, data, strict=True)
        ]
        for _, conversions in questions
    ]
    languages = [peer for peer, _ in questions]
    answers = peers.ask_all(list(zip(languages, requests, strict=True)))
    converted = []
    for (peer, conversions), asked, answered in zip(questions, requests, answers, strict=True):
        data = iter([_data(peer, *pair, seed) for pair in zip(asked, answered, strict=True)])
        converted.append([list(itertools.islice(data, len(names))) for names, *_ in conversions])
    return converted


def _data(peer: Peer, request: Request, answer: Answer, seed: int) -> str:
    if "error" in answer:
        raise StageFailed(
            f"{peer.language} rejected a {request['type']} from {request['from']} to {request['to']} (seed {seed}): "
            f"{answer['error']}",
            details=str(request["data"])[:2000],
        )
    return str(answer.get("data", ""))


def _require_equal(originals: Sequence[Message], text: _Text, reader: str, data: Sequence[str], seed: int) -> None:
    for original, written, wire in zip(originals, text.data, data, strict=True):
        if type(original).FromString(base64.b64decode(wire)) != original:
            raise StageFailed(
                f"a {original.DESCRIPTOR.full_name} changed from {text.writer} to {reader} (seed {seed})",
                details=f"sent {original}\nas {text.format} {written}",
            )


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
