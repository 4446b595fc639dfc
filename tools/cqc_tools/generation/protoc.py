"""Run protoc's plugins over the contracts, or reuse what they made of the same contracts before."""

import hashlib
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from cqc_tools.contracts import descriptors
from cqc_tools.contracts.descriptors import Contracts
from cqc_tools.foundation import files, workspace

CACHE = workspace.CACHE / "generated"
KEPT = 20
# These determine the plugins, together with the options that name them.
LOCKS = ("tools/requirements.lock", "tools/go/go.sum", "tools/protos/go.sum", "packages/ts-cqc/package-lock.json")


def run(contracts: Contracts, options: Sequence[str], imports: Sequence[str]) -> dict[Path, bytes]:
    """Generate code for the contracts and for some of their imports; returns the generated files, sorted by path.

    `options` write to the current folder, as in `--python_out=.`. Raises ProgramFailed.
    """
    kept = CACHE / f"{_fingerprint(contracts, options, imports)}.zip"
    try:
        with zipfile.ZipFile(kept) as archive:
            return {Path(name): archive.read(name) for name in archive.namelist()}
    except (OSError, zipfile.BadZipFile):
        made = _run(contracts, options, imports)
    with tempfile.TemporaryDirectory(prefix="cqc-protoc-") as scratch:
        packed = Path(scratch, kept.name)
        with zipfile.ZipFile(packed, "w") as archive:
            for path, content in made.items():
                archive.writestr(path.as_posix(), content)
        files.write_bytes(kept, packed.read_bytes())
    for old in sorted(CACHE.glob("*.zip"), key=lambda path: path.stat().st_mtime)[:-KEPT]:
        old.unlink(missing_ok=True)
    return made


def _run(contracts: Contracts, options: Sequence[str], imports: Sequence[str]) -> dict[Path, bytes]:
    names = [*(proto.name for proto in contracts.protos), *imports]
    with tempfile.TemporaryDirectory(prefix="cqc-protoc-") as scratch:
        out = Path(scratch)
        descriptors.protoc(options, names, contracts.top, out)
        return {path.relative_to(out): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}


def _fingerprint(contracts: Contracts, options: Sequence[str], imports: Sequence[str]) -> str:
    """A digest of everything that the plugins' output depends on; comments are part of the descriptor set."""

    def parts() -> Iterator[bytes]:
        yield contracts.serialized
        # Plugins are named by their paths, and checkouts share this cache.
        yield from (option.replace(str(workspace.ROOT), "").encode() for option in (*options, "", *imports))
        yield from ((workspace.ROOT / lock).read_bytes() for lock in LOCKS)

    digest = hashlib.sha256()
    for part in parts():
        digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()
