"""The protos in each package: users compile all of them with nothing but protoc and the package."""

import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Released

from cqc_tools.foundation import process

pytestmark = pytest.mark.cqc_code
GO = "github.com/Combine-Capital/cqc/packages/go-cqc@v1.2.0"
# The file of each package, and where the protos are in it once it is unpacked.
PACKAGES = {
    "wheel": ("cqc-1.2.0-py3-none-any.whl", "cqc/proto"),
    "sdist": ("cqc-1.2.0.tar.gz", "cqc-1.2.0/src/cqc/proto"),
    "module": ("go-cqc-v1.2.0.zip", f"{GO}/proto"),
    "npm": ("cq-cqc-1.2.0.tgz", "package/proto"),
}


@pytest.mark.parametrize("package", PACKAGES)
def test_the_shipped_protos_compile(released: Released, tmp_path: Path, package: str) -> None:
    name, folder = PACKAGES[package]
    open_: Callable[[Path], zipfile.ZipFile | tarfile.TarFile] = (
        tarfile.open if name.endswith("gz") else zipfile.ZipFile
    )
    with open_(released.dist / name) as archive:
        archive.extractall(tmp_path)
    # Beside our own package: another distribution may own the top-level package `buf`.
    assert not (tmp_path / "buf").exists()
    protos = tmp_path / folder
    names = sorted(path.relative_to(protos).as_posix() for path in protos.rglob("*.proto"))
    assert {"cqc/markets/v1/price.proto", "buf/validate/validate.proto"} <= set(names)
    assert "Licensed under the Apache License" in (protos / "buf" / "validate" / "validate.proto").read_text()
    process.run(
        [sys.executable, "-m", "grpc_tools.protoc", f"-I{protos}", f"--descriptor_set_out={tmp_path / 'out'}", *names],
        what="protoc",
    )
    assert (tmp_path / "out").stat().st_size
