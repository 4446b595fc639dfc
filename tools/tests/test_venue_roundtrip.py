"""The venue mappings: the samples come back complete, and every value that does not is reported."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cqc_tools.foundation import configuration, workspace
from cqc_tools.packages import examples

pytestmark = pytest.mark.cqc_code
SOURCES = (configuration.load().folder("python") / "src", workspace.EXAMPLES / "venues")


def venues(command: str, folder: Path, stdin: str = "") -> str:
    """Run the example on a folder of payloads."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, SOURCES))}
    words = [sys.executable, "-m", "cqc_venues", command, str(folder)]
    done = subprocess.run(words, input=stdin, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def mapped() -> str:
    """The messages of the samples."""
    return venues("map", examples.SAMPLE)


@pytest.fixture
def payloads(tmp_path: Path) -> Path:
    return Path(shutil.copytree(examples.SAMPLE, tmp_path / "payloads"))


def test_samples_come_back_complete(payloads: Path, mapped: str) -> None:
    messages = [message for line in mapped.splitlines() for message in json.loads(line)["messages"]]
    assert all(message["broken"] == [] for message in messages)
    found = json.loads(venues("compare", payloads, mapped))
    assert found["lost"] == []
    assert found["lives"]["refused"] == []
    modules = {path.stem for path in workspace.EXAMPLES.glob("venues/cqc_venues/venues/[a-z]*.py")}
    assert {row["venue"] for row in found["rows"]} == modules
    for name in ("PARTIALLY FILLED", "FILLED", "CANCELLED", "EXPIRED"):
        assert name in found["lives"]["states"]
    assert all(item["reason"] for item in found["not_kept"])
    outside = [row for row in found["rows"] if not row["books"]]
    typed, kept = (sum(row[name] for row in outside) for name in ("typed", "in_venue_fields"))
    assert typed > 0.92 * (typed + kept)


def test_a_module_has_at_most_400_lines() -> None:
    for module in workspace.EXAMPLES.glob("venues/cqc_venues/venues/*.py"):
        assert len(module.read_text().splitlines()) <= 400, module.name


def read(payloads: Path, venue: str, file: str) -> tuple[Path, list[Any]]:
    path = payloads / venue / f"{file}.jsonl"
    return path, [json.loads(line) for line in path.read_text().splitlines()]


def write(path: Path, rows: list[Any]) -> None:
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
        (other_digits, "filters/0/tickSize"),
        (new_field, "maxPosition"),
        (other_flag, "isMarginTradingAllowed"),
        (other_word, "status"),
    ],
)
def test_lost_value_is_reported(payloads: Path, mapped: str, change: Callable[[Any], None], place: str) -> None:
    """Messages of the samples do not match payloads that were changed after the mapping."""
    path, rows = read(payloads, "binance", "instruments")
    change(rows[0])
    write(path, rows)
    (lost,) = json.loads(venues("compare", payloads, mapped))["lost"]
    assert lost.startswith(f"binance/instruments.jsonl:1 /{place}: ")


def test_lost_trailing_zero_is_reported(payloads: Path, mapped: str) -> None:
    path, rows = read(payloads, "kraken", "stream")
    rows[1]["frame"][1]["bs"][0][1] += "0"
    write(path, rows)
    (lost,) = json.loads(venues("compare", payloads, mapped))["lost"]
    assert lost == "kraken/stream.jsonl:2 /1/bs/0/1: 0.750000000 came back as 0.75000000"
