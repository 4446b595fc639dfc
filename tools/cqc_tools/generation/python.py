"""The Python package: messages, gRPC stubs and type information, with one import per domain and version."""

import base64
import re
from collections.abc import Mapping
from pathlib import Path

from google.protobuf.descriptor_pb2 import FileDescriptorProto

from cqc_tools.contracts.descriptors import DESCRIPTOR_SET, VALIDATE, Contracts
from cqc_tools.foundation import workspace
from cqc_tools.foundation.configuration import Configuration
from cqc_tools.generation import protoc
from cqc_tools.generation.template import render
from cqc_tools.generation.tree import Tree

OPTIONS = [
    "--python_out=.",
    "--grpc_python_out=.",
    f"--plugin=protoc-gen-mypy={workspace.VENV_BIN / 'protoc-gen-mypy'}",
    "--mypy_out=quiet:.",
    f"--plugin=protoc-gen-mypy_grpc={workspace.VENV_BIN / 'protoc-gen-mypy_grpc'}",
    # Concrete servicers: a server may implement only some of a service's RPCs, the others answer UNIMPLEMENTED.
    "--mypy_grpc_out=quiet,generate_concrete_servicer_stubs:.",
]
# Written only for projects without CQC's own code, which has a larger __init__.py.
CORE = ("__init__.py", "py.typed")


def owned(settings: Configuration) -> tuple[str, ...]:
    """Patterns of the generated files. Hand-written modules are directly in src/<root package>, or in a folder whose
    name starts with an underscore."""
    root = package(settings)
    core = () if settings.cqc_code else tuple(f"{root}/{name}" for name in CORE)
    return (f"{root}/[!_]*/**/*", f"{root}/_buf_validate.py*", *core)


def generate(contracts: Contracts) -> Tree:
    """All files generated for the Python package."""
    compiled = protoc.run(contracts, OPTIONS, [VALIDATE])
    core = {} if contracts.settings.cqc_code else _core(contracts.settings)
    return {**_modules(contracts, compiled), **_validate(contracts, compiled), **_packages(contracts), **core}


def package(settings: Configuration) -> Path:
    """The folder of the import package, relative to the top of the repository."""
    return Path(settings.package("python").folder, "src", settings.root_package)


def descriptor_copy(settings: Configuration, serialized: bytes) -> Tree:
    """The descriptor set as a file of the Python package: builds include it, git ignores it."""
    return {package(settings) / DESCRIPTOR_SET: serialized}


def _modules(contracts: Contracts, compiled: Mapping[Path, bytes]) -> Tree:
    root = contracts.settings.root_package
    with_services = {proto.name for proto in contracts.protos if proto.services}
    tree: dict[Path, bytes] = {}
    for path, content in compiled.items():
        # protoc writes a gRPC module for every file, an empty one if the file has no service.
        stem, is_grpc, _ = path.name.partition("_pb2_grpc.")
        if path.parts[0] != root or (is_grpc and f"{path.parent.as_posix()}/{stem}.proto" not in with_services):
            continue
        # A top-level package `buf` would overwrite another distribution's, so ours is private to the root package.
        text = content.decode()
        text = text.replace("from buf.validate import validate_pb2 as", f"from {root} import _buf_validate as")
        text = text.replace("import buf.validate.validate_pb2", f"import {root}._buf_validate")
        if is_grpc and path.suffix == ".py":
            # The stubs import only the files of their messages: a service in a file without messages would be missing
            # from the descriptor pool, and with it the options of its methods.
            own = f"from {'.'.join(path.parent.parts)} import {stem}_pb2 as _  # the service's own file\n"
            text = text.replace("import warnings\n\n", f"import warnings\n\n{own}", 1)
        tree[package(contracts.settings).parent / path] = text.encode()
    return tree


def _validate(contracts: Contracts, compiled: Mapping[Path, bytes]) -> Tree:
    """The private module with the messages of buf/validate/validate.proto."""
    (file,) = (file for file in contracts.descriptor_set.file if file.name == VALIDATE)
    without_comments = FileDescriptorProto.FromString(file.SerializeToString())
    without_comments.ClearField("source_code_info")
    encoded = base64.b85encode(without_comments.SerializeToString(deterministic=True)).decode()
    module = package(contracts.settings) / "_buf_validate"
    return {
        module.with_suffix(".py"): render("buf_validate.py", serialized="\n".join(re.findall(".{1,110}", encoded))),
        module.with_suffix(".pyi"): compiled[Path("buf", "validate", "validate_pb2.pyi")],
    }


def _packages(contracts: Contracts) -> Tree:
    """An __init__.py for each domain, and one for each of its versions that loads a name when it is first used."""
    source = package(contracts.settings).parent
    tree: dict[Path, bytes] = {}
    for folder, protos in contracts.by_folder().items():
        names = {
            proto: sorted((*proto.messages, *proto.enums, *proto.enum_values, *proto.extensions)) for proto in protos
        }
        exports = {name: f"{proto.stem}_pb2" for proto in protos for name in names[proto]}
        for stub in ("__init__.py", "__init__.pyi"):
            tree[source / folder / stub] = render(
                stub, package=protos[0].package, names=names, exports=dict(sorted(exports.items()))
            )
        domain = Path(folder).parent
        tree[source / domain / "__init__.py"] = render("domain.py", domain=".".join(domain.parts))
    return tree


def _core(settings: Configuration) -> Tree:
    root = package(settings)
    return {root / "__init__.py": render("core.py", root=settings.root_package), root / "py.typed": b""}
