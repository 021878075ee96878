"""When to separate: windows in seconds, and the gate with soft edges they become.

Taught in notebook 01.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from numbers import Real

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
    edge = edge_samples(fade, sample_rate)
    if windows is None:
        return np.ones(samples, np.float32)
    spans = sample_windows(check_windows(windows, samples / sample_rate), sample_rate)
    return gate_between(0, samples, spans, edge, samples)


def edge_samples(fade: float, sample_rate: int) -> int:
    """Return a fade in samples; ValueError if it is no length of time."""
    if not (isinstance(fade, Real) and math.isfinite(fade) and fade >= 0):
        raise ValueError(f"The fade is {fade} s: it must be 0 or more.")
    return round(fade * sample_rate)


def sample_windows(windows: Iterable[Window], sample_rate: int) -> list[tuple[int, int]]:
    """Return checked windows in samples; those with no sample between them are one.

    Raises:
        ValueError: a window holds no sample.

    Example:
        >>> sample_windows([(0.1, 0.52), (0.54, 1.0)], sample_rate=10)
        [(1, 10)]
    """
    spans: list[tuple[int, int]] = []
    for start, end in windows:
        first, last = round(start * sample_rate), round(end * sample_rate)
        if last <= first:
            raise ValueError(f"The window {start:g} to {end:g} s is shorter than one sample.")
        if spans and first <= spans[-1][1]:
            spans[-1] = (spans[-1][0], last)
        else:
            spans.append((first, last))
    return spans


def gate_between(
    start: int, stop: int, spans: Iterable[tuple[int, int]], edge: int, samples: int | None
) -> np.ndarray:
    """Return the part of a gate from sample `start` to `stop`, float32 ``[stop - start]``.

    Args:
        spans: windows in samples, apart from each other, see `sample_windows`.
        edge: length of an edge in samples.
        samples: of the recording, if it is known to end.

    Example:
        >>> gate_between(4, 9, [(2, 8)], edge=2, samples=20).round(2)
        array([1.  , 1.  , 0.85, 0.15, 0.  ], dtype=float32)
    """
    out = np.zeros(stop - start, np.float32)
    for first, last in spans:
        last = last if samples is None else min(last, samples)
        a, b = max(start, first), min(stop, last)
        if a >= b:
            continue
        into, left = np.arange(a - first, b - first), np.arange(last - a, last - b, -1)
        width = min(edge, (last - first) // 2)
        part = np.ones(b - a, np.float32)
        if width and first > 0:
            part = np.minimum(part, _ramp(into + 0.5, width))
        if width and last != samples:
            part = np.minimum(part, _ramp(left - 0.5, width))
        out[a - start : b - start] = part
    return out


def _ramp(distance: np.ndarray, width: int) -> np.ndarray:
    """Return a raised cosine of the distance to a window's edge in samples."""
    return (np.sin(0.5 * np.pi * np.minimum(distance / width, 1)) ** 2).astype(np.float32)
