"""Registries that never end an answer, answer with something else, lead elsewhere, or need a login."""

import base64
import json
import stat
import subprocess
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import hostile
import pytest
from conftest import Released
from hostile import Hostile

from cqc_tools.foundation import configuration, errors, process
from cqc_tools.foundation.configuration import Patience
from cqc_tools.foundation.errors import NoAnswer, OverLimit, Refused
from cqc_tools.foundation.version import parse_release
from cqc_tools.packages import Credentials, Registry, logins, targets
from cqc_tools.packages.ecosystems.python import PythonIndex
from cqc_tools.packages.git_remote import GitRemote
from cqc_tools.packages.local import Running

Answer = Callable[[Hostile, BaseHTTPRequestHandler], None]
RELEASE = parse_release("1.2.0")
# Silence is not what ends these answers.
IMPATIENT = Patience(answer_seconds=30, transfer_seconds=3, settle_seconds=1, answer_megabytes=1)
KEYS = ("python", "typescript", "go")
SECRET = "correct-horse"
READS: tuple[Callable[[Registry], object], ...] = (lambda found: found.holdings(), lambda found: found.read(RELEASE))


@pytest.fixture(autouse=True)
def nobody(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A user without any login; returns their home."""
    home = tmp_path / "home"
    home.mkdir()
    for name in ("TWINE_USERNAME", "TWINE_PASSWORD", "TWINE_REPOSITORY_URL", "NETRC", "npm_config_userconfig"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
    return home


def registry(key: str, address: str, scratch: Path, patience: Patience = IMPATIENT) -> Registry:
    addresses = {
        "python_index": f"{address}simple/",
        "python_upload": address,
        "npm": address,
        "git": f"{address}cqc.git",
    }
    opened = targets.at(Running(addresses, None), configuration.load(), scratch, patience)
    return next(found for found in opened.registries if found.key == key)


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("answer", [hostile.drip, hostile.drip_headers])
def test_an_answer_that_never_ends_is_not_waited_for(key: str, answer: Answer, tmp_path: Path) -> None:
    with hostile.serving(answer) as server:
        started = time.monotonic()
        with pytest.raises(NoAnswer, match=r"within 3 s"):
            registry(key, server.address, tmp_path).read(RELEASE)
        assert time.monotonic() - started < 20


@pytest.mark.parametrize("key", KEYS)
def test_an_answer_without_an_end_is_cut_off(key: str, tmp_path: Path) -> None:
    with hostile.serving(hostile.flood) as server:
        patience = Patience(answer_seconds=30, transfer_seconds=60, answer_megabytes=1)
        with pytest.raises(NoAnswer, match=r"too large|larger than 1 MB"):
            registry(key, server.address, tmp_path, patience).read(RELEASE)


def test_a_program_is_stopped_at_its_limits() -> None:
    with pytest.raises(OverLimit, match=r"sleeping did not end within 0\.2 s"):
        process.run(["sleep", "600"], what="sleeping", limit=0.2, largest=1 << 20)
    with pytest.raises(OverLimit, match="larger than 1 MB"):
        process.run(["cat", "/dev/zero"], limit=60, largest=1 << 20)
    assert process.run(["echo", "done"], limit=60, largest=1 << 20) == "done\n"


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("answer", [hostile.login_page, hostile.empty_json])
def test_another_page_is_not_a_free_name(key: str, answer: Answer, tmp_path: Path) -> None:
    with hostile.serving(answer) as server:
        for read in READS:
            with pytest.raises(NoAnswer):
                read(registry(key, server.address, tmp_path))


@pytest.mark.parametrize("key", KEYS)
def test_no_registry_leads_to_another(key: str, tmp_path: Path) -> None:
    def redirect(_: Hostile, handler: BaseHTTPRequestHandler) -> None:
        hostile.reply(handler, 307, "text/plain", b"", Location=f"{other.address}{handler.path[1:]}")

    with hostile.serving(hostile.empty_json) as other, hostile.serving(redirect) as server:
        for read in READS:
            with pytest.raises(Refused, match="redirects") as refused:
                read(registry(key, server.address, tmp_path))
            assert "address in release.toml" in refused.value.fix
        assert server.received
        assert other.received == []


def test_npm_sends_no_package_to_another_registry(released: Released, tmp_path: Path) -> None:
    """Only the upload is redirected, so nothing shows that before it."""

    def redirect(_: Hostile, handler: BaseHTTPRequestHandler) -> None:
        if handler.command == "PUT":
            hostile.reply(handler, 307, "text/plain", b"", Location=f"{other.address}{handler.path[1:]}")
        else:
            hostile.reply(handler, 404, "application/json", b"{}")

    with hostile.serving(hostile.empty_json) as other, hostile.serving(redirect) as server:
        address = server.address.replace("//", f"//me:{SECRET}@")
        npm = registry("typescript", address, tmp_path, Patience(transfer_seconds=60))
        (tarball,) = (item.path.name for item in released.built.artifacts if item.path.suffix == ".tgz")
        with pytest.raises(Refused, match="redirects"):
            npm.write([tarball], released.built.artifacts, released.source)
        assert [request.method for request in server.received if request.method == "PUT"] == ["PUT"]
        assert other.received == []


def protected(answer: Answer) -> Answer:
    expected = "Basic " + base64.b64encode(f"me:{SECRET}".encode()).decode()

    def check(server: Hostile, handler: BaseHTTPRequestHandler) -> None:
        if handler.headers.get("Authorization") == expected:
            answer(server, handler)
        else:
            hostile.reply(handler, 401, "text/plain", b"", WWW_Authenticate="Basic")

    return check


@pytest.mark.parametrize("place", ["address", "netrc", ".pypirc", "variables", "keyring"])
def test_an_index_is_read_with_the_users_login(
    place: str, nobody: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It goes to the index, not to the other server that has the files."""

    def page(_: Hostile, handler: BaseHTTPRequestHandler) -> None:
        link = f'<a href="{files.address}cqc-1.2.0-py3-none-any.whl">cqc-1.2.0-py3-none-any.whl</a>'
        hostile.reply(handler, 200, "text/html", link.encode())

    def wheel(_: Hostile, handler: BaseHTTPRequestHandler) -> None:
        hostile.reply(handler, 200, "application/octet-stream", b"a wheel")

    with hostile.serving(wheel) as files, hostile.serving(protected(page)) as server:
        address = server.address
        # Another host than that of the files, as users write it.
        address = address.replace("127.0.0.1", "localhost")
        with pytest.raises(Refused, match="401") as refused:
            registry("python", address, tmp_path).read(RELEASE)
        assert "netrc" in refused.value.fix
        if place == "address":
            address = address.replace("//", f"//me:{SECRET}@")
        elif place == "netrc":
            (nobody / ".netrc").write_text(f"machine localhost login me password {SECRET}\n")
        elif place == ".pypirc":
            section = f"[ours]\nrepository = {address}upload/\nusername = me\npassword = {SECRET}\n"
            (nobody / ".pypirc").write_text(f"[distutils]\nindex-servers = ours\n{section}")
        elif place == "variables":
            monkeypatch.setenv("TWINE_USERNAME", "me")
            monkeypatch.setenv("TWINE_PASSWORD", SECRET)
        else:
            import keyring

            kept = keyring.credentials.SimpleCredential("me", SECRET)
            monkeypatch.setattr(keyring, "get_credential", lambda where, _: kept if where.startswith(address) else None)
        index = registry("python", address, tmp_path)
        assert list(index.read(RELEASE)) == ["cqc-1.2.0-py3-none-any.whl"]
        assert SECRET not in index.address
        assert {request.authorization for request in files.received} == {""}


def test_git_and_npm_use_the_login_of_an_address(tmp_path: Path) -> None:
    def not_found(_: Hostile, handler: BaseHTTPRequestHandler) -> None:
        hostile.reply(handler, 404, "application/json", b"{}")

    with hostile.serving(protected(not_found)) as server:
        address = server.address.replace("//", f"//me:{SECRET}@")
        assert registry("typescript", address, tmp_path).read(RELEASE) == {}
        with pytest.raises(NoAnswer, match="not found"):
            registry("go", address, tmp_path).read(RELEASE)


@pytest.mark.parametrize("section", ["upload", "pypi"])
def test_twine_uploads_with_the_login_of_pypirc(section: str, nobody: Path, released: Released) -> None:
    def take(_: Hostile, handler: BaseHTTPRequestHandler) -> None:
        hostile.reply(handler, 200, "text/plain", b"")

    with hostile.serving(protected(take)) as server:
        upload = f"{server.address}legacy/"
        content = f"[{section}]\nrepository = {upload}\nusername = me\npassword = {SECRET}\n"
        (nobody / ".pypirc").write_text(f"[distutils]\nindex-servers =\n  {section}\n{content}")
        index = PythonIndex("cqc", f"{server.address}simple/", upload, None, IMPATIENT, "cqc")
        index.authorise(released.source)
        (wheel,) = (item.path.name for item in released.built.artifacts if item.path.suffix == ".whl")
        index.write([wheel], released.built.artifacts, released.source)
        assert [(request.method, request.path) for request in server.received] == [("POST", "/legacy/")]


def test_a_broken_pypirc_is_named_without_its_content(nobody: Path, released: Released) -> None:
    (nobody / ".pypirc").write_text(f"[pypi]\nthis is {SECRET}\n")
    index = PythonIndex("cqc", "https://index.invalid/simple/", "https://index.invalid/", None, IMPATIENT, "cqc")
    with pytest.raises(Refused, match=r"\.pypirc cannot be read") as refused:
        index.authorise(released.source)
    assert SECRET not in str(refused.value)


def test_a_variable_does_not_redirect_uploads(monkeypatch: pytest.MonkeyPatch, released: Released) -> None:
    """The index that is read is the one that is written."""
    monkeypatch.setenv("TWINE_USERNAME", "me")
    monkeypatch.setenv("TWINE_PASSWORD", SECRET)
    with hostile.serving(hostile.empty_json) as other, hostile.serving(hostile.empty_json) as server:
        monkeypatch.setenv("TWINE_REPOSITORY_URL", other.address)
        index = PythonIndex("cqc", f"{server.address}simple/", server.address, None, IMPATIENT, "cqc")
        (wheel,) = (item.path.name for item in released.built.artifacts if item.path.suffix == ".whl")
        index.write([wheel], released.built.artifacts, released.source)
        assert other.received == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://me:p@ss@host/x, https://token@host/y", "https://***@host/x, https://***@host/y"),
        ("git push ssh://git@host/x http://host/@scope/name", "git push ssh://git@host/x http://host/@scope/name"),
        ("ftp://me:secret@host 'https://me:@host:1/'", "ftp://***@host 'https://***@host:1/'"),
    ],
)
def test_no_message_shows_a_login(text: str, expected: str) -> None:
    assert errors.redacted(text) == expected
    failure = errors.ProgramFailed(["git", "push", text], 1, "", text)
    assert expected in str(NoAnswer(failure.reason, text, str(failure)))
    assert (text in json.dumps(failure.to_json()) + str(failure)) == (text == expected)
    plain, login = logins.split_one("https://me%40here:p%2Fss@host:1/x?y=1")
    assert (plain, login) == ("https://host:1/x?y=1", Credentials("me@here", "p/ss"))


