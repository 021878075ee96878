"""Ideal masks, computed from the true sources: the oracles of every table of results.

Taught in notebook 01.
"""

from __future__ import annotations

import torch

Tensor = torch.Tensor


def ideal_binary_mask(target: Tensor, interference: Tensor) -> Tensor:
    """Ideal binary mask of two spectrograms, 1 where ``|S| > |N|`` and else 0 (Wang 2005).

    Example:
        >>> ideal_binary_mask(torch.tensor([3.0, 1.0, 0.0]), torch.tensor([2.0, 1.0, 0.0])).tolist()
        [1.0, 0.0, 0.0]
    """
    s, n = target.abs(), interference.abs()
    return (s > n).to(s.dtype)


def ideal_ratio_mask(target: Tensor, interference: Tensor) -> Tensor:
    """Ideal ratio mask of two spectrograms, ``sqrt(|S|² / (|S|² + |N|²))`` (Wang et al. 2014).

    Example:
        >>> ideal_ratio_mask(torch.tensor([3.0]), torch.tensor([4.0])).round(decimals=3).tolist()
        [0.6000000238418579]
    """
    return wiener_mask(target, interference).sqrt()


def wiener_mask(target: Tensor, interference: Tensor) -> Tensor:
    """Power-domain Wiener mask of two spectrograms, ``|S|² / (|S|² + |N|²)``.

    Example:
        >>> wiener_mask(torch.tensor([3.0, 0.0]), torch.tensor([1.0, 0.0])).tolist()
        [0.8999999761581421, 0.0]
    """
    s, n = target.abs().square(), interference.abs().square()
    return s / (s + n).clamp_min(1e-20)


def phase_sensitive_mask(target: Tensor, mixture: Tensor) -> Tensor:
    """Truncated phase-sensitive mask, ``Re(S / X)`` cut to [0, 1] (Erdogan et al. 2015).

    Example:
        >>> s, x = torch.tensor([1 + 0j, 1j]), torch.tensor([2 + 0j, 1 + 0j])
        >>> phase_sensitive_mask(s, x).tolist()
        [0.5, 0.0]
    """
    power = mixture.abs().square().clamp_min(1e-20)
    return ((target * mixture.conj()).real / power).clamp(0, 1)
