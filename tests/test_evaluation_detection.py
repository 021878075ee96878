"""How a detector is judged: scores by hand, curves that never see what they judge, known onsets."""

import re
import sys
import types
import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from textsep_lab import plots
from textsep_lab.data import esc50
from textsep_lab.detection.calibration import Calibration, Logistic
from textsep_lab.detection.similarity import Similarities
from textsep_lab.evaluation import detection, detection_report, detection_scenes
from textsep_lab.evaluation.detection import cross_fitted
from textsep_lab.evaluation.detection_metrics import onset_f1, segment_f1
from textsep_lab.models import checkpoints
from textsep_lab.separation.separator import Separator
from textsep_lab.signal.metrics import auroc

QUICK = settings(max_examples=50, deadline=None)
FRAME = detection_scenes.TRUTH_FRAME


# Scores


@st.composite
def scenes(draw, most=4):
    """The spans of one to four scenes of 10 s: sorted, disjoint, maybe none."""
    edge = st.integers(0, 1000)
    out = []
    for _ in range(draw(st.integers(1, most))):
        edges = sorted(draw(st.lists(edge, max_size=8, unique=True)))
        out.append([(a / 100, b / 100) for a, b in zip(edges[::2], edges[1::2], strict=False)])
    return out


@pytest.mark.parametrize(
    ("true", "found", "f1"),
    [
        ([[(0, 3)]], [[(0, 3)]], 1.0),
        ([[(0, 3)]], [[(3, 9)]], 0.0),
        ([[(0, 3)]], [[]], 0.0),
        ([[]], [[(0, 1)]], 0.0),
        ([[(0.0, 2.0)]], [[(1.0, 3.0)]], 0.5),  # one segment shared, one missed, one too many
        ([[(1.0, 2.0)]], [[(1.4, 1.5)]], 1.0),  # anything of it in the segment counts
        ([[(1.0, 2.0)]], [[(2.0, 3.0)]], 0.0),  # touching is not being in it
        ([[(0, 2)], [(0, 2)]], [[(0, 2)], []], 2 / 3),  # pooled, not averaged
    ],
)
def test_segment_f1_by_hand(true, found, f1):
    assert segment_f1(true, found, 9.0) == pytest.approx(f1)


@pytest.mark.parametrize(
    ("true", "found", "f1"),
    [
        ([[(1.0, 2.0)]], [[(1.2, 9.0)]], 1.0),
        ([[(1.0, 2.0)]], [[(1.3, 2.0)]], 0.0),
        ([[(1.0, 2.0)]], [[]], 0.0),
        ([[(1.0, 2.0)]], [[(0.9, 1.0), (1.1, 2.0)]], 2 / 3),  # each onset is met once
        ([[(1.0, 1.05), (1.1, 2.0)]], [[(0.95, 1.0), (1.12, 2.0)]], 1.0),
        ([[(1.0, 2.0)], [(1.0, 2.0)]], [[(1.0, 2.0)], []], 2 / 3),
        ([[(1.0, 2.0)], []], [[], [(1.0, 2.0)]], 0.0),  # another scene's onset is no hit
    ],
)
def test_onset_f1_by_hand(true, found, f1):
    assert onset_f1(true, found, 0.2001) == pytest.approx(f1)


@QUICK
@given(scenes())
def test_a_perfect_prediction_scores_1(true):
    assume(any(true))
    assert segment_f1(true, true, 10.0) == 1
    assert onset_f1(true, true, 0.2) == 1


@QUICK
@given(st.data())
def test_scores_are_fractions_and_do_not_care_which_side_is_true(data):
    true = data.draw(scenes())
    found = [data.draw(scenes(most=1))[0] for _ in true]
    assert 0 <= segment_f1(true, found, 10.0) == segment_f1(found, true, 10.0) <= 1
    scores = [onset_f1(true, found, tolerance) for tolerance in (0.0, 0.2, 0.5, 10.0)]
    assert scores == [onset_f1(found, true, tolerance) for tolerance in (0.0, 0.2, 0.5, 10.0)]
    assert scores == sorted(scores) and scores[0] >= 0 and scores[-1] <= 1


@pytest.fixture(scope="module")
def sed_eval():
    """The field's toolbox. It imports, and never uses, what setuptools dropped in version 82."""
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its import only: it says \d where it means \\d
        patch.setitem(sys.modules, "pkg_resources", types.ModuleType("pkg_resources"))
        import sed_eval
    return sed_eval.sound_event


