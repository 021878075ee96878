"""The synthetic sounds: every label is sound, repeatable, varied and roughly in character."""

import numpy as np
import pandas as pd
import pytest
import soundfile as sf
from scipy import signal

from textsep_lab.data.sounds import labels, synthesize, write_dataset
from textsep_lab.data.sounds.dataset import ESC10, ESC50, EXTRA, TARGETS


def spectrum(label, seed=0, rate=16000):
    return signal.welch(synthesize(label, seed, 3.0, rate), rate, nperseg=1024)


def flatness(label):
    values = []
    for seed in range(4):
        power = spectrum(label, seed)[1][4:-4] + 1e-14
        values.append(np.exp(np.mean(np.log(power))) / np.mean(power))
    return np.mean(values)


def share(label, low, high, seeds=4):
    """Mean share of a label's energy between two frequencies in Hz."""
    shares = []
    for seed in range(seeds):
        freqs, power = spectrum(label, seed)
        shares.append(power[(freqs >= low) & (freqs <= high)].sum() / power.sum())
    return np.mean(shares)


def loud_share(label):
    """Mean share of 50 ms frames within 20 dB of the loudest one."""
    shares = []
    for seed in range(4):
        level = np.sqrt(np.mean(synthesize(label, seed).reshape(-1, 800) ** 2, axis=1))
        shares.append(np.mean(level > 0.1 * level.max()))
    return np.mean(shares)


def test_labels_are_sorted_and_have_numbers():
    assert labels() == sorted(set(labels()))
    assert len(labels()) >= 34
    assert set(EXTRA) <= set(labels()) <= set(TARGETS)
    assert len(ESC50) == 50
    assert ESC10.issubset(ESC50)
    assert [TARGETS[name] for name in ("dog", "rain", "siren", "hand_saw", "drums")] == [
        0,
        10,
        42,
        49,
        50,
    ]


@pytest.mark.parametrize("label", labels())
def test_clip_is_sound_repeatable_and_varied(label):
    first, again, other = (synthesize(label, seed, 1.0, 16000) for seed in (0, 0, 1))
    assert first.shape == (16000,)
    assert first.dtype == np.float32
    assert np.isfinite(first).all()
    assert 0.29 < np.abs(first).max() <= 0.95
    assert np.sqrt(np.mean(first**2)) > 1e-4
    assert np.array_equal(first, again)
    likeness = np.max(np.abs(signal.correlate(first, other)))
    assert likeness < 0.9 * np.linalg.norm(first) * np.linalg.norm(other)


@pytest.mark.parametrize("label", labels())
@pytest.mark.parametrize("rate", [8000, 44100])
def test_other_rates(label, rate):
    clip = synthesize(label, 3, 0.75, rate)
    assert clip.shape == (round(0.75 * rate),)
    assert np.isfinite(clip).all()
    assert 0.29 < np.abs(clip).max() <= 0.95


@pytest.mark.parametrize("label", ["dog", "clock_tick", "thunderstorm", "water_drops", "piano"])
@pytest.mark.parametrize("duration", [0.01, 0.3])
def test_short_clips_hold_an_event(label, duration):
    clip = synthesize(label, 5, duration)
    assert clip.shape == (round(duration * 16000),)
    assert np.abs(clip).max() > 0.29


def test_spectra_are_plausible():
    assert flatness("rain") > 10 * flatness("dog")
    assert flatness("sea_waves") > flatness("church_bells")
    assert share("siren", 300, 3000) > 0.85
    assert share("crickets", 2500, 7000) > 0.8
    assert share("chirping_birds", 1200, 8000) > 0.8
    assert share("thunderstorm", 0, 600) > 0.6
    assert share("engine", 0, 1000) > 0.6
    assert share("crying_baby", 300, 6000) > 0.85


def test_events_leave_silence_and_beds_do_not():
    for label in ("dog", "door_wood_knock", "mouse_click", "glass_breaking", "footsteps"):
        assert loud_share(label) < 0.6, label
    for label in ("rain", "vacuum_cleaner", "engine", "helicopter"):
        assert loud_share(label) > 0.9, label


