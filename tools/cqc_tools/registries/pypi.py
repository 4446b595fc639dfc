"""pypiserver, which sends clients on to the user's own index for what it does not hold, but never for our name."""

import ast
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pypi_simple
from packaging.utils import canonicalize_name

from cqc_tools import configuration, process, registries, workspace


@contextmanager
def running(folder: Path) -> Iterator[str]:
    """An index with its files under `folder`; yields its address."""
    folder.mkdir(parents=True, exist_ok=True)
    server: AbstractContextManager[str] = registries.serving(
        "serve-packages", folder, user_index(), log=folder.with_suffix(".log")
    )
    with server as address:
        yield address


def user_index() -> str:
    """The index that pip is configured for, which knows how to reach everything that is not ours."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    listed = process.run(command, env=workspace.tool_environment(), what="pip config").splitlines()
    settings = {name: ast.literal_eval(value) for name, _, value in (line.partition("=") for line in listed)}
    # The first is what the environment says, which pip prefers.
    for key in (":env:.index-url", "install.index-url", "global.index-url"):
        if settings.get(key):
            return str(settings[key]).strip().rstrip("/") + "/"
    return pypi_simple.PYPI_SIMPLE_ENDPOINT


def serve(folder: Path, fallback: str) -> None:
    """Serve `folder`; any client may upload, nothing may be overwritten."""
    import pypiserver

    options: dict[str, Any] = {
        "roots": [folder],
        "authenticate": [],
        "password_file": ".",
        "overwrite": False,
        "hash_algo": "sha256",
    }
    own = pypiserver.app(**options, disable_fallback=True)
    others = pypiserver.app(**options, disable_fallback=False, fallback_url=fallback)
    name = canonicalize_name(configuration.load().python.name)

    def application(environ: dict[str, Any], start_response: Any) -> Any:
        # A foreign project of our name on the user's index must never answer for ours.
        asked = environ["PATH_INFO"].strip("/").split("/")
        is_ours = environ["REQUEST_METHOD"] != "GET" or canonicalize_name(asked[-1]) == name or len(asked) < 2
        return (own if is_ours else others)(environ, start_response)

    registries.serve(application)