def pooled(judge, true, found, **how):
    """F1 by one of sed_eval's judges, who is shown one scene after the other."""
    for spans in zip(true, found, strict=True):
        judge.evaluate(
            *([{"event_label": "a", "onset": a, "offset": b} for a, b in x] for x in spans), **how
        )
    return judge.results_overall_metrics()["f_measure"]["f_measure"]


def random_scenes(rng, count):
    """Spans of scenes of 10 s, half of them on whole tenths; they may overlap, in any order."""
    out = []
    for events in rng.integers(0, 9, count):
        starts, lengths = rng.uniform(0, 8, events), rng.uniform(0.01, 2, events)
        if rng.random() < 0.5:  # onsets just as far apart as is tolerated, edges on a segment's
            starts, lengths = starts.round(1), lengths.round(1) + 0.1
        out.append(list(zip(starts.tolist(), (starts + lengths).tolist(), strict=True)))
    return out


@pytest.mark.parametrize("seed", range(40))
def test_f1_is_that_of_the_fields_toolbox(sed_eval, seed):
    rng = np.random.default_rng(seed)
    true, found = random_scenes(rng, 3), random_scenes(rng, 3)
    true[0] = found[1] = []  # one side of a scene may be empty
    true[2].append((1.0, 2.5))
    found[2].append((1.3, 2.0))
    judge = sed_eval.SegmentBasedMetrics(["a"], time_resolution=1.0)
    expected = pooled(judge, true, found, evaluated_length_seconds=10.0)
    assert 0 < segment_f1(true, found, 10.0) == pytest.approx(expected, abs=1e-12)
    for tolerance in detection.TOLERANCES:
        judge = sed_eval.EventBasedMetrics(["a"], evaluate_offset=False, t_collar=tolerance)
        expected = pooled(judge, true, found)
        assert onset_f1(true, found, tolerance) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("true", "found"), [([[]], [[]]), ([[(1.0, 2.0)]], [[]]), ([[]], [[(1.0, 2.0)]])]
)
def test_f1_is_0_where_the_fields_toolbox_does_not_define_it(sed_eval, true, found):
    segments = sed_eval.SegmentBasedMetrics(["a"], time_resolution=1.0)
    events = sed_eval.EventBasedMetrics(["a"], evaluate_offset=False, t_collar=0.2)
    assert np.isnan(pooled(segments, true, found, evaluated_length_seconds=10.0))
    assert np.isnan(pooled(events, true, found))
    assert segment_f1(true, found, 10.0) == onset_f1(true, found, 0.2) == 0


@QUICK
@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=40))
def test_the_area_is_sklearns_and_ties_count_half(pairs):
    score, truth = map(np.array, zip(*pairs, strict=True))
    assume(0 < truth.sum() < len(truth))
    area, low, high = auroc(score, truth, draws=40)
    assert area == pytest.approx(roc_auc_score(truth, score), abs=1e-12)
    assert 0 <= low <= high <= 1
    assert (area, low, high) == auroc(score, truth.astype(int), draws=40)  # seeded


def test_the_interval_holds_the_area_and_narrows_with_the_sample():
    rng = np.random.default_rng(0)
    widths = []
    for n in (50, 1000):
        truth = rng.random(n) < 0.5
        area, low, high = auroc(truth + rng.standard_normal(n), truth, draws=300)
        assert 0.5 < low < area < high < 1
        widths.append(high - low)
    assert widths[1] < widths[0] / 2


# Curves that never see what they judge


@pytest.fixture
def samples():
    rng = np.random.default_rng(0)
    features, groups = rng.standard_normal((400, 2)), rng.integers(0, 20, 400)
    truth = (features.sum(1) + rng.standard_normal(400) > 0).astype(int)
    return features, truth, groups


@pytest.mark.parametrize("group", [0, 7, 19])
def test_a_group_is_judged_by_curves_that_never_saw_it(samples, group):
    features, truth, groups = samples
    clean, own = cross_fitted(*samples), groups == group
    poisoned_truth = np.where(own, 1 - truth, truth)
    lied = cross_fitted(features, poisoned_truth, groups)
    np.testing.assert_array_equal(lied[own], clean[own])
    assert np.abs(lied - clean).max() > 1e-3  # the others' curves did learn from it
    poisoned_features = np.where(own[:, None], 1000.0, features)
    shifted = cross_fitted(poisoned_features, truth, groups)
    unchanged = np.isclose(shifted, clean, atol=1e-12) & ~own
    assert unchanged.any() and not unchanged[~own].all()


