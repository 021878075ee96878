"""What is written is what was read: every lossless format, texts, loudspeakers, and failures."""

import errno
import io
import os
import tracemalloc
import warnings

import numpy as np
import pytest
import soundfile as sf
from hypothesis import given, settings
from hypothesis import strategies as st

from textsep_lab.signal import audio
from textsep_lab.signal.audio_format import BITS, CONTAINERS, AudioFormat

QUICK = settings(max_examples=8, deadline=None)
LOSSLESS = [
    (container, subtype)
    for container in CONTAINERS
    for subtype in sf.available_subtypes(container)
    if AudioFormat(container, subtype).lossless
]


def stored(samples, container, subtype, rate=44100, endian=None):
    """Return a file that libsndfile writes of ``[channels, samples]``."""
    file = io.BytesIO()
    sf.write(file, samples.T, rate, subtype, endian, container)
    return file.getvalue()


def draw_samples(data, subtype, channels):
    """Return samples as libsndfile takes them without loss, extremes included."""
    samples = data.draw(st.integers(1, 3000), "samples")
    rng = np.random.default_rng(data.draw(st.integers(0, 99), "seed"))
    if subtype in BITS:
        bits = BITS[subtype]
        values = rng.integers(-(2 ** (bits - 1)), 2 ** (bits - 1), (channels, samples))
        values.flat[:2] = [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1][: values.size]
        return (values << (32 - bits)).astype(np.int32)
    dtype = np.float64 if subtype == "DOUBLE" else np.float32
    return (rng.standard_normal((channels, samples)) * 10 ** rng.uniform(-9, 3)).astype(dtype)


def read_raw(path, subtype):
    dtype = "int32" if subtype in BITS else "float64"
    return sf.read(path, dtype=dtype, always_2d=True)[0].T


@pytest.mark.parametrize(("container", "subtype"), LOSSLESS)
@QUICK
@given(data=st.data())
def test_a_file_read_and_written_again_holds_the_same_numbers(
    tmp_path_factory, container, subtype, data
):
    channels = data.draw(st.integers(1, 8), "channels")
    samples = draw_samples(data, subtype, channels)
    folder = tmp_path_factory.mktemp("again")
    first = folder / f"a{CONTAINERS[container]}"
    audio.save(first, samples, 44100, format=AudioFormat(container, subtype))
    waveform, rate, form = audio.load_with_format(first)
    assert (form.container, form.subtype) == (container, subtype)
    assert form.output() == form
    second = audio.save(folder / f"b{form.ending}", waveform, rate, format=form.output())
    assert audio.file_format(second) == form
    assert np.array_equal(read_raw(second, subtype), read_raw(first, subtype))
    assert np.array_equal(read_raw(second, subtype), samples)


ORDERS = [("WAV", "BIG"), ("AIFF", "LITTLE"), ("AU", "LITTLE"), ("CAF", "LITTLE")]


@pytest.mark.parametrize(("container", "endian"), ORDERS)
def test_the_byte_order_stays(tmp_path, container, endian):
    samples = np.arange(-50, 50, dtype=np.int16)[None]
    first = tmp_path / f"a{CONTAINERS[container]}"
    first.write_bytes(stored(samples, container, "PCM_16", endian=endian))
    waveform, rate, form = audio.load_with_format(first)
    assert form.endian == endian
    second = audio.save(first.with_stem("b"), waveform, rate, format=form.output())
    assert second.read_bytes()[:4] == first.read_bytes()[:4]
    assert audio.file_format(second) == form
    assert np.array_equal(audio.load(second)[0], waveform)


