"""What a change of the contracts breaks, and which bump it asks for."""

import json
import shutil
from pathlib import Path

import pytest
from conftest import Checkout
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from cqc_tools import contracts, workspace
from cqc_tools.api_diff import ApiDiff, Bump, Change, diff

PRICE = "cqc/markets/v1/price.proto"
POOL = "cqc/markets/v1/pool.proto"
MARKET_DATA = "cqc/services/v1/market_data.proto"
ALL = ("wire", "JSON", "source")
P = "cqc.markets.v1.Price"


def compiled(root: Path) -> FileDescriptorSet:
    out = root / "set.binpb"
    options = ["--include_imports", "--include_source_info", f"--descriptor_set_out={out}"]
    contracts.protoc(options, contracts.find(root), root)
    return FileDescriptorSet.FromString(out.read_bytes())


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> FileDescriptorSet:
    root = tmp_path_factory.mktemp("before")
    shutil.copytree(workspace.PROTO, root, dirs_exist_ok=True)
    return compiled(root)


def changed(before: FileDescriptorSet, root: Path, file: str, old: str, new: str) -> ApiDiff:
    """The differences after one text in one proto was replaced by another."""
    shutil.copytree(workspace.PROTO, root, dirs_exist_ok=True)
    text = (root / file).read_text()
    assert text.count(old) == 1, f"{file} has {text.count(old)} of {old!r}"
    (root / file).write_text(text.replace(old, new))
    return diff(before, compiled(root))


STALENESS = """  // How old the newest input was when the price was made, in seconds. Absent when not known.
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
GET_PRICE = "rpc GetPrice(GetPriceRequest) returns (cqc.markets.v1.Price);"
GET_TICKER = """  // Returns the newest ticker of a listing.
  rpc GetTicker(GetTickerRequest) returns (GetTickerResponse);
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
        POOL,
        "optional sint32 tick",
        "optional sint64 tick",
        "changed",
        "field",
        "cqc.markets.v1.Pool.tick",
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
def test_one_change_is_told_once(
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
    assert f"`{name}`" in found.to_markdown()


def test_a_rule_is_shown_before_and_after(before: FileDescriptorSet, tmp_path: Path) -> None:
    (change,) = changed(before, tmp_path, PRICE, CONFIDENCE, CONFIDENCE.replace("gte = 0", "gte = 1")).changes
    assert change.details == (
        "rules: [buf.validate.field] { double { gte: 0.0 finite: true } }"
        " -> [buf.validate.field] { double { gte: 1.0 finite: true } }",
    )


def test_nothing_changed(before: FileDescriptorSet) -> None:
    found = diff(before, before)
    assert found == ApiDiff(())
    assert found.bump == Bump.NONE
    assert "No change" in found.to_markdown()


def test_the_highest_bump_counts() -> None:
    changes = tuple(Change(action, "field", "x", (), breaks) for action, breaks in (("commented", ()), ("added", ())))
    assert ApiDiff(changes).bump == Bump.MINOR
    assert ApiDiff((*changes, Change("removed", "field", "y", (), ("wire",)))).bump == Bump.MAJOR


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
        "changes": [
            {
                "action": "deprecated",
                "kind": "enum",
                "name": "cqc.markets.v1.QuantityUnit",
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
