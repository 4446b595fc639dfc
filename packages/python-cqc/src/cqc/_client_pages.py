"""Lists as iterators over all pages."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator, Iterable
from typing import Any, TypedDict, TypeVar, Unpack

import grpc
import grpc.aio

from cqc._client_errors import ProtocolError

__all__ = ["CallOptions", "copied", "pages", "pages_async"]

Q = TypeVar("Q")
R = TypeVar("R")
T = TypeVar("T")


class CallOptions(TypedDict, total=False):
    """Options of a gRPC call. `timeout` is in seconds."""

    timeout: float | None
    metadata: Any
    credentials: grpc.CallCredentials | None
    wait_for_ready: bool | None
    compression: grpc.Compression | None


def pages(
    method: grpc.UnaryUnaryMultiCallable[Q, R],
    request: Q,
    items: Callable[[R], Iterable[T]],
    **options: Unpack[CallOptions],
) -> Generator[T, None, None]:
    """Yield the items of a list across pages.

        for trade in pages(stub.ListTrades, ListTradesRequest(...), lambda page: page.trades):

    Fetches a page when its first item is needed. `options` apply to each call, so `timeout` is per page. Raises what
    the calls raise, and ProtocolError if the server repeats a page token.
    """
    query = copied(request)
    while True:
        response = method(query, **options)
        yield from items(response)
        if not _turn(query, response):
            return


async def pages_async(
    method: grpc.aio.UnaryUnaryMultiCallable[Q, R],
    request: Q,
    items: Callable[[R], Iterable[T]],
    **options: Unpack[CallOptions],
) -> AsyncGenerator[T, None]:
    """Yield the items of a list like `pages`, for grpc.aio."""
    query = copied(request)
    while True:
        response = await method(query, **options)
        for item in items(response):
            yield item
        if not _turn(query, response):
            return


def copied(request: Q) -> Q:
    """Return a copy of a message."""
    copy: Any = type(request)()
    copy.CopyFrom(request)
    return copy  # type: ignore[no-any-return]


def _turn(query: Any, response: Any) -> bool:
    """Turn the request into that of the next page. Returns False on the last page."""
    token = response.next_page_token
    if token and token == query.page_token:
        method = query.DESCRIPTOR.name.removesuffix("Request")
        raise ProtocolError(method, "the next page has the token of this one")
    query.page_token = token
    return bool(token)
