"""Folders of labelled clips: read like ESC-50, mixed like ESC-50, and refused in one sentence."""

import dataclasses
import os

import numpy as np
import pandas as pd
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from textsep_lab.data import captions, manifests, vocabulary
from textsep_lab.data.labelled_clips import read_labelled, source_number
from textsep_lab.data.mixtures import Clips, render
from textsep_lab.data.recordings import read_recordings, read_several
from textsep_lab.data.sampling import RecipeSampler, evaluation_recipes, recording_weights
from textsep_lab.training.config import SeparatorSettings
from textsep_lab.training.separator_data import (
    TrainingData,
    clips_per_epoch,
    protocol,
    training_queries,
    training_table,
)

HEADER = "file,label,source_id,licence,credit\n"
ROWS = [
    ("deep/dog 1.wav", "Dog barking", "freesound:1000000"),
    ("deep/dog 2.wav", "dog  barking", "freesound:1000000"),
    ("rain.wav", "rain", "phone take 1"),
    ("sea.wav", "sea_waves", ""),
    ("hum.wav", "mains hum, 50 Hz/60 Hz", ""),
    ("drill.wav", "drilling", ""),
]


def make_folder(folder, rows=ROWS, header=HEADER, rate=16000):
    """Write noise of 0.05 s to 2 s and the table; return the folder."""
    rng = np.random.default_rng(0)
    for k, (file, *_) in enumerate(rows):
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        noise = 0.1 * rng.standard_normal(round(rate * (0.05, 0.3, 2.0)[k % 3]))
        soundfile.write(folder / file, noise, rate)
    lines = [f'{file},"{label}",{source},CC0,"Me, 2020"\n' for file, label, source in rows]
    (folder / "clips.csv").write_text(header + "".join(lines), encoding="utf-8")
    return folder


@pytest.fixture
def folder(tmp_path):
    return make_folder(tmp_path / "mine")


def test_a_folder_is_read_like_esc50(folder):
    table = read_labelled(folder)
    assert list(table.columns) == ["filename", "category", "src_file", "path"]
    assert table["filename"].is_monotonic_increasing and len(table) == 6
    assert all(soundfile.info(path).frames for path in table["path"])
    rows = table.set_index("filename")
    dog = rows.loc["mine/deep/dog 1.wav"]
    assert (dog["category"], dog["src_file"]) == ("dog_barking", 1000000)
    assert rows["category"]["mine/sea.wav"] == "sea_waves"
    assert rows["category"]["mine/hum.wav"] == "mains_hum,_50_hz/60_hz"
    assert rows["src_file"].dtype == np.int64
    assert rows["src_file"].nunique() == 5  # no id: a recording of its own
    assert rows["src_file"]["mine/rain.wav"] == source_number("phone take 1") < 0


def test_labels_are_compared_as_words(folder):
    for asked in ("Sea waves", ["sea_waves"], ["SEA  WAVES"]):
        assert read_labelled(folder, labels=asked)["filename"].tolist() == ["mine/sea.wav"]
    some = read_labelled(folder, without=["Dog_barking", "never heard of", "held-out"])
    assert set(some["category"]) == {"rain", "sea_waves", "mains_hum,_50_hz/60_hz"}
    with pytest.raises(ValueError, match=r"no category 'cat'; valid are .*rain"):
        read_labelled(folder, labels=["cat"])
    with pytest.raises(ValueError, match=r"no clip is left"):
        read_labelled(folder, labels=["rain"], without=["rain"])


@pytest.mark.parametrize("further", ["sea_waves;rain", "Rain;sea waves", "x; heavy rain ;y"])
def test_what_is_heard_besides_the_label_is_left_out_too(folder, further):
    csv = folder / "clips.csv"
    head, *rows = csv.read_text(encoding="utf-8").splitlines()
    lines = [f"{head},labels", *(f"{row}," for row in rows[:-1]), f"{rows[-1]},{further}"]
    csv.write_text("\n".join(lines) + "\n", encoding="utf-8")
    last = f"mine/{rows[-1].split(',')[0]}"
    assert last in set(read_labelled(folder)["filename"])
    left = read_labelled(folder, without=["rain"])
    assert last not in set(left["filename"]) and "rain" not in set(left["category"])


