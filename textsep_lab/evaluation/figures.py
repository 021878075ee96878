"""Pictures of the benchmark. Every function returns a matplotlib figure. Taught in notebook 05."""

from __future__ import annotations

import re
import textwrap

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from textsep_lab import plots
from textsep_lab.evaluation.scores import summary

OURS = "ours"
_WORST = 10


def baselines_and_oracles(rows: pd.DataFrame) -> Figure:
    """Draw mean SI-SDRi with its interval for every system, floor to ceiling.

    Args:
        rows: of `scores.summary`.
    """
    rows = rows.iloc[::-1]
    figure = Figure(figsize=(9, 0.42 * len(rows) + 1.2), layout="constrained")
    axis = figure.subplots()
    colours = [_colour(name) for name in rows["system"]]
    mean = rows["si_sdri_db"].to_numpy()
    axis.barh(rows["system"], mean, color=colours, height=0.68)
    axis.hlines(rows["system"], rows["si_sdri_db_low"], rows["si_sdri_db_high"], color=plots.INK)
    for place, row in enumerate(rows.to_dict("records")):
        edge = max(row["si_sdri_db_high"], 0)
        axis.text(edge + 0.25, place, f"{row['si_sdri_db']:.2f}", va="center", fontsize=9)
    axis.axvline(0, color=plots.INK, linewidth=0.8)
    axis.set(
        xlabel="SI-SDR improvement (dB), mean with 95 % interval", ylim=(-0.6, len(rows) - 0.4)
    )
    axis.set_xlim(min(0, rows["si_sdri_db_low"].min() - 0.5), rows["si_sdri_db_high"].max() + 2)
    axis.set_title(f"{rows['mixtures'].max()} mixtures at 0 dB", loc="left", fontsize=10)
    _tidy(axis)
    return figure


def _colour(name: str) -> str:
    if name == OURS:
        return plots.OUTPUT
    return plots.INPUT if name.startswith(("oracle", "mixture")) else plots.WINDOW


def conditions(
    by_snr: pd.DataFrame, by_sources: pd.DataFrame, by_query: pd.DataFrame, absent: pd.DataFrame
) -> Figure:
    """Draw our scores by level, number of sounds and query, and the level of absent queries."""
    figure = Figure(figsize=(10, 7.4), layout="constrained")
    (a, b), (c, d) = figure.subplots(2, 2)
    _means(a, by_snr, "snr_db", "Target's level over the interferer (dB)")
    _means(b, by_sources, "sources", "Sounds in the mixture")
    _means(c, by_query, "query_kind", "How the target is asked for")
    tops, bottoms = ([axis.get_ylim()[side] for axis in (a, b, c)] for side in (1, 0))
    for axis in (a, b, c):  # one scale, so that bars can be compared
        axis.set_ylim(min(bottoms), max(tops))
    for kind, colour in (("present", plots.OUTPUT), ("absent", plots.WINDOW)):
        level = np.sort(absent.loc[absent["query_kind"] == kind, "level_db"].clip(lower=-60))
        share = 100 * np.arange(1, len(level) + 1) / len(level)
        d.plot(level, share, color=colour, label=f"the sound is {kind}")
    d.set(xlabel="Output's level against the mixture's (dB)", ylabel="Queries below it (%)")
    d.legend(frameon=False, fontsize=9)
    _tidy(d)
    return figure


def _means(axis: Axes, scores: pd.DataFrame, by: str, label: str) -> None:
    rows = summary(scores, by=by)
    said = (re.sub(r"^-(?=\d)", "−", str(value)) for value in rows[by])
    names = [textwrap.fill(name, 13, break_long_words=False) for name in said]
    low, high = rows["si_sdri_db_low"], rows["si_sdri_db_high"]
    axis.bar(names, rows["si_sdri_db"], color=plots.OUTPUT, width=0.6)
    axis.vlines(names, low, high, color=plots.INK)
    for place, (mean, top) in enumerate(zip(rows["si_sdri_db"], high, strict=True)):
        axis.text(place, max(top, 0) + 0.15, f"{mean:.1f}", ha="center", fontsize=9)
    axis.axhline(0, color=plots.INK, linewidth=0.8)
    axis.set(xlabel=label, ylabel="SI-SDRi (dB)", ylim=(min(0, low.min() - 0.3), high.max() + 1.2))
    _tidy(axis)


def classes(scores: pd.DataFrame) -> Figure:
    """Draw our SI-SDRi class by class, every mixture a dot, the worst ten in colour.

    Args:
        scores: rows of one system.
    """
    means = scores.groupby("label")["si_sdri_db"].mean().sort_values(ascending=False)
    figure = Figure(figsize=(8, 0.19 * len(means) + 1.2), layout="constrained")
    axis = figure.subplots()
    place = pd.Series(np.arange(len(means)), index=means.index)
    axis.scatter(scores["si_sdri_db"], place[scores["label"]], s=9, color=plots.INPUT)
    worst = np.arange(len(means)) >= len(means) - _WORST
    axis.scatter(means, place, s=34, c=np.where(worst, plots.OUTPUT, plots.WINDOW), zorder=3)
    axis.axvline(0, color=plots.INK, linewidth=0.8)
    axis.set_yticks(place, [name.replace("_", " ") for name in means.index], fontsize=8)
    axis.set_xlabel("SI-SDR improvement (dB); large dots are means, the ten lowest in red")
    axis.margins(y=0.015)
    _tidy(axis)
    return figure


