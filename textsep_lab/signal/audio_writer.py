"""Write an audio file block by block, exactly, and whole or not at all.

Taught in notebook 01.
"""

from __future__ import annotations

import math
import warnings
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, cast

import numpy as np
import soundfile as sf

from textsep_lab.signal.audio_format import (
    BITS,
    FLOAT_SUBTYPES,
    AudioFormat,
    container_of,
    default_format,
    holds,
    write_extras,
)
from textsep_lab.signal.audio_parts import AIFF, find_chunk
from textsep_lab.signal.audio_source import BLOCK, size_of
from textsep_lab.signal.waveform import check_sample_rate
from textsep_lab.utils.paths import atomic_write, shown
from textsep_lab.utils.signals import signals_wait

# Headers of these say their length in 32 bits.
_SMALL = ("WAV", "WAVEX", "AIFF", "AU")
_SMALL_BYTES = 2**32 - 2**16


class AudioWriter:
    """An audio file that is written in blocks; a context manager.

    The file appears under its name when the block ends without an error, and not before.
    Integer formats take each sample to the nearest integer, so that what was read from such a
    file is written back bit for bit.

    Args:
        path: of the new file.
        sample_rate: in Hz.
        channels: of every block.
        format: of another file, or of `AudioFormat.output`. [default: by the ending of `path`]

    Raises:
        ValueError: unknown ending, a channel number or a rate that the format cannot hold, no
            samples, NaN or infinite samples, or more than the format can hold.
        OSError: the folder or the disk does not take it.

    Warns:
        UserWarning: samples beyond ±1 were clipped, or the format loses something.

    Example:
        >>> import tempfile
        >>> path = tempfile.mkdtemp() + "/a.flac"
        >>> with AudioWriter(path, 16000, 2, AudioFormat("FLAC", "PCM_16")) as writer:
        ...     for _ in range(3):
        ...         writer.write(np.zeros((2, 1000), np.float32))
    """

    def __init__(
        self, path: str | Path, sample_rate: int, channels: int, format: AudioFormat | None = None
    ) -> None:
        self.path, self._name = Path(path), f"'{shown(path)}'"
        self.sample_rate = check_sample_rate(sample_rate)
        self.channels = channels
        self.format = format or default_format(container_of(self.path))
        self._peak, self._bytes = 0.0, 0.0

    def __enter__(self) -> AudioWriter:
        with ExitStack() as undo:
            temporary = undo.enter_context(atomic_write(self.path))
            file = undo.enter_context(temporary.open("w+b", buffering=0))
            self._file = _Guarded(cast(BinaryIO, file))
            self._sound = undo.enter_context(self._open())
            undo.push(self._finish)
            write_extras(self._sound, self.format.extras)
            self._undo = undo.pop_all()
        return self

    def _open(self) -> sf.SoundFile:
        stored = self.format
        try:
            # libsndfile would crash
            if not holds(stored.container, stored.subtype):
                raise ValueError("it cannot be written")
            if stored.container == "OGG" and (self.channels > 255 or self.sample_rate > 200000):
                raise sf.LibsndfileError(1)
            with signals_wait():
                return sf.SoundFile(
                    self._file, "w", self.sample_rate, self.channels, stored.subtype, stored.endian,
                    stored.container,
                )  # fmt: skip
        except (sf.LibsndfileError, ValueError, TypeError) as error:
            raise self._refused(error) from error

    def _refused(self, error: Exception) -> ValueError:
        why = getattr(error, "error_string", str(error)).strip(". ")
        return ValueError(
            f"{self._name} cannot be written: {self.channels} channels at {self.sample_rate} Hz as "
            f"{self.format.container} {self.format.subtype} is an error: {why}."
        )

    def write(self, block: np.ndarray) -> None:
        """Append ``[channels, samples]``, full scale ±1."""
        if block.ndim != 2 or block.shape[0] != self.channels:
            raise ValueError(
                f"{self._name} takes blocks [{self.channels}, samples], not {block.shape}."
            )
        for start in range(0, block.shape[1], BLOCK):  # a minute of OGG at once crashes libsndfile
            self._write(block[:, start : start + BLOCK])

    def _write(self, block: np.ndarray) -> None:
        if block.dtype not in (np.float32, np.float64):
            raise ValueError(f"{self._name} takes float32 or float64 samples, not {block.dtype}.")
        peak = float(np.abs(block).max())
        if not math.isfinite(peak):
            raise ValueError(f"{self._name} cannot be written: NaN or infinite samples.")
        self._peak = max(self._peak, peak)
        self._bytes += block.size * _width(self.format.subtype)
        if self.format.container in _SMALL and self._bytes > _SMALL_BYTES:
            raise ValueError(
                f"{self._name} would be larger than the 4 GiB that {self.format.container} can "
                "hold: write .rf64, .w64, .caf or .flac."
            )
        try:
            samples = _stored(block, self.format.subtype).T
            with signals_wait():
                self._sound.write(samples)
        except (sf.LibsndfileError, AssertionError) as error:  # soundfile asserts that all is taken
            self._check_disk()
            raise self._refused(error) from error
        self._check_disk()

    def _check_disk(self) -> None:
        error = self._file.error
        if error is not None:
            raise OSError(f"{self._name} cannot be written: {error.strerror}.") from error

    def _finish(self, kind: type[BaseException] | None, *_: object) -> None:
        with signals_wait():
            self._sound.close()
        if kind is None:
            self._check_disk()
            if self._bytes == 0:
                raise ValueError(f"{self._name} cannot be written: there are no samples.")
            if self.format.container == "AIFF" and self._bytes % 2:
                _mend_odd_aiff(self._file.file, int(self._bytes), self.channels)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._undo.__exit__(kind, error, traceback)
        if kind is None:
            self._warn()

    def _warn(self) -> None:
        name = f"'{shown(self.path.name)}'"
        if not self.format.lossless:
            warnings.warn(
                f"{name} is written as {self.format.subtype}, which changes every sample a little; "
                "write .wav or .flac to keep them.",
                stacklevel=3,
            )
        if self._peak > 1 and self.format.subtype not in FLOAT_SUBTYPES:
            warnings.warn(
                f"{name}: samples up to {20 * math.log10(self._peak):.1f} dB over full scale were "
                "clipped; write a float WAV to keep them.",
                stacklevel=3,
            )