def test_no_login_of_an_address_is_shown_or_kept(released: Released, tmp_path: Path) -> None:
    checkout = released.copy(tmp_path / "checkout").checkout
    with hostile.serving(hostile.login_page) as server:
        address = server.address.replace("//", f"//me:{SECRET}@")
        paths = {"python_index": "simple/", "python_upload": "", "npm": "", "git": "x"}
        lines = [f'{key} = "{address}{path}"' for key, path in paths.items()]
        with (checkout.folder / "release.toml").open("a") as file:
            file.write("\n".join(["", "[targets.test]", *lines, "settle_seconds = 1", "answer_seconds = 5", ""]))
        for command, code in (("plan", 0), ("report", 0), ("publish", 1)):
            done = checkout.cqc(command, "--release", "1.2.0", "--target", "test", "--json")
            assert done.returncode == code, done.stderr
            assert SECRET not in done.stdout + done.stderr
        assert any(request.authorization for request in server.received)
        # Nobody could tell what is there.
        planned = checkout.cqc("plan", "--release", "1.2.0", "--target", "test").stdout
        assert "absent" not in planned
        assert planned.count("unknown") == 6
    written = [path for path in (checkout.folder / "dist").rglob("*") if path.is_file()]
    assert {"report.html", "state-test.json"} <= {path.name for path in written}
    assert not [path for path in written if SECRET.encode() in path.read_bytes()]


