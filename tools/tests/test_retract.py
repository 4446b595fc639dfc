"""After a mistake: what users' clients tell them about a withdrawn release."""

import json
import os
import shlex
import subprocess
from pathlib import Path

import pytest
from conftest import Checkout, point_target

from cqc_tools.foundation import configuration
from cqc_tools.packages import targets
from cqc_tools.packages.ecosystems.go import GoModule
from cqc_tools.packages.local import Running

REASON = 'orders of zero quantity pass; see "Order.quantity"'
MODULE = "github.com/Combine-Capital/cqc/packages/go-cqc"


@pytest.fixture
def tagged(running: Running, checkout: Checkout) -> Checkout:
    """A checkout of v1.2.0, whose tags are on the remote. Its target `test` has the registries of `running`."""
    point_target(checkout, running)
    publish_go(checkout, running, "1.2.0")
    return checkout


def publish_go(checkout: Checkout, running: Running, number: str) -> None:
    assert checkout.cqc("changelog", "--release", number).returncode == 0
    checkout.commit(f"Release {number}")
    tags = [f"v{number}", f"packages/go-cqc/v{number}"]
    for tag in tags:
        checkout.git("tag", tag)
    checkout.git("push", "--quiet", "--atomic", running.addresses["git"], *tags)


@pytest.mark.long
def test_go_shows_the_retraction_once_the_next_version_is_released(
    running: Running, tagged: Checkout, tmp_path: Path
) -> None:
    command = ["retract", "--release", "1.2.0", "--reason", REASON, "--target", "test", "--json"]
    before = tagged.git("status", "--porcelain")
    planned = json.loads(tagged.cqc(*command).stdout)
    assert tagged.git("status", "--porcelain") == before
    assert planned["applied"] == []
    assert "nothing to do" in planned["steps"][0]["what"]
    done = tagged.cqc(*command, "--apply")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["applied"] == ["packages/go-cqc/go.mod", "CHANGELOG.md"]
    assert json.loads(tagged.cqc(*command, "--apply").stdout)["applied"] == []
    assert f"retract v1.2.0 // {REASON}\n" in (tagged.folder / "packages/go-cqc/go.mod").read_text()
    assert f" [YANKED]\n\nYanked: {REASON}\n\n" in (tagged.folder / "CHANGELOG.md").read_text()
    tagged.commit("Retract 1.2.0")
    publish_go(tagged, running, "1.2.1")

    user = tmp_path / "user"
    user.mkdir()
    (scratch := tmp_path / "scratch").mkdir()
    registries = targets.at(running, configuration.load(), scratch).registries
    (module,) = (registry for registry in registries if isinstance(registry, GoModule))
    environment = {**module.client_environment(), "GOFLAGS": "-modcacherw -mod=mod"}

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


def test_the_npm_commands_deprecate_the_version_and_move_latest(
    running: Running, tagged: Checkout, tmp_path: Path
) -> None:
    npm = running.addresses["npm"]
    user = tmp_path / "npmrc"
    user.write_text(f"{npm.partition(':')[2]}:_authToken=anyone\n")
    environment = {**os.environ, "npm_config_userconfig": str(user), "npm_config_cache": str(tmp_path / "cache")}
    folder = tmp_path / "package"
    folder.mkdir()
    for number in ("1.1.0", "1.2.0"):
        (folder / "package.json").write_text(json.dumps({"name": "@cq/cqc", "version": number}))
        command = ["npm", "publish", "--registry", npm, "--access", "public"]
        subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
    done = tagged.cqc("retract", "--release", "1.2.0", "--reason", REASON, "--target", "test", "--json")
    step = json.loads(done.stdout)["steps"][1]
    assert shlex.quote(REASON) in step["command"]
    subprocess.run(step["command"], shell=True, cwd=tmp_path, env=environment, check=True, capture_output=True)
    command = ["npm", "view", "@cq/cqc@1.2.0", "deprecated", "dist-tags", "--json", "--registry", npm]
    shown = json.loads(subprocess.check_output(command, cwd=tmp_path, env=environment))
    assert shown["deprecated"] == REASON
    assert shown["dist-tags"]["latest"] == "1.1.0"


def test_an_invalid_retraction_is_refused(tagged: Checkout) -> None:
    options = ["--reason", "x", "--target", "test"]
    never = tagged.cqc("retract", "--release", "1.3.0", *options)
    assert never.returncode == 2
    assert "the releases are 1.2.0" in never.stderr
    lines = tagged.cqc("retract", "--release", "1.2.0", "--reason", "one\ntwo", "--target", "test")
    assert lines.returncode == 2
    assert "give one line" in lines.stderr
    # go.mod declares the module of another major version.
    tagged.git("tag", "v2.0.0")
    other = tagged.cqc("retract", "--release", "2.0.0", *options, "--apply")
    assert other.returncode == 2
    assert "v2.0.0 cannot be retracted here" in other.stderr
    shown = tagged.cqc("retract", "--release", "2.0.0", *options)
    assert shown.returncode == 0
    assert "Add the retraction on the branch for that major version" in shown.stdout
