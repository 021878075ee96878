"""Batches for training and the fixed mixtures for validation. Taught in notebook 03."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from textsep_lab.data import captions, esc50
from textsep_lab.data.augmentation import augment
from textsep_lab.data.mixtures import Clips, render
from textsep_lab.data.recordings import COLUMNS, read_several
from textsep_lab.data.sampling import RecipeSampler, evaluation_recipes, recording_weights
from textsep_lab.data.vocabulary import is_left_out, left_out, may_be_the_same
from textsep_lab.encoders.base import TextEncoder
from textsep_lab.encoders.registry import load_encoder
from textsep_lab.signal.metrics import si_sdr
from textsep_lab.training.config import SeparatorSettings, TrainingSettings

SAMPLE_RATE = 16000
BARE_SHARE = 0.35


class Batch(NamedTuple):
    """Waveforms ``[batch, samples]`` and embeddings ``[batch, 2, text_dim]``.

    The embeddings are of what is wanted and of what is not, see `models.unet.CompactUNet`.
    """

    mixture: torch.Tensor
    target: torch.Tensor
    query: torch.Tensor


class TrainingData:
    """Random mixtures of the training recordings with random paraphrases of their labels.

    ``batch(step)`` depends on the seed and the step only.
    """

    def __init__(self, settings: SeparatorSettings) -> None:
        self.settings = settings
        self.encoder: TextEncoder = load_encoder(settings.encoder)
        table = training_table(settings)
        self.clips = read_all(Clips(table, SAMPLE_RATE))
        self.sampler = RecipeSampler(
            self.clips,
            round(settings.seconds * SAMPLE_RATE),
            same_class_share=settings.same_class_share,
        )
        self.labels = sorted(table["category"].unique())
        self._queries = {
            x: self.encoder.embed_text(training_queries(settings, x)) for x in self.labels
        }

    def batch(self, step: int) -> Batch:
        """Return the batch of a step."""
        rng = np.random.default_rng((self.settings.seed, step))
        rows = [self._example(rng) for _ in range(self.settings.batch_size)]
        return Batch(*(torch.from_numpy(np.stack(column)) for column in zip(*rows, strict=True)))

    def _example(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        recipe = self.sampler(rng)
        out = render(recipe, self.clips, augment)
        there = sorted({self.sampler.category[name] for name in recipe.sources})
        label, target = recipe.label, out.target
        gone = self._gone(there)
        if rng.random() < self.settings.absent_share and gone:
            label, target = str(rng.choice(gone)), np.zeros_like(out.target)
        wanted, unwanted = self._query(label, rng), self._unwanted(label, there, rng)
        return out.mixture, target, np.stack([wanted, unwanted])

    def _unwanted(self, wanted: str, there: list[str], rng: np.random.Generator) -> np.ndarray:
        """Return the embedding of an interferer, as long as it is likely to be right."""
        if rng.random() >= self.settings.unwanted_share:
            return np.zeros(self.encoder.dim, np.float32)
        sure = np.float32(np.sqrt(rng.random()))  # what is hardly sure is hardly worth telling
        here = [x for x in there if x != wanted]
        gone = self._gone([*there, wanted])
        right = rng.random() < sure or not gone
        return sure * self._query(str(rng.choice(here if right else gone)), rng)

    def _gone(self, there: list[str]) -> list[str]:
        """Return the labels of which no sound that is there may be one."""
        return [x for x in self.labels if not any(may_be_the_same(x, y) for y in there)]

    def _query(self, label: str, rng: np.random.Generator) -> np.ndarray:
        """Return the bare label, a training paraphrase or one between two, a little blurred."""
        choices = self._queries[label]
        pick = choices[0]
        if rng.random() > BARE_SHARE:
            first, second = choices[rng.integers(len(choices), size=2)]
            pick = first + rng.choice([0.0, rng.random()]) * (second - first)
        noisy = (pick + rng.normal(0, 0.01, pick.shape)).astype(np.float32)
        return noisy / np.linalg.norm(noisy)


def training_table(settings: TrainingSettings) -> pd.DataFrame:
    """Return the training clips of all data sets with the weight each is drawn by.

    Clips with one of the settings' `without_labels` are left out, and so are those of the extra
    sets whose recording is in another fold of the main one, where it would be judged by.

    Returns:
        Columns filename, category, src_file, path, weight, and extra: is it of an extra set.

    Raises:
        FileNotFoundError, ValueError: as `esc50.read_table` and `recordings.read_several` do, or
            a data set is given twice, or nothing is left of the main one.
    """
    root = esc50.find(settings.esc50_path)
    if root in [Path(path).expanduser().resolve() for path in settings.extra_paths]:
        raise ValueError(f"{root}: this data set is given twice.")
    whole, unwanted = esc50.read_table(root), left_out(settings.without_labels)
    main = esc50.read_table(root, settings.train_folds).loc[:, [*COLUMNS]]
    kept = ~main["category"].map(lambda label: is_left_out(label, unwanted))
    main = main[kept].assign(weight=1.0, extra=False)
    if main.empty:
        raise ValueError(f"{root}: no clip is left without the labels that are left out.")
    extra = read_several(settings.extra_paths, settings.without_labels)
    elsewhere = whole.loc[~whole["fold"].isin(settings.train_folds), "src_file"]
    extra = extra[~extra["src_file"].isin(elsewhere)]
    if extra.empty:
        return main.reset_index(drop=True)
    share, weight = settings.extra_share, recording_weights(extra)
    weight = weight / weight.sum() * len(main) * share / (1 - share)
    return pd.concat([main, extra.assign(weight=weight, extra=True)], ignore_index=True)


def training_queries(settings: TrainingSettings, label: str) -> list[str]:
    """Return the training paraphrases of a label, but those that hold a label that is left out."""
    unwanted = left_out(settings.without_labels)
    texts = captions.for_label(label)
    return [x for x in texts if not is_left_out(x, unwanted)] or texts[:1]


def read_all(clips: Clips) -> Clips:
    """Read every recording now, with a progress bar, rather than in the first steps."""
    for name in tqdm(clips, desc="reading clips", unit="clip", delay=2):
        clips[name]
    return clips


def clips_per_epoch(table: pd.DataFrame) -> int:
    """Return how many clips of `training_table` count as one pass: those of the main data set."""
    return int((~table["extra"]).sum())


def protocol(settings: TrainingSettings, table: pd.DataFrame) -> dict[str, str]:
    """Return what a sidecar remembers of the data: the folds, and a hash of the file names."""
    said = (
        f"ESC-50-layout folds {list(settings.train_folds)} train, "
        f"{list(settings.val_folds)} validate; {len(settings.extra_paths)} extra sets"
    )
    if settings.without_labels:
        said += f"; without {', '.join(settings.without_labels)}"
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
        best_assignment: bool = False,
    ) -> np.ndarray:
        """Return the SI-SDR improvement of each mixture in dB; NaN where it is undefined.

        With `best_assignment`, the better of estimate and residual counts.
        """
        parts = []
        for start in range(0, len(self.mixture), self.BATCH):
            rows = slice(start, start + self.BATCH)
            mixture, query = (
                torch.from_numpy(a[rows]).to(device) for a in (self.mixture, self.query)
            )
            estimate = separate(mixture, query).cpu().numpy()
            before = si_sdr(self.mixture[rows], self.target[rows])
            after = si_sdr(estimate, self.target[rows])
            if best_assignment:
                residual = self.mixture[rows] - estimate
                after = np.maximum(after, si_sdr(residual, self.target[rows]))
            parts.append(after - before)
        return np.concatenate(parts)
