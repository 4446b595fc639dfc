"""Streams that resume after a lost connection."""

from __future__ import annotations

import asyncio
import math
import queue
import threading
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from contextlib import aclosing, closing
from contextvars import copy_context
from dataclasses import dataclass
from typing import Any, TypeVar, Unpack

import grpc
import grpc.aio

from cqc import _client_clock as clock
from cqc._client_errors import certificate_trouble, retry_delay
from cqc._client_pages import CallOptions, copied

__all__ = ["TRANSIENT", "Backoff", "Lost", "OnLost", "Stream", "attempts", "attempts_async", "follow", "follow_async"]

Q = TypeVar("Q")
M = TypeVar("M")

_HEARTBEAT_INTERVAL = 5.0
TRANSIENT = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.DEADLINE_EXCEEDED,
}


@dataclass(frozen=True)
class Lost:
    """A lost connection, before the next attempt.

    - cause: `SILENCE`, `END`, or the name of the gRPC code, such as `UNAVAILABLE`
    - error: the gRPC error; None for `SILENCE` and `END`
    - delay: seconds until the next attempt
    """

    cause: str
    error: grpc.RpcError | None
    delay: float


OnLost = Callable[[Lost], object]


def follow(
    method: grpc.UnaryStreamMultiCallable[Q, M],
    request: Q,
    *,
    on_lost: OnLost | None = None,
    **options: Unpack[CallOptions],
) -> Generator[M, None, None]:
    """Yield the messages of a stream, and resume it whenever the connection is lost.

        for message in follow(stub.StreamTrades, StreamTradesRequest(...)):

    Yields every message except heartbeats, including resets and SnapshotComplete. A message counts as handled when the
    caller requests the next one. The connection is lost when the stream ends, is silent for three heartbeat intervals,
    or fails with a transient error; `on_lost` is called before the next attempt, and attempts continue without limit.

    Raises all other errors, and DEADLINE_EXCEEDED after `timeout` seconds in all, if that is set. Leaving the loop ends
    the call. To end it from another thread, close the channel.
    """
    with closing(attempts(method, Stream(request, options), on_lost, options)) as events:
        for event in events:
            if not isinstance(event, Lost) and not is_heartbeat(event):
                yield event


async def follow_async(
    method: grpc.aio.UnaryStreamMultiCallable[Q, M],
    request: Q,
    *,
    on_lost: OnLost | None = None,
    **options: Unpack[CallOptions],
) -> AsyncGenerator[M, None]:
    """Yield the messages of a stream like `follow`, for grpc.aio.

    The call ends when the generator is closed: wrap it in `contextlib.aclosing` if the loop may end early.
    """
    async with aclosing(attempts_async(method, Stream(request, options), on_lost, options)) as events:
        async for event in events:
            if not isinstance(event, Lost) and not is_heartbeat(event):
                yield event


def is_heartbeat(message: Any) -> bool:
    """Whether a message only keeps its stream alive."""
    return bool(message.HasField("heartbeat"))


class Backoff:
    """Delays between attempts, in seconds. They double from 0.1 to 2."""

    def __init__(self) -> None:
        self._next = 0.1

    def reset(self) -> None:
        """Start over at the shortest delay."""
        self._next = 0.1

    def delay(self, error: Any) -> float:
        """Return the next delay, at least that of the error's RetryInfo."""
        delay = self._next * clock.jitter()
        self._next = min(2 * self._next, 2.0)
        return max(delay, retry_delay(error) or 0.0) if error is not None else delay


class Stream:
    """The decisions of `follow`, without input and output: what to request next, and whether to retry.

    - silence: seconds without a message after which the connection is lost
    - is_dropped: whether the current attempt was abandoned
    """

    def __init__(self, request: Any, options: CallOptions) -> None:
        self._request = copied(request)
        self._has_deadline = options.get("timeout") is not None
        self._backoff = Backoff()
        self._is_suspect = False
        self.is_dropped = False
        interval = self._request.heartbeat_interval
        self.silence = 3 * (interval.seconds + interval.nanos / 1e9 or _HEARTBEAT_INTERVAL)

    def request(self) -> Any:
        """Return the request of the next attempt."""
        self.is_dropped = False
        return copied(self._request)

    def arrived(self) -> None:
        """Record that the connection works."""
        if not self._is_suspect:
            self._backoff.reset()

    def handled(self, message: Any) -> None:
        """Record that the consumer has handled a message."""
        self._request.resume_token = message.resume_token

    def drop(self) -> None:
        """Abandon the current attempt. The next one starts anew, and messages alone do not reset the backoff."""
        self.is_dropped = self._is_suspect = True

    def trust(self) -> None:
        """Record that the content of the stream is sound again."""
        if self._is_suspect:
            self._is_suspect = False
            self._backoff.reset()

    @property
    def token(self) -> str:
        """The token of the next attempt."""
        return self._request.resume_token  # type: ignore[no-any-return]

    def lost(self, error: Any, was_silent: bool) -> Lost:
        """Return why the connection was lost. Raises the error if it is not transient."""
        if self.is_dropped:
            self._request.resume_token = ""
            return Lost("END", None, self._backoff.delay(None))
        if was_silent or error is None:
            return Lost("SILENCE" if was_silent else "END", None, self._backoff.delay(None))
        is_deadline = self._has_deadline and error.code() == grpc.StatusCode.DEADLINE_EXCEEDED
        if is_deadline or not may_pass(error):
            raise error
        return Lost(error.code().name, error, self._backoff.delay(error))


