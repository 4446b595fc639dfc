"""Compile the contracts into the three packages: one protoc run, output replaced as a whole."""

import base64
import re
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import jinja2
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from cqc_tools.contracts import descriptors
from cqc_tools.contracts.descriptors import DESCRIPTOR_SET, VALIDATE, ProtoFile
from cqc_tools.foundation import workspace

# Second names of a message that users' code is written against.
TYPESCRIPT_ALIASES = {"cqc.assets.v1": {"Token": "Asset"}}
GOOGLE_RPC = ["google/rpc/error_details.proto", "google/rpc/status.proto"]
# Everything that matches is generated: what a run does not produce, it removes. Hand-written code of the Python package
# lies flat in src/cqc, that of the Go module outside <domain>/v<N>, that of the TypeScript package outside src/gen.
OWNED = {
    workspace.PYTHON_PACKAGE: ["src/cqc/*/**/*", "src/cqc/_buf_validate.py*", f"src/cqc/{DESCRIPTOR_SET}"],
    workspace.GO_MODULE: ["*/v[0-9]*/*", "proto/**/*", DESCRIPTOR_SET],
    workspace.TYPESCRIPT_PACKAGE: ["src/gen/**/*"],
}
Tree = dict[Path, bytes]


@dataclass(frozen=True)
class Change:
    """What a generation did or would do to the working tree, as paths relative to the checkout."""

    written: tuple[Path, ...]
    removed: tuple[Path, ...]
    total: int

    def __bool__(self) -> bool:
        return bool(self.written or self.removed)


def generate() -> Tree:
    """Compile all contracts and return every generated file with its bytes; nothing is written to the tree.

    Raises StageFailed when a proto does not compile.
    """
    with tempfile.TemporaryDirectory(prefix="cqc-generate-") as scratch:
        out = Path(scratch)
        folders = {name: out / name for name in ("python", "go", "typescript")}
        for folder in folders.values():
            folder.mkdir()
        files = descriptors.find()
        descriptors.protoc(_protoc_options(out, **folders), [*files, VALIDATE])
        # Error details for the TypeScript package's interceptors; Python and Go have a package of them to depend on.
        descriptors.protoc(_es_options(folders["typescript"]), GOOGLE_RPC)
        descriptor_set_bytes = descriptors.canonical((out / DESCRIPTOR_SET).read_bytes())
        protos = descriptors.describe(FileDescriptorSet.FromString(descriptor_set_bytes))
        return {
            **_python(folders["python"], protos, descriptor_set_bytes),
            **_go(folders["go"], files, descriptor_set_bytes),
            **_typescript(folders["typescript"], protos, descriptor_set_bytes),
        }


def compare(tree: Tree) -> Change:
    """How the working tree differs from what was generated."""
    owned = {
        path
        for package, patterns in OWNED.items()
        for pattern in patterns
        for path in package.glob(pattern)
        if path.is_file() and "__pycache__" not in path.parts
    }
    written = sorted(path for path, content in tree.items() if path not in owned or path.read_bytes() != content)
    removed = sorted(owned - tree.keys())
    return Change(tuple(map(_relative, written)), tuple(map(_relative, removed)), len(tree))


def write(tree: Tree, change: Change) -> None:
    """Bring the working tree to what was generated; each file is replaced whole."""
    for relative in change.written:
        path = workspace.ROOT / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(path.name + ".part")
        part.write_bytes(tree[path])
        part.replace(path)
    for relative in change.removed:
        path = workspace.ROOT / relative
        path.unlink()
        for folder in path.parents:
            if folder in OWNED or any(entry.name != "__pycache__" for entry in folder.iterdir()):
                break
            for cache in folder.glob("__pycache__/*"):
                cache.unlink()
            for cache_folder in folder.glob("__pycache__"):
                cache_folder.rmdir()
            folder.rmdir()


def _relative(path: Path) -> Path:
    return path.relative_to(workspace.ROOT)


def _es_options(typescript: Path) -> list[str]:
    es = workspace.TYPESCRIPT_PACKAGE / "node_modules" / ".bin" / "protoc-gen-es"
    return [f"--plugin=protoc-gen-es={es}", f"--es_out=target=ts,import_extension=js:{typescript}"]


def _protoc_options(out: Path, python: Path, go: Path, typescript: Path) -> list[str]:
    return [
        f"--python_out={python}",
        f"--grpc_python_out={python}",
        f"--plugin=protoc-gen-mypy={workspace.VENV_BIN / 'protoc-gen-mypy'}",
        f"--mypy_out=quiet:{python}",
        f"--plugin=protoc-gen-mypy_grpc={workspace.VENV_BIN / 'protoc-gen-mypy_grpc'}",
        # Concrete servicers: a server that implements a part of a service is legal, the rest answers UNIMPLEMENTED.
        f"--mypy_grpc_out=quiet,generate_concrete_servicer_stubs:{python}",
        f"--plugin=protoc-gen-go={workspace.GO_TOOLS / 'protoc-gen-go'}",
        f"--go_out=paths=source_relative:{go}",
        f"--plugin=protoc-gen-go-grpc={workspace.GO_TOOLS / 'protoc-gen-go-grpc'}",
        f"--go-grpc_out=paths=source_relative:{go}",
        *_es_options(typescript),
        "--include_imports",
        "--include_source_info",
        f"--descriptor_set_out={out / DESCRIPTOR_SET}",
    ]


