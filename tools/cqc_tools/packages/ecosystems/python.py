"""The Python distribution: an sdist and a wheel by hatchling, on any index that speaks the simple API."""

import argparse
import configparser
import hashlib
import io
import os
import re
import shutil
import sys
import tarfile
import time
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING
from urllib.parse import quote, urlsplit

import tomlkit
from packageurl import PackageURL
from packaging.metadata import Metadata, parse_email
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion
from packaging.version import Version as PythonVersion

from cqc_tools.foundation import process, workspace
from cqc_tools.foundation.configuration import Configuration, Patience
from cqc_tools.foundation.errors import NoAnswer, Refused, StageFailed
from cqc_tools.foundation.version import Version
from cqc_tools.packages import (
    Access,
    Artifact,
    Credentials,
    Declaration,
    Ecosystem,
    Holdings,
    Installation,
    Requirement,
    Resolved,
    Source,
    artifact,
    belonging,
    licences,
    logins,
    sha256,
)
from cqc_tools.packages.local import pypi

# The libraries that talk to an index take half a second to import, and most commands talk to none: what uses them
# imports them.
if TYPE_CHECKING:
    import pypi_simple
    import requests
    from twine.repository import Repository

KEY, LABEL = "python", "PyPI"
CREDENTIALS = (
    "give twine credentials that may upload this project: "
    "TWINE_USERNAME and TWINE_PASSWORD, a section of .pypirc whose repository is its address, or trusted publishing"
)
READING = (
    "give a login for the index: in netrc, in the keyring, in .pypirc, in its address in release.toml, or in "
    "TWINE_USERNAME and TWINE_PASSWORD if uploads go to the same server"
)
# Too early, too many requests, or a file of this name exists: only reading the index tells whether the upload
# arrived. Some indexes answer the last case with 400.
AMBIGUOUS = (400, 408, 409, 425, 429)
LOCK = Path("tools", "python-runtimes", "newest.lock")
# uv writes `name==version ; marker \\`, then the packages that it is there for as comments.
LOCKED = re.compile(r"([a-z0-9.-]+)==(\S+)")
VIA = re.compile(r"    #(?: via)?\s+([a-z0-9][a-z0-9.-]*)$")
DESCRIBE = """
import base64, json, {package}
descriptor_set = base64.b64encode({package}.descriptor_set().SerializeToString()).decode()
print(json.dumps({{"version": {package}.__version__, "descriptor_set": descriptor_set}}))
"""


def build(source: Source, out: Path, scratch: Path) -> tuple[Artifact, ...]:
    """Build the sdist from the clone, then the wheel from the unpacked sdist, which shows that the sdist builds."""
    settings = source.configuration.package(KEY)
    package = source.folder / settings.folder
    shutil.copyfile(source.folder / "LICENSE", package / "LICENSE")
    _stamp_name(package / "pyproject.toml", settings.name)
    unpacked = scratch / "sdist"
    files: list[Path] = []
    for target, folder in (("sdist", package), ("wheel", unpacked)):
        if target == "wheel":
            with tarfile.open(files[0]) as archive:
                archive.extractall(unpacked, filter="data")
            (folder,) = unpacked.iterdir()
        files.append(_hatchling(target, folder, out, source.version))
    return tuple(artifact(KEY, file, digest(file)) for file in files)


def digest(file: Path) -> str:
    """The SHA-256 of a file, as indexes publish it."""
    return f"sha256:{sha256(file)}"


def check_name(name: str) -> str:
    """See Ecosystem."""
    try:
        canonicalize_name(name, validate=True)
    except ValueError:
        return "a distribution name of letters, digits, '.', '-' and '_', such as acme-contracts"
    return ""


def _stamp_name(project: Path, name: str) -> None:
    """Write the distribution's name, which hatch cannot compute as it does the version."""
    content = tomlkit.parse(project.read_text())
    if content.unwrap()["project"]["name"] != name:
        content["project"]["name"] = name
        project.write_text(tomlkit.dumps(content))


def _hatchling(target: str, folder: Path, out: Path, version: Version) -> Path:
    before = set(out.iterdir())
    environment = workspace.tool_environment(SETUPTOOLS_SCM_PRETEND_VERSION=version.pypi)
    # hatchling then uses its own fixed timestamp everywhere: the caller's would change the bytes.
    environment.pop("SOURCE_DATE_EPOCH", None)
    command = [sys.executable, "-m", "hatchling", "build", "--target", target, "--directory", str(out)]
    process.run(command, cwd=folder, env=environment, what=f"build the {target}")
    (made,) = set(out.iterdir()) - before
    return made


