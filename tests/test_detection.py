"""What is in a recording and when: on tones that a fake encoder knows, and with the real one."""

import json
from itertools import pairwise

import numpy as np
import pytest
import soundfile as sf
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from textsep_lab.detection import detector as detector_module
from textsep_lab.detection import similarity
from textsep_lab.detection.calibration import Calibration, Logistic, load_calibration
from textsep_lab.detection.detector import Detector, default_labels, energy_feature, load_detector
from textsep_lab.detection.similarity import AROUND, Similarities, compare
from textsep_lab.detection.spans import CLOSE, GAP, OPEN, SHORTEST, activity_spans
from textsep_lab.encoders import registry
from textsep_lab.signal import audio
from textsep_lab.signal.metrics import expected_calibration_error, reliability
from textsep_lab.signal.stretches import HOP, LENGTH, Buffer
from textsep_lab.utils import paths

RATE = 16000
WORDS = ["low", "middle", "high"]
PROPERTY = settings(max_examples=60, deadline=None)


def spans_of(found, label):
    return found.loc[found["label"] == label, ["start", "end"]].to_numpy().tolist()


@pytest.fixture(params=[True, False], ids=["frames", "no frames"])
def any_detector(request, make_detector):
    return make_detector(frames=request.param)


# Labels, probabilities and spans


def test_the_right_label_comes_first_with_the_right_spans(detector, tones):
    wave = tones(4.0, ("middle", 0.5, 1.2), ("middle", 2.0, 3.1))
    found = detector.detect(wave, WORDS, sample_rate=RATE)
    assert list(found.columns) == ["label", "probability", "start", "end"]
    assert found["label"][0] == "middle" and found["probability"][0] > 0.95
    np.testing.assert_allclose(spans_of(found, "middle"), [(0.5, 1.2), (2.0, 3.1)], atol=1e-9)


def test_an_encoder_without_frames_finds_spans_to_half_a_second(make_detector, tones):
    wave = tones(6.0, ("middle", 2.0, 4.0), ("low", 0.0, 1.0), ("high", 5.0, 6.0))
    found = make_detector(frames=False).detect(wave, WORDS, sample_rate=RATE)
    for label, truth in (("middle", (2.0, 4.0)), ("low", (0.0, 1.0)), ("high", (5.0, 6.0))):
        np.testing.assert_allclose(spans_of(found, label), [truth], atol=0.5)


def test_a_sound_that_lasts_to_the_end_is_active_to_the_end(any_detector, tones):
    wave = tones(3.3, ("low", 0.0, 3.3))
    found = any_detector.detect(wave, ["low"], sample_rate=RATE)
    assert spans_of(found, "low") == [[0.0, 3.3]]


def test_rows_are_sorted_by_probability_whatever_the_order_of_the_labels(detector, tones):
    wave = tones(3.0, ("high", 0, 3), ("low", 1, 2))
    found = detector.detect(wave, WORDS, sample_rate=RATE)
    again = detector.detect(wave, WORDS[::-1], sample_rate=RATE)
    assert found["probability"].is_monotonic_decreasing
    assert found["label"].drop_duplicates().tolist() == ["high", "low", "middle"]
    assert found.to_dict("list") == again.to_dict("list")


@pytest.mark.parametrize("top", [1, 2, 3, 99])
def test_top_bounds_the_number_of_labels_and_changes_nothing_else(detector, tones, top):
    wave = tones(3.0, ("high", 0.5, 1), ("high", 2, 3), ("low", 1, 2))
    found = detector.detect(wave, WORDS, top, sample_rate=RATE)
    every = detector.detect(wave, WORDS, sample_rate=RATE)
    assert found["label"].nunique() == min(top, 3)
    assert found.equals(every.head(len(found)))


