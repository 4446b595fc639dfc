"""Signatures of a release: made with the identity of a CI run, and verified wherever a release has them."""

import base64
import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import throwaway_sigstore
from conftest import RELEASE, Released
from sigstore.dsse import DigestSet, StatementBuilder, Subject
from sigstore.models import ClientTrustConfig
from throwaway_sigstore import Sigstore

from cqc_tools.foundation.configuration import Configuration, Patience
from cqc_tools.foundation.errors import NoAnswer, Refused, UserError
from cqc_tools.packages import Registry, belonging, manifest, signatures
from cqc_tools.packages.ecosystems.python import PythonIndex, attestation_of
from cqc_tools.packages.ecosystems.typescript import PROVENANCE, NpmRegistry
from cqc_tools.packages.manifest import Build
from cqc_tools.packages.signatures import Signature
from cqc_tools.release import verify
from cqc_tools.release.attest import attest

SIGNER = "https://github.com/Combine-Capital/cqc/.github/workflows/release.yml@refs/tags/v1.2.0"
# Another repository's workflow, ours at another tag, and another workflow of ours.
STRANGERS = (
    "https://github.com/stranger/cqc/.github/workflows/release.yml@refs/tags/v1.2.0",
    "https://github.com/Combine-Capital/cqc/.github/workflows/release.yml@refs/tags/v1.1.0",
    "https://github.com/Combine-Capital/cqc/.github/workflows/release.yml@refs/heads/main",
    "https://github.com/Combine-Capital/cqc/.github/workflows/ci.yml@refs/tags/v1.2.0",
)
PROVENANCE_PATH = "/npm/-/npm/v1/attestations/@cq%2Fcqc@1.2.0"


@pytest.fixture
def sigstore(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sigstore]:
    """A throw-away sigstore in place of the public one, and the environment of a CI job with an identity."""
    with throwaway_sigstore.running(SIGNER) as running:
        monkeypatch.setattr(ClientTrustConfig, "production", classmethod(lambda _, offline=False: running.trusted))
        monkeypatch.setenv("GITHUB_ACTIONS", "true")
        monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "of-the-job")
        monkeypatch.setenv("ACTIONS_ID_TOKEN_REQUEST_URL", f"{running.address}/identity?version=2")
        yield running


@pytest.fixture
def built(released: Released, tmp_path: Path) -> Build:
    return manifest.load(Path(shutil.copytree(released.dist, tmp_path / "1.2.0")))


@pytest.fixture
def settings(released: Released) -> Configuration:
    return released.source.configuration


def registries(sigstore: Sigstore, built: Build, scratch: Path) -> dict[Registry, Mapping[str, str]]:
    """An index and an npm registry that serve the build and what was signed with it, answered by the test."""
    python, npm = belonging(built.artifacts, "python"), belonging(built.artifacts, "typescript")
    files = []
    for item in python:
        provenance = f"/integrity/cqc/1.2.0/{item.path.name}/provenance"
        files.append({"filename": item.path.name, "url": "https://index.invalid/", "hashes": {}})
        if attestation_of(item.path).exists():
            files[-1]["provenance"] = f"{sigstore.address}{provenance}"
            attested = json.loads(attestation_of(item.path).read_bytes())
            publisher = {"kind": "GitHub", "repository": "Combine-Capital/cqc", "workflow": "release.yml"}
            bundle = {"publisher": publisher, "attestations": [attested]}
            kept = {"version": 1, "attestation_bundles": [bundle]}
            sigstore.answers[provenance] = lambda kept=kept: (200, kept)  # type: ignore[misc]
    page = {"meta": {"api-version": "1.3"}, "name": "cqc", "files": files, "versions": ["1.2.0"]}
    sigstore.answers["/simple/cqc/"] = lambda: (200, page)
    package = "@cq/cqc"
    return {
        PythonIndex("cqc", f"{sigstore.address}/simple/", "", None, Patience(), "cqc"): {
            item.path.name: item.digest for item in python
        },
        NpmRegistry(package, f"{sigstore.address}/npm/", None, scratch, Patience()): {
            item.path.name: item.digest for item in npm
        },
    }


def keep_provenance(sigstore: Sigstore, content: bytes) -> None:
    """Let the npm registry answer with a provenance of these bytes, beside the registry's own signature."""
    digest = DigestSet(root={"sha512": hashlib.sha512(content).hexdigest()})
    statement = (
        StatementBuilder()
        .subjects([Subject(name="pkg:npm/%40cq/cqc@1.2.0", digest=digest)])
        .predicate_type(PROVENANCE)
        .build()
    )
    with signatures.signing(throwaway_sigstore.token(signatures.AUDIENCE)) as signer:
        bundle = json.loads(signer.sign_dsse(statement).to_json())
    own = {"predicateType": "https://github.com/npm/attestation/tree/main/specs/publish/v0.1", "bundle": {}}
    sigstore.answers[PROVENANCE_PATH] = lambda: (
        200,
        {"attestations": [own, {"predicateType": PROVENANCE, "bundle": bundle}]},
    )


