"""Run protoc's plugins over the contracts, or reuse what they made of the same contracts before."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
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
    names = [*(proto.name for proto in contracts.protos), *imports]
    sources = _sources(contracts.serialized, options, imports)
    made = partial(descriptors.protoc, options, names, contracts.top)
    return kept_trees.tree("generated", sources, lambda: _output(made))


def run_over(descriptor_set: bytes, options: Sequence[str], names: Sequence[str]) -> dict[Path, bytes]:
    """Generate code for some files of a descriptor set, instead of their sources; otherwise like `run`."""
    sources = _sources(descriptor_set, options, names)
    made = partial(descriptors.protoc_over, descriptor_set, options, names)
    return kept_trees.tree("generated", sources, lambda: _output(made))


def _output(made: Callable[[Path], None]) -> dict[Path, bytes]:
    with temporary.folder("protoc") as out:
        made(out)
        return {path.relative_to(out): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}


def _sources(descriptor_set: bytes, options: Sequence[str], names: Sequence[str]) -> Iterator[bytes]:
    """Everything that the plugins' output depends on; comments are part of the descriptor set."""
    yield descriptor_set
    # Plugins are named by their paths, and checkouts share this cache.
    yield from (option.replace(str(workspace.ROOT), "").encode() for option in (*options, "", *names))
    yield from ((workspace.ROOT / lock).read_bytes() for lock in LOCKS)
