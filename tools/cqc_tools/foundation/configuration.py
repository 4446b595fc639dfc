"""release.toml: what the contracts and packages are called, and where each target's registries are.

Standard library only: the set-up reads it before anything is installed.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypedDict

from cqc_tools.foundation import workspace
from cqc_tools.foundation.errors import UserError, redacted

FILE = "release.toml"
LOCAL = "local"
LINE_BRANCHES = "release-*"
RESTORE = "restore it with git checkout release.toml, or write the key as the one in git does"


@dataclass(frozen=True)
class PackageConfiguration:
    """One package: the key of its ecosystem, its name there, and its folder relative to the top of the repository."""

    key: str
    name: str
    folder: str


class Limits(TypedDict):
    """How long a program may run, in seconds, and how large its output and each of its files may be, in bytes."""

    limit: float
    largest: int


@dataclass(frozen=True)
class Patience:
    """How much a registry may ask of us.

    - answer_seconds: how long it may stay silent before it counts as not answering
    - transfer_seconds: how long one whole answer or one whole upload may take, however steadily it moves
    - settle_seconds: how long it may take to show what was written to it
    - answer_megabytes: how large an answer may be
    """

    answer_seconds: float = 60
    transfer_seconds: float = 300
    settle_seconds: float = 60
    answer_megabytes: float = 100

    @property
    def largest(self) -> int:
        """How large an answer may be, in bytes."""
        return round(self.answer_megabytes * 2**20)

    @property
    def limits(self) -> Limits:
        """The limits of a program that talks to the registry, as `process.run` takes them."""
        return {"limit": self.transfer_seconds, "largest": self.largest}


@dataclass(frozen=True)
class Target:
    """One target's registries: addresses by key, as written in release.toml; empty for `local`."""

    name: str
    addresses: Mapping[str, str]
    patience: Patience = field(default_factory=Patience)


@dataclass(frozen=True)
class Configuration:
    """All of release.toml.

    `repository` is the https address that the packages name as their source, `branch` the one releases are made from,
    `line_branches` what the branches of older lines are called, with `*` in place of the line.
    `root_package` is the first part of every proto package (`cqc` in `cqc.markets.v1`), and of every Python import.
    `cqc_code` says whether the hand-written helpers, examples, venue mappings and golden bytes of CQC itself are part
    of this project.
    """

    repository: str
    branch: str
    line_branches: str
    root_package: str
    cqc_code: bool
    packages: Mapping[str, PackageConfiguration]
    targets: Mapping[str, Target]

    def package(self, key: str) -> PackageConfiguration:
        """The package of an ecosystem. Raises UserError if release.toml has none."""
        if key not in self.packages:
            raise UserError(f"{FILE} has no table [packages.{key}]", f"add it with name and folder: {RESTORE}")
        return self.packages[key]

    def line_branch(self, line: str) -> str:
        """The branch of an older line, such as `0.1` or `1`."""
        return self.line_branches.replace("*", line)

    def line_of(self, branch: str) -> str | None:
        """The line whose branch this is, None if it is the branch of no line."""
        before, _, after = map(re.escape, self.line_branches.partition("*"))
        found = re.fullmatch(rf"{before}((?:0|[1-9][0-9]*)(?:\.(?:0|[1-9][0-9]*))?){after}", branch)
        return found[1] if found else None

    def folder(self, key: str, top: Path = workspace.ROOT) -> Path:
        """The folder of an ecosystem's package in a checkout."""
        return top / self.package(key).folder

    def target(self, name: str) -> Target:
        """A target by its name. Raises UserError if there is none."""
        if name not in self.targets:
            raise UserError(
                f"{FILE} has no target {name!r}: choose one of {', '.join(self.targets)}",
                f"or add a table [targets.{name}] with the addresses of its registries",
            )
        return self.targets[name]


def load(path: Path = workspace.ROOT / FILE) -> Configuration:
    """Read release.toml. Raises UserError naming the missing or malformed key."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}", "git checkout release.toml") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UserError(f"{path} is not valid TOML: {error}", "correct it, or run git checkout release.toml") from None

    def value(*keys: str) -> str:
        found: object = content
        for key in keys:
            found = found.get(key) if isinstance(found, dict) else None
        if not isinstance(found, str) or not found:
            raise UserError(f"{path} has no {'.'.join(keys)}: a non-empty string is expected", RESTORE)
        return found

    root = value("contracts", "root_package")
    if not re.fullmatch(r"[a-z][a-z0-9_]*", root):
        raise UserError(
            f"{path} has contracts.root_package = {root!r}",
            "write one lower-case identifier, such as cqc for the proto packages cqc.markets.v1 and so on",
        )
    cqc_code = content["contracts"].get("cqc_code", False)
    if not isinstance(cqc_code, bool):
        raise UserError(f"{path} has contracts.cqc_code = {cqc_code!r}", "write true or false")
    # Releases from before there were lines do not have the key, and are built with their own release.toml.
    line_branches = content.get("line_branches", LINE_BRANCHES)
    if not isinstance(line_branches, str) or not re.fullmatch(r"\w[\w./-]*\*[\w./-]*", line_branches):
        raise UserError(
            f"{path} has line_branches = {line_branches!r}",
            f'write a branch name with one * in place of the line, such as "{LINE_BRANCHES}"',
        )
    repository = value("repository")
    if redacted(repository) != repository:
        # It is part of every package.
        raise UserError(f"{path} has repository = {repository!r}", "write it without a login")
    return Configuration(
        repository=repository,
        branch=value("branch"),
        line_branches=line_branches,
        root_package=root,
        cqc_code=cqc_code,
        packages={
            key: PackageConfiguration(key, value("packages", key, "name"), value("packages", key, "folder"))
            for key in _tables(path, content, "packages")
        },
        targets={name: _target(path, name, found) for name, found in _tables(path, content, "targets").items()},
    )


def _tables(path: Path, content: Mapping[str, Any], name: str) -> Mapping[str, Mapping[str, Any]]:
    """The tables [<name>.<key>] by key."""
    tables = content.get(name)
    if not isinstance(tables, dict) or not tables or not all(isinstance(item, dict) for item in tables.values()):
        raise UserError(f"{path} has no tables [{name}.<key>]", RESTORE)
    return tables


def _target(path: Path, name: str, found: Mapping[str, object]) -> Target:
    """One [targets.<name>]; which addresses it needs is for its ecosystems to say."""
    addresses: dict[str, str] = {}
    patience: dict[str, float] = {}
    for key, value in found.items():
        where = f"{path} has targets.{name}.{key} = {value!r}"
        if key in Patience.__dataclass_fields__:
            if not isinstance(value, int | float) or isinstance(value, bool) or value <= 0:
                raise UserError(where, f"write a number of {key.rpartition('_')[2]} greater than zero")
            patience[key] = float(value)
        elif not isinstance(value, str):
            raise UserError(where, "write an address, or 'default' for the client's own default")
        else:
            addresses[key] = value
    return Target(name, addresses, Patience(**patience))
