"""The draft release on GitHub. GitHub cannot run here: a program in place of `gh` keeps releases in a folder."""

import hashlib
import json
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import NOTES, Checkout, Released

GH = '''#!{python}
"""Answers as `gh release` does."""
import json, pathlib, shutil, sys
home = pathlib.Path({home!r})
log = home / "calls"
log.write_text((log.read_text() if log.exists() else "") + " ".join(sys.argv[1:]) + "\\n")
_, verb, *rest = sys.argv[1:]
if verb == "list":
    tags = [path.name.removesuffix(".json") for path in home.glob("*.json")]
    print(json.dumps([{{"tagName": tag}} for tag in tags]))
    sys.exit()
tag, *rest = rest
assets, about = home / tag, home / (tag + ".json")
if not about.exists() and verb != "create":
    sys.exit("release not found")
options, files, words = {{}}, [], iter(rest)
for word in words:
    if word in ("--title", "--notes", "--notes-file", "--dir", "--json"):
        options[word] = next(words)
    elif word.startswith("--"):
        options[word.partition("=")[0]] = word.partition("=")[2] or True
    else:
        files.append(pathlib.Path(word))
if verb == "create":
    assets.mkdir()
    about.write_text(json.dumps(options))
if verb in ("create", "upload"):
    for file in files:
        if (assets / file.name).exists() and "--clobber" not in options:
            sys.exit(f"asset under the same name already exists: {{file.name}}")
        shutil.copy(file, assets)
if verb == "view":
    print(json.dumps({{"assets": [{{"name": path.name}} for path in assets.iterdir()]}}))
if verb == "download":
    shutil.copytree(assets, options["--dir"], dirs_exist_ok=True)
if verb == "edit":
    options["notes"] = pathlib.Path(options.pop("--notes-file")).read_text()
    about.write_text(json.dumps({{**json.loads(about.read_text()), **options}}))
'''


@dataclass(frozen=True)
class GitHub:
    checkout: Checkout
    home: Path
    path: str

    def draft(self, step: str, release: str) -> tuple[int, str, str]:
        done = self.checkout.cqc("draft", step, "--release", release, PATH=self.path)
        assert "Traceback" not in done.stderr
        return done.returncode, done.stdout, done.stderr

    def names(self, tag: str) -> set[str]:
        return {path.name for path in (self.home / tag).iterdir()}

    def about(self, tag: str) -> dict[str, object]:
        content = json.loads((self.home / f"{tag}.json").read_text())
        assert isinstance(content, dict)
        return content


@pytest.fixture
def github(pre_released: Released, tmp_path: Path) -> GitHub:
    checkout = pre_released.checkout.copy(tmp_path / "checkout")
    home, programs = tmp_path / "github", tmp_path / "bin"
    home.mkdir()
    programs.mkdir()
    (programs / "gh").write_text(GH.format(python=sys.executable, home=str(home)))
    (programs / "gh").chmod(0o755)
    return GitHub(checkout, home, f"{programs}{os.pathsep}{os.environ['PATH']}")


@pytest.mark.long
def test_the_draft_holds_the_build_then_the_state_and_is_announced_last(github: GitHub) -> None:
    folder = github.checkout.folder / "dist" / "1.2.0"
    built = {path.name for path in folder.iterdir()}
    assert github.draft("begin", "1.2.0")[0] == 0
    assert github.names("v1.2.0") == built
    assert github.about("v1.2.0")["--draft"] is True
    (folder / "state-public.json").write_text('{"python": {}}\n')
    assert github.draft("save", "1.2.0")[0] == 0
    assert github.names("v1.2.0") == built | {"state-public.json"}
    (folder / "state-public.json").write_text('{"typescript": {}}\n')
    assert github.draft("save", "1.2.0")[0] == 0
    assert (github.home / "v1.2.0" / "state-public.json").read_text() == '{"typescript": {}}\n'
    assert github.draft("announce", "1.2.0")[0] == 0
    about = github.about("v1.2.0")
    assert about["--draft"] == "false"
    assert about["--prerelease"] == "false"
    assert about["notes"] == NOTES


def test_a_rerun_uploads_what_is_missing_and_fetches_the_state(github: GitHub) -> None:
    folder = github.checkout.folder / "dist" / "1.2.0"
    assert github.draft("begin", "1.2.0")[0] == 0
    (github.home / "v1.2.0" / "cqc-1.2.0.tar.gz").unlink()
    (github.home / "v1.2.0" / "state-public.json").write_text('{"python": {}}\n')
    assert github.draft("begin", "1.2.0")[0] == 0
    assert "cqc-1.2.0.tar.gz" in github.names("v1.2.0")
    assert (folder / "state-public.json").read_text() == '{"python": {}}\n'


