"""From a probability for every frame to spans in seconds. Taught in notebook 07."""

from __future__ import annotations

import numpy as np

from textsep_lab.signal.timegate import Window

#: Chosen on fold 4, from a grid: a span opens above OPEN and reaches as far as CLOSE.
OPEN, CLOSE = 0.5, 0.2
GAP, SHORTEST = 0.5, 0.25  # seconds: gaps up to it are closed, shorter spans are dropped
ROUNDING = 1e-9  # seconds


def activity_spans(
    activity: np.ndarray, hop: float, duration: float, opening: float = OPEN, closing: float = CLOSE
) -> list[Window]:
    """Return the spans in which a sound is active (hysteresis thresholding).

    Args:
        activity: probability in every frame ``[frames]``; frame k lasts from ``k * hop``.
        hop: seconds a frame.
        duration: of the recording in seconds; no span goes beyond it.
        opening: a span holds at least one frame as probable as that,
        closing: and every frame of it is as probable as that.

    Example:
        >>> activity_spans(np.array([0.1, 0.4, 0.9, 0.4, 0.1, 0.1, 0.4, 0.1]), 0.5, 4.0)
        [(0.5, 2.0)]
    """
    edges = np.flatnonzero(np.diff(np.r_[False, activity >= closing, False])).reshape(-1, 2)
    runs = [(a, b) for a, b in edges if activity[a:b].max() >= opening]
    spans: list[Window] = []
    for first, last in runs:
        start, end = float(first * hop), float(min(last * hop, duration))
        if spans and start - spans[-1][1] <= GAP + ROUNDING:
            spans[-1] = (spans[-1][0], end)
        elif end > start:
            spans.append((start, end))
    shortest = min(SHORTEST, duration) - ROUNDING
    return [(start, end) for start, end in spans if end - start >= shortest]
