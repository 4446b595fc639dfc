"""Publishing to real local registries."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import make_checkout

from cqc_tools.foundation import configuration, version
from cqc_tools.foundation.errors import StageFailed, UserError
from cqc_tools.packages import Registry, Source, build, targets
from cqc_tools.packages import local as registries
from cqc_tools.packages.ecosystems.go import GitRemote
from cqc_tools.packages.local import Registries
from cqc_tools.proof import rehearse
from cqc_tools.release import journal, publish

RELEASE = version.parse_release("1.2.0")
TAGS = ("v1.2.0", "packages/go-cqc/v1.2.0")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    return rehearse.tagged_clone(tmp_path_factory.mktemp("source") / "clone", RELEASE)


@pytest.fixture(scope="module")
def built(source: Source, tmp_path_factory: pytest.TempPathFactory) -> build.Build:
    return build.build(source, tmp_path_factory.mktemp("dist"))


@pytest.fixture
def local(tmp_path: Path) -> Iterator[Registries]:
    with registries.running(tmp_path / "registries") as running:
        yield running


def packages(local: Registries, source: Source) -> list[Registry]:
    return list(targets.packages(local, source.configuration, source.folder.parent).values())


def publish_to(where: list[Registry], built: build.Build, source: Source, tmp_path: Path) -> list[str]:
    """Publish with an empty record; returns the names of what was written."""
    outcomes = publish.publish(built, source, where, journal.load(tmp_path, "test"))
    return [name for outcome in outcomes for name in outcome.written]


def test_publish_then_publish_again(local: Registries, source: Source, built: build.Build, tmp_path: Path) -> None:
    where = packages(local, source)
    assert [registry.read(RELEASE) for registry in where] == [{}, {}, {}]
    written = publish_to(where, built, source, tmp_path)
    assert len(written) == 5
    for registry in where:
        assert registry.read(RELEASE) == registry.expected(built.artifacts, RELEASE, built.commit)
        assert registry.read(version.parse_release("9.9.9")) == {}
    tags = subprocess.run(["git", "ls-remote", "--tags", local.git], capture_output=True, text=True, check=True).stdout
    assert {line.split()[1] for line in tags.splitlines()} == {f"refs/tags/{tag}" for tag in TAGS}
    assert publish_to(where, built, source, tmp_path) == []


def test_the_natural_go_get_leads_to_the_module(
    local: Registries, source: Source, built: build.Build, tmp_path: Path
) -> None:
    """Without a go.mod at the top of the repository an empty module would be added, silently."""
    (remote,) = (registry for registry in packages(local, source) if isinstance(registry, GitRemote))
    publish_to([remote], built, source, tmp_path)
    user = remote.scratch / "natural"
    user.mkdir()
    environment = {**remote.client_environment(), "GOMODCACHE": str(user / "cache")}
    subprocess.run(
        ["go", "mod", "init", "example.com/user"], cwd=user, env=environment, check=True, capture_output=True
    )
    root = source.configuration.repository.removeprefix("https://")
    got = subprocess.run(["go", "get", f"{root}@v1.2.0"], cwd=user, env=environment, capture_output=True, text=True)
    assert got.returncode == 0, got.stderr
    assert (
        f"is deprecated: this is not the Go module of CQC, use {source.configuration.package('go').name} instead"
        in got.stderr
    )


def test_an_install_takes_the_module_from_its_own_remote(
    local: Registries, source: Source, built: build.Build, tmp_path: Path
) -> None:
    """The same version with other content in another remote must not be answered out of a cache."""
    changed = rehearse.tagged_clone(tmp_path / "changed", RELEASE)
    (changed.folder / changed.configuration.package("go").folder / "README.md").write_text("changed\n")
    git = ["git", "-C", str(changed.folder), "-c", "user.name=test", "-c", "user.email=test@localhost"]
    for command in (["commit", "--quiet", "--all", "--message", "changed"], *(["tag", "-f", tag] for tag in TAGS)):
        subprocess.run([*git, *command], check=True, capture_output=True)
    with registries.running(tmp_path / "others") as others:
        for number, (content, where) in enumerate(((source, local), (changed, others))):
            scratch = tmp_path / str(number)
            scratch.mkdir()
            remote = targets.packages(where, content.configuration, scratch)["go"]
            assert isinstance(remote, GitRemote)
            remote.write(TAGS, (), content)
            installed = remote.install(content.folder / "examples" / "go", RELEASE, scratch / "user")
            command = ["go", "list", "-m", "-f", "{{.Dir}}", content.configuration.package("go").name]
            folder = subprocess.check_output(command, cwd=installed.folder, env=dict(installed.environment), text=True)
            assert (Path(folder.strip(), "README.md").read_text() == "changed\n") == (content is changed)


@pytest.mark.parametrize("ecosystem", ["PyPI", "npm", "Go"])
def test_other_bytes_under_the_version_stop_it_before_any_write(
    local: Registries, source: Source, built: build.Build, tmp_path: Path, ecosystem: str
) -> None:
    everything = packages(local, source)
    (there,) = (registry for registry in everything if registry.ecosystem == ecosystem)
    publish_to([there], built, source, tmp_path)
    expected = there.expected(built.artifacts, RELEASE, built.commit)
    rebuilt = replace(
        built,
        commit="0" * 40,
        artifacts=tuple(replace(artifact, digest="sha256:" + "0" * 64) for artifact in built.artifacts),
    )
    with pytest.raises(StageFailed, match="conflict") as stopped:
        publish_to(everything, rebuilt, source, tmp_path)
    for name, digest in expected.items():
        assert f"{name}: built" in str(stopped.value)
        assert f"served {digest}" in str(stopped.value)
    assert "publish the bytes that are there" in str(stopped.value)
    assert "release a new version on all registries" in str(stopped.value)
    for registry in everything:
        assert registry.read(RELEASE) == (expected if registry is there else {})


def test_a_development_version_is_refused(source: Source, built: build.Build, tmp_path: Path) -> None:
    checkout = make_checkout(tmp_path / "checkout")
    development = replace(built, version=version.of_checkout(checkout.folder))
    with pytest.raises(UserError, match="development version"):
        publish_to([], development, source, tmp_path)


def test_the_local_index_never_answers_with_another_index(local: Registries, tmp_path: Path) -> None:
    """The public index has an unrelated project of our name."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--index-url", local.python_index]
    environment = {**os.environ, "PIP_EXTRA_INDEX_URL": "", "PIP_FIND_LINKS": ""}
    for name in (configuration.load().package("python").name, "typing-extensions"):
        done = subprocess.run([*command, name], cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode != 0
        assert not list(tmp_path.glob("*.whl")) + list(tmp_path.glob("*.tar.gz"))
