"""What leaves a session: sound files, the picture, a recipe, and lines of Python.

Taught in notebook 06.
"""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from msgspec import Meta, Struct

from textsep_lab import plots
from textsep_lab.session.recordings import BUNDLED, Recording, open_esc50, open_example
from textsep_lab.session.request import Request, Run
from textsep_lab.session.session import Session
from textsep_lab.signal import audio
from textsep_lab.signal.timegate import check_windows
from textsep_lab.utils.validation import checked, read_json

FORMAT = "textsep recipe 1"
TRACKS = ("input", "output", "residual")


def wav(run: Run, track: str = "output") -> bytes:
    """Return a run's input, output or residual as a WAV file.

    It keeps the samples of the recording's own file where a WAV can: then a sample outside the
    windows is the file's, bit for bit.

    Raises:
        ValueError: there is no such track.
    """
    if track not in TRACKS:
        raise ValueError(f"There is no track '{track}': choose {', '.join(TRACKS)}.")
    waveform = getattr(run.result, track)
    subtype = run.recording.format.subtype if run.recording.format else None
    if np.abs(waveform).max() > 1:
        subtype = "FLOAT"  # integers would clip it
    with tempfile.TemporaryDirectory() as folder:
        path = audio.save(Path(folder) / "track.wav", waveform, run.result.sample_rate, subtype)
        return path.read_bytes()


def picture(run: Run) -> bytes:
    """Return the figure of a run as a PNG file."""
    with tempfile.TemporaryDirectory() as folder:
        return plots.write(run.result.plot(), Path(folder) / "separation.png").read_bytes()


def facts(run: Run) -> dict[str, Any]:
    """Return a run's recipe: what went in, what was asked, and what came out, for JSON."""
    change = run.energy_change_db
    return {
        "format": FORMAT,
        "version": version("textsep-lab"),
        "recording": {
            "name": run.recording.name,
            "source": run.recording.source,
            "sha256": run.recording.sha256,
        },
        "request": asdict(run.request),
        "result": {
            "scores": [
                {
                    "query": each.query.text,
                    "confidence": round(each.confidence, 4),
                    "energy_share": _number(each.energy_share),
                }
                for each in run.scores
            ],
            "energy_share": _number(run.result.energy_share),
            "energy_change_db": _number(change),
        },
    }


def _number(value: float) -> float | None:
    return round(value, 4) if math.isfinite(value) else None


def recipe(run: Run) -> bytes:
    """Return a run's recipe as a JSON file; `open_recipe` reads it."""
    return (json.dumps(facts(run), indent=2, ensure_ascii=False) + "\n").encode()


class _Source(Struct):
    name: Annotated[str, Meta(pattern=r"^[^\x00-\x1f]{1,300}\Z")]
    source: Literal["example", "esc50", "file"]
    sha256: str


class _Recipe(Struct):
    """What of a recipe is read; it also says what came out, and by which version."""

    format: Annotated[str, Meta(pattern=rf"^{FORMAT}\Z")]
    recording: _Source
    request: dict[str, Any]


def open_recipe(session: Session, data: bytes, name: str = "recipe.json") -> Request:
    """Open the recording of a recipe in a session and return what was asked.

    A file that was uploaded cannot be opened again from here: it must be open already.

    Args:
        name: of the recipe's file, for an error's sentence.

    Raises:
        ValueError: not a recipe, or it was made with a recording that is not open.
        FileNotFoundError: it was made with a clip of ESC-50, which is not on disk.
    """
    problem = "is not a recipe of a session"
    said = checked(_Recipe, read_json(data, name, problem), name, problem)
    request, source = checked(Request, said.request, name, problem, defaults=False), said.recording
    try:
        request = request.checked()
    except ValueError as error:
        raise ValueError(f"'{name}' {problem}: {error}") from error
    if session.recording.sha256 != source.sha256:
        recording = _open(source.name, source.source)
        if recording is None or recording.sha256 != source.sha256:
            raise ValueError(f"'{name}' was made with '{source.name}': open that recording first.")
        session.open(recording)
    if request.windows is not None:
        check_windows(request.windows, session.recording.duration)
    return request


def _open(name: str, kind: str) -> Recording | None:
    openers: dict[str, Callable[[str], Recording]] = {"example": open_example, "esc50": open_esc50}
    return openers[kind](name) if kind in openers else None


def code(run: Run) -> str:
    """Return lines of Python that give the run's output again.

    One query at full strength is a call of `Separator.separate`; more needs a `Session`.
    """
    request = run.request
    windows = None if request.windows is None else [tuple(map(_brief, w)) for w in request.windows]
    if len(request.queries) > 1 or request.strength != 1 or run.recording.source == "esc50":
        return _session_code(run, windows)
    given = {"mode": request.mode, "windows": windows, "fade": request.fade}
    given |= {"method": "nmf", "components": request.components} if request.method == "nmf" else {}
    rest = ", ".join(f"{key}={value!r}" for key, value in given.items())
    first = "from textsep_lab import load_separator\n"
    where = repr(run.recording.name)
    if run.recording.source == "example":
        if run.recording.name != BUNDLED:
            return _session_code(run, windows)
        first += "from textsep_lab.utils.paths import demo_data_dir\n"
        where = 'demo_data_dir() / "mixture.wav"'
    query = request.queries[0].text
    call = f"load_separator().separate(\n    {where}, {query!r},\n    {rest},\n)"
    return f"{first}\nresult = {call}\n"


def _brief(seconds: float) -> float:
    return round(seconds, 6)


def _session_code(run: Run, windows: list | None) -> str:
    request, name = run.request, run.recording.name
    opened = {
        "example": f"open_example({name!r})",
        "esc50": f"open_esc50({name!r})",
        "file": f"open_bytes({name!r}, Path({name!r}).read_bytes())",
    }[run.recording.source]
    queries = ", ".join(f"Query({query.text!r}, {query.mode!r})" for query in request.queries)
    asked = [
        f"({queries},)",
        f"windows={windows}, fade={request.fade}, strength={request.strength}",
    ]
    asked += [f"method={request.method!r}, components={request.components}"]
    lines = ["from pathlib import Path\n"] if run.recording.source == "file" else []
    lines += [
        "from textsep_lab.session.session import Session",
        "from textsep_lab.session.request import Query, Request",
        f"from textsep_lab.session.recordings import {opened.partition('(')[0]}\n",
        "session = Session()",
        f"session.open({opened})",
        "result = session.separate(Request(",
        *(f"    {part}," for part in asked),
        ")).result",
    ]
    return "\n".join(lines) + "\n"
