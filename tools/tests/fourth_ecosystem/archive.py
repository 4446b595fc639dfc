"""A zip file with the protos and the descriptor set, in a plain folder that serves as its registry."""

import shutil
import sys
import time
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from packageurl import PackageURL

from cqc_tools.contracts.descriptors import DESCRIPTOR_SET
from cqc_tools.foundation import workspace
from cqc_tools.foundation.configuration import Patience
from cqc_tools.foundation.errors import Refused
from cqc_tools.foundation.version import Version
from cqc_tools.packages import (
    Artifact,
    Declaration,
    Ecosystem,
    Holdings,
    Installation,
    Source,
    artifact,
    belonging,
    sha256,
)

KEY, LABEL = "archive", "Folder"
MANIFEST = "package.txt"
DESCRIBE = """
import base64, json, pathlib, sys
folder = pathlib.Path(sys.argv[1])
version = (folder / "package.txt").read_text().split()[1]
descriptor_set = base64.b64encode((folder / "descriptor_set.binpb").read_bytes()).decode()
print(json.dumps({"version": version, "descriptor_set": descriptor_set}))
"""


def build(source: Source, out: Path, scratch: Path) -> tuple[Artifact, ...]:
    """Zip the protos, the descriptor set and a manifest, with fixed timestamps."""
    name = source.configuration.package(KEY).name
    file = out / f"{name}-{source.version.npm}.zip"
    descriptor_set = source.configuration.folder("go", source.folder) / DESCRIPTOR_SET
    content = {
        MANIFEST: f"{name} {source.version.npm}\n".encode(),
        DESCRIPTOR_SET: descriptor_set.read_bytes(),
        **{
            path.relative_to(source.folder).as_posix(): path.read_bytes()
            for path in source.folder.glob("proto/**/*.proto")
        },
    }
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in sorted(content.items()):
            archive.writestr(zipfile.ZipInfo(path), data)
    return (artifact(KEY, file, digest(file)),)


def digest(file: Path) -> str:
    """The file's SHA-256."""
    return f"sha256:{sha256(file)}"


def declare(artifacts: Sequence[Artifact]) -> Declaration:
    """Read the manifest in the zip."""
    (packed,) = artifacts
    with zipfile.ZipFile(packed.path) as archive:
        name, version = archive.read(MANIFEST).decode().split()
    return Declaration(name, version, PackageURL("generic", name=name, version=version))


class FolderRegistry:
    """A package in a folder: a release is published once its file is there."""

    key = KEY
    label = LABEL

    def __init__(self, package: str, address: str, patience: Patience) -> None:
        self.package = package
        self.address: str = address
        self.patience: Patience = patience

    def spell(self, version: Version) -> str:
        return version.npm

    def expected(self, artifacts: Sequence[Artifact], version: Version, commit: str) -> dict[str, str]:
        return {item.path.name: item.digest for item in belonging(artifacts, KEY)}

    def read(self, version: Version) -> dict[str, str]:
        path = self._file(version)
        return {path.name: digest(path)} if path.exists() else {}

    def signatures(self, served: Mapping[str, str], version: Version) -> dict[str, list[str]]:
        return {}

    def lacks(self, served: Mapping[str, str], version: Version) -> list[str]:
        return []

    def holdings(self) -> Holdings:
        prefix = f"{self.package}-"
        names = sorted(path.stem.removeprefix(prefix) for path in Path(self.address).glob(f"{prefix}*.zip"))
        return Holdings(tuple(names))

    @property
    def upload_address(self) -> str:
        return self.address

    def authorise(self, source: Source) -> None:
        if not Path(self.address).is_dir():
            raise Refused(f"{self.address} is not a folder", f"mkdir {self.address}")

    def withdrawal(self, version: Version, reason: str) -> tuple[str, str]:
        return "remove the file", f"rm {self._file(version)}"

    def announcement(self, version: Version) -> str:
        return self._file(version).name

    def writes(self, missing: Sequence[str]) -> list[tuple[str, ...]]:
        return [(name,) for name in missing]

    def write(self, names: Sequence[str], artifacts: Sequence[Artifact], source: Source) -> None:
        for item in belonging(artifacts, KEY):
            part = Path(self.address, f".{item.path.name}.part")
            shutil.copyfile(item.path, part)
            part.rename(self._file(source.version))

    def install(self, version: Version, folder: Path, example: Path | None) -> Installation:
        started = time.monotonic()
        with zipfile.ZipFile(self._file(version)) as archive:
            archive.extractall(folder)
        describe = (sys.executable, "-c", DESCRIBE, str(folder))
        return Installation(folder, workspace.tool_environment(), time.monotonic() - started, describe)

    def _file(self, version: Version) -> Path:
        return Path(self.address, f"{self.package}-{version.npm}.zip")


@contextmanager
def _serve(folder: Path) -> Iterator[Mapping[str, str]]:
    storage = folder / "archive"
    storage.mkdir(parents=True, exist_ok=True)
    yield {"archive_folder": str(storage)}


ECOSYSTEM = Ecosystem(
    key=KEY,
    label=LABEL,
    permanence=0,
    addresses=("archive_folder",),
    files=1,
    file_pattern=r"\.zip",
    digest_pattern="sha256:[0-9a-f]{64}",
    spell=lambda version: version.npm,
    check_name=lambda name: "" if name.isidentifier() else "an identifier",
    build=build,
    declare=declare,
    digest=digest,
    default_addresses=lambda _: {},
    registry=lambda settings, access: FolderRegistry(
        settings.package(KEY).name, access.addresses["archive_folder"], access.patience
    ),
    serve=_serve,
)
