"""A git remote over smart HTTP: git's own http-backend behind a WSGI server."""

import os
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cqc_tools.foundation import process
from cqc_tools.packages import local

REPOSITORY = "cqc.git"


@contextmanager
def running(folder: Path) -> Iterator[str]:
    """A bare repository under `folder`, new unless there is one; yields its address, which takes pushes from anyone."""
    repository = folder / REPOSITORY
    repository.mkdir(parents=True, exist_ok=True)
    process.run(["git", "init", "--quiet", "--bare", repository], what="git init")
    process.run(["git", "-C", repository, "config", "http.receivepack", "true"])
    with local.serving("serve-git", folder, log=folder.with_suffix(".log")) as address:
        yield f"{address}{REPOSITORY}"


def serve(folder: Path) -> None:
    """Serve the bare repositories in `folder`."""
    backend = Path(subprocess.check_output(["git", "--exec-path"], text=True).strip(), "git-http-backend")

    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        cgi = {name: value for name, value in environ.items() if isinstance(value, str) and name.isupper()}
        body = _request_body(environ)
        with subprocess.Popen(
            [backend],
            env={
                **os.environ,
                **cgi,
                "GIT_PROJECT_ROOT": str(folder),
                "GIT_HTTP_EXPORT_ALL": "1",
                "REMOTE_USER": "rehearsal",
                "CONTENT_LENGTH": str(len(body)),
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as backend_process:
            answer, _ = backend_process.communicate(body)
        head, _, content = answer.partition(b"\r\n\r\n")
        status, headers = "200 OK", []
        for line in head.decode().splitlines():
            name, _, value = line.partition(": ")
            if name.lower() == "status":
                status = value
            else:
                headers.append((name, value))
        start_response(status, headers)
        return [content]

    local.serve(application)


def _request_body(environ: dict[str, Any]) -> bytes:
    """The whole body, also when git sends a large push in chunks, which wsgiref leaves undecoded."""
    stream = environ["wsgi.input"]
    if "chunked" not in environ.get("HTTP_TRANSFER_ENCODING", ""):
        return bytes(stream.read(int(environ.get("CONTENT_LENGTH") or 0)))
    body = bytearray()
    while size := int(stream.readline().split(b";")[0], 16):
        body += stream.read(size)
        stream.readline()
    stream.readline()
    return bytes(body)
