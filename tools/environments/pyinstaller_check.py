"""Freeze a program that uses the wheel into one file with PyInstaller, run it, and compare what it prints.

    python pyinstaller_check.py WHEEL PYTHON

PYTHON has the packages of pyinstaller.lock. The wheel is unpacked for the check and not installed. Exits 1 with the
difference, or with the output of the program that failed.
"""

import json
import os
import subprocess
import sys
import tempfile
import zipfile
from email.parser import Parser
from pathlib import Path

SECONDS = 300
# As a user writes it: nothing in it mentions PyInstaller, and it names modules only as the README does.
PROGRAM = """
import json
import cqc
from cqc.errors import ServiceError
from cqc.markets.v1 import Price
from cqc.services.v1 import ErrorReason, GetPriceRequest, market_data_pb2_grpc

print(json.dumps({
    "version": cqc.__version__,
    "files": len(cqc.descriptor_set().file),
    "message": Price.FromString(Price(asset_id="BTC").SerializeToString()).asset_id,
    "rules": [item.rule_id for item in cqc.validate(GetPriceRequest(asset_id="btc"))],
    "valid": cqc.validate(GetPriceRequest(asset_id="BTC")) == [],
    "error": ServiceError(ErrorReason.ERROR_REASON_NO_DATA, "no price yet").message,
    "helper": str(cqc.parse_decimal("1.50")),
    "stub": market_data_pb2_grpc.MarketDataStub.__name__,
}))
"""


def main(wheel: Path, python: str) -> None:
    """Raise SystemExit if the frozen program cannot do what the program can."""
    with tempfile.TemporaryDirectory(prefix="cqc-pyinstaller-") as scratch:
        folder = Path(scratch)
        site = folder / "site"
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(site)
        program = folder / "prices.py"
        program.write_text(PROGRAM)
        with_wheel = {**os.environ, "PYTHONPATH": str(site)}
        expected = json.loads(run([python, str(program)], folder, with_wheel))
        (metadata,) = site.glob("*.dist-info/METADATA")
        version = Parser().parsestr(metadata.read_text())["Version"]
        if (expected["version"], expected["rules"]) != (version, ["string.asset_reference"]) or not expected["files"]:
            raise SystemExit(f"the program is wrong before it is frozen: {expected}")
        options = ["--onefile", "--noconfirm", "--log-level=WARN", "--distpath", str(folder / "dist")]
        options += ["--workpath", str(folder / "build"), "--specpath", str(folder)]
        run([python, "-m", "PyInstaller", *options, str(program)], folder, with_wheel)
        # The wheel is out of reach now.
        site.rename(folder / "moved")
        (frozen,) = (folder / "dist").iterdir()
        found = json.loads(run([str(frozen)], folder / "dist", {"PATH": os.defpath, "TMPDIR": scratch}))
        if found != expected:
            raise SystemExit(f"the frozen program printed\n{found}\ninstead of\n{expected}")
        print(f"ok: one file of {frozen.stat().st_size / 1e6:.1f} MB, {found['files']} descriptors, {version}")


def run(command: list[str], folder: Path, environment: dict[str, str]) -> str:
    """Return what a program prints; raise SystemExit with all its output if it fails."""
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=SECONDS)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    main(Path(sys.argv[1]).resolve(), sys.argv[2])
