"""Training the peers on the separators' mixtures, for the same budget. Taught in notebook 05."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from textsep_lab import checkpoints
from textsep_lab.benchmark.peers import Peer, find, separate
from textsep_lab.benchmark.scores import best_of
from textsep_lab.losses import best_assignment_snr
from textsep_lab.metrics import si_sdr
from textsep_lab.runs import Run
from textsep_lab.settings import Settings
from textsep_lab.training_data import TrainingData, ValidationData, clips_per_epoch, protocol

# The highest learning rate in each library's own recipe: with ours, they might not learn at all.
LEARNING_RATES = {"conv-tasnet": 1e-3, "demucs": 3e-4, "sepformer": 1.5e-4}


@dataclass(frozen=True)
class PeerConfig:
    """What the sidecar of a trained peer says of its network."""

    name: str


# A kind of its own, so that none is ever taken for a separator.
checkpoints.KINDS[PeerConfig] = "peer"


class PeerRun(Run):
    """A run that trains a peer on the separators' mixtures, without their queries."""

    def __init__(self, settings: Settings, folder: Path, data: TrainingData, peer: Peer) -> None:
        self.data = data
        self.validation = ValidationData(settings, data.encoder)
        examples = clips_per_epoch(data.clips.table)
        super().__init__(settings, folder, partial(_configured, peer), examples)

    def batch(self, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        batch = self.data.batch(step)
        return batch.mixture, batch.target

    def loss(self, mixture: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return best_assignment_snr(self.module(mixture), target, mixture).mean()

    def score(self, network: nn.Module) -> dict[str, float]:
        pairs = zip(self.validation.mixture, self.validation.target, strict=True)
        gains = [
            si_sdr(best_of(separate(network, mixture), target), target) - si_sdr(mixture, target)
            for mixture, target in pairs
        ]
        return {"val_si_sdri_db": float(np.nanmean(gains))}

    def info(self) -> dict[str, Any]:
        return {"encoder": None, "data": protocol(self.settings, self.data.clips.table)}


def _configured(peer: Peer) -> nn.Module:
    network = peer.network()
    network.config = PeerConfig(peer.name)
    return network


def train(
    peer_name: str, settings: Settings, output_dir: str | Path, progress: bool = True
) -> dict[str, float]:
    """Train a peer, or go on with the run that ``output_dir/peer_name`` holds (see `runs.Run`).

    Args:
        settings: as for the separator it is compared with, budget included. What only a query
            needs is switched off, and the learning rate is that of `LEARNING_RATES`.

    Returns:
        val_si_sdri_db (the best one, of the better output), steps and seconds.

    Raises:
        ValueError: no such peer, it cannot be had here, or senseless settings.
        FileNotFoundError: no data set.
    """
    peer = find(peer_name)
    rate = LEARNING_RATES.get(peer_name, settings.lr)
    settings = replace(settings, baseline=True, loss="best", absent_share=0.0, lr=rate)
    settings.check()
    run = PeerRun(settings, Path(output_dir) / peer_name, TrainingData(settings), peer)
    run.fit(progress)
    return {"val_si_sdri_db": run.best, "steps": run.step, "seconds": run.log[-1]["seconds"]}
