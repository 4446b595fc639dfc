"""Descriptor sets without comments or rules: what goes, and what stays."""

from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

from cqc_tools.contracts import descriptors
from cqc_tools.contracts.messages import pool_of
from cqc_tools.contracts.stripped import defining_rules, without_comments, without_rules
from cqc_tools.foundation import configuration

SERIALIZED = descriptors.serialized(configuration.load())
RULES = "cqc/rules/v1/rules.proto"
PROTO = """syntax = "proto3";
package samples.v1;
import public "buf/validate/validate.proto";
import "google/protobuf/timestamp.proto";
import public "google/protobuf/duration.proto";

// Has rules everywhere.
message Sample {
  option (buf.validate.message).cel = {id: "a", message: "b", expression: "true"};
  option deprecated = true;
  oneof one {
    option (buf.validate.oneof).required = true;
    string text = 1 [(buf.validate.field).string.min_len = 1];
  }
  message Inner {
    // Both kinds of options.
    google.protobuf.Timestamp at = 1 [(buf.validate.field).required = true, json_name = "when", deprecated = true];
  }
}
"""


def files(serialized: bytes) -> dict[str, FileDescriptorProto]:
    return {file.name: file for file in FileDescriptorSet.FromString(serialized).file}


def compiled(tmp_path: Path, text: str) -> bytes:
    path = tmp_path / "proto" / "samples" / "v1" / "sample.proto"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    out = tmp_path / "out.binpb"
    options = ["--include_imports", "--include_source_info", f"--descriptor_set_out={out}"]
    descriptors.protoc(options, ["samples/v1/sample.proto"], tmp_path)
    return out.read_bytes()


def test_the_contracts_keep_all_but_their_rules() -> None:
    before, after = files(SERIALIZED), files(without_rules(SERIALIZED))
    assert before.keys() == after.keys()
    assert RULES in defining_rules(FileDescriptorSet.FromString(SERIALIZED))
    for name, file in after.items():
        assert file.source_code_info == before[name].source_code_info
        if name.startswith("cqc/") and name != RULES:
            assert not {"buf/validate/validate.proto", RULES} & set(file.dependency)
    # The set is complete, and the options of CQC's own are there.
    pool = pool_of(FileDescriptorSet.FromString(without_rules(SERIALIZED)))
    get_price = pool.FindServiceByName("cqc.services.v1.MarketData").methods_by_name["GetPrice"]
    assert b"market.read" in get_price.GetOptions().SerializeToString()
    no_data = pool.FindEnumTypeByName("cqc.services.v1.ErrorReason").values_by_name["ERROR_REASON_NO_DATA"]
    assert b"NOT_FOUND" in no_data.GetOptions().SerializeToString()
    assert not pool.FindMessageTypeByName("cqc.markets.v1.Price").fields_by_name["asset_id"].has_options
    assert without_rules(without_rules(SERIALIZED)) == without_rules(SERIALIZED)


def test_rules_go_wherever_they_are(tmp_path: Path) -> None:
    sample = files(without_rules(compiled(tmp_path, PROTO)))["samples/v1/sample.proto"]
    assert b"\xba\x48" not in sample.message_type[0].SerializeToString()
    assert list(sample.dependency) == ["google/protobuf/timestamp.proto", "google/protobuf/duration.proto"]
    assert list(sample.public_dependency) == [1]
    message = sample.message_type[0]
    (at,) = message.nested_type[0].field
    assert message.options.deprecated
    assert at.options.deprecated
    assert at.json_name == "when"
    assert not message.oneof_decl[0].HasField("options")
    assert not message.field[0].HasField("options")
    comments = {location.leading_comments.strip() for location in sample.source_code_info.location}
    assert {"Has rules everywhere.", "Both kinds of options."} <= comments


@pytest.mark.parametrize("use", ["buf.validate.Rule rule = 2;", "repeated buf.validate.Violation rules = 2;"])
def test_an_import_that_is_used_otherwise_stays(tmp_path: Path, use: str) -> None:
    serialized = compiled(tmp_path, PROTO.replace("  oneof one", f"  {use}\n  oneof one"))
    sample = files(without_rules(serialized))["samples/v1/sample.proto"]
    assert "buf/validate/validate.proto" in sample.dependency


def test_only_comments_go() -> None:
    stripped = without_comments(SERIALIZED)
    for name, file in files(SERIALIZED).items():
        file.ClearField("source_code_info")
        assert files(stripped)[name] == file
    assert without_comments(b"") == b""
    assert descriptors.digest(stripped) == descriptors.digest(SERIALIZED)
