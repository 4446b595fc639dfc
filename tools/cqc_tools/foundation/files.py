"""Write files so that a reader never sees half of one: into a temporary file beside it, which then takes its name."""

import contextlib
import os
import tempfile
from pathlib import Path

from cqc_tools.foundation.errors import disk_full


def write_bytes(path: Path, content: bytes, *, durable: bool = False) -> None:
    """Replace a file's content at once, keeping its mode; missing folders are created.

    With `durable`, the bytes are on disk before this returns. Raises DiskFull if there is no space for them.
    """
    try:
        _write_bytes(path, content, durable)
    except OSError as error:
        # Users know the file, not the temporary one beside it.
        error.filename = str(path)
        raise disk_full(error) or error from error


def _write_bytes(path: Path, content: bytes, durable: bool) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, part = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        os.chmod(part, _mode(path))
        os.replace(part, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(part)
        raise


def write_text(path: Path, content: str, *, durable: bool = False) -> None:
    """See `write_bytes`; UTF-8, with the line endings of `content`."""
    write_bytes(path, content.encode(), durable=durable)


def replace_folder(new: Path, folder: Path, aside: Path) -> None:
    """Move a finished folder into place; a folder already there moves to `aside`, which must not exist."""
    if folder.exists():
        folder.rename(aside)
    new.rename(folder)


def _mode(path: Path) -> int:
    """The file's mode, or for a new file the one that the umask allows."""
    try:
        return path.stat().st_mode & 0o7777
    except FileNotFoundError:
        umask = os.umask(0)
        os.umask(umask)
        return 0o666 & ~umask
