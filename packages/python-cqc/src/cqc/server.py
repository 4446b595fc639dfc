"""Servers with TLS, access control, validation, health, reflection and graceful shutdown.

    class Prices(MarketDataServicer):
        def GetPrice(self, request, context):
            raise ServiceError(ErrorReason.ERROR_REASON_NO_DATA, "no price yet")

    with serve(Prices(), plaintext=True) as server:
        server.wait()

Servicers and handlers are gRPC's own. Invalid requests are rejected before they reach a handler. A ServiceError that a
handler raises becomes the status of the call; any other exception is logged, and the client receives INTERNAL without
its text. `serve_async` is the form for grpc.aio. Requires the extra `server`: `pip install "cqc[server]"`.
"""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import os
import queue
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Self

import grpc
import grpc.aio

# Before the imports that name a smaller extra.
try:
    from grpc_health.v1 import health, health_pb2, health_pb2_grpc
    from grpc_reflection.v1alpha import reflection, reflection_pb2, reflection_pb2_grpc
except ImportError as error:
    raise ImportError(
        'cqc.server requires grpcio-health-checking and grpcio-reflection: pip install "cqc[server]"'
    ) from error

from cqc._server_calls import AsyncCalls, Calls
from cqc._settings import SettingError, pair, pem
from cqc.access import AccessServerInterceptor, AsyncAccessServerInterceptor, Verifier
from cqc.interceptors import AsyncValidationServerInterceptor, ValidationServerInterceptor

__all__ = ["AsyncServer", "Server", "SettingError", "serve", "serve_async"]

_SERVING = health_pb2.HealthCheckResponse.SERVING
_OPTIONS = [
    # By default a server disconnects clients that ping more than once in five minutes.
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
    ("grpc.keepalive_permit_without_calls", 1),
    # By default two servers can share a port, each receiving some of the calls.
    ("grpc.so_reuseport", 0),
]


def serve(
    *servicers: Any,
    address: str = "localhost:50051",
    verify: Verifier | None = None,
    certificate: str | None = None,
    key: str | None = None,
    client_ca: str | None = None,
    plaintext: bool = False,
    grace: float = 5.0,
    interceptors: Sequence[grpc.ServerInterceptor] = (),
    workers: int = 100,
) -> Server:
    """Start a server.

    - servicers: instances of generated servicer classes
    - address: host and port; port 0 picks a free port
    - verify: returns the principal of a token; optional only for `plaintext` on a loopback address
    - certificate, key: paths of the server's PEM files
    - client_ca: path of a PEM file with CAs; clients must then present a certificate of one of them
    - plaintext: serve without TLS
    - grace: seconds that unary calls in flight get when the server stops
    - interceptors: run before access control and validation
    - workers: number of threads; each open call takes one, streams included

    A stream's handler that waits must wake up now and then to check `context.is_active()`, or use
    `context.add_callback`: Python cannot end a thread, and the program exits only after its last handler has returned.

    Raises SettingError if a setting is invalid or the address is in use.
    """
    credentials = _credentials(address, verify, certificate, key, client_ca, plaintext)
    calls = Calls()
    access = [AccessServerInterceptor(verify)] if verify else []
    server = grpc.server(
        ThreadPoolExecutor(workers, thread_name_prefix="cqc-server"),
        interceptors=[calls, *interceptors, *access, ValidationServerInterceptor()],
        options=_OPTIONS,
    )
    status = health.HealthServicer()
    names = _add(server, servicers, status, reflection.ReflectionServicer)
    for name in names:
        status.set(name, _SERVING)
    bound = _bind(server, address, credentials)
    server.start()
    return Server(server, bound, grace, calls, status)


