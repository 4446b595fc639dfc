"""How the exceptions of this package survive pickle and copy, as worker pools and schedulers need it."""

from __future__ import annotations

from typing import Any


def reduce(error: BaseException) -> tuple[Any, ...]:
    """`__reduce__` of an exception whose constructor does not take its `args`: Python's own would call it with them."""
    return _blank, (type(error), error.args), error.__dict__


def _blank(kind: type[BaseException], args: tuple[Any, ...]) -> BaseException:
    return kind.__new__(kind, *args)
