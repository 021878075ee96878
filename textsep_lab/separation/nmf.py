"""The method ``nmf``: non-negative matrix factorisation, the classical baseline beside the network.

A magnitude spectrogram is decomposed into a few components, each one spectrum that comes and
goes; their similarities to the query decide how much of each is kept. Nothing is trained, or one
set of spectra a class. Taught in notebook 04.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch

from textsep_lab.encoders.base import JointEncoder
from textsep_lab.encoders.queries import clean_query
from textsep_lab.models.config import UNetConfig
from textsep_lab.models.masking import Mask, apply_mask, network_stft
from textsep_lab.separation.nmf_decomposition import ITERATIONS, Decomposition, decompose
from textsep_lab.signal import audio
from textsep_lab.utils.progress import progress

if TYPE_CHECKING:
    from textsep_lab.separation.separator import Separator

CONFIG = UNetConfig(n_bands=None)  # for `apply_mask`: a mask on every bin of the kit's transform
TEMPERATURE = 0.3  # chosen on fold 4: 60 mixtures, 0.02 to 0.5
SILENCE = 1e-6  # share of the magnitude below which a component is numerical dust


@dataclass(frozen=True)
class NMFEstimate:
    """The components of a recording, and how much of each the query takes.

    Args:
        query: what was asked.
        mask: ``[1, 513, frames]`` in [0, 1], for `masking.apply_mask` with `CONFIG`.
        decomposition: the components.
        scores: cosine of each component, or of its class's label, with the query, ``[k]``; NaN
            for a silent one.
        weights: how much of each component is in the mask, ``[k]`` in [0, 1].
        names: of the components, ``k`` of them; with `ClassBases`, their labels.
        label: the class taken for the query; None without classes.
    """

    query: str
    mask: torch.Tensor
    decomposition: Decomposition
    scores: np.ndarray
    weights: np.ndarray
    names: tuple[str, ...]
    label: str | None = None
    sample_rate: ClassVar[int] = CONFIG.sample_rate  # of the mask: its top row is half of it
    mask_hop: ClassVar[float] = CONFIG.hop_length / CONFIG.sample_rate  # seconds a column


def separate_components(
    waveform: np.ndarray,
    sample_rate: int,
    query: str,
    encoder: JointEncoder,
    components: int = 8,
    seed: int = 0,
    iterations: int = ITERATIONS,
    temperature: float = TEMPERATURE,
) -> NMFEstimate:
    """Decompose a recording, embed each component, and keep those most similar to the query.

    Args:
        waveform: ``[channels, samples]`` at `sample_rate`, any of both; several channels are
            decomposed as their power mean, and get one mask.
        encoder: embeds the components, each at full scale, and the query.
        temperature: of `soft_weights`, as a difference of cosines.

    Raises:
        ValueError: bad audio, query or argument, or too short for so many components.

    Example:
        >>> class Constant:  # everything has one embedding
        ...     def embed_text(self, texts):
        ...         return np.ones((len(texts), 1), np.float32)
        ...     def embed_audio(self, waveform, sample_rate):
        ...         return np.ones(1, np.float32)
        >>> noise = np.random.default_rng(0).standard_normal((2, 22050))
        >>> estimate = separate_components(noise, 22050, "rain", Constant(), components=3)
        >>> tuple(estimate.mask.shape), estimate.weights.tolist()
        ((1, 513, 33), [1.0, 1.0, 1.0])
    """
    query = clean_query(query)
    resampled, magnitude = magnitude_at_16k(waveform, sample_rate)
    parts = decompose(magnitude, components, seed, iterations)
    scores = _scores(parts, resampled, encoder, encoder.embed_text([query])[0])
    weights = soft_weights(scores, temperature)
    mask = torch.from_numpy(parts.mask(weights))[None]
    names = tuple(str(number + 1) for number in range(components))
    return NMFEstimate(query, mask, parts, scores, weights, names)


def nmf_mask(
    separator: Separator,
    waveform: np.ndarray,
    sample_rate: int,
    query: str,
    components: int,
    unwanted: str | None,
) -> Mask:
    """Return the mask of the method ``nmf``, see `separate_components`.

    Raises:
        ValueError: `unwanted` is given, or as `separate_components`.
    """
    if unwanted is not None:
        raise ValueError("NMF cannot be told what is unwanted: leave it out, or take the network.")
    encoder = separator.detector.encoder
    found = separate_components(waveform, sample_rate, query, encoder, components)
    return Mask(found.mask, CONFIG)


def soft_weights(scores: np.ndarray, temperature: float = TEMPERATURE) -> np.ndarray:
    """Return ``exp((score - best score) / temperature)``: a softmax whose largest weight is 1.

    Equal scores get equal weights, the best one is always kept whole, and one that is a
    temperature worse is kept to 37 %. A silent component, whose score is NaN, gets 0.

    Raises:
        ValueError: the temperature is not positive.

    Example:
        >>> soft_weights(np.array([0.3, 0.3, 0.2, np.nan]), temperature=0.1).round(2).tolist()
        [1.0, 1.0, 0.37, 0.0]
    """
    if not temperature > 0:
        raise ValueError(f"The temperature must be over 0, not {temperature!r}.")
    best = np.nanmax(scores) if np.isfinite(scores).any() else 0.0
    return np.nan_to_num(np.exp((scores - best) / temperature))


def magnitude_at_16k(waveform: np.ndarray, sample_rate: int) -> tuple[torch.Tensor, np.ndarray]:
    """Return ``[channels, samples]`` at 16 kHz, and its magnitude ``[513, frames]``."""
    waveform = audio.check_waveform(waveform)
    resampled = torch.from_numpy(audio.resample(waveform, sample_rate, CONFIG.sample_rate))
    return resampled, network_stft(CONFIG).magnitude(resampled[None])[0].numpy()


def _scores(
    parts: Decomposition, resampled: torch.Tensor, encoder: JointEncoder, query: np.ndarray
) -> np.ndarray:
    """Resynthesise each component that sounds and return its cosine with the query, ``[k]``."""
    loudness = parts.activations.sum(1)
    sounding = np.flatnonzero(loudness > SILENCE * max(loudness.sum(), np.finfo(np.float32).tiny))
    scores = np.full(len(loudness), np.nan)
    for index in progress(sounding, "scoring", "component"):
        mask = torch.from_numpy(parts.mask(np.eye(len(loudness))[index]))[None]
        sound = apply_mask(mask, resampled, CONFIG.sample_rate, CONFIG).numpy()
        sound /= np.abs(sound).max()  # its score is not to depend on its level
        scores[index] = encoder.embed_audio(sound, CONFIG.sample_rate) @ query
    return scores