def test_a_table_that_a_spreadsheet_wrote_is_read(folder):
    csv = folder / "clips.csv"
    csv.write_bytes(b"\xef\xbb\xbf" + csv.read_bytes().replace(b"\n", b"\r\n"))
    assert len(read_labelled(folder)) == 6


@pytest.mark.parametrize("label", ["NA", "null", "nan", "7", "ship's bell", "Hund; Katze"])
def test_odd_words_are_labels_too(tmp_path, label):
    make_folder(tmp_path / "x", [("a.wav", label, "")])
    assert read_labelled(tmp_path / "x")["category"][0] == vocabulary.category(label)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("file,label", "name,label", "no column file"),
        ("label", "kind", "no column label"),
        ("rain.wav", "/etc/passwd", "not a plain path inside the folder"),
        ("rain.wav", "../rain.wav", "not a plain path"),
        ("rain.wav", "deep/../rain.wav", "not a plain path"),
        ("rain.wav", "deep//rain.wav", "not a plain path"),
        ("rain.wav", "./rain.wav", "not a plain path"),
        ("rain.wav", "deep\\rain.wav", "not a plain path"),
        ("rain.wav", "C:rain.wav", "not a plain path"),
        ("rain.wav", "rain.wav;sea.wav", "not a plain path"),
        ("rain.wav", "sea.wav", "two rows are about 'sea.wav'"),
        ("rain.wav", "", "empty cells"),
        ("drilling", "", "empty cells"),
        ("drilling", "  ", "the label '  ' is none"),
        ("drilling", "_-_", "the label '_-_' is none"),
        ("drilling", "a\nb", "the label 'a\\\\nb' is none"),
        ("drilling", "a\x1bb", "is none"),
        ("drilling", "a" * 101, "is none"),
        ("CC0", "C,C,0", "every row has more cells than there are columns"),
        ('"rain"', '"rain","sun"', "not a readable table"),
    ],
)
def test_a_hostile_table_is_one_sentence_that_names_it(folder, old, new, words):
    csv = folder / "clips.csv"
    csv.write_text(csv.read_text().replace(old, new))
    with pytest.raises(ValueError, match=words) as caught:
        read_labelled(folder)
    assert "clips.csv" in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"\n\n", HEADER.encode(), b"\xff\xfe\x00junk", b"\x00"])
def test_a_table_without_rows_is_one_sentence(folder, content):
    (folder / "clips.csv").write_bytes(content)
    with pytest.raises(ValueError, match=r"clips\.csv") as caught:
        read_labelled(folder)
    assert "\n" not in str(caught.value)


def test_missing_recordings_are_counted(folder):
    (folder / "rain.wav").unlink()
    (folder / "sea.wav").unlink()
    (folder / "sea.wav").mkdir()
    with pytest.raises(FileNotFoundError, match=r"rain\.wav: .* but not on disk \(2 of 6"):
        read_labelled(folder)


def test_a_link_may_not_leave_the_folder(folder, tmp_path):
    rain = folder / "rain.wav"
    rain.rename(tmp_path / "outside.wav")
    for target in (tmp_path / "outside.wav", "../outside.wav", "/dev/zero", "rain.wav"):
        rain.symlink_to(target)
        inside = target == "rain.wav"  # a link to itself: inside, but no recording
        with pytest.raises(FileNotFoundError if inside else ValueError, match=r"rain\.wav"):
            read_labelled(folder)
        rain.unlink()
    rain.symlink_to("deep/dog 1.wav")
    assert len(read_labelled(folder)) == 6
    (tmp_path / "mine 2").mkdir()  # a folder whose name begins alike is outside, too
    (tmp_path / "outside.wav").rename(tmp_path / "mine 2" / "rain.wav")
    rain.unlink()
    rain.symlink_to(tmp_path / "mine 2" / "rain.wav")
    with pytest.raises(ValueError, match="leaves"):
        read_labelled(folder)