def declare(artifacts: Sequence[Artifact]) -> Declaration:
    """Read the wheel's metadata, which is what installers read. Raises StageFailed if the sdist's differs."""
    sdist, wheel = sorted((artifact.path for artifact in artifacts), key=lambda path: path.suffix == ".whl")
    metadata = _wheel_metadata(wheel)
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


def resolve(source: Source, declared: Declaration) -> tuple[Resolved, ...]:
    """See Ecosystem: from the lock of the newest versions that are tested, in which each package names those that it
    is there for."""
    file, known = source.folder / LOCK, licences.load(source.folder, KEY)
    if not file.is_file() or not known:
        return ()
    versions: dict[str, str] = {}
    requires: dict[str, list[str]] = {}
    name = ""
    for line in file.read_text().splitlines():
        if found := LOCKED.match(line):
            name, versions[found[1]] = found[1], found[2]
        elif found := VIA.match(line):
            requires.setdefault(found[1], []).append(name)
    reached: list[str] = []
    waiting: list[str] = [canonicalize_name(item.purl.name) for item in declared.requirements]
    while waiting:
        name = waiting.pop()
        if name in versions and name not in reached:
            reached.append(name)
            waiting += requires.get(name, [])
    purls = {name: PackageURL("pypi", name=name, version=versions[name]) for name in reached}
    return tuple(
        Resolved(purls[name], licences.of(known, name), tuple(purls[item] for item in requires.get(name, ())))
        for name in sorted(reached)
    )


def attestation_of(file: Path) -> Path:
    """Where a distribution's attestation lies, if there is one."""
    return file.with_name(f"{file.name}.publish.attestation")


