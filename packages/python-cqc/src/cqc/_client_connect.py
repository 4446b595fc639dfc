"""Channels with safe defaults."""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import grpc
import grpc.aio

from cqc._client_errors import named
from cqc._client_pages import copied
from cqc._client_retries import service_config
from cqc._settings import SettingError, pair, pem

__all__ = ["Token", "connect", "connect_async"]

Token = str | Callable[[], str]
"""A token, or a function that returns the current one. The function runs in another thread, once per call."""

Options = Sequence[tuple[str, Any]]


def connect(
    target: str | None = None,
    *,
    token: Token | None = None,
    ca: str | None = None,
    certificate: str | None = None,
    key: str | None = None,
    plaintext: bool = False,
    timeout: float = 10.0,
    interceptors: Sequence[Any] = (),
    options: Options = (),
) -> grpc.Channel:
    """Return a channel to a server. It connects on the first call.

    - target: such as `markets.example.com:443`; by default `CQC_TARGET`
    - token: sent as `authorization: Bearer`, only over TLS; by default `CQC_TOKEN`; "" sends none
    - ca: path of a PEM file with the trusted CAs; by default `CQC_CA`, else grpcio's bundled CAs, not the system's
    - certificate, key: paths of PEM files for mutual TLS. If a server of grpcio requires them and they are missing, it
      closes the connection without saying why
    - plaintext: connect without TLS
    - timeout: default timeout of unary calls, in seconds; streams have none
    - interceptors, options: added to those of this channel

    Retries idempotent unary calls on UNAVAILABLE; see `service_config`. Sets `request_id` where it is empty. Calls
    raise CertificateError if TLS fails. Raises SettingError if a setting is invalid.
    """
    target, credentials = _settings(target, token, ca, certificate, key, plaintext, timeout)
    own = _Interceptor(_Defaults(timeout, partial(named, target=target)))
    all_options = _options(options)
    if credentials is None:
        channel = grpc.insecure_channel(target, all_options)
    else:
        channel = grpc.secure_channel(target, credentials, all_options)
    return grpc.intercept_channel(channel, own, *interceptors)


def connect_async(
    target: str | None = None,
    *,
    token: Token | None = None,
    ca: str | None = None,
    certificate: str | None = None,
    key: str | None = None,
    plaintext: bool = False,
    timeout: float = 10.0,
    interceptors: Sequence[grpc.aio.ClientInterceptor] = (),
    options: Options = (),
) -> grpc.aio.Channel:
    """Return a channel to a server like `connect`, for grpc.aio."""
    target, credentials = _settings(target, token, ca, certificate, key, plaintext, timeout)
    defaults = _Defaults(timeout, partial(named, target=target))
    all_interceptors = [_AsyncUnaryInterceptor(defaults), _AsyncStreamInterceptor(defaults), *interceptors]
    all_options = _options(options)
    if credentials is None:
        return grpc.aio.insecure_channel(target, all_options, interceptors=all_interceptors)
    return grpc.aio.secure_channel(target, credentials, all_options, interceptors=all_interceptors)


def _settings(
    target: str | None,
    token: Token | None,
    ca: str | None,
    certificate: str | None,
    key: str | None,
    plaintext: bool,
    timeout: float,
) -> tuple[str, grpc.ChannelCredentials | None]:
    """Return the target, and the credentials, or None for plaintext."""
    target = target or os.environ.get("CQC_TARGET")
    if not target:
        raise SettingError(
            "CQC_TARGET",
            "not set, and no target is given",
            "set it to the address of the server, such as markets.example.com:443",
        )
    if re.match("https?://", target):
        raise SettingError("target", f"{target} is a URL", "give host and port, such as markets.example.com:443")
    if not timeout > 0:
        raise SettingError("timeout", f"{timeout} is not a time to wait", "give seconds greater than zero")
    source = "token" if token is not None else "CQC_TOKEN"
    token = os.environ.get("CQC_TOKEN", "") if token is None else token
    if plaintext:
        if token:
            raise SettingError(
                "plaintext",
                f"would send {source} readable to everyone",
                'connect over TLS, or give `token=""` to send none',
            )
        if ca or certificate or key:
            raise SettingError("plaintext", "uses no `ca`, `certificate` or `key`", "leave either out")
        return target, None
    client = pair(certificate, key)
    environment = os.environ.get("CQC_CA")
    roots = pem("ca", ca) if ca else pem("CQC_CA", environment) if environment else None
    credentials = grpc.ssl_channel_credentials(roots, *(reversed(client) if client else ()))
    if token:
        calls = grpc.metadata_call_credentials(_Bearer(source, token))
        credentials = grpc.composite_channel_credentials(credentials, calls)
    return target, credentials


