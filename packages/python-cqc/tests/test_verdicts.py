"""Messages that the rules accept or refuse: the same verdicts, paths and rule ids as in the other languages."""

import importlib
import json
import pkgutil
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import descriptor_pool, json_format, message_factory

import cqc

CASES = json.loads((Path(__file__).parents[2] / "go-cqc" / "testdata" / "verdicts.json").read_text())


@pytest.fixture(scope="module")
def pool() -> Any:
    for module in pkgutil.walk_packages(cqc.__path__, "cqc."):
        if module.name.endswith("_pb2"):
            importlib.import_module(module.name)
    return descriptor_pool.Default()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.get("case", case["type"].rpartition(".")[2]))
def test_verdict(case: Any, pool: Any) -> None:
    message = message_factory.GetMessageClass(pool.FindMessageTypeByName(case["type"]))()
    json_format.ParseDict(case["message"], message)
    found = sorted([violation.field, violation.rule_id] for violation in cqc.validate(message))
    assert found == case["rules"]
