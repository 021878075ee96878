"""Samples on a pipe: raw PCM, or a WAV whose length nobody knows yet. Taught in notebook 06."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from textsep_lab.signal.config import ENCODINGS

# WAV's tag and the bits of a sample.
_ENCODINGS = dict(zip(ENCODINGS, ((1, 16), (1, 24), (1, 32), (3, 32), (3, 64)), strict=True))
BLOCK = 8192  # samples
_EXTENSIBLE, _UNKNOWN = 0xFFFE, 0xFFFFFFFF
_PLACEHOLDER = 0x7FFFF000  # sizes from here on, and 0, are what a program writes that cannot know


@dataclass(frozen=True)
class PcmFormat:
    """How samples lie on a pipe.

    Args:
        encoding: one of `config.ENCODINGS`.
        sample_rate: in Hz.
        channels: interleaved.

    Example:
        >>> form = PcmFormat("s16le", 16000, 2)
        >>> data = form.encode(np.array([[0.5, -1.0], [0.0, 0.25]], np.float32))
        >>> form.decode(data).tolist()
        [[0.5, -1.0], [0.0, 0.25]]
    """

    encoding: str
    sample_rate: int
    channels: int

    def __post_init__(self) -> None:
        ENCODINGS.check(self.encoding)
        if not 1 <= self.channels <= 1024:
            raise ValueError(f"There are {self.channels} channels: give 1 to 1024.")

    @property
    def bytes_per_sample(self) -> int:
        """Of all channels together."""
        return _ENCODINGS[self.encoding][1] // 8 * self.channels

    def decode(self, data: bytes) -> np.ndarray:
        """Return whole samples as ``[channels, n]``, float64 where float32 would not hold them."""
        tag, bits = _ENCODINGS[self.encoding]
        if tag == 3:
            samples = np.frombuffer(data, f"<f{bits // 8}")
        elif bits == 24:
            padded = np.zeros((len(data) // 3, 4), np.uint8)
            padded[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
            samples = (padded.reshape(-1).view("<i4") / 2.0**31).astype(np.float32)
        else:
            kind = np.float32 if bits == 16 else np.float64
            samples = np.frombuffer(data, f"<i{bits // 8}").astype(kind) / kind(2.0 ** (bits - 1))
        return np.ascontiguousarray(samples.reshape(-1, self.channels).T)

    def encode(self, waveform: np.ndarray) -> bytes:
        """Return ``[channels, n]`` as bytes; integers are clipped at full scale."""
        tag, bits = _ENCODINGS[self.encoding]
        samples = waveform.T.reshape(-1)
        if tag == 3:
            return samples.astype(f"<f{bits // 8}").tobytes()
        full = 2.0 ** (bits - 1)
        whole = np.clip(np.rint(samples.astype(np.float64) * full), -full, full - 1)
        if bits == 24:
            return whole.astype("<i4").view(np.uint8).reshape(-1, 4)[:, :3].tobytes()
        return whole.astype(f"<i{bits // 8}").tobytes()

    def wav_header(self) -> bytes:
        """Return the header of a WAV file of unknown length."""
        tag, bits = _ENCODINGS[self.encoding]
        size = self.bytes_per_sample
        form = struct.pack("<HHIIHH", tag, self.channels, self.sample_rate,
                           self.sample_rate * size, size, bits)  # fmt: skip
        return b"".join((
            b"RIFF", struct.pack("<I", _UNKNOWN), b"WAVEfmt ", struct.pack("<I", len(form)), form,
            b"data", struct.pack("<I", _UNKNOWN),
        ))  # fmt: skip


def read_wav_header(file: BinaryIO) -> tuple[PcmFormat, int | None]:
    """Read a WAV from a pipe up to its samples; return their format and how many bytes they have.

    The latter is None where the header does not know.

    Raises:
        ValueError: not a WAV, or its samples are encoded in another way.
    """
    head = file.read(12)
    if head[:4] not in (b"RIFF", b"RF64") or head[8:] != b"WAVE":
        raise ValueError("This is no WAV: pipe one in, or say how raw samples lie with --raw.")
    found = None
    while len(chunk := file.read(8)) == 8:
        name, size = chunk[:4], int.from_bytes(chunk[4:], "little")
        if name == b"data":
            if found is None:
                break
            return found, None if size == 0 or size >= _PLACEHOLDER else size
        content = _exactly(file, size + size % 2)
        if name == b"fmt ":
            found = _parse_format(content)
    raise ValueError("This WAV is cut off: it ends before its samples.")


def _parse_format(content: bytes) -> PcmFormat:
    if len(content) < 16:
        raise ValueError("This WAV is cut off: it ends before its samples.")
    tag, channels, rate, _, _, bits = struct.unpack("<HHIIHH", content[:16])
    if tag == _EXTENSIBLE and len(content) >= 26:
        tag = int.from_bytes(content[24:26], "little")
    for name, known in _ENCODINGS.items():
        if known == (tag, bits):
            return PcmFormat(name, rate, channels)
    raise ValueError(
        f"This WAV has samples of {bits} bits and kind {tag}: on a pipe, only PCM of 16, 24 or "
        "32 bits and float are read; give it as a file."
    )


def _exactly(file: BinaryIO, count: int) -> bytes:
    if count > 2**24:
        raise ValueError("This WAV is damaged: a chunk before its samples is too large.")
    return file.read(count)


def pcm_blocks(file: BinaryIO, form: PcmFormat, size: int | None = None) -> Iterator[np.ndarray]:
    """Yield samples ``[channels, n]`` as they come.

    Args:
        size: how many bytes of samples there are, if that is known.

    Raises:
        ValueError: there are none, fewer than `size`, a part of a sample, or NaN.
    """
    read = getattr(file, "read1", file.read)  # what has come, without waiting for a whole block
    rest, came = b"", 0
    while size is None or came < size:
        most = BLOCK * form.bytes_per_sample
        data = read(most if size is None else min(most, size - came))
        if not data:
            break
        came += len(data)
        data = rest + data
        whole = len(data) // form.bytes_per_sample * form.bytes_per_sample
        data, rest = data[:whole], data[whole:]
        if data:
            block = form.decode(data)
            if not np.isfinite(block).all():
                raise ValueError("The stream holds NaN or infinite samples: repair it first.")
            yield block
    if not came:
        raise ValueError("The stream holds no samples.")
    if rest or (size is not None and came < size):
        raise ValueError("The stream is cut off: it ends within its samples.")
