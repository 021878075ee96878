"""Pictures of detection: accuracy, calibration, spans. Every function returns a matplotlib figure.

Taught in notebook 07.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from textsep_lab.plots.separation_plots import spectrogram
from textsep_lab.plots.style import GRID, INK, INPUT, MUTED, OUTPUT, WINDOW
from textsep_lab.signal.metrics import expected_calibration_error, reliability
from textsep_lab.signal.timegate import Window


def zero_shot(table: pd.DataFrame) -> Figure:
    """Draw the top-1 accuracy of each class, the worst at the top.

    Args:
        table: of `evaluation.detection.zero_shot`.
    """
    means = 100 * table.groupby("label")["bare"].mean().sort_values(ascending=False)
    figure = Figure(figsize=(8, 9.5), layout="constrained")
    axis = figure.subplots()
    colours = np.where(means < 50, OUTPUT, WINDOW)
    axis.barh(means.index, means, color=colours, height=0.7)
    axis.axvline(means.mean(), color=INK, linewidth=1, linestyle="--")
    axis.set(xlabel="Clips whose own label is the most similar one (%)", xlim=(0, 100))
    axis.set_title(f"Zero-shot top 1 by class; mean {means.mean():.1f} %", loc="left", fontsize=10)
    axis.tick_params(axis="y", labelsize=8)
    axis.margins(y=0.01)
    axis.spines[["top", "right"]].set_visible(False)
    return figure


def calibration(curves: dict[str, tuple[np.ndarray, np.ndarray]]) -> Figure:
    """Draw reliability diagrams, how often it is so against how probable it was said to be.

    Args:
        curves: probabilities ``[n]`` and truth ``[n]`` by title.
    """
    figure = Figure(figsize=(4.6 * len(curves), 4.8), layout="constrained")
    for axis, (title, (probability, truth)) in zip(
        np.atleast_1d(figure.subplots(1, len(curves))), curves.items(), strict=True
    ):
        _reliability(axis, probability, truth)
        error = expected_calibration_error(probability, truth)
        axis.set_title(f"{title}\nECE {error:.3f}, n = {len(truth)}", loc="left", fontsize=10)
    return figure


def _reliability(axis: Axes, probability: np.ndarray, truth: np.ndarray) -> None:
    bins = reliability(probability, truth)
    axis.plot([0, 1], [0, 1], color=MUTED, linewidth=1, linestyle="--")
    axis.plot(bins["said"], bins["seen"], color=OUTPUT, linewidth=1.2)
    sizes = 12 + 160 * bins["n"] / bins["n"].max()
    axis.scatter(bins["said"], bins["seen"], s=sizes, color=OUTPUT, alpha=0.8, linewidth=0)
    axis.set(xlabel="Probability", ylabel="Frequency", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    axis.set_aspect("equal")
    axis.grid(color=GRID, linewidth=0.7)


def presence(confidence: np.ndarray, present: np.ndarray, title: str) -> Figure:
    """Draw how the confidence of queries that name something differs from that of others."""
    figure = Figure(figsize=(7, 3.4), layout="constrained")
    axis = figure.subplots()
    bins = np.linspace(0, 1, 21)
    for kind, colour, label in (
        (0, INPUT, "not in the mixture"),
        (1, WINDOW, "in the mixture"),
    ):
        axis.hist(confidence[present == kind], bins, color=colour, alpha=0.75, label=label)
    axis.set(xlabel="Confidence", ylabel="Queries", xlim=(0, 1))
    axis.set_title(title, loc="left", fontsize=10)
    axis.legend(frameon=False)
    axis.spines[["top", "right"]].set_visible(False)
    return figure


def spans(
    waveform: np.ndarray, sample_rate: int, query: str, true: Sequence[Window],
    found: Sequence[Window], activity: np.ndarray, frame_hop: float,
) -> Figure:  # fmt: skip
    """Draw a recording, when a sound is active in it, and the true and predicted spans.

    Args:
        waveform: ``[channels, samples]``.
        activity: probability in every frame ``[frames]``.
        frame_hop: seconds a frame.
    """
    figure = Figure(figsize=(10, 4.6), layout="constrained")
    top, bottom = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": [3, 2]})
    spectrogram(top, waveform, sample_rate)
    top.set_title(f"When is “{query}” active?", loc="left", fontsize=10, parse_math=False)
    time = np.arange(len(activity)) * frame_hop
    bottom.step(time, activity, where="post", color=OUTPUT, label="active (probability)")
    for row, (intervals, colour, label) in enumerate(
        ((true, INK, "true"), (found, WINDOW, "predicted"))
    ):
        pieces = [(start, end - start) for start, end in intervals]
        bottom.broken_barh(pieces, (-0.16 - 0.14 * row, 0.1), color=colour, label=label)
    bottom.set(xlabel="Time (s)", ylim=(-0.34, 1.05), ylabel="Probability")
    bottom.set_xlim(0, waveform.shape[1] / sample_rate)
    bottom.legend(loc="upper right", fontsize=8, frameon=False, ncols=3)
    return figure


def detections(waveform: np.ndarray, sample_rate: int, table: pd.DataFrame) -> Figure:
    """Draw a recording with what is detected in it: a row a label, a bar a span.

    Args:
        waveform: ``[channels, samples]``.
        table: of `detection.detect`.
    """
    labels = list(dict.fromkeys(table["label"]))
    figure = Figure(figsize=(10, 2.6 + 0.36 * len(labels)), layout="constrained")
    ratio = {"height_ratios": [2.4, 0.3 + 0.36 * len(labels)]}
    top, bottom = figure.subplots(2, 1, sharex=True, gridspec_kw=ratio)
    spectrogram(top, waveform, sample_rate)
    for row in table.itertuples():
        place = (labels.index(row.label) - 0.35, 0.7)
        alpha = 0.15 + 0.85 * row.probability
        bottom.broken_barh([(row.start, row.end - row.start)], place, color=WINDOW, alpha=alpha)
    chances = table.groupby("label")["probability"].first()
    names = [f"{label}  {100 * chances[label]:.0f} %" for label in labels]
    bottom.set_yticks(range(len(labels)), names, fontsize=9, parse_math=False)
    bottom.set(xlabel="Time (s)", ylim=(len(labels) - 0.5, -0.5))
    bottom.set_xlim(0, waveform.shape[1] / sample_rate)
    bottom.grid(axis="x", color=GRID, linewidth=0.7)
    return figure
