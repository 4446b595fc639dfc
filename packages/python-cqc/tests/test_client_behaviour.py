"""The behaviour of the clients: the same attempts, items and errors as in the other languages, in virtual time.

A fake channel plays each case's script below the package's public functions. Time is a number that jumps to whatever
happens next, so that a case of a minute takes a moment.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import math
import selectors
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import grpc.aio
import pytest
from google.protobuf import json_format
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from cqc import _client_clock
from cqc.client import connect, connect_async, service_config

TOP = Path(__file__).parents[3]
TESTDATA = TOP / "packages" / "go-cqc" / "testdata"
CASES = json.loads((TESTDATA / "client_behaviour.json").read_text())
SPEC = importlib.util.spec_from_file_location(
    "behaviour_client", TOP / "tools" / "interop" / "python" / "behaviour_client.py"
)
assert SPEC is not None
assert SPEC.loader is not None
behaviour_client = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(behaviour_client)
behaviour_client.load_services()


class Cancelled(BaseException):
    """The caller gives up, as by Ctrl-C."""


class World:
    """A case's script, its lines, and its virtual time in seconds."""

    def __init__(self, case: Any) -> None:
        self.time = 0.0
        self.lines: list[str] = []
        self._attempts = iter(case["attempts"])
        self._calls = behaviour_client.Calls(case)
        self._timers: dict[int, tuple[float, Callable[[], None]]] = {}
        self._ids = count()
        if "cancel_ms" in case:
            self.call_at(case["cancel_ms"] / 1000, self._cancel)

    def _cancel(self) -> None:
        raise Cancelled

    def trace(self, line: str) -> None:
        self.lines.append(f"{round(self.time * 1000)} {line}")

    def attempt(self, method: str, request: Any, timeout: float | None) -> list[Any]:
        left = "" if timeout is None else str(round(timeout * 1000))
        self.trace(self._calls.line(method.removeprefix("/"), request, left))
        return next(self._attempts, [{"at": 0, "status": {"code": "UNAVAILABLE"}}])

    # What the sync functions take for the clock.

    def call_at(self, time: float, run: Callable[[], None]) -> Any:
        number = next(self._ids)
        self._timers[number] = time, run
        return type("Handle", (), {"cancel": lambda _: self._timers.pop(number, None)})()

    def later(self, delay: float, run: Callable[[], None]) -> Any:
        return self.call_at(self.time + delay, run)

    def sleep(self, delay: float) -> None:
        self.advance(self.time + delay, lambda: False)

    def advance(self, until: float, is_over: Callable[[], bool]) -> None:
        """Let time pass, and what is due by then happen; stop early when `is_over`."""
        while not is_over():
            number, (time, run) = min(self._timers.items(), key=lambda item: item[1][0], default=(-1, (until, None)))
            if run is None or time > until:
                assert until != math.inf, "nothing will ever happen"
                self.time = max(self.time, until)
                return
            del self._timers[number]
            self.time = max(self.time, time)
            run()


class Failure(grpc.aio.AioRpcError):
    """An error of a call, which without asyncio is also the call's future."""

    def result(self, timeout: float | None = None) -> Any:
        raise self

    def exception(self, timeout: float | None = None) -> Any:
        return self


def failure(status: Any) -> Failure:
    code = grpc.StatusCode[status["code"]]
    found = Status(code=code.value[0], message=status.get("message", ""))
    if "reason" in status:
        domain = status.get("domain", "cqc")
        info = ErrorInfo(domain=domain, reason=status["reason"], metadata=status.get("metadata", {}))
        found.details.add().Pack(info)
    for violation in status.get("violations", ()):
        field = BadRequest.FieldViolation(
            field=violation["field"], reason=violation["rule_id"], description=violation["message"]
        )
        found.details.add().Pack(BadRequest(field_violations=[field]))
    if "retry_delay_ms" in status:
        delay = Duration()
        delay.FromMilliseconds(status["retry_delay_ms"])
        found.details.add().Pack(RetryInfo(retry_delay=delay))
    trailing = grpc.aio.Metadata()
    if found.details:
        trailing.add("grpc-status-details-bin", found.SerializeToString())
    return Failure(code, grpc.aio.Metadata(), trailing, status.get("message", ""))


