"""An HTTP proxy in front of one registry, which makes a chosen request fail in a chosen way."""

import http.client
import os
import signal
import socket
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "expect", "proxy-connection"}
# Every published file is longer than this, and git's lists of tags are shorter.
SHORTEST_FILE = 2000


class Moment(StrEnum):
    """When a fault strikes, from the point of view of the tool."""

    BEFORE_WRITE = "before the write"
    BEFORE_ANSWER = "after the write, before the answer"
    BEFORE_RECORD = "after the answer, before the record"


class Kind(StrEnum):
    """The kinds of fault."""

    KILL = "SIGKILL"
    REFUSED = "connection refused"
    RESET = "reset mid-body"
    TIMEOUT = "time-out"
    UNAUTHORIZED = "401"
    FORBIDDEN = "403"
    TOO_MANY = "429"
    ERROR = "500"
    UNAVAILABLE = "503"
    SAME_BYTES = "409 same bytes"
    OTHER_BYTES = "409 other bytes"
    TRUNCATED = "truncated read-back"
    DRIP = "one byte at a time"
    HUGE = "huge answer"
    ELSEWHERE = "redirect to another host"
    HTML = "200 with a web page"
    UNTIL_FUTURE = "503 until 2099"
    UNTIL_PAST = "503 until 1970"
    SAME_CHECKOUT = "a second run in the same checkout"
    SAME_RELEASE = "the same release from another machine"


STATUS = {
    Kind.UNAUTHORIZED: 401,
    Kind.FORBIDDEN: 403,
    Kind.TOO_MANY: 429,
    Kind.ERROR: 500,
    Kind.UNAVAILABLE: 503,
    Kind.SAME_BYTES: 409,
    Kind.UNTIL_FUTURE: 503,
    Kind.UNTIL_PAST: 503,
}
RETRY_AFTER = {
    Kind.TOO_MANY: "1",
    # The registry's clock and ours may differ by any amount.
    Kind.UNTIL_FUTURE: "Thu, 01 Jan 2099 00:00:00 GMT",
    Kind.UNTIL_PAST: "Thu, 01 Jan 1970 00:00:00 GMT",
}
# While the request waits, something else happens; then it goes on.
MEANWHILE = {Kind.OTHER_BYTES, Kind.SAME_CHECKOUT, Kind.SAME_RELEASE}
# Well before anybody calls it silence.
DRIP_SECONDS = 0.5
CHUNK = b" " * (1 << 16)
# Far more than the limit of the tool that is tested, and little enough for this machine if that fails.
HUGE_CHUNKS = 2000
PAGE = b'<html><body>Please <a href="/login">log in</a>.</body></html>'
# These last until the tool has ended; the others happen once, and the tool may recover from them.
LASTING = {
    Kind.REFUSED,
    Kind.TIMEOUT,
    Kind.UNAUTHORIZED,
    Kind.FORBIDDEN,
    Kind.ERROR,
    Kind.DRIP,
    Kind.HUGE,
    Kind.ELSEWHERE,
}


@dataclass(frozen=True)
class Answer:
    """A registry's answer."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes


@dataclass
class Fault:
    """A fault: `number` says at which write it strikes, `meanwhile` is what happens before the request goes on, `tool`
    is the process that a SIGKILL ends."""

    kind: Kind
    moment: Moment
    number: int = 1
    meanwhile: Callable[[], None] = lambda: None
    tool: subprocess.Popen[bytes] | None = None
    writes: int = 0
    struck: bool = False
    over: threading.Event = field(default_factory=threading.Event)


class Proxy:
    """Forwards requests from `address` to the registry at `upstream`, unchanged while `fault` is None."""

    def __init__(self, upstream: str) -> None:
        self.upstream = urlsplit(upstream)
        self.fault: Fault | None = None
        self.writes = 0  # attempts to publish, successful or not
        self.strayed = 0  # requests that followed a redirect to the other host
        self._port = 0
        self._server: ThreadingHTTPServer | None = None
        self.open()

    @property
    def address(self) -> str:
        """The proxy's address, with the same path as the registry's."""
        return f"http://127.0.0.1:{self._port}{self.upstream.path}"

    def open(self) -> None:
        """Accept connections, on the same port as before."""
        if self._server:
            return
        handler = type("Handler", (_Handler,), {"proxy": self})
        self._server = _Server(("127.0.0.1", self._port), handler)
        self._port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        """Refuse connections from now on."""
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def strike(self, fault: Fault) -> None:
        """Make this fault happen."""
        self.fault = fault

    def recover(self) -> None:
        """Forward everything unchanged from now on."""
        if self.fault:
            self.fault.over.set()
        self.fault = None
        self.open()

    def forward(self, method: str, path: str, headers: list[tuple[str, str]], body: bytes) -> Answer:
        """Send a request to the registry."""
        connection = http.client.HTTPConnection(self.upstream.hostname or "", self.upstream.port, timeout=60)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in headers:
                if name.lower() not in HOP_BY_HOP:
                    connection.putheader(name, value)
            connection.putheader("Content-Length", str(len(body)))
            connection.putheader("Connection", "close")
            connection.endheaders(body)
            answer = connection.getresponse()
            content = answer.read()
            kept = [(name, value) for name, value in answer.getheaders() if name.lower() not in HOP_BY_HOP]
            return Answer(answer.status, kept, content)
        finally:
            connection.close()


@contextmanager
def before(upstream: str) -> Iterator[Proxy]:
    """A proxy in front of a registry, for as long as the context lasts."""
    proxy = Proxy(upstream)
    try:
        yield proxy
    finally:
        proxy.recover()
        proxy.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore it: clients that go away are expected here."""


