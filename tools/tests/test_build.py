"""The built artifacts: the same bytes wherever they are built, one version in all of them, and every change noticed."""

import json
import os
import shutil
import subprocess
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from conftest import Checkout, Released

from cqc_tools.foundation import configuration, workspace
from cqc_tools.foundation.errors import UserError
from cqc_tools.packages import ecosystems, manifest

FILES = [
    "SHA256SUMS",
    "cq-cqc-1.2.0.cdx.json",
    "cq-cqc-1.2.0.tgz",
    "cqc-1.2.0-py3-none-any.whl",
    "cqc-1.2.0.cdx.json",
    "cqc-1.2.0.tar.gz",
    "go-cqc-v1.2.0.cdx.json",
    "go-cqc-v1.2.0.zip",
    "release.json",
]


def built(checkout: Checkout, *options: str, umask: int = 0o022, **environment: str) -> Path:
    previous = os.umask(umask)
    try:
        done = checkout.cqc("build", *options, "--json", **environment)
    finally:
        os.umask(previous)
    assert done.returncode == 0, done.stderr
    return checkout.folder / "dist" / str(json.loads(done.stdout)["version"]["npm"])


@pytest.fixture
def copy(released: Released, tmp_path: Path) -> Path:
    return Path(shutil.copytree(released.dist, tmp_path / "1.2.0"))


def append(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"x")


@pytest.mark.long
def test_a_build_elsewhere_has_the_same_bytes_and_replaces_others(released: Released, tmp_path: Path) -> None:
    """In another folder, time zone and umask, as another user, with touched files, from a checkout that has moved on,
    over an earlier build that was damaged."""
    other = released.checkout.copy(tmp_path / "elsewhere" / "of another depth" / "checkout")
    other.git("tag", "v1.2.0-rc.1", "v1.2.0")
    # The version on the command line is built, whichever of the tags is the newest.
    other.git("tag", "--annotate", "--message", "other", "v1.1.9", "v1.2.0")
    (other.folder / "packages" / "python-cqc" / "README.md").write_text("after the release\n")
    other.commit()
    (other.folder / "LICENSE").write_text("changed, not committed\n")
    earlier = other.folder / "dist" / "1.2.0"
    append(earlier / "cqc-1.2.0.tar.gz")
    (earlier / "beside.txt").touch()
    for path in other.folder.rglob("*"):
        if not path.is_symlink():
            os.utime(path, (1_000_000_000, 1_000_000_000))
    home = tmp_path / "home"
    home.mkdir()
    user = {"HOME": str(home), "USER": "somebody", "LOGNAME": "somebody"}
    where = {"TZ": "Pacific/Auckland", "LC_ALL": "C", "SOURCE_DATE_EPOCH": "1"}
    folder = built(other, "--release", "v1.2.0", umask=0o077, **user, **where)
    assert folder == earlier
    for place in (folder, released.dist):
        assert sorted(path.name for path in place.iterdir()) == FILES
    for name in FILES:
        assert (folder / name).read_bytes() == (released.dist / name).read_bytes(), name


@pytest.mark.long
def test_building_again_keeps_a_build_of_the_same_bytes(released: Released, tmp_path: Path) -> None:
    again = released.copy(tmp_path / "checkout")
    beside = again.dist / "beside.txt"
    beside.touch()
    built(again.checkout, "--release", "1.2.0")
    assert beside.exists()
    manifest.load(again.dist)


def test_every_artifact_comes_from_the_tag(released: Released) -> None:
    content = json.loads((released.dist / "release.json").read_text())
    assert content["version"] == {"pypi": "1.2.0", "npm": "1.2.0", "go": "v1.2.0"}
    assert content["commit"] == released.commit
    with tarfile.open(released.dist / "cq-cqc-1.2.0.tgz") as archive:
        npm_files = archive.getnames()
        package = archive.extractfile("package/package.json")
        assert package
        assert json.load(package)["version"] == "1.2.0"
    with zipfile.ZipFile(released.dist / "cqc-1.2.0-py3-none-any.whl") as wheel:
        wheel_files = wheel.namelist()
        metadata = wheel.read("cqc-1.2.0.dist-info/METADATA").decode()
        assert "Version: 1.2.0\n" in metadata
        assert "after the release" not in metadata
    with zipfile.ZipFile(released.dist / "go-cqc-v1.2.0.zip") as module:
        module_files = module.namelist()
    root = "github.com/Combine-Capital/cqc/packages/go-cqc@v1.2.0"
    assert {f"{root}/LICENSE", f"{root}/README.md", f"{root}/descriptor_set.binpb"} <= set(module_files)
    for files in (npm_files, wheel_files, module_files):
        assert any(name.endswith("proto/cqc/markets/v1/price.proto") for name in files)


