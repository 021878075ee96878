"""The benchmark's run and its report: tables, figures and the words around them.

Taught in notebook 05.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure

from textsep_lab.evaluation import conditions, figures, speed
from textsep_lab.evaluation.cold_start import peak_memory
from textsep_lab.evaluation.conditions import HELD_OUT
from textsep_lab.evaluation.labelled_report import SYSTEMS, LabelledLists
from textsep_lab.evaluation.mixture_list import SAMPLE_RATE, MixtureList, load_mixture_list
from textsep_lab.evaluation.output import Report
from textsep_lab.evaluation.scores import markdown, measure, score_table, summary
from textsep_lab.evaluation.systems import (
    ABLATIONS,
    TITLES,
    CachedSeparator,
    System,
    baselines_and_oracles,
)
from textsep_lab.models.registry import build, parameter_count
from textsep_lab.separation.separator import Separator, load_separator
from textsep_lab.signal import metrics

TEMPLATE = Path(__file__).with_name("separation_template.md")
CLICK = 1.05  # edges that bend the signal so much more than the mixture does


def run(
    root: str | Path | None = None,
    folds: tuple[int, ...] = (4,),
    checkpoint: str | Path | None = None,
    systems: tuple[str, ...] = (),
    limit: int | None = None,
    weights: Mapping[str, str | Path] | None = None,
    unseen: str | Path | None = None,
    recordings: str | Path | None = None,
) -> Report:
    """Judge every system on AudioSep's list of mixtures, and ours under other conditions.

    Args:
        root: data set in ESC-50's layout.
        checkpoint: of our separator; None for the shipped one.
        systems: names of `systems.baselines_and_oracles`; none is all of them, and the further
            tables.
        limit: only so many mixtures.
        weights: checkpoints of other networks, see `systems.TRAINED`.
        unseen, recordings: folders of labelled clips, see `labelled_report`.

    Raises:
        FileNotFoundError: no data set, no such folder or no checkpoint.
        ValueError: no such system, or a limit below 1.
    """
    separator = load_separator(checkpoint)
    remembering = CachedSeparator(separator)
    makers = baselines_and_oracles(remembering, root, weights=weights)
    unknown = [name for name in [*systems, *(weights or {})] if name not in makers]
    if unknown:
        raise ValueError(f"There is no system '{unknown[0]}': use {', '.join(makers)}.")
    scenes = load_mixture_list(root, folds, limit)
    labelled = LabelledLists.read(unseen, recordings, root, folds, limit)
    asked = systems or [name for name in makers if name not in ABLATIONS]
    made = {name: makers[name]() for name in asked}
    able = {s.title: s.estimate for s in made.values() if s.estimate is not None}
    tables = {"scores": measure(able, scenes)}
    tables["summary"] = summary(tables["scores"])
    drawn = {"baselines_and_oracles": figures.baselines_and_oracles(tables["summary"])}
    if not systems:
        tables |= _further(remembering, scenes)
        tables["costs"] = costs(separator, made, checkpoint)
        drawn |= _figures(tables)
    text = _text(made, tables, folds, len(scenes))
    rungs = {name: made.get(name) or makers[name]() for name in SYSTEMS}
    more = labelled.judge(remembering, {s.title: s.estimate for s in rungs.values() if s.estimate})
    return Report(
        "separation", text + more.text, drawn | more.figures, tables | more.tables, scenes
    )


def _further(separator: Separator, scenes: MixtureList) -> dict[str, pd.DataFrame]:
    return {
        "snr": conditions.by_snr(separator, scenes),
        "sources": conditions.by_sources(separator, scenes),
        "queries": conditions.by_query(separator, scenes),
        "absent": conditions.absent(separator, scenes),
        "confusable": conditions.confusable(separator, scenes),
        "timed": conditions.timed(separator, scenes),
    }


def costs(separator: Separator, made: Mapping[str, System], checkpoint=None) -> pd.DataFrame:
    """Return parameters, multiply-adds, latency and memory of the systems that are timed.

    All of them separate 5 s of noise in turns, array in and array out; ours and `reference` tell
    their confidence, too. `reference` has random weights where it has no others: they cost alike.
    """
    reference = made["reference"].network or build("reference", separator.encoder.dim)
    others = Separator(reference, separator.encoder)
    networks = {"ours": separator.network, "reference": reference}
    timed = {
        "ours": lambda x: separator.separate(x, "dog", sample_rate=SAMPLE_RATE),
        "NMF, components scored": lambda x: separator.separate(
            x, "dog", sample_rate=SAMPLE_RATE, method="nmf"
        ),
        "reference": lambda x: others.separate(x, "dog", sample_rate=SAMPLE_RATE),
    }
    memory = {
        "ours": peak_memory(checkpoint).peak_mb,
        "reference": peak_memory(configuration="reference").peak_mb,
    }
    rows = speed.latency(timed)
    rows["parameters"] = [_or_nan(parameter_count, networks.get(x)) for x in rows["system"]]
    rows["gmacs_per_second"] = [
        _or_nan(speed.macs_per_second, networks.get(x)) / 1e9 for x in rows["system"]
    ]
    rows["peak_mb"] = [memory.get(x, np.nan) for x in rows["system"]]
    return rows


def _or_nan(count, network) -> float:
    return np.nan if network is None else count(network)


def _figures(tables: Mapping[str, pd.DataFrame]) -> dict[str, Figure]:
    scores = tables["scores"]
    return {
        "conditions": figures.conditions(
            tables["snr"], tables["sources"], tables["queries"], tables["absent"]
        ),
        "classes": figures.classes(scores[scores["system"] == figures.OURS]),
        "confusable": figures.confusable(tables["confusable"]),
    }


def _text(made, tables, folds: tuple[int, ...], count: int) -> str:
    """Return the report in Markdown; every number in it comes from this run."""
    undefined = int(tables["summary"]["undefined"].max())
    head = TEMPLATE.read_text(encoding="utf-8")
    first_part, _, further_part = head.partition("<!-- further -->\n")
    facts = {
        "folds": ", ".join(map(str, folds)),
        "count": count,
        "undefined": undefined,
        "systems": score_table(tables["summary"]),
        "missing": _missing(made),
        "paired": _paired(tables["scores"], "system", TITLES["text-agnostic"], figures.OURS),
    }
    if "costs" not in tables:
        return first_part.format(**facts)
    facts |= _further_facts(tables)
    return (first_part + further_part).format(**facts)


def _paired(scores: pd.DataFrame, by: str, first: str, second: str) -> str:
    """Return how far the second is above the first on the same mixtures, with its interval."""
    table = scores.pivot_table("si_sdri_db", "mixture", by, sort=False)
    if not {first, second} <= set(table):
        return ""
    gains = (table[second] - table[first]).dropna().to_numpy()
    low, high = metrics.mean_interval(gains)
    return (
        f"Mixture by mixture, *{second}* is {gains.mean():.2f} [{low:.2f}, {high:.2f}] dB above "
        f"*{first}*.\n"
    )


def _missing(made: Mapping[str, System]) -> str:
    lines = [f"- *{s.title}* was not run: {s.missing}." for s in made.values() if s.missing]
    return "\n".join(lines) + "\n" if lines else ""


def _further_facts(tables: Mapping[str, pd.DataFrame]) -> dict[str, str]:
    scores, timed, absent = tables["scores"], tables["timed"], tables["absent"]
    means = scores[scores["system"] == figures.OURS].groupby("label")["si_sdri_db"].mean()
    worst = means.sort_values().head(10)
    level = absent.groupby("query_kind")["level_db"].median()
    inside = timed["si_sdri_db"].dropna().to_numpy()
    low, high = metrics.mean_interval(inside)
    return {
        "threads": str(torch.get_num_threads()),
        "processor": speed.processor(),
        "paraphrase": _paired(tables["queries"], "query_kind", HELD_OUT, "label"),
        "costs": _cost_rows(tables["costs"]),
        "snr": score_table(summary(tables["snr"], by="snr_db"), "snr_db", "SNR (dB)"),
        "sources": score_table(summary(tables["sources"], by="sources"), "sources"),
        "queries": score_table(summary(tables["queries"], by="query_kind"), "query_kind", "query"),
        "worst": ", ".join(f"{n.replace('_', ' ')} ({v:.1f})" for n, v in worst.items()),
        "present_db": f"{level['present']:.1f}",
        "absent_db": f"{level['absent']:.1f}",
        "confusable": _confusable_rows(tables["confusable"]),
        "inside": f"{inside.mean():.2f} [{low:.2f}, {high:.2f}]",
        "outside": f"{timed['outside_error'].max():g}",
        "windows": str(len(inside)),
        "clicks": str(int((timed["click_ratio"] > CLICK).sum())),
        "hard_clicks": str(int((timed["click_ratio_no_fade"] > CLICK).sum())),
    }


def _cost_rows(rows: pd.DataFrame) -> str:
    columns = ("system", "parameters", "multiply-adds per second", "5 s clip, median [quartiles]",
               "times as fast as `reference`", "peak memory")  # fmt: skip

    def cell(value: float, text: str) -> str:
        return "-" if np.isnan(value) else text.format(value)

    return markdown(columns, (
        [
            row["system"],
            cell(row["parameters"], "{:,.0f}"),
            cell(row["gmacs_per_second"], "{:.2f} billion"),
            f"{row['median_ms']:.0f} ms [{row['low_ms']:.0f}, {row['high_ms']:.0f}]",
            cell(row["ratio"], "{:.1f}"),
            cell(row["peak_mb"], "{:.0f} MB"),
        ]
        for row in rows.to_dict("records")
    ))  # fmt: skip


def _confusable_rows(rows: pd.DataFrame) -> str:
    level, gain = (
        rows.pivot_table(values, "pair", "query_kind", aggfunc=how, sort=False)
        for values, how in (("level_db", "median"), ("si_sdri_db", "mean"))
    )
    count = rows.groupby("pair")["mixture"].nunique()
    columns = ("sound / asked for", "mixtures", "level: true name", "the other's name",
               "unrelated name", "SI-SDRi: true name", "the other's name")  # fmt: skip
    return markdown(columns, (
        [
            pair, str(count[pair]),
            *(f"{level.loc[pair, k]:.1f} dB" for k in ("true", "confusable", "unrelated")),
            *(f"{gain.loc[pair, k]:.1f}" for k in ("true", "confusable")),
        ]
        for pair in level.index
    ))  # fmt: skip
