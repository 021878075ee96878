"""The promises of a separation, on a tiny network with random weights: they hold for any mask."""

import json
import warnings
from importlib.metadata import version

import numpy as np
import pytest
import soundfile as sf
from hypothesis import given, settings
from hypothesis import strategies as st

from textsep_lab.detection.calibration import Logistic
from textsep_lab.models import checkpoints
from textsep_lab.separation import nmf
from textsep_lab.separation import separator as separator_module
from textsep_lab.separation.config import MODES
from textsep_lab.separation.registry import METHODS
from textsep_lab.separation.separator import Separator, load_separator
from textsep_lab.signal import audio, metrics
from textsep_lab.signal.conditioning import highest_peak, remove_rumble
from textsep_lab.signal.timegate import gate

PROMISES = settings(max_examples=40, deadline=None)
QUICK = settings(max_examples=12, deadline=None)
QUERIES = ["dog barking", "rain", "Hundegebell", "犬の鳴き声", "🐕"]
RATES = [8000, 16000, 44100, 48000]


@pytest.fixture(scope="module")
def separator(network, fake_encoder, detector):
    return Separator(network, fake_encoder, detector=detector)


def noise(channels=1, samples=4000, seed=0, level=0.1):
    rng = np.random.default_rng(seed)
    return (level * rng.standard_normal((channels, samples))).astype(np.float32)