def may_pass(error: Any) -> bool:
    """Whether an error is transient."""
    return (error.code() in TRANSIENT or retry_delay(error) is not None) and not certificate_trouble(error)


class _Watchdog:
    """Cancels a call that is silent for too long. Time that the consumer takes does not count."""

    def __init__(
        self,
        silence: float,
        cancel: Callable[[], object],
        time: Callable[[], float],
        later: Callable[[float, Callable[[], None]], Any],
    ) -> None:
        self.has_fired = False
        self._silence = silence
        self._cancel = cancel
        self._time = time
        self._later = later
        self._due = time() + silence
        self._timer = later(silence, self._check)

    def wait(self) -> None:
        self._due = self._time() + self._silence

    def pause(self) -> None:
        self._due = math.inf

    def stop(self) -> None:
        self.pause()
        self._timer.cancel()

    def _check(self) -> None:
        # A message only moves the due time: a new timer per message would cost more.
        left = self._due - self._time()
        if left <= 0:
            self.has_fired = True
            self._cancel()
        else:
            self._timer = self._later(min(left, self._silence), self._check)


class _Pumped:
    """A stream that cannot be cancelled, read in a separate thread so that waiting for it can.

    Interceptors may return a generator instead of a call; OpenTelemetry's does. It is closed after its next message.
    """

    def __init__(self, messages: Any) -> None:
        self._messages = messages
        self._asked: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[tuple[Any, BaseException | None]] = queue.SimpleQueue()
        threading.Thread(target=copy_context().run, args=(self._pump,), daemon=True).start()

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        self._asked.put(True)
        message, error = self._answers.get()
        if error is not None:
            raise error
        return message

    def cancel(self) -> None:
        self._asked.put(False)
        empty = grpc.aio.Metadata()
        self._answers.put((None, grpc.aio.AioRpcError(grpc.StatusCode.CANCELLED, empty, empty, "cancelled")))

    def _pump(self) -> None:
        while self._asked.get():
            try:
                self._answers.put((next(self._messages), None))
            except BaseException as error:
                self._answers.put((None, error))
        getattr(self._messages, "close", lambda: None)()


def attempts(
    method: Callable[..., Any], stream: Stream, on_lost: OnLost | None, options: CallOptions
) -> Generator[Any, None, None]:
    """Yield every message of each attempt, and a Lost between attempts."""
    left = _time_left(options, clock.monotonic)
    while True:
        call = method(stream.request(), **{**options, **left()})
        if not hasattr(call, "cancel"):
            call = _Pumped(call)
        watchdog = _Watchdog(stream.silence, call.cancel, clock.monotonic, clock.later)
        error: Any = None
        try:
            for message in call:
                watchdog.pause()
                stream.arrived()
                yield message
                if stream.is_dropped:
                    break
                stream.handled(message)
                watchdog.wait()
        except grpc.RpcError as raised:
            error = raised
        finally:
            watchdog.stop()
            call.cancel()
        lost = stream.lost(error, watchdog.has_fired)
        if on_lost is not None and not stream.is_dropped:
            on_lost(lost)
        yield lost
        clock.sleep(min(lost.delay, left().get("timeout", lost.delay)))


def _time_left(options: CallOptions, time: Callable[[], float]) -> Callable[[], dict[str, float]]:
    """Return a function that returns the timeout of the next attempt; none if the caller set no timeout for all."""
    timeout = options.get("timeout")
    if timeout is None:
        return dict
    end = time() + timeout
    return lambda: {"timeout": max(end - time(), 0.0)}


async def attempts_async(
    method: Callable[..., Any], stream: Stream, on_lost: OnLost | None, options: CallOptions
) -> AsyncGenerator[Any, None]:
    """Yield every message of each attempt, and a Lost between attempts, for grpc.aio."""
    loop = asyncio.get_running_loop()
    left = _time_left(options, loop.time)
    while True:
        call = method(stream.request(), **{**options, **left()})
        watchdog = _Watchdog(stream.silence, call.cancel, loop.time, loop.call_later)
        error: Any = None
        cancels = _cancels()
        try:
            async for message in call:
                watchdog.pause()
                stream.arrived()
                yield message
                if stream.is_dropped:
                    break
                stream.handled(message)
                cancels = _cancels()
                watchdog.wait()
        except grpc.RpcError as raised:
            error = raised
        except asyncio.CancelledError:
            # grpc.aio raises it for a cancelled call too, whether the watchdog or the server cancelled it.
            if _cancels() > cancels or not call.done():
                raise
            error = grpc.aio.AioRpcError(
                await call.code(), grpc.aio.Metadata(), await call.trailing_metadata(), await call.details()
            )
        finally:
            watchdog.stop()
            call.cancel()
        lost = stream.lost(error, watchdog.has_fired)
        if on_lost is not None and not stream.is_dropped:
            on_lost(lost)
        yield lost
        await asyncio.sleep(min(lost.delay, left().get("timeout", lost.delay)))


def _cancels() -> int:
    task = asyncio.current_task()
    return task.cancelling() if task else 0
