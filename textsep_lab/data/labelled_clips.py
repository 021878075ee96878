"""Folders of labelled clips: audio files of any length, and a table that says what they are of.

``FOLDER/clips.csv`` has a row for each clip with the columns ``file`` (its path inside the
folder), ``label`` (in any words) and perhaps ``source_id``, the recording it was cut from, and
``labels``, all that is heard in it, with ``;`` between them. Other columns, such as licence and
credit, are for people. Taught in notebook 03.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from textsep_lab.data import tables
from textsep_lab.data.vocabulary import category, is_left_out, left_out

TABLE = "clips.csv"
#: What every table of recordings has; see `read_labelled`.
COLUMNS = ("filename", "category", "src_file", "path")
_FREESOUND = re.compile(r"freesound:\s*(\d{1,15})", re.IGNORECASE)
_LONGEST_LABEL = 100  # characters


def read_labelled(
    folder: str | Path,
    labels: Iterable[str] | None = None,
    without: Iterable[str] = (),
    name: str | None = None,
) -> pd.DataFrame:
    """Read a folder of labelled clips, one row a clip, sorted by filename.

    Columns: filename (``name/file``), category (the label as `vocabulary.category` writes it),
    src_file (int, see `source_number`; without a ``source_id`` each clip is a recording of its
    own) and path (absolute, str). So it is used like the table of `esc50.read_table`.

    Args:
        folder: holds ``clips.csv`` and the recordings, in subfolders if you like.
        labels: narrow the selection; compared as words, None takes all.
        without: labels to leave out, with those that say more of them, and also where one is but
            among a clip's ``labels``; see `vocabulary.left_out`.
        name: what file names begin with, so that those of two folders differ; by default the
            folder's own name.

    Raises:
        FileNotFoundError: no ``clips.csv``, or a recording that it names is missing.
        ValueError: the table is damaged, a recording lies outside the folder, a label is none or
            not in the table, or no clip is left.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = (Path(folder) / "a.wav").write_bytes(b"")
        ...     row = "file,label,source_id\\na.wav,Dog barking,freesound:7\\n"
        ...     _ = (Path(folder) / "clips.csv").write_text(row)
        ...     table = read_labelled(folder, name="mine")
        >>> table[["filename", "category", "src_file"]].values.tolist()
        [['mine/a.wav', 'dog_barking', 7]]
    """
    folder = Path(folder).expanduser().resolve()
    csv = folder / TABLE
    if not csv.is_file():
        raise FileNotFoundError(
            f"{folder}: there is no {TABLE} here, with the columns file, label."
        )
    table = _parse(csv, name or folder_name(folder))
    wanted = (
        None if labels is None else map(category, [labels] if isinstance(labels, str) else labels)
    )
    chosen = tables.wanted(table["category"], wanted, csv)
    unwanted = left_out(without)
    heard = table.pop("heard")
    table = table[chosen & ~heard.map(lambda words: any(is_left_out(x, unwanted) for x in words))]
    if table.empty:
        raise ValueError(f"{csv}: no clip is left without the labels that are left out.")
    table = table.sort_values("filename").reset_index(drop=True)
    table["path"] = [str(folder / file) for file in table.pop("file")]
    tables.check_files(table["path"], folder, csv, "put it there, or take its row away")
    return table


def folder_name(folder: Path) -> str:
    """Return a folder's name, with a dash for what no file name may hold.

    Example:
        >>> folder_name(Path("/data/my #1 sounds"))
        'my -1 sounds'
    """
    name = re.sub(r"[^\w .,+()'&-]", "-", folder.name)[:100]
    return name if tables.NAME.fullmatch(name) else f"set {name}"[:100]


def source_number(source: str) -> int:
    """Return the number of a recording, the same in every data set.

    ``freesound:1234`` is 1234, as in ESC-50's table; any other id is a negative number made of it.

    Example:
        >>> source_number("freesound:1234"), source_number("my phone, take 2") < 0
        (1234, True)
    """
    found = _FREESOUND.fullmatch(source.strip())
    if found:
        return int(found[1])
    digest = hashlib.sha256(source.strip().encode()).digest()
    return -1 - int.from_bytes(digest[:7], "big")


def _parse(csv: Path, name: str) -> pd.DataFrame:
    table = tables.read_csv(
        csv, ("file", "label"), "a row for each clip", maybe=("source_id", "labels"),
        dtype=str, keep_default_na=False, encoding="utf-8-sig",
    )  # fmt: skip
    tables.check_names(table["file"], csv, folders=True)
    tables.check_once(table["file"], csv)
    _check_labels(table["label"], csv)
    names = name + "/" + table["file"]
    sources = table["source_id"].str.strip() if "source_id" in table else names
    further = table["labels"] if "labels" in table else [""] * len(table)
    return pd.DataFrame({
        "filename": names,
        "category": table["label"].map(category),
        "src_file": sources.where(sources != "", names).map(source_number).astype("int64"),
        "file": table["file"],
        "heard": [[a, *b.split(";")] for a, b in zip(table["label"], further, strict=True)],
    })  # fmt: skip


def _check_labels(labels: pd.Series, csv: Path) -> None:
    for label in labels.unique():
        if (
            not label.isprintable()
            or not any(map(str.isalnum, label))
            or len(label) > _LONGEST_LABEL
        ):
            raise ValueError(
                f"{csv}: the label {label[:_LONGEST_LABEL]!r} is none: use a few words in one line."
            )
