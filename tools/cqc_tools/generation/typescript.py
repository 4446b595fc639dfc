"""The TypeScript package: protobuf-es messages and descriptors, with one entry point per domain and version.

The code of CQC's own package is generated without validation rules, which its module `validate` adds where they are
needed. Other projects have no such module, so their code keeps the rules.
"""

from pathlib import Path

from cqc_tools.contracts import descriptors
from cqc_tools.contracts.descriptors import VALIDATE, Contracts
from cqc_tools.contracts.stripped import defining_rules, without_comments, without_rules
from cqc_tools.foundation import workspace
from cqc_tools.foundation.configuration import Configuration
from cqc_tools.generation import protoc
from cqc_tools.generation.template import render
from cqc_tools.generation.tree import Tree

# Second names of messages: one that users' code already imports, and one that does not shadow a global of JavaScript.
TYPESCRIPT_ALIASES = {"cqc.assets.v1": {"Token": "Asset"}, "cqc.markets.v1": {"MarketSymbol": "Symbol"}}
# Names that the modules of CommonJS cannot declare. Such a message only has the name of its schema, as in ObjectSchema.
TAKEN = ("Object", "Promise")
# The error details of the interceptors. Python and Go have packages of these to depend on.
GOOGLE_RPC = ("google/rpc/error_details.proto", "google/rpc/status.proto")
DESCRIPTOR_COPY = "descriptor_set"
# Number of pieces of the descriptor set, each of which has to be smaller than gzip's window, see `descriptor_copy`.
PIECES = 24
# Written only for projects without CQC's own code: an entry point, and copies of the runtime of CQC's package.
RUNTIME = ("definitions.ts",)
CORE = ("index.ts", *RUNTIME)


def owned(settings: Configuration) -> tuple[str, ...]:
    """Patterns of the generated files. Hand-written modules are outside src/gen."""
    source = _source(settings)
    core = () if settings.cqc_code else tuple(f"{source}/{name}" for name in CORE)
    return (f"{source}/gen/**/*", *core)


def generate(contracts: Contracts) -> Tree:
    """All files generated for the TypeScript package."""
    settings = contracts.settings
    options = [f"--plugin=protoc-gen-es={_plugin(settings)}", "--es_out=target=ts,import_extension=js:."]
    if settings.cqc_code:
        rules = _rules(contracts)
        named = (*(proto.name for proto in contracts.protos), *contracts.imports)
        names = [name for name in named if name not in rules]
        compiled = protoc.run_over(without_rules(contracts.serialized), options, names)
        compiled |= protoc.run_over(descriptors.compiled(GOOGLE_RPC), options, GOOGLE_RPC)
    else:
        compiled = protoc.run(contracts, options, list(dict.fromkeys([VALIDATE, *contracts.imports])))
    generated = {
        _source(settings) / "gen" / path: content for path, content in _with_names(compiled, contracts).items()
    }
    core = {} if settings.cqc_code else _core(settings)
    return {**generated, **_entry_points(contracts), **core}


def descriptor_copy(settings: Configuration, serialized: bytes) -> Tree:
    """The descriptor set as modules of the TypeScript package: builds include them, git ignores them.

    It has no comments, which would triple its size: every program that validates loads it, browsers included. Bytes are
    characters, because text in base64 hardly compresses. The pieces are small, so that the two forms of the package
    cost as much as one: npm packs files of the same name one after the other, and gzip finds what was repeated within
    32 KiB.
    """
    content = without_comments(serialized)
    size = -(-len(content) // PIECES)
    folder = _source(settings) / "gen"
    pieces = [f"{DESCRIPTOR_COPY}_{number:02}" for number in range(PIECES)]
    tree = {
        folder / f"{name}.ts": render("descriptor_set_piece.ts", text=_literal(content[index * size :][:size]))
        for index, name in enumerate(pieces)
    }
    return {**tree, folder / f"{DESCRIPTOR_COPY}.ts": render("descriptor_set.ts", pieces=pieces)}


def _literal(content: bytes) -> str:
    """A string literal of JavaScript with one character per byte, in ASCII: pages may serve it in any encoding."""
    text = "".join(
        f"\\{chr(byte)}" if byte in b'"\\' else chr(byte) if 0x20 <= byte < 0x7F else f"\\x{byte:02x}"
        for byte in content
    )
    return f'"{text}"'


def _rules(contracts: Contracts) -> set[str]:
    """The files that define rules, which CQC's own package has in its descriptor set only."""
    return defining_rules(contracts.descriptor_set) if contracts.settings.cqc_code else set()


def _source(settings: Configuration) -> Path:
    return Path(settings.package("typescript").folder, "src")


def _plugin(settings: Configuration) -> Path:
    """protoc-gen-es from the package's own dependencies; from CQC's package until the project's is scaffolded."""
    plugin = Path("node_modules", ".bin", "protoc-gen-es")
    own = settings.folder("typescript") / plugin
    return own if own.exists() else workspace.TYPESCRIPT_PACKAGE / plugin


def _with_names(compiled: Tree, contracts: Contracts) -> Tree:
    """The generated modules, in which each message's name is also its schema.

    Beside its type, so that editors show the type's comment for both.
    """
    added = {}
    for proto in contracts.protos:
        if messages := [name for name in proto.messages if name not in TAKEN]:
            module = Path(proto.name).with_name(f"{proto.stem}_pb.ts")
            added[module] = render("names.ts", messages=messages)
    return {path: content + added.get(path, b"") for path, content in compiled.items()}


def _entry_points(contracts: Contracts) -> Tree:
    """An index per domain and version, and one of the clients and services for @grpc/grpc-js if it has services."""
    tree = {}
    rules = _rules(contracts)
    for folder, all_protos in contracts.by_folder().items():
        protos = [proto for proto in all_protos if proto.name not in rules]
        if not protos:
            continue
        modules = {name: f"{proto.stem}_pb" for proto in protos for name in (*proto.messages, *proto.services)}
        aliases = [
            {"name": alias, "target": target, "module": modules[target]}
            for alias, target in TYPESCRIPT_ALIASES.get(protos[0].package, {}).items()
        ]
        entry = _source(contracts.settings) / "gen" / folder
        tree[entry / "index.ts"] = render("index.ts", modules=[f"{proto.stem}_pb" for proto in protos], aliases=aliases)
        services = [{"name": name, "module": modules[name]} for proto in protos for name in proto.services]
        if services:
            tree[entry / "grpc" / "index.ts"] = render("grpc.ts", services=services)
    return tree


def _core(settings: Configuration) -> Tree:
    source = workspace.TYPESCRIPT_PACKAGE / "src"
    marker = b"// Generated by `make generate`: do not edit.\n"
    copies = {_source(settings) / name: marker + (source / name).read_bytes() for name in RUNTIME}
    return {_source(settings) / "index.ts": render("core.ts"), **copies}
