"""The bill of materials of a built package, in CycloneDX: its files with their digests, and its dependencies."""

import base64
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime

from cyclonedx.factory.license import LicenseFactory
from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, Property, XsUri
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentScope, ComponentType
from cyclonedx.model.license import DisjunctiveLicense
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL

from cqc_tools.packages import Artifact, Declaration, Requirement, Resolved

SCHEMA_VERSION = SchemaVersion.V1_6
LICENSE = "Apache-2.0"


def describe(
    package: Declaration,
    artifacts: Sequence[Artifact],
    repository: str,
    committed: datetime,
    resolved: Sequence[Resolved] = (),
) -> str:
    """The bill of materials as JSON text, which depends on the arguments alone: `committed` is its timestamp, and its
    serial number is derived from the package and the digests of its files.

    A direct dependency is listed with the versions that users may have, and with the one that was tested as
    `cqc:tested`; what it needs in turn, as it was `resolved` for the tests.
    """
    tested = {_key(item.purl): item for item in resolved}
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
    needed = {_key(item.purl): _direct(item, tested.get(_key(item.purl))) for item in package.requirements}
    required, optional = (
        _reached([item.purl for item in package.requirements if item.optional is kind], tested)
        for kind in (False, True)
    )
    transitive = {
        key: _component(item.purl, item.licence, optional=key in optional - required)
        for key, item in tested.items()
        if key not in needed
    }
    components = needed | transitive
    digests = " ".join(artifact.sha256 for artifact in artifacts)
    bom = Bom(
        serial_number=uuid.uuid5(uuid.NAMESPACE_URL, f"{package.purl} {digests}"),
        metadata=BomMetaData(component=about, timestamp=committed),
        components=components.values(),
    )
    bom.register_dependency(about, needed.values())
    for key, item in tested.items():
        bom.register_dependency(components[key], [components[_key(purl)] for purl in item.requires])
    return make_outputter(bom, OutputFormat.JSON, SCHEMA_VERSION).output_as_string(indent=2) + "\n"


def _direct(item: Requirement, tested: Resolved | None) -> Component:
    component = _component(item.purl, tested.licence if tested else "", optional=item.optional)
    component.properties.add(Property(name="cqc:versions", value=item.versions))
    if tested:
        component.properties.add(Property(name="cqc:tested", value=tested.purl.version))
    return component


def _component(purl: PackageURL, licence: str, *, optional: bool) -> Component:
    return Component(
        name=purl.name,
        group=purl.namespace,
        type=ComponentType.LIBRARY,
        version=purl.version,
        purl=purl,
        bom_ref=str(purl),
        scope=ComponentScope.OPTIONAL if optional else ComponentScope.REQUIRED,
        licenses=[LicenseFactory().make_from_string(licence)] if licence else [],
    )


def _reached(start: Sequence[PackageURL], resolved: Mapping[str, Resolved]) -> set[str]:
    """The keys of some packages, and of all that they need."""
    reached: set[str] = set()
    waiting = [_key(purl) for purl in start]
    while waiting:
        key = waiting.pop()
        if key not in reached:
            reached.add(key)
            waiting += [_key(purl) for purl in resolved[key].requires] if key in resolved else []
    return reached


def _key(purl: PackageURL) -> str:
    """A package, whatever its version: a resolution has one of each, or one more inside another package."""
    return str(purl._replace(version=None))


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
