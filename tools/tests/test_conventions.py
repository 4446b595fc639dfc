"""Conventions of contracts: small protos that break one each, and the file, line and fix in the finding."""

from dataclasses import replace
from pathlib import Path

import pytest
from conftest import Checkout

from cqc_tools.contracts import conventions, descriptors
from cqc_tools.contracts.conventions.sources import Finding
from cqc_tools.foundation import configuration
from cqc_tools.foundation.errors import StageFailed

OPTIONS = """\
syntax = "proto2";
package acme.options.v1;
import "google/protobuf/descriptor.proto";
extend google.protobuf.MethodOptions { optional string scope = 80201; }
extend google.protobuf.MessageOptions { optional string topic = 80301; }
extend google.protobuf.EnumValueOptions { 
  repeated string next_state = 80101;
  optional string code = 80102;
  optional string next_step = 80105;
}
"""
ORDERS = """\
// Orders.
syntax = "proto3";
package acme.orders.v1;
import "buf/validate/validate.proto";
// How far an order has come.
enum Status {
  // Not known.
  STATUS_UNSPECIFIED = 0;
  // At the venue.
  STATUS_OPEN = 1 [(acme.options.v1.next_state) = "STATUS_DONE"];
  // Filled.
  STATUS_DONE = 2;
}
// How a price is stated.
enum PriceKind {
  // Not known.
  PRICE_KIND_UNSPECIFIED = 0;
}
// A part of an order.
message Leg {
  // How far the leg has come.
  Status status = 1;
  // The venue's word for `status`.
  string raw_status = 2;
}
// An order.
message Order {
  // 1 = STATUS_OPEN, 2 = STATUS_DONE
  option (buf.validate.message).cel = {
    id: "order.open"
    message: "an open order has legs"
    expression: "!(this.status in [1, 2]) || size(this.legs) > 0"
  };
  // How far the order has come.
  Status status = 1;
  // The venue's word for `status`.
  string raw_status = 2;
  // Parts.
  repeated Leg legs = 3;
  // Earlier states.
  repeated Status earlier = 4;
  // The venue's words for `earlier`.
  repeated string raw_earlier = 5;
  // Kind of its price.
  PriceKind price_kind = 6;
  // Everything else.
  map<string, string> venue_fields = 7;
}
""".replace('import "buf', 'import "acme/options/v1/options.proto";\nimport "buf')
EVENTS = """\
syntax = "proto3";
package acme.events.v1;
import "acme/options/v1/options.proto";
import "acme/orders/v1/order.proto";
// An order changed.
message OrderChanged {
  option (acme.options.v1.topic) = "orders";
  // The order.
  acme.orders.v1.Order order = 1;
}
// Any event.
message Event {
  // What happened.
  oneof event {
    // An order changed.
    OrderChanged order_changed = 1;
  }
}
"""
SERVICES = """\
syntax = "proto3";
package acme.services.v1;
import "acme/options/v1/options.proto";
// Why a call failed.
enum ErrorReason {
  // Not known.
  ERROR_REASON_UNSPECIFIED = 0;
  // Ask again.
  ERROR_REASON_BUSY = 1 [(acme.options.v1.code) = "ABORTED", (acme.options.v1.next_step) = "wait"];
}
// Takes orders.
service Orders {
  // Places an order.
  rpc Place(PlaceRequest) returns (Failure) {
    option (acme.options.v1.scope) = "orders.write";
  }
  // Reads an order.
  rpc Get(GetRequest) returns (Failure) {
    option (acme.options.v1.scope) = "orders.read";
    option idempotency_level = NO_SIDE_EFFECTS;
  }
  // Follows orders.
  rpc Watch(GetRequest) returns (stream Failure) {
    option (acme.options.v1.scope) = "orders.read";
  }
}
// A request.
message PlaceRequest {
  // Id of the request.
  string request_id = 1;
}
// A request.
message GetRequest {}
// A failure.
message Failure {
  // Why.
  ErrorReason reason = 1;
}
"""
FILES = {
    "options/v1/options": OPTIONS,
    "orders/v1/order": ORDERS,
    "events/v1/event": EVENTS,
    "services/v1/orders": SERVICES,
}
ORDER, EVENT, SERVICE = "orders/v1/order", "events/v1/event", "services/v1/orders"


