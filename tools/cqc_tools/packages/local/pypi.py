"""pypiserver without a fallback index: it knows our packages and no others."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from cqc_tools.packages import local


@contextmanager
def serving(folder: Path) -> Iterator[Mapping[str, str]]:
    """An index with its files under `folder`/pypi."""
    storage = folder / "pypi"
    storage.mkdir(parents=True, exist_ok=True)
    with local.own_server("pypi", storage, log=storage.with_suffix(".log")) as address:
        yield {"python_index": f"{address}simple/", "python_upload": address}


def main(folder: Path) -> None:
    """Serve `folder`; anyone may upload, nothing may be overwritten."""
    import pypiserver

    # Another project of our name on another index must never answer for ours, so there is no fallback.
    application = pypiserver.app(
        roots=[folder],
        authenticate=[],
        password_file=".",
        overwrite=False,
        hash_algo="sha256",
        disable_fallback=True,
    )
    local.serve_application(application)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
