"""Signatures made with the identity of a CI run: sigstore records who signed what, and nobody keeps a key.

The libraries take most of a second to import, and few commands sign or verify: what uses them imports them.
"""

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cqc_tools.foundation import workspace
from cqc_tools.foundation.errors import NoAnswer, Refused
from cqc_tools.foundation.version import Version

if TYPE_CHECKING:
    from sigstore.sign import Signer
    from sigstore.verify import Verifier
    from sigstore.verify.policy import VerificationPolicy

WORKFLOW = f"{workspace.WORKFLOWS}/release.yml"
ISSUER = "https://token.actions.githubusercontent.com"
# What sigstore expects the identity of a CI run to be meant for.
AUDIENCE = "sigstore"


@dataclass(frozen=True)
class Signature:
    """A file that was looked at, `where`, and who signed it; `signer` is empty if nobody did."""

    file: str
    where: str
    signer: str = ""


class Invalid(Exception):
    """A signature that is not the signer's, or not of these bytes."""


def identity(repository: str, version: Version) -> str:
    """Who signs a release: the release workflow of the repository, at the release's tag."""
    return f"{repository}/{WORKFLOW}@refs/tags/{version.tag}"


def beside(file: Path) -> Path:
    """Where a file's signature lies, if there is one."""
    return file.with_name(f"{file.name}.sigstore.json")


def is_of(bundle: Path, file: Path) -> bool:
    """Whether a signature names the bytes of a file. It may still be invalid."""
    with suppress(OSError, ValueError, LookupError, TypeError):
        digest = json.loads(bundle.read_bytes())["messageSignature"]["messageDigest"]["digest"]
        return base64.b64decode(digest) == hashlib.sha256(file.read_bytes()).digest()
    return False


@contextmanager
def signing(token: str) -> Iterator["Signer"]:
    """A signer with one certificate for the identity in `token`.

    Raises Refused if sigstore rejects it or what is signed, and NoAnswer if sigstore does not answer.
    """
    import requests
    from sigstore.errors import Error
    from sigstore.models import ClientTrustConfig
    from sigstore.oidc import IdentityError, IdentityToken
    from sigstore.sign import SigningContext

    again = "run the failed job again"
    try:
        trusted = ClientTrustConfig.production()
        # Attestations of Python distributions have no place for what the log's second version returns.
        trusted.force_tlog_version = 1
        context = SigningContext.from_trust_config(trusted)
        with context.signer(IdentityToken(token)) as signer:
            yield signer
    except requests.RequestException as error:
        raise NoAnswer(f"sigstore did not answer: {error}", again) from error
    except (Error, IdentityError) as error:
        raise Refused(f"sigstore did not sign: {error}", again) from error
    except Exception as error:
        # The errors of its clients have no public name and no common parent.
        if not type(error).__module__.startswith(("sigstore.", "pypi_attestations.")):
            raise
        raise Refused(f"sigstore did not sign: {error.__cause__ or error}", again) from error


class Checker:
    """Verifies the signatures of one release against sigstore's trust root, which is fetched when first needed."""

    def __init__(self, repository: str, version: Version) -> None:
        self.signer = identity(repository, version)
        self._verifier: Verifier | None = None

    def check_file(self, file: Path, bundle: bytes) -> None:
        """Check that the signer signed the bytes of a file. Raises Invalid if not, NoAnswer without a trust root."""
        from sigstore.errors import Error
        from sigstore.models import Bundle

        try:
            self._trust().verify_artifact(file.read_bytes(), Bundle.from_json(bundle), self._policy())
        except (Error, ValueError) as error:
            raise Invalid(_in_one_line(error)) from error

    def check_statement(self, digest: str, bundle: str) -> None:
        """Check that the signer made a statement about the file of a digest, as its ecosystem spells digests. Raises
        Invalid if not, NoAnswer without a trust root."""
        from sigstore.errors import Error
        from sigstore.models import Bundle

        try:
            _, payload = self._trust().verify_dsse(Bundle.from_json(bundle), self._policy())
            subjects = json.loads(payload)["subject"]
            named = [dict(subject["digest"]) for subject in subjects]
        except (Error, ValueError, LookupError, TypeError) as error:
            raise Invalid(_in_one_line(error)) from error
        algorithm, value = _in_hexadecimal(digest)
        if [item.get(algorithm) for item in named] != [value]:
            raise Invalid("it was made for a file of other bytes")

    def _policy(self) -> "VerificationPolicy":
        from sigstore.verify import policy

        return policy.Identity(identity=self.signer, issuer=ISSUER)

    def _trust(self) -> "Verifier":
        from sigstore.errors import Error
        from sigstore.verify import Verifier

        if self._verifier is None:
            try:
                self._verifier = Verifier.production()
            except (Error, OSError) as error:
                raise NoAnswer(
                    f"sigstore's trust root cannot be read: {_in_one_line(error)}", "run the command again when online"
                ) from error
        return self._verifier


def check(
    checker: Checker, where: str, served: Mapping[str, str], bundles: Mapping[str, Sequence[str]]
) -> tuple[list[Signature], list[str]]:
    """Check the statements that a registry keeps about the files it serves; returns who signed what, and what is wrong.

    `served` are the digests of the files by name.
    """
    signatures, findings = [], []
    for file, digest in served.items():
        try:
            for bundle in bundles.get(file, ()):
                checker.check_statement(digest, bundle)
        except Invalid as invalid:
            findings.append(_finding(f"{file} on {where}", checker, invalid))
        else:
            signatures.append(Signature(file, where, checker.signer if bundles.get(file) else ""))
    return signatures, findings


def check_beside(checker: Checker, file: Path) -> tuple[list[Signature], list[str]]:
    """Check the signature beside a file; returns the same as `check`."""
    bundle = beside(file)
    if not bundle.is_file():
        return [Signature(file.name, str(file.parent))], []
    try:
        checker.check_file(file, bundle.read_bytes())
    except Invalid as invalid:
        return [], [_finding(str(file), checker, invalid)]
    return [Signature(file.name, str(file.parent), checker.signer)], []


def _finding(what: str, checker: Checker, invalid: Invalid) -> str:
    return f"  {what} has a signature that is not that of {checker.signer}: {invalid}"


def _in_hexadecimal(digest: str) -> tuple[str, str]:
    """The algorithm and hexadecimal value of `sha256:<hex>` or `sha512-<base64>`."""
    algorithm, separator, value = digest.partition("-" if digest.startswith("sha512-") else ":")
    return algorithm, base64.b64decode(value).hex() if separator == "-" else value


def _in_one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
