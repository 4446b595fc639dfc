"""pypiserver without any fallback: it knows our packages and no others."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cqc_tools.packages import local


@contextmanager
def running(folder: Path) -> Iterator[str]:
    """An index with its files under `folder`; yields its address."""
    folder.mkdir(parents=True, exist_ok=True)
    with local.serving("serve-packages", folder, log=folder.with_suffix(".log")) as address:
        yield address


def serve(folder: Path) -> None:
    """Serve `folder`; any client may upload, nothing may be overwritten."""
    import pypiserver

    # A foreign project of our name on another index must never answer for ours, so none is asked.
    application = pypiserver.app(
        roots=[folder],
        authenticate=[],
        password_file=".",
        overwrite=False,
        hash_algo="sha256",
        disable_fallback=True,
    )
    local.serve(application)
