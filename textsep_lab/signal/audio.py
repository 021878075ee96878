"""Samples and seconds: audio files, resampling and the checks a waveform has to pass.

Waveforms are float32 ``[channels, samples]`` with full scale at ±1. Taught in notebook 01.
"""

from __future__ import annotations

import math
import re
import warnings
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import Literal

import numpy as np
import soundfile as sf
import soxr

from textsep_lab.utils.paths import atomic_write

#: WAV sample formats that hold every float32 value we produce without rounding or clipping.
FLOAT_SUBTYPES = ("FLOAT", "DOUBLE")
#: Samples a channel written at a time.
BLOCK = 65536
_BITS = {"PCM_U8": 8, "PCM_S8": 8, "PCM_16": 16, "PCM_24": 24, "PCM_32": 32}
_FORMATS = {".wav": "WAV", ".flac": "FLAC", ".ogg": "OGG"}


@dataclass(frozen=True)
class AudioFormat:
    """How a file stores its samples: libsndfile's names, for example ``WAV`` and ``PCM_16``."""

    container: str
    subtype: str


def load(path: str | Path) -> tuple[np.ndarray, int]:
    """Read an audio file of any format libsndfile knows, at its own rate.

    Args:
        path: WAV, FLAC, OGG, MP3, AIFF, … with any number of channels.

    Returns:
        float32 waveform ``[channels, samples]``, full scale ±1, and the sample rate in Hz.

    Raises:
        FileNotFoundError: no such file.
        ValueError: a folder, not audio, cut off, no samples, or NaN or infinite samples.

    Example:
        >>> import tempfile
        >>> folder = tempfile.mkdtemp()
        >>> _ = save(f"{folder}/tone.wav", np.zeros((2, 800), np.float32), 8000)
        >>> waveform, sample_rate = load(f"{folder}/tone.wav")
        >>> waveform.shape, waveform.dtype.name, sample_rate
        ((2, 800), 'float32', 8000)
    """
    path = Path(path)
    _check_readable(path)
    try:
        with sf.SoundFile(path) as file:
            samples = _read_all(file)
            expected, sample_rate = file.frames, file.samplerate
    except (sf.LibsndfileError, RuntimeError, TypeError) as error:  # TypeError: "samples.raw"
        raise ValueError(
            f"'{path}' cannot be read as audio: give a whole WAV, FLAC, OGG or MP3 file."
        ) from error
    if len(samples) < expected or _is_cut_off(path):
        raise ValueError(f"'{path}' is cut off: its header promises more samples than it holds.")
    return check_waveform(samples.T, f"'{path}'"), sample_rate


def _read_all(file: sf.SoundFile) -> np.ndarray:
    """Read block by block to the end: a damaged header may promise more than memory holds."""
    blocks = [np.zeros((0, file.channels), np.float32)]
    while len(block := file.read(BLOCK, dtype="float32", always_2d=True)):
        blocks.append(block)
    return np.concatenate(blocks)


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
    if not (isinstance(sample_rate, Real) and 1 <= sample_rate < math.inf):
        raise ValueError("A waveform needs its sample_rate in Hz.")
    return check_waveform(recording), int(sample_rate)


def _check_readable(path: Path) -> None:
    if path.is_dir():
        raise ValueError(f"'{path}' is a folder: give an audio file.")
    if not path.is_file():
        raise FileNotFoundError(f"There is no file '{path}'.")
    if path.stat().st_size == 0:
        raise ValueError(f"'{path}' is an empty file: give an audio file.")


def _is_cut_off(path: Path) -> bool:
    """libsndfile silently shortens a cut WAV, AIFF or OGG; their headers tell what is missing."""
    size = path.stat().st_size
    with path.open("rb") as file:
        header = file.read(12)
        file.seek(max(0, size - 65536))  # an Ogg page is shorter
        tail = file.read()
    if header[:4] == b"OggS":
        return _last_page_is_cut_off(tail)
    kinds: dict[bytes, Literal["little", "big"]] = {
        b"RIFFWAVE": "little",
        b"FORMAIFF": "big",
        b"FORMAIFC": "big",
    }
    order = kinds.get(header[:4] + header[8:12])
    promised = int.from_bytes(header[4:8], order) if order else 0
    # Recorders that stream leave 0 or the largest number here; those files are whole.
    return promised not in (0, 0xFFFFFFFF) and promised + 8 > size + 1


def _last_page_is_cut_off(tail: bytes) -> bool:
    pages = [match.start() for match in re.finditer(rb"OggS\0[\0-\7]", tail)]
    page = tail[pages[-1] :] if pages else b""
    if len(page) < 27:
        return True
    end = 27 + page[26] + sum(page[27 : 27 + page[26]])
    rest = page[end:]
    return end > len(page) or (rest != b"" and b"OggS".startswith(rest[:4]))