def test_cross_fitted_probabilities_are_probabilities_that_tell_something(samples):
    _, truth, _ = samples
    probability = cross_fitted(*samples)
    assert ((probability > 0) & (probability < 1)).all()
    assert roc_auc_score(truth, probability) > 0.8


# Scenes


@pytest.fixture(scope="module")
def fold(table):
    return table[table["fold"] == 4]


@pytest.mark.parametrize("kind", ["clip_scenes", "mixture_scenes", "onset_scenes"])
def test_what_is_said_to_be_in_a_scene_is_and_the_absent_label_is_not(fold, kind):
    scenes_ = getattr(detection_scenes, kind)(fold)
    labels = {esc50.label_text(x) for x in fold["category"]}
    categories = {row.src_file: esc50.label_text(row.category) for row in fold.itertuples()}
    assert len(scenes_) == len(fold)
    assert sorted(scene.group for scene in scenes_) == sorted(fold["src_file"])
    for scene in scenes_:
        assert scene.labels[0] == categories[scene.group]
        assert len(set(scene.labels)) == (1 if kind == "clip_scenes" else 2)
        assert scene.absent in labels - set(scene.labels)
        seconds = 10 if kind == "onset_scenes" else 5
        assert scene.waveform.shape == (seconds * 16000,)
        assert scene.waveform.dtype == np.float32


@pytest.mark.parametrize("kind", ["clip_scenes", "mixture_scenes", "onset_scenes"])
def test_scenes_are_the_same_every_time(fold, kind):
    first, second = (getattr(detection_scenes, kind)(fold) for _ in range(2))
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a.waveform, b.waveform)
        assert (a.labels, a.absent, a.group, a.spans) == (b.labels, b.absent, b.group, b.spans)


def test_the_true_spans_lie_where_the_target_was_set(fold, monkeypatch):
    whole = detection_scenes.onset_scenes(fold)
    monkeypatch.setattr(detection_scenes, "scale_to_snr", lambda under, *_: np.zeros_like(under))
    alone = detection_scenes.onset_scenes(fold)
    for scene, mixed in zip(alone, whole, strict=True):
        assert scene.spans == mixed.spans and scene.spans
        energy = np.square(scene.waveform, dtype=np.float64).reshape(-1, FRAME).sum(1)
        middle = (np.arange(len(energy)) + 0.5) * FRAME / 16000
        inside = np.any([(a <= middle) & (middle < b) for a, b in scene.spans], axis=0)
        assert energy[inside].sum() > 0.95 * energy.sum() > 0
        assert energy[~inside].max() <= 1e-3 * energy.max()
        set_ = np.flatnonzero(scene.waveform)
        start, end = scene.spans[0][0], scene.spans[-1][1]
        assert set_[0] / 16000 - 0.02 <= start < end <= set_[-1] / 16000 + 0.0201
        assert 0 < end - start <= 3.03
        gaps = [b[0] - a[1] for a, b in zip(scene.spans, scene.spans[1:], strict=False)]
        assert all(gap > detection_scenes.TRUTH_GAP - 1e-9 for gap in gaps)


def test_the_target_is_as_loud_as_what_it_lies_on(fold, monkeypatch):
    whole = detection_scenes.onset_scenes(fold)
    asked = []
    monkeypatch.setattr(
        detection_scenes, "scale_to_snr", lambda under, x, db: asked.append(len(x)) or 0 * under
    )
    for scene, mixed, length in zip(detection_scenes.onset_scenes(fold), whole, asked, strict=True):
        power = np.sum(np.square(scene.waveform, dtype=np.float64)) / length
        under = np.mean(np.square(mixed.waveform - scene.waveform, dtype=np.float64))
        assert 10 * np.log10(power / under) == pytest.approx(0, abs=0.5)  # its edges are faded


@pytest.mark.parametrize(
    ("events", "spans"),
    [
        ([(1.0, 1.5)], [(1.0, 1.5)]),
        ([(1.0, 1.5), (1.7, 2.0)], [(1.0, 2.0)]),  # a pause of 0.2 s belongs to the event
        ([(1.0, 1.5), (1.9, 2.1)], [(1.0, 1.5), (1.9, 2.1)]),
        ([], []),
    ],
)
def test_true_spans_by_hand(tones, events, spans):
    target = tones(3.0, *[("high", *event) for event in events])[0]
    found = detection_scenes.true_spans(target)
    np.testing.assert_allclose(np.array(found).reshape(-1, 2), np.reshape(spans, (-1, 2)))


# Queries and curves


