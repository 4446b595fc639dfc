"""The Python package installed in editable mode, as projects do that work on the contracts and a service together."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from cqc_tools.foundation import configuration, process, workspace

pytestmark = pytest.mark.cqc_code
BUILD = "import sys, hatchling.build as backend; backend.build_editable(sys.argv[1])"
USE = (
    "import site, sys; site.addsitedir(sys.argv[1]); import cqc; print(cqc.__version__, len(cqc.descriptor_set().file))"
)


@pytest.mark.parametrize("name", ["cqc", "acme-contracts"])
def test_an_editable_installation_knows_its_version(tmp_path: Path, name: str) -> None:
    settings = configuration.load()
    package = tmp_path / "python"
    shutil.copytree(
        settings.folder("python"),
        package,
        ignore=shutil.ignore_patterns("_built.py", "__pycache__", "dist", "descriptor_set.binpb"),
    )
    shutil.copyfile(settings.folder("go") / "descriptor_set.binpb", package / "src" / "cqc" / "descriptor_set.binpb")
    shutil.copyfile(workspace.ROOT / "LICENSE", package / "LICENSE")
    project = package / "pyproject.toml"
    project.write_text(project.read_text().replace('\nname = "cqc"\n', f'\nname = "{name}"\n'))
    wheels, site = tmp_path / "wheels", tmp_path / "site"
    wheels.mkdir()
    environment = {**os.environ, "SETUPTOOLS_SCM_PRETEND_VERSION": "1.2.0rc1"}
    process.run([sys.executable, "-c", BUILD, wheels], cwd=package, env=environment, what="hatchling")
    (wheel,) = wheels.iterdir()
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    # Installed, the wheel has a `.pth` file that leads to the sources, and no file of the package.
    assert not (site / "cqc").exists()
    done = subprocess.run(
        [sys.executable, "-I", "-c", USE, site], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[0] == "1.2.0rc1"
