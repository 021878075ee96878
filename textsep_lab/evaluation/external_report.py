"""The report on networks trained alike: this kit's, and other libraries' that take no query."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from textsep_lab.data import esc50
from textsep_lab.evaluation import figures
from textsep_lab.evaluation.external_costs import measure
from textsep_lab.evaluation.external_models import ROWS, find
from textsep_lab.evaluation.external_training import train_apart
from textsep_lab.evaluation.output import Report
from textsep_lab.evaluation.scores import markdown
from textsep_lab.training.config import SeparatorSettings
from textsep_lab.utils import paths

MIXTURES = 40
TEXT = """# External models

Made by `textsep evaluate peers{options}`.
Networks of this kit beside those of other libraries, of the kinds that the course project's table
names. The libraries' networks take no text: each gives two outputs.

Costs: 5 s of mono noise at 16 kHz through the network alone, array in and array out (no text
encoder, no detector, no refinement), in a fresh process each, threads: {threads}; median and
quartiles of five runs; peak memory with Python and all libraries.
{quality}

{table}
"""
QUALITY = """
Quality: all trained from random weights on our mixtures (two sounds or more, folds {train})
for {minutes:g} minutes each, by the clock; then SI-SDRi with its 95 % interval on the same
{mixtures} mixtures, the first of a fixed shuffle of AudioSep's list for fold {val} at 0 dB.
The target is chosen by *the query*, the bare label of what is wanted, or it is the *best of two*:
told nothing, the network gives two outputs, and the truth takes the better one. `reference` learns
by its own recipe, L1 on the ideal ratio mask, all others by the SNR of their output. Learning rates
are each one's own, and so is the number of mixtures a step, since eight do not fit into memory for
all. So short a training says how fast a network learns on such a machine, and not how good it can
become.

![Quality against latency](peers.png)"""


def run(
    root: str | Path | None = None,
    folds: tuple[int, ...] = (4,),
    minutes: float | None = None,
    limit: int | None = None,
    out: str | Path | None = None,
) -> Report:
    """Measure every network that can be had, and train each for `minutes`, if given.

    Args:
        limit: how many mixtures they are scored on; None is `MIXTURES`.
        out: where a row is kept as soon as it is done. One that lies there, with the same budget,
            is not made again.

    Raises:
        FileNotFoundError: no data set, where one is needed.
        ValueError: `minutes` or `limit` is not positive.
    """
    settings = None if minutes is None else _settings(root, folds, minutes, limit)
    kept = {} if settings is None or out is None else _kept(Path(out), _budget(settings))
    rows = []
    for name in tqdm(ROWS, "peers", unit="network"):
        rows.append(kept.get(name) or _row(name, settings))
        if settings is not None and out is not None:
            _keep(Path(out), rows)
    table = pd.DataFrame(rows)
    text = TEXT.format(
        options=""
        if settings is None
        else f" --esc50 data/ESC-50 --minutes {minutes:g}"
        + ("" if limit is None else f" --limit {limit}"),
        threads=torch.get_num_threads(),
        quality="" if settings is None else _quality(settings),
        table=_table(table),
    )
    drawn = {} if settings is None else {"peers": figures.peers(table)}
    return Report("peers", text, drawn, {"peers": table})


def _settings(root, folds: tuple[int, ...], minutes: float, limit: int | None) -> SeparatorSettings:
    if limit is not None and limit < 1:
        raise ValueError(f"The limit is {limit}: ask for at least one mixture.")
    others = tuple(fold for fold in (1, 2, 3, 4) if fold not in folds)
    settings = SeparatorSettings(
        esc50_path=None if root is None else str(root), train_folds=others, val_folds=folds,
        minutes=minutes, val_every=10**6, val_mixtures=limit or MIXTURES,
    )  # fmt: skip
    settings.check()
    esc50.read_table(root, others + folds)  # now, and not after a first network has been measured
    return settings


def _budget(settings: SeparatorSettings) -> dict[str, str | float]:
    """Return what must be the same for two rows to stand in one table."""
    return {
        "minutes": settings.minutes,
        "mixtures": settings.val_mixtures,
        "folds": " ".join(map(str, settings.val_folds)),
        "threads": torch.get_num_threads(),
    }


def _row(name: str, settings: SeparatorSettings | None) -> dict:
    model = find(name)
    row = {"name": name, "system": model.title, "told": model.told, "missing": model.missing}
    row |= {} if settings is None else _budget(settings)
    if model.build is None:
        return row
    try:
        row |= measure(model)
        row |= {} if settings is None else train_apart(name, settings)
    except RuntimeError as error:
        row["missing"] = str(error)
    return row


def _kept(out: Path, budget: dict) -> dict[str, dict]:
    """Return the rows that an earlier run with the same budget finished, by name."""
    path = out / "peers.csv"
    if not path.is_file():
        return {}
    rows = pd.read_csv(path, dtype={"folds": str, "missing": str}, encoding="utf-8")
    if not {*budget, "name", "missing"} <= set(rows):
        return {}
    rows["missing"] = rows["missing"].fillna("")
    fits = (rows["missing"] == "") & (rows[list(budget)] == pd.Series(budget)).all(axis=1)
    return {row["name"]: row for row in rows[fits].to_dict("records")}


def _keep(out: Path, rows: list[dict]) -> None:
    with paths.atomic_write(paths.make_folder(out) / "peers.csv") as temporary:
        pd.DataFrame(rows).round(4).to_csv(temporary, index=False, lineterminator="\n")


def _quality(settings: SeparatorSettings) -> str:
    return QUALITY.format(
        train=", ".join(map(str, settings.train_folds)),
        val=", ".join(map(str, settings.val_folds)),
        minutes=settings.minutes, mixtures=settings.val_mixtures,
    )  # fmt: skip


def _table(rows: pd.DataFrame) -> str:
    wanted = ("parameters", "median_ms", "low_ms", "high_ms", "peak_mb", "val_si_sdri_db",
              "val_low_db", "val_high_db", "steps", "batch_size", "seconds_trained")  # fmt: skip
    rows = rows.reindex(columns=["system", "told", "missing", *wanted])
    columns = ("network", "parameters", "5 s clip", "peak memory", "target chosen by", "SI-SDRi",
               "training", "")  # fmt: skip
    return markdown(columns, map(_cells, rows.to_dict("records")))


def _cells(row: dict) -> list[str]:
    cells = [row["system"], "-", "-", "-", "the query" if row["told"] else "best of two", "-", "-"]
    if not np.isnan(row["parameters"]):
        spread = f"[{row['low_ms']:,.0f}, {row['high_ms']:,.0f}]"
        cells[1:4] = [
            f"{row['parameters']:,.0f}", f"{row['median_ms']:,.0f} ms {spread}",
            "-" if np.isnan(row["peak_mb"]) else f"{row['peak_mb']:,.0f} MB",
        ]  # fmt: skip
    if not np.isnan(row["val_si_sdri_db"]):
        interval = f"[{row['val_low_db']:.2f}, {row['val_high_db']:.2f}]"
        cells[5] = f"{row['val_si_sdri_db']:.2f} {interval} dB"
        cells[6] = (
            f"{row['steps']:,.0f} steps of {row['batch_size']:.0f} in "
            f"{row['seconds_trained'] / 60:.1f} min"
        )
    return [*cells, row["missing"]]
