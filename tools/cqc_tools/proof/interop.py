"""Every message type of the contracts, filled with generated values, from each language to each other one and back.

The peers are the built packages. A value is generated here, handed to the writing language in binary, written by it in
binary or JSON, read by the reading language, and compared with what was generated.
"""

import base64
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from cqc_tools.foundation import process
from cqc_tools.foundation.errors import StageFailed

FORMATS = ("binary", "json")
# The largest values that JSON can carry: years 1 to 9999, and durations of ten thousand years either way.
TIMESTAMP_SECONDS = (-62_135_596_800, 253_402_300_799)
DURATION_SECONDS = 315_576_000_000
ALPHABET = 'abcXYZ019 -_/:."\\\n\té€𝄞'
LARGEST_DEPTH = 4
# Field 50000 as a number and field 50001 as a text, in the wire format: numbers that no contract uses.
NEWER_FIELDS = b"\x80\xb5\x18\x2a" + b"\x8a\xb5\x18\x05newer"


@dataclass(frozen=True)
class Peer:
    """A program that reads and writes messages in one language."""

    language: str
    command: Sequence[str | Path]
    folder: Path
    environment: Mapping[str, str]

    def ask(self, requests: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Send all requests, as tools/interop/peer.py describes them, and return the answers in the same order."""
        lines = "".join(json.dumps(request) + "\n" for request in requests)
        printed = process.run(
            self.command, cwd=self.folder, env=self.environment, stdin=lines.encode(), what=f"{self.language} peer"
        )
        answers = [json.loads(line) for line in printed.split("\n") if line]
        if len(answers) != len(requests):
            raise StageFailed(f"the {self.language} peer answered {len(answers)} of {len(requests)} requests")
        return answers


@dataclass(frozen=True)
class Outcome:
    """How many messages crossed from one language to another in one format."""

    writer: str
    reader: str
    format: str
    types: int
    messages: int


def message_types(descriptor_set: descriptor_pb2.FileDescriptorSet) -> list[Descriptor]:
    """Every message of the contracts, nested ones included, in a pool of their own."""
    pool = descriptor_pool.DescriptorPool()
    found: list[Descriptor] = []

    def add(descriptor: Descriptor) -> None:
        if not descriptor.GetOptions().map_entry:
            found.append(descriptor)
        for nested in descriptor.nested_types:
            add(nested)

    for file in descriptor_set.file:
        pool.Add(file)
        if file.package.startswith("cqc."):
            for message in file.message_type:
                add(pool.FindMessageTypeByName(f"{file.package}.{message.name}"))
    return found


def fill(descriptor: Descriptor, source: random.Random, depth: int = 0) -> Message:
    """A message with every kind of value that its fields can hold: extremes, absence, repetition, unknown enum values.

    NaN is left out because it equals nothing, itself included.
    """
    message: Any = message_factory.GetMessageClass(descriptor)()
    if descriptor.full_name == "google.protobuf.Timestamp":
        message.seconds, message.nanos = source.randint(*TIMESTAMP_SECONDS), source.randrange(10**9)
        return message  # type: ignore[no-any-return]
    if descriptor.full_name == "google.protobuf.Duration":
        seconds = source.randint(-DURATION_SECONDS, DURATION_SECONDS)
        message.seconds, message.nanos = seconds, source.randrange(10**9) * (1 if seconds >= 0 else -1)
        return message  # type: ignore[no-any-return]
    if descriptor.full_name == "google.protobuf.FieldMask":
        message.paths.extend(source.sample(["name", "display_decimals", "legs.ratio"], source.randint(0, 3)))
        return message  # type: ignore[no-any-return]
    chosen = {source.choice(oneof.fields).name for oneof in descriptor.oneofs if source.random() < 0.9}
    for field in descriptor.fields:
        if field.containing_oneof and field.name not in chosen:
            continue
        if field.message_type and depth >= LARGEST_DEPTH:
            continue
        _set(message, field, source, depth)
    return message  # type: ignore[no-any-return]


def _set(message: Any, field: FieldDescriptor, source: random.Random, depth: int) -> None:
    if field.message_type and field.message_type.GetOptions().map_entry:
        key, value = field.message_type.fields_by_name["key"], field.message_type.fields_by_name["value"]
        for _ in range(source.randint(0, 3)):
            entries = getattr(message, field.name)
            if value.message_type:
                entries[_scalar(key, source)].CopyFrom(fill(value.message_type, source, depth + 1))
            else:
                entries[_scalar(key, source)] = _scalar(value, source)
    elif field.is_repeated:
        for _ in range(source.randint(0, 3)):
            values = getattr(message, field.name)
            if field.message_type:
                values.append(fill(field.message_type, source, depth + 1))
            else:
                values.append(_scalar(field, source))
    elif field.message_type:
        if source.random() < 0.8:
            getattr(message, field.name).CopyFrom(fill(field.message_type, source, depth + 1))
    elif not field.has_presence or field.containing_oneof or source.random() < 0.8:
        setattr(message, field.name, _scalar(field, source))


def _scalar(field: FieldDescriptor, source: random.Random) -> Any:
    kind = field.cpp_type
    if kind == FieldDescriptor.CPPTYPE_STRING:
        if field.type == FieldDescriptor.TYPE_BYTES:
            return source.randbytes(source.randint(0, 40))
        return "".join(source.choices(ALPHABET, k=source.choice([0, 1, 8, 60])))
    if kind == FieldDescriptor.CPPTYPE_BOOL:
        return source.random() < 0.5
    if kind == FieldDescriptor.CPPTYPE_ENUM:
        # A value that only a newer schema knows has to survive as well.
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


def cross(
    peers: Sequence[Peer], descriptor_set: descriptor_pb2.FileDescriptorSet, per_type: int, seed: int
) -> Iterator[Outcome]:
    """Send `per_type` messages of every type through every directed pair of peers in both formats.

    Raises StageFailed with the first messages that came back different or not at all, with the seed to repeat it.
    """
    source = random.Random(seed)
    types = message_types(descriptor_set)
    originals = [fill(descriptor, source) for descriptor in types for _ in range(per_type)]
    names = [str(message.DESCRIPTOR.full_name) for message in originals]
    wires = [base64.b64encode(message.SerializeToString(deterministic=True)).decode() for message in originals]

    def asking(start: str, end: str, data: Sequence[str]) -> list[dict[str, str]]:
        return [
            {"op": "convert", "type": name, "from": start, "to": end, "data": item}
            for name, item in zip(names, data, strict=True)
        ]

    for writer in peers:
        for spelling in FORMATS:
            written = _all_data(writer, asking("binary", spelling, wires), seed)
            for reader in peers:
                if reader is writer:
                    continue
                read = _all_data(reader, asking(spelling, "binary", written), seed)
                for original, text, data in zip(originals, written, read, strict=True):
                    if type(original).FromString(base64.b64decode(data)) != original:
                        raise StageFailed(
                            f"{original.DESCRIPTOR.full_name} changed from {writer.language} to {reader.language} in "
                            f"{spelling} (seed {seed}):\nsent {original}\nas {text}"
                        )
                yield Outcome(writer.language, reader.language, spelling, len(types), len(originals))


def forward(peers: Sequence[Peer], descriptor_set: descriptor_pb2.FileDescriptorSet, seed: int) -> int:
    """Send every type, with fields that only a newer schema knows, through each peer as an older reader that writes the
    message again; returns the number of messages per peer.

    Raises StageFailed naming the first message that lost such a field.
    """
    source = random.Random(seed)
    types = message_types(descriptor_set)
    wires = [fill(descriptor, source).SerializeToString() + NEWER_FIELDS for descriptor in types]
    requests = [
        {
            "op": "convert",
            "type": descriptor.full_name,
            "from": "binary",
            "to": "binary",
            "data": base64.b64encode(wire).decode(),
        }
        for descriptor, wire in zip(types, wires, strict=True)
    ]
    for peer in peers:
        for descriptor, wire, data in zip(types, wires, _all_data(peer, requests, seed), strict=True):
            message = message_factory.GetMessageClass(descriptor)
            # Equality covers unknown fields, wherever a language writes them.
            if message.FromString(base64.b64decode(data)) != message.FromString(wire):
                raise StageFailed(
                    f"{peer.language} lost a field that it does not know of {descriptor.full_name} (seed {seed})"
                )
    return len(types)


def _all_data(peer: Peer, requests: list[dict[str, str]], seed: int) -> list[str]:
    answers = peer.ask(requests)
    for request, answer in zip(requests, answers, strict=True):
        if "error" in answer:
            raise StageFailed(
                f"{peer.language} refused {request['type']} from {request['from']} to {request['to']} (seed {seed}): "
                f"{answer['error']}\n{request['data'][:2000]}"
            )
    return [answer.get("data", "") for answer in answers]
