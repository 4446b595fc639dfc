"""Trees of files that take long to make, kept in the cache under a digest of what they are made from."""

import hashlib
import os
import zipfile
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from cqc_tools.foundation import files, temporary, workspace

KEPT = 40


def tree(kind: str, sources: Iterable[bytes], make: Callable[[], Mapping[Path, bytes]]) -> dict[Path, bytes]:
    """The files that `make` returns, or those that it returned for the same sources before.

    `kind` is a folder of the cache. The trees that were used last are kept.
    """
    folder = workspace.CACHE / kind
    digest = hashlib.sha256()
    for source in sources:
        digest.update(hashlib.sha256(source).digest())
    kept = folder / f"{digest.hexdigest()}.zip"
    try:
        with zipfile.ZipFile(kept) as archive:
            found = {Path(name): archive.read(name) for name in archive.namelist()}
        with suppress(FileNotFoundError):
            os.utime(kept)
        return found
    except (OSError, zipfile.BadZipFile):
        made = dict(make())
    with temporary.folder("kept") as scratch:
        packed = Path(scratch, kept.name)
        with zipfile.ZipFile(packed, "w") as archive:
            for path, content in made.items():
                archive.writestr(path.as_posix(), content)
        files.write_bytes(kept, packed.read_bytes())
    for old in sorted(folder.glob("*.zip"), key=_last_used)[:-KEPT]:
        old.unlink(missing_ok=True)
    return made


def _last_used(path: Path) -> float:
    # Another process may have removed the file since it was listed.
    with suppress(FileNotFoundError):
        return path.stat().st_mtime
    return 0