def check_waveform(waveform: np.ndarray, name: str = "The waveform") -> np.ndarray:
    """Return `waveform` as writable, contiguous float32 ``[channels, samples]``.

    Raises:
        ValueError: not one- or two-dimensional, no samples, or NaN or infinite samples.

    Example:
        >>> check_waveform(np.zeros(4)).shape
        (1, 4)
    """
    waveform = np.atleast_2d(np.asarray(waveform))
    if waveform.dtype.kind not in "fiub":
        raise ValueError(f"{name} is not made of real numbers: give [channels, samples].")
    if waveform.ndim != 2:
        raise ValueError(f"{name} has {waveform.ndim} dimensions: give [channels, samples].")
    if waveform.size == 0:
        raise ValueError(f"{name} holds no samples.")
    if waveform.shape[0] > waveform.shape[1] and waveform.shape[0] > 64:
        raise ValueError(
            f"{name} has shape {waveform.shape}: give [channels, samples], channels first."
        )
    if not np.isfinite(waveform).all():
        raise ValueError(f"{name} holds NaN or infinite samples: repair it first.")
    return np.require(waveform, np.float32, ["C", "W"])


def file_format(path: str | Path) -> AudioFormat:
    """Return how `path` stores its samples, to write results the same way."""
    info = sf.info(str(path))
    return AudioFormat(info.format, info.subtype)


def save(
    path: str | Path,
    waveform: np.ndarray,
    sample_rate: int,
    subtype: str | None = None,
    overwrite: bool = True,
) -> Path:
    """Write a waveform as WAV, FLAC or OGG, whole or not at all.

    Args:
        path: the ending decides the format.
        waveform: float32 ``[channels, samples]``, full scale ±1.
        sample_rate: in Hz.
        subtype: libsndfile's sample format (``PCM_16``, ``FLOAT``, …); one the format cannot
            hold, or None, becomes the format's own default (WAV: ``FLOAT``).
        overwrite: False refuses to replace a file.

    Raises:
        FileExistsError: the file is there and `overwrite` is False.
        ValueError: unknown ending, more channels or a higher rate than the format can hold, or
            a waveform without samples or with NaN.

    Warns:
        UserWarning: samples beyond ±1 had to be clipped for an integer format.

    Example:
        >>> import tempfile
        >>> save(tempfile.mkdtemp() + "/a.flac", np.zeros((1, 100), np.float32), 16000).name
        'a.flac'
    """
    path = Path(path)
    container = _FORMATS.get(path.suffix.lower())
    if container is None:
        raise ValueError(f"'{path.name}' has an unknown ending: use .wav, .flac or .ogg.")
    if path.exists() and not overwrite:
        raise FileExistsError(f"'{path}' is there already: choose another name or overwrite it.")
    waveform = check_waveform(waveform)
    subtype = _writable_subtype(container, subtype)
    samples = waveform
    if subtype not in FLOAT_SUBTYPES:
        samples = _guard_clipping(waveform, path)
    if subtype in _BITS:
        samples = _to_integers(samples, _BITS[subtype])
    try:
        with atomic_write(path) as temporary:
            _write(temporary, samples, sample_rate, subtype, container)
    except sf.LibsndfileError as error:
        raise ValueError(
            f"'{path}' cannot be written: {len(samples)} channels at {sample_rate} Hz as "
            f"{container} {subtype} is an error: {error.error_string.strip('. ')}."
        ) from error
    return path


def _write(path: Path, samples: np.ndarray, sample_rate: int, subtype: str, container: str) -> None:
    channels, frames = samples.shape
    if container == "OGG" and (channels > 255 or sample_rate > 200000):  # libsndfile would crash
        raise sf.LibsndfileError(1)
    with sf.SoundFile(path, "w", sample_rate, channels, subtype, format=container) as file:
        for start in range(0, frames, BLOCK):  # a minute of OGG at once crashes libsndfile
            file.write(samples[:, start : start + BLOCK].T)


def _to_integers(waveform: np.ndarray, bits: int) -> np.ndarray:
    """Undo the scaling on reading exactly: libsndfile divides by 2^(bits-1), multiplies by less."""
    full = 2.0 ** (bits - 1)
    integers = np.clip(np.rint(waveform.astype(np.float64) * full), -full, full - 1)
    return integers.astype(np.int64).astype(np.int32) << (32 - bits)


def _writable_subtype(container: str, subtype: str | None) -> str:
    if subtype and sf.check_format(container, subtype):
        return subtype
    return {"WAV": "FLOAT", "FLAC": "PCM_24"}.get(container) or sf.default_subtype(container)


def _guard_clipping(waveform: np.ndarray, path: Path) -> np.ndarray:
    peak = float(np.abs(waveform).max())
    if peak <= 1.0:
        return waveform
    excess_db = 20 * math.log10(peak)
    warnings.warn(
        f"'{path.name}': samples up to {excess_db:.1f} dB over full scale were clipped; "
        "write a float WAV to keep them.",
        stacklevel=3,
    )
    return np.clip(waveform, -1.0, 1.0)


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
