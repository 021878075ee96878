"""Read a zip that was cut into parts (``a.z01``, …, ``a.zip``; taught in notebook 01).

`zipfile` reads one file. A split zip is one when its parts are read one after the other, except
that it gives each member's position from the start of the part in which it begins (PKWARE,
APPNOTE.TXT, sections 4.4.11, 4.4.16 and 8).
"""

from __future__ import annotations

import bisect
import io
import itertools
import zipfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

_END, _LOCATOR, _LOCATOR_BYTES = b"PK\5\6", b"PK\6\7", 20
_END_BYTES = 22 + 65535  # of the end record with the longest comment


class SplitZip(zipfile.ZipFile):
    """A zip in one part or several, for reading.

    Args:
        parts: their paths in order: ``.z01``, ``.z02``, …, and the ``.zip`` last.

    Raises:
        zipfile.BadZipFile: they are not the parts of a zip, or not all.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "a.zip"
        >>> with zipfile.ZipFile(path, "w") as file:
        ...     file.writestr("note.txt", "whole")
        >>> with SplitZip([path]) as file:
        ...     file.read("note.txt")
        b'whole'
    """

    def __init__(self, parts: Sequence[Path]) -> None:
        with ExitStack() as undo:
            self._joined = undo.enter_context(_Joined(parts))
            super().__init__(io.BufferedReader(self._joined))
            starts = self._joined.starts
            # zipfile takes all positions from the start of the part where the directory begins.
            assumed = starts[bisect.bisect_right(starts, self.start_dir) - 1]
            self.filelist = [_moved(x, starts, assumed) for x in self.filelist]
            self.NameToInfo = {member.filename: member for member in self.filelist}
            undo.pop_all()

    def close(self) -> None:
        """Close the parts."""
        super().close()
        if hasattr(self, "_joined"):  # else `__init__` failed
            self._joined.close()


def _moved(member: zipfile.ZipInfo, starts: list[int], assumed: int) -> zipfile.ZipInfo:
    """Return a member with its true position; a new one, as others hold bounds made from it."""
    if member.volume >= len(starts) - 1:
        raise zipfile.BadZipFile(f"'{member.filename}' begins in part {member.volume + 1}.")
    moved = zipfile.ZipInfo(member.orig_filename, member.date_time)
    for name in ("create_system", "external_attr", "flag_bits", "compress_type", "CRC",
                 "compress_size", "file_size", "filename"):  # fmt: skip
        setattr(moved, name, getattr(member, name))
    moved.header_offset = member.header_offset - assumed + starts[member.volume]
    return moved


class _Joined(io.RawIOBase):
    """Files one after the other; `starts` has the position of each, and the end of all."""

    def __init__(self, parts: Sequence[Path]) -> None:
        with ExitStack() as undo:
            self._files = [undo.enter_context(part.open("rb")) for part in parts]
            self._close = undo.pop_all().close
        sizes = [part.stat().st_size for part in parts]
        self.starts = [0, *itertools.accumulate(sizes)]
        self._at = 0
        self._patch = (0, b"")
        self._patch = self._one_disk()

    def _one_disk(self) -> tuple[int, bytes]:
        """Return where a locator of the zip64 end record is, and one that says: one disk.

        zipfile refuses any other, as it finds the record without it.
        """
        start = max(0, self.starts[-1] - _END_BYTES - _LOCATOR_BYTES)
        self.seek(start)
        tail = self.read()
        found = tail.rfind(_END) - _LOCATOR_BYTES
        if found < 0 or tail[found : found + 4] != _LOCATOR:
            return 0, b""
        place = tail[found + 8 : found + 16]
        return start + found, _LOCATOR + bytes(4) + place + (1).to_bytes(4, "little")

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.starts[-1]}[whence]
        if at < 0:
            raise OSError("before the start")
        self._at = at
        return at

    def readinto(self, buffer) -> int:  # type: ignore[no-untyped-def]
        if self._at >= self.starts[-1]:
            return 0
        number = bisect.bisect_right(self.starts, self._at) - 1
        file, offset = self._files[number], self._at - self.starts[number]
        file.seek(offset)
        count = file.readinto(memoryview(buffer)[: self.starts[number + 1] - self._at])
        place, patch = self._patch
        for k in range(max(place, self._at), min(place + len(patch), self._at + count)):
            buffer[k - self._at] = patch[k - place]
        self._at += count
        return count

    def close(self) -> None:
        self._close()
        super().close()
