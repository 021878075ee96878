"""From file to file and from pipe to pipe: the samples of a whole call, block by block."""

import io
import json
import os
import sys
import threading
import warnings

import numpy as np
import pytest
import soundfile as sf
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from textsep_lab import cli
from textsep_lab.separation import separator as separator_module
from textsep_lab.separation.file import separate_file
from textsep_lab.separation.result import NAMES
from textsep_lab.separation.separator import Separator
from textsep_lab.signal.pcm import PcmFormat, pcm_blocks, read_wav_header
from textsep_lab.utils.transactions import verify

RATE = 8000
QUICK = settings(max_examples=60, deadline=None)


@pytest.fixture(scope="module")
def separator(network, fake_encoder, detector):
    return Separator(network, fake_encoder, detector=detector)


@pytest.fixture
def run(separator, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(separator_module, "load_separator", lambda _checkpoint: separator)
    return lambda *args, **kwargs: CliRunner().invoke(cli.main, [*map(str, args)], **kwargs)


def noise(seconds=7.0, channels=2, seed=0):
    rng = np.random.default_rng(seed)
    return 0.2 * rng.standard_normal((round(seconds * RATE), channels))


@pytest.mark.parametrize("windows", [None, [(1.0, 2.0), (6.5, 7.0)]])
@pytest.mark.parametrize(
    ("name", "subtype"),
    [("a.wav", "PCM_16"), ("a.wav", "PCM_32"), ("a.wav", "DOUBLE"), ("a.wav", "PCM_U8"),
     ("a.flac", "PCM_24"), ("a.aiff", "PCM_24"), ("a.caf", "FLOAT"), ("a.w64", "PCM_16")],
)  # fmt: skip
def test_a_file_gets_the_samples_of_a_whole_call(separator, tmp_path, name, subtype, windows):
    sf.write(tmp_path / name, noise(), RATE, subtype)
    whole = separator.separate(tmp_path / name, "rain", windows=windows)
    kept = whole.save(tmp_path / "whole", figure=False)
    result = separate_file(separator, tmp_path / name, tmp_path / "out", "rain", windows)
    for one, two in zip(result.files[:2], kept[:2], strict=True):
        assert one.name == two.name
        assert np.array_equal(*(sf.read(x, dtype="float64")[0] for x in (one, two)))
    assert result.summary() == whole.summary()
    before, after = (sf.read(x, dtype="float64")[0] for x in (tmp_path / name, result.files[0]))
    outside = whole.gate == 0
    assert np.array_equal(before[outside], after[outside])
    assert verify(tmp_path / "out", NAMES) is None
    facts = json.loads((tmp_path / "out" / "result.json").read_bytes())
    assert facts["confidence"] == round(whole.confidence, 4)


def test_windows_that_are_detected_are_those_of_a_whole_call(separator, tmp_path, tones):
    wave = tones(9.0, ("low", 1.0, 2.0), ("low", 7.5, 8.5))
    sf.write(tmp_path / "a.wav", wave.T, 16000)
    result = separate_file(separator, tmp_path / "a.wav", tmp_path / "out", "low", "auto")
    whole = separator.separate(tmp_path / "a.wav", "low", windows="auto")
    assert result.windows == whole.windows and len(result.windows) == 2 and result.auto_windows


def test_what_goes_wrong_on_the_way_leaves_nothing(separator, tmp_path):
    sf.write(tmp_path / "a.wav", noise(), RATE)
    with pytest.raises(ValueError, match="outside the recording, which lasts 7 s"):
        separate_file(separator, tmp_path / "a.wav", tmp_path / "out", "rain", [(5, 9)])
    data = (tmp_path / "a.wav").read_bytes()
    (tmp_path / "cut.wav").write_bytes(data[:-5000])
    with pytest.raises(ValueError, match="cut off"):
        separate_file(separator, tmp_path / "cut.wav", tmp_path / "out", "rain")
    assert not [*(tmp_path / "out").iterdir()]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no FIFOs")
def test_a_fifo_is_read_once(separator, tmp_path):
    sf.write(tmp_path / "a.wav", noise(), RATE)
    os.mkfifo(tmp_path / "pipe")
    data = (tmp_path / "a.wav").read_bytes()
    writer = threading.Thread(target=lambda: (tmp_path / "pipe").write_bytes(data), daemon=True)
    writer.start()
    result = separate_file(separator, tmp_path / "pipe", tmp_path / "out", "rain", [(1, 2)])
    writer.join()
    whole = separator.separate(tmp_path / "a.wav", "rain", windows=[(1, 2)])
    assert result.duration == whole.duration and result.confidence == whole.confidence
    with pytest.raises(ValueError, match="a pipe can be read once: save it to a file first"):
        separate_file(separator, tmp_path / "pipe", tmp_path / "other", "rain", "auto")


def test_the_command_line_takes_long_files_block_by_block(run, tmp_path, monkeypatch):
    sf.write(tmp_path / "a.wav", noise(), RATE)
    ask = ("separate", "a.wav", "--query", "rain", "--window", 1, 2)
    short = run(*ask, "--out", "short")
    monkeypatch.setattr(sys.modules["textsep_lab.cli.separate"], "SHORT", 6.0)
    long = run(*ask, "--out", "long")
    assert (short.exit_code, long.exit_code) == (0, 0), long.output
    assert (tmp_path / "short" / "separation.png").exists()
    assert "No picture is drawn of more than 0.1 minutes." in long.stderr
    for name in ("output.wav", "residual.wav"):
        one, two = (tmp_path / x / name for x in ("short", "long"))
        assert one.read_bytes() == two.read_bytes()


def test_another_format_is_written_and_its_loss_is_said(run, tmp_path):
    sf.write(tmp_path / "a.wav", noise(), RATE)
    for form, subtype in (("flac", "PCM_16"), ("aiff", "PCM_16"), ("ogg", "VORBIS")):
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            done = run("separate", "a.wav", "--query", "rain", "--format", form, "--out", form)
        assert done.exit_code == 0, done.output
        assert ("written as VORBIS, which changes every sample" in done.stderr) == (form == "ogg")
        assert sf.info(tmp_path / form / f"output.{form}").subtype == subtype
    assert run("separate", "a.wav", "--query", "rain", "--format", "mp3").exit_code == 2


# Pipes


@QUICK
@given(
    encoding=st.sampled_from(["s16le", "s24le", "s32le", "f32le", "f64le"]),
    channels=st.integers(1, 5), samples=st.integers(1, 300), seed=st.integers(0, 99),
    most=st.integers(1, 70),
)  # fmt: skip
def test_pcm_comes_back_bit_for_bit_in_whatever_parts(encoding, channels, samples, seed, most):
    form = PcmFormat(encoding, RATE, channels)
    rng = np.random.default_rng(seed)
    size = samples * form.bytes_per_sample
    data = rng.bytes(size)
    if encoding[0] == "f":
        data = (
            rng.standard_normal(samples * channels).astype(f"<f{int(encoding[1:3]) // 8}").tobytes()
        )
    source = io.BytesIO(data)
    source.read1 = lambda _count: source.read(most)
    blocks = list(pcm_blocks(source, form))
    assert all(x.shape[0] == channels for x in blocks)
    assert b"".join(map(form.encode, blocks)) == data


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
def test_a_wav_on_a_pipe_is_that_of_a_file(run, tmp_path, subtype):
    sf.write(tmp_path / "a.wav", noise(), RATE, subtype)
    data = (tmp_path / "a.wav").read_bytes()
    ask = ("--query", "rain", "--window", 1, 2, "--no-figure")
    piped = run("separate", "-", *ask, "--out", "-", input=data)
    assert piped.exit_code == 0, piped.stderr
    assert piped.stderr.startswith("Confidence that it is there: ")
    (tmp_path / "piped.wav").write_bytes(piped.stdout_bytes)
    assert run("separate", "a.wav", *ask, "--out", "out").exit_code == 0
    files = (tmp_path / "out" / "output.wav", tmp_path / "piped.wav")
    whole, found = (sf.read(x, dtype="float64", always_2d=True)[0] for x in files)
    assert np.array_equal(whole, found)
    with io.BytesIO(piped.stdout_bytes) as again:
        form, size = read_wav_header(again)
        assert (form.sample_rate, form.channels, size) == (RATE, 2, None)


def test_raw_samples_are_piped_through(run):
    data = np.rint(noise(6.0, 1) * 20000).astype("<i2").tobytes()
    done = run("separate", "-", "--query", "rain", "--window", 1, 2, "--out", "-",
               "--raw", "s16le", RATE, 1, input=data)  # fmt: skip
    assert done.exit_code == 0 and len(done.stdout_bytes) == len(data)
    outside = slice(0, 2 * RATE)
    assert done.stdout_bytes[outside] == data[outside] and done.stdout_bytes != data


@pytest.mark.parametrize(
    ("arguments", "data", "said"),
    [
        (("--out", "x"), b"", "What is piped in is piped out"),
        (("--out", "-", "--window", "auto"), b"", "need the whole recording first: give a file"),
        (("--out", "-"), b"", "This is no WAV"),
        (("--out", "-"), b"RIFF....WAVE", "This WAV is cut off"),
        (("--out", "-", "--raw", "s16le", RATE, 1), b"", "The stream holds no samples"),
        (("--out", "-", "--raw", "s16le", RATE, 2), b"abcde", "The stream is cut off"),
        (("--out", "-", "--raw", "s16le", RATE, 0), b"ab", "There are 0 channels"),
        (("--out", "-", "--raw", "s17le", RATE, 1), b"ab", "There is no encoding 's17le'"),
        (("--out", "-", "--raw", "f32le", RATE, 1), b"\0\0\xc0\x7f", "NaN or infinite"),
    ],
)
def test_what_cannot_be_piped_is_one_sentence(run, arguments, data, said):
    done = run("separate", "-", "--query", "rain", *arguments, input=data)
    assert done.exit_code == 2 and said in done.stderr
    assert "Traceback" not in done.stderr


def test_raw_is_for_pipes_and_a_cut_wav_is_said(run, tmp_path):
    sf.write(tmp_path / "a.wav", noise(), RATE)
    done = run("separate", "a.wav", "--query", "rain", "--raw", "s16le", RATE, 1)
    assert done.exit_code == 2 and "--raw says how samples lie on a pipe" in done.stderr
    cut = (tmp_path / "a.wav").read_bytes()[:-1000]
    done = run("separate", "-", "--query", "rain", "--out", "-", input=cut)
    assert done.exit_code == 2 and "cut off" in done.stderr
