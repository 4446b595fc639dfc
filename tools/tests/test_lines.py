"""Releases from an older line, after a newer one: which versions, branches and dist-tags it has."""

import json
import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import Checkout, Released, Servers, point_target
from hypothesis import given
from hypothesis import strategies as st
from test_release import npm_manifest, remote_tags

from cqc_tools.foundation import configuration, version, workspace
from cqc_tools.foundation.errors import UserError
from cqc_tools.foundation.version import Version
from cqc_tools.packages import targets
from cqc_tools.packages.ecosystems import typescript
from cqc_tools.packages.ecosystems.go import GoModule
from cqc_tools.packages.local import Running
from cqc_tools.release import verify

MODULE = "github.com/Combine-Capital/cqc/packages/go-cqc"
FIELD = "  google.protobuf.Timestamp timestamp"


def parsed(*numbers: str) -> list[Version]:
    return [version.parse_release(number) for number in numbers]


@pytest.mark.parametrize(
    ("chosen", "past", "followed"),
    [
        ("0.1.1", ["0.1.0", "0.2.0"], ["0.1.0"]),
        ("0.1.1", ["0.1.0", "0.1.1-rc.1", "0.2.0"], ["0.1.0", "0.1.1-rc.1"]),
        ("1.0.1", ["0.9.0", "1.0.0", "2.0.0"], ["1.0.0"]),
        # The next minor version follows all of its major version, a major version everything.
        ("1.1.0", ["1.0.0", "2.0.0"], ["1.0.0"]),
        ("1.1.0", ["1.0.0", "1.2.0", "2.0.0"], ["1.0.0", "1.2.0"]),
        ("1.3.1", ["1.2.0", "1.4.0"], ["1.2.0", "1.4.0"]),
        ("1.0.0", ["0.9.0", "2.0.0"], ["0.9.0", "2.0.0"]),
        # A correction does not wait for the release candidate of the next version.
        ("1.2.1", ["1.2.0", "1.3.0-rc.1"], ["1.2.0"]),
        ("0.1.0", [], []),
    ],
)
def test_versions_compare_within_their_line(chosen: str, past: list[str], followed: list[str]) -> None:
    found = version.predecessors(version.parse_release(chosen), parsed(chosen, *past))
    assert [item.npm for item in found] == followed


@pytest.mark.parametrize(
    ("line", "past", "end"),
    [
        ((0, 1), ["0.1.0", "0.1.1"], None),
        ((0, 1), ["0.1.0", "0.2.0-rc.1"], None),
        ((0, 1), ["0.1.0", "0.3.1", "0.2.0", "1.0.0"], "0.2.0"),
        ((1, 0), ["1.0.0", "2.0.1"], "2.0.1"),
        ((1,), ["1.0.0", "1.1.0"], None),
        ((1,), ["1.0.0", "1.1.0", "2.0.0"], "2.0.0"),
    ],
)
def test_a_line_ends_with_the_next_final_release(line: tuple[int, ...], past: list[str], end: str | None) -> None:
    found = version.end_of(line, parsed(*past))
    assert (found.npm if found else None) == end


NUMBERS = st.builds("{}.{}.{}".format, *[st.integers(0, 3)] * 3)


@given(past=st.lists(NUMBERS, unique=True, max_size=6), number=NUMBERS, bump=st.sampled_from(version.Bump))
def test_the_next_patch_of_every_line_is_free(past: list[str], number: str, bump: version.Bump) -> None:
    releases = parsed(*past, number)
    line = version.parse_release(number).line
    end = version.end_of(line, releases)
    following = version.next_release(version.Bump.PATCH, version.before(end, releases))
    assert following not in releases
    assert end is None or following.semver < end.semver
    assert all(following.semver > item.semver for item in version.predecessors(following, releases))


@pytest.mark.parametrize(
    ("tag", "others", "expected"),
    [
        ("latest", ["0.1.0", "0.1.1", "0.2.0"], "0.2.0"),
        ("release-0.1", ["0.1.0", "0.2.0", "0.10.0"], "0.1.0"),
        ("release-0.1", ["0.2.0", "0.10.0"], None),
        ("release-1.1-next", ["1.1.0", "1.1.1-rc.1", "1.10.0"], "1.1.0"),
        ("latest", [], None),
    ],
)
def test_a_withdrawn_version_gives_its_dist_tag_to_its_line(tag: str, others: list[str], expected: str | None) -> None:
    assert typescript.successor(tag, others) == expected


