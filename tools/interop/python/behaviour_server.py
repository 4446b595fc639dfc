"""The scripted server of the behaviour tests in Python: `python behaviour_server.py [<port>]`.

It serves every RPC of the installed package on 127.0.0.1, without TLS, and prints `{"port": N}` as its first line. It
ends when its standard input does. Two calls of the service cqc.testing.Script, each from a StringValue to a
StringValue, steer it:

- Load takes a script as JSON and forgets the log. The script is an array: what to do with the first call, the second,
  and so on, whatever their methods. Calls beyond it fail with UNAVAILABLE.
- Log returns the calls since then as JSON, in the order of their arrival: `method`, `request` (binary as base64),
  `previous_attempts` (from grpc-previous-rpc-attempts), `deadline` (whether there was one).

What to do with a call is an array of events, each `at` some milliseconds after the call's start: `send` a message;
`end` the stream; fail with a `status`: `code`, `message`, details (`reason`, `domain`, `metadata`, `retry_delay_ms`,
`violations`) and `pushback_ms`. After a last event that does not end the call the server is silent.
"""

from __future__ import annotations

import base64
import importlib
import json
import pkgutil
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from google.protobuf import descriptor_pool, json_format, message_factory
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.wrappers_pb2 import StringValue
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

LOAD, LOG = "/cqc.testing.Script/Load", "/cqc.testing.Script/Log"
Event = dict[str, Any]


class Script(grpc.GenericRpcHandler):
    """What to do with the next calls, and the calls so far."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._attempts: list[list[Event]] = []
        self._log: list[dict[str, Any]] = []

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any] | None:
        path = handler_call_details.method
        if path == LOAD:
            return grpc.unary_unary_rpc_method_handler(
                self._load, StringValue.FromString, StringValue.SerializeToString
            )
        if path == LOG:
            return grpc.unary_unary_rpc_method_handler(
                self._read, StringValue.FromString, StringValue.SerializeToString
            )
        method = _method(path)
        if method is None:
            return None

        def stream(request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
            return self._play(method, request, context)

        def unary(request: bytes, context: grpc.ServicerContext) -> bytes:
            # A silent call ends when the client ends it, and then nobody reads the answer.
            return next(self._play(method, request, context), b"")

        if method.server_streaming:
            return grpc.unary_stream_rpc_method_handler(stream)
        return grpc.unary_unary_rpc_method_handler(unary)

    def _load(self, request: StringValue, context: grpc.ServicerContext) -> StringValue:
        with self._lock:
            self._attempts, self._log = json.loads(request.value), []
        return StringValue()

    def _read(self, request: StringValue, context: grpc.ServicerContext) -> StringValue:
        with self._lock:
            return StringValue(value=json.dumps(self._log))

    def _play(self, method: MethodDescriptor, request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        """The messages of the next call's script, each at its time."""
        events, started = self._next(method, request, context), time.monotonic()
        ended = threading.Event()
        if not context.add_callback(ended.set):
            return
        for event in events:
            if ended.wait(max(0.0, started + event["at"] / 1000 - time.monotonic())):
                return
            if "send" in event:
                answer = message_factory.GetMessageClass(method.output_type)()
                yield json_format.ParseDict(event["send"], answer).SerializeToString()
            elif "status" in event:
                _fail(event["status"], context)
            else:
                return
        ended.wait()

    def _next(self, method: MethodDescriptor, request: bytes, context: grpc.ServicerContext) -> list[Event]:
        metadata = dict(context.invocation_metadata())
        with self._lock:
            number = len(self._log)
            self._log.append(
                {
                    "method": f"{method.containing_service.full_name}/{method.name}",
                    "request": base64.b64encode(request).decode(),
                    "previous_attempts": int(metadata.get("grpc-previous-rpc-attempts", 0)),
                    "deadline": _has_deadline(context),
                }
            )
            if number < len(self._attempts):
                return self._attempts[number]
        return [{"at": 0, "status": {"code": "UNAVAILABLE", "message": "the script has no more calls"}}]


def _has_deadline(context: grpc.ServicerContext) -> bool:
    remaining = context.time_remaining()
    # A call without a deadline has centuries left.
    return remaining is not None and remaining < 1e9


def _method(path: str) -> MethodDescriptor | None:
    service, _, name = path.removeprefix("/").partition("/")
    try:
        return descriptor_pool.Default().FindServiceByName(service).methods_by_name.get(name)
    except KeyError:
        return None


def _fail(status: dict[str, Any], context: grpc.ServicerContext) -> None:
    code, message = grpc.StatusCode[status["code"]], status.get("message", "")
    details = Status(code=code.value[0], message=message)
    if "reason" in status:
        info = ErrorInfo(
            domain=status.get("domain", "cqc"), reason=status["reason"], metadata=status.get("metadata", {})
        )
        details.details.add().Pack(info)
    if "violations" in status:
        fields = [
            BadRequest.FieldViolation(field=item["field"], reason=item["rule_id"], description=item["message"])
            for item in status["violations"]
        ]
        details.details.add().Pack(BadRequest(field_violations=fields))
    if "retry_delay_ms" in status:
        delay = RetryInfo()
        delay.retry_delay.FromMilliseconds(status["retry_delay_ms"])
        details.details.add().Pack(delay)
    trailing: list[tuple[str, str | bytes]] = []
    if details.details:
        trailing.append(("grpc-status-details-bin", details.SerializeToString()))
    if "pushback_ms" in status:
        trailing.append(("grpc-retry-pushback-ms", str(status["pushback_ms"])))
    context.set_trailing_metadata(tuple(trailing))
    context.abort(code, message)


def main() -> None:
    """Serve until standard input ends."""
    for module in pkgutil.walk_packages(importlib.import_module("cqc").__path__, "cqc."):
        if module.name.endswith("_pb2"):
            importlib.import_module(module.name)
    # A call that is silent holds a thread until the client ends it.
    server = grpc.server(ThreadPoolExecutor(32), handlers=[Script()], options=[("grpc.so_reuseport", 0)])
    port = server.add_insecure_port(f"127.0.0.1:{sys.argv[1] if len(sys.argv) > 1 else 0}")
    server.start()
    print(json.dumps({"port": port}), flush=True)
    sys.stdin.read()
    server.stop(0).wait()


if __name__ == "__main__":
    main()
