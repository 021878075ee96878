"""The report on speed: lengths, threads, number formats, and the first result."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from textsep_lab.evaluation import figures
from textsep_lab.evaluation.cold_start import cold_start
from textsep_lab.evaluation.output import Report
from textsep_lab.evaluation.scores import markdown
from textsep_lab.evaluation.speed import REFERENCE, processor, sweep
from textsep_lab.separation.separator import load_separator

TEXT = """# Speed

Made by `textsep evaluate speed`, {processor}. White noise, mono, 16 kHz, array in and array
out, the confidence included. `reference` has random weights, which take as long as others.
{bfloat16}

{said}

![The time it takes against the length of the clip](speed.png)

Medians; quartiles and the work for a second of audio are in [speed.csv](speed.csv). A dash: left
out, as one run would take longer than {budget:g} s.

{sweep}

## From nothing to a first result

Fresh processes, medians and quartiles; "first separate" is 5 s of audio. The total leaves out the
help and the second.

{cold}
"""
TYPICAL = 5.0  # seconds, as of a clip of ESC-50
BUDGET = 45.0


def run(checkpoint: str | Path | None = None) -> Report:
    """Time our separator and `reference`, and fresh processes; takes about 13 minutes."""
    separator = load_separator(checkpoint)
    ours = separator.network.config.name
    times = sweep(separator, configurations=(ours, REFERENCE), budget_seconds=BUDGET)
    first = cold_start(checkpoint=checkpoint)
    text = TEXT.format(
        processor=processor(),
        budget=BUDGET,
        said=_in_short(times, ours),
        sweep=_sweep_table(times),
        cold=markdown(
            ["step", "median [quartiles]"],
            ([row["step"], _milliseconds(row)] for row in first.to_dict("records")),
        ),
        bfloat16=_said(times.attrs["native_bfloat16"]),
    )
    pictures = {"speed": figures.speed(times)}
    return Report("speed", text, pictures, {"speed": times, "cold_start": first})


def _said(native: bool | None) -> str:
    known = {True: "calculates in bfloat16 itself", False: "has no bfloat16 of its own"}
    return f"This processor {known[native]}." if native in known else ""


def _in_short(times: pd.DataFrame, ours: str) -> str:
    """Return what a clip of `TYPICAL` seconds takes in float32, with all threads."""
    there = (times["dtype"] == "float32") & (times["seconds"] == TYPICAL)
    there &= times["threads"] == times["threads"].max()
    rows = times[there].set_index("configuration")["median_ms"]
    length = 1000 * TYPICAL
    return (
        f"A clip of {TYPICAL:g} s takes `{ours}` {rows[ours]:,.0f} ms in float32 on "
        f"{times['threads'].max()} threads. It is {length / rows[ours]:,.0f} times as fast as the "
        f"clip is long, and {rows[REFERENCE] / rows[ours]:.1f} times as fast as `reference`."
    )


def _sweep_table(times: pd.DataFrame) -> str:
    kinds = ["configuration", "dtype", "threads"]
    table = times.pivot_table("median_ms", kinds, "seconds", sort=False, dropna=False)
    columns = ("network", "format", "threads", *(f"{seconds:g} s" for seconds in table))
    return markdown(columns, (
        [*map(str, kind), *("-" if np.isnan(x) else _duration(x) for x in row)]
        for kind, row in zip(table.index, table.to_numpy(), strict=True)
    ))  # fmt: skip


def _duration(milliseconds: float) -> str:
    return f"{milliseconds:.0f} ms" if milliseconds < 1000 else f"{milliseconds / 1000:.1f} s"


def _milliseconds(row: dict) -> str:
    return f"{row['median_ms']:,.0f} ms [{row['low_ms']:,.0f}, {row['high_ms']:,.0f}]"
