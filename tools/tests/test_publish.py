"""Publishing to real local registries."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import RELEASE, TAGS, Checkout, Released, Servers

from cqc_tools.foundation import configuration, version
from cqc_tools.foundation.errors import Conflict, Refused, UserError
from cqc_tools.packages import Registry, Source, ecosystems, local, targets
from cqc_tools.packages.ecosystems.go import GoModule
from cqc_tools.packages.local import Running
from cqc_tools.packages.manifest import Build
from cqc_tools.release import journal, publish


def registries(running: Running, source: Source, scratch: Path) -> tuple[Registry, ...]:
    return targets.at(running, source.configuration, scratch).registries


def go_module(running: Running, source: Source, scratch: Path) -> GoModule:
    (module,) = (registry for registry in registries(running, source, scratch) if isinstance(registry, GoModule))
    return module


def publish_to(where: Sequence[Registry], built: Build, source: Source, tmp_path: Path) -> list[str]:
    """Publish with an empty journal; returns the names of what was written."""
    published = publish.publish(built, source, where, journal.load(tmp_path, "test"))
    return [name for outcome in published.outcomes for name in outcome.written]


def test_publishing_twice_writes_once(running: Running, released: Released, tmp_path: Path) -> None:
    where = registries(running, released.source, tmp_path)
    assert [registry.read(RELEASE) for registry in where] == [{}, {}, {}]
    written = publish_to(where, released.built, released.source, tmp_path)
    assert len(written) == 5
    for registry in where:
        assert registry.read(RELEASE) == registry.expected(released.built.artifacts, RELEASE, released.commit)
        assert registry.read(version.parse_release("9.9.9")) == {}
    command = ["git", "ls-remote", "--tags", running.addresses["git"]]
    tags = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert {line.split()[1] for line in tags.splitlines()} == {f"refs/tags/{tag}" for tag in TAGS}
    assert publish_to(where, released.built, released.source, tmp_path) == []


def test_go_get_of_the_repository_points_to_the_module(running: Running, released: Released, tmp_path: Path) -> None:
    """Without a go.mod at the top of the repository, go would silently add an empty module."""
    module = go_module(running, released.source, tmp_path)
    publish_to([module], released.built, released.source, tmp_path)
    user = tmp_path / "user"
    user.mkdir()
    environment = {**module.client_environment(), "GOMODCACHE": str(user / "cache")}
    subprocess.run(
        ["go", "mod", "init", "example.com/user"], cwd=user, env=environment, check=True, capture_output=True
    )
    root = released.source.configuration.repository.removeprefix("https://")
    got = subprocess.run(["go", "get", f"{root}@v1.2.0"], cwd=user, env=environment, capture_output=True, text=True)
    assert got.returncode == 0, got.stderr
    assert f"is deprecated: this is not the Go module of CQC, use {module.package} instead" in got.stderr


@pytest.mark.long
def test_an_install_takes_the_module_from_its_own_remote(running: Running, released: Released, tmp_path: Path) -> None:
    """No cache may answer with the same version from another remote, which has other content."""
    changed = released.copy(tmp_path / "changed")
    readme = changed.checkout.folder / changed.source.configuration.package("go").folder / "README.md"
    readme.write_text("changed\n")
    changed.checkout.commit("changed")
    for tag in TAGS:
        changed.checkout.git("tag", "--force", tag)
    changed = Released(changed.checkout, changed.checkout.git("rev-parse", "HEAD").strip())
    chosen = ecosystems.load(configuration.load())
    with local.running(tmp_path / "others", chosen) as others:
        for number, (content, where) in enumerate(((released, running), (changed, others))):
            scratch = tmp_path / str(number)
            scratch.mkdir()
            module = go_module(where, content.source, scratch)
            module.write(TAGS, (), content.source)
            installed = module.install(RELEASE, scratch / "user", None)
            command = ["go", "list", "-m", "-f", "{{.Dir}}", module.package]
            folder = subprocess.check_output(command, cwd=installed.folder, env=dict(installed.environment), text=True)
            assert (Path(folder.strip(), "README.md").read_text() == "changed\n") == (content is changed)


def test_an_install_takes_the_package_that_the_registry_serves_now(
    running: Running, servers: Servers, released: Released, tmp_path: Path
) -> None:
    """npm's cache must not answer with what the same address served before under the same version."""
    everything = registries(running, released.source, tmp_path)
    (registry,) = (registry for registry in everything if registry.key == "typescript")
    environment = {**os.environ, **servers.environment}
    for content in ("first", "second"):
        servers.empty()
        package = tmp_path / content
        package.mkdir()
        (package / "package.json").write_text(json.dumps({"name": registry.package, "version": "1.2.0"}))
        (package / "content.txt").write_text(content)
        command = ["npm", "publish", "--registry", registry.address, "--access", "public"]
        subprocess.run(command, cwd=package, env=environment, check=True, capture_output=True)
        installed = registry.install(RELEASE, tmp_path / f"user-{content}", None)
        assert (installed.folder / "node_modules" / registry.package / "content.txt").read_text() == content


