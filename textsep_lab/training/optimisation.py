"""How a run's weights move: what decays, how the learning rate goes, what is averaged.

Taught in notebook 03.
"""

from __future__ import annotations

import math

import torch
from torch import nn


def parameter_groups(network: nn.Module, weight_decay: float) -> list[dict]:
    """Decay matrices and kernels; gains, biases and scales have no reason to be small."""
    parameters = list(network.parameters())
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]


def moving_average(average: torch.Tensor, current: torch.Tensor, count: torch.Tensor):
    """Return the exponential moving average, over 1,000 steps, or a tenth of those so far.

    With a fixed decay, a short run would be judged by weights that are mostly its random start.
    """
    if not average.is_floating_point():  # a norm's count of batches
        return current
    decay = torch.clamp((1 + count) / (10 + count), max=0.999)
    return torch.lerp(current, average, decay.to(average.dtype))


def learning_rate_factor(step: int, total: int, warm_up: int = 200, last: float = 0.02) -> float:
    """Return the learning rate at a step as a share of the highest: warm-up, then a cosine.

    Example:
        >>> [round(learning_rate_factor(s, 1000), 2) for s in (0, 99, 199, 600, 1000)]
        [0.01, 0.5, 1.0, 0.51, 0.02]
    """
    warm_up = min(warm_up, total // 5)
    if step < warm_up:
        return (step + 1) / warm_up
    turn = (step - warm_up) / max(1, total - warm_up)
    return last + (1 - last) * 0.5 * (1 + math.cos(math.pi * turn))
