"""The message types of a descriptor set, and messages built from them.

Types live in a descriptor pool of their own: those of another revision, or of another project, do not clash with what
this process has imported.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor, OneofDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from cqc_tools.foundation.errors import StageFailed


class Messages:
    """All message types below a root package, with their buf.validate rules."""

    def __init__(self, descriptor_set: FileDescriptorSet, root_package: str) -> None:
        self.pool = pool_of(descriptor_set)
        self.types = _types(self.pool, descriptor_set, root_package)

    def new(self, descriptor: Descriptor) -> Any:
        """An empty message."""
        return message_factory.GetMessageClass(descriptor)()

    @cache  # noqa: B019 an instance lives as long as its rules are needed
    def rules(self, of: FieldDescriptor | Descriptor | OneofDescriptor) -> Any:
        """The buf.validate options of a field, message or oneof; empty if it has none."""
        kinds = {FieldDescriptor: "field", Descriptor: "message", OneofDescriptor: "oneof"}
        kind = next(kind for known, kind in kinds.items() if isinstance(of, known))
        options: Any = message_factory.GetMessageClass(
            self.pool.FindMessageTypeByName(f"google.protobuf.{kind.capitalize()}Options")
        )
        extension = self.pool.FindExtensionByName(f"buf.validate.{kind}")
        return options.FromString(of.GetOptions().SerializeToString()).Extensions[extension]


def message_types(descriptor_set: FileDescriptorSet, root_package: str) -> list[Descriptor]:
    """Every message type below a root package, nested ones included, in the order of the files."""
    return _types(pool_of(descriptor_set), descriptor_set, root_package)


def pool_of(descriptor_set: FileDescriptorSet) -> descriptor_pool.DescriptorPool:
    """A new descriptor pool with all files of a descriptor set.

    Raises StageFailed if two files extend the same message with the same number, which protoc does not notice.
    """
    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_set.file:
        try:
            pool.Add(file)
        except TypeError as error:
            raise StageFailed(
                f"{file.name} does not fit the other files: {error}",
                "give each extension of a message a number of its own",
            ) from None
    return pool


def is_below(package: str, root_package: str) -> bool:
    """Whether a proto package, such as `cqc.markets.v1`, lies below a root package, such as `cqc`."""
    return package.startswith(f"{root_package}.")


def set_field(message: Any, field: FieldDescriptor, value: Any) -> None:
    """Replace a field's value: a list for a repeated field, a mapping for a map, a message for a message field."""
    if field.message_type and field.message_type.GetOptions().map_entry:
        message.ClearField(field.name)
        entries = getattr(message, field.name)
        for key, item in value.items():
            if field.message_type.fields_by_name["value"].message_type:
                entries[key].CopyFrom(item)
            else:
                entries[key] = item
    elif field.is_repeated:
        message.ClearField(field.name)
        getattr(message, field.name).extend(value)
    elif field.message_type:
        getattr(message, field.name).CopyFrom(value)
        # Copying an empty message does not mark the field as set.
        getattr(message, field.name).SetInParent()
    else:
        setattr(message, field.name, value)


def _types(pool: descriptor_pool.DescriptorPool, descriptor_set: FileDescriptorSet, root: str) -> list[Descriptor]:
    def nested(descriptor: Descriptor) -> Iterator[Descriptor]:
        if not descriptor.GetOptions().map_entry:
            yield descriptor
        for inner in descriptor.nested_types:
            yield from nested(inner)

    return [
        descriptor
        for file in descriptor_set.file
        if is_below(file.package, root)
        for message in file.message_type
        for descriptor in nested(pool.FindMessageTypeByName(f"{file.package}.{message.name}"))
    ]