@pytest.mark.parametrize("size", [1, 7, 1000, 65536, 100_000])
@pytest.mark.parametrize("container", ["WAV", "FLAC", "CAF"])
def test_blocks_of_any_size_give_the_same_file(tmp_path, container, size):
    waveform = np.random.default_rng(0).uniform(-1, 1, (2, 70_001)).astype(np.float32)
    if size == 1:
        waveform = waveform[:, :500]
    whole = audio.save(tmp_path / f"a{CONTAINERS[container]}", waveform, 44100)
    with audio.AudioWriter(whole.with_stem("b"), 44100, 2) as writer:
        for start in range(0, waveform.shape[1], size):
            writer.write(waveform[:, start : start + size])
    assert np.array_equal(audio.load(whole)[0], audio.load(whole.with_stem("b"))[0])
    with audio.AudioReader(whole) as reader:
        blocks = list(reader.blocks(size))
    assert max(block.shape[1] for block in blocks) <= size
    assert np.array_equal(np.concatenate(blocks, axis=1), audio.load(whole)[0])


@pytest.mark.parametrize(
    ("container", "subtype", "becomes"),
    [
        ("MP3", "MPEG_LAYER_III", ("WAV", "FLOAT")),
        ("OGG", "VORBIS", ("WAV", "FLOAT")),
        ("WAV", "ULAW", ("WAV", "FLOAT")),
        ("AIFF", "IMA_ADPCM", ("WAV", "FLOAT")),
        ("NIST", "PCM_16", ("WAV", "PCM_16")),
        ("MAT5", "DOUBLE", ("WAV", "DOUBLE")),
        ("AVR", "PCM_S8", ("WAV", "FLOAT")),
        ("AIFF", "DWVW_16", ("WAV", "FLOAT")),
        ("CAF", "ALAC_24", ("CAF", "PCM_24")),
        ("CAF", "ALAC_32", ("CAF", "PCM_32")),
    ],
)
def test_what_would_lose_becomes_a_wav_with_the_same_samples(tmp_path, container, subtype, becomes):
    samples = (np.sin(np.arange(9000) / 9) * 9000).astype(np.int16)[None]
    first = tmp_path / "a.bin"
    first.write_bytes(stored(samples, container, subtype))
    waveform, rate, form = audio.load_with_format(first)
    form = form.output()
    assert (form.container, form.subtype) == becomes
    second = audio.save(tmp_path / f"b{form.ending}", waveform, rate, format=form)
    assert np.array_equal(audio.load(second)[0], waveform)


TEXTS = {"title": "Ein Hund, 犬", "artist": "Nobody", "comment": "wet", "date": "2024",
         "album": "Rain", "tracknumber": "7", "genre": "Field"}  # fmt: skip


@pytest.mark.parametrize("container", ["WAV", "FLAC", "CAF", "RF64", "AIFF"])
def test_titles_are_kept(tmp_path, container):
    first = tmp_path / f"a{CONTAINERS[container]}"
    with sf.SoundFile(first, "w", 8000, 1, "PCM_16", format=container) as file:
        for key, text in TEXTS.items():
            setattr(file, key, text)
        file.write(np.zeros(100))
    with sf.SoundFile(first) as file:
        before = file.copy_metadata()
    waveform, rate, form = audio.load_with_format(first)
    second = audio.save(first.with_stem("b"), waveform, rate, format=form.output())
    with sf.SoundFile(second) as file:
        after = file.copy_metadata()
    for texts in (before, after):
        texts.pop("software", None)
    assert before == after
    assert len(before) >= (2 if container == "AIFF" else 5)


def test_the_title_of_an_mp3_is_kept(tmp_path):
    tag = b"TIT2\x00\x00\x00\x08\x00\x00\x00Whistle"
    sound = stored(np.zeros((1, 9000), np.int16), "MP3", "MPEG_LAYER_III")
    (tmp_path / "a.mp3").write_bytes(
        b"ID3\x03\x00\x00\x00\x00\x00" + bytes([len(tag)]) + tag + sound
    )
    waveform, rate, form = audio.load_with_format(tmp_path / "a.mp3")
    written = audio.save(tmp_path / "b.wav", waveform, rate, format=form.output())
    with sf.SoundFile(written) as file:
        assert file.title == "Whistle"


