"""The mixtures that every system is judged on. Taught in notebook 05."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from textsep_lab.data import esc50
from textsep_lab.data.manifests import write_manifest
from textsep_lab.data.mixtures import Clips, Mixture, Recipe, render
from textsep_lab.data.sampling import evaluation_recipes

SAMPLE_RATE = 16000


@dataclass(frozen=True)
class EvaluationMixture:
    """One mixture with what it is made of.

    Args:
        number: its place in the list.
        recipe: how it was mixed.
        truth: what it is made of, float32 ``[samples]`` at `SAMPLE_RATE`.
        labels: class of each source, the target first.
    """

    number: int
    recipe: Recipe
    truth: Mixture
    labels: tuple[str, ...]

    @property
    def query(self) -> str:
        """The bare label of the target, as AudioSep's protocol asks."""
        return esc50.label_text(self.labels[0])


class MixtureList(Sequence[EvaluationMixture]):
    """A list of recipes over one data set, rendered one at a time.

    Args:
        clips: the recordings.
        recipes: what to mix of them.
    """

    def __init__(self, clips: Clips, recipes: list[Recipe]) -> None:
        self.clips, self.recipes = clips, recipes
        table = clips.table
        self.category = dict(zip(table["filename"], table["category"], strict=True))

    def __len__(self) -> int:
        return len(self.recipes)

    def __getitem__(self, number: int) -> EvaluationMixture:
        recipe = self.recipes[number]
        labels = tuple(self.category[name] for name in recipe.sources)
        return EvaluationMixture(number, recipe, render(recipe, self.clips), labels)

    def __iter__(self) -> Iterator[EvaluationMixture]:
        return (self[number] for number in range(len(self)))

    def at_snr(self, snr_db: float) -> MixtureList:
        """Return the same pairs with the target at another level over each interferer."""
        changed = [replace(r, snr_db=(snr_db,) * len(r.snr_db)) for r in self.recipes]
        return MixtureList(self.clips, changed)

    def with_sources(self, count: int, seed: int = 0) -> MixtureList:
        """Return the same targets among `count` sources, all as loud as the target.

        The interferers so far stay, the first of them first; the others are drawn from other
        classes and other Freesound ids.
        """
        rng, rows = np.random.default_rng(seed), self.clips.table.set_index("filename")
        return MixtureList(self.clips, [_grown(r, count, rows, rng) for r in self.recipes])

    def other_label(self, scene: EvaluationMixture) -> str:
        """Return a label that is not in a scene, the same one at every call."""
        labels = sorted(set(self.category.values()) - set(scene.labels))
        return str(np.random.default_rng(scene.number).choice(labels))

    def save(self, path: str | Path) -> str:
        """Write the list as a manifest; return the file's SHA-256."""
        return hashlib.sha256(write_manifest(self.recipes, path).read_bytes()).hexdigest()


def _grown(recipe: Recipe, count: int, rows: pd.DataFrame, rng: np.random.Generator) -> Recipe:
    names = list(recipe.sources[:count])
    while len(names) < count:
        there = rows.loc[names]
        free = rows[
            ~rows["category"].isin(there["category"]) & ~rows["src_file"].isin(there["src_file"])
        ]
        if free.empty:
            raise ValueError(f"Too few classes: a mixture of {count} sounds cannot be made.")
        names.append(str(rng.choice(free.index)))
    others = count - 1
    return replace(recipe, sources=tuple(names), snr_db=(0.0,) * others, offsets=(0,) * count)


def load_mixture_list(
    root: str | Path | None = None, folds: tuple[int, ...] = (4,), limit: int | None = None
) -> MixtureList:
    """Return AudioSep's list for `folds`: each clip a target once, one interferer, 0 dB.

    Args:
        root: data set in ESC-50's layout; None looks where `esc50.find` does.
        limit: only so many mixtures, spread over the list by a fixed shuffle.

    Raises:
        FileNotFoundError: no data set.
        ValueError: `limit` is less than 1.
    """
    if limit is not None and limit < 1:
        raise ValueError(f"The limit is {limit}: ask for at least one mixture.")
    table = esc50.read_table(root, folds)
    recipes = evaluation_recipes(table)
    if limit is not None:
        order = np.random.default_rng(0).permutation(len(recipes))[:limit]
        recipes = [recipes[i] for i in sorted(order)]
    return MixtureList(Clips(table, SAMPLE_RATE), recipes)
