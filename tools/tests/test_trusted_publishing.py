"""Publishing to the public Python index with the identity of a CI run instead of a secret.

twine makes its own requests. The tests answer them in place of the index and of the CI, which cannot run here.
"""

import base64
import io
import json
import shutil
import threading
from collections.abc import Iterator
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from conftest import Released
from requests.adapters import HTTPAdapter
from twine.utils import DEFAULT_REPOSITORY

from cqc_tools.foundation.configuration import Patience
from cqc_tools.foundation.errors import Refused
from cqc_tools.packages import Source, manifest
from cqc_tools.packages.ecosystems.python import PythonIndex, attestation_of
from cqc_tools.packages.ecosystems.typescript import NpmRegistry
from cqc_tools.packages.identity import is_elsewhere
from cqc_tools.packages.manifest import Build


def identity_for(audience: str) -> str:
    """It has the form of a token. The tests do not check its signature."""
    claims = json.dumps({"aud": audience, "iss": "the CI", "sub": "the run"}).encode()
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in (b'{"alg":"none"}', claims, b"x"))


IDENTITY = identity_for("the-index")
ATTESTATION = {"version": 1, "verification_material": {}, "envelope": {}}


@pytest.fixture
def source(released: Released) -> Source:
    return released.source


@pytest.fixture
def built(released: Released, tmp_path: Path) -> Build:
    """A copy of the build, beside which a test may write an attestation."""
    return manifest.load(Path(shutil.copytree(released.dist, tmp_path / "1.2.0")))