class PythonIndex:
    """A distribution on the Python index whose simple API is at `address`; twine uploads to `upload`. Without
    `credentials` for the upload and a `login` for reading, the user's own are found. `import_name` is what users
    import."""

    key = KEY
    label = LABEL

    def __init__(
        self,
        package: str,
        address: str,
        upload: str,
        credentials: Credentials | None,
        patience: Patience,
        import_name: str,
        login: Credentials | None = None,
    ) -> None:
        self.package = package
        self.address: str = address.rstrip("/") + "/"
        self.upload = upload
        self.credentials = credentials
        self.patience = patience
        self.import_name = import_name
        self.login = logins.IndexLogin(self.address, upload, login)

    def spell(self, version: Version) -> str:
        """See Registry."""
        return version.pypi

    def expected(self, artifacts: Sequence[Artifact], version: Version, commit: str) -> dict[str, str]:
        """See Registry."""
        return {artifact.path.name: artifact.digest for artifact in belonging(artifacts, KEY)}

    def read(self, version: Version) -> dict[str, str]:
        """See Registry."""
        import pypi_simple

        with self._index() as index, _answering(self.address):
            try:
                page = self._page(index)
            except pypi_simple.NoSuchProjectError:
                return {}
            return {
                file.filename: f"sha256:{self._sha256(index.s, file)}"
                for file in page.packages
                if file.version == version.pypi
            }

    @contextmanager
    def _index(self) -> Iterator["pypi_simple.PyPISimple"]:
        import pypi_simple

        from cqc_tools.packages import web

        with pypi_simple.PyPISimple(self.address, auth=self.login) as index:
            web.bound(index.s, self.patience)
            yield index

    def _page(self, index: "pypi_simple.PyPISimple") -> "pypi_simple.ProjectPage":
        """The index's page of our project, from the index itself.

        Raises NoAnswer if what arrives is no such page, such as a login form: an index that says nothing about our
        project says 404.
        """
        from cqc_tools.packages import web

        hook = web.refuse_elsewhere(self.address, "python_index")
        index.s.hooks["response"].append(hook)
        try:
            page = index.get_project_page(self.package)
        finally:
            # The files themselves may be on other servers: their bytes are compared.
            index.s.hooks["response"].remove(hook)
        if page.repository_version is None and not any(file.version for file in page.packages):
            raise NoAnswer(
                f"{self.address} answered with a page that is not an index of {self.package}",
                "open it in a browser: it may need a login, or be the address of something else",
            )
        return page

    def _sha256(self, session: "requests.Session", file: "pypi_simple.DistributionPackage") -> str:
        """The digest of the bytes behind a link. Raises NoAnswer if they are not the bytes that the index promises."""
        digest = hashlib.sha256()
        promised = {name: hashlib.new(name) for name in file.digests}
        with session.get(file.url, stream=True) as answer:
            answer.raise_for_status()
            for chunk in answer.iter_content(1 << 16):
                for one in (digest, *promised.values()):
                    one.update(chunk)
        for name, value in file.digests.items():
            if promised[name].hexdigest() != value:
                raise NoAnswer(
                    f"{file.url} arrived with other bytes than the index promises: its {name} is not {value}"
                )
        return digest.hexdigest()

    def signatures(self, served: Mapping[str, str], version: Version) -> dict[str, list[str]]:
        """See Registry: the attestations of PEP 740, whose address the index names beside each file."""
        import pypi_simple

        found: dict[str, list[str]] = {}
        with self._index() as index, _answering(self.address):
            try:
                page = self._page(index)
            except pypi_simple.NoSuchProjectError:
                return {}
            for file in page.packages:
                if file.filename in served and file.provenance_url:
                    with suppress(pypi_simple.NoProvenanceError):
                        found[file.filename] = _bundles(index.get_provenance(file))
        return found

    def lacks(self, served: Mapping[str, str], version: Version) -> list[str]:
        """See Registry."""
        kinds = {"a wheel": ".whl", "an sdist": ".tar.gz"}
        return [kind for kind, ending in kinds.items() if not any(name.endswith(ending) for name in served)]

    def holdings(self) -> Holdings:
        """See Registry: the metadata of the newest version names its source."""
        import pypi_simple

        with self._index() as index, _answering(self.address):
            try:
                page = self._page(index)
            except pypi_simple.NoSuchProjectError:
                return Holdings()
            found: dict[PythonVersion, list[pypi_simple.DistributionPackage]] = {}
            for file in page.packages:
                with suppress(InvalidVersion):
                    found.setdefault(PythonVersion(file.version or ""), []).append(file)
            if not found:
                return Holdings()
            newest = min(found[max(found)], key=lambda file: (not file.has_metadata, file.package_type != "wheel"))
            # Another project's metadata need not be valid.
            metadata, _ = parse_email(self._metadata(index, newest))
        sources = [*metadata.get("project_urls", {}).values(), metadata.get("home_page", "")]
        return Holdings(tuple(map(str, sorted(found))), tuple(filter(None, sources)))

    def _metadata(self, index: "pypi_simple.PyPISimple", file: "pypi_simple.DistributionPackage") -> bytes:
        """A file's metadata, read from the file itself if the index does not serve it separately."""
        if file.has_metadata:
            return index.get_package_metadata_bytes(file)
        answer = index.s.get(file.url)
        answer.raise_for_status()
        content = io.BytesIO(answer.content)
        if file.filename.endswith(".whl"):
            return _wheel_metadata(content)
        with tarfile.open(fileobj=content) as sdist:
            names = sorted((name for name in sdist.getnames() if name.endswith("/PKG-INFO")), key=len)
            member = sdist.extractfile(names[0]) if names else None
            return member.read() if member else b""

    @property
    def upload_address(self) -> str:
        """See Registry."""
        return self.upload

    def authorise(self, source: Source) -> None:
        """See Registry: twine exchanges the identity of a CI run when it makes a repository."""
        if not self.credentials:
            with _answering(self.upload):
                repository = self._repository()
            repository.close()
            # A CI secret that is not set arrives as an empty string.
            if not isinstance(repository.session.auth, tuple) or not repository.session.auth[1]:
                raise Refused("twine was given an empty password", CREDENTIALS)

    def withdrawal(self, version: Version, reason: str) -> tuple[str, str]:
        """See Registry."""
        return (
            f"yank {self.package} {version.pypi} on the project's page: Manage, Releases, Options, Yank, with the "
            f'reason "{reason}". After that pip installs it only when pinned exactly. Yanking has no command-line '
            "client",
            "",
        )

    def announcement(self, version: Version) -> str:
        """See Registry."""
        return f"{self.package} {version.pypi}"

    def writes(self, missing: Sequence[str]) -> list[tuple[str, ...]]:
        """See Registry: file by file. The wheel goes first, because pip would build from a lone sdist."""
        return [(name,) for name in sorted(missing, key=lambda name: not name.endswith(".whl"))]

    def write(self, names: Sequence[str], artifacts: Sequence[Artifact], source: Source) -> None:
        """See Registry."""
        from twine.exceptions import TwineException
        from twine.package import PackageFile

        paths = [artifact.path for artifact in belonging(artifacts, KEY) if artifact.path.name in names]
        # twine reports progress on standard output, which this tool keeps for results.
        with redirect_stdout(io.StringIO()), _answering(self.upload):
            repository = self._repository()
            try:
                for path in paths:
                    package = PackageFile.from_filename(str(path), None)
                    if (attestation := attestation_of(path)).exists():
                        package.add_attestations([str(attestation)])
                    # A single attempt: by default twine uploads again after an error, even if the file arrived.
                    answer = repository.upload(package, max_redirects=1)
                    answer.raise_for_status()
                    if answer.is_redirect:
                        raise Refused(
                            f"{repository.url} redirects to {answer.headers['location']}",
                            "make that the python_upload address in release.toml",
                        )
            except TwineException as error:
                raise Refused(f"twine cannot upload {paths[0].name}: {error}", CREDENTIALS) from error
            finally:
                repository.close()

    def _repository(self) -> "Repository":
        """A twine repository from the user's own twine configuration, which gives up on a silent index."""
        from twine.exceptions import TwineException
        from twine.settings import Settings

        from cqc_tools.packages import web

        # Always by its address: variables and .pypirc may call another index by twine's default name.
        options = ["--non-interactive", "--disable-progress-bar", "--repository-url", self.upload]
        credentials = self.credentials
        if not credentials and "TWINE_PASSWORD" not in os.environ:
            # twine ignores .pypirc if it is given an address.
            credentials = logins.of_pypirc(self.upload)
        if credentials:
            options += [f"--username={credentials.name}", f"--password={credentials.secret}"]
        parser = argparse.ArgumentParser()
        Settings.register_argparse_arguments(parser)
        settings = parser.parse_args(options)
        try:
            # It asks the keyring and exchanges the identity of a CI run here, each in its own time.
            repository = web.within(
                self.patience.transfer_seconds,
                self.upload,
                lambda: Settings.from_argparse(settings).create_repository(),
            )
        except TwineException as error:
            raise Refused(f"twine has no credentials for the upload: {error}", CREDENTIALS) from error
        # twine's own adapters try again.
        web.bound(repository.session, self.patience)
        return repository

    def install(self, version: Version, folder: Path, example: Path | None) -> Installation:
        """See Registry."""
        if example:
            shutil.copytree(example, folder, ignore=shutil.ignore_patterns("__pycache__", ".venv"))
        else:
            folder.mkdir(parents=True)
        venv = folder / ".venv"
        # pip of the toolchain installs into it: one more pip would take longer than all the rest.
        process.run([sys.executable, "-m", "venv", "--without-pip", venv], what="create a virtual environment")
        python = workspace.venv_bin(venv, "python")
        pip = (sys.executable, "-m", "pip", "--python", python)
        environment = _pip_environment(folder)
        started = time.monotonic()
        # Our package comes from this index alone, its dependencies from wherever the user's pip finds them.
        alone = {**environment, "PIP_INDEX_URL": self._with_login(), "PIP_EXTRA_INDEX_URL": "", "PIP_FIND_LINKS": ""}
        options = ("--quiet", "--no-deps", "--no-cache-dir", "--dest", folder / "wheel")
        process.run(
            [*pip, "download", *options, f"{self.package}=={version.pypi}"],
            cwd=folder,
            env=alone,
            what="pip download",
            **self.patience.limits,
        )
        (wheel,) = (folder / "wheel").iterdir()
        # The example validates requests.
        wanted = f"{wheel}[validation]" if example else wheel
        command = [*pip, "install", "--quiet", wanted]
        process.run(command, cwd=folder, env=environment, what="pip install", **self.patience.limits)
        seconds = time.monotonic() - started
        if example:
            # Whoever installs the package by its name there gets this wheel, with any extra, and no stranger's.
            extras = ",".join(_extras(wheel))
            wheels = folder / "wheels"
            command = [*pip, "download", "--quiet", "--dest", wheels, f"{wheel}[{extras}]"]
            process.run(command, cwd=folder, env=environment, what="pip download")
            environment |= {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels)}
        describe = (str(python), "-c", DESCRIBE.format(package=self.import_name))
        run = (str(python), "-m", "cqc_example") if example else ()
        return Installation(folder, environment, seconds, describe, run)

    def _with_login(self) -> str:
        """The index's address for pip, which has no other way to be given a login for it."""
        login = self.login.given
        if not login:
            return self.address
        userinfo = f"{quote(login.name, safe='')}:{quote(login.secret, safe='')}"
        parts = urlsplit(self.address)
        return parts._replace(netloc=f"{userinfo}@{parts.netloc}").geturl()


