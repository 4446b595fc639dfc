"""What the conventions read: linked descriptors, their options, and where each declaration is in its file."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from google.protobuf import message_factory
from google.protobuf.descriptor import (
    Descriptor,
    EnumDescriptor,
    EnumValueDescriptor,
    FieldDescriptor,
    MethodDescriptor,
    ServiceDescriptor,
)
from google.protobuf.descriptor_pb2 import DescriptorProto, EnumDescriptorProto, FileDescriptorProto

from cqc_tools.contracts.descriptors import SOURCES, Contracts
from cqc_tools.contracts.messages import Messages, is_below

Declaration = Descriptor | EnumDescriptor | EnumValueDescriptor | FieldDescriptor | MethodDescriptor


@dataclass(frozen=True)
class Finding:
    """A declaration that breaks a convention. `file` is relative to the top of the checkout, `line` starts at 1."""

    file: str
    line: int
    problem: str
    fix: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.problem}: {self.fix}"


@dataclass(frozen=True)
class Place:
    """Lines of a declaration, both inclusive and starting at 1, and the comment above it."""

    file: str
    first: int
    last: int
    comment: str

    def finding(self, problem: str, fix: str) -> Finding:
        """A finding at the first line."""
        return Finding(self.file, self.first, problem, fix)


class Sources:
    """The contracts of a checkout, with the places of their declarations."""

    def __init__(self, contracts: Contracts) -> None:
        self.root = contracts.settings.root_package
        self._messages = Messages(contracts.descriptor_set, self.root)
        self._files = [file for file in contracts.descriptor_set.file if is_below(file.package, self.root)]
        self.texts = {
            f"{SOURCES}/{proto.name}": contracts.source(proto.name).decode("utf-8") for proto in contracts.protos
        }
        self._places = {name: place for file in self._files for name, place in _places(file)}
        self.pool = self._messages.pool

    @property
    def messages(self) -> Sequence[Descriptor]:
        """Every message below the root package, nested ones included."""
        return self._messages.types

    @property
    def enums(self) -> list[EnumDescriptor]:
        """Every enum below the root package, nested ones included."""
        top = [
            self.pool.FindEnumTypeByName(f"{file.package}.{enum.name}")
            for file in self._files
            for enum in file.enum_type
        ]
        return top + [enum for message in self.messages for enum in message.enum_types]

    @property
    def services(self) -> list[ServiceDescriptor]:
        """Every service below the root package."""
        return [
            self.pool.FindServiceByName(f"{file.package}.{service.name}")
            for file in self._files
            for service in file.service
        ]

    @property
    def methods(self) -> list[MethodDescriptor]:
        """Every RPC below the root package."""
        return [method for service in self.services for method in service.methods]

    def rules(self, of: FieldDescriptor | Descriptor) -> Any:
        """The buf.validate options of a field or message; None in contracts without rules."""
        try:
            return self._messages.rules(of)
        except KeyError:
            return None

    def place(self, of: Declaration) -> Place:
        """Where something is declared."""
        return self._places[_name(of)]

    def is_own(self, of: Descriptor | EnumDescriptor) -> bool:
        """Whether a message or enum belongs to the contracts, and is not one that they import."""
        return is_below(of.file.package, self.root)

    @cache  # noqa: B019 an instance lives as long as one run of the checks
    def option(self, kind: str, name: str) -> Any:
        """The extension `<root>.options.v1.<name>` with the type of options that it extends (`MethodOptions`), None if
        the contracts do not define it."""
        try:
            extension = self.pool.FindExtensionByName(f"{self.root}.options.v1.{name}")
            return extension, message_factory.GetMessageClass(
                self.pool.FindMessageTypeByName(f"google.protobuf.{kind}")
            )
        except KeyError:
            return None

    def stated(self, of: Declaration, kind: str, name: str) -> Any:
        """The value of the option `<root>.options.v1.<name>`; None where it is not defined."""
        if (known := self.option(kind, name)) is None:
            return None
        extension, options = known
        return options.FromString(of.GetOptions().SerializeToString()).Extensions[extension]


def _name(of: Declaration) -> str:
    # The full name of an enum value leaves out its enum.
    return f"{of.type.full_name}.{of.name}" if isinstance(of, EnumValueDescriptor) else str(of.full_name)


def _places(file: FileDescriptorProto) -> Iterator[tuple[str, Place]]:
    found = {tuple(location.path): location for location in file.source_code_info.location}

    def place(path: tuple[int, ...]) -> Place:
        location = found[path]
        span = location.span
        first, last = span[0], span[2] if len(span) == 4 else span[0]
        return Place(f"{SOURCES}/{file.name}", first + 1, last + 1, location.leading_comments)

    def of_enum(enum: EnumDescriptorProto, scope: str, path: tuple[int, ...]) -> Iterator[tuple[str, Place]]:
        yield f"{scope}.{enum.name}", place(path)
        for index, value in enumerate(enum.value):
            number = EnumDescriptorProto.VALUE_FIELD_NUMBER
            yield f"{scope}.{enum.name}.{value.name}", place((*path, number, index))

    def of_message(message: DescriptorProto, scope: str, path: tuple[int, ...]) -> Iterator[tuple[str, Place]]:
        # The compiler makes the entries of maps, so they are nowhere in the source.
        if message.options.map_entry:
            return
        name = f"{scope}.{message.name}"
        yield name, place(path)
        for index, field in enumerate(message.field):
            yield f"{name}.{field.name}", place((*path, DescriptorProto.FIELD_FIELD_NUMBER, index))
        for index, inner in enumerate(message.nested_type):
            yield from of_message(inner, name, (*path, DescriptorProto.NESTED_TYPE_FIELD_NUMBER, index))
        for index, enum in enumerate(message.enum_type):
            yield from of_enum(enum, name, (*path, DescriptorProto.ENUM_TYPE_FIELD_NUMBER, index))

    for index, message in enumerate(file.message_type):
        yield from of_message(message, file.package, (FileDescriptorProto.MESSAGE_TYPE_FIELD_NUMBER, index))
    for index, enum in enumerate(file.enum_type):
        yield from of_enum(enum, file.package, (FileDescriptorProto.ENUM_TYPE_FIELD_NUMBER, index))
    for index, service in enumerate(file.service):
        for number, method in enumerate(service.method):
            path = (FileDescriptorProto.SERVICE_FIELD_NUMBER, index, 2, number)
            yield f"{file.package}.{service.name}.{method.name}", place(path)
