"""Pictures of results. Every function returns a matplotlib figure and never shows one.

Spectrograms and masks share a mel-spaced frequency axis, so that what the network sees in a band
lies at the same height everywhere. Taught in notebook 05.
"""

from textsep_lab.plots.detection_plots import calibration, detections, presence, spans, zero_shot
from textsep_lab.plots.separation_plots import (
    learning_curve,
    mask,
    nmf_components,
    separation,
    spectrogram,
    waveforms,
)
from textsep_lab.plots.style import (
    GRID,
    INK,
    INPUT,
    MASK,
    MUTED,
    OUTPUT,
    SPECTRUM,
    WINDOW,
    write,
)

__all__ = [
    "GRID", "INK", "INPUT", "MASK", "MUTED", "OUTPUT", "SPECTRUM", "WINDOW", "calibration",
    "detections", "learning_curve", "mask", "nmf_components", "presence", "separation", "spans",
    "spectrogram", "waveforms", "write", "zero_shot",
]  # fmt: skip
