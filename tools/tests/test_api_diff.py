"""What contract changes break, and which version they need."""

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import Checkout
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
)
from hypothesis import given
from hypothesis import strategies as st

from cqc_tools.contracts import descriptors
from cqc_tools.contracts.api_diff import markdown
from cqc_tools.contracts.api_diff.diff import BROKEN, ApiDiff, Change, diff
from cqc_tools.contracts.api_diff.elements import elements
from cqc_tools.contracts.api_diff.rules import Bound
from cqc_tools.foundation import configuration, workspace
from cqc_tools.foundation.version import Bump

SETTINGS = configuration.load()
PRICE = "cqc/markets/v1/price.proto"
POOL = "cqc/markets/v1/pool.proto"
MARKET_DATA = "cqc/services/v1/market_data.proto"
ALL = ("wire", "JSON", "source")
P = "cqc.markets.v1.Price"


def compiled(root: Path) -> FileDescriptorSet:
    return descriptors.compile_checkout(SETTINGS, root).descriptor_set


def compared(before: FileDescriptorSet, after: FileDescriptorSet) -> ApiDiff:
    return diff(before, after, SETTINGS.root_package)


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> FileDescriptorSet:
    root = tmp_path_factory.mktemp("before")
    shutil.copytree(workspace.PROTO, root / "proto")
    return compiled(root)


def changed(before: FileDescriptorSet, root: Path, file: str, old: str, new: str) -> ApiDiff:
    """The differences after replacing one string in one proto."""
    protos = Path(shutil.copytree(workspace.PROTO, root / "proto"))
    text = (protos / file).read_text()
    assert text.count(old) == 1, f"{file} has {text.count(old)} of {old!r}"
    (protos / file).write_text(text.replace(old, new))
    return compared(before, compiled(root))


STALENESS = """\
  // How old the newest input was when the price was made, in seconds, zero or greater. Absent when not known.
  optional double staleness_seconds = 9 [
    (buf.validate.field).double.finite = true,
    (buf.validate.field).double.gte = 0
  ];
"""
CONFIDENCE = """optional double confidence = 8 [
    (buf.validate.field).double.finite = true,
    (buf.validate.field).double.gte = 0
  ];"""
VALUE = "double value = 2 [(buf.validate.field).double.finite = true];\n  // Time for which the price holds."
GET_PRICE = "rpc GetPrice(GetPriceRequest) returns (cqc.markets.v1.Price) {"
GET_TICKER = """  // Returns the newest ticker of a listing.
  rpc GetTicker(GetTickerRequest) returns (GetTickerResponse) {
    option idempotency_level = NO_SIDE_EFFECTS;
    option (cqc.options.v1.scope) = "market.read";
  }
"""
MID = """  // Mean of bid and ask.
  PRICE_KIND_MID = 3;
"""
NEW_MESSAGE = """// A new thing.
message Quote {
  // Its only field.
  string bid = 1;
}

// What an asset is worth,"""
CASES = [
    (
        PRICE,
        STALENESS,
        STALENESS + "  // A new one.\n  int32 venue_count = 99;\n",
        "added",
        "field",
        f"{P}.venue_count",
        (),
        Bump.MINOR,
    ),
    (PRICE, "// What an asset is worth,", NEW_MESSAGE, "added", "message", "cqc.markets.v1.Quote", (), Bump.MINOR),
    (PRICE, STALENESS, "", "removed", "field", f"{P}.staleness_seconds", ALL, Bump.MAJOR),
    (PRICE, STALENESS, "  reserved 9;\n", "removed", "field", f"{P}.staleness_seconds", ("JSON", "source"), Bump.MAJOR),
    (PRICE, MID, "", "removed", "value", "cqc.markets.v1.PriceKind.PRICE_KIND_MID", ALL, Bump.MAJOR),
    (
        PRICE,
        MID,
        "  reserved 3;\n",
        "removed",
        "value",
        "cqc.markets.v1.PriceKind.PRICE_KIND_MID",
        ("JSON", "source"),
        Bump.MAJOR,
    ),
    (
        MARKET_DATA,
        GET_TICKER,
        "",
        "removed",
        "rpc",
        "cqc.services.v1.MarketData.GetTicker",
        ("wire", "source"),
        Bump.MAJOR,
    ),
    (
        MARKET_DATA,
        GET_PRICE,
        GET_PRICE.replace("returns (", "returns (stream "),
        "changed",
        "rpc",
        "cqc.services.v1.MarketData.GetPrice",
        ("wire", "source"),
        Bump.MAJOR,
    ),
    (PRICE, CONFIDENCE, "optional string confidence = 8;", "changed", "field", f"{P}.confidence", ALL, Bump.MAJOR),
    (PRICE, CONFIDENCE, "optional double confidence = 8;", "changed", "field", f"{P}.confidence", (), Bump.MINOR),
    (
        PRICE,
        CONFIDENCE,
        CONFIDENCE.replace("optional ", ""),
        "changed",
        "field",
        f"{P}.confidence",
        ("source",),
        Bump.MAJOR,
    ),
    (
        PRICE,
        CONFIDENCE,
        CONFIDENCE.replace("[", "[deprecated = true, ", 1),
        "deprecated",
        "field",
        f"{P}.confidence",
        (),
        Bump.MINOR,
    ),
    (PRICE, VALUE, VALUE.replace("= 2", "= 50"), "changed", "field", f"{P}.value", ("wire",), Bump.MAJOR),
    (
        PRICE,
        "optional uint64 trade_count",
        "optional int64 trade_count",
        "changed",
        "field",
        "cqc.markets.v1.VWAP.trade_count",
        ("JSON", "source"),
        Bump.MAJOR,
    ),
    (
        POOL,
        "repeated PoolReserve reserves",
        "PoolReserve reserves",
        "changed",
        "field",
        "cqc.markets.v1.Pool.reserves",
        ALL,
        Bump.MAJOR,
    ),
    (PRICE, "// What an asset is worth,", "// How much an asset is worth,", "commented", "message", P, (), Bump.PATCH),
]