class Judge:
    """Takes a share of the mixture for every query, as its words are long."""

    def __init__(self):
        self.fingerprint = "f00d"

    def energy_share(self, waveform, sample_rate, query):
        return len(query) / 100


@pytest.fixture(scope="module")
def scored(fold, detector):
    return detection.score_scenes(fold, detector.encoder)


def test_everything_is_compared_with_every_label(scored, fold):
    assert scored.labels == [esc50.label_text(x) for x in sorted(fold["category"].unique())]
    for pairs in (scored.clips, scored.mixtures, scored.onsets):
        assert len(pairs) == len(fold)
        assert all(found.features.shape == (6, 2) for _, found in pairs)
    assert {found.duration for _, found in scored.onsets} == {10.0}


def test_every_mixture_is_asked_for_what_is_there_and_for_what_is_not(scored):
    queries = detection.presence_queries(scored)
    queries["energy_share"] = detection.energy_shares(scored, Judge())
    assert (queries["energy_share"] == queries["query"].str.len() / 100).all()
    assert queries["present"].sum() * 2 == len(queries) == 2 * len(scored.mixtures)
    for group, pair in queries.groupby("group"):
        scene = next(scene for scene, _ in scored.mixtures if scene.group == group)
        assert pair.set_index("present")["query"].to_dict() == {1: scene.labels[0], 0: scene.absent}
    features = detection.confidence_features(queries)
    assert features.shape == (len(queries), 3) and np.isfinite(features).all()


def test_labels_and_frames_are_counted_once_with_their_truth(scored):
    features, truth, groups = detection.label_pairs(scored)
    assert features.shape == (12 * 6, 2) and len(groups) == len(truth) == 72
    assert truth.sum() == 6 * 1 + 6 * 2
    frames, active, groups = detection.frame_pairs(scored)
    assert frames.shape == (600, 5) and len(groups) == len(active) == 600
    seconds = sum(b - a for scene, _ in scored.onsets for a, b in scene.spans)
    assert active.sum() * 0.1 == pytest.approx(seconds, abs=0.1 * sum(
        len(scene.spans) for scene, _ in scored.onsets))  # fmt: skip


def test_a_calibration_knows_whose_it_is(scored, detector):
    queries = detection.presence_queries(scored)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        joint_encoder = detection.calibrate(scored, queries, detector.encoder, "six classes")
        queries["energy_share"] = detection.energy_shares(scored, Judge())
        both = detection.with_confidence(joint_encoder, queries, Judge())
    assert isinstance(joint_encoder, Calibration)
    assert (joint_encoder.encoder, joint_encoder.weights_sha256) == (detector.encoder.name, None)
    assert (joint_encoder.confidence, joint_encoder.separator_sha256) == (None, None)
    assert joint_encoder.protocol == "six classes"
    sizes = [len(getattr(joint_encoder, x).weights) for x in ("detection", "presence", "activity")]
    assert sizes == [2, 2, 5] and len(both.confidence.weights) == 3
    assert both.separator_sha256 == "f00d"
    assert replace(both, confidence=None, separator_sha256=None) == joint_encoder


def scene(label, group, spans):
    return detection_scenes.Scene(np.ones(160000, np.float32), (label, "b"), "b", group, spans)


def perfect_similarities(spans):
    time = np.arange(100) / 10
    frames = np.array([[any(a <= t < b for a, b in spans) for t in time]], np.float32)
    return Similarities(np.ones((1, 1, 2)), np.zeros(1, int), np.full(1, 100), frames, 0.1, 10.0)


def test_similarities_that_are_the_truth_predict_its_spans():
    truth = [((k / 2, k / 2 + 1.5),) for k in range(10)]
    pairs = [(scene("a", k, spans), perfect_similarities(spans)) for k, spans in enumerate(truth)]
    scores = detection.span_scores(
        detection.ScoredScenes(["a"], [], [], pairs), Logistic((1.0, 1.0), 0.0)
    ).set_index("spans")
    assert (scores.loc["predicted spans"] == 1).all()
    assert (scores.loc["always on"] < 0.5).all()


# Figures