def labels(rows: pd.DataFrame) -> Figure:
    """Draw mean SI-SDRi of every label as a bar, the best on top, with the number of mixtures.

    Args:
        rows: of `scores.summary` by label.
    """
    rows = rows.sort_values("si_sdri_db")
    names = [
        f"{x.replace('_', ' ')} ({n})" for x, n in zip(rows["label"], rows["mixtures"], strict=True)
    ]
    figure = Figure(figsize=(8, 0.24 * len(rows) + 1.2), layout="constrained")
    axis = figure.subplots()
    gained = rows["si_sdri_db"] > 0
    axis.barh(names, rows["si_sdri_db"], color=np.where(gained, plots.WINDOW, plots.OUTPUT))
    axis.axvline(0, color=plots.INK, linewidth=0.8)
    axis.axvline(rows["si_sdri_db"].mean(), color=plots.INK, linewidth=0.8, linestyle=":")
    axis.set_xlabel("SI-SDR improvement (dB), mean of a label's mixtures; dotted: mean of labels")
    axis.tick_params(axis="y", labelsize=8)
    axis.margins(y=0.015)
    _tidy(axis)
    return figure


def confusable(rows: pd.DataFrame) -> Figure:
    """Draw how much comes out when a sound is asked for by the name of one that is like it."""
    medians = rows.pivot_table("level_db", "pair", "query_kind", aggfunc="median")
    medians = medians.sort_values("confusable")
    figure = Figure(figsize=(8, 0.3 * len(medians) + 1.4), layout="constrained")
    axis = figure.subplots()
    kinds = {"true": plots.INPUT, "confusable": plots.OUTPUT, "unrelated": plots.WINDOW}
    names = {"true": "its own", "confusable": "the other's", "unrelated": "an unrelated"}
    for kind, colour in kinds.items():
        dots = {"color": colour, "s": 90 if kind == "true" else 30, "label": f"{names[kind]} name"}
        axis.scatter(medians[kind].clip(lower=-40), medians.index, **dots)
    axis.hlines(medians.index, -40, 0, color=plots.GRID, linewidth=1, zorder=0)
    axis.set_xlabel("Median level of the output against the mixture's (dB), at least −40")
    axis.set_ylabel("The sound / another")
    where = {"loc": "lower right", "bbox_to_anchor": (1, 1), "ncols": 3, "borderaxespad": 0}
    axis.legend(frameon=False, fontsize=9, **where)
    _tidy(axis)
    return figure


def speed(rows: pd.DataFrame) -> Figure:
    """Draw the time a separation takes against the clip's length.

    Args:
        rows: of `speed.sweep`.
    """
    rows = rows[rows["median_ms"].notna()]
    figure = Figure(figsize=(8, 4.6), layout="constrained")
    axis = figure.subplots()
    for (name, dtype), part in rows.groupby(["configuration", "dtype"]):
        style = {"color": plots.WINDOW if name == "reference" else plots.OUTPUT, "marker": "o"}
        style["linestyle"] = "-" if dtype == "float32" else ":"
        took = part["median_ms"] / 1000
        axis.plot(part["seconds"], took, label=f"{name}, {dtype}", **style)
    lengths = sorted(rows["seconds"].unique())
    axis.plot(lengths, lengths, color=plots.INK, linewidth=0.8, label="as long as the clip")
    axis.set(xscale="log", yscale="log", xlabel="Length of the clip", ylabel="Time it takes (s)")
    axis.set_xticks(lengths, [f"{x / 60:g} min" if x >= 60 else f"{x:g} s" for x in lengths])
    axis.minorticks_off()
    axis.yaxis.set_major_formatter("{x:g}")
    axis.grid(axis="y", color=plots.GRID, linewidth=0.8)
    axis.legend(frameon=False, fontsize=9, loc="upper left", bbox_to_anchor=(1, 1))
    _tidy(axis)
    return figure


def peers(rows: pd.DataFrame) -> Figure:
    """Draw quality against latency for networks that were trained for the same time.

    Args:
        rows: with system, told, median_ms, val_si_sdri_db, val_low_db and val_high_db; those
            without scores are left out.
    """
    wanted = ["median_ms", "val_si_sdri_db", "val_low_db", "val_high_db"]
    rows = rows.reindex(columns=["system", "told", *wanted]).dropna(subset=wanted)
    figure = Figure(figsize=(8, 4.6), layout="constrained")
    axis = figure.subplots()
    kinds = {True: (plots.OUTPUT, "told what is wanted"), False: (plots.WINDOW, "best of two")}
    for told, (colour, label) in kinds.items():
        part = rows[rows["told"] == told]
        axis.vlines(part["median_ms"], part["val_low_db"], part["val_high_db"], color=colour)
        axis.scatter(part["median_ms"], part["val_si_sdri_db"], color=colour, s=44, label=label)
    for row in rows.to_dict("records"):
        place = (row["median_ms"], row["val_si_sdri_db"])
        axis.annotate(row["system"], place, (7, 4), textcoords="offset points", fontsize=9,
                      bbox={"color": "white", "pad": 0.5, "alpha": 0.8})  # fmt: skip
    axis.axhline(0, color=plots.INK, linewidth=0.8)
    axis.set(xscale="log", xlabel="Time for a clip of 5 s (ms)", ylabel="SI-SDR improvement (dB)")
    axis.xaxis.set_major_formatter("{x:,.0f}")
    axis.margins(x=0.25)
    axis.legend(frameon=False, fontsize=9)
    _tidy(axis)
    return figure


def _tidy(axis: Axes) -> None:
    axis.spines[["top", "right"]].set_visible(False)