@pytest.mark.parametrize(("file", "old", "new", "action", "kind", "name", "breaks", "bump"), CASES)
def test_one_change_is_reported_once(
    before: FileDescriptorSet,
    tmp_path: Path,
    file: str,
    old: str,
    new: str,
    action: str,
    kind: str,
    name: str,
    breaks: tuple[str, ...],
    bump: Bump,
) -> None:
    found = changed(before, tmp_path, file, old, new)
    assert [(change.action, change.kind, change.name, change.breaks) for change in found.changes] == [
        (action, kind, name, breaks)
    ]
    assert found.bump == bump
    assert f"`{name}`" in markdown.render(found)


def test_a_rule_is_shown_before_and_after(before: FileDescriptorSet, tmp_path: Path) -> None:
    (change,) = changed(before, tmp_path, PRICE, CONFIDENCE, CONFIDENCE.replace("gte = 0", "gte = 1")).changes
    assert change.details == ("rule double.lower bound: >= 0.0 -> >= 1.0",)
    assert change.breaks == ("validation",)


def test_equal_contracts_have_no_differences(before: FileDescriptorSet) -> None:
    found = compared(before, before)
    assert found == ApiDiff(())
    assert found.bump == Bump.NONE
    assert "No change" in markdown.render(found)


def test_the_highest_bump_of_all_changes_counts() -> None:
    changes = tuple(Change(action, "field", "x", (), breaks) for action, breaks in (("commented", ()), ("added", ())))
    assert ApiDiff(changes).bump == Bump.MINOR
    assert ApiDiff((*changes, Change("removed", "field", "y", (), ("wire",)))).bump == Bump.MAJOR


@pytest.mark.long
def test_the_command_compares_tags(checkout: Checkout) -> None:
    checkout.git("tag", "v1.1.0")
    proto = checkout.folder / "proto/cqc/markets/v1/quantity.proto"
    proto.write_text(
        proto.read_text().replace("enum QuantityUnit {", "enum QuantityUnit {\n  option deprecated = true;")
    )
    assert checkout.cqc("generate").returncode == 0
    checkout.commit()
    checkout.git("tag", "v1.2.0")
    done = checkout.cqc("diff", "v1.1.0", "v1.2.0", "--json")
    assert json.loads(done.stdout) == {
        "bump": "minor",
        "breaks": [],
        "changes": [
            {
                "action": "deprecated",
                "kind": "enum",
                "name": "cqc.markets.v1.QuantityUnit",
                "summary": "",
                "details": [],
                "breaks": [],
            }
        ],
    }
    assert "cqc.markets.v1.QuantityUnit" in checkout.cqc("diff", "v1.1.0", "v1.2.0").stdout
    unknown = checkout.cqc("diff", "v9.9.9")
    assert unknown.returncode == 2
    assert "the releases are v1.2.0, v1.1.0" in unknown.stderr
    assert "Traceback" not in unknown.stderr


