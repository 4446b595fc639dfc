"""Generated code follows proto/, and a proto that does not compile changes nothing."""

import ast
import json
import os
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from conftest import Checkout

from cqc_tools.contracts import descriptors
from cqc_tools.contracts.descriptors import Contracts
from cqc_tools.contracts.stripped import without_comments
from cqc_tools.foundation import configuration, process, workspace
from cqc_tools.foundation.configuration import Configuration
from cqc_tools.foundation.errors import UserError
from cqc_tools.generation import generate, tree
from cqc_tools.generation.tree import Tree
from cqc_tools.packages.ecosystems.typescript import legacy_entries

PRICE = Path("proto/cqc/markets/v1/price.proto")
COPIES = ("packages/python-cqc/src/cqc/descriptor_set.binpb", "packages/ts-cqc/src/gen/descriptor_set_00.ts")


def settings_of(checkout: Checkout) -> Configuration:
    return configuration.load(checkout.folder / "release.toml")


def contents(checkout: Checkout) -> dict[Path, bytes]:
    """Every file of the packages and of the top folder, git-ignored ones included."""
    places = [checkout.folder / "packages", *checkout.folder.glob("*.*")]
    files = [item for place in places for item in (place.rglob("*") if place.is_dir() else [place])]
    return {path: path.read_bytes() for path in files if path.is_file()}


def test_a_second_run_writes_nothing_and_says_so(checkout: Checkout) -> None:
    before = {path: path.stat().st_mtime_ns for path in (checkout.folder / "packages").rglob("*") if path.is_file()}
    done = checkout.cqc("generate")
    assert done.returncode == 0, done.stderr
    assert "nothing changed" in done.stdout
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert checkout.git("status", "--porcelain") == ""


def test_a_broken_proto_is_named_with_its_line_and_leaves_the_tree(checkout: Checkout) -> None:
    path = checkout.folder / PRICE
    lines = path.read_text().splitlines()
    broken = next(index for index, line in enumerate(lines) if line.startswith("message Price"))
    lines.insert(broken + 1, "  nonsense;")
    path.write_text("\n".join(lines))
    done = checkout.cqc("generate")
    assert done.returncode == 1
    assert f"{PRICE}:{broken + 2}:" in done.stderr
    assert "Traceback" not in done.stderr
    assert checkout.git("status", "--porcelain").split() == ["M", str(PRICE)]


@pytest.mark.long
@pytest.mark.parametrize("renamed", [True, False])
def test_a_removed_proto_leaves_nothing_behind(checkout: Checkout, renamed: bool) -> None:
    symbol_identifier = checkout.folder / "proto/cqc/markets/v1/symbol_identifier.proto"
    extra = checkout.folder / "proto/cqc/markets/v1/extra.proto"
    extra.write_text(
        symbol_identifier.read_text()
        .replace("message SymbolIdentifier", "message Extra")
        .replace("SymbolIdentifier", "Extra")
    )
    assert checkout.cqc("generate").returncode == 0
    written = checkout.git("status", "--porcelain", "--untracked-files=all")
    assert {"extra_pb2.py", "extra_pb2.pyi", "extra.pb.go", "extra_pb.ts", "extra.proto"} <= {
        Path(line[3:]).name for line in written.splitlines()
    }
    if renamed:
        extra.rename(extra.with_name("other.proto"))
    else:
        extra.unlink()
    assert checkout.cqc("generate").returncode == 0
    left = checkout.git("status", "--porcelain", "--untracked-files=all")
    assert "extra" not in left
    assert ("other_pb2.py" in left) == renamed
    if not renamed:
        assert left == ""


@pytest.mark.long
def test_regenerating_removes_stale_files_and_gives_the_same_tree(checkout: Checkout) -> None:
    settings = settings_of(checkout)
    generate.generate(settings, checkout.folder)
    before = contents(checkout)
    stale = checkout.folder / "packages/go-cqc/markets/v1/stale.pb.go"
    stale.write_text("package marketsv1\n")
    (checkout.folder / "packages/python-cqc/src/cqc/markets/v1/price_pb2.py").write_text("broken")
    done = generate.regenerate(settings, checkout.folder)
    assert done.removed == (stale.relative_to(checkout.folder),)
    assert len(done.written) == done.total
    assert contents(checkout) == before
    assert not generate.drift(settings, checkout.folder)


