"""What a detector is judged on: clips, mixtures with present and absent queries, known onsets.

Taught in notebook 07.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from textsep_lab.data.esc50 import label_text
from textsep_lab.data.mixtures import Clips, render, scale_to_snr, wrapped
from textsep_lab.data.sampling import active_offset, evaluation_recipes
from textsep_lab.signal.timegate import Window, gate
from textsep_lab.training.clap_data import FADE, activity

SAMPLE_RATE = 16000
SECONDS = 5.0
TRUTH_FRAME = 320  # samples, 20 ms: the resolution of the truth
TRUTH_GAP = 0.3  # seconds: shorter pauses belong to the event


@dataclass(frozen=True)
class Scene:
    """A recording and what is known of it.

    Args:
        waveform: float32 ``[samples]`` at 16 kHz.
        labels: what is in it, the target first.
        absent: a label that is not.
        group: Freesound id of the target, to keep its takes together.
        spans: when the target is active, in seconds; only for `onset_scenes`.
    """

    waveform: np.ndarray
    labels: tuple[str, ...]
    absent: str
    group: int
    spans: tuple[Window, ...] = ()


def clip_scenes(table: pd.DataFrame) -> list[Scene]:
    """Return every clip alone, 5 s."""
    clips, draw = Clips(table, SAMPLE_RATE), _absent_labels(table)
    return [
        Scene(wrapped(clips[r.filename], 0, round(SECONDS * SAMPLE_RATE)),
              (label_text(r.category),), draw((r.category,), number), r.src_file)
        for number, r in enumerate(table.itertuples())
    ]  # fmt: skip


def mixture_scenes(table: pd.DataFrame) -> list[Scene]:
    """Return AudioSep's list: every clip a target once, at 0 dB, one interferer."""
    clips, draw = Clips(table, SAMPLE_RATE), _absent_labels(table)
    rows = table.set_index("filename")
    scenes = []
    for number, recipe in enumerate(evaluation_recipes(table)):
        there = tuple(rows.loc[name, "category"] for name in recipe.sources)
        scenes.append(
            Scene(
                waveform=render(recipe, clips).mixture,
                labels=tuple(map(label_text, there)),
                absent=draw(there, number),
                group=int(rows.loc[recipe.sources[0], "src_file"]),
            )
        )
    return scenes


def onset_scenes(table: pd.DataFrame, seconds: float = 10.0, seed: int = 0) -> list[Scene]:
    """Return scenes with a known onset: each clip's stretch of 0.5 to 3 s set into another clip.

    The stretch begins where the clip sounds and lies anywhere in 10 s of an interferer, at 0 dB
    over its own length. Its truth are the frames of 20 ms within 30 dB of its loudest one, with
    pauses under 0.3 s filled.
    """
    clips, draw = Clips(table, SAMPLE_RATE), _absent_labels(table)
    rows, samples = table.set_index("filename"), round(seconds * SAMPLE_RATE)
    scenes = []
    for number, recipe in enumerate(evaluation_recipes(table, seed)):
        rng = np.random.default_rng((seed, number))
        length = int(rng.uniform(0.5, 3.0) * SAMPLE_RATE)
        clip, other = (clips[name] for name in recipe.sources)
        stretch = wrapped(clip, active_offset(clip, length, rng), length)
        onset = int(rng.integers(samples - length))
        under = wrapped(other, 0, samples)
        under = scale_to_snr(under, stretch, 10 * np.log10(length / samples))
        target = np.zeros(samples, np.float32)
        target[onset : onset + length] = stretch
        target *= gate([(onset, onset + length)], samples, sample_rate=1, fade=FADE)
        there = tuple(rows.loc[name, "category"] for name in recipe.sources)
        scenes.append(
            Scene(
                waveform=target + under,
                labels=tuple(map(label_text, there)),
                absent=draw(there, number),
                group=int(rows.loc[recipe.sources[0], "src_file"]),
                spans=true_spans(target),
            )
        )
    return scenes


def true_spans(target: np.ndarray) -> tuple[Window, ...]:
    """Return when a source ``[samples]`` at 16 kHz is active, see `onset_scenes`."""
    active = activity(target, TRUTH_FRAME, len(target) // TRUTH_FRAME)
    edges = np.flatnonzero(np.diff(np.r_[False, active, False])).reshape(-1, 2)
    spans: list[Window] = []
    for first, last in edges * TRUTH_FRAME / SAMPLE_RATE:
        if spans and first - spans[-1][1] < TRUTH_GAP:
            spans[-1] = (spans[-1][0], float(last))
        else:
            spans.append((float(first), float(last)))
    return tuple(spans)


def _absent_labels(table: pd.DataFrame):
    labels = sorted(table["category"].unique())

    def draw(there: tuple[str, ...], number: int) -> str:
        rng = np.random.default_rng(number)
        return label_text(str(rng.choice([x for x in labels if x not in there])))

    return draw
