"""Changes that make one recording into many: speed, colour and sign. Used in training only.

Taught in notebook 03.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy import fft

from textsep_lab.signal.stft import band_matrix

#: How often speed is changed, and colour.
SHARE = 0.3


def augment(waveform: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Change speed (and so pitch) by up to ±30 %, colour by up to ±8 dB, and sign.

    Most clips keep their speed and their colour: changing half of them slowed learning down.

    Args:
        waveform: float32 ``[samples]``.
        rng: source of all randomness.

    Returns:
        float32 waveform, as long as the new speed makes it.

    Example:
        >>> len(augment(np.zeros(16000, np.float32), np.random.default_rng(1))) > 10000
        True
    """
    speed, colour, sign = rng.random(3) < (SHARE, SHARE, 0.5)
    if speed:
        waveform = change_speed(waveform, float(np.exp(rng.uniform(-0.3, 0.3))))
    if colour:
        waveform = equalise(waveform, rng.uniform(-8.0, 8.0, 5))
    return -waveform if sign else waveform


def change_speed(waveform: np.ndarray, speed: float) -> np.ndarray:
    """Play `waveform` `speed` times as fast, by linear interpolation.

    Example:
        >>> change_speed(np.arange(8, dtype=np.float32), 2.0).shape
        (4,)
    """
    # Cheap on purpose: the droop of linear interpolation is one more colour to learn.
    position = np.arange(max(1, int(len(waveform) / speed))) * speed
    low = position.astype(np.int64)
    weight = (position - low).astype(np.float32)
    high = np.minimum(low + 1, len(waveform) - 1)
    return waveform[low] * (1 - weight) + waveform[high] * weight


def equalise(waveform: np.ndarray, gains_db: np.ndarray) -> np.ndarray:
    """Filter with gains in dB at points evenly spaced in mel from 0 Hz to the Nyquist rate."""
    length = fft.next_fast_len(max(2, len(waveform)), real=True)
    spectrum = fft.rfft(waveform, length)
    curve_db = np.asarray(gains_db, np.float32) @ _tent_curves(len(gains_db), len(spectrum))
    spectrum *= np.exp(curve_db * np.float32(np.log(10) / 20))
    return fft.irfft(spectrum, length)[: len(waveform)]


@lru_cache(maxsize=4)
def _tent_curves(points: int, bins: int) -> np.ndarray:
    # 8 kHz stands for the Nyquist rate: only the shape of the curve matters here.
    return band_matrix(points, 2 * (bins - 1), 16000).numpy()
