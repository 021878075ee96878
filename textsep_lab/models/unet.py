"""The FiLM-conditioned UNet, and the one that a text-agnostic UNet guides.

The magnitude of the mixture and the embedded query go in, a soft mask comes out.
Taught in notebook 02.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import nn

from textsep_lab.models.config import UNetConfig
from textsep_lab.models.film import FiLM
from textsep_lab.models.network import SeparationNetwork

Tensor = torch.Tensor


class FiLMBlock(nn.Module):
    """Residual block: twice convolution, batch norm, FiLM; the sum through a ReLU.

    Works on ``[batch, channels, freq, time]``, or on ``[batch, channels, time]`` with a dilation
    in time when `dims` is 1.
    """

    def __init__(
        self, c_in: int, c_out: int, query_dim: int | None, dims: int = 2, dilation: int = 1
    ) -> None:
        super().__init__()
        conv, norm = (nn.Conv2d, nn.BatchNorm2d) if dims == 2 else (nn.Conv1d, nn.BatchNorm1d)
        wide: dict[str, Any] = {
            "kernel_size": 3,
            "padding": dilation,
            "dilation": dilation,
            "bias": False,
        }
        self.conv1, self.norm1 = conv(c_in, c_out, **wide), norm(c_out)
        self.conv2, self.norm2 = conv(c_out, c_out, **wide), norm(c_out)
        self.film1, self.film2 = FiLM(query_dim, c_out), FiLM(query_dim, c_out)
        self.skip = nn.Identity() if c_in == c_out else conv(c_in, c_out, 1)

    def forward(self, x: Tensor, query: Tensor | None) -> Tensor:
        y = torch.relu(self.film1(self.norm1(self.conv1(x)), query))
        y = self.film2(self.norm2(self.conv2(y)), query)
        return torch.relu(y + self.skip(x))


class CompactUNet(SeparationNetwork):
    """UNet of residual FiLM blocks on mel-spaced bands, the default.

    Two by two neighbours of the input are first stacked as channels (pixel unshuffle, Shi et al.
    2016), which halves the cost of the widest level. Each level then halves frequency and time.
    At the bottom, frequency is folded into channels and dilated convolutions look along time.
    All context is finite (`context_frames`), so a long file can be cut into chunks without
    changing the mask; norms hold fixed statistics after training for the same reason.

    Shape:
        magnitude ``[batch, n_bands, time]`` at a level where the clip's RMS is 1, query
        ``[batch, text_dim]``, or ``[batch, 2, text_dim]`` with what is unwanted second (zeros for
        nothing, shorter the less it is sure), None for the text-agnostic network → mask
        ``[batch, n_bands, time]`` in [0, 1].
    """

    TAKES_UNWANTED = True
    IN_CHANNELS = 1  # of `_inputs`
    QUERY_DIM = 256
    BOTTLENECK = 256
    DILATIONS = (1, 2, 4)

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.config = config
        channels, text_dim = config.channels, config.text_dim
        d = None if text_dim is None else self.QUERY_DIM
        if text_dim is not None:
            self.wanted = nn.Linear(text_dim, self.QUERY_DIM)
            self.unwanted = nn.Linear(text_dim, self.QUERY_DIM, bias=False)
            nn.init.zeros_(self.unwanted.weight)
            self.dropout = nn.Dropout(config.dropout)
        self.norm = nn.BatchNorm1d(config.n_freq)
        pairs = list(zip((4 * self.IN_CHANNELS, *channels), channels, strict=False))
        self.encoders = nn.ModuleList(FiLMBlock(a, b, d) for a, b in pairs)
        self.pitch = nn.Parameter(torch.zeros(channels[0], config.n_freq // 2, 1))
        self.rows = config.n_freq // self.stride
        folded = channels[-1] * self.rows
        self.squeeze = nn.Conv1d(folded, self.BOTTLENECK, 1)
        self.context = nn.ModuleList(
            FiLMBlock(self.BOTTLENECK, self.BOTTLENECK, d, dims=1, dilation=k)
            for k in self.DILATIONS
        )
        self.expand = nn.Conv1d(self.BOTTLENECK, folded, 1)
        outputs = (channels[0], *channels[:-1])
        self.decoders = nn.ModuleList(
            FiLMBlock(2 * c, o, d) for c, o in reversed(list(zip(channels, outputs, strict=True)))
        )
        self.head = nn.Conv2d(channels[0], 4, 1)

    @property
    def stride(self) -> int:
        """Input frames per frame at the bottom; the input is padded to a multiple of it."""
        return 2 ** (len(self.config.channels) + 1)

    @property
    def context_frames(self) -> int:
        """How far, in input frames, the mask can depend on the input to either side."""
        levels = range(len(self.config.channels))
        reach = 2 * sum(2 * 2 ** (k + 1) for k in levels)  # two convolutions a block, down and up
        return reach + self.stride * (2 * sum(self.DILATIONS) + 2)

    def forward(self, magnitude: Tensor, query: Tensor | None = None) -> Tensor:
        frames = magnitude.shape[-1]
        q = None if self.config.text_dim is None else self._encode(query)
        x = nn.functional.pad(self._inputs(magnitude), (0, -frames % self.stride))
        x = nn.functional.pixel_unshuffle(x, 2)
        skips = []
        for level, encoder in enumerate(self.encoders):
            x = encoder(x, q)
            if level == 0:
                x = x + self.pitch  # convolutions alone cannot tell a low band from a high one
            skips.append(x)
            x = nn.functional.avg_pool2d(x, 2)
        x = x + self._temporal_context(x, q)
        for skip, decoder in zip(reversed(skips), self.decoders, strict=True):
            x = nn.functional.interpolate(x, scale_factor=2.0, mode="nearest")
            x = decoder(torch.cat([x, skip], 1), q)
        x = nn.functional.pixel_shuffle(self.head(x), 2).squeeze(1)
        return torch.sigmoid(x[..., :frames])

    def _inputs(self, magnitude: Tensor) -> Tensor:
        """Return what the convolutions see, ``[batch, IN_CHANNELS, n_bands, time]``."""
        return self.norm(torch.log(magnitude + 1e-3)).unsqueeze(1)

    def _encode(self, query: Tensor | None) -> Tensor:
        if query is None:
            raise TypeError("This network takes a query: give it an embedding.")
        wanted, unwanted = query.unbind(1) if query.ndim == 3 else (query, None)
        hidden = self.wanted(wanted)
        if unwanted is not None:
            hidden = hidden + self.unwanted(unwanted)
        return self.dropout(hidden.relu())

    def _temporal_context(self, x: Tensor, q: Tensor | None) -> Tensor:
        y = self.squeeze(x.flatten(1, 2))
        for block in self.context:
            y = block(y, q)
        return self.expand(y).unflatten(1, (-1, self.rows))


class GuidedUNet(CompactUNet):
    """A compact UNet that is shown how a text-agnostic one divides the mixture in two.

    That one learns to separate without having to recognise anything, and goes on learning longer.
    It stays as it is: this network only learns which of the two parts is wanted, and to mend them.

    Shape:
        as `CompactUNet`.
    """

    IN_CHANNELS = 2

    def __init__(self, config: UNetConfig) -> None:
        super().__init__(config)
        self.text_agnostic = CompactUNet(replace(config, name="compact", text_dim=None))
        self.text_agnostic.requires_grad_(False)
        # torch has no types for this one.
        self.register_load_state_dict_pre_hook(_rename_text_agnostic)  # type: ignore[no-untyped-call]

    def train(self, mode: bool = True) -> GuidedUNet:
        super().train(mode)
        self.text_agnostic.eval()
        return self

    @property
    def context_frames(self) -> int:
        return super().context_frames + self.text_agnostic.context_frames

    def start_from(self, network: CompactUNet) -> None:
        """Take over the weights of a network that was not shown the text-agnostic mask."""
        own = self.state_dict()
        for name, known in network.state_dict().items():
            if own[name].shape == known.shape:
                own[name].copy_(known)
            else:  # the first convolutions, which have one more input channel
                own[name].zero_()[:, : known.shape[1]] = known

    def _inputs(self, magnitude: Tensor) -> Tensor:
        # One recording with many queries comes expanded, and need not be divided many times.
        mixtures = magnitude if magnitude.stride(0) else magnitude[:1]
        with torch.no_grad():
            side = 2 * self.text_agnostic(mixtures) - 1
        if self.training:  # which of the two parts it calls its estimate means nothing
            side = side * (2 * torch.randint(2, (len(side), 1, 1), device=side.device) - 1)
        side = side.expand_as(magnitude).to(magnitude.dtype)
        return torch.cat([super()._inputs(magnitude), side.unsqueeze(1)], 1)


def _rename_text_agnostic(_network: nn.Module, state: dict[str, Tensor], *_: object) -> None:
    """The shipped weights know the part ``text_agnostic`` by its older name, ``twin``."""
    for key in [key for key in state if key.startswith("twin.")]:
        state["text_agnostic." + key.removeprefix("twin.")] = state.pop(key)
