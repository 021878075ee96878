"""What a file's own structure says: where its sound lies, and whether all of it is there.

libsndfile believes a header's lengths, or shortens a cut file without a word. Here the headers
are read once more: a length that a program left open because it wrote to a pipe is filled in, a
file that ends before its sound does is refused, and files joined end to end come apart. Taught
in notebook 01.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO, Literal

from textsep_lab.signal.audio_flac import flac_parts
from textsep_lab.signal.audio_mpeg import mpeg_parts, parse_header
from textsep_lab.signal.audio_ogg import ogg_parts
from textsep_lab.signal.audio_source import Part, View, cut_off, id3_size, read_at, size_of

# What programs leave as a length that write to a pipe (sox, ffmpeg, arecord, …); 0 is another.
_OPEN_LENGTHS = (0x7F000000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 2**63 - 1, 2**64 - 1)
_STRAY = 2**16  # bytes behind the sound that nobody need understand
_MOST_CHUNKS = 10_000  # a file of zeros is no chain of empty chunks


@dataclass(frozen=True)
class Chunks:
    """How a family of containers writes its chunks: lengths in bytes."""

    order: Literal["little", "big"]
    first: int  # place of the first chunk
    data: bytes  # name of the chunk with the samples
    id_bytes: int = 4
    size_bytes: int = 4
    align: int = 2
    counts_itself: bool = False
    ends_with_data: bool = False  # libsndfile takes what follows for samples


_W64 = Chunks("little", 40, b"data", 16, 8, 8, counts_itself=True, ends_with_data=True)
AIFF = Chunks("big", 12, b"SSND")
_FAMILIES = {
    (b"RIFF", b"WAVE"): Chunks("little", 12, b"data"),
    (b"RIFX", b"WAVE"): Chunks("big", 12, b"data"),
    (b"RF64", b"WAVE"): Chunks("little", 12, b"data"),
    (b"FORM", b"AIFF"): AIFF,
    (b"FORM", b"AIFC"): AIFF,
    (b"FORM", b"8SVX"): Chunks("big", 12, b"BODY"),
    (b"FORM", b"16SV"): Chunks("big", 12, b"BODY"),
}
_CAF = Chunks("big", 8, b"data", 4, 8, 1)


def find_parts(file: BinaryIO, name: str) -> list[Part]:
    """Return the stretches of a file that libsndfile is to decode, one after the other.

    Args:
        file: of any kind; kinds not known here are one part, as they are.
        name: of the file, in quotes, for the sentences.

    Raises:
        ValueError: the file is cut off, damaged, or too large for its header.
    """
    end = size_of(file)
    start = _after_id3(file)
    head = read_at(file, start, 16)
    family = _FAMILIES.get((head[:4], head[8:12]))
    if family is not None:
        return _chunked_parts(file, start, end, family, name)
    if head[:4] == b"riff":
        return _chunked_parts(file, start, end, _W64, name)
    if head[:4] == b"caff":
        return _chunked_parts(file, start, end, _CAF, name)
    if head[:4] in (b".snd", b"dns."):
        return _au_parts(file, start, end, name)
    if head[:4] == b"fLaC":
        return flac_parts(file, start, end, name)
    if head[:4] == b"OggS":
        return ogg_parts(file, start, end, name)
    if parse_header(head) is not None:
        return mpeg_parts(file, 0, start, end, name)
    return [Part(View(file, start, end))]


def _after_id3(file: BinaryIO) -> int:
    """Return where a file begins behind its ID3 tags (MP3 has them, FLAC and WAV may)."""
    place = 0
    while size := id3_size(read_at(file, place, 10)):
        place += size
    return place


def _chunked_parts(file: BinaryIO, start: int, end: int, family: Chunks, name: str) -> list[Part]:
    magic = read_at(file, start, 4)
    found = find_chunk(file, start + family.first, end, family, family.data)
    if found is None:
        return [Part(View(file, start, end))]  # libsndfile says what is wrong
    place, declared = found
    field, width = place - family.size_bytes, family.size_bytes
    if magic == b"RF64" and declared == 0xFFFFFFFF:
        field, width = start + 28, 8  # the length is in the chunk ds64
        declared = int.from_bytes(read_at(file, field, 8), "little")
    is_open = _is_open(file, place, declared, end, family)
    length = _true_length(declared, end - place, is_open, width, name)
    if _is_mp3(file, start, end, family):
        return mpeg_parts(file, place, place, place + length, name)
    _check_alone(file, place + length, magic, name)
    behind = place + length + -length % family.align
    if end - behind > _STRAY and not _chunks_fit(file, behind, end, family):
        raise ValueError(
            f"{name} goes on for {end - behind} bytes behind the end that its header gives: repair "
            "its header first."
        )
    patches = {}
    if length != declared:
        header = (family.id_bytes + family.size_bytes) * family.counts_itself
        patches[field - start] = (length + header).to_bytes(width, family.order)
    return [Part(View(file, start, place + length if family.ends_with_data else end, patches))]


def _check_alone(file: BinaryIO, behind: int, magic: bytes, name: str) -> None:
    if magic in read_at(file, behind, 4 + 7):  # there may be padding
        raise ValueError(f"{name} holds a second file behind its end: take them apart first.")


def find_chunk(
    file: BinaryIO, place: int, end: int, family: Chunks, wanted: bytes
) -> tuple[int, int] | None:
    """Return where the content of a chunk begins and how long it is said to be."""
    header = family.id_bytes + family.size_bytes
    for _ in range(_MOST_CHUNKS):
        head = read_at(file, place, header)
        if len(head) < header:
            return None
        size = int.from_bytes(head[family.id_bytes :], family.order)
        size -= header * family.counts_itself
        place += header
        if head[:4] == wanted:
            return place, size
        place += max(0, size) + -size % family.align
    return None


def _chunks_fit(file: BinaryIO, place: int, end: int, family: Chunks) -> bool:
    """Return whether what lies behind `place` is chunks to the end, or nothing."""
    header = family.id_bytes + family.size_bytes
    while place < end:
        head = read_at(file, place, header)
        size = int.from_bytes(head[family.id_bytes :], family.order)
        size -= header * family.counts_itself
        place += header + size + -size % family.align
        if size < 0 or place > end + 1 or not all(32 <= byte < 127 for byte in head[:4]):
            return False
    return True


def _is_open(file: BinaryIO, place: int, declared: int, end: int, family: Chunks) -> bool:
    """Return whether a length was left open, so that the sound goes on to the end of the file."""
    behind = place + max(0, declared)
    behind += -behind % family.align if family.align == 2 else 0
    return _is_placeholder(declared) and (
        behind > end + 1 or not _chunks_fit(file, behind, end, family)
    )


def _is_placeholder(declared: int) -> bool:
    return declared <= 0 or any(x - 0x2000 <= declared <= x + 0x100 for x in _OPEN_LENGTHS)


def _true_length(declared: int, there: int, is_open: bool, width: int, name: str) -> int:
    """Return how many bytes of sound there are, where the header says `declared`."""
    if width == 4 and there - (0 if is_open else declared) >= 2**32:
        raise ValueError(
            f"{name} holds more than the 4 GiB that its header can say: convert it to RF64, W64 "
            "or FLAC."
        )
    if declared > there and not is_open:
        raise cut_off(name)
    return there if is_open else max(0, declared)


def _is_mp3(file: BinaryIO, start: int, end: int, family: Chunks) -> bool:
    found = find_chunk(file, start + family.first, end, family, b"fmt ")
    return found is not None and read_at(file, found[0], 2) in (b"\x50\0", b"\x55\0")


def _au_parts(file: BinaryIO, start: int, end: int, name: str) -> list[Part]:
    order: Literal["little", "big"] = "little" if read_at(file, start, 4) == b"dns." else "big"
    head = read_at(file, start, 12)
    place = start + int.from_bytes(head[4:8], order)
    declared = int.from_bytes(head[8:], order)
    if place >= end:
        raise cut_off(name)
    length = _true_length(declared, end - place, _is_placeholder(declared), 4, name)
    _check_alone(file, place + length, head[:4], name)
    patches = {8: length.to_bytes(4, order)} if length != declared else {}
    return [Part(View(file, start, end, patches))]