def test_labels_are_any_words_and_come_back_cleaned(detector, tones):
    labels = (x for x in ["  a middle \n tone", "犬の声", "🐕"])
    found = detector.detect(tones(1, ("middle", 0, 1)), labels, sample_rate=RATE)
    assert found["label"].tolist() == ["a middle tone", "犬の声", "🐕"]


def test_a_label_whose_moments_cannot_be_told_spans_the_recording(detector, tones):
    found = detector.detect(tones(1.5, ("middle", 0, 1)), ["high"], sample_rate=RATE)
    assert spans_of(found, "high") == [[0.0, 1.5]] and found["probability"][0] < 0.1


def test_the_default_labels_are_58_and_each_is_there_once(detector, tones):
    labels = default_labels()
    assert len(labels) == len(set(labels)) == 58
    assert {"dog", "sea waves", "siren"} <= set(labels) and not any("_" in x for x in labels)
    found = detector.detect(tones(1, ("low", 0, 1)), top=100, sample_rate=RATE)
    assert set(found["label"]) == set(labels)


def test_a_long_recording_is_compared_in_every_part(any_detector, tones):
    wave = tones(30.0, ("middle", 0, 22), ("low", 22.0, 23.5), ("middle", 23.5, 30))
    found = any_detector.detect(wave, ["low"], sample_rate=RATE)
    assert found["probability"][0] > 0.8
    np.testing.assert_allclose(spans_of(found, "low"), [(22.0, 23.5)], atol=0.5)


def test_silent_frames_are_never_active(any_detector, tones):
    wave = tones(5.0, ("low", 0.5, 1.0), ("low", 3.0, 4.0))
    found = compare(wave, RATE, ["low"], any_detector.encoder)
    edges = (np.arange(found.frames.shape[1] + 1) * found.frame_hop * RATE).round().astype(int)
    silent = np.array([not wave[:, a:b].any() for a, b in pairwise(edges)])
    assert silent.sum() * found.frame_hop >= 3
    assert (found.frames[:, silent] == -1).all() and (found.frames[:, ~silent] > -1).all()
    np.testing.assert_allclose(any_detector.spans(wave, RATE, "low"), [(0.5, 1), (3, 4)], atol=1e-9)


def test_silence_around_a_short_sound_does_not_hide_it(detector, tones):
    alone, padded = tones(0.2, ("low", 0, 0.2)), tones(5.0, ("low", 1.0, 1.2))
    features = [compare(x, RATE, ["low"], detector.encoder).features for x in (alone, padded)]
    np.testing.assert_allclose(features[0][:, 1], features[1][:, 1], atol=2e-3)


def test_what_the_encoder_calls_silent_is_silence(make_detector, tones):
    encoder = make_detector(frames=False).encoder

    class InsensitiveEncoder(type(encoder)):
        def embed_audio(self, waveform, sample_rate):
            if np.abs(waveform).max() < 1e-4:
                raise ValueError("The recording is silent: silence has no embedding.")
            return super().embed_audio(waveform, sample_rate)

    insensitive = Detector(InsensitiveEncoder(), make_detector(frames=False).calibration)
    whisper = 1e-5 * tones(4.0, ("low", 0, 4))
    assert insensitive.presence(whisper, RATE, "low") < 0.001
    assert insensitive.spans(whisper, RATE, "low") == []
    louder = whisper + tones(4.0, ("low", 2.0, 3.0))
    found = insensitive.detect(louder, ["low"], sample_rate=RATE)
    np.testing.assert_allclose(spans_of(found, "low"), [(2.0, 3.0)], atol=0.5)


