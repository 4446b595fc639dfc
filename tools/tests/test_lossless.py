"""Venues' payloads, the corpus and the golden bytes: what is wrong is found, and nothing where nothing is."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cqc_tools.contracts import descriptors, golden_files
from cqc_tools.foundation import configuration, workspace
from cqc_tools.foundation.errors import StageFailed
from cqc_tools.foundation.version import parse_release
from cqc_tools.packages import examples
from cqc_tools.proof import conformance, corpus, golden
from cqc_tools.proof.interop import Peer

SOURCES = os.pathsep.join(map(str, (workspace.PYTHON_PACKAGE / "src", workspace.EXAMPLES / "venues")))
PEER = workspace.ROOT / "tools" / "interop" / "peer.py"
DESCRIPTORS = descriptors.generated(configuration.load())


def venues(command: str, folder: Path, stdin: str = "") -> str:
    """Run the example on a folder of payloads."""
    environment = {**os.environ, "PYTHONPATH": SOURCES}
    words = [sys.executable, "-m", "cqc_venues", command, str(folder)]
    done = subprocess.run(words, input=stdin, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def peer(language: str, folder: Path, answer: str = "") -> Peer:
    """The Python peer from the sources; `answer` is code that changes its `answer` to a `request`."""
    script = PEER
    if answer:
        script = folder / f"{language}.py"
        text = PEER.read_text()
        changed = text.replace(
            "        print(json.dumps(answer))", f"        {answer}\n        print(json.dumps(answer))"
        )
        assert changed != text
        script.write_text(changed)
    return Peer(language, [sys.executable, script], folder, {**os.environ, "PYTHONPATH": SOURCES})


@pytest.fixture
def payloads(tmp_path: Path) -> Path:
    return Path(shutil.copytree(examples.SAMPLE, tmp_path / "payloads"))


def test_the_samples_lose_nothing(payloads: Path) -> None:
    mapped = venues("map", payloads)
    assert all(json.loads(line)["broken"] == [] for line in mapped.splitlines())
    found = json.loads(venues("compare", payloads, mapped))
    assert found["lost"] == []
    assert found["lives"]["refused"] == []
    assert {row["venue"] for row in found["rows"]} == {"binance", "binance_futures", "coinbase", "deribit", "kraken"}
    for name in ("PARTIALLY FILLED", "FILLED", "CANCELLED", "EXPIRED"):
        assert name in found["lives"]["states"]
    assert all(item["reason"] for item in found["not_kept"])
    assert {"venue": "binance_futures", "kind": "instruments", "value": "deliveryDate 4133404800000", "times": 1} in (
        found["sentinels"]
    )


def first(payloads: Path, venue: str, file: str) -> tuple[Path, list[Any]]:
    path = payloads / venue / f"{file}.jsonl"
    return path, [json.loads(line) for line in path.read_text().splitlines()]


def rewrite(path: Path, rows: list[Any]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def more_digits(row: Any) -> None:
    row["baseAssetPrecision"] = 7


def other_digits(row: Any) -> None:
    row["filters"][0]["tickSize"] = "0.010"


def new_field(row: Any) -> None:
    row["maxPosition"] = "10"


def other_flag(row: Any) -> None:
    row["isMarginTradingAllowed"] = False


def other_word(row: Any) -> None:
    row["status"] = "BREAK"


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (more_digits, "baseAssetPrecision"),
        (other_digits, "filters.PRICE_FILTER.tickSize"),
        (new_field, "maxPosition"),
        (other_flag, "isMarginTradingAllowed"),
        (other_word, "status"),
    ],
)
def test_what_does_not_come_back_is_named(payloads: Path, change: Callable[[Any], None], place: str) -> None:
    """The messages of the samples, compared with payloads that say something else."""
    mapped = venues("map", payloads)
    path, rows = first(payloads, "binance", "instruments")
    change(rows[0])
    rewrite(path, rows)
    (lost,) = json.loads(venues("compare", payloads, mapped))["lost"]
    assert lost.startswith(f"binance/instruments.jsonl:1 {place}: ")


def test_a_lost_trailing_zero_of_a_level_is_named(payloads: Path) -> None:
    mapped = venues("map", payloads)
    path, rows = first(payloads, "kraken", "stream")
    rows[1]["frame"][1]["bs"][0][1] += "0"
    rewrite(path, rows)
    (lost,) = json.loads(venues("compare", payloads, mapped))["lost"]
    assert "frame.bs.*.*: '0.750000000' came back as '0.75000000'" in lost


def test_a_language_that_judges_otherwise_is_named(tmp_path: Path) -> None:
    lenient = 'answer = {"data": []} if request["op"] == "validate" and "Liquidation" in request["type"] else answer'
    with pytest.raises(StageFailed, match=r"verdicts are not what they should be") as stopped:
        conformance.rules([peer("Python", tmp_path), peer("Lenient", tmp_path, lenient)], DESCRIPTORS)
    assert "Lenient: {'data': []}" in str(stopped.value)


def test_a_language_that_computes_otherwise_is_named(tmp_path: Path) -> None:
    wrong = 'answer = {"data": "0"} if request["op"] == "notional" and "data" in answer else answer'
    with pytest.raises(StageFailed, match=r"notional differ") as stopped:
        conformance.helpers([peer("Python", tmp_path), peer("Wrong", tmp_path, wrong)], DESCRIPTORS, 1)
    assert "Wrong: {'data': '0'}" in str(stopped.value)


def test_the_corpus_breaks_every_rule_and_meets_it() -> None:
    cases = corpus.cases(DESCRIPTORS)
    assert len(cases) >= 1500
    contracts = corpus.Contracts(DESCRIPTORS)
    stated = {
        f"string.{rule.name}"
        for rule in contracts.pool.FindFileByName("cqc/rules/v1/rules.proto").extensions_by_name.values()
    }
    stated |= {cel.id for descriptor in contracts.types for cel in contracts.rules(descriptor).cel}
    broken = {case.rule for case in cases}
    assert stated <= broken
    met = {case.type for case in cases if case.rule is None}
    assert met == {descriptor.full_name for descriptor in contracts.types}


def test_golden_bytes_tell_a_changed_field(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(golden_files, "FOLDER", tmp_path / "golden")
    version = parse_release("1.2.0")
    languages = [peer("Python", tmp_path)]
    assert golden.write(version, languages, DESCRIPTORS) == len(corpus.Contracts(DESCRIPTORS).types)
    (row,) = golden.read(languages, DESCRIPTORS, [version])
    assert (row.version, row.read) == ("1.2.0", row.types)
    path = golden_files.file_of(version)
    # What a reader sees whose contract calls the field otherwise.
    path.write_text(path.read_text().replace('"aggressor"', '"aggressorSide"'))
    with pytest.raises(StageFailed, match=r"cqc\.markets\.v1\.Trade as 1\.2\.0 wrote it: read as"):
        golden.read(languages, DESCRIPTORS, [version])
    with pytest.raises(StageFailed, match=r"make golden VERSION=1\.2\.0"):
        golden.read(languages, DESCRIPTORS, [])
    with pytest.raises(StageFailed, match=r"v1\.3\.0 has no golden bytes"):
        golden.read(languages, DESCRIPTORS, [version, parse_release("1.3.0"), parse_release("1.4.0-rc.1")])
