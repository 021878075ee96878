"""Pictures of separation. Every function returns a matplotlib figure and never shows one.

Spectrograms and masks share a mel-spaced frequency axis, so that what the network sees in a band
lies at the same height everywhere. Taught in notebook 05.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from textsep_lab.plots.style import GRID, INK, INPUT, MASK, MUTED, OUTPUT, SPECTRUM, WINDOW
from textsep_lab.signal.stft import Stft, band_centres, hz_to_mel, to_bands

if TYPE_CHECKING:
    from textsep_lab.separation.nmf import NMFEstimate
    from textsep_lab.separation.result import Separation

DYNAMIC_RANGE_DB = 70.0
_TICKS_HZ = (0, 250, 500, 1000, 2000, 4000, 8000, 16000)
_ROWS = 128
_HEIGHT = 0.85  # of a component in its row
_KEPT = LinearSegmentedColormap.from_list("kept", [INPUT, OUTPUT])  # by weight, 0 to 1


def separation(result: Separation) -> Figure:
    """Draw a separation: input, mask with its windows, output, waveforms, on one time axis.

    Example:
        >>> from textsep_lab import load_separator
        >>> noise = np.random.default_rng(0).standard_normal((1, 8000)).astype(np.float32)
        >>> result = load_separator().separate(noise, "wind", sample_rate=16000)
        >>> len(separation(result).axes)  # four pictures, three colour bars
        7
    """
    figure = Figure(figsize=(10, 8.4), layout="constrained")
    axes = figure.subplots(4, 1, sharex=True, gridspec_kw={"height_ratios": [3, 3, 3, 2]})
    top_db = spectrogram(axes[0], result.input, result.sample_rate)
    mask(axes[1], result.mask, result.sample_rate, result.duration)
    spectrogram(axes[2], result.output, result.sample_rate, top_db)
    waveforms(axes[3], result)
    verb = "kept" if result.mode == "keep" else "removed"
    where = "" if result.windows is None else " inside the window"
    sure = f"; confidence that it is there: {100 * result.confidence:.0f} %"
    method = "network" if result.method == "unet" else "NMF"
    titles = ("Input", f"Mask: where the {method} finds “{result.sounds}”{sure}",
              f"Output: “{result.query}” {verb}{where}", "Waveforms")  # fmt: skip
    for axis, title in zip(axes, titles, strict=True):
        # A query may hold a dollar sign; it is no formula.
        axis.set_title(title, loc="left", fontsize=10, color=INK, parse_math=False)
        _draw_windows(axis, result.windows)
    axes[-1].set_xlabel("Time (s)")
    axes[-1].set_xlim(0, result.duration)
    for axis, label in ((axes[0], "Level (dB)"), (axes[1], "Mask"), (axes[2], "Level (dB)")):
        figure.colorbar(axis.images[0], ax=axis, label=label, pad=0.01, aspect=14)
    return figure


def spectrogram(
    axis: Axes, waveform: np.ndarray, sample_rate: int, top_db: float | None = None
) -> float:
    """Draw the level of ``[channels, samples]`` in mel-spaced bands; return the top of the scale.

    Args:
        top_db: top of the colour scale, to compare two pictures; by default the maximum.
    """
    samples = waveform.shape[1]
    stft = Stft.at(sample_rate, 0.064, 0.016)
    step = max(1, stft.frames(samples) // 1200)  # no more columns than a screen has
    power = sum(stft(torch.from_numpy(row[None]))[0].abs().square()[:, ::step] for row in waveform)
    bands = to_bands(power.sqrt(), _ROWS, sample_rate, sample_rate / 2).numpy()
    level = 20 * np.log10(np.maximum(bands, 1e-7) / (stft.n_fft / 4))
    top_db = max(float(level.max()), -100.0) if top_db is None else top_db  # silence stays dark
    axis.imshow(
        level, origin="lower", aspect="auto", cmap=SPECTRUM, interpolation="nearest",
        extent=(0, samples / sample_rate, 0, 1), vmin=top_db - DYNAMIC_RANGE_DB, vmax=top_db,
    )  # fmt: skip
    _frequency_axis(axis, sample_rate)
    return top_db


def mask(axis: Axes, values: np.ndarray, sample_rate: int, duration: float) -> None:
    """Draw a mask ``[n_freq, frames]`` on the frequency axis of a file at `sample_rate`."""
    rows = np.linspace(0, hz_to_mel(sample_rate / 2), _ROWS)
    centres = hz_to_mel(band_centres(len(values))) if len(values) < 513 else hz_to_mel(
        np.linspace(0, 8000, len(values)))  # fmt: skip
    position = np.interp(rows, centres, np.arange(len(values)))
    axis.imshow(
        values[position.round().astype(int)], origin="lower", aspect="auto", cmap=MASK,
        interpolation="nearest", extent=(0, duration, 0, 1), vmin=0, vmax=1,
    )  # fmt: skip
    _frequency_axis(axis, sample_rate)


def waveforms(axis: Axes, result: Separation) -> None:
    """Draw input and output as envelopes, all channels together."""
    for waveform, colour, label in (
        (result.input, INPUT, "input"),
        (result.output, OUTPUT, "output"),
    ):
        low, high = _envelope(waveform)
        time = np.linspace(0, result.duration, len(low))
        axis.fill_between(time, low, high, color=colour, label=label, linewidth=0.6)
    axis.set_ylabel("Amplitude")
    axis.legend(loc="upper right", fontsize=8, frameon=False, ncols=2)


def learning_curve(log: pd.DataFrame) -> Figure:
    """Draw training loss, and what was validated, over steps.

    Args:
        log: what a run writes to ``log.csv``: columns step, loss, one or more ``val_…``, seconds.
    """
    scores = [name for name in log.columns if name.startswith("val_")]
    figure = Figure(figsize=(8, 2.2 + 1.8 * len(scores)), layout="constrained")
    axes = figure.subplots(1 + len(scores), 1, sharex=True)
    for axis, name in zip(axes, ["loss", *scores], strict=True):
        axis.plot(log["step"], log[name], color=MUTED if name == "loss" else OUTPUT)
        title = "training loss" if name == "loss" else f"validation: {name[4:].replace('_', ' ')}"
        axis.set_title(title, loc="left", fontsize=10, color=INK)
        axis.grid(color=GRID, linewidth=0.7)
    axes[-1].set_xlabel("Step")
    return figure


def nmf_components(estimate: NMFEstimate, most: int = 24) -> Figure:
    """Draw each component: its spectrum, its level over time, its score and its weight.

    The component most like the query comes first; the redder, the more of it is kept.

    Args:
        estimate: of `nmf.separate_components` or `nmf_supervised.estimate_class_mask`.
        most: components drawn at most, those with the highest scores.

    Example:
        >>> from textsep_lab.separation.nmf_decomposition import Decomposition
        >>> from textsep_lab.separation.nmf import NMFEstimate
        >>> parts = Decomposition(np.ones((513, 1)) / 513, np.ones((1, 9)))
        >>> one = np.ones(1)
        >>> estimate = NMFEstimate("rain", torch.ones(1, 513, 9), parts, 0.3 * one, one, ("1",))
        >>> len(nmf_components(estimate).axes)
        3
    """
    order = np.argsort(-np.nan_to_num(estimate.scores, nan=-2.0), kind="stable")[:most]
    rows, total = len(order), len(estimate.scores)
    figure = Figure(figsize=(10, 1.9 + max(0.34 * rows, 0.5)), layout="constrained")
    axes = figure.subplots(1, 3, sharey=True, width_ratios=(4, 6, 2.4))
    chosen = "" if estimate.label is None else f", taken for the class “{estimate.label}”"
    shown = f"{total} components" if rows == total else f"{rows} of {total} components"
    shown = "one component" if total == 1 else f"{shown}, the most alike first"
    figure.suptitle(f"“{estimate.query}”{chosen}: {shown}", x=0.01,
                    ha="left", fontsize=11, color=INK, parse_math=False)  # fmt: skip
    _draw_ridges(axes[0], axes[1], estimate, order)
    _draw_weights(axes[2], estimate, order)
    titles = ("Spectrum", "Level over time, all to one scale", "Weight | score")
    for axis, title in zip(axes, titles, strict=True):
        axis.set_title(title, loc="left", fontsize=10, color=INK)
        axis.tick_params(axis="y", length=0)
        axis.tick_params(axis="x", labelsize=8)
        axis.spines[["top", "right", "left"]].set_visible(False)
    axes[0].set_yticks(np.arange(rows), [estimate.names[i] for i in order], fontsize=8)
    axes[0].set_ylim(rows - 0.7, -1.05)
    return figure


def _draw_ridges(left: Axes, right: Axes, estimate: NMFEstimate, order: np.ndarray) -> None:
    """Draw a row a component: its base over mel frequency, its activation over seconds."""
    bases, activations = estimate.decomposition.bases, estimate.decomposition.activations
    top_hz = estimate.sample_rate / 2
    mel = hz_to_mel(np.linspace(0, top_hz, len(bases))) / hz_to_mel(top_hz)
    time = np.arange(activations.shape[1]) * estimate.mask_hop
    loudest = activations.max()
    for row, index in enumerate(order):
        colour = _KEPT(estimate.weights[index])
        for axis, x, values, top in (
            (left, mel, bases[:, index], bases[:, index].max()),
            (right, time, activations[index], loudest),
        ):
            axis.axhline(row, color=GRID, linewidth=0.7, zorder=0)
            height = _HEIGHT * values / top if top > 0 else 0 * values
            axis.fill_between(x, row, row - height, color=colour, linewidth=0.6)
    positions, labels = _frequency_ticks(estimate.sample_rate)
    left.set_xticks(positions, labels)
    left.set(xlabel="Frequency (Hz)", xlim=(0, 1))
    right.set(xlabel="Time (s)", xlim=(0, max(time[-1], estimate.mask_hop)))


def _draw_weights(axis: Axes, estimate: NMFEstimate, order: np.ndarray) -> None:
    for row, index in enumerate(order):
        score, weight = estimate.scores[index], estimate.weights[index]
        axis.barh(row - 0.4, 1, height=0.5, color=GRID)
        axis.barh(row - 0.4, weight, height=0.5, color=_KEPT(weight))
        said = "silent" if np.isnan(score) else f"{weight:.2f} | {score:.2f}"
        axis.text(1.06, row - 0.4, said, va="center", fontsize=8, color=INK)
    axis.set(xlabel="Weight in the mask", xlim=(0, 1.75), xticks=(0, 0.5, 1))


def _envelope(waveform: np.ndarray, columns: int = 1500) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest sample of each of at most `columns` stretches."""
    edges = np.unique(np.linspace(0, waveform.shape[1], columns + 1, dtype=int)[:-1])
    low = np.minimum.reduceat(waveform.min(0), edges)
    return low, np.maximum.reduceat(waveform.max(0), edges)


def _frequency_axis(axis: Axes, sample_rate: int) -> None:
    axis.set_yticks(*_frequency_ticks(sample_rate), fontsize=8)
    axis.set_ylabel("Hz")


def _frequency_ticks(sample_rate: int) -> tuple[list[float], list[str]]:
    ticks = [hz for hz in _TICKS_HZ if hz <= sample_rate / 2]
    positions = [float(hz_to_mel(hz) / hz_to_mel(sample_rate / 2)) for hz in ticks]
    return positions, [f"{hz // 1000} k" if hz >= 1000 else str(hz) for hz in ticks]


def _draw_windows(axis: Axes, windows: list[tuple[float, float]] | None) -> None:
    for start, end in windows or ():
        axis.axvspan(start, end, facecolor="none", edgecolor=WINDOW, linewidth=1.8, zorder=3)