def _wheel_metadata(wheel: Path | IO[bytes]) -> bytes:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return archive.read(name)


def _extras(wheel: Path) -> list[str]:
    metadata, _ = parse_email(_wheel_metadata(wheel))
    return metadata.get("provides_extra", [])


def _pip_environment(folder: Path) -> dict[str, str]:
    """An environment with the user's pip settings, except those that hide what was published only now."""
    environment = workspace.tool_environment()
    environment.pop("PIP_UPLOADED_PRIOR_TO", None)
    given = os.environ.get("PIP_CONFIG_FILE", "")
    if given == os.devnull:
        return environment
    settings = configparser.RawConfigParser()
    settings.read(given or [], encoding="utf-8")
    for section in ("global", "download", "install"):
        if not settings.has_section(section):
            settings.add_section(section)
        # pip ignores an empty value, and this file has the last word on all others.
        settings.set(section, "uploaded-prior-to", "")
    file = folder / "pip.conf"
    with file.open("w", encoding="utf-8") as content:
        settings.write(content)
    return {**environment, "PIP_CONFIG_FILE": str(file)}


def _bundles(provenance: object) -> list[str]:
    """The attestations in what an index keeps about a file, as sigstore's own bundles."""
    from pypi_attestations import Provenance

    bundles = Provenance.model_validate(provenance).attestation_bundles
    return [item.to_bundle().to_json() for bundle in bundles for item in bundle.attestations]


