"""Ctrl+C and SIGTERM while a run is under way: they wait until what is half done is whole.

Taught in notebook 03.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

DEFAULTS = (signal.default_int_handler, signal.SIG_DFL)


class Interruption:
    """While the block runs, SIGINT raises KeyboardInterrupt and SIGTERM SystemExit, not in `hold`.

    A program's own handlers stay, and outside the main thread there are no signals to handle.

    Example:
        >>> with Interruption() as interruption:
        ...     with interruption.hold():
        ...         pass  # a signal that comes here is raised at the block's end
        >>> interruption.raised
        False
    """

    def __init__(self) -> None:
        self.raised = False  # a signal of these has been, when nothing was half done
        self._holding, self._came = False, 0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Interruption:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                if signal.getsignal(number) in DEFAULTS:
                    self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Let signals wait until the block has ended well; a second Ctrl+C does not wait."""
        self._holding = True
        try:
            yield
        finally:
            self._holding = False
        if self._came:
            self._raise(self._came)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        if not self._holding:
            self._raise(number)
        if self._came == number == signal.SIGINT:
            raise KeyboardInterrupt
        self._came = number

    def _raise(self, number: int) -> None:
        self.raised, self._came = True, 0
        raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)
