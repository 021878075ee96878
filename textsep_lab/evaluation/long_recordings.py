"""What long recordings cost, file to file: time and memory, each in a process of its own.

Taught in notebook 05.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from textsep_lab.signal.audio_format import AudioFormat
from textsep_lab.signal.audio_writer import AudioWriter

SAMPLE_RATE, CHANNELS = 44100, 2
#: Minutes of the recordings, and the seconds that are asked of each; None is all of it.
CASES: tuple[tuple[float, float | None], ...] = ((1, None), (10, None), (60, None), (60, 2.0))
CHILD = """
import json, sys, time
from textsep_lab import load_separator
from textsep_lab.evaluation.memory import peak_mb
from textsep_lab.separation.file import separate_file
source, folder, windows, checkpoint = json.loads(sys.argv[1])
separator = load_separator(checkpoint)
began = time.perf_counter()
separate_file(separator, source, folder, "dog", windows)
print(json.dumps([time.perf_counter() - began, peak_mb()]))
"""


def long_recordings(
    cases: Sequence[tuple[float, float | None]] = CASES, checkpoint: str | Path | None = None
) -> pd.DataFrame:
    """Separate files of stereo noise at 44.1 kHz, 16 bits, to files.

    Args:
        cases: minutes of a recording, and the seconds of a window in its middle, or None.

    Returns:
        Columns minutes, window_s, seconds, real_time_factor (seconds of work for a second that is
        asked for) and peak_mb (memory of the process, models and libraries included).
    """
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for number, (minutes, window) in enumerate(tqdm(cases, "long recordings", unit="file")):
            source = Path(folder) / f"{number}.wav"
            write_noise(source, 60 * minutes)
            seconds, peak = _separate(source, minutes, window, checkpoint)
            asked = 60 * minutes if window is None else window
            rows.append({"minutes": minutes, "window_s": window, "seconds": seconds,
                         "real_time_factor": seconds / asked, "peak_mb": peak})  # fmt: skip
            source.unlink()
    return pd.DataFrame(rows)


def write_noise(path: Path, seconds: float) -> None:
    """Write stereo noise, a second after the other."""
    rng = np.random.default_rng(0)
    with AudioWriter(path, SAMPLE_RATE, CHANNELS, AudioFormat("WAV", "PCM_16")) as writer:
        for start in np.arange(0, seconds):
            count = round(min(1, seconds - start) * SAMPLE_RATE)
            writer.write(0.1 * rng.standard_normal((CHANNELS, count), dtype=np.float32))


def _separate(
    source: Path, minutes: float, window: float | None, checkpoint: str | Path | None
) -> tuple[float, float]:
    middle = 30 * minutes
    windows = None if window is None else [(middle, middle + window)]
    given = [str(source), str(source.with_suffix("")), windows, checkpoint and str(checkpoint)]
    done = subprocess.run(
        [sys.executable, "-c", CHILD, json.dumps(given)], stdout=subprocess.PIPE, check=True
    )
    seconds, peak = json.loads(done.stdout)
    return seconds, peak
