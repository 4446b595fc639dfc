"""The cases of the clients are well formed, the scripted server plays them, and what differs is reported."""

import base64
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import json_format, message_factory

from cqc_tools.contracts import descriptors
from cqc_tools.contracts.messages import Messages
from cqc_tools.foundation import configuration, workspace
from cqc_tools.proof import client_behaviour
from cqc_tools.proof.client_behaviour import Case
from cqc_tools.proof.peers import SERVER, SOURCES, Peer

pytestmark = pytest.mark.cqc_code
SETTINGS = configuration.load()
MESSAGES = Messages(descriptors.generated(SETTINGS), SETTINGS.root_package)
IN_MEMORY = json.loads((workspace.GO_MODULE / "testdata" / "client_behaviour.json").read_text())
ON_SOCKETS = client_behaviour.cases()
KEYS = {"name", "call", "method", "request", "attempts", "expect"}
OPTIONAL = {"timeout_ms", "take", "handle_ms", "cancel_ms", "items", "show"}
LAST = ("result", "error", "cancelled", "done")
GET_PRICE = "cqc.services.v1.MarketData/GetPrice"
STREAM_TRADES = "cqc.services.v1.MarketData/StreamTrades"


def test_there_are_cases_for_every_kind_of_call() -> None:
    for cases in (IN_MEMORY, ON_SOCKETS):
        assert {case["call"] for case in cases} == {"unary", "pages", "follow", "follow_book", "place_order"}
        assert len({case["name"] for case in cases}) == len(cases)
    assert len(IN_MEMORY) >= 200
    assert len(ON_SOCKETS) >= 20


@pytest.mark.parametrize("case", [*IN_MEMORY, *ON_SOCKETS], ids=lambda case: str(case["name"]))
def test_a_case_is_well_formed(case: Case) -> None:
    assert KEYS <= set(case) <= KEYS | OPTIONAL | {"calls"}
    service, _, name = case["method"].partition("/")
    method = MESSAGES.pool.FindServiceByName(service).methods_by_name[name]
    json_format.ParseDict(case["request"], message_factory.GetMessageClass(method.input_type)())
    for attempt in case["attempts"]:
        times = [event["at"] for event in attempt]
        assert times == sorted(times)
        assert [event for event in attempt[:-1] if "send" not in event] == []
        for event in attempt:
            if "send" in event:
                json_format.ParseDict(event["send"], message_factory.GetMessageClass(method.output_type)())
            else:
                assert event.get("end") or event["status"]["code"] in grpc.StatusCode.__members__
    *before, last = [line if "calls" in case else line.split(" ", 1)[1] for line in case["expect"]]
    assert last.split()[0] in LAST
    assert not [line for line in before if line.split()[0] in LAST]


def call(method: str, previous_attempts: int = 0, **request: Any) -> dict[str, Any]:
    """A line of a server's log."""
    service, _, name = method.partition("/")
    descriptor = MESSAGES.pool.FindServiceByName(service).methods_by_name[name].input_type
    message = json_format.ParseDict(request, message_factory.GetMessageClass(descriptor)())
    encoded = base64.b64encode(message.SerializeToString()).decode()
    return {"method": method, "request": encoded, "previous_attempts": previous_attempts, "deadline": True}


CREATE = "cqc.services.v1.Portfolio/CreatePortfolio"
ONE, OTHER = "0b0f3a52-6c0e-4d6a-9a52-2f1c5a0b7c11", "7d1f0f0e-8d3c-4b53-8a50-0c7f0a3c1d22"


@pytest.mark.parametrize(
    ("given", "sent", "described"),
    [
        ("", [ONE, ONE, OTHER], ["new", "same", "new"]),
        (ONE, [ONE, ONE, OTHER], ["given", "given", "new"]),
        ("", ["", ""], ["none", "none"]),
        ("", ["1"], ["'1'"]),
        # Version 1 tells the time and the machine.
        ("", ["d9428888-122b-11e1-b85c-61cd3cbb3210"], ["'d9428888-122b-11e1-b85c-61cd3cbb3210'"]),
    ],
)
def test_request_ids_are_described(given: str, sent: list[str], described: list[str]) -> None:
    case = {"call": "unary", "request": {"request_id": given}}
    lines = client_behaviour.call_lines(MESSAGES, case, [call(CREATE, request_id=request_id) for request_id in sent])
    assert lines == [f"Portfolio/CreatePortfolio attempt=0 deadline=yes request_id={text}" for text in described]


