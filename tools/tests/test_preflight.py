"""The plan of a release, and preflight, which finds every obstacle to it and nothing else."""

import json
import os
import re
import shutil
import subprocess
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import tomlkit
from conftest import Checkout, Released, Servers, point_target
from hypothesis import given
from hypothesis import strategies as st

from cqc_tools.contracts import golden_files
from cqc_tools.foundation import configuration
from cqc_tools.packages.local import Running
from cqc_tools.release import github
from cqc_tools.release.plan import is_same_repository

CHECKS = 17


@dataclass
class Site:
    """A checkout at v1.2.0 on the branch main. Its target `test` has empty registries."""

    checkout: Checkout
    storage: Path
    git: str
    npm: str
    environment: Mapping[str, str]

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return self.checkout.cqc(*arguments, "--target", "test", **{**self.environment, **environment})

    def preflight(self, release: str, **environment: str) -> dict[str, list[str]]:
        """Returns the problems by check, after comparing the exit code with them."""
        done = self.run("preflight", "--release", release, "--json", **environment)
        assert done.returncode in (0, 1), done.stderr
        found = json.loads(done.stdout)
        assert len(found["checks"]) == CHECKS
        assert done.returncode == (1 if found["findings"] else 0)
        problems: dict[str, list[str]] = {}
        for finding in found["findings"]:
            assert finding["fix"]
            problems.setdefault(finding["check"], []).append(f"{finding['problem']} => {finding['fix']}")
        return problems

    def release(self, version: str) -> None:
        """Write the changelog, keep golden bytes, commit and tag."""
        assert self.checkout.cqc("changelog", "--release", version).returncode == 0
        self.checkout.keep_golden(version)
        self.checkout.commit(f"Release {version}")
        self.checkout.git("tag", f"v{version}")


@pytest.fixture
def site(released: Released, running: Running, servers: Servers, tmp_path: Path) -> Site:
    checkout = released.checkout.copy(tmp_path / "checkout")
    checkout.git("checkout", "--quiet", "-B", "main")
    checkout.git("tag", "--delete", "packages/go-cqc/v1.2.0")
    # git does not see the target: HEAD is the commit that was built, without changes.
    checkout.git("update-index", "--skip-worktree", "release.toml")
    point_target(checkout, running, "answer_seconds = 10")
    return Site(checkout, servers.folder, running.addresses["git"], running.addresses["npm"], servers.environment)


def put_wheel(folder: Path, name: str, version: str, source: str) -> None:
    """Put a wheel with nothing but metadata where pypiserver finds it."""
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        urls = f"Project-URL: Source, {source}\n" if source else ""
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{urls}")


def put_npm(site: Site, folder: Path, version: str, source: str) -> None:
    """Publish a package under our name with npm itself."""
    folder.mkdir()
    package: dict[str, Any] = {"name": "@cq/cqc", "version": version}
    if source:
        package["repository"] = {"type": "git", "url": source}
    (folder / "package.json").write_text(json.dumps(package))
    user = folder / "npmrc"
    user.write_text(f"{site.npm.partition(':')[2]}:_authToken=anyone\n")
    environment = {**os.environ, "npm_config_userconfig": str(user), "npm_config_cache": str(folder / "cache")}
    command = ["npm", "publish", "--registry", site.npm, "--access", "public"]
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)


def test_a_release_without_obstacles_passes(site: Site) -> None:
    shown = site.run("preflight", "--release", "1.2.0")
    assert shown.returncode == 0, shown.stdout
    assert "1.2.0 can be released to target test: all 17 checks passed" in shown.stdout
    assert site.checkout.git("status", "--porcelain") == ""
    # A final version after its pre-release, on the same commit.
    site.checkout.git("tag", "v1.3.0-rc.1")
    assert site.checkout.cqc("changelog", "--release", "1.3.0").returncode == 0
    site.checkout.keep_golden("1.3.0")
    site.checkout.commit()
    site.checkout.git("tag", "--force", "v1.3.0-rc.1")
    site.checkout.git("tag", "v1.3.0")
    assert site.preflight("1.3.0") == {}


def test_outdated_golden_bytes_are_an_obstacle(site: Site) -> None:
    path = site.checkout.folder / "tools" / "golden" / "1.2.0.jsonl"
    path.write_text(json.dumps({golden_files.CONTRACTS: "0" * 64}) + "\n")
    (finding,) = site.preflight("1.2.0")["golden bytes"]
    assert finding == (
        "the contracts changed since the golden bytes of 1.2.0 were written "
        "=> make golden VERSION=1.2.0, then commit them"
    )