def check(top: Path, files: dict[str, str], cqc_code: bool = True) -> list[Finding]:
    settings = replace(configuration.load(), root_package="acme", cqc_code=cqc_code)
    for name, text in files.items():
        path = top / "proto" / "acme" / f"{name}.proto"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return conventions.findings(descriptors.compile_checkout(settings, top))


def test_nothing_is_found_where_nothing_is_wrong(tmp_path: Path) -> None:
    assert check(tmp_path, FILES) == []


# Each: the file, what is replaced and by what, the text whose line the finding names, and parts of the finding.
BROKEN = {
    "unreachable message": (
        ORDER,
        "// An order.\n",
        "// Unused.\nmessage Unused {}\n// An order.\n",
        "message Unused",
        ("no RPC, event or ServiceConfig reaches the message Unused", "remove it"),
    ),
    "unreachable enum": (
        ORDER,
        "// A part",
        "// Unused.\nenum Unused {\n  // None.\n  UNUSED_UNSPECIFIED = 0;\n}\n// A part",
        "enum Unused",
        ("the enum Unused",),
    ),
    "no raw_ field": (
        ORDER,
        "  // The venue's word for `status`.\n  string raw_status = 2;\n  // Parts.",
        "  // Parts.",
        "Status status = 1;\n  // Parts",
        ("Order.status keeps no word", "add string raw_status"),
    ),
    "no raw_ field in a message inside": (
        ORDER,
        "  string raw_status = 2;\n}",
        "  string word = 2;\n}",
        "Status status = 1;",
        ("Leg.status keeps no word",),
    ),
    "one raw_ field for several values": (
        ORDER,
        "repeated string raw_earlier",
        "string raw_earlier",
        "repeated Status earlier",
        ("add repeated string raw_earlier",),
    ),
    "no scope": (
        SERVICE,
        'option (acme.options.v1.scope) = "orders.write";',
        "",
        "rpc Place",
        ("Place has no scope", "option (acme.options.v1.scope)"),
    ),
    "a scope of another form": (SERVICE, '"orders.write"', '"everything"', "rpc Place", ("'everything'",)),
    "no way to repeat": (
        SERVICE,
        "string request_id",
        "string other",
        "rpc Place",
        ("Place has no way", "request_id in"),
    ),
    "two ways to repeat": (
        SERVICE,
        '"orders.write";',
        '"orders.write";\n    option idempotency_level = IDEMPOTENT;',
        "rpc Place",
        ("Place has IDEMPOTENT and request_id",),
    ),
    "a stream with a level": (
        SERVICE,
        "rpc Watch(GetRequest)",
        "rpc Watch(PlaceRequest)",
        "rpc Watch",
        ("the stream Watch has request_id", "remove it"),
    ),
    "numbers without names": (
        ORDER,
        "  // 1 = STATUS_OPEN, 2 = STATUS_DONE\n",
        "",
        "option (buf.validate.message)",
        ("order.open does not name 1, 2", "write the comment `// 1 = STATUS_OPEN, 2 = STATUS_DONE`"),
    ),
    "a number with a wrong name": (
        ORDER,
        "// 1 = STATUS_OPEN, 2 = STATUS_DONE",
        "// 1 = STATUS_DONE, 2 = STATUS_DONE",
        "option (buf.validate.message)",
        ("does not name 1 and names 1 = STATUS_DONE",),
    ),
    "a name that is no longer used": (
        ORDER,
        "in [1, 2]",
        "in [1]",
        "option (buf.validate.message)",
        ("names 2 = STATUS_DONE, which it does not use",),
    ),
    "a number that the enum does not have": (
        ORDER,
        "in [1, 2]",
        "in [1, 2, 7]",
        "option (buf.validate.message)",
        ("compares Status with 7",),
    ),
    "a pronoun": (
        ORDER,
        "// An order.",
        "// This is an order.",
        "// This is",
        ("begins with 'This'", "name the thing"),
    ),
    "a pronoun after a field": (
        ORDER,
        "string raw_status = 2;\n}",
        "string raw_status = 2; // It's\n}",
        "// It's",
        ("'It'",),
    ),
    "an unknown next state": (
        ORDER,
        '"STATUS_DONE"]',
        '"STATUS_GONE"]',
        "STATUS_OPEN = 1",
        ("STATUS_OPEN has the next_state STATUS_GONE", "name a value of Status"),
    ),
    "an event without a topic": (
        EVENT,
        '  option (acme.options.v1.topic) = "orders";\n',
        "",
        "message OrderChanged",
        ("the event OrderChanged has no topic",),
    ),
    "a topic outside of Event": (
        EVENT,
        "    OrderChanged order_changed = 1;",
        "    acme.orders.v1.Order order = 1;",
        "message OrderChanged",
        ("OrderChanged has the topic orders and is not in the oneof of Event",),
    ),
    "a reason without a code": (
        SERVICE,
        '(acme.options.v1.code) = "ABORTED", ',
        "",
        "ERROR_REASON_BUSY",
        ("has no code",),
    ),
    "a reason without a next step": (
        SERVICE,
        ', (acme.options.v1.next_step) = "wait"',
        "",
        "ERROR_REASON_BUSY",
        ("has no next_step",),
    ),
    "a reason with an unknown code": (SERVICE, "ABORTED", "BUSY", "ERROR_REASON_BUSY", ("has the code BUSY",)),
}


