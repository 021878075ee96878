"""Changes that make one recording into many: speed, colour, room, band and sign. Training only.

A changed source is the target itself: what sounds in a room is to be found as it sounds there.
Taught in notebook 03.

Reference: J.-D. Polack, "La transmission de l'énergie sonore dans les salles", 1988: the response
of a room is noise that decays exponentially.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy import fft

from textsep_lab.signal.stft import band_matrix

#: How often speed is changed, and colour.
SHARE = 0.3
#: How often a source sounds in a room, and how often it loses its highest or lowest frequencies.
ROOM_SHARE, BAND_SHARE = 0.15, 0.1
#: Seconds in which a room's sound decays by 60 dB, and how far its energy is below the direct one.
T60_SECONDS, ROOM_DB = (0.1, 1.0), (0.0, 15.0)
#: Range of the edge of a low-pass, and of a high-pass, in Hz.
LOW_PASS_HZ, HIGH_PASS_HZ = (2500.0, 8000.0), (50.0, 300.0)
SAMPLE_RATE = 16000
_ORDER = 8  # of the filters: 48 dB an octave


def augment(waveform: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Change speed (and so pitch) by up to ±30 %, colour by up to ±8 dB, room, band and sign.

    Most clips keep their speed and their colour: changing half of them slowed learning down.

    Args:
        waveform: float32 ``[samples]`` at `SAMPLE_RATE`.
        rng: source of all randomness.

    Returns:
        float32 waveform, as long as the new speed makes it.

    Example:
        >>> len(augment(np.zeros(16000, np.float32), np.random.default_rng(1))) > 10000
        True
    """
    shares = (SHARE, SHARE, 0.5, ROOM_SHARE, BAND_SHARE)
    speed, colour, sign, room, band = rng.random(5) < shares
    if speed:
        waveform = change_speed(waveform, float(np.exp(rng.uniform(-0.3, 0.3))))
    if colour:
        waveform = equalise(waveform, rng.uniform(-8.0, 8.0, 5))
    if room:
        t60, level_db = rng.uniform(*T60_SECONDS), -rng.uniform(*ROOM_DB)
        waveform = reverberate(waveform, t60, level_db, rng)
    if band:
        low = rng.random() < 0.5
        edge = float(np.exp(rng.uniform(*np.log(LOW_PASS_HZ if low else HIGH_PASS_HZ))))
        waveform = limit_band(waveform, *((0.0, edge) if low else (edge, np.inf)))
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


def reverberate(
    waveform: np.ndarray,
    t60: float,
    level_db: float,
    rng: np.random.Generator,
    sample_rate: int = SAMPLE_RATE,
) -> np.ndarray:
    """Let a sound be heard in a room, by a statistical model of its response (Polack, 1988).

    The direct sound stays as it is; white noise that decays exponentially follows it. What the
    room adds after the end is cut off.

    Args:
        waveform: float32 ``[samples]``.
        t60: seconds in which the room's sound decays by 60 dB.
        level_db: energy of the room's response over the direct sound's.

    Example:
        >>> click = np.eye(1, 8000, dtype=np.float32)[0]
        >>> heard = reverberate(click, 0.2, 0.0, np.random.default_rng(0))
        >>> float(heard[0].round(3)), float(np.sum(heard[1:] ** 2).round(3))
        (1.0, 1.0)
    """
    decay = np.arange(1, max(2, round(t60 * sample_rate)) + 1) / (t60 * sample_rate)
    response = rng.standard_normal(len(decay)) * 10.0 ** (-3 * decay)
    response *= 10 ** (level_db / 20) / np.linalg.norm(response)
    response = np.concatenate([[1.0], response]).astype(np.float32)
    length = fft.next_fast_len(len(waveform) + len(response), real=True)
    spectrum = fft.rfft(waveform, length) * fft.rfft(response, length)
    return fft.irfft(spectrum, length)[: len(waveform)]


def limit_band(
    waveform: np.ndarray, low: float, high: float, sample_rate: int = SAMPLE_RATE
) -> np.ndarray:
    """Take away what lies below `low` and above `high` (Hz, −3 dB there), as poor recordings do.

    Zero phase, with the magnitude of Butterworth's filters; 0 and infinity take nothing away.

    Example:
        >>> tone = np.sin(2 * np.pi * 4000 * np.arange(16000) / 16000).astype(np.float32)
        >>> bool(np.abs(limit_band(tone, 0, 2500)).max() < 0.05)
        True
    """
    length = fft.next_fast_len(max(2, len(waveform)), real=True)
    hertz = np.maximum(fft.rfftfreq(length, 1 / sample_rate), 1e-9)
    loss = (1 + (hertz / high) ** (2 * _ORDER)) * (1 + (low / hertz) ** (2 * _ORDER))
    gain = (1 / np.sqrt(loss)).astype(np.float32)
    return fft.irfft(fft.rfft(waveform, length) * gain, length)[: len(waveform)]


@lru_cache(maxsize=4)
def _tent_curves(points: int, bins: int) -> np.ndarray:
    # 8 kHz stands for the Nyquist rate: only the shape of the curve matters here.
    return band_matrix(points, 2 * (bins - 1), 16000).numpy()
