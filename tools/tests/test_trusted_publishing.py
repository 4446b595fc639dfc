"""Publishing to the public Python index with the identity of a CI run and no secret: twine's own exchange, answered at
the edge of HTTP, because neither the CI's identity nor that index can run here."""

import base64
import json
import threading
from collections.abc import Iterator
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from requests.adapters import HTTPAdapter

from cqc_tools.foundation import configuration, version
from cqc_tools.foundation.configuration import Patience
from cqc_tools.foundation.errors import Refused
from cqc_tools.packages import Source, build
from cqc_tools.packages.build import Build
from cqc_tools.packages.ecosystems.python import PythonIndex, attestation_of
from cqc_tools.proof import rehearse

RELEASE = version.parse_release("1.2.0")
CLAIMS = json.dumps({"aud": "the-index", "iss": "the CI", "sub": "the run"}).encode()
# In the form of a token; nobody here checks its signature.
IDENTITY = ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in (b'{"alg":"none"}', CLAIMS, b"x"))
ATTESTATION = {"version": 1, "verification_material": {}, "envelope": {}}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    return rehearse.tagged_clone(tmp_path_factory.mktemp("source") / "clone", RELEASE)


@pytest.fixture(scope="module")
def built(source: Source, tmp_path_factory: pytest.TempPathFactory) -> Build:
    return build.build(source, tmp_path_factory.mktemp("dist"))


@pytest.fixture
def identity(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[list[str]]:
    """A CI job that may prove who it is; yields the audiences that it was asked to prove it to."""
    audiences: list[str] = []

    class Provider(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert self.headers["Authorization"] == "bearer of-the-job"
            audiences.append(urlsplit(self.path).query)
            body = json.dumps({"value": IDENTITY}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Provider) as server:
        serving = threading.Thread(target=server.serve_forever, daemon=True)
        serving.start()
        for name in ("TWINE_USERNAME", "TWINE_PASSWORD", "TWINE_REPOSITORY", "TWINE_REPOSITORY_URL"):
            monkeypatch.delenv(name, raising=False)
        # No .pypirc and no keyring of the user's.
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
        monkeypatch.setenv("GITHUB_ACTIONS", "true")
        monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "of-the-job")
        monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_URL", f"http://127.0.0.1:{server.server_port}/token?version=2")
        yield audiences
        server.shutdown()
        serving.join()


class Index:
    """What the public index is asked, in order, and how it answers."""

    def __init__(self, mint: tuple[int, object]) -> None:
        self.mint = mint
        self.asked: list[tuple[str, str]] = []
        self.uploads: list[tuple[str, dict[str, bytes]]] = []

    def send(self, request: requests.PreparedRequest, **_: object) -> requests.Response:
        path = urlsplit(str(request.url)).path
        self.asked.append((str(request.method), path))
        status, content = {
            "/_/oidc/audience": (200, {"audience": "the-index"}),
            "/_/oidc/mint-token": self.mint,
        }.get(path, (200, {}))
        if path == "/_/oidc/mint-token":
            assert json.loads(request.body or b"")["token"] == IDENTITY
        elif request.method == "POST":
            self.uploads.append((request.headers["Authorization"], fields(request)))
        answer = requests.Response()
        answer.status_code = status
        answer.reason = "said by the test"
        answer.request = request
        answer.url = str(request.url)
        answer._content = json.dumps(content).encode()
        return answer


def fields(request: requests.PreparedRequest) -> dict[str, bytes]:
    body: Any = request.body
    body = body if isinstance(body, bytes) else body.read()
    message = message_from_bytes(b"Content-Type: " + request.headers["Content-Type"].encode() + b"\r\n\r\n" + body)
    return {
        str(part.get_param("name", header="content-disposition")): bytes(part.get_payload(decode=True) or b"")
        for part in message.walk()
        if not part.is_multipart()
    }


def publish_the_wheel(built: Build, source: Source) -> Path:
    # As the target `public` has it: twine's own address, and no credentials.
    index = PythonIndex(
        configuration.load().package("python").name, "https://index.invalid/simple/", "", None, Patience()
    )
    (wheel,) = (item.path for item in built.artifacts if item.path.suffix == ".whl")
    index.write([wheel.name], built.artifacts, source)
    return wheel


def test_the_identity_of_the_run_is_exchanged_for_a_short_lived_token(
    identity: list[str], built: Build, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = Index((200, {"success": True, "token": "short-lived"}))
    monkeypatch.setattr(HTTPAdapter, "send", lambda _, request, **options: index.send(request, **options))
    (wheel,) = (item.path for item in built.artifacts if item.path.suffix == ".whl")
    for attested in (False, True):
        index.asked.clear()
        index.uploads.clear()
        if attested:
            attestation_of(wheel).write_text(json.dumps(ATTESTATION))
        publish_the_wheel(built, source)
        assert [path for _, path in index.asked[:2]] == ["/_/oidc/audience", "/_/oidc/mint-token"]
        ((credentials, sent),) = index.uploads
        assert base64.b64decode(credentials.removeprefix("Basic ")) == b"__token__:short-lived"
        assert sent["content"] == wheel.read_bytes()
        assert ("attestations" in sent) == attested
    assert json.loads(sent["attestations"]) == [ATTESTATION]
    assert identity
    assert all("audience=the-index" in query for query in identity)


def test_a_publisher_that_the_index_does_not_know_is_refused(
    identity: list[str], built: Build, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = {"errors": [{"code": "invalid-publisher", "description": "no publisher matches this workflow"}]}
    index = Index((422, problem))
    monkeypatch.setattr(HTTPAdapter, "send", lambda _, request, **options: index.send(request, **options))
    with pytest.raises(Refused, match="no publisher matches this workflow"):
        publish_the_wheel(built, source)
    assert index.uploads == []
