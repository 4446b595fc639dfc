"""Generated code follows proto/, and a proto that does not compile changes nothing."""

from pathlib import Path

import pytest
from conftest import Checkout

PRICE = Path("proto/cqc/markets/v1/price.proto")


def test_a_second_run_writes_nothing_and_says_so(checkout: Checkout) -> None:
    before = {path: path.stat().st_mtime_ns for path in (checkout.folder / "packages").rglob("*") if path.is_file()}
    done = checkout.cqc("generate")
    assert done.returncode == 0, done.stderr
    assert "nothing changed" in done.stdout
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert checkout.git("status", "--porcelain") == ""


def test_a_broken_proto_is_named_with_its_line_and_leaves_the_tree(checkout: Checkout) -> None:
    path = checkout.folder / PRICE
    lines = path.read_text().splitlines()
    broken = next(index for index, line in enumerate(lines) if line.startswith("message Price"))
    lines.insert(broken + 1, "  nonsense;")
    path.write_text("\n".join(lines))
    done = checkout.cqc("generate")
    assert done.returncode == 1
    assert f"{PRICE}:{broken + 2}:" in done.stderr
    assert "Traceback" not in done.stderr
    assert checkout.git("status", "--porcelain").split() == ["M", str(PRICE)]


@pytest.mark.parametrize("renamed", [True, False])
def test_a_proto_that_is_gone_leaves_nothing_behind(checkout: Checkout, renamed: bool) -> None:
    symbol_identifier = checkout.folder / "proto/cqc/markets/v1/symbol_identifier.proto"
    extra = checkout.folder / "proto/cqc/markets/v1/extra.proto"
    extra.write_text(
        symbol_identifier.read_text()
        .replace("message SymbolIdentifier", "message Extra")
        .replace("SymbolIdentifier", "Extra")
    )
    assert checkout.cqc("generate").returncode == 0
    written = checkout.git("status", "--porcelain", "--untracked-files=all")
    assert {"extra_pb2.py", "extra_pb2.pyi", "extra.pb.go", "extra_pb.ts", "extra.proto"} <= {
        Path(line[3:]).name for line in written.splitlines()
    }
    if renamed:
        extra.rename(extra.with_name("other.proto"))
    else:
        extra.unlink()
    assert checkout.cqc("generate").returncode == 0
    left = checkout.git("status", "--porcelain", "--untracked-files=all")
    assert "extra" not in left
    assert ("other_pb2.py" in left) == renamed
    if not renamed:
        assert left == ""
