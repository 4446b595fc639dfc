"""A fourth ecosystem takes one module and one table in release.toml: everything else iterates over the ecosystems."""

import json
import shutil
from pathlib import Path

import pytest
from conftest import Checkout

PARTS = Path(__file__).parent / "fourth_ecosystem"


@pytest.mark.long
def test_one_module_and_one_table_add_an_ecosystem(checkout: Checkout) -> None:
    """A release to four registries is rehearsed: built, published, read back, installed, compared."""
    shutil.copy(PARTS / "archive.py", checkout.folder / "tools/cqc_tools/packages/ecosystems/archive.py")
    settings = checkout.folder / "release.toml"
    settings.write_text(settings.read_text() + (PARTS / "release.toml").read_text())
    checkout.commit("Add an ecosystem")

    version = checkout.cqc("version")
    assert version.returncode == 0, version.stderr
    assert "Folder" in version.stdout

    done = checkout.cqc("rehearse", "--release", "1.2.0", "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert [(item["label"], item["version"]) for item in result["packages"]] == [
        ("Folder", "1.2.0"),
        ("PyPI", "1.2.0"),
        ("npm", "1.2.0"),
        ("Go", "v1.2.0"),
    ]
    assert list(result["packages"][0]["files"]) == ["cqc_archive-1.2.0.zip"]
    assert len({item["descriptor_set_sha256"] for item in result["packages"]}) == 1
    assert len(result["replays"]) == 9
    kept = checkout.folder / ".cache" / "rehearsal"
    manifest = json.loads((kept / "release.json").read_text())
    assert [item["ecosystem"] for item in manifest["sboms"]] == ["archive", "python", "typescript", "go"]
    assert (kept / "cqc_archive-1.2.0.cdx.json").exists()
    assert "cqc_archive-1.2.0.zip" in (kept / "report.html").read_text()


def test_a_table_without_a_module_is_refused(checkout: Checkout) -> None:
    settings = checkout.folder / "release.toml"
    settings.write_text(settings.read_text() + (PARTS / "release.toml").read_text())
    done = checkout.cqc("plan")
    assert done.returncode == 2
    assert "tools/cqc_tools/packages/ecosystems/archive.py does not exist" in done.stderr
    assert "choose one of go, python, typescript" in done.stderr
