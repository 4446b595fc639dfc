"""CHANGELOG.md: the tool writes its own part, and keeps what people wrote."""

import json

import pytest
from conftest import Checkout
from hypothesis import given
from hypothesis import strategies as st

from cqc_tools.contracts.api_diff.diff import ApiDiff, Change
from cqc_tools.foundation import version
from cqc_tools.release import changelog
from cqc_tools.release.candidate import Candidate

REPOSITORY = "https://example.com/team/contracts"
WORDS = st.text(st.characters(categories=["Ll", "Lu", "Nd", "Po", "Zs"], exclude_characters="<`~"), max_size=30)
HAND_WRITTEN = st.lists(st.one_of(WORDS, st.sampled_from(["", "### Fixed", "- a thing", "```\n## no heading\n```"])))


def release(text: str, changes: tuple[Change, ...] = (), last: str = "1.1.0") -> Candidate:
    chosen = version.parse_release(text)
    before = version.parse_release(last) if last else None
    return Candidate(chosen, before, chosen, "0" * 40, False, (), None, ApiDiff(changes))


ADDED = Change("added", "field", "cqc.markets.v1.Price.fresh", (), (), "`string fresh = 12`. Is new.")


def written(text: str, candidate: Candidate, date: str = "2025-11-24") -> str:
    return changelog.with_release(text, candidate, REPOSITORY, date)


def test_each_release_gets_a_section_and_a_link() -> None:
    first = written(changelog.HEADER, release("1.1.0", last=""))
    assert "## [Unreleased]\n\n## [1.1.0] - 2025-11-24\n" in first
    assert first.endswith(f"\n[1.1.0]: {REPOSITORY}/releases/tag/v1.1.0\n")
    by_hand = first.replace("## [Unreleased]\n", "## [Unreleased]\n\n### Fixed\n\n- The clock.\n")
    second = written(by_hand, release("1.2.0", (ADDED,)), "2025-12-01")
    start = second.index("## [1.2.0] - 2025-12-01")
    assert second.index("## [Unreleased]") < start < second.index("- The clock.") < second.index("## [1.1.0]")
    assert "- field `cqc.markets.v1.Price.fresh`: `string fresh = 12`. Is new." in second
    assert f"[1.2.0]: {REPOSITORY}/compare/v1.1.0...v1.2.0\n[1.1.0]: " in second
    assert [found.name for found in changelog._sections(second)] == ["Unreleased", "1.2.0", "1.1.0"]


def test_a_pre_release_uses_the_section_of_its_final_version() -> None:
    once = written(changelog.HEADER, release("1.2.0-rc.1", (ADDED,)))
    assert "## [1.2.0] - " in once
    assert written(once, release("1.2.0", (ADDED,)), "2026-01-01") == once
    assert changelog.section(once, version.parse_release("1.2.0-rc.2")).name == "1.2.0"


def test_a_changelog_in_another_form_is_kept() -> None:
    text = "# News\n\nSome words.\n\n## 1.0.0\n\n- old\n"
    found = written(text, release("1.2.0"))
    assert found.startswith("# News\n\nSome words.\n\n## [1.2.0] - 2025-11-24\n")
    assert "\n## 1.0.0\n\n- old\n" in found


def test_a_withdrawn_release_is_marked_once() -> None:
    text = written(changelog.HEADER, release("1.2.0"))
    once = changelog.with_yanked(text, version.parse_release("1.2.0"), "prices are wrong")
    assert "## [1.2.0] - 2025-11-24 [YANKED]\n\nYanked: prices are wrong\n\n<!-- Contract changes" in once
    # The reason that users have read stays, as it does in go.mod.
    assert changelog.with_yanked(once, version.parse_release("1.2.0"), "another") == once
    assert written(once, release("1.2.0")) == once
    assert changelog.section(once, version.parse_release("1.2.0")).name == "1.2.0"
    with pytest.raises(LookupError):
        changelog.with_yanked(once, version.parse_release("1.2.0-rc.1"), "x")


def lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


@given(unreleased=HAND_WRITTEN, above=HAND_WRITTEN, below=HAND_WRITTEN)
def test_everything_that_people_wrote_is_kept(unreleased: list[str], above: list[str], below: list[str]) -> None:
    text = changelog.HEADER + "\n" + "\n".join(unreleased) + "\n"
    first = written(text, release("1.1.0", last=""))
    edited = first.replace(changelog.BEGIN, "\n".join([*above, "", changelog.BEGIN]), 1)
    edited = edited.replace(changelog.END, "\n".join([changelog.END, "", *below, ""]), 1)
    again = written(edited, release("1.1.0", (ADDED,), last=""), "2026-06-06")
    for hand in (unreleased, above, below):
        kept = lines(again)
        for line in lines("\n".join(hand)):
            assert line in kept
    # A second run changes nothing, and a later section takes nothing from an earlier one.
    assert written(again, release("1.1.0", (ADDED,), last=""), "2026-07-07") == again
    later = written(again, release("1.2.0"), "2026-08-08")
    assert lines(again)[-1] == lines(later)[-1]
    for line in lines(again):
        assert line in lines(later)


def test_the_notes_are_the_section_that_the_command_wrote(checkout: Checkout) -> None:
    checkout.git("tag", "v1.1.0")
    proto = checkout.folder / "proto/cqc/markets/v1/quantity.proto"
    proto.write_text(
        proto.read_text().replace("enum QuantityUnit {", "enum QuantityUnit {\n  option deprecated = true;")
    )
    assert checkout.cqc("generate").returncode == 0
    checkout.commit()
    missing = checkout.cqc("notes", "--release", "1.2.0")
    assert missing.returncode == 2
    assert "make changelog VERSION=1.2.0" in missing.stderr
    done = checkout.cqc("changelog", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["version"] == "1.2.0"
    shown = checkout.cqc("notes", "--release", "1.2.0").stdout
    assert shown.endswith("### Contracts\n\n#### Deprecated\n\n- enum `cqc.markets.v1.QuantityUnit`\n")
    checkout.commit()
    checkout.git("tag", "v1.2.0")
    # The notes of a tagged release come from the tag.
    (checkout.folder / "CHANGELOG.md").write_text("nothing\n")
    assert checkout.cqc("notes").stdout == shown
    refused = checkout.cqc("notes", "--release", "1.2")
    assert refused.returncode == 2
    assert "1.2.0-rc.1" in refused.stderr
    assert "Traceback" not in refused.stderr
