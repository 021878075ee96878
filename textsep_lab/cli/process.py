"""How a command lives with its process: signals, streams that nobody reads, errors as sentences."""

from __future__ import annotations

import io
import os
import re
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import click

# What is not needed to separate and detect, by the extra that brings it.
EXTRAS = {
    "lightning_fabric": "train", "matplotlib": "plots", "nbformat": "lab", "papermill": "lab",
    "pooch": "data", "psutil": "lab", "sklearn": "nmf", "torchmetrics": "evaluate",
}  # fmt: skip
#: Errors of libraries on files, by their names: none is imported to find out.
LIBRARIES = {"LibsndfileError", "SafetensorError"}
ENDING = ("SIGTERM", "SIGHUP")
NO_MEMORY = re.compile("(can't|unable to) allocate|out of memory|not enough memory", re.IGNORECASE)


class SentenceError(click.ClickException):
    """An error the package raises on purpose: its sentence, and exit status 2."""

    exit_code = 2


class StoppedError(click.ClickException):
    """What ended a command: a signal, whose exit status is 128 and its number."""

    def __init__(self, number: int) -> None:
        name = "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name
        super().__init__(f"Stopped by {name}.")
        self.exit_code = 128 + number


class Stopped(KeyboardInterrupt):
    """A signal that ends a run: all that cleans up after Ctrl-C does so after this."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


def translated(error: BaseException, doing: str) -> click.ClickException | None:
    """Return an error as what the command line ends with, None if it is the program's mistake."""
    if isinstance(error, KeyboardInterrupt):
        return StoppedError(getattr(error, "number", signal.SIGINT))
    said = sentence(error, doing)
    return None if said is None else SentenceError(said)


def sentence(error: BaseException, doing: str = "this") -> str | None:
    """Return an error of the user's, the machine's or a file's as a sentence, None for others.

    Example:
        >>> sentence(OSError(28, "No space left on device", "out/a.wav"))
        "'out/a.wav': No space left on device."
        >>> sentence(KeyError("x"))
    """
    if isinstance(error, ModuleNotFoundError):
        return _missing(error)
    if isinstance(error, OSError) and error.strerror:
        where = "" if error.filename is None else f"'{os.fsdecode(error.filename)}': "
        return f"{where}{error.strerror}."
    if isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and NO_MEMORY.search(str(error))
    ):
        detail = str(error).partition("\n")[0].strip() or "the system gives no more"
        return f"Not enough memory for {doing}: {detail.rstrip('.')}."
    known = LIBRARIES & {kind.__name__ for kind in type(error).__mro__}
    if known or isinstance(error, ValueError | OSError | ImportError):
        return str(error)
    return None


def _missing(error: ModuleNotFoundError) -> str:
    """Return which extra brings a module that is not installed."""
    module = (error.name or "").partition(".")[0]
    if module not in EXTRAS:
        return str(error)
    return f"This needs {module}, which is not here: pip install 'textsep-lab[{EXTRAS[module]}]'."


@contextmanager
def stopping_on_signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end a run as Ctrl-C does, unless they are ignored (``nohup``)."""
    main = threading.current_thread() is threading.main_thread()
    numbers = [getattr(signal, name) for name in ENDING if main and hasattr(signal, name)]
    numbers = [number for number in numbers if signal.getsignal(number) == signal.SIG_DFL]

    def stop(number: int, _: Any) -> None:
        for each in numbers:  # the second would disturb the cleaning up
            signal.signal(each, signal.SIG_IGN)
        raise Stopped(number)

    for number in numbers:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number in numbers:
            signal.signal(number, signal.SIG_DFL)


class _Unread(io.FileIO):
    """A file that takes all that is written to it when its reader has gone (``… | head``)."""

    failed = False

    def write(self, data: Any) -> int:
        try:
            return len(data) if self.failed else super().write(data)
        except OSError as error:
            self.failed = True
            if isinstance(error, BrokenPipeError):
                return len(data)
            raise OSError(f"The output cannot be printed: {error.strerror}.") from error


@contextmanager
def forgiving_streams() -> Iterator[None]:
    """Let no letter and no reader that goes away fail a command whose work is done."""
    with _forgiving("stdout"), _forgiving("stderr"):
        yield


@contextmanager
def _forgiving(name: str) -> Iterator[None]:
    stream = getattr(sys, name)
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")  # for a code page without the letter
    if stream is None or stream is not getattr(sys, f"__{name}__") or stream.isatty():
        yield
        return
    raw = _Unread(stream.fileno(), "w", closefd=False)
    new = io.TextIOWrapper(
        io.BufferedWriter(raw), stream.encoding, "backslashreplace",
        line_buffering=stream.line_buffering, write_through=stream.write_through,
    )  # fmt: skip
    setattr(sys, name, new)
    try:
        yield
    finally:
        with suppress(OSError):
            new.flush()
        setattr(sys, name, stream)
