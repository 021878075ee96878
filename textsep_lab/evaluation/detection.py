"""Judging and calibrating a detector: zero-shot labels, presence and spans.

Taught in notebook 07.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from sklearn.metrics import average_precision_score
from sklearn.model_selection import GroupKFold
from tqdm import tqdm

from textsep_lab.data import captions, esc50
from textsep_lab.detection.calibration import Calibration, Logistic
from textsep_lab.detection.detector import HEARD, Detector, energy_feature
from textsep_lab.detection.similarity import Similarities, compare
from textsep_lab.detection.spans import activity_spans
from textsep_lab.encoders.base import JointEncoder
from textsep_lab.evaluation.detection_metrics import onset_f1, segment_f1
from textsep_lab.evaluation.detection_scenes import (
    SAMPLE_RATE,
    Scene,
    clip_scenes,
    mixture_scenes,
    onset_scenes,
)
from textsep_lab.separation.separator import Separator

SPLITS = 5  # a curve is judged on scenes it was not fitted to
TOLERANCES = (0.2, 0.5)  # seconds between a true and a predicted onset


@dataclass(frozen=True)
class ScoredScenes:
    """A fold with the similarities that one encoder finds.

    Args:
        labels: the fold's classes as words, L of them.
        clips, mixtures, onsets: pairs of scene and similarities to `labels`; silence is left
            out.
    """

    labels: list[str]
    clips: list[tuple[Scene, Similarities]]
    mixtures: list[tuple[Scene, Similarities]]
    onsets: list[tuple[Scene, Similarities]]


def score_scenes(table: pd.DataFrame, encoder: JointEncoder) -> ScoredScenes:
    """Compare all clips, mixtures and onset scenes of a table of `esc50.read_table` with labels."""
    labels = [esc50.label_text(x) for x in sorted(table["category"].unique())]
    kinds = []
    for make in (clip_scenes, mixture_scenes, onset_scenes):
        scenes = [scene for scene in make(table) if scene.waveform.any()]
        bar = tqdm(scenes, "comparing", unit="scene", delay=2)
        kinds.append([(s, compare(s.waveform[None], SAMPLE_RATE, labels, encoder)) for s in bar])
    return ScoredScenes(labels, *kinds)


def zero_shot(scored: ScoredScenes, table: pd.DataFrame, encoder: JointEncoder) -> pd.DataFrame:
    """Return, for every clip, whether its label is the most similar one (top 1).

    Columns label, bare (classes by name), paraphrases (by the mean of their training paraphrases),
    other words (mean over five held-out paraphrases, each standing for its class alone).
    """
    classes = sorted(table["category"].unique())
    prototypes = np.stack([encoder.embed_text(captions.for_label(x)).mean(0) for x in classes])
    other = [encoder.embed_text(captions.for_label(x, "heldout")) for x in classes]
    rows = []
    for scene, similarities in scored.clips:
        truth = scored.labels.index(scene.labels[0])
        sound = encoder.embed_audio(scene.waveform[None], SAMPLE_RATE)
        hits = [np.argmax([x[k % len(x)] @ sound for x in other]) == truth for k in range(5)]
        rows.append({
            "label": scene.labels[0],
            "bare": float(similarities.features[:, 0].argmax() == truth),
            "paraphrases": float((prototypes @ sound).argmax() == truth),
            "other words": float(np.mean(hits)),
        })  # fmt: skip
    return pd.DataFrame(rows)


def label_pairs(scored: ScoredScenes, kinds: Sequence[str] = ("clips", "mixtures")):
    """Return features ``[n, 2]``, truth ``[n]`` and groups ``[n]`` of every scene and label."""
    pairs = [pair for kind in kinds for pair in getattr(scored, kind)]
    features = np.concatenate([similarities.features for _, similarities in pairs])
    truth = np.concatenate([[x in scene.labels for x in scored.labels] for scene, _ in pairs])
    groups = np.repeat([scene.group for scene, _ in pairs], len(scored.labels))
    return features, truth.astype(int), groups


def mixture_precision(scored: ScoredScenes) -> float:
    """Return the mean over labels of the average precision on the mixtures."""
    features, truth, _ = label_pairs(scored, ("mixtures",))
    shape = (-1, len(scored.labels))
    return float(average_precision_score(truth.reshape(shape), features.sum(1).reshape(shape)))


def presence_queries(scored: ScoredScenes) -> pd.DataFrame:
    """Return two queries for every mixture, one that names its target and one that names nothing.

    Columns query, present (0 or 1), group, clip and strongest (similarities).
    """
    rows = []
    for scene, similarities in scored.mixtures:
        for query, present in zip(_asked(scene), (1, 0), strict=True):
            clip, strongest = similarities.features[scored.labels.index(query)]
            facts = {"clip": clip, "strongest": strongest}
            rows.append({"query": query, "present": present, "group": scene.group, **facts})
    return pd.DataFrame(rows)


def in_paraphrases(scored: ScoredScenes, encoder: JointEncoder) -> list[float]:
    """Return the sum of both similarities for `presence_queries`, asked in held-out paraphrases."""
    sums = []
    for number, (scene, _) in enumerate(tqdm(scored.mixtures, "asking", unit="mixture", delay=2)):
        known = (captions.for_label(x.replace(" ", "_"), "heldout") for x in _asked(scene))
        texts = [words[number % len(words)] for words in known]
        similarities = compare(scene.waveform[None], SAMPLE_RATE, texts, encoder)
        sums += similarities.features.sum(1).tolist()
    return sums


def _asked(scene: Scene) -> tuple[str, str]:
    return scene.labels[0], scene.absent


def energy_shares(scored: ScoredScenes, separator: Separator) -> list[float]:
    """Return the energy share of each of `presence_queries`; NaN for a silent mixture."""
    return [
        separator.energy_share(scene.waveform[None], SAMPLE_RATE, query)
        for scene, _ in tqdm(scored.mixtures, "separating", unit="mixture", delay=2)
        for query in _asked(scene)
    ]


def frame_pairs(scored: ScoredScenes):
    """Return features ``[n, 2]``, truth and groups of every frame of the onset scenes' targets."""
    features, truth, groups = [], [], []
    for scene, similarities in scored.onsets:
        own = similarities.frame_features(scored.labels.index(scene.labels[0]))
        time = (np.arange(len(own)) + 0.5) * similarities.frame_hop
        features.append(own)
        truth.append([any(start <= t < end for start, end in scene.spans) for t in time])
        groups.append(np.full(len(own), scene.group))
    return np.concatenate(features), np.concatenate(truth).astype(int), np.concatenate(groups)


