"""A folder of rendered clips in the layout of ESC-50 (Piczak 2015). Taught in notebook 01."""

from __future__ import annotations

import csv
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import soundfile as sf
from tqdm import tqdm

from textsep_lab.data.sounds.synthesis import check_amounts, check_label, labels, synthesize

ESC50 = [
    "dog",
    "rooster",
    "pig",
    "cow",
    "frog",
    "cat",
    "hen",
    "insects",
    "sheep",
    "crow",
    "rain",
    "sea_waves",
    "crackling_fire",
    "crickets",
    "chirping_birds",
    "water_drops",
    "wind",
    "pouring_water",
    "toilet_flush",
    "thunderstorm",
    "crying_baby",
    "sneezing",
    "clapping",
    "breathing",
    "coughing",
    "footsteps",
    "laughing",
    "brushing_teeth",
    "snoring",
    "drinking_sipping",
    "door_wood_knock",
    "mouse_click",
    "keyboard_typing",
    "door_wood_creaks",
    "can_opening",
    "washing_machine",
    "vacuum_cleaner",
    "clock_alarm",
    "clock_tick",
    "glass_breaking",
    "helicopter",
    "chainsaw",
    "siren",
    "car_horn",
    "engine",
    "train",
    "church_bells",
    "airplane",
    "fireworks",
    "hand_saw",
]
EXTRA = ["drums", "flute", "guitar", "organ", "piano", "speech", "telephone", "whistle"]
TARGETS = {label: number for number, label in enumerate(ESC50 + EXTRA)}
ESC10 = {
    "dog",
    "rooster",
    "rain",
    "sea_waves",
    "crackling_fire",
    "crying_baby",
    "sneezing",
    "clock_tick",
    "helicopter",
    "chainsaw",
}
COLUMNS = ("filename", "fold", "target", "category", "esc10", "src_file", "take")


def write_dataset(
    dest: str | os.PathLike,
    clips_per_label: int = 40,
    seed: int = 0,
    duration: float = 5.0,
    sample_rate: int = 16000,
    labels: Iterable[str] | None = None,
    overwrite: bool = False,
) -> Path:
    """Render clips into `dest` as ESC-50 lays them out: ``audio/*.wav`` and ``meta/esc50.csv``.

    Clip i of a label is in fold i % 5 + 1 and does not depend on which other labels are written.
    The folder appears under its name only when it is complete.

    Args:
        dest: Folder to create.
        clips_per_label: Clips of each label, at least 1.
        seed: 0 or more; the whole folder descends from it.
        duration: Length of a clip in seconds.
        sample_rate: 8000 to 48000 Hz.
        labels: Some of `textsep_lab.data.sounds.labels()`; all of them when None.
        overwrite: Replace an earlier dataset at `dest`.

    Returns:
        Path of the folder.

    Raises:
        FileExistsError: If `dest` exists and `overwrite` is False, or is not a dataset.
        ValueError: If a label or a number is out of range.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     root = write_dataset(f"{folder}/sounds", 1, duration=0.5, labels=["dog", "rain"])
        ...     sorted(path.name for path in (root / "audio").iterdir())
        ['1-1000000-A-0.wav', '1-11000000-A-10.wav']
    """
    dest = Path(dest)
    names = check_request(labels, clips_per_label, seed, duration, sample_rate)
    check_place(dest, overwrite)
    partial = dest.with_name(f".{dest.name}.{os.getpid()}.partial")
    try:
        (partial / "audio").mkdir(parents=True)
        (partial / "meta").mkdir()
        rows = list(listing(names, clips_per_label))
        for row in tqdm(rows, desc="Rendering sounds", unit="clip"):
            clip_seed = int(np.random.SeedSequence((seed, row["src_file"])).generate_state(1)[0])
            clip = synthesize(row["category"], clip_seed, duration, sample_rate)
            sf.write(partial / "audio" / row["filename"], clip, sample_rate, subtype="PCM_16")
        with (partial / "meta" / "esc50.csv").open("w", newline="", encoding="utf-8") as file:
            table = csv.DictWriter(file, COLUMNS)
            table.writeheader()
            table.writerows(rows)
        if dest.exists():
            shutil.rmtree(dest)
        partial.rename(dest)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return dest


def check_request(
    names: Iterable[str] | None,
    clips_per_label: int,
    seed: int,
    duration: float,
    sample_rate: int,
) -> list[str]:
    """Check everything that can be wrong before the first clip; return the labels to render."""
    if clips_per_label < 1:
        raise ValueError(f"clips_per_label must be at least 1, not {clips_per_label}.")
    check_amounts(seed, duration, sample_rate)
    names = labels() if names is None else list(dict.fromkeys(names))
    for name in names:
        check_label(name)
    return names


def check_place(dest: Path, overwrite: bool) -> None:
    """Refuse a taken place; overwriting may only replace an earlier dataset, never other files."""
    if dest.exists() and not overwrite:
        raise FileExistsError(f"{dest} already exists; pass overwrite=True to replace it.")
    if dest.exists() and not (dest / "meta" / "esc50.csv").is_file():
        raise FileExistsError(f"{dest} is not a dataset folder, so it is not overwritten.")


def listing(names: list[str], clips_per_label: int) -> Iterator[dict]:
    """Yield one row of the table per clip; the source number is the target's million plus i."""
    for name in names:
        target = TARGETS[name]
        for i in range(clips_per_label):
            fold, source = i % 5 + 1, 1_000_000 * (target + 1) + i
            filename = f"{fold}-{source}-A-{target}.wav"
            yield dict(
                zip(
                    COLUMNS, (filename, fold, target, name, name in ESC10, source, "A"), strict=True
                )
            )