def tarball(built: Build) -> Path:
    (item,) = belonging(built.artifacts, "typescript")
    return item.path


def test_the_identity_of_a_ci_run_signs_every_file_of_a_build(
    sigstore: Sigstore, built: Build, settings: Configuration, tmp_path: Path
) -> None:
    signed = attest(built)
    assert {path.name for path in signed} == {
        "SHA256SUMS.sigstore.json",
        "cqc-1.2.0-py3-none-any.whl.publish.attestation",
        "cqc-1.2.0.tar.gz.publish.attestation",
    }
    covered = {line.split()[1] for line in (built.folder / manifest.SUMS).read_text().splitlines()}
    assert covered == {path.name for path in built.folder.iterdir()} - {path.name for path in signed} - {manifest.SUMS}
    keep_provenance(sigstore, tarball(built).read_bytes())
    served = registries(sigstore, built, tmp_path)
    found, findings = verify.check_signatures(RELEASE, served, built, settings)
    assert findings == []
    assert {(item.file, item.signer) for item in found} == {
        (name, SIGNER) for name in (manifest.SUMS, "cqc-1.2.0-py3-none-any.whl", "cqc-1.2.0.tar.gz", "cq-cqc-1.2.0.tgz")
    }
    # A rerun signs nothing again, and a build of other bytes is signed anew.
    sigstore.requested.clear()
    assert attest(built) == signed
    assert sigstore.requested == []
    (built.folder / manifest.SUMS).write_text("other bytes\n")
    attest(built)
    assert signatures.is_of(signed[0], built.folder / manifest.SUMS)


def test_signing_needs_an_identity_and_a_sigstore_that_answers(
    sigstore: Sigstore, built: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sigstore, "_issue", lambda key: sigstore._root)
    with pytest.raises(Refused, match="sigstore did not sign"):
        attest(built)
    monkeypatch.setattr(sigstore, "answer", lambda *_: (503, {}))
    with pytest.raises(Refused, match="identity"):
        attest(built)
    monkeypatch.delenv("ACTIONS_ID_TOKEN_REQUEST_URL")
    with pytest.raises(UserError, match="id-token: write"):
        attest(built)
    assert not signatures.beside(built.folder / manifest.SUMS).exists()


@pytest.mark.parametrize("stranger", STRANGERS)
def test_a_signature_of_someone_else_is_named(
    sigstore: Sigstore, built: Build, settings: Configuration, tmp_path: Path, stranger: str
) -> None:
    sigstore.signer = stranger
    attest(built)
    keep_provenance(sigstore, tarball(built).read_bytes())
    _, findings = verify.check_signatures(RELEASE, registries(sigstore, built, tmp_path), built, settings)
    for name in (manifest.SUMS, "cqc-1.2.0-py3-none-any.whl", "cqc-1.2.0.tar.gz", "cq-cqc-1.2.0.tgz"):
        (finding,) = (item for item in findings if f"{name} " in item)
        assert f"not that of {SIGNER}" in finding


def test_files_that_were_exchanged_after_signing_are_named(
    sigstore: Sigstore, built: Build, settings: Configuration, tmp_path: Path
) -> None:
    attest(built)
    keep_provenance(sigstore, b"other bytes")
    (wheel,) = (item for item in built.artifacts if item.path.suffix == ".whl")
    served = registries(sigstore, built, tmp_path)
    served = {
        registry: {
            name: wheel.digest[:-1] + "x" if name == wheel.path.name else digest for name, digest in files.items()
        }
        for registry, files in served.items()
    }
    (built.folder / manifest.SUMS).write_text("what someone else wrote\n")
    found, findings = verify.check_signatures(RELEASE, served, built, settings)
    assert [item.file for item in found] == ["cqc-1.2.0.tar.gz"]
    for name in (wheel.path.name, tarball(built).name):
        (finding,) = (item for item in findings if f"{name} " in item)
        assert "it was made for a file of other bytes" in finding
    assert any(f"{manifest.SUMS} " in item for item in findings)


DAMAGE: dict[str, Callable[[str], str]] = {
    "another root": lambda text: text,
    "no JSON": lambda text: text[:-2],
    "another certificate": lambda text: _edited(text, "certificate"),
    "another signature": lambda text: _edited(text, "signature"),
    "another entry in the log": lambda text: _edited(text, "entry"),
}


