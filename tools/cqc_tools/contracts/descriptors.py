"""Compile the contracts, and read the descriptor sets of the working tree and of any revision."""

import hashlib
import keyword
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from google.protobuf import message_factory
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.protobuf.message import DecodeError

from cqc_tools.contracts.messages import is_below, pool_of
from cqc_tools.contracts.stripped import without_comments
from cqc_tools.foundation import configuration, kept_trees, process, temporary, workspace
from cqc_tools.foundation.configuration import Configuration
from cqc_tools.foundation.errors import ProgramFailed, StageFailed, UserError
from cqc_tools.foundation.git import Repository

VALIDATE = "buf/validate/validate.proto"
DESCRIPTOR_SET = "descriptor_set.binpb"
# Where the protos are, below the top of the repository.
SOURCES = workspace.PROTO.name
# Folders that mean something else to a package or a language: the copies of the protos, and Go's special folders.
TAKEN = (SOURCES, "internal", "vendor", "testdata")


@dataclass(frozen=True)
class ProtoFile:
    """What generators need to know about one proto file.

    `name` is the import path (`cqc/markets/v1/price.proto`), `package` the proto package (`cqc.markets.v1`). The other
    fields list the names declared at the top level, in file order.
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
        """The folder of the import path: `cqc/markets/v1`."""
        return self.name.rpartition("/")[0]

    @property
    def stem(self) -> str:
        """The file name without its suffix: `price`."""
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


@dataclass(frozen=True)
class Contracts:
    """The compiled contracts of a checkout, which every generator takes as its input.

    `serialized` is the descriptor set in its canonical form, with all imports and with the comments of the sources.
    """

    settings: Configuration
    top: Path
    serialized: bytes

    @cached_property
    def descriptor_set(self) -> FileDescriptorSet:
        """The parsed descriptor set."""
        return FileDescriptorSet.FromString(self.serialized)

    @cached_property
    def protos(self) -> tuple[ProtoFile, ...]:
        """The contracts' own files, without the files that they import."""
        return tuple(describe(self.descriptor_set, self.settings.root_package))

    @cached_property
    def imports(self) -> tuple[str, ...]:
        """Import paths of the files that do not belong to the contracts, Google's well-known types aside."""
        own = {proto.name for proto in self.protos}
        names = (file.name for file in self.descriptor_set.file)
        return tuple(name for name in names if name not in own and not name.startswith("google/protobuf/"))

    def by_folder(self) -> Mapping[str, list[ProtoFile]]:
        """The contracts' own files by folder, both sorted."""
        folders: dict[str, list[ProtoFile]] = defaultdict(list)
        for proto in sorted(self.protos, key=lambda proto: proto.name):
            folders[proto.folder].append(proto)
        return dict(sorted(folders.items()))

    def source(self, name: str) -> bytes:
        """The text of a proto file, given by import path: one of the contracts, or one that they import."""
        return next(file for folder in _includes(self.top) if (file := folder / name).is_file()).read_bytes()


def find(root_package: str, top: Path = workspace.ROOT) -> list[str]:
    """Import paths of all protos of a checkout, sorted.

    Raises UserError if there are none, or if one is not in <root package>/<domain>/v<number>/.
    """
    root = top / SOURCES
    layout = f"{SOURCES}/{root_package}/<domain>/v1/<name>.proto"
    found = sorted(path.relative_to(root).as_posix() for path in root.rglob("*.proto"))
    if not found:
        raise UserError(f"no .proto file below {root}", f"put your contracts into {layout}")
    pattern = re.compile(rf"{re.escape(root_package)}/([a-z][a-z0-9_]*)/v[0-9][a-z0-9]*/[^/]+\.proto")
    for name in found:
        match = pattern.fullmatch(name)
        if not match:
            raise UserError(
                f"{SOURCES}/{name} is not at {layout}",
                f"move it, or change root_package = {root_package!r} under [contracts] in {configuration.FILE}",
            )
        if match[1] in TAKEN or keyword.iskeyword(match[1]):
            raise UserError(f"{SOURCES}/{name}: {match[1]!r} cannot be a domain", "rename the folder and the package")
    return found


def compile_checkout(settings: Configuration, top: Path = workspace.ROOT) -> Contracts:
    """Compile all protos of a checkout.

    Raises StageFailed with the compiler's own `file:line:column: message` lines if they do not compile.
    """
    names = find(settings.root_package, top)
    made = kept_trees.tree("descriptors", _sources(names, top), lambda: {Path(DESCRIPTOR_SET): _compiled(names, top)})
    contracts = Contracts(settings, top, made[Path(DESCRIPTOR_SET)])
    for file in contracts.descriptor_set.file:
        if file.name in names and file.package != file.name.rpartition("/")[0].replace("/", "."):
            raise UserError(
                f"{SOURCES}/{file.name} declares package {file.package!r}",
                f"write package {file.name.rpartition('/')[0].replace('/', '.')}; as its folder requires",
            )
    return contracts


def _sources(names: Sequence[str], top: Path) -> Iterator[bytes]:
    """Everything that the descriptor set depends on: the protos, and the locks of the compiler and of other protos."""
    for name in names:
        yield from (name.encode(), (top / SOURCES / name).read_bytes())
    yield from ((workspace.ROOT / lock).read_bytes() for lock in ("tools/requirements.lock", "tools/protos/go.sum"))


