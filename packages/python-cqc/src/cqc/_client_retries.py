"""The methods that gRPC retries."""

from __future__ import annotations

import json
from functools import cache

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorSet, MethodDescriptorProto, MethodOptions

from cqc._descriptor_set import descriptor_set

__all__ = ["service_config"]

# After a lost answer, look these up before sending them again; see place_order.
_LOOKED_UP_FIRST = {("cqc.services.v1.VenueGateway", "PlaceOrder"), ("cqc.services.v1.VenueGateway", "PlaceOrders")}
_POLICY = {
    "maxAttempts": 4,
    "initialBackoff": "0.1s",
    "maxBackoff": "2s",
    "backoffMultiplier": 2,
    "retryableStatusCodes": ["UNAVAILABLE"],
}
_THROTTLING = {"maxTokens": 100, "tokenRatio": 0.1}


@cache
def service_config() -> str:
    """Return gRPC's service config for the services of the contracts, as JSON.

    Retries unary methods with an idempotency level or a `request_id` on UNAVAILABLE, except PlaceOrder and PlaceOrders,
    which `place_order` looks up first.
    """
    names = [{"service": service, "method": method} for service, method in sorted(_repeatable(descriptor_set()))]
    config = {"methodConfig": [{"name": names, "retryPolicy": _POLICY}], "retryThrottling": _THROTTLING}
    return json.dumps(config, sort_keys=True, separators=(",", ":"))


def _repeatable(contracts: FileDescriptorSet) -> set[tuple[str, str]]:
    with_request_id = {
        f".{file.package}.{message.name}"
        for file in contracts.file
        for message in file.message_type
        if any(field.name == "request_id" and field.type == FieldDescriptorProto.TYPE_STRING for field in message.field)
    }
    found = {
        (f"{file.package}.{service.name}", method.name)
        for file in contracts.file
        for service in file.service
        for method in service.method
        if _is_unary(method)
        and (
            method.options.idempotency_level != MethodOptions.IDEMPOTENCY_UNKNOWN
            or method.input_type in with_request_id
        )
    }
    return found - _LOOKED_UP_FIRST


def _is_unary(method: MethodDescriptorProto) -> bool:
    return not method.client_streaming and not method.server_streaming
