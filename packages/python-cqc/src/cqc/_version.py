"""The version of the installed distribution."""

from importlib.metadata import packages_distributions, version

# The distribution may be published under a name other than `cqc`.
__version__ = version(packages_distributions()["cqc"][0])
