"""FLAC files: streams joined end to end, streams of unknown length, and whether the end is there.

The format is RFC 9639. Taught in notebook 01.
"""

from __future__ import annotations

import re
from typing import BinaryIO

from textsep_lab.signal.audio_source import Part, View, cut_off, read_at

# A stream begins with its marker and a STREAMINFO block of 34 bytes.
_MARKER = re.compile(rb"fLaC[\x00\x80]\x00\x00\x22")
_LENGTH_AT = 18  # of eight bytes, whose lower 36 bits are the number of samples
_BLOCK = 2**20
_LONGEST_FRAME = 2**20


def flac_parts(file: BinaryIO, start: int, end: int, name: str) -> list[Part]:
    """Return one part for each FLAC stream in ``file[start:end]``.

    The decoder is not told the length, so that it goes to the end whatever the header says.

    Raises:
        ValueError: a stream of unknown length ends within a frame.
    """
    starts = _stream_starts(file, start, end)
    parts = []
    for first, last in zip(starts, [*starts[1:], end], strict=True):
        field = int.from_bytes(read_at(file, first + _LENGTH_AT, 8), "big")
        samples = field & (2**36 - 1)
        tail = max(first, last - _LONGEST_FRAME)
        if samples == 0 and not _ends_with_a_frame(read_at(file, tail, last - tail)):
            raise cut_off(name)
        unknown = (field - samples).to_bytes(8, "big")
        parts.append(Part(View(file, first, last, {_LENGTH_AT: unknown}), samples or None))
    return parts


def _stream_starts(file: BinaryIO, start: int, end: int) -> list[int]:
    starts, place = [], start
    while place < end:
        data = read_at(file, place, min(_BLOCK + 7, end - place))  # a marker may lie across
        starts += [place + found.start() for found in _MARKER.finditer(data)]
        place += _BLOCK
    return sorted({start, *starts})


def _ends_with_a_frame(data: bytes) -> bool:
    """Return whether `data` ends with a whole frame: its checksum makes that of all of it 0."""
    candidates = [found.start() for found in re.finditer(rb"\xff[\xf8\xf9]", data)]
    return any(_crc16(data[at:]) == 0 for at in candidates[:-9:-1])


def _crc16(data: bytes) -> int:
    crc = 0
    for byte in data:
        crc = (crc << 8) & 0xFFFF ^ _CRC16[crc >> 8 ^ byte]
    return crc


def _crc16_table() -> list[int]:
    table = []
    for byte in range(256):
        crc = byte << 8
        for _ in range(8):
            crc = crc << 1 ^ (0x18005 if crc & 0x8000 else 0)
        table.append(crc)
    return table


_CRC16 = _crc16_table()
