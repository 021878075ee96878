"""Which known label a query means, by kernel ridge regression on the paraphrases of each label.

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
from safetensors.numpy import save_file

from textsep_lab.data import captions
from textsep_lab.utils.isolation import isolated
from textsep_lab.utils.paths import atomic_write
from textsep_lab.utils.tensors import open_tensors, read_header

if TYPE_CHECKING:
    from textsep_lab.encoders.base import TextEncoder

# All three chosen by cross-validation on training paraphrases; none of them matters much.
GAMMA = 1.0  # of the RBF kernel: a paraphrase at this squared distance counts 1/e
PENALTY = 0.1  # of the ridge regression
INVERSE_TEMPERATURE = 15.0  # of the softmax
TENSORS = ("anchors", "wordings", "votes")  # as the file names them, in the fields' order


@dataclass(frozen=True)
class QueryClassifier:
    """Kernel ridge regression from query embeddings to labels, and a softmax.

    Args:
        labels: the sounds it knows, in words.
        label_embeddings: embedding of each label, float32 ``[labels, dim]``.
        paraphrases: embeddings it has learnt from, float32 ``[n, dim]``.
        dual_coefficients: of each paraphrase for each label, float32 ``[n, labels]``.

    Example:
        >>> from textsep_lab.encoders import load_encoder
        >>> encoder = load_encoder()
        >>> classifier = QueryClassifier.fit(encoder, ["rain", "dog"])
        >>> classifier.labels[classifier(encoder.embed_text(["a heavy downpour"])[0]).argmax()]
        'rain'
    """

    labels: tuple[str, ...]
    label_embeddings: np.ndarray
    paraphrases: np.ndarray
    dual_coefficients: np.ndarray

    @isolated()
    def __call__(self, embedding: np.ndarray) -> np.ndarray:
        """Return P(a query means this label) ``[…, labels]`` for embeddings ``[…, dim]``."""
        # By torch, as in `similarity`: NumPy's threads would be in its way.
        points, known, dual = map(
            torch.from_numpy, (embedding, self.paraphrases, self.dual_coefficients)
        )
        distance = 2 - 2 * points @ known.T  # squared, as all embeddings have length 1
        logits = INVERSE_TEMPERATURE * (torch.exp(-GAMMA * distance) @ dual)
        return logits.softmax(-1).numpy()

    @isolated()
    def expected_embedding(self, embedding: np.ndarray) -> np.ndarray:
        """Return the mean label embedding under P(label | query), float32 ``[…, dim]``.

        Doubtful queries come between labels, and are shorter than 1.
        """
        return self(embedding) @ self.label_embeddings

    @classmethod
    def fit(cls, encoder: TextEncoder, labels: list[str]) -> QueryClassifier:
        """Learn from all training paraphrases of a data set's labels, two or more."""
        texts = [captions.for_label(label) for label in labels]
        truth = np.repeat(np.arange(len(labels)), [len(group) for group in texts])
        embedded = encoder.embed_text([text for group in texts for text in group])
        named = tuple(label.replace("_", " ") for label in labels)
        dual = fit_dual_coefficients(embedded, truth, len(labels))
        rounded = (x.astype(np.float16).astype(np.float32) for x in (embedded, dual))
        return cls(named, encoder.embed_text(list(named)), *rounded)

    def save(self, path: str | Path) -> Path:
        """Write it as ``*.safetensors``, paraphrases and coefficients in half precision."""
        half = (x.astype(np.float16) for x in (self.paraphrases, self.dual_coefficients))
        tensors = dict(zip(TENSORS, (self.label_embeddings, *half), strict=True))
        with atomic_write(path) as temporary:
            save_file(tensors, temporary, metadata={"labels": "\n".join(self.labels)})
        return Path(path)

    @classmethod
    def load(cls, path: str | Path, dim: int) -> QueryClassifier:
        """Read back what `save` wrote.

        Args:
            dim: of the embeddings it will be given, to be checked.

        Raises:
            FileNotFoundError: no such file.
            ValueError: damaged, or made for embeddings of another dimension.
        """
        if not Path(path).is_file():
            raise FileNotFoundError(f"The query classifier '{path}' is missing: restore it.")
        header = read_header(path)
        labels = tuple(header.metadata.get("labels", "").split("\n"))
        # The sizes first: whoever wrote the file may ask for more memory than there is.
        rows = header.shapes.get(TENSORS[1], ())[:1]
        shapes = [(len(labels), dim), (*rows, dim), (*rows, len(labels))]
        wanted = dict(zip(TENSORS, shapes, strict=True))
        if header.shapes.keys() != wanted.keys() or not all(labels):
            raise ValueError(f"'{path}' is damaged: it holds no query classifier.")
        if header.shapes != wanted or len(labels) < 2:
            raise ValueError(f"The query classifier '{path}' was made for other embeddings.")
        if not set(header.dtypes.values()) <= {"F16", "F32"}:
            raise ValueError(f"'{path}' is damaged: its numbers are no float16 or float32.")
        with open_tensors(path, "np") as file:
            tensors = [file.get_tensor(name).astype(np.float32) for name in TENSORS]
        if not all(np.isfinite(each).all() for each in tensors):
            raise ValueError(f"'{path}' is damaged: some of its numbers are not finite.")
        return cls(labels, *tensors)


def fit_dual_coefficients(embedded: np.ndarray, truth: np.ndarray, count: int) -> np.ndarray:
    """Return the coefficients of kernel ridge regression, float32 ``[n, count]``.

    Args:
        embedded: embeddings ``[n, dim]``.
        truth: index of the label that each means, ``[n]``.
    """
    from sklearn.kernel_ridge import KernelRidge  # here: only fitting needs it

    model = KernelRidge(alpha=PENALTY, kernel="rbf", gamma=GAMMA)
    return model.fit(embedded, np.eye(count)[truth]).dual_coef_.astype(np.float32)