@pytest.mark.long
def test_every_obstacle_is_reported_together(site: Site, tmp_path: Path) -> None:
    checkout = site.checkout
    # A breaking change, a version too low, no changelog, generated code out of date, wrong addresses, taken names.
    proto = checkout.folder / "proto/cqc/markets/v1/quantity.proto"
    proto.write_text(proto.read_text().replace("enum QuantityUnit {", "enum QuantityUnit {\n  reserved 900;"))
    checkout.commit()
    package = checkout.folder / "packages/ts-cqc/package.json"
    package.write_text(package.read_text().replace("Combine-Capital/cqc.git", "elsewhere/cqc.git"))
    put_wheel(site.storage / "pypi", "cqc", "3.2.3", "https://example.com/strangers/cqc")
    put_npm(site, tmp_path / "stranger", "1.0.0", "git+https://example.com/strangers/cqc.git")
    checkout.git("tag", "v1.3.0")
    git = ["git", "-C", str(checkout.folder), "push", "--quiet", site.git]
    subprocess.run([*git, "v1.3.0~1:refs/tags/packages/go-cqc/v1.2.1"], check=True)
    checkout.git("checkout", "--quiet", "--detach")
    checkout.git("branch", "--force", "main", "v1.2.0")
    found = site.preflight("1.2.1", npm_config_userconfig=os.devnull, TWINE_USERNAME="", TWINE_PASSWORD="")
    assert set(found) == {
        "nothing uncommitted",
        "HEAD is the tag",
        "release branch",
        "tags agree",
        "generated code",
        "changelog",
        "golden bytes",
        "names are ours",
        "credentials",
        "addresses",
    }
    assert "git tag v1.2.1" in found["HEAD is the tag"][0]
    assert "git branch release-1.2 v1.2.0" in found["release branch"][0]
    assert "contains v1.3.0" in found["release branch"][1]
    assert any("Go has a release that the other registries lack" in problem for problem in found["tags agree"])
    assert "make generate" in found["generated code"][0]
    assert "make changelog VERSION=1.2.1" in found["changelog"][0]
    python, npm = found["names are ours"]
    assert "3.2.3 names https://example.com/strangers/cqc" in python
    assert "[packages.python] in release.toml" in python
    assert "[packages.typescript] in release.toml" in npm
    assert {problem.partition(" ")[0] for problem in found["credentials"]} == {"PyPI", "npm"}
    assert "git+https://github.com/Combine-Capital/cqc.git" in found["addresses"][0]
    plan = json.loads(site.run("plan", "--release", "1.2.1", "--json").stdout)
    assert [item["belongs_to_another_project"] for item in plan["registries"]] == [True, True, False]
    assert "belongs to another project" in plan["steps"][0]
    # The table shows the same, names in brackets included.
    shown = site.run("preflight", "--release", "1.2.1")
    assert shown.returncode == 1
    assert "[packages.python]" in shown.stdout


@pytest.mark.long
def test_contradicting_tags_are_reported(site: Site) -> None:
    checkout = site.checkout
    checkout.commit("later")
    git = ["git", "-C", str(checkout.folder), "push", "--quiet", site.git]
    subprocess.run([*git, "HEAD:refs/tags/v1.2.0", "HEAD:refs/heads/main"], check=True)
    checkout.git("tag", "packages/go-cqc/v1.2.0")
    checkout.git("checkout", "--quiet", "v1.2.0")
    found = site.preflight("1.2.0")
    assert set(found) == {"tags agree"}
    here, there = found["tags agree"]
    assert "are on different commits" in here
    assert "a pushed tag is never moved" in there
    # The remote branch has another history, which does not contain the tag.
    elsewhere = subprocess.check_output(
        ["git", "-C", str(checkout.folder), "commit-tree", "HEAD^{tree}", "-m", "unrelated"],
        env=checkout.environment(),
        text=True,
    ).strip()
    subprocess.run([*git, "--force", f"{elsewhere}:refs/heads/main"], check=True)
    assert "merge it into main" in site.preflight("1.2.0")["release branch"][0]


