"""The golden service config, which the clients of all languages must build from their descriptors, byte for byte."""

import json

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet, MethodDescriptorProto, MethodOptions

from cqc_tools.contracts import descriptors
from cqc_tools.foundation import configuration, workspace

pytestmark = pytest.mark.cqc_code

GOLDEN = workspace.GO_MODULE / "testdata" / "service_config.json"
REGENERATE = (
    "If the change is meant, write the file anew:\n"
    "  PYTHONPATH=tools .venv/bin/python tools/tests/test_service_config.py\n"
    "and commit it together with the contracts."
)
REPEATABLE = (MethodOptions.NO_SIDE_EFFECTS, MethodOptions.IDEMPOTENT)
# place_order looks the order up before it sends the request again.
NEVER_RETRIED = {"PlaceOrder", "PlaceOrders"}
RETRY_POLICY = {
    "backoffMultiplier": 2,
    "initialBackoff": "0.1s",
    "maxAttempts": 4,
    "maxBackoff": "2s",
    "retryableStatusCodes": ["UNAVAILABLE"],
}
THROTTLING = {"maxTokens": 100, "tokenRatio": 0.1}


def derived(contracts: FileDescriptorSet) -> str:
    """The service config of all services of the contracts, with a line break at the end."""
    with_request_id = {
        f".{file.package}.{message.name}"
        for file in contracts.file
        for message in file.message_type
        if any(field.name == "request_id" for field in message.field)
    }

    def is_retried(method: MethodDescriptorProto) -> bool:
        if method.server_streaming or method.client_streaming or method.name in NEVER_RETRIED:
            return False
        return method.options.idempotency_level in REPEATABLE or method.input_type in with_request_id

    names = sorted(
        (f"{file.package}.{service.name}", method.name)
        for file in contracts.file
        if file.package.startswith("cqc.")
        for service in file.service
        for method in service.method
        if is_retried(method)
    )
    config = {
        "methodConfig": [
            {
                "name": [{"service": service, "method": method} for service, method in names],
                "retryPolicy": RETRY_POLICY,
            }
        ],
        "retryThrottling": THROTTLING,
    }
    return json.dumps(config, sort_keys=True, separators=(",", ":")) + "\n"


def test_the_golden_service_config_names_every_call_that_may_be_repeated() -> None:
    expected = derived(descriptors.generated(configuration.load()))
    kept = GOLDEN.read_text()
    if kept == expected:
        return
    ours, theirs = (_names(text) for text in (kept, expected))
    difference = [f"missing: {name}" for name in sorted(theirs - ours)]
    difference += [f"not to be retried: {name}" for name in sorted(ours - theirs)]
    pytest.fail("\n".join([f"{GOLDEN} is not what the contracts say", *difference, REGENERATE]), pytrace=False)


@pytest.mark.parametrize(
    ("method", "is_retried"),
    [
        ("MarketData/GetPrice", True),
        ("VenueGateway/CancelOrder", True),
        ("VenueGateway/ReplaceOrder", True),
        ("VenueGateway/PlaceOrderList", True),
        ("VenueGateway/PlaceOrder", False),
        ("VenueGateway/PlaceOrders", False),
        ("MarketData/StreamTrades", False),
    ],
)
def test_reads_idempotent_calls_and_those_with_a_request_id_are_retried(method: str, is_retried: bool) -> None:
    assert (f"cqc.services.v1.{method}" in _names(GOLDEN.read_text())) == is_retried


def _names(text: str) -> set[str]:
    return {
        f"{name['service']}/{name['method']}" for policy in json.loads(text)["methodConfig"] for name in policy["name"]
    }


if __name__ == "__main__":
    GOLDEN.write_text(derived(descriptors.generated(configuration.load())))
