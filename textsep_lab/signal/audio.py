"""Samples and seconds: audio files read and written whole, and resampling.

Waveforms are ``[channels, samples]`` with full scale at ±1: float32, or float64 where the file
stores more than that holds (DOUBLE, 32 bit integers). What does not fit in memory is read and
written in blocks by `AudioReader` and `AudioWriter`. Taught in notebook 01.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import soxr

from textsep_lab.signal.audio_format import (
    FLOAT_SUBTYPES,
    AudioFormat,
    container_of,
    default_format,
    holds,
)
from textsep_lab.signal.audio_reader import AudioReader
from textsep_lab.signal.audio_source import BLOCK
from textsep_lab.signal.audio_writer import AudioWriter
from textsep_lab.signal.waveform import check_sample_rate, check_waveform
from textsep_lab.utils.paths import shown

__all__ = [
    "BLOCK",
    "FLOAT_SUBTYPES",
    "MAX_BYTES",
    "AudioFormat",
    "AudioReader",
    "AudioWriter",
    "check_sample_rate",
    "check_waveform",
    "collect",
    "file_format",
    "load",
    "load_with_format",
    "read",
    "resample",
    "save",
]

#: Most bytes of samples that are read into memory at once.
MAX_BYTES = 4 * 2**30


def load(path: str | Path, max_bytes: int = MAX_BYTES) -> tuple[np.ndarray, int]:
    """Read an audio file of any kind `AudioReader` knows, at its own rate.

    Args:
        path: WAV, FLAC, OGG, MP3, AIFF, … with any number of channels, or a pipe.
        max_bytes: refuse what takes more memory.

    Returns:
        Waveform ``[channels, samples]``, full scale ±1, and the sample rate in Hz. It is
        float32, or float64 where the file stores more than float32 holds.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a folder, not audio, cut off, no samples, NaN or infinite samples, or too
            long for the memory.

    Example:
        >>> import tempfile
        >>> folder = tempfile.mkdtemp()
        >>> _ = save(f"{folder}/tone.wav", np.zeros((2, 800), np.float32), 8000)
        >>> waveform, sample_rate = load(f"{folder}/tone.wav")
        >>> waveform.shape, waveform.dtype.name, sample_rate
        ((2, 800), 'float32', 8000)
    """
    return load_with_format(path, max_bytes)[:2]


def load_with_format(
    path: str | Path, max_bytes: int = MAX_BYTES
) -> tuple[np.ndarray, int, AudioFormat]:
    """Read an audio file as `load` does, once, and return its format too."""
    with AudioReader(path) as reader:
        return collect(reader, max_bytes), reader.sample_rate, reader.format


def collect(reader: AudioReader, max_bytes: int = MAX_BYTES) -> np.ndarray:
    """Return all that an open file holds, ``[channels, samples]``; see `load`."""
    most = max_bytes // (np.dtype(reader.format.dtype).itemsize * reader.channels)
    _check_fits(reader, reader.promised_samples or 0, most)
    blocks, total = [], 0
    try:
        for block in reader.blocks():
            total += block.shape[1]
            _check_fits(reader, total, most)
            blocks.append(block)
        return np.concatenate(blocks, axis=1)
    except MemoryError:
        blocks.clear()
        raise _too_long(reader, max(total, reader.promised_samples or 0)) from None


def _check_fits(reader: AudioReader, samples: int, most: int) -> None:
    if samples > most:
        raise _too_long(reader, max(samples, reader.promised_samples or 0))


def _too_long(reader: AudioReader, samples: int) -> ValueError:
    minutes = samples / reader.sample_rate / 60
    return ValueError(
        f"{reader.name} holds {minutes:.1f} minutes or more, too much to have in memory at once: "
        "`textsep separate` works on longer files in blocks."
    )


def read(
    recording: str | Path | np.ndarray, sample_rate: int | None = None
) -> tuple[np.ndarray, int]:
    """Return waveform and rate of a file (`load`), or of a waveform given with its rate in Hz.

    Raises:
        FileNotFoundError: no such file.
        ValueError: bad audio, or a waveform without its rate.
    """
    if isinstance(recording, str | Path):
        return load(recording)
    return check_waveform(recording), check_sample_rate(sample_rate)


def file_format(path: str | Path) -> AudioFormat:
    """Return how the file `path` stores its samples, to write results the same way.

    Raises:
        FileNotFoundError, ValueError: as for `load`.
    """
    with AudioReader(path) as reader:
        return reader.format


def save(
    path: str | Path,
    waveform: np.ndarray,
    sample_rate: int,
    subtype: str | None = None,
    overwrite: bool = True,
    format: AudioFormat | None = None,
) -> Path:
    """Write a waveform as WAV, FLAC, OGG, AIFF, CAF, AU, W64 or RF64, whole or not at all.

    Args:
        path: the ending decides the container.
        waveform: ``[channels, samples]``, see `check_waveform`.
        sample_rate: in Hz.
        subtype: libsndfile's sample format (``PCM_16``, ``FLOAT``, …); one the container cannot
            hold, or None, becomes the container's default (``FLOAT``, FLAC: ``PCM_24``).
        overwrite: False refuses to replace a file.
        format: write exactly this, its texts and loudspeakers included, in place of `subtype`;
            its container must be the ending's.

    Raises:
        FileExistsError: the file is there and `overwrite` is False.
        ValueError: unknown ending, more channels or a higher rate than the format can hold, or
            a waveform without samples or with NaN.
        OSError: the folder or the disk does not take it.

    Warns:
        UserWarning: samples beyond ±1 had to be clipped, or the format loses something.

    Example:
        >>> import tempfile
        >>> save(tempfile.mkdtemp() + "/a.flac", np.zeros((1, 100), np.float32), 16000).name
        'a.flac'
    """
    path = Path(path)
    stored = _output_format(path, subtype, format)
    waveform = check_waveform(waveform)
    if not overwrite and path.exists():
        raise FileExistsError(
            f"'{shown(path)}' is there already: choose another name or overwrite it."
        )
    with AudioWriter(path, sample_rate, len(waveform), stored) as writer:
        writer.write(waveform)
    return path


def _output_format(path: Path, subtype: str | None, given: AudioFormat | None) -> AudioFormat:
    container = container_of(path)
    if given is None:
        usual = default_format(container)
        if subtype is not None and holds(container, subtype):
            return replace(usual, subtype=subtype)
        return usual
    if default_format(container).ending != given.ending:
        raise ValueError(
            f"'{shown(path.name)}' cannot be a {given.container} file: its ending must be "
            f"{given.ending or 'another'}."
        )
    return given


def resample(waveform: np.ndarray, rate_in: int, rate_out: int) -> np.ndarray:
    """Resample ``[channels, samples]`` with soxr's high-quality filter; float32.

    At least one sample comes out, however short the input.

    Example:
        >>> resample(np.zeros((2, 44100), np.float32), 44100, 16000).shape
        (2, 16000)
    """
    if rate_in == rate_out:
        return np.asarray(waveform, np.float32)
    out = soxr.resample(np.asarray(waveform, np.float32).T, rate_in, rate_out, quality="HQ")
    out = out if len(out) else waveform[:, :1].T
    return np.ascontiguousarray(out.T, dtype=np.float32)