@pytest.fixture
def pushing(tmp_path: Path) -> tuple[GitRemote, Path, Path]:
    """A remote, a repository with a commit, and a file that a refusing pre-push hook writes each time."""
    repository, remote, ran = tmp_path / "repository", tmp_path / "remote.git", tmp_path / "ran"
    for command in (
        ["init", "--quiet", str(repository)],
        ["init", "--quiet", "--bare", str(remote)],
        ["-C", str(repository), "-c", "user.name=x", "-c", "user.email=x", "commit", "-q", "--allow-empty", "-mx"],
    ):
        subprocess.run(["git", *command], check=True)
    hook = repository / ".git" / "hooks" / "pre-push"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\necho once >> {ran}\necho 'no releases on a Friday' >&2\nexit 1\n")
    hook.chmod(hook.stat().st_mode | stat.S_IXUSR)
    return GitRemote(str(remote), IMPATIENT), repository, ran


def test_a_refusing_pre_push_hook_is_reported_with_its_words(pushing: tuple[GitRemote, Path, Path]) -> None:
    remote, repository, ran = pushing
    with pytest.raises(Refused, match="pre-push hook of this repository refuses: no releases on a Friday"):
        remote.push_tags({"v1.2.0": "HEAD"}, repository)
    assert ran.read_text() == "once\n"
    assert remote.tags("*") == []
