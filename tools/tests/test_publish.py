"""Publishing to real local registries."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import make_checkout

from cqc_tools import build, configuration, publish, registries, rehearse, version
from cqc_tools.ecosystems import Registry, Source
from cqc_tools.ecosystems.go import GitRemote
from cqc_tools.errors import StageFailed, UserError
from cqc_tools.registries import Registries

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


def targets(local: Registries, source: Source) -> list[Registry]:
    return list(rehearse.targets(local, source.configuration, source.folder.parent).values())


def test_publish_then_publish_again(local: Registries, source: Source, built: build.Build) -> None:
    where = targets(local, source)
    assert [registry.read(RELEASE) for registry in where] == [{}, {}, {}]
    publish.publish(built, source, where)
    for registry in where:
        artifacts = publish.artifacts_of(built, registry)
        assert registry.read(RELEASE) == {artifact.path.name: artifact.digest for artifact in artifacts}
        assert registry.read(version.parse_release("9.9.9")) == {}
    tags = subprocess.run(["git", "ls-remote", "--tags", local.git], capture_output=True, text=True, check=True).stdout
    assert {line.split()[1] for line in tags.splitlines()} == {
        "refs/tags/v1.2.0",
        "refs/tags/packages/go-cqc/v1.2.0",
    }
    publish.publish(built, source, where)


def test_the_natural_go_get_leads_to_the_module(local: Registries, source: Source, built: build.Build) -> None:
    """Without a go.mod at the top of the repository an empty module would be added, silently."""
    (remote,) = (registry for registry in targets(local, source) if isinstance(registry, GitRemote))
    publish.publish(built, source, [remote])
    user = remote.scratch / "natural"
    user.mkdir()
    environment = {**remote.client_environment(), "GOMODCACHE": str(user / "cache")}
    subprocess.run(
        ["go", "mod", "init", "example.com/user"], cwd=user, env=environment, check=True, capture_output=True
    )
    root = source.configuration.repository.removeprefix("https://")
    got = subprocess.run(["go", "get", f"{root}@v1.2.0"], cwd=user, env=environment, capture_output=True, text=True)
    assert got.returncode == 0, got.stderr
    assert f"is deprecated: this is not the Go module of CQC, use {source.configuration.go.name} instead" in got.stderr


def test_an_install_takes_the_module_from_its_own_remote(
    local: Registries, source: Source, built: build.Build, tmp_path: Path
) -> None:
    """The same version with other content in another remote must not be answered out of a cache."""
    changed = rehearse.tagged_clone(tmp_path / "changed", RELEASE)
    (changed.folder / changed.configuration.go.folder / "README.md").write_text("changed\n")
    git = ["git", "-C", str(changed.folder), "-c", "user.name=test", "-c", "user.email=test@localhost"]
    for command in (["commit", "--quiet", "--all", "--message", "changed"], *(["tag", "-f", tag] for tag in TAGS)):
        subprocess.run([*git, *command], check=True, capture_output=True)
    with registries.running(tmp_path / "others") as others:
        for number, (content, where) in enumerate(((source, local), (changed, others))):
            scratch = tmp_path / str(number)
            scratch.mkdir()
            remote = rehearse.targets(where, content.configuration, scratch)["go"]
            assert isinstance(remote, GitRemote)
            remote.write((), content)
            installed = remote.install(content.folder / "examples" / "go", RELEASE, scratch / "user")
            command = ["go", "list", "-m", "-f", "{{.Dir}}", content.configuration.go.name]
            folder = subprocess.check_output(command, cwd=installed.folder, env=dict(installed.environment), text=True)
            assert (Path(folder.strip(), "README.md").read_text() == "changed\n") == (content is changed)


@pytest.mark.parametrize("ecosystem", ["PyPI", "npm"])
def test_other_bytes_under_the_version_stop_it(
    local: Registries, source: Source, built: build.Build, ecosystem: str
) -> None:
    where = [registry for registry in targets(local, source) if registry.ecosystem == ecosystem]
    publish.publish(built, source, where)
    rebuilt = replace(
        built,
        artifacts=tuple(replace(artifact, digest="sha256:" + "0" * 64) for artifact in built.artifacts),
    )
    with pytest.raises(StageFailed) as stopped:
        publish.publish(rebuilt, source, where)
    for artifact in publish.artifacts_of(built, where[0]):
        assert artifact.path.name in str(stopped.value)
        assert artifact.digest in str(stopped.value)
    assert "a new version on all" in str(stopped.value)


def test_a_development_version_is_refused(source: Source, built: build.Build, tmp_path: Path) -> None:
    checkout = make_checkout(tmp_path / "checkout")
    development = replace(built, version=version.of_checkout(checkout.folder))
    with pytest.raises(UserError, match="development version"):
        publish.publish(development, source, [])


def test_the_local_index_never_answers_for_our_name_with_another_index(local: Registries, tmp_path: Path) -> None:
    """The public index has an unrelated project of the same name."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--index-url", f"{local.python}simple/"]
    name = configuration.load().python.name
    ours = subprocess.run([*command, name], cwd=tmp_path, capture_output=True, text=True)
    assert ours.returncode != 0
    assert not list(tmp_path.glob("*.whl")) + list(tmp_path.glob("*.tar.gz"))
    others = subprocess.run([*command, "typing-extensions"], cwd=tmp_path, capture_output=True, text=True)
    assert others.returncode == 0, others.stderr
