"""From a waveform to a mask and from a mask to a waveform: the steps around the network.

Training, evaluation and separation all call these. Taught in notebook 02.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch

from textsep_lab.models.config import UNetConfig
from textsep_lab.models.network import SeparationNetwork
from textsep_lab.signal.stft import Stft, band_matrix, resample_frames, to_bands, to_bins
from textsep_lab.utils.isolation import isolated
from textsep_lab.utils.progress import progress

Tensor = torch.Tensor
CHUNK_FRAMES = 2048


class Mask(NamedTuple):
    """A mask and what says where its rows and columns lie.

    Args:
        values: ``[1, n_freq, frames]`` in [0, 1].
        config: of whose bands or bins, and of whose hop, they are.
    """

    values: Tensor
    config: UNetConfig


def network_stft(config: UNetConfig) -> Stft:
    """Return the network's own transform, at its own rate."""
    return Stft(config.n_fft, config.hop_length)


@isolated()
def features(magnitude: Tensor, level: Tensor, config: UNetConfig) -> Tensor:
    """Return what the network sees: magnitudes in its bands, relative to the clip's level.

    Args:
        magnitude: ``[batch, freq, time]``, of `network_stft`.
        level: root mean square of each waveform ``[batch]``.

    Returns:
        ``[batch, n_freq, time]``; white noise has magnitude 1 in every band.
    """
    scale = level.clamp_min(1e-8) * math.sqrt(config.n_fft / 2)  # energy of the window
    magnitude = magnitude / scale[:, None, None]
    if config.n_bands is None:
        return magnitude
    return to_bands(magnitude, config.n_bands, config.sample_rate)


@isolated()
def band_power(waveform: np.ndarray, config: UNetConfig) -> Tensor:
    """Return the power in each row of the network's mask, ``[n_freq, frames]``.

    Args:
        waveform: ``[channels, samples]`` at the network's rate; the channels' mean power counts.
    """
    power = network_stft(config).magnitude(torch.from_numpy(waveform[None]))[0].square()
    if config.n_bands is None:
        return power
    return band_matrix(config.n_bands, config.n_fft, config.sample_rate) @ power


def estimate_mask(
    network: SeparationNetwork, waveform: Tensor, query: Tensor | None, level: Tensor | None = None
) -> Tensor:
    """Run the network on waveforms at its own rate.

    Args:
        waveform: ``[batch, samples]`` at ``network.config.sample_rate``, or
            ``[batch, channels, samples]`` (see `Stft.magnitude`).
        query: embeddings ``[batch, text_dim]``, or what else the network takes; None for the
            text-agnostic network. Many queries may be asked of one waveform.
        level: root mean square ``[batch]`` to take the clip's loudness from, by default its own.

    Returns:
        Mask ``[batch, n_freq, frames]`` in [0, 1].

    Example:
        >>> from textsep_lab.models.registry import build
        >>> network = build("compact", text_dim=8).eval()
        >>> mask = estimate_mask(network, torch.randn(1, 16000), torch.randn(1, 8))
        >>> tuple(mask.shape)
        (1, 64, 33)
    """
    if level is None:
        level = waveform.square().flatten(1).mean(-1).sqrt()
    magnitude = network_stft(network.config).magnitude(waveform)
    inputs = features(magnitude, level, network.config)
    if query is not None and len(inputs) == 1:
        inputs = inputs.expand(len(query), -1, -1)
    return network(inputs, query) if network.training else in_chunks(network, inputs, query)


@isolated()
def in_chunks(
    network: SeparationNetwork, inputs: Tensor, query: Tensor | None, chunk: int = CHUNK_FRAMES
) -> Tensor:
    """Run the network chunk by chunk, each with all the context its mask can depend on.

    The result is that of one pass; memory no longer grows with the recording. A progress bar
    with the time left appears after 2 s.

    Args:
        inputs: from `features`, ``[batch, n_freq, frames]``.
        chunk: frames a chunk, a multiple of ``network.stride``.
    """
    frames, context = inputs.shape[-1], network.context_frames
    context += -context % network.stride  # chunks start where the network's pooling would
    masks = []
    starts = range(0, frames, chunk)
    for start in progress(starts, "separating", "chunk") if len(starts) > 1 else starts:
        first = max(0, start - context)
        part = network(inputs[..., first : start + chunk + context], query)
        masks.append(part[..., start - first : start - first + chunk])
    return masks[0] if len(masks) == 1 else torch.cat(masks, -1)


@isolated()
def apply_mask(mask: Tensor, waveform: Tensor, sample_rate: int, config: UNetConfig) -> Tensor:
    """Apply a mask of the network to waveforms at any sample rate.

    Args:
        mask: ``[batch, n_freq, frames]``, or batch 1 for all channels alike.
        waveform: ``[batch, samples]`` at `sample_rate`.

    Returns:
        Target estimate ``[batch, samples]``.
    """
    window, own_hop = config.n_fft / config.sample_rate, config.hop_length / config.sample_rate
    stft = Stft.at(sample_rate, window, own_hop)
    spectrogram = stft(waveform)
    if config.n_bands is None and sample_rate != config.sample_rate:
        mask = _bins_at(mask, config, stft.n_fft, sample_rate)
    elif config.n_bands is not None:
        mask = to_bins(mask, stft.n_fft, sample_rate)
    hop_out = stft.hop_length / sample_rate
    if hop_out != own_hop or mask.shape[-1] != spectrogram.shape[-1]:
        mask = resample_frames(mask, own_hop, hop_out, spectrogram.shape[-1])
    return stft.inverse(mask * spectrogram, waveform.shape[-1])


def apply_to_channels(
    mask: Tensor, waveform: np.ndarray, sample_rate: int, config: UNetConfig
) -> np.ndarray:
    """Apply one mask ``[1, n_freq, frames]`` to all channels of ``[channels, samples]``."""
    # A channel at a time: the spectrogram is the largest thing in memory.
    rows = (torch.from_numpy(row[None]) for row in waveform)
    return torch.cat([apply_mask(mask, row, sample_rate, config) for row in rows]).numpy()


def _bins_at(mask: Tensor, config: UNetConfig, n_fft: int, sample_rate: int) -> Tensor:
    """Interpolate a mask on the network's bins to the bins of another rate; hold it above."""
    bins = resample_frames(
        mask.transpose(-1, -2),
        config.sample_rate / config.n_fft,
        sample_rate / n_fft,
        n_fft // 2 + 1,
    )
    return bins.transpose(-1, -2)
