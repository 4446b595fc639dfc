"""Attestations of the Python distribution: signed by the identity of the CI run that publishes it, kept beside it."""

import os
from pathlib import Path

from cqc_tools.foundation import console, process, workspace
from cqc_tools.foundation.errors import UserError
from cqc_tools.foundation.version import Version
from cqc_tools.packages import belonging, build
from cqc_tools.packages.ecosystems import python


def attest(release: Version) -> list[Path]:
    """Sign the sdist and the wheel of a build, unless they are; returns the attestations.

    npm signs its provenance by itself while it publishes, and Go's checksum database is the record of the module.
    Raises UserError where no run can prove who it is, and StageFailed when signing fails.
    """
    built = build.load(workspace.DIST / release.npm)
    files = [artifact.path for artifact in belonging(built.artifacts, python.ECOSYSTEM)]
    missing = [path for path in files if not python.attestation_of(path).exists()]
    if missing:
        if not os.environ.get("ACTIONS_ID_TOKEN_REQUEST_URL"):
            raise UserError(
                "only a CI job with the permission `id-token: write` can attest what it publishes: "
                "push the tag and let the release workflow do it, or publish without: make publish"
            )
        with console.step(f"attest {len(missing)} files"):
            process.run([workspace.VENV_BIN / "pypi-attestations", "sign", *missing], what="pypi-attestations")
    return [python.attestation_of(path) for path in files]
