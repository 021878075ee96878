"""How close an estimate is to the truth, with the undefined cases left undefined.

Taught in notebook 05.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.stats import rankdata
from torchmetrics.functional.audio import (
    scale_invariant_signal_distortion_ratio,
    signal_noise_ratio,
)


def si_sdr(estimate: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Scale-invariant signal-to-distortion ratio in dB (Le Roux et al. 2019, eq. 3).

    The mean is not removed, as in AudioSep's evaluation.

    Args:
        estimate: ``[…, samples]``.
        reference: ``[…, samples]``, same shape.

    Returns:
        ``[…]`` in dB; NaN where the reference is silent (there is no such ratio), -inf where
        only the estimate is.

    Raises:
        ValueError: the shapes differ.

    Example:
        >>> t = np.sin(np.arange(100.0))
        >>> round(float(si_sdr(3 * t + 0.1 * np.cos(np.arange(100.0)), t)), 1)
        29.5
        >>> float(si_sdr(t, 0 * t))
        nan
    """
    return _guarded(scale_invariant_signal_distortion_ratio, estimate, reference)


def snr(estimate: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Signal-to-noise ratio in dB, the plain ratio that AudioSep's tables call SDR.

    Shapes and undefined cases as in `si_sdr`; a silent estimate scores 0 dB here by the formula,
    since its error is the reference itself.

    Example:
        >>> t = np.sin(np.arange(100.0))
        >>> round(float(snr(0.9 * t, t)), 1)
        20.0
    """
    return _guarded(signal_noise_ratio, estimate, reference, silent_estimate=0.0)


def _guarded(metric, estimate, reference, silent_estimate: float = -np.inf) -> np.ndarray:
    estimate, reference = np.asarray(estimate), np.asarray(reference)
    if estimate.shape != reference.shape:
        raise ValueError(f"Estimate {estimate.shape} and reference {reference.shape} differ.")
    # Double precision: the ratio of a near-perfect estimate is a small difference.
    doubles = (np.array(x, np.float64, order="C") for x in (estimate, reference))
    values = metric(*map(torch.from_numpy, doubles))
    values = np.where(np.any(estimate, axis=-1), values.numpy(), silent_estimate)
    return np.where(np.any(reference, axis=-1), values, np.nan)


def level_db(waveform: np.ndarray) -> float:
    """Root mean square in dB relative to full scale; -inf for silence.

    Example:
        >>> level_db(np.ones(8)), level_db(np.zeros(8))
        (0.0, -inf)
    """
    power = float(np.mean(np.square(waveform, dtype=np.float64)))
    return 10 * float(np.log10(power)) if power > 0 else -np.inf


def mean_interval(values: np.ndarray, seed: int = 0, draws: int = 2000) -> tuple[float, float]:
    """95 % bootstrap interval of the mean (percentile method), seeded.

    Example:
        >>> low, high = mean_interval(np.arange(100.0))
        >>> low < 49.5 < high
        True
    """
    values = np.asarray(values, dtype=np.float64)
    picks = np.random.default_rng(seed).integers(0, len(values), (draws, len(values)))
    low, high = np.percentile(values[picks].mean(1), [2.5, 97.5])
    return float(low), float(high)


def auroc(score: np.ndarray, truth: np.ndarray, seed: int = 0, draws: int = 1000):
    """Return the area under the ROC curve with its 95 % bootstrap interval.

    Args:
        score: ``[n]``, higher where more is expected.
        truth: ``[n]`` of 0 and 1, with both in it.

    Example:
        >>> auroc(np.array([0.1, 0.4, 0.3, 0.9]), np.array([0, 0, 1, 1]))[0]
        0.75
    """
    score, truth, rng = np.asarray(score), np.asarray(truth), np.random.default_rng(seed)
    picks = rng.integers(0, len(truth), (draws, len(truth)))
    values = [_area(score[p], truth[p]) for p in picks if 0 < truth[p].sum() < len(truth)]
    return _area(score, truth), *map(float, np.percentile(values, [2.5, 97.5]))


def _area(score: np.ndarray, truth: np.ndarray) -> float:
    """Return how often a hit scores higher than a miss; a tie is half (Mann and Whitney)."""
    hits = int(truth.sum())
    above = rankdata(score)[truth == 1].sum() - hits * (hits + 1) / 2
    return float(above / (hits * (len(truth) - hits)))
