"""Reading ESC-50 from disk, with a tiny copy made on the spot."""

import shutil

import numpy as np
import pandas as pd
import pytest
import soundfile

from textsep_lab.data import esc50

CLASSES = ("dog", "sea_waves")


def make_dataset(folder, seconds=0.1):
    """Write 2 classes x 5 folds x 1 clip in the official layout and return the folder."""
    (folder / "meta").mkdir(parents=True)
    (folder / "audio").mkdir()
    rng, rows = np.random.default_rng(0), []
    for fold in range(1, 6):
        for target, category in enumerate(CLASSES):
            name = f"{fold}-{fold * 100 + target}-A-{target}.wav"
            noise = 0.1 * rng.standard_normal(round(44100 * seconds))
            soundfile.write(folder / "audio" / name, noise, 44100, subtype="PCM_16")
            rows.append((name, fold, target, category, target == 0, fold * 100 + target, "A"))
    table = pd.DataFrame(rows[::-1], columns=list(esc50.COLUMNS))
    table.to_csv(folder / "meta" / "esc50.csv", index=False)
    return folder


@pytest.fixture
def root(tmp_path):
    return make_dataset(tmp_path / "ESC-50")


def edit_csv(root, old, new):
    csv = root / "meta" / "esc50.csv"
    csv.write_text(csv.read_text().replace(old, new))


def test_find_takes_argument_then_environment_then_data_folder(root, tmp_path, monkeypatch):
    monkeypatch.delenv(esc50.ENVIRONMENT_VARIABLE, raising=False)
    monkeypatch.setattr(esc50.paths, "data_dir", lambda: tmp_path)
    assert esc50.find() == root.resolve()
    other = make_dataset(tmp_path / "other" / "ESC-50-master")
    monkeypatch.setenv(esc50.ENVIRONMENT_VARIABLE, str(tmp_path / "other"))
    assert esc50.find() == other.resolve()
    assert esc50.find(root) == root.resolve()


@pytest.mark.parametrize("exists", [True, False])
def test_wrong_folder_is_one_sentence(tmp_path, exists):
    folder = tmp_path / "empty"
    if exists:
        folder.mkdir()
    with pytest.raises(FileNotFoundError) as caught:
        esc50.find(folder)
    sentence = str(caught.value)
    for part in (str(folder), "meta/esc50.csv", "audio/", "textsep data esc50"):
        assert part in sentence
    assert "\n" not in sentence


def test_table_is_sorted_typed_and_selectable(root):
    table = esc50.read_table(root)
    assert list(table.columns) == [*esc50.COLUMNS, "path"]
    assert table["filename"].is_monotonic_increasing
    assert table.index.tolist() == list(range(10))
    assert table["src_file"].tolist()[:2] == [100, 101]
    assert table["esc10"].dtype == bool
    assert all(soundfile.info(path).frames == 4410 for path in table["path"])
    part = esc50.read_table(root, folds=[1, 4], classes=["dog"])
    assert part["filename"].tolist() == ["1-100-A-0.wav", "4-400-A-0.wav"]
    assert len(esc50.read_table(root, folds=np.array([1, 2]), classes="dog")) == 2


@pytest.mark.parametrize(
    ("selection", "words"),
    [
        ({"folds": [1, 6]}, "fold 6; valid are 1, 2, 3, 4, 5"),
        ({"classes": ["cat"]}, "category 'cat'; valid are dog, sea_waves"),
        ({"folds": []}, "empty list of fold"),
    ],
)
def test_unknown_selection_names_the_valid_ones(root, selection, words):
    with pytest.raises(ValueError, match=words):
        esc50.read_table(root, **selection)


def test_selection_without_a_common_clip(root):
    edit_csv(root, "1-100-A-0.wav,1,0,dog", "1-100-A-0.wav,1,1,sea_waves")
    with pytest.raises(ValueError, match="no clip is both"):
        esc50.read_table(root, folds=[1], classes=["dog"])


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("src_file", "source", "no column src_file"),
        (",100,A", ",hundred,A", "whole numbers"),
        ("dog", "", "empty cells"),
        ("take", 'take\n1,"2', "not a readable table"),
    ],
)
def test_damaged_table_is_named(root, old, new, words):
    edit_csv(root, old, new)
    with pytest.raises(ValueError, match=words) as caught:
        esc50.read_table(root)
    assert "esc50.csv" in str(caught.value)