class _Bearer(grpc.AuthMetadataPlugin):  # type: ignore[misc,unused-ignore]
    """Sends the token, and keeps it out of `repr` and logs."""

    def __init__(self, source: str, token: Token) -> None:
        self._source = source
        self._token = token if callable(token) else _constant(_checked(source, token))

    def __call__(self, context: Any, callback: Any) -> None:
        try:
            callback((("authorization", f"Bearer {_checked(self._source, self._token())}"),), None)
        except Exception as error:
            callback((), error)


def _constant(token: str) -> Callable[[], str]:
    return lambda: token


def _checked(source: str, token: str) -> str:
    if not re.fullmatch("[!-~]+", token):
        raise SettingError(
            source,
            "has characters that no token has, such as a line break or a space",
            "remove them, with `strip()` after reading a file",
        )
    return token


def _options(options: Options) -> list[tuple[str, Any]]:
    own = {
        "grpc.service_config": service_config(),
        # By default a channel waits up to two minutes before it reconnects.
        "grpc.initial_reconnect_backoff_ms": 200,
        "grpc.max_reconnect_backoff_ms": 2000,
    }
    return list((own | dict(options)).items())


@dataclass(frozen=True)
class _Defaults:
    """What a channel adds to each call. `named` turns TLS failures into CertificateError."""

    timeout: float
    named: Callable[[Any], Any]

    def details(self, details: Any) -> Any:
        """Return the details with a timeout."""
        return details if details.timeout is not None else details._replace(timeout=self.timeout)

    def request(self, request: Any) -> Any:
        """Return the request, or a copy with a new `request_id` if its own is empty."""
        if getattr(request, "request_id", None) != "":
            return request
        copy = copied(request)
        copy.request_id = str(uuid.uuid4())
        return copy


class _Interceptor(
    grpc.UnaryUnaryClientInterceptor,  # type: ignore[misc,unused-ignore]
    grpc.UnaryStreamClientInterceptor,  # type: ignore[misc,unused-ignore]
):
    def __init__(self, defaults: _Defaults) -> None:
        self._defaults = defaults

    def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
        call = continuation(self._defaults.details(details), self._defaults.request(request))
        return _NamingCall(call, self._defaults.named)

    def intercept_unary_stream(self, continuation: Any, details: Any, request: Any) -> Any:
        return _NamingCall(continuation(details, request), self._defaults.named)


class _NamingCall:
    """A call that raises CertificateError if TLS fails."""

    def __init__(self, call: Any, named: Callable[[Any], Any]) -> None:
        self._call = call
        self._named = named

    def __getattr__(self, name: str) -> Any:
        return getattr(self._call, name)

    def __iter__(self) -> _NamingCall:
        return self

    def __next__(self) -> Any:
        try:
            return next(self._call)
        except grpc.RpcError as error:
            raise self._named(error) from None

    def result(self, timeout: float | None = None) -> Any:
        try:
            return self._call.result(timeout)
        except grpc.RpcError as error:
            raise self._named(error) from None

    def exception(self, timeout: float | None = None) -> Any:
        return self._named(self._call.exception(timeout))


class _AsyncUnaryInterceptor(grpc.aio.UnaryUnaryClientInterceptor):  # type: ignore[misc,unused-ignore]
    def __init__(self, defaults: _Defaults) -> None:
        self._defaults = defaults

    async def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
        call = await continuation(self._defaults.details(details), self._defaults.request(request))
        try:
            await call
        except grpc.RpcError as error:
            raise self._defaults.named(error) from None
        return call


class _AsyncStreamInterceptor(grpc.aio.UnaryStreamClientInterceptor):  # type: ignore[misc,unused-ignore]
    def __init__(self, defaults: _Defaults) -> None:
        self._defaults = defaults

    async def intercept_unary_stream(self, continuation: Any, details: Any, request: Any) -> Any:
        return self._messages(await continuation(details, request))

    async def _messages(self, call: Any) -> AsyncIterator[Any]:
        try:
            async for message in call:
                yield message
        except grpc.RpcError as error:
            raise self._defaults.named(error) from None