@contextmanager
def _answering(address: str) -> Iterator[None]:
    """Turn failures of requests to an index into NoAnswer or Refused."""
    import pypi_simple
    import requests

    try:
        yield
    except requests.HTTPError as error:
        answer = error.response
        said = f"{answer.request.method} {answer.url} was answered with {answer.status_code} {answer.reason}"
        if answer.status_code in (401, 403):
            raise Refused(said, READING if answer.request.method == "GET" else CREDENTIALS) from error
        if answer.status_code in AMBIGUOUS or answer.status_code >= 500:
            raise NoAnswer(said, retry_after=_retry_after(answer)) from error
        raise Refused(said, "correct what the index objects to", answer.text[:500].strip()) from error
    except (
        requests.RequestException,
        pypi_simple.UnsupportedContentTypeError,
        pypi_simple.UnsupportedRepoVersionError,
        tarfile.TarError,
        zipfile.BadZipFile,
        ValueError,
    ) as error:
        raise NoAnswer(f"{address} did not answer as an index does: {error}") from error


def _retry_after(answer: "requests.Response") -> float | None:
    import urllib3

    wanted = answer.headers.get("Retry-After")
    try:
        return urllib3.Retry().parse_retry_after(wanted) if wanted else None
    except urllib3.exceptions.InvalidHeader:
        return None


def _default_addresses(_: Configuration) -> Mapping[str, str]:
    import pypi_simple
    from twine import utils

    return {"python_index": pypi_simple.PYPI_SIMPLE_ENDPOINT, "python_upload": utils.DEFAULT_REPOSITORY}


def _registry(settings: Configuration, access: Access) -> PythonIndex:
    addresses = access.addresses
    return PythonIndex(
        settings.package(KEY).name,
        addresses["python_index"],
        addresses["python_upload"],
        access.credentials or access.logins.get("python_upload"),
        access.patience,
        settings.root_package,
        access.logins.get("python_index"),
    )


ECOSYSTEM = Ecosystem(
    key=KEY,
    label=LABEL,
    # A file can be yanked, and its name is never free again.
    permanence=1,
    addresses=("python_index", "python_upload"),
    files=2,
    file_pattern=r"(\.tar\.gz|\.whl)",
    digest_pattern="sha256:[0-9a-f]{64}",
    spell=lambda version: version.pypi,
    check_name=check_name,
    build=build,
    declare=declare,
    digest=digest,
    default_addresses=_default_addresses,
    registry=_registry,
    serve=pypi.serving,
    resolve=resolve,
)
