"""Progress bars that appear after 2 s, and not at all where there is no terminal to show them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")
_hidden: ContextVar[bool] = ContextVar("hidden", default=False)


def progress(items: Iterable[T], doing: str, unit: str) -> Iterable[T]:
    """Yield items with a bar, its rate and the time left.

    Example:
        >>> list(progress(range(3), "counting", "number"))
        [0, 1, 2]
    """
    return tqdm(items, doing, unit=unit, delay=2, leave=False, disable=_hidden.get())


@contextmanager
def progress_bar(total: float | None, doing: str, unit: str) -> Iterator[Callable[[float], object]]:
    """Show a bar of so much work with the time left; yields what is told how much was just done.

    Args:
        total: None where nobody knows.

    Example:
        >>> with progress_bar(2.0, "waiting", "s") as advance:
        ...     _ = advance(2.0)
    """
    with tqdm(total=total and round(total, 1), desc=doing, unit=unit, delay=2, leave=False,
              disable=_hidden.get()) as bar:  # fmt: skip
        reached = 0.0

        def advance(done: float) -> None:
            nonlocal reached
            reached += done
            most = reached if total is None else min(reached, total)
            bar.update(round(most, 1) - bar.n)

        yield advance


@contextmanager
def no_progress() -> Iterator[None]:
    """Show no bars in this thread: a page has its own."""
    token = _hidden.set(True)
    try:
        yield
    finally:
        _hidden.reset(token)
