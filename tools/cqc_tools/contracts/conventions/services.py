"""What services promise: everything declared is used, and every call can be repeated safely."""

from collections.abc import Iterator

from google.protobuf.descriptor import Descriptor, EnumDescriptor, MethodDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions

from cqc_tools.contracts.conventions.sources import Finding, Sources


def unreachable(sources: Sources) -> Iterator[Finding]:
    """Messages and enums that no RPC, no event and no configuration uses."""
    roots = [type_ for method in sources.methods for type_ in (method.input_type, method.output_type)]
    named = {f"{sources.root}.events.v1.Event"}
    roots += [message for message in sources.messages if message.full_name in named or message.name == "ServiceConfig"]
    used = reachable(roots)
    declarations: list[Descriptor | EnumDescriptor] = [*sources.messages, *sources.enums]
    for declared in declarations:
        if declared.full_name not in used:
            kind = "message" if isinstance(declared, Descriptor) else "enum"
            yield sources.place(declared).finding(
                f"no RPC, event or ServiceConfig reaches the {kind} {declared.name}",
                "use it in one, or remove it",
            )


def reachable(roots: list[Descriptor]) -> dict[str, Descriptor | EnumDescriptor]:
    """The messages and enums that messages use at any depth, with the messages themselves, by full name."""
    found: dict[str, Descriptor | EnumDescriptor] = {}
    waiting: list[Descriptor | EnumDescriptor] = [*roots]
    while waiting:
        current = waiting.pop()
        if current.full_name in found:
            continue
        found[current.full_name] = current
        if isinstance(current, Descriptor):
            waiting += [used for field in current.fields if (used := field.message_type or field.enum_type)]
    return found


def retries(sources: Sources) -> Iterator[Finding]:
    """Unary RPCs without exactly one way to be repeated safely, and streams with any."""
    for method in sources.methods:
        ways = _ways(method)
        place = sources.place(method)
        if method.client_streaming or method.server_streaming:
            if ways:
                yield place.finding(f"the stream {method.name} has {' and '.join(ways)}", "remove it")
        elif len(ways) != 1:
            yield place.finding(
                f"{method.name} has {' and '.join(ways) or 'no way to be repeated safely'}",
                "choose one: option idempotency_level = NO_SIDE_EFFECTS for a read, = IDEMPOTENT where a second call "
                f"changes nothing, or request_id in {method.input_type.name}",
            )


def _ways(method: MethodDescriptor) -> list[str]:
    level = method.GetOptions().idempotency_level
    levels = [] if level == MethodOptions.IDEMPOTENCY_UNKNOWN else [MethodOptions.IdempotencyLevel.Name(level)]
    return levels + (["request_id"] if "request_id" in method.input_type.fields_by_name else [])
