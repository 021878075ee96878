"""What a separation network has besides `torch.nn.Module`, for type checkers and readers.

Taught in notebook 02.
"""

from __future__ import annotations

from torch import nn

from textsep_lab.models.config import UNetConfig


class SeparationNetwork(nn.Module):
    """Takes features and a query, gives a mask; see `CompactUNet` for the shapes.

    A network of one's own may also be a plain module that has these three.
    """

    config: UNetConfig

    @property
    def stride(self) -> int:
        """Input frames per frame at the bottom; chunks start at a multiple of it."""
        raise NotImplementedError

    @property
    def context_frames(self) -> int:
        """How far, in input frames, the mask can depend on the input to either side."""
        raise NotImplementedError
