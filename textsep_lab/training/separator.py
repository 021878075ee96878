"""Training a separator: recordings go in, a checkpoint comes out. Taught in notebook 03."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from textsep_lab import checkpoints, film_unet
from textsep_lab.losses import best_assignment_snr, mask_l1, negative_snr
from textsep_lab.masking import apply_mask, estimate_mask
from textsep_lab.reading import Reader, reader_path
from textsep_lab.runs import Run
from textsep_lab.settings import Settings
from textsep_lab.training_data import (
    Batch,
    TrainingData,
    ValidationData,
    clips_per_epoch,
    protocol,
)


def train(settings: Settings, output_dir: str | Path, progress: bool = True) -> Path:
    """Train a separator, or go on with the run that `output_dir` holds (see `runs.Run`).

    Returns:
        Path of the best checkpoint: the averaged weights with the highest validation SI-SDRi.

    Raises:
        ValueError: senseless settings, or a run with other settings lies in `output_dir`.
        FileNotFoundError: no data set.
    """
    settings.check()
    run = SeparatorRun(settings, Path(output_dir), TrainingData(settings))
    best = run.fit(progress)
    if run.network.config.text_dim is not None and run.network.TAKES_UNWANTED:
        Reader.fit(run.data.encoder, run.data.labels).save(reader_path(best))
    return best


class SeparatorRun(Run):
    """A run that trains a FiLM UNet, or its text-agnostic twin."""

    def __init__(self, settings: Settings, folder: Path, data: TrainingData) -> None:
        self.data = data
        self.validation = ValidationData(settings, data.encoder)
        text_dim = None if settings.baseline else data.encoder.dim
        if settings.init is not None or settings.twin is not None:
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
        config = self.network.config
        if self.settings.loss == "l1":
            return mask_l1(mask, target, mixture, config).mean()
        estimate = apply_mask(mask, mixture, config.sample_rate, config)
        if self.settings.loss == "best":
            outputs = torch.stack([estimate, mixture - estimate], 1)
            return best_assignment_snr(outputs, target, mixture).mean()
        return negative_snr(estimate, target, mixture).mean()

    def score(self, network: torch.nn.Module) -> dict[str, float]:
        scores = self.validation.score(
            lambda x, q: separate_batch(network, x, q),
            self.fabric.device,
            best_assignment=self.settings.loss == "best",
        )
        return {"val_si_sdri_db": float(np.nanmean(scores))}

    def info(self) -> dict[str, Any]:
        encoder = {"name": self.data.encoder.name, "dim": self.data.encoder.dim}
        if hasattr(self.data.encoder, "weights_sha256"):  # a joint encoder can be trained anew
            encoder["weights_sha256"] = self.data.encoder.weights_sha256
        return {
            "encoder": None if self.settings.baseline else encoder,
            "data": protocol(self.settings, self.data.clips.table),
        }


def _network(settings: Settings, text_dim: int | None) -> torch.nn.Module:
    network = film_unet.build(settings.configuration, text_dim)
    if settings.init is not None:
        _take_over(network, settings.init)
    if settings.twin is not None:  # after init, which may bring a twin of its own
        _take_over(network.twin, settings.twin)
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
