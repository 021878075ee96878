"""The bytes of an audio file: opened by any name, from a pipe too, seen whole or in part.

Taught in notebook 01.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from textsep_lab.utils.paths import shown

#: Samples a channel read or written at a time.
BLOCK = 65536
# Where the end of a stream is said to be, if libsndfile must not guess a length from it.
_FAR = 2**62


def open_source(path: str | Path) -> BinaryIO:
    """Open a file to read and to seek in; what comes through a pipe is put on disk first.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a folder, a device or an empty file.
        OSError: it cannot be opened, or the disk is too full for what comes through the pipe.
    """
    name = f"'{shown(path)}'"
    _check_kind(Path(path), name)
    try:
        file = _on_disk(Path(path).open("rb"))  # noqa: SIM115 (the caller closes it)
        empty = size_of(file) == 0
    except OSError as error:
        raise type(error)(f"{name} cannot be read: {error.strerror}.") from error
    if empty:
        file.close()
        raise ValueError(f"{name} is an empty file: give an audio file.")
    return file


def _on_disk(file: BinaryIO) -> BinaryIO:
    if file.seekable():
        return file
    with file, ExitStack() as undo:
        copy = undo.enter_context(tempfile.TemporaryFile())
        shutil.copyfileobj(file, copy, 2**20)
        undo.pop_all()
        return cast(BinaryIO, copy)


def _check_kind(path: Path, name: str) -> None:
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        if isinstance(error, PermissionError):
            raise PermissionError(f"{name} cannot be read: {error.strerror}.") from error
        raise FileNotFoundError(f"There is no file {name}.") from error
    if stat.S_ISDIR(mode):
        raise ValueError(f"{name} is a folder: give an audio file.")
    if not (stat.S_ISREG(mode) or stat.S_ISFIFO(mode)):
        raise ValueError(f"{name} is a device, not a file: give an audio file or a pipe.")


def size_of(file: BinaryIO) -> int:
    """Return how many bytes a file has."""
    return file.seek(0, os.SEEK_END)


def read_at(file: BinaryIO, position: int, count: int) -> bytes:
    """Return up to `count` bytes from `position`, which may lie behind the end."""
    if position >= _FAR:
        return b""
    file.seek(position)
    return file.read(count)


def id3_size(head: bytes) -> int:
    """Return the size of the ID3 tag that begins with these ten bytes; 0 if none does."""
    if head[:3] != b"ID3" or len(head) < 10:
        return 0
    size = sum((byte & 0x7F) << 7 * (3 - k) for k, byte in enumerate(head[6:10]))
    return 10 + size + (10 if head[5] & 0x10 else 0)


class View:
    """A stretch of a file, as libsndfile is to see it.

    Args:
        file: to read from.
        start, end: the stretch, in bytes.
        patches: bytes to show in place of the file's, by their place in the stretch.
        endless: say that the end is far away, so that nobody guesses a length from it.

    Example:
        >>> import io
        >>> View(io.BytesIO(b"0123456789"), 2, 8, {1: b"xy"}).read(100)
        b'2xy567'
    """

    def __init__(
        self,
        file: BinaryIO,
        start: int,
        end: int,
        patches: Mapping[int, bytes] | None = None,
        endless: bool = False,
    ) -> None:
        self.file, self.start, self.end = file, start, end
        self.patches, self.endless = patches or {}, endless
        self.error: OSError | None = None  # libsndfile cannot pass it on
        self._place = 0

    def read(self, count: int) -> bytes:
        """Return up to `count` bytes; nothing at the end."""
        if self.endless and self._place > _FAR // 2:
            return bytes(min(count, 4096))  # where a tag would be looked for
        at = self.start + self._place
        try:
            data = read_at(self.file, at, max(0, min(count, self.end - at)))
        except OSError as error:
            self.error, data = error, b""
        for place, patch in self.patches.items():
            data = _overlaid(data, patch, place - self._place)
        self._place += len(data)
        return data

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Go to a place in the stretch."""
        length = _FAR if self.endless else self.end - self.start
        self._place = max(0, offset + (0, self._place, length)[whence])
        return self._place

    def tell(self) -> int:
        """Return the place in the stretch."""
        return self._place


@dataclass(frozen=True)
class Part:
    """What libsndfile decodes in one go, and how many samples a channel must come out."""

    view: View
    samples: int | None = None


def cut_off(name: str) -> ValueError:
    """Return the sentence for a file of which the end is missing."""
    return ValueError(f"{name} is cut off: its header promises more samples than it holds.")


def _overlaid(data: bytes, patch: bytes, place: int) -> bytes:
    first, last = max(place, 0), min(place + len(patch), len(data))
    return (
        data if first >= last else data[:first] + patch[first - place : last - place] + data[last:]
    )
