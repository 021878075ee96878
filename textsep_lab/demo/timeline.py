"""The timeline: pictures on one time axis, windows to drag on it, and a transport that plays.

What is drawn and played happens in the browser (`browser/timeline.js`); here are its traits, and
what turns waveforms into the bytes they hold. Taught in notebook 06.
"""

from __future__ import annotations

import io

import anywidget
import numpy as np
import soundfile as sf
from traitlets import Dict, Float, Int, List, Unicode

from textsep_lab.demo.bundle import script, style
from textsep_lab.signal import audio

FULL_SCALE = 127
#: In the order of their imports.
SCRIPTS = (
    "basics.js", "axis.js", "pictures.js", "windows.js", "gestures.js", "player.js", "template.js",
    "timeline.js",
)  # fmt: skip


class Timeline(anywidget.AnyWidget):
    """Panels on a shared, zoomable time axis, with draggable windows and synchronous players.

    Traits, all shared with the browser; times in seconds:
        duration: length of the recording. A new one stops the player and shows the whole axis.
        panels: dicts of ``name``, ``kind`` and ``data``: for the kind ``waveform`` an `envelope`;
            for ``picture`` a PNG without axes that spans the whole duration, low frequencies at
            the bottom. With ``top_khz`` it gets a frequency axis, even in mel up to there.
        tracks: dicts of ``name`` and ``audio``, the bytes of a WAV file (`wav`), all of the
            recording's length: they play in step, and one of them is heard.
        track: index of the track that is heard; written by both sides.
        windows: pairs ``[start, end]``; written by both sides. What the browser writes is sorted,
            does not overlap, lies within the recording, and each lasts 0.05 s or more.
        spans: dicts of ``label``, ``start``, ``end`` and ``probability``: what is detected when.
        fade: length of the windows' soft edges.
        mode: ``keep`` or ``remove``, what happens to the queried sound in the windows.
        position: of the cursor; written by the browser when it stops and four times a second
            while it plays. Setting it moves the cursor of a player that stands still.

    Example:
        >>> tone = np.sin(np.arange(8000) / 5, dtype=np.float32)[None]
        >>> timeline = Timeline(duration=0.5, windows=[(0.1, 0.3)])
        >>> timeline.panels = [{"name": "Input", "kind": "waveform", "data": envelope(tone)}]
        >>> timeline.tracks = [{"name": "Input", "audio": wav(tone, 16000)}]
        >>> timeline.windows
        [[0.1, 0.3]]
    """

    _esm = script(*SCRIPTS)
    _css = style("timeline.css", "windows.css")

    duration = Float(0.0).tag(sync=True)
    panels = List(Dict()).tag(sync=True)
    tracks = List(Dict()).tag(sync=True)
    track = Int(0).tag(sync=True)
    windows = List(List(Float(), minlen=2, maxlen=2)).tag(sync=True)
    spans = List(Dict()).tag(sync=True)
    fade = Float(0.0).tag(sync=True)
    mode = Unicode("keep").tag(sync=True)
    position = Float(0.0).tag(sync=True)


def envelope(waveform: np.ndarray, columns: int = 1200) -> bytes:
    """Return the lowest and the highest sample of each of at most `columns` equal stretches.

    Args:
        waveform: ``[channels, samples]``, full scale ±1; the channels are drawn as one.
        columns: more of them stay sharp when zoomed in.

    Returns:
        Pairs (lowest, highest) of int8, full scale ±127, rounded away from each other, so that
        no sample lies outside; what is beyond full scale is cut there.

    Raises:
        ValueError: no waveform, see `audio.check_waveform`, or no columns.

    Example:
        >>> np.frombuffer(envelope(np.array([[0, 0.5, 0, -1]]), columns=2), np.int8).tolist()
        [0, 64, -127, 0]
    """
    waveform = audio.check_waveform(waveform)
    if columns < 1:
        raise ValueError(f"columns is {columns}: an envelope needs at least one.")
    samples = waveform.shape[1]
    edges = np.arange(min(columns, samples)) * samples // min(columns, samples)
    low = np.minimum.reduceat(waveform.min(0), edges)
    high = np.maximum.reduceat(waveform.max(0), edges)
    scaled = FULL_SCALE * np.stack([low, high], axis=1).astype(np.float64)
    pairs = np.stack([np.floor(scaled[:, 0]), np.ceil(scaled[:, 1])], axis=1)
    return np.clip(pairs, -FULL_SCALE, FULL_SCALE).astype(np.int8).tobytes()


def wav(waveform: np.ndarray, sample_rate: int) -> bytes:
    """Return a WAV file to listen to: 16 bits, what is beyond full scale cut there.

    Args:
        waveform: ``[channels, samples]``, full scale ±1.
        sample_rate: in Hz.

    Raises:
        ValueError: no waveform, see `audio.check_waveform`.

    Example:
        >>> sf.info(io.BytesIO(wav(np.zeros((2, 100)), 8000))).channels
        2
    """
    # Scaled by 2^15 as files are read, so that a 16-bit recording is played bit for bit.
    samples = np.rint(audio.check_waveform(waveform).astype(np.float64) * 2**15)
    file = io.BytesIO()
    integers = np.clip(samples, -(2**15), 2**15 - 1).astype(np.int16)
    sf.write(file, integers.T, sample_rate, format="WAV", subtype="PCM_16")
    return file.getvalue()
