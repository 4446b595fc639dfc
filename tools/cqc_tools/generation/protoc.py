"""Run protoc's plugins over the contracts."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from cqc_tools.contracts import descriptors
from cqc_tools.contracts.descriptors import Contracts


def run(contracts: Contracts, options: Sequence[str], imports: Sequence[str]) -> dict[Path, bytes]:
    """Generate code for the contracts and for some of their imports; returns the generated files, sorted by path.

    `options` write to the current folder, as in `--python_out=.`. Raises ProgramFailed.
    """
    names = [*(proto.name for proto in contracts.protos), *imports]
    with tempfile.TemporaryDirectory(prefix="cqc-protoc-") as scratch:
        out = Path(scratch)
        descriptors.protoc(options, names, contracts.top, out)
        return {path.relative_to(out): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}
