"""Batches for training and the fixed mixtures for validation. Taught in notebook 03."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from tqdm.auto import tqdm

from textsep_lab import esc50, wordings
from textsep_lab.augment import augment
from textsep_lab.embeddings import TextEncoder, load_encoder
from textsep_lab.metrics import si_sdr
from textsep_lab.mixtures import Clips, RecipeSampler, evaluation_recipes, render
from textsep_lab.settings import RunSettings, Settings

SAMPLE_RATE = 16000


class Batch(NamedTuple):
    """Waveforms ``[batch, samples]`` and query embeddings ``[batch, text_dim]``."""

    mixture: torch.Tensor
    target: torch.Tensor
    query: torch.Tensor


class TrainingData:
    """Random mixtures of the training recordings with random wordings of their labels.

    ``batch(step)`` depends on the seed and the step only.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.encoder: TextEncoder = load_encoder(settings.encoder)
        table = training_table(settings)
        self.clips = read_all(Clips(table, SAMPLE_RATE))
        self.sampler = RecipeSampler(self.clips, round(settings.seconds * SAMPLE_RATE))
        self.labels = sorted(table["category"].unique())
        self._queries = {x: self.encoder.embed_text(wordings.for_label(x)) for x in self.labels}

    def batch(self, step: int) -> Batch:
        """Return the batch of a step."""
        rng = np.random.default_rng((self.settings.seed, step))
        rows = [self._example(rng) for _ in range(self.settings.batch_size)]
        return Batch(*(torch.from_numpy(np.stack(column)) for column in zip(*rows, strict=True)))

    def _example(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        recipe = self.sampler(rng)
        out = render(recipe, self.clips, augment)
        if rng.random() < self.settings.absent_share:
            label = self._absent_label(recipe.sources, rng)
            return out.mixture, np.zeros_like(out.target), self._query(label, rng)
        return out.mixture, out.target, self._query(recipe.label, rng)

    def _absent_label(self, sources: tuple[str, ...], rng: np.random.Generator) -> str:
        there = {self.sampler.category[name] for name in sources}
        return str(rng.choice([x for x in self.labels if x not in there]))

    def _query(self, label: str, rng: np.random.Generator) -> np.ndarray:
        """Half the time the bare label, else any training wording, a little blurred."""
        choices = self._queries[label]
        pick = choices[0 if rng.random() < 0.5 else rng.integers(len(choices))]
        noisy = pick + rng.normal(0, 0.01, pick.shape).astype(np.float32)
        return noisy / np.linalg.norm(noisy)


def training_table(settings: RunSettings) -> pd.DataFrame:
    """Return the training clips of all data sets with the weight each is drawn by."""
    main = esc50.read_table(settings.esc50_path, settings.train_folds).assign(weight=1.0)
    extra = [esc50.read_table(path) for path in settings.extra_paths]
    count = sum(len(table) for table in extra)
    share = settings.extra_share
    weight = len(main) * share / (1 - share) / count if count else 0.0
    return pd.concat([main, *(table.assign(weight=weight) for table in extra)], ignore_index=True)


def read_all(clips: Clips) -> Clips:
    """Read every recording now, with a progress bar, rather than in the first steps."""
    for name in tqdm(clips, desc="reading clips", unit="clip", delay=2):
        clips[name]
    return clips


def clips_per_epoch(table: pd.DataFrame) -> int:
    """Return how many clips of `training_table` count as one pass: those of the main data set."""
    return int((table["weight"] == 1).sum())


def protocol(settings: RunSettings, table: pd.DataFrame) -> dict[str, str]:
    """Return what a sidecar remembers of the data: the folds, and a hash of the file names."""
    said = (
        f"ESC-50-layout folds {list(settings.train_folds)} train, "
        f"{list(settings.val_folds)} validate; {len(settings.extra_paths)} extra sets"
    )
    names = "\n".join(sorted(table["filename"]))
    return {"protocol": said, "sha256": hashlib.sha256(names.encode()).hexdigest()}


class ValidationData:
    """Fixed mixtures of the validation folds at 0 dB, with bare labels as queries.

    The first `val_mixtures` of a seeded shuffle of AudioSep's list: every class is likely in it.
    """

    BATCH = 20

    def __init__(self, settings, encoder: TextEncoder) -> None:
        table = esc50.read_table(settings.esc50_path, settings.val_folds)
        recipes = evaluation_recipes(table, seed=0)
        order = np.random.default_rng(0).permutation(len(recipes))[: settings.val_mixtures]
        recipes = [recipes[i] for i in order]
        clips = Clips(table, SAMPLE_RATE)
        rendered = [render(recipe, clips) for recipe in recipes]
        self.mixture = np.stack([r.mixture for r in rendered])
        self.target = np.stack([r.target for r in rendered])
        self.query = encoder.embed_text([esc50.label_text(r.label) for r in recipes])

    def score(
        self,
        separate: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
        device: torch.device | str = "cpu",
    ) -> np.ndarray:
        """Return the SI-SDR improvement of each mixture in dB; NaN where it is undefined."""
        parts = []
        for start in range(0, len(self.mixture), self.BATCH):
            rows = slice(start, start + self.BATCH)
            mixture, query = (
                torch.from_numpy(a[rows]).to(device) for a in (self.mixture, self.query)
            )
            estimate = separate(mixture, query).cpu().numpy()
            before = si_sdr(self.mixture[rows], self.target[rows])
            parts.append(si_sdr(estimate, self.target[rows]) - before)
        return np.concatenate(parts)