def _edited(text: str, part: str) -> str:
    bundle = json.loads(text)
    material = bundle["verificationMaterial"]
    if part == "certificate":
        raw = bytearray(base64.b64decode(material["certificate"]["rawBytes"]))
        raw[-5] ^= 1
        material["certificate"]["rawBytes"] = base64.b64encode(raw).decode()
    elif part == "signature":
        raw = bytearray(base64.b64decode(bundle["messageSignature"]["signature"]))
        raw[-5] ^= 1
        bundle["messageSignature"]["signature"] = base64.b64encode(raw).decode()
    else:
        material["tlogEntries"][0]["integratedTime"] = "1600000000"
    return json.dumps(bundle)


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_signature_is_named(
    sigstore: Sigstore, built: Build, monkeypatch: pytest.MonkeyPatch, damage: str, settings: Configuration
) -> None:
    attest(built)
    bundle = signatures.beside(built.folder / manifest.SUMS)
    bundle.write_text(DAMAGE[damage](bundle.read_text()))
    if damage == "another root":
        other = Sigstore(SIGNER)
        other.address = sigstore.address
        monkeypatch.setattr(ClientTrustConfig, "production", classmethod(lambda _, offline=False: other.trusted))
    found, (finding,) = verify.check_signatures(RELEASE, {}, built, settings)
    assert found == []
    assert f"{built.folder / manifest.SUMS} has a signature that is not that of {SIGNER}" in finding


def test_what_is_not_signed_is_said_so(
    sigstore: Sigstore, built: Build, settings: Configuration, tmp_path: Path
) -> None:
    served = registries(sigstore, built, tmp_path)
    found, findings = verify.check_signatures(RELEASE, served, built, settings)
    assert findings == []
    assert {item.file for item in found} == {
        manifest.SUMS,
        "cqc-1.2.0-py3-none-any.whl",
        "cqc-1.2.0.tar.gz",
        "cq-cqc-1.2.0.tgz",
    }
    assert {item.signer for item in found} == {""}


def test_a_registry_that_does_not_answer_is_not_taken_for_one_without_signatures(
    sigstore: Sigstore, built: Build, settings: Configuration, tmp_path: Path
) -> None:
    served = registries(sigstore, built, tmp_path)
    answers: tuple[throwaway_sigstore.Answer, ...] = (
        (503, {}),
        (200, b"<html>"),
        (200, {"attestations": "none"}),
        (200, []),
    )
    for answer in answers:
        sigstore.answers[PROVENANCE_PATH] = lambda answer=answer: answer  # type: ignore[misc]
        with pytest.raises(NoAnswer, match="attestations"):
            verify.check_signatures(RELEASE, served, built, settings)


TAMPERED = (
    "cqc-1.2.0-py3-none-any.whl",
    "cqc-1.2.0.tar.gz",
    "cq-cqc-1.2.0.tgz",
    "go-cqc-v1.2.0.zip",
    "cqc-1.2.0.cdx.json",
    "release.json",
)


@pytest.fixture(scope="module")
def tampering(released: Released, tmp_path_factory: pytest.TempPathFactory) -> Released:
    return released.copy(tmp_path_factory.mktemp("tampering") / "checkout")


@pytest.mark.parametrize("name", TAMPERED)
def test_verify_names_the_file_that_was_tampered_with(tampering: Released, name: str) -> None:
    file = tampering.dist / name
    content = file.read_bytes()
    file.write_bytes(content + b"\n")
    done = tampering.checkout.cqc("verify", "--release", "1.2.0")
    file.write_bytes(content)
    assert done.returncode == 2
    assert f"{name} was changed" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", TAMPERED)
def test_rewriting_the_digests_too_does_not_hide_it(
    sigstore: Sigstore, built: Build, settings: Configuration, name: str
) -> None:
    attest(built)
    file = built.folder / name
    before = (built.folder / manifest.SUMS).read_text()
    file.write_bytes(file.read_bytes() + b"\n")
    forged = hashlib.sha256(file.read_bytes()).hexdigest()
    lines = [f"{forged}  {name}" if line.endswith(f"  {name}") else line for line in before.splitlines()]
    (built.folder / manifest.SUMS).write_text("\n".join(lines) + "\n")
    assert (built.folder / manifest.SUMS).read_text() != before
    _, (finding,) = verify.check_signatures(RELEASE, {}, built, settings)
    assert f"{built.folder / manifest.SUMS} has a signature" in finding


def test_signatures_are_shown_and_so_is_their_absence(capsys: pytest.CaptureFixture[str]) -> None:
    signed = Signature("SHA256SUMS", "dist/1.2.0", SIGNER)
    found = verify.Verification("1.2.0", "local", "", (), "", (), (), 1.0, {}, (signed, replace(signed, signer="")))
    found.show()
    assert "NOT SIGNED" in capsys.readouterr().out
    assert found.to_json()["signatures"][0] == {"file": "SHA256SUMS", "where": "dist/1.2.0", "signer": SIGNER}
