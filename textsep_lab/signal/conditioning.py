"""What is looked at instead of the samples themselves: without offset, rumble and stray peaks.

Only the analysis is conditioned; what was not asked about leaves as it came. Taught in notebook 06.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from scipy.signal import butter, sosfiltfilt

LOWEST = 20.0  # Hz: below lies what nobody hears
ORDER = 3  # of the filter, which runs forth and back
LOUD = 4.0  # power of rumble over that of all else at which half of it is left
BLOCK = 0.032  # seconds
STRAY = 0.02  # share of a block's samples that may be clicks
CREST = 60.0  # how far over the level of all else a sample counts
NOTHING = 1e-5  # of the peak: a constant leaves that much numerical dust


def remove_rumble(waveform: np.ndarray, sample_rate: int) -> np.ndarray:
    """Take an offset, or rumble below 20 Hz, out of a waveform where it is louder than all else.

    Such rumble belongs to no sound. The less there is, the more of it stays: many sounds have
    some, and networks learn from those.

    Args:
        waveform: ``[channels, samples]``.

    Returns:
        float32, same shape; exactly 0 where nothing is left.

    Example:
        >>> noise = np.random.default_rng(0).standard_normal((1, 16000))
        >>> bool(np.abs(remove_rumble(noise + 100, 16000) - noise)[:, 800:-800].max() < 0.2)
        True
        >>> bool(remove_rumble(np.full((1, 16000), 0.5), 16000).any())
        False
    """
    waveform = np.asarray(waveform, np.float64)
    pad = min(round(0.1 * sample_rate), waveform.shape[1] - 1)
    above = sosfiltfilt(_filter(sample_rate), waveform, padlen=pad)
    if np.abs(above).max() <= NOTHING * np.abs(waveform).max():
        return np.zeros(waveform.shape, np.float32)
    below = waveform - above
    excess = np.square(below).sum() / (LOUD * np.square(above).sum())
    return (above + below / (1 + excess**2)).astype(np.float32)


@lru_cache(maxsize=32)
def _filter(sample_rate: int) -> np.ndarray:
    return butter(ORDER, LOWEST, "highpass", fs=sample_rate, output="sos")


def highest_peak(waveform: np.ndarray, sample_rate: int) -> float:
    """Return 36 dB over the level of a waveform, which single clicks do not raise.

    The level is the root mean square without the largest samples of each 32 ms. Few recordings
    have higher peaks, and none of their sounds is made of them.

    Args:
        waveform: ``[channels, samples]``.

    Returns:
        An amplitude; infinite where there is nothing to measure.

    Example:
        >>> noise = np.random.default_rng(0).standard_normal((1, 16000))
        >>> clicks = noise.copy()
        >>> clicks[0, ::4000] = 1e6
        >>> bool(np.isclose(highest_peak(noise, 16000), highest_peak(clicks, 16000), rtol=0.01))
        True
    """
    size = max(1, round(BLOCK * sample_rate))
    blocks = waveform[:, : waveform.shape[1] // size * size].reshape(-1, size)
    usual = max(1, round((1 - STRAY) * size))
    power = np.partition(np.square(blocks), usual - 1, axis=1)[:, :usual]
    level = math.sqrt(power.mean(dtype=np.float64)) if power.size else 0.0
    return CREST * level if level > 0 else math.inf


def limit_peaks(waveform: np.ndarray, sample_rate: int) -> np.ndarray:
    """Hold the samples of a waveform ``[channels, samples]`` at its `highest_peak`.

    Example:
        >>> noise = np.random.default_rng(0).standard_normal((1, 16000)).astype(np.float32)
        >>> bool(np.array_equal(limit_peaks(noise, 16000), noise))
        True
    """
    highest = highest_peak(waveform, sample_rate)
    return waveform.clip(-highest, highest)
