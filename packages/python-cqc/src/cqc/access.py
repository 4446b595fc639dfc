"""Who may call: the scope of each method, and server interceptors that enforce scopes and accounts.

    def verify(token: str) -> Principal | None:
        ...  # look the token up; None if it is not valid

    grpc.server(pool, interceptors=[AccessServerInterceptor(verify), ValidationServerInterceptor()])

A call has its token in the metadata, as `authorization: Bearer <token>`, and travels over TLS. The interceptors check
the token, the scope of the method, and every field named `account_id`, `account_ids`, `from_account_id` or
`to_account_id`, at any depth, against the accounts of the principal. What depends on a record, such as the owner of a
portfolio, the service checks itself: in a handler, `principal()` returns the caller. Requires the extra `client`.
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from google.protobuf.message import Message

from cqc._interception import AsyncGuardingInterceptor, Guard, GuardingInterceptor, message, method_of
from cqc.errors import ServiceError
from cqc.options.v1 import options_pb2
from cqc.services.v1 import ErrorReason

__all__ = ["AccessServerInterceptor", "AsyncAccessServerInterceptor", "Principal", "Verifier", "principal", "scope_of"]

_ACCOUNT_FIELDS = frozenset({"account_id", "account_ids", "from_account_id", "to_account_id"})


@dataclass(frozen=True)
class Principal:
    """The authenticated caller.

    - subject: holder of the credential; a renewed token has the same subject
    - scopes: scopes that were granted, such as `orders.write`
    - accounts: ids of the accounts that the caller may name
    """

    subject: str
    scopes: frozenset[str] = field(default_factory=frozenset)
    accounts: frozenset[str] = field(default_factory=frozenset)


Verifier = Callable[[str], Principal | None]
"""Returns the principal of a token, or None if the token is unknown, expired or revoked."""

_principal: contextvars.ContextVar[Principal] = contextvars.ContextVar("cqc_principal")


def principal() -> Principal:
    """Return the caller of the RPC that is being handled. Raises LookupError outside a handler."""
    return _principal.get()


def scope_of(method: str) -> str | None:
    """Return the scope that a method needs, such as `market.read` for `/cqc.services.v1.MarketData/GetPrice`.

    The leading slash may be left out, and a dot may replace the slash before the method. Returns None for a method that
    is not loaded or has no scope, such as those of other packages.
    """
    found = method_of(method)
    return (found.GetOptions().Extensions[options_pb2.scope] or None) if found else None


class AccessServerInterceptor(GuardingInterceptor):
    """Rejects calls that their principal may not make. A method without a scope is not checked, such as those of
    gRPC's health and reflection services, but one of `cqc.*` that is not loaded is refused.
    """

    def __init__(self, verify: Verifier) -> None:
        super().__init__(partial(_access, verify))


class AsyncAccessServerInterceptor(AsyncGuardingInterceptor):
    """The same as AccessServerInterceptor, for grpc.aio."""

    def __init__(self, verify: Verifier) -> None:
        super().__init__(partial(_access, verify))


def _access(verify: Verifier, method: str) -> Guard | None:
    scope = scope_of(method)
    return _Access(verify, scope) if scope else None


@dataclass(frozen=True)
class _Access:
    verify: Verifier
    scope: str

    def call(self, context: Any) -> None:
        metadata = context.invocation_metadata()
        words = next((str(value) for key, value in metadata if key == "authorization"), "").split()
        if len(words) != 2 or words[0].lower() != "bearer":
            raise ServiceError(ErrorReason.ERROR_REASON_CREDENTIALS_MISSING, "the call carries no bearer token")
        caller = self.verify(words[1])
        if caller is None:
            raise ServiceError(ErrorReason.ERROR_REASON_CREDENTIALS_INVALID, "the token is unknown, expired or revoked")
        if self.scope not in caller.scopes:
            raise ServiceError(
                ErrorReason.ERROR_REASON_SCOPE_MISSING, f"the method needs the scope {self.scope}", scope=self.scope
            )
        _principal.set(caller)

    def request(self, request: Any) -> None:
        for account in _accounts(message(request)):
            if account not in principal().accounts:
                raise ServiceError(
                    ErrorReason.ERROR_REASON_ACCOUNT_NOT_ALLOWED,
                    f"{account} is not an account of the caller",
                    account_id=account,
                )


def _accounts(message: Message) -> Iterator[str]:
    for described, value in message.ListFields():
        if isinstance(value, Message):
            yield from _accounts(value)
        elif described.message_type is not None:
            is_map = described.message_type.GetOptions().map_entry
            for item in value.values() if is_map else value:
                if isinstance(item, Message):
                    yield from _accounts(item)
        elif described.name in _ACCOUNT_FIELDS:
            yield from [value] if isinstance(value, str) else value
