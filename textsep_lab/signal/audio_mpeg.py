"""MP3 files (and layers I and II): their frames counted, files joined end to end taken apart.

libsndfile believes the number of frames in the first frame (the Xing header) or guesses it from
the first bit rate, and stops there. Taught in notebook 01.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from textsep_lab.signal.audio_source import Part, View, cut_off, id3_size, read_at

_SAMPLE_RATES = (44100, 48000, 32000)
# kbit/s by (MPEG-1, layer); the two later versions share theirs.
_BIT_RATES = {
    (True, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_BLOCK = 2**16  # bytes searched at a time for the next frame


@dataclass(frozen=True)
class _Header:
    """What the four bytes before a frame say."""

    size: int  # bytes of the frame
    samples: int
    kind: tuple[int, int, bool]  # version and layer, sample rate, mono
    info_at: int  # where in it a Xing header would lie


@dataclass(frozen=True)
class _Promise:
    """What a header frame says of the frames behind it; 0 is nothing."""

    frames: int
    size: int  # bytes, with the header frame
    is_xing: bool


@dataclass
class _Stretch:
    """Frames that one encoder wrote, from a header frame on if there is one."""

    start: int
    audio: int  # where the frames with sound begin
    samples_per_frame: int
    promise: _Promise | None
    frames: int = 0
    end: int = 0

    def is_whole(self) -> bool:
        """Return whether all is there that the header frame promises."""
        if self.promise is None:
            return True
        there = self.end - self.start
        return self.frames >= self.promise.frames or 0 < self.promise.size <= there


def parse_header(data: bytes) -> _Header | None:
    """Return what a frame's first four bytes say; None if they begin no frame.

    Example:
        >>> parse_header(b"\\xff\\xfb\\x90\\x64").size
        417
    """
    if len(data) < 4 or data[0] != 0xFF or data[1] & 0xE0 != 0xE0:
        return None
    version, layer = data[1] >> 3 & 3, 4 - (data[1] >> 1 & 3)
    bits, rate = data[2] >> 4, data[2] >> 2 & 3
    if version == 1 or layer == 4 or bits in (0, 15) or rate == 3:
        return None
    first = version == 3
    sample_rate = _SAMPLE_RATES[rate] >> (0 if first else 1 if version == 2 else 2)
    samples = 384 if layer == 1 else 1152 if first or layer == 2 else 576
    slot, padding = 4 if layer == 1 else 1, data[2] >> 1 & 1
    bit_rate = 1000 * _BIT_RATES[first, layer][bits - 1]
    size = (samples * bit_rate // (8 * slot * sample_rate) + padding) * slot
    mono = data[3] >> 6 == 3
    side = (17 if mono else 32) if first else (9 if mono else 17)
    return _Header(size, samples, (data[1] & 0x1E, sample_rate, mono), 4 + side)


def mpeg_parts(file: BinaryIO, beginning: int, start: int, end: int, name: str) -> list[Part]:
    """Return the parts of the MPEG audio in ``file[start:end]``.

    Args:
        file, name: as for `find_parts`.
        beginning: where the tags before the first frame begin.
        start, end: where the frames begin, and what lies behind them.

    Raises:
        ValueError: it is cut off, or its sample rate or channels change on the way.
    """
    stretches: list[_Stretch] = []
    for place, header, promise in _frames(file, start, end, name):
        if promise is not None or not stretches:
            audio = place if promise is None else place + header.size
            stretches.append(_Stretch(place, audio, header.samples, promise))
        current = stretches[-1]
        if place + header.size > end:
            if current.promise is None or not current.is_whole():
                raise cut_off(name)
            break  # bytes behind the promised frames that look like one more
        current.frames += promise is None
        current.end = place + header.size
    if not all(stretch.is_whole() for stretch in stretches):
        raise cut_off(name)
    parts = [_part(file, stretch) for stretch in stretches if stretch.frames]
    if parts and not parts[0].view.endless:
        parts[0].view.start = beginning  # the tag has the title
    return parts or [Part(View(file, beginning, end))]


def _part(file: BinaryIO, stretch: _Stretch) -> Part:
    promise = stretch.promise
    if promise is not None and promise.is_xing and promise.frames == stretch.frames:
        return Part(View(file, stretch.start, stretch.end))  # libsndfile takes the padding off
    view = View(file, stretch.audio, stretch.end, endless=True)
    return Part(view, stretch.frames * stretch.samples_per_frame)


def _frames(
    file: BinaryIO, place: int, end: int, name: str
) -> Iterator[tuple[int, _Header, _Promise | None]]:
    """Yield place, header and, of a header frame, what it promises, for each frame."""
    kind = None
    while place < end:
        data = read_at(file, place, 200)
        header = parse_header(data)
        if header is None or header.kind != (kind or header.kind):
            found = _next_frame(file, place, end)
            if found is None:
                return
            place = found
            data = read_at(file, place, 200)
            header = parse_header(data)
        if header is None or header.kind != (kind or header.kind):
            raise ValueError(
                f"{name} changes its sample rate or its channels on the way: take it apart first."
            )
        kind = header.kind
        yield place, header, _promise(data, header)
        place += header.size


def _promise(data: bytes, header: _Header) -> _Promise | None:
    at = header.info_at
    if data[at : at + 4] in (b"Xing", b"Info"):
        flags = int.from_bytes(data[at + 4 : at + 8], "big")
        fields = [int.from_bytes(data[k : k + 4], "big") for k in (at + 8, at + 12)]
        frames = fields.pop(0) if flags & 1 else 0
        return _Promise(frames, fields[0] if flags & 2 else 0, True)
    if data[36:40] == b"VBRI":
        size, frames = (int.from_bytes(data[k : k + 4], "big") for k in (46, 50))
        return _Promise(frames, size, False)
    return None


def _next_frame(file: BinaryIO, place: int, end: int) -> int | None:
    """Return where frames go on behind a tag or a hole: two of a kind must follow each other."""
    place += _tag_size(read_at(file, place, 32))
    while place < end:
        data = read_at(file, place, min(_BLOCK, end - place))
        at = data.find(b"\xff")
        while at >= 0:
            header = parse_header(read_at(file, place + at, 4))
            if header is not None:
                following = parse_header(read_at(file, place + at + header.size, 4))
                if following is not None and following.kind == header.kind:
                    return place + at
            at = data.find(b"\xff", at + 1)
        place += len(data)
    return None


def _tag_size(head: bytes) -> int:
    """Return the size of the ID3 or APE tag that begins with these 32 bytes; 0 if none does."""
    if head[:3] == b"TAG":
        return 128
    if head[:8] == b"APETAGEX":
        return 32 + int.from_bytes(head[12:16], "little")
    return id3_size(head)