def test_other_programs_can_check_the_sums(released: Released) -> None:
    for program in (["sha256sum", "--check"], ["shasum", "-a", "256", "--check"]):
        if shutil.which(program[0]):
            done = subprocess.run(
                [*program, "SHA256SUMS"], cwd=released.dist, capture_output=True, text=True, check=True
            )
            assert done.stdout.count(": OK\n") == len(FILES) - 1
            return
    pytest.skip("NOT TESTED here: neither sha256sum nor shasum is installed")


def test_the_manifest_follows_its_schema(released: Released) -> None:
    schema = json.loads(manifest.SCHEMA.read_text())
    jsonschema_rs.meta.validate(schema)
    jsonschema_rs.Draft202012Validator(schema).validate(json.loads((released.dist / manifest.FILE).read_text()))
    assert {"python", "protoc", "go", "node", "npm", "typescript"} <= released.built.toolchain.keys()


def test_the_schema_in_the_repository_follows_from_the_ecosystems() -> None:
    schema = manifest.schema(ecosystems.load(configuration.load()))
    path = manifest.SCHEMA.relative_to(workspace.ROOT)
    assert json.loads(manifest.SCHEMA.read_text()) == schema, f"write it again: tools/cqc release-schema > {path}"


@pytest.fixture(scope="session")
def bom_validator() -> Any:
    # Importing it takes two seconds, in each test process.
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    return JsonStrictValidator(SchemaVersion.V1_6)


@pytest.mark.parametrize(
    ("name", "package", "dependencies", "indirect"),
    [
        (
            "cqc-1.2.0",
            "pkg:pypi/cqc@1.2.0",
            {"pkg:pypi/protobuf": (">=6.31.1", "required"), "pkg:pypi/grpcio": (">=1.75.1", "required")},
            ("typing-extensions", {"license": {"id": "PSF-2.0"}}, "required"),
        ),
        (
            "cq-cqc-1.2.0",
            "pkg:npm/%40cq/cqc@1.2.0",
            {
                "pkg:npm/%40bufbuild/protobuf": ("^2.12.0", "required"),
                "pkg:npm/%40bufbuild/protovalidate": ("^1.0.0", "optional"),
                "pkg:npm/%40grpc/grpc-js": ("^1.12.0", "optional"),
            },
            ("protobufjs", {"license": {"id": "BSD-3-Clause"}}, "optional"),
        ),
        (
            "go-cqc-v1.2.0",
            "pkg:golang/github.com/Combine-Capital/cqc/packages/go-cqc@v1.2.0",
            {
                "pkg:golang/google.golang.org/grpc@v1.75.1": (">=v1.75.1", "required"),
                "pkg:golang/google.golang.org/protobuf@v1.36.10": (">=v1.36.10", "required"),
            },
            ("cel-go", {"expression": "Apache-2.0 AND BSD-3-Clause"}, "required"),
        ),
    ],
)
def test_the_bill_of_materials_names_the_package_its_files_and_its_dependencies(
    released: Released,
    bom_validator: Any,
    name: str,
    package: str,
    dependencies: dict[str, tuple[str, str]],
    indirect: tuple[str, dict[str, object], str],
) -> None:
    text = (released.dist / f"{name}.cdx.json").read_text()
    assert bom_validator.validate_str(text) is None
    bom = json.loads(text)
    about = bom["metadata"]["component"]
    assert about["purl"] == package
    assert about["licenses"] == [{"license": {"id": "Apache-2.0"}}]
    content = json.loads((released.dist / manifest.FILE).read_text())
    sums = {item["file"]: item["sha256"] for item in content["artifacts"]}
    for file in about["components"]:
        assert {"alg": "SHA-256", "content": sums[file["name"]]} in file["hashes"]
    properties = {
        item["purl"]: {about["name"]: about["value"] for about in item.get("properties", ())}
        for item in bom["components"]
    }
    scopes = {item["purl"]: item["scope"] for item in bom["components"]}
    direct = {
        purl: (about["cqc:versions"], scopes[purl]) for purl, about in properties.items() if "cqc:versions" in about
    }
    assert dependencies.items() <= direct.items()
    assert all("cqc:tested" in properties[purl] for purl in direct)
    edges = {item["ref"]: set(item.get("dependsOn", ())) for item in bom["dependencies"]}
    assert edges[package] == direct.keys()
    # What they need in turn, as the locks resolve it.
    found = {item["name"]: item for item in bom["components"]}
    other, licence, scope = indirect
    assert (found[other]["licenses"], found[other]["scope"]) == ([licence], scope)
    assert found[other]["purl"] not in direct
    assert all(item["licenses"] for item in bom["components"])
    assert bom["metadata"]["timestamp"] == content["committed"]


