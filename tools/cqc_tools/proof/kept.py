"""Things in the cache that are made from something else, and reused until that changes."""

import hashlib
import shutil
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path

from cqc_tools.foundation import workspace

_locks: defaultdict[Path, threading.Lock] = defaultdict(threading.Lock)


def folder(name: str, sources: Iterable[bytes | Path], make: Callable[[Path], object]) -> Path:
    """A folder in the cache, filled anew by `make` unless it was last made from the same bytes and files."""
    path = workspace.CACHE / name

    def make_anew() -> None:
        if path.exists():
            shutil.rmtree(path)
        path.mkdir(parents=True)
        make(path)

    ensure(path / "made-from.sha256", sources, make_anew)
    return path


def ensure(stamp: Path, sources: Iterable[bytes | Path], make: Callable[[], object]) -> None:
    """Call `make`, unless the stamp shows that it succeeded before with the same bytes and files."""
    digest = _digest(sources)
    with _locks[stamp]:
        if not stamp.is_file() or stamp.read_text() != digest:
            # Whatever an interruption leaves behind matches no sources.
            stamp.unlink(missing_ok=True)
            make()
            stamp.write_text(digest)


def _digest(sources: Iterable[bytes | Path]) -> str:
    """A digest of all sources in their order and of this checkout's folder, which what is made may refer to."""
    combined = hashlib.sha256(str(workspace.ROOT).encode())
    for source in sources:
        name, content = (source.name, source.read_bytes()) if isinstance(source, Path) else ("", source)
        combined.update(name.encode() + b"\0" + hashlib.sha256(content).digest())
    return combined.hexdigest()
