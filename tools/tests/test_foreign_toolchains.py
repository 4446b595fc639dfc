"""The descriptor set loads in tools that are not ours: prost, vtprotobuf, buf, and another protoc."""

import json
import shutil
import sys
from pathlib import Path

import pytest
from filelock import FileLock
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from cqc_tools.contracts import descriptors
from cqc_tools.foundation import configuration, process, workspace
from cqc_tools.proof import kept

# The tools are installed and code is compiled.
pytestmark = pytest.mark.slow
LOCK = workspace.ROOT / "tools" / "foreign-toolchains" / "requirements.lock"
UV, BUF = workspace.VENV_BIN / "uv", workspace.VENV_BIN / "buf"
VTPROTO = "github.com/planetscale/vtprotobuf"
SETTINGS = configuration.load()
DESCRIPTOR_SET = descriptors.path_of(SETTINGS)
# Converts an empty message of every type to Arrow and back, and prints how many types it knows.
CONVERT = """
import sys
from google.protobuf import descriptor_pb2, descriptor_pool
from ptars import HandlerPool

pool, path, root = descriptor_pool.DescriptorPool(), *sys.argv[1:]
files = descriptor_pb2.FileDescriptorSet.FromString(open(path, "rb").read()).file
for file in files:
    pool.Add(file)
own = [pool.FindFileByName(file.name) for file in files if file.package.startswith(f"{root}.")]
handlers = HandlerPool(own)
types = [message for file in own for message in file.message_types_by_name.values()]
for message in types:
    handler = handlers.get_for_message(message)
    assert handler.record_batch_to_array(handler.list_to_record_batch([b""])).to_pylist() == [b""], message.full_name
print(len(types))
"""


@pytest.fixture(scope="module")
def environment() -> Path:
    """A Python environment with the locked tools."""

    def make(venv: Path) -> None:
        process.run([UV, "venv", "--quiet", "--allow-existing", "--no-project", "--python", sys.executable, venv])
        options = ["--quiet", "--no-compile", "--no-deps", "--require-hashes", "-r", str(LOCK)]
        process.run([sys.executable, "-m", "pip", "--python", venv, "install", *options])

    # Tests run in several processes.
    with FileLock(workspace.CACHE / "foreign-toolchains.lock"):
        return kept.folder("foreign-toolchains", [LOCK, sys.version.encode()], make)


@pytest.fixture(scope="module")
def names() -> list[str]:
    return descriptors.find(SETTINGS.root_package)


def test_prost_reads_every_message(environment: Path) -> None:
    types = sum(
        len(proto.messages) for proto in descriptors.describe(descriptors.generated(SETTINGS), SETTINGS.root_package)
    )
    python = workspace.venv_bin(environment, "python")
    printed = process.run([python, "-c", CONVERT, DESCRIPTOR_SET, SETTINGS.root_package])
    assert int(printed) == types


def test_another_protoc_compiles_the_same_contracts(environment: Path, names: list[str], tmp_path: Path) -> None:
    import grpc_tools

    protoc = workspace.venv_bin(environment, "protoc")
    ours = process.run([sys.executable, "-m", "grpc_tools.protoc", "--version"]).split()[-1]
    theirs = process.run([protoc, "--version"]).split()[-1]
    assert theirs != ours
    assert int(theirs.split(".")[0]) >= 25
    well_known = Path(grpc_tools.__file__).parent / "_proto"
    includes = [f"-I{folder}" for folder in (workspace.PROTO, workspace.THIRD_PARTY_PROTO, well_known)]
    out = tmp_path / "set.binpb"
    options = ["--include_imports", "--include_source_info", f"--descriptor_set_out={out}"]
    process.run([protoc, *includes, *options, *names, descriptors.VALIDATE])
    own = {file.name: file for file in FileDescriptorSet.FromString(descriptors.canonical(out.read_bytes())).file}
    expected = {file.name: file for file in descriptors.generated(SETTINGS).file}
    assert [name for name in names if own[name] != expected[name]] == []


@pytest.mark.long
def test_vtprotobuf_generates_code_that_compiles(environment: Path, names: list[str], tmp_path: Path) -> None:
    module = tmp_path / "module"
    shutil.copytree(SETTINGS.folder("go"), module)
    options = [f"--plugin={workspace.GO_TOOLS / 'protoc-gen-go-vtproto'}", f"--descriptor_set_in={DESCRIPTOR_SET}"]
    options += ["--go-vtproto_out=.", "--go-vtproto_opt=features=marshal+unmarshal+size+clone+equal"]
    prefix = f"module={SETTINGS.package('go').name}"
    process.run([workspace.venv_bin(environment, "protoc"), *options, f"--go-vtproto_opt={prefix}", *names], cwd=module)
    packages = {f"./{path.parent.relative_to(module)}" for path in module.rglob("*_vtproto.pb.go")}
    assert packages
    tools = workspace.ROOT / "tools" / "go"
    version = process.run(["go", "list", "-m", "-f", "{{.Version}}", VTPROTO], cwd=tools).strip()
    process.run(["go", "mod", "edit", f"-require={VTPROTO}@{version}"], cwd=module)
    sums = [line for line in (tools / "go.sum").read_text().splitlines() if line.startswith(VTPROTO)]
    (module / "go.sum").write_text("\n".join([(module / "go.sum").read_text().rstrip(), *sums, ""]))
    process.run(["go", "build", "-mod=mod", *sorted(packages)], cwd=module)


def test_buf_reads_the_descriptor_set(names: list[str]) -> None:
    image = json.loads(process.run([BUF, "build", DESCRIPTOR_SET, "-o", "-#format=json"]))
    assert {file["name"] for file in image["file"]} >= set(names)
    lint = {"version": "v2", "lint": {"use": ["MINIMAL"], "ignore": ["buf", "google"]}}
    process.run([BUF, "lint", DESCRIPTOR_SET, "--config", json.dumps(lint)])
