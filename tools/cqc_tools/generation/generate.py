"""Compile the contracts once, and keep every generated file of the checkout as the generators produce it.

A generator is a module with two functions: `generate` makes a tree from the compiled contracts, and `owned` lists the
patterns of its files, so that files it no longer makes are removed. A new generator is one module and one entry in
GENERATORS.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from cqc_tools.contracts import descriptors
from cqc_tools.contracts.descriptors import Contracts
from cqc_tools.foundation import workspace
from cqc_tools.foundation.configuration import Configuration
from cqc_tools.generation import go, python, scaffold, tree, typescript
from cqc_tools.generation.tree import Drift, Tree


class Generator(Protocol):
    """What the modules in GENERATORS have in common. All paths are relative to the top of the repository."""

    def owned(self, settings: Configuration) -> tuple[str, ...]:
        """Glob patterns of the files that belong to the generator."""
        ...

    def generate(self, contracts: Contracts) -> Tree:
        """All files of the generator, made from nothing but the contracts."""
        ...


GENERATORS: tuple[Generator, ...] = (python, go, typescript)
# Files of the packages that git ignores: each is made from the committed descriptor set when a package is built.
DESCRIPTOR_COPIES: tuple[Callable[[Configuration, bytes], Tree], ...] = (
    python.descriptor_copy,
    typescript.descriptor_copy,
)


def generate(settings: Configuration, top: Path = workspace.ROOT) -> Drift:
    """Bring all generated files up to date; returns what was written and removed.

    A project without CQC's own code also gets the manifests that it lacks. Raises StageFailed if the protos do not
    compile; then nothing is written.
    """
    made = _all(settings, top)
    found = _compare(made, settings, top)
    tree.write(made, found.written, top)
    tree.remove(found.removed, top)
    return replace(found, written=(*found.written, *_complete(settings, top)))


def regenerate(settings: Configuration, top: Path = workspace.ROOT) -> Drift:
    """Remove all generated files and write them anew; returns what was written, and what was removed for good.

    Raises StageFailed if the protos do not compile; then nothing is removed. After an interruption, run it again.
    """
    made = _all(settings, top)
    before = tree.existing(_owned(settings), top)
    tree.remove(sorted(before), top)
    tree.write(made, made, top)
    stale = before - made.keys() - _copies(settings, b"").keys()
    return Drift((*sorted(made), *_complete(settings, top)), tuple(sorted(stale)), len(made))


def drift(settings: Configuration, top: Path = workspace.ROOT) -> Drift:
    """How the generated files differ from what the protos produce; nothing is written.

    Raises StageFailed if the protos do not compile.
    """
    return _compare(_all(settings, top), settings, top)


def write_descriptor_copies(top: Path, settings: Configuration) -> None:
    """Write the git-ignored copies of the descriptor set, which the Python and TypeScript packages are built with.

    Raises UserError if there is no descriptor set yet.
    """
    copies = _copies(settings, descriptors.serialized(settings, top))
    tree.write(copies, tree.compare(copies, (), top).written, top)


def _all(settings: Configuration, top: Path) -> Tree:
    scaffold.require_own_folders(settings)
    contracts = descriptors.compile_checkout(settings, top)
    return {path: content for generator in GENERATORS for path, content in generator.generate(contracts).items()}


def _compare(made: Tree, settings: Configuration, top: Path) -> Drift:
    found = tree.compare(made, _owned(settings), top)
    copies = _copies(settings, b"")
    return replace(found, removed=tuple(path for path in found.removed if path not in copies))


def _owned(settings: Configuration) -> list[str]:
    return [pattern for generator in GENERATORS for pattern in generator.owned(settings)]


def _copies(settings: Configuration, serialized: bytes) -> Tree:
    return {path: content for copy in DESCRIPTOR_COPIES for path, content in copy(settings, serialized).items()}


def _complete(settings: Configuration, top: Path) -> list[Path]:
    """Write what the packages need besides generated code; returns the manifests written."""
    write_descriptor_copies(top, settings)
    return [] if settings.cqc_code else scaffold.scaffold(settings, top)
