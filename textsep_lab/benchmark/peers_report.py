"""The report on networks of other libraries that separate without a query."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd

from textsep_lab.benchmark.output import Report
from textsep_lab.benchmark.peer_training import train
from textsep_lab.benchmark.peers import ROWS, find, measure
from textsep_lab.benchmark.scores import markdown
from textsep_lab.settings import Settings

TEXT = """# Peers

Made by `textsep benchmark --peers{options}`. Networks of other libraries, of the kinds that the
course project's table names. None takes a text: each gives two outputs. 5 s of mono noise at 16 kHz
in a fresh process each, median and quartiles of five runs; peak memory with Python and all
libraries.
{quality}

{table}
"""
QUALITY = """Quality: trained on our mixtures (two sounds or more, folds {train}) for
{minutes:g} minutes each; SI-SDRi on {mixtures} mixtures of folds {val} at 0 dB, the better of the
two outputs chosen by the truth."""


def run(
    root: str | Path | None = None, folds: tuple[int, ...] = (4,), minutes: float | None = None
) -> Report:
    """Measure every peer that can be had, and train each for `minutes`, if given.

    Raises:
        FileNotFoundError: no data set, where one is needed.
        ValueError: `minutes` is not positive.
    """
    settings = None
    if minutes is not None:
        others = tuple(fold for fold in (1, 2, 3, 4) if fold not in folds)
        settings = Settings(
            esc50_path=None if root is None else str(root), train_folds=others, val_folds=folds,
            minutes=minutes, val_every=10**6,
        )  # fmt: skip
        settings.check()
    rows = pd.DataFrame([_row(name, settings) for name in ROWS])
    text = TEXT.format(
        options="" if minutes is None else f" --esc50 data/ESC-50 --minutes {minutes:g}",
        quality="" if settings is None else _quality(settings),
        table=_table(rows),
    )
    return Report("peers", text, {}, {"peers": rows})


def _row(name: str, settings: Settings | None) -> dict:
    peer = find(name)
    row = {"system": peer.title, "missing": peer.missing}
    if peer.build is None:
        return row
    row |= measure(peer)
    if settings is not None:
        with tempfile.TemporaryDirectory() as folder:
            row |= train(name, settings, folder)
    return row


def _quality(settings: Settings) -> str:
    return QUALITY.format(
        train=list(settings.train_folds), val=list(settings.val_folds),
        minutes=settings.minutes, mixtures=settings.val_mixtures,
    )  # fmt: skip


def _table(rows: pd.DataFrame) -> str:
    wanted = ("parameters", "median_ms", "low_ms", "high_ms", "peak_mb", "val_si_sdri_db", "steps")
    rows = rows.reindex(columns=["system", "missing", *wanted])
    columns = ("network", "parameters", "5 s clip", "peak memory", "SI-SDRi, best of two", "")

    def cells(row: dict) -> list[str]:
        if row["missing"]:
            return [row["system"], "-", "-", "-", "-", row["missing"]]
        trained = "not trained"
        if not np.isnan(row["val_si_sdri_db"]):
            trained = f"{row['val_si_sdri_db']:.2f} dB after {row['steps']:.0f} steps"
        spread = f"[{row['low_ms']:,.0f}, {row['high_ms']:,.0f}]"
        return [
            row["system"], f"{row['parameters']:,.0f}", f"{row['median_ms']:,.0f} ms {spread}",
            f"{row['peak_mb']:,.0f} MB", trained, "",
        ]  # fmt: skip

    return markdown(columns, map(cells, rows.to_dict("records")))
