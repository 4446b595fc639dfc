"""The draft release, against a stand-in for `gh` that keeps releases in a folder: GitHub itself cannot run here."""

import json
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import Checkout

GH = '''#!{python}
"""Answers as `gh release` does."""
import json, pathlib, shutil, sys
home = pathlib.Path({home!r})
log = home / "calls"
log.write_text((log.read_text() if log.exists() else "") + " ".join(sys.argv[1:]) + "\\n")
_, verb, tag, *rest = sys.argv[1:]
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
CHANGELOG = "# Changelog\n\n## [Unreleased]\n\n## [1.2.0] - 2026-11-24\n\nPrices have a currency.\n"


@dataclass(frozen=True)
class GitHub:
    checkout: Checkout
    home: Path
    path: str

    def make(self, step: str, release: str) -> tuple[int, str, str]:
        done = self.checkout.cqc("draft", step, "--release", release, PATH=self.path)
        assert "Traceback" not in done.stderr
        return done.returncode, done.stdout, done.stderr

    def names(self, tag: str) -> set[str]:
        return {path.name for path in (self.home / tag).iterdir()}

    def about(self, tag: str) -> dict[str, object]:
        content = json.loads((self.home / f"{tag}.json").read_text())
        assert isinstance(content, dict)
        return content


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Checkout, Path]:
    from conftest import make_checkout

    checkout = make_checkout(tmp_path_factory.mktemp("made") / "checkout")
    (checkout.folder / "CHANGELOG.md").write_text(CHANGELOG)
    checkout.commit()
    for release in ("1.2.0-rc.1", "1.2.0"):
        checkout.git("tag", f"v{release}")
        assert checkout.cqc("build", "--release", release).returncode == 0
    return checkout, Path(shutil.copytree(checkout.folder / "dist", tmp_path_factory.mktemp("kept") / "dist"))


@pytest.fixture
def github(made: tuple[Checkout, Path], tmp_path: Path) -> GitHub:
    checkout, kept = made
    shutil.rmtree(checkout.folder / "dist")
    shutil.copytree(kept, checkout.folder / "dist")
    home, programs = tmp_path / "github", tmp_path / "bin"
    home.mkdir()
    programs.mkdir()
    (programs / "gh").write_text(GH.format(python=sys.executable, home=str(home)))
    (programs / "gh").chmod(0o755)
    return GitHub(checkout, home, f"{programs}{os.pathsep}{os.environ['PATH']}")


def test_it_holds_the_build_first_then_the_state_and_is_announced_last(github: GitHub) -> None:
    folder = github.checkout.folder / "dist" / "1.2.0"
    built = {path.name for path in folder.iterdir()} - {"timings.json"}
    assert github.make("begin", "1.2.0")[0] == 0
    assert github.names("v1.2.0") == built
    assert github.about("v1.2.0")["--draft"] is True
    (folder / "state-public.json").write_text('{"PyPI": {}}\n')
    assert github.make("save", "1.2.0")[0] == 0
    assert github.names("v1.2.0") == built | {"state-public.json", "timings.json"}
    (folder / "state-public.json").write_text('{"npm": {}}\n')
    assert github.make("save", "1.2.0")[0] == 0
    assert (github.home / "v1.2.0" / "state-public.json").read_text() == '{"npm": {}}\n'
    assert github.make("announce", "1.2.0")[0] == 0
    about = github.about("v1.2.0")
    assert about["--draft"] == "false"
    assert about["--prerelease"] == "false"
    assert about["notes"] == "Prices have a currency.\n"


def test_a_run_that_was_interrupted_finds_what_it_left(github: GitHub) -> None:
    folder = github.checkout.folder / "dist" / "1.2.0"
    assert github.make("begin", "1.2.0")[0] == 0
    (github.home / "v1.2.0" / "cqc-1.2.0.tar.gz").unlink()
    (github.home / "v1.2.0" / "state-public.json").write_text('{"PyPI": {}}\n')
    assert github.make("begin", "1.2.0")[0] == 0
    assert "cqc-1.2.0.tar.gz" in github.names("v1.2.0")
    assert (folder / "state-public.json").read_text() == '{"PyPI": {}}\n'


def test_other_bytes_are_never_overwritten(github: GitHub) -> None:
    assert github.make("begin", "1.2.0")[0] == 0
    wheel = github.home / "v1.2.0" / "cqc-1.2.0-py3-none-any.whl"
    wheel.write_bytes(b"something else")
    code, _, errors = github.make("begin", "1.2.0")
    assert code == 1
    assert "cqc-1.2.0-py3-none-any.whl" in errors
    assert "two ways out" in errors
    assert wheel.read_bytes() == b"something else"


def test_a_prerelease_is_never_the_latest(github: GitHub) -> None:
    assert github.make("begin", "1.2.0-rc.1")[0] == 0
    assert github.about("v1.2.0-rc.1")["--prerelease"] is True
    assert github.make("announce", "1.2.0-rc.1")[0] == 0
    about = github.about("v1.2.0-rc.1")
    assert (about["--prerelease"], about["--latest"]) == ("true", "false")


def test_who_did_not_build_it_fetches_it(github: GitHub) -> None:
    assert github.make("begin", "1.2.0")[0] == 0
    folder = github.checkout.folder / "dist" / "1.2.0"
    shutil.rmtree(folder)
    assert github.make("fetch", "1.2.0")[0] == 0
    assert {path.name for path in folder.iterdir()} == github.names("v1.2.0")
    (github.home / "v1.2.0" / "cqc-1.2.0.tar.gz").write_bytes(b"something else")
    shutil.rmtree(folder)
    code, _, errors = github.make("fetch", "1.2.0")
    assert code == 2
    assert "cqc-1.2.0.tar.gz was changed" in errors
    assert not folder.exists()


def test_what_cannot_be_done_is_said(github: GitHub, tmp_path: Path) -> None:
    code, _, errors = github.make("fetch", "1.2.0")
    assert (code, "there is no release v1.2.0" in errors) == (2, True)
    empty = tmp_path / "empty"
    empty.mkdir()
    for program in ("git", "go", "node", "npm"):
        (empty / program).symlink_to(str(shutil.which(program)))
    done = github.checkout.cqc("draft", "begin", "--release", "1.2.0", PATH=str(empty))
    assert done.returncode == 2
    assert "cli.github.com" in done.stderr


def test_nobody_attests_who_cannot_prove_who_it_is(github: GitHub) -> None:
    done = github.checkout.cqc("attest", "--release", "1.2.0", ACTIONS_ID_TOKEN_REQUEST_URL="")
    assert done.returncode == 2
    assert "id-token: write" in done.stderr
