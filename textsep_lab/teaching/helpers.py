"""What every notebook begins with and needs on the way: folders, reports, players, self-checks.

Taught in notebook 00.
"""

from __future__ import annotations

import base64
import html
import io
import platform
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile as sf
import torch

from textsep_lab.data.sounds import write_dataset
from textsep_lab.signal import audio
from textsep_lab.utils.paths import make_folder, reports_dir, runs_dir

#: Synthetic sounds that chapters use when no data set is named: easy to tell apart by ear.
BANK_LABELS = (
    "car_horn", "cat", "chirping_birds", "church_bells", "clapping", "clock_tick", "crow", "dog",
    "keyboard_typing", "rain", "sea_waves", "siren",
)  # fmt: skip
BANK_CLIPS = 15
MP3_RATES = {8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000}


def begin(chapter: str, output_dir: str = "", seed: int = 0, threads: int = 0) -> Path:
    """Seed torch, say what the chapter runs on, and return the folder it writes to.

    Args:
        chapter: its file name without the ending, for example ``03_training``.
        output_dir: another folder than ``runs/notebooks/<chapter>``.
        threads: of torch; 0 leaves them as they are.

    Returns:
        The folder, made if need be.
    """
    torch.manual_seed(seed)
    if threads:
        torch.set_num_threads(threads)
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    print(f"Python {platform.python_version()}, torch {torch.__version__}, {device}")
    return make_folder(Path(output_dir) if output_dir else runs_dir() / "notebooks" / chapter)


def data_root(data_root: str = "") -> Path:
    """Return the data set a chapter works on: the one named, or a small synthetic one.

    Args:
        data_root: folder in ESC-50's layout; empty for synthetic sounds (12 labels, 15 clips of 5 s
            each, three in each of five folds), which are rendered once, in a few seconds.
    """
    if data_root:
        return Path(data_root)
    folder = runs_dir() / "notebooks" / "bank"
    return folder if folder.is_dir() else write_dataset(folder, BANK_CLIPS, labels=BANK_LABELS)


def reported(table: str) -> pd.DataFrame | None:
    """Return a table of the committed reports, where chapters read what holds for real recordings.

    Args:
        table: its place in ``reports`` without the ending, for example ``separation/summary``.

    Returns:
        The table; None where there are no reports, which it says, as they come with a clone.

    Example:
        >>> reported("nowhere/nothing")
        No reports/nowhere/nothing.csv here: it comes with a clone of the repository.
    """
    path = reports_dir() / f"{table}.csv"
    if path.is_file():
        return pd.read_csv(path)
    print(f"No reports/{table}.csv here: it comes with a clone of the repository.")
    return None


@dataclass(frozen=True, repr=False)
class Players:
    """Audio players in a row; a notebook shows them by itself."""

    page: str

    def _repr_html_(self) -> str:
        return self.page


def play(sample_rate: int = 16000, **waveforms: np.ndarray) -> Players:
    """Return a player for each waveform, as MP3, with the name it is given.

    All share one gain, so that what is louder sounds louder. Rates that MP3 does not know are
    brought to 44.1 kHz, and more than two channels to one.

    Args:
        waveforms: ``[samples]`` or ``[channels, samples]``; keep them to a few seconds.

    Example:
        >>> noise = np.random.default_rng(0).standard_normal(16000).astype(np.float32)
        >>> "my noise" in play(my_noise=noise / 10)._repr_html_()
        True
    """
    loudest = max(float(np.abs(w).max(initial=0.0)) for w in waveforms.values())
    gain = min(1.0, 0.95 / loudest) if loudest else 1.0
    shown = (_player(name, gain * np.asarray(w), sample_rate) for name, w in waveforms.items())
    return Players(f'<div style="display:flex;flex-wrap:wrap;gap:1em">{"".join(shown)}</div>')


def _player(name: str, waveform: np.ndarray, sample_rate: int) -> str:
    packed, channels = io.BytesIO(), np.atleast_2d(waveform).astype(np.float32)
    if len(channels) > 2:
        channels = channels.mean(0, keepdims=True)
    if sample_rate not in MP3_RATES:
        channels, sample_rate = audio.resample(channels, sample_rate, 44100), 44100
    sf.write(packed, channels.T, sample_rate, format="MP3")
    source = "data:audio/mpeg;base64," + base64.b64encode(packed.getvalue()).decode()
    title = html.escape(name.replace("_", " "))
    return (
        f'<figure style="margin:0"><figcaption>{title}</figcaption>'
        f'<audio controls preload="metadata" style="width:16em" src="{source}"></audio></figure>'
    )


def check(answer: Callable[[], object], hint: str) -> None:
    """Say whether an exercise is solved.

    Args:
        answer: returns something true when it is; what it raises is told, not thrown, so that a
            notebook with unsolved exercises still runs to its end.
        hint: what to think of next if it is not.

    Example:
        >>> check(lambda: 10 ** (20 / 20) == 10, "20 dB are a factor of ten in amplitude.")
        ✓ Right.
    """
    try:
        right = bool(answer())
    except Exception as error:  # an unsolved stub may give anything
        hint = f"{hint} ({type(error).__name__}: {error})"
        right = False
    print("✓ Right." if right else f"✗ Not yet. {hint}")