def cross_fitted(features: np.ndarray, truth: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Return probabilities ``[n]``, each from a curve fitted without its Freesound id's scenes."""
    out = np.zeros(len(truth))
    for fit, judge in GroupKFold(SPLITS).split(features, truth, groups):
        out[judge] = Logistic.fit(features[fit], truth[fit])(features[judge])
    return out


def confidence_features(queries: pd.DataFrame) -> np.ndarray:
    """Return features ``[n, 3]``: both similarities, and the log of the energy share."""
    energy = [energy_feature(share) for share in queries["energy_share"]]
    return np.column_stack([queries[["clip", "strongest"]], energy])


def calibrate(
    scored: ScoredScenes, queries: pd.DataFrame, encoder: JointEncoder, said: str
) -> Calibration:
    """Fit a detector's curves to all scenes of a fold; `said` tells which, for the record."""
    features, truth, _ = label_pairs(scored)
    frames, active, _ = frame_pairs(scored)
    similarities = queries[["clip", "strongest"]].to_numpy()
    return Calibration(
        encoder=encoder.name,
        weights_sha256=getattr(encoder, "weights_sha256", None),
        detection=Logistic.fit(features, truth),
        presence=Logistic.fit(similarities, queries["present"].to_numpy()),
        activity=Logistic.fit(frames, active),
        confidence=None,
        separator_sha256=None,
        protocol=said,
    )


def with_confidence(
    calibration: Calibration, queries: pd.DataFrame, separator: Separator
) -> Calibration:
    """Fit the curve of detector and separator together, to `queries` with their energy_share."""
    curve = Logistic.fit(confidence_features(queries), queries["present"].to_numpy())
    return replace(calibration, confidence=curve, separator_sha256=separator.fingerprint)


def span_scores(scored: ScoredScenes, presence: Logistic) -> pd.DataFrame:
    """Return F1 of the predicted spans on the onset scenes.

    The curve is cross-fitted. Rows: predicted, given that the target is there; only where it is
    heard, see `Detector.spans`; and "always on", one span over the whole scene. Columns:
    segment_f1 (segments of 1 s, pooled), and onset_f1 at each of `TOLERANCES`.
    """
    features, truth, groups = frame_pairs(scored)
    probability, predicted, heard, start = cross_fitted(features, truth, groups), [], [], 0
    for scene, similarities in scored.onsets:
        hop, frames = similarities.frame_hop, similarities.frames.shape[1]
        active = probability[start : start + frames]
        there = presence(similarities.nearby(scored.labels.index(scene.labels[0]))) >= HEARD
        for spans, values in ((predicted, active), (heard, active * there)):
            spans.append(activity_spans(values, hop, similarities.duration))
        start += frames
    true = [scene.spans for scene, _ in scored.onsets]
    whole = [[(0.0, similarities.duration)] for _, similarities in scored.onsets]
    rows = []
    for name, found in (
        ("predicted spans", predicted), ("only where it is heard", heard), ("always on", whole),
    ):  # fmt: skip
        row = {"spans": name, "segment_f1": segment_f1(true, found, scored.onsets[0][1].duration)}
        rows.append(
            row | {f"onset_f1_{1000 * t:.0f}ms": onset_f1(true, found, t) for t in TOLERANCES}
        )
    return pd.DataFrame(rows)


def false_alarms(scored: ScoredScenes, detector: Detector) -> float:
    """Return the share of onset scenes where spans are found for a label that is not there."""
    found = [
        detector.active_spans(similarities, scored.labels.index(scene.absent))
        for scene, similarities in scored.onsets
    ]
    return float(np.mean([bool(spans) for spans in found]))