SMALL = """syntax = "proto3";
package cqc.small.v1;
import "buf/validate/validate.proto";
option go_package = "example.com/small/v1;smallv1";
// What a thing is.
message Thing {
  reserved 9, 20 to 22;
  reserved "gone";
  option (buf.validate.message).cel = {id: "thing.count" message: "no" expression: "this.count < 7"};
  // Its name. Not unique.
  string name = 1 [(buf.validate.field).string.min_len = 2];
  int32 count = 2 [(buf.validate.field).int32 = {gt: 0, lte: 10}];
  Kind kind = 3;
  map<string, int32> amounts = 4;
  oneof which {
    string left = 5;
    string right = 6;
  }
  string color = 7 [(buf.validate.field).string = {in: ["red", "green"]}];
  optional double rate = 8 [(buf.validate.field).ignore = IGNORE_IF_ZERO_VALUE];
}
// Its kind.
enum Kind {
  KIND_UNSPECIFIED = 0;
  KIND_ONE = 1;
}
message Part {}
service Things {
  // Asks.
  rpc Ask(Thing) returns (Thing);
}
"""
T = "cqc.small.v1.Thing"
NOTHING: tuple[str, ...] = ()
SMALL_CASES = [
    # The replaced string and its replacement; the change: action, name, who breaks; a part of its details.
    ("string name = 1", "string title = 1", "changed", f"{T}.name", ("JSON", "source"), "renamed to `title`"),
    ("KIND_ONE = 1", "KIND_UNO = 1", "changed", "cqc.small.v1.Kind.KIND_ONE", ("JSON", "source"), "renamed to"),
    ("Kind kind = 3", "int32 kind = 3", "changed", f"{T}.kind", ("JSON", "source"), "enum cqc.small.v1.Kind -> int32"),
    ("Kind kind = 3", "Part kind = 3", "changed", f"{T}.kind", ALL, "-> message cqc.small.v1.Part"),
    ("map<string, int32>", "map<string, string>", "changed", f"{T}.amounts", ALL, "-> map<string, string>"),
    ("message Part {}\n", "", "removed", "cqc.small.v1.Part", ("source",), ""),
    ("smallv1", "small", "changed", "cqc.small.v1", ("source",), "Go package"),
    ("reserved 9, 20 to 22", "reserved 9, 21 to 22", "changed", T, ("wire",), "9, 20 to 22"),
    ('  reserved "gone";\n', "", "changed", T, ("JSON",), "gone"),
    ("reserved 9,", "reserved 9, 30,", "", "", NOTHING, ""),
    ("reserved 9, 20 to 22", "reserved 9, 20, 21 to 25", "", "", NOTHING, ""),
    ("min_len = 2", "min_len = 3", "changed", f"{T}.name", ("validation",), "rule string.min_len: 2 -> 3"),
    ("min_len = 2", "min_len = 1", "changed", f"{T}.name", NOTHING, "rule string.min_len: 2 -> 1"),
    ("min_len = 2", "max_len = 2", "changed", f"{T}.name", ("validation",), "rule string.max_len: none -> 2"),
    ("gt: 0", "gte: 0", "changed", f"{T}.count", NOTHING, "rule int32.lower bound: > 0 -> >= 0"),
    ("gt: 0", "gt: 1", "changed", f"{T}.count", ("validation",), "> 0 -> > 1"),
    ("lte: 10", "lt: 10", "changed", f"{T}.count", ("validation",), "<= 10 -> < 10"),
    ("lte: 10", "lte: 11", "changed", f"{T}.count", NOTHING, "<= 10 -> <= 11"),
    ("{gt: 0, lte: 10}", "{gt: 0}", "changed", f"{T}.count", NOTHING, "<= 10 -> none"),
    ('["red", "green"]', '["red"]', "changed", f"{T}.color", ("validation",), "[red, green] -> [red]"),
    ('["red", "green"]', '["green", "red", "blue"]', "changed", f"{T}.color", NOTHING, "blue"),
    (
        " [(buf.validate.field).ignore = IGNORE_IF_ZERO_VALUE]",
        "",
        "changed",
        f"{T}.rate",
        ("validation",),
        "rule ignore",
    ),
    ("IGNORE_IF_ZERO_VALUE", "IGNORE_ALWAYS", "changed", f"{T}.rate", NOTHING, "rule ignore"),
    ("count < 7", "count < 6", "changed", T, ("validation",), "rule cel[thing.count]"),
    (
        "oneof which {",
        "oneof which {\n    option (buf.validate.oneof).required = true;",
        "changed",
        f"{T}.which",
        ("validation",),
        "rule required: none -> true",
    ),
    (
        "  Kind kind",
        "  string fresh = 12 [(buf.validate.field).required = true];\n  Kind kind",
        "added",
        f"{T}.fresh",
        ("validation",),
        "string fresh = 12",
    ),
    (
        "  Kind kind",
        "  string fresh = 12 [(buf.validate.field).string.min_len = 1];\n  Kind kind",
        "added",
        f"{T}.fresh",
        ("validation",),
        "",
    ),
    (
        "  Kind kind",
        "  // Is new. More.\n  optional string fresh = 12 [(buf.validate.field).string.min_len = 1];\n  Kind kind",
        "added",
        f"{T}.fresh",
        NOTHING,
        "`optional string fresh = 12`. Is new.",
    ),
    (
        "KIND_ONE = 1;",
        "KIND_ONE = 1;\n  KIND_TWO = 2;",
        "added",
        "cqc.small.v1.Kind.KIND_TWO",
        NOTHING,
        "`KIND_TWO = 2`",
    ),
    (
        "service Things {",
        "service Things {\n  rpc Tell(Thing) returns (stream Thing);",
        "added",
        "cqc.small.v1.Things.Tell",
        NOTHING,
        "returns (stream cqc.small.v1.Thing)",
    ),
    (
        "returns (Thing);",
        "returns (Thing) { option idempotency_level = IDEMPOTENT; }",
        "changed",
        "cqc.small.v1.Things.Ask",
        ("wire",),
        "option idempotency_level: none -> IDEMPOTENT",
    ),
    ("  // Asks.\n", "  // Asks more.\n", "commented", "cqc.small.v1.Things.Ask", NOTHING, "`Ask`"),
    ("  // Asks.\n", "", "commented", "cqc.small.v1.Things.Ask", NOTHING, "`Ask`"),
    (
        "message Part {}",
        "message Part { option deprecated = true; }",
        "deprecated",
        "cqc.small.v1.Part",
        NOTHING,
        "### Deprecated",
    ),
]