async def serve_async(
    *servicers: Any,
    address: str = "localhost:50051",
    verify: Verifier | None = None,
    certificate: str | None = None,
    key: str | None = None,
    client_ca: str | None = None,
    plaintext: bool = False,
    grace: float = 5.0,
    interceptors: Sequence[grpc.aio.ServerInterceptor] = (),
) -> AsyncServer:
    """Start a server like `serve`, for grpc.aio."""
    credentials = _credentials(address, verify, certificate, key, client_ca, plaintext)
    calls = AsyncCalls()
    access = [AsyncAccessServerInterceptor(verify)] if verify else []
    server = grpc.aio.server(
        interceptors=[calls, *interceptors, *access, AsyncValidationServerInterceptor()], options=_OPTIONS
    )
    status = health.aio.HealthServicer()
    names = _add(server, servicers, status, reflection.aio.ReflectionServicer)
    for name in names:
        await status.set(name, _SERVING)
    bound = _bind(server, address, credentials)
    await server.start()
    return AsyncServer(server, bound, grace, calls, status)


class Server:
    """A running server. As a context manager it stops at the end.

    - address: the host and port it listens on
    - port: the port
    """

    def __init__(self, server: grpc.Server, address: str, grace: float, calls: Calls, status: Any) -> None:
        self.address = address
        self.port = int(address.rpartition(":")[2])
        self._server = server
        self._grace = grace
        self._calls = calls
        self._status = status
        # A signal handler may fill a SimpleQueue while its own thread waits for it; setting an Event could deadlock.
        self._asked: queue.SimpleQueue[None] = queue.SimpleQueue()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def wait(self) -> None:
        """Wait for SIGTERM, SIGINT or `stop`, then stop. Only the main thread can handle the signals."""
        with _signals(lambda: self._asked.put(None)):
            self._asked.get()
        self.stop()

    def stop(self) -> None:
        """Refuse new calls, let unary calls in flight finish within `grace`, and end streams with UNAVAILABLE.

        Streams end at their next message, or once no unary call is left.
        """
        self._asked.put(None)
        self._status.enter_graceful_shutdown()
        self._calls.stop()
        ended = self._server.stop(self._grace)
        self._calls.wait(self._grace)
        # Only streams are left. Their handlers may be waiting for a message that never comes.
        self._server.stop(None)
        ended.wait(self._grace)


class AsyncServer:
    """A running server of grpc.aio. As a context manager it stops at the end.

    - address: the host and port it listens on
    - port: the port
    """

    def __init__(self, server: grpc.aio.Server, address: str, grace: float, calls: AsyncCalls, status: Any) -> None:
        self.address = address
        self.port = int(address.rpartition(":")[2])
        self._server = server
        self._grace = grace
        self._calls = calls
        self._status = status
        self._asked = asyncio.Event()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def wait(self) -> None:
        """Wait for SIGTERM, SIGINT or `stop`, then stop. Only the main thread can handle the signals."""
        loop = asyncio.get_running_loop()
        with _signals(lambda: loop.call_soon_threadsafe(self._asked.set)):
            await self._asked.wait()
        await self.stop()

    async def stop(self) -> None:
        """Refuse new calls, end streams with UNAVAILABLE, and let unary calls in flight finish within `grace`."""
        self._asked.set()
        await self._status.enter_graceful_shutdown()
        self._calls.stop()
        await self._server.stop(self._grace)


