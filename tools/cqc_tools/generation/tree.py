"""Generated files as a value: compare them with the working tree, then write or remove what differs."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cqc_tools.foundation import files

# Content by path, relative to the top of the repository.
Tree = Mapping[Path, bytes]


@dataclass(frozen=True)
class Drift:
    """How the working tree differs from the generated files, as paths relative to its top.

    `written` are missing or differ, `removed` are stale, and `total` counts all generated files.
    """

    written: tuple[Path, ...]
    removed: tuple[Path, ...]
    total: int

    def __bool__(self) -> bool:
        return bool(self.written or self.removed)

    @property
    def paths(self) -> tuple[Path, ...]:
        """All paths that differ."""
        return (*self.written, *self.removed)


def compare(tree: Tree, owned: Iterable[str], top: Path) -> Drift:
    """How the working tree differs from `tree`; a file that matches a pattern in `owned` but is not in it is stale."""
    written = [path for path, content in tree.items() if _content(top / path) != content]
    removed = existing(owned, top) - tree.keys()
    return Drift(tuple(sorted(written)), tuple(sorted(removed)), len(tree))


def existing(owned: Iterable[str], top: Path) -> set[Path]:
    """All files of the working tree that match a pattern."""
    return {
        path.relative_to(top)
        for pattern in owned
        for path in top.glob(pattern)
        if path.is_file() and "__pycache__" not in path.parts
    }


def write(tree: Tree, paths: Iterable[Path], top: Path) -> None:
    """Write some of the generated files, each replaced as a whole."""
    for path in paths:
        files.write_bytes(top / path, tree[path])


def remove(paths: Iterable[Path], top: Path) -> None:
    """Remove files, and the folders that become empty but for Python's bytecode."""
    for relative in paths:
        path = top / relative
        path.unlink(missing_ok=True)
        for folder in path.parents:
            if folder == top or any(entry.name != "__pycache__" for entry in folder.iterdir()):
                break
            for bytecode in folder.glob("__pycache__/*"):
                bytecode.unlink()
            for cache in folder.glob("__pycache__"):
                cache.rmdir()
            folder.rmdir()


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