@pytest.mark.long
@pytest.mark.parametrize("key", ["python", "typescript", "go"])
def test_other_bytes_under_the_version_stop_it_before_any_write(
    running: Running, released: Released, tmp_path: Path, key: str
) -> None:
    everything = registries(running, released.source, tmp_path)
    (there,) = (registry for registry in everything if registry.key == key)
    built = released.built
    publish_to([there], built, released.source, tmp_path)
    expected = there.expected(built.artifacts, RELEASE, built.commit)
    rebuilt = replace(
        built,
        commit="0" * 40,
        artifacts=tuple(replace(artifact, digest="sha256:" + "0" * 64) for artifact in built.artifacts),
    )
    with pytest.raises(Conflict) as stopped:
        publish_to(everything, rebuilt, released.source, tmp_path)
    assert {item.file: item.served for item in stopped.value.differences} == expected
    assert all(item.built for item in stopped.value.differences)
    assert "publish the bytes that are already there" in stopped.value.fix
    assert "release a new version on all registries" in stopped.value.fix
    for registry in everything:
        assert registry.read(RELEASE) == (expected if registry is there else {})


def test_a_development_version_is_refused(pristine: Checkout, released: Released, tmp_path: Path) -> None:
    development = replace(released.built, version=version.of_checkout(pristine.folder))
    with pytest.raises(UserError, match="development version"):
        publish_to([], development, released.source, tmp_path)


def test_the_local_index_never_answers_with_another_index(running: Running, tmp_path: Path) -> None:
    """The public index has an unrelated project of our name."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--index-url", running.addresses["python_index"]]
    environment = {**os.environ, "PIP_EXTRA_INDEX_URL": "", "PIP_FIND_LINKS": ""}
    for name in (configuration.load().package("python").name, "typing-extensions"):
        done = subprocess.run([*command, name], cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode != 0
        assert not list(tmp_path.glob("*.whl")) + list(tmp_path.glob("*.tar.gz"))


def test_a_tag_that_github_would_refuse_for_its_workflows_is_found_before_a_write(
    running: Running, released: Released, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GitHub takes no tag from a workflow if no branch has the workflows of its commit; a dry run does not show it."""
    site = released.copy(tmp_path / "checkout")
    remote = running.addresses["git"]
    workflow = site.checkout.folder / ".github" / "workflows" / "ci.yml"
    workflow.write_text(workflow.read_text() + "# changed while the release was reviewed\n")
    site.checkout.commit()
    site.checkout.git("push", "--quiet", remote, "HEAD:refs/heads/main")
    module = go_module(running, site.source, tmp_path)
    module.authorise(site.source)
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_SERVER_URL", remote.rpartition("/")[0])
    with pytest.raises(Refused, match="differ from those of every branch") as raised:
        module.authorise(site.source)
    assert f"git push --atomic {remote} {released.commit}:refs/tags/{TAGS[0]}" in raised.value.fix
    site.checkout.git("push", "--quiet", remote, f"{released.commit}:refs/heads/release-1.2")
    module.authorise(site.source)
