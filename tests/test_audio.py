"""Audio files: what is read is what was stored, what is written is read back, bad files say so."""

import contextlib
import warnings

import numpy as np
import pytest
import soundfile as sf
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from textsep_lab.signal import audio

INTEGERS = [
    ("wav", "PCM_U8", 8),
    ("wav", "PCM_16", 16),
    ("wav", "PCM_24", 24),
    ("flac", "PCM_S8", 8),
    ("flac", "PCM_16", 16),
    ("flac", "PCM_24", 24),
]
QUICK = settings(max_examples=20, deadline=None)
#: Only the tests that look for this warning want to see it.
pytestmark = pytest.mark.filterwarnings("ignore:.*changes every sample a little")


def noise(channels=2, samples=4410, seed=0, peak=0.9):
    rng = np.random.default_rng(seed)
    return rng.uniform(-peak, peak, (channels, samples)).astype(np.float32)


def stored_integers(path, bits):
    """The integer samples as they lie on disk, ``[channels, samples]``."""
    samples, _ = sf.read(path, dtype="int32", always_2d=True)
    assert not np.any(samples & ((1 << (32 - bits)) - 1))
    return samples.T >> (32 - bits)


@pytest.mark.parametrize("rate", [8000, 22050, 44100, 48000, 96000])
@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize(
    ("ending", "subtype", "tolerance"),
    [
        ("wav", "PCM_16", 2**-15),
        ("wav", "FLOAT", 0),
        ("flac", "PCM_24", 2**-23),
        ("ogg", "VORBIS", None),
    ],
)
def test_round_trip_keeps_rate_channels_length_and_subtype(
    tmp_path, ending, subtype, tolerance, channels, rate
):
    waveform = noise(channels, 2001)
    path = audio.save(tmp_path / f"x.{ending}", waveform, rate, subtype)
    read, read_rate = audio.load(path)
    assert (read.shape, read.dtype, read_rate) == (waveform.shape, np.float32, rate)
    assert read.flags.c_contiguous
    assert audio.file_format(path) == audio.AudioFormat(ending.upper(), subtype)
    if tolerance is not None:
        assert np.abs(read - waveform).max() <= tolerance


def test_vorbis_sounds_like_what_was_saved(tmp_path):
    time = np.arange(44100) / 44100
    tone = 0.5 * np.sin(2 * np.pi * 440 * time).astype(np.float32)[None]
    read, _ = audio.load(audio.save(tmp_path / "x.ogg", tone, 44100))
    assert np.sqrt(np.mean((read - tone) ** 2)) < 0.01


@pytest.mark.parametrize(("ending", "subtype", "bits"), INTEGERS)
@QUICK
@given(data=st.data())
def test_integer_samples_survive_load_and_save_bit_for_bit(
    tmp_path_factory, ending, subtype, bits, data
):
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    value = st.one_of(st.integers(low, high), st.sampled_from([low, low + 1, -1, 0, 1, high]))
    values = data.draw(st.lists(value, min_size=1, max_size=30))
    integers = np.array([values, values[::-1]])
    folder = tmp_path_factory.mktemp("pcm")
    first, second = folder / f"a.{ending}", folder / f"b.{ending}"
    sf.write(first, (integers << (32 - bits)).astype(np.int32).T, 8000, subtype=subtype)
    assert np.array_equal(stored_integers(first, bits), integers)
    waveform, rate = audio.load(first)
    assert np.array_equal(waveform, (integers / 2.0 ** (bits - 1)).astype(np.float32))
    audio.save(second, waveform, rate, audio.file_format(first).subtype)
    assert np.array_equal(stored_integers(second, bits), integers)
    assert np.array_equal(audio.load(second)[0], waveform)


@pytest.mark.parametrize(("ending", "subtype", "bits"), INTEGERS)
def test_full_scale_is_the_largest_integer_without_a_warning(tmp_path, ending, subtype, bits):
    path = audio.save(tmp_path / f"x.{ending}", np.array([[1.0, -1.0, 0.0]]), 8000, subtype)
    assert stored_integers(path, bits).tolist() == [[2 ** (bits - 1) - 1, -(2 ** (bits - 1)), 0]]


