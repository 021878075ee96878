"""Pictures. Every function returns a matplotlib figure and never shows one.

Spectrograms and masks share a mel-spaced frequency axis, so that what the network sees in a band
lies at the same height everywhere. Taught in notebook 05.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from textsep_lab.paths import atomic_write
from textsep_lab.spectral import Stft, band_centres, hz_to_mel, to_bands

if TYPE_CHECKING:
    from textsep_lab.separation import Separation

INK, MUTED, INPUT, OUTPUT, WINDOW = "#1f2430", "#7a8194", "#b8bfce", "#d1495b", "#2e86ab"
SPECTRUM, MASK = "magma", "viridis"
DYNAMIC_RANGE_DB = 70.0
_TICKS_HZ = (0, 250, 500, 1000, 2000, 4000, 8000, 16000)
_ROWS = 128


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
    titles = ("Input", f"Mask: where the network hears “{result.query}”",
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
    top_db = float(level.max()) if top_db is None else top_db
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


def write(figure: Figure, path: str | Path) -> Path:
    """Write a figure as PNG; characters the font lacks become boxes, without complaint."""
    with atomic_write(path) as temporary, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")
        figure.savefig(temporary, dpi=110)
    return Path(path)


def learning_curve(log: pd.DataFrame) -> Figure:
    """Draw training loss and validation SI-SDRi over steps.

    Args:
        log: what training writes to ``log.csv``: columns step, loss, val_si_sdri_db.
    """
    figure = Figure(figsize=(8, 4), layout="constrained")
    axis = figure.subplots()
    axis.plot(log["step"], -log["loss"], color=MUTED, label="training: minus the loss")
    axis.plot(log["step"], log["val_si_sdri_db"], color=OUTPUT, label="validation: SI-SDRi")
    axis.set(xlabel="Step", ylabel="dB")
    axis.grid(color="#e6e8ee", linewidth=0.7)
    axis.legend(frameon=False)
    return figure


def _envelope(waveform: np.ndarray, columns: int = 1500) -> tuple[np.ndarray, np.ndarray]:
    """Lowest and highest sample of each of at most `columns` stretches."""
    edges = np.unique(np.linspace(0, waveform.shape[1], columns + 1, dtype=int)[:-1])
    low = np.minimum.reduceat(waveform.min(0), edges)
    return low, np.maximum.reduceat(waveform.max(0), edges)


def _frequency_axis(axis: Axes, sample_rate: int) -> None:
    ticks = [hz for hz in _TICKS_HZ if hz <= sample_rate / 2]
    axis.set_yticks([float(hz_to_mel(hz) / hz_to_mel(sample_rate / 2)) for hz in ticks])
    axis.set_yticklabels([f"{hz // 1000} k" if hz >= 1000 else str(hz) for hz in ticks], fontsize=8)
    axis.set_ylabel("Hz")


def _draw_windows(axis: Axes, windows: list[tuple[float, float]] | None) -> None:
    for start, end in windows or ():
        axis.axvspan(start, end, facecolor="none", edgecolor=WINDOW, linewidth=1.8, zorder=3)
