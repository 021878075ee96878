"""Training the networks that are compared on the same mixtures, for the same time.

Taught in notebook 05.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from textsep_lab.evaluation.external_models import ExternalModel, find, separate
from textsep_lab.evaluation.scores import best_of
from textsep_lab.models import checkpoints
from textsep_lab.signal.metrics import mean_interval, si_sdr
from textsep_lab.training.config import SeparatorSettings
from textsep_lab.training.loop import Run
from textsep_lab.training.losses import pit_negative_snr
from textsep_lab.training.separator import SeparatorRun, separate_batch
from textsep_lab.training.separator_data import (
    TrainingData,
    ValidationData,
    clips_per_epoch,
    protocol,
)

# Nothing is absent, and nothing unwanted is named: what all of them can be trained on.
COMMON = {"absent_share": 0.0, "unwanted_share": 0.0}
BLIND = {"text_agnostic": True, "loss": "pit"}  # which output is the target, the truth says
OWN = {
    "compact": {},
    "text-agnostic": BLIND,
    "reference": {"configuration": "reference", "loss": "l1", "lr": 1e-3},
}
# The highest learning rate in each library's own recipe: with ours, they might not learn at all.
# Fewer examples a step where eight take more than 8 GB of memory.
PEERS = {
    "conv-tasnet": {"lr": 1e-3, "batch_size": 2},
    "demucs": {"lr": 3e-4},
    "sepformer": {"lr": 1.5e-4, "batch_size": 1},
}


@dataclass(frozen=True)
class PeerConfig:
    """What the sidecar of a trained external model says of its network."""

    name: str


# A kind of its own, so that none is ever taken for a separator.
checkpoints.KINDS[PeerConfig] = "peer"


class PeerRun(Run):
    """A run that trains an external model on the separators' mixtures, without their queries."""

    def __init__(
        self, settings: SeparatorSettings, folder: Path, data: TrainingData, model: ExternalModel
    ) -> None:
        self.data = data
        self.validation = ValidationData(settings, data.encoder)
        examples = clips_per_epoch(data.clips.table)
        super().__init__(settings, folder, partial(_configured, model), examples)

    def batch(self, step: int) -> tuple[torch.Tensor, torch.Tensor]:
        batch = self.data.batch(step)
        return batch.mixture, batch.target

    def loss(self, mixture: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return pit_negative_snr(self.module(mixture), target, mixture).mean()

    def score(self, network: nn.Module) -> dict[str, float]:
        trained = time.monotonic() - self.started
        pairs = zip(self.validation.mixture, self.validation.target, strict=True)
        gains = [
            si_sdr(best_of(separate(network, mixture), target), target) - si_sdr(mixture, target)
            for mixture, target in pairs
        ]
        return _summary(np.array(gains), trained)

    def info(self) -> dict[str, Any]:
        return {"encoder": None, "data": protocol(self.settings, self.data.clips.table)}


class OwnRun(SeparatorRun):
    """A run that trains a network of this kit, scored mixture by mixture like the external ones."""

    def score(self, network: nn.Module) -> dict[str, float]:
        trained = time.monotonic() - self.started
        self.validation.BATCH = 1
        gains = self.validation.score(
            partial(separate_batch, network), self.fabric.device, self.settings.text_agnostic
        )
        return _summary(gains, trained)


def _summary(gains: np.ndarray, trained: float) -> dict[str, float]:
    low, high = mean_interval(gains[~np.isnan(gains)])
    return {
        "val_si_sdri_db": float(np.nanmean(gains)), "val_low_db": low, "val_high_db": high,
        "seconds_trained": trained,
    }  # fmt: skip


def _configured(model: ExternalModel) -> nn.Module:
    network = model.network()
    network.config = PeerConfig(model.name)
    return network


def recipe(name: str, settings: SeparatorSettings) -> SeparatorSettings:
    """Return the settings that a network is trained with: those common to all, and its own."""
    own = OWN[name] if name in OWN else BLIND | PEERS.get(name, {})
    return replace(settings, **COMMON, **own)


def train(
    name: str, settings: SeparatorSettings, output_dir: str | Path, progress: bool = True
) -> dict[str, float]:
    """Train a network of `external_models.ROWS`, or go on with the run in ``output_dir/name``.

    Args:
        settings: the same for all networks, budget included; see `recipe` for what differs.

    Returns:
        val_si_sdri_db with its 95 % interval val_low_db and val_high_db, of the better output if
        the network is not told what is wanted; seconds_trained, steps and batch_size.

    Raises:
        ValueError: no such network, it cannot be had here, or senseless settings.
        FileNotFoundError: no data set.
    """
    model, settings = find(name), recipe(name, settings)
    settings.check()
    folder, data = Path(output_dir) / name, TrainingData(settings)
    if name in OWN:
        run: Run = OwnRun(settings, folder, data)
    else:
        run = PeerRun(settings, folder, data, model)
    run.fit(progress)
    best = max(run.log, key=lambda row: row["val_si_sdri_db"])
    kept = ("val_si_sdri_db", "val_low_db", "val_high_db", "seconds_trained")
    return {k: best[k] for k in kept} | {"steps": run.step, "batch_size": settings.batch_size}


def train_apart(name: str, settings: SeparatorSettings) -> dict[str, float]:
    """Return what `train` returns, from a fresh process, so that one that dies takes no other.

    Raises:
        RuntimeError: it failed; the sentence says why.
    """
    with tempfile.TemporaryDirectory() as folder:
        asked = [name, json.dumps(asdict(settings)), folder]
        command = [sys.executable, "-m", "textsep_lab.evaluation.external_training", *asked]
        done = subprocess.run(command, stdout=subprocess.PIPE, encoding="utf-8", check=False)
    if done.returncode < 0:
        raise RuntimeError(f"Training was killed (signal {-done.returncode}): too little memory?")
    said = (done.stdout.strip().splitlines() or ['{"error": "it said nothing"}'])[-1]
    found = json.loads(said)
    if "error" in found:
        raise RuntimeError(f"Training failed: {found['error']}")
    return found


def main(name: str, settings: str, folder: str) -> None:
    """Write what `train` returns to the standard output, as JSON, or the error it met."""
    given = {k: tuple(v) if isinstance(v, list) else v for k, v in json.loads(settings).items()}
    try:
        found: dict[str, Any] = train(name, SeparatorSettings(**given), folder)
    except Exception as error:  # a library's network can fail in any way
        found = {"error": (str(error).splitlines() or [type(error).__name__])[0][:200]}
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
