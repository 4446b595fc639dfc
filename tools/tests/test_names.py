"""Other package names in release.toml, and the module path of a second major version."""

import json

import pytest
from conftest import Checkout

MODULE = "github.com/Combine-Capital/cqc/packages/go-cqc"


def second_major(checkout: Checkout) -> None:
    settings = checkout.folder / "release.toml"
    settings.write_text(settings.read_text().replace(f'"{MODULE}"', f'"{MODULE}/v2"'))


@pytest.mark.long
def test_other_names_and_a_second_major_version_pass_a_rehearsal(checkout: Checkout) -> None:
    settings = checkout.folder / "release.toml"
    text = settings.read_text().replace('name = "cqc"', 'name = "acme-contracts"')
    settings.write_text(text.replace('name = "@cq/cqc"', 'name = "@acme/contracts"'))
    checkout.commit()
    checkout.git("tag", "v1.4.0")

    refused = checkout.cqc("rehearse", "--release", "2.0.0")
    assert refused.returncode == 2
    assert f'name = "{MODULE}/v2"' in refused.stderr
    assert "make module-path" in refused.stderr
    assert checkout.git("status", "--porcelain") == ""

    second_major(checkout)
    # go.mod still has the old path.
    assert checkout.cqc("rehearse", "--release", "2.0.0").returncode == 2
    moved = checkout.cqc("module-path", "--json")
    assert moved.returncode == 0, moved.stderr
    assert json.loads(moved.stdout)["after"] == f"{MODULE}/v2"
    again = checkout.cqc("module-path", "--json")
    assert json.loads(again.stdout)["written"] == []
    assert f"{MODULE}/markets" not in checkout.git("grep", "-I", "Combine-Capital", "--", "packages", "examples")
    checkout.commit()

    development = json.loads(checkout.cqc("version", "--json").stdout)
    assert development["go"].startswith("v2.0.0-")
    backwards = checkout.cqc("rehearse", "--release", "1.5.0")
    assert backwards.returncode == 2
    assert f'name = "{MODULE}"' in backwards.stderr

    done = checkout.cqc("rehearse", "--release", "2.0.0", "--json")
    assert done.returncode == 0, done.stderr
    assert [(row["package"], row["version"]) for row in json.loads(done.stdout)["packages"]] == [
        ("acme-contracts", "2.0.0"),
        ("@acme/contracts", "2.0.0"),
        (f"{MODULE}/v2", "v2.0.0"),
    ]
