"""The bill of materials of a built package, in CycloneDX: its files with their digests, and its dependencies."""

import base64
import uuid
from collections.abc import Sequence
from datetime import datetime

from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, Property, XsUri
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentScope, ComponentType
from cyclonedx.model.license import DisjunctiveLicense
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion

from cqc_tools.packages import Artifact, Declaration

SCHEMA_VERSION = SchemaVersion.V1_6
LICENSE = "Apache-2.0"


def describe(package: Declaration, artifacts: Sequence[Artifact], repository: str, committed: datetime) -> str:
    """The bill of materials as JSON text, which depends on the arguments alone: `committed` is its timestamp, and its
    serial number is derived from the package and the digests of its files."""
    about = Component(
        name=package.name,
        type=ComponentType.LIBRARY,
        version=package.version,
        purl=package.purl,
        bom_ref=str(package.purl),
        licenses=[DisjunctiveLicense(id=LICENSE)],
        # Installers take the last file: the wheel, if there is also an sdist.
        hashes=_hashes(artifacts[-1]),
        components=[_file(artifact) for artifact in artifacts],
        external_references=[ExternalReference(type=ExternalReferenceType.VCS, url=XsUri(repository))],
    )
    needed = [
        Component(
            name=item.purl.name,
            group=item.purl.namespace,
            type=ComponentType.LIBRARY,
            version=item.purl.version,
            purl=item.purl,
            bom_ref=str(item.purl),
            scope=ComponentScope.OPTIONAL if item.optional else ComponentScope.REQUIRED,
            properties=[Property(name="cqc:versions", value=item.versions)],
        )
        for item in package.requirements
    ]
    digests = " ".join(artifact.sha256 for artifact in artifacts)
    bom = Bom(
        serial_number=uuid.uuid5(uuid.NAMESPACE_URL, f"{package.purl} {digests}"),
        metadata=BomMetaData(component=about, timestamp=committed),
        components=needed,
    )
    bom.register_dependency(about, needed)
    return make_outputter(bom, OutputFormat.JSON, SCHEMA_VERSION).output_as_string(indent=2) + "\n"


def _file(artifact: Artifact) -> Component:
    return Component(
        name=artifact.path.name,
        type=ComponentType.FILE,
        bom_ref=artifact.path.name,
        hashes=_hashes(artifact),
        properties=[Property(name="cqc:digest", value=artifact.digest)],
    )


def _hashes(artifact: Artifact) -> list[HashType]:
    hashes = [HashType(alg=HashAlgorithm.SHA_256, content=artifact.sha256)]
    kind, _, value = artifact.digest.partition("-")
    if kind == "sha512":
        hashes.append(HashType(alg=HashAlgorithm.SHA_512, content=base64.b64decode(value).hex()))
    return hashes