@pytest.mark.parametrize("column", ["filename", "category"])
@pytest.mark.parametrize(
    "name",
    [
        "/etc/passwd",
        "../1-100-A-0.wav",
        "..",
        "a/b.wav",
        "..\\a.wav",
        "C:x.wav",
        "~",
        "a\nb",
        "x" * 999,
    ],
)
def test_no_name_leaves_the_folder(root, column, name):
    csv = root / "meta" / "esc50.csv"
    table = pd.read_csv(csv)
    table.loc[3, column] = name
    table.to_csv(csv, index=False)
    with pytest.raises(
        ValueError, match=rf"esc50\.csv: the {column} .* is not a plain name: "
    ) as caught:
        esc50.read_table(root)
    assert "\n" not in str(caught.value)


def test_a_link_that_leaves_the_folder_is_refused(root, tmp_path):
    recording = root / "audio" / "3-300-A-0.wav"
    recording.rename(tmp_path / "elsewhere.wav")
    recording.symlink_to(tmp_path / "elsewhere.wav")
    with pytest.raises(ValueError, match=r"esc50\.csv: '3-300-A-0\.wav' is a link that leaves"):
        esc50.read_table(root)
    (root / "audio").rename(tmp_path / "audio")  # the folder itself may lie where there is room
    (root / "audio").symlink_to(tmp_path / "audio")
    recording.unlink()
    (tmp_path / "elsewhere.wav").rename(recording)
    assert len(esc50.read_table(root)) == 10


def test_two_rows_about_one_recording_are_refused(root):
    edit_csv(root, "1-101-A-1.wav", "1-100-A-0.wav")
    with pytest.raises(ValueError, match=r"two rows are about '1-100-A-0\.wav'"):
        esc50.read_table(root)


def test_missing_recordings_are_counted(root):
    for name in ("2-200-A-0.wav", "1-101-A-1.wav"):
        (root / "audio" / name).unlink()
    with pytest.raises(FileNotFoundError, match=r"1-101-A-1\.wav.*2 of 10"):
        esc50.read_table(root)


def test_label_text():
    assert esc50.label_text("sea_waves") == "sea waves"


def test_stereo_clips_are_mixed_down_and_resampled(tmp_path):
    path = tmp_path / "long.wav"
    stereo = np.stack([np.full(8000, 0.5), np.full(8000, -0.25)], axis=1)
    soundfile.write(path, stereo, 8000)
    assert esc50.load_clip(path, 8000) == pytest.approx(0.125, abs=1e-3)
    assert esc50.load_clip(path, 16000).shape == (16000,)


def test_damaged_clip_is_named(root):
    (root / "audio" / "3-300-A-0.wav").write_bytes(b"RIFF not really")
    with pytest.raises(ValueError, match=r"3-300-A-0\.wav"):
        esc50.load_clip(root / "audio" / "3-300-A-0.wav")


def test_verify_counts_balance_and_decoding(root):
    assert esc50.verify(root, 10, 2, decode=True) == {"clips": 10, "classes": 2, "folds": 5}
    with pytest.raises(ValueError, match=r"expected .*2000"):
        esc50.verify(root)
    path = root / "audio" / "3-300-A-0.wav"
    soundfile.write(path, np.zeros(100), 44100)
    with pytest.raises(ValueError, match=r"3-300-A-0\.wav.*damaged"):
        esc50.verify(root, 10, 2, decode=True)
    edit_csv(root, "1-100-A-0.wav,1,0,dog", "1-100-A-0.wav,1,1,sea_waves")
    with pytest.raises(ValueError, match="'dog' has 4 clips, others 6"):
        esc50.verify(root, 10, 2)


def test_fingerprint_follows_the_recordings_only(root, tmp_path):
    before = esc50.fingerprint(root)
    shutil.copytree(root, tmp_path / "copy")
    (tmp_path / "copy" / "README.md").write_text("another readme")
    assert esc50.fingerprint(tmp_path / "copy") == before
    soundfile.write(root / "audio" / "3-300-A-0.wav", np.zeros(4410), 44100)
    assert esc50.fingerprint(root) != before
