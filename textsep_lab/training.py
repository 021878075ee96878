"""The training loop: recordings go in, a checkpoint comes out. Taught in notebook 03.

A run can be killed at any moment and resumed with the result of one that was not: every random
choice of a step descends from the seed and the step's number, and the state is one file.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from lightning_fabric import Fabric
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm.auto import tqdm

from textsep_lab import checkpoints, film_unet
from textsep_lab.losses import mask_l1, negative_snr
from textsep_lab.masking import apply_mask, estimate_mask
from textsep_lab.paths import atomic_write
from textsep_lab.settings import Settings
from textsep_lab.training_data import Batch, TrainingData, ValidationData

SAVE_EVERY = 100
TIMED_STEPS = 20
STATE, LOG, SETTINGS, BEST = "state.safetensors", "log.csv", "settings.json", "best.safetensors"


def train(settings: Settings, output_dir: str | Path, progress: bool = True) -> Path:
    """Train a separator, or go on with the run that `output_dir` holds.

    Writes there ``best.safetensors`` with its sidecar (the averaged weights with the highest
    validation SI-SDRi), ``log.csv``, ``settings.json`` and the state to resume from.

    Returns:
        Path of the best checkpoint.

    Raises:
        ValueError: senseless settings, or a run with other settings lies in `output_dir`.
        FileNotFoundError: no data set.
    """
    settings.check()
    output_dir = Path(output_dir)
    data = TrainingData(settings)
    validation = ValidationData(settings, data.encoder)
    _claim_folder(output_dir, settings)
    run = _Run(settings, output_dir, data)
    steps = run.total_steps
    with tqdm(initial=run.step, total=steps, unit="step", disable=not progress) as bar:
        for step in run.remaining():
            loss = run.learn(data.batch(step))
            bar.update()
            bar.set_postfix(loss=f"{loss:.2f} dB", val=f"{run.best:.2f} dB", refresh=False)
            bar.total = run.total_steps
            if run.step % settings.val_every == 0 or run.step == run.total_steps:
                run.validate(validation)
            if run.step % SAVE_EVERY == 0 or run.step == run.total_steps:
                run.save()
    return output_dir / BEST


def _claim_folder(folder: Path, settings: Settings) -> None:
    """Refuse to mix two runs in one folder; a new budget for the same run is welcome."""
    path = folder / SETTINGS
    now = json.loads(json.dumps(asdict(settings)))
    if path.is_file():
        budget = ("steps", "epochs", "minutes", "esc50_path", "extra_paths")
        before = json.loads(path.read_text(encoding="utf-8"))
        changed = [k for k in now if k not in budget and before.get(k) != now[k]]
        if changed:
            raise ValueError(
                f"'{folder}' holds a run with another {changed[0]} "
                f"({before.get(changed[0])}): choose another folder."
            )
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(now, indent=2) + "\n", encoding="utf-8")


class _Run:
    """Network, optimiser, average and log of one run, with the state they are resumed from."""

    def __init__(self, settings: Settings, folder: Path, data: TrainingData) -> None:
        self.settings, self.folder, self.data = settings, folder, data
        self.fabric = Fabric(accelerator="auto", devices=1)
        torch.manual_seed(settings.seed)
        text_dim = None if settings.baseline else data.encoder.dim
        self.network = film_unet.build(settings.configuration, text_dim)
        optimizer = torch.optim.AdamW(self.network.parameters(), settings.lr, weight_decay=0.02)
        self.module, self.optimizer = self.fabric.setup(self.network, optimizer)
        ema = get_ema_multi_avg_fn(0.999)
        self.average = AveragedModel(self.network, multi_avg_fn=ema, use_buffers=True)
        self.step, self.best, self.losses = 0, -math.inf, []
        self.total_steps = self._budget()
        self.started = time.monotonic()
        self.log: list[dict] = []
        if (folder / STATE).is_file():
            self._resume()

    def _budget(self) -> int:
        s = self.settings
        if s.epochs is not None:
            return max(1, round(s.epochs * self.data.clips_per_epoch / s.batch_size))
        return s.steps or 10**9  # minutes: until the first steps are timed

    def remaining(self) -> Iterator[int]:
        while self.step < self.total_steps:
            yield self.step

    def learn(self, batch: Batch) -> float:
        """Take one step; return the loss."""
        s = self.settings
        torch.manual_seed(s.seed * 1_000_003 + self.step)  # dropout, alike after a resume
        for group in self.optimizer.param_groups:
            group["lr"] = s.lr * learning_rate_factor(self.step, self.total_steps)
        mixture, target, query = (self.fabric.to_device(t) for t in batch)
        self.module.train()
        mask = estimate_mask(self.module, mixture, query)
        config = self.network.config
        if s.loss == "l1":
            loss = mask_l1(mask, target, mixture, config).mean()
        else:
            estimate = apply_mask(mask, mixture, config.sample_rate, config)
            loss = negative_snr(estimate, target, mixture).mean()
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
        if self.settings.minutes is not None and self.step == TIMED_STEPS:
            a_step = (time.monotonic() - self.started) / TIMED_STEPS
            self.total_steps = max(TIMED_STEPS, round(60 * self.settings.minutes / a_step))

    def validate(self, validation: ValidationData) -> None:
        """Score the averaged weights, log it, and keep them if they are the best so far."""
        network = self.average.module.eval()
        scores = validation.score(lambda x, q: separate_batch(network, x, q), self.fabric.device)
        mean = float(np.nanmean(scores))
        row = {"step": self.step, "loss": float(np.mean(self.losses)), "val_si_sdri_db": mean}
        row["seconds"] = round(time.monotonic() - self.started, 1)
        self.log.append(row)
        self.losses = []
        with atomic_write(self.folder / LOG) as temporary:
            pd.DataFrame(self.log).to_csv(temporary, index=False, lineterminator="\n")
        if mean > self.best:
            self.best = mean
            checkpoints.save(self.folder / BEST, network, self._info(scores))

    def _info(self, scores: np.ndarray) -> dict:
        encoder = {"name": self.data.encoder.name, "dim": self.data.encoder.dim}
        metrics = {"val_si_sdri_db": round(self.best, 3), "val_mixtures": len(scores)}
        # Where the data lay on this machine says nothing to anyone else.
        settings = asdict(replace(self.settings, esc50_path=None, extra_paths=()))
        data = {"protocol": self.data.protocol, "sha256": self.data.protocol_hash}
        return {
            "encoder": None if self.settings.baseline else encoder,
            "step": self.step,
            "settings": settings,
            "data": data,
            "metrics": metrics,
        }

    def save(self) -> None:
        """Write the state; a run killed later goes on from here."""
        parts = {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": checkpoints.optimizer_tensors(self.optimizer),
        }
        progress = {k: getattr(self, k) for k in ("step", "total_steps", "losses", "log")}
        progress["best"] = self.best if self.log else None
        progress["seconds"] = time.monotonic() - self.started
        checkpoints.save_state(self.folder / STATE, parts, progress)

    def _resume(self) -> None:
        parts, progress = checkpoints.load_state(self.folder / STATE)
        self.network.load_state_dict(parts["network"])
        self.average.load_state_dict(parts["average"])
        checkpoints.load_optimizer(self.optimizer, parts["optimizer"])
        self.step, self.losses, self.log = (progress[k] for k in ("step", "losses", "log"))
        if self.settings.minutes is not None:
            self.total_steps = progress["total_steps"]
        self.best = -math.inf if progress["best"] is None else progress["best"]
        self.started -= progress["seconds"]


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


@torch.no_grad()
def separate_batch(network: torch.nn.Module, mixture: torch.Tensor, query: torch.Tensor | None):
    """Separate waveforms ``[batch, samples]`` at the network's rate; returns the same shape."""
    mask = estimate_mask(network, mixture, query)
    return apply_mask(mask, mixture, network.config.sample_rate, network.config)
