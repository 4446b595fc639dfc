"""Read registries until they have settled, and compare what they serve with what was built."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TypeVar

import tenacity

from cqc_tools.foundation import process
from cqc_tools.foundation.errors import Difference, NoAnswer, Refused, ToolError, all_of
from cqc_tools.foundation.version import Version
from cqc_tools.packages import Registry

T = TypeVar("T")
# Half a second, doubling, no longer than 30 s.
_usual_wait = tenacity.wait_exponential(multiplier=0.5, max=30)


def where(registry: Registry) -> str:
    """Returns the registry's label and address."""
    return f"{registry.label} at {registry.address}"


def patiently(
    registry: Registry,
    read: Callable[[], dict[str, str]],
    enough: Callable[[Mapping[str, str]], bool] = lambda _: True,
) -> dict[str, str]:
    """Read until the registry answers and the answer is `enough`, or until it had its time to settle; then return the
    last answer, whatever it is.

    Raises NoAnswer if the last attempt got no answer.
    """
    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(NoAnswer) | tenacity.retry_if_result(lambda answer: not enough(answer)),
        stop=tenacity.stop_before_delay(registry.patience.settle_seconds)
        | tenacity.stop_when_event_set(process.interrupted),
        wait=_requested_or_usual_wait,
        sleep=tenacity.sleep_using_event(process.interrupted),
        retry_error_callback=lambda state: state.outcome.result() if state.outcome else {},
    )
    return retrying(read)


def _requested_or_usual_wait(state: tenacity.RetryCallState) -> float:
    """As long as the registry requested, or else longer each time."""
    failure = state.outcome.exception() if state.outcome else None
    requested = failure.retry_after if isinstance(failure, NoAnswer) else None
    return requested or _usual_wait(state)


def read_all(registries: Sequence[Registry], version: Version) -> list[dict[str, str]]:
    """Read a version from all registries at the same time; returns what each serves.

    Raises one failure that names every registry that cannot be read.
    """
    return together([partial(_read, registry, version) for registry in registries])


def _read(registry: Registry, version: Version) -> dict[str, str]:
    try:
        return patiently(registry, lambda: registry.read(version))
    except (NoAnswer, Refused) as failure:
        problem = f"{where(registry)} cannot be read: {failure.problem}"
        raise type(failure)(problem, failure.fix, failure.details) from failure


def together(tasks: Sequence[Callable[[], T]]) -> list[T]:
    """Run independent tasks at the same time and return their results; raises one failure for all that failed."""
    results: list[T] = []
    failures: list[ToolError] = []
    for future in process.in_parallel(tasks):
        try:
            results.append(future.result())
        except ToolError as failure:
            failures.append(failure)
    if failures:
        raise all_of(failures)
    return results


def differences(registry: Registry, expected: Mapping[str, str], served: Mapping[str, str]) -> list[Difference]:
    """Returns the files that a registry serves with other bytes than expected, or that were never built. A file that
    it lacks is not a difference: it can still be published."""
    return [
        Difference(where(registry), name, expected.get(name), digest)
        for name, digest in sorted(served.items())
        if expected.get(name) != digest
    ]
