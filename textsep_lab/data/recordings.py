"""The one way to read a data set, whatever its layout. Taught in notebook 03."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from textsep_lab.data import esc50, labelled_clips
from textsep_lab.data.labelled_clips import COLUMNS, TABLE
from textsep_lab.data.vocabulary import is_left_out, left_out


def read_recordings(
    folder: str | Path, without: Iterable[str] = (), name: str | None = None
) -> pd.DataFrame:
    """Read a folder of labelled clips or a data set in ESC-50's layout, whichever lies there.

    Args:
        folder: holds ``clips.csv``, else ``meta/esc50.csv`` and ``audio/``.
        without: labels to leave out; see `vocabulary.left_out`.
        name: what file names begin with; by default the folder's own name.

    Returns:
        Columns filename, category, src_file and path, see `labelled_clips.read_labelled`.

    Raises:
        FileNotFoundError: neither is there, or a recording is missing.
        ValueError: the table is damaged, or no clip is left.

    Example:
        >>> read_recordings("nowhere")  # doctest: +IGNORE_EXCEPTION_DETAIL
        Traceback (most recent call last):
        FileNotFoundError: /nowhere: holds neither clips.csv nor ESC-50's meta/esc50.csv.
    """
    folder = Path(folder).expanduser().resolve()
    if (folder / TABLE).is_file():
        return labelled_clips.read_labelled(folder, without=without, name=name)
    try:
        root = esc50.find(folder)
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"{folder}: looked here for a folder of labelled clips (clips.csv) or a data set in "
            "ESC-50's layout (meta/esc50.csv and audio/), and found neither."
        ) from error
    table = esc50.read_table(root)
    unwanted = left_out(without)
    kept = ~table["category"].map(lambda label: is_left_out(label, unwanted))
    table = table[kept].reset_index(drop=True)
    if table.empty:
        raise ValueError(f"{root}: no clip is left without the labels that are left out.")
    prefix = name or labelled_clips.folder_name(folder)
    return table.assign(filename=prefix + "/" + table["filename"])[list(COLUMNS)]


def read_several(folders: Iterable[str | Path], without: Iterable[str] = ()) -> pd.DataFrame:
    """Read data sets into one table; a second folder of one name gets a number after it.

    Raises:
        FileNotFoundError, ValueError: as `read_recordings` does, or a folder is given twice.
    """
    read, names = [], list[str]()
    places = [Path(folder).expanduser().resolve() for folder in folders]
    for k, place in enumerate(places):
        if place in places[:k]:
            raise ValueError(f"{place}: this data set is given twice.")
        name = labelled_clips.folder_name(place)
        names.append(name)
        number = names.count(name)
        read.append(read_recordings(place, without, f"{name} {number}" if number > 1 else name))
    empty = pd.DataFrame(columns=list(COLUMNS))
    return pd.concat(read, ignore_index=True) if read else empty
