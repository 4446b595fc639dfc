"""What `make compatibility` runs: the release before this one, and programs of both that talk."""

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from conftest import Checkout, Released

from cqc_tools.contracts import descriptors
from cqc_tools.contracts.api_diff.diff import diff
from cqc_tools.foundation import configuration, git, version, workspace
from cqc_tools.foundation.errors import StageFailed
from cqc_tools.foundation.version import Bump, parse_release
from cqc_tools.packages import Installation, examples
from cqc_tools.proof import compatibility

SETTINGS = configuration.load()


@pytest.mark.cqc_code
def test_this_release_adds_a_field_a_value_and_a_procedure_to_what_it_is_compared_with(tmp_path: Path) -> None:
    shutil.copytree(workspace.PROTO, tmp_path / "proto")
    shutil.copytree(workspace.EXAMPLES, tmp_path / "examples", ignore=shutil.ignore_patterns("data", "node_modules"))
    compatibility.take_away(tmp_path)
    before = descriptors.compile_checkout(SETTINGS, tmp_path).descriptor_set
    after = descriptors.generated(SETTINGS)
    found = diff(before, after, SETTINGS.root_package)
    assert found.bump == Bump.MINOR
    assert sorted(change.name for change in found.changes) == [
        "cqc.markets.v1.AggressorSide.AGGRESSOR_SIDE_SELLER",
        "cqc.markets.v1.Trade.maker_order_id",
        "cqc.services.v1.MarketData.GetOpenInterest",
    ]
    with pytest.raises(StageFailed, match="has nothing that matches"):
        compatibility.take_away(tmp_path)


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ("0.1.0", None),
        ("1.0.0", None),
        ("1.1.0", "1.0.0"),
        ("1.2.0-rc.2", "1.0.0"),
        ("1.2.1", "1.2.0"),
        ("2.0.0", None),
        ("2.1.0", "2.0.0"),
    ],
)
def test_a_release_has_to_work_with_the_last_final_one_of_its_major_version(
    monkeypatch: pytest.MonkeyPatch, chosen: str, expected: str | None
) -> None:
    tags = [*map(parse_release, ("1.0.0", "1.2.0-rc.1", "1.2.0", "2.0.0"))]
    monkeypatch.setattr(version, "released", lambda: tags)
    before = compatibility.before(parse_release(chosen))
    assert (before.npm if before else None) == expected


def program(folder: Path, name: str) -> Installation:
    """A program with the examples' command line, which keeps a file about each thing that it did."""
    folder.mkdir(parents=True, exist_ok=True)
    script = folder / "program.py"
    script.write_text(
        "import pathlib, sys, threading\n"
        "if sys.argv[1] == 'serve':\n"
        f"    print('listening on {name}', flush=True)\n"
        "    threading.Event().wait()\n"
        'print(\'{"books": 1, "deltas": 1, "trades": 1, "digest": "same"}\')\n'
    )
    return Installation(folder, workspace.tool_environment(), 0.0, (), (sys.executable, str(script)))


def test_each_program_meets_one_of_the_other_release_or_all(tmp_path: Path) -> None:
    found = compatibility.Compatibility("1.1.0", "1.0.0", "")
    keys = ("python", "typescript", "go")
    new, old = ({key: program(tmp_path / at / key, key) for key in keys} for at in ("new", "old"))
    every = compatibility.talk(found, new, old, tmp_path, every_pair=True, started=0)
    assert len({(item.server, item.client) for item in every.replays}) == 36
    some = compatibility.talk(found, new, old, tmp_path, every_pair=False, started=0)
    assert len(some.replays) == 6
    programs = {f"{key} {release}" for key in keys for release in ("1.1.0", "1.0.0")}
    assert {item.server for item in some.replays} == {item.client for item in some.replays} == programs
    for item in some.replays:
        (server, served), (client, using) = item.server.split(), item.client.split()
        assert server != client
        assert served != using


def test_programs_are_kept_until_their_sources_change(
    pristine: Checkout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compatibility, "KEPT", tmp_path / "kept")
    monkeypatch.setattr(compatibility, "IN_USE_SECONDS", -1)
    checkout = pristine.copy(tmp_path / "checkout")
    made: list[Path] = []

    def make(folder: Path) -> Mapping[str, Installation]:
        made.append(folder)
        return {"python": program(folder / "users" / "python", "python")}

    def kept() -> Installation:
        repository = git.Repository(checkout.folder)
        return compatibility.kept(parse_release("1.0.0"), repository, "HEAD", make)["python"]

    first = kept()
    assert examples.replay("", "", first, "nowhere").digest == "same"
    checkout.git("commit", "--quiet", "--allow-empty", "--message", "nothing")
    assert kept() == first
    assert len(made) == 1
    for number in range(4):
        settings = checkout.folder / "release.toml"
        settings.write_text(f"{settings.read_text()}# {number}\n")
        checkout.commit()
        assert kept().folder.is_dir()
    assert len(made) == 5
    assert len(list((tmp_path / "kept").iterdir())) == compatibility.AT_MOST


@pytest.mark.long
def test_a_published_release_without_one_before_it_is_refused(released: Released) -> None:
    done = released.checkout.cqc("compatibility", "--release", "1.2.0", "--target", "local")
    assert done.returncode == 2
    assert "there is no release before v1.2.0 with the same major version" in done.stderr
    assert "make compatibility, without TARGET" in done.stderr
