"""Everything that the contracts declare, as elements with comparable attributes."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
    OneofDescriptorProto,
    ServiceDescriptorProto,
)
from google.protobuf.message import Message

from cqc_tools.contracts.api_diff import rules
from cqc_tools.contracts.messages import is_below, pool_of


@dataclass(frozen=True)
class Reserved:
    """Field numbers, as inclusive ranges, and names that must not be used again."""

    numbers: tuple[tuple[int, int], ...] = ()
    names: frozenset[str] = frozenset()

    def covers(self, first: int, last: int) -> bool:
        """Whether all numbers from first to last are reserved."""
        for low, high in sorted(self.numbers):
            if low <= first <= high:
                first = high + 1
        return first > last

    def __str__(self) -> str:
        spans = [str(low) if low == high else f"{low} to {high}" for low, high in sorted(self.numbers)]
        return ", ".join([*spans, *(f'"{name}"' for name in sorted(self.names))]) or "none"


@dataclass(frozen=True)
class Element:
    """One named declaration: a package, message, field, oneof, enum, value, service, rpc or extension.

    `attributes` are reported when they change, and so are `rules`, the buf.validate rules by path. `parent` is the
    enclosing declaration, empty at the top level. `signature` is the declaration in one line, for fields, enum values
    and rpcs.
    """

    kind: str
    name: str
    parent: str
    comment: str
    deprecated: bool
    signature: str
    attributes: Mapping[str, str]
    rules: Mapping[str, Any] = field(default_factory=dict)
    reserved: Reserved = Reserved()


def elements(descriptor_set: FileDescriptorSet, root_package: str) -> dict[str, Element]:
    """All declarations below a root package, by full name."""
    pool = pool_of(descriptor_set)
    found: dict[str, Element] = {}
    for file in descriptor_set.file:
        if is_below(file.package, root_package):
            for element in _File(file, pool).elements():
                found[element.name] = element
    return found


@dataclass
class _File:
    """Reads one file; `comments` are keyed by the paths of numbers that descriptors use for declarations."""

    file: FileDescriptorProto
    pool: descriptor_pool.DescriptorPool
    comments: dict[tuple[int, ...], str] = field(default_factory=dict)

    def elements(self) -> Iterator[Element]:
        for location in self.file.source_code_info.location:
            comments = (location.leading_comments.strip(), location.trailing_comments.strip())
            self.comments[tuple(location.path)] = "\n\n".join(filter(None, comments))
        package = self.file.package
        # All files of a proto package share one Go package, which is therefore an attribute of the package.
        yield Element("package", package, "", "", False, "", {"Go package": self.file.options.go_package})
        for index, message in enumerate(self.file.message_type):
            yield from self._top_level(self._message(message, package, (4, index)))
        for index, enum in enumerate(self.file.enum_type):
            yield from self._top_level(self._enum(enum, package, (5, index)))
        for index, service in enumerate(self.file.service):
            yield from self._top_level(self._service(service, package, (6, index)))
        for index, extension in enumerate(self.file.extension):
            yield from self._top_level([self._field(extension, package, (7, index), "extension", [])])

    def _top_level(self, declared: Iterable[Element]) -> Iterator[Element]:
        """Declarations at the top of the file get no parent, but the file, because importers name it."""
        for element in declared:
            if element.parent == self.file.package:
                yield replace(element, parent="", attributes={**element.attributes, "file": self.file.name})
            else:
                yield element

    def _element(
        self,
        kind: str,
        declared: Any,
        parent: str,
        path: tuple[int, ...],
        attributes: Mapping[str, str],
        *,
        signature: str = "",
        reserved: Reserved = Reserved(),
    ) -> Element:
        options = self._with_extensions(declared.options)
        others = {
            f"option {_option_name(option)}": _option_value(option, value)
            for option, value in options.ListFields()
            if option.name != "deprecated" and not rules.is_rule(option)
        }
        return Element(
            kind,
            f"{parent}.{declared.name}",
            parent,
            self.comments.get(path, ""),
            bool(getattr(options, "deprecated", False)),
            signature,
            {**attributes, **others},
            dict(rules.read(options)),
            reserved,
        )

    def _with_extensions(self, options: Message) -> Message:
        """Options with their extensions parsed, unless the descriptor set lacks descriptor.proto."""
        try:
            descriptor = self.pool.FindMessageTypeByName(options.DESCRIPTOR.full_name)
        except KeyError:
            return options
        return message_factory.GetMessageClass(descriptor).FromString(options.SerializeToString())

    def _message(self, message: DescriptorProto, parent: str, path: tuple[int, ...]) -> Iterator[Element]:
        # The end of a message's reserved range is exclusive, that of an enum's is inclusive.
        spans = tuple((gap.start, gap.end - 1) for gap in message.reserved_range)
        reserved = Reserved(spans, frozenset(message.reserved_name))
        yield self._element("message", message, parent, path, {}, reserved=reserved)
        name = f"{parent}.{message.name}"
        for index, oneof in enumerate(message.oneof_decl):
            # protoc adds a synthetic oneof for each optional field.
            if not any(part.proto3_optional and part.oneof_index == index for part in message.field):
                yield self._element("oneof", oneof, name, (*path, 8, index), {})
        for index, declared in enumerate(message.field):
            yield self._field(declared, name, (*path, 2, index), "field", message.oneof_decl)
        for index, extension in enumerate(message.extension):
            yield self._field(extension, name, (*path, 6, index), "extension", [])
        for index, nested in enumerate(message.nested_type):
            if not nested.options.map_entry:
                yield from self._message(nested, name, (*path, 3, index))
        for index, enum in enumerate(message.enum_type):
            yield from self._enum(enum, name, (*path, 4, index))

    def _field(
        self,
        declared: FieldDescriptorProto,
        parent: str,
        path: tuple[int, ...],
        kind: str,
        oneofs: Sequence[OneofDescriptorProto],
    ) -> Element:
        full_name = f"{parent}.{declared.name}"
        is_extension = kind == "extension"
        known = self.pool.FindExtensionByName(full_name) if is_extension else self.pool.FindFieldByName(full_name)
        in_oneof = declared.HasField("oneof_index") and not declared.proto3_optional
        entry = known.message_type if known.message_type and known.message_type.GetOptions().map_entry else None
        is_map = entry is not None
        if entry is not None:
            key, value = entry.fields_by_name["key"], entry.fields_by_name["value"]
            type_name = f"map<{_type(key)}, {_type(value)}>"
        else:
            type_name = _type(known)
        cardinality = "map" if is_map else "repeated" if known.is_repeated else "single"
        attributes = {
            "number": str(declared.number),
            "type": type_name,
            "cardinality": cardinality,
            "presence": "explicit" if known.has_presence else "implicit",
            "oneof": oneofs[declared.oneof_index].name if in_oneof else "none",
            "JSON name": declared.json_name,
            **({"default": declared.default_value} if declared.HasField("default_value") else {}),
            **({"extends": declared.extendee.removeprefix(".")} if declared.HasField("extendee") else {}),
        }
        label = "repeated " if cardinality == "repeated" else "optional " if declared.proto3_optional else ""
        spelled = re.sub(r"\b(enum|message) ", "", type_name)
        signature = f"{label}{spelled} {declared.name} = {declared.number}"
        return self._element(kind, declared, parent, path, attributes, signature=signature)

    def _enum(self, enum: EnumDescriptorProto, parent: str, path: tuple[int, ...]) -> Iterator[Element]:
        spans = tuple((gap.start, gap.end) for gap in enum.reserved_range)
        reserved = Reserved(spans, frozenset(enum.reserved_name))
        yield self._element("enum", enum, parent, path, {}, reserved=reserved)
        name = f"{parent}.{enum.name}"
        for index, value in enumerate(enum.value):
            attributes, signature = {"number": str(value.number)}, f"{value.name} = {value.number}"
            yield self._element("value", value, name, (*path, 2, index), attributes, signature=signature)

    def _service(self, service: ServiceDescriptorProto, parent: str, path: tuple[int, ...]) -> Iterator[Element]:
        yield self._element("service", service, parent, path, {})
        name = f"{parent}.{service.name}"
        for index, method in enumerate(service.method):
            request, response = method.input_type.removeprefix("."), method.output_type.removeprefix(".")
            streams = [
                side for side, on in (("request", method.client_streaming), ("response", method.server_streaming)) if on
            ]
            attributes = {"request": request, "response": response, "streaming": " and ".join(streams) or "none"}
            takes = f"stream {request}" if method.client_streaming else request
            returns = f"stream {response}" if method.server_streaming else response
            signature = f"rpc {method.name}({takes}) returns ({returns})"
            yield self._element("rpc", method, name, (*path, 2, index), attributes, signature=signature)


def _type(declared: FieldDescriptor) -> str:
    if declared.message_type:
        return f"message {declared.message_type.full_name}"
    if declared.enum_type:
        return f"enum {declared.enum_type.full_name}"
    return FieldDescriptorProto.Type.Name(declared.type).removeprefix("TYPE_").lower()  # type: ignore[arg-type]


def _option_name(option: FieldDescriptor) -> str:
    return f"({option.full_name})" if option.is_extension else option.name


def _option_value(option: FieldDescriptor, value: Any) -> str:
    if option.is_repeated:
        return f"[{', '.join(_option_item(option, item) for item in value)}]"
    return _option_item(option, value)


def _option_item(option: FieldDescriptor, value: Any) -> str:
    if option.type == FieldDescriptor.TYPE_MESSAGE:
        return rules.in_one_line(value)
    if option.enum_type:
        known = option.enum_type.values_by_number.get(value)
        return known.name if known else str(value)
    return str(value).lower() if isinstance(value, bool) else str(value)
