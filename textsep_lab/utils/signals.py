"""Signals wait while C code runs that calls back: an exception in a callback is lost."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

NUMBERS = [getattr(signal, x) for x in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, x)]


@contextmanager
def signals_wait() -> Iterator[None]:
    """Call the handlers of signals that end a program after the block instead of within it.

    Outside the main thread no handler is called anyway.

    Example:
        >>> with signals_wait():
        ...     pass  # Ctrl-C pressed here is raised at the block's end
    """
    handlers: dict[int, Callable[..., Any]] = {}
    came: list[int] = []
    if threading.current_thread() is threading.main_thread():
        found = {number: signal.getsignal(number) for number in NUMBERS}
        handlers = {number: x for number, x in found.items() if callable(x)}
    try:
        for number in handlers:
            signal.signal(number, lambda number, _frame: came.append(number))
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        for number in came:
            handlers[number](number, None)