def cancelled() -> Failure:
    return failure({"code": "CANCELLED", "message": "Locally cancelled by application!"})


class Play:
    """One call: what its script prescribes, at which time."""

    def __init__(self, world: World, method: str, decode: Any, request: Any, timeout: float | None) -> None:
        self.world = world
        self.opened = world.time
        self.limit = math.inf if timeout is None else world.time + timeout
        self.decode = decode
        self.events = iter(world.attempt(method, request, timeout))

    def next(self) -> tuple[float, Any]:
        """The next event and its time: a message, an error, or None for the end."""
        event: Any = next(self.events, {"at": math.inf})
        at = self.opened + event["at"] / 1000
        if self.limit <= at and self.limit != math.inf:
            return self.limit, failure({"code": "DEADLINE_EXCEEDED", "message": "Deadline Exceeded"})
        if "send" in event:
            return at, json_format.ParseDict(event["send"], self.decode(b""))
        return at, failure(event["status"]) if "status" in event else None


class SyncCall(Play):
    is_cancelled = False

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        time, event = self.next()
        self.world.advance(time, lambda: self.is_cancelled)
        if self.is_cancelled:
            raise cancelled()
        if event is None:
            raise StopIteration
        if isinstance(event, grpc.RpcError):
            raise event
        return event

    def cancel(self) -> None:
        self.is_cancelled = True


class SyncMethod:
    def __init__(self, world: World, method: str, decode: Any) -> None:
        self._parts = world, method, decode

    def __call__(self, request: Any, timeout: float | None = None, **_: Any) -> Any:
        return SyncCall(*self._parts, request, timeout)

    def with_call(self, request: Any, timeout: float | None = None, **_: Any) -> Any:
        call = SyncCall(*self._parts, request, timeout)
        return next(call), call


