"""Read the contracts: find the protos, compile them once, describe what they declare."""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.protobuf.message import DecodeError

from cqc_tools.foundation import process, workspace
from cqc_tools.foundation.errors import ProgramFailed, StageFailed, UserError

VALIDATE = "buf/validate/validate.proto"
DESCRIPTOR_SET = "descriptor_set.binpb"


@dataclass(frozen=True)
class ProtoFile:
    """What the generators need to know of one proto file.

    `name` is the import path (`cqc/markets/v1/price.proto`), `package` the proto package (`cqc.markets.v1`); the other
    fields list the names declared at the top level, in the order of the file.
    """

    name: str
    package: str
    messages: tuple[str, ...]
    enums: tuple[str, ...]
    enum_values: tuple[str, ...]
    services: tuple[str, ...]
    extensions: tuple[str, ...]

    @property
    def folder(self) -> str:
        """`cqc/markets/v1`"""
        return self.name.rpartition("/")[0]

    @property
    def stem(self) -> str:
        """`price`"""
        return Path(self.name).stem

    @classmethod
    def of(cls, descriptor: FileDescriptorProto) -> "ProtoFile":
        def names(of: Iterable[object]) -> tuple[str, ...]:
            return tuple(item.name for item in of)  # type: ignore[attr-defined]

        return cls(
            descriptor.name,
            descriptor.package,
            names(descriptor.message_type),
            names(descriptor.enum_type),
            names(value for enum in descriptor.enum_type for value in enum.value),
            names(descriptor.service),
            names(descriptor.extension),
        )


def find(root: Path = workspace.PROTO) -> list[str]:
    """Import paths of all protos under a folder, sorted.

    Raises UserError when there are none.
    """
    found = sorted(path.relative_to(root).as_posix() for path in root.rglob("*.proto"))
    if not found:
        raise UserError(f"no .proto file under {root}: the contracts live in proto/cqc/<domain>/v1/")
    return found


def protoc(options: Sequence[str], files: Sequence[str], root: Path = workspace.PROTO) -> None:
    """Run the pinned protoc once over `files`.

    Raises StageFailed with the compiler's own `file:line:column: message` lines when a proto does not compile.
    """
    import grpc_tools
    from google.rpc import status_pb2

    well_known = Path(grpc_tools.__file__).parent / "_proto"
    # The folder in which googleapis-common-protos is installed has its sources beside the compiled modules.
    google_rpc = Path(status_pb2.__file__).parents[2]
    includes = [f"-I{folder}" for folder in (root, workspace.THIRD_PARTY_PROTO, well_known, google_rpc)]
    try:
        process.run([sys.executable, "-m", "grpc_tools.protoc", *includes, *options, *files], what="protoc")
    except ProgramFailed as failure:
        printed = failure.stderr
        shown = root.relative_to(workspace.ROOT) if root.is_relative_to(workspace.ROOT) else root
        lines = [f"{shown}/{line}" if line.startswith("cqc/") else line for line in printed.splitlines()]
        raise StageFailed("\n".join(["the protos do not compile:", *lines])) from None


def generated() -> FileDescriptorSet:
    """The descriptor set as it was generated last."""
    return FileDescriptorSet.FromString((workspace.GO_MODULE / DESCRIPTOR_SET).read_bytes())


def at(revision: str) -> FileDescriptorSet:
    """The descriptor set that was committed at a git revision, such as a tag.

    Raises UserError for a revision that git does not know, or one from before there was a descriptor set.
    """
    git = ["git", "-C", str(workspace.ROOT)]
    try:
        process.run([*git, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}"])
    except StageFailed:
        tags = process.run([*git, "tag", "--list", "v[0-9]*", "--sort=-version:refname"]).split()
        known = f"the releases are {', '.join(tags)}" if tags else "there is no release yet"
        raise UserError(f"git knows no {revision!r}: {known}; any tag, branch or commit will do") from None
    path = f"{workspace.GO_MODULE.relative_to(workspace.ROOT)}/{DESCRIPTOR_SET}"
    try:
        return FileDescriptorSet.FromString(process.run_bytes([*git, "show", "--end-of-options", f"{revision}:{path}"]))
    except StageFailed:
        raise UserError(f"{revision} has no {path}: choose a revision in which the contracts were generated") from None
    except DecodeError:
        raise UserError(f"{path} of {revision} is no descriptor set: choose another revision") from None


def canonical(descriptor_set: bytes) -> bytes:
    """A descriptor set in one order of fields: protoc and each language write options in an order of their own.

    Options of our contracts are only put in order by messages that know them, and the set itself describes them.
    """
    pool = descriptor_pool.DescriptorPool()
    for file in FileDescriptorSet.FromString(descriptor_set).file:
        pool.AddSerializedFile(file.SerializeToString())
    known = message_factory.GetMessageClass(pool.FindMessageTypeByName(FileDescriptorSet.DESCRIPTOR.full_name))
    return known.FromString(descriptor_set).SerializeToString(deterministic=True)


def describe(descriptor_set: FileDescriptorSet) -> list[ProtoFile]:
    """The files of the contracts in a descriptor set, without what they import."""
    return [ProtoFile.of(file) for file in descriptor_set.file if file.package.startswith("cqc.")]
