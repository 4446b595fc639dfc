"""The Python peer of the interoperability test: reads requests from standard input, one JSON object a line.

A request `{"type": full name, "from": "binary"|"json", "to": "binary"|"json", "data": base64 or text}` is answered by
`{"data": ...}` or `{"error": ...}`.
"""

import base64
import importlib
import json
import pkgutil
import sys

from google.protobuf import descriptor_pool, json_format, message_factory

import cqc


def load_all() -> None:
    """Register every message of the installed package."""
    for module in pkgutil.walk_packages(cqc.__path__, "cqc."):
        if module.name.endswith("_pb2"):
            importlib.import_module(module.name)


def convert(request: dict[str, str]) -> str:
    """Read a message in one format and write it in the other."""
    descriptor = descriptor_pool.Default().FindMessageTypeByName(request["type"])
    message = message_factory.GetMessageClass(descriptor)()
    if request["from"] == "binary":
        message.ParseFromString(base64.b64decode(request["data"]))
    else:
        json_format.Parse(request["data"], message)
    if request["to"] == "binary":
        return base64.b64encode(message.SerializeToString(deterministic=True)).decode()
    return json_format.MessageToJson(message, indent=None)


def main() -> None:
    """Answer until standard input ends."""
    load_all()
    for line in sys.stdin:
        try:
            answer = {"data": convert(json.loads(line))}
        except Exception as error:  # the test reports whatever went wrong, with the message that caused it
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer))


if __name__ == "__main__":
    main()