@pytest.mark.parametrize("case", BROKEN.values(), ids=BROKEN.keys())
def test_a_finding_names_the_file_the_line_and_the_fix(
    tmp_path: Path, case: tuple[str, str, str, str, tuple[str, ...]]
) -> None:
    name, old, new, where, told = case
    assert FILES[name].count(old) == 1
    changed = FILES[name].replace(old, new)
    line = changed.count("\n", 0, changed.index(where)) + 1
    found = check(tmp_path, {**FILES, name: changed})
    matching = [item for item in found if all(part in str(item) for part in told)]
    assert [(item.file, item.line) for item in matching] == [(f"proto/acme/{name}.proto", line)], found


# Expressions about an order, and the names that their comment needs.
EXPRESSIONS = {
    "this.status != 2": "2 = STATUS_DONE",
    "1 == this.status": "1 = STATUS_OPEN",
    "int(this.status) == 1": "1 = STATUS_OPEN",
    "(this.status == 1) == (2 in this.earlier)": "1 = STATUS_OPEN, 2 = STATUS_DONE",
    "this.status>=1": "1 = STATUS_OPEN",
    "this.legs.all(leg, leg.status == 2)": "2 = STATUS_DONE",
    "this.legs.exists(leg, leg.status in [1,2])": "1 = STATUS_OPEN, 2 = STATUS_DONE",
    "this.earlier.all(state, state != 1)": "1 = STATUS_OPEN",
    "2 in this.earlier": "2 = STATUS_DONE",
    "this.earlier[0] == 2": "2 = STATUS_DONE",
    "this.legs[0].status == 2": "2 = STATUS_DONE",
    "this.status == 0": "",
    "size(this.earlier) == 2": "",
    "this.earlier.size() > 1": "",
    "this.raw_status == '1 == this.status'": "",
}