@pytest.mark.long
def test_a_breaking_change_needs_a_major_version_and_its_module_path(site: Site) -> None:
    checkout = site.checkout
    proto = checkout.folder / "proto/cqc/services/v1/market_data.proto"
    proto.write_text(re.sub(r"  rpc GetTicker\([^}]*\}\n", "", proto.read_text()))
    assert checkout.cqc("generate").returncode == 0
    site.release("1.3.0")
    plan = json.loads(site.run("plan", "--json", "--release", "").stdout)
    assert (plan["last"], plan["bump"], plan["lowest_version"]) == ("1.2.0", "major", "2.0.0")
    found = site.preflight("1.3.0")
    assert set(found) == {"bump suffices"}
    assert "release 2.0.0 or higher" in found["bump suffices"][0]
    checkout.git("tag", "--delete", "v1.3.0")
    proposed = json.loads(site.run("plan", "--json").stdout)
    assert proposed["version"]["npm"] == "2.0.0"
    assert "make module-path" in proposed["blocked"]
    assert "make module-path" in site.preflight("2.0.0")["Go module path"][0]


@pytest.mark.long
def test_a_version_already_on_a_registry_is_compared_by_its_bytes(site: Site) -> None:
    dist = site.checkout.folder / "dist" / "1.2.0"
    storage = site.storage / "pypi"
    for file in (*dist.glob("*.whl"), *dist.glob("cqc-1.2.0.tar.gz")):
        shutil.copy(file, storage)
    assert site.preflight("1.2.0") == {}
    (wheel,) = storage.glob("*.whl")
    with zipfile.ZipFile(wheel, "a") as archive:
        archive.writestr("cqc/more.py", "")
    # Without a build in dist/, preflight makes one and leaves nothing behind.
    shutil.rmtree(dist)
    found = site.preflight("1.2.0")
    assert set(found) == {"version is free"}
    assert "with other bytes: sha256:" in found["version is free"][0]
    assert not dist.exists()
    site.checkout.git("tag", "--delete", "v1.2.0")
    assert "has no tag here" in site.preflight("1.2.0")["version is free"][0]


REVIEWED = {"protection_rules": [{"type": "required_reviewers", "reviewers": [{"type": "User"}]}]}
GH = """\
#!/bin/sh
[ "$1" = auth ] && exit
[ -e '{answer}' ] || {{ echo "gh: Not Found (HTTP 404)" >&2; exit 1; }}
cat '{answer}'
"""


