"""Run protoc's plugins over the contracts, or reuse what they made of the same contracts before."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from cqc_tools.contracts import descriptors
from cqc_tools.contracts.descriptors import Contracts
from cqc_tools.foundation import kept_trees, temporary, workspace

# These determine the plugins, together with the options that name them.
LOCKS = ("tools/requirements.lock", "tools/go/go.sum", "tools/protos/go.sum", "packages/ts-cqc/package-lock.json")


def run(contracts: Contracts, options: Sequence[str], imports: Sequence[str]) -> dict[Path, bytes]:
    """Generate code for the contracts and for some of their imports; returns the generated files, sorted by path.

    `options` write to the current folder, as in `--python_out=.`. Raises ProgramFailed.
    """
    sources = _sources(contracts, options, imports)
    return kept_trees.tree("generated", sources, lambda: _run(contracts, options, imports))


def _run(contracts: Contracts, options: Sequence[str], imports: Sequence[str]) -> dict[Path, bytes]:
    names = [*(proto.name for proto in contracts.protos), *imports]
    with temporary.folder("protoc") as out:
        descriptors.protoc(options, names, contracts.top, out)
        return {path.relative_to(out): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}


def _sources(contracts: Contracts, options: Sequence[str], imports: Sequence[str]) -> Iterator[bytes]:
    """Everything that the plugins' output depends on; comments are part of the descriptor set."""
    yield contracts.serialized
    # Plugins are named by their paths, and checkouts share this cache.
    yield from (option.replace(str(workspace.ROOT), "").encode() for option in (*options, "", *imports))
    yield from ((workspace.ROOT / lock).read_bytes() for lock in LOCKS)
