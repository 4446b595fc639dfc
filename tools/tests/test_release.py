"""Publishing and verifying by the command line."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import RELEASE, TAGS, Checkout, Released, Servers, point_target

from cqc_tools.foundation import configuration, git, version
from cqc_tools.packages import ecosystems, local
from cqc_tools.packages.ecosystems import typescript
from cqc_tools.packages.local import Running


def remote_tags(storage: Path) -> dict[str, str]:
    repository = git.Repository(storage / "git" / "cqc.git")
    listed = repository.run("for-each-ref", "--format=%(objectname) %(refname:lstrip=2)", "refs/tags")
    return {tag: commit for commit, tag in map(str.split, listed.splitlines())}


def npm_manifest(storage: Path) -> dict[str, dict[str, str]]:
    path = storage / "npm" / "storage" / "@cq" / "cqc" / "package.json"
    found: dict[str, dict[str, str]] = json.loads(path.read_text())
    return found


@dataclass(frozen=True)
class Site:
    """A checkout whose target `test` keeps its files in `storage`, and the environment of a user who may publish."""

    checkout: Checkout
    storage: Path
    environment: Mapping[str, str]

    def run(self, command: str, release: str, *options: str) -> subprocess.CompletedProcess[str]:
        return self.checkout.cqc(command, "--release", release, "--target", "test", *options, **self.environment)


@pytest.fixture
def other(published: Released, pristine: Checkout, running: Running, servers: Servers, tmp_path: Path) -> Site:
    """The checkout of someone who did not make the release and built nothing; the registries hold v1.2.0."""
    servers.load(published.storage)
    checkout = pristine.copy(tmp_path / "other")
    point_target(checkout, running)
    return Site(checkout, servers.folder, servers.environment)


def test_the_first_run_writes_everything(published: Released) -> None:
    outcomes = json.loads(published.outcomes.read_text())
    assert [item["ecosystem"] for item in outcomes] == ["python", "typescript", "go"]
    assert all(file["written"] for item in outcomes for file in item["files"] if not file["file"].endswith(".zip"))
    assert remote_tags(published.storage) == dict.fromkeys(TAGS, published.commit)


@pytest.mark.long
def test_a_second_run_publishes_nothing(published: Released, tmp_path: Path) -> None:
    again = published.copy(tmp_path / "checkout")
    files = [path for path in again.storage.rglob("*") if path.suffix in (".whl", ".gz", ".tgz")]
    times = [path.stat().st_mtime_ns for path in files]
    assert len(times) == 3
    # With and without the journal of the first run.
    for _ in range(2):
        done = again.checkout.cqc("publish", "--release", "1.2.0")
        assert done.returncode == 0, done.stderr
        assert "nothing to do" in done.stdout
        (again.dist / "state-local.json").unlink(missing_ok=True)
    assert [path.stat().st_mtime_ns for path in files] == times
    assert remote_tags(again.storage) == dict.fromkeys(TAGS, again.commit)


@pytest.mark.long
def test_anyone_can_verify_it(other: Site) -> None:
    done = other.run("verify", "1.2.0", "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["findings"] == []
    assert len(result["replays"]) == 9
    assert len({item["descriptor_set_sha256"] for item in result["packages"]}) == 1
    assert [item["version"] for item in result["packages"]] == ["1.2.0", "1.2.0", "v1.2.0"]


@pytest.mark.parametrize("gone", ["PyPI", "npm", "Go", "sdist"])
def test_verify_names_what_a_registry_lacks(other: Site, gone: str) -> None:
    if gone == "Go":
        git.Repository(other.storage / "git" / "cqc.git").delete_tags([TAGS[1]])
    else:
        pattern = {"PyPI": "pypi/*", "npm": "npm/storage/@cq/cqc/*", "sdist": "pypi/*.tar.gz"}[gone]
        for path in other.storage.glob(pattern):
            path.unlink()
    done = other.run("verify", "1.2.0")
    assert done.returncode == 1
    expected = {
        "PyPI": "does not have cqc 1.2.0",
        "npm": "does not have @cq/cqc 1.2.0",
        "Go": f"without the tag {TAGS[1]}",
        "sdist": "without an sdist",
    }
    assert expected[gone] in done.stderr
    assert "make publish VERSION=1.2.0 TARGET=" in done.stderr
    assert "registry" in done.stdout
    assert ("missing" in done.stdout) == (gone in ("PyPI", "npm"))


def test_verify_compares_with_the_build(published: Released, other: Site) -> None:
    """An index serves other bytes than were built, with digests that fit them."""
    shutil.copytree(published.dist.parent, other.checkout.folder / "dist")
    (wheel,) = other.storage.glob("pypi/*.whl")
    wheel.write_bytes(wheel.read_bytes() + b"other")
    done = other.run("verify", "1.2.0")
    assert done.returncode == 1
    assert f"{wheel.name} on PyPI" in done.stderr
    assert done.stderr.count("sha256:") == 2


@pytest.fixture(scope="module")
def moved_on(pristine: Checkout, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A checkout one commit after v1.2.0, in which every command below must be refused."""
    checkout = pristine.copy(tmp_path_factory.mktemp("moved-on") / "checkout")
    checkout.git("tag", RELEASE.tag)
    checkout.commit("after the release")
    return checkout


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--release", "1.2"], "not a release version"),
        (["--release", "1.2.0+local"], "cannot be published"),
        (["--release", "7.7.7"], "there is no tag v7.7.7"),
        (["--release", "1.2.0", "--target", "nowhere"], "no target 'nowhere': choose one of local, private, public"),
        (["--release", "1.2.0", "--target", "private"], "python_index, python_upload, npm, git"),
        ([], "not a release\nfix: name one with VERSION=x.y.z"),
    ],
)
def test_invalid_input_to_publish_is_refused(moved_on: Checkout, arguments: list[str], expected: str) -> None:
    done = moved_on.cqc("publish", *arguments)
    assert done.returncode == 2
    assert expected in done.stderr
    assert "Traceback" not in done.stderr
    assert not (moved_on.folder / ".cache" / "registries").exists()
    assert not (moved_on.folder / "dist").exists()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('npm = "ftp://example.com"', "write an address that starts with https://"),
        ("settle_seconds = 0", "write a number of seconds greater than zero"),
        ('registry = "x"', "which is not a key of this table"),
        ("npm = 3", "write an address, or 'default' for the client's own default"),
    ],
)
def test_a_malformed_target_is_refused(moved_on: Checkout, line: str, expected: str) -> None:
    settings = moved_on.folder / "release.toml"
    whole = settings.read_text()
    settings.write_text(f"{whole}\n[targets.other]\n{line}\n")
    try:
        for command in ("publish", "verify"):
            done = moved_on.cqc(command, "--release", "1.2.0", "--target", "other")
            assert done.returncode == 2
            assert f"targets.other.{line.split()[0]}" in done.stderr
            assert expected in done.stderr
    finally:
        settings.write_text(whole)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda folder: next(folder.glob("*.whl")).write_bytes(b"other"), "py3-none-any.whl was changed"),
        (lambda folder: next(folder.glob("*.tgz")).unlink(), "cq-cqc-1.2.0.tgz is missing"),
        (lambda folder: (folder / "release.json").write_text("{"), "release.json is not JSON"),
        (lambda folder: (folder / "state-local.json").write_text('{"npm": 1}'), "state-local.json cannot be read"),
    ],
)
def test_a_changed_build_is_refused(
    published: Released, tmp_path: Path, change: Callable[[Path], object], expected: str
) -> None:
    changed = published.copy(tmp_path / "checkout")
    change(changed.dist)
    done = changed.checkout.cqc("publish", "--release", "1.2.0")
    assert done.returncode == 2
    assert expected in done.stderr
    assert "rm " in done.stderr
    assert "Traceback" not in done.stderr


