"""The descriptors of the contracts."""

from importlib.resources import files

from google.protobuf.descriptor_pb2 import FileDescriptorSet

__all__ = ["descriptor_set"]


def descriptor_set() -> FileDescriptorSet:
    """Return the descriptors of all contracts and their imports, including source comments.

    Files are in dependency order, so they can be added to a descriptor pool one after another. Each call returns a new
    message, which the caller may modify. The `.proto` files are installed in `cqc/proto`.
    """
    return FileDescriptorSet.FromString(files("cqc").joinpath("descriptor_set.binpb").read_bytes())
