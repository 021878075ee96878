"""Which known sound a query means: a linear classifier on the embeddings of many wordings.

A network learns what "the tide coming in" sounds like from few examples; that it means sea waves
can be learnt from text alone. Taught in notebook 02.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from safetensors.numpy import load_file, save_file

from textsep_lab import wordings
from textsep_lab.embeddings import TextEncoder
from textsep_lab.paths import atomic_write

if TYPE_CHECKING:
    import pandas as pd

PENALTY = 30.0  # C of the logistic regression, chosen by cross-validation on training wordings
PARTS = ("anchors", "weight", "bias")


@dataclass(frozen=True)
class Reader:
    """A softmax classifier of query embeddings, with the bare labels' own embeddings.

    Args:
        labels: the sounds it knows, in words.
        anchors: embedding of each label, float32 ``[labels, dim]``.
        weight, bias: float32 ``[labels, dim]`` and ``[labels]``.

    Example:
        >>> from textsep_lab.embeddings import load_encoder
        >>> encoder = load_encoder()
        >>> reader = Reader.fit(encoder, ["rain", "dog"])
        >>> reader.labels[reader(encoder.embed_text(["a heavy downpour"])[0]).argmax()]
        'rain'
    """

    labels: tuple[str, ...]
    anchors: np.ndarray
    weight: np.ndarray
    bias: np.ndarray

    def __call__(self, embedding: np.ndarray) -> np.ndarray:
        """Return P(the query means this label) ``[labels]`` for an embedding ``[dim]``."""
        logits = self.weight @ embedding + self.bias
        odds = np.exp(logits - logits.max())
        return odds / odds.sum()

    @classmethod
    def fit(cls, encoder: TextEncoder, labels: list[str]) -> Reader:
        """Learn from all training wordings of labels as they are in a data set, two or more."""
        from sklearn.linear_model import LogisticRegression  # here: only fitting needs it

        texts = [wordings.for_label(label) for label in labels]
        embedded = encoder.embed_text([text for group in texts for text in group])
        truth = np.repeat(np.arange(len(labels)), [len(group) for group in texts])
        model = LogisticRegression(C=PENALTY, max_iter=1000).fit(embedded, truth)
        weight, bias = model.coef_, model.intercept_
        if len(labels) == 2:  # one row says it all; as a softmax it needs two
            weight, bias = np.vstack([-weight, weight]) / 2, np.hstack([-bias, bias]) / 2
        named = tuple(label.replace("_", " ") for label in labels)
        arrays = (encoder.embed_text(list(named)), weight, bias)
        return cls(named, *(np.asarray(a, np.float32) for a in arrays))

    def save(self, path: str | Path) -> Path:
        """Write it as ``*.safetensors``."""
        tensors = {name: np.ascontiguousarray(getattr(self, name)) for name in PARTS}
        with atomic_write(path) as temporary:
            save_file(tensors, temporary, metadata={"labels": "\n".join(self.labels)})
        return Path(path)


def reader_path(checkpoint: Path) -> Path:
    """Return where the reader of a separator's weights lies."""
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
        return Reader(tuple(labels.split("\n")), *(tensors[name] for name in PARTS))
    except (SafetensorError, KeyError, TypeError) as error:
        raise ValueError(f"'{path}' is damaged: it holds no reader of queries.") from error


def accuracy(encoder: TextEncoder, folds: int = 4) -> pd.DataFrame:
    """Return how often a reader takes a wording for the right one of all known labels.

    Rows: the held-out and the stranger wordings, and the training wordings each read by a reader
    that was fitted without its fold. Columns wordings, n, top1 and its 95 % Wilson interval low,
    high (fractions).
    """
    import pandas as pd
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_score

    table = wordings.load()
    labels = sorted(table["label"].unique())
    reader, counts = Reader.fit(encoder, labels), []
    for split, title in (("heldout", "held out"), ("stranger", "stranger")):
        part = table[table["split"] == split]
        read = [labels[reader(x).argmax()] for x in encoder.embed_text(part["wording"].tolist())]
        counts.append((title, len(part), int(np.sum(np.array(read) == part["label"]))))
    train = table[table["split"] == "train"]
    rates = cross_val_score(
        LogisticRegression(C=PENALTY, max_iter=1000),
        encoder.embed_text(train["wording"].tolist()), train["label"], cv=folds,
    )  # fmt: skip
    rows = []
    counts.append(("training, cross-validated", len(train), round(rates.mean() * len(train))))
    for name, n, hits in counts:
        low, high = wordings.wilson_interval(hits, n)
        rows.append({"wordings": name, "n": n, "top1": hits / n, "low": low, "high": high})
    return pd.DataFrame(rows)


if __name__ == "__main__":
    import sys

    from textsep_lab.embeddings import load_encoder

    sys.stdout.write(accuracy(load_encoder()).round(3).to_string(index=False) + "\n")
