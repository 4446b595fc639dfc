"""Attestations of the Python distribution: signed with the identity of the CI run, kept beside the files."""

import os
from pathlib import Path

from cqc_tools.foundation import console, process, workspace
from cqc_tools.foundation.configuration import Patience
from cqc_tools.foundation.errors import UserError
from cqc_tools.packages import belonging
from cqc_tools.packages.ecosystems import python
from cqc_tools.packages.manifest import Build


def attest(built: Build) -> list[Path]:
    """Sign the sdist and the wheel of a build unless they are already signed; returns the attestations.

    npm signs its provenance itself while it publishes, and Go's checksum database records the module. Raises UserError
    outside a CI job that has an identity, and ProgramFailed if signing fails.
    """
    distributions = [artifact.path for artifact in belonging(built.artifacts, python.KEY)]
    missing = [path for path in distributions if not python.attestation_of(path).exists()]
    if missing:
        if not os.environ.get("ACTIONS_ID_TOKEN_REQUEST_URL"):
            raise UserError(
                "only a CI job with the permission `id-token: write` can attest what it publishes",
                "push the tag and let the release workflow do it, or publish without attestations: make publish",
            )
        with console.step(f"attest {len(missing)} files"):
            command: list[str | Path] = [workspace.VENV_BIN / "pypi-attestations", "sign", *missing]
            process.run(command, what="pypi-attestations", **Patience().limits)
    return [python.attestation_of(path) for path in distributions]