def test_events_do_not_all_start_at_zero():
    starts = [np.argmax(np.abs(synthesize("dog", seed)) > 0.2) / 16000 for seed in range(8)]
    assert max(starts) > 0.3
    assert np.ptp(starts) > 0.2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("dgo", 0), "No sound is called 'dgo'; did you mean dog"),
        (("zzzz", 0), "No sound is called 'zzzz'; choose from airplane"),
        (("dog", 0, 0.0), "duration and sample_rate must be positive"),
        (("dog", 0, -1.0), "duration and sample_rate must be positive"),
        (("dog", 0, float("nan")), "duration and sample_rate must be positive"),
        (("dog", 0, 1.0, 0), "duration and sample_rate must be positive"),
        (("dog", 0, 1.0, 96000), "sample_rate must be from 8000 to 48000 Hz"),
        (("dog", -1), "seed must be 0 or more"),
    ],
)
def test_bad_arguments_get_one_sentence(arguments, words):
    with pytest.raises(ValueError, match=words) as caught:
        synthesize(*arguments)
    assert "\n" not in str(caught.value)


def test_dataset_has_the_layout_of_esc50(tmp_path):
    names = ["dog", "rain", "piano"]
    folder = write_dataset(tmp_path / "sounds", 6, seed=2, duration=0.5, labels=names)
    table = pd.read_csv(folder / "meta" / "esc50.csv")
    columns = ["filename", "fold", "target", "category", "esc10", "src_file", "take"]
    assert list(table.columns) == columns
    assert len(table) == 18
    assert table["src_file"].is_unique
    assert set(table["fold"]) == {1, 2, 3, 4, 5}
    assert dict(zip(table["category"], table["target"], strict=True)) == {
        name: TARGETS[name] for name in names
    }
    assert dict(zip(table["category"], table["esc10"], strict=True)) == {
        "dog": True,
        "rain": True,
        "piano": False,
    }
    assert set(table["filename"]) == {path.name for path in (folder / "audio").iterdir()}
    for row in table.itertuples():
        assert row.filename == f"{row.fold}-{row.src_file}-{row.take}-{row.target}.wav"
    info = sf.info(folder / "audio" / table["filename"][0])
    assert (info.samplerate, info.frames, info.subtype) == (16000, 8000, "PCM_16")
    assert [path.name for path in tmp_path.iterdir()] == ["sounds"]


def test_dataset_clips_do_not_depend_on_the_other_labels(tmp_path):
    alone = write_dataset(tmp_path / "a", 2, duration=0.2, labels=["rain"])
    beside = write_dataset(tmp_path / "b", 2, duration=0.2, labels=["dog", "rain"])
    for path in (alone / "audio").iterdir():
        assert path.read_bytes() == (beside / "audio" / path.name).read_bytes()


def test_dataset_refuses_to_overwrite(tmp_path):
    dest = write_dataset(tmp_path / "sounds", 1, duration=0.1, labels=["dog"])
    with pytest.raises(FileExistsError, match="already exists"):
        write_dataset(dest, 1, duration=0.1, labels=["rain"])
    write_dataset(dest, 1, duration=0.1, labels=["rain"], overwrite=True)
    assert list(pd.read_csv(dest / "meta" / "esc50.csv")["category"]) == ["rain"]
    other = tmp_path / "thesis"
    other.mkdir()
    (other / "chapter.txt").write_text("precious")
    with pytest.raises(FileExistsError, match="not a dataset folder"):
        write_dataset(other, 1, duration=0.1, labels=["dog"], overwrite=True)
    assert (other / "chapter.txt").read_text() == "precious"


def test_dataset_checks_before_it_writes(tmp_path):
    with pytest.raises(ValueError, match="did you mean rain"):
        write_dataset(tmp_path / "sounds", 1, labels=["dog", "rainn"])
    with pytest.raises(ValueError, match="clips_per_label"):
        write_dataset(tmp_path / "sounds", 0)
    assert list(tmp_path.iterdir()) == []
