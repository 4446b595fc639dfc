"""The version of a checkout in its three spellings."""

import json
import re
import subprocess
from pathlib import Path

import pytest
import semver
from conftest import Checkout
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version as PythonVersion

from cqc_tools.foundation import version
from cqc_tools.foundation.errors import UserError

NUMBERS = st.integers(0, 10**6)
RELEASES = st.builds(
    lambda major, minor, patch, pre: f"{major}.{minor}.{patch}{pre}",
    NUMBERS,
    NUMBERS,
    NUMBERS,
    st.one_of(st.just(""), st.builds("-{}.{}".format, st.sampled_from(["alpha", "beta", "rc"]), NUMBERS)),
)

RELEASE = re.compile(r"v?(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*)){2}(-(alpha|beta|rc)\.(0|[1-9][0-9]*))?")


@pytest.mark.parametrize(
    ("tag", "pypi", "npm"),
    [
        ("v1.2.0", "1.2.0", "1.2.0"),
        ("v1.2.0-alpha.1", "1.2.0a1", "1.2.0-alpha.1"),
        ("v1.2.0-beta.2", "1.2.0b2", "1.2.0-beta.2"),
        ("v1.2.0-rc.10", "1.2.0rc10", "1.2.0-rc.10"),
    ],
)
def test_a_tag_has_three_spellings(tag: str, pypi: str, npm: str) -> None:
    assert version.parse_release(tag) == version.Version(pypi=pypi, npm=npm, go=tag)


@pytest.mark.parametrize(
    "text", ["", "1", "1.2", "v1.2.3.4", "1.2.0rc1", "1.2.0-rc1", "1.2.0-dev.1", "1.2.0+local", "01.2.0"]
)
def test_an_invalid_release_version_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UserError, match=r"1\.2\.0-rc\.1"):
        version.parse_release(text)


@given(first=RELEASES, second=RELEASES)
def test_every_spelling_sorts_the_same_way(first: str, second: str) -> None:
    one, other = version.parse_release(first), version.parse_release(second)
    npm = semver.Version.parse(one.npm).compare(other.npm)
    assert (PythonVersion(one.pypi) < PythonVersion(other.pypi)) == (npm < 0)
    assert (PythonVersion(one.pypi) == PythonVersion(other.pypi)) == (npm == 0)


@given(text=st.text(st.sampled_from("v0123456789.-+alphabetrc "), max_size=20) | st.text(max_size=12))
def test_every_other_string_is_refused_with_an_example(text: str) -> None:
    if not RELEASE.fullmatch(text):
        with pytest.raises(UserError, match=r"1\.2\.0-rc\.1"):
            version.parse_release(text)
        return
    found = version.parse_release(text)
    assert text.removeprefix("v") == found.npm
    assert version.parse_release(found.tag) == found
    assert PythonVersion(found.pypi).public == found.pypi


@pytest.mark.parametrize(
    ("past", "bump", "expected"),
    [
        ([], version.Bump.NONE, "0.1.0"),
        (["0.1.0-rc.1"], version.Bump.NONE, "0.1.0"),
        (["0.3.0-rc.1"], version.Bump.NONE, "0.3.0"),
        (["0.4.2"], version.Bump.MAJOR, "0.5.0"),
        (["0.4.2"], version.Bump.MINOR, "0.5.0"),
        (["0.4.2"], version.Bump.PATCH, "0.4.3"),
        (["1.4.2"], version.Bump.NONE, "1.4.3"),
        (["1.4.2"], version.Bump.PATCH, "1.4.3"),
        (["1.4.2"], version.Bump.MINOR, "1.5.0"),
        (["1.4.2"], version.Bump.MAJOR, "2.0.0"),
        (["1.4.2", "1.10.0", "1.9.0"], version.Bump.MINOR, "1.11.0"),
        (["1.4.2", "1.5.0-rc.1"], version.Bump.MINOR, "1.5.0"),
        (["1.4.2", "1.5.0-rc.1"], version.Bump.PATCH, "1.5.0"),
        (["1.4.2", "1.5.0-rc.1"], version.Bump.MAJOR, "2.0.0"),
        (["1.4.2", "1.5.0-rc.1", "1.5.0"], version.Bump.MINOR, "1.6.0"),
    ],
)
def test_the_next_release_follows_from_the_bump(past: list[str], bump: version.Bump, expected: str) -> None:
    assert version.next_release(bump, [version.parse_release(item) for item in past]).npm == expected


@given(past=st.lists(RELEASES, max_size=5), bump=st.sampled_from(version.Bump))
def test_the_next_release_is_final_and_higher_than_every_past_one(past: list[str], bump: version.Bump) -> None:
    versions = [version.parse_release(item) for item in past]
    following = version.next_release(bump, versions)
    assert following == following.final
    assert all(following.semver > item.semver for item in versions)


def read(checkout: Checkout) -> dict[str, object]:
    done = checkout.cqc("version", "--json")
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def test_the_version_follows_the_tags_of_the_checkout(checkout: Checkout) -> None:
    before = read(checkout)
    assert before["is_release"] is False
    assert str(before["pypi"]).startswith("0.1.dev")
    assert str(before["npm"]).startswith("0.1.0-dev.")
    assert str(before["go"]).startswith("v0.0.0-")

    checkout.git("tag", "v1.2.0-rc.1")
    assert read(checkout) == {"pypi": "1.2.0rc1", "npm": "1.2.0-rc.1", "go": "v1.2.0-rc.1", "is_release": True}

    checkout.commit()
    between = read(checkout)
    assert between["is_release"] is False
    assert str(between["pypi"]).startswith("1.2.0rc2.dev1+g")
    assert str(between["npm"]).startswith("1.2.0-rc.2.dev.1.g")
    assert str(between["go"]).startswith("v1.2.0-rc.1.0.")

    checkout.git("tag", "v1.2.0")
    checkout.git("tag", "packages/go-cqc/v1.2.0")
    assert read(checkout) == {"pypi": "1.2.0", "npm": "1.2.0", "go": "v1.2.0", "is_release": True}

    (checkout.folder / "LICENSE").write_text("changed")
    assert read(checkout)["is_release"] is False


def test_a_development_version_sorts_after_its_release_in_npm_as_in_pypi(checkout: Checkout) -> None:
    checkout.git("tag", "v1.2.0")
    checkout.commit()
    found = read(checkout)
    assert semver.Version.parse(str(found["npm"])) > semver.Version.parse("1.2.0")
    assert PythonVersion(str(found["pypi"])) > PythonVersion("1.2.0")


def test_a_shallow_clone_is_refused_with_the_command_that_completes_it(checkout: Checkout, tmp_path: Path) -> None:
    checkout.commit()
    shallow = tmp_path / "shallow"
    subprocess.run(["git", "clone", "--quiet", "--depth=1", f"file://{checkout.folder}", shallow], check=True)
    done = checkout.cqc("version", PYTHONPATH=str(shallow / "tools"))
    assert done.returncode == 2
    assert "git fetch --unshallow --tags" in done.stderr


def test_the_last_release_is_the_highest_final_one(checkout: Checkout) -> None:
    nothing = checkout.cqc("report", "--release", "last")
    assert (nothing.returncode, "there is no tag of a final release" in nothing.stderr) == (2, True)
    for tag in ("v1.9.0", "v1.10.0", "v1.11.0-rc.1"):
        checkout.git("tag", tag)
    unbuilt = checkout.cqc("report", "--release", "last")
    assert "make build VERSION=1.10.0" in unbuilt.stderr
