"""Labelled folders in the report: which mixtures are made, and what the tables say of them."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import soundfile

from textsep_lab.data import esc50
from textsep_lab.data.recordings import read_recordings
from textsep_lab.evaluation import labelled_mixtures, labelled_report, real_recordings
from textsep_lab.evaluation import separation_report as bench
from textsep_lab.evaluation.labelled_mixtures import (
    MOST,
    SAMPLES,
    SHORTEST,
    everyday_groups,
    same_sound,
)
from textsep_lab.evaluation.labelled_report import LabelledLists
from textsep_lab.separation.separator import Separator
from textsep_lab.signal import metrics

HELD_OUT = ("drilling", "cat meowing", "gunshot")


@pytest.fixture(scope="module")
def folder(tmp_path_factory, table):
    """Clips of held-out and everyday labels, some of them not to be chosen."""
    folder = tmp_path_factory.mktemp("labelled") / "clips"
    folder.mkdir()
    shared = int(table.loc[table["category"] == "dog", "src_file"].iloc[0])
    rows = [(2.0, "drilling", f"drill {k // 2}") for k in range(2 * MOST + 4)]
    rows += [(7.0, "cat meowing", f"cat {k}") for k in range(2)]
    rows += [(1.5, "gunshot", f"freesound:{shared}"), (0.5, "gunshot", "too short")]
    rows += [(3.0, "birds in a tree", ""), (3.0, "trumpet fanfare", ""), (3.0, "kettle", "")]
    rng, lines = np.random.default_rng(0), ["file,label,source_id"]
    for k, (seconds, label, source) in enumerate(rows):
        sound = 0.1 * rng.standard_normal(round(16000 * seconds))
        soundfile.write(folder / f"{k:02d}.wav", sound, 16000)
        lines.append(f"{k:02d}.wav,{label},{source}")
    soundfile.write(folder / "silent.wav", np.zeros(32000), 16000)
    lines.append("silent.wav,gunshot,silent")
    (folder / "clips.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="module")
def lists(folder, dataset):
    return LabelledLists.read(folder, folder, dataset, folds=(1, 2))


def test_targets_are_held_out_recordings_and_interferers_of_the_fold(lists, dataset):
    scenes = lists.unseen
    fold = esc50.read_table(dataset, (1, 2)).set_index("filename")
    rows = scenes.clips.table.set_index("filename")
    counts = pd.Series([recipe.label for recipe in scenes.recipes]).value_counts()
    assert counts.to_dict() == {"drilling": MOST, "cat_meowing": 2, "gunshot": 1}
    targets = rows.loc[[recipe.sources[0] for recipe in scenes.recipes]]
    assert targets["src_file"].is_unique
    for scene in scenes:
        target, other = scene.recipe.sources
        assert other in fold.index and rows["src_file"][target] != rows["src_file"][other]
        assert not same_sound(*scene.labels)
        assert scene.query == esc50.label_text(scene.labels[0])
        assert scene.truth.mixture.shape == (SAMPLES,)
        level = metrics.level_db(scene.truth.target) - metrics.level_db(scene.truth.interference)
        assert level == pytest.approx(0, abs=0.01)


def test_a_short_target_lies_whole_in_silence(lists):
    places = set()
    for scene in lists.unseen:
        name = scene.recipe.sources[0]
        length, sound = lists.unseen.clips.length(name), scene.truth.target.nonzero()[0]
        assert SHORTEST <= length <= SAMPLES
        assert sound[-1] - sound[0] + 1 <= length  # in one piece, wrapped round nothing
        assert np.count_nonzero(scene.truth.target) > 0.98 * length
        places.add(int(sound[0]))
    assert len(places) > 3


def test_the_choice_is_the_same_again_and_a_limit_only_thins_it(lists, folder, dataset):
    again = LabelledLists.read(folder, None, dataset, folds=(1, 2)).unseen
    assert again.recipes == lists.unseen.recipes
    few = LabelledLists.read(folder, None, dataset, folds=(1, 2), limit=3).unseen
    assert len(few) == 3 and set(few.recipes) < set(again.recipes)


def test_everyday_scenes_are_of_their_groups(lists):
    labels = {recipe.label for recipe in lists.everyday.recipes}
    assert labels == {"birds_in_a_tree", "trumpet_fanfare"}
    assert everyday_groups(["Bird_vocalization", "kettle", "Car engine", "talking"]) == {
        "birds": ["Bird_vocalization"], "voices": ["talking"], "traffic": ["Car engine"]
    }  # fmt: skip


@pytest.mark.parametrize(
    ("label", "other", "alike"),
    [
        ("cat meowing", "cat", True),
        ("fireworks", "fireworks", True),
        ("Firework rocket", "fireworks", True),
        ("birds in a tree", "crow", True),
        ("police siren", "engine", True),
        ("children playing", "laughing", True),
        ("pig oinking", "rooster", False),
        ("drilling", "rain", False),
    ],
)
def test_what_means_the_same_is_not_mixed(label, other, alike):
    assert same_sound(label, other) is alike


def test_no_recording_that_fits_is_one_sentence(folder, dataset, table, tmp_path):
    (tmp_path / "a.wav").write_bytes((folder / "00.wav").read_bytes())
    (tmp_path / "clips.csv").write_text("file,label\na.wav,kettle\n")
    with pytest.raises(ValueError, match=r"no recording of 1 s or more") as caught:
        LabelledLists.read(tmp_path, None, dataset, folds=(1,))
    assert str(tmp_path) in str(caught.value) and "\n" not in str(caught.value)
    cats = table[table["category"] == "cat"]
    with pytest.raises(ValueError, match="no clip of another sound"):
        labelled_mixtures.labelled_mixtures(read_recordings(folder), cats, ["cat meowing"])
    with pytest.raises(ValueError, match="nothing to judge"):
        real_recordings.judge(None, read_recordings(folder).iloc[-1:])


class Halver:
    """Gives half of everything, and detects loudness."""

    def __init__(self):
        self.info = {"settings": {"without_labels": ["drilling", "gunshot"]}}
        self.asked = []

    detector = SimpleNamespace(
        presence=lambda waveform, rate, query: float(np.abs(waveform).max() > 0.3) / 2 + 0.25
    )

    def separate(self, recording, query, sample_rate):
        self.asked.append(query)
        return SimpleNamespace(output=recording[None] / 2)


def test_parts_are_judged_by_the_detector(folder):
    separator = Halver()
    rows = real_recordings.judge(separator, read_recordings(folder))
    assert len(rows) == MOST + 2 + 1 + 3
    assert rows["query"].tolist() == separator.asked
    assert rows["output_db"].to_numpy() == pytest.approx(-6.02, abs=0.01)
    assert (rows["input"] == 0.75).all()  # noise at 0.1 has peaks above 0.3, its half has none
    assert (rows["output"] == 0.25).all() and (rows["residual"] == 0.25).all()
    assert "| output | 0.25 [0.25, 0.25] | 10 |" in real_recordings.table(rows)
    assert len(real_recordings.judge(separator, read_recordings(folder), limit=2)) == 2


def test_the_section_says_what_was_found(lists):
    half = {
        "mixture (floor)": lambda scene: scene.truth.mixture,
        "ours": lambda scene: scene.truth.target + 0.1 * scene.truth.interference,
        "oracle": lambda scene: scene.truth.target + 0.01 * scene.truth.interference,
    }
    section = lists.judge(Halver(), half)
    assert set(section.tables) == {"unseen", "unseen_labels", "everyday", "recordings"}
    assert set(section.figures) == {"unseen_labels"}
    rows = section.tables["unseen"]
    assert len(rows) == 3 * len(lists.unseen)
    for row in rows.itertuples():
        assert lists.unseen.recipes[row.mixture].sources == (row.target, row.interferer)
        sound = lists.unseen[row.mixture].truth.target.nonzero()[0]
        assert 0 <= sound[0] - row.start < 10
    assert "| ours | 20.0" in section.text and "| mixture (floor) | 0.00" in section.text
    assert f"| drilling | {MOST} | 20." in section.text
    assert "| birds (1 mixtures) | 20.0" in section.text
    assert "does not say of 1 of these labels" in section.text  # cat meowing
    assert "{" not in section.text
    bars = section.figures["unseen_labels"].axes[0]
    assert all(text.get_text().endswith(")") for text in bars.get_yticklabels())
    widths = [bar.get_width() for bar in bars.patches]
    assert len(widths) == 3 and widths == sorted(widths)


def test_without_folders_nothing_is_added(dataset):
    section = LabelledLists.read(root=dataset, folds=(1,)).judge(Halver(), {})
    assert (section.text, section.tables, section.figures) == ("", {}, {})


@pytest.mark.parametrize("without", [["held-out"], ["Drilling", "cat_meowing", "gunshot"]])
def test_labels_that_the_sidecar_names_were_not_taught(without):
    labels = {label.replace(" ", "_") for label in HELD_OUT}
    said = labelled_report._taught(labels, {"settings": {"without_labels": without}})
    assert "all of them were left out" in said
    for info in ({}, {"settings": None}, {"settings": {"without_labels": []}}):
        assert "of 3 of these labels" in labelled_report._taught(labels, info)


def test_the_report_has_the_section_and_its_files(
    folder, dataset, make_network, fake_encoder, detector, monkeypatch, tmp_path
):
    separator = Separator(make_network(), fake_encoder, detector=detector)
    monkeypatch.setattr(bench, "load_separator", lambda _checkpoint: separator)
    report = bench.run(
        dataset, (1, 2), systems=("mixture",), limit=2, unseen=folder, recordings=folder
    )
    files = {path.name for path in report.write(tmp_path)}
    assert {"unseen.csv", "unseen_labels.csv", "everyday.csv", "recordings.csv",
            "unseen_labels.png"} <= files  # fmt: skip
    assert report.tables["summary"]["system"].tolist() == ["mixture (floor)"]
    systems = report.tables["unseen"]["system"].unique().tolist()
    assert systems == ["mixture (floor)", "ours", "oracle IRM, bins"]
    for title in ("Words that were not taught", "Everyday scenes", "Real recordings"):
        assert f"\n## {title}" in report.text


def test_a_missing_folder_is_known_before_the_work(dataset, monkeypatch, tmp_path):
    separator = SimpleNamespace(network=None)
    monkeypatch.setattr(bench, "load_separator", lambda _checkpoint: separator)
    for name in ("unseen", "recordings"):
        with pytest.raises(FileNotFoundError, match="found neither"):
            bench.run(dataset, (1, 2), limit=2, **{name: tmp_path})
