"""Another team's project: docs/your-own-contracts.md, command by command, in a scratch clone."""

import re
import subprocess

import pytest
from conftest import Checkout

from cqc_tools.foundation import workspace

PAGE = workspace.ROOT / "docs" / "your-own-contracts.md"
FILE = re.compile(r"^`([^`\n]+)`:\n\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMANDS = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def page() -> str:
    return PAGE.read_text()


def run(checkout: Checkout, command: str) -> str:
    # The toolchain is linked into the checkout: with this interpreter, the set-up of each target does nothing.
    environment = checkout.environment(PYTHON="true")
    done = subprocess.run(command, shell=True, cwd=checkout.folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.long
def test_the_page_makes_another_teams_project_that_passes_a_rehearsal(checkout: Checkout, page: str) -> None:
    files = dict(FILE.findall(page))
    assert {"release.toml", "proto/acme/catalog/v1/item.proto", "proto/acme/orders/v1/order.proto"} == files.keys()
    removal, commands = COMMANDS.findall(page)
    run(checkout, removal)
    for name, content in files.items():
        path = checkout.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    printed = {}
    for command in commands.splitlines():
        printed[command] = run(checkout, command)
        if command == "make generate":
            # The set-up of the next target installs what the new package.json needs.
            run(checkout, "cd packages/ts-acme && npm ci --ignore-scripts --prefer-offline --no-audit --no-fund")
    assert printed.keys() >= {"make generate", "make check", "make rehearse"}
    rehearsed = printed["make rehearse"]
    for package in ("acme-contracts", "@acme/contracts", "github.com/acme/contracts/packages/go-acme"):
        assert re.search(rf"{re.escape(package)} +v?0\.1\.0 ", rehearsed), rehearsed
    assert "Version 0.1.0 is on all registries" in rehearsed
    assert checkout.git("status", "--porcelain") == ""
    built = {path.name for path in (checkout.folder / ".cache" / "rehearsal").iterdir()}
    assert {"acme_contracts-0.1.0-py3-none-any.whl", "acme-contracts-0.1.0.tgz", "go-acme-v0.1.0.zip"} <= built
    # Nothing of CQC's own is generated or shipped.
    assert "cqc" not in checkout.git("ls-files", "packages/python-acme/src", "packages/ts-acme/src", "packages/go-acme")
