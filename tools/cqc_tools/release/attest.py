"""Signatures of a build with the identity of the CI run, kept beside its files: of SHA256SUMS, which covers every file,
and of the Python distribution, for its index."""

from pathlib import Path

from cqc_tools.foundation import console, files
from cqc_tools.foundation.errors import UserError
from cqc_tools.packages import belonging, identity, manifest, signatures
from cqc_tools.packages.ecosystems import python
from cqc_tools.packages.manifest import Build


def attest(built: Build) -> list[Path]:
    """Sign what is not signed yet; returns the signatures.

    npm signs its provenance itself while it publishes, and Go's checksum database records the module. Raises UserError
    outside a CI job that has an identity, and Refused or NoAnswer if sigstore does not sign.
    """
    distributions = [artifact.path for artifact in belonging(built.artifacts, python.KEY)]
    sums = built.folder / manifest.SUMS
    missing = [path for path in distributions if not python.attestation_of(path).exists()]
    if not signatures.is_of(signatures.beside(sums), sums):
        missing.append(sums)
    if missing:
        token = identity.detect(signatures.AUDIENCE)
        if token is None:
            raise UserError(
                "only a CI job with the permission `id-token: write` can sign what it publishes",
                "push the tag and let the release workflow do it, or publish without signatures: make publish",
            )
        with console.step(f"sign {len(missing)} files"):
            _sign(missing, sums, token)
    return [signatures.beside(sums), *map(python.attestation_of, distributions)]


def _sign(missing: list[Path], sums: Path, token: str) -> None:
    from pypi_attestations import Attestation, Distribution

    with signatures.signing(token) as signer:
        for path in missing:
            if path == sums:
                files.write_text(signatures.beside(sums), signer.sign_artifact(sums.read_bytes()).to_json())
            else:
                attestation = Attestation.sign(signer, Distribution.from_file(path))
                files.write_text(python.attestation_of(path), attestation.model_dump_json())
