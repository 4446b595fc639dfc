"""A release on a machine whose settings are against it: a git hook, forced signing, a foreign .npmrc, an odd path."""

import os
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from conftest import IDENTITY, RELEASE, Checkout, Released

from cqc_tools.foundation import workspace

HOOK = """\
#!/bin/sh
# A shell ignores SIGINT for what it starts in the background, as nohup ignores SIGHUP.
nohup sh -c '
  {python} -m cqc_tools build --release 1.2.0 &&
  {python} -m cqc_tools rehearse --release 1.9.9 --json &&
  {python} -m cqc_tools publish --release 1.2.0 --target local --json
' > "$LOG" 2>&1 < /dev/null &
wait $!
echo $? > "$LOG.code"
"""
GIT_SETTINGS = """\
[tag]
  gpgSign = true
[commit]
  gpgSign = true
[gpg]
  program = /bin/false
[core]
  editor = sleep 1000
[user]
  name = someone
  email = someone@localhost
"""


@contextmanager
def another_registry() -> Iterator[tuple[str, list[str]]]:
    """A registry that nobody should talk to; yields its address and the requests that it received."""
    received: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            received.append(f"{self.command} {self.path}")
            self.send_error(404)

        do_GET = do_PUT = do_POST = answer

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/", received
        server.shutdown()


def state_of(folder: Path) -> dict[str, object]:
    """Everything about a repository that a release must not change."""

    def git(*arguments: str) -> str:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        return subprocess.run(
            ["git", "-C", folder, *arguments], env=environment, capture_output=True, text=True, check=True
        ).stdout

    common = Path(folder, git("rev-parse", "--git-common-dir").strip())
    return {
        "tags": git("for-each-ref", "refs/tags"),
        "branch": git("rev-parse", "--symbolic-full-name", "HEAD"),
        "status": git("status", "--porcelain"),
        "index": git("ls-files", "--stage"),
        "settings": (common / "config").read_text(),
    }


@pytest.mark.long
def test_a_release_inside_a_git_hook_of_a_linked_worktree(released: Released, tmp_path: Path) -> None:
    above = tmp_path / "a b#100%"
    above.mkdir()
    home = tmp_path / "home"
    (home / ".config" / "pip").mkdir(parents=True)
    (home / ".gitconfig").write_text(GIT_SETTINGS)
    (home / ".config" / "pip" / "pip.conf").write_text("[global]\nuploaded-prior-to = 2015-01-01\n")
    main = released.checkout.copy(above / "main")
    tree = above / "linked"
    main.git("config", "--unset", "core.hooksPath")
    main.git("worktree", "add", "--quiet", "-b", "linked", str(tree), RELEASE.tag)
    for name in (".venv", "packages/ts-cqc/node_modules", "tools/node/node_modules"):
        (tree / name).symlink_to(main.folder / name)
    (tree / ".cache").mkdir()
    for path in (main.folder / ".cache").iterdir():
        (tree / ".cache" / path.name).symlink_to(path)
    hook = main.folder / ".git" / "hooks" / "post-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(HOOK.format(python=sys.executable))
    hook.chmod(hook.stat().st_mode | stat.S_IXUSR)
    log = tmp_path / "hook.log"
    with another_registry() as (address, received):
        (above / "package.json").write_text('{"name": "another-project", "private": true}\n')
        token = f"{address.partition(':')[2]}:_authToken=not-ours"
        (above / ".npmrc").write_text(f"@cq:registry={address}\n{token}\nbefore=2015-01-01\n")
        environment = {
            **os.environ,
            **IDENTITY,
            "HOME": str(home),
            "PYTHONPATH": str(tree / "tools"),
            "LOG": str(log),
            "UV_EXCLUDE_NEWER": "2015-01-01",
            # As `git -c` passes it to hooks.
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "core.abbrev",
            "GIT_CONFIG_VALUE_0": "12",
        }
        environment.pop("XDG_CONFIG_HOME", None)
        before = state_of(tree)
        command = ["git", "-C", str(tree), "commit", "--quiet", "--allow-empty", "--no-gpg-sign", "-m", "start it"]
        subprocess.run(command, env=environment, check=True, timeout=500)
        assert log.with_suffix(".log.code").read_text() == "0\n", log.read_text()
        assert state_of(tree) == before
    assert received == []


@pytest.mark.parametrize("name", ["GIT_DIR", "GIT_INDEX_FILE", "GIT_CONFIG_COUNT", "GIT_CONFIG_KEY_0"])
def test_no_program_inherits_what_ties_git_to_a_repository(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "somewhere")
    assert name not in workspace.tool_environment()
    assert workspace.tool_environment(**{name: "ours"})[name] == "ours"


def test_the_makefile_passes_on_what_a_user_writes_unexpanded(tmp_path: Path) -> None:
    touched = tmp_path / "touched"
    run = f"$(shell touch {touched})"
    command = ["make", "retract", f"VERSION={run}", f"REASON=costs $5 {run}", "CQC=printf '%s\\n'", "PYTHON=true"]
    # Within `make test`, make would report to its parent.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    done = subprocess.run(command, cwd=workspace.ROOT, env=environment, capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines() == ["retract", "--release", run, "--reason", f"costs $5 {run}"], done.stderr
    assert not touched.exists()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, "127.0.0.1,localhost"),
        ("example.com, localhost", "example.com,localhost,127.0.0.1"),
        ("*", "*"),
    ],
)
def test_registries_on_this_machine_are_not_behind_a_proxy(
    monkeypatch: pytest.MonkeyPatch, given: str | None, expected: str
) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    if given:
        monkeypatch.setenv("NO_PROXY", given)
    environment = workspace.tool_environment()
    assert environment["NO_PROXY"] == environment["no_proxy"] == expected


@pytest.mark.long
def test_an_untracked_link_is_a_change(checkout: Checkout, tmp_path: Path) -> None:
    (checkout.folder / "docs" / "elsewhere").symlink_to("nowhere")
    done = checkout.cqc("build", "--json")
    assert done.returncode == 0, done.stderr
