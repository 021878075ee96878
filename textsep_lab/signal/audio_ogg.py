"""Ogg files: every page checked, and streams joined end to end ("chained") taken apart.

libsndfile decodes the first link of a chain and passes over lost pages. The format is RFC 3533.
Taught in notebook 01.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from itertools import pairwise
from typing import BinaryIO

from textsep_lab.signal.audio_source import Part, View, cut_off, read_at

_MARKER = b"OggS"
_MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_FIRST, _LAST = 2, 4  # flags of a stream's first and last page


@dataclass
class _Stream:
    number: int  # of its last page
    in_header: bool = True
    ended: bool = False


def ogg_parts(file: BinaryIO, start: int, end: int, name: str) -> list[Part]:
    """Return one part for each link of the chain in ``file[start:end]``.

    Raises:
        ValueError: a page is damaged or missing, the last one included.
    """
    links, place = [start], start
    streams: dict[bytes, _Stream] = {}
    while place < end:
        page = _read_page(file, place, end)
        if page is None:
            rest = read_at(file, place, min(4, end - place))
            if _all_ended(streams) and not _MARKER.startswith(rest):
                break  # a tag or padding behind the last page
            raise cut_off(name)
        if _checksum(page) != int.from_bytes(page[22:26], "little"):
            raise ValueError(f"{name} is damaged: the checksum of one of its pages is wrong.")
        if page[5] & _FIRST and any(not each.in_header for each in streams.values()):
            if not _all_ended(streams):
                raise cut_off(name)
            links.append(place)
            streams = {}
        _follow(streams, page, name)
        place += len(page)
    if not _all_ended(streams):
        raise cut_off(name)
    return [Part(View(file, first, last)) for first, last in pairwise([*links, place])]


def _read_page(file: BinaryIO, place: int, end: int) -> bytes | None:
    head = read_at(file, place, min(27 + 255, end - place))
    if head[:4] != _MARKER or len(head) < 27:
        return None
    size = 27 + head[26] + sum(head[27 : 27 + head[26]])
    return read_at(file, place, size) if place + size <= end else None


def _checksum(page: bytes) -> int:
    """Return the CRC of a page: zlib's, mirrored, from 0 and not inverted."""
    mirrored = (page[:22] + bytes(4) + page[26:]).translate(_MIRRORED)
    crc = zlib.crc32(mirrored, 0xFFFFFFFF) ^ 0xFFFFFFFF
    return int(f"{crc:032b}"[::-1], 2)


def _follow(streams: dict[bytes, _Stream], page: bytes, name: str) -> None:
    """Note a page of a stream, whose pages are numbered."""
    number = int.from_bytes(page[18:22], "little")
    stream = streams.setdefault(page[14:18], _Stream(number - 1))
    # A recording of a broadcast may begin anywhere behind the header's pages.
    if number != stream.number + 1 and not stream.in_header:
        raise ValueError(f"{name} is damaged: a page of it is missing.")
    stream.number, stream.ended = number, bool(page[5] & _LAST)
    stream.in_header = stream.in_header and int.from_bytes(page[6:14], "little") == 0


def _all_ended(streams: dict[bytes, _Stream]) -> bool:
    return bool(streams) and all(stream.ended for stream in streams.values())
