"""Films and phones' recordings are decoded in a process that may crash; a sentence is left."""

import io
import subprocess
import sys

import numpy as np
import pytest

from textsep_lab.session import recordings
from textsep_lab.signal import audio, decode

av = pytest.importorskip("av", reason="needs pip install '.[av]'")

KINDS = {
    "m4a": ("aac", "ipod"),
    "mp4": ("alac", "ipod"),
    "webm": ("libopus", "webm"),
    "aac": ("aac", "adts"),
    "mov": ("pcm_s16le", "mov"),
}
RATE = 48000


def film(ending, seconds=0.5, channels="mono", rate=RATE):
    """Return a file of a second of a tone of 1 kHz."""
    codec, container = KINDS[ending]
    file = io.BytesIO()
    tone = 0.5 * np.sin(2 * np.pi * 1000 * np.arange(int(rate * seconds)) / rate)
    wave = tone.astype(np.float32)[None].repeat(1 + (channels == "stereo"), axis=0)
    with av.open(file, "w", format=container) as output:
        track = output.add_stream(codec, rate=rate)
        track.layout = channels
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(wave), "fltp", channels)
        frame.sample_rate = rate
        resampler = av.AudioResampler(
            track.format.name, channels, rate, track.codec_context.frame_size or 1024
        )
        for part in [*resampler.resample(frame), *resampler.resample(None), None]:
            output.mux(track.encode(part))
    return file.getvalue()


FILMS = {ending: film(ending) for ending in KINDS}


@pytest.mark.parametrize("ending", KINDS)
def test_load_and_the_page_read_films(tmp_path, ending):
    path = tmp_path / f"x.{ending}"
    path.write_bytes(FILMS[ending])
    waveform, rate, form = audio.load_with_format(path)
    assert rate == RATE
    assert 0 <= waveform.shape[1] - 0.5 * RATE < 3000  # AAC pads
    spectrum = np.abs(np.fft.rfft(waveform[0, : RATE // 2]))
    assert abs(2 * np.argmax(spectrum) - 1000) <= 4
    assert form.output().container == "WAV"
    assert form.output().dtype == waveform.dtype
    opened = recordings.open_bytes(f"x.{ending}", FILMS[ending])
    assert np.array_equal(opened.waveform, waveform)


def test_what_a_film_is_follows_from_its_content(tmp_path):
    (tmp_path / "x.wav").write_bytes(FILMS["m4a"])
    assert audio.load(tmp_path / "x.wav")[1] == RATE
    audio.save(tmp_path / "y.wav", np.zeros(100), 8000).rename(tmp_path / "y.m4a")
    assert audio.load(tmp_path / "y.m4a")[1] == 8000


def test_stereo_stays_stereo(tmp_path):
    (tmp_path / "x.mov").write_bytes(film("mov", channels="stereo"))
    assert audio.load(tmp_path / "x.mov")[0].shape == (2, RATE // 2)


@pytest.mark.parametrize("ending", KINDS)
@pytest.mark.parametrize("share", [0.01, 0.6, 0.999])
def test_a_cut_film_is_refused(ending, share):
    data = FILMS[ending]
    with pytest.raises(ValueError, match=f"^'x.{ending}' (is cut off|cannot be read)"):
        recordings.open_bytes(f"x.{ending}", data[: int(share * len(data))])


def test_a_damaged_film_is_samples_or_a_sentence():
    rng = np.random.default_rng(0)
    for ending in KINDS:
        data = bytearray(FILMS[ending])
        for place in rng.integers(0, len(data), 20):
            data[place] = rng.integers(256)
        try:
            assert recordings.open_bytes(f"x.{ending}", bytes(data)).waveform.size > 0
        except ValueError as error:
            assert str(error).startswith(f"'x.{ending}' ")


def test_a_film_that_is_too_long_is_refused_while_it_is_decoded(monkeypatch):
    monkeypatch.setattr(recordings, "MAX_SECONDS", 0.3)
    with pytest.raises(ValueError, match=r"^'x.webm' is too long"):
        recordings.open_bytes("x.webm", FILMS["webm"])


def test_a_film_without_sound_is_refused():
    file = io.BytesIO()
    with av.open(file, "w", format="mov") as output:
        track = output.add_stream("mjpeg", rate=10)
        track.width = track.height = 16
        track.pix_fmt = "yuvj420p"
        frame = av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8), "rgb24")
        for part in (frame, None):
            output.mux(track.encode(part))
    with pytest.raises(ValueError, match=r"^'x.mov' has no sound track\.$"):
        recordings.open_bytes("x.mov", file.getvalue())


@pytest.mark.skipif(sys.platform == "win32", reason="needs a POSIX shell")
@pytest.mark.parametrize("script", ["kill -SEGV $$", "kill -KILL $$", "exit 1"])
def test_a_crash_of_the_decoder_is_a_sentence(tmp_path, monkeypatch, script):
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n{script}\n")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    with pytest.raises(ValueError, match=r"^'x.m4a' cannot be read as audio: its content is dam"):
        recordings.open_bytes("x.m4a", FILMS["m4a"])


def test_a_decoder_that_takes_too_long_is_stopped(monkeypatch):
    monkeypatch.setattr(decode, "SECONDS", -1)  # over before it begins
    with pytest.raises(ValueError, match="takes too much time or memory to decode"):
        recordings.open_bytes("x.m4a", FILMS["m4a"])


@pytest.mark.skipif(sys.platform != "linux", reason="others do not limit memory")
def test_the_decoder_cannot_take_all_memory():
    script = (
        "from textsep_lab.signal import decode; decode._limit_this_process(); "
        "bytearray(decode.MEMORY)"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert "MemoryError" in ran.stderr
