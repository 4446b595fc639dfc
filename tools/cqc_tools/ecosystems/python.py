"""The Python distribution: sdist and wheel by hatchling, any index that speaks the simple API."""

import hashlib
import json
import shutil
import sys
import tarfile
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pypi_simple
import requests
from packageurl import PackageURL
from packaging.metadata import Metadata

from cqc_tools import process, workspace
from cqc_tools.ecosystems import Artifact, Declaration, Installation, Requirement, Source, sha256
from cqc_tools.errors import StageFailed
from cqc_tools.version import Version

ECOSYSTEM = "PyPI"


def build(source: Source, out: Path, scratch: Path) -> tuple[Artifact, ...]:
    """Build the sdist from the clone, then the wheel from the unpacked sdist, so that the sdist is known to build."""
    package = source.folder / source.configuration.python.folder
    shutil.copyfile(source.folder / "LICENSE", package / "LICENSE")
    unpacked = scratch / "sdist"
    files: list[Path] = []
    for target, folder in (("sdist", package), ("wheel", unpacked)):
        if target == "wheel":
            with tarfile.open(files[0]) as archive:
                archive.extractall(unpacked, filter="data")
            (folder,) = unpacked.iterdir()
        files.append(_hatchling(target, folder, out, source.version))
    return tuple(
        Artifact(ECOSYSTEM, file, file.stat().st_size, digest := sha256(file), f"sha256:{digest}") for file in files
    )


def _hatchling(target: str, folder: Path, out: Path, version: Version) -> Path:
    before = set(out.iterdir())
    environment = workspace.tool_environment(SETUPTOOLS_SCM_PRETEND_VERSION_FOR_CQC=version.pypi)
    # hatchling's own fixed time stamp is used everywhere: the caller's would change the bytes.
    environment.pop("SOURCE_DATE_EPOCH", None)
    command = [sys.executable, "-m", "hatchling", "build", "--target", target, "--directory", str(out)]
    process.run(command, cwd=folder, env=environment, what=f"build the {target}")
    (made,) = set(out.iterdir()) - before
    return made


def declared(artifacts: Sequence[Artifact]) -> Declaration:
    """What the wheel's metadata says, which is what installers read.

    Raises StageFailed when the sdist says something else.
    """
    sdist, wheel = sorted((artifact.path for artifact in artifacts), key=lambda path: path.suffix == ".whl")
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = archive.read(name)
    with tarfile.open(sdist) as archive:
        (member,) = (item for item in archive.getmembers() if item.name.count("/") == 1 and "PKG-INFO" in item.name)
        file = archive.extractfile(member)
        if file is None or file.read() != metadata:
            raise StageFailed(f"{sdist.name} and {wheel.name} hold different metadata")
    found = Metadata.from_email(metadata)
    return Declaration(
        found.name,
        str(found.version),
        PackageURL("pypi", name=found.name, version=str(found.version)),
        tuple(
            Requirement(PackageURL("pypi", name=item.name), str(item.specifier), optional=item.marker is not None)
            for item in found.requires_dist or ()
        ),
    )


class PythonIndex:
    """A distribution on a Python index at `address`, whose simple API is under `simple/`."""

    ecosystem = ECOSYSTEM

    def __init__(self, package: str, address: str) -> None:
        self.package = package
        self.address = address

    def spell(self, version: Version) -> str:
        """See Registry."""
        return version.pypi

    def read(self, version: Version) -> dict[str, str]:
        """See Registry."""
        digests = {}
        with pypi_simple.PyPISimple(f"{self.address}simple/") as index:
            try:
                page = index.get_project_page(self.package)
            except pypi_simple.NoSuchProjectError:
                return {}
            for file in page.packages:
                if file.version == version.pypi:
                    digests[file.filename] = f"sha256:{_sha256_of_url(file.url)}"
        return digests

    def write(self, artifacts: tuple[Artifact, ...], source: Source) -> None:
        """See Registry."""
        process.run(
            [
                *(sys.executable, "-m", "twine", "upload", "--non-interactive", "--disable-progress-bar"),
                *("--repository-url", self.address),
                *(artifact.path for artifact in artifacts),
            ],
            env=workspace.tool_environment(TWINE_USERNAME="rehearsal", TWINE_PASSWORD="rehearsal"),
            what="twine upload",
        )

    def install(self, example: Path, version: Version, folder: Path) -> Installation:
        """See Registry."""
        shutil.copytree(example, folder, ignore=shutil.ignore_patterns("__pycache__"))
        venv = folder / ".venv"
        process.run([sys.executable, "-m", "venv", venv], what="make a virtual environment")
        python = workspace.venv_bin(venv, "python")
        environment = workspace.tool_environment(PIP_INDEX_URL=f"{self.address}simple/", PIP_EXTRA_INDEX_URL="")
        report = folder / "pip-report.json"
        started = time.monotonic()
        process.run(
            [python, "-m", "pip", "install", "--quiet", f"{self.package}=={version.pypi}", "--report", report],
            cwd=folder,
            env=environment,
            what="pip install",
        )
        seconds = time.monotonic() - started
        for item in json.loads(report.read_text())["install"]:
            url = item["download_info"]["url"]
            if item["metadata"]["name"] == self.package and not url.startswith(self.address):
                raise StageFailed(f"pip took {self.package} from {url}, not from {self.address}")
        return Installation((str(python), "-m", "cqc_example"), folder, environment, seconds)


def _sha256_of_url(url: str) -> str:
    digest = hashlib.sha256()
    with requests.get(url, stream=True, timeout=60) as answer:
        answer.raise_for_status()
        for chunk in answer.iter_content(1 << 16):
            digest.update(chunk)
    return digest.hexdigest()
