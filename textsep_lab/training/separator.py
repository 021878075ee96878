"""Training a separator: recordings go in, a checkpoint comes out. Taught in notebook 03."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from textsep_lab.models import checkpoints
from textsep_lab.models.masking import apply_mask, estimate_mask
from textsep_lab.models.registry import build
from textsep_lab.training.config import SeparatorSettings
from textsep_lab.training.loop import Run, described
from textsep_lab.training.registry import LOSSES
from textsep_lab.training.separator_data import (
    Batch,
    TrainingData,
    ValidationData,
    clips_per_epoch,
    protocol,
)


def train(settings: SeparatorSettings, output_dir: str | Path, progress: bool = True) -> Path:
    """Train a separator, or go on with the run that `output_dir` holds (see `loop.Run`).

    Returns:
        Path of the best checkpoint: the averaged weights with the highest validation SI-SDRi.

    Raises:
        ValueError: senseless settings, or a run with other settings lies in `output_dir`.
        FileNotFoundError: no data set.
    """
    settings.check()
    return SeparatorRun(settings, Path(output_dir), TrainingData(settings)).fit(progress)


class SeparatorRun(Run):
    """A run that trains a FiLM UNet, or a text-agnostic one."""

    def __init__(self, settings: SeparatorSettings, folder: Path, data: TrainingData) -> None:
        self.data = data
        self.validation = ValidationData(settings, data.encoder)
        text_dim = None if settings.text_agnostic else data.encoder.dim
        if settings.init is not None or settings.guide is not None:
            _network(settings, text_dim)  # before anything is written, see whether it fits
        super().__init__(
            settings,
            folder,
            lambda: _network(settings, text_dim),
            clips_per_epoch(data.clips.table),
        )

    def batch(self, step: int) -> Batch:
        return self.data.batch(step)

    def loss(
        self, mixture: torch.Tensor, target: torch.Tensor, query: torch.Tensor
    ) -> torch.Tensor:
        mask = estimate_mask(self.module, mixture, query)
        loss = LOSSES.load(self.settings.loss)
        return loss(mask, mixture, target, self.network.config).mean()

    def score(self, network: torch.nn.Module) -> dict[str, float]:
        scores = self.validation.score(
            lambda x, q: separate_batch(network, x, q),
            self.fabric.device,
            best_assignment=self.settings.loss == "pit",
        )
        return {"val_si_sdri_db": float(np.nanmean(scores))}

    def info(self) -> dict[str, Any]:
        data = protocol(self.settings, self.data.clips.table)
        if self.settings.text_agnostic:
            return {"encoder": None, "query_classifier": None, "data": data}
        return {
            "encoder": described(self.data.encoder),
            "query_classifier": self.classifier_file(self.data.encoder, self.data.labels)
            if getattr(self.network, "TAKES_UNWANTED", False)
            else None,
            "data": data,
        }


def _network(settings: SeparatorSettings, text_dim: int | None) -> torch.nn.Module:
    network = build(settings.configuration, text_dim)
    if settings.init is not None:
        _take_over(network, settings.init)
    if settings.guide is not None:  # after init, which may bring a guide of its own
        _take_over(network.text_agnostic, settings.guide)
    return network


def _take_over(network: torch.nn.Module, path: str) -> None:
    """Give a network the weights of a checkpoint that fits it."""
    known, _ = checkpoints.load(path)
    plain = replace(known.config, name=network.config.name)
    if known.config != network.config and plain == network.config:
        network.start_from(known)
    elif known.config == network.config:
        network.load_state_dict(known.state_dict())
    else:
        raise ValueError(f"'{path}' holds another network than the run is to train.")


@torch.no_grad()
def separate_batch(network: torch.nn.Module, mixture: torch.Tensor, query: torch.Tensor | None):
    """Separate waveforms ``[batch, samples]`` at the network's rate; returns the same shape."""
    mask = estimate_mask(network, mixture, query)
    return apply_mask(mask, mixture, network.config.sample_rate, network.config)
