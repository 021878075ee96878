"""What every table of recordings is checked for when it is read. Taught in notebook 01."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

#: Names of recordings become paths: words, dots and dashes, never a folder.
NAME = re.compile(r"\w[\w .,+()'&-]{0,99}")
_SHOWN = 60  # valid names that a sentence lists


def read_csv(
    csv: Path, columns: Sequence[str], expected: str, maybe: Sequence[str] = (), **options: Any
) -> pd.DataFrame:
    """Read a CSV's `columns`, in that order, and of `maybe` those that it has.

    Args:
        expected: what the table should be, for an error's sentence.
        options: of `pandas.read_csv`.

    Raises:
        ValueError: not a table, a column too few, no rows, or empty cells.
    """
    try:
        table = pd.read_csv(csv, **options)
        if not isinstance(table.index, pd.RangeIndex):  # pandas takes the first cells for names
            raise ValueError("every row has more cells than there are columns")
    except ValueError as error:  # pandas' own errors are kinds of it
        said = " ".join(str(error).split())
        raise ValueError(f"{csv}: not a readable table ({said}); expected {expected}.") from error
    absent = [name for name in columns if name not in table.columns]
    if absent:
        raise ValueError(f"{csv}: no column {', '.join(absent)}; expected {', '.join(columns)}.")
    needed = table[list(columns)]
    if needed.empty or (needed.isna() | (needed == "")).to_numpy().any():
        raise ValueError(f"{csv}: no rows, or empty cells; expected {expected}.")
    return table[[*columns, *(name for name in maybe if name in table)]]


def check_names(column: pd.Series, csv: Path, folders: bool = False) -> None:
    """Raise ValueError unless all names are plain, or with `folders` plain names between slashes.

    Example:
        >>> check_names(pd.Series(["a/b.wav"], name="file"), Path("x.csv"), folders=True)
        >>> check_names(pd.Series(["../b.wav"], name="file"), Path("x.csv"), folders=True)
        Traceback (most recent call last):
        ValueError: x.csv: the file '../b.wav' is not a plain path inside the folder: use letters, \
digits, dots and dashes.
    """
    for name in column.unique():
        if not all(NAME.fullmatch(x) for x in (name.split("/") if folders else [name])):
            what = ("path inside the folder", "") if folders else ("name", ", without a folder")
            raise ValueError(
                f"{csv}: the {column.name} {name[:100]!r} is not a plain {what[0]}: use letters, "
                f"digits, dots and dashes{what[1]}."
            )


def check_once(names: pd.Series, csv: Path) -> None:
    """Raise ValueError if two rows are about one recording."""
    twice = names[names.duplicated()]
    if not twice.empty:
        raise ValueError(f"{csv}: two rows are about '{twice.iloc[0]}'; expected one a recording.")


def check_files(recordings: Sequence[str], folder: Path, csv: Path, advice: str) -> None:
    """Check that all recordings are there, and in the folder.

    Raises:
        FileNotFoundError: some are missing; the sentence counts them and gives the advice.
        ValueError: one is a link that leaves the folder.
    """
    inside = os.path.realpath(folder) + os.sep
    for path in recordings:
        if not os.path.realpath(path).startswith(inside):
            raise ValueError(
                f"{csv}: '{Path(path).name}' is a link that leaves {folder}: put the recording "
                "itself there."
            )
    missing = [path for path in recordings if not Path(path).is_file()]
    if missing:
        raise FileNotFoundError(
            f"{missing[0]}: this recording is in {csv} but not on disk "
            f"({len(missing)} of {len(recordings)} are missing); {advice}."
        )


def wanted(column: pd.Series, values: Iterable | None, csv: Path) -> pd.Series:
    """Return which rows have one of the values, all for None.

    Raises:
        ValueError: no values, or one that no row has.
    """
    valid = sorted(column.unique().tolist())
    values = valid if values is None else list(values)
    unknown = [value for value in values if value not in valid]
    if unknown or not values:
        said = f"no {column.name} {unknown[0]!r}" if unknown else f"empty list of {column.name}"
        shown = ", ".join(map(str, valid[:_SHOWN])) + (", …" if len(valid) > _SHOWN else "")
        raise ValueError(f"{csv}: {said}; valid are {shown}.")
    return column.isin(values)