@contextmanager
def _signals(ask: Callable[[], object]) -> Iterator[None]:
    """Call a function on SIGTERM and SIGINT. Restores the handlers at the end, so that a second signal takes effect."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = {number: signal.signal(number, lambda *_: ask()) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _credentials(
    address: str,
    verify: Verifier | None,
    certificate: str | None,
    key: str | None,
    client_ca: str | None,
    plaintext: bool,
) -> grpc.ServerCredentials | None:
    """Return the credentials, or None for plaintext."""
    host, _, port = address.rpartition(":")
    if not host or "/" in host or not port.isdecimal() or int(port) > 65535:
        raise SettingError("address", f"{address} is not a host and a port", "give both, such as localhost:50051")
    if verify is None and not (plaintext and _is_loopback(host)):
        raise SettingError(
            "verify",
            f"missing, so anyone who can reach {address} could call every method",
            "give a function that returns the principal of a token, or `plaintext=True` and a loopback address such as "
            "localhost:50051",
        )
    if plaintext:
        if certificate or key or client_ca:
            raise SettingError("plaintext", "uses no `certificate`, `key` or `client_ca`", "leave either out")
        return None
    own = pair(certificate, key)
    if own is None:
        raise SettingError("certificate", "missing", "give the paths `certificate` and `key`, or `plaintext=True`")
    roots = pem("client_ca", client_ca) if client_ca else None
    return grpc.ssl_server_credentials([(own[1], own[0])], roots, roots is not None)


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _bind(server: Any, address: str, credentials: grpc.ServerCredentials | None) -> str:
    """Bind the address. Returns it with the actual port."""
    reason = _unbindable(address)
    if reason == errno.EADDRINUSE:
        raise SettingError(
            "address",
            f"cannot listen on {address}: the port is in use",
            "stop the program that uses the port, or choose another; port 0 picks a free one",
        )
    try:
        if credentials is None:
            port = server.add_insecure_port(address)
        else:
            port = server.add_secure_port(address, credentials)
    except RuntimeError as error:
        raise SettingError(
            "address",
            f"cannot listen on {address}: {os.strerror(reason) if reason else error}",
            "choose an address of this machine, such as localhost:50051",
        ) from error
    return f"{address.rpartition(':')[0]}:{port}"


def _unbindable(address: str) -> int:
    """Return the error number of an address that cannot be bound, or 0.

    grpcio listens on what is left of the addresses of a host, such as `::1` of localhost. Clients that try another one
    first would then call another program. It also does not report why an address cannot be bound.
    """
    host, _, port = address.rpartition(":")
    failures = {0}
    try:
        for family, *_, bound in socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM):
            try:
                socket.create_server(bound[:2], family=family).close()
            except OSError as error:
                failures.add(error.errno or 0)
    except OSError:
        return errno.EADDRNOTAVAIL
    return errno.EADDRINUSE if errno.EADDRINUSE in failures else max(failures)


class _Registrar:
    """Registers services with a server and collects their names."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self.names: list[str] = []

    def add_generic_rpc_handlers(self, handlers: Any) -> None:
        self.names += [handler.service_name() for handler in handlers]
        self._server.add_generic_rpc_handlers(handlers)

    def add_registered_method_handlers(self, service: str, handlers: Any) -> None:
        self._server.add_registered_method_handlers(service, handlers)


def _add(server: Any, servicers: Sequence[Any], status: Any, reflect: Callable[[Sequence[str]], Any]) -> list[str]:
    """Register the servicers, health and reflection. Returns the names of all services."""
    registrar = _Registrar(server)
    for servicer in servicers:
        if isinstance(servicer, type):
            raise SettingError(
                "servicers", f"{servicer.__name__} is a class", f"pass an instance: {servicer.__name__}()"
            )
        known = len(registrar.names)
        for base in type(servicer).__mro__:
            add = getattr(sys.modules[base.__module__], f"add_{base.__name__}_to_server", None)
            if add is not None:
                add(servicer, registrar)
        if len(registrar.names) == known:
            raise SettingError(
                "servicers",
                f"{type(servicer).__name__} is not a generated servicer class, such as MarketDataServicer",
                "derive the class from one",
            )
    health_pb2_grpc.add_HealthServicer_to_server(status, registrar)
    reflector = reflect([*registrar.names, reflection.SERVICE_NAME])
    reflection_pb2_grpc.add_ServerReflectionServicer_to_server(reflector, registrar)
    # grpcio-reflection registers only v1alpha. The messages of v1 are the same.
    handler = grpc.stream_stream_rpc_method_handler(
        reflector.ServerReflectionInfo,
        reflection_pb2.ServerReflectionRequest.FromString,
        reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    handlers = {"ServerReflectionInfo": handler}
    v1 = grpc.method_handlers_generic_handler("grpc.reflection.v1.ServerReflection", handlers)
    registrar.add_generic_rpc_handlers((v1,))
    return registrar.names
