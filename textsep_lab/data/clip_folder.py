"""Make a folder of labelled clips out of a data set's archives (taught in notebook 01).

The folder holds FLAC files, 16 kHz mono, and ``clips.csv`` with a row for each. It appears only
when all is there; until then archives and clips lie in ``<folder>.download`` beside it, where the
same call goes on. Recordings that are in ESC-50 are left out, so that results on ESC-50 stay honest
whatever was learnt from the clips.
"""

from __future__ import annotations

import csv
import io
import shutil
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import soundfile as sf

from textsep_lab.data import archives
from textsep_lab.signal import audio
from textsep_lab.utils.paths import atomic_write, make_folder
from textsep_lab.utils.progress import progress
from textsep_lab.utils.signals import signals_wait

TABLE, ABOUT = "clips.csv", "ABOUT.txt"
SAMPLE_RATE, MAX_SECONDS = 16000, 30
MAX_BYTES = 64 * 2**20  # of a recording: 30 s are 3 MB as they should come
COLUMNS = (
    *("file", "label", "source_id", "licence", "credit", "seconds", "source_rate", "split"),
    "labels",
)


@dataclass(frozen=True)
class Recording:
    """A recording in an archive.

    Args:
        freesound_id: its number on freesound.org.
        split: the data set's own word for what it is meant for, ``train`` for instance.
        label: what is heard, in plain words.
        labels: all names that the data set gives it.
        licence: address of its licence.
        credit: whom to name.
        read: returns the audio file.
    """

    freesound_id: int
    split: str
    label: str
    labels: Sequence[str]
    licence: str
    credit: str
    read: Callable[[], bytes]


@dataclass(frozen=True)
class Stage:
    """Archives that must be there together for the recordings in them to be read.

    Args:
        name: of the stage, unique in its data set.
        files: the archives.
        clip_bytes: most bytes that its clips can have.
        recordings: given the paths of the archives, opens them; yields the list of recordings.
    """

    name: str
    files: Sequence[archives.Archive]
    clip_bytes: int
    recordings: Callable[[list[Path]], AbstractContextManager[list[Recording]]]


@lru_cache(maxsize=1)
def esc50_sources() -> frozenset[int]:
    """Return the Freesound ids of all recordings in ESC-50.

    Example:
        >>> len(esc50_sources()), 100032 in esc50_sources()
        (1524, True)
    """
    text = Path(__file__).with_name("esc50_sources.txt").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return frozenset(int(number) for line in lines for number in line.split())


def build(
    title: str,
    about: str,
    stages: Sequence[Stage],
    dest: Path,
    overwrite: bool = False,
    keep_archives: bool = False,
) -> Path:
    """Download archives stage by stage and make the folder of clips `dest` out of them.

    Args:
        title: of the data set.
        about: source, authors and licence, for ``ABOUT.txt``.
        stages: what is downloaded and read.
        dest: the folder to make.
        overwrite: replace one that is there.
        keep_archives: leave the archives in ``<dest>.download``.

    Returns:
        The folder, absolute.

    Raises:
        FileExistsError, ConnectionError, ValueError, OSError: as `textsep_lab.data.archives` says.
    """
    dest = archives.place(dest, overwrite, TABLE)
    work = make_folder(dest.with_name(f"{dest.name}.download"))
    try:
        if not (work / "clips" / TABLE).exists():
            _make_clips(title, stages, dest, work, keep_archives)
            _finish(work, stages, about)
        archives.put(work / "clips", dest, work)
        shutil.rmtree(work / "replaced" if keep_archives else work, ignore_errors=True)
    finally:
        with suppress(OSError):  # it goes if it is empty
            work.rmdir()
    return dest