def test_a_build_of_another_commit_is_refused(published: Released, other: Site) -> None:
    shutil.copytree(published.dist.parent, other.checkout.folder / "dist")
    other.checkout.commit("another")
    other.checkout.git("tag", RELEASE.tag)
    before = remote_tags(other.storage)
    done = other.run("publish", "1.2.0")
    assert done.returncode == 2
    assert f"rm -r {other.checkout.folder / 'dist' / '1.2.0'}" in done.stderr
    assert remote_tags(other.storage) == before


@pytest.mark.long
def test_pre_releases_and_their_final_version_on_one_commit(
    pre_released: Released, running: Running, servers: Servers, tmp_path: Path
) -> None:
    checkout = pre_released.checkout.copy(tmp_path / "checkout")
    git.Repository(checkout.folder).delete_tags(checkout.git("tag").split())
    point_target(checkout, running)
    site = Site(checkout, servers.folder, servers.environment)
    spelled = {
        "1.2.0-alpha.1": "1.2.0a1",
        "1.2.0-beta.2": "1.2.0b2",
        "1.2.0-rc.1": "1.2.0rc1",
        "1.2.0": "1.2.0",
    }
    for number, (release, pypi) in enumerate(spelled.items()):
        is_built = (checkout.folder / "dist" / release).exists()
        assert is_built == (number >= 2)
        checkout.git("tag", f"v{release}")
        done = site.run("publish", release)
        assert done.returncode == 0, done.stderr
        assert ("build npm" in done.stderr) != is_built
        # The very first version becomes `latest` whatever its dist-tag is.
        assert ("is the first version of @cq/cqc, so npm makes it `latest`" in done.stderr) == (number == 0)
        wheels = {path.name.split("-")[1] for path in site.storage.glob("pypi/*.whl")}
        assert pypi in wheels
        tags = npm_manifest(site.storage)["dist-tags"]
        if "-" in release:
            assert tags == {"latest": "1.2.0-alpha.1", "next": release}
        else:
            assert tags == {"latest": "1.2.0", "next": "1.2.0-rc.1"}
        assert {f"v{release}", f"packages/go-cqc/v{release}"} <= remote_tags(site.storage).keys()
    assert set(npm_manifest(site.storage)["versions"]) == set(spelled)
    assert len(set(remote_tags(site.storage).values())) == 1