@pytest.mark.parametrize(("expression", "named"), EXPRESSIONS.items())
def test_numbers_need_names_only_where_an_enum_is_compared(tmp_path: Path, expression: str, named: str) -> None:
    before = "  // 1 = STATUS_OPEN, 2 = STATUS_DONE\n"
    rule = ORDERS.replace("!(this.status in [1, 2]) || size(this.legs) > 0", expression)
    found = check(tmp_path / "without", {**FILES, ORDER: rule.replace(before, "")})
    assert [named in str(item) for item in found] == ([True] if named else [])
    assert check(tmp_path / "with", {**FILES, ORDER: rule.replace(before, f"  // {named}\n" if named else "")}) == []


@pytest.mark.parametrize(
    ("field", "option"),
    [
        ("Kind kind = 1", "(buf.validate.field)"),
        ("repeated Kind kinds = 1", "(buf.validate.field).repeated.items"),
    ],
)
def test_rules_of_fields_and_items_need_names_too(tmp_path: Path, field: str, option: str) -> None:
    text = (
        'syntax = "proto3";\npackage acme.a.v1;\nimport "buf/validate/validate.proto";\n'
        "enum Kind {\n  KIND_UNSPECIFIED = 0;\n  KIND_ONE = 1;\n}\n"
        f"message Thing {{\n  // Which.\n  {field} [%s\n    {option}.cel = {{\n"
        '      id: "thing.kind"\n      message: "is one"\n      expression: "this == 1"\n    }\n  ];\n}\n'
    )
    (found,) = check(tmp_path / "without", {"a/v1/a": text.replace("%s", "")}, cqc_code=False)
    assert (found.line, found.fix) == (11, "write the comment `// 1 = KIND_ONE` above the rule")
    assert check(tmp_path / "with", {"a/v1/a": text.replace("%s", "\n    // 1 = KIND_ONE")}, cqc_code=False) == []


def test_other_projects_keep_only_the_general_conventions(tmp_path: Path) -> None:
    broken = {
        ORDER: ORDERS.replace("raw_", "word_") + "// Unused.\nmessage Unused {}\n",
        SERVICE: SERVICES.replace("request_id", "other"),
    }
    assert check(tmp_path / "quiet", {**FILES, **broken}, cqc_code=False) == []
    broken[ORDER] = ORDERS.replace("// An order.", "// It is an order.").replace('"STATUS_DONE"', '"GONE"')
    problems = [item.problem for item in check(tmp_path / "loud", {**FILES, **broken}, cqc_code=False)]
    assert [problem.split(" ")[0] for problem in problems] == ["STATUS_OPEN", "a"]


def test_contracts_without_options_and_rules_are_checked(tmp_path: Path) -> None:
    text = 'syntax = "proto3";\npackage acme.a.v1;\n// Its thing.\nmessage Thing {\n  map<string, Thing> of = 1;\n}\n'
    (found,) = check(tmp_path, {"a/v1/a": text}, cqc_code=False)
    assert str(found) == "proto/acme/a/v1/a.proto:3: a comment begins with 'Its': name the thing instead"


def test_two_extensions_with_one_number_are_reported(tmp_path: Path) -> None:
    other = OPTIONS.replace("acme.options", "acme.other").replace("scope", "purpose")
    with pytest.raises(StageFailed, match=r"acme/other/v1/other\.proto does not fit .* duplicate extension") as stopped:
        check(tmp_path, {**FILES, "other/v1/other": other})
    assert stopped.value.fix == "give each extension of a message a number of its own"


@pytest.mark.long
def test_check_reports_findings(checkout: Checkout) -> None:
    proto = checkout.folder / "proto" / "cqc" / "assets" / "v1" / "action.proto"
    proto.write_text(proto.read_text() + "\n// It is a thing.\nmessage Thing {}\n")
    done = checkout.cqc("check", "--quick")
    assert done.returncode == 1
    assert "proto/cqc/assets/v1/action.proto:" in done.stderr
    assert "a comment begins with 'It': name the thing instead" in done.stderr
