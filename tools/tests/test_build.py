"""The built artifacts: the same bytes wherever they are built, and one version in all of them."""

import json
import os
import tarfile
import zipfile
from pathlib import Path

from conftest import Checkout, make_checkout


def built(checkout: Checkout, umask: int, **environment: str) -> Path:
    previous = os.umask(umask)
    try:
        done = checkout.cqc("build", "--json", **environment)
    finally:
        os.umask(previous)
    assert done.returncode == 0, done.stderr
    return checkout.folder / "dist" / str(json.loads(done.stdout)["version"]["npm"])


def test_two_builds_have_the_same_bytes_and_one_version(tmp_path: Path) -> None:
    first = make_checkout(tmp_path / "first")
    first.git("tag", "v1.2.0-rc.1")
    second = make_checkout(tmp_path / "elsewhere" / "second")
    second.git("fetch", "--quiet", str(first.folder), "tag", "v1.2.0-rc.1")
    second.git("checkout", "--quiet", "v1.2.0-rc.1")
    for path in second.folder.rglob("*.py"):
        os.utime(path)
    one = built(first, 0o022, TZ="UTC")
    other = built(second, 0o077, TZ="Pacific/Auckland", SOURCE_DATE_EPOCH="1")
    names = sorted(path.name for path in one.iterdir())
    assert names == [
        "SHA256SUMS",
        "cq-cqc-1.2.0-rc.1.tgz",
        "cqc-1.2.0rc1-py3-none-any.whl",
        "cqc-1.2.0rc1.tar.gz",
        "go-cqc-v1.2.0-rc.1.zip",
        "release.json",
    ]
    for name in names:
        assert (one / name).read_bytes() == (other / name).read_bytes(), name

    manifest = json.loads((one / "release.json").read_text())
    assert manifest["version"] == {"pypi": "1.2.0rc1", "npm": "1.2.0-rc.1", "go": "v1.2.0-rc.1"}
    assert manifest["commit"] == first.git("rev-parse", "HEAD").strip()
    with tarfile.open(one / "cq-cqc-1.2.0-rc.1.tgz") as archive:
        npm_files = archive.getnames()
        package = archive.extractfile("package/package.json")
        assert package
        assert json.load(package)["version"] == "1.2.0-rc.1"
    with zipfile.ZipFile(one / "cqc-1.2.0rc1-py3-none-any.whl") as wheel:
        wheel_files = wheel.namelist()
        assert "Version: 1.2.0rc1" in wheel.read("cqc-1.2.0rc1.dist-info/METADATA").decode()
    with zipfile.ZipFile(one / "go-cqc-v1.2.0-rc.1.zip") as module:
        module_files = module.namelist()
    root = "github.com/Combine-Capital/cqc/packages/go-cqc@v1.2.0-rc.1"
    assert {f"{root}/LICENSE", f"{root}/README.md", f"{root}/descriptor_set.binpb"} <= set(module_files)
    for files in (npm_files, wheel_files, module_files):
        assert any(name.endswith("proto/cqc/markets/v1/price.proto") for name in files)


def test_uncommitted_changes_are_included_and_make_it_a_development_version(checkout: Checkout) -> None:
    checkout.git("tag", "v1.2.0")
    readme = checkout.folder / "packages" / "python-cqc" / "README.md"
    readme.write_text(readme.read_text() + "\nnot committed\n")
    folder = built(checkout, 0o022)
    assert "-dev." in folder.name
    assert checkout.git("tag").split() == ["v1.2.0"]
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = (name for name in archive.namelist() if name.endswith("METADATA"))
        assert "not committed" in archive.read(metadata).decode()