@pytest.mark.long
@pytest.mark.parametrize("again", [generate.generate, generate.regenerate])
def test_an_interrupted_regeneration_is_completed_by_another_run(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch, again: object
) -> None:
    settings = settings_of(checkout)
    generate.generate(settings, checkout.folder)
    before = contents(checkout)
    write, written = tree.write, []

    def interrupted(made: Tree, paths: list[Path], top: Path) -> None:
        for path in list(paths)[:20]:
            write(made, [path], top)
            written.append(path)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(tree, "write", interrupted)
        with pytest.raises(KeyboardInterrupt):
            generate.regenerate(settings, checkout.folder)
    assert len(written) == 20
    assert len(contents(checkout)) < len(before)
    assert callable(again)
    again(settings, checkout.folder)
    assert contents(checkout) == before


def test_a_new_generator_is_one_entry(checkout: Checkout, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its files are written, compared, and removed once it no longer makes them."""
    settings = settings_of(checkout)

    def listing(contracts: Contracts) -> Tree:
        names = [message for proto in contracts.protos for message in proto.messages]
        return {Path("docs", "listing", "messages.txt"): "\n".join(names).encode()}

    generator = SimpleNamespace(owned=lambda settings: ("docs/listing/*",), generate=listing)
    monkeypatch.setattr(generate, "GENERATORS", (*generate.GENERATORS, generator))
    written = generate.generate(settings, checkout.folder).written
    assert written == (Path("docs/listing/messages.txt"),)
    assert "OrderBook" in (checkout.folder / written[0]).read_text()
    assert not generate.drift(settings, checkout.folder)
    generator.generate = lambda contracts: {}
    assert generate.drift(settings, checkout.folder).removed == written
    generate.generate(settings, checkout.folder)
    assert not (checkout.folder / "docs" / "listing").exists()


def test_the_descriptor_set_is_committed_once_and_copied_for_builds(checkout: Checkout) -> None:
    committed = checkout.git("ls-files", "*.binpb", "*/gen/descriptor_set*.ts").split()
    assert committed == ["packages/go-cqc/descriptor_set.binpb"]
    assert not any((checkout.folder / copy).exists() for copy in COPIES)
    settings = settings_of(checkout)
    generate.write_descriptor_copies(checkout.folder, settings)
    assert (checkout.folder / COPIES[0]).read_bytes() == descriptors.serialized(settings, checkout.folder)
    pieces = sorted((checkout.folder / COPIES[1]).parent.glob("descriptor_set_*.ts"))
    literals = [path.read_text("utf-8").partition("string = ")[2].strip().removesuffix(";") for path in pieces]
    # gzip finds repetitions within 32 KiB; see descriptor_copy.
    assert max(map(len, literals)) < 32 * 1024
    text = "".join(map(ast.literal_eval, literals))
    assert text.encode("latin-1") == without_comments(descriptors.serialized(settings, checkout.folder))
    assert checkout.git("status", "--porcelain") == ""
    (checkout.folder / committed[0]).unlink()
    with pytest.raises(UserError, match="make generate"):
        generate.write_descriptor_copies(checkout.folder, settings)


def test_proto_copies_are_marked_and_compile(tmp_path: Path) -> None:
    """Go users import the protos from the module cache."""
    copies = configuration.load().folder("go") / "proto"
    names = sorted(path.relative_to(copies).as_posix() for path in copies.rglob("*.proto"))
    own = descriptors.find("cqc")
    assert names == sorted([*own, descriptors.VALIDATE])
    # What others wrote stays as they wrote it.
    third = workspace.THIRD_PARTY_PROTO / descriptors.VALIDATE
    assert (copies / descriptors.VALIDATE).read_bytes() == third.read_bytes()
    for name in own:
        marker, source = (copies / name).read_text().split("\n\n", 1)
        # The marker by which the go command and linters recognize generated code.
        assert re.fullmatch(r"// Code generated .* DO NOT EDIT\.", marker)
        assert f"proto/{name}" in marker
        assert source == (workspace.PROTO / name).read_text()
    descriptors.protoc([f"--descriptor_set_out={tmp_path / 'set.binpb'}"], names, copies.parent)
    modules = [{"path": str(copies.relative_to(workspace.ROOT))}]
    config = json.dumps({"version": "v2", "modules": modules})
    process.run([workspace.VENV_BIN / "buf", "build", "--config", config, "-o", os.devnull], what="buf build")


ITEM = """syntax = "proto3";

// What can be ordered.
package acme.catalog.v1;

import "buf/validate/validate.proto";

option go_package = "github.com/acme/contracts/packages/go-acme/catalog/v1;catalogv1";

message Item {
  string id = 1 [(buf.validate.field).string.min_len = 1];
}

// Names of JavaScript's own, which the modules must still find.
message Object {}
message Symbol {}
"""
ORDERS = """syntax = "proto3";

package acme.orders.v1;

import "acme/catalog/v1/item.proto";

option go_package = "github.com/acme/contracts/packages/go-acme/orders/v1;ordersv1";

message PlaceRequest {
  acme.catalog.v1.Item item = 1;
}

message PlaceResponse {}

service Orders {
  rpc Place(PlaceRequest) returns (PlaceResponse);
}
"""
USE = """import { create } from "@bufbuild/protobuf";
import { createValidator } from "@bufbuild/protovalidate";
import { descriptorSet } from "@acme/contracts";
import { Item, ObjectSchema, Symbol as Sign } from "@acme/contracts/catalog/v1";
import { Orders } from "@acme/contracts/orders/v1";
import { OrdersClient } from "@acme/contracts/orders/v1/grpc";

const item: Item = create(Item, {});
// Projects without a module `validate` have their rules in the schemas.
const thing = create(ObjectSchema);
console.log(typeof OrdersClient, createValidator().validate(Item, item).kind, thing.$typeName, Sign.name);
console.log(descriptorSet().file.some(({ service }) => service[0]?.name === Orders.name));
"""
NAMES = {
    'root_package = "cqc"': 'root_package = "acme"',
    "cqc_code = true": "cqc_code = false",
    'name = "cqc"': 'name = "acme-contracts"',
    'name = "@cq/cqc"': 'name = "@acme/contracts"',
    "https://github.com/Combine-Capital/cqc": "https://github.com/acme/contracts",
    "github.com/Combine-Capital/cqc/packages/go-cqc": "github.com/acme/contracts/packages/go-acme",
    'folder = "packages/python-cqc"': 'folder = "packages/python-acme"',
    'folder = "packages/go-cqc"': 'folder = "packages/go-acme"',
    'folder = "packages/ts-cqc"': 'folder = "packages/ts-acme"',
}


@pytest.fixture
def acme(checkout: Checkout) -> Checkout:
    """A checkout with contracts of another project: two domains, one service."""
    checkout.git("rm", "-r", "--quiet", "proto/cqc")
    for name, text in (("catalog/v1/item.proto", ITEM), ("orders/v1/orders.proto", ORDERS)):
        path = checkout.folder / "proto" / "acme" / name
        path.parent.mkdir(parents=True)
        path.write_text(text)
    settings = checkout.folder / "release.toml"
    text = settings.read_text()
    for old, new in NAMES.items():
        assert old in text
        text = text.replace(old, new)
    settings.write_text(text)
    return checkout


@pytest.mark.long
def test_another_root_package_gets_three_packages_that_compile(acme: Checkout) -> None:
    done = acme.cqc("generate")
    assert done.returncode == 0, done.stderr
    assert "nothing changed" in acme.cqc("generate").stdout
    python, go, typescript = (acme.folder / "packages" / f"{name}-acme" for name in ("python", "go", "ts"))
    ours = [*python.rglob("*"), *go.rglob("*"), *typescript.rglob("*"), acme.folder / "go.mod"]
    for path in ours:
        if path.is_file() and path.name not in ("definitions.ts", "package-lock.json", "tsconfig.json"):
            assert not re.search(rb"\bcqc\b(?!_tools)|CQC", path.read_bytes()), path

    program = (
        "import acme; from acme.catalog.v1 import Item; from acme.orders.v1 import orders_pb2_grpc as stubs\n"
        "print(Item(id='x').id, stubs.OrdersStub.__name__, len(acme.descriptor_set().file))"
    )
    printed = process.run([sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": str(python / "src")})
    assert printed.split()[:2] == ["x", "OrdersStub"]

    process.run(["go", "vet", "./..."], cwd=go, what="go vet")
    assert process.run(["go", "list", "-f", "{{.Name}}"], cwd=go).strip() == "acme"
    synopses = process.run(["go", "list", "-f", "{{.Doc}}", "./..."], cwd=go)
    assert "Package catalogv1 has acme.catalog.v1: what can be ordered.\n" in synopses
    assert "Package ordersv1 has the protobuf package acme.orders.v1.\n" in synopses
    assert "[RegisterOrdersServer]" in (go / "orders" / "v1" / "doc.go").read_text()

    (typescript / "node_modules").symlink_to(workspace.TYPESCRIPT_PACKAGE / "node_modules")
    process.run(["npm", "run", "build"], cwd=typescript, what="compile the npm package")
    lock = json.loads((typescript / "package-lock.json").read_text())
    manifest = json.loads((typescript / "package.json").read_text())
    root = lock["packages"][""]
    assert (lock["name"], root["peerDependencies"]) == ("@acme/contracts", manifest["peerDependencies"])
    assert manifest["peerDependencies"].keys() == {"@bufbuild/protobuf", "@grpc/grpc-js"}
    (typescript / "package.json").write_text(json.dumps(manifest | legacy_entries(manifest["exports"])))
    user = acme.folder / "node_modules" / "@acme"
    user.mkdir(parents=True)
    (user / "contracts").symlink_to(typescript)
    modules = workspace.TYPESCRIPT_PACKAGE / "node_modules"
    (user.parent / "@bufbuild").symlink_to(modules / "@bufbuild")
    (user.parent / "@grpc").symlink_to(modules / "@grpc")
    (acme.folder / "use.ts").write_text(USE)
    compiler: list[str | Path] = [
        "node",
        modules / "typescript-5.9" / "bin" / "tsc",
        "--strict",
        "--target",
        "es2022",
        "--skipLibCheck",
    ]
    for options in ("--module node16", "--module commonjs --moduleResolution node10"):
        process.run([*compiler, *options.split(), "use.ts"], cwd=acme.folder, what="tsc")
        assert process.run(["node", "use.js"], cwd=acme.folder).split() == [
            "function",
            "invalid",
            "acme.catalog.v1.Object",
            "Symbol",
            "true",
        ]


def test_manifests_belong_to_the_project_once_they_are_written(acme: Checkout) -> None:
    settings = settings_of(acme)
    assert Path("packages/go-acme/go.mod") in generate.generate(settings, acme.folder).written
    manifest = acme.folder / "packages/python-acme/pyproject.toml"
    manifest.write_text(manifest.read_text().replace('">=3.11"', '">=3.12"'))
    (acme.folder / "packages/ts-acme/package.json").unlink()
    readme = acme.folder / "packages/ts-acme/README.md"
    readme.write_text("Edited.\n")
    done = generate.regenerate(settings, acme.folder)
    assert ">=3.12" in manifest.read_text()
    assert readme.read_text() == "Edited.\n"
    assert [path for path in done.written if path.suffix == ".json"] == [Path("packages/ts-acme/package.json")]
    assert not generate.drift(settings, acme.folder)


@pytest.mark.parametrize(
    ("file", "old", "new", "problem", "fix"),
    [
        ("proto/acme/orders/v1/orders.proto", "package acme.orders.v1", "package acme.order.v1", "declares", "write"),
        ("proto/acme/orders/v1/orders.proto", "go-acme/orders", "go-acme/other", "go_package", "make module-path"),
        (
            "release.toml",
            'folder = "packages/go-acme"',
            'folder = "packages/go-cqc"',
            "CQC's own package",
            "packages/go-acme",
        ),
        ("release.toml", 'root_package = "acme"', 'root_package = "other"', "proto/other/<domain>/v1", "root_package"),
    ],
)
def test_a_layout_that_cannot_work_is_refused_with_the_fix(
    acme: Checkout, file: str, old: str, new: str, problem: str, fix: str
) -> None:
    path = acme.folder / file
    text = path.read_text()
    path.write_text(text.replace(old, new))
    done = acme.cqc("generate")
    assert done.returncode == 2, done.stderr
    assert problem in done.stderr
    assert fix in done.stderr
    assert not list((acme.folder / "packages").glob("*-acme"))


def test_a_domain_that_a_language_cannot_import_is_refused(acme: Checkout) -> None:
    orders = acme.folder / "proto" / "acme" / "orders"
    orders.rename(orders.with_name("import"))
    done = acme.cqc("generate")
    assert done.returncode == 2
    assert "'import' cannot be a domain" in done.stderr