@st.composite
def requests(draw, channels=(1, 2, 6), windowed=None):
    """Arguments of `separate`; the recordings are short, and often odd in length."""
    rate = draw(st.sampled_from(RATES))
    samples = draw(st.one_of(st.integers(1, rate // 100), st.integers(rate // 100, rate // 2)))
    waveform = noise(
        draw(st.sampled_from(channels)),
        samples,
        draw(st.integers(0, 99)),
        draw(st.sampled_from([1e-5, 0.1, 3.0])),
    )
    # Exact zeros of both signs occur in real files: muted, or muted and inverted; maybe to the end.
    muted = draw(st.sampled_from([0.0, 0.2, 0.5, 1.0]))
    waveform[:, : round(muted * samples)] *= draw(st.sampled_from([0.0, -0.0]))
    windows = None
    if windowed or (windowed is None and draw(st.booleans())):
        position = st.integers(0, samples)
        pair = st.tuples(position, position).map(sorted).filter(lambda p: p[0] < p[1])
        windows = [(a / rate, b / rate) for a, b in draw(st.lists(pair, min_size=1, max_size=3))]
    return {
        "recording": waveform,
        "query": draw(st.sampled_from(QUERIES)),
        "mode": draw(st.sampled_from(MODES)),
        "windows": windows,
        "fade": draw(st.sampled_from([0.0, 0.003, 0.07, 1.0])),
        "sample_rate": rate,
    }


def bits(waveform):
    return np.ascontiguousarray(waveform).view(np.uint32)


def within_one_ulp(a, b, *others):
    """Whether a equals b to one unit in the last place of the largest of all given."""
    largest = np.max([np.abs(x) for x in (a, b, *others)], axis=0)
    return bool(np.all(np.abs(a.astype(np.float64) - b) <= np.spacing(largest)))


# Promises


@PROMISES
@given(requests(windowed=True))
def test_outside_the_windows_the_output_is_the_input_bit_for_bit(separator, request_):
    result = separator.separate(**request_)
    opening = gate(
        request_["windows"], result.input.shape[1], request_["sample_rate"], request_["fade"]
    )
    assert np.array_equal(result.gate, opening)
    outside = opening == 0
    assert np.array_equal(bits(result.output)[:, outside], bits(request_["recording"])[:, outside])
    assert not result.residual[:, outside].any()


@PROMISES
@given(requests())
def test_output_and_residual_sum_to_the_input(separator, request_):
    before = request_["recording"].copy()
    result = separator.separate(**request_)
    total = result.output + result.residual
    assert within_one_ulp(total, result.input, result.output, result.residual)
    assert np.array_equal(bits(request_["recording"]), bits(before))
    assert np.array_equal(bits(result.input), bits(before))


@PROMISES
@given(requests())
def test_rate_channels_and_length_are_the_inputs(separator, request_):
    result = separator.separate(**request_)
    for waveform in (result.output, result.residual):
        assert waveform.shape == request_["recording"].shape
        assert waveform.dtype == np.float32
        assert np.isfinite(waveform).all()
    assert result.sample_rate == request_["sample_rate"]
    assert result.mask.shape[0] == 16
    assert np.all((result.mask >= 0) & (result.mask <= 1))
    frames = result.duration / result.mask_hop
    assert frames - 1 <= result.mask.shape[1] <= frames + 2


@PROMISES
@given(requests(windowed=False))
def test_keep_and_remove_are_each_others_residual(separator, request_):
    keep, remove = (separator.separate(**{**request_, "mode": mode}) for mode in MODES)
    for a, b in ((keep, remove), (remove, keep)):
        assert within_one_ulp(a.output, b.residual, a.input, a.residual)


@QUICK
@given(requests(windowed=True))
def test_where_the_gate_is_open_the_window_changes_nothing(separator, request_):
    result = separator.separate(**request_)
    whole = separator.separate(**{**request_, "windows": None})
    inside = result.gate == 1
    assert np.array_equal(result.output[:, inside], whole.output[:, inside])
    assert np.array_equal(result.mask, whole.mask)
    assert within_one_ulp(result.residual, result.gate * whole.residual, whole.residual)


@QUICK
@given(requests())
def test_the_same_call_gives_the_same_bits(separator, request_):
    first, second = separator.separate(**request_), separator.separate(**request_)
    for name in ("output", "residual", "mask", "gate"):
        assert getattr(first, name).tobytes() == getattr(second, name).tobytes()
    assert first.summary() == second.summary()


def test_the_mask_does_something(separator):
    result = separator.separate(noise(2, 16000), "dog barking", sample_rate=16000)
    for waveform in (result.output, result.residual):
        share = np.mean(waveform**2) / np.mean(result.input**2)
        assert 0.05 < share < 0.95
    other = separator.separate(noise(2, 16000), "rain", sample_rate=16000)
    assert np.abs(result.output - other.output).max() > 1e-3


# Channels


@QUICK
@given(requests(channels=(1,)))
def test_equal_channels_give_what_one_of_them_gives(separator, request_):
    mono = separator.separate(**request_)
    copies = np.repeat(request_["recording"], 3, axis=0)
    many = separator.separate(**{**request_, "recording": copies})
    assert np.array_equal(many.output[0], many.output[1])
    assert np.array_equal(many.output[0], many.output[2])
    scale = np.abs(copies).max()
    assert np.abs(many.output[0] - mono.output[0]).max() <= 1e-4 * scale
    assert many.energy_share == pytest.approx(mono.energy_share, rel=1e-3, nan_ok=True)


@QUICK
@given(requests(channels=(1,)))
def test_channels_out_of_phase_are_not_silence(separator, request_):
    wave = request_["recording"]
    both = {**request_, "recording": np.concatenate([wave, wave])}
    anti = {**request_, "recording": np.concatenate([wave, -wave])}
    in_phase, out_of_phase = separator.separate(**both), separator.separate(**anti)
    assert np.allclose(out_of_phase.mask, in_phase.mask, atol=1e-5)
    assert np.allclose(out_of_phase.output[1], -out_of_phase.output[0], atol=1e-6)
    assert out_of_phase.energy_share == pytest.approx(in_phase.energy_share, rel=1e-3, nan_ok=True)


@QUICK
@given(requests(channels=(2, 6)))
def test_swapped_channels_give_swapped_outputs(separator, request_):
    straight = separator.separate(**request_)
    swapped = separator.separate(**{**request_, "recording": request_["recording"][::-1]})
    tolerance = 1e-4 * np.abs(straight.input).max()
    assert np.abs(swapped.output[::-1] - straight.output).max() <= tolerance


def test_a_silent_channel_stays_silent(separator):
    waveform = noise(2, 8000)
    waveform[1] = 0
    result = separator.separate(waveform, "rain", sample_rate=16000)
    assert not result.output[1].any()
    assert result.output[0].any()


# Silence


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("mode", MODES)
def test_silence_gives_silence_and_no_share(separator, channels, mode):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        silence = np.zeros((channels, 3000), np.float32)
        result = separator.separate(silence, "rain", mode, [(0.1, 0.2)], sample_rate=8000)
        assert np.isnan(result.energy_share)
        assert result.summary()["energy_share"] is None
    assert not result.output.any()
    assert not result.residual.any()
    assert np.isfinite(result.mask).all()


def test_silence_in_the_windows_only_has_no_share_either(separator):
    waveform = noise(1, 16000)
    waveform[:, 4000:8000] = 0
    result = separator.separate(waveform, "rain", "keep", [(0.25, 0.5)], sample_rate=16000)
    assert np.isnan(result.energy_share)
    assert np.isfinite(result.output).all()


@QUICK
@given(requests())
def test_energy_share_is_that_of_the_estimate_in_the_windows(separator, request_):
    result = separator.separate(**{**request_, "mode": "remove"})
    rate, wave = result.sample_rate, result.input
    inside = wave[:, result.gate > 0]
    if (inside == inside[:, :1]).all():  # silence, or an offset
        assert np.isnan(result.energy_share)
    elif not np.isnan(result.energy_share):
        seen = remove_rumble(wave, rate)
        highest = highest_peak(seen, rate)
        before, taken = (
            np.sum(np.square(x.clip(-highest, highest), dtype=np.float64))
            for x in (result.gate * seen, result.residual)
        )
        assert result.energy_share == pytest.approx(taken / before, rel=1e-3)
        loud = np.square(inside).mean() > 0.1 * np.square(wave).mean()  # nothing rings into it
        assert 0 <= result.energy_share < (1.5 if loud else np.inf)


# More than one sound


def test_everything_but_a_sound_is_kept_by_removing_it(separator):
    ask = {"sample_rate": 16000, "windows": [(0.1, 0.2)]}
    for mode, other in (("keep", "remove"), ("remove", "keep")):
        but = separator.separate(noise(), "everything but the rain", mode, **ask)
        plain = separator.separate(noise(), "the rain", other, **ask)
        assert np.array_equal(but.output, plain.output)
        assert (but.confidence, but.energy_share) == (plain.confidence, plain.energy_share)
        assert but.mode == mode and but.summary()["understood_as"] == "everything but the rain"
        assert "taken for “the rain”." in but.sentences()[0]


def test_several_sounds_are_the_union_of_their_masks(separator):
    both = separator.separate(noise(), "rain and siren", sample_rate=16000)
    rain, siren = (separator.separate(noise(), x, sample_rate=16000) for x in ("rain", "siren"))
    np.testing.assert_allclose(both.mask, (rain.mask + siren.mask).clip(0, 1), atol=1e-6)
    assert both.confidence == min(rain.confidence, siren.confidence)
    assert separator.separate(noise(), "rain", sample_rate=16000).sentences()[0].startswith("2")


def test_a_sound_but_not_another_is_that_with_the_other_unwanted(separator):
    but = separator.separate(noise(), "rain but not siren", sample_rate=16000)
    told = separator.separate(noise(), "rain", sample_rate=16000, unwanted="siren")
    assert np.array_equal(but.output, told.output)
    with pytest.raises(ValueError, match="NMF cannot be told what is unwanted"):
        separator.separate(noise(), "rain but not siren", sample_rate=16000, method="nmf")


def test_what_is_not_understood_is_refused_before_the_work(separator, monkeypatch):
    monkeypatch.setattr(separator, "mask", None)
    with pytest.raises(ValueError, match="“not without rain” is not understood"):
        separator.separate(noise(), "not without rain", sample_rate=16000)


# What may be asked


@pytest.mark.parametrize("samples", [1, 2, 3, 7, 80])
@pytest.mark.parametrize("rate", [8000, 44100, 96000])
def test_the_shortest_recordings(separator, samples, rate):
    result = separator.separate(noise(2, samples), "rain", sample_rate=rate)
    assert result.output.shape == (2, samples)
    assert np.isfinite(result.output).all()
    assert np.isfinite(result.mask).all()


def test_any_array_is_taken_as_it_is(separator):
    waveform = noise(2, 3000)
    expected = separator.separate(waveform, "rain", sample_rate=16000).output
    read_only = waveform.copy()
    read_only.flags.writeable = False
    fortran = np.asfortranarray(waveform)
    backwards = np.ascontiguousarray(waveform[:, ::-1])[:, ::-1]
    for same in (read_only, fortran, backwards):
        result = separator.separate(same, "rain", sample_rate=16000)
        assert np.array_equal(result.output, expected)
    for precise in (waveform.astype(np.float64), waveform.tolist()):
        result = separator.separate(precise, "rain", sample_rate=16000)
        assert result.output.dtype == result.residual.dtype == np.float64
        np.testing.assert_allclose(result.output, expected, atol=1e-6)
    mono = separator.separate(waveform[0], "rain", sample_rate=16000)
    assert mono.output.shape == (1, 3000)


def test_windows_may_be_any_pairs_and_numbers_of_any_kind(separator):
    request = {"recording": noise(1, 8000), "query": "rain", "sample_rate": np.int64(8000)}
    expected = separator.separate(windows=[(0.25, 0.5)], fade=0.125, **request)
    for windows in ([[0.25, 0.5]], np.array([[0.25, 0.5]]), zip([0.25], [0.5], strict=True)):
        result = separator.separate(windows=windows, fade=np.float32(0.125), **request)
        assert np.array_equal(result.output, expected.output)
        assert result.windows == [(0.25, 0.5)]
        assert json.loads(json.dumps(result.summary())) == result.summary() | {
            "windows_s": [[0.25, 0.5]]
        }


def test_the_facts_hold_what_a_repetition_needs(separator):
    request = {"recording": noise(1, 8000), "query": "rain", "sample_rate": 8000}
    facts = separator.separate(unwanted="dog", **request).summary()
    assert facts["unwanted"] == "dog" and facts["components"] is None
    assert facts["version"] == version("textsep-lab")
    facts = separator.separate(method="nmf", components=np.int64(3), **request).summary()
    assert json.loads(json.dumps(facts))["components"] == 3 and facts["unwanted"] is None


def test_overlapping_windows_are_reported_merged(separator):
    result = separator.separate(
        noise(1, 8000), "rain", windows=[(0.5, 0.75), (0.1, 0.6)], sample_rate=8000
    )
    assert result.windows == [(0.1, 0.75)]


@pytest.mark.parametrize("query", ["🐕", "犬の鳴き声", "перезвон колоколов", "dog " * 50])
def test_queries_of_any_language_are_accepted(separator, query):
    result = separator.separate(noise(), query, sample_rate=16000)
    assert result.query == query.strip()


def test_space_around_a_query_does_not_matter(separator):
    a, b = (separator.separate(noise(), q, sample_rate=16000) for q in ("rain", " \n rain\t"))
    assert np.array_equal(a.output, b.output)
    assert a.query == b.query


BAD_REQUESTS = {
    "empty query": ({"query": ""}, "query is empty"),
    "query of spaces": ({"query": " \t\n "}, "query is empty"),
    "query of dots": ({"query": "..."}, "query is empty"),
    "long query": ({"query": "x" * 10_000}, "10000 characters; the limit is 200"),
    "query None": ({"query": None}, "must be a string, not NoneType"),
    "query in a list": ({"query": ["dog"]}, "must be a string, not list"),
    "query bytes": ({"query": b"dog"}, "must be a string, not bytes"),
    "mode": ({"mode": "mute"}, "There is no mode 'mute': use keep or remove"),
    "mode in capitals": ({"mode": "Keep"}, "There is no mode 'Keep'"),
    "mode None": ({"mode": None}, "There is no mode 'None'"),
    "no rate": ({"sample_rate": None}, "needs its sample_rate in Hz"),
    "rate zero": ({"sample_rate": 0}, "needs its sample_rate in Hz, a whole number"),
    "rate below one": ({"sample_rate": 0.5}, "needs its sample_rate in Hz, a whole number"),
    "rate negative": ({"sample_rate": -44100}, "needs its sample_rate in Hz, a whole number"),
    "rate NaN": ({"sample_rate": float("nan")}, "needs its sample_rate in Hz, a whole number"),
    "rate infinite": ({"sample_rate": float("inf")}, "needs its sample_rate in Hz, a whole number"),
    "rate in words": ({"sample_rate": "16000"}, "needs its sample_rate in Hz, a whole number"),
    "no samples": ({"recording": np.zeros((1, 0))}, "holds no samples"),
    "NaN": ({"recording": np.array([[0.0, np.nan]])}, "NaN or infinite"),
    "channels last": ({"recording": np.zeros((4000, 2))}, "channels first"),
    "a batch": ({"recording": np.zeros((2, 1, 4000))}, "3 dimensions"),
    "no recording": ({"recording": None}, "not made of real numbers"),
    "window outside": ({"windows": [(0, 9)]}, "outside the recording, which lasts 0.25 s"),
    "window reversed": ({"windows": [(0.2, 0.1)]}, "reversed"),
    "no window": ({"windows": []}, "list of windows is empty"),
    "windows in a word": ({"windows": "foo"}, "The windows are 'foo': give pairs"),
    "windows in capitals": ({"windows": "AUTO"}, "The windows are 'AUTO'"),
    "fade": ({"fade": -1.0}, "The fade is -1.0 s"),
    "method": ({"method": "ica"}, "There is no method 'ica': use unet or nmf"),
    "method None": ({"method": None}, "There is no method 'None'"),
    "no components": ({"method": "nmf", "components": 0}, "whole number from 1 up, not 0"),
    "components -1": ({"method": "nmf", "components": -1}, "whole number from 1 up, not -1"),
    "components 2.5": ({"method": "nmf", "components": 2.5}, "whole number from 1 up, not 2.5"),
    "components '8'": ({"method": "nmf", "components": "8"}, "whole number from 1 up, not '8'"),
    "too many components": ({"method": "nmf", "components": 50}, "at most 9 components"),
    "fade without windows": ({"fade": float("nan"), "windows": None}, "The fade is nan s"),
}


@pytest.mark.parametrize(("changes", "words"), BAD_REQUESTS.values(), ids=BAD_REQUESTS)
def test_a_bad_request_is_one_sentence(separator, changes, words):
    request = {"recording": noise(), "query": "rain", "sample_rate": 16000, "windows": [(0, 0.1)]}
    with pytest.raises(ValueError, match=words) as caught:
        separator.separate(**{**request, **changes})
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize("as_type", [str, lambda p: p])
def test_a_bad_file_is_one_sentence(separator, tmp_path, as_type):
    with pytest.raises(FileNotFoundError, match=r"^There is no file '.*nothing\.wav'\.$"):
        separator.separate(as_type(tmp_path / "nothing.wav"), "rain")
    (tmp_path / "text.wav").write_text("rain, rain, rain")
    with pytest.raises(ValueError, match=r"text\.wav' cannot be read as audio"):
        separator.separate(as_type(tmp_path / "text.wav"), "rain")


# Windows that are detected


@pytest.fixture
def low_tone(tones):
    """5 s of a weak high tone, with a low one from 1.0 to 1.5 s and from 3.0 to 4.0 s."""
    return 0.3 * tones(5, ("high", 0, 5)) + tones(5, ("low", 1.0, 1.5), ("low", 3.0, 4.0))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("method", METHODS)
def test_auto_finds_the_windows_and_leaves_the_rest_alone(separator, low_tone, mode, method):
    stereo = np.concatenate([low_tone, -0.5 * low_tone])
    result = separator.separate(
        stereo, "low", mode, "auto", sample_rate=16000, method=method, components=3
    )
    np.testing.assert_allclose(result.windows, [(1.0, 1.5), (3.0, 4.0)], atol=1e-9)
    assert result.auto_windows and result.summary()["auto_windows"] is True
    assert result.summary()["windows_s"] == result.windows
    inside = np.zeros(80000, bool)
    inside[16000:24000] = inside[48000:64000] = True
    assert np.array_equal(result.gate > 0, inside)
    assert np.array_equal(bits(result.output)[:, ~inside], bits(stereo)[:, ~inside])
    assert not result.residual[:, ~inside].any()
    assert not np.array_equal(result.output[:, inside], stereo[:, inside])


def test_the_windows_that_auto_found_can_be_given_by_hand(separator, low_tone):
    auto = separator.separate(low_tone, "low", windows="auto", sample_rate=16000)
    given_ = separator.separate(low_tone, "low", windows=auto.windows, sample_rate=16000)
    for name in ("output", "residual", "mask", "gate"):
        assert getattr(given_, name).tobytes() == getattr(auto, name).tobytes()
    assert given_.summary() == auto.summary() | {"auto_windows": False}
    assert not given_.auto_windows
    own = separator.separate(low_tone, "low", windows=[(2.0, 3.0)], sample_rate=16000)
    assert own.windows == [(2.0, 3.0)]


def test_auto_with_nothing_detected_is_one_sentence(separator, low_tone):
    said = r"^“middle” is detected nowhere in this recording: give windows yourself, or none\.$"
    for waveform in (low_tone, np.zeros((1, 8000))):
        with pytest.raises(ValueError, match=said):
            separator.separate(waveform, "middle", windows="auto", sample_rate=16000)


@pytest.mark.parametrize("rate", RATES)
def test_auto_works_at_any_rate(separator, tones, rate):
    wave = tones(3.0, ("middle", 1.0, 2.0), rate=rate)
    result = separator.separate(wave, "middle", windows="auto", sample_rate=rate)
    np.testing.assert_allclose(result.windows, [(1.0, 2.0)], atol=1e-9)


# Confidence


@QUICK
@given(requests())
def test_confidence_is_a_probability_and_silence_has_none(separator, request_):
    result = separator.separate(**request_)
    assert 0 <= result.confidence <= 1
    if not (result.input * (result.gate > 0)).any():
        assert result.confidence == 0
    assert result.summary()["confidence"] == round(result.confidence, 4)


def test_confidence_is_about_the_windows(separator, low_tone):
    ask = {"query": "low", "sample_rate": 16000}
    there = separator.separate(low_tone, windows=[(3.0, 4.0)], **ask)
    absent = separator.separate(low_tone, windows=[(1.6, 2.8)], **ask)
    assert there.confidence > 0.9 and absent.confidence < 0.1


def test_the_fused_curve_serves_only_the_separator_it_was_fitted_to(
    network, fake_encoder, make_detector, low_tone
):
    certain = Logistic((0.0, 0.0, 0.0), 50.0)  # whoever uses this curve is sure of everything
    own_print = checkpoints.fingerprint({"sha256": "f00d"})
    fitted = make_detector(confidence=certain, separator_sha256=own_print)
    ask = {"query": "middle", "sample_rate": 16000}
    own = Separator(network, fake_encoder, {"sha256": "f00d"}, fitted)
    assert own.separate(low_tone, **ask).confidence == 1
    assert own.separate(low_tone, method="nmf", **ask).confidence < 0.1
    alone = fitted.presence(low_tone, 16000, "middle")
    other_classifier = {"sha256": "f00d", "query_classifier": {"sha256": "beef"}}
    for info in ({"sha256": "beef"}, other_classifier, {}, None):
        other = Separator(network, fake_encoder, info, fitted)
        assert other.separate(low_tone, **ask).confidence == pytest.approx(alone, rel=0.01)
    unfitted = Separator(network, fake_encoder, {}, make_detector(confidence=certain))
    assert unfitted.separate(low_tone, **ask).confidence == pytest.approx(alone, rel=0.01)
    without = Separator(network, fake_encoder, {"sha256": "f00d"}, make_detector())
    assert without.separate(low_tone, **ask).confidence == pytest.approx(alone, rel=0.01)


def test_energy_share_is_the_one_of_a_whole_separation(separator, low_tone):
    result = separator.separate(low_tone, "low", sample_rate=16000)
    assert separator.energy_share(low_tone, 16000, "low") == result.energy_share
    assert np.isnan(separator.energy_share(np.zeros((1, 800), np.float32), 16000, "low"))


# The classical baseline


@st.composite
def nmf_requests(draw):
    request_ = draw(requests())
    frames = 1 + request_["recording"].shape[1] * 16000 // request_["sample_rate"] // 512
    return request_ | {"method": "nmf", "components": draw(st.integers(1, min(4, frames)))}


@QUICK
@given(nmf_requests())
def test_nmf_keeps_every_promise(separator, request_):
    with pytest.MonkeyPatch.context() as patch:
        estimate = nmf.separate_components
        patch.setattr(nmf, "separate_components", lambda *a: estimate(*a, iterations=10))
        keep, remove = (separator.separate(**{**request_, "mode": m}) for m in MODES)
        again = separator.separate(**{**request_, "mode": "keep"})
    before = request_["recording"]
    for result in (keep, remove):
        outside = result.gate == 0
        assert np.array_equal(bits(result.output)[:, outside], bits(before)[:, outside])
        assert not result.residual[:, outside].any()
        total = result.output + result.residual
        assert within_one_ulp(total, before, result.output, result.residual)
        assert result.output.shape == result.residual.shape == before.shape
        assert result.output.dtype == np.float32 and np.isfinite(result.output).all()
        assert result.sample_rate == request_["sample_rate"] and result.method == "nmf"
        assert result.mask.shape[0] == 513 and np.all((result.mask >= 0) & (result.mask <= 1))
    if request_["windows"] is None:
        for a, b in ((keep, remove), (remove, keep)):
            assert within_one_ulp(a.output, b.residual, a.input, a.residual)
    for name in ("output", "residual", "mask", "gate"):
        assert getattr(again, name).tobytes() == getattr(keep, name).tobytes()
    assert again.summary() == keep.summary()


def test_nmf_keeps_the_tone_that_is_named(separator, tones):
    low, high = tones(2, ("low", 0, 0.8), ("low", 1.5, 2)), tones(2, ("high", 0.4, 1.7))
    ask = {"sample_rate": 16000, "method": "nmf", "components": 3}
    kept = separator.separate(low + high, "low", **ask)
    assert metrics.si_sdr(kept.output[0], low[0]) > 15
    removed = separator.separate(low + high, "low", "remove", **ask)
    assert metrics.si_sdr(removed.output[0], high[0]) > 15
    assert 0.3 < kept.energy_share < 0.7 and kept.confidence > 0.5


@pytest.mark.parametrize("mode", MODES)
def test_nmf_finds_nothing_in_silence(separator, mode):
    silence = np.zeros((2, 8000))
    result = separator.separate(silence, "low", mode, sample_rate=16000, method="nmf")
    assert not result.output.any() and not result.residual.any()
    assert np.isnan(result.energy_share) and result.confidence == 0


@pytest.mark.parametrize("components", [1, 5])
def test_the_number_of_components_is_free(separator, low_tone, components):
    ask = {"query": "low", "sample_rate": 16000, "method": "nmf"}
    result = separator.separate(low_tone[:, :32000], components=components, **ask)
    assert (result.mask == 1).all() == (components == 1)


def test_nmf_results_are_saved_and_drawn(separator, low_tone, tmp_path):
    result = separator.separate(
        low_tone, "low", windows="auto", sample_rate=16000, method="nmf", components=3
    )
    files = result.save(tmp_path)
    assert [f.name for f in files][3] == "separation.png" and files[3].stat().st_size > 10_000
    facts = json.loads(files[2].read_text(encoding="utf-8"))
    assert (facts["method"], facts["auto_windows"]) == ("nmf", True)
    assert facts["windows_s"] == [list(window) for window in result.windows]


# Files


@pytest.fixture
def recording(tmp_path):
    """A stereo CD-format file that reaches full scale, as integers on disk."""
    integers = np.random.default_rng(0).integers(-20000, 20000, (22050, 2)).astype(np.int16)
    integers[:4] = [[-32768, 32767], [32767, -32768], [0, -1], [1, 0]]
    integers[-1] = [-32768, 32767]
    path = tmp_path / "street.wav"
    sf.write(path, integers, 44100, subtype="PCM_16")
    return path


@pytest.mark.filterwarnings("ignore:.*were clipped:UserWarning")
def test_a_cd_file_gives_cd_files_with_untouched_integers_outside(separator, recording, tmp_path):
    result = separator.separate(recording, "rain", windows=[(0.1, 0.2), (0.3, 0.35)])
    files = result.save(tmp_path / "out", figure=False)
    assert [f.name for f in files] == ["output.wav", "residual.wav", "result.json"]
    before, _ = sf.read(recording, dtype="int16")
    outside = result.gate == 0
    assert 0.5 < outside.mean() < 1
    for path in files[:2]:
        info = sf.info(path)
        assert (info.format, info.subtype) == ("WAV", "PCM_16")
        assert (info.samplerate, info.channels, info.frames) == (44100, 2, 22050)
    output, residual = (sf.read(path, dtype="int16")[0] for path in files[:2])
    assert np.array_equal(output[outside], before[outside])
    assert not residual[outside].any()
    assert not np.array_equal(output[~outside], before[~outside])
    # Each file is rounded on its own.
    off = np.abs(output.astype(int) + residual - before)
    assert np.percentile(off, 99) <= 1


@pytest.mark.parametrize(
    ("name", "subtype", "stored"),
    [
        ("a.wav", "PCM_24", (".wav", "PCM_24")),
        ("a.wav", "FLOAT", (".wav", "FLOAT")),
        ("a.wav", "PCM_U8", (".wav", "PCM_U8")),
        ("a.flac", "PCM_16", (".flac", "PCM_16")),
        ("a.ogg", "VORBIS", (".wav", "FLOAT")),
        ("a.mp3", "MPEG_LAYER_III", (".wav", "FLOAT")),
        ("a.wav", "ULAW", (".wav", "FLOAT")),
        ("a.wav", "PCM_32", (".wav", "PCM_32")),
        ("a.wav", "DOUBLE", (".wav", "DOUBLE")),
        ("a.aiff", "PCM_16", (".aiff", "PCM_16")),
        ("a.caf", "PCM_24", (".caf", "PCM_24")),
        ("a.w64", "PCM_16", (".w64", "PCM_16")),
    ],
)
def test_results_are_stored_as_the_input_was(separator, tmp_path, name, subtype, stored):
    sf.write(tmp_path / name, noise(2, 4001).T, 22050, subtype=subtype)
    result = separator.separate(tmp_path / name, "rain")
    saved = result.save(tmp_path / "out", figure=False)[:2]
    for path in saved:
        assert (path.suffix, audio.file_format(path).subtype) == stored
        waveform, rate = audio.load(path)
        assert waveform.shape == result.input.shape and rate == 22050
    facts = json.loads((tmp_path / "out" / "result.json").read_text(encoding="utf-8"))
    assert set(facts.pop("files")) == {path.name for path in saved}
    assert facts == result.summary()
    assert (facts["channels"], facts["sample_rate_hz"], facts["windows_s"]) == (2, 22050, None)


def test_an_array_is_saved_as_float_without_loss(separator, tmp_path):
    result = separator.separate(noise(3, 3000, level=2.0), "rain", sample_rate=48000)
    output, residual, _ = result.save(tmp_path / "out", figure=False)
    assert np.array_equal(audio.load(output)[0], result.output)
    assert np.array_equal(audio.load(residual)[0], result.residual)


@pytest.mark.parametrize("there", ["output.wav", "residual.wav", "result.json"])
def test_nothing_is_overwritten_unasked(separator, tmp_path, there):
    result = separator.separate(noise(), "rain", sample_rate=16000)
    (tmp_path / there).write_text("mine")
    with pytest.raises(FileExistsError, match=rf"{there}' is there already"):
        result.save(tmp_path, figure=False)
    assert [p.name for p in tmp_path.iterdir()] == [there]
    assert (tmp_path / there).read_text() == "mine"
    result.save(tmp_path, overwrite=True, figure=False)
    assert len(list(tmp_path.iterdir())) == 3
    assert (tmp_path / there).read_bytes() != b"mine"


def test_a_failed_save_leaves_nothing_half_written(separator, tmp_path, monkeypatch):
    result = separator.separate(noise(), "rain", sample_rate=16000)
    write = sf.SoundFile.write

    def disk_full(file, samples):
        write(file, samples[:10])
        raise OSError("No space left on device")

    monkeypatch.setattr(sf.SoundFile, "write", disk_full)
    with pytest.raises(OSError, match="No space left"):
        result.save(tmp_path / "out", figure=False)
    assert list((tmp_path / "out").iterdir()) == []


def test_a_folder_that_is_a_file_is_one_sentence(separator, tmp_path):
    result = separator.separate(noise(), "rain", sample_rate=16000)
    (tmp_path / "out").write_text("mine")
    with pytest.raises(NotADirectoryError, match=r"out' cannot be made: a file stands in its pla"):
        result.save(tmp_path / "out", figure=False)
    assert (tmp_path / "out").read_text() == "mine"


# Where a separator comes from


def test_a_stored_separator_separates_like_the_one_it_was(
    tmp_path, separator, network, fake_encoder, monkeypatch
):
    info = {"encoder": {"name": "fake", "dim": 8}}
    path = checkpoints.save(tmp_path / "net.safetensors", network, info)
    monkeypatch.setattr(separator_module, "load_encoder", {"fake": fake_encoder}.__getitem__)
    monkeypatch.setattr(separator_module, "load_detector", lambda: separator.detector)
    loaded = load_separator(path)
    request = {"recording": noise(2), "query": "rain", "sample_rate": 16000}
    expected = separator.separate(**request)
    assert np.array_equal(loaded.separate(**request).output, expected.output)
    assert loaded.info["encoder"] == info["encoder"]


def test_a_network_without_a_query_or_with_another_encoder_is_refused(
    tmp_path, make_network, network, fake_encoder, monkeypatch
):
    monkeypatch.setattr(separator_module, "load_encoder", lambda name: fake_encoder)
    text_agnostic = checkpoints.save(
        tmp_path / "text_agnostic.safetensors", make_network(text_dim=None), {"encoder": None}
    )
    with pytest.raises(ValueError, match=r"text_agnostic\.safetensors' is a text-agnostic network"):
        load_separator(text_agnostic)
    wide = make_network(text_dim=12)
    path = checkpoints.save(tmp_path / "wide.safetensors", wide, {"encoder": {"name": "fake"}})
    with pytest.raises(ValueError, match=r"with 12-dimensional embeddings; the encoder gives 8\.$"):
        load_separator(path)


def test_a_separator_refuses_an_encoder_whose_weights_have_changed(network, fake_encoder):
    encoder = {"name": "fake", "dim": 8, "weights_sha256": "f00d"}
    with pytest.raises(ValueError, match=r"another fake: its weights have changed since\.$"):
        Separator(network, fake_encoder, {"encoder": encoder})


def test_a_separator_takes_only_the_encoder_it_was_trained_with(network, fake_encoder):
    for info in ({"encoder": {"name": "fake", "dim": 8}}, {"encoder": None}, {}, None):
        Separator(network, fake_encoder, info)
    said = r"^These weights were trained with the encoder minilm, not fake\.$"
    with pytest.raises(ValueError, match=said):
        Separator(network, fake_encoder, {"encoder": {"name": "minilm", "dim": 8}})


def test_the_default_detector_is_loaded_when_first_needed(
    network, fake_encoder, detector, monkeypatch
):
    loads = []
    monkeypatch.setattr(separator_module, "load_detector", lambda: loads.append(1) or detector)
    separator = Separator(network, fake_encoder)
    assert separator.energy_share(noise(), 16000, "rain") > 0 and loads == []
    for _ in range(2):
        assert separator.separate(noise(), "rain", sample_rate=16000).confidence > 0
    assert loads == [1] and separator.detector is detector


def test_a_separator_is_in_evaluation_mode_and_does_not_train(make_network, fake_encoder, detector):
    network = make_network()
    separator = Separator(network.train(), fake_encoder, detector=detector)
    assert not separator.network.training
    before = {name: value.clone() for name, value in network.state_dict().items()}
    separator.separate(noise(), "rain", sample_rate=16000)
    assert all(value.equal(before[name]) for name, value in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())
