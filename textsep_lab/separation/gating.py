"""From a mask to the output: the estimate inside the time gate, and the residual.

Taught in notebook 00.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from textsep_lab.models.masking import Mask, apply_to_channels


class Gated(NamedTuple):
    """What a mask makes of a waveform.

    Args:
        output, residual: float32 ``[channels, samples]``; their sum is the input.
        energy_share: energy of the estimate over the input's, where the gate is open; NaN for
            silence.
    """

    output: np.ndarray
    residual: np.ndarray
    energy_share: float


def gated(mask: Mask, waveform: np.ndarray, sample_rate: int, gate: np.ndarray, mode: str) -> Gated:
    """Keep or remove what a mask lets through, where the gate is open.

    Args:
        mask: of one sound, or of several joined.
        waveform: ``[channels, samples]`` at `sample_rate`; all channels get the one mask.
        gate: ``[samples]`` in [0, 1].
        mode: ``keep`` or ``remove``.

    Example:
        >>> import torch
        >>> from textsep_lab.models import UNetConfig
        >>> mask, x = Mask(torch.ones(1, 64, 9), UNetConfig()), np.ones((1, 4096), np.float32)
        >>> out = gated(mask, x, 16000, np.ones(4096, np.float32), "remove")
        >>> bool(np.allclose(out.output, 0, atol=1e-5)), round(out.energy_share, 3)
        (True, 1.0)
    """
    target = apply_to_channels(mask.values, waveform, sample_rate, mask.config)
    # The residual comes first: where the gate is 0 it is 0, and the output is the input.
    residual = gate * (target if mode == "remove" else waveform - target)
    residual[:, gate == 0] = 0  # and not -0, which would turn an input of -0 into 0
    before, after = (_energy(gate * x) for x in (waveform, target))
    return Gated(waveform - residual, residual, after / before if before > 0 else float("nan"))


def _energy(waveform: np.ndarray) -> float:
    return float(np.sum(np.square(waveform, dtype=np.float64)))
