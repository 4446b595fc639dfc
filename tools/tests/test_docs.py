"""The pages: SPEC names everything that exists and nothing else, links lead somewhere, and samples compile."""

import re
import shutil
from pathlib import Path

import pytest

from cqc_tools.contracts import descriptors
from cqc_tools.foundation import configuration, workspace

SPEC = workspace.ROOT / "docs" / "SPEC.md"


def declared() -> list[descriptors.ProtoFile]:
    settings = configuration.load()
    return descriptors.describe(descriptors.generated(settings), settings.root_package)


def test_spec_names_every_message_enum_and_service() -> None:
    text = SPEC.read_text()
    for proto in declared():
        assert f"`{proto.stem}.proto`" in text or f"{proto.stem}.proto" in text, proto.name
        requests = {name for name in proto.messages if re.fullmatch(r"\w+(Request|Response)", name)}
        for name in {*proto.messages, *proto.enums, *proto.services} - requests:
            assert re.search(rf"\b{name}s?\b", text), f"docs/SPEC.md does not name {name} of {proto.name}"


def test_spec_names_nothing_that_does_not_exist() -> None:
    known = {name for proto in declared() for name in (*proto.messages, *proto.enums, *proto.services)}
    known |= {
        rpc for proto in declared() for rpc in re.findall(r"rpc (\w+)", (workspace.PROTO / proto.name).read_text())
    }
    named = re.findall(r"\*\*([A-Z][a-z]+[A-Z]\w+)\*\*|`([A-Z][a-z]\w+)`", SPEC.read_text())
    common = {"ErrorInfo", "BadRequest", "RetryInfo", "MarketDataClient", "MarketDataServer", "OrdStatus", "Token"}
    assert {bold or code for bold, code in named} - known - common == set()


PAGES = sorted([*workspace.ROOT.glob("*.md"), *workspace.ROOT.glob("docs/*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), f"{page.name} links to {target}"
        if anchor:
            headings = re.findall(r"^#+ (.+)$", file.read_text(), re.MULTILINE)
            anchors = {re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings}
            assert anchor in anchors, f"{page.name} links to {target}"


def test_every_page_is_listed() -> None:
    listed = (workspace.ROOT / "docs" / "README.md").read_text()
    for page in workspace.ROOT.glob("docs/*.md"):
        assert page.name == "README.md" or f"({page.name})" in listed, page.name


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", "docs/changing-a-contract.md"])
def test_the_protos_on_a_page_compile(name: str, tmp_path: Path) -> None:
    blocks = re.findall(r"^ *```proto\n(.*?)^ *```$", (workspace.ROOT / name).read_text(), re.MULTILINE | re.DOTALL)
    assert blocks
    shutil.copytree(workspace.PROTO / "cqc", tmp_path / "proto" / "cqc")
    imports = [
        "buf/validate/validate.proto",
        "cqc/markets/v1/native_listing.proto",
        "cqc/options/v1/options.proto",
        "cqc/rules/v1/rules.proto",
        "google/protobuf/timestamp.proto",
    ]
    samples: list[str] = []
    for number, block in enumerate(blocks):
        # A page may show a field alone.
        body = block if "message " in block else f"message Sample {{\n{block}\n}}"
        # A block may use the messages of those before it.
        header = "".join(f'import "{name}";\n' for name in [*imports, *samples])
        samples.append(f"cqc/samples/v1/sample_{number}.proto")
        path = tmp_path / "proto" / samples[-1]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'syntax = "proto3";\npackage cqc.samples.v1;\n{header}\n{body}')
        options = [f"--descriptor_set_out={tmp_path / 'out'}"]
        descriptors.protoc(options, [path.relative_to(tmp_path / "proto").as_posix()], tmp_path)


def test_the_code_of_the_readme_is_that_of_the_packages() -> None:
    """The tests of the packages run it there."""
    readmes = "".join(path.read_text() for path in workspace.ROOT.glob("packages/*/README.md"))
    blocks = re.findall(r"^```(?:python|go|ts)\n.*?^```$", (workspace.ROOT / "README.md").read_text(), re.M | re.S)
    assert len(blocks) == 3
    for block in blocks:
        assert block in readmes, block
