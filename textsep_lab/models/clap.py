"""The CLAP network: a small convolutional audio tower and a text head that share one space.

Log-mel in, one embedding per frame and one per clip out. Taught in notebook 07.

References:
    Radford et al. (2021), CLIP, ICML (two towers, one space, a learnt scale).
    Kong et al. (2020), PANNs, TASLP 28 (mean plus maximum over time and frequency).
"""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional as F

from textsep_lab.models.config import ClapConfig
from textsep_lab.signal.stft import Stft, to_bands
from textsep_lab.utils.isolation import isolated

Tensor = torch.Tensor
CHUNK_FRAMES = 256  # of the output: half a minute


@isolated()
def log_mel(waveform: Tensor, config: ClapConfig) -> Tensor:
    """Return band levels relative to the clip's, in units of 20 dB, floored at -80 dB.

    Args:
        waveform: ``[batch, samples]`` or ``[batch, channels, samples]`` at
            ``config.sample_rate``.

    Returns:
        ``[batch, n_bands, frames]``; white noise is 0 in every band.

    Example:
        >>> tuple(log_mel(torch.randn(2, 16000), ClapConfig()).shape)
        (2, 64, 64)
    """
    magnitude = Stft(config.n_fft, config.hop_length).magnitude(waveform)
    bands = to_bands(magnitude, config.n_bands, config.sample_rate)
    level = waveform.square().flatten(1).mean(-1).sqrt().clamp_min(1e-8) * math.sqrt(
        config.n_fft / 2
    )
    return torch.log10((bands / level[:, None, None]).clamp_min(1e-4))


class ConvBlock(nn.Module):
    """Residual block: twice convolution and batch norm; the sum through a ReLU."""

    def __init__(self, c_in: int, c_out: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(c_in, c_out, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(c_out, c_out, 3, padding=1, bias=False)
        self.norm1, self.norm2 = nn.BatchNorm2d(c_out), nn.BatchNorm2d(c_out)
        self.skip = nn.Identity() if c_in == c_out else nn.Conv2d(c_in, c_out, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm2(self.conv2(torch.relu(self.norm1(self.conv1(x)))))
        return torch.relu(y + self.skip(x))


class ClapNetwork(nn.Module):
    """Audio tower and text head.

    Two by two neighbours of the log-mel picture are stacked as channels; each level but the last
    then halves frequency and time. Context is finite, so a long recording can be cut.

    Shape:
        `frames`: log-mel ``[batch, n_bands, time]`` → features ``[batch, time / stride, c]``.
        `embed`: features ``[…, c]`` → unit length ``[…, dim]``.
        `embed_text`: text embeddings ``[n, text_dim]`` → unit length ``[n, dim]``.

    Example:
        >>> network = ClapNetwork(ClapConfig(channels=(4, 8), dim=6)).eval()
        >>> features = network.frames(torch.randn(2, 64, 63))
        >>> tuple(network.embed(features).shape), tuple(network.embed(pool(features)).shape)
        ((2, 32, 6), (2, 6))
    """

    def __init__(self, config: ClapConfig) -> None:
        super().__init__()
        self.config = config
        channels, last = config.channels, config.channels[-1]
        self.norm = nn.BatchNorm1d(config.n_bands)
        pairs = zip((4, *channels), channels, strict=False)
        self.levels = nn.ModuleList(ConvBlock(a, b) for a, b in pairs)
        self.pitch = nn.Parameter(torch.zeros(channels[0], config.n_bands // 2, 1))
        self.head = nn.Sequential(
            nn.Linear(last, last), nn.ReLU(), nn.Dropout(config.dropout),
            nn.Linear(last, config.dim),
        )  # fmt: skip
        self.text_line = nn.Linear(config.text_dim, config.dim)
        self.text_bend = nn.Sequential(
            nn.Linear(config.text_dim, 512), nn.ReLU(), nn.Dropout(config.dropout),
            nn.Linear(512, config.dim),
        )  # fmt: skip
        # Similarities become logits: of a choice among labels, and of presence, yes or no.
        self.choice_scale = nn.Parameter(torch.tensor(math.log(10.0)))
        self.presence_scale = nn.Parameter(torch.tensor(math.log(10.0)))
        self.presence_bias = nn.Parameter(torch.tensor(-5.0))

    @property
    def context_frames(self) -> int:
        """How far, in input frames, an output frame can depend on the input to either side."""
        strides = [2 ** (k + 1) for k in range(len(self.config.channels))]
        strides[-1] = self.config.stride
        return sum(2 * s for s in strides) + self.config.stride

    def frames(self, mel: Tensor) -> Tensor:
        """Return features per frame, ``[batch, ceil(time / stride), c]``."""
        x = F.pad(self.norm(mel), (0, -mel.shape[-1] % self.config.stride))
        x = F.pixel_unshuffle(x.unsqueeze(1), 2)
        for number, level in enumerate(self.levels):
            if number:  # the last level's frames are the level's before: halve frequency only
                last = number == len(self.levels) - 1
                x = F.avg_pool2d(x, (2, 1) if last else 2)
            x = level(x)
            if number == 0:
                x = x + self.pitch  # convolutions alone cannot tell a low band from a high one
        return (x.mean(2) + x.amax(2)).transpose(1, 2)

    def embed(self, features: Tensor) -> Tensor:
        """Return unit-length embeddings of features, of frames or pooled."""
        return F.normalize(self.head(features), dim=-1)

    def embed_text(self, text: Tensor) -> Tensor:
        """Return unit-length embeddings of text embeddings."""
        return F.normalize(self.text_line(text) + self.text_bend(text), dim=-1)

    def presence_logits(self, similarity: Tensor) -> Tensor:
        """Return the logit of "this sound is here" for cosine similarities."""
        return self.presence_scale.exp() * similarity + self.presence_bias


def pool(features: Tensor) -> Tensor:
    """Pool features ``[batch, frames, c]`` over time to ``[batch, c]``: mean and maximum.

    A clip of equal frames pools to that frame, so frames and clips share the space.

    Example:
        >>> bool((pool(torch.ones(1, 7, 3)) == 1).all())
        True
    """
    return 0.5 * (features.mean(1) + features.amax(1))


def extract_features(network: ClapNetwork, waveform: Tensor, chunk: int = CHUNK_FRAMES) -> Tensor:
    """Return the features of waveforms ``[batch, samples]``, or ``[batch, channels, samples]``.

    After training a long recording goes through in chunks, each with all the context its frames
    can depend on: the result is that of one pass, and memory does not grow with it.

    Args:
        waveform: at the network's rate.
        chunk: output frames a chunk.

    Returns:
        ``[batch, frames, c]``; frame k is about the ``frame_hop`` seconds from ``k * frame_hop``.
    """
    config = network.config
    frames = -(-waveform.shape[-1] // (config.stride * config.hop_length))
    mel = log_mel(waveform, config)
    if network.training or frames <= chunk:
        return network.frames(mel)[:, :frames]
    around, parts = -(-network.context_frames // config.stride), []
    for start in range(0, frames, chunk):
        first = max(0, start - around)
        part = mel[..., first * config.stride : (start + chunk + around) * config.stride]
        parts.append(network.frames(part)[:, start - first : start - first + chunk])
    return torch.cat(parts, 1)[:, :frames]