@pytest.mark.parametrize(("ending", "subtype", "bits"), INTEGERS)
def test_integer_formats_clip_with_a_warning_and_do_not_wrap(tmp_path, ending, subtype, bits):
    with pytest.warns(UserWarning, match=r"'x\.\w+': samples up to 6\.0 dB over full scale"):
        path = audio.save(tmp_path / f"x.{ending}", np.array([[2.0, -1.5, 0.5]]), 8000, subtype)
    full = 2 ** (bits - 1)
    assert stored_integers(path, bits).tolist() == [[full - 1, -full, full // 2]]


def test_vorbis_warns_about_clipping_too(tmp_path):
    with pytest.warns(UserWarning, match="clipped"):
        audio.save(tmp_path / "x.ogg", 2 * noise(), 44100)


@QUICK
@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=50))
def test_float_wav_keeps_every_value(tmp_path_factory, values):
    waveform = np.array([values], np.float32)
    path = audio.save(tmp_path_factory.mktemp("float") / "x.wav", waveform, 8000)
    assert audio.load(path)[0].tobytes() == waveform.tobytes()


def test_long_vorbis_is_written_whole(tmp_path):
    # libsndfile 1.2.2 dies of a segmentation fault when given all of this at once.
    path = audio.save(tmp_path / "x.ogg", np.zeros((1, 3_000_000)), 48000)
    assert sf.info(path).frames == 3_000_000


@pytest.mark.parametrize(("name", "default"), [("x.wav", "FLOAT"), ("x.flac", "PCM_24")])
def test_a_subtype_the_format_cannot_hold_becomes_its_default(tmp_path, name, default):
    path = audio.save(tmp_path / name, noise(), 8000, "VORBIS")
    assert audio.file_format(path).subtype == default


@pytest.mark.parametrize("name", ["x.mp3", "x.txt", "x", "wav"])
def test_unknown_ending(tmp_path, name):
    with pytest.raises(ValueError, match=r"unknown ending: use \.wav, \.flac, "):
        audio.save(tmp_path / name, noise(), 8000)
    assert list(tmp_path.iterdir()) == []


def test_endings_in_capitals_are_known(tmp_path):
    path = audio.save(tmp_path / "X.WAV", noise(), 8000)
    assert np.array_equal(audio.load(path)[0], noise())


def test_overwrite_false_refuses_and_touches_nothing(tmp_path):
    path = audio.save(tmp_path / "x.wav", noise(), 8000, overwrite=False)
    before = path.read_bytes()
    with pytest.raises(FileExistsError, match=r"x\.wav' is there already"):
        audio.save(path, noise(seed=1), 8000, overwrite=False)
    assert path.read_bytes() == before
    audio.save(path, noise(seed=1), 8000)
    assert np.array_equal(audio.load(path)[0], noise(seed=1))
    assert list(tmp_path.iterdir()) == [path]