def _make_clips(
    title: str, stages: Sequence[Stage], dest: Path, work: Path, keep_archives: bool
) -> None:
    todo = [stage for stage in stages if not _table(work, stage).exists()]
    archives.check_space(work, _bytes_needed(work, todo, keep_archives))
    left = sum(archive.left(work) for archive in _files(todo))
    print(f"Downloading {title} ({left / 1e9:.1f} GB to go) to {dest}.", file=sys.stderr)
    for number, stage in enumerate(todo, 1):
        paths = [archives.fetch(archive, work) for archive in stage.files]
        with archives.reading(stage.files[-1].url, title), stage.recordings(paths) as recordings:
            _write_clips(recordings, work / "clips", _table(work, stage))
        if not keep_archives:
            for archive in {*stage.files} - _files(todo[number:]):
                (work / archive.name).unlink()


def _table(work: Path, stage: Stage) -> Path:
    """Return the path of a stage's table, which is there when all its clips are."""
    return work / f"{stage.name}.csv"


def _files(stages: Iterable[Stage]) -> set[archives.Archive]:
    return {archive for stage in stages for archive in stage.files}


def _bytes_needed(work: Path, todo: Sequence[Stage], keep_archives: bool) -> int:
    """Return the most bytes that have yet to be written at once."""
    together = [todo] if keep_archives else [[stage] for stage in todo]
    left = (sum(archive.left(work) for archive in _files(stages)) for stages in together)
    return max(left, default=0) + sum(stage.clip_bytes for stage in todo)


def _write_clips(recordings: Sequence[Recording], folder: Path, table: Path) -> None:
    rows, silent = [], 0
    wanted = [x for x in recordings if x.freesound_id not in esc50_sources()]
    for recording in progress(wanted, "converting clips", "clip"):
        clip, source_rate = _decode(recording.read())
        if not clip.any():  # no target to separate, and no scale for SI-SDR
            silent += 1
            continue
        name = f"{recording.split}/{recording.freesound_id}.flac"
        audio.save(folder / name, clip, SAMPLE_RATE, "PCM_16")
        rows.append(_row(recording, name, clip.shape[1] / SAMPLE_RATE, source_rate))
    out = f"{len(recordings) - len(wanted)} that are in ESC-50 and {silent} that are silent"
    print(f"{table.stem}: {len(rows)} clips, without {out}.", file=sys.stderr)
    _write_table(table, rows)


def _decode(data: bytes) -> tuple[np.ndarray, int]:
    """Return ``[1, samples]`` at 16 kHz, at most 30 s, within full scale, and the file's rate."""
    with signals_wait(), sf.SoundFile(io.BytesIO(data)) as file:
        samples = file.read(MAX_SECONDS * file.samplerate, dtype="float32", always_2d=True)
        rate = file.samplerate
    mono = samples.mean(axis=1, dtype=np.float32)[None]
    if not mono.any():
        return mono, rate
    clip = audio.resample(mono, rate, SAMPLE_RATE)
    return clip / max(1.0, float(np.abs(clip).max())), rate  # resampling may go beyond full scale


def _row(recording: Recording, file: str, seconds: float, source_rate: int) -> dict[str, object]:
    return {
        "file": file,
        "label": recording.label,
        "source_id": f"freesound:{recording.freesound_id}",
        "licence": recording.licence,
        "credit": recording.credit,
        "seconds": round(seconds, 3),
        "source_rate": source_rate,
        "split": recording.split,
        "labels": ";".join(recording.labels),
    }


def _write_table(path: Path, rows: Iterable[dict]) -> None:
    with (
        atomic_write(path) as temporary,
        temporary.open("w", newline="", encoding="utf-8") as file,
    ):
        table = csv.DictWriter(file, COLUMNS)
        table.writeheader()
        table.writerows(rows)


def _finish(work: Path, stages: Sequence[Stage], about: str) -> None:
    rows: list[dict] = []
    for stage in stages:
        with _table(work, stage).open(newline="", encoding="utf-8") as file:
            rows += csv.DictReader(file)
    changed = (
        f"Changed: converted to {SAMPLE_RATE} Hz, mono, FLAC; cut at {MAX_SECONDS} s; recordings "
        "that are in ESC-50 or silent left out.\n"
    )
    (work / "clips" / ABOUT).write_text(f"{about}\n{changed}", encoding="utf-8")
    _write_table(work / "clips" / TABLE, rows)  # last: with it the clips are complete
    for stage in stages:
        _table(work, stage).unlink()
