"""What the timeline shows and plays: a recording, or a run with its mask. Taught in notebook 06."""

from __future__ import annotations

import io

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import imsave

from textsep_lab import plots
from textsep_lab.demo.timeline import envelope, wav
from textsep_lab.session.recordings import Recording
from textsep_lab.session.request import Run, Suggestion

COLUMNS = 2400  # of an envelope: sharp when zoomed in
FAINT = 0.1  # probability below which a sound is shown as a guess


def of_recording(recording: Recording) -> tuple[list[dict], list[dict]]:
    """Return panels and tracks of a recording that nothing was done with yet.

    Example:
        >>> panels, tracks = of_recording(Recording("hiss", np.ones((1, 8000), np.float32), 16000))
        >>> [panel["name"] for panel in panels], len(tracks)
        (['Waveform', 'Spectrogram'], 1)
    """
    panels, _ = _input_panels(recording.waveform, recording.sample_rate)
    return panels, [_track("Input", recording.waveform, recording.sample_rate)]


def of_run(run: Run) -> tuple[list[dict], list[dict]]:
    """Return panels and tracks of a run; its spectrograms share one colour scale."""
    result, rate = run.result, run.result.sample_rate
    panels, top_db = _input_panels(result.input, rate)
    axis = _axis()
    plots.mask(axis, result.mask, rate, result.duration)
    panels.append(_picture(f"Mask: where “{run.request.title}” is found", axis, rate))
    axis = _axis()
    plots.spectrogram(axis, result.output, rate, top_db)
    panels.append(_picture("Output", axis, rate))
    named = {"Input": result.input, "Output": result.output, "Residual": result.residual}
    return panels, [_track(name, waveform, rate) for name, waveform in named.items()]


def spans(suggestions: list[Suggestion], duration: float) -> list[dict]:
    """Return the spans of the first suggestion, and of the others that are not faint.

    A sound that is merely suggested is drawn as if it were sure.
    """
    return [
        {"label": suggestion.label, "start": start, "end": min(end, duration),
         "probability": 1.0 if suggestion.probability is None else suggestion.probability}
        for suggestion in [*suggestions[:1], *(x for x in suggestions[1:] if not is_faint(x))]
        for start, end in suggestion.spans
    ]  # fmt: skip


def is_faint(suggestion: Suggestion) -> bool:
    """Whether a suggestion is so improbable that it is a guess."""
    return suggestion.probability is not None and suggestion.probability < FAINT


def _input_panels(waveform: np.ndarray, rate: int) -> tuple[list[dict], float]:
    axis = _axis()
    top_db = plots.spectrogram(axis, waveform, rate)
    shape = {"name": "Waveform", "kind": "waveform", "data": envelope(waveform, COLUMNS)}
    return [shape, _picture("Spectrogram", axis, rate)], top_db


def _axis() -> Axes:
    return Figure().subplots()


def _picture(name: str, axis: Axes, rate: int) -> dict:
    """Return what was drawn on an axis as a panel: its pixels, without the axis."""
    image = axis.images[0]
    file = io.BytesIO()
    imsave(file, image.to_rgba(image.get_array(), bytes=True), origin="lower", format="png")
    return {"name": name, "kind": "picture", "data": file.getvalue(), "top_khz": rate / 2000}


def _track(name: str, waveform: np.ndarray, rate: int) -> dict:
    return {"name": name, "audio": wav(waveform, rate)}
