"""Golden bytes: every message of every release, as each language wrote it, which must stay readable forever.

Each line of a version's file is one message type: its content as JSON, and its bytes in base64, each with the languages
that wrote them.
"""

import base64
import json
import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from cqc_tools.contracts import descriptors, golden_files
from cqc_tools.contracts.messages import Messages, set_field
from cqc_tools.foundation import console, version, workspace
from cqc_tools.foundation.errors import StageFailed, ToolError, UserError
from cqc_tools.foundation.version import Version
from cqc_tools.proof import peers
from cqc_tools.proof.peers import Answer, Peer, Request
from cqc_tools.proof.subject import Subject

# A message type that contains itself would never be complete.
LARGEST_DEPTH = 3


@dataclass(frozen=True)
class GoldenVersion:
    """How many message types of one version every language read, and how many messages that made."""

    version: str
    types: int
    messages: int


@dataclass(frozen=True)
class Kept:
    """The golden bytes that were written for a version."""

    version: str
    file: str
    messages: int
    failure: ToolError | None = None

    def to_json(self) -> dict[str, Any]:
        """The result for a program."""
        return {"version": self.version, "file": self.file, "messages": self.messages}

    def show(self) -> None:
        """Print the result for a person."""
        console.output.print(f"wrote {self.messages} messages to {self.file}: commit it before you tag {self.version}")


def keep(chosen: Version, subject: Subject) -> Kept:
    """Write the golden bytes of a version that is about to be released, with the built packages.

    Raises UserError for a released version, whose golden bytes never change.
    """
    if not subject.settings.cqc_code:
        raise UserError("this project keeps no golden bytes", "set cqc_code = true in release.toml")
    if chosen in version.released():
        raise UserError(f"{chosen.tag} is released, so its golden bytes never change", "choose the next version")
    with console.step("prepare the peers"):
        languages = peers.load(subject)
    descriptor_set = descriptors.generated(subject.settings)
    messages = Messages(descriptor_set, subject.settings.root_package)
    count = write(chosen, languages, messages, golden_files.fingerprint(descriptor_set))
    return Kept(chosen.tag, _shown(chosen), count)


def write(chosen: Version, languages: Sequence[Peer], messages: Messages, contracts: str) -> int:
    """Have every language write every message type, and keep the bytes; returns the number of messages. `contracts` is
    the fingerprint of the contracts.

    Raises StageFailed if a language rejects one.
    """
    samples, texts = _samples(messages)
    requests = [
        _conversion(sample.DESCRIPTOR.full_name, text, "json", "binary")
        for sample, text in zip(samples, texts, strict=True)
    ]
    written: list[dict[str, list[str]]] = [defaultdict(list) for _ in samples]
    answered = peers.ask_all([(peer, requests) for peer in languages])
    for peer, answers in zip(languages, answered, strict=True):
        for wires, answer, text in zip(written, answers, texts, strict=True):
            if "error" in answer:
                raise StageFailed(f"{peer.language} cannot write a golden message: {answer['error']}", "", text[:500])
            wires[answer["data"]].append(peer.language)
    lines = [
        {"type": sample.DESCRIPTOR.full_name, "content": json.loads(text), "bytes": wires}
        for sample, text, wires in zip(samples, texts, written, strict=True)
    ]
    golden_files.write(chosen, contracts, lines)
    return len(lines)


def read(languages: Sequence[Peer], released: Sequence[Version]) -> list[GoldenVersion]:
    """Have every language read the golden bytes of all releases.

    Raises StageFailed if a language cannot read a message or reads another content, or if a release has no golden
    bytes. Those of a version that is not released yet may be outdated, which preflight reports.
    """
    for missing in released:
        if missing == missing.final and not golden_files.file_of(missing).exists():
            raise StageFailed(f"{missing.tag} has no golden bytes", f"git checkout {missing.tag} -- {_shown(missing)}")
    return [_read_version(kept, languages) for kept in golden_files.versions() if kept in released]


def _read_version(kept: Version, languages: Sequence[Peer]) -> GoldenVersion:
    _, lines = golden_files.read(kept)
    wires = [(line, wire) for line in lines for wire in line["bytes"]]
    requests = [_conversion(line["type"], wire, "binary", "json") for line, wire in wires]
    answered = peers.ask_all([(peer, requests) for peer in languages])
    for peer, answers in zip(languages, answered, strict=True):
        for (line, _), answer in zip(wires, answers, strict=True):
            _require_same(kept, peer, line, answer)
    return GoldenVersion(kept.npm, len(lines), len(wires) * len(languages))


def _shown(kept: Version) -> str:
    """The file of a version, relative to the top of the repository."""
    return os.path.relpath(golden_files.file_of(kept), workspace.ROOT)


def _require_same(kept: Version, peer: Peer, line: dict[str, Any], answer: Answer) -> None:
    what = f"a {line['type']} that {kept.npm} wrote"
    if "error" in answer:
        raise StageFailed(f"{peer.language} cannot read {what}: {answer['error']}")
    now = json.loads(answer["data"])
    if now != line["content"]:
        raise StageFailed(
            f"{peer.language} reads another content from {what}: a field was removed, renamed, renumbered or retyped",
            "see docs/changing-a-contract.md",
            f"written: {json.dumps(line['content'])[:1000]}\nread: {json.dumps(now)[:1000]}",
        )


def _samples(messages: Messages) -> tuple[list[Message], list[str]]:
    """A filled message of every type, and the same as JSON."""
    samples = [_sample(messages, descriptor) for descriptor in messages.types]
    return samples, [json_format.MessageToJson(sample, indent=None) for sample in samples]


def _conversion(name: str, data: str, start: str, end: str) -> Request:
    return {"op": "convert", "type": name, "from": start, "to": end, "data": data}


def _sample(messages: Messages, descriptor: Descriptor, depth: int = 0) -> Message:
    """A message with a different value in each field; of a oneof only the last field is left set."""
    message = messages.new(descriptor)
    for field in descriptor.fields:
        if field.message_type and field.message_type.GetOptions().map_entry:
            key, value = field.message_type.fields_by_name["key"], field.message_type.fields_by_name["value"]
            set_field(message, field, {_value(key): _element(messages, value, depth)})
        elif not field.message_type or depth < LARGEST_DEPTH:
            element = _element(messages, field, depth)
            set_field(message, field, [element] if field.is_repeated else element)
    return message  # type: ignore[no-any-return]


def _element(messages: Messages, field: FieldDescriptor, depth: int) -> Any:
    return _sample(messages, field.message_type, depth + 1) if field.message_type else _value(field)


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
