"""How close an estimate is to the truth, with undefined cases left undefined, and intervals.

Taught in notebook 05.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch


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
    from torchmetrics.functional.audio import scale_invariant_signal_distortion_ratio

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
    from torchmetrics.functional.audio import signal_noise_ratio

    return _guarded(signal_noise_ratio, estimate, reference, silent_estimate=0.0)


def _guarded(
    metric: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    estimate: np.ndarray,
    reference: np.ndarray,
    silent_estimate: float = -np.inf,
) -> np.ndarray:
    estimate, reference = np.asarray(estimate), np.asarray(reference)
    if estimate.shape != reference.shape:
        raise ValueError(f"Estimate {estimate.shape} and reference {reference.shape} differ.")
    # Double precision: the ratio of a near-perfect estimate is a small difference.
    doubles = (np.array(x, np.float64, order="C") for x in (estimate, reference))
    ratios = metric(*map(torch.from_numpy, doubles)).numpy()
    values = np.where(np.any(estimate, axis=-1), ratios, silent_estimate)
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


def auroc(
    score: np.ndarray, truth: np.ndarray, seed: int = 0, draws: int = 1000
) -> tuple[float, float, float]:
    """Return the area under the ROC curve with its 95 % bootstrap interval.

    Args:
        score: ``[n]``, higher where more is expected.
        truth: ``[n]`` of 0 and 1, with both in it.

    Example:
        >>> auroc(np.array([0.1, 0.4, 0.3, 0.9]), np.array([0, 0, 1, 1]))[0]
        0.75
    """
    from sklearn.metrics import roc_auc_score

    score, truth, rng = np.asarray(score), np.asarray(truth), np.random.default_rng(seed)
    picks = rng.integers(0, len(truth), (draws, len(truth)))
    both = [p for p in picks if 0 < truth[p].sum() < len(truth)]
    low, high = np.percentile([roc_auc_score(truth[p], score[p]) for p in both], [2.5, 97.5])
    return float(roc_auc_score(truth, score)), float(low), float(high)


def wilson_interval(hits: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """Return the Wilson score interval of a proportion, as fractions (95 % with z = 1.96).

    Wilson (1927), Probable inference, the law of succession, and statistical inference, JASA.

    Raises:
        ValueError: `n` is not positive, or `hits` is not between 0 and `n`.

    Example:
        >>> low, high = wilson_interval(8, 10)
        >>> round(low, 3), round(high, 3)
        (0.49, 0.943)
    """
    if n <= 0 or not 0 <= hits <= n:
        raise ValueError(f"An interval needs 0 <= hits <= n and n > 0, not {hits} of {n}.")
    rate, weight = hits / n, z * z / n
    centre = (rate + weight / 2) / (1 + weight)
    half = z / (1 + weight) * np.sqrt(rate * (1 - rate) / n + weight / (4 * n))
    return float(centre - half), float(centre + half)


def expected_calibration_error(probability: np.ndarray, truth: np.ndarray, bins: int = 10) -> float:
    """Return the mean gap between probability and frequency, over bins of equal width.

    Naeini et al. (2015), AAAI; each bin weighs as much as it holds.

    Args:
        probability: ``[n]`` in [0, 1].
        truth: ``[n]`` of 0 and 1.

    Example:
        >>> expected_calibration_error(np.array([0.5, 0.5]), np.array([0, 1]))
        0.0
    """
    table = reliability(probability, truth, bins)
    return float(np.sum(table["n"] * np.abs(table["said"] - table["seen"])) / len(truth))


def reliability(
    probability: np.ndarray, truth: np.ndarray, bins: int = 10
) -> dict[str, np.ndarray]:
    """Return, for each bin that holds anything, its count ``n``, mean probability and frequency."""
    bin_of = np.minimum((np.asarray(probability) * bins).astype(int), bins - 1)
    count = np.bincount(bin_of, minlength=bins)
    held = count > 0
    said, seen = (np.bincount(bin_of, x, bins)[held] / count[held] for x in (probability, truth))
    return {"n": count[held], "said": said, "seen": seen}
