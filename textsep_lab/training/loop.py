"""A training run that can be killed at any moment and resumed as if it had not been.

Every random choice of a step descends from the seed and the step's number, and the state is one
file. What is learnt, from what and how well, a kind of run adds. Taught in notebook 03.
"""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from lightning_fabric import Fabric
from torch import nn
from torch.optim.swa_utils import AveragedModel
from tqdm import tqdm

from textsep_lab.encoders.base import TextEncoder
from textsep_lab.encoders.query_classifier import QueryClassifier
from textsep_lab.models import checkpoints
from textsep_lab.training import state
from textsep_lab.training.config import TrainingSettings
from textsep_lab.utils.paths import atomic_write

SAVE_EVERY = 100
UNTIMED = 10**9  # steps of a budget in minutes, until it is known how long one takes
TIMED_STEPS, TIMED_SHARE = 20, 0.1
STATE, LOG, BEST = "state.safetensors", "log.csv", "best.safetensors"
CLASSIFIER = "query.classifier"


class Run(ABC):
    """Network, optimiser, average and log of one run, with the state they are resumed from.

    Writes to `folder` ``best.safetensors`` with its sidecar (the averaged weights with the highest
    score), ``log.csv``, ``settings.json`` and the state to resume from.

    Args:
        settings: what decides the run.
        folder: a run with the same settings that lies there goes on.
        make_network: called once the seed is set.
        clips_per_epoch: examples that count as one epoch.

    Raises:
        ValueError: a run with other settings lies in `folder`.
    """

    def __init__(
        self, settings: TrainingSettings, folder: Path, make_network, clips_per_epoch: int
    ):
        state.claim_folder(folder, settings)
        self.settings, self.folder, self.clips_per_epoch = settings, folder, clips_per_epoch
        self.fabric = Fabric(accelerator="auto", devices=1, precision=settings.precision)
        torch.manual_seed(settings.seed)
        self.network: nn.Module = make_network()
        optimizer = torch.optim.AdamW(_groups(self.network, settings.weight_decay), settings.lr)
        self.module, self.optimizer = self.fabric.setup(self.network, optimizer)
        self.average = AveragedModel(self.network, avg_fn=moving_average, use_buffers=True)
        self.step, self.best, self.losses = 0, -math.inf, []
        self.total_steps = self._budget()
        self.started = time.monotonic()
        self.log: list[dict] = []
        self._classifier: dict[str, str] | None = None
        if (folder / STATE).is_file():
            self._resume()

    @abstractmethod
    def batch(self, step: int) -> Sequence[torch.Tensor]:
        """Return the batch of a step; it depends on the seed and the step only."""

    @abstractmethod
    def loss(self, *batch: torch.Tensor) -> torch.Tensor:
        """Return the loss of a batch, through ``self.module``."""

    @abstractmethod
    def score(self, network: nn.Module) -> dict[str, float]:
        """Return what is logged; the first value decides, the higher the better."""

    @abstractmethod
    def info(self) -> dict[str, Any]:
        """Return what the sidecar of the weights remembers besides settings and metrics."""

    def fit(self, progress: bool = True) -> Path:
        """Train to the end of the budget; return the path of the best checkpoint."""
        with tqdm(
            initial=self.step, total=self.total_steps, unit="step", disable=not progress
        ) as bar:
            while self.step < self.total_steps:
                loss = self.learn(self.batch(self.step))
                bar.update()
                bar.set_postfix(loss=f"{loss:.2f}", val=f"{self.best:.2f}", refresh=False)
                bar.total = self.total_steps
                if self.step % self.settings.val_every == 0 or self.step == self.total_steps:
                    self.validate()
                if self.step % SAVE_EVERY == 0 or self.step == self.total_steps:
                    self.save()
        if not (self.folder / BEST).is_file():
            raise ValueError(
                f"No validation of the run in '{self.folder}' gave a score, so there is no best "
                "checkpoint: is every target of its validation folds silent?"
            )
        return self.folder / BEST

    def _budget(self) -> int:
        s = self.settings
        if s.epochs is not None:
            return max(1, round(s.epochs * self.clips_per_epoch / s.batch_size))
        return s.steps or UNTIMED

    def learn(self, batch: Sequence[torch.Tensor]) -> float:
        """Take one step; return the loss."""
        s = self.settings
        torch.manual_seed(s.seed * 1_000_003 + self.step)  # dropout, alike after a resume
        for group in self.optimizer.param_groups:
            group["lr"] = s.lr * learning_rate_factor(self.step, self.total_steps)
        self.module.train()
        loss = self.loss(*(self.fabric.to_device(tensor) for tensor in batch))
        self.optimizer.zero_grad()
        self.fabric.backward(loss)
        self.fabric.clip_gradients(self.module, self.optimizer, max_norm=5.0)
        self.optimizer.step()
        self.average.update_parameters(self.network)
        self.step += 1
        self.losses.append(loss.item())
        self._time_budget()
        return self.losses[-1]

    def _time_budget(self) -> None:
        """Turn minutes into steps once some are timed: few, if they are slow."""
        if self.settings.minutes is None or self.total_steps != UNTIMED:
            return
        budget, spent = 60 * self.settings.minutes, time.monotonic() - self.started
        if self.step >= TIMED_STEPS or spent > TIMED_SHARE * budget:
            self.total_steps = max(self.step, round(self.step * budget / max(spent, 1e-9)))

    def validate(self) -> None:
        """Score the averaged weights, log it, and keep them if they are the best so far."""
        network = self.average.module.eval()
        scores = self.score(network)
        row = {"step": self.step, "loss": float(np.mean(self.losses)), **scores}
        row["seconds"] = round(time.monotonic() - self.started, 1)
        self.log.append(row)
        self.losses = []
        with atomic_write(self.folder / LOG) as temporary:
            pd.DataFrame(self.log).to_csv(temporary, index=False, lineterminator="\n")
        decisive = next(iter(scores.values()))
        if decisive > self.best:
            self.best = decisive
            checkpoints.save(self.folder / BEST, network, self._sidecar(scores))

    def classifier_file(self, encoder: TextEncoder, labels: list[str]) -> dict[str, str]:
        """Write the query classifier of some labels beside the best weights, once; return how a
        sidecar names it."""
        path = self.folder / CLASSIFIER
        if self._classifier is None:
            QueryClassifier.fit(encoder, labels).save(path)
            self._classifier = {"file": path.name, "sha256": checkpoints.sha256(path)}
        return self._classifier

    def _sidecar(self, scores: dict[str, float]) -> dict[str, Any]:
        settings = asdict(self.settings) | self._other_files()
        metrics = {name: round(value, 4) for name, value in scores.items()}
        return {**self.info(), "step": self.step, "settings": settings, "metrics": metrics}

    def _other_files(self) -> dict[str, Any]:
        """Return the settings that are paths, as what they held: where it lay is nobody's business.

        Data sets are named by the protocol, checkpoints by their SHA-256.
        """
        held: dict[str, Any] = {"esc50_path": None, "extra_paths": ()}
        for name in ("init", "guide"):
            path = getattr(self.settings, name, None)
            if path is not None:
                held[name] = f"sha256:{checkpoints.sha256(checkpoints.find(path))}"
        return held

    def save(self) -> None:
        """Write the state; a run killed later goes on from here."""
        parts = {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": state.optimizer_tensors(self.optimizer),
        }
        progress = {k: getattr(self, k) for k in ("step", "total_steps", "losses", "log")}
        progress["best"] = self.best if self.log else None
        progress["seconds"] = time.monotonic() - self.started
        state.save(self.folder / STATE, parts, progress)

    def _resume(self) -> None:
        parts, progress = state.load(self.folder / STATE)
        self.network.load_state_dict(parts["network"])
        self.average.load_state_dict(parts["average"])
        state.load_optimizer(self.optimizer, parts["optimizer"])
        self.step, self.losses, self.log = (progress[k] for k in ("step", "losses", "log"))
        if self.settings.minutes is not None:
            self.total_steps = progress["total_steps"]
        self.best = -math.inf if progress["best"] is None else progress["best"]
        self.started -= progress["seconds"]


def described(encoder: TextEncoder) -> dict[str, Any]:
    """Return how a sidecar names the encoder of its network."""
    said = {"name": encoder.name, "dim": encoder.dim}
    weights = getattr(encoder, "weights_sha256", None)
    return said if weights is None else {**said, "weights_sha256": weights}


def _groups(network: nn.Module, weight_decay: float) -> list[dict]:
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
