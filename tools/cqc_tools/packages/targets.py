"""The registries of a target, ready to be read and written."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from cqc_tools.foundation import temporary, workspace
from cqc_tools.foundation.configuration import FILE, LOCAL, Configuration, Patience, Target
from cqc_tools.foundation.errors import UserError
from cqc_tools.packages import Access, Ecosystem, Registry, ecosystems, local, logins
from cqc_tools.packages.git_remote import GitRemote
from cqc_tools.packages.local import Running

STORAGE = workspace.CACHE / "registries"
# Every target has a git remote, whatever its ecosystems: it takes the release's own tag.
GIT = "git"
DEFAULT = "default"


@dataclass(frozen=True)
class OpenTarget:
    """A target whose registries can be read and written, in the order in which they are published to."""

    name: str
    registries: tuple[Registry, ...]
    remote: GitRemote


@contextmanager
def opened(name: str, settings: Configuration) -> Iterator[OpenTarget]:
    """Our packages in the registries of a target of release.toml.

    The registries of `local` run for as long as the context lasts and keep their files for the next time. Raises
    UserError for an unknown or incomplete target.
    """
    chosen = ecosystems.load(settings)
    target = checked(settings, name, chosen)
    with temporary.folder("target") as scratch:
        if name == LOCAL:
            with local.running(STORAGE, chosen) as running:
                yield at(running, settings, scratch, target.patience, name)
        else:
            running = Running(_resolved(target.addresses, settings, chosen), None)
            yield at(running, settings, scratch, target.patience, name)


def at(
    running: Running, settings: Configuration, scratch: Path, patience: Patience | None = None, name: str = ""
) -> OpenTarget:
    """Our packages in registries at these addresses."""
    patience = patience or Patience()
    # From here on no address holds a password: addresses are shown, and written into reports.
    addresses, found = logins.split(running.addresses)
    remote = GitRemote(addresses[GIT], patience, found.get(GIT))
    access = Access(addresses, remote, scratch, patience, running.credentials, found)
    registries = [ecosystem.registry(settings, access) for ecosystem in ecosystems.load(settings)]
    return OpenTarget(name, tuple(registries), remote)


def checked(settings: Configuration, name: str, chosen: Sequence[Ecosystem] | None = None) -> Target:
    """A target that has every address it needs, and no other key.

    Raises UserError naming each address that is missing, malformed or unknown.
    """
    target = settings.target(name)
    needed = address_keys(ecosystems.load(settings) if chosen is None else chosen)
    allowed = () if name == LOCAL else needed
    for key, value in target.addresses.items():
        where = f"{FILE} has targets.{name}.{key} = {value!r}"
        if key not in allowed:
            known = ", ".join([*allowed, *Patience.__dataclass_fields__])
            raise UserError(f"{where}, which is not a key of this table", f"the keys are {known}")
        if key != GIT and value not in ("", DEFAULT) and urlsplit(value).scheme not in ("http", "https"):
            raise UserError(where, "write an address that starts with https://")
    if missing := [key for key in allowed if not target.addresses.get(key)]:
        raise UserError(
            f"target {name!r} lacks {', '.join(missing)}",
            f"give each an address under [targets.{name}] in {FILE}, or {DEFAULT!r} for the client's own default",
        )
    return target


def address_keys(chosen: Sequence[Ecosystem]) -> tuple[str, ...]:
    """The keys that a target needs for these ecosystems."""
    return (*(key for ecosystem in chosen for key in ecosystem.addresses), GIT)


def _resolved(addresses: Mapping[str, str], settings: Configuration, chosen: Sequence[Ecosystem]) -> Mapping[str, str]:
    """The addresses with each client's own default in place of `default`."""
    resolved = dict(addresses)
    if addresses[GIT] == DEFAULT:
        resolved[GIT] = settings.repository
    for ecosystem in chosen:
        if any(addresses[key] == DEFAULT for key in ecosystem.addresses):
            defaults = ecosystem.default_addresses(settings)
            resolved |= {key: defaults[key] for key in ecosystem.addresses if addresses[key] == DEFAULT}
    return resolved