def test_other_bytes_are_never_overwritten(github: GitHub) -> None:
    assert github.draft("begin", "1.2.0")[0] == 0
    wheel = github.home / "v1.2.0" / "cqc-1.2.0-py3-none-any.whl"
    wheel.write_bytes(b"something else")
    code, _, errors = github.draft("begin", "1.2.0")
    assert code == 3
    assert "cqc-1.2.0-py3-none-any.whl" in errors
    assert "publish the bytes that are already there" in errors
    assert wheel.read_bytes() == b"something else"


def describe(folder: Path, content: object) -> None:
    """Write a build's release.json, and its digest into SHA256SUMS."""
    (folder / "release.json").write_text(json.dumps(content, indent=2) + "\n")
    *sums, _ = (folder / "SHA256SUMS").read_text().splitlines()
    digest = hashlib.sha256((folder / "release.json").read_bytes()).hexdigest()
    (folder / "SHA256SUMS").write_text("\n".join([*sums, f"{digest}  release.json", ""]))


def test_a_build_with_other_versions_of_the_tools_is_the_same_release(github: GitHub) -> None:
    """As after "Re-run all jobs" on an updated runner."""
    folder = github.checkout.folder / "dist" / "1.2.0"
    assert github.draft("begin", "1.2.0")[0] == 0
    kept = {name: (folder / name).read_bytes() for name in ("release.json", "SHA256SUMS")}
    again = json.loads(kept["release.json"])
    again["toolchain"]["node"] = "99.9.9"
    describe(folder, again)
    code, _, errors = github.draft("begin", "1.2.0")
    assert code == 0, errors
    assert "its release.json is kept" in errors
    assert {name: (folder / name).read_bytes() for name in kept} == kept
    assert {name: (github.home / "v1.2.0" / name).read_bytes() for name in kept} == kept
    # Another difference is a conflict.
    again["descriptor_set_sha256"] = "0" * 64
    describe(folder, again)
    assert github.draft("begin", "1.2.0")[0] == 3


def test_a_prerelease_is_never_the_latest(github: GitHub) -> None:
    assert github.draft("begin", "1.2.0-rc.1")[0] == 0
    assert github.about("v1.2.0-rc.1")["--prerelease"] is True
    assert github.draft("announce", "1.2.0-rc.1")[0] == 0
    about = github.about("v1.2.0-rc.1")
    assert (about["--prerelease"], about["--latest"]) == ("true", "false")


def test_a_release_of_an_older_line_is_not_the_latest(github: GitHub) -> None:
    assert github.draft("begin", "1.2.0")[0] == 0
    github.checkout.git("tag", "v1.3.0")
    assert github.draft("announce", "1.2.0")[0] == 0
    about = github.about("v1.2.0")
    assert (about["--prerelease"], about["--latest"]) == ("false", "false")


def test_someone_who_did_not_build_the_release_fetches_it(github: GitHub) -> None:
    assert github.draft("begin", "1.2.0")[0] == 0
    folder = github.checkout.folder / "dist" / "1.2.0"
    shutil.rmtree(folder)
    assert github.draft("fetch", "1.2.0")[0] == 0
    assert {path.name for path in folder.iterdir()} == github.names("v1.2.0")
    (github.home / "v1.2.0" / "cqc-1.2.0.tar.gz").write_bytes(b"something else")
    shutil.rmtree(folder)
    code, _, errors = github.draft("fetch", "1.2.0")
    assert code == 2
    assert "cqc-1.2.0.tar.gz was changed" in errors
    assert not folder.exists()


def test_a_missing_release_and_a_missing_gh_are_reported(github: GitHub, tmp_path: Path) -> None:
    code, _, errors = github.draft("fetch", "1.2.0")
    assert (code, "there is no release v1.2.0" in errors) == (2, True)
    empty = tmp_path / "empty"
    empty.mkdir()
    for program in ("git", "go", "node", "npm"):
        (empty / program).symlink_to(str(shutil.which(program)))
    done = github.checkout.cqc("draft", "begin", "--release", "1.2.0", PATH=str(empty))
    assert done.returncode == 2
    assert "cli.github.com" in done.stderr


def test_attesting_needs_the_identity_of_a_ci_job(github: GitHub) -> None:
    done = github.checkout.cqc("attest", "--release", "1.2.0", ACTIONS_ID_TOKEN_REQUEST_URL="")
    assert done.returncode == 2
    assert "id-token: write" in done.stderr