def test_recordings_are_numbered_alike_everywhere():
    assert source_number("freesound:1234") == source_number(" Freesound: 1234") == 1234
    others = ["1234", "freesound:x", "freesound:", "freesound:" + "9" * 40, "donateacry:1234"]
    numbers = [source_number(other) for other in others]
    assert len(set(numbers)) == len(others) and max(numbers) < 0
    assert min(numbers) >= -(2**56)
    assert numbers == [source_number(other) for other in others]


# One way to read any data set


def test_the_layout_is_found_out(folder, dataset, tmp_path):
    assert read_recordings(folder).equals(read_labelled(folder))
    table = read_recordings(dataset, without=["cat", "clock tick"])
    assert list(table.columns) == ["filename", "category", "src_file", "path"]
    assert set(table["category"]) == {"car_horn", "dog", "rain", "siren"}
    assert table["filename"].str.startswith("sounds/").all()
    with pytest.raises(FileNotFoundError, match=r"clips\.csv.*esc50\.csv.*neither") as caught:
        read_recordings(tmp_path)
    assert "\n" not in str(caught.value)


def test_sets_may_hold_files_of_one_name(tmp_path):
    places = [make_folder(tmp_path / x / "train") for x in "ab"]
    table = read_several(places)
    assert len(Clips(table)) == 12
    assert {name.split("/")[0] for name in table["filename"]} == {"train", "train 2"}
    dogs = table.loc[table["category"] == "dog_barking", "src_file"]
    assert (dogs == 1000000).all()
    with pytest.raises(ValueError, match="given twice"):
        read_several([places[0], tmp_path / "b" / ".." / "a" / "train"])
    assert read_several([]).empty


# Mixing


def test_a_folder_can_be_mixed(folder, dataset, tmp_path):
    table = read_several([folder, dataset])
    clips, rows = Clips(table), table.set_index("filename")
    sampler = RecipeSampler(clips, 4000, same_class_share=0.5)
    recipes = [sampler(np.random.default_rng(i)) for i in range(150)]
    for recipe in recipes:
        names = [*recipe.sources, *filter(None, recipe.same_class)]
        assert rows.loc[names, "src_file"].is_unique
        labels = [*rows.loc[[*recipe.sources], "category"]]
        assert not {"dog", "dog_barking"} <= set(labels)
        assert np.isfinite(render(recipe, clips).mixture).all()
    assert any(recipe.label == "dog_barking" for recipe in recipes)
    assert manifests.read_manifest(manifests.write_manifest(recipes, tmp_path / "m.csv")) == recipes
    assert len(evaluation_recipes(table)) == len(table)


@settings(max_examples=25, deadline=None)
@given(lengths=st.lists(st.integers(1, 3000), min_size=4, max_size=4), seed=st.integers(0, 99))
def test_short_and_silent_clips_do_not_stop_the_sampler(lengths, seed):
    names = ["a", "b", "c", "d"]
    table = pd.DataFrame({"filename": names, "category": names, "src_file": range(4), "path": ""})
    clips = Clips(table)
    values = (0.0, 0.0, 1.0, 1.0)
    clips._read = {
        x: np.full(n, value, np.float32) for x, n, value in zip(names, lengths, values, strict=True)
    }
    out = render(RecipeSampler(clips, 1600)(np.random.default_rng(seed)), clips)
    assert out.mixture.shape == (1600,) and np.isfinite(out.mixture).all()


def test_many_clips_of_one_recording_are_not_heard_more_often():
    rows = [("dog", 1)] * 60 + [("dog", k) for k in range(2, 5)] + [("cat", 9)] * 5
    table = pd.DataFrame(rows, columns=["category", "src_file"])
    table["weight"] = recording_weights(table)
    labels = table.groupby("category")["weight"].sum()
    assert labels["dog"] == pytest.approx(2 * labels["cat"])  # √4 recordings to √1
    recordings = table[table["category"] == "dog"].groupby("src_file")["weight"].sum()
    assert recordings.to_numpy() == pytest.approx(recordings.iloc[0])


