"""The version of the package."""

from __future__ import annotations

try:
    # Written by hatch_build.py. The metadata of the distribution would have to be found among all that are installed,
    # under a name that may not be `cqc`, and programs that are frozen or run from the source lack it.
    from cqc._built import VERSION  # type: ignore[import-not-found,unused-ignore]
except ImportError:
    VERSION = "0+unknown"

__version__: str = VERSION

__all__ = ["__version__"]