def test_the_loudspeakers_of_a_wavex_are_kept(tmp_path):
    first = tmp_path / "a.wav"
    first.write_bytes(stored(np.zeros((4, 100), np.int16), "WAVEX", "PCM_16"))
    data = bytearray(first.read_bytes())
    at = data.index(b"fmt ") + 8 + 20
    data[at : at + 4] = (0x33).to_bytes(4, "little")  # front and back, no centre
    first.write_bytes(data)
    waveform, rate, form = audio.load_with_format(first)
    second = audio.save(tmp_path / "b.wav", waveform, rate, format=form.output())
    written = second.read_bytes()
    at = written.index(b"fmt ") + 8 + 20
    assert int.from_bytes(written[at : at + 4], "little") == 0x33
    assert written[20:22] == b"\xfe\xff"


def test_what_a_broadcast_wav_says_is_kept(tmp_path):
    bext = b"A dog".ljust(256, b"\0") + b"Recorder".ljust(32, b"\0") + b"ref".ljust(32, b"\0")
    bext += b"2024-05-0112:30:00" + (123456789).to_bytes(8, "little") + b"\1\0" + bytes(254)
    bext += b"A=PCM,F=8000,W=16\r\n"
    bext += bytes(len(bext) % 2)
    plain = stored(np.zeros((1, 100), np.int16), "WAV", "PCM_16", 8000)
    chunk = b"bext" + len(bext).to_bytes(4, "little") + bext
    data = plain[:12] + chunk + plain[12:]
    data = data[:4] + (len(data) - 8).to_bytes(4, "little") + data[8:]
    (tmp_path / "a.wav").write_bytes(data)
    waveform, rate, form = audio.load_with_format(tmp_path / "a.wav")
    written = audio.save(tmp_path / "b.wav", waveform, rate, format=form.output()).read_bytes()
    at = written.index(b"bext") + 8
    assert written[at : at + 346] == bext[:346]
    assert written[at + 602 :].startswith(b"A=PCM,F=8000,W=16\r\n")


def test_a_lossy_format_is_said_to_be_one(tmp_path):
    waveform = np.zeros((1, 8000), np.float32)
    with pytest.warns(UserWarning, match=r"'x.ogg' is written as VORBIS, which changes every"):
        audio.save(tmp_path / "x.ogg", waveform, 8000)
    with pytest.warns(UserWarning, match="is written as ULAW"):
        audio.save(tmp_path / "x.wav", waveform, 8000, "ULAW")


def test_clipping_is_said_once_for_all_blocks(tmp_path):
    form = AudioFormat("WAV", "PCM_16")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with audio.AudioWriter(tmp_path / "x.wav", 8000, 1, form) as writer:
            for peak in (1.5, 4.0, 2.0):
                writer.write(np.full((1, 100), peak, np.float32))
    assert [str(each.message) for each in caught] == [
        "'x.wav': samples up to 12.0 dB over full scale were clipped; write a float WAV to keep "
        "them."
    ]


def test_a_format_needs_its_own_ending(tmp_path):
    with pytest.raises(ValueError, match=r"'x.wav' cannot be a FLAC file: its ending must be .fl"):
        audio.save(tmp_path / "x.wav", np.zeros(9), 8000, format=AudioFormat("FLAC", "PCM_16"))


# Failures


@pytest.mark.parametrize("container", ["WAV", "FLAC", "CAF", "W64", "AIFF"])
def test_a_full_disk_is_one_sentence_and_leaves_nothing(tmp_path, container, monkeypatch):
    from textsep_lab.signal import audio_writer

    class FullDisk:
        def __init__(self, file):
            self.file, self.rest = file, 50_000
            self.read, self.seek, self.tell = file.read, file.seek, file.tell

        def write(self, data):
            self.rest -= len(data)
            if self.rest < 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return self.file.write(data)

    guarded = audio_writer._Guarded
    monkeypatch.setattr(audio_writer, "_Guarded", lambda file: guarded(FullDisk(file)))
    noise = np.random.default_rng(0).uniform(-1, 1, (1, 90_000)).astype(np.float32)
    path = tmp_path / f"x{CONTAINERS[container]}"
    with pytest.raises(OSError, match=r"x\.\w+' cannot be written: No space left on device\.$"):
        audio.save(path, noise, 44100)
    assert list(tmp_path.iterdir()) == []


