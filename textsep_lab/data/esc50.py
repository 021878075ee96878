"""ESC-50 on disk: 2,000 labelled clips of 5 s in 50 classes and 5 folds (taught in notebook 01).

Nothing here needs the network: `textsep_lab.data.esc50_download.download` fetches the dataset.

Reference: K. J. Piczak, "ESC: Dataset for Environmental Sound Classification", ACM MM 2015.
Licence of the recordings: CC BY-NC 3.0.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from textsep_lab.data import tables
from textsep_lab.signal import audio
from textsep_lab.utils import paths

ENVIRONMENT_VARIABLE = "TEXTSEP_ESC50"
COLUMNS = ("filename", "fold", "target", "category", "esc10", "src_file", "take")


def find(root: str | Path | None = None) -> Path:
    """Return the folder that holds `meta/esc50.csv` and `audio/`.

    Looks at `root`, else at the environment variable `TEXTSEP_ESC50`, else at `ESC-50` in the
    project's data folder. A folder with the layout in one subfolder (`ESC-50-master`) is accepted.

    Raises:
        FileNotFoundError: the layout is not there; the sentence says how to get it.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     csv = Path(folder) / "ESC-50-master" / "meta" / "esc50.csv"
        ...     csv.parent.mkdir(parents=True)
        ...     (csv.parent.parent / "audio").mkdir()
        ...     _ = csv.write_text(",".join(COLUMNS))
        ...     find(folder).name
        'ESC-50-master'
    """
    folder = Path(root or os.environ.get(ENVIRONMENT_VARIABLE) or paths.data_dir() / "ESC-50")
    folder = folder.expanduser().resolve()
    children = sorted(folder.iterdir()) if folder.is_dir() else []
    found = [f for f in (folder, *children) if (f / "meta" / "esc50.csv").is_file()]
    found = [f for f in found if (f / "audio").is_dir()]
    if folder in found or len(found) == 1:
        return found[0]
    what = f"holds {len(found)} of it" if folder.is_dir() else "is not a folder"
    raise FileNotFoundError(
        f"{folder}: looked here for ESC-50 (meta/esc50.csv and audio/), but it {what}; get the "
        f"dataset with `textsep data esc50`, or set {ENVIRONMENT_VARIABLE} to the folder it is in."
    )


def read_table(
    root: str | Path | None = None,
    folds: Iterable[int] | None = None,
    classes: Iterable[str] | None = None,
) -> pd.DataFrame:
    """Read the official table, one row a clip, sorted by filename.

    Columns: filename, fold (1 to 5), target (class number), category (class name), esc10 (bool),
    src_file (Freesound id, int), take, and path (absolute path of the recording, str).
    `folds` and `classes` (category names) narrow the selection; None takes all.

    Raises:
        FileNotFoundError: no dataset at `root`, or a recording that the table names is missing.
        ValueError: the table is damaged, a recording lies elsewhere than in `audio/`, or a fold
            or class is not in the table.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for name in ("meta", "audio"):
        ...         (Path(folder) / name).mkdir()
        ...     _ = (Path(folder) / "audio" / "1-7-A-0.wav").write_bytes(b"")
        ...     row = pd.DataFrame([["1-7-A-0.wav", 1, 0, "dog", True, 7, "A"]], columns=COLUMNS)
        ...     row.to_csv(Path(folder) / "meta" / "esc50.csv", index=False)
        ...     table = read_table(folder, folds=[1])
        >>> table[["category", "src_file"]].values.tolist()
        [['dog', 7]]
    """
    folder = find(root)
    csv = folder / "meta" / "esc50.csv"
    table = _parse(csv)
    classes = [classes] if isinstance(classes, str) else classes
    chosen = tables.wanted(table["fold"], folds, csv)
    table = table[chosen & tables.wanted(table["category"], classes, csv)]
    if table.empty:
        raise ValueError(f"{csv}: no clip is both in folds {folds} and in classes {classes}.")
    table = table.sort_values("filename").reset_index(drop=True)
    table["path"] = [str(folder / "audio" / name) for name in table["filename"]]
    tables.check_files(table["path"], folder / "audio", csv, "get a whole copy of ESC-50")
    return table


def _parse(csv: Path) -> pd.DataFrame:
    table = tables.read_csv(csv, COLUMNS, "ESC-50's official table")
    try:
        whole = dict.fromkeys(("fold", "target", "src_file"), "int64")
        table = table.astype({**whole, "filename": str, "category": str})
    except (ValueError, TypeError, OverflowError) as error:
        raise ValueError(f"{csv}: fold, target and src_file must be whole numbers.") from error
    for column in ("filename", "category"):
        tables.check_names(table[column], csv)
    tables.check_once(table["filename"], csv)
    return table


def label_text(category: str) -> str:
    """Return a class name as words.

    Example:
        >>> label_text("sea_waves")
        'sea waves'
    """
    return category.replace("_", " ")


def load_clip(path: str | Path, sample_rate: int = 16000) -> np.ndarray:
    """Return one recording as mono float32 `[samples]` at `sample_rate` (Hz), its own length.

    Raises:
        ValueError: the file is damaged; the sentence names it.
        FileNotFoundError: there is no such file.

    Example:
        >>> import tempfile, soundfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "clip.wav"
        ...     soundfile.write(path, np.zeros(4410), 44100)
        ...     load_clip(path).shape
        (1600,)
    """
    waveform, rate = audio.load(path)
    mono = waveform.mean(axis=0, keepdims=True, dtype=np.float32)
    return np.asarray(audio.resample(mono, rate, sample_rate)[0], dtype=np.float32)


def verify(
    root: str | Path | None = None,
    expected_clips: int = 2000,
    expected_classes: int = 50,
    expected_folds: int = 5,
    decode: bool = False,
) -> dict[str, int]:
    """Check that the dataset is whole and balanced; return its counts of clips, classes, folds.

    `decode` also reads every recording (about 900 MB in all) and requires one duration for all.

    Raises:
        FileNotFoundError: see `find` and `read_table`.
        ValueError: a count is wrong, or a recording is damaged or of another length.

    Example:
        >>> verify("nowhere")  # doctest: +IGNORE_EXCEPTION_DETAIL
        Traceback (most recent call last):
        FileNotFoundError: nowhere: looked here for ESC-50
    """
    table = read_table(root := find(root))
    columns = {"clips": "filename", "classes": "category", "folds": "fold"}
    counts = {name: int(table[column].nunique()) for name, column in columns.items()}
    wanted = {"clips": expected_clips, "classes": expected_classes, "folds": expected_folds}
    if counts != wanted or len(table) != expected_clips:
        raise ValueError(f"{root}: has {counts} in {len(table)} rows, expected {wanted}.")
    for column in ("category", "fold"):
        sizes = table[column].value_counts()
        most, few = sizes.iloc[0], sizes.iloc[-1]
        if most != few:
            raise ValueError(f"{root}: '{sizes.index[-1]}' has {few} clips, others {most}.")
    if decode:
        _check_durations(table)
    return counts


def _check_durations(table: pd.DataFrame) -> None:
    seconds = []
    for path in tqdm(table["path"], desc="checking clips", unit="clip", delay=2):
        waveform, rate = audio.load(path)
        seconds.append(round(waveform.shape[1] / rate, 3))
    usual = pd.Series(seconds).mode()[0]
    for path, duration in zip(table["path"], seconds, strict=True):
        if duration != usual:
            raise ValueError(f"{path}: lasts {duration} s, the others {usual} s: it is damaged.")


def fingerprint(root: str | Path | None = None) -> str:
    """Return one SHA-256 for all recordings: of the lines `md5  filename`, sorted by name.

    Unlike an archive's checksum it does not change when the archive is compressed again.

    Raises FileNotFoundError like `find` and `read_table`.

    Example:
        >>> fingerprint("nowhere")  # doctest: +IGNORE_EXCEPTION_DETAIL
        Traceback (most recent call last):
        FileNotFoundError: nowhere: looked here for ESC-50
    """
    digest = hashlib.sha256()
    for path in read_table(root)["path"]:
        md5 = hashlib.md5(Path(path).read_bytes(), usedforsecurity=False).hexdigest()
        digest.update(f"{md5}  {Path(path).name}\n".encode())
    return digest.hexdigest()
