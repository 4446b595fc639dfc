"""Requests to registries with a limit on everything: how long they are silent, how long a whole answer takes, how large
it is, and where it comes from."""

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar
from urllib.parse import urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter

from cqc_tools.foundation.configuration import Patience
from cqc_tools.foundation.errors import NoAnswer, Refused

T = TypeVar("T")


def within(seconds: float, what: str, work: Callable[[], T]) -> T:
    """The result of work that may wait for a registry in ways that no socket's time limit covers, such as a byte per
    second.

    Raises NoAnswer after `seconds`. The work then goes on in the background, and its result is dropped.
    """
    results: queue.SimpleQueue[tuple[bool, Any]] = queue.SimpleQueue()

    def run() -> None:
        try:
            results.put((True, work()))
        except BaseException as error:
            results.put((False, error))

    # No thread pool: this process must be able to end while the thread still waits.
    threading.Thread(target=run, daemon=True).start()
    try:
        succeeded, result = results.get(timeout=seconds)
    except queue.Empty:
        raise NoAnswer(f"{what} did not answer completely within {seconds:g} s") from None
    if succeeded:
        return result  # type: ignore[no-any-return]
    raise result


class BoundedAdapter(HTTPAdapter):
    """Sends each request once, and returns its answer with all of its content, or raises NoAnswer."""

    def __init__(self, patience: Patience) -> None:
        super().__init__()
        self.patience = patience

    def send(self, request: requests.PreparedRequest, *arguments: Any, **options: Any) -> requests.Response:
        """See HTTPAdapter."""
        options["timeout"] = self.patience.answer_seconds
        options["stream"] = True

        def work() -> requests.Response:
            answer = super(BoundedAdapter, self).send(request, *arguments, **options)
            _read(answer, self.patience.largest)
            return answer

        return within(self.patience.transfer_seconds, _plain(request.url), work)


def _read(answer: requests.Response, largest: int) -> None:
    """Read an answer's content into it, unless that is too large."""
    content = bytearray()
    for chunk in answer.iter_content(1 << 16):
        content += chunk
        if len(content) > largest:
            answer.close()
            raise NoAnswer(f"the answer of {_plain(answer.url)} is larger than {largest >> 20} MB")
    answer._content = bytes(content)


@contextmanager
def session(patience: Patience) -> Iterator[requests.Session]:
    """A session whose requests are bounded and sent once."""
    with requests.Session() as made:
        bound(made, patience)
        yield made


def bound(made: requests.Session, patience: Patience) -> None:
    """Bound every request of a session."""
    for scheme in ("https://", "http://"):
        made.mount(scheme, BoundedAdapter(patience))


def refuse_elsewhere(address: str, setting: str) -> Callable[..., None]:
    """A hook for a session's answers that raises Refused if one leads to another server than `address`: the registry
    that is read must be the one that is written. `setting` is the key of that address in release.toml."""

    def check(answer: requests.Response, **_: object) -> None:
        if not answer.is_redirect:
            return
        target = urljoin(answer.url, answer.headers["location"])
        here, there = urlsplit(address), urlsplit(target)
        is_upgrade = (here.scheme, there.scheme) == ("http", "https") and here.hostname == there.hostname
        if is_upgrade or (here.scheme, here.netloc) == (there.scheme, there.netloc):
            return
        raise Refused(
            f"{_plain(answer.url)} redirects to another server: {_plain(target)}",
            f"if that is the registry, make it the {setting} address in release.toml",
        )

    return check


def _plain(url: object) -> str:
    """An address without its query, which may hold a signature."""
    return str(url).partition("?")[0]
