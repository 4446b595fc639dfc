"""release.toml: what the packages are called, and where each target's registries are."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from cqc_tools.foundation import workspace
from cqc_tools.foundation.errors import UserError

LOCAL = "local"
DEFAULT = "default"
ADDRESSES = ("python_index", "python_upload", "npm", "git")


@dataclass(frozen=True)
class PackageConfiguration:
    """One package: its name in its ecosystem and its folder, relative to the top of the repository."""

    name: str
    folder: str


@dataclass(frozen=True)
class Patience:
    """How long, in seconds, a registry may be silent before it counts as not answering, and how long it may take until
    it shows what was written to it."""

    answer_seconds: float = 60
    settle_seconds: float = 60


@dataclass(frozen=True)
class Target:
    """The addresses of one target's registries by key of ADDRESSES, as release.toml has them; none for `local`."""

    name: str
    addresses: Mapping[str, str]
    patience: Patience


@dataclass(frozen=True)
class Configuration:
    """All of release.toml. `repository` is the https address that the packages name as their source, `branch` the one
    that releases are made from."""

    repository: str
    branch: str
    python: PackageConfiguration
    npm: PackageConfiguration
    go: PackageConfiguration
    targets: Mapping[str, Target]

    def target(self, name: str) -> Target:
        """A target with all its addresses.

        Raises UserError for an unknown target, or naming each address that still has to be filled in.
        """
        if name not in self.targets:
            raise UserError(
                f"release.toml has no target {name!r}: choose one of {', '.join(self.targets)}, "
                f"or add [targets.{name}] with {', '.join(ADDRESSES)}"
            )
        target = self.targets[name]
        missing = [key for key in ADDRESSES if not target.addresses.get(key)]
        if missing and name != LOCAL:
            raise UserError(
                f"target {name!r} is not filled in: give {', '.join(missing)} an address under [targets.{name}] "
                f"in release.toml, or {DEFAULT!r} for the client's own default"
            )
        return target


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
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not valid TOML: {error}") from None

    def value(*keys: str) -> str:
        found: object = content
        for key in keys:
            found = found.get(key) if isinstance(found, dict) else None
        if not isinstance(found, str) or not found:
            raise UserError(f"{path} has no {'.'.join(keys)}, a text is expected there: see the one in git")
        return found

    npm = value("npm", "package")
    if not npm.startswith("@") or "/" not in npm:
        raise UserError(
            f"{path} has npm.package = {npm!r}: a scoped name such as @team/cqc is expected, so that npm "
            "can take this scope, and nothing else, from the target's registry"
        )
    targets = content.get("targets")
    if not isinstance(targets, dict) or not all(isinstance(item, dict) for item in targets.values()):
        raise UserError(f"{path} has no tables [targets.<name>], such as [targets.{LOCAL}]: see the one in git")
    return Configuration(
        repository=value("repository"),
        branch=value("branch"),
        python=PackageConfiguration(value("python", "distribution"), value("python", "folder")),
        npm=PackageConfiguration(npm, value("npm", "folder")),
        go=PackageConfiguration(value("go", "module"), value("go", "folder")),
        targets={name: _target(path, name, found) for name, found in targets.items()},
    )


def _target(path: Path, name: str, found: Mapping[str, object]) -> Target:
    """One [targets.<name>], each value checked; an address may still be empty."""
    addresses = {}
    seconds = {}
    for key, value in found.items():
        where = f"{path} has targets.{name}.{key} = {value!r}"
        if key in Patience.__dataclass_fields__:
            if not isinstance(value, int | float) or isinstance(value, bool) or value <= 0:
                raise UserError(f"{where}: a number of seconds is expected")
            seconds[key] = float(value)
        elif key not in ADDRESSES or name == LOCAL:
            allowed = [*([] if name == LOCAL else ADDRESSES), *Patience.__dataclass_fields__]
            raise UserError(f"{where}, which means nothing there: {', '.join(allowed)} may be given")
        elif not isinstance(value, str):
            raise UserError(f"{where}: an address or {DEFAULT!r} is expected")
        elif key != "git" and value not in ("", DEFAULT) and urlsplit(value).scheme not in ("http", "https"):
            raise UserError(f"{where}: an address that starts with https:// is expected")
        else:
            addresses[key] = value
    return Target(name, addresses, Patience(**seconds))
