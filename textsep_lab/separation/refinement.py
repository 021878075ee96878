"""The refinement pass: sounds detected in what a first mask leaves compete with it.

A network that is asked for one sound at a time takes every place in the spectrum that such a sound
might have made. So the sounds detected in the residual are asked for, too, and each place goes to
the more likely of the competing masks. Taught in notebook 05.
"""

from __future__ import annotations

import numpy as np
import torch

from textsep_lab.detection.detector import Detector
from textsep_lab.detection.similarity import compare
from textsep_lab.encoders.query_classifier import QueryClassifier
from textsep_lab.models.masking import apply_to_channels, band_power, estimate_mask
from textsep_lab.models.network import SeparationNetwork

Tensor = torch.Tensor

N_INTERFERERS = 3  # how many other sounds compete
MISS_PROBABILITY = 0.1  # a sound that the detector misses may be there all the same
LOGIT_SCALE = 0.6  # of the final mask; below 1, as masks are surer than they are right


def refine_mask(
    network: SeparationNetwork,
    waveform: np.ndarray,
    wanted: np.ndarray,
    classifier: QueryClassifier,
    detector: Detector,
) -> Tensor:
    """Return the mask of a query after detection in the mixture and in a first residual.

    Args:
        network: takes what is unwanted, too.
        waveform: ``[channels, samples]`` at the network's rate, not silent.
        wanted: the query's embedding ``[text_dim]``.

    Returns:
        ``[1, n_freq, frames]`` in [0, 1].
    """
    config = network.config
    detected = label_probabilities(waveform, config.sample_rate, classifier, detector)
    meant = query_posterior(wanted, detected, classifier)
    wanted = (meant @ classifier.label_embeddings).astype(np.float32)
    mask = query_masks(network, waveform, wanted[None])
    residual = waveform - apply_to_channels(mask, waveform, config.sample_rate, config)
    detected = label_probabilities(residual, config.sample_rate, classifier, detector)
    which = select_interferers(detected, meant)
    others = query_masks(network, waveform, classifier.label_embeddings[which], wanted)
    share = explained_energy(others, (1 - mask[0]) * band_power(waveform, config))
    probability = share * torch.from_numpy((1 - meant[which]).astype(np.float32))
    return fuse_log_odds(mask[0], others, probability)[None]


def mask_against(
    network: SeparationNetwork, waveform: np.ndarray, wanted: np.ndarray, unwanted: np.ndarray
) -> Tensor:
    """Return the mask ``[1, n_freq, frames]`` of one of two sounds that are known to be there.

    Args:
        waveform: as for `refine_mask`.
        wanted, unwanted: embeddings ``[1, text_dim]``.
    """
    mask = query_masks(network, waveform, wanted, unwanted[0])
    other = query_masks(network, waveform, unwanted, wanted[0])
    return fuse_log_odds(mask[0], other, torch.ones(1, dtype=torch.float32))[None]


def query_masks(
    network: SeparationNetwork,
    waveform: np.ndarray,
    wanted: np.ndarray,
    unwanted: np.ndarray | None = None,
) -> Tensor:
    """Return a mask ``[n, n_freq, frames]`` for each embedding of what is wanted ``[n, text_dim]``.

    Args:
        waveform: as for `refine_mask`.
        unwanted: embedding ``[text_dim]`` of what is not, for all of them.
    """
    query = torch.from_numpy(wanted)
    if unwanted is not None:
        query = torch.stack([query, torch.from_numpy(unwanted).expand_as(query)], 1)
    return estimate_mask(network, torch.from_numpy(waveform[None]), query)


def label_probabilities(
    waveform: np.ndarray, sample_rate: int, classifier: QueryClassifier, detector: Detector
) -> np.ndarray:
    """Return P(the label is there) ``[labels]`` for each label of a classifier; 0 for silence."""
    if not waveform.any():
        return np.zeros(len(classifier.labels))
    similarities = compare(waveform, sample_rate, list(classifier.labels), detector.encoder)
    return detector.calibration.detection(similarities.features)


def query_posterior(
    embedding: np.ndarray, detected: np.ndarray, classifier: QueryClassifier
) -> np.ndarray:
    """Return P(the query means this label | its words, the recording) ``[labels]``, by Bayes' rule.

    Plain words stay what they are; doubtful ones are taken to mean what can be detected.
    """
    joint = classifier(embedding) * (MISS_PROBABILITY + detected)
    return joint / joint.sum()


def select_interferers(detected: np.ndarray, meant: np.ndarray) -> np.ndarray:
    """Return the labels most likely detected besides what is meant, `N_INTERFERERS` or fewer.

    Args:
        detected: of `label_probabilities` for the residual.
        meant: of `query_posterior`.

    Example:
        >>> select_interferers(np.array([0.9, 0.2, 0.7]), np.array([1.0, 0.0, 0.0])).tolist()
        [2, 1, 0]
    """
    return np.argsort(-detected * (1 - meant), kind="stable")[:N_INTERFERERS]


def explained_energy(masks: Tensor, residual_power: Tensor) -> Tensor:
    """Return the share of the energy that a first mask leaves which each interferer explains.

    Args:
        masks: of the interferers ``[n, freq, time]``.
        residual_power: ``[freq, time]``.

    Returns:
        ``[n]`` in [0, 1]; what it explains stands for the probability that it is there.

    Example:
        >>> explained_energy(torch.tensor([[[1.0, 0.5]]]), torch.tensor([[1.0, 1.0]])).tolist()
        [0.75]
    """
    return (masks * residual_power).sum((1, 2)) / residual_power.sum().clamp_min(1e-20)


def fuse_log_odds(mask: Tensor, others: Tensor, probability: Tensor) -> Tensor:
    """Weigh the mask of what is wanted against the competing masks of what may also be there.

    The interferers' log odds, each as heavy as it is likely to be there, are taken from the mask's,
    as far as any interferer is likely to be there at all.

    Args:
        mask: ``[freq, time]`` in [0, 1].
        others: masks of the interferers ``[n, freq, time]``.
        probability: that each of them is there, ``[n]``.

    Returns:
        ``[freq, time]`` in [0, 1].

    Example:
        >>> half, sure = torch.full((1, 1), 0.5), torch.full((1, 1, 1), 0.9)
        >>> bool(fuse_log_odds(half, sure, torch.ones(1)) < 0.5)
        True
        >>> float(fuse_log_odds(half, sure, torch.zeros(1)))
        0.5
    """
    anyone = 1 - (1 - probability).prod()
    weight = probability / probability.sum().clamp_min(1e-9)
    competing = (weight[:, None, None] * _log_odds(others)).sum(0)
    return torch.sigmoid(LOGIT_SCALE * (_log_odds(mask) - anyone * competing))


def _log_odds(mask: Tensor) -> Tensor:
    return torch.logit(mask.clamp(1e-4, 1 - 1e-4))