def _compiled(names: Sequence[str], top: Path) -> bytes:
    with temporary.folder("compile") as scratch:
        out = Path(scratch, DESCRIPTOR_SET)
        options = ["--include_imports", "--include_source_info", f"--descriptor_set_out={out}"]
        try:
            protoc(options, [*names, VALIDATE], top)
        except ProgramFailed as failure:
            lines = failure.stderr.splitlines()
            if not any(line.startswith(tuple(names)) for line in lines):
                raise
            shown = [f"{SOURCES}/{line}" if line.startswith(tuple(names)) else line for line in lines]
            raise StageFailed("the protos do not compile:", details="\n".join(shown)) from None
        return canonical(out.read_bytes())


def protoc(
    options: Sequence[str], names: Sequence[str], top: Path = workspace.ROOT, out: Path = workspace.ROOT
) -> None:
    """Run the pinned protoc in the folder `out`, over protos given by import path. Raises ProgramFailed."""
    includes = [f"-I{folder}" for folder in _includes(top)]
    process.run([sys.executable, "-m", "grpc_tools.protoc", *includes, *options, *names], cwd=out, what="protoc")


def _includes(top: Path) -> tuple[Path, ...]:
    """The folders in which imports are looked up."""
    import grpc_tools
    from google.rpc import status_pb2

    well_known = Path(grpc_tools.__file__).parent / "_proto"
    # googleapis-common-protos installs the sources next to the compiled modules.
    googleapis = Path(status_pb2.__file__).parents[2]
    return (top / SOURCES, workspace.THIRD_PARTY_PROTO, well_known, googleapis)


def compiled(names: Sequence[str]) -> bytes:
    """The descriptor set of protos that the tools bring with them, with comments. Raises ProgramFailed."""
    with temporary.folder("compile") as scratch:
        out = scratch / DESCRIPTOR_SET
        protoc(["--include_imports", "--include_source_info", f"--descriptor_set_out={out}"], names)
        return out.read_bytes()


def protoc_over(descriptor_set: bytes, options: Sequence[str], names: Sequence[str], out: Path) -> None:
    """Run the pinned protoc in the folder `out`, over files of a descriptor set. Raises ProgramFailed."""
    with temporary.folder("protoc") as scratch:
        file = scratch / DESCRIPTOR_SET
        file.write_bytes(descriptor_set)
        command = [sys.executable, "-m", "grpc_tools.protoc", f"--descriptor_set_in={file}", *options, *names]
        process.run(command, cwd=out, what="protoc")


def path_of(settings: Configuration, top: Path = workspace.ROOT) -> Path:
    """Where the descriptor set is committed: in the Go module, because a Go module is made from git alone."""
    return settings.folder("go", top) / DESCRIPTOR_SET


def serialized(settings: Configuration, top: Path = workspace.ROOT) -> bytes:
    """The bytes of the descriptor set as last generated. Raises UserError if there is none."""
    try:
        return path_of(settings, top).read_bytes()
    except FileNotFoundError as error:
        raise UserError(f"{error.filename} does not exist", "make generate") from None


def generated(settings: Configuration, top: Path = workspace.ROOT) -> FileDescriptorSet:
    """The descriptor set as last generated. Raises UserError if there is none."""
    return FileDescriptorSet.FromString(serialized(settings, top))


def at(revision: str, settings: Configuration, top: Path = workspace.ROOT) -> FileDescriptorSet:
    """The descriptor set committed at a git revision, such as a tag.

    Raises UserError if git does not know the revision, or if it has no valid descriptor set.
    """
    repository = Repository(top)
    if repository.commit(revision) is None:
        tags = sorted(repository.tags("v[0-9]*"), key=_natural, reverse=True)
        known = f"the releases are {', '.join(tags)}" if tags else "there is no release yet"
        raise UserError(f"git knows no revision {revision!r}", f"{known}; any tag, branch or commit will do")
    path = f"{settings.package('go').folder}/{DESCRIPTOR_SET}"
    content = repository.content(revision, path)
    if content is None:
        raise UserError(f"{revision} has no {path}", "choose a revision that contains the generated code")
    try:
        return FileDescriptorSet.FromString(content)
    except DecodeError:
        raise UserError(f"{path} at {revision} is not a descriptor set", "choose another revision") from None


def _natural(tag: str) -> list[tuple[int, str]]:
    """Sorts v1.10.0 after v1.9.0."""
    return [(int(part or 0), text) for text, part in re.findall(r"(\D*)(\d*)", tag)]


def canonical(descriptor_set: bytes) -> bytes:
    """A descriptor set with its fields in one order: protoc and the languages each write options in their own.

    Custom options are only reordered by a message type that knows them, which the set itself describes.
    """
    pool = pool_of(FileDescriptorSet.FromString(descriptor_set))
    known = message_factory.GetMessageClass(pool.FindMessageTypeByName(FileDescriptorSet.DESCRIPTOR.full_name))
    return known.FromString(descriptor_set).SerializeToString(deterministic=True)


def digest(descriptor_set: bytes) -> str:
    """The SHA-256 that is the same for the descriptor sets of all packages, some of which leave out the comments."""
    return hashlib.sha256(canonical(without_comments(descriptor_set))).hexdigest()


def describe(descriptor_set: FileDescriptorSet, root_package: str) -> list[ProtoFile]:
    """The contracts' own files in a descriptor set, without the files that they import."""
    return [ProtoFile.of(file) for file in descriptor_set.file if is_below(file.package, root_package)]
