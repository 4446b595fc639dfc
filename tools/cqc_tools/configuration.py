"""release.toml: what the packages are called and where they live."""

import tomllib
from dataclasses import dataclass
from pathlib import Path

from cqc_tools import workspace
from cqc_tools.errors import UserError


@dataclass(frozen=True)
class PackageConfiguration:
    """One package: its name in its ecosystem and its folder, relative to the top of the repository."""

    name: str
    folder: str


@dataclass(frozen=True)
class Configuration:
    """All of release.toml. `repository` is the https address that the packages name as their source."""

    repository: str
    python: PackageConfiguration
    npm: PackageConfiguration
    go: PackageConfiguration


def load(path: Path = workspace.ROOT / "release.toml") -> Configuration:
    """Read release.toml.

    Raises UserError naming the missing or malformed key.
    """
    try:
        content = tomllib.loads(path.read_text())
    except OSError as error:
        raise UserError(
            f"{path} cannot be read ({error.strerror}): restore it with git checkout release.toml"
        ) from None
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{path} is not valid TOML: {error}") from None

    def value(*keys: str) -> str:
        found: object = content
        for key in keys:
            found = found.get(key) if isinstance(found, dict) else None
        if not isinstance(found, str) or not found:
            raise UserError(f"{path} has no {'.'.join(keys)}, a text is expected there: see the one in git")
        return found

    return Configuration(
        repository=value("repository"),
        python=PackageConfiguration(value("python", "distribution"), value("python", "folder")),
        npm=PackageConfiguration(value("npm", "package"), value("npm", "folder")),
        go=PackageConfiguration(value("go", "module"), value("go", "folder")),
    )
