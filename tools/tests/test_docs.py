"""docs/SPEC.md names every message, enum and service, and nothing that does not exist."""

import re

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
    named = re.findall(r"\*\*([A-Z]\w+)\*\*|`([A-Z][a-z]\w+)`", SPEC.read_text())
    common = {"ErrorInfo", "BadRequest", "RetryInfo", "MarketDataClient", "MarketDataServer", "OrdStatus"}
    prose = {"Time", "Lists", "Updates", "Writes", "Streams", "Errors", "Enums"}
    assert {bold or code for bold, code in named} - known - common - prose == set()
