"""The Python peer of the interoperability tests: `python peer.py <root package> [<module of more operations>]`.

A peer reads one JSON request per line from standard input and writes one response per line: `{"data": ...}`, or
`{"error": ...}` if the request is rejected. A request names its operation in `op`. Every peer knows

- convert: `type`, `from` and `to` (binary or json), `data` -> the message in the other format; binary is base64

and, if the project has CQC's own code, the operations that helpers.py documents.
"""

import base64
import importlib
import json
import pkgutil
import sys
from collections.abc import Callable
from typing import Any

from google.protobuf import descriptor_pool, json_format, message_factory
from google.protobuf.message import Message


def load_messages(root: str) -> None:
    """Register every message of the installed package."""
    for module in pkgutil.walk_packages(importlib.import_module(root).__path__, f"{root}."):
        if module.name.endswith("_pb2"):
            importlib.import_module(module.name)


def decode(name: str, data: str) -> Message:
    """Returns a message from its binary form."""
    descriptor = descriptor_pool.Default().FindMessageTypeByName(name)
    return message_factory.GetMessageClass(descriptor).FromString(base64.b64decode(data))


def encode(message: Message) -> str:
    """Returns a message's binary form."""
    return base64.b64encode(message.SerializeToString(deterministic=True)).decode()


def convert(request: Any) -> str:
    """See the module."""
    if request["from"] == "binary":
        message = decode(request["type"], request["data"])
    else:
        message = decode(request["type"], "")
        json_format.Parse(request["data"], message)
    return encode(message) if request["to"] == "binary" else json_format.MessageToJson(message, indent=None)


def main(root: str, *modules: str) -> None:
    """Respond to requests until standard input ends."""
    load_messages(root)
    operations: dict[str, Callable[[Any], Any]] = {"convert": convert}
    for module in modules:
        operations |= importlib.import_module(module).OPERATIONS
    for line in sys.stdin:
        try:
            request = json.loads(line)
            response = {"data": operations[request["op"]](request)}
        except Exception as error:  # the test reports any failure
            response = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(response))


if __name__ == "__main__":
    main(*sys.argv[1:])
