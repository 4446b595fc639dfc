"""Write a release to its registries and read it back: one version, the same bytes, on all three."""

from collections.abc import Sequence
from dataclasses import dataclass

from cqc_tools import console
from cqc_tools.build import Build
from cqc_tools.ecosystems import Artifact, Registry, Source
from cqc_tools.errors import StageFailed, UserError


@dataclass(frozen=True)
class Difference:
    """A file whose bytes in a registry are not the ones that were built; None where one side has no such file."""

    file: str
    built: str | None
    served: str | None


def publish(built: Build, source: Source, registries: Sequence[Registry]) -> None:
    """Publish to the registries in the order given, least reversible last; what a registry holds already is compared,
    not written again.

    Raises UserError for a development version and StageFailed when a registry holds other bytes under the version.
    """
    if not built.version.is_release:
        raise UserError(f"{built.version.npm} is a development version and cannot be published: tag a release first")
    for registry in registries:
        artifacts = artifacts_of(built, registry)
        with console.step(f"publish {registry.package} {built.version.npm} to {registry.ecosystem}"):
            served = registry.read(built.version)
            if not served:
                registry.write(artifacts, source)
                served = registry.read(built.version)
            refuse_differences(registry, compare(artifacts, served), built)


def artifacts_of(built: Build, registry: Registry) -> tuple[Artifact, ...]:
    """The files of a build that belong into a registry."""
    return tuple(artifact for artifact in built.artifacts if artifact.ecosystem == registry.ecosystem)


def compare(artifacts: Sequence[Artifact], served: dict[str, str]) -> list[Difference]:
    """Where a registry's files differ from the built ones."""
    built = {artifact.path.name: artifact.digest for artifact in artifacts}
    return [
        Difference(name, built.get(name), served.get(name))
        for name in sorted(built.keys() | served.keys())
        if built.get(name) != served.get(name)
    ]


def refuse_differences(registry: Registry, differences: list[Difference], built: Build) -> None:
    """Raise StageFailed that names each differing file with both digests and the ways out."""
    if not differences:
        return
    lines = [
        f"  {item.file}: built {item.built or 'no such file'}, served {item.served or 'no such file'}"
        for item in differences
    ]
    what = f"{registry.package} {built.version.npm}"
    raise StageFailed(
        "\n".join(
            [
                f"{registry.ecosystem} at {registry.address} holds other files as {what}:",
                *lines,
                "Either publish the bytes that are there to the other registries too, or release a new version on all.",
            ]
        )
    )
