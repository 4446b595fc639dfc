"""Scratch checkouts where tests run the command line as a user does, and one release that tests share.

Tests run in several processes. Expensive folders are made once, by the process that needs them first, and never
changed: a test that changes something makes a copy.
"""

import compileall
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import preloaded
import pytest
from filelock import FileLock
from hypothesis import settings as hypothesis_settings

from cqc_tools.contracts import descriptors, golden_files
from cqc_tools.foundation import configuration, git, version, workspace
from cqc_tools.packages import Source, ecosystems, local, manifest, sources
from cqc_tools.packages.local import Running
from cqc_tools.packages.local import npm as local_npm
from cqc_tools.packages.manifest import Build

RELEASE = version.parse_release("1.2.0")
PRE_RELEASE = version.parse_release("1.2.0-rc.1")
TAGS = ("v1.2.0", "packages/go-cqc/v1.2.0")
NOTES = "Prices have a currency.\n"
# Tests that use one of these fixtures build, clone, or start registries or a browser.
SLOW_FIXTURES = {"shared", "servers", "browser"}
# `make test` runs one share of the tests marked `long`, another one each week, and `make test-tools` all of them.
SHARES = 12
IDENTITY = {
    f"GIT_{role}_{key}": value
    for role in ("AUTHOR", "COMMITTER")
    for key, value in {"NAME": "test", "EMAIL": "test@localhost"}.items()
}

# No test fails because the machine is busy.
hypothesis_settings.register_profile("untimed", deadline=None)
hypothesis_settings.load_profile("untimed")


@dataclass(frozen=True)
class Checkout:
    """A clone of what is checked out, with the installed toolchain linked in."""

    folder: Path

    def environment(self, **extra: str) -> dict[str, str]:
        return {**os.environ, **IDENTITY, "PYTHONPATH": str(self.folder / "tools"), **extra}

    def cqc(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run the command line; nothing is raised if it fails."""
        return preloaded.run(arguments, self.folder, self.environment(**environment))

    def git(self, *arguments: str) -> str:
        command = ["git", "-C", str(self.folder), *arguments]
        return subprocess.run(command, env=self.environment(), capture_output=True, text=True, check=True).stdout

    def commit(self, message: str = "change") -> None:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)

    def keep_golden(self, release: str) -> None:
        """Write a file of golden bytes without messages, because making them takes all three languages."""
        settings = configuration.load(self.folder / configuration.FILE)
        contracts = golden_files.fingerprint(descriptors.generated(settings, self.folder))
        path = self.folder / "tools" / "golden" / f"{release}.jsonl"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps({golden_files.CONTRACTS: contracts}) + "\n")

    def copy(self, folder: Path) -> "Checkout":
        """The same checkout in another folder."""
        return Checkout(Path(shutil.copytree(self.folder, folder, symlinks=True)))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--share-of-long", type=int, default=None, help="a number: run one share of the long tests")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark slow tests, so that `pytest -m "not slow"` runs the others, and leave out most long ones if told to."""
    for item in items:
        if isinstance(item, pytest.Function) and SLOW_FIXTURES & set(item.fixturenames):
            item.add_marker(pytest.mark.slow)
    seed = config.getoption("--share-of-long")
    if seed is not None:
        long = sorted(item.nodeid for item in items if item.get_closest_marker("long"))
        # Neighbours take equally long, so each belongs to another share.
        left_out = set(long) - set(long[seed % SHARES :: SHARES])
        config.hook.pytest_deselected(items=[item for item in items if item.nodeid in left_out])
        items[:] = [item for item in items if item.nodeid not in left_out]


def point_target(checkout: Checkout, running: Running, *more: str) -> None:
    """Add a target `test` with running registries to a checkout's release.toml; `more` are further lines for it."""
    lines = [f"{name} = {json.dumps(address)}" for name, address in running.addresses.items()]
    settings = checkout.folder / "release.toml"
    settings.write_text("\n".join([settings.read_text(), "[targets.test]", *lines, *more, ""]))


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[Path], None]], Path]:
    """A function that makes a folder, named by its first argument, once for all processes of this run."""
    base = tmp_path_factory.getbasetemp()
    if os.environ.get("PYTEST_XDIST_WORKER"):
        base = base.parent

    def make(name: str, build: Callable[[Path], None]) -> Path:
        folder = base / f"shared-{name}"
        done = base / f"shared-{name}.done"
        with FileLock(base / f"shared-{name}.lock"):
            if not done.exists():
                shutil.rmtree(folder, ignore_errors=True)
                build(folder)
                done.touch()
        return folder

    return make


Shared = Callable[[str, Callable[[Path], None]], Path]


@pytest.fixture(scope="session")
def pristine(shared: Shared) -> Checkout:
    """A checkout without tags. Tests must not change it."""
    return Checkout(shared("pristine", _make_checkout))