@pytest.mark.parametrize(
    ("first", "second", "alike"),
    [
        ("dog", "dog barking", True),
        ("sea_waves", "Sea waves", True),
        ("crying_baby", "baby crying", True),
        ("rain", "train", False),
        ("car horn", "car engine", False),
        ("footstep in snow", "footsteps", True),
        ("ship's bell", "bell", True),
        ("glass", "glasses", False),
        ("as", "a", False),
    ],
)
def test_which_labels_may_be_one_sound(first, second, alike):
    assert vocabulary.may_be_the_same(first, second) is alike
    assert vocabulary.may_be_the_same(second, first) is alike


def test_no_two_classes_of_the_kit_are_one_sound():
    labels = captions.labels()
    alike = [(a, b) for a in labels for b in labels if vocabulary.may_be_the_same(a, b)]
    assert alike == [(a, a) for a in labels]


# Training on several sets


@pytest.fixture
def plan(dataset, folder):
    return SeparatorSettings(
        esc50_path=str(dataset), extra_paths=(str(folder),), extra_share=0.25, steps=1,
        seconds=0.25, batch_size=4, train_folds=(1, 2, 3), val_folds=(4, 5), val_mixtures=4,
    )  # fmt: skip


def test_a_folder_is_trained_on_beside_the_main_set(plan):
    table = training_table(plan)
    assert clips_per_epoch(table) == 18 and len(table) == 24
    extra = table[table["extra"]]
    assert extra["weight"].sum() / table["weight"].sum() == pytest.approx(0.25)
    assert (table.loc[~table["extra"], "weight"] == 1).all()
    data = TrainingData(plan)
    assert "dog_barking" in data.labels and data.batch(0).mixture.shape == (4, 4000)
    for label in data._gone(["dog_barking", "rain"]):
        assert label not in ("dog", "dog_barking", "rain")
    assert "1 extra sets" in protocol(plan, table)["protocol"]


def test_what_is_judged_by_is_not_trained_on(plan, table, tmp_path):
    """An extra set may hold a recording that lies in a fold of the main set."""
    ids = {fold: table.loc[table["fold"] == fold, "src_file"].iloc[0] for fold in (1, 4)}
    rows = [(f"{fold}.wav", f"kind {fold}", f"freesound:{x}") for fold, x in ids.items()]
    other = make_folder(tmp_path / "other", rows)
    read = training_table(dataclasses.replace(plan, extra_paths=(str(other),)))
    assert read.loc[read["extra"], "filename"].tolist() == ["other/1.wav"]


def test_labels_are_left_out_of_all_sets(plan):
    some = dataclasses.replace(plan, without_labels=("rain", "Dog barking", "held-out"))
    table = training_table(some)
    assert not {"rain", "dog_barking", "drilling"} & set(table["category"])
    assert "dog" in set(table["category"])
    assert "without rain, Dog barking, held-out" in protocol(some, table)["protocol"]
    extra = table[table["extra"]]
    assert extra["weight"].sum() / table["weight"].sum() == pytest.approx(0.25)
    with pytest.raises(ValueError, match="no clip is left"):
        training_table(dataclasses.replace(plan, without_labels=tuple(captions.labels())))


def test_no_query_says_what_is_left_out(plan):
    assert "a cat meowing" in training_queries(plan, "cat")
    some = dataclasses.replace(plan, without_labels=("cat meowing",))
    left = training_queries(some, "cat")
    assert left[0] == "cat" and not any({"cat", "meowing"} <= set(x.split()) for x in left)


def test_a_set_given_twice_is_refused(plan, folder, dataset):
    for twice in ((str(folder), str(folder) + os.sep), (str(dataset),)):
        with pytest.raises(ValueError, match="given twice"):
            training_table(dataclasses.replace(plan, extra_paths=twice))


# The kit's list


def test_the_held_out_labels_are_a_list_of_words():
    labels = vocabulary.held_out_labels()
    assert len(labels) == len(set(labels)) == 38
    assert all(label == " ".join(label.lower().split()) for label in labels)
    assert vocabulary.left_out(["held-out"]) == {label.replace(" ", "_") for label in labels}
    assert vocabulary.left_out([]) == set()
