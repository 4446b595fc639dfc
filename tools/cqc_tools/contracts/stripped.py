"""Descriptor sets without what some of their readers do not need: comments, or validation rules."""

from collections.abc import Iterator, Sequence
from typing import Any

from google.protobuf import message_factory
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from cqc_tools.contracts.messages import pool_of

RULES = "buf.validate"


def defining_rules(descriptor_set: FileDescriptorSet) -> set[str]:
    """The files that define rules: buf/validate/validate.proto, and those with predefined rules."""
    return {
        file.name
        for file in descriptor_set.file
        if file.package == RULES or any(item.extendee.startswith(f".{RULES}.") for item in file.extension)
    }


def without_comments(serialized: bytes) -> bytes:
    """A descriptor set without source locations, which hold the comments."""
    found = FileDescriptorSet.FromString(serialized)
    for file in found.file:
        file.ClearField("source_code_info")
    return found.SerializeToString(deterministic=True)


def without_rules(serialized: bytes) -> bytes:
    """A descriptor set without buf.validate options and the imports that only they need. All other options stay.

    Files that define rules keep them: their options are part of the definition.
    """
    pool = pool_of(FileDescriptorSet.FromString(serialized))
    known: Any = message_factory.GetMessageClass(pool.FindMessageTypeByName(FileDescriptorSet.DESCRIPTOR.full_name))
    found = known.FromString(serialized)
    defining = defining_rules(found)
    for file in found.file:
        if file.name in defining:
            continue
        parts = list(_parts(file))
        for part in parts:
            if "options" in part.DESCRIPTOR.fields_by_name and part.HasField("options"):
                _strip(part)
        if not any(name.startswith(f".{RULES}.") for part in parts for name in _type_names(part)):
            _keep_imports(file, [name for name in file.dependency if name not in defining])
    stripped: bytes = found.SerializeToString(deterministic=True)
    return stripped


def _strip(part: Any) -> None:
    for field, _ in part.options.ListFields():
        if field.is_extension and field.file.package == RULES:
            part.options.ClearExtension(field)
    if not part.options.ListFields():
        part.ClearField("options")


def _parts(message: Any) -> Iterator[Any]:
    """A file and all messages, fields, enums, services and so on that it declares."""
    yield message
    for field, value in message.ListFields():
        if field.message_type and field.name not in ("options", "source_code_info"):
            for item in value if field.is_repeated else [value]:
                yield from _parts(item)


def _type_names(part: Any) -> Iterator[str]:
    for field, value in part.ListFields():
        if field.name in ("type_name", "input_type", "output_type", "extendee"):
            yield value


def _keep_imports(file: Any, kept: Sequence[str]) -> None:
    """Remove the other imports. The indexes of public imports follow."""
    public = [file.dependency[index] for index in file.public_dependency]
    del file.dependency[:], file.public_dependency[:]
    file.dependency.extend(kept)
    file.public_dependency.extend(index for index, name in enumerate(kept) if name in public)
