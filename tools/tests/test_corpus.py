"""The corpus of small contracts: every kind of rule is met and broken, as protovalidate confirms."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from cqc_tools.contracts import descriptors
from cqc_tools.contracts.messages import Messages
from cqc_tools.foundation import configuration
from cqc_tools.foundation.errors import StageFailed
from cqc_tools.proof import corpus
from cqc_tools.proof.corpus import Case
from cqc_tools.proof.corpus_search import Search

START = """\
syntax = "proto3";
package acme.a.v1;
import "buf/validate/validate.proto";
import "google/protobuf/duration.proto";
import "google/protobuf/field_mask.proto";
import "google/protobuf/timestamp.proto";
enum Kind {
  KIND_UNSPECIFIED = 0;
  KIND_ONE = 1;
  KIND_TWO = 2;
}
message Part {
  string id = 1 [(buf.validate.field).string.min_len = 1];
  Kind kind = 2 [(buf.validate.field).required = true];
}
"""


def messages(top: Path, body: str) -> Messages:
    proto = top / "proto" / "acme" / "a" / "v1" / "a.proto"
    proto.parent.mkdir(parents=True)
    proto.write_text(f"{START}message Thing {{\n{body}\n}}\n")
    settings = replace(configuration.load(), root_package="acme")
    return Messages(descriptors.compile_checkout(settings, top).descriptor_set, "acme")


def of_thing(top: Path, body: str, monkeypatch: pytest.MonkeyPatch) -> Sequence[Case]:
    """The cases of a message with some fields; each expected verdict is checked."""
    monkeypatch.setattr(corpus, "CELS", {})
    known = messages(top, body)
    search = Search(known)
    found = [case for case in corpus.cases(known) if case.type == "acme.a.v1.Thing"]
    thing = known.new(known.pool.FindMessageTypeByName("acme.a.v1.Thing")).__class__
    for case in found:
        broken = search.broken(thing.FromString(case.data))
        assert ((case.field, case.rule) in broken) if case.rule else not broken, (thing.FromString(case.data), broken)
    assert any(case.rule is None for case in found)
    return found


# A field, and the rules that its cases break, with their paths.
FIELDS = {
    "google.protobuf.Timestamp at = 1 [(buf.validate.field).timestamp.gt = { seconds: 5 }]": {("at", "timestamp.gt")},
    "google.protobuf.Timestamp at = 1 [(buf.validate.field).timestamp.gte = { nanos: 5 }, "
    "(buf.validate.field).timestamp.lt = { seconds: 9 }]": {("at", "timestamp.gte_lt")},
    "google.protobuf.Timestamp at = 1 [(buf.validate.field).timestamp.lt_now = true]": {("at", "timestamp.lt_now")},
    "google.protobuf.Duration wait = 1 [(buf.validate.field).duration.gte = {}, "
    "(buf.validate.field).duration.lte = { seconds: 30 }]": {("wait", "duration.gte_lte")},
    "google.protobuf.Duration wait = 1 [(buf.validate.field).duration.gt = { seconds: -1 }]": {("wait", "duration.gt")},
    'google.protobuf.FieldMask mask = 1 [(buf.validate.field).field_mask.not_in = "*"]': {
        ("mask", "field_mask.not_in")
    },
    'google.protobuf.FieldMask mask = 1 [(buf.validate.field).required = true, (buf.validate.field).cel = { id: "some" '
    'message: "no path" expression: "size(this.paths) > 0 && !(\'*\' in this.paths)" }]': {
        ("mask", "some"),
        ("mask", "required"),
    },
    "map<string, string> fields = 1 [(buf.validate.field).map.max_pairs = 3, "
    "(buf.validate.field).map.keys.string.min_len = 2, (buf.validate.field).map.values.string.max_len = 4]": {
        ("fields", "map.max_pairs"),
        ('fields["x"]', "string.min_len"),
        ('fields["A1"]', "string.max_len"),
    },
    "map<string, Part> parts = 1": {('parts["A1"].id', "string.min_len"), ('parts["A1"].kind', "required")},
    "map<int32, Part> parts = 1 [(buf.validate.field).map.min_pairs = 1, "
    "(buf.validate.field).map.keys.int32.gte = 1]": {
        ("parts", "map.min_pairs"),
        ("parts[0]", "int32.gte"),
        ("parts[1].kind", "required"),
    },
    "repeated Part parts = 1 [(buf.validate.field).repeated.min_items = 2, "
    "(buf.validate.field).repeated.max_items = 3]": {
        ("parts", "repeated.min_items"),
        ("parts", "repeated.max_items"),
        ("parts[1].id", "string.min_len"),
    },
    "repeated Kind kinds = 1 [(buf.validate.field).repeated.unique = true, "
    "(buf.validate.field).repeated.items.enum = { defined_only: true, not_in: 0 }]": {
        ("kinds", "repeated.unique"),
        ("kinds[0]", "enum.not_in"),
        ("kinds[0]", "enum.defined_only"),
    },
    "repeated string tags = 1 [(buf.validate.field).required = true]": {("tags", "required")},
    'string word = 1 [(buf.validate.field).string = { in: "a" in: "b" }]': {("word", "string.in")},
    "string id = 1 [(buf.validate.field).string.uuid = true, (buf.validate.field).string.not_in = "
    '"00000000-0000-0000-0000-000000000000"]': {
        ("id", "string.uuid"),
        ("id", "string.not_in"),
        ("id", "string.uuid_empty"),
    },
    "string id = 1 [(buf.validate.field).string.min_len = 2, (buf.validate.field).ignore = IGNORE_IF_ZERO_VALUE]": {
        ("id", "string.min_len")
    },
    "double part = 1 [(buf.validate.field).double = { gte: 0, lt: 1, finite: true }]": {
        ("part", "double.gte_lt"),
        ("part", "double.finite"),
    },
    "uint32 count = 1 [(buf.validate.field).uint32 = { gt: 1, lte: 9 }]": {("count", "uint32.gt_lte")},
    "Part part = 1": {("part.id", "string.min_len"), ("part.kind", "required")},
    "oneof choice { option (buf.validate.oneof).required = true; bool a = 1; Part b = 2; }": {
        ("choice", "required"),
        ("b.id", "string.min_len"),
    },
}


@pytest.mark.parametrize(("field", "broken"), FIELDS.items())
def test_rules_of_fields_are_met_and_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, field: str, broken: set[tuple[str, str]]
) -> None:
    cases = of_thing(tmp_path, field + ("" if field.endswith("}") else ";"), monkeypatch)
    assert broken <= {(case.field, case.rule) for case in cases}


TWO_TIMES = "google.protobuf.Timestamp from = 1; google.protobuf.Timestamp to = 2;"
# Fields, and a rule over them.
OVER_FIELDS = {
    "!has(this.from) || !has(this.to) || this.from < this.to": TWO_TIMES,
    "this.kind != 2 || has(this.part)": "Kind kind = 1; Part part = 2;",
    "this.kind == 0 || this.part.kind == this.kind": "Kind kind = 1; Part part = 2;",
    "this.parts.all(part, part.kind != 2)": "repeated Part parts = 1;",
    "size(this.parts) != 2 || this.parts[0].id != this.parts[1].id": "repeated Part parts = 1;",
    "this.a != this.b": "string a = 1; string b = 2;",
    "this.b.startsWith(this.a + ':')": (
        'string a = 1; string b = 2 [(buf.validate.field).string = { in: "x:1" in: "y" }];'
    ),
    "(this.kind in [1, 2]) == has(this.a) && (!has(this.a) || this.b)": (
        "Kind kind = 1; optional string a = 2; bool b = 3;"
    ),
}


@pytest.mark.parametrize(("expression", "fields"), OVER_FIELDS.items())
def test_rules_over_several_fields_are_met_and_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, expression: str, fields: str
) -> None:
    rule = f'option (buf.validate.message).cel = {{ id: "thing" message: "m" expression: "{expression}" }};'
    cases = of_thing(tmp_path, rule + fields, monkeypatch)
    assert ("", "thing") in {(case.field, case.rule) for case in cases}


def test_a_rule_that_nothing_breaks_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rule = 'option (buf.validate.message).cel = { id: "always" message: "m" expression: "this.a == this.a" };'
    with pytest.raises(StageFailed, match="does not match the rules over several fields") as stopped:
        of_thing(tmp_path, rule + "string a = 1;", monkeypatch)
    assert "no acme.a.v1.Thing was found that breaks always" in stopped.value.details


def test_a_message_that_cannot_be_valid_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rule = 'option (buf.validate.message).cel = { id: "never" message: "m" expression: "this.a != this.a" };'
    with pytest.raises(StageFailed, match=r"no valid acme\.a\.v1\.Thing was found: never remain broken"):
        of_thing(tmp_path, rule + "string a = 1;", monkeypatch)


def test_a_rule_without_strings_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StageFailed, match=r"no strings for the rule \^z\$"):
        of_thing(tmp_path, 'string a = 1 [(buf.validate.field).string.pattern = "^z$"];', monkeypatch)


def test_examples_of_a_removed_rule_are_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = messages(tmp_path, "string a = 1;")
    monkeypatch.setattr(corpus, "CELS", {"gone": ("acme.a.v1.Thing", [], [])})
    with pytest.raises(StageFailed) as stopped:
        corpus.cases(known)
    assert "gone is no longer in the contracts" in stopped.value.details
