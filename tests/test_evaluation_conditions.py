"""The benchmark's further tables: the conditions are those they name, and are scored as said."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from textsep_lab.data import captions, esc50
from textsep_lab.data.mixtures import Mixture, render_sources
from textsep_lab.evaluation import conditions
from textsep_lab.evaluation.mixture_list import EvaluationMixture, MixtureList, load_mixture_list
from textsep_lab.separation.separator import Separator
from textsep_lab.signal import metrics
from textsep_lab.signal.timegate import gate

SCORES = ["si_sdri_db", "sdri_db", "output_level_db"]
COLUMNS = {
    "by_snr": ["mixture", "label", *SCORES, "snr_db"],
    "by_sources": ["mixture", "label", *SCORES, "sources"],
    "by_query": ["mixture", "label", "query_kind", *SCORES, "query"],
    "absent": ["mixture", "label", "query_kind", "query", "level_db", "confidence"],
    "confusable": ["pair", "mixture", "query_kind", "query", "level_db", "si_sdri_db"],
    "timed": [
        "mixture", "label", "si_sdri_db", "outside_error", "click_ratio", "click_ratio_no_fade"
    ],
}  # fmt: skip
ROWS_PER_SCENE = {"by_snr": 5, "by_sources": 3, "by_query": 4, "absent": 2, "timed": 1}


class Stand:
    """Stands in for a separator: `answer(mixture, query)` is its estimate; it notes its calls.

    It breaks the sample `broken`, if it is given one.
    """

    def __init__(self, answer, broken=None):
        self.answer, self.broken, self.asked = answer, broken, []

    def separate(self, recording, query, windows=None, fade=0.0, sample_rate=None):
        self.asked.append((recording, query))
        opening = gate(windows, len(recording), sample_rate, fade)
        output = recording - opening * (recording - self.answer(recording, query))
        if self.broken is not None:
            output[self.broken] += 0.25
        return SimpleNamespace(output=output[None], confidence=0.25)


@pytest.fixture(scope="module")
def separator(network, fake_encoder, detector):
    return Separator(network, fake_encoder, detector=detector)


@pytest.fixture(scope="module")
def scenes(dataset):
    return load_mixture_list(dataset, folds=(1, 2), limit=4)


@pytest.fixture
def alike(scenes, monkeypatch):
    """Pairs of the first scene's target: with what is beside it, and with what is not there."""
    target, beside = scenes[0].labels
    other = scenes.other_label(scenes[0])
    monkeypatch.setattr(conditions, "CONFUSABLE", ((target, beside), (other, target)))
    return target, beside, other


@pytest.mark.parametrize("name", COLUMNS)
def test_columns_rows_and_the_same_frame_again(name, separator, scenes, alike):
    few = MixtureList(scenes.clips, scenes.recipes[:2])
    first, again = (getattr(conditions, name)(separator, few) for _ in range(2))
    assert list(first.columns) == COLUMNS[name]
    assert len(first) == 2 * ROWS_PER_SCENE[name] if name in ROWS_PER_SCENE else len(first) >= 3
    assert first.notna().all(axis=None)
    pd.testing.assert_frame_equal(first, again)


def test_levels_are_what_they_say(scenes):
    stand = Stand(lambda mixture, query: mixture)
    frame = conditions.by_snr(stand, scenes)
    assert set(frame["snr_db"]) == {-10, -5, 0, 5, 10}
    for row, (mixture, query) in zip(frame.itertuples(), stand.asked, strict=True):
        target = scenes[row.mixture].truth.target
        level = metrics.level_db(target) - metrics.level_db(mixture - target)
        assert level == pytest.approx(row.snr_db, abs=0.01)
        assert query == esc50.label_text(row.label)
        assert row.si_sdri_db == 0


def test_sources_are_as_many_as_they_say_and_equally_loud(scenes):
    stand = Stand(lambda mixture, query: mixture)
    frame = conditions.by_sources(stand, scenes)
    for row, (mixture, _) in zip(frame.itertuples(), stand.asked, strict=True):
        scene = scenes.with_sources(row.sources)[row.mixture]
        sources = render_sources(scene.recipe, scenes.clips)
        assert len(sources) == len(set(scene.labels)) == row.sources
        assert np.ptp([metrics.level_db(source) for source in sources]) < 0.01
        np.testing.assert_allclose(mixture, sum(sources), atol=1e-5)
    assert sorted(set(frame["sources"])) == [2, 3, 4]


def test_queries_are_what_was_asked_and_held_out_ones_are_held_out(scenes):
    stand = Stand(lambda mixture, query: mixture)
    frame = conditions.by_query(stand, scenes)
    assert [query for _, query in stand.asked] == frame["query"].tolist()
    for row in frame.itertuples():
        text = esc50.label_text(row.label)
        allowed = {
            "label": {text},
            "label in a phrase": {phrase.format(text) for phrase in conditions.PHRASES},
            "held-out paraphrase": set(captions.for_label(row.label, "heldout")),
            "out-of-distribution paraphrase": set(captions.for_label(row.label, "ood")),
        }
        assert row.query in allowed[row.query_kind]
        assert (row.query in captions.for_label(row.label)) <= (row.query_kind == "label")


def test_every_paraphrase_and_phrase_gets_its_turn():
    drawn = {conditions.query_for("held-out paraphrase", "dog", n) for n in range(60)}
    assert drawn == set(captions.for_label("dog", "heldout"))
    drawn = {conditions.query_for("label in a phrase", "dog", n) for n in range(60)}
    assert len(drawn) == len(conditions.PHRASES)


