"""Golden bytes: every message of a released version, as each language wrote it, which must be readable for ever.

They lie in tools/golden, a file per version. A line is one message type: its content as JSON, and its bytes in base64
with the languages that wrote them so.
"""

import base64
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf import descriptor_pb2, json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from cqc_tools.contracts import golden_files
from cqc_tools.foundation import files
from cqc_tools.foundation.errors import StageFailed
from cqc_tools.foundation.version import Version
from cqc_tools.proof.corpus import Contracts
from cqc_tools.proof.interop import Peer

# A message that holds itself would be filled without end.
DEPTH = 3


@dataclass(frozen=True)
class Golden:
    """How many messages of one version were read by every language."""

    version: str
    types: int
    read: int


def write(version: Version, peers: Sequence[Peer], descriptor_set: descriptor_pb2.FileDescriptorSet) -> int:
    """Have every language write every message, and keep the bytes for a version; returns the number of messages.

    Raises StageFailed when a language cannot read or write one.
    """
    samples, texts = _samples(descriptor_set)
    written: list[dict[str, list[str]]] = [defaultdict(list) for _ in samples]
    for peer in peers:
        requests = [
            _convert(sample.DESCRIPTOR.full_name, "json", text) for sample, text in zip(samples, texts, strict=True)
        ]
        for wires, answer, text in zip(written, peer.ask(requests), texts, strict=True):
            if "error" in answer:
                raise StageFailed(f"{peer.language} could not write {text[:500]}: {answer['error']}")
            wires[answer["data"]].append(peer.language)
    lines = [
        json.dumps({"type": sample.DESCRIPTOR.full_name, "content": json.loads(text), "bytes": wires})
        for sample, text, wires in zip(samples, texts, written, strict=True)
    ]
    files.write_text(golden_files.file_of(version), "".join(f"{line}\n" for line in lines))
    return len(lines)


def read(
    peers: Sequence[Peer], descriptor_set: descriptor_pb2.FileDescriptorSet, released: Sequence[Version]
) -> list[Golden]:
    """Have every language read the bytes of every kept version.

    Raises StageFailed naming the first message that a language does not read, or reads with another content, a release
    whose bytes were not kept, and a version not yet released whose bytes are not those of the contracts as they are.
    """
    for missing in [
        version for version in released if version == version.final and not golden_files.file_of(version).exists()
    ]:
        raise StageFailed(f"{missing.tag} has no golden bytes: restore {golden_files.file_of(missing)} from its tag")
    found = []
    for version in golden_files.versions():
        kept = [json.loads(line) for line in golden_files.file_of(version).read_text().splitlines()]
        if version not in released and [line["content"] for line in kept] != list(
            map(json.loads, _samples(descriptor_set)[1])
        ):
            raise StageFailed(
                f"the contracts changed since {golden_files.file_of(version)}: make golden VERSION={version.npm}"
            )
        wires = [(line, wire) for line in kept for wire in line["bytes"]]
        for peer in peers:
            requests = [
                {"op": "convert", "type": line["type"], "from": "binary", "to": "json", "data": wire}
                for line, wire in wires
            ]
            for (line, _), answer in zip(wires, peer.ask(requests), strict=True):
                _compare(version, peer, line, answer)
        found.append(Golden(version.npm, len(kept), len(wires) * len(peers)))
    return found


def _compare(version: Version, peer: Peer, line: dict[str, Any], answer: dict[str, Any]) -> None:
    where = f"{peer.language} and {line['type']} as {version.npm} wrote it"
    if "error" in answer:
        raise StageFailed(f"{where}: cannot be read any more: {answer['error']}")
    now = json.loads(answer["data"])
    if now != line["content"]:
        raise StageFailed(
            f"{where}: read as {json.dumps(now)[:1000]}, it was {json.dumps(line['content'])[:1000]}.\n"
            "A field was removed, renamed, or got another number or type: see docs/changing-a-contract.md"
        )


def _samples(descriptor_set: descriptor_pb2.FileDescriptorSet) -> tuple[list[Message], list[str]]:
    """One filled message of every type, and the same as JSON."""
    contracts = Contracts(descriptor_set)
    samples = [_sample(contracts, descriptor) for descriptor in contracts.types]
    return samples, [json_format.MessageToJson(sample, indent=None) for sample in samples]


def _convert(name: str, spelling: str, data: str) -> dict[str, str]:
    return {"op": "convert", "type": name, "from": spelling, "to": "binary", "data": data}


def _sample(contracts: Contracts, descriptor: Descriptor, depth: int = 0) -> Message:
    """A message with a value in each field that tells it from its neighbours; of a oneof the last field stays."""
    message = contracts.new(descriptor)
    for field in descriptor.fields:
        if field.message_type:
            if depth < DEPTH:
                _put(message, field, _sample(contracts, field.message_type, depth + 1))
        else:
            _put(message, field, _value(field))
    return message  # type: ignore[no-any-return]


def _put(message: Any, field: FieldDescriptor, value: Any) -> None:
    if field.is_repeated:
        getattr(message, field.name).append(value)
    elif field.message_type:
        getattr(message, field.name).CopyFrom(value)
    else:
        setattr(message, field.name, value)


def _value(field: FieldDescriptor) -> Any:
    if field.containing_type and field.containing_type.full_name == "google.protobuf.FieldMask":
        return "name"
    kind = field.cpp_type
    if kind == FieldDescriptor.CPPTYPE_STRING:
        return base64.b64encode(field.name.encode()) if field.type == FieldDescriptor.TYPE_BYTES else field.name
    if kind == FieldDescriptor.CPPTYPE_BOOL:
        return True
    if kind == FieldDescriptor.CPPTYPE_ENUM:
        assert field.enum_type
        return max(value.number for value in field.enum_type.values)
    if kind in (FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT):
        return field.number + 0.5
    return field.number
