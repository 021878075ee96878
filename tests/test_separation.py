"""The promises of a separation, on a tiny network with random weights: they hold for any mask."""

import json
import warnings

import numpy as np
import pytest
import soundfile as sf
from hypothesis import given, settings
from hypothesis import strategies as st

from textsep_lab import audio, checkpoints, masking, separation
from textsep_lab.separation import Separator, load_separator
from textsep_lab.timegate import gate

PROMISES = settings(max_examples=40, deadline=None)
QUICK = settings(max_examples=12, deadline=None)
QUERIES = ["dog barking", "rain", "Hundegebell", "犬の鳴き声", "🐕"]
RATES = [8000, 16000, 44100, 48000]


@pytest.fixture(scope="module")
def separator(network, fake_encoder):
    return Separator(network, fake_encoder)


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
    # Exact zeros of both signs occur in real files: muted, or muted and inverted.
    waveform[:, : draw(st.integers(0, samples // 2))] *= draw(st.sampled_from([1, 0, -0.0]))
    windows = None
    if windowed or (windowed is None and draw(st.booleans())):
        position = st.integers(0, samples)
        pair = st.tuples(position, position).map(sorted).filter(lambda p: p[0] < p[1])
        windows = [(a / rate, b / rate) for a, b in draw(st.lists(pair, min_size=1, max_size=3))]
    return {
        "recording": waveform,
        "query": draw(st.sampled_from(QUERIES)),
        "mode": draw(st.sampled_from(separation.MODES)),
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
    keep, remove = (separator.separate(**{**request_, "mode": mode}) for mode in separation.MODES)
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


@pytest.mark.parametrize("mode", separation.MODES)
def test_long_recordings_are_cut_into_chunks_without_a_trace(separator, monkeypatch, mode):
    waveform = noise(1, 16000 * 21 + 77)
    request = {"query": "rain", "mode": mode, "sample_rate": 16000}
    whole = separator.separate(waveform, **request)
    chunk = 8 * separator.network.stride
    assert whole.mask.shape[1] > 10 * chunk
    in_chunks = masking.in_chunks
    monkeypatch.setattr(masking, "in_chunks", lambda net, x, q: in_chunks(net, x, q, chunk))
    cut = separator.separate(waveform, **request)
    assert cut.mask.shape == whole.mask.shape
    assert np.abs(cut.mask - whole.mask).max() < 1e-5
    error = np.sum((cut.output - whole.output) ** 2) / np.sum(whole.output**2)
    assert error < 10 ** (-60 / 10)


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
@pytest.mark.parametrize("mode", separation.MODES)
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
    heard = np.sum((result.gate * result.input).astype(np.float64) ** 2)
    if heard == 0:
        assert np.isnan(result.energy_share)
    else:
        taken = np.sum(result.residual.astype(np.float64) ** 2)
        assert result.energy_share == pytest.approx(taken / heard, rel=1e-4)
        assert 0 <= result.energy_share < 1.5


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
    for same in (read_only, fortran, backwards, waveform.astype(np.float64), waveform.tolist()):
        result = separator.separate(same, "rain", sample_rate=16000)
        assert np.array_equal(result.output, expected)
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
    "rate zero": ({"sample_rate": 0}, "needs its sample_rate in Hz"),
    "rate below one": ({"sample_rate": 0.5}, "needs its sample_rate in Hz"),
    "rate negative": ({"sample_rate": -44100}, "needs its sample_rate in Hz"),
    "rate NaN": ({"sample_rate": float("nan")}, "needs its sample_rate in Hz"),
    "rate infinite": ({"sample_rate": float("inf")}, "needs its sample_rate in Hz"),
    "rate in words": ({"sample_rate": "16000"}, "needs its sample_rate in Hz"),
    "no samples": ({"recording": np.zeros((1, 0))}, "holds no samples"),
    "NaN": ({"recording": np.array([[0.0, np.nan]])}, "NaN or infinite"),
    "channels last": ({"recording": np.zeros((4000, 2))}, "channels first"),
    "a batch": ({"recording": np.zeros((2, 1, 4000))}, "3 dimensions"),
    "no recording": ({"recording": None}, "not made of real numbers"),
    "window outside": ({"windows": [(0, 9)]}, "outside the recording, which lasts 0.25 s"),
    "window reversed": ({"windows": [(0.2, 0.1)]}, "reversed"),
    "no window": ({"windows": []}, "list of windows is empty"),
    "fade": ({"fade": -1.0}, "The fade is -1.0 s"),
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
        ("a.ogg", "VORBIS", (".ogg", "VORBIS")),
        ("a.aiff", "PCM_16", (".wav", "FLOAT")),
    ],
)
def test_results_are_stored_as_the_input_was(separator, tmp_path, name, subtype, stored):
    sf.write(tmp_path / name, noise(2, 4001).T, 22050, subtype=subtype)
    result = separator.separate(tmp_path / name, "rain")
    for path in result.save(tmp_path / "out", figure=False)[:2]:
        assert (path.suffix, audio.file_format(path).subtype) == stored
        waveform, rate = audio.load(path)
        assert (waveform.shape, rate) == ((2, 4001), 22050)
    facts = json.loads((tmp_path / "out" / "result.json").read_text(encoding="utf-8"))
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
    monkeypatch.setattr(separation, "load_encoder", {"fake": fake_encoder}.__getitem__)
    loaded = load_separator(path)
    request = {"recording": noise(2), "query": "rain", "sample_rate": 16000}
    expected = separator.separate(**request)
    assert np.array_equal(loaded.separate(**request).output, expected.output)
    assert loaded.info["encoder"] == info["encoder"]


def test_a_network_without_a_query_or_with_another_encoder_is_refused(
    tmp_path, make_network, network, fake_encoder, monkeypatch
):
    monkeypatch.setattr(separation, "load_encoder", lambda name: fake_encoder)
    twin = checkpoints.save(
        tmp_path / "twin.safetensors", make_network(text_dim=None), {"encoder": None}
    )
    with pytest.raises(ValueError, match=r"twin\.safetensors' is a text-agnostic network"):
        load_separator(twin)
    wide = make_network(text_dim=12)
    path = checkpoints.save(tmp_path / "wide.safetensors", wide, {"encoder": {"name": "fake"}})
    with pytest.raises(ValueError, match=r"with 12-dimensional embeddings; the encoder gives 8\.$"):
        load_separator(path)


def test_a_separator_listens_and_does_not_train(make_network, fake_encoder):
    network = make_network()
    separator = Separator(network.train(), fake_encoder)
    assert not separator.network.training
    before = {name: value.clone() for name, value in network.state_dict().items()}
    separator.separate(noise(), "rain", sample_rate=16000)
    assert all(value.equal(before[name]) for name, value in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())
