"""Mixtures of a recording with any label and a clip of ESC-50: new words, and everyday scenes.

Taught in notebook 05.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import numpy as np
import pandas as pd

from textsep_lab.data.mixtures import Clips, Recipe
from textsep_lab.data.vocabulary import category, may_be_the_same, says
from textsep_lab.evaluation.mixture_list import SAMPLE_RATE, MixtureList

SAMPLES = 5 * SAMPLE_RATE  # of a mixture
SHORTEST = 1 * SAMPLE_RATE  # samples of a target
MOST = 4  # recordings a label
# Labels of one sound that do not share their words, by classes of ESC-50.
SAME_SOUND = {
    "fireworks": ("firework rocket",),
    "crackling_fire": ("furnace fire", "burning fuse"),
    "pig": ("animal snorting and munching",),
    "laughing": ("children playing", "children on a playground", "coffee shop chatter"),
    "crying_baby": ("children playing", "children on a playground"),
    "thunderstorm": ("thunder", "distant thunder"),
    "car_horn": ("city traffic",),
}
# What may be heard any day, by words of which a label holds one.
EVERYDAY = {
    "birds": "bird birdsong chirping tweeting crow rooster hen chicken duck goose owl parrot",
    "music": "music song singing guitar piano violin cello drum trumpet flute organ accordion",
    "voices": "speech speaking voice talking conversation chatter crowd whispering saying",
    "traffic": "traffic vehicle engine motorcycle truck bus siren roadway",
}


class PaddedClips(Clips):
    """Clips of exactly `SAMPLES`: longer ones are cut, shorter ones have silence after them."""

    def __getitem__(self, filename: str) -> np.ndarray:
        waveform = super().__getitem__(filename)[:SAMPLES]
        return np.pad(waveform, (0, SAMPLES - len(waveform)))

    def length(self, filename: str) -> int:
        """Return how many samples of a clip are sound, 0 if it is silent throughout."""
        waveform = super().__getitem__(filename)[:SAMPLES]
        return len(waveform) if waveform.any() else 0


def choose_recordings(
    clips: PaddedClips, table: pd.DataFrame, labels: Iterable[str]
) -> dict[str, list[str]]:
    """Return file names of a table for each label: at most `MOST`, each of its own recording.

    Clips shorter than `SHORTEST` or silent are passed over. The choice for a label depends on its
    name and its clips; a recording that an earlier label has is not taken again.
    """
    used = set[int]()
    chosen: dict[str, list[str]] = {}
    for label in sorted(set(table["category"]) & set(map(category, labels))):
        rows = table[table["category"] == label].sort_values("filename")
        rows = rows.iloc[_rng(label).permutation(len(rows))]
        names: list[str] = []
        for name, source in zip(rows["filename"], rows["src_file"], strict=True):
            if len(names) < MOST and source not in used and clips.length(name) >= SHORTEST:
                names.append(name)
                used.add(source)
        chosen |= {label: names} if names else {}
    return chosen


def labelled_mixtures(
    targets: pd.DataFrame,
    interferers: pd.DataFrame,
    labels: Iterable[str],
    limit: int | None = None,
) -> MixtureList:
    """Mix each chosen recording at 0 dB with a clip that is of another sound and recording.

    A target shorter than 5 s lies anywhere in the mixture, with silence around it.

    Args:
        targets, interferers: tables of recordings, see `data.recordings`.
        labels: of the targets.
        limit: only so many mixtures, spread over the list by a fixed shuffle.

    Raises:
        ValueError: no recording has one of the labels and is long enough, or a target has no
            possible interferer.
    """
    clips = PaddedClips(pd.concat([targets, interferers], ignore_index=True), SAMPLE_RATE)
    chosen = choose_recordings(clips, targets, labels)
    if not chosen:
        raise ValueError("no recording of 1 s or more has one of the labels that are asked for.")
    recipes = [
        _recipe(name, label, clips, interferers) for label in chosen for name in chosen[label]
    ]
    if limit is not None:
        kept = np.random.default_rng(0).permutation(len(recipes))[:limit]
        recipes = [recipes[i] for i in sorted(kept)]
    return MixtureList(clips, recipes)


def _recipe(name: str, label: str, clips: PaddedClips, interferers: pd.DataFrame) -> Recipe:
    rng = _rng(name)
    source = clips.table.set_index("filename")["src_file"][name]
    free = interferers[interferers["src_file"] != source]
    free = free[[not same_sound(label, other) for other in free["category"]]]
    if free.empty:
        raise ValueError(f"There is no clip of another sound to mix with '{name}'.")
    other = free["filename"].iloc[int(rng.integers(len(free)))]
    place = int(rng.integers(SAMPLES - clips.length(name) + 1))
    return Recipe(label, (name, other), (0.0,), (-place % SAMPLES, 0), SAMPLES)


def same_sound(label: str, other: str) -> bool:
    """Return whether a label may mean the same sound as a class of ESC-50, so as not to mix them.

    Example:
        >>> same_sound("cat meowing", "cat"), same_sound("furnace fire", "crackling_fire")
        (True, True)
        >>> same_sound("birds in a tree", "rooster"), same_sound("drilling", "chainsaw")
        (True, False)
    """
    listed = category(label) in map(category, SAME_SOUND.get(other, ()))
    group = set(everyday_groups([label])) & set(everyday_groups([other]))
    return listed or bool(group) or may_be_the_same(label, other)


def everyday_groups(labels: Collection[str]) -> Mapping[str, list[str]]:
    """Return the labels of each group of `EVERYDAY`; a label is in the first that it fits.

    Example:
        >>> everyday_groups(["city traffic", "a man singing", "rain"])
        {'music': ['a man singing'], 'traffic': ['city traffic']}
    """
    groups: dict[str, list[str]] = {}
    for label in labels:
        for name, words in EVERYDAY.items():
            if any(says(label, word) for word in words.split()):
                groups.setdefault(name, []).append(label)
                break
    return {name: groups[name] for name in EVERYDAY if name in groups}


def _rng(text: str) -> np.random.Generator:
    return np.random.default_rng(list(text.encode()))