@pytest.mark.parametrize(
    ("release", "tags", "expected"),
    [
        ("1.2.0", {}, "latest"),
        ("1.2.0-rc.1", {}, "next"),
        ("1.2.0", {"latest": "1.2.0-rc.1", "next": "1.2.0-rc.1"}, "latest"),
        ("1.2.0-rc.2", {"latest": "1.1.0", "next": "1.2.0-rc.1"}, "next"),
        ("1.1.1", {"latest": "1.2.0"}, "release-1.1"),
        ("1.1.1-rc.1", {"latest": "1.2.0", "next": "1.3.0-rc.1"}, "release-1.1-next"),
        ("1.10.0", {"latest": "1.9.0"}, "latest"),
    ],
)
def test_dist_tags_only_move_forwards(release: str, tags: dict[str, str], expected: str) -> None:
    assert typescript.dist_tag(version.parse_release(release), tags) == expected


@pytest.mark.slow
def test_registries_keep_their_files(tmp_path: Path) -> None:
    for content in (b"", b"kept"):
        with local.running(tmp_path / "registries", ecosystems.load(configuration.load())):
            kept = tmp_path / "registries" / "git" / "cqc.git" / "kept"
            assert (kept.read_bytes() if kept.exists() else b"") == content
            kept.write_bytes(b"kept")


@pytest.mark.parametrize(
    ("missing", "told"),
    [
        ({"npm_config_userconfig": os.devnull}, "npm login"),
        ({"TWINE_PASSWORD": ""}, "twine was given an empty password"),
    ],
)
def test_nothing_is_written_before_every_registry_accepts_the_credentials(
    released: Released, running: Running, servers: Servers, tmp_path: Path, missing: Mapping[str, str], told: str
) -> None:
    site = Site(released.checkout.copy(tmp_path / "checkout"), servers.folder, {**servers.environment, **missing})
    point_target(site.checkout, running)
    # As in CI, where only the public registries know an identity.
    done = site.checkout.cqc(
        "publish", "--release", "1.2.0", "--target", "test", **site.environment, GITHUB_ACTIONS="true"
    )
    assert done.returncode == 1
    assert told in done.stderr
    assert "This run wrote nothing." in done.stderr
    assert list((site.storage / "pypi").iterdir()) == []
    assert remote_tags(site.storage) == {}