@pytest.mark.parametrize(
    ("chosen", "held", "expected"),
    [
        ("2.0.0", ["1.2.0", "2.0.0"], True),
        ("1.2.1", ["1.2.0", "1.2.1", "2.0.0"], False),
        ("1.3.0-rc.1", ["1.2.0", "1.3.0-rc.1"], False),
        ("0.1.0-rc.1", ["0.1.0-rc.1"], True),
        ("1.2.0", [], False),
    ],
)
def test_a_readme_installs_the_highest_final_version(chosen: str, held: list[str], expected: bool) -> None:
    assert verify.is_latest(chosen, held, is_final="-" not in chosen) == expected


@pytest.mark.parametrize("value", ['""', '"release"', '"release-*-*"', '"-*"', '"release *"', "3"])
def test_line_branches_need_one_place_for_the_line(tmp_path: Path, value: str) -> None:
    text = (workspace.ROOT / "release.toml").read_text()
    changed = re.sub(r"^line_branches = .*$", f"line_branches = {value}", text, flags=re.MULTILINE)
    (tmp_path / "release.toml").write_text(changed)
    with pytest.raises(UserError, match="line_branches"):
        configuration.load(tmp_path / "release.toml")


def test_a_branch_name_gives_its_line() -> None:
    settings = configuration.load()
    assert settings.line_branch("0.1") == "release-0.1"
    names = {"release-0.1": "0.1", "release-1": "1", "release-01": None, "release-": None, "release-1.2.3": None}
    for name, line in {**names, "main": None, "x-release-1": None, "release-pr": None}.items():
        assert settings.line_of(name) == line


@dataclass(frozen=True)
class Site:
    """A checkout on main whose target `test` has running registries."""

    checkout: Checkout
    storage: Path
    git: str
    environment: Mapping[str, str]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.checkout.cqc(*arguments, "--target", "test", **self.environment)

    def json(self, *arguments: str) -> dict[str, object]:
        done = self.run(*arguments, "--json")
        assert done.returncode == 0, done.stderr + done.stdout
        found = json.loads(done.stdout)
        return found if isinstance(found, dict) else {"list": found}

    def findings(self, release: str) -> dict[str, str]:
        done = self.run("preflight", "--release", release, "--json")
        assert done.returncode in (0, 1), done.stderr
        found = json.loads(done.stdout)["findings"]
        return {item["check"]: f"{item['problem']} => {item['fix']}" for item in found}

    def prepare(self, number: str) -> None:
        """Write the changelog, keep golden bytes, commit and tag."""
        assert self.checkout.cqc("changelog", "--release", number).returncode == 0
        self.checkout.keep_golden(number)
        self.checkout.commit(f"Release {number}")
        self.checkout.git("tag", f"v{number}")

    def push(self, *references: str) -> None:
        self.checkout.git("push", "--quiet", self.git, *references)


def site_of(checkout: Checkout, running: Running, servers: Servers) -> Site:
    checkout.git("checkout", "--quiet", "-B", "main")
    # git does not see the target: HEAD is the commit that was built, without changes.
    checkout.git("update-index", "--skip-worktree", "release.toml")
    point_target(checkout, running, "answer_seconds = 30")
    return Site(checkout, servers.folder, running.addresses["git"], servers.environment)


def change(checkout: Checkout, before: str, after: str) -> None:
    proto = checkout.folder / "proto" / "cqc" / "markets" / "v1" / "price.proto"
    text = proto.read_text()
    assert before in text
    proto.write_text(text.replace(before, after))
    done = checkout.cqc("generate")
    assert done.returncode == 0, done.stderr
    checkout.commit()


def versions_of(running: Running, folder: Path, module: str) -> Sequence[str]:
    """The versions that go finds of a module."""
    folder.mkdir(exist_ok=True)
    registries = targets.at(running, configuration.load(), folder).registries
    (registry,) = (item for item in registries if isinstance(item, GoModule))
    environment = {**registry.client_environment(), "GOFLAGS": "-modcacherw -mod=mod"}
    command = ["go", "list", "-m", "-versions", module]
    return subprocess.check_output(command, cwd=folder, env=environment, text=True).split()[1:]


@pytest.fixture
def older(released: Released, running: Running, servers: Servers, tmp_path: Path) -> Site:
    """v1.2.0 is on main, and v1.1.0 one commit before it is where the branch release-1.1 starts."""
    site = site_of(released.checkout.copy(tmp_path / "checkout"), running, servers)
    site.checkout.git("branch", "release-1.1", "v1.2.0~1")
    site.checkout.git("tag", "v1.1.0", "v1.2.0~1")
    site.checkout.git("tag", "--delete", "packages/go-cqc/v1.2.0")
    return site