def test_a_workflow_that_nobody_reviews_is_a_finding(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answer, programs, git = tmp_path / "answer.json", tmp_path / "bin", tmp_path / "gitconfig"
    programs.mkdir()
    (programs / "gh").write_text(GH.format(answer=answer))
    (programs / "gh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    settings = configuration.load()
    with pytest.raises(LookupError):
        github.reviewers("release", settings)
    answer.write_text(json.dumps(REVIEWED))
    assert github.reviewers("release", settings) == 1
    # Deployment rules alone let every tag through.
    answer.write_text(json.dumps({"protection_rules": [{"type": "branch_policy"}]}))
    git.write_text(f'[url "{site.git}"]\n  insteadOf = {OURS}\n')
    toml = site.checkout.folder / "release.toml"
    toml.write_text(toml.read_text().replace(f"git = {json.dumps(site.git)}", 'git = "default"'))
    found = site.preflight("1.2.0", GIT_CONFIG_GLOBAL=str(git))
    assert found.keys() == {"reviewers"}
    assert found["reviewers"] == [
        "the environment release has no required reviewers: every tag is published "
        f"=> add some: {OURS}/settings/environments"
    ]


def test_a_silent_registry_is_a_finding(site: Site) -> None:
    settings = site.checkout.folder / "release.toml"
    settings.write_text(
        settings.read_text().replace(f"git = {json.dumps(site.git)}", 'git = "http://127.0.0.1:9/x.git"')
    )
    found = site.preflight("1.2.0")
    assert set(found) == {"registries answer"}
    assert "[targets.test]" in found["registries answer"][0]


def test_a_shallow_clone_is_a_finding(site: Site, tmp_path: Path) -> None:
    shallow = tmp_path / "shallow"
    options = ["--quiet", "--depth=1", "--branch=v1.2.0"]
    command = ["git", "clone", *options, f"file://{site.checkout.folder}", str(shallow)]
    subprocess.run(command, check=True, capture_output=True)
    shutil.copy(site.checkout.folder / "release.toml", shallow)
    for name in (".venv", ".cache", "packages/ts-cqc/node_modules", "tools/node/node_modules"):
        (shallow / name).symlink_to(site.checkout.folder / name)
    site.checkout = Checkout(shallow)
    found = site.preflight("1.2.0")
    assert "git fetch --unshallow --tags" in found["whole history"][0]


def refused(checkout: Checkout, expected: str, *command: str) -> None:
    """Run a command that must exit with 2, print `expected` on standard error, and write nothing."""
    before = checkout.git("status", "--porcelain")
    done = checkout.cqc(*command)
    assert (done.returncode, done.stdout) == (2, ""), command
    assert expected in done.stderr, command
    assert "Traceback" not in done.stderr, command
    assert checkout.git("status", "--porcelain") == before


def test_invalid_input_is_refused_with_what_is_expected(checkout: Checkout) -> None:
    for command in ("plan", "preflight", "changelog", "notes", "build", "rehearse"):
        refused(checkout, "1.2.0-rc.1", command, "--release", "1.2")
        refused(checkout, "--releas", command, "--releas", "1.2.0")
    refused(checkout, "1.2.0-rc.1", "retract", "--release", "v1.2.0-dev.1", "--reason", "x")
    refused(checkout, "Missing option", "retract", "--release", "1.2.0")
    refused(checkout, "there is no release yet", "retract", "--release", "1.2.0", "--reason", "x")
    refused(checkout, "REASON=", "retract", "--release", "1.2.0", "--reason", " ")
    refused(checkout, "there is no release yet", "diff", "v1.0.0")
    refused(checkout, "there is no release yet", "diff", "--", "--output=x")
    refused(checkout, "descriptor_set.binpb", "diff", checkout.git("rev-list", "--max-parents=0", "HEAD").split()[0])


def test_without_git_history_no_release_is_possible(checkout: Checkout) -> None:
    shutil.rmtree(checkout.folder / ".git")
    for expected in ("get it with git clone", "make one with git commit"):
        for command in ("plan", "preflight", "notes", "build"):
            done = checkout.cqc(command)
            assert (done.returncode, done.stdout) == (2, ""), command
            assert expected in done.stderr, command
            assert "Traceback" not in done.stderr, command
        subprocess.run(["git", "init", "--quiet", str(checkout.folder)], check=True)


def test_a_key_missing_in_release_toml_is_named(checkout: Checkout) -> None:
    settings = checkout.folder / "release.toml"
    whole = settings.read_text()

    def remove(key: str) -> None:
        content = tomlkit.parse(whole)
        *tables, last = key.split(".")
        table: Any = content
        for name in tables:
            table = table[name]
        del table[last]
        settings.write_text(tomlkit.dumps(content))

    remove("packages.go.name")
    for command in ("plan", "rehearse", "version", "module-path"):
        refused(checkout, "packages.go.name", command)
    for key in ("repository", "branch", "packages.python.name", "packages.typescript.folder"):
        remove(key)
        refused(checkout, f"has no {key}", "plan")
    settings.write_text("not = [toml")
    refused(checkout, "TOML", "plan")


def test_an_unknown_target_is_refused_with_the_known_ones(pristine: Checkout) -> None:
    for command in ("plan", "preflight"):
        done = pristine.cqc(command, "--target", "nowhere")
        assert (done.returncode, done.stdout) == (2, "")
        assert "local, private, public" in done.stderr
        assert "python_index" in pristine.cqc(command, "--target", "private").stderr


OURS = "https://github.com/Combine-Capital/cqc"


@pytest.mark.parametrize(
    ("address", "same"),
    [
        (OURS, True),
        (f"{OURS}/", True),
        (f"{OURS}.git", True),
        (f"git+{OURS}.git", True),
        (f"git+ssh://git@{OURS.removeprefix('https://')}.git", True),
        ("git@github.com:Combine-Capital/cqc.git", True),
        ("git://github.com/combine-capital/CQC.git", True),
        (f"{OURS}/tree/main/packages", True),
        (f"{OURS}#readme", True),
        (f"{OURS}-python", False),
        ("https://github.com/Other/cqc", False),
        ("https://example.com/?see=" + OURS, False),
        ("", False),
    ],
)
def test_every_spelling_of_the_address_is_accepted(address: str, same: bool) -> None:
    assert is_same_repository(address, OURS) == same


@given(address=st.text(max_size=60))
def test_no_other_address_is_accepted(address: str) -> None:
    assert not is_same_repository(address, OURS) or "combine-capital/cqc" in address.lower()
