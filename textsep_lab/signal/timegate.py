"""When to separate: windows in seconds, and the gate with soft edges they become.

Taught in notebook 01.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from textsep_lab.signal.config import DEFAULT_FADE

Window = tuple[float, float]


def check_windows(windows: Iterable[Iterable[float]], duration: float) -> list[Window]:
    """Return windows as sorted pairs with overlapping and touching ones merged.

    Args:
        windows: pairs (start, end) in seconds.
        duration: of the recording, in seconds.

    Raises:
        ValueError: a window is not two finite numbers, reversed, empty, or outside the recording.

    Example:
        >>> check_windows([(2, 3), (0.5, 1), (0.75, 1.5)], duration=5)
        [(0.5, 1.5), (2.0, 3.0)]
    """
    try:
        pairs = sorted(_check_window(window, duration) for window in windows)
    except TypeError as error:
        raise ValueError(f"Windows are a list of pairs (start, end), not {windows!r}.") from error
    if not pairs:
        raise ValueError("The list of windows is empty: give at least one, or None for all.")
    merged = [pairs[0]]
    for start, end in pairs[1:]:
        if start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged


def _check_window(window: Iterable[float], duration: float) -> Window:
    try:
        start, end = (float(seconds) for seconds in window)
    except (TypeError, ValueError) as error:
        raise ValueError(f"A window is a pair (start, end) in seconds, not {window!r}.") from error
    name = f"The window {start:g} to {end:g} s"
    if not (math.isfinite(start) and math.isfinite(end)):
        raise ValueError(f"{name} is not made of finite numbers.")
    if end < start:
        raise ValueError(f"{name} is reversed: give the start first.")
    if end == start:
        raise ValueError(f"{name} is empty: its end must be after its start.")
    # Half a millisecond of grace: a duration read off a screen is rounded.
    if start < 0 or start >= duration or end > duration + 0.0005:
        raise ValueError(f"{name} is outside the recording, which lasts {duration:g} s.")
    return start, min(end, duration)


def gate(
    windows: Iterable[Iterable[float]] | None,
    samples: int,
    sample_rate: int,
    fade: float = DEFAULT_FADE,
) -> np.ndarray:
    """Return the gate: exactly 0 outside the windows, 1 inside, raised-cosine edges between.

    The edges lie inside the window; a window shorter than two of them gets edges of half its
    length. At the very start and end of the recording there is nothing to fade from.

    Args:
        windows: pairs (start, end) in seconds; None is the whole recording.
        samples: length of the gate.
        sample_rate: in Hz.
        fade: length of an edge in seconds; 0 switches.

    Returns:
        float32 ``[samples]`` in [0, 1].

    Raises:
        ValueError: see `check_windows`; or `fade` is negative or not finite.

    Example:
        >>> gate([(0.2, 0.8)], samples=10, sample_rate=10, fade=0.2).round(2)
        array([0.  , 0.  , 0.15, 0.85, 1.  , 1.  , 0.85, 0.15, 0.  , 0.  ],
              dtype=float32)
    """
    if not (math.isfinite(fade) and fade >= 0):
        raise ValueError(f"The fade is {fade} s: it must be 0 or more.")
    if windows is None:
        return np.ones(samples, np.float32)
    out = np.zeros(samples, np.float32)
    for start, end in check_windows(windows, samples / sample_rate):
        first, last = round(start * sample_rate), min(round(end * sample_rate), samples)
        if last <= first:
            raise ValueError(f"The window {start:g} to {end:g} s is shorter than one sample.")
        out[first:last] = _soft_edges(last - first, fade * sample_rate, first > 0, last < samples)
    return out


def _soft_edges(length: int, edge: float, rise: bool, fall: bool) -> np.ndarray:
    edge_samples = min(round(edge), length // 2)
    ramp = np.sin(0.5 * np.pi * (np.arange(edge_samples) + 0.5) / max(1, edge_samples)) ** 2
    out = np.ones(length, np.float32)
    if rise:
        out[:edge_samples] = ramp
    if fall:
        out[length - edge_samples :] = ramp[::-1]
    return out
