"""What else is there: a first estimate leaves a residual, and what is heard in it may object.

A network that is asked for one sound at a time claims a place in the spectrum for every sound that
might have made it. So the sounds heard in the residual are asked for, too, and each place goes to
the better claim. Taught in notebook 05.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from textsep_lab.detection import Detector
from textsep_lab.masking import apply_to_channels, band_power, estimate_mask
from textsep_lab.reading import Reader
from textsep_lab.similarity import hear

Tensor = torch.Tensor

RIVALS = 6  # how many other sounds may object
UNHEARD = 0.1  # a sound that the ears miss may be there all the same
SHARPNESS = 0.6  # of the final mask's logits; below 1, as claims are surer than they are right


def look_twice(
    network: nn.Module,
    waveform: np.ndarray,
    wanted: np.ndarray,
    reader: Reader,
    detector: Detector,
) -> Tensor:
    """Return the mask of a query after listening to the mixture and to a first residual.

    Args:
        network: takes what is unwanted, too.
        waveform: ``[channels, samples]`` at the network's rate, not silent.
        wanted: the query's embedding ``[text_dim]``.

    Returns:
        ``[1, n_freq, frames]`` in [0, 1].
    """
    config = network.config
    heard = heard_labels(waveform, config.sample_rate, reader, detector)
    meant = meaning(wanted, heard, reader)
    wanted = (meant @ reader.anchors).astype(np.float32)
    mask = claims(network, waveform, wanted[None])
    residual = waveform - apply_to_channels(mask, waveform, config.sample_rate, config)
    heard = heard_labels(residual, config.sample_rate, reader, detector)
    which = rivals(heard, meant)
    others = claims(network, waveform, reader.anchors[which], wanted)
    share = claimed_shares(others, (1 - mask[0]) * band_power(waveform, config))
    probability = agreed(heard[which], share) * (1 - meant[which])
    return contest(mask[0], others, torch.from_numpy(probability.astype(np.float32)))[None]


def between(
    network: nn.Module, waveform: np.ndarray, wanted: np.ndarray, unwanted: np.ndarray
) -> Tensor:
    """Return the mask ``[1, n_freq, frames]`` of one of two sounds that are known to be there.

    Args:
        waveform: as for `look_twice`.
        wanted, unwanted: embeddings ``[1, text_dim]``.
    """
    mask = claims(network, waveform, wanted, unwanted[0])
    other = claims(network, waveform, unwanted, wanted[0])
    return contest(mask[0], other, torch.ones(1))[None]


def claims(
    network: nn.Module, waveform: np.ndarray, wanted: np.ndarray, unwanted: np.ndarray | None = None
) -> Tensor:
    """Return a mask ``[n, n_freq, frames]`` for each embedding of what is wanted ``[n, text_dim]``.

    Args:
        waveform: as for `look_twice`.
        unwanted: embedding ``[text_dim]`` of what is not, for all of them.
    """
    query = torch.from_numpy(wanted)
    if unwanted is not None:
        query = torch.stack([query, torch.from_numpy(unwanted).expand_as(query)], 1)
    return estimate_mask(network, torch.from_numpy(waveform[None]), query)


def heard_labels(
    waveform: np.ndarray, sample_rate: int, reader: Reader, detector: Detector
) -> np.ndarray:
    """Return P(the label is heard) ``[labels]`` for each label of a reader; 0 for silence."""
    if not waveform.any():
        return np.zeros(len(reader.labels))
    hearing = hear(waveform, sample_rate, list(reader.labels), detector.encoder)
    return detector.calibration.detection(hearing.features)


def meaning(embedding: np.ndarray, heard: np.ndarray, reader: Reader) -> np.ndarray:
    """Return P(the query means this label | its words, the recording) ``[labels]``, by Bayes' rule.

    Plain words stay what they are; doubtful ones are taken to mean what can be heard.
    """
    joint = reader(embedding) * (UNHEARD + heard)
    return joint / joint.sum()


def rivals(heard: np.ndarray, meant: np.ndarray) -> np.ndarray:
    """Return the labels most likely to be heard besides what is meant, `RIVALS` indices or fewer.

    Args:
        heard: of `heard_labels` for the residual.
        meant: of `meaning`.

    Example:
        >>> rivals(np.array([0.9, 0.2, 0.7]), np.array([1.0, 0.0, 0.0])).tolist()
        [2, 1, 0]
    """
    return np.argsort(-heard * (1 - meant), kind="stable")[:RIVALS]


def claimed_shares(claims: Tensor, left: Tensor) -> np.ndarray:
    """Return how much of the energy that a first estimate leaves each rival claims, ``[rivals]``.

    Args:
        claims: masks of the rivals ``[rivals, freq, time]``.
        left: power ``[freq, time]``.

    Example:
        >>> claimed_shares(torch.tensor([[[1.0, 0.5]]]), torch.tensor([[1.0, 1.0]])).tolist()
        [0.75]
    """
    return ((claims * left).sum((1, 2)) / left.sum().clamp_min(1e-20)).numpy()


def agreed(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the probability that two independent witnesses agree on: their odds multiply.

    Example:
        >>> agreed(np.array([0.8, 0.8, 0.8]), np.array([0.8, 0.5, 0.2])).round(2).tolist()
        [0.94, 0.8, 0.5]
    """
    there, gone = first * second, (1 - first) * (1 - second)
    return there / np.maximum(there + gone, 1e-12)


def contest(mask: Tensor, claims: Tensor, probability: Tensor) -> Tensor:
    """Weigh the mask of what is wanted against the claims of what may also be there.

    The rivals' log odds, each as heavy as it is likely to be there, are taken from the mask's, as
    far as any rival is likely to be there at all.

    Args:
        mask: ``[freq, time]`` in [0, 1].
        claims: masks of the rivals ``[rivals, freq, time]``.
        probability: that each of them is there, ``[rivals]``.

    Returns:
        ``[freq, time]`` in [0, 1].

    Example:
        >>> half, sure = torch.full((1, 1), 0.5), torch.full((1, 1, 1), 0.9)
        >>> bool(contest(half, sure, torch.ones(1)) < 0.5)
        True
        >>> float(contest(half, sure, torch.zeros(1)))
        0.5
    """
    anyone = 1 - (1 - probability).prod()
    weight = probability / probability.sum().clamp_min(1e-9)
    other = (weight[:, None, None] * _log_odds(claims)).sum(0)
    return torch.sigmoid(SHARPNESS * (_log_odds(mask) - anyone * other))


def _log_odds(mask: Tensor) -> Tensor:
    return torch.logit(mask.clamp(1e-4, 1 - 1e-4))
