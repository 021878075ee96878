"""Recipes for mixtures, and their rendering with the ground truth.

A recipe names clips of a dataset in ESC-50's layout and says how to mix them; the same recipe
always renders to the same samples. Taught in notebook 01.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from textsep_lab.data import esc50

Augment = Callable[[np.ndarray, np.random.Generator], np.ndarray]


@dataclass(frozen=True)
class Recipe:
    """How to make one mixture.

    Args:
        label: category of the target, the bare query.
        sources: file names, the target first.
        snr_db: level of the target over each interferer, in dB, over the whole mixture.
        offsets: where each source starts, in samples; it wraps around at the clip's end.
        samples: length of the mixture.
        gain_db: gain of everything, in dB.
        seed: seed of the augmentation, when one is used.
        same_class: for each source a second clip of its class, that sounds with it as one source;
            an empty name for none, empty when no source has one.
    """

    label: str
    sources: tuple[str, ...]
    snr_db: tuple[float, ...]
    offsets: tuple[int, ...]
    samples: int
    gain_db: float = 0.0
    seed: int = 0
    same_class: tuple[str, ...] = ()


@dataclass(frozen=True)
class Mixture:
    """A rendered recipe; ``mixture = target + interference``, each float32 ``[samples]``."""

    mixture: np.ndarray
    target: np.ndarray
    interference: np.ndarray


class Clips(Mapping[str, np.ndarray]):
    """The recordings of a table, read when first asked for and then kept.

    Args:
        table: rows of `esc50.read_table`.
        sample_rate: in Hz.

    ``clips[filename]`` is float32 ``[samples]``.
    """

    def __init__(self, table: pd.DataFrame, sample_rate: int = 16000) -> None:
        if table["filename"].duplicated().any():
            name = table["filename"][table["filename"].duplicated()].iloc[0]
            raise ValueError(f"Two clips are called '{name}': the data sets overlap.")
        self.table, self.sample_rate = table.reset_index(drop=True), sample_rate
        self._paths = dict(zip(table["filename"], table["path"], strict=True))
        self._read: dict[str, np.ndarray] = {}

    def __getitem__(self, filename: str) -> np.ndarray:
        if filename not in self._read:
            if filename not in self._paths:
                raise ValueError(f"There is no clip '{filename}' in this data set.")
            self._read[filename] = esc50.load_clip(self._paths[filename], self.sample_rate)
        return self._read[filename]

    def __contains__(self, filename: object) -> bool:
        return filename in self._paths

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)


def render(
    recipe: Recipe, clips: Mapping[str, np.ndarray], augment: Augment | None = None
) -> Mixture:
    """Render a recipe.

    Args:
        recipe: what to mix.
        clips: float32 ``[samples]`` by file name.
        augment: changes each source before mixing; its randomness descends from `recipe.seed`.

    Returns:
        `Mixture`. A silent interferer is added as it is; beside a silent target there is no SNR
        to meet, and interferers keep their own level.

    Example:
        >>> clips = {"a": np.ones(4, np.float32), "b": np.full(4, 0.5, np.float32)}
        >>> out = render(Recipe("a", ("a", "b"), (0.0,), (0, 0), 4), clips)
        >>> out.mixture.tolist()
        [2.0, 2.0, 2.0, 2.0]
    """
    target, *interferers = render_sources(recipe, clips, augment)
    interference = sum(interferers, np.zeros_like(target))
    return Mixture(target + interference, target, interference)


def render_sources(
    recipe: Recipe, clips: Mapping[str, np.ndarray], augment: Augment | None = None
) -> list[np.ndarray]:
    """Return each source of a recipe as it is in the mixture, the target first; see `render`."""
    rng = np.random.default_rng(recipe.seed)
    gain = np.float32(10 ** (recipe.gain_db / 20))

    def voice(name: str, offset: int) -> np.ndarray:
        waveform = wrapped(clips[name], offset, recipe.samples)
        if augment is None:
            return waveform
        return wrapped(augment(waveform, rng), 0, recipe.samples)

    sources = [voice(*source) for source in zip(recipe.sources, recipe.offsets, strict=True)]
    for i, name in enumerate(recipe.same_class):
        if name:
            second = voice(name, int(rng.integers(recipe.samples)))
            sources[i] = sources[i] + scale_to_snr(second, sources[i], rng.uniform(-5.0, 5.0))
    target, *interferers = (gain * source for source in sources)
    scaled = (scale_to_snr(x, target, db) for x, db in zip(interferers, recipe.snr_db, strict=True))
    return [target, *scaled]


def wrapped(waveform: np.ndarray, offset: int, samples: int) -> np.ndarray:
    """Cut `samples` samples starting at `offset`, going on at the start after the end.

    Example:
        >>> wrapped(np.arange(4), 3, 6).tolist()
        [3, 0, 1, 2, 3, 0]
    """
    return np.resize(np.roll(waveform, -offset), samples)


def scale_to_snr(interferer: np.ndarray, target: np.ndarray, snr_db: float) -> np.ndarray:
    """Scale `interferer` so that the target's energy over its energy is `snr_db`.

    Example:
        >>> float(scale_to_snr(np.ones(8), 10 * np.ones(8), 20.0)[0])
        1.0
    """
    energy = float(np.sum(np.square(interferer, dtype=np.float64)))
    wanted = float(np.sum(np.square(target, dtype=np.float64))) * 10 ** (-snr_db / 10)
    if energy == 0 or wanted == 0:
        return interferer
    return (interferer * np.sqrt(wanted / energy)).astype(interferer.dtype)
