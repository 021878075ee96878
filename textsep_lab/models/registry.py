"""Networks by name, and how one is built. Taught in notebook 02."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from textsep_lab.models.config import CONFIGS, UNetConfig
from textsep_lab.utils.registry import Registry

if TYPE_CHECKING:
    from torch import nn

    from textsep_lab.models.network import SeparationNetwork

NETWORKS = Registry(
    "network",
    {
        "compact": "textsep_lab.models.unet:CompactUNet",
        "guided": "textsep_lab.models.unet:GuidedUNet",
        "reference": "textsep_lab.models.reference_unet:ReferenceUNet",
    },
)


def configuration(name: str) -> UNetConfig:
    """Return the configuration of that name, or the usual one of a network of that name.

    Raises:
        ValueError: unknown name.

    Example:
        >>> configuration("reference").n_freq
        513
    """
    return CONFIGS[name] if name in CONFIGS else UNetConfig(name=NETWORKS.check(name))


def build(config: UNetConfig | str, text_dim: int | None = -1) -> SeparationNetwork:
    """Build a network with random weights.

    Args:
        config: a configuration or the name of one.
        text_dim: replaces the configuration's; None gives the text-agnostic network.

    Raises:
        ValueError: unknown name.

    Example:
        >>> import torch
        >>> network = build("compact", text_dim=8)
        >>> mask = network(torch.rand(2, 64, 40), torch.randn(2, 8))
        >>> tuple(mask.shape), bool(((mask >= 0) & (mask <= 1)).all())
        ((2, 64, 40), True)
    """
    if isinstance(config, str):
        config = configuration(config)
    if text_dim != -1:
        config = replace(config, text_dim=text_dim)
    return NETWORKS.load(config.name)(config)


def parameter_count(network: nn.Module) -> int:
    """Return the number of parameters.

    Example:
        >>> parameter_count(build("reference"))
        16755777
    """
    return sum(p.numel() for p in network.parameters())
