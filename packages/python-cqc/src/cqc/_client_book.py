"""An order book that stays current across reconnects."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from contextlib import aclosing, closing
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Unpack

import grpc
import grpc.aio

from cqc._book import BookBuilder, BookError
from cqc._client_errors import ProtocolError
from cqc._client_follow import Lost, OnLost, Stream, attempts, attempts_async
from cqc._client_pages import CallOptions
from cqc.services.v1 import StreamResetReason

if TYPE_CHECKING:
    from cqc.services.v1 import StreamOrderBookRequest, StreamOrderBookResponse

__all__ = ["BookState", "BookUpdate", "follow_book", "follow_book_async"]


class BookState(StrEnum):
    """Whether a book can be relied on."""

    LIVE = "LIVE"
    """The book is current."""
    STALE = "STALE"
    """The connection is lost. The book is the last one before that."""
    RESET = "RESET"
    """Updates were lost. There is no book until the next snapshot."""


@dataclass(frozen=True)
class BookUpdate:
    """A change of a book or of its state.

    - book: the book; later updates modify the same object. None after a RESET
    - reason: for STALE the `cause` of Lost; for RESET the server's reason, or the kind of BookError, such as
      `SEQUENCE_GAP`; empty for LIVE
    """

    book: BookBuilder | None
    state: BookState
    reason: str = ""


def follow_book(
    method: grpc.UnaryStreamMultiCallable[StreamOrderBookRequest, StreamOrderBookResponse],
    request: StreamOrderBookRequest,
    *,
    on_lost: OnLost | None = None,
    **options: Unpack[CallOptions],
) -> Generator[BookUpdate, None, None]:
    """Yield the book whenever it or its state changes.

        for update in follow_book(stub.StreamOrderBook, StreamOrderBookRequest(venue_symbol_id=...)):

    The stream resumes as in `follow`. If deltas are missing or a checksum does not match, the book is discarded and the
    stream starts anew, after a delay that grows if it happens again before a delta fits. Raises what `follow` raises,
    and ProtocolError for a delta without a snapshot.
    """
    stream = Stream(request, options)
    book = _Book(stream)
    with closing(attempts(method, stream, on_lost, options)) as events:
        for event in events:
            if update := book.update(event):
                yield update


async def follow_book_async(
    method: grpc.aio.UnaryStreamMultiCallable[StreamOrderBookRequest, StreamOrderBookResponse],
    request: StreamOrderBookRequest,
    *,
    on_lost: OnLost | None = None,
    **options: Unpack[CallOptions],
) -> AsyncGenerator[BookUpdate, None]:
    """Yield the book whenever it or its state changes, like `follow_book`, for grpc.aio."""
    stream = Stream(request, options)
    book = _Book(stream)
    async with aclosing(attempts_async(method, stream, on_lost, options)) as events:
        async for event in events:
            if update := book.update(event):
                yield update


class _Book:
    """The decisions of `follow_book`, without input and output."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._building: BookBuilder | None = None
        self._shown: BookBuilder | None = None
        self._is_complete = False
        self._is_stale = False

    def update(self, event: StreamOrderBookResponse | Lost) -> BookUpdate | None:
        """Return the update that an event causes, if any."""
        if isinstance(event, Lost):
            return self._lost(event)
        try:
            return self._message(event)
        except BookError as error:
            self._stream.drop()
            return self._reset(error.kind.name)

    def _lost(self, lost: Lost) -> BookUpdate | None:
        if not self._is_complete or not self._stream.token:
            # The next attempt starts the snapshot anew.
            self._building, self._is_complete = None, False
        if self._stream.is_dropped or self._shown is None or self._is_stale:
            return None
        self._is_stale = True
        return BookUpdate(self._shown, BookState.STALE, lost.cause)

    def _message(self, message: StreamOrderBookResponse) -> BookUpdate | None:
        changed = False
        was_live = self._is_complete and not self._is_stale
        match message.WhichOneof("event"):
            case "reset":
                name = StreamResetReason.Name(message.reset.reason)
                return self._reset(name.removeprefix("STREAM_RESET_REASON_"))
            case "snapshot":
                self._building, self._is_complete = BookBuilder(message.snapshot, verify_checksums=True), False
            case "delta":
                changed = self._built(message).apply(message.delta)
                if changed and was_live:
                    self._stream.trust()
            case "snapshot_complete":
                self._built(message)
                self._is_complete = changed = True
            case "heartbeat" if was_live:
                self._stream.trust()
        if not self._is_complete or not (changed or self._is_stale):
            return None
        self._shown, self._is_stale = self._building, False
        return BookUpdate(self._shown, BookState.LIVE)

    def _built(self, message: StreamOrderBookResponse) -> BookBuilder:
        if self._building is None:
            raise ProtocolError("StreamOrderBook", f"{message.WhichOneof('event')} came before any snapshot")
        return self._building

    def _reset(self, reason: str) -> BookUpdate:
        self._building = self._shown = None
        self._is_complete = self._is_stale = False
        return BookUpdate(None, BookState.RESET, reason)
