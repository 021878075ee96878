"""Paraphrases that people might type for each sound class.

The table (captions.csv, written for this kit) has 58 labels: the 50 classes of ESC-50 and eight
more. Each has 81 to 110 training paraphrases, the bare label first, and 5 held-out ones. ESC-50's
have 10 to 16 out-of-distribution ones besides ("ood"), which avoid the obvious words; they were
written without sight of the others, and training paraphrases that are nearly like them were
dropped. Taught in notebook 05.
"""

from __future__ import annotations

import csv
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from textsep_lab.utils.registry import Choices

if TYPE_CHECKING:
    import pandas as pd

SPLITS = Choices("split", ("train", "heldout", "ood"))


@lru_cache(maxsize=1)
def _rows() -> list[dict[str, str]]:
    with Path(__file__).with_name("captions.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def load() -> pd.DataFrame:
    """Return all paraphrases: 6813 rows with the columns label, paraphrase and split.

    Example:
        >>> load().shape
        (6813, 3)
    """
    import pandas as pd  # here, as separating imports this module and needs no table

    return pd.DataFrame(_rows(), dtype=str)


def labels() -> list[str]:
    """Return all labels, in the table's order.

    Example:
        >>> len(labels()), labels()[0]
        (58, 'airplane')
    """
    return list(dict.fromkeys(row["label"] for row in _rows()))


def paraphrases() -> list[str]:
    """Return all paraphrases of all labels, in the table's order.

    Example:
        >>> len(paraphrases()), paraphrases()[1]
        (6813, 'a plane flying overhead')
    """
    return [row["paraphrase"] for row in _rows()]


def for_label(label: str, split: str = "train") -> list[str]:
    """Return the paraphrases of one label, the bare label first in the training split.

    A label that is not in the table has one: itself, with spaces for underscores.

    Raises:
        ValueError: there is no such split.

    Example:
        >>> for_label("dog")[:3]
        ['dog', 'a dog barking', 'dog barking']
        >>> for_label("steam_hammer")
        ['steam hammer']
    """
    SPLITS.check(split)
    chosen = [r["paraphrase"] for r in _rows() if (r["label"], r["split"]) == (label, split)]
    return chosen or [label.replace("_", " ")]
