"""How often paraphrases are understood: by the nearest label, and by the query classifier.

Taught in notebook 05.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.model_selection import StratifiedKFold

from textsep_lab.data import captions
from textsep_lab.encoders.base import TextEncoder
from textsep_lab.encoders.query_classifier import QueryClassifier, fit_dual_coefficients
from textsep_lab.encoders.registry import load_encoder
from textsep_lab.signal.metrics import wilson_interval


def label_embeddings(encoder: TextEncoder, protocol: str) -> np.ndarray:
    """Return one unit-length embedding per label, float32 [labels, dim], in the table's order.

    Args:
        encoder: any text encoder.
        protocol: "bare" for the label with spaces, "prototype" for the mean of the label's
            training paraphrases.

    Raises:
        ValueError: another protocol.

    Example:
        >>> from textsep_lab.encoders.registry import load_encoder
        >>> label_embeddings(load_encoder(), "bare").shape
        (58, 384)
    """
    if protocol not in ("bare", "prototype"):
        raise ValueError(f"There is no protocol '{protocol}': choose bare or prototype.")
    count = 1 if protocol == "bare" else None
    labels = captions.labels()
    means = [encoder.embed_text(captions.for_label(label)[:count]).mean(axis=0) for label in labels]
    embedded = np.stack(means)
    return embedded / np.linalg.norm(embedded, axis=1, keepdims=True)


def nearest_class_accuracy(encoder: TextEncoder, split: str = "heldout") -> pd.DataFrame:
    """Return how often the most similar label embedding is that of the right label.

    One row for the bare-label protocol and one for the prototype protocol (`label_embeddings`);
    columns protocol, n, and top1 and top5 each with its 95 % Wilson interval, as fractions. On
    the training split both are flattered: the label embeddings are made of paraphrases it holds.

    Raises:
        ValueError: there is no such split.

    Example:
        >>> from textsep_lab.encoders.registry import load_encoder
        >>> table = nearest_class_accuracy(load_encoder(), "heldout")
        >>> table["n"].tolist()
        [290, 290]
    """
    captions.SPLITS.check(split)
    table = captions.load()
    part = table[table["split"] == split]
    truth = pd.Index(table["label"].unique()).get_indexer(part["label"])
    queries = encoder.embed_text(part["paraphrase"].tolist())
    rows = [
        {"protocol": protocol, "n": len(part)} | _top_k(queries, embedded, truth)
        for protocol in ("bare", "prototype")
        for embedded in [label_embeddings(encoder, protocol)]
    ]
    return pd.DataFrame(rows)


def _top_k(queries: np.ndarray, embedded: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    similarity = queries @ embedded.T
    own = similarity[np.arange(len(truth)), truth]
    rank = (similarity > own[:, None]).sum(axis=1)  # classes more similar than the right one
    result = {}
    for k in (1, 5):
        hits = int((rank < k).sum())
        low, high = wilson_interval(hits, len(truth))
        result |= {f"top{k}": hits / len(truth), f"top{k}_low": low, f"top{k}_high": high}
    return result


def classifier_accuracy(encoder: TextEncoder, folds: int = 4) -> pd.DataFrame:
    """Return how often a query classifier takes a paraphrase for the right one of all labels.

    Rows: the held-out and the out-of-distribution paraphrases, and the training ones, each
    classified without its fold. Columns paraphrases, n, top1 and its 95 % Wilson interval low, high
    (fractions).
    """
    table = captions.load()
    labels, truth = np.unique(table["label"], return_inverse=True)
    embedded = encoder.embed_text(table["paraphrase"].tolist())
    split = table["split"].to_numpy()
    train = np.flatnonzero(split == "train")

    def right(known: np.ndarray, asked: np.ndarray) -> int:
        dual = fit_dual_coefficients(embedded[known], truth[known], len(labels))
        classifier = QueryClassifier(tuple(labels), embedded[:0], embedded[known], dual)
        return int((classifier(embedded[asked]).argmax(1) == truth[asked]).sum())

    tests = {
        "held out": [(train, np.flatnonzero(split == "heldout"))],
        "out of distribution": [(train, np.flatnonzero(split == "ood"))],
        "training, cross-validated": [
            (train[known], train[asked])
            for known, asked in StratifiedKFold(folds).split(train, truth[train])
        ],
    }
    rows = []
    for name, parts in tests.items():
        n = sum(len(asked) for _, asked in parts)
        hits = sum(right(known, asked) for known, asked in parts)
        low, high = wilson_interval(hits, n)
        rows.append({"paraphrases": name, "n": n, "top1": hits / n, "low": low, "high": high})
    return pd.DataFrame(rows)


def summary() -> str:
    """Return both accuracies of the default encoder, as tables of fractions."""
    encoder = load_encoder()
    nearest = pd.concat(
        [nearest_class_accuracy(encoder, split).assign(split=split) for split in captions.SPLITS]
    )
    tables = {
        f"Nearest label embedding ({encoder.name})": nearest.set_index("split").reset_index(),
        "Query classifier": classifier_accuracy(encoder),
    }
    return "\n\n".join(f"{k}\n{v.round(3).to_string(index=False)}" for k, v in tables.items())
