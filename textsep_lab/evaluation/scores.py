"""Scores of estimates and their summary, with undefined cases counted and left out.

Taught in notebook 05.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np
import pandas as pd
from tqdm import tqdm

from textsep_lab.data.mixtures import Mixture
from textsep_lab.evaluation.mixture_list import EvaluationMixture
from textsep_lab.signal import metrics

Estimate = Callable[[EvaluationMixture], np.ndarray]
WORSE_DB = -0.005  # an SI-SDRi below this is a loss, and not rounding


def score(estimate: np.ndarray, truth: Mixture) -> dict[str, float]:
    """Return SI-SDRi and SDRi in dB (NaN where the target is silent) and the output's level.

    Example:
        >>> target = np.sin(np.arange(100.0))
        >>> truth = Mixture(target + np.cos(np.arange(100.0)), target, np.cos(np.arange(100.0)))
        >>> round(score(truth.mixture, truth)["si_sdri_db"], 6)
        0.0
    """
    scores = {
        f"{name}i_db": float(metric(estimate, truth.target) - metric(truth.mixture, truth.target))
        for name, metric in (("si_sdr", metrics.si_sdr), ("sdr", metrics.snr))
    }
    # Where a silent target leaves the scores undefined, this is what can be said.
    return {**scores, "output_level_db": metrics.level_db(estimate)}


def measure(
    systems: Mapping[str, Estimate], scenes: Iterable[EvaluationMixture], title: str = "benchmark"
) -> pd.DataFrame:
    """Score every system on every scene.

    Args:
        systems: what to call, by the name it has in the table.

    Returns:
        One row per scene and system: columns mixture, label, system, si_sdri_db, sdri_db and
        output_level_db (re full scale).
    """
    rows = []
    for scene in tqdm(scenes, title, unit="mixture", disable=None):  # no terminal, no bar
        for name, estimate in systems.items():
            scores = score(estimate(scene), scene.truth)
            about = {"mixture": scene.number, "label": scene.labels[0], "system": name}
            rows.append({**about, **scores})
    return pd.DataFrame(rows)


def best_of(outputs: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Return the output with the highest SI-SDR: the truth says which of them is the target.

    Args:
        outputs: ``[sources, samples]``.
        target: ``[samples]``; if it is silent, the first output is returned.

    Example:
        >>> x = np.eye(3)
        >>> best_of(x[:2], x[1] + 0.1 * x[2])
        array([0., 1., 0.])
    """
    scores = metrics.si_sdr(outputs, np.broadcast_to(target, outputs.shape))
    return outputs[int(np.argmax(scores))]


def summary(scores: pd.DataFrame, by: str = "system") -> pd.DataFrame:
    """Return a row per value of `by`: means with 95 % intervals, medians, share made worse.

    Mixtures without a score (a silent target) are counted and left out of the means.

    A mixture counts as made worse from `WORSE_DB` on, so that rounding is no loss.

    Returns:
        Columns `by`, mixtures, undefined; si_sdri_db and sdri_db, each with ``_low``, ``_high``
        and ``_median``; worse_percent.
    """
    rows = []
    for name, part in scores.groupby(by, sort=False):
        row = {by: name, "mixtures": len(part), "undefined": int(part["si_sdri_db"].isna().sum())}
        for column in ("si_sdri_db", "sdri_db"):
            values = part[column].dropna().to_numpy()
            low, high = metrics.mean_interval(values)
            row |= {column: values.mean(), f"{column}_low": low, f"{column}_high": high}
            row[f"{column}_median"] = np.median(values)
        row["worse_percent"] = 100 * (part["si_sdri_db"].dropna() < WORSE_DB).mean()
        rows.append(row)
    return pd.DataFrame(rows)


def with_interval(row: Mapping[str, float], column: str) -> str:
    """Return ``mean [low, high]`` of a row of `summary`, to two decimals.

    Example:
        >>> with_interval({"x": 1.0, "x_low": 0.5, "x_high": 1.5}, "x")
        '1.00 [0.50, 1.50]'
    """
    return f"{row[column]:.2f} [{row[column + '_low']:.2f}, {row[column + '_high']:.2f}]"


def markdown(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a Markdown table.

    Example:
        >>> print(markdown(["a", "b"], [["1", "2"]]))
        | a | b |
        | --- | --- |
        | 1 | 2 |
    """
    columns = list(columns)
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def score_table(rows: pd.DataFrame, by: str = "system", title: str | None = None) -> str:
    """Return rows of `scores.summary` as a Markdown table."""
    columns = (title or by, "SI-SDRi mean [95 %]", "median", "SDRi mean [95 %]",
               "median", "made worse")  # fmt: skip
    cells = (
        [
            str(row[by]),
            with_interval(row, "si_sdri_db"), f"{row['si_sdri_db_median']:.2f}",
            with_interval(row, "sdri_db"), f"{row['sdri_db_median']:.2f}",
            f"{row['worse_percent']:.1f} %",
        ]
        for row in rows.to_dict("records")
    )  # fmt: skip
    return markdown(columns, cells)