def _make_checkout(folder: Path) -> None:
    sources.clone(folder)
    for name in (".venv", "packages/ts-cqc/node_modules", "tools/node/node_modules"):
        (folder / name).symlink_to(workspace.ROOT / name)
    # Each checkout has registries of its own for the target `local`, and keeps its own last rehearsal.
    (folder / ".cache").mkdir()
    for path in workspace.CACHE.iterdir():
        if path.name not in ("registries", "rehearsal", "peers", "python-runtimes", "foreign-toolchains"):
            (folder / ".cache" / path.name).symlink_to(path)
    # The patterns in .gitignore match folders, not links.
    exclude = folder / ".git" / "info" / "exclude"
    exclude.write_text("/.venv\n/.cache\nnode_modules\n")
    # Copies are cheaper with few git objects, and keep the compiled modules.
    repository = git.Repository(folder)
    repository.run("repack", "-a", "-d", "-q")
    compileall.compile_dir(folder / "tools" / "cqc_tools", quiet=1)
    repository.delete_tags(repository.tags())


@pytest.fixture
def checkout(pristine: Checkout, tmp_path: Path) -> Checkout:
    """A checkout without tags, of this test's own."""
    return pristine.copy(tmp_path / "checkout")


@dataclass(frozen=True)
class Released:
    """A checkout whose HEAD is v1.2.0 and whose dist/ holds its build. Tests must not change it."""

    checkout: Checkout
    commit: str

    @property
    def dist(self) -> Path:
        return self.checkout.folder / "dist" / RELEASE.npm

    @property
    def storage(self) -> Path:
        """The files of the registries of the target `local`, if it was published there."""
        return self.checkout.folder / ".cache" / "registries"

    @property
    def outcomes(self) -> Path:
        """What `publish --json` printed, if it ran."""
        return self.checkout.folder / ".cache" / "publish.json"

    @property
    def built(self) -> Build:
        return manifest.load(self.dist)

    @property
    def source(self) -> Source:
        settings = configuration.load(self.checkout.folder / configuration.FILE)
        return Source(self.checkout.folder, self.commit, RELEASE, settings)

    def copy(self, folder: Path) -> "Released":
        return Released(self.checkout.copy(folder), self.commit)


@pytest.fixture(scope="session")
def released(shared: Shared, pristine: Checkout) -> Released:
    """v1.2.0, with release notes and golden bytes, built once for all tests."""

    def make(folder: Path) -> None:
        checkout = pristine.copy(folder)
        (folder / "CHANGELOG.md").write_text(f"# Changelog\n\n## [Unreleased]\n\n## [1.2.0] - 2026-11-24\n\n{NOTES}")
        checkout.keep_golden(RELEASE.npm)
        checkout.commit("Release 1.2.0")
        for tag in TAGS:
            checkout.git("tag", tag)
        _build(checkout, RELEASE)

    checkout = Checkout(shared("released", make))
    return Released(checkout, checkout.git("rev-parse", "HEAD").strip())


@pytest.fixture(scope="session")
def pre_released(shared: Shared, released: Released) -> Released:
    """The same commit, which is also v1.2.0-rc.1: dist/ holds both builds."""

    def make(folder: Path) -> None:
        checkout = released.checkout.copy(folder)
        checkout.git("tag", PRE_RELEASE.tag)
        _build(checkout, PRE_RELEASE)

    return Released(Checkout(shared("pre-released", make)), released.commit)


@pytest.fixture(scope="session")
def published(shared: Shared, released: Released) -> Released:
    """v1.2.0 on the registries of its checkout's target `local`."""

    def make(folder: Path) -> None:
        done = released.checkout.copy(folder).cqc("publish", "--release", RELEASE.npm, "--json")
        assert done.returncode == 0, done.stderr
        Released(Checkout(folder), released.commit).outcomes.write_text(done.stdout)

    return Released(Checkout(shared("published", make)), released.commit)


def _build(checkout: Checkout, release: version.Version) -> None:
    done = checkout.cqc("build", "--release", release.npm)
    assert done.returncode == 0, done.stderr


@dataclass(frozen=True)
class Servers:
    """Registries of a test process: their files, their addresses, and the environment of a user who may publish."""

    folder: Path
    running: Running
    environment: Mapping[str, str]

    def empty(self) -> None:
        """Remove everything that was published."""
        for path in ((self.folder / "pypi").iterdir(), (self.folder / "npm" / "storage").glob("@*")):
            for item in path:
                shutil.rmtree(item) if item.is_dir() else item.unlink()
        repository = git.Repository(self.folder / "git" / "cqc.git")
        for reference in repository.run("for-each-ref", "--format=%(refname)").split():
            repository.run("update-ref", "-d", reference)

    def load(self, storage: Path) -> None:
        """Serve what other registries kept in `storage`."""
        for part in ("pypi", "npm/storage", "git"):
            shutil.copytree(storage / part, self.folder / part, dirs_exist_ok=True)


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    folder = tmp_path_factory.mktemp("registries")
    with local.running(folder, ecosystems.load(configuration.load())) as running:
        # npm and twine find their credentials where they always do.
        npm = running.addresses["npm"]
        settings = folder / "npmrc"
        settings.write_text(f"{npm.partition(':')[2]}:_authToken={local_npm.token(npm)}\n")
        credentials = {"npm_config_userconfig": str(settings), "TWINE_USERNAME": "me", "TWINE_PASSWORD": "secret"}
        yield Servers(folder, running, credentials)


@pytest.fixture
def running(servers: Servers) -> Running:
    """Empty registries; the tests of one process share the servers."""
    servers.empty()
    return servers.running
