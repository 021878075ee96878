"""The course project's network, kept to compare with. Taught in notebook 02."""

from __future__ import annotations

import torch
from torch import nn

from textsep_lab.models.config import UNetConfig
from textsep_lab.models.film import FiLM
from textsep_lab.models.network import SeparationNetwork

Tensor = torch.Tensor


def _double_conv(c_in: int, c_out: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for a in (c_in, c_out):
        layers += [nn.Conv2d(a, c_out, 3, padding=1), nn.BatchNorm2d(c_out), nn.ReLU()]
    return nn.Sequential(*layers)


class ReferenceUNet(SeparationNetwork):
    """The course project's network, to compare with: a plain UNet on all STFT bins.

    Encoders of 64, 128, 256 and 512 channels, transposed convolutions on the way up, FiLM after
    the bottleneck and after decoders 4, 3 and 2. Shapes as in `CompactUNet`, with bins for bands.
    """

    TAKES_UNWANTED = False

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.config = config
        channels, d = config.channels, config.text_dim
        pairs = zip((1, *channels), channels, strict=False)
        self.encoders = nn.ModuleList(_double_conv(a, b) for a, b in pairs)
        self.bottleneck = _double_conv(channels[-1], channels[-1])
        self.film = FiLM(d, channels[-1])
        outputs = (channels[0], *channels[:-1])
        levels = list(zip(channels, outputs, strict=True))[::-1]
        self.ups = nn.ModuleList(nn.ConvTranspose2d(c, c, 2, stride=2) for c, _ in levels)
        self.decoders = nn.ModuleList(_double_conv(2 * c, o) for c, o in levels)
        # The shallowest decoder has none; None is FiLM's identity.
        dims = [d] * (len(levels) - 1) + [None]
        self.films = nn.ModuleList(FiLM(dim, o) for dim, (_, o) in zip(dims, levels, strict=True))
        self.head = nn.Conv2d(channels[0], 1, 1)

    @property
    def stride(self) -> int:
        """As in `CompactUNet`."""
        return 2 ** len(self.config.channels)

    @property
    def context_frames(self) -> int:
        """As in `CompactUNet`."""
        levels = range(len(self.config.channels))
        return 2 * sum(2 * 2**k for k in levels) + 3 * self.stride

    def forward(self, magnitude: Tensor, query: Tensor | None = None) -> Tensor:
        if query is not None and query.ndim == 3:
            query = query[:, 0]  # it knows no unwanted sound
        freq, frames = magnitude.shape[-2:]
        step = self.stride
        x = nn.functional.pad(magnitude, (0, -frames % step, 0, -freq % step)).unsqueeze(1)
        skips = []
        for encoder in self.encoders:
            skips.append(encoder(x))
            x = nn.functional.max_pool2d(skips[-1], 2)
        x = self.film(self.bottleneck(x), query)
        for up, decoder, film in zip(self.ups, self.decoders, self.films, strict=True):
            x = film(decoder(torch.cat([up(x), skips.pop()], 1)), query)
        return torch.sigmoid(self.head(x)).squeeze(1)[..., :freq, :frames]
