"""One module per ecosystem; release.toml names the ecosystems that this project releases to."""

import importlib
import pkgutil

from cqc_tools.foundation.configuration import FILE, Configuration
from cqc_tools.foundation.errors import UserError
from cqc_tools.packages import Ecosystem


def load(settings: Configuration) -> tuple[Ecosystem, ...]:
    """Return the ecosystems that release.toml names, in the order in which they are published to.

    Raises UserError for a table [packages.<key>] without a module here, and for a name that its registry rejects.
    """
    known = {module.name for module in pkgutil.iter_modules(__path__)}
    found: list[Ecosystem] = []
    for key, package in settings.packages.items():
        if key not in known:
            raise UserError(
                f"{FILE} has a table [packages.{key}], but tools/cqc_tools/packages/ecosystems/{key}.py does not exist",
                f"choose one of {', '.join(sorted(known))}, or write that module",
            )
        ecosystem: Ecosystem = importlib.import_module(f"{__name__}.{key}").ECOSYSTEM
        if expected := ecosystem.check_name(package.name):
            raise UserError(f"{FILE} has packages.{key}.name = {package.name!r}", f"write {expected}")
        found.append(ecosystem)
    return tuple(sorted(found, key=lambda ecosystem: ecosystem.permanence))
