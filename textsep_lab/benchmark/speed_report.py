"""The report on speed: lengths, threads, number formats, and the first result."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from textsep_lab.benchmark import figures
from textsep_lab.benchmark.cold_start import cold_start
from textsep_lab.benchmark.output import Report
from textsep_lab.benchmark.scores import markdown
from textsep_lab.benchmark.speed import REFERENCE, sweep
from textsep_lab.separation import load_separator

TEXT = """# Speed

Made by `textsep benchmark --speed`. White noise, mono, 16 kHz, array in and array out, the
confidence included; median and quartiles. `reference` has random weights, which take as long as
others.
{bfloat16}

{sweep}

![Seconds of work per second of audio](speed.png)

## From nothing to a first result

Fresh processes; "first separate" is 5 s of audio. The total leaves out the help and the second.

{cold}
"""


def run(checkpoint: str | Path | None = None) -> Report:
    """Time our separator and `reference`, and fresh processes; takes about ten minutes."""
    separator = load_separator(checkpoint)
    times = sweep(separator, configurations=(separator.network.config.name, REFERENCE))
    first = cold_start(checkpoint=checkpoint)
    text = TEXT.format(
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


def _sweep_table(times: pd.DataFrame) -> str:
    columns = ("network", "format", "threads", "clip", "median [quartiles]", "work per second", "")
    return markdown(columns, (
        [
            row["configuration"], row["dtype"], str(row["threads"]), f"{row['seconds']:g} s",
            _milliseconds(row), _factor(row["real_time_factor"]), row["note"],
        ]
        for row in times.to_dict("records")
    ))  # fmt: skip


def _factor(value: float) -> str:
    return "-" if np.isnan(value) else f"{value:.3f} s"


def _milliseconds(row: dict) -> str:
    if np.isnan(row["median_ms"]):
        return "-"
    return f"{row['median_ms']:,.0f} ms [{row['low_ms']:,.0f}, {row['high_ms']:,.0f}]"