def small(root: Path, text: str) -> FileDescriptorSet:
    file = root / "proto" / "cqc" / "small" / "v1" / "small.proto"
    file.parent.mkdir(parents=True)
    file.write_text(text)
    return compiled(root)


def found_by_buf(old: FileDescriptorSet, new: FileDescriptorSet, category: str, folder: Path) -> bool:
    for name, image in (("old", old), ("new", new)):
        (folder / f"{name}.binpb").write_bytes(image.SerializeToString())
    rules = json.dumps({"version": "v2", "breaking": {"use": [category]}})
    command = [str(workspace.VENV_BIN / "buf"), "breaking", "new.binpb", "--against", "old.binpb", "--config", rules]
    done = subprocess.run([*command, "--exclude-imports"], cwd=folder, capture_output=True, text=True)
    assert done.returncode in (0, 100), done.stderr
    return done.returncode == 100


@pytest.mark.parametrize(("old", "new", "action", "name", "breaks", "told"), SMALL_CASES)
def test_a_change_is_reported_with_its_consequences(
    tmp_path: Path, old: str, new: str, action: str, name: str, breaks: tuple[str, ...], told: str
) -> None:
    assert SMALL.count(old) == 1
    before, after = small(tmp_path / "old", SMALL), small(tmp_path / "new", SMALL.replace(old, new))
    found = compared(before, after)
    assert [(change.action, change.name, change.breaks) for change in found.changes] == (
        [(action, name, breaks)] if action else []
    )
    assert told in markdown.render(found)
    assert set(breaks) <= set(BROKEN)
    # buf ignores validation rules. Whatever else it finds must be found here too.
    if found_by_buf(before, after, "WIRE_JSON", tmp_path):
        assert {"wire", "JSON"} & set(breaks)
    if found_by_buf(before, after, "FILE", tmp_path):
        assert breaks