def test_absent_asks_for_what_is_not_there_and_measures_against_the_mixture(scenes):
    loud = scenes[0].query
    stand = Stand(lambda mixture, query: mixture / 2 if query == loud else 0 * mixture)
    frame = conditions.absent(stand, scenes)
    for row in frame.itertuples():
        labels = map(esc50.label_text, scenes[row.mixture].labels)
        assert (row.query in labels) == (row.query_kind == "present")
        halved = -20 * np.log10(2) if row.query == loud else -np.inf
        assert row.level_db == pytest.approx(halved, abs=1e-6)
    assert (frame["confidence"] == 0.25).all()


def test_wrong_synonyms_are_not_there_and_scored_against_the_target(scenes, alike):
    target, _, other = (esc50.label_text(label) for label in alike)
    truth = scenes[0].truth
    # The right word does nothing, the wrong one finds the target, any other gives half of it.
    answers = {target: truth.mixture, other: truth.target}
    stand = Stand(lambda mixture, query: answers.get(query, truth.mixture / 2))
    frame = conditions.confusable(stand, MixtureList(scenes.clips, scenes.recipes[:1]))
    assert set(frame["pair"]) == {f"{target} / {other}"}  # the other pair's sound is there
    rows = frame.set_index("query_kind")
    assert list(rows.index) == ["true", "confusable", "unrelated"]
    assert rows.loc["true", "query"] == target and rows.loc["confusable", "query"] == other
    assert rows.loc["unrelated", "query"] not in map(esc50.label_text, alike)
    assert rows.loc["true", ["level_db", "si_sdri_db"]].tolist() == [0, 0]
    assert rows.loc["confusable", "si_sdri_db"] > 60
    assert rows.loc["unrelated", "level_db"] == pytest.approx(-6.02, abs=0.01)


def test_pairs_go_both_ways_and_no_label_is_asked_twice(scenes, monkeypatch):
    targets = sorted({scene.labels[0] for scene in scenes})
    monkeypatch.setattr(conditions, "CONFUSABLE", (tuple(targets[:2]), tuple(targets[1:3])))
    stand = Stand(lambda mixture, query: mixture)
    frame = conditions.confusable(stand, scenes)
    for first, second in [*conditions.CONFUSABLE, *(pair[::-1] for pair in conditions.CONFUSABLE)]:
        fit = [s.number for s in scenes if s.labels[0] == first and second not in s.labels]
        words = f"{esc50.label_text(first)} / {esc50.label_text(second)}"
        assert frame.loc[frame["pair"] == words, "mixture"].tolist() == list(np.repeat(fit, 3))
    assert len(set(frame["pair"])) > 1
    distinct = frame.drop_duplicates(["mixture", "query"])
    assert len(stand.asked) == len(distinct)


def test_every_confusable_label_exists_and_no_pair_comes_twice():
    known = set(captions.load()["label"])
    pairs = [frozenset(pair) for pair in conditions.CONFUSABLE]
    assert all(len(pair) == 2 and pair <= known for pair in pairs)
    assert len(set(pairs)) == len(pairs)


# Windows


@pytest.fixture
def hum():
    """A scene whose interferer is a hum: where it is switched off, it clicks."""
    time = np.arange(16000) / 16000
    target = (0.1 * np.sin(2 * np.pi * 330 * time)).astype(np.float32)
    interference = (0.1 * np.cos(2 * np.pi * 50 * time)).astype(np.float32)
    return EvaluationMixture(
        7, None, Mixture(target + interference, target, interference), ("dog", "engine")
    )


def test_a_window_is_scored_inside_without_its_fades(hum):
    stand = Stand(lambda mixture, query: hum.truth.target)
    row = conditions.timed(stand, [hum]).iloc[0]
    assert row["mixture"] == 7 and row["label"] == "dog"
    assert row["si_sdri_db"] > 60  # the hum outside or in the fades would leave some 20 dB
    assert row["outside_error"] == 0


@pytest.mark.parametrize(("sample", "error"), [(0, 0.25), (3999, 0.25), (4000, 0), (12000, 0.25)])
def test_a_change_outside_the_window_is_measured(hum, sample, error):
    stand = Stand(lambda mixture, query: mixture, sample)
    frame = conditions.timed(stand, [hum])
    assert frame["outside_error"].item() == pytest.approx(error, abs=1e-6)


def test_a_hard_cut_clicks_and_a_fade_does_not(hum):
    stand = Stand(lambda mixture, query: hum.truth.target)
    row = conditions.timed(stand, [hum]).iloc[0]
    assert row["click_ratio"] < 1.5
    assert row["click_ratio_no_fade"] > 10 * row["click_ratio"]


def test_a_click_anywhere_in_the_fade_counts(hum):
    mixture = hum.truth.mixture
    for place in (3990, 4500, 5000, 11000, 12010):
        clicked = mixture.copy()
        clicked[place] += 0.1
        assert conditions.click_ratio(clicked, mixture, (0.25, 0.75), 0.07) > 2
    assert np.isnan(conditions.click_ratio(mixture, 0 * mixture, (0.25, 0.75), 0.07))


def test_outside_the_window_our_output_is_the_mixture(separator, scenes):
    frame = conditions.timed(separator, scenes)
    assert (frame["outside_error"] == 0).all()


@pytest.mark.parametrize("fade", [-0.1, 1.3])
def test_an_impossible_fade_is_refused(separator, scenes, fade):
    with pytest.raises(ValueError, match="fade"):
        conditions.timed(separator, scenes, fade=fade)
