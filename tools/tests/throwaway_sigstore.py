"""A sigstore of the tests' own: a certificate authority, its log of certificates, a log of signatures, and the provider
of a CI run's identity, on one address, with keys that are thrown away.

Everything that is signed and verified is real except sigstore's trust root, in whose place the libraries are given this
one's: the real one is fetched from the internet, and its keys are nobody's to use here.
"""

import base64
import hashlib
import json
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import rfc8785
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from sigstore.models import ClientTrustConfig

from cqc_tools.packages.signatures import ISSUER

SIGNED_TIMESTAMPS = x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")
TOKEN_ISSUER = x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.1")
FIRST_SECOND = "2020-01-01T00:00:00Z"
Answer = tuple[int, object]


class Sigstore:
    """`signer` is the identity that every certificate is issued for, `answers` what further paths are answered with."""

    def __init__(self, signer: str) -> None:
        self.signer = signer
        self.address = ""
        self.answers: dict[str, Callable[[], Answer]] = {}
        self.requested: list[str] = []
        self._authority, self._certificates, self._log = (ec.generate_private_key(ec.SECP256R1()) for _ in range(3))
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "thrown away")])
        self._root = (
            _builder(name, name, self._authority.public_key(), days=365)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(key_cert_sign=True, digital_signature=False), critical=True)
            .sign(self._authority, hashes.SHA256())
        )

    @property
    def trusted(self) -> ClientTrustConfig:
        """What the libraries get in place of the real trust root and its addresses."""
        service = [
            {"url": self.address, "majorApiVersion": 1, "operator": "tests", "validFor": {"start": FIRST_SECOND}}
        ]
        authority = {
            "subject": {"organization": "tests", "commonName": "thrown away"},
            "uri": self.address,
            "certChain": {"certificates": [{"rawBytes": _text(_der(self._root))}]},
            "validFor": {"start": FIRST_SECOND},
        }
        content = {
            "mediaType": "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json",
            "trustedRoot": {
                "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
                "tlogs": [self._instance(self._log)],
                "ctlogs": [self._instance(self._certificates)],
                "certificateAuthorities": [authority],
            },
            "signingConfig": {
                "mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json",
                "caUrls": service,
                "rekorTlogUrls": service,
                "rekorTlogConfig": {"selector": "ANY"},
            },
        }
        return ClientTrustConfig.from_json(json.dumps(content))

    def _instance(self, key: ec.EllipticCurvePrivateKey) -> dict[str, object]:
        public = {
            "rawBytes": _text(_public(key)),
            "keyDetails": "PKIX_ECDSA_P256_SHA_256",
            "validFor": {"start": FIRST_SECOND},
        }
        return {
            "baseUrl": self.address,
            "hashAlgorithm": "SHA2_256",
            "publicKey": public,
            "logId": {"keyId": _text(_id(key))},
        }

    def answer(self, method: str, url: str, body: bytes) -> Answer:
        """Answer a request of the libraries."""
        path = urlsplit(url).path
        self.requested.append(f"{method} {path}")
        if path == "/identity":
            (audience,) = parse_qs(urlsplit(url).query)["audience"]
            return 200, {"value": token(audience)}
        if path == "/api/v2/signingCert":
            request = base64.b64decode(json.loads(body)["certificateSigningRequest"])
            issued = self._issue(x509.load_pem_x509_csr(request).public_key())
            chain = [item.public_bytes(serialization.Encoding.PEM).decode() for item in (issued, self._root)]
            return 200, {"signedCertificateEmbeddedSct": {"chain": {"certificates": chain}}}
        if path == "/api/v1/log/entries":
            return 201, self._entry(json.loads(body))
        return self.answers[path]() if path in self.answers else (404, {})

    def _issue(self, key: Any) -> x509.Certificate:
        """A certificate for the signer, as the public authority issues one: valid for minutes, and logged before."""
        builder = (
            _builder(x509.Name([]), self._root.subject, key, days=0)
            .add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(self.signer)]), critical=True)
            .add_extension(_usage(key_cert_sign=False, digital_signature=True), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._authority.public_key()), critical=False
            )
            .add_extension(x509.UnrecognizedExtension(TOKEN_ISSUER, ISSUER.encode()), critical=False)
        )
        before = builder.sign(self._authority, hashes.SHA256()).tbs_certificate_bytes
        at = int(time.time() * 1000)
        length = len(before).to_bytes(3, "big")
        entry = _id(self._authority) + length + before
        promise = self._certificates.sign(
            struct.pack("!BBQH", 0, 0, at, 1) + entry + struct.pack("!H", 0), ec.ECDSA(hashes.SHA256())
        )
        logged = struct.pack("!B32sQHBBH", 0, _id(self._certificates), at, 0, 4, 3, len(promise)) + promise
        listed = struct.pack("!HH", len(logged) + 2, len(logged)) + logged
        value = bytes([4]) + _length(len(listed)) + listed
        extension = x509.UnrecognizedExtension(SIGNED_TIMESTAMPS, value)
        return builder.add_extension(extension, critical=False).sign(self._authority, hashes.SHA256())

    def _entry(self, proposed: dict[str, Any]) -> dict[str, object]:
        """An entry of the log of signatures, which is its only one."""
        if proposed["kind"] == "dsse":
            content = proposed["spec"]["proposedContent"]
            envelope = json.loads(content["envelope"])
            proposed["spec"] = {
                "envelopeHash": _hash(content["envelope"].encode()),
                "payloadHash": _hash(base64.b64decode(envelope["payload"])),
                "signatures": [
                    {"signature": item["sig"], "verifier": verifier}
                    for item, verifier in zip(envelope["signatures"], content["verifiers"], strict=True)
                ],
            }
        body = rfc8785.dumps(proposed)
        root = hashlib.sha256(b"\0" + body).digest()
        note = f"thrown away\n1\n{_text(root)}\n"
        signed_note = _text(_id(self._log)[:4] + self._log.sign(note.encode(), ec.ECDSA(hashes.SHA256())))
        entry: dict[str, Any] = {
            "body": _text(body),
            "integratedTime": int(time.time()),
            "logID": _id(self._log).hex(),
            "logIndex": 0,
        }
        promise = self._log.sign(rfc8785.dumps(entry), ec.ECDSA(hashes.SHA256()))
        proof = {
            "logIndex": 0,
            "rootHash": root.hex(),
            "treeSize": 1,
            "hashes": [],
            "checkpoint": f"{note}\n\u2014 tests {signed_note}\n",
        }
        entry["verification"] = {"signedEntryTimestamp": _text(promise), "inclusionProof": proof}
        return {"the-only-one": entry}