def test_a_loaded_build_equals_the_one_that_was_written(released: Released) -> None:
    loaded = manifest.load(released.dist)
    assert loaded.manifest() == (released.dist / manifest.FILE).read_text()
    assert all(file.path.is_file() for file in loaded.files)


def rewrite(path: Path, change: Callable[[dict[str, object]], object]) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "folder is gone": (shutil.rmtree, "does not exist"),
    "manifest is gone": (lambda folder: (folder / "release.json").unlink(), "cannot be read"),
    "manifest is cut": (lambda folder: (folder / "release.json").write_text('{"version"'), "is not JSON"),
    "manifest is binary": (lambda folder: (folder / "release.json").write_bytes(b"\xff\xfe\x00"), "is not JSON"),
    "key is missing": (
        lambda folder: rewrite(folder / "release.json", lambda content: content.pop("commit")),
        '"commit" is a required property',
    ),
    "key is unknown": (
        lambda folder: rewrite(folder / "release.json", lambda content: content.update(extra=1)),
        "'extra' was unexpected",
    ),
    "path leads out": (
        lambda folder: rewrite(
            folder / "release.json",
            lambda content: content["sboms"][0].update(file="../../etc/passwd.cdx.json"),  # type: ignore[index]
        ),
        "malformed at $.sboms[0].file",
    ),
    "digest was edited": (
        lambda folder: rewrite(
            folder / "release.json",
            lambda content: content["artifacts"][0].update(digest=f"h1:{'A' * 43}="),  # type: ignore[index]
        ),
        "go-cqc-v1.2.0.zip has",
    ),
    "commit was edited": (
        lambda folder: rewrite(folder / "release.json", lambda content: content.update(commit="0" * 40)),
        "contradict each other",
    ),
    "artifact is gone": (lambda folder: (folder / "cq-cqc-1.2.0.tgz").unlink(), "cq-cqc-1.2.0.tgz is missing"),
    "artifact was changed": (lambda folder: append(folder / "cqc-1.2.0.tar.gz"), "cqc-1.2.0.tar.gz was changed"),
    "bill was changed": (lambda folder: append(folder / "cqc-1.2.0.cdx.json"), "cqc-1.2.0.cdx.json was changed"),
    "sums are gone": (lambda folder: (folder / "SHA256SUMS").unlink(), "contradict each other"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_change_after_the_build_is_named(copy: Path, damage: str) -> None:
    change, expected = DAMAGES[damage]
    change(copy)
    with pytest.raises(UserError) as refused:
        manifest.load(copy)
    assert expected in str(refused.value)
    assert "make build VERSION=1.2.0" in str(refused.value)


@pytest.mark.parametrize(
    ("version", "expected"),
    [("1.2", "is not a release version"), ("7.7.7", "no tag v7.7.7"), ("1.2.0-dev.1", "cannot")],
)
def test_a_version_that_cannot_be_built_is_refused(released: Released, version: str, expected: str) -> None:
    before = sorted((released.checkout.folder / "dist").iterdir())
    done = released.checkout.cqc("build", "--release", version)
    assert (done.returncode, done.stdout) == (2, "")
    assert expected in done.stderr
    assert "Traceback" not in done.stderr
    assert sorted((released.checkout.folder / "dist").iterdir()) == before


@pytest.mark.long
def test_uncommitted_changes_are_included_and_make_it_a_development_version(checkout: Checkout) -> None:
    checkout.git("tag", "v1.2.0")
    readme = checkout.folder / "packages" / "python-cqc" / "README.md"
    readme.write_text(readme.read_text() + "\nnot committed\n")
    folder = built(checkout)
    assert "-dev." in folder.name
    assert checkout.git("tag").split() == ["v1.2.0"]
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = (name for name in archive.namelist() if name.endswith("METADATA"))
        assert "not committed" in archive.read(metadata).decode()