@pytest.mark.parametrize("channels", [1, 2])
def test_a_silent_recording_is_one_row(detector, channels):
    silence = np.zeros((channels, 4000))
    found = detector.detect(silence, WORDS, sample_rate=8000)
    assert found.to_numpy().tolist() == [["silence", 1.0, 0.0, 0.5]]
    assert detector.presence(silence, 8000, "low") == 0
    assert detector.spans(silence, 8000, "low") == []


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 44100, 48000])
@pytest.mark.parametrize("channels", [1, 2])
def test_any_rate_and_any_channels_tell_the_same(detector, tones, rate, channels):
    wave = tones(2.0, ("high", 0.5, 1.5), rate=rate, channels=channels)
    found = detector.detect(wave, WORDS, top=1, sample_rate=rate)
    assert found["label"].tolist() == ["high"]
    np.testing.assert_allclose(spans_of(found, "high"), [(0.5, 1.5)], atol=1e-9)


def test_a_file_tells_what_its_samples_tell(detector, tones, tmp_path):
    wave = tones(2.0, ("high", 0.5, 1.5), rate=44100, channels=2)
    sf.write(tmp_path / "tone.wav", wave.T, 44100, subtype="FLOAT")
    expected = detector.detect(wave, WORDS, sample_rate=44100)
    for path in (tmp_path / "tone.wav", str(tmp_path / "tone.wav")):
        assert detector.detect(path, WORDS).equals(expected)


@pytest.mark.parametrize("samples", [1, 2, 10, 700])
def test_recordings_shorter_than_a_frame(any_detector, samples):
    wave = np.random.default_rng(0).standard_normal((1, samples))
    found = any_detector.detect(wave, WORDS, sample_rate=RATE)
    assert found["label"].nunique() == (3 if samples > 1 else 1)  # one sample is an offset
    assert found["probability"].between(0, 1).all()
    assert (found["start"] == 0).all() and (found["end"] == samples / RATE).all()


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_every_row_makes_sense(detector, data):
    rate = data.draw(st.sampled_from([8000, 11025, 44100]))
    samples = data.draw(st.integers(1, 2 * rate))
    wave = np.random.default_rng(data.draw(st.integers(0, 9))).standard_normal((1, samples))
    first, last = sorted(data.draw(st.tuples(*[st.integers(0, samples)] * 2)))
    wave[:, first:last] = 0
    found = detector.detect(wave, ["low", "noise"], sample_rate=rate)
    assert found["probability"].between(0, 1).all()
    assert (found["start"] >= 0).all() and (found["end"] <= samples / rate).all()
    assert (found["start"] < found["end"]).all()


# What the encoder is given, and what is made of its answers


