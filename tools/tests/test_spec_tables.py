"""The tables of docs/SPEC.md against the protos: no RPC, scope, reason, state, stream, topic or event is missing."""

import re
from fnmatch import fnmatchcase
from typing import Any

import pytest
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions

from cqc_tools.contracts import descriptors
from cqc_tools.contracts.conventions.sources import Sources
from cqc_tools.foundation import configuration, workspace

pytestmark = pytest.mark.cqc_code

SPEC = (workspace.ROOT / "docs" / "SPEC.md").read_text()
REASON = re.compile(r"\b[A-Z]{2,}(?:_[A-Z]+)+\b")
LEVELS = {MethodOptions.NO_SIDE_EFFECTS: "read", MethodOptions.IDEMPOTENT: "idempotent"}
Rows = list[list[str]]


@pytest.fixture(scope="module")
def sources() -> Sources:
    return Sources(descriptors.compile_checkout(configuration.load()))


def table(section: str, heading: str) -> Rows:
    """The cells of the table below a heading whose first column has a name."""
    _, _, rest = SPEC.partition(f"\n{section}\n")
    level = len(section) - len(section.lstrip("#"))
    body = re.split(rf"\n#{{1,{level}}} ", rest)[0]
    _, found, rows = body.partition(f"\n| {heading} |")
    assert found, f"{section} has no table with the column {heading}"
    lines = rows.split("\n\n")[0].splitlines()[2:]
    return [[cell.strip().replace("`", "") for cell in line.strip("|").split(" | ")] for line in lines]


def names(cell: str) -> list[str]:
    return [name for part in cell.split(",") if (name := part.split("(")[0].strip())]


def row_of(rows: Rows, method: str) -> list[str]:
    """The row that names a method, or else the row with a pattern for it."""
    exact = [row for row in rows if method in names(row[0])]
    found = exact or [row for row in rows if any(fnmatchcase(method, pattern) for pattern in names(row[0]))]
    assert len(found) == 1, f"{method} is in {len(found)} rows"
    return found[0]


def repeat(method: MethodDescriptor) -> str:
    if method.server_streaming:
        return "stream"
    return LEVELS.get(method.GetOptions().idempotency_level, "request_id")


def reasons(sources: Sources) -> list[str]:
    enum = sources.pool.FindEnumTypeByName("cqc.services.v1.ErrorReason")
    return [value.name.removeprefix("ERROR_REASON_") for value in enum.values if value.number]


def test_every_rpc_has_one_row_with_its_scope_and_how_to_repeat_it(sources: Sources) -> None:
    for service in sources.services:
        rows = table(f"### {service.name}", "RPC")
        for method in service.methods:
            scope = sources.stated(method, "MethodOptions", "scope")
            assert row_of(rows, method.name)[1:3] == [scope, repeat(method)], method.name
        known = [method.name for method in service.methods]
        for name in [name for row in rows for name in names(row[0])]:
            assert any(fnmatchcase(method, name) for method in known), f"{service.name} has no {name}"


def test_a_row_has_the_reasons_that_the_comment_of_its_rpc_names(sources: Sources) -> None:
    shared = {reason for row in table("## Services", "calls") for reason in REASON.findall(row[1])}
    known = set(reasons(sources))
    assert shared <= known
    for service in sources.services:
        rows = table(f"### {service.name}", "RPC")
        text = sources.texts[f"proto/{service.file.name}"]
        for method in service.methods:
            comment = re.search(rf"((?:^ *//.*\n)+) *rpc {method.name}\(", text, re.MULTILINE)
            assert comment is not None
            stated = set(REASON.findall(comment[1])) & known
            row = row_of(rows, method.name)
            listed = set(REASON.findall(row[3] if len(row) > 3 else ""))
            assert listed <= known, f"{method.name}: {listed - known}"
            assert stated - shared <= listed, f"{method.name} lacks {stated - shared - listed}"


def test_every_reason_is_a_reason_of_some_call(sources: Sources) -> None:
    listed = {reason for row in table("## Services", "calls") for reason in REASON.findall(row[1])}
    for service in sources.services:
        listed |= {reason for row in table(f"### {service.name}", "RPC") for reason in REASON.findall(row[-1])}
    assert set(reasons(sources)) - listed == set()


def test_the_table_of_errors_has_every_reason_with_its_code_and_metadata(sources: Sources) -> None:
    enum = sources.pool.FindEnumTypeByName("cqc.services.v1.ErrorReason")
    found: dict[str, tuple[str, list[str], bool]] = {}
    for code, listed in table("## Errors", "code"):
        for name, keys, note in re.findall(r"([A-Z]\w+)(?: \[([^]]*)\])?( \(with RetryInfo\))?", listed):
            metadata = [key.split(" ")[0] for key in keys.split(", ")] if keys else []
            if name in enum.values_by_name or f"ERROR_REASON_{name}" in enum.values_by_name:
                found[name] = (code.split(",")[0], metadata, bool(note))
    for value in enum.values:
        if value.number:
            options: list[Any] = [
                sources.stated(value, "EnumValueOptions", option) for option in ("code", "metadata_key", "retry_info")
            ]
            name = value.name.removeprefix("ERROR_REASON_")
            assert found.get(name) == (options[0], list(options[1]), options[2]), name


def test_the_table_of_scopes_has_every_rpc_once(sources: Sources) -> None:
    rows = table("## Who may call", "scope")
    for method in sources.methods:
        service = method.containing_service.name
        found = []
        for scope, cell in rows:
            patterns, _, of = cell.partition(" of ")
            if of in ("", service) and any(
                fnmatchcase(method.name, "*" if pattern == "every RPC" else pattern) for pattern in names(patterns)
            ):
                found.append(scope)
        assert found == [sources.stated(method, "MethodOptions", "scope")], method.name
    used = {sources.stated(method, "MethodOptions", "scope") for method in sources.methods}
    assert {scope for scope, _ in rows} - used == {"credentials.read"}


def test_the_order_states_may_be_followed_by_what_the_table_states(sources: Sources) -> None:
    enum = sources.pool.FindEnumTypeByName("cqc.venues.v1.OrderStatus")
    followed = {
        state: set() if after == "nothing" else set(names(after)) for state, after in table("## Order life", "state")
    }
    for value in enum.values:
        if value.number:
            after = {
                name.removeprefix("ORDER_STATUS_") for name in sources.stated(value, "EnumValueOptions", "next_state")
            }
            assert followed.pop(value.name.removeprefix("ORDER_STATUS_")) == after, value.name
    assert not followed


def test_every_stream_has_a_row_that_says_whether_it_has_state(sources: Sources) -> None:
    rows = table("## Streams", "stream")
    streams = [method for method in sources.methods if method.server_streaming]
    for method in streams:
        has_state = "snapshot_complete" in method.output_type.fields_by_name
        assert row_of(rows, method.name)[1].startswith("none") != has_state, method.name
    assert {name for row in rows for name in names(row[0])} == {method.name for method in streams}


def test_every_event_is_in_the_row_of_its_topic(sources: Sources) -> None:
    rows = {topic: names(events) for topic, _, events in table("## Events", "topic")}
    event = sources.pool.FindMessageTypeByName("cqc.events.v1.Event")
    found: dict[str, list[str]] = {}
    for field in event.oneofs_by_name["event"].fields:
        assert field.message_type is not None
        topic = sources.stated(field.message_type, "MessageOptions", "topic")
        found.setdefault(topic, []).append(field.message_type.name)
    assert rows == found
