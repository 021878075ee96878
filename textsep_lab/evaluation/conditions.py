"""Levels, more sources, other words, wrong words, windows: how the scores change with them.

Raw rows, for `scores.summary(frame, by=...)`. Taught in notebook 05.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

import numpy as np
import pandas as pd
from tqdm import tqdm

from textsep_lab.data import captions, esc50
from textsep_lab.data.mixtures import Mixture
from textsep_lab.evaluation.mixture_list import SAMPLE_RATE, EvaluationMixture, MixtureList
from textsep_lab.evaluation.scores import measure, score
from textsep_lab.evaluation.systems import ours
from textsep_lab.separation.separator import Separator
from textsep_lab.signal import metrics
from textsep_lab.signal.config import DEFAULT_FADE
from textsep_lab.signal.timegate import Window

SNRS_DB = (-10, -5, 0, 5, 10)
SOURCES = (2, 3, 4)
HELD_OUT, OUT_OF_DISTRIBUTION = "held-out paraphrase", "out-of-distribution paraphrase"
QUERY_KINDS = ("label", "label in a phrase", HELD_OUT, OUT_OF_DISTRIBUTION)
PHRASES = (
    "a recording of {}", "{} noise in the background", "please isolate the {}", "I hear {} nearby"
)  # fmt: skip
# Sounds that are easily confused.
CONFUSABLE = (
    ("sea_waves", "rain"), ("sea_waves", "wind"), ("crackling_fire", "rain"),
    ("pouring_water", "toilet_flush"), ("airplane", "wind"), ("engine", "helicopter"),
    ("washing_machine", "vacuum_cleaner"), ("chirping_birds", "crickets"),
    ("keyboard_typing", "mouse_click"), ("door_wood_knock", "footsteps"),
)  # fmt: skip
WINDOW = (0.25, 0.75)  # of the clip's length, to whole 10 ms
ONE_SIDED_DB = 20.0  # a window with so much more of one sound than of the other has nothing to do
CLICK_SECONDS = 0.002  # to each side


def by_snr(separator: Separator, scenes: MixtureList) -> pd.DataFrame:
    """Score our system with the target at each of `SNRS_DB` over each interferer.

    Returns:
        Columns of `scores.measure` without system, and snr_db.
    """
    return _varied(separator, "snr_db", SNRS_DB, scenes.at_snr)


def by_sources(separator: Separator, scenes: MixtureList) -> pd.DataFrame:
    """Score our system on mixtures of each of `SOURCES` sounds, all as loud as the target.

    Returns:
        Columns of `scores.measure` without system, and sources.

    Raises:
        ValueError: too few classes.
    """
    return _varied(separator, "sources", SOURCES, scenes.with_sources)


def _varied(
    separator: Separator, column: str, values: Iterable[int], change: Callable[[int], MixtureList]
) -> pd.DataFrame:
    system = {"ours": partial(ours, separator)}
    tables = [measure(system, change(x), f"{column} {x}").assign(**{column: x}) for x in values]
    return pd.concat(tables, ignore_index=True).drop(columns="system")


def by_query(separator: Separator, scenes: MixtureList) -> pd.DataFrame:
    """Score our system on the same mixtures asked for in the ways of `QUERY_KINDS`.

    Returns:
        Columns of `scores.measure` with query_kind in place of system, and query.
    """

    def estimate(kind: str, scene: EvaluationMixture) -> np.ndarray:
        return ours(separator, scene, query_for(kind, scene.labels[0], scene.number))

    systems = {kind: partial(estimate, kind) for kind in QUERY_KINDS}
    frame = measure(systems, scenes, "queries").rename(columns={"system": "query_kind"})
    asked = zip(frame["query_kind"], frame["label"], frame["mixture"], strict=True)
    return frame.assign(query=[query_for(*row) for row in asked])


def query_for(kind: str, label: str, number: int) -> str:
    """Return how a label is asked for in one of `QUERY_KINDS`, drawn by the scene's number.

    Example:
        >>> query_for("label", "sea_waves", 3), query_for("label in a phrase", "sea_waves", 3)
        ('sea waves', 'I hear sea waves nearby')
    """
    text = esc50.label_text(label)
    choices = {
        "label": [text],
        "label in a phrase": [phrase.format(text) for phrase in PHRASES],
        HELD_OUT: captions.for_label(label, "heldout"),
        OUT_OF_DISTRIBUTION: captions.for_label(label, "ood"),
    }
    return str(np.random.default_rng(number).choice(choices[kind]))


def absent(separator: Separator, scenes: MixtureList) -> pd.DataFrame:
    """Ask every scene for its target and for a sound that is not there, by bare labels.

    Returns:
        Columns mixture, label (the target's), query_kind (present or absent), query, level_db
        (of the output relative to the mixture; -inf for silence) and confidence.
    """
    rows = []
    for scene in tqdm(scenes, "absent sounds", unit="mixture", delay=2):
        target = scene.labels[0]
        for kind, x in {"present": target, "absent": scenes.other_label(scene)}.items():
            rows.append({"label": target, "query_kind": kind, **_answer(separator, scene, x)})
    columns = ("mixture", "label", "query_kind", "query", "level_db", "confidence")
    return pd.DataFrame(rows, columns=columns)


def _answer(separator: Separator, scene: EvaluationMixture, label: str) -> dict[str, str | float]:
    query, mixture = esc50.label_text(label), scene.truth.mixture
    result = separator.separate(mixture, query, sample_rate=SAMPLE_RATE)
    output = result.output[0]
    return {
        "mixture": scene.number,
        "query": query,
        "level_db": metrics.level_db(output) - metrics.level_db(mixture),
        "confidence": result.confidence,
        "si_sdri_db": score(output, scene.truth)["si_sdri_db"],
    }


def confusable(separator: Separator, scenes: MixtureList) -> pd.DataFrame:
    """Ask for a sound that is like the target but not there: a wrong synonym.

    Each pair of `CONFUSABLE` is used in both directions, on every scene whose target is one of
    it and which does not hold the other. A target of two pairs has its true and unrelated rows
    in both.

    Returns:
        Columns pair (``target / what is like it``), mixture, query_kind (true, confusable or
        unrelated), query, level_db (as in `absent`) and si_sdri_db of the output as an estimate
        of the target: high where the wrong word pulls it out. No rows where no scene fits.
    """
    numbers = [n for n, recipe in enumerate(scenes.recipes) if _partners(recipe.label)]
    rows = []
    for number in tqdm(numbers, "wrong synonyms", unit="mixture", delay=2):
        rows += _confusable_rows(separator, scenes, scenes[number])
    columns = ("pair", "mixture", "query_kind", "query", "level_db", "si_sdri_db")
    return pd.DataFrame(rows, columns=columns)


def _confusable_rows(
    separator: Separator, scenes: MixtureList, scene: EvaluationMixture
) -> list[dict]:
    target = scene.labels[0]
    partners = [label for label in _partners(target) if label not in scene.labels]
    if not partners:
        return []
    others = sorted(set(scenes.category.values()) - {*scene.labels, *_partners(target)})
    unrelated = str(np.random.default_rng(scene.number).choice(others))
    # Once per label, however many pairs it is a row of.
    answers = {x: _answer(separator, scene, x) for x in (target, *partners, unrelated)}
    rows = []
    for partner in partners:
        pair = f"{scene.query} / {answers[partner]['query']}"
        asked = {"true": target, "confusable": partner, "unrelated": unrelated}
        rows += [{"pair": pair, "query_kind": k, **answers[x]} for k, x in asked.items()]
    return rows


def _partners(label: str) -> list[str]:
    return [b if a == label else a for a, b in CONFUSABLE if label in (a, b)]


def timed(separator: Separator, scenes: MixtureList, fade: float = DEFAULT_FADE) -> pd.DataFrame:
    """Score time-selective separation: the middle half of each scene in mode keep.

    Args:
        fade: length of the window's soft edges in seconds; they lie inside the window.

    Returns:
        Columns mixture, label, si_sdri_db (inside the window without its fades; NaN where one of
        the sounds is silent there, or `ONE_SIDED_DB` below the other), outside_error (largest
        absolute difference of output and mixture outside the window), click_ratio (see
        `click_ratio`) and click_ratio_no_fade (the same stretches of a hard cut).

    Raises:
        ValueError: the fade is negative, or so long that the window is never fully open.
    """
    scenes = tqdm(scenes, "windows", unit="mixture", delay=2)
    return pd.DataFrame([_timed_row(separator, scene, fade) for scene in scenes])


def _timed_row(
    separator: Separator, scene: EvaluationMixture, fade: float
) -> dict[str, str | float]:
    truth, seconds = scene.truth, len(scene.truth.mixture) / SAMPLE_RATE
    start, end = (round(share * seconds, 2) for share in WINDOW)
    first, last = round(start * SAMPLE_RATE), round(end * SAMPLE_RATE)
    edge = round(fade * SAMPLE_RATE)
    if last - first <= 2 * edge:
        raise ValueError(f"The fade of {fade} s is too long for {start} to {end} s.")
    asked = {"windows": [(start, end)], "sample_rate": SAMPLE_RATE}
    soft, hard = (
        separator.separate(truth.mixture, scene.query, fade=x, **asked).output[0]
        for x in (fade, 0.0)
    )
    inside, outside = slice(first + edge, last - edge), np.r_[:first, last : len(soft)]
    part = Mixture(truth.mixture[inside], truth.target[inside], truth.interference[inside])
    both = abs(metrics.level_db(part.target) - metrics.level_db(part.interference)) < ONE_SIDED_DB
    return {
        "mixture": scene.number,
        "label": scene.labels[0],
        "si_sdri_db": score(soft[inside], part)["si_sdri_db"] if both else np.nan,
        "outside_error": float(np.abs(soft - truth.mixture)[outside].max()),
        "click_ratio": click_ratio(soft, truth.mixture, (start, end), fade),
        "click_ratio_no_fade": click_ratio(hard, truth.mixture, (start, end), fade),
    }


def click_ratio(
    output: np.ndarray, mixture: np.ndarray, window: Window, fade: float = DEFAULT_FADE
) -> float:
    """Return how much a window's edges click: energy of the second difference over the mixture's.

    Judged on stretches of 4 ms, the first with the edge in its middle, the next ones joined to
    it until the fade, inside the window, is covered. The largest ratio counts. Sound taken away
    lowers it, most of all for a hard cut: count the ratios above 1, do not compare means.

    Args:
        output, mixture: ``[samples]`` at `SAMPLE_RATE`.
        window, fade: in seconds.

    Returns:
        Above 1 where an edge adds to the mixture. Stretches where the mixture is silent or
        constant do not count; NaN if all are.

    Example:
        >>> tone = np.sin(0.01 * np.arange(16000))
        >>> cut = np.where(np.arange(16000) < 4000, tone, 0)
        >>> click_ratio(tone, tone, (0.25, 0.75)), click_ratio(cut, tone, (0.25, 0.75)) > 100
        (1.0, True)
    """
    (first, last), edge = (round(s * SAMPLE_RATE) for s in window), round(fade * SAMPLE_RATE)
    reach = round(CLICK_SECONDS * SAMPLE_RATE)
    steps = range(0, edge + reach, 2 * reach)
    ratios = []
    for middle in [first + step for step in steps] + [last - step for step in steps]:
        stretch = slice(max(middle - reach, 0), middle + reach)
        made, was = _bend(output[stretch]), _bend(mixture[stretch])
        ratios.append(made / was if was > 0 else np.nan)
    return float(np.fmax.reduce(ratios))


def _bend(waveform: np.ndarray) -> float:
    return float(np.sum(np.square(np.diff(waveform.astype(np.float64), 2))))
