"""Where a session's recordings come from: examples, ESC-50, uploaded files.

Taught in notebook 06.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath, PureWindowsPath

import numpy as np

from textsep_lab.data import esc50, sounds
from textsep_lab.data.mixtures import Recipe, render
from textsep_lab.session import quickstart
from textsep_lab.signal import audio
from textsep_lab.signal.decode import AV_ENDINGS
from textsep_lab.utils.paths import demo_data_dir

MAX_BYTES = 64 * 2**20
MAX_DECODED_BYTES = 2**30  # many channels or a high rate reach it before ten minutes
MAX_SECONDS = 600.0
ENDINGS = (
    ".wav", ".flac", ".ogg", ".opus", ".mp3", ".aif", ".aiff", ".caf", ".au", ".w64", ".rf64",
    *AV_ENDINGS,
)  # fmt: skip
PEAK = 0.7  # of the examples
BUNDLED = "Dog in the rain"
#: Label and seed of each sound, the target first; training draws its seeds elsewhere.
EXAMPLES: Mapping[str, tuple[tuple[str, int], ...]] = {
    "Siren, dog and sea waves": (("siren", 70003), ("dog", 70002), ("sea_waves", 70004)),
    "Rooster and a train": (("rooster", 70051), ("train", 70052)),
    "Cat and a vacuum cleaner": (("cat", 70021), ("vacuum_cleaner", 70022)),
    "Telephone and typing": (("telephone", 70031), ("keyboard_typing", 70032)),
    "Flute in the wind": (("flute", 70043), ("wind", 70042)),
}


@dataclass(frozen=True)
class Recording:
    """A recording that is open.

    Args:
        name: of the file or the example.
        waveform: ``[channels, samples]``, full scale ±1, see `audio.load`.
        sample_rate: in Hz.
        source: ``example``, ``esc50`` or ``file``.
        format: how its file stored the samples, if it was one.
    """

    name: str
    waveform: np.ndarray
    sample_rate: int
    source: str = "file"
    format: audio.AudioFormat | None = None

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return self.waveform.shape[1] / self.sample_rate

    @cached_property
    def sha256(self) -> str:
        """Fingerprint of rate and samples: a name may come to mean something else."""
        shape = f"{self.sample_rate} {self.waveform.shape} ".encode()
        return hashlib.sha256(shape + self.waveform.tobytes()).hexdigest()


def examples() -> list[str]:
    """Return the names of the examples, the bundled mixture first."""
    return [BUNDLED, *EXAMPLES]


def open_example(name: str = BUNDLED) -> Recording:
    """Read the bundled mixture, or synthesise one of the others.

    Raises:
        ValueError: no example has that name.

    Example:
        >>> round(open_example("Flute in the wind").duration, 2)
        5.0
    """
    if name == BUNDLED:
        waveform, rate, stored = audio.load_with_format(demo_data_dir() / "mixture.wav")
        return Recording(name, waveform, rate, "example", stored)
    if name not in EXAMPLES:
        raise ValueError(f"There is no example “{name}”: choose {', '.join(examples())}.")
    rate, seconds = quickstart.SAMPLE_RATE, quickstart.SECONDS
    parts = EXAMPLES[name]
    clips = {label: sounds.synthesize(label, seed, seconds, rate) for label, seed in parts}
    plan = Recipe(
        parts[0][0], tuple(clips), (0.0,) * (len(parts) - 1), (0,) * len(parts),
        round(rate * seconds),
    )  # fmt: skip
    mixture = render(plan, clips).mixture[None]
    return Recording(name, mixture * np.float32(PEAK / np.abs(mixture).max()), rate, "example")


def esc50_clips() -> dict[str, list[str]]:
    """Return ESC-50's clips, file names by class; empty where the data set is not on disk."""
    try:
        table = esc50.read_table()
    except (FileNotFoundError, ValueError):
        return {}
    grouped = table.groupby("category")["filename"]
    return {label.replace("_", " "): sorted(names) for label, names in grouped}


def open_esc50(filename: str) -> Recording:
    """Read a clip of ESC-50.

    Raises:
        FileNotFoundError: the data set is not on disk.
        ValueError: it has no such clip.
    """
    table = esc50.read_table()
    paths = table.loc[table["filename"] == filename, "path"].tolist()
    if not paths:
        raise ValueError(f"ESC-50 has no clip '{filename}'.")
    waveform, rate, stored = audio.load_with_format(paths[0])
    return Recording(filename, waveform, rate, "esc50", stored)


def open_bytes(name: str, data: bytes) -> Recording:
    """Read an uploaded file.

    Args:
        name: its file name; the ending says how it is read.
        data: its content.

    Raises:
        ValueError: too large, too long, an unknown ending, or not audio.
        ImportError: a film or a phone's recording, and PyAV is not installed.

    Example:
        >>> open_bytes("notes.txt", b"hello")
        Traceback (most recent call last):
        ValueError: 'notes.txt' has no ending of a recording: give WAV, FLAC, OGG, MP3, AIFF, M4A, \
MP4 or WEBM.
    """
    name = PureWindowsPath(PurePosixPath(name).name).name or "recording"
    ending = Path(name).suffix.lower()
    if ending not in ENDINGS:
        known = "WAV, FLAC, OGG, MP3, AIFF, M4A, MP4 or WEBM"
        raise ValueError(f"'{name}' has no ending of a recording: give {known}.")
    check_size(name, len(data))
    if not data:
        raise ValueError(f"'{name}' is an empty file: give an audio file.")
    with audio.AudioReader(io.BytesIO(data), name, MAX_SECONDS) as reader:
        waveform = audio.collect(reader, MAX_DECODED_BYTES)
        return Recording(name, waveform, reader.sample_rate, "file", reader.format)


def check_size(name: str, size: int) -> None:
    """Raise ValueError with a sentence where a file of `size` bytes is too large to open."""
    if size > MAX_BYTES:
        have, limit = size / 2**20, MAX_BYTES // 2**20
        raise ValueError(f"'{name}' has {have:.0f} MB; the limit is {limit} MB: cut it first.")