def test_an_error_between_blocks_leaves_the_old_file(tmp_path):
    path = audio.save(tmp_path / "x.wav", np.ones(10) / 2, 8000)
    before = path.read_bytes()
    with pytest.raises(KeyError), audio.AudioWriter(path, 8000, 1) as writer:
        writer.write(np.zeros((1, 100), np.float32))
        raise KeyError
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("block", "said"),
    [
        (np.zeros((2, 10), np.float32), r"takes blocks \[1, samples\], not \(2, 10\)"),
        (np.zeros(10, np.float32), "takes blocks"),
        (np.zeros((1, 10), np.int16), "takes float32 or float64 samples, not int16"),
        (np.full((1, 10), np.nan), "NaN or infinite"),
        (np.zeros((1, 0)), "there are no samples"),
    ],
)
def test_bad_blocks_are_sentences_and_leave_nothing(tmp_path, block, said):
    with (
        pytest.raises(ValueError, match=said),
        audio.AudioWriter(tmp_path / "x.wav", 8000, 1) as writer,
    ):
        writer.write(block)
    assert list(tmp_path.iterdir()) == []


def test_more_than_a_header_can_say_is_refused(tmp_path, monkeypatch):
    from textsep_lab.signal import audio_writer

    monkeypatch.setattr(audio_writer, "_SMALL_BYTES", 1000)
    for name in ("x.wav", "x.aiff", "x.au"):
        with pytest.raises(ValueError, match="larger than the 4 GiB"):
            audio.save(tmp_path / name, np.zeros(1000), 8000)
    assert list(tmp_path.iterdir()) == []
    audio.save(tmp_path / "x.rf64", np.zeros(1000), 8000)


NAMES = [b"caf\xff\xe9.wav", b"n" * 244 + b".wav", b"-dash.wav", b" sp ace .wav", b"new\nline.wav",
         b"a." + b"x" * 200 + b".wav", "犬🐕.wav".encode()]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_any_name_the_file_system_takes_is_written_and_read(tmp_path, name, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = os.fsdecode(name)
    try:
        os.close(os.open(path, os.O_CREAT))
    except OSError:
        pytest.skip("not a name here")
    waveform = np.linspace(-1, 1, 99, dtype=np.float32)[None]
    audio.save(path, waveform, 8000)
    assert np.array_equal(audio.load(path)[0], waveform)
    os.truncate(path, 100)
    with pytest.raises(ValueError) as caught:
        audio.load(path)
    assert str(caught.value).isprintable()


def test_a_name_that_is_too_long_or_a_folder_is_a_sentence(tmp_path):
    (tmp_path / "folder.wav").mkdir()
    for name, said in (("n" * 300, "too long"), ("folder", "is a folder")):
        with pytest.raises(OSError, match=said):
            audio.save(tmp_path / f"{name}.wav", np.zeros(9), 8000)
    assert len(list(tmp_path.iterdir())) == 1


def test_memory_does_not_grow_with_the_file(tmp_path):
    block, count = np.zeros((2, 50_000), np.float32), 60
    path = tmp_path / "x.flac"
    tracemalloc.start()
    try:
        with audio.AudioWriter(path, 44100, 2) as writer:
            for _ in range(count):
                writer.write(block)
        with audio.AudioReader(path) as reader:
            samples = sum(part.shape[1] for part in reader.blocks())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert samples == count * block.shape[1]
    assert peak < count * block.nbytes / 4
