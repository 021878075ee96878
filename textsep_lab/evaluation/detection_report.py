"""The report on detection: figures, tables and the words around them. Taught in notebook 07."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from textsep_lab import plots
from textsep_lab.data import esc50
from textsep_lab.detection.calibration import Calibration
from textsep_lab.detection.detector import HEARD, Detector
from textsep_lab.detection.similarity import compare
from textsep_lab.encoders.registry import load_joint_encoder
from textsep_lab.evaluation import detection
from textsep_lab.evaluation.detection_scenes import true_spans
from textsep_lab.evaluation.output import Report
from textsep_lab.separation import nmf
from textsep_lab.separation.separator import Separator, load_separator
from textsep_lab.signal import audio, metrics
from textsep_lab.signal.metrics import expected_calibration_error, wilson_interval
from textsep_lab.utils import paths

TEMPLATE = Path(__file__).with_name("detection_template.md")


def run(
    root: str | Path | None = None,
    fold: int = 4,
    encoder: str = "mini-clap",
    checkpoint: str | Path | None = None,
) -> tuple[Report, Calibration]:
    """Judge an encoder, and the separator's confidence, on a fold; return its new calibration, too.

    Args:
        root: data set in ESC-50's layout.
        encoder: a joint encoder.
        checkpoint: of the separator; None for the shipped one.

    Raises:
        FileNotFoundError: no data set or no checkpoint.
        ValueError: no such joint encoder.
    """
    joint_encoder, separator = load_joint_encoder(encoder), load_separator(checkpoint)
    table = esc50.read_table(root, [fold])
    scored = detection.score_scenes(table, joint_encoder)
    queries = detection.presence_queries(scored)
    said = f"fold {fold} of a data set in ESC-50's layout, {len(scored.mixtures)} mixtures"
    # The separator detects, too: with the new curves, as there may be no others yet.
    calibration = detection.calibrate(scored, queries, joint_encoder, said)
    detector = Detector(joint_encoder, calibration)
    separator = Separator(
        separator.network, separator.encoder, separator.info, detector, separator.classifier
    )
    queries["other_words"] = detection.in_paraphrases(scored, joint_encoder)
    queries["energy_share"] = detection.energy_shares(scored, separator)
    queries = queries.dropna().reset_index(drop=True)
    calibration = detection.with_confidence(calibration, queries, separator)
    top = detection.zero_shot(scored, table, joint_encoder)
    spans = detection.span_scores(scored, calibration.presence)
    present = queries["present"].to_numpy()
    features = detection.confidence_features(queries)
    queries["presence"] = detection.cross_fitted(features[:, :2], present, queries["group"])
    queries["confidence"] = detection.cross_fitted(features, present, queries["group"])
    pairs, truth, groups = detection.label_pairs(scored)
    probability = detection.cross_fitted(pairs, truth, groups)
    detector = Detector(joint_encoder, calibration)
    area, low, high = metrics.auroc(queries["confidence"], present)
    title = f"Confidence of {len(queries)} queries; AUROC {area:.3f} [{low:.3f}, {high:.3f}]"
    said_and_seen = {
        "Detection: is this label in it?": (probability, truth),
        "Confidence: is the query in it?": (queries["confidence"].to_numpy(), present),
    }
    figures = {
        "zero_shot": plots.zero_shot(top),
        "reliability": plots.calibration(said_and_seen),
        "presence": plots.presence(queries["confidence"].to_numpy(), present, title),
        **_demo_figures(detector),
    }
    alarms = detection.false_alarms(scored, detector)
    text = _text(scored, top, queries, (probability, truth), (spans, alarms), encoder, fold)
    tables = {"zero_shot": top, "presence": queries, "spans": spans}
    return Report("detection", text, figures, tables), calibration


def _demo_figures(detector: Detector) -> dict[str, Figure]:
    """Draw what is detected in the bundled mixture of a dog and rain, and its NMF components."""
    query = "dog barking"
    mixture, rate = audio.load(paths.demo_data_dir() / "mixture.wav")
    target, _ = audio.load(paths.demo_data_dir() / "target.wav")
    similarities = compare(mixture, rate, [query], detector.encoder)
    activity = detector.calibration.activity(similarities.frame_features(0))
    found = detector.spans(mixture, rate, query)
    components = nmf.separate_components(mixture, rate, query, detector.encoder)
    return {
        "spans": plots.spans(
            mixture, rate, query, true_spans(target[0]), found, activity, similarities.frame_hop
        ),
        "detections": plots.detections(mixture, rate, detector.detect(mixture, sample_rate=rate)),
        "nmf_components": plots.nmf_components(components),
    }


def _percent(hits: np.ndarray) -> str:
    low, high = wilson_interval(round(float(hits.sum())), len(hits))
    return f"{100 * hits.mean():.1f} % [{100 * low:.1f}, {100 * high:.1f}]"


def _level_db(share: pd.Series) -> float:
    return 10 * float(np.log10(max(share.median(), 1e-12)))


def _text(scored, top, queries, pairs, spans, encoder: str, fold: int) -> str:
    """Return the report in Markdown; every number in it comes from this run."""
    present = queries["present"].to_numpy()
    spans, alarms = spans
    areas = {
        name: "{:.3f} [{:.3f}, {:.3f}]".format(*metrics.auroc(queries[name], present))
        for name in ("energy_share", "presence", "other_words", "confidence")
    }
    errors = [
        expected_calibration_error(p, t)
        for p, t in (pairs, (queries["presence"], present), (queries["confidence"], present))
    ]
    there, absent = (queries.loc[present == k, "energy_share"] for k in (1, 0))
    span_rows = "\n".join(
        "| " + " | ".join([r["spans"], *(f"{x:.2f}" for x in list(r.values())[1:])]) + " |"
        for r in spans.to_dict("records")
    )
    return TEMPLATE.read_text(encoding="utf-8").format(
        encoder=encoder, fold=fold, clips=len(top), mixtures=len(scored.mixtures),
        labels=len(scored.labels), silent=len(top) - len(scored.clips),
        bare=_percent(top["bare"]), words=_percent(top["paraphrases"]),
        other=_percent(top["other words"]), precision=detection.mixture_precision(scored),
        pairs=len(pairs[0]), detection_ece=errors[0], queries=len(queries), areas=areas,
        presence_ece=errors[1], confidence_ece=errors[2], there_db=_level_db(there),
        absent_db=_level_db(absent), scenes=len(scored.onsets), spans=span_rows, heard=100 * HEARD,
        alarms=100 * alarms,
    )  # fmt: skip