def test_a_failing_save_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = audio.save(tmp_path / "x.wav", noise(), 8000)
    before = path.read_bytes()

    write = sf.SoundFile.write

    def disk_full(file, samples):
        write(file, samples[:100])
        raise OSError("No space left on device")

    monkeypatch.setattr(sf.SoundFile, "write", disk_full)
    for name in ("x.wav", "new.wav"):
        with pytest.raises(OSError, match="No space left"):
            audio.save(tmp_path / name, noise(seed=1), 8000)
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == before


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_save_refuses_nan_and_infinity(tmp_path, bad):
    waveform = noise()
    waveform[0, 7] = bad
    with pytest.raises(ValueError, match="NaN or infinite"):
        audio.save(tmp_path / "x.wav", waveform, 8000)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "channels", "rate"),
    [("x.flac", 9, 8000), ("x.flac", 1, 700_000), ("x.ogg", 256, 8000), ("x.ogg", 1, 384_000)],
)
def test_what_the_format_cannot_hold_is_one_sentence_and_no_file(tmp_path, name, channels, rate):
    with pytest.raises(ValueError, match=f"{channels} channels at {rate} Hz") as caught:
        audio.save(tmp_path / name, noise(channels, 400), rate)
    assert_one_sentence(caught.value, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("rate", [8000, 96000])
@pytest.mark.parametrize("channels", [1, 6])
def test_ten_milliseconds_load(tmp_path, rate, channels):
    waveform = noise(channels, rate // 100)
    read, read_rate = audio.load(audio.save(tmp_path / "x.wav", waveform, rate))
    assert read_rate == rate
    assert np.array_equal(read, waveform)


def test_path_may_be_a_string_and_hold_any_letters(tmp_path):
    path = tmp_path / "ein Hund 🐕 100%.wav"
    audio.save(str(path), noise(), 8000)
    assert np.array_equal(audio.load(str(path))[0], noise())


# Bad files


def assert_one_sentence(error, path):
    sentence = str(error)
    assert path.name in sentence
    assert "\n" not in sentence
    assert sentence.endswith(".")


def cut(path, share):
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    return path


def with_value(path, value):
    waveform = noise()
    waveform[1, 5] = value
    sf.write(path, waveform.T, 8000, subtype="FLOAT")
    return path


def text_file(path):
    path.write_text("this is no audio\n" * 50)
    return path


def empty_file(path):
    path.touch()
    return path


def folder(path):
    path.mkdir()
    return path


def wav(path, subtype="PCM_16"):
    return audio.save(path, noise(samples=22050), 44100, subtype)


def no_samples(path):
    sf.write(path, np.zeros((0, 2)), 8000)
    return path


BAD_FILES = {
    "missing": (lambda p: p / "x.wav", FileNotFoundError, "no file"),
    "directory": (lambda p: folder(p / "x.wav"), ValueError, "is a folder"),
    "text named wav": (lambda p: text_file(p / "x.wav"), ValueError, "cannot be read"),
    "text named flac": (lambda p: text_file(p / "x.flac"), ValueError, "cannot be read"),
    "text named raw": (lambda p: text_file(p / "x.raw"), ValueError, "cannot be read"),
    "empty": (lambda p: empty_file(p / "x.wav"), ValueError, "is an empty file"),
    "no samples": (lambda p: no_samples(p / "x.wav"), ValueError, "holds no samples"),
    "half a wav": (lambda p: cut(wav(p / "x.wav"), 0.5), ValueError, "is cut off"),
    "half a float wav": (lambda p: cut(wav(p / "x.wav", "FLOAT"), 0.5), ValueError, "is cut off"),
    "half a header": (lambda p: cut(wav(p / "x.wav"), 0.0003), ValueError, "cannot be read"),
    "half a flac": (lambda p: cut(wav(p / "x.flac"), 0.5), ValueError, "is cut off"),
    "half an ogg": (lambda p: cut(wav(p / "x.ogg"), 0.5), ValueError, "is cut off"),
    "most of an ogg": (lambda p: cut(wav(p / "x.ogg"), 0.99), ValueError, "is cut off"),
    "NaN": (lambda p: with_value(p / "x.wav", np.nan), ValueError, "NaN or infinite"),
    "infinite": (lambda p: with_value(p / "x.wav", -np.inf), ValueError, "NaN or infinite"),
}


@pytest.mark.parametrize(("make", "kind", "words"), BAD_FILES.values(), ids=BAD_FILES)
def test_a_bad_file_is_one_sentence_that_names_it(tmp_path, make, kind, words):
    path = make(tmp_path)
    with pytest.raises(kind, match=words) as caught:
        audio.load(path)
    assert_one_sentence(caught.value, path)


def test_half_an_aiff(tmp_path):
    path = tmp_path / "x.aiff"
    sf.write(path, noise().T, 44100, format="AIFF", subtype="PCM_16")
    assert audio.load(path)[0].shape == (2, 4410)
    with pytest.raises(ValueError, match="is cut off") as caught:
        audio.load(cut(path, 0.5))
    assert_one_sentence(caught.value, path)


@pytest.mark.parametrize("ending", ["wav", "flac", "ogg"])
@QUICK
@given(share=st.floats(0.0, 0.99))
def test_no_cut_goes_unnoticed(tmp_path_factory, ending, share):
    path = wav(tmp_path_factory.mktemp("cut") / f"x.{ending}")
    whole = path.read_bytes()
    assume(not whole[int(len(whole) * share) :].startswith(b"OggS"))  # then it is whole pages
    cut(path, share)
    with pytest.raises(ValueError) as caught:
        audio.load(path)
    assert_one_sentence(caught.value, path)


def test_an_ogg_is_cut_off_wherever_it_ends_inside_a_page(tmp_path):
    path = audio.save(tmp_path / "x.ogg", noise(1, 16000), 16000)
    whole = path.read_bytes()
    pages = [at for at in range(len(whole)) if whole.startswith(b"OggS", at)]
    assert len(pages) > 2
    ends = {at + k for at in [*pages[2:], len(whole)] for k in range(-30, 31)}
    for end in sorted(ends & set(range(len(whole))) - set(pages)):
        path.write_bytes(whole[:end])
        with pytest.raises(ValueError, match=r"is cut off|cannot be read"):
            audio.load(path)


@pytest.mark.parametrize("ending", ["wav", "flac", "ogg"])
@settings(max_examples=40, deadline=None)
@given(position=st.integers(0, 79), value=st.integers(0, 255))
def test_a_damaged_header_gives_audio_or_a_sentence(tmp_path_factory, ending, position, value):
    path = audio.save(tmp_path_factory.mktemp("bad") / f"x.{ending}", noise(1, 800), 8000, "PCM_16")
    data = bytearray(path.read_bytes())
    data[position] = value
    path.write_bytes(data)
    with contextlib.suppress(ValueError):
        waveform, rate = audio.load(path)
        assert waveform.size > 0
        assert np.isfinite(waveform).all()
        assert rate > 0


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF])
def test_a_streamed_wav_without_a_size_is_whole(tmp_path, size):
    path = wav(tmp_path / "x.wav")
    data = bytearray(path.read_bytes())
    data[4:8] = size.to_bytes(4, "little")
    path.write_bytes(data)
    assert audio.load(path)[0].shape == (2, 22050)


