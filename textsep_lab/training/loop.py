"""A training run that can be killed at any moment and resumed as if it had not been.

Every random choice of a step descends from the seed and the step's number, and the state is one
file. What is learnt, from what and how well, a kind of run adds. Taught in notebook 03.
"""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
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
from textsep_lab.training.interruption import Interruption
from textsep_lab.training.optimisation import (
    learning_rate_factor,
    moving_average,
    parameter_groups,
)
from textsep_lab.utils.paths import atomic_write

SAVE_SECONDS = 60.0  # from one state to the next
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
        ValueError: a run with other settings lies in `folder`, or its state is damaged.
    """

    clock: Callable[[], float] = staticmethod(time.monotonic)  # in seconds

    def __init__(
        self, settings: TrainingSettings, folder: Path, make_network, clips_per_epoch: int
    ):
        state.claim_folder(folder, settings)
        self.settings, self.folder, self.clips_per_epoch = settings, folder, clips_per_epoch
        self.fabric = Fabric(accelerator="auto", devices=1, precision=settings.precision)
        torch.manual_seed(settings.seed)
        self.network: nn.Module = make_network()
        optimizer = torch.optim.AdamW(
            parameter_groups(self.network, settings.weight_decay), settings.lr
        )
        self.module, self.optimizer = self.fabric.setup(self.network, optimizer)
        self.average = AveragedModel(self.network, avg_fn=moving_average, use_buffers=True)
        self.step, self.best, self.losses = 0, -math.inf, []
        self.total_steps = self._budget()
        self.started = self.saved = self.clock()
        self.log: list[dict] = []
        self._classifier: dict[str, str] | None = None
        self.interruption = Interruption()
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
        """Train to the end of the budget; return the path of the best checkpoint.

        The state is written each minute, at the end, and when Ctrl+C or SIGTERM ends the run.
        """
        with self.interruption:
            try:
                self._go_on(progress)
            except (KeyboardInterrupt, SystemExit):
                if self.interruption.raised:  # else it broke off in the middle of a step
                    self.save()
                raise
        if not (self.folder / BEST).is_file():
            raise ValueError(
                f"No validation of the run in '{self.folder}' gave a score, so there is no best "
                "checkpoint: is every target of its validation folds silent?"
            )
        return self.folder / BEST

    def _go_on(self, progress: bool) -> None:
        done, total = self.step, self.total_steps
        with tqdm(initial=done, total=total, unit="step", disable=not progress) as bar:
            while self._validation_is_due() or self.step < self.total_steps:
                if self._validation_is_due():
                    self.validate()
                    continue
                batch = self.batch(self.step)
                with self.interruption.hold():
                    loss = self.learn(batch)
                bar.update()
                bar.set_postfix(loss=f"{loss:.2f}", val=f"{self.best:.2f}", refresh=False)
                bar.total = self.total_steps
                if self.clock() - self.saved >= SAVE_SECONDS:
                    self.save()
        if self.step > done:
            self.save()

    def _validation_is_due(self) -> bool:
        """Whether this step has one, and has not had it: a run may have been cut just before."""
        now = self.step % self.settings.val_every == 0 or self.step == self.total_steps
        return now and self.step > (self.log[-1]["step"] if self.log else 0)

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
        budget, spent = 60 * self.settings.minutes, self.clock() - self.started
        if self.step >= TIMED_STEPS or spent > TIMED_SHARE * budget:
            self.total_steps = max(self.step, round(self.step * budget / max(spent, 1e-9)))

    def validate(self) -> None:
        """Score the averaged weights, log it, and keep them if they are the best so far."""
        network = self.average.module.eval()
        scores = self.score(network)
        with self.interruption.hold():
            self._record(network, scores)

    def _record(self, network: nn.Module, scores: dict[str, float]) -> None:
        row = {"step": self.step, "loss": float(np.mean(self.losses)), **scores}
        row["seconds"] = round(self.clock() - self.started, 1)
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
        metrics = {k: round(x, 4) if math.isfinite(x) else None for k, x in scores.items()}
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
        state.save(self.folder / STATE, parts, state.Progress(
            self.step, self.total_steps, self.losses, self.log,
            self.best if self.log else None, self.clock() - self.started,
        ))  # fmt: skip
        self.saved = self.clock()

    def _resume(self) -> None:
        path = self.folder / STATE
        parts, progress = state.load(path)
        try:
            self.network.load_state_dict(parts["network"])
            self.average.load_state_dict(parts["average"])
            state.load_optimizer(self.optimizer, parts["optimizer"])
        except (RuntimeError, LookupError, TypeError, ValueError) as error:
            raise ValueError(f"'{path}' is not the state of this run: remove it.") from error
        self.step, self.losses, self.log = progress.step, progress.losses, progress.log
        if self.settings.minutes is not None:
            self.total_steps = progress.total_steps
        self.best = -math.inf if progress.best is None else progress.best
        self.started -= progress.seconds


def described(encoder: TextEncoder) -> dict[str, Any]:
    """Return how a sidecar names the encoder of its network."""
    said = {"name": encoder.name, "dim": encoder.dim}
    weights = getattr(encoder, "weights_sha256", None)
    return said if weights is None else {**said, "weights_sha256": weights}
