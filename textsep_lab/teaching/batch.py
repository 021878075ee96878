"""Running chapters one after the other or side by side, each in a kernel of its own.

Papermill executes them; here parameters are checked before anything starts, and what a chapter
says it leaves is looked for after. Taught in notebook 00.
"""

from __future__ import annotations

import itertools
import math
import multiprocessing
import re
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from nbformat import NotebookNode
from tqdm import tqdm

from textsep_lab.teaching import chapters, children
from textsep_lab.utils.paths import make_folder

TYPES = {"int": int, "float": float, "bool": bool, "str": str}
TRUTH = {"true": True, "1": True, "false": False, "0": False}
OK, FAILED = "ok", "failed"
FOLDERS = ("data_root", "output_dir")  # relative to who calls: a notebook runs in its own folder


@dataclass(frozen=True)
class Job:
    """A notebook to execute.

    Args:
        notebook: its path.
        folder: where the executed copy goes, and the chapter's own files; the working folder.
        parameters: values for its parameters cell.
        artefacts: names of the files it must leave in `folder`.
    """

    notebook: Path
    folder: Path
    parameters: Mapping[str, Any] = field(default_factory=dict)
    artefacts: tuple[str, ...] = ()

    @property
    def output(self) -> Path:
        """The executed copy."""
        return self.folder / self.notebook.name


def parameters(notebook: Path) -> dict[str, tuple[str, str]]:
    """Return the type and the default of each parameter of a notebook, as they stand in it."""
    import papermill

    found = papermill.inspect_notebook(str(notebook))
    return {name: (p["inferred_type_name"], p["default"]) for name, p in found.items()}


def parse(notebook: Path, texts: Mapping[str, str]) -> dict[str, Any]:
    """Return values for a notebook's parameters from texts such as ``{"steps": "200"}``.

    Raises:
        ValueError: no such parameter, or not of its type.
    """
    known = parameters(notebook)
    return {name: _value(notebook, known, name, text) for name, text in texts.items()}


def _value(notebook: Path, known: Mapping, name: str, text: str) -> Any:
    if name not in known:
        there = ", ".join(known) or "none"
        raise ValueError(f"{notebook.stem} has no parameter '{name}': its parameters are {there}.")
    kind = known[name][0]
    try:
        return TRUTH[text.lower()] if kind == "bool" else TYPES.get(kind, str)(text)
    except (KeyError, ValueError) as error:
        raise ValueError(
            f"{name} is '{text}': {notebook.stem} needs a value of type {kind}."
        ) from error


def plan(paths: Sequence[Path], out: Path, texts: Mapping[str, str] | None = None) -> list[Job]:
    """Return a job for each notebook, with its values for the parameters it knows.

    Raises:
        ValueError: a parameter that none of them knows, or a value that is not of its type.
    """
    texts = texts or {}
    known = {path: parameters(path) for path in paths}
    for name in texts:
        if not any(name in names for names in known.values()):
            _value(paths[0], known[paths[0]], name, texts[name])
    return [
        job(
            path, out / path.stem, parse(path, {k: v for k, v in texts.items() if k in known[path]})
        )
        for path in paths
    ]


def job(notebook: Path, folder: Path, values: Mapping[str, Any]) -> Job:
    """Return the job of one notebook, which is told its folder if it asks for one."""
    folder = folder.absolute()
    given = {name: str(Path(values[name]).absolute()) for name in FOLDERS if values.get(name)}
    values = {**values, **given}
    if "output_dir" in parameters(notebook):
        folder = Path(given.get("output_dir", folder))
        values["output_dir"] = str(folder)
    return Job(notebook.absolute(), folder, values, tuple(chapters.artefacts(notebook)))


def run(jobs: Sequence[Job], processes: int = 1, progress: bool = True) -> pd.DataFrame:
    """Execute notebooks; one that fails leaves its copy with the error, and the others go on.

    Args:
        jobs: from `plan`.
        processes: how many at once.

    Returns:
        A row for each job: notebook, status (``ok`` or ``failed``), seconds, error.

    Raises:
        ChildProcessError: one of the processes was killed.
    """
    context = multiprocessing.get_context("spawn")
    places = context.Queue()
    for place in range(processes):
        places.put(place + 1)
    for each in jobs:
        make_folder(each.folder)
    bar = tqdm(total=len(jobs), unit="notebook", desc="notebooks", disable=not progress)
    pool = ProcessPoolExecutor(processes, context, _begin, (places,))
    rows = []
    with bar, pool, children.ended_on_failure():
        with children.deaf_to_ctrl_c():
            results = pool.map(_execute, jobs, itertools.repeat(progress))
        for row in results:
            bar.update()
            rows.append(row)
    return pd.DataFrame(rows, columns=["notebook", "status", "seconds", "error"])


_place = 0


def _begin(places) -> None:
    """Give each process a line of the screen for its progress bars, and an end with its parent."""
    global _place
    children.end_with_parent()
    tqdm.set_lock(threading.RLock())  # its own is a semaphore, which a killed process leaves
    _place = places.get()


def _execute(each: Job, progress: bool) -> dict[str, Any]:
    import papermill

    bar = {"desc": each.notebook.stem, "position": _place, "leave": False}
    started, error = time.monotonic(), ""
    try:
        papermill.execute_notebook(
            str(each.notebook),
            str(each.output),
            dict(each.parameters),
            cwd=str(each.folder),
            progress_bar=bar if progress else False,
            extra_arguments=["--log-level=ERROR"],  # kernels warn of their unencrypted sockets
        )
        missing = [name for name in each.artefacts if not (each.folder / name).is_file()]
        if missing:
            error = f"it left no {', '.join(missing)}"
    except papermill.PapermillExecutionError as problem:
        error = f"cell {problem.exec_count}: {problem.ename}: {problem.evalue}"
    except Exception as problem:  # a kernel that dies: the others go on
        error = f"{type(problem).__name__}: {problem}"
    seconds = round(time.monotonic() - started, 1)
    status = FAILED if error else OK
    return {"notebook": each.notebook.stem, "status": status, "seconds": seconds, "error": error}


def save(paths: Sequence[Path], processes: int = 1, progress: bool = True) -> pd.DataFrame:
    """Run chapters with their own parameters and keep outputs and running times in them.

    A chapter that fails stays as it was.

    Returns:
        As `run`.
    """
    with tempfile.TemporaryDirectory() as folder:
        jobs = [Job(path.absolute(), Path(folder) / path.stem) for path in paths]
        table = run(jobs, processes, progress)
        for each, row in zip(jobs, table.itertuples(), strict=True):
            if row.status == OK:
                executed = chapters.read(each.output)
                chapters.write(_timed(executed, row.seconds), each.notebook)
                chapters.tidy(each.notebook)
    return table


def _timed(notebook: NotebookNode, seconds: float) -> NotebookNode:
    minutes = f"about {math.ceil(seconds / 30) / 2:g} min on two CPU cores"
    for cell in notebook.cells:
        if cell["id"] == "about":
            cell.source = re.sub(r"about \S+ min on two CPU cores", minutes, cell.source)
    return notebook
