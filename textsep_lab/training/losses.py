"""What training minimises. Taught in notebook 03."""

from __future__ import annotations

import torch

from textsep_lab.models.config import UNetConfig
from textsep_lab.models.masking import apply_mask, network_stft
from textsep_lab.signal.ideal_masks import ideal_ratio_mask
from textsep_lab.signal.stft import to_bands

Tensor = torch.Tensor


def negative_snr(
    estimate: Tensor, target: Tensor, mixture: Tensor, floor_db: float = -30.0
) -> Tensor:
    """Negative signal-to-noise ratio in dB, softly floored (Wisdom et al. 2020, eq. 2).

    Below `floor_db` a better estimate is worth little, so easy mixtures do not dominate. Where
    the target is silence (the query names nothing in the mixture) the error is measured against
    the mixture instead: the loss falls as the output does.

    Args:
        estimate, target, mixture: ``[batch, samples]``.
        floor_db: the least value of the loss.

    Returns:
        ``[batch]`` in dB.

    Example:
        >>> t = torch.ones(1, 4)
        >>> [round(float(negative_snr(x, t, 2 * t)), 1) for x in (t, 0 * t)]
        [-30.0, 0.0]
    """
    energy = target.square().sum(-1)
    energy = torch.where(energy > 0, energy, mixture.square().sum(-1)).clamp_min(1e-8)
    error = (target - estimate).square().sum(-1)
    return 10 * torch.log10(error / energy + 10 ** (floor_db / 10))


def pit_negative_snr(outputs: Tensor, target: Tensor, mixture: Tensor) -> Tensor:
    """Negative SNR of two outputs, whichever of them is the target (Kolbæk et al. 2017).

    What a network without a query can be asked for: nothing tells it which sound is wanted.

    Args:
        outputs: ``[batch, 2, samples]``.
        target, mixture: ``[batch, samples]``.

    Returns:
        ``[batch]`` in dB, the mean over target and rest under the better assignment.

    Example:
        >>> t, x = torch.tensor([[1.0, 0.0]]), torch.ones(1, 2)
        >>> both = torch.stack([x - t, t], 1)
        >>> [round(float(pit_negative_snr(b, t, x)), 1) for b in (both, both.flip(1))]
        [-30.0, -30.0]
    """
    rest = mixture - target
    losses = [
        negative_snr(first, target, mixture) + negative_snr(second, rest, mixture)
        for first, second in (outputs.unbind(1), outputs.flip(1).unbind(1))
    ]
    return torch.minimum(*losses) / 2


def snr_loss(mask: Tensor, mixture: Tensor, target: Tensor, config: UNetConfig) -> Tensor:
    """`negative_snr` of what a mask lets through, by way of the inverse STFT, ``[batch]``."""
    estimate = apply_mask(mask, mixture, config.sample_rate, config)
    return negative_snr(estimate, target, mixture)


def pit_loss(mask: Tensor, mixture: Tensor, target: Tensor, config: UNetConfig) -> Tensor:
    """`pit_negative_snr` of what a mask lets through and what it leaves, ``[batch]``."""
    estimate = apply_mask(mask, mixture, config.sample_rate, config)
    return pit_negative_snr(torch.stack([estimate, mixture - estimate], 1), target, mixture)


def l1_loss(mask: Tensor, mixture: Tensor, target: Tensor, config: UNetConfig) -> Tensor:
    """Mean absolute distance to the ideal ratio mask, the reference's loss.

    Args:
        mask: ``[batch, n_freq, time]`` from the network.
        mixture, target: waveforms ``[batch, samples]``.

    Returns:
        ``[batch]``.
    """
    stft = network_stft(config)
    ideal = ideal_ratio_mask(stft(target), stft(mixture - target))
    if config.n_bands is not None:
        ideal = to_bands(ideal, config.n_bands, config.sample_rate)
    return (mask - ideal).abs().mean((-1, -2))