@PROPERTY
@given(st.integers(1, 20_000))
def test_an_encoder_without_frames_is_given_the_second_around_every_half_second(samples):
    rate = 1000
    around = similarity._around_frames(np.arange(samples)[None], rate)
    assert len(around) == -(-samples // 500)
    for k, x in enumerate(around):
        assert x.shape[1] == min(rate, samples)
        assert x[0, 0] == min(max(500 * k - 250, 0), samples - x.shape[1])


def test_the_strongest_half_second_speaks_for_a_query():
    frames = np.full((2, 30), -0.5)
    frames[0, [3, 9, 11, 20, 21]] = 0.9
    frames[1, [3, 9, 11, 20]] = 0.9
    np.testing.assert_allclose(similarity._strongest(frames.T, 0.1), [0.9, (4 * 0.9 - 0.5) / 5])
    short = np.where(np.arange(30) < 3, frames, -1)
    np.testing.assert_allclose(similarity._strongest(short.T, 0.1), -0.5)  # the three not silent


def test_the_most_similar_stretch_speaks_for_a_recording_and_its_neighbours_for_a_moment():
    rng = np.random.default_rng(0)
    stretches, frames = rng.random((9, 2, 2)), rng.random((2, 90))
    starts = np.arange(9) * 10
    found = Similarities(stretches, starts, starts + 10, frames, 0.1, 9.0)
    for k in range(2):
        sums = stretches[:, k].sum(1)
        np.testing.assert_array_equal(found.features[k], stretches[sums.argmax(), k])
        np.testing.assert_allclose(found.nearby(k), np.repeat(stretches[:, k], 10, 0), rtol=1e-6)
        here = found.frame_features(k)
        np.testing.assert_array_equal(here[:, 0], frames[k])
        np.testing.assert_array_equal(here[:, 3:], found.nearby(k))
        for t in (0, 45, 89):
            near = range(max(0, t // 10 - AROUND), min(8, t // 10 + AROUND) + 1)
            best = max(near, key=lambda number: sums[number])
            np.testing.assert_allclose(here[t, 1:3], stretches[best, k], rtol=1e-6)


@settings(max_examples=15, deadline=None)
@given(seconds=st.floats(20, 26), place=st.floats(0, 5), level=st.sampled_from([1e-3, 1, 1e3]),
       after=st.booleans())  # fmt: skip
def test_nothing_that_is_far_away_changes_a_moment(detector, seconds, place, level, after):
    rng = np.random.default_rng(0)
    wave = rng.standard_normal((1, round(seconds * 4000)))
    other = wave.copy()
    far = slice(round((seconds - place) * 4000), None) if after else slice(round(place * 4000))
    other[:, far] = level * rng.standard_normal(other[:, far].shape)
    one, two = (compare(x, 4000, WORDS, detector.encoder) for x in (wave, other))
    time = np.arange(one.frames.shape[1]) * one.frame_hop
    far = LENGTH + 2 * HOP + 1
    near = time < seconds - place - far if after else time > place + far
    assert near.sum() > 2
    for k in range(len(WORDS)):
        features = [x.frame_features(k)[near] for x in (one, two)]
        np.testing.assert_allclose(*features, atol=1e-5)


def test_a_recording_that_comes_in_blocks_is_heard_as_in_one(detector, tones):
    wave = tones(13.0, ("low", 2.0, 3.0), ("high", 9.0, 12.0))
    whole = compare(wave, RATE, WORDS, detector.encoder)
    parts = compare(Buffer(np.array_split(wave, 77, axis=1)), RATE, WORDS, detector.encoder)
    np.testing.assert_array_equal(whole.frames, parts.frames)
    np.testing.assert_array_equal(whole.stretches, parts.stretches)
    assert whole.duration == parts.duration


def test_the_spans_of_several_sounds_are_those_of_any(detector, tones):
    wave = tones(4.0, ("low", 0.5, 1.0), ("high", 3.0, 4.0))
    found = detector.spans(wave, RATE, ["low", "high"])
    np.testing.assert_allclose(found, [(0.5, 1), (3, 4)], atol=0.11)


@pytest.mark.parametrize("label", ["not a dog", "dog and rain", "dog but not rain"])
def test_a_label_names_one_sound(detector, label):
    with pytest.raises(ValueError, match=f"^“{label}” is no label: name one sound in each.$"):
        detector.detect(np.ones((1, 8000)), ["rain", label], sample_rate=RATE)


# What is refused


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({"labels": []}, "list of labels is empty"),
        ({"labels": iter(())}, "list of labels is empty"),
        ({"labels": ["low", " low "]}, "label 'low' is in the list twice"),
        ({"labels": "low"}, "labels must be a list"),
        ({"labels": ["low", 5]}, "must be a string, not int"),
        ({"labels": [None]}, "must be a string, not NoneType"),
        ({"labels": ["low", " "]}, "query is empty"),
        ({"labels": ["x" * 201]}, "201 characters"),
        ({"top": 0}, "top is 0: ask for at least one label"),
        ({"top": -1}, "top is -1"),
        ({"recording": np.array([[0.0, np.nan]])}, "NaN or infinite"),
        ({"recording": np.zeros((1, 0))}, "no samples"),
        ({"recording": np.zeros((500, 2))}, "channels first"),
        ({"sample_rate": None}, "needs its sample_rate"),
    ],
)
def test_a_bad_request_is_one_sentence(detector, tones, request_, words):
    good = {"recording": tones(0.5, ("low", 0, 1)), "labels": WORDS, "sample_rate": RATE}
    with pytest.raises(ValueError, match=words) as caught:
        detector.detect(**{**good, **request_})
    assert "\n" not in str(caught.value) and str(caught.value).endswith(".")


def test_a_missing_or_bad_file_is_one_sentence(detector, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"^There is no file '.*no\.wav'\.$"):
        detector.detect(tmp_path / "no.wav")
    (tmp_path / "text.wav").write_text("woof")
    with pytest.raises(ValueError, match=r"text\.wav' cannot be read as audio"):
        detector.detect(tmp_path / "text.wav")


@pytest.mark.parametrize("ask", [Detector.presence, Detector.spans])
def test_presence_and_spans_refuse_what_is_no_waveform(any_detector, ask):
    with pytest.raises(ValueError, match="NaN or infinite"):
        ask(any_detector, np.array([[0.1, np.nan]]), RATE, "low")


# Presence


def test_presence_is_high_for_what_is_there_and_low_for_what_is_not(any_detector, tones):
    wave = tones(2.0, ("low", 0, 2))
    assert any_detector.presence(wave, RATE, "low") > 0.9
    assert any_detector.presence(wave, RATE, "high") < 0.1


def test_the_energy_share_is_evidence_where_its_curve_is_known(make_detector, tones):
    wave = tones(2.0, ("low", 0, 2))
    alone = make_detector()
    both = make_detector(confidence=Logistic((5.0, 5.0, 1.0), -4.0))
    assert alone.presence(wave, RATE, "low", 0.0) == alone.presence(wave, RATE, "low")
    assert both.presence(wave, RATE, "low") == alone.presence(wave, RATE, "low")
    shares = [both.presence(wave, RATE, "low", share) for share in (0.0, 1e-4, 0.1, 1.0)]
    assert shares == sorted(shares) and shares[0] < shares[-1]


@PROPERTY
@given(st.floats(0, 2), st.floats(1e-3, 2))
def test_the_energy_feature_is_finite_and_monotone(share, more):
    assert -10 < energy_feature(share) < energy_feature(share + more) < 2


# Where a detector comes from


class StandInEncoder:
    name, dim, weights_sha256 = "stand-in", 4, "f00d"

    def embed_text(self, texts):
        return np.ones((len(texts), 4), np.float32) / 2

    def embed_audio(self, waveform, sample_rate):
        return np.ones(4, np.float32) / 2


@pytest.fixture
def shipped_as(monkeypatch, tmp_path, detector):
    """Make `StandInEncoder` an encoder; return a function that writes its calibration's fields."""
    monkeypatch.setitem(registry.JOINT_ENCODERS, "stand-in", f"{__name__}:StandInEncoder")
    monkeypatch.setattr(paths, "checkpoints_dir", lambda: tmp_path)
    detector_module._load.cache_clear()
    registry._make.cache_clear()
    yield lambda **fields: Calibration(
        **{**vars(detector.calibration), "encoder": "stand-in", "weights_sha256": "f00d"} | fields
    ).save(tmp_path / "stand-in" / "calibration.json")
    detector_module._load.cache_clear()
    registry._make.cache_clear()


def test_a_detector_is_loaded_once_with_its_calibration(shipped_as, tmp_path):
    shipped_as()
    loaded = load_detector("stand-in")
    assert loaded is load_detector("stand-in") and isinstance(loaded.encoder, StandInEncoder)
    own = tmp_path / "own.json"
    shipped_as(protocol="another").rename(own)
    assert load_detector("stand-in", own).calibration.protocol == "another"
    assert load_detector("stand-in", str(own)).encoder is loaded.encoder


def test_no_calibration_says_how_to_make_one(shipped_as):
    with pytest.raises(
        FileNotFoundError, match=r"no calibration '.*textsep evaluate detection --calibrate`\.$"
    ):
        load_detector("stand-in")


@pytest.mark.parametrize("fields", [{"weights_sha256": "beef"}, {"encoder": "other"}])
def test_a_calibration_for_another_encoder_or_other_weights_is_refused(shipped_as, fields):
    shipped_as(**fields)
    with pytest.raises(ValueError, match=r"with other weights: make it anew\.$"):
        load_detector("stand-in")


@pytest.mark.parametrize(
    "content",
    [b"", b"{}", b"[]", b"5", b"\xff\xfe", b'"text"', b'{"format": "other"}',
     b'{"format": "textsep_lab-calibration-2"}',
     b'{"format": "textsep_lab-calibration-2", "colour": 1}'],
)  # fmt: skip
def test_another_file_is_no_calibration(shipped_as, tmp_path, content):
    (tmp_path / "c.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"c\.json' is not a calibration of this kit") as caught:
        load_detector("stand-in", tmp_path / "c.json")
    assert "\n" not in str(caught.value)


def test_an_encoder_of_text_alone_or_unknown_or_not_installed_is_one_sentence(
    shipped_as, monkeypatch
):
    def missing():
        raise ImportError("The encoder absent needs absent: pip install 'textsep-lab[absent]'.")

    monkeypatch.setattr(f"{__name__}.missing", missing, raising=False)
    monkeypatch.setitem(registry.JOINT_ENCODERS, "absent", f"{__name__}:missing")
    with pytest.raises(
        ValueError, match=r"^The encoder minilm-l6-int8 embeds text only, not audio: .*\.$"
    ):
        load_detector("minilm-l6-int8")
    with pytest.raises(ValueError, match=r"^There is no joint encoder 'nobody': use .*\.$"):
        load_detector("nobody")
    with pytest.raises(ImportError, match=r"pip install 'textsep-lab\[absent\]'\.$"):
        load_detector("absent")


# Calibration


def test_a_calibration_survives_the_disk(detector, tmp_path):
    for confidence in (None, Logistic((1.0, -2.5, 1e-9), 0.1)):
        fields = vars(detector.calibration) | {"confidence": confidence, "separator_sha256": "ab"}
        path = Calibration(**fields).save(tmp_path / "new" / "c.json")
        assert Calibration.load(path) == Calibration(**fields)
        assert json.loads(path.read_text(encoding="utf-8"))["encoder"] == detector.encoder.name
        assert load_calibration(detector.encoder, path) == Calibration(**fields)


@PROPERTY
@given(st.floats(0.1, 50), st.floats(-9, 9), st.floats(-1, 1), st.floats(-1, 1))
def test_a_logistic_curve_is_monotone_and_a_probability(weight, bias, a, b):
    low, high = Logistic((weight,), bias)(np.array([[min(a, b)], [max(a, b)]]))
    assert 0 <= low <= high <= 1


def test_a_logistic_curve_learns_the_truth_whatever_the_features_scale():
    rng = np.random.default_rng(0)
    features = rng.uniform(-1, 1, (4000, 2))
    truth = rng.random(4000) < Logistic((4.0, 1.0), -1.0)(features)
    curve = Logistic.fit(features, truth)
    np.testing.assert_allclose((*curve.weights, curve.bias), (4, 1, -1), atol=0.4)
    scaled = Logistic.fit(features * [1000, 1e-3], truth)
    np.testing.assert_allclose(scaled(features * [1000, 1e-3]), curve(features), atol=1e-3)
    assert expected_calibration_error(curve(features), truth) < 0.03
    assert curve(np.zeros((3, 5, 2))).shape == (3, 5)


def test_a_feature_that_is_always_the_same_does_not_disturb_the_others():
    rng = np.random.default_rng(0)
    feature = rng.uniform(-1, 1, 500)
    truth = feature + 0.3 * rng.standard_normal(500) > 0
    both = np.column_stack([feature, np.ones(500)])
    alone = Logistic.fit(feature[:, None], truth)(feature[:, None])
    np.testing.assert_allclose(Logistic.fit(both, truth)(both), alone, atol=1e-3)


forecasts = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60)


@PROPERTY
@given(forecasts, st.integers(1, 20))
def test_the_bins_hold_everything_once_and_the_error_is_between_0_and_1(pairs, bins):
    probability, truth = map(np.array, zip(*pairs, strict=True))
    table = reliability(probability, truth, bins)
    assert table["n"].sum() == len(pairs) and (table["n"] > 0).all() and len(table["n"]) <= bins
    for name in ("said", "seen"):
        assert ((table[name] >= 0) & (table[name] <= 1 + 1e-12)).all()
    assert (np.diff(table["said"]) > 0).all()
    assert np.average(table["said"], weights=table["n"]) == pytest.approx(probability.mean())
    assert np.average(table["seen"], weights=table["n"]) == pytest.approx(truth.mean())
    assert 0 <= expected_calibration_error(probability, truth, bins) <= 1 + 1e-12


@PROPERTY
@given(st.lists(st.tuples(st.integers(1, 30), st.integers(0, 30)), min_size=1, max_size=8))
def test_who_is_right_as_often_as_said_has_no_error(groups):
    groups = [(n, min(hits, n)) for n, hits in groups]
    probability = np.concatenate([np.full(n, hits / n) for n, hits in groups])
    truth = np.concatenate([np.arange(n) < hits for n, hits in groups])
    assert expected_calibration_error(probability, truth) == pytest.approx(0, abs=1e-9)


@PROPERTY
@given(st.lists(st.booleans(), min_size=1, max_size=30))
def test_certainty_is_right_or_wrong(truth):
    truth = np.array(truth)
    assert expected_calibration_error(truth.astype(float), truth) == 0
    assert expected_calibration_error(1.0 - truth, truth) == 1


# Spans


# Stretches that are long enough for spans, pauses and gaps; single frames would hardly make any.
levels = st.sampled_from([0.0, CLOSE / 2, CLOSE, (CLOSE + OPEN) / 2, OPEN, 1.0]) | st.floats(0, 1)
activities = st.lists(st.tuples(levels, st.integers(1, 40)), max_size=20).map(
    lambda stretches: np.concatenate([np.zeros(0), *(np.full(n, x) for x, n in stretches)])
)
hops = st.sampled_from([0.016, 0.032, 0.128, 0.1, 0.5])


@PROPERTY
@given(activities, hops, st.floats(0.01, 1.0))
def test_spans_are_sorted_disjoint_and_inside(activity, hop, share):
    duration = max(0.001, len(activity) * hop * share)
    spans = activity_spans(activity, hop, duration)
    for start, end in spans:
        assert 0 <= start < end <= duration
        assert end - start >= min(SHORTEST, duration) - 1e-9
    assert all(after - before > GAP for (_, before), (after, _) in pairwise(spans))


@PROPERTY
@given(activities.filter(len), hops)
def test_spans_are_stretches_over_one_threshold_that_reach_another(activity, hop):
    """By scipy's connected regions."""
    spans = activity_spans(activity, hop, len(activity) * hop + 1)
    regions = [x for (x,) in ndimage.find_objects(*ndimage.label(activity >= CLOSE))]
    loud = [(x.start * hop, x.stop * hop) for x in regions if activity[x].max() >= OPEN]
    edges = np.array(loud).reshape(-1, 2)
    apart = np.flatnonzero(edges[1:, 0] - edges[:-1, 1] > GAP + 1e-9) + 1
    joined = [(group[0, 0], group[-1, 1]) for group in np.split(edges, apart) if len(group)]
    lasting = [(a, b) for a, b in joined if b - a >= SHORTEST - 1e-9]
    np.testing.assert_allclose(np.reshape(spans, (-1, 2)), np.reshape(lasting, (-1, 2)))


@PROPERTY
@given(st.floats(0.001, 2), hops)
def test_what_is_active_all_the_time_is_one_span_however_short_it_is(duration, hop):
    activity = np.ones(int(np.ceil(duration / hop)))
    assert activity_spans(activity, hop, duration) == [(0.0, duration)]


@PROPERTY
@given(st.lists(st.floats(0, OPEN, exclude_max=True), max_size=30).map(np.array), hops)
def test_there_are_no_spans_where_nothing_reaches_the_opening(activity, hop):
    assert activity_spans(activity, hop, 10.0) == []


@pytest.mark.parametrize(
    ("activity", "spans"),
    [
        ([0.9, 0, 0, 0, 0, 0.9], [(0.0, 0.1), (0.5, 0.6)]),
        ([0, 0.9, 0, 0, 0, 0.9], [(0.1, 0.6)]),  # a gap of 0.3 s is closed
        ([0, 0, 0, 0.9], [(0.3, 0.4)]),
        ([0.4, 0.9, 0.4, 0.2, 0], [(0.0, 0.3)]),  # as far as the probability stays over 0.3
        ([0.4, 0.4, 0.4], []),
        ([0.9], [(0.0, 0.1)]),
        ([], []),
    ],
)
def test_spans_by_hand(monkeypatch, activity, spans):
    monkeypatch.setattr("textsep_lab.detection.spans.GAP", 0.3)
    monkeypatch.setattr("textsep_lab.detection.spans.SHORTEST", 0.1)
    found = activity_spans(np.array(activity), 0.1, 5.0, opening=0.5, closing=0.3)
    np.testing.assert_allclose(found, spans, atol=1e-9)


# The shipped one


@pytest.fixture(scope="module")
def demo():
    return paths.demo_data_dir() / "mixture.wav"


def test_the_shipped_detector_answers_alike_every_time(demo):
    first, second = (detector_module.detect(demo, top=8) for _ in range(2))
    assert first.equals(second)
    assert first["label"].nunique() == 8 and set(first["label"]) <= set(default_labels())
    assert first["probability"].between(0, 1).all()
    assert first["probability"].is_monotonic_decreasing
    assert ((first["start"] >= 0) & (first["start"] < first["end"]) & (first["end"] <= 5)).all()


def test_the_shipped_encoder_sees_frames_in_context_but_no_silence(demo):
    encoder = load_detector().encoder
    wave, rate = audio.load(demo)
    wave[:, rate : 2 * rate] = 0
    found = compare(wave, rate, ["dog", "rain"], encoder)
    assert found.features.shape == (2, 2)
    frames = -(-5 // encoder.frame_hop)
    assert found.frames.shape == (2, frames)
    assert found.frame_features(1).shape == (frames, 5)
    assert (np.abs(found.frames) <= 1 + 1e-5).all()
    middle = (np.arange(frames) + 0.5) * found.frame_hop
    inside = np.abs(middle - 1.5) < 0.5 - found.frame_hop
    assert (found.frames[:, inside] == -1).all() and (found.frames[:, middle > 2.1] > -1).all()


@pytest.mark.parametrize("samples", [1, 10, 3000])
def test_the_shipped_detector_takes_the_shortest_recordings(samples):
    wave = np.random.default_rng(0).standard_normal((2, samples))
    found = detector_module.detect(wave, ["dog", "a faint hum"], sample_rate=44100)
    assert found["probability"].between(0, 1).all()
    assert set(found["label"]) == ({"dog", "a faint hum"} if samples > 1 else {"silence"})


@pytest.mark.parametrize("level", [1e-30, 1e-6, 1.0, 100.0])
def test_the_shipped_detector_takes_any_level(level):
    wave = level * np.random.default_rng(0).standard_normal((1, 8000))
    found = detector_module.detect(wave.astype(np.float32), ["dog", "rain"], sample_rate=16000)
    assert found["probability"].between(0, 1).all()
