"""What the app says: sentences about recordings and runs, and its help. Taught in notebook 06."""

from __future__ import annotations

import html
import math

from textsep_lab.session import exports
from textsep_lab.session.recordings import Recording
from textsep_lab.session.request import QueryScore, Request, Run

HELP = """<details class="help"><summary>How it works</summary>
<ol><li>Choose an example, open a file or record. Drag across the picture to mark the stretch of
time to work in; several are fine, and without any it is the whole recording.</li>
<li>“What's in here?” lists the sounds it detects. A click on one fills in its name and its
moments. Or type any sound in a few English words.</li>
<li><b>Keep</b> leaves only that sound in the windows, <b>Remove</b> all but it. Outside the windows
the recording stays as it is, sample for sample.</li>
<li>Press Separate, then switch between input, output and residual (what was taken away) while it
plays.</li></ol>
<p>A network of 5 million parameters does this; it knows some 60 everyday sounds well, others
sometimes, music and voices on top of each other not at all. It runs on this computer; nothing is
sent anywhere unless you ask Gemini.</p></details>"""

_SURE = ((0.85, "is very likely there"), (0.5, "is probably there"),
         (0.2, "is doubtful: listen whether the output is what you meant"),
         (-1.0, "is probably not there: what you hear may be something else"))  # fmt: skip


def about_recording(recording: Recording) -> str:
    """Return length, rate and channels in words.

    Example:
        >>> import numpy as np
        >>> about_recording(Recording("rain.wav", np.zeros((2, 44100), np.float32), 44100))
        'rain.wav · 1.00 s · 44.1 kHz · stereo'
    """
    channels = len(recording.waveform)
    kind = {1: "mono", 2: "stereo"}.get(channels, f"{channels} channels")
    khz = f"{recording.sample_rate / 1000:g} kHz"
    return f"{recording.name} · {recording.duration:.2f} s · {khz} · {kind}"


def about_run(run: Run) -> str:
    """Return what came out of a run, as HTML."""
    lines = [_score(each) for each in run.scores]
    lines.append(f"{_change(run)} Done in {_seconds(run.seconds)}.")
    items = "".join(f"<p>{line}</p>" for line in lines)
    return (
        f'<div class="result">{items}<details><summary>Repeat this in Python</summary>'
        f"<pre>{html.escape(exports.code(run))}</pre></details></div>"
    )


def _change(run: Run) -> str:
    """Say how much louder or quieter it is where something was done."""
    change, where = run.energy_change_db, "The output"
    if run.request.windows is not None:
        where = (
            "In the windows, the output" if run.request.windows[1:] else "In the window, the output"
        )
    if math.isnan(change):
        return "There is silence: nothing was there to separate."
    if math.isinf(change):
        return f"{where} is silent."
    how = "quieter" if change < 0 else "louder"
    return f"{where} is <b>{abs(change):.1f} dB {how}</b> than the input."


def _seconds(seconds: float) -> str:
    return f"{1000 * seconds:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def _score(each: QueryScore) -> str:
    sure = next(words for least, words in _SURE if each.confidence >= least)
    share = ""
    if not math.isnan(each.energy_share):
        share = f" It takes {100 * min(1.0, each.energy_share):.0f} % of the energy."
    percent = round(100 * each.confidence)
    bar = f'<span class="meter"><i style="width:{percent}%"></i></span>'
    name = html.escape(each.query.text)
    return f"{bar}<span><b>“{name}”</b> {sure} (confidence {percent} %).{share}</span>"


def about_request(request: Request) -> str:
    """Return a request in a few words.

    Example:
        >>> from textsep_lab.session.request import Query
        >>> about_request(Request((Query("rain", "remove"),), ((1.0, 2.5),), strength=0.5))
        'Remove rain · 1–2.5 s · 50 %'
    """
    said = [f"{request.mode.capitalize()} {request.title}"]
    if request.windows is not None:
        said.append(", ".join(f"{round(a, 2):g}–{round(b, 2):g} s" for a, b in request.windows))
    said += ["NMF"] if request.method == "nmf" else []
    said += [f"{100 * request.strength:.0f} %"] if request.strength < 1 else []
    return " · ".join(said)