def test_moving_to_another_file_breaks_importers(tmp_path: Path) -> None:
    before = small(tmp_path / "old", SMALL)
    after = small(tmp_path / "new", SMALL.replace("message Part {}\n", ""))
    moved = FileDescriptorProto(name="cqc/small/v1/part.proto", package="cqc.small.v1", syntax="proto3")
    moved.message_type.add(name="Part")
    moved.options.go_package = "example.com/small/v1;smallv1"
    after.file.append(moved)
    (change,) = compared(before, after).changes
    assert (change.name, change.breaks) == ("cqc.small.v1.Part", ("source",))
    assert change.details == ("file: cqc/small/v1/small.proto -> cqc/small/v1/part.proto",)


BOUNDS = st.builds(Bound, st.integers(-3, 3).map(float), st.booleans(), st.just(1))
PROBES = [half / 2 for half in range(-8, 9)]


def accepts(bound: Bound, value: float) -> bool:
    inside = (value - float(bound.value)) * bound.sign
    return inside > 0 or (inside == 0 and not bound.is_excluded)


@given(one=BOUNDS, other=BOUNDS, sign=st.sampled_from([1, -1]))
def test_a_bound_is_stricter_if_it_rejects_what_the_other_accepts(one: Bound, other: Bound, sign: int) -> None:
    one, other = replace(one, sign=sign), replace(other, sign=sign)
    rejects = any(accepts(other, value) and not accepts(one, value) for value in PROBES)
    assert one.is_stricter_than(other) == rejects


def test_bounds_without_an_order_count_as_stricter_when_they_differ() -> None:
    second, minute = Bound("seconds: 1", False, 1), Bound("seconds: 60", False, 1)
    assert second.is_stricter_than(minute)
    assert minute.is_stricter_than(second)
    assert not second.is_stricter_than(second)
    assert Bound(float("nan"), False, 1).is_stricter_than(Bound(0.0, False, 1))


NAMES = st.sampled_from(["a", "b", "c", "d", "e"])
FIELDS = st.dictionaries(
    NAMES, st.tuples(st.integers(1, 6), st.sampled_from([1, 3, 5, 8, 9]), st.sampled_from([1, 3]), st.booleans())
)
MESSAGES = st.dictionaries(st.sampled_from(["M", "N", "O"]), FIELDS)


def described(messages: dict[str, dict[str, tuple[int, int, int, bool]]]) -> FileDescriptorSet:
    file = FileDescriptorProto(name="cqc/x/v1/x.proto", package="cqc.x.v1", syntax="proto3")
    for name, fields in messages.items():
        message: DescriptorProto = file.message_type.add(name=name)
        numbers: set[int] = set()
        for part, (number, kind, label, is_deprecated) in fields.items():
            if number in numbers:
                continue
            numbers.add(number)
            declared: FieldDescriptorProto = message.field.add(name=part, number=number, json_name=part)
            declared.type = kind  # type: ignore[assignment]
            declared.label = label  # type: ignore[assignment]
            declared.options.deprecated = is_deprecated
    return FileDescriptorSet(file=[file])


@given(old=MESSAGES, new=MESSAGES)
def test_every_difference_is_reported_and_nothing_else(
    old: dict[str, dict[str, tuple[int, int, int, bool]]], new: dict[str, dict[str, tuple[int, int, int, bool]]]
) -> None:
    before, after = described(old), described(new)
    assert compared(before, before).changes == ()
    there, back = compared(before, after), compared(after, before)
    assert bool(there.changes) == bool(back.changes) == (elements(before, "cqc") != elements(after, "cqc"))

    def told(of: ApiDiff, action: str) -> set[str]:
        return {change.name for change in of.changes if change.action == action}

    assert told(there, "added") == told(back, "removed")
    assert (there.bump == Bump.MAJOR) == bool(there.breaks)
    # Additions and deprecations alone never break anyone.
    if not told(there, "removed") and not told(there, "changed"):
        assert there.bump < Bump.MAJOR
    for change in there.changes:
        assert f"`{change.name}`" in markdown.render(there)
