"""Publishing and verifying by the command line, on the registries of the target `local`."""

import json
import subprocess
from pathlib import Path

import pytest
from conftest import Checkout, make_checkout

from cqc_tools.foundation import version
from cqc_tools.packages import local as registries
from cqc_tools.packages.ecosystems import typescript

RELEASE = version.parse_release("1.2.0")
TAGS = ("v1.2.0", "packages/go-cqc/v1.2.0")


def storage(checkout: Checkout) -> Path:
    return checkout.folder / ".cache" / "registries"


def remote_tags(checkout: Checkout) -> dict[str, str]:
    listed = checkout.git("ls-remote", "--tags", str(storage(checkout) / "git" / "cqc.git"))
    return {line.split()[1].removeprefix("refs/tags/"): line.split()[0] for line in listed.splitlines()}


def npm_manifest(checkout: Checkout) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = json.loads(
        (storage(checkout) / "npm" / "storage" / "@cq" / "cqc" / "package.json").read_text()
    )
    return found


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A checkout that published 1.2.0 to its local registries; tests leave it as it is."""
    checkout = make_checkout(tmp_path_factory.mktemp("released") / "checkout")
    checkout.git("tag", RELEASE.tag)
    done = checkout.cqc("publish", "--release", "1.2.0", "--json")
    assert done.returncode == 0, done.stderr
    assert "build npm" in done.stderr
    outcomes = json.loads(done.stdout)
    assert [item["ecosystem"] for item in outcomes] == ["PyPI", "npm", "Go"]
    assert all(file["written"] for item in outcomes for file in item["files"] if not file["file"].endswith(".zip"))
    return checkout


@pytest.fixture
def other(released: Checkout, tmp_path: Path) -> Checkout:
    """A checkout of somebody who did not make the release and built nothing, but sees the same registries."""
    checkout = make_checkout(tmp_path / "other")
    subprocess.run(["cp", "-r", storage(released), storage(checkout)], check=True)
    return checkout


def test_a_second_run_does_nothing_and_says_so(released: Checkout) -> None:
    before = sorted(path for path in storage(released).rglob("*") if path.is_file() and path.suffix != ".log")
    times = [path.stat().st_mtime_ns for path in before if path.suffix in (".whl", ".gz", ".tgz")]
    # With and without what the first run kept.
    for _ in range(2):
        done = released.cqc("publish", "--release", "1.2.0")
        assert done.returncode == 0, done.stderr
        assert "nothing to do" in done.stdout
        (released.folder / "dist" / "1.2.0" / "state-local.json").unlink(missing_ok=True)
    assert [path.stat().st_mtime_ns for path in before if path.suffix in (".whl", ".gz", ".tgz")] == times
    commit = released.git("rev-parse", "HEAD").strip()
    assert remote_tags(released) == dict.fromkeys(TAGS, commit)


def test_anyone_can_verify_it(other: Checkout) -> None:
    done = other.cqc("verify", "--release", "1.2.0", "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["findings"] == []
    assert len(result["replays"]) == 9
    assert len({item["descriptor_set_sha256"] for item in result["packages"]}) == 1
    assert [item["version"] for item in result["packages"]] == ["1.2.0", "1.2.0", "v1.2.0"]


@pytest.mark.parametrize("gone", ["PyPI", "npm", "Go", "sdist"])
def test_verify_names_what_a_registry_lacks(other: Checkout, gone: str) -> None:
    if gone == "Go":
        other.git("-C", str(storage(other) / "git" / "cqc.git"), "update-ref", "-d", f"refs/tags/{TAGS[1]}")
    else:
        pattern = {"PyPI": "pypi/*", "npm": "npm/storage/@cq/cqc/*", "sdist": "pypi/*.tar.gz"}[gone]
        for path in storage(other).glob(pattern):
            path.unlink()
    done = other.cqc("verify", "--release", "1.2.0")
    assert done.returncode == 1
    expected = {
        "PyPI": "does not have cqc 1.2.0",
        "npm": "does not have @cq/cqc 1.2.0",
        "Go": f"without the tag {TAGS[1]}",
        "sdist": "without an sdist",
    }
    assert expected[gone] in done.stderr
    assert "registry" in done.stdout
    assert ("missing" in done.stdout) == (gone in ("PyPI", "npm"))


def test_verify_compares_with_the_build(released: Checkout, other: Checkout) -> None:
    """An index that serves other bytes than were built, whatever it says itself about them."""
    subprocess.run(["cp", "-r", released.folder / "dist", other.folder / "dist"], check=True)
    (wheel,) = storage(other).glob("pypi/*.whl")
    wheel.write_bytes(wheel.read_bytes() + b"other")
    done = other.cqc("verify", "--release", "1.2.0")
    assert done.returncode == 1
    assert f"{wheel.name} on PyPI" in done.stderr
    assert done.stderr.count("sha256:") == 2


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--release", "1.2"], "not a release version"),
        (["--release", "1.2.0+local"], "cannot be published"),
        (["--release", "7.7.7"], "there is no tag v7.7.7"),
        (["--release", "1.2.0", "--target", "nowhere"], "no target 'nowhere': choose one of local, private, public"),
        (["--release", "1.2.0", "--target", "private"], "python_index, python_upload, npm, git"),
        ([], "not a release: say which one with VERSION=x.y.z"),
    ],
)
def test_what_cannot_be_published_is_refused(checkout: Checkout, arguments: list[str], expected: str) -> None:
    checkout.git("tag", RELEASE.tag)
    checkout.commit("after the release")
    done = checkout.cqc("publish", *arguments)
    assert done.returncode == 2
    assert expected in done.stderr
    assert "Traceback" not in done.stderr
    assert not storage(checkout).exists()
    assert not (checkout.folder / "dist").exists()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('npm = "ftp://example.com"', "an address that starts with https:// is expected"),
        ("settle_seconds = 0", "a number of seconds is expected"),
        ('registry = "x"', "means nothing there"),
        ("npm = 3", "an address or 'default' is expected"),
    ],
)
def test_a_malformed_target_is_refused(checkout: Checkout, line: str, expected: str) -> None:
    settings = checkout.folder / "release.toml"
    settings.write_text(f"{settings.read_text()}\n[targets.other]\n{line}\n")
    for command in ("publish", "verify"):
        done = checkout.cqc(command, "--release", "1.2.0", "--target", "other")
        assert done.returncode == 2
        assert f"targets.other.{line.split()[0]}" in done.stderr
        assert expected in done.stderr


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda folder: next(folder.glob("*.whl")).write_bytes(b"other"), "py3-none-any.whl was changed"),
        (lambda folder: next(folder.glob("*.tgz")).unlink(), "cq-cqc-1.2.0.tgz is missing"),
        (lambda folder: (folder / "release.json").write_text("{"), "release.json is not JSON"),
        (lambda folder: (folder / "state-local.json").write_text('{"npm": 1}'), "state-local.json cannot be read"),
    ],
)
def test_a_build_that_was_changed_is_refused(
    released: Checkout, other: Checkout, change: object, expected: str
) -> None:
    assert callable(change)
    subprocess.run(["cp", "-r", released.folder / "dist", other.folder / "dist"], check=True)
    other.git("tag", RELEASE.tag, released.git("rev-parse", "HEAD").strip())
    change(other.folder / "dist" / "1.2.0")
    done = other.cqc("publish", "--release", "1.2.0")
    assert done.returncode == 2
    assert expected in done.stderr
    assert "rm " in done.stderr
    assert "Traceback" not in done.stderr


def test_a_build_of_another_commit_is_refused(released: Checkout, other: Checkout) -> None:
    subprocess.run(["cp", "-r", released.folder / "dist", other.folder / "dist"], check=True)
    other.commit("another")
    other.git("tag", RELEASE.tag)
    before = remote_tags(other)
    done = other.cqc("publish", "--release", "1.2.0")
    assert done.returncode == 2
    assert f"rm -r {other.folder / 'dist' / '1.2.0'}" in done.stderr
    assert remote_tags(other) == before


def test_pre_releases_and_then_the_final_on_the_same_commit(checkout: Checkout) -> None:
    spelled = {
        "1.3.0-alpha.1": "1.3.0a1",
        "1.3.0-beta.2": "1.3.0b2",
        "1.3.0-rc.1": "1.3.0rc1",
        "1.3.0": "1.3.0",
    }
    for number, (release, pypi) in enumerate(spelled.items()):
        checkout.git("tag", f"v{release}")
        done = checkout.cqc("publish", "--release", release)
        assert done.returncode == 0, done.stderr
        # The very first version becomes `latest` whatever its dist-tag is.
        assert ("is the first version of @cq/cqc, so npm makes it `latest`" in done.stderr) == (number == 0)
        wheels = {path.name.split("-")[1] for path in storage(checkout).glob("pypi/*.whl")}
        assert pypi in wheels
        tags = npm_manifest(checkout)["dist-tags"]
        if "-" in release:
            assert tags == {"latest": "1.3.0-alpha.1", "next": release}
        else:
            assert tags == {"latest": "1.3.0", "next": "1.3.0-rc.1"}
        assert {f"v{release}", f"packages/go-cqc/v{release}"} <= remote_tags(checkout).keys()
    assert set(npm_manifest(checkout)["versions"]) == set(spelled)
    assert len(set(remote_tags(checkout).values())) == 1


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


def test_an_older_line_does_not_take_latest(released: Checkout, other: Checkout) -> None:
    other.git("tag", "v1.1.1")
    done = other.cqc("publish", "--release", "1.1.1")
    assert done.returncode == 0, done.stderr
    assert npm_manifest(other)["dist-tags"] == {"latest": "1.2.0", "release-1.1": "1.1.1"}


def test_registries_keep_what_they_hold(tmp_path: Path) -> None:
    for content in (b"", b"kept"):
        with registries.running(tmp_path / "registries"):
            kept = tmp_path / "registries" / "git" / "cqc.git" / "kept"
            assert (kept.read_bytes() if kept.exists() else b"") == content
            kept.write_bytes(b"kept")