class SyncChannel(grpc.Channel):
    def __init__(self, world: World) -> None:
        self._world = world

    def unary_unary(self, method: str, _: Any, decode: Any, *__: Any) -> Any:  # type: ignore[override]
        return SyncMethod(self._world, method, decode)

    def unary_stream(self, method: str, _: Any, decode: Any, *__: Any) -> Any:  # type: ignore[override]
        return SyncMethod(self._world, method, decode)

    def subscribe(self, *_: Any, **__: Any) -> None: ...
    def unsubscribe(self, *_: Any) -> None: ...
    def stream_unary(self, *_: Any, **__: Any) -> Any: ...
    def stream_stream(self, *_: Any, **__: Any) -> Any: ...
    def close(self) -> None: ...
    def __enter__(self) -> Any: ...
    def __exit__(self, *_: Any) -> None: ...


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_threads(case: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(case)
    monkeypatch.setattr(_client_clock, "jitter", lambda: 1.0)
    monkeypatch.setattr(_client_clock, "sleep", world.sleep)
    monkeypatch.setattr(_client_clock, "later", world.later)
    monkeypatch.setattr(_client_clock, "monotonic", lambda: world.time)
    monkeypatch.setattr(_client_clock, "nanos", lambda: nanos(world.time))
    monkeypatch.setattr(grpc, "insecure_channel", lambda *_: SyncChannel(world))
    try:
        channel = connect("nowhere", plaintext=True, token="")
        behaviour_client.run(case, channel, world.trace, world.sleep)
    except Cancelled:
        world.trace("cancelled")
    assert world.lines == case["expect"]


def nanos(time: float) -> int:
    return behaviour_client.EPOCH * 10**6 + round(time * 10**9)  # type: ignore[no-any-return]


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time passes while nothing is ready."""

    def __init__(self, world: World) -> None:
        class Selector(selectors.SelectSelector):
            def select(self, timeout: float | None = None) -> Any:
                ready = super().select(0)
                if not ready and timeout != 0:
                    assert timeout is not None, "nothing will ever happen"
                    world.time += timeout
                return ready

        super().__init__(Selector())
        self.time = lambda: world.time  # type: ignore[method-assign]


class AsyncCall(Play):
    """As a call of grpc.aio: a stream that is cancelled, by whomever, raises CancelledError."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._wake = asyncio.get_running_loop().create_future()
        self._status: Any = None

    def __await__(self) -> Any:
        if self._status is None:
            self._status = asyncio.get_running_loop().create_task(self._event())
        return self._status.__await__()

    async def __aiter__(self) -> AsyncIterator[Any]:
        while True:
            try:
                message = await self._event()
            except grpc.aio.AioRpcError as error:
                self._status = error
                if error.code() == grpc.StatusCode.CANCELLED:
                    raise asyncio.CancelledError from error
                raise
            if message is None:
                return
            yield message

    async def _event(self) -> Any:
        time, event = self.next()
        if time > self.world.time:
            await asyncio.wait({self._wake}, timeout=None if time == math.inf else time - self.world.time)
        if self._wake.done():
            raise cancelled()
        if isinstance(event, grpc.RpcError):
            raise event
        return event

    def cancel(self) -> None:
        if not self._wake.done():
            self._wake.set_result(None)

    def done(self) -> bool:
        return self._status is not None

    async def code(self) -> Any:
        return self._status.code()

    async def details(self) -> Any:
        return self._status.details()

    async def trailing_metadata(self) -> Any:
        return self._status.trailing_metadata()


class Details(NamedTuple):
    timeout: float | None


class Intercepted:
    """A call behind an interceptor, as grpc.aio makes it."""

    def __init__(self, intercept: Any, request: Any, timeout: float | None, call: Callable[..., AsyncCall]) -> None:
        self._call: Any = None

        async def proceed(details: Details, request: Any) -> AsyncCall:
            self._call = call(request, details.timeout)
            return self._call  # type: ignore[no-any-return]

        self._intercepted = asyncio.get_running_loop().create_task(intercept(proceed, Details(timeout), request))

    def __await__(self) -> Any:
        call = yield from self._intercepted.__await__()
        return (yield from call.__await__())

    async def __aiter__(self) -> AsyncIterator[Any]:
        async for message in await self._intercepted:
            yield message

    def cancel(self) -> None:
        (self._call or self._intercepted).cancel()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._call, name)


class AsyncChannel:
    def __init__(self, world: World, unary: Any, stream: Any) -> None:
        self._world = world
        self._unary = unary.intercept_unary_unary
        self._stream = stream.intercept_unary_stream

    def unary_unary(self, method: str, response_deserializer: Any, **_: Any) -> Any:
        return self._method(self._unary, method, response_deserializer)

    def unary_stream(self, method: str, response_deserializer: Any, **_: Any) -> Any:
        return self._method(self._stream, method, response_deserializer)

    def _method(self, intercept: Any, method: str, decode: Any) -> Any:
        call = partial(AsyncCall, self._world, method, decode)
        return lambda request, timeout=None: Intercepted(intercept, request, timeout, call)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_asyncio(case: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World({**case, "cancel_ms": math.inf})
    monkeypatch.setattr(_client_clock, "jitter", lambda: 1.0)
    monkeypatch.setattr(_client_clock, "nanos", lambda: nanos(world.time))
    monkeypatch.setattr(grpc.aio, "insecure_channel", lambda *_, interceptors, **__: AsyncChannel(world, *interceptors))

    async def run() -> None:
        channel = connect_async("nowhere", plaintext=True, token="")
        task = asyncio.create_task(behaviour_client.run_async(case, channel, world.trace))
        if "cancel_ms" in case:
            asyncio.get_running_loop().call_at(case["cancel_ms"] / 1000, task.cancel)
        await asyncio.wait({task})
        if task.cancelled():
            world.trace("cancelled")
        else:
            task.result()

    with asyncio.Runner(loop_factory=lambda: VirtualLoop(world)) as runner:
        runner.run(run())
    assert world.lines == case["expect"]


def test_the_service_config_is_that_of_the_other_languages() -> None:
    assert service_config() == (TESTDATA / "service_config.json").read_text().rstrip("\n")
