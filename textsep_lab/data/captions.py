"""Wordings people might type for each sound class, and how well an encoder understands them.

The table (wordings.csv, written for this kit) has 58 labels: the 50 classes of ESC-50 and eight
more. Each has 81 to 110 training wordings, the bare label first, and 5 held-out ones. ESC-50's have
10 to 16 stranger ones besides, which avoid the obvious words; they were written without sight of
the others, and training wordings that are nearly like them were dropped. Taught in notebook 05.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

    from textsep_lab.embeddings import TextEncoder

SPLITS = ("train", "heldout", "stranger")


@lru_cache(maxsize=1)
def _table() -> pd.DataFrame:
    import pandas as pd  # here, as separating imports this module and reads no table

    return pd.read_csv(Path(__file__).with_name("wordings.csv"), dtype=str, keep_default_na=False)


def _check_split(split: str) -> None:
    if split not in SPLITS:
        raise ValueError(f"There is no split '{split}': choose {' or '.join(SPLITS)}.")


def load() -> pd.DataFrame:
    """Return all wordings: 6813 rows with the columns label, wording and split.

    Example:
        >>> load().shape
        (6813, 3)
    """
    return _table().copy()


def for_label(label: str, split: str = "train") -> list[str]:
    """Return the wordings of one label, the bare label first in the training split.

    A label that is not in the table has one wording: itself, with spaces for underscores.

    Raises:
        ValueError: there is no such split.

    Example:
        >>> for_label("dog")[:3]
        ['dog', 'a dog barking', 'dog barking']
        >>> for_label("steam_hammer")
        ['steam hammer']
    """
    _check_split(split)
    table = _table()
    chosen = table.loc[(table["label"] == label) & (table["split"] == split), "wording"]
    return chosen.tolist() or [label.replace("_", " ")]


def wilson_interval(hits: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """Return the Wilson score interval of a proportion, as fractions (95 % with z = 1.96).

    Wilson (1927), Probable inference, the law of succession, and statistical inference, JASA.

    Raises:
        ValueError: `n` is not positive, or `hits` is not between 0 and `n`.

    Example:
        >>> low, high = wilson_interval(8, 10)
        >>> round(low, 3), round(high, 3)
        (0.49, 0.943)
    """
    if n <= 0 or not 0 <= hits <= n:
        raise ValueError(f"An interval needs 0 <= hits <= n and n > 0, not {hits} of {n}.")
    rate, weight = hits / n, z * z / n
    centre = (rate + weight / 2) / (1 + weight)
    half = z / (1 + weight) * np.sqrt(rate * (1 - rate) / n + weight / (4 * n))
    return float(centre - half), float(centre + half)


def class_anchors(encoder: TextEncoder, protocol: str) -> np.ndarray:
    """Return one unit-length embedding per label, float32 [labels, dim], in the table's order.

    Args:
        encoder: any text encoder.
        protocol: "bare" for the label with spaces, "prototype" for the mean of the label's
            training wordings.

    Raises:
        ValueError: another protocol.

    Example:
        >>> from textsep_lab.embeddings import load_encoder
        >>> class_anchors(load_encoder(), "bare").shape
        (58, 384)
    """
    if protocol not in ("bare", "prototype"):
        raise ValueError(f"There is no protocol '{protocol}': choose bare or prototype.")
    count = 1 if protocol == "bare" else None
    labels = _table()["label"].unique()
    means = [encoder.embed_text(for_label(label)[:count]).mean(axis=0) for label in labels]
    anchors = np.stack(means)
    return anchors / np.linalg.norm(anchors, axis=1, keepdims=True)


def nearest_class_accuracy(encoder: TextEncoder, split: str = "heldout") -> pd.DataFrame:
    """Return how often the class with the most similar anchor is the right one.

    One row for the bare-label protocol and one for the prototype protocol (`class_anchors`);
    columns protocol, n, and top1 and top5 each with its 95 % Wilson interval, as fractions. On
    the training split both are flattered: the anchors are made of wordings that are judged.

    Raises:
        ValueError: there is no such split.

    Example:
        >>> from textsep_lab.embeddings import load_encoder
        >>> table = nearest_class_accuracy(load_encoder(), "heldout")
        >>> table["n"].tolist()
        [290, 290]
    """
    import pandas as pd

    _check_split(split)
    table = _table()
    part = table[table["split"] == split]
    truth = pd.Index(table["label"].unique()).get_indexer(part["label"])
    queries = encoder.embed_text(part["wording"].tolist())
    rows = [
        {"protocol": protocol, "n": len(part)} | _top_k(queries, anchors, truth)
        for protocol in ("bare", "prototype")
        for anchors in [class_anchors(encoder, protocol)]
    ]
    return pd.DataFrame(rows)


def _top_k(queries: np.ndarray, anchors: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    similarity = queries @ anchors.T
    own = similarity[np.arange(len(truth)), truth]
    rank = (similarity > own[:, None]).sum(axis=1)  # classes more similar than the right one
    result = {}
    for k in (1, 5):
        hits = int((rank < k).sum())
        low, high = wilson_interval(hits, len(truth))
        result |= {f"top{k}": hits / len(truth), f"top{k}_low": low, f"top{k}_high": high}
    return result


def main() -> None:
    """Print the accuracy of the default encoder on both splits, in percent with intervals."""
    from textsep_lab.embeddings import load_encoder  # here, as encoders read this table

    encoder = load_encoder()
    print(f"{encoder.name}: nearest of {_table()['label'].nunique()} classes, % [95 % Wilson]")
    print(f"{'split':8} {'protocol':10} {'n':>4}  {'top 1':18} top 5")
    for split in SPLITS:
        for row in nearest_class_accuracy(encoder, split).to_dict("records"):
            cells = [
                f"{100 * row[k]:.1f} [{100 * row[f'{k}_low']:.1f}, {100 * row[f'{k}_high']:.1f}]"
                for k in ("top1", "top5")
            ]
            print(f"{split:8} {row['protocol']:10} {row['n']:4}  {cells[0]:18} {cells[1]}")


if __name__ == "__main__":
    main()