# Waveforms


def test_check_waveform_returns_contiguous_float32_channels_first():
    checked = audio.check_waveform(np.arange(12.0).reshape(6, 2).T)
    assert (checked.shape, checked.dtype) == ((2, 6), np.float64)
    assert checked.flags.c_contiguous
    assert audio.check_waveform([0.0, 1.0]).tolist() == [[0.0, 1.0]]
    read_only = np.broadcast_to(np.float32(0.5), (2, 10))
    assert audio.check_waveform(read_only).flags.writeable


@pytest.mark.parametrize(
    ("waveform", "words"),
    [
        (np.zeros((1, 2, 3)), "3 dimensions"),
        (np.zeros((2, 0)), "no samples"),
        (np.zeros((44100, 2)), "channels first"),
        ([np.nan], "NaN"),
        (None, "numbers"),
        ("dog.wav", "numbers"),
        ([1 + 1j], "not made of real numbers"),
        ([True, False], "made of bool, whose full"),
        ([1, 2], "int64, whose"),
        (np.zeros(3, np.uint16), "uint16, whose"),
        (np.zeros(3, object), "not made of real"),
        ([[1.0], [1.0, 2.0]], "cannot be read as an array"),
    ],
)
def test_check_waveform_says_what_is_wrong(waveform, words):
    with pytest.raises(ValueError, match=words) as caught:
        audio.check_waveform(waveform, "The thing")
    assert str(caught.value).startswith("The thing ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("values", "dtype", "becomes", "kind"),
    [
        ([-128, 0, 127], np.int8, [-1, 0, 127 / 128], np.float32),
        ([0, 128, 255], np.uint8, [-1, 0, 127 / 128], np.float32),
        ([-(2**15), 1], np.int16, [-1, 2**-15], np.float32),
        ([-(2**31), 1], np.int32, [-1, 2**-31], np.float64),
        ([0.5, -3], np.float16, [0.5, -3], np.float32),
        ([0.5, -3], ">f4", [0.5, -3], np.float32),
        ([2**-40, 1], np.float64, [2**-40, 1], np.float64),
    ],
)
def test_check_waveform_scales_integers_by_their_type(values, dtype, becomes, kind):
    checked = audio.check_waveform(np.array(values, dtype))
    assert checked.tolist() == [becomes]
    assert checked.dtype == kind
    assert checked.dtype.isnative


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_check_waveform_copies_nothing_that_is_right(kind):
    waveform = np.zeros((2, 10), kind)
    assert audio.check_waveform(waveform) is waveform