@contextmanager
def running(signer: str) -> Iterator[Sigstore]:
    """A sigstore that issues certificates for one identity, while the context lasts."""
    sigstore = Sigstore(signer)

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, content = sigstore.answer(self.command, self.path, body)
            sent = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/vnd.pypi.simple.v1+json")
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent)

        do_GET = do_POST = answer

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        sigstore.address = f"http://127.0.0.1:{server.server_port}"
        serving = threading.Thread(target=server.serve_forever, daemon=True)
        serving.start()
        yield sigstore
        server.shutdown()
        serving.join()


def _builder(subject: x509.Name, issuer: x509.Name, key: Any, days: int) -> x509.CertificateBuilder:
    now = datetime.now(UTC).replace(microsecond=0)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=days, minutes=5))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(*, key_cert_sign: bool, digital_signature: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_cert_sign=key_cert_sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def token(audience: str) -> str:
    """It has the form of a token; only its claims are read."""
    now = int(time.time())
    claims = {"aud": audience, "iss": ISSUER, "sub": "the run", "iat": now, "exp": now + 300}
    parts = (json.dumps(part).encode() for part in ({"alg": "RS256", "typ": "JWT"}, claims))
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in (*parts, b"unsigned"))


def _length(length: int) -> bytes:
    """A length in DER."""
    if length < 128:
        return bytes([length])
    digits = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([128 + len(digits)]) + digits


def _hash(content: bytes) -> dict[str, str]:
    return {"algorithm": "sha256", "value": hashlib.sha256(content).hexdigest()}


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.DER)


def _public(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _id(key: ec.EllipticCurvePrivateKey) -> bytes:
    return hashlib.sha256(_public(key)).digest()


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()
