"""FiLM, the layer through which a query steers a network.

Taught in notebook 02.
"""

from __future__ import annotations

import torch
from torch import nn

Tensor = torch.Tensor


class FiLM(nn.Module):
    """Feature-wise linear modulation (Perez et al. 2018, eq. 2): ``(1 + γ) x + β``.

    γ and β, one of each per channel, are read off the query by one linear layer that starts at
    zero, so an untrained FiLM passes its input through.

    Args:
        query_dim: size of the query vector; None makes the layer the identity for good.
        channels: feature maps to modulate.

    Shape:
        x ``[batch, channels, …]``, query ``[batch, query_dim]`` → as x.

    Example:
        >>> x = torch.randn(2, 4, 8, 8)
        >>> bool(torch.equal(FiLM(3, 4)(x, torch.randn(2, 3)), x))
        True
    """

    def __init__(self, query_dim: int | None, channels: int) -> None:
        super().__init__()
        self.linear = None
        if query_dim is not None:
            self.linear = nn.Linear(query_dim, 2 * channels)
            nn.init.zeros_(self.linear.weight)
            nn.init.zeros_(self.linear.bias)

    def forward(self, x: Tensor, query: Tensor | None) -> Tensor:
        if self.linear is None:
            return x
        gamma, beta = self.linear(query).unflatten(1, (2, -1)).unbind(1)
        shape = gamma.shape + (1,) * (x.ndim - 2)
        return (1 + gamma.view(shape)) * x + beta.view(shape)
