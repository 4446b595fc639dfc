"""After a mistake: what users' clients say of a release that was withdrawn."""

import json
import os
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Checkout, make_checkout, point_target

from cqc_tools.foundation import configuration
from cqc_tools.packages import local as registries
from cqc_tools.packages import targets
from cqc_tools.packages.ecosystems.go import GitRemote
from cqc_tools.packages.local import Registries

REASON = 'orders of zero quantity pass; see "Order.quantity"'
MODULE = "github.com/Combine-Capital/cqc/packages/go-cqc"


@pytest.fixture
def local(tmp_path: Path) -> Iterator[Registries]:
    with registries.running(tmp_path / "registries") as running:
        yield running


@pytest.fixture
def released(local: Registries, tmp_path: Path) -> Checkout:
    """A checkout of v1.2.0, whose tags are on the remote, with release.toml pointing the target `test` there."""
    checkout = make_checkout(tmp_path / "checkout")
    point_target(checkout, local)
    publish_go(checkout, local, "1.2.0")
    return checkout


def publish_go(checkout: Checkout, local: Registries, number: str) -> None:
    assert checkout.cqc("changelog", "--release", number).returncode == 0
    checkout.commit(f"Release {number}")
    tags = [f"v{number}", f"packages/go-cqc/v{number}"]
    for tag in tags:
        checkout.git("tag", tag)
    checkout.git("push", "--quiet", "--atomic", local.git, *tags)


def test_go_tells_users_of_the_retraction_once_the_next_version_is_out(
    local: Registries, released: Checkout, tmp_path: Path
) -> None:
    command = ["retract", "--release", "1.2.0", "--reason", REASON, "--target", "test", "--json"]
    before = released.git("status", "--porcelain")
    planned = json.loads(released.cqc(*command).stdout)
    assert released.git("status", "--porcelain") == before
    assert planned["applied"] == []
    assert "nothing to do" in planned["steps"][0]["what"]
    done = released.cqc(*command, "--apply")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["applied"] == ["packages/go-cqc/go.mod", "CHANGELOG.md"]
    assert json.loads(released.cqc(*command, "--apply").stdout)["applied"] == []
    assert f"retract v1.2.0 // {REASON}\n" in (released.folder / "packages/go-cqc/go.mod").read_text()
    assert "[YANKED]" in (released.folder / "CHANGELOG.md").read_text()
    released.commit("Retract 1.2.0")
    publish_go(released, local, "1.2.1")

    user = tmp_path / "user"
    user.mkdir()
    (scratch := tmp_path / "scratch").mkdir()
    remote = targets.packages(local, configuration.load(), scratch)["go"]
    assert isinstance(remote, GitRemote)
    environment = {**remote.client_environment(), "GOFLAGS": "-modcacherw -mod=mod"}

    def go(*arguments: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(["go", *arguments], cwd=user, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done

    go("mod", "init", "example.com/user")
    got = go("get", f"{MODULE}@v1.2.0")
    assert f"retracted by module author: {REASON}" in got.stderr
    assert go("list", "-m", "-versions", MODULE).stdout.split()[1:] == ["v1.2.1"]
    assert go("list", "-m", "-retracted", "-versions", MODULE).stdout.split()[1:] == ["v1.2.0", "v1.2.1"]
    go("get", f"{MODULE}@latest")
    assert "v1.2.1" in go("list", "-m", MODULE).stdout


def test_the_commands_for_npm_do_what_they_say(local: Registries, released: Checkout, tmp_path: Path) -> None:
    user = tmp_path / "npmrc"
    user.write_text(f"{local.npm.partition(':')[2]}:_authToken=anyone\n")
    environment = {**os.environ, "npm_config_userconfig": str(user), "npm_config_cache": str(tmp_path / "cache")}
    folder = tmp_path / "package"
    folder.mkdir()
    for number in ("1.1.0", "1.2.0"):
        (folder / "package.json").write_text(json.dumps({"name": "@cq/cqc", "version": number}))
        command = ["npm", "publish", "--registry", local.npm, "--access", "public"]
        subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
    done = released.cqc("retract", "--release", "1.2.0", "--reason", REASON, "--target", "test", "--json")
    step = json.loads(done.stdout)["steps"][1]
    assert shlex.quote(REASON) in step["command"]
    subprocess.run(step["command"], shell=True, cwd=tmp_path, env=environment, check=True, capture_output=True)
    command = ["npm", "view", "@cq/cqc@1.2.0", "deprecated", "dist-tags", "--json", "--registry", local.npm]
    shown = json.loads(subprocess.check_output(command, cwd=tmp_path, env=environment))
    assert shown["deprecated"] == REASON
    assert shown["dist-tags"]["latest"] == "1.1.0"


def test_what_cannot_be_retracted_is_refused(released: Checkout) -> None:
    options = ["--reason", "x", "--target", "test"]
    never = released.cqc("retract", "--release", "1.3.0", *options)
    assert never.returncode == 2
    assert "the releases are 1.2.0" in never.stderr
    lines = released.cqc("retract", "--release", "1.2.0", "--reason", "one\ntwo", "--target", "test")
    assert lines.returncode == 2
    assert "one line" in lines.stderr
    # Of another major version than the module that is here.
    released.git("tag", "v2.0.0")
    other = released.cqc("retract", "--release", "2.0.0", *options, "--apply")
    assert other.returncode == 2
    assert "names another major version" in other.stderr
    shown = released.cqc("retract", "--release", "2.0.0", *options)
    assert shown.returncode == 0
    assert "on a branch with the path of then" in shown.stdout
