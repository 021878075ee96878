"""What counts as a waveform and as a sample rate.

Taught in notebook 01.
"""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np

#: Sample rates that are taken, in Hz.
MIN_RATE, MAX_RATE = 1000, 768_000
# Full scale, offset and the float that holds it, of the integers whose level is known.
_INTEGERS = {
    np.dtype(np.int8): (2.0**7, 0.0, np.float32),
    np.dtype(np.uint8): (2.0**7, 128.0, np.float32),
    np.dtype(np.int16): (2.0**15, 0.0, np.float32),
    np.dtype(np.int32): (2.0**31, 0.0, np.float64),
}


def check_waveform(waveform: Any, name: str = "The waveform") -> np.ndarray:
    """Return `waveform` as a writable, contiguous array ``[channels, samples]``.

    float32 and float64 stay what they are, float16 becomes float32. Integers of 8, 16 and 32
    bits are divided by their full scale: float32, or float64 for 32 bits.

    Raises:
        ValueError: not one- or two-dimensional, no samples, NaN or infinite samples, or numbers
            whose level is not known.

    Example:
        >>> check_waveform(np.zeros(4)).shape
        (1, 4)
        >>> check_waveform(np.array([-32768, 16384], np.int16))
        array([[-1. ,  0.5]], dtype=float32)
    """
    waveform = _as_array(waveform, name)
    if waveform.ndim != 2:
        raise ValueError(f"{name} has {waveform.ndim} dimensions: give [channels, samples].")
    if waveform.size == 0:
        raise ValueError(f"{name} holds no samples.")
    if waveform.shape[0] > waveform.shape[1] and waveform.shape[0] > 64:
        raise ValueError(
            f"{name} has shape {waveform.shape}: give [channels, samples], channels first."
        )
    waveform = _as_float(waveform, name)
    if not np.isfinite(waveform).all():
        raise ValueError(f"{name} holds NaN or infinite samples: repair it first.")
    return np.require(waveform, requirements=["C", "W"])


def _as_array(waveform: Any, name: str) -> np.ndarray:
    try:
        return np.atleast_2d(np.asarray(waveform))
    except (ValueError, TypeError, RuntimeError) as error:  # ragged lists, tensors with gradients
        raise ValueError(
            f"{name} cannot be read as an array of numbers: give [channels, samples]."
        ) from error


def _as_float(waveform: np.ndarray, name: str) -> np.ndarray:
    kind = waveform.dtype.newbyteorder("=")
    if kind in (np.float32, np.float64):
        return waveform.astype(kind, copy=False)
    if kind == np.float16:
        return waveform.astype(np.float32)
    if kind in _INTEGERS:
        full, offset, dtype = _INTEGERS[kind]
        return (waveform.astype(dtype) - dtype(offset)) / dtype(full)
    if kind.kind not in "fiub":
        raise ValueError(f"{name} is not made of real numbers: give [channels, samples].")
    raise ValueError(
        f"{name} is made of {kind.name}, whose full scale is unknown: give floats within ±1, or "
        "integers of 8, 16 or 32 bits (int8, uint8, int16, int32)."
    )


def check_sample_rate(sample_rate: Any, name: str | None = None) -> int:
    """Return a sample rate as a whole number of Hz; `name` is the file that has it.

    Raises:
        ValueError: not a whole number from 1 kHz to 768 kHz.

    Example:
        >>> check_sample_rate(44100.0)
        44100
    """
    is_number = isinstance(sample_rate, Real) and not isinstance(sample_rate, bool | np.bool_)
    if is_number and MIN_RATE <= sample_rate <= MAX_RATE and sample_rate == int(sample_rate):
        return int(sample_rate)
    given = sample_rate if is_number else repr(sample_rate)
    wanted = f"a whole number from {MIN_RATE} to {MAX_RATE}, for example 44100"
    if name is None:
        raise ValueError(f"A waveform needs its sample_rate in Hz, {wanted}, not {given}.")
    raise ValueError(f"{name} has a sample rate of {given} Hz: it must be {wanted}.")