def _by_folder(protos: Iterable[ProtoFile]) -> Mapping[str, list[ProtoFile]]:
    folders: dict[str, list[ProtoFile]] = defaultdict(list)
    for proto in protos:
        folders[proto.folder].append(proto)
    return {folder: sorted(files, key=lambda file: file.name) for folder, files in sorted(folders.items())}


def _templates() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("cqc_tools.generation"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _python(generated: Path, protos: list[ProtoFile], descriptor_set: bytes) -> Tree:
    package = workspace.PYTHON_PACKAGE / "src"
    with_services = {proto.name for proto in protos if proto.services}
    tree: Tree = {package / "cqc" / DESCRIPTOR_SET: descriptor_set}
    for path in sorted(generated.rglob("*.py*")):
        name = path.relative_to(generated)
        if name.parts[0] != "cqc":
            continue
        # protoc writes a gRPC module for each file, an empty one where there is no service.
        stem, is_grpc, _ = name.name.partition("_pb2_grpc.")
        if is_grpc and f"{name.parent.as_posix()}/{stem}.proto" not in with_services:
            continue
        # A top-level `buf` package would overwrite another distribution's: ours is private to cqc.
        text = path.read_text().replace("from buf.validate import validate_pb2 as", "from cqc import _buf_validate as")
        tree[package / name] = text.replace("import buf.validate.validate_pb2", "import cqc._buf_validate").encode()

    templates = _templates()
    tree[package / "cqc" / "_buf_validate.py"] = (
        templates.get_template("buf_validate.py.j2").render(serialized=_serialized_validate(descriptor_set)).encode()
    )
    tree[package / "cqc" / "_buf_validate.pyi"] = (generated / "buf" / "validate" / "validate_pb2.pyi").read_bytes()
    folders = _by_folder(protos)
    for folder, files in folders.items():
        names = {
            proto: sorted((*proto.messages, *proto.enums, *proto.enum_values, *proto.extensions)) for proto in files
        }
        exports = {name: f"{proto.stem}_pb2" for proto in files for name in names[proto]}
        for stub in ("__init__.py", "__init__.pyi"):
            text = templates.get_template(f"{stub}.j2").render(
                package=files[0].package, names=names, exports=dict(sorted(exports.items()))
            )
            tree[package / folder / stub] = text.encode()
    for parent in sorted({Path(folder).parent for folder in folders}):
        domain = ".".join(parent.parts)
        text = f'"""The versions of {domain}, a package each.\n\nGenerated by `make generate`: do not edit.\n"""\n'
        tree[package / parent / "__init__.py"] = text.encode()
    return tree


def _serialized_validate(descriptor_set: bytes) -> str:
    for file in FileDescriptorSet.FromString(descriptor_set).file:
        if file.name == VALIDATE:
            file.ClearField("source_code_info")
            return "\n".join(
                re.findall(".{1,110}", base64.b85encode(file.SerializeToString(deterministic=True)).decode())
            )
    raise LookupError(VALIDATE)


def _go(generated: Path, files: list[str], descriptor_set: bytes) -> Tree:
    tree: Tree = {workspace.GO_MODULE / DESCRIPTOR_SET: descriptor_set}
    for path in sorted((generated / "cqc").rglob("*.go")):
        tree[workspace.GO_MODULE / path.relative_to(generated / "cqc")] = path.read_bytes()
    # A Go module is made from git alone, so the sources that it ships have to be in its folder.
    for name in files:
        tree[workspace.GO_MODULE / "proto" / name] = (workspace.PROTO / name).read_bytes()
    return tree


def _typescript(generated: Path, protos: list[ProtoFile], descriptor_set: bytes) -> Tree:
    package = workspace.TYPESCRIPT_PACKAGE / "src" / "gen"
    tree: Tree = {package / path.relative_to(generated): path.read_bytes() for path in sorted(generated.rglob("*.ts"))}
    encoded = base64.b64encode(descriptor_set).decode()
    tree[package / "descriptor_set.ts"] = (
        "// Generated by `make generate`: do not edit.\n\n"
        "/** The FileDescriptorSet of all contracts, comments included, in base64. */\n"
        f'export const descriptorSetBase64 =\n  "{encoded}";\n'
    ).encode()
    template = _templates().get_template("index.ts.j2")
    for folder, files in _by_folder(protos).items():
        name = files[0].package
        text = template.render(
            package=name,
            files=[
                {
                    "module": f"{proto.stem}_pb",
                    "messages": list(proto.messages),
                    "enums": list(proto.enums),
                    "services": list(proto.services),
                }
                for proto in files
            ],
            aliases=[{"name": n, "target": target} for n, target in TYPESCRIPT_ALIASES.get(name, {}).items()],
        )
        tree[package / folder / "index.ts"] = text.encode()
    return tree
