"""The report on speed: lengths, number formats, busy cores, long recordings, the first result."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from textsep_lab.evaluation import figures
from textsep_lab.evaluation.cold_start import cold_start
from textsep_lab.evaluation.long_recordings import CASES, long_recordings
from textsep_lab.evaluation.output import Report
from textsep_lab.evaluation.scores import markdown
from textsep_lab.evaluation.speed import REFERENCE, busy_ratio, processor, sweep
from textsep_lab.separation.separator import load_separator

TEXT = """# Speed

Made by `textsep evaluate speed`, {processor}. White noise, mono, 16 kHz, array in and array
out, the confidence included. `reference` has random weights, which take as long as others.
{bfloat16} A separation takes one thread, whatever torch is set to: two pools of threads that wait
for each other on busy cores once took eight times as long. More cores are for more files.

{said}

![The time it takes against the length of the clip](speed.png)

Medians; quartiles and the work for a second of audio are in [speed.csv](speed.csv). A dash: left
out, as one run would take longer than {budget:g} s.

{sweep}

## Beside other work

A clip of 5 s, with nothing else to do, and with all cores but one busy: {busy}.

| cores | median [quartiles] |
| --- | --- |
{busy_rows}

## Long recordings, file to file

Stereo noise at 44.1 kHz, 16 bits, `separate_file`, each in a process of its own; its memory holds
the models and libraries, too. It does not grow with the length, and a window costs what it lasts
and its surroundings, besides copying the file.

{long}

## From nothing to a first result

Fresh processes, medians and quartiles; "first separate" is 5 s of audio. The total leaves out the
help and the second.

{cold}
"""
TYPICAL = 5.0  # seconds, as of a clip of ESC-50
BUDGET = 45.0


def run(
    checkpoint: str | Path | None = None, cases: Sequence[tuple[float, float | None]] = CASES
) -> Report:
    """Time our separator and `reference`, long recordings and fresh processes; 20 minutes."""
    separator = load_separator(checkpoint)
    ours = separator.network.config.name
    times = sweep(separator, configurations=(ours, REFERENCE), budget_seconds=BUDGET)
    busy = busy_ratio(separator)
    long = long_recordings(cases, checkpoint)
    first = cold_start(checkpoint=checkpoint)
    text = TEXT.format(
        processor=processor(),
        budget=BUDGET,
        said=_in_short(times, ours),
        sweep=_sweep_table(times),
        busy=f"{busy['median_ms'].iloc[1] / busy['median_ms'].iloc[0]:.2f} times as long",
        busy_rows="\n".join(
            f"| {row['cores']} | {_milliseconds(row)} |" for row in busy.to_dict("records")
        ),
        long=_long_table(long),
        cold=markdown(
            ["step", "median [quartiles]"],
            ([row["step"], _milliseconds(row)] for row in first.to_dict("records")),
        ),
        bfloat16=_said(times.attrs["native_bfloat16"]),
    )
    pictures = {"speed": figures.speed(times)}
    tables = {"speed": times, "cold_start": first, "long_recordings": long, "busy": busy}
    return Report("speed", text, pictures, tables)


def _said(native: bool | None) -> str:
    known = {True: "calculates in bfloat16 itself", False: "has no bfloat16 of its own"}
    return f"This processor {known[native]}." if native in known else ""


def _in_short(times: pd.DataFrame, ours: str) -> str:
    """Return what a clip of `TYPICAL` seconds takes in float32."""
    there = (times["dtype"] == "float32") & (times["seconds"] == TYPICAL)
    rows = times[there].set_index("configuration")["median_ms"]
    length = 1000 * TYPICAL
    return (
        f"A clip of {TYPICAL:g} s takes `{ours}` {rows[ours]:,.0f} ms in float32. It is "
        f"{length / rows[ours]:,.0f} times as fast as the clip is long, and "
        f"{rows[REFERENCE] / rows[ours]:.1f} times as fast as `reference`."
    )


def _sweep_table(times: pd.DataFrame) -> str:
    kinds = ["configuration", "dtype"]
    table = times.pivot_table("median_ms", kinds, "seconds", sort=False, dropna=False)
    columns = ("network", "format", *(f"{seconds:g} s" for seconds in table))
    return markdown(columns, (
        [*map(str, kind), *("-" if np.isnan(x) else _duration(x) for x in row)]
        for kind, row in zip(table.index, table.to_numpy(), strict=True)
    ))  # fmt: skip


def _long_table(long: pd.DataFrame) -> str:
    def row(each: Any) -> list[str]:
        window = "all" if pd.isna(each.window_s) else f"{each.window_s:g} s"
        rate = f"{each.real_time_factor:.3f}" if window == "all" else "-"
        return [f"{each.minutes:g} min", window, f"{each.seconds:.1f} s", rate,
                f"{each.peak_mb:.0f} MB"]  # fmt: skip

    columns = ["recording", "asked for", "time", "real-time factor", "peak memory"]
    return markdown(columns, map(row, long.itertuples()))


def _duration(milliseconds: float) -> str:
    return f"{milliseconds:.0f} ms" if milliseconds < 1000 else f"{milliseconds / 1000:.1f} s"


def _milliseconds(row: dict) -> str:
    return f"{row['median_ms']:,.0f} ms [{row['low_ms']:,.0f}, {row['high_ms']:,.0f}]"