class _Handler(BaseHTTPRequestHandler):
    proxy: Proxy
    protocol_version = "HTTP/1.1"

    def handle_one_request(self) -> None:
        with suppress(ConnectionError, ValueError):
            super().handle_one_request()

    def do_GET(self) -> None:
        self._serve()

    do_HEAD = do_POST = do_PUT = do_DELETE = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: the table of scenarios has what matters."""

    def _serve(self) -> None:
        self.close_connection = True
        fault = self.proxy.fault
        self.proxy.strayed += self.headers.get("Host", "").startswith("localhost")
        length = int(self.headers.get("Content-Length") or 0)
        is_early = fault and fault.kind is Kind.RESET and fault.moment is Moment.BEFORE_WRITE
        if fault and is_early and self._is_write(length) and self._is_time(fault, True):
            self.rfile.read(length // 2)
            self._reset()
            return
        body = self._body(length)
        self.proxy.writes += self._is_write(len(body))
        if not fault or not self._is_time(fault, self._is_write(len(body))):
            answer = self._forward(body)
            if fault and fault.kind is Kind.REFUSED and fault.moment is Moment.BEFORE_WRITE:
                # The write comes next, and must find the port closed.
                fault.struck = True
                self.proxy.close()
            self._answer(answer)
            return
        self._go_wrong(fault, body)

    def _is_write(self, length: int) -> bool:
        """Whether a request publishes something. git first sends four bytes to find out whether it may push."""
        if self.path.endswith("/git-upload-pack"):
            return False
        return self.command == "PUT" or (self.command == "POST" and (length > 4 or "chunked" in self._encoding()))

    def _is_time(self, fault: Fault, is_write: bool) -> bool:
        """Whether the fault strikes at this request."""
        if fault.struck:
            return fault.kind in LASTING
        if fault.kind is Kind.REFUSED and fault.moment is Moment.BEFORE_WRITE:
            return False
        fault.writes += is_write
        if fault.moment is Moment.BEFORE_RECORD:
            fault.struck = fault.writes >= fault.number and not is_write
        else:
            fault.struck = is_write and fault.writes == fault.number
        return fault.struck

    def _go_wrong(self, fault: Fault, body: bytes) -> None:
        answer = None
        is_write = self._is_write(len(body))
        if fault.kind in MEANWHILE and fault.moment is not Moment.BEFORE_ANSWER:
            fault.meanwhile()
            self._answer(self._forward(body))
            return
        if fault.kind is Kind.TRUNCATED:
            self._truncate(fault, self._forward(body))
            return
        if is_write and fault.kind is Kind.SAME_BYTES and fault.moment is Moment.BEFORE_WRITE:
            # Someone else published the same bytes first.
            self._forward(body)
            self._answer(self._forward(body))
            return
        if is_write and fault.moment is Moment.BEFORE_ANSWER and fault.writes == fault.number:
            answer = self._forward(body)
        match fault.kind:
            case Kind.SAME_RELEASE if answer:
                fault.meanwhile()
                self._answer(answer)
            case Kind.DRIP:
                self._drip(fault)
            case Kind.HUGE:
                self._flood()
            case Kind.ELSEWHERE:
                location = f"http://localhost:{urlsplit(self.proxy.address).port}{self.path}"
                self._answer(Answer(307, [("Location", location)], b""))
            case Kind.HTML:
                self._answer(Answer(200, [("Content-Type", "text/html")], PAGE))
            case Kind.KILL:
                if fault.tool:
                    os.kill(fault.tool.pid, signal.SIGKILL)
                    fault.tool.wait()
                self._reset()
            case Kind.REFUSED:
                self.proxy.close()
                self._reset()
            case Kind.TIMEOUT:
                fault.over.wait()
                self._reset()
            case Kind.RESET:
                answer = answer or self._forward(body)
                self._answer(answer, cut=len(answer.body) // 2)
                self._reset()
            case _:
                extra = [("Retry-After", RETRY_AFTER[fault.kind])] if fault.kind in RETRY_AFTER else []
                self._answer(Answer(STATUS[fault.kind], [*extra, ("Content-Type", "text/plain")], b"a fault\n"))

    def _drip(self, fault: Fault) -> None:
        """Answer for ever, a byte at a time."""
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        while not fault.over.wait(DRIP_SECONDS):
            self.wfile.write(b" ")

    def _flood(self) -> None:
        """Answer with more than anybody can use."""
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        for _ in range(HUGE_CHUNKS):
            self.wfile.write(CHUNK)

    def _truncate(self, fault: Fault, answer: Answer) -> None:
        """Serve half of a file as if it were complete; answers too short to be a file stay as they are."""
        if len(answer.body) < SHORTEST_FILE:
            fault.struck = False
            self._answer(answer)
        else:
            self._answer(Answer(answer.status, answer.headers, answer.body[: len(answer.body) // 2]))

    def _forward(self, body: bytes) -> Answer:
        return self.proxy.forward(self.command, self.path, list(self.headers.items()), body)

    def _answer(self, answer: Answer, cut: int | None = None) -> None:
        self.send_response(answer.status)
        for name, value in answer.headers:
            if name.lower() not in ("date", "server"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body if cut is None else answer.body[:cut])

    def _reset(self) -> None:
        """End the connection with a reset, which clients see as an error."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.rfile.close()
        self.connection.close()

    def _encoding(self) -> str:
        return str(self.headers.get("Transfer-Encoding", ""))

    def _body(self, length: int) -> bytes:
        if self.headers.get("Expect", "").lower() == "100-continue":
            self.send_response_only(100)
            self.end_headers()
        if "chunked" not in self._encoding():
            return self.rfile.read(length)
        body = bytearray()
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return bytes(body)
