"""The report on the ears: figures, tables and the words around them. Taught in notebook 07."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from textsep_lab import (
    audio,
    esc50,
    hearing,
    hearing_plots,
    metrics,
    nmf,
    paths,
    plots,
    quickstart,
)
from textsep_lab.calibration import Calibration, expected_calibration_error
from textsep_lab.detection import Detector
from textsep_lab.embeddings import load_joint_encoder
from textsep_lab.hearing_data import true_spans
from textsep_lab.separation import Separator, load_separator
from textsep_lab.similarity import hear
from textsep_lab.wordings import wilson_interval

TEMPLATE = Path(__file__).with_name("hearing_template.md")


@dataclass(frozen=True)
class Report:
    """What a run found: the calibration, Markdown, figures by name, and tables by name."""

    calibration: Calibration
    text: str
    figures: dict[str, Figure]
    tables: dict[str, pd.DataFrame]

    def write(self, folder: str | Path) -> list[Path]:
        """Write ``hearing.md``, and figures and tables to ``hearing/``, replacing older ones."""
        folder = paths.make_folder(folder)
        files = [plots.write(f, folder / "hearing" / f"{n}.png") for n, f in self.figures.items()]
        texts = {folder / "hearing.md": self.text} | {
            folder / "hearing" / f"{name}.csv": table.round(4).to_csv(index=False)
            for name, table in self.tables.items()
        }
        for path, text in texts.items():
            with paths.atomic_write(path) as temporary:
                temporary.write_text(text, encoding="utf-8")
        return [folder / "hearing.md", *files, *list(texts)[1:]]


def run(
    root: str | Path | None = None,
    fold: int = 4,
    encoder: str = "mini-clap",
    checkpoint: str | Path | None = None,
) -> Report:
    """Judge an encoder, and the separator's confidence, on a fold.

    Args:
        root: data set in ESC-50's layout.
        encoder: a joint encoder.
        checkpoint: of the separator; None for the shipped one.

    Raises:
        FileNotFoundError: no data set or no checkpoint.
        ValueError: no such encoder, or one that cannot hear.
    """
    ears, separator = load_joint_encoder(encoder), load_separator(checkpoint)
    table = esc50.read_table(root, [fold])
    heard = hearing.listen_to(table, ears)
    queries = hearing.presence_queries(heard)
    said = f"fold {fold} of a data set in ESC-50's layout, {len(heard.mixtures)} mixtures"
    # The separator listens, too: with the new curves, as there may be no others yet.
    calibration = hearing.calibrate(heard, queries, ears, said)
    detector = Detector(ears, calibration)
    separator = Separator(
        separator.network, separator.encoder, separator.info, detector, separator.reader
    )
    queries["other_words"] = hearing.in_other_words(heard, ears)
    queries["energy_share"] = hearing.energy_shares(heard, separator)
    queries = queries.dropna().reset_index(drop=True)
    calibration = hearing.with_confidence(calibration, queries, separator)
    top = hearing.zero_shot(heard, table, ears)
    spans = hearing.span_scores(heard)
    present = queries["present"].to_numpy()
    features = hearing.confidence_features(queries)
    queries["presence"] = hearing.cross_fitted(features[:, :2], present, queries["group"])
    queries["confidence"] = hearing.cross_fitted(features, present, queries["group"])
    pairs, truth, groups = hearing.label_pairs(heard)
    probability = hearing.cross_fitted(pairs, truth, groups)
    detector = Detector(ears, calibration)
    area, low, high = metrics.auroc(queries["confidence"], present)
    title = f"Confidence of {len(queries)} queries; AUROC {area:.3f} [{low:.3f}, {high:.3f}]"
    said_and_seen = {
        "Detection: is this label in it?": (probability, truth),
        "Confidence: is the query in it?": (queries["confidence"].to_numpy(), present),
    }
    figures = {
        "zero_shot": hearing_plots.zero_shot(top),
        "reliability": hearing_plots.calibration(said_and_seen),
        "presence": hearing_plots.presence(queries["confidence"].to_numpy(), present, title),
        **_demo_figures(detector),
    }
    text = _text(heard, top, queries, (probability, truth), spans, encoder, fold)
    tables = {"zero_shot": top, "presence": queries, "spans": spans}
    return Report(calibration, text, figures, tables)


def _demo_figures(detector: Detector) -> dict[str, Figure]:
    """Draw what is heard in the bundled mixture of a dog and rain, and its NMF components."""
    query = quickstart.QUERY
    mixture, rate = audio.load(paths.demo_data_dir() / "mixture.wav")
    target, _ = audio.load(paths.demo_data_dir() / "target.wav")
    hears = hear(mixture, rate, [query], detector.encoder)
    activity = detector.calibration.activity(hears.frame_features[0])
    found = detector.spans(mixture, rate, query)
    components = nmf.estimate_mask(mixture, rate, query, detector.encoder)
    return {
        "spans": hearing_plots.spans(
            mixture, rate, query, true_spans(target[0]), found, activity, hears.frame_hop
        ),
        "detections": hearing_plots.detections(
            mixture, rate, detector.detect(mixture, sample_rate=rate)
        ),
        "nmf_components": plots.nmf_components(components),
    }


def _percent(hits: np.ndarray) -> str:
    low, high = wilson_interval(round(float(hits.sum())), len(hits))
    return f"{100 * hits.mean():.1f} % [{100 * low:.1f}, {100 * high:.1f}]"


def _level_db(share: pd.Series) -> float:
    return 10 * float(np.log10(max(share.median(), 1e-12)))


def _text(heard, top, queries, detection, spans, encoder: str, fold: int) -> str:
    """Return the report in Markdown; every number in it comes from this run."""
    present = queries["present"].to_numpy()
    areas = {
        name: "{:.3f} [{:.3f}, {:.3f}]".format(*metrics.auroc(queries[name], present))
        for name in ("energy_share", "presence", "other_words", "confidence")
    }
    errors = [
        expected_calibration_error(p, t)
        for p, t in (detection, (queries["presence"], present), (queries["confidence"], present))
    ]
    there, absent = (queries.loc[present == k, "energy_share"] for k in (1, 0))
    span_rows = "\n".join(
        "| " + " | ".join([r["spans"], *(f"{x:.2f}" for x in list(r.values())[1:])]) + " |"
        for r in spans.to_dict("records")
    )
    return TEMPLATE.read_text(encoding="utf-8").format(
        encoder=encoder, fold=fold, clips=len(top), mixtures=len(heard.mixtures),
        labels=len(heard.labels), silent=len(top) - len(heard.clips),
        bare=_percent(top["bare"]), words=_percent(top["wordings"]),
        other=_percent(top["other words"]), precision=hearing.mixture_precision(heard),
        pairs=len(detection[0]), detection_ece=errors[0], queries=len(queries), areas=areas,
        presence_ece=errors[1], confidence_ece=errors[2], there_db=_level_db(there),
        absent_db=_level_db(absent), scenes=len(heard.onsets), spans=span_rows,
    )  # fmt: skip
