"""Which known sound a query means: the wordings that are most like it vote.

A network learns what "the tide coming in" sounds like from few examples; that it means sea waves
can be learnt from text alone. Taught in notebook 05.

Reference:
    Saunders, Gammerman and Vovk (1998), Ridge regression learning algorithm in dual variables.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from safetensors.numpy import load_file, save_file

from textsep_lab import wordings
from textsep_lab.paths import atomic_write

if TYPE_CHECKING:
    import pandas as pd

    from textsep_lab.embeddings import TextEncoder

# All three chosen by cross-validation on training wordings; none of them matters much.
GAMMA = 1.0  # a wording this far away, squared, counts 1/e
PENALTY = 0.1  # of the ridge regression
SURENESS = 15.0  # of the softmax
PARTS = ("anchors", "wordings", "votes")


@dataclass(frozen=True)
class Reader:
    """Kernel ridge regression from query embeddings to labels, and a softmax.

    Args:
        labels: the sounds it knows, in words.
        anchors: embedding of each label, float32 ``[labels, dim]``.
        wordings: embeddings it has learnt from, float32 ``[n, dim]``, rounded to half precision.
        votes: what each of them says for each label, float32 ``[n, labels]``, rounded likewise.

    Example:
        >>> from textsep_lab.embeddings import load_encoder
        >>> encoder = load_encoder()
        >>> reader = Reader.fit(encoder, ["rain", "dog"])
        >>> reader.labels[reader(encoder.embed_text(["a heavy downpour"])[0]).argmax()]
        'rain'
    """

    labels: tuple[str, ...]
    anchors: np.ndarray
    wordings: np.ndarray
    votes: np.ndarray

    def __call__(self, embedding: np.ndarray) -> np.ndarray:
        """Return P(a query means this label) ``[…, labels]`` for embeddings ``[…, dim]``."""
        # By torch, as in `similarity`: NumPy's threads would be in its way.
        points, wordings, votes = map(torch.from_numpy, (embedding, self.wordings, self.votes))
        distance = 2 - 2 * points @ wordings.T  # squared, as all embeddings have length 1
        logits = SURENESS * (torch.exp(-GAMMA * distance) @ votes)
        return logits.softmax(-1).numpy()

    def in_labels(self, embedding: np.ndarray) -> np.ndarray:
        """Return queries as they would be in bare labels, float32 ``[…, dim]``, for ``[…, dim]``.

        Doubtful ones come between labels, and are shorter than 1.
        """
        return self(embedding) @ self.anchors

    @classmethod
    def fit(cls, encoder: TextEncoder, labels: list[str]) -> Reader:
        """Learn from all training wordings of labels as they are in a data set, two or more."""
        texts = [wordings.for_label(label) for label in labels]
        truth = np.repeat(np.arange(len(labels)), [len(group) for group in texts])
        embedded = encoder.embed_text([text for group in texts for text in group])
        named = tuple(label.replace("_", " ") for label in labels)
        votes = fit_votes(embedded, truth, len(labels))
        rounded = (x.astype(np.float16).astype(np.float32) for x in (embedded, votes))
        return cls(named, encoder.embed_text(list(named)), *rounded)

    def save(self, path: str | Path) -> Path:
        """Write it as ``*.safetensors``, what it remembers in half precision."""
        tensors = {
            "anchors": self.anchors,
            "wordings": self.wordings.astype(np.float16),
            "votes": self.votes.astype(np.float16),
        }
        with atomic_write(path) as temporary:
            save_file(tensors, temporary, metadata={"labels": "\n".join(self.labels)})
        return Path(path)


def fit_votes(embedded: np.ndarray, truth: np.ndarray, count: int) -> np.ndarray:
    """Return what each wording says for each label, float32 ``[n, count]``.

    Args:
        embedded: embeddings ``[n, dim]``.
        truth: index of the label that each means, ``[n]``.
    """
    from sklearn.kernel_ridge import KernelRidge  # here: only fitting needs it

    model = KernelRidge(alpha=PENALTY, kernel="rbf", gamma=GAMMA)
    return model.fit(embedded, np.eye(count)[truth]).dual_coef_.astype(np.float32)


def reader_path(checkpoint: Path) -> Path:
    """Return where the reader of some weights lies."""
    return checkpoint.with_name(f"{checkpoint.stem}.reader")


def load_reader(path: Path) -> Reader | None:
    """Read a `Reader` back; None if there is none.

    Raises:
        ValueError: damaged.
    """
    if not path.is_file():
        return None
    from safetensors import SafetensorError, safe_open

    try:
        tensors = load_file(path)
        with safe_open(path, framework="np") as file:
            labels = file.metadata()["labels"]
        return Reader(tuple(labels.split("\n")), *(tensors[x].astype(np.float32) for x in PARTS))
    except (SafetensorError, KeyError, TypeError) as error:
        raise ValueError(f"'{path}' is damaged: it holds no reader of queries.") from error


def accuracy(encoder: TextEncoder, folds: int = 4) -> pd.DataFrame:
    """Return how often a reader takes a wording for the right one of all known labels.

    Rows: the held-out and the stranger wordings, and the training wordings each read by a reader
    that was fitted without its fold. Columns wordings, n, top1 and its 95 % Wilson interval low,
    high (fractions).
    """
    import pandas as pd
    from sklearn.model_selection import StratifiedKFold

    table = wordings.load()
    labels, truth = np.unique(table["label"], return_inverse=True)
    embedded = encoder.embed_text(table["wording"].tolist())
    split = table["split"].to_numpy()
    train = np.flatnonzero(split == "train")

    def right(known: np.ndarray, asked: np.ndarray) -> int:
        votes = fit_votes(embedded[known], truth[known], len(labels))
        reader = Reader(tuple(labels), embedded[:0], embedded[known], votes)
        return int((reader(embedded[asked]).argmax(1) == truth[asked]).sum())

    tests = {
        "held out": [(train, np.flatnonzero(split == "heldout"))],
        "stranger": [(train, np.flatnonzero(split == "stranger"))],
        "training, cross-validated": [
            (train[known], train[asked])
            for known, asked in StratifiedKFold(folds).split(train, truth[train])
        ],
    }
    rows = []
    for name, parts in tests.items():
        n = sum(len(asked) for _, asked in parts)
        hits = sum(right(known, asked) for known, asked in parts)
        low, high = wordings.wilson_interval(hits, n)
        rows.append({"wordings": name, "n": n, "top1": hits / n, "low": low, "high": high})
    return pd.DataFrame(rows)


if __name__ == "__main__":
    import sys

    from textsep_lab.embeddings import load_encoder

    sys.stdout.write(accuracy(load_encoder()).round(3).to_string(index=False) + "\n")