def test_the_first_difference_of_a_case_is_reported() -> None:
    (case,) = [case for case in ON_SOCKETS if case["name"] == "unary: UNAVAILABLE is retried"]
    result = {"name": case["name"], "lines": case["expect"], "log": [call(GET_PRICE), call(GET_PRICE, 1)]}
    assert client_behaviour.differences(MESSAGES, [case], [result]) == []
    once = {**result, "log": result["log"][:1]}
    assert client_behaviour.differences(MESSAGES, [case], [once]) == [
        f"{case['name']}: call 2: expected MarketData/GetPrice attempt=1 deadline=yes, got none"
    ]
    wrong = {**result, "lines": ["error UNAVAILABLE -", "done"]}
    assert client_behaviour.differences(MESSAGES, [case], [wrong]) == [
        f"{case['name']}: line 1: expected result BTC, got error UNAVAILABLE -"
    ]
    assert client_behaviour.differences(MESSAGES, [case], []) == [
        "results of 0 cases instead of 1, or in another order"
    ]


def test_a_sample_differs_from_week_to_week_and_keeps_its_order() -> None:
    names = [case["name"] for case in ON_SOCKETS]
    samples = [[case["name"] for case in client_behaviour.cases(8, seed)] for seed in range(10)]
    assert all(sample == sorted(sample, key=names.index) and len(sample) == 8 for sample in samples)
    assert len(set(map(tuple, samples))) > 1


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[client_behaviour.Steering, grpc.Channel]]:
    """The scripted server in Python, from the sources of the package."""
    sources = str(workspace.PYTHON_PACKAGE / "src")
    command: list[str | Path] = [sys.executable, SOURCES / "python" / f"{SERVER}.py"]
    peer = Peer("Python", [], workspace.ROOT, {**os.environ, "PYTHONPATH": sources}, {SERVER: command})
    folder: Path = tmp_path_factory.mktemp("server")
    with (
        client_behaviour.serving(peer, folder) as (port, _),
        client_behaviour.Steering(port) as steering,
        grpc.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        yield steering, channel


def test_the_scripted_server_plays_a_script(served: tuple[client_behaviour.Steering, grpc.Channel]) -> None:
    steering, channel = served
    steering.load(
        [
            [{"at": 0, "send": {"asset_id": "BTC"}}],
            [{"at": 0, "status": {"code": "NOT_FOUND", "reason": "NO_DATA", "pushback_ms": -1}}],
            [
                {"at": 0, "send": {"resume_token": "a"}},
                {"at": 20, "send": {"resume_token": "b"}},
                {"at": 20, "end": True},
            ],
            [],
        ]
    )
    price: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(f"/{GET_PRICE}")
    trades: grpc.UnaryStreamMultiCallable[bytes, bytes] = channel.unary_stream(f"/{STREAM_TRADES}")
    assert b"BTC" in price(b"", timeout=10)
    with pytest.raises(grpc.RpcError) as failed:
        price(b"", timeout=10)
    trailing: dict[str, Any] = {item.key: item.value for item in failed.value.trailing_metadata()}
    assert trailing["grpc-retry-pushback-ms"] == "-1"
    assert b"NO_DATA" in trailing["grpc-status-details-bin"]
    assert len(list(trades(b"", timeout=10))) == 2
    silent = trades(b"")
    steering.wait_for_calls(4)
    silent.cancel()
    with pytest.raises(grpc.RpcError, match="the script has no more calls"):
        next(trades(b"", timeout=10))
    methods = [(call["method"], call["deadline"]) for call in steering.log()]
    assert methods == [
        (GET_PRICE, True),
        (GET_PRICE, True),
        (STREAM_TRADES, True),
        (STREAM_TRADES, False),
        (STREAM_TRADES, True),
    ]


def test_the_scripted_server_knows_the_contracts_only(
    served: tuple[client_behaviour.Steering, grpc.Channel],
) -> None:
    _, channel = served
    unknown: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/cqc.services.v1.MarketData/GetNothing")
    with pytest.raises(grpc.RpcError) as failed:
        unknown(b"", timeout=10)
    assert failed.value.code() == grpc.StatusCode.UNIMPLEMENTED