TABLE = pd.DataFrame(
    [("dog", 0.9, 0.0, 1.0), ("dog", 0.9, 1.5, 2.0), ("costs $5 or $^_{", 0.2, 0.0, 2.0)],
    columns=["label", "probability", "start", "end"],
)
WAVE = np.random.default_rng(0).standard_normal((2, 32000)).astype(np.float32)
ACTIVITY = np.linspace(0, 1, 20)
SOME = np.linspace(0, 1, 30)
FIGURES = {
    "zero_shot": (1, lambda: plots.zero_shot(
        pd.DataFrame({"label": ["dog", "dog", "rain"], "bare": [1.0, 0.0, 1.0]}))),
    "calibration": (2, lambda: plots.calibration(
        {"a": (SOME, SOME > 0.5), "b": (SOME[:1], SOME[:1])})),
    "one calibration": (1, lambda: plots.calibration({"a": (SOME, SOME > 0.2)})),
    "presence": (1, lambda: plots.presence(SOME, (SOME > 0.5).astype(int), "Title")),
    "spans": (2, lambda: plots.spans(
        WAVE, 16000, "a $ dog", [(0.5, 1)], [(0.4, 1.1), (1.5, 2)], ACTIVITY, 0.1)),
    "no spans": (2, lambda: plots.spans(WAVE, 16000, "dog", [], [], ACTIVITY, 0.1)),
    "detections": (2, lambda: plots.detections(WAVE, 16000, TABLE)),
    "detections of silence": (2, lambda: plots.detections(
        0 * WAVE, 16000, TABLE[:1].replace("dog", "silence"))),
}  # fmt: skip


@pytest.mark.parametrize(("axes", "draw"), FIGURES.values(), ids=FIGURES)
def test_figures_are_drawn_without_a_warning(axes, draw, tmp_path):
    figure = draw()
    assert len(figure.axes) == axes
    assert plots.write(figure, tmp_path / "figure.png").stat().st_size > 5000


def test_a_bar_stands_where_its_sound_is_detected():
    axis = plots.detections(WAVE, 16000, TABLE).axes[1]
    bars = [path.get_extents() for bar in axis.collections for path in bar.get_paths()]
    assert [(bar.x0, bar.x1) for bar in bars] == [(0, 1), (1.5, 2), (0, 2)]
    assert [round((bar.y0 + bar.y1) / 2) for bar in bars] == [0, 0, 1]
    assert axis.get_xlim() == (0, 2)
    names = [text.get_text() for text in axis.get_yticklabels()]
    assert names == ["dog  90 %", "costs $5 or $^_{  20 %"]


# The report


@pytest.fixture(scope="module")
def judged(dataset, network, fake_encoder, detector):
    """A whole run with a cheap encoder and a tiny separator, and no calibration to begin with."""
    separator = Separator(network, fake_encoder, {"sha256": "f00d"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(detection_report, "load_joint_encoder", lambda name: detector.encoder)
        patch.setattr(detection_report, "load_separator", lambda path: separator)
        patch.setattr("textsep_lab.separation.separator.load_detector", None)  # there is none yet
        return detection_report.run(dataset, 4, "tone-frames")


@pytest.fixture(scope="module")
def report(judged):
    return judged[0]


def test_the_report_holds_every_table_and_every_picture(report, tmp_path):
    files = report.write(tmp_path / "reports")
    assert all(path.is_file() and path.stat().st_size > 0 for path in files)
    text = (tmp_path / "reports" / "detection.md").read_text(encoding="utf-8")
    assert text == report.text and "{" not in text and "nan" not in text.lower().split()
    linked = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", text)
    assert {f"{name}.png" for name in report.figures} == set(linked)
    assert all((tmp_path / "reports" / link).is_file() for link in linked)
    for name in ("zero_shot", "presence", "spans"):
        assert (tmp_path / "reports" / f"{name}.csv") in files
    for said in report.tables["spans"]["spans"]:
        assert f"| {said} | " in text
    assert report.write(tmp_path / "reports") == files  # again, over the old one


def test_the_tables_of_the_report_are_what_was_asked_for(report):
    sizes = {name: len(table) for name, table in report.tables.items()}
    assert sizes == {"zero_shot": 6, "presence": 12, "spans": 3}
    queries = report.tables["presence"]
    assert queries["present"].mean() == 0.5
    assert queries["presence"].between(0, 1).all() and queries["confidence"].between(0, 1).all()
    assert queries["energy_share"].between(0, 1.5).all()
    assert queries["energy_share"].nunique() > 6  # each was asked of the separator


def test_the_calibration_of_the_report_is_the_encoders_and_survives_the_disk(judged, tmp_path):
    calibration = judged[1]
    path = calibration.save(tmp_path / "calibration.json")
    assert Calibration.load(path) == calibration
    assert calibration.encoder == "tone-frames"
    assert "fold 4" in calibration.protocol
    assert calibration.separator_sha256 == checkpoints.fingerprint({"sha256": "f00d"})
