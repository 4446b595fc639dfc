"""The registries of a target, ready to be read and written."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pypi_simple

from cqc_tools.foundation import process, workspace
from cqc_tools.foundation.configuration import DEFAULT, LOCAL, Configuration, Patience
from cqc_tools.packages import Registry, local
from cqc_tools.packages.ecosystems.go import GitRemote
from cqc_tools.packages.ecosystems.python import PythonIndex
from cqc_tools.packages.ecosystems.typescript import NpmRegistry
from cqc_tools.packages.local import Registries

STORAGE = workspace.CACHE / "registries"


@contextmanager
def opened(name: str, settings: Configuration) -> Iterator[Mapping[str, Registry]]:
    """Our packages in the registries of a target of release.toml, by language; see `packages`.

    The registries of `local` run for as long as the context lasts and keep what they hold for the next time. Raises
    UserError for a target that is unknown or not filled in.
    """
    target = settings.target(name)
    with tempfile.TemporaryDirectory(prefix="cqc-target-", ignore_cleanup_errors=True) as scratch:
        if name == LOCAL:
            with local.running(STORAGE) as addresses:
                yield packages(addresses, settings, Path(scratch), target.patience)
        else:
            yield packages(_resolved(target.addresses, settings), settings, Path(scratch), target.patience)


def packages(
    addresses: Registries, settings: Configuration, scratch: Path, patience: Patience | None = None
) -> Mapping[str, Registry]:
    """Our packages in registries at these addresses, by language, in the order in which they are published: Go last,
    because a version that was fetched once is there for ever."""
    patience = patience or Patience()
    return {
        "python": PythonIndex(
            settings.package("python").name,
            addresses.python_index,
            addresses.python_upload,
            addresses.credentials,
            patience,
        ),
        "typescript": NpmRegistry(
            settings.package("typescript").name, addresses.npm, addresses.credentials, scratch, patience
        ),
        "go": GitRemote(
            settings.package("go").name,
            settings.package("go").folder,
            settings.repository,
            addresses.git,
            scratch,
            patience,
        ),
    }


def _resolved(addresses: Mapping[str, str], settings: Configuration) -> Registries:
    """The addresses with each client's own in place of `default`."""

    def resolved(key: str, default: str) -> str:
        return default if addresses[key] == DEFAULT else addresses[key]

    npm = _npm_default() if addresses["npm"] == DEFAULT else addresses["npm"]
    return Registries(
        python_index=resolved("python_index", pypi_simple.PYPI_SIMPLE_ENDPOINT).rstrip("/") + "/",
        # twine knows its own, and where the user's .pypirc has another one.
        python_upload=resolved("python_upload", ""),
        npm=npm.rstrip("/") + "/",
        git=resolved("git", settings.repository),
        credentials=None,
    )


def _npm_default() -> str:
    """The registry of an npm that nobody configured."""
    # Files that are not there; npm refuses one name for both.
    nobody = {key: f"/dev/null/{key}" for key in ("npm_config_userconfig", "npm_config_globalconfig")}
    environment = workspace.tool_environment(**nobody)
    for name in [name for name in environment if name.lower() == "npm_config_registry"]:
        del environment[name]
    return process.run(
        ["npm", "config", "get", "registry"], cwd=Path(tempfile.gettempdir()), env=environment, what="npm config"
    ).strip()
