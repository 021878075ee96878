"""One notebook over a grid of parameters: an executed copy for each point, results in one table.

Taught in notebook 03.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from textsep_lab.teaching import batch, chapters
from textsep_lab.utils.paths import atomic_write

RESULT = "metrics.json"
DONE = "done.json"


def grid(notebook: Path, axes: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return the points of a grid, such as ``{"lr": "1e-3,3e-4"}``, as values, each once.

    Raises:
        ValueError: no such parameter, or a value that is not of its type.

    Example:
        >>> chapter = chapters.choose(["03"])[0]
        >>> grid(chapter, {"lr": "1e-3,3e-4"})
        [{'lr': 0.001}, {'lr': 0.0003}]
    """
    texts = [[(name, text) for text in values.split(",")] for name, values in axes.items()]
    points = [batch.parse(notebook, dict(point)) for point in itertools.product(*texts)]
    return [point for i, point in enumerate(points) if point not in points[:i]]


def key(notebook: Path, values: Mapping[str, Any]) -> str:
    """Return what names a point: a hash of notebook's code, parameters' values and version."""
    code = [cell.source for cell in chapters.read(notebook).cells if cell.cell_type == "code"]
    said = json.dumps([code, sorted(values.items()), version("textsep-lab")])
    return hashlib.sha256(said.encode()).hexdigest()[:12]


def run(
    notebook: Path,
    points: Sequence[Mapping[str, Any]],
    out: Path,
    processes: int = 1,
    progress: bool = True,
) -> pd.DataFrame:
    """Execute a notebook at each point that `out` does not hold yet, and gather its results.

    Args:
        points: from `grid`.
        out: gets a folder for each point, named by its `key`, and ``results.csv``.

    Returns:
        A row for each point: its parameters, status, error, and what its ``metrics.json`` holds.

    Raises:
        ValueError: the notebook leaves no ``metrics.json``.
    """
    if RESULT not in chapters.artefacts(notebook):
        raise ValueError(f"{notebook.stem} leaves no {RESULT}: there is nothing to gather.")
    folders = [out / key(notebook, values) for values in points]
    waiting = [i for i, folder in enumerate(folders) if not (folder / DONE).is_file()]
    jobs = [batch.job(notebook, folders[i], points[i]) for i in waiting]
    statuses = batch.run(jobs, processes, progress) if jobs else pd.DataFrame()
    failed = {}
    for i, row in zip(waiting, statuses.itertuples(), strict=True):
        if row.status == batch.OK:
            _write_json(folders[i] / DONE, dict(points[i]))
        else:
            failed[i] = row.error
    rows = [
        {**values, "status": batch.FAILED, "error": failed[i]} if i in failed
        else {**values, "status": batch.OK, **json.loads((folders[i] / RESULT).read_text("utf-8"))}
        for i, values in enumerate(points)
    ]  # fmt: skip
    table = pd.DataFrame(rows)
    with atomic_write(out / "results.csv") as temporary:
        table.to_csv(temporary, index=False, lineterminator="\n")
    return table


def _write_json(path: Path, content: Mapping) -> None:
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def draw(table: pd.DataFrame, axes: Sequence[str]) -> Figure:
    """Draw each result over the first axis of a grid, one line for each combination of the rest."""
    known = {*axes, "status", "error"}
    numbers = table.select_dtypes("number").columns
    results = [name for name in numbers if name not in known]
    figure = Figure(figsize=(4 * max(1, len(results)), 3.2), layout="constrained")
    first, rest = axes[0], list(axes[1:])
    groups = table.groupby(rest, sort=False) if rest else [((), table)]
    for place, result in enumerate(results, start=1):
        axis = figure.add_subplot(1, len(results), place)
        for values, rows in groups:
            label = ", ".join(f"{k} {v}" for k, v in zip(rest, values, strict=True))
            axis.plot(rows[first].astype(str), rows[result], "o-", label=label or None)
        axis.set(xlabel=first, ylabel=result.replace("_", " "))
        if rest:
            axis.legend(frameon=False)
    return figure