def _mend_odd_aiff(file: BinaryIO, size: int, channels: int) -> None:
    """Set the lengths right of an 8 bit file: libsndfile counts the byte of padding as a sample."""
    end = size_of(file)
    for name, field, value in ((b"COMM", 2, size // channels), (b"SSND", -4, size + 8)):
        found = find_chunk(file, AIFF.first, end, AIFF, name)
        if found is not None:
            file.seek(found[0] + field)
            file.write(value.to_bytes(4, "big"))


def _stored(block: np.ndarray, subtype: str) -> np.ndarray:
    if subtype in FLOAT_SUBTYPES:
        return block
    if subtype in BITS:
        return _to_integers(block, BITS[subtype])
    return np.clip(block, -1.0, 1.0)


def _to_integers(block: np.ndarray, bits: int) -> np.ndarray:
    """Undo the scaling on reading exactly: libsndfile divides by 2^(bits-1), multiplies by less."""
    full = 2.0 ** (bits - 1)
    integers = np.clip(np.rint(block.astype(np.float64) * full), -full, full - 1)
    return integers.astype(np.int64).astype(np.int32) << (32 - bits)


def _width(subtype: str) -> float:
    return {"FLOAT": 4, "DOUBLE": 8}.get(subtype, BITS.get(subtype, 8) / 8)


class _Guarded:
    """A file that keeps what went wrong: libsndfile cannot pass an exception on."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.read, self.seek, self.tell = file.read, file.seek, file.tell
        self.error: OSError | None = None

    def write(self, data: bytes) -> int:
        """Write all of `data`, or note the error and say that nothing was written."""
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[self.file.write(rest) :]
        except OSError as error:
            self.error = self.error or error
            return 0
        return len(data)
