"""Disagreement between languages is reported, and golden bytes that can no longer be read are too."""

import os
import sys
from functools import cache
from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2

from cqc_tools.contracts import descriptors, golden_files
from cqc_tools.contracts.messages import Messages
from cqc_tools.foundation import configuration, workspace
from cqc_tools.foundation.errors import StageFailed
from cqc_tools.foundation.version import parse_release
from cqc_tools.proof import conformance, corpus, golden, interop
from cqc_tools.proof.peers import SOURCES, Peer

pytestmark = pytest.mark.cqc_code
SETTINGS = configuration.load()
DESCRIPTORS = descriptors.generated(SETTINGS)
MESSAGES = Messages(DESCRIPTORS, SETTINGS.root_package)
OVERRIDE = """from helpers import OPERATIONS
from peer import convert

ORIGINAL = {{**OPERATIONS, "convert": convert}}["{operation}"]


def changed(request):
    data = ORIGINAL(request)
    return {answer}


OPERATIONS["{operation}"] = changed
"""


@cache
def whole_corpus() -> list[corpus.Case]:
    return corpus.cases(MESSAGES)


def peer(language: str, folder: Path, operation: str = "", answer: str = "") -> Peer:
    """A Python peer that uses the sources; `answer` is an expression that replaces the `data` of an operation."""
    module = "helpers"
    if operation:
        module = f"changed_{language.lower()}"
        (folder / f"{module}.py").write_text(OVERRIDE.format(operation=operation, answer=answer))
    path = os.pathsep.join(map(str, (SETTINGS.folder("python") / "src", folder)))
    command: list[str | Path] = [sys.executable, SOURCES / "python" / "peer.py", SETTINGS.root_package, module]
    return Peer(language, command, folder, workspace.tool_environment(PYTHONPATH=path))


def test_different_verdict_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few = [case for case in whole_corpus() if "Liquidation" in case.type]
    monkeypatch.setattr(conformance, "cases", lambda _: few)
    lenient = peer("Lenient", tmp_path, "validate", '[] if "Liquidation" in request["type"] else data')
    with pytest.raises(StageFailed, match=r"verdicts are wrong") as stopped:
        conformance.rules([peer("Python", tmp_path), lenient], MESSAGES, None, 1)
    assert "Lenient: {'data': []}" in stopped.value.details


def test_different_helper_answer_is_reported(tmp_path: Path) -> None:
    wrong = peer("Wrong", tmp_path, "notional", '"0"')
    with pytest.raises(StageFailed, match=r"different answers about notional \(seed 1\)") as stopped:
        conformance.helpers([peer("Python", tmp_path), wrong], MESSAGES, 1)
    assert "Wrong: {'data': '0'}" in stopped.value.details


def test_changed_message_is_reported(tmp_path: Path) -> None:
    """A peer that writes an empty message instead of each trade."""
    wrong = peer("Wrong", tmp_path, "convert", '"" if request["type"].endswith(".Trade") else data')
    pair = [peer("Python", tmp_path), wrong]
    with pytest.raises(StageFailed, match=r"a cqc\.markets\.v1\.Trade .*\(seed 1\)"):
        interop.cross(pair, MESSAGES, 1, 1)
    with pytest.raises(StageFailed, match=r"Wrong lost an unknown field of cqc\.markets\.v1\.Trade \(seed 1\)"):
        interop.forward(pair, MESSAGES, 1)


def test_corpus_meets_and_breaks_every_rule() -> None:
    cases = whole_corpus()
    assert len(cases) >= 15_000
    rules = MESSAGES.pool.FindFileByName("cqc/rules/v1/rules.proto").extensions_by_name.values()
    stated = {f"string.{rule.name}" for rule in rules}
    stated |= {cel.id for descriptor in MESSAGES.types for cel in MESSAGES.rules(descriptor).cel}
    fields = [field for descriptor in MESSAGES.types for field in descriptor.fields]
    stated |= {cel.id for field in fields for cel in MESSAGES.rules(field).cel}
    broken = {case.rule for case in cases}
    assert stated <= broken
    met = {case.type for case in cases if case.rule is None}
    assert met == {descriptor.full_name for descriptor in MESSAGES.types}


def test_golden_bytes_detect_a_renamed_field(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(golden_files, "FOLDER", tmp_path / "golden")
    version = parse_release("1.2.0")
    languages = [peer("Python", tmp_path)]
    contracts = golden_files.fingerprint(DESCRIPTORS)
    assert golden.write(version, languages, MESSAGES, contracts) == len(MESSAGES.types)
    assert golden_files.read(version)[0] == contracts
    (row,) = golden.read(languages, [version])
    assert (row.version, row.messages) == ("1.2.0", row.types)
    path = golden_files.file_of(version)
    # What an old release wrote if it knew the field under another name.
    path.write_text(path.read_text().replace('"aggressor"', '"aggressorSide"'))
    with pytest.raises(StageFailed, match=r"another content from a cqc\.markets\.v1\.Trade that 1\.2\.0 wrote"):
        golden.read(languages, [version])
    # Until its release, a version's golden bytes may be outdated.
    assert golden.read(languages, []) == []
    with pytest.raises(StageFailed, match=r"v1\.3\.0 has no golden bytes"):
        golden.read(languages, [version, parse_release("1.3.0"), parse_release("1.4.0-rc.1")])


def test_only_comments_leave_the_fingerprint_of_the_contracts_as_it_is() -> None:
    before = golden_files.fingerprint(DESCRIPTORS)
    changed = descriptor_pb2.FileDescriptorSet.FromString(DESCRIPTORS.SerializeToString())
    changed.file[-1].source_code_info.Clear()
    assert golden_files.fingerprint(changed) == before
    next(file for file in changed.file if file.message_type).message_type[0].field[0].name += "_renamed"
    assert golden_files.fingerprint(changed) != before


def test_a_sample_of_the_corpus_has_every_rule(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    some = [case for case in whole_corpus() if "Liquidation" in case.type or "OrderKey" in case.type]
    monkeypatch.setattr(conformance, "cases", lambda _: some.copy())
    languages = [peer("Python", tmp_path)]
    whole = conformance.rules(languages, MESSAGES, None, 1)
    sample = conformance.rules(languages, MESSAGES, len(some) // 3, 1)
    assert [row.subject for row in sample] == [row.subject for row in whole]
    assert sum(row.answers for row in sample) < sum(row.answers for row in whole)
