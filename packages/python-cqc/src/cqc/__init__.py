"""Crypto Quant Contracts: the Protocol Buffers that crypto trading services share.

The contracts are in one package per domain and version, such as `cqc.markets.v1`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from google.protobuf.descriptor_pb2 import FileDescriptorSet

__all__ = ["__version__", "descriptor_set"]

__version__: str


def descriptor_set() -> FileDescriptorSet:
    """Return the descriptors of all contracts and of the files they import, with the comments of the sources.

    The files stand in dependency order, so each can be added to a descriptor pool after those before it. A new message
    is returned at each call: it may be changed freely. The sources themselves are in the installed folder `cqc/proto`.
    """
    from importlib.resources import files

    from google.protobuf.descriptor_pb2 import FileDescriptorSet

    return FileDescriptorSet.FromString(files(__name__).joinpath("descriptor_set.binpb").read_bytes())


def __getattr__(name: str) -> str:
    """Look `__version__` up when it is first asked for: reading metadata takes longer than importing a message."""
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import version

    globals()[name] = version("cqc")
    return str(globals()[name])
