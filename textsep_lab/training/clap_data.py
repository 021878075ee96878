"""Batches for training a CLAP model: mixtures, and when each label is active in them.

Taught in notebook 07.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from sklearn.metrics import average_precision_score

from textsep_lab.data import esc50
from textsep_lab.data.augmentation import augment
from textsep_lab.data.mixtures import Clips, Recipe, render, render_sources, wrapped
from textsep_lab.data.sampling import RecipeSampler, evaluation_recipes
from textsep_lab.encoders.base import TextEncoder
from textsep_lab.models.clap import ClapNetwork, extract_features, pool
from textsep_lab.models.config import ClapConfig
from textsep_lab.signal.timegate import gate
from textsep_lab.training.config import ClapSettings
from textsep_lab.training.separator_data import read_all, training_queries, training_table

#: A source is active where its level is within so many dB of its loudest frame.
AUDIBLE_DB = 30.0
FADE = 320  # samples


class ClapBatch(NamedTuple):
    """What one step learns from.

    Args:
        mixture: ``[batch, samples]``.
        activity: 1 where a label is active, ``[batch, frames, labels]``.
        captions: a text embedding for each label, ``[labels, text_dim]``.
    """

    mixture: torch.Tensor
    activity: torch.Tensor
    captions: torch.Tensor


def activity(source: np.ndarray, samples_per_frame: int, frames: int) -> np.ndarray:
    """Return where a source is active, bool ``[frames]``: frames near its loudest one's level.

    Frame k is centred on sample ``k * samples_per_frame + samples_per_frame / 2``.

    Example:
        >>> activity(np.r_[np.zeros(4), np.ones(4), np.zeros(4)], 4, 3).tolist()
        [False, True, False]
    """
    padded = np.zeros(frames * samples_per_frame, np.float32)
    padded[: len(source)] = source[: len(padded)]
    energy = np.square(padded).reshape(frames, samples_per_frame).sum(1, dtype=np.float64)
    return energy > max(energy.max() * 10 ** (-AUDIBLE_DB / 10), 1e-10)


def keep_span(waveform: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Silence all but a random stretch of a fifth or more, half the time.

    Recordings that fill their clip would never show an onset.
    """
    if rng.random() < 0.5:
        return waveform
    length = int(rng.uniform(0.2, 0.8) * len(waveform))
    start = int(rng.integers(len(waveform) - length + 1))
    return waveform * gate([(start, start + length)], len(waveform), sample_rate=1, fade=FADE)


class ClapData:
    """Random single sounds and mixtures with a random paraphrase for every label.

    ``batch(step)`` depends on the seed and the step only.
    """

    def __init__(self, settings: ClapSettings, config: ClapConfig, encoder: TextEncoder) -> None:
        self.settings, table = settings, training_table(settings)
        self.clips = read_all(Clips(table, config.sample_rate))
        samples = round(settings.seconds * config.sample_rate)
        self.sampler = RecipeSampler(
            self.clips,
            samples,
            interferers=settings.sources[1:],
            same_class_share=settings.same_class_share,
        )
        self.samples_per_frame = config.stride * config.hop_length
        self.frames = -(-samples // self.samples_per_frame)
        self.labels = sorted(table["category"].unique())
        self._paraphrases = [encoder.embed_text(training_queries(settings, x)) for x in self.labels]

    def batch(self, step: int) -> ClapBatch:
        """Return the batch of a step."""
        rng = np.random.default_rng((self.settings.seed, step))
        rows = [self._example(rng) for _ in range(self.settings.batch_size)]
        mixture, active = (np.stack(column) for column in zip(*rows, strict=True))
        captions = np.stack([self._caption(x, rng) for x in self._paraphrases])
        return ClapBatch(*map(torch.from_numpy, (mixture, active, captions)))

    def _example(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        recipe = self.sampler(rng)
        if rng.random() < self.settings.sources[0]:
            first = {k: getattr(recipe, k)[:1] for k in ("sources", "offsets", "same_class")}
            recipe = replace(recipe, snr_db=(), **first)
        sources = render_sources(recipe, self.clips, lambda x, r: keep_span(augment(x, r), r))
        return sum(sources), self._truth(recipe, sources)

    def _truth(self, recipe: Recipe, sources: list[np.ndarray]) -> np.ndarray:
        truth = np.zeros((self.frames, len(self.labels)), np.float32)
        for name, source in zip(recipe.sources, sources, strict=True):
            column = self.labels.index(self.sampler.category[name])
            truth[:, column] = activity(source, self.samples_per_frame, self.frames)
        return truth

    def _caption(self, choices: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return a point between two random paraphrases of a label, a little blurred."""
        first, second = choices[rng.integers(len(choices), size=2)]
        weight = rng.random()
        point = weight * first + (1 - weight) * second
        point = point + rng.normal(0, 0.01, point.shape)
        return (point / np.linalg.norm(point)).astype(np.float32)


class ClapValidation:
    """Whole clips of the validation folds, and AudioSep's mixtures of them at 0 dB.

    Labels are asked for by their bare names.
    """

    BATCH = 25

    def __init__(self, settings: ClapSettings, config: ClapConfig, encoder: TextEncoder):
        table = esc50.read_table(settings.esc50_path, settings.val_folds)
        self.labels = sorted(table["category"].unique())
        self.captions = torch.from_numpy(encoder.embed_text([*map(esc50.label_text, self.labels)]))
        clips = Clips(table, config.sample_rate)
        recipes = evaluation_recipes(table, samples=5 * config.sample_rate)
        self.clips = np.stack([wrapped(clips[x], 0, recipes[0].samples) for x in table["filename"]])
        self.mixtures = np.stack([render(recipe, clips).mixture for recipe in recipes])
        category = dict(zip(table["filename"], table["category"], strict=True))
        self.truth = self._one_hot([[label] for label in table["category"]])
        self.mixture_truth = self._one_hot([[category[x] for x in r.sources] for r in recipes])

    def _one_hot(self, rows: list[list[str]]) -> np.ndarray:
        return np.array([[label in row for label in self.labels] for row in rows])

    @torch.no_grad()
    def score(self, network: ClapNetwork, device="cpu") -> dict[str, float]:
        """Return zero-shot top-1 accuracy on clips, and mean average precision on mixtures."""
        captions = network.embed_text(self.captions.to(device))
        alone, mixed = (
            np.concatenate(
                [
                    (
                        network.embed(pool(extract_features(network, part.to(device)))) @ captions.T
                    ).cpu()
                    for part in torch.from_numpy(waveforms).split(self.BATCH)
                ]
            )
            for waveforms in (self.clips, self.mixtures)
        )
        hits = self.truth[np.arange(len(alone)), alone.argmax(1)]
        precision = average_precision_score(self.mixture_truth, mixed, average="macro")
        return {"val_top1": float(hits.mean()), "val_mixture_map": float(precision)}