@pytest.mark.parametrize(
    "rate", [44.1, 0, -8000, 1, 999, 768_001, np.nan, np.inf, True, np.True_, "44100", None, 8000j]
)
def test_a_bad_sample_rate_is_one_sentence(tmp_path, rate):
    for call in (
        lambda: audio.check_sample_rate(rate),
        lambda: audio.read(noise(), rate),
        lambda: audio.save(tmp_path / "x.wav", noise(), rate),
    ):
        with pytest.raises(
            ValueError, match=r"^A waveform needs its sample_rate in Hz, .* 44100, not .*\.$"
        ):
            call()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("rate", [1000, 44100, 44100.0, np.int64(768_000), np.float32(8000)])
def test_whole_sample_rates_are_taken(tmp_path, rate):
    assert audio.load(audio.save(tmp_path / "x.wav", noise(), rate))[1] == rate
    assert isinstance(audio.read(noise(), rate)[1], int)


# Resampling

RATES = [8000, 11025, 16000, 22050, 44100, 48000, 96000]


@QUICK
@given(
    rate_in=st.sampled_from(RATES),
    rate_out=st.sampled_from(RATES),
    channels=st.integers(1, 3),
    samples=st.integers(100, 3000),
)
def test_resampled_length(rate_in, rate_out, channels, samples):
    out = audio.resample(noise(channels, samples), rate_in, rate_out)
    assert out.dtype == np.float32
    assert out.flags.c_contiguous
    assert out.shape[0] == channels
    assert abs(out.shape[1] - samples * rate_out / rate_in) <= 1


@pytest.mark.parametrize("rate_in", RATES)
@pytest.mark.parametrize("rate_out", RATES)
def test_a_sine_stays_that_sine(rate_in, rate_out):
    tone = [np.sin(2 * np.pi * 1000 * np.arange(rate // 4) / rate) for rate in (rate_in, rate_out)]
    out = audio.resample(tone[0][None].astype(np.float32), rate_in, rate_out)[0]
    inside = slice(rate_out // 20, rate_out // 5)
    assert np.abs(out[inside] - tone[1][inside]).max() < 1e-3


def test_resampling_takes_out_what_the_lower_rate_cannot_hold():
    tone = np.sin(2 * np.pi * 6000 * np.arange(11025) / 44100).astype(np.float32)[None]
    out = audio.resample(tone, 44100, 8000)[0]
    assert np.abs(out[400:-400]).max() < 1e-3


@pytest.mark.parametrize("samples", [1, 2, 3])
def test_the_shortest_waveform_keeps_a_sample(samples):
    out = audio.resample(np.full((2, samples), 0.5, np.float32), 96000, 8000)
    assert (out.shape, out.dtype) == ((2, 1), np.float32)
    assert np.isfinite(out).all()


def test_equal_rates_change_nothing():
    waveform = noise()
    assert np.array_equal(audio.resample(waveform, 44100, 44100), waveform)


def test_quiet_saves_do_not_warn(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        audio.save(tmp_path / "x.wav", noise(peak=1e-9), 8000, "PCM_16")
    assert not audio.load(tmp_path / "x.wav")[0].any()