@pytest.fixture
def identity(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[list[str]]:
    """The environment of a CI job that has an identity. Yields the queries that its provider receives."""
    queries: list[str] = []

    class Provider(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert self.headers["Authorization"] == "bearer of-the-job"
            queries.append(urlsplit(self.path).query)
            (audience,) = parse_qs(urlsplit(self.path).query)["audience"]
            body = json.dumps({"value": identity_for(audience)}).encode()
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
        # Neither the user's .pypirc nor their keyring.
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.null.Keyring")
        monkeypatch.setenv("GITHUB_ACTIONS", "true")
        monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "of-the-job")
        monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_URL", f"http://127.0.0.1:{server.server_port}/token?version=2")
        yield queries
        server.shutdown()
        serving.join()


class Index:
    """Answers requests in place of the public index, and keeps them in order. `mint` is its answer to an identity."""

    def __init__(self, mint: tuple[int, object]) -> None:
        self.mint = mint
        self.requested: list[tuple[str, str]] = []
        self.uploads: list[tuple[str, dict[str, bytes]]] = []

    def send(self, request: requests.PreparedRequest, **_: object) -> requests.Response:
        path = urlsplit(str(request.url)).path
        self.requested.append((str(request.method), path))
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
        answer.reason = "from the test"
        answer.request = request
        answer.url = str(request.url)
        answer.raw = io.BytesIO(json.dumps(content).encode())
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
    # Like the target `public`: twine's own address, and no credentials.
    index = PythonIndex(
        source.configuration.package("python").name,
        "https://index.invalid/simple/",
        DEFAULT_REPOSITORY,
        None,
        Patience(),
        source.configuration.root_package,
    )
    (wheel,) = (item.path for item in built.artifacts if item.path.suffix == ".whl")
    index.write([wheel.name], built.artifacts, source)
    return wheel


def test_the_identity_is_exchanged_for_a_short_lived_token(
    identity: list[str], built: Build, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = Index((200, {"success": True, "token": "short-lived"}))
    monkeypatch.setattr(HTTPAdapter, "send", lambda _, request, **options: index.send(request, **options))
    (wheel,) = (item.path for item in built.artifacts if item.path.suffix == ".whl")
    for attested in (False, True):
        index.requested.clear()
        index.uploads.clear()
        if attested:
            attestation_of(wheel).write_text(json.dumps(ATTESTATION))
        publish_the_wheel(built, source)
        assert [path for _, path in index.requested[:2]] == ["/_/oidc/audience", "/_/oidc/mint-token"]
        ((credentials, sent),) = index.uploads
        assert base64.b64decode(credentials.removeprefix("Basic ")) == b"__token__:short-lived"
        assert sent["content"] == wheel.read_bytes()
        assert ("attestations" in sent) == attested
    assert json.loads(sent["attestations"]) == [ATTESTATION]
    assert identity
    assert all("audience=the-index" in query for query in identity)


def test_a_publisher_unknown_to_the_index_is_refused(
    identity: list[str], built: Build, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    problem = {"errors": [{"code": "invalid-publisher", "description": "no publisher matches this workflow"}]}
    index = Index((422, problem))
    monkeypatch.setattr(HTTPAdapter, "send", lambda _, request, **options: index.send(request, **options))
    with pytest.raises(Refused, match="no publisher matches this workflow"):
        publish_the_wheel(built, source)
    assert index.uploads == []


class NpmExchange:
    """Answers requests in place of the public npm registry, and keeps them."""

    def __init__(self, status: int) -> None:
        self.status = status
        self.requested: list[tuple[str, str, str]] = []

    def send(self, request: requests.PreparedRequest, **_: object) -> requests.Response:
        self.requested.append((str(request.method), str(request.url), request.headers.get("Authorization", "")))
        answer = requests.Response()
        answer.status_code = self.status
        answer.reason = "from the test"
        answer.request = request
        answer.raw = io.BytesIO(b'{"token": "short-lived"}')
        return answer


@pytest.mark.parametrize("status", [201, 404])
def test_npm_is_asked_for_its_token_before_anything_is_written(
    identity: list[str], source: Source, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, status: int
) -> None:
    exchange = NpmExchange(status)
    provider = HTTPAdapter.send

    def send(adapter: HTTPAdapter, request: requests.PreparedRequest, **options: Any) -> requests.Response:
        is_npm = urlsplit(str(request.url)).hostname == "registry.npmjs.org"
        return exchange.send(request) if is_npm else provider(adapter, request, **options)

    monkeypatch.setattr(HTTPAdapter, "send", send)
    registry = NpmRegistry("@cq/cqc", "https://registry.npmjs.org/", None, tmp_path, Patience())
    if status == 201:
        registry.authorise(source)
    else:
        with pytest.raises(Refused, match="does not take this run's identity for @cq/cqc") as raised:
            registry.authorise(source)
        assert "trusted publisher" in raised.value.fix
    path = "/-/npm/v1/oidc/token/exchange/package/@cq%2Fcqc"
    assert exchange.requested == [
        ("POST", f"https://registry.npmjs.org{path}", f"Bearer {identity_for('npm:registry.npmjs.org')}")
    ]
    assert all("audience=npm%3Aregistry.npmjs.org" in query for query in identity)


def test_the_index_is_asked_for_its_token_before_anything_is_written(
    identity: list[str], source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = Index((422, {"errors": [{"code": "invalid-publisher", "description": "no publisher matches"}]}))
    monkeypatch.setattr(HTTPAdapter, "send", lambda _, request, **options: index.send(request, **options))
    registry = PythonIndex("cqc", "https://index.invalid/simple/", DEFAULT_REPOSITORY, None, Patience(), "cqc")
    with pytest.raises(Refused, match="no publisher matches"):
        registry.authorise(source)
    assert index.uploads == []


@pytest.mark.parametrize(
    ("address", "has_identity", "expected"),
    [
        ("", False, True),
        ("https://registry.npmjs.org/", False, True),
        ("https://github.com/Combine-Capital/cqc", False, True),
        ("https://registry.npmjs.org/", True, False),
        ("https://npm.example.com/", False, False),
    ],
)
def test_only_public_registries_are_left_to_the_job_with_the_identity(
    monkeypatch: pytest.MonkeyPatch, address: str, has_identity: bool, expected: bool
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.delenv("ACTIONS_ID_TOKEN_REQUEST_URL", raising=False)
    if has_identity:
        monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_URL", "https://example.com/")
    assert is_elsewhere(address) == expected
