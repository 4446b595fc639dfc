"""A web server that answers as a broken or malicious registry does, and keeps what it was sent."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

LOGIN_PAGE = b'<html><body>Please <a href="/login">log in</a>.</body></html>'


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    authorization: str


@dataclass
class Hostile:
    """Its address, and the requests it received; `over` ends answers that never would."""

    answer: Callable[["Hostile", BaseHTTPRequestHandler], None]
    address: str = ""
    received: list[Request] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass


@contextmanager
def serving(answer: Callable[[Hostile, BaseHTTPRequestHandler], None]) -> Iterator[Hostile]:
    hostile = Hostile(answer)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            hostile.received.append(Request(self.command, self.path, self.headers.get("Authorization", "")))
            with suppress(OSError):
                hostile.answer(hostile, self)

        do_POST = do_PUT = do_HEAD = do_GET

        def log_message(self, format: str, *args: object) -> None:
            pass

    with _Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        hostile.address = f"http://127.0.0.1:{server.server_port}/"
        try:
            yield hostile
        finally:
            hostile.over.set()
            server.shutdown()


def reply(handler: BaseHTTPRequestHandler, status: int, kind: str, body: bytes, **headers: str) -> None:
    handler.send_response(status)
    handler.send_header("Content-Type", kind)
    handler.send_header("Content-Length", str(len(body)))
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


def drip(hostile: Hostile, handler: BaseHTTPRequestHandler) -> None:
    """One byte at a time, for ever, each well before anybody calls it silence."""
    handler.send_response(200)
    handler.end_headers()
    while not hostile.over.wait(0.2):
        handler.wfile.write(b" ")


def drip_headers(hostile: Hostile, handler: BaseHTTPRequestHandler) -> None:
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while not hostile.over.wait(0.2):
        handler.wfile.write(b"x")


def flood(hostile: Hostile, handler: BaseHTTPRequestHandler) -> None:
    """An answer without an end."""
    handler.send_response(200)
    handler.send_header("Content-Type", "application/json")
    handler.end_headers()
    while not hostile.over.is_set():
        handler.wfile.write(b" " * (1 << 16))


def login_page(_: Hostile, handler: BaseHTTPRequestHandler) -> None:
    reply(handler, 200, "text/html", LOGIN_PAGE)


def empty_json(_: Hostile, handler: BaseHTTPRequestHandler) -> None:
    reply(handler, 200, "application/json", b"{}")