@pytest.mark.long
def test_a_line_takes_only_what_fits_before_its_end(older: Site) -> None:
    checkout = older.checkout
    # On main, 1.1.1 would contain what is in 1.2.0.
    checkout.git("tag", "v1.1.1")
    refused = older.findings("1.1.1")
    assert "version rises" not in refused
    assert "contains v1.2.0, but 1.1.1 is a release of the line before" in refused["release branch"]
    checkout.git("tag", "--delete", "v1.1.1")

    checkout.git("switch", "--quiet", "release-1.1")
    change(checkout, FIELD, f"  // Said better.\n{FIELD}")
    development = json.loads(checkout.cqc("version", "--json").stdout)
    assert development["pypi"].startswith("1.1.1.dev1+g")
    assert development["go"].startswith("v1.1.1-0.")
    planned = older.json("plan")
    assert (planned["last"], planned["version"]) == ("1.1.0", {"pypi": "1.1.1", "npm": "1.1.1", "go": "v1.1.1"})
    assert checkout.cqc("breaking").returncode == 0
    change(checkout, "message Price {", "// Else.\nmessage Other {}\n\n// A price.\nmessage Price {")
    planned = older.json("plan")
    assert (planned["lowest_version"], planned["line_ended_by"]) == ("1.2.0", "1.2.0")
    breaking = checkout.cqc("breaking")
    assert breaking.returncode == 1
    assert "need 1.2.0, but 1.2.0 ended this line" in breaking.stderr
    older.prepare("1.1.1")
    found = older.findings("1.1.1")
    assert found.keys() == {"bump suffices"}
    assert "1.2.0 ended this line: make the changes on main" in found["bump suffices"]
    # go reads a retraction from the highest version only, which this branch never has.
    withdrawn = older.run("retract", "--release", "1.1.1", "--reason", "wrong")
    assert "v1.2.0 ended the line that is checked out" in withdrawn.stdout
    assert older.run("retract", "--release", "1.1.1", "--reason", "wrong", "--apply").returncode == 2


@pytest.mark.long
def test_v1_after_v2_from_plan_to_report(
    published: Released, running: Running, servers: Servers, tmp_path: Path
) -> None:
    servers.load(published.storage)
    site = site_of(published.checkout.copy(tmp_path / "checkout"), running, servers)
    checkout = site.checkout
    # Without the path that Go needs, nothing gets as far as a registry.
    checkout.git("tag", "v2.0.0")
    refused = site.run("publish", "--release", "2.0.0")
    assert refused.returncode == 2
    assert f"Go accepts v2.0.0 only from a module with the path {MODULE}/v2" in refused.stderr
    assert "run make module-path" in refused.stderr
    checkout.git("tag", "--delete", "v2.0.0")

    checkout.git("update-index", "--no-skip-worktree", "release.toml")
    toml = checkout.folder / "release.toml"
    toml.write_text(toml.read_text().replace(f'"{MODULE}"', f'"{MODULE}/v2"'))
    assert checkout.cqc("module-path").returncode == 0
    site.prepare("2.0.0")
    site.push("main", "v2.0.0")
    assert site.findings("2.0.0") == {}
    done = site.run("publish", "--release", "2.0.0")
    assert done.returncode == 0, done.stderr

    checkout.git("switch", "--quiet", "--create", "release-1", "v1.2.0")
    point_target(checkout, running)
    checkout.commit("Correct something")
    planned = site.run("plan").stdout
    assert "# 1.2.1, after 1.2.0" in planned
    assert "older line, which 2.0.0 ended" in planned
    site.prepare("1.2.1")
    assert "/compare/v1.2.0...v1.2.1\n" in (checkout.folder / "CHANGELOG.md").read_text()
    site.push("release-1", "v1.2.1")
    # As in CI, which checks out the tag.
    checkout.git("checkout", "--quiet", "--detach", "v1.2.1")
    assert site.findings("1.2.1") == {}
    done = site.run("publish", "--release", "1.2.1")
    assert done.returncode == 0, done.stderr
    assert npm_manifest(site.storage)["dist-tags"] == {"latest": "2.0.0", "release-1.2": "1.2.1"}
    assert remote_tags(site.storage).keys() >= {"v1.2.1", "packages/go-cqc/v1.2.1"}
    assert {path.name.split("-")[1] for path in (site.storage / "pypi").glob("*.whl")} == {"1.2.0", "1.2.1", "2.0.0"}
    assert versions_of(running, tmp_path / "go", MODULE) == ["v1.2.0", "v1.2.1"]
    assert versions_of(running, tmp_path / "go", f"{MODULE}/v2") == ["v2.0.0"]
    page = (checkout.folder / "dist" / "1.2.1" / "report.html").read_text()
    assert "v1.2.0" in page
    assert "v2.0.0" not in page
    withdrawn = site.run("retract", "--release", "1.2.1", "--reason", "wrong")
    assert "write `retract v1.2.1` into" in withdrawn.stdout
    assert "npm dist-tag add @cq/cqc@1.2.0 release-1.2" in withdrawn.stdout
