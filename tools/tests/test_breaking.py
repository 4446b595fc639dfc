"""The breaking-change check: what it prints, and which changes it allows."""

import pytest
from conftest import Checkout

FIELD = "  google.protobuf.Timestamp timestamp"


def change(checkout: Checkout, before: str, after: str) -> None:
    proto = checkout.folder / "proto" / "cqc" / "markets" / "v1" / "price.proto"
    text = proto.read_text()
    assert before in text
    proto.write_text(text.replace(before, after))
    done = checkout.cqc("generate")
    assert done.returncode == 0, done.stderr
    checkout.commit()


@pytest.mark.long
def test_from_1_0_on_a_breaking_change_needs_the_next_major_version(checkout: Checkout) -> None:
    first = checkout.cqc("breaking")
    assert (first.returncode, "The first release of the contracts." in first.stdout) == (0, True)
    checkout.git("tag", "v0.9.0")
    change(checkout, "message Price {", "// Said differently.\nmessage Extra {}\n\n// A price.\nmessage Price {")
    added = checkout.cqc("breaking")
    assert added.returncode == 0, added.stderr
    assert "cqc.markets.v1.Extra" in added.stdout
    assert "Next: v0.10.0" in added.stdout
    change(checkout, FIELD, FIELD.replace("timestamp", "moment"))
    below = checkout.cqc("breaking")
    assert below.returncode == 0, below.stderr
    assert "cqc.markets.v1.Price" in below.stdout
    checkout.git("tag", "v1.0.0", "HEAD~1")
    above = checkout.cqc("breaking")
    assert above.returncode == 1
    assert "Next: v2.0.0" in above.stdout
    assert "since v1.0.0 break" in above.stderr
    assert "/v2" in above.stderr
    assert "Traceback" not in above.stderr
