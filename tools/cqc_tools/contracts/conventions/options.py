"""Values of the options in `<root>.options.v1`, which the compiler takes as plain text."""

import re
from collections.abc import Iterator

from google.rpc.code_pb2 import Code

from cqc_tools.contracts.conventions.sources import Finding, Sources

SCOPE = re.compile(r"[a-z_]+\.[a-z_]+")


def scopes(sources: Sources) -> Iterator[Finding]:
    """RPCs without a scope."""
    if sources.option("MethodOptions", "scope") is None:
        return
    for method in sources.methods:
        scope = sources.stated(method, "MethodOptions", "scope")
        if not SCOPE.fullmatch(scope):
            yield sources.place(method).finding(
                f"{method.name} has the scope {scope!r}" if scope else f"{method.name} has no scope",
                f'write option ({sources.root}.options.v1.scope) = "orders.read"; or the scope that a caller needs',
            )


def next_states(sources: Sources) -> Iterator[Finding]:
    """States that may be followed by values which their enum does not have."""
    if sources.option("EnumValueOptions", "next_state") is None:
        return
    for enum in sources.enums:
        for value in enum.values:
            for name in sources.stated(value, "EnumValueOptions", "next_state"):
                if name not in enum.values_by_name:
                    yield sources.place(value).finding(
                        f"{value.name} has the next_state {name}, which {enum.name} does not have",
                        f"name a value of {enum.name}",
                    )


def error_codes(sources: Sources) -> Iterator[Finding]:
    """Reasons of errors without a gRPC code or a next step, and values with a code that gRPC does not have."""
    if sources.option("EnumValueOptions", "code") is None:
        return
    failures = set(Code.keys()) - {"OK"}
    has_next_steps = sources.option("EnumValueOptions", "next_step") is not None
    for enum in sources.enums:
        for value in enum.values:
            code = sources.stated(value, "EnumValueOptions", "code")
            is_reason = value.number and enum.name == "ErrorReason"
            fix = f'write ({sources.root}.options.v1.code) = "NOT_FOUND", or the code of the call'
            if code and code not in failures:
                yield sources.place(value).finding(
                    f"{value.name} has the code {code}, which is no failure of gRPC", fix
                )
            elif not code and is_reason:
                yield sources.place(value).finding(f"{value.name} has no code", fix)
            if has_next_steps and is_reason and not sources.stated(value, "EnumValueOptions", "next_step"):
                yield sources.place(value).finding(
                    f"{value.name} has no next_step",
                    f'write ({sources.root}.options.v1.next_step) = "try again later", or what the caller can do',
                )


def topics(sources: Sources) -> Iterator[Finding]:
    """Events without a topic, and messages with a topic that are no events."""
    if sources.option("MessageOptions", "topic") is None:
        return
    event = next(
        (message for message in sources.messages if message.full_name == f"{sources.root}.events.v1.Event"), None
    )
    members = [field for oneof in event.oneofs for field in oneof.fields] if event else []
    events = {field.message_type.full_name for field in members if field.message_type}
    for message in sources.messages:
        topic = sources.stated(message, "MessageOptions", "topic")
        if message.full_name in events and not topic:
            yield sources.place(message).finding(
                f"the event {message.name} has no topic",
                f'write option ({sources.root}.options.v1.topic) = "orders"; or the topic it is published to',
            )
        if topic and message.full_name not in events:
            yield sources.place(message).finding(
                f"{message.name} has the topic {topic} and is not in the oneof of Event",
                "add it there, or remove the topic",
            )
