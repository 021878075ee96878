"""Supervised NMF: spectra learnt for each class, the variant that knows what classes sound like.

Taught in notebook 04.

Reference:
    Smaragdis, Raj and Shashanka (2007), Supervised and semi-supervised separation of sounds from
    single-channel mixtures, ICA.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from textsep_lab.data import esc50
from textsep_lab.encoders.base import TextEncoder
from textsep_lab.encoders.queries import clean_query
from textsep_lab.separation.nmf import CONFIG, NMFEstimate, magnitude_at_16k
from textsep_lab.separation.nmf_decomposition import ITERATIONS, decompose, fit_activations
from textsep_lab.utils.paths import atomic_write
from textsep_lab.utils.progress import progress

FORMAT = "textsep_lab-nmf-bases-1"


@dataclass(frozen=True)
class ClassBases:
    """Spectra learnt for each of some classes.

    Args:
        labels: the classes.
        bases: ``[classes, 513, components_per_class]``; each spectrum sums to one.
    """

    labels: tuple[str, ...]
    bases: np.ndarray

    def only(self, labels: Iterable[str]) -> ClassBases:
        """Return the bases of these classes alone, as when the sources' labels are known.

        Raises:
            ValueError: there are no bases of a label, or no labels.
        """
        labels = tuple(labels)
        unknown = [label for label in labels if label not in self.labels]
        if unknown or not labels:
            said = f"no bases of {unknown[0]!r}" if unknown else "no labels given"
            raise ValueError(f"There are {said}: choose among {', '.join(self.labels)}.")
        return ClassBases(labels, self.bases[[self.labels.index(label) for label in labels]])

    def save(self, path: str | Path) -> Path:
        """Write ``*.safetensors``, whole or not at all."""
        metadata = {"format": FORMAT, "labels": json.dumps(self.labels)}
        with atomic_write(path) as temporary:
            save_file({"bases": np.ascontiguousarray(self.bases)}, temporary, metadata)
        return Path(path)


def load_bases(path: str | Path) -> ClassBases:
    """Read what `ClassBases.save` wrote.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not a file of class bases, or damaged.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "bases.safetensors"
        >>> load_bases(ClassBases(("dog",), np.full((1, 513, 2), 1 / 513)).save(path)).labels
        ('dog',)
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"There is no file '{path}'.")
    try:
        with safe_open(path, framework="numpy") as file:
            metadata, names = file.metadata() or {}, list(file.keys())
            bases = file.get_tensor("bases") if names == ["bases"] else np.empty(0)
        labels = json.loads(metadata.get("labels", "null"))
    except (SafetensorError, ValueError) as error:
        raise ValueError(f"'{path}' is damaged or not a safetensors file.") from error
    named = isinstance(labels, list) and all(isinstance(label, str) for label in labels)
    whole = named and bases.ndim == 3 and bases.shape[:2] == (len(labels), CONFIG.n_freq)
    if metadata.get("format") != FORMAT or not whole:
        raise ValueError(f"'{path}' does not hold class bases of this kit ({FORMAT}).")
    return ClassBases(tuple(labels), bases)


def learn_bases(
    clips: Mapping[str, Iterable[np.ndarray]] | pd.DataFrame,
    components_per_class: int = 4,
    seed: int = 0,
    iterations: int = ITERATIONS,
) -> ClassBases:
    """Learn the spectra of each class from clips of it alone, one after the other.

    Args:
        clips: waveforms ``[samples]`` or ``[channels, samples]`` at 16 kHz by label; or rows of
            `esc50.read_table`, whose recordings are read a class at a time. All clips of a class
            count alike, however loud; silent ones do not count.
        seed: of each class's random start.

    Raises:
        ValueError: no classes, or one whose clips are silent or too short for so many components.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> bases = learn_bases({"rain": [rng.standard_normal(8000)]}, 2)
        >>> bases.labels, bases.bases.shape
        (('rain',), (1, 513, 2))
    """
    if isinstance(clips, pd.DataFrame):
        groups = clips.groupby("category")["path"]
        clips = {label: map(esc50.load_clip, paths) for label, paths in groups}
    if not clips:
        raise ValueError("There are no classes to learn: give clips by label.")
    bases = []
    for label in progress(clips, "learning bases", "class"):
        magnitudes = [magnitude_at_16k(clip, CONFIG.sample_rate)[1] for clip in clips[label]]
        level = [m / m.mean() for m in magnitudes if m.mean() > 0]
        if not level:
            raise ValueError(f"Class '{label}': there is no clip of it that is not silent.")
        try:
            parts = decompose(np.concatenate(level, 1), components_per_class, seed, iterations)
        except ValueError as error:
            raise ValueError(f"Class '{label}': {error}") from error
        bases.append(parts.bases)
    return ClassBases(tuple(clips), np.stack(bases))


def estimate_class_mask(
    waveform: np.ndarray,
    sample_rate: int,
    query: str,
    encoder: TextEncoder,
    bases: ClassBases,
    iterations: int = ITERATIONS,
) -> NMFEstimate:
    """Explain a recording by the spectra of all classes and keep the queried class's share.

    The class is the one whose label's embedding is nearest to the query's; its share is its part
    of the model over the whole model, so that the masks of all classes sum to one.

    Args:
        waveform: ``[channels, samples]`` at `sample_rate`, as for `nmf.separate_components`.
        encoder: embeds the query and the labels.
        bases: `ClassBases.only` leaves those of known sources.

    Raises:
        ValueError: bad audio or query.

    Example:
        >>> from textsep_lab.encoders.registry import load_encoder
        >>> rng = np.random.default_rng(0)
        >>> bases = learn_bases({k: [rng.standard_normal(8000)] for k in ("dog", "sea_waves")}, 1)
        >>> noise, encoder = rng.standard_normal((1, 16000)), load_encoder("minilm-l6-int8")
        >>> estimate_class_mask(noise, 16000, "the ocean", encoder, bases).label
        'sea_waves'
    """
    query = clean_query(query)
    texts = [query, *(esc50.label_text(label) for label in bases.labels)]
    asked, *named = encoder.embed_text(texts)
    scores = np.stack(named) @ asked
    nearest = int(scores.argmax())
    _, magnitude = magnitude_at_16k(waveform, sample_rate)
    classes, freq, each = bases.bases.shape
    union = bases.bases.transpose(1, 0, 2).reshape(freq, classes * each)
    parts = fit_activations(magnitude, union, iterations)
    weights = np.repeat(np.eye(classes)[nearest], each)
    mask = torch.from_numpy(parts.mask(weights))[None]
    names = tuple(np.repeat(bases.labels, each).tolist())
    label = bases.labels[nearest]
    return NMFEstimate(query, mask, parts, np.repeat(scores, each), weights, names, label)
