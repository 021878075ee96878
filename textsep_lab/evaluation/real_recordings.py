"""Real recordings without a ground truth: what the detector finds in their parts.

Taught in notebook 05.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from tqdm import tqdm

from textsep_lab.data.esc50 import label_text
from textsep_lab.evaluation.labelled_mixtures import PaddedClips, choose_recordings
from textsep_lab.evaluation.mixture_list import SAMPLE_RATE
from textsep_lab.evaluation.scores import markdown, with_interval
from textsep_lab.separation.separator import Separator
from textsep_lab.signal import metrics

PARTS = ("input", "output", "residual")


def judge(separator: Separator, recordings: pd.DataFrame, limit: int | None = None) -> pd.DataFrame:
    """Ask recordings for what they are labelled with, and the parts for the same.

    Args:
        recordings: a table of recordings (see `data.recordings`), their labels the queries. Of a
            label at most four are taken, each of a recording of its own and of 1 s to 5 s.
        limit: only so many, spread over the labels by a fixed shuffle.

    Returns:
        Columns recording, query, then the detector's probability of the query in each of `PARTS`,
        and output_db: the output's level over the input's.

    Raises:
        ValueError: no recording is long enough.
    """
    clips = PaddedClips(recordings, SAMPLE_RATE)
    chosen = choose_recordings(clips, recordings, recordings["category"])
    pairs = [(name, label) for label, names in chosen.items() for name in names]
    if not pairs:
        raise ValueError("No recording lasts 1 s or more: there is nothing to judge.")
    kept = np.random.default_rng(0).permutation(len(pairs))[:limit]
    bar = tqdm([pairs[i] for i in sorted(kept)], "real recordings", disable=None)
    return pd.DataFrame([_row(separator, clips, name, label_text(label)) for name, label in bar])


def _row(separator: Separator, clips: PaddedClips, name: str, query: str) -> dict[str, str | float]:
    waveform = clips[name][: clips.length(name)]
    output = separator.separate(waveform, query, sample_rate=SAMPLE_RATE).output[0]
    parts = zip(PARTS, (waveform, output, waveform - output), strict=True)
    heard = {x: separator.detector.presence(part[None], SAMPLE_RATE, query) for x, part in parts}
    level = metrics.level_db(output) - metrics.level_db(waveform)
    return {"recording": name, "query": query, **heard, "output_db": level}


def table(rows: pd.DataFrame) -> str:
    """Return the means of `judge` with their intervals as a Markdown table."""
    cells = []
    for part in PARTS:
        low, high = metrics.mean_interval(rows[part].to_numpy())
        row = {part: rows[part].mean(), f"{part}_low": low, f"{part}_high": high}
        cells.append([part, with_interval(row, part), str(len(rows))])
    return markdown(("part", "P(query is there), mean [95 %]", "recordings"), cells)
