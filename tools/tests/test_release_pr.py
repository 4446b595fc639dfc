"""The pull request of a release: a real remote, and a program in place of `gh` that records its calls."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from conftest import Checkout, Released, point_target

from cqc_tools.packages.local import Running

BRANCH = "release-pr/main"
GH = '''#!{python}
"""Answers as `gh` does for pull requests."""
import json, pathlib, sys
home = pathlib.Path({home!r})
words = sys.argv[1:]
with (home / "calls").open("a") as calls:
    print(" ".join(words[:2]), file=calls)
if words[:2] == ["auth", "status"]:
    sys.exit(0 if (home / "logged-in").exists() else 1)
assert words[words.index("--repo") + 1] == "github.com/Combine-Capital/cqc", words
options = {{word: value for word, value in zip(words, words[1:]) if word.startswith("--")}}
about = home / "pull-request.json"
if words[1] == "list":
    assert (options["--base"], options["--state"]) == ("main", "open"), words
    found = json.loads(about.read_text()) if about.exists() else None
    theirs = {{"number": 6, "title": "Release 99.0.0", "url": "https://example.com/pull/6", "isCrossRepository": True}}
    ours = {{"number": 7, "url": "https://example.com/pull/7", "isCrossRepository": False}}
    print(json.dumps([theirs, *([{{**ours, "title": found["title"]}}] if found else [])]))
elif words[1] in ("create", "edit"):
    assert words[2] == "7" or words[1] == "create", words
    body = pathlib.Path(options["--body-file"]).read_text()
    about.write_text(json.dumps({{"title": options["--title"], "body": body, "verb": words[1]}}))
    print("https://example.com/pull/7")
'''


@dataclass(frozen=True)
class Site:
    """A checkout of main, a bare remote `origin`, and what the program in place of gh keeps."""

    checkout: Checkout
    origin: Path
    hub: Path
    path: str

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        done = self.checkout.cqc("release-pr", "--target", "test", *arguments, PATH=self.path)
        assert "Traceback" not in done.stderr
        return done

    def prepare(self, *arguments: str) -> dict[str, Any]:
        before = self.state()
        done = self.run("--json", *arguments)
        assert done.returncode == 0, done.stderr
        assert self.state() == before
        found = json.loads(done.stdout)
        assert isinstance(found, dict)
        return found

    def state(self) -> list[str]:
        """What a run must not change: the branch, the index and the working tree."""
        read = (["symbolic-ref", "HEAD"], ["rev-parse", "HEAD"], ["ls-files", "--stage"], ["status", "--porcelain"])
        return [self.checkout.git(*words) for words in read]

    def pushed(self) -> str:
        """The commit of the branch on the remote, empty if there is none."""
        return self.checkout.git("ls-remote", "origin", f"refs/heads/{BRANCH}").partition("\t")[0]

    def pull_request(self) -> dict[str, str]:
        found = json.loads((self.hub / "pull-request.json").read_text())
        assert isinstance(found, dict)
        return found


@pytest.fixture
def site(released: Released, running: Running, tmp_path: Path) -> Site:
    checkout = released.checkout.copy(tmp_path / "checkout")
    checkout.git("checkout", "--quiet", "-B", "main")
    point_target(checkout, running)
    news = checkout.folder / "CHANGELOG.md"
    news.write_text(news.read_text().replace("## [Unreleased]\n", "## [Unreleased]\n\n### Fixed\n\n- The clock.\n"))
    # Golden bytes that are there and current are kept.
    checkout.keep_golden("1.2.1")
    checkout.commit("Correct the clock")
    origin, hub, programs = tmp_path / "origin.git", tmp_path / "hub", tmp_path / "bin"
    subprocess.run(["git", "init", "--quiet", "--bare", origin], check=True)
    checkout.git("remote", "remove", "origin")
    checkout.git("remote", "add", "origin", str(origin))
    checkout.git("push", "--quiet", "origin", "main", "v1.2.0")
    hub.mkdir()
    programs.mkdir()
    (programs / "gh").write_text(GH.format(python=sys.executable, home=str(hub)))
    (programs / "gh").chmod(0o755)
    return Site(checkout, origin, hub, f"{programs}{os.pathsep}{os.environ['PATH']}")


@pytest.mark.long
def test_a_release_is_prepared_on_a_branch_and_in_a_pull_request(site: Site) -> None:
    checkout = site.checkout
    main = checkout.git("rev-parse", "HEAD").strip()
    # Without a login nothing leaves this machine.
    by_hand = site.prepare()
    assert (by_hand["version"], by_hand["branch"], by_hand["pull_request"]) == ("1.2.1", BRANCH, None)
    assert by_hand["steps"][0] == f"git push --force-with-lease origin {BRANCH}"
    assert by_hand["steps"][1].startswith(f"open https://github.com/Combine-Capital/cqc/compare/main...{BRANCH}")
    assert by_hand["steps"][-1] == "git push origin v1.2.1"
    assert site.pushed() == ""
    assert checkout.git("rev-parse", f"{BRANCH}^").strip() == main
    assert checkout.git("diff", "--name-only", "main", BRANCH).split() == ["CHANGELOG.md"]
    news = checkout.git("show", f"{BRANCH}:CHANGELOG.md")
    assert news.index("## [1.2.1] - ") < news.index("- The clock.") < news.index("## [1.2.0]")

    (site.hub / "logged-in").touch()
    opened = site.prepare()
    assert opened["pull_request"] == "https://example.com/pull/7"
    assert opened["commit"] == by_hand["commit"] == site.pushed()
    # Without a login nobody asked for anything else.
    assert (site.hub / "calls").read_text().split("\n")[:4] == ["auth status", "auth status", "pr list", "pr list"]
    request = site.pull_request()
    assert (request["verb"], request["title"]) == ("create", "Release 1.2.1")
    assert "# 1.2.1, after 1.2.0" in request["body"]
    assert "git tag v1.2.1\n" in request["body"]

    # main moves: the same pull request, with the version that a person wrote into its title.
    (site.hub / "pull-request.json").write_text(json.dumps({**request, "title": "Release 1.3.0-rc.1"}))
    checkout.commit("Something else")
    moved = site.prepare()
    assert moved["version"] == "1.3.0-rc.1"
    assert site.pull_request()["verb"] == "edit"
    assert site.pushed() == moved["commit"]
    assert checkout.git("log", "--format=%s", f"main..{BRANCH}") == "Release 1.3.0-rc.1\n"

    # A person's commit on the branch is never replaced.
    theirs = checkout.git("commit-tree", f"{BRANCH}^{{tree}}", "-p", BRANCH, "-m", "Say it better").strip()
    checkout.git("push", "--quiet", "origin", f"{theirs}:refs/heads/{BRANCH}")
    refused = site.run("--release", "1.2.1")
    assert refused.returncode == 1
    assert "has commits that this tool did not write" in refused.stderr
    assert site.pushed() == theirs

    # Once it is merged, only the tag is missing.
    (site.hub / "pull-request.json").unlink()
    checkout.git("merge", "--quiet", by_hand["commit"], "-m", "Merge")
    ready = site.prepare()
    assert (ready["version"], ready["commit"]) == ("1.2.1", None)
    assert "git tag v1.2.1" in ready["steps"]
    assert not (site.hub / "pull-request.json").exists()


def test_what_cannot_be_prepared_is_refused(site: Site) -> None:
    checkout = site.checkout

    def refused(expected: str, *arguments: str) -> None:
        done = site.run(*arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert expected in done.stderr
        assert checkout.git("branch", "--list", BRANCH) == ""

    (checkout.folder / "new").touch()
    refused("1 uncommitted changes, such as new, would not be part of the release")
    (checkout.folder / "new").unlink()
    refused("1.2.0-rc.1", "--release", "1.2")
    refused("v1.2.0 is already released", "--release", "1.2.0")
    checkout.git("tag", "v1.1.0", "v1.2.0~1")
    refused("1.1.1 cannot be released from main, which has 1.2.0\nfix: git switch release-1.1", "--release", "1.1.1")
    checkout.git("switch", "--quiet", "--create", "release-1.1", "v1.1.0")
    # The target of this test is not in this older commit.
    refused("has no target 'test'", "--release", "1.2.1")
    checkout.git("switch", "--quiet", "--create", "topic")
    checkout.git("cherry-pick", "main", "--strategy-option=theirs")
    refused("topic is checked out, from which nothing is released")
    checkout.git("branch", "--quiet", "--move", "--force", "topic", "release-1.1")
    refused("1.2.1 cannot be released from release-1.1, whose line 1.2.0 ended", "--release", "1.2.1")
