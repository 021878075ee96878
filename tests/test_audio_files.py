"""Every kind of file is read whole, whatever its headers say, or refused in one sentence."""

import io
import os
import struct
import sys
import threading

import numpy as np
import pytest
import soundfile as sf
from hypothesis import given, settings
from hypothesis import strategies as st

from textsep_lab.signal import audio
from textsep_lab.signal.audio_source import View

SAMPLES = 9001
NOISE = np.random.default_rng(0).integers(-(2**15), 2**15, (2, SAMPLES)).astype(np.int16)


def stored(container, subtype="PCM_16", waveform=NOISE, rate=44100, endian=None):
    file = io.BytesIO()
    sf.write(file, waveform.T, rate, subtype, endian, container)
    return file.getvalue()


def length(data, name="x"):
    """Return how many samples are read of a file."""
    with audio.AudioReader(io.BytesIO(data), name) as reader:
        return sum(block.shape[1] for block in reader.blocks())


def refused(data, name="x"):
    """Return the sentence a file is refused with; None if it is read."""
    try:
        length(data, name)
    except ValueError as error:
        sentence = str(error)
        assert sentence.startswith(f"'{name}' ")
        assert sentence.endswith(".")
        assert "\n" not in sentence
        return sentence
    return None


def patched(data, place, value):
    return data[:place] + value + data[place + len(value) :]


# Lengths that a header leaves open, or gets wrong

OPEN_32 = [0, 0xFFFFFFFF, 0x7FFFF000, 0x7FFFF024, 0x80000000, 0xFFFFFFF0, 0x7F000008]


@pytest.mark.parametrize("size", OPEN_32)
@pytest.mark.parametrize("riff", [0, 0xFFFFFFFF, "right", "eight too many"])
def test_a_wav_from_a_pipe_is_whole(size, riff):
    data = stored("WAV")
    riff = {"right": len(data) - 8, "eight too many": len(data)}.get(riff, riff)
    data = patched(data, 4, struct.pack("<I", riff))
    assert length(patched(data, data.index(b"data") + 4, struct.pack("<I", size))) == SAMPLES


@pytest.mark.parametrize("riff", [0, 0xFFFFFFFF, "eight too many"])
def test_a_wrong_riff_size_cuts_nothing(riff):
    data = stored("WAV")
    riff = len(data) if riff == "eight too many" else riff
    assert length(patched(data, 4, struct.pack("<I", riff))) == SAMPLES


@pytest.mark.parametrize("size", OPEN_32)
def test_rifx_aiff_and_au_from_a_pipe_are_whole(size):
    field = struct.pack(">I", size)
    rifx, aiff, au = stored("WAV", endian="BIG"), stored("AIFF"), stored("AU")
    assert length(patched(rifx, rifx.index(b"data") + 4, field)) == SAMPLES
    assert length(patched(aiff, aiff.index(b"SSND") + 4, field)) == SAMPLES
    assert length(patched(au, 8, field)) == SAMPLES


@pytest.mark.parametrize("size", [-1, 0])
def test_caf_w64_and_rf64_from_a_pipe_are_whole(size):
    caf, w64, rf64 = stored("CAF"), stored("W64"), stored("RF64")
    assert length(patched(caf, caf.index(b"data") + 4, struct.pack(">q", size))) == SAMPLES
    assert length(patched(w64, w64.index(b"data") + 16, struct.pack("<q", size))) == SAMPLES
    assert length(patched(rf64, rf64.index(b"ds64") + 16, struct.pack("<q", size))) == SAMPLES


def test_an_empty_wav_with_a_title_holds_no_samples():
    file = io.BytesIO()
    with sf.SoundFile(file, "w", 8000, 1, "PCM_16", format="WAV") as sound:
        sound.title = "nothing"
    assert "holds no samples" in refused(file.getvalue())


def test_chunks_behind_the_samples_are_no_samples():
    data = stored("WAV") + b"junk\x06\x00\x00\x00abcdef"
    assert length(data) == SAMPLES
    assert length(stored("W64") + bytes(500)) == SAMPLES


def test_much_more_than_the_header_says_is_no_whole_file():
    data = stored("WAV")
    data = patched(data, data.index(b"data") + 4, struct.pack("<I", 1000)) + NOISE.tobytes() * 2
    assert "behind the end that its header gives" in refused(data)


def test_a_wav_whose_length_has_wrapped_at_four_gigabytes_is_refused(tmp_path):
    path = tmp_path / "x.wav"
    path.write_bytes(stored("WAV"))
    os.truncate(path, 2**32 + len(stored("WAV")))  # with a hole
    with pytest.raises(ValueError, match="more than the 4 GiB that its header can say"):
        audio.load(path)


# FLAC


def flac(total):
    data = stored("FLAC")
    field = int.from_bytes(data[18:26], "big") >> 36 << 36 | total
    return patched(data, 18, field.to_bytes(8, "big"))


def test_a_flac_is_read_to_its_end_whatever_its_header_says():
    assert [length(flac(total)) for total in (0, 100, SAMPLES)] == [SAMPLES] * 3
    assert "is cut off" in refused(flac(SAMPLES + 1))
    assert "is cut off" in refused(flac(2**36 - 1))


def test_a_streamed_flac_that_is_cut_is_refused():
    data = flac(0)
    for end in (len(data) - 1, len(data) - 100, len(data) // 2):
        assert "is cut off" in refused(data[:end])


# Files joined end to end


@pytest.mark.parametrize(
    ("container", "subtype", "rate"),
    [
        ("FLAC", "PCM_16", 44100),
        ("OGG", "VORBIS", 44100),
        ("OGG", "OPUS", 48000),
        ("MP3", "MPEG_LAYER_III", 44100),
    ],
)
def test_streams_joined_end_to_end_are_read_whole(container, subtype, rate):
    first = stored(container, subtype, rate=rate)
    second = stored(container, subtype, NOISE[:, :5000], rate)
    assert length(first + second + first) == 2 * SAMPLES + 5000
    with audio.AudioReader(io.BytesIO(first)) as reader:
        alone = audio.collect(reader)
    with audio.AudioReader(io.BytesIO(second + first)) as reader:
        joined = audio.collect(reader)
    assert np.array_equal(joined[:, 5000:], alone)
    other = stored(container, subtype, NOISE[:1], rate)
    assert "changes its sample rate or its channels" in refused(first + other)


@pytest.mark.parametrize("container", ["WAV", "AIFF", "CAF", "AU", "W64", "RF64"])
def test_files_that_cannot_be_joined_are_refused(container):
    assert "holds a second file" in refused(2 * stored(container))


# MP3


def mp3(waveform=NOISE, rate=44100):
    return stored("MP3", "MPEG_LAYER_III", waveform, rate)


def without_xing(data):
    """Take the first frame away, which says how many follow."""
    assert b"Xing" in data[:60] or b"Info" in data[:60]
    return data[data.index(data[:2], 4) :]


@pytest.mark.parametrize(("channels", "rate"), [(1, 44100), (2, 44100), (2, 22050), (1, 8000)])
def test_an_mp3_without_a_xing_header_is_read_whole(channels, rate):
    data = mp3(NOISE[:channels], rate)
    bare = without_xing(data)
    assert length(data) == SAMPLES
    assert SAMPLES <= length(bare) <= SAMPLES + 3500  # with the padding
    assert length(bare) % 576 == 0
    assert length(bare + bare) == 2 * length(bare)
    assert length(data + bare) == 2 * length(bare)
    assert length(bare + data) == length(bare) + SAMPLES


def test_a_loud_start_does_not_shorten_an_mp3():
    # libsndfile guesses the length from the first bit rate.
    sound = np.concatenate([NOISE[:, :2000], np.zeros((2, 60_000), np.int16)], axis=1)
    assert length(without_xing(mp3(sound))) >= 62_000


def test_tags_around_and_between_mp3s_are_no_sound():
    picture = bytes(range(255, -1, -1)) * 500
    size = len(picture)
    id3 = b"ID3\x04\x00\x00" + bytes([size >> 21, size >> 14 & 127, size >> 7 & 127, size & 127])
    id3 += picture
    id3v1, ape = b"TAG" + bytes(125), b"APETAGEX" + struct.pack("<IIII", 2000, 32, 0, 0) + bytes(8)
    bare = without_xing(mp3())
    assert length(id3 + mp3() + id3v1) == SAMPLES
    assert length(id3 + bare + id3v1) == length(bare)
    assert length(bare + id3 + bare + ape + id3v1) == 2 * length(bare)
    assert length(id3 + stored("FLAC")) == SAMPLES


def test_a_cut_mp3_is_refused():
    data = mp3()
    for end in (len(data) - 1, len(data) // 2, 900):
        assert "is cut off" in refused(data[:end])
    assert "is cut off" in refused(without_xing(data)[:-1])


# Pipes


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
@pytest.mark.parametrize("container", ["WAV", "OGG", "FLAC"])
def test_a_named_pipe_is_read_as_the_file_would_be(tmp_path, container):
    data = stored(container, None)
    pipe, file = tmp_path / "pipe", tmp_path / "file"
    os.mkfifo(pipe)
    file.write_bytes(data)
    writer = threading.Thread(target=lambda: pipe.write_bytes(data))
    writer.start()
    waveform, _, form = audio.load_with_format(pipe)
    writer.join()
    assert np.array_equal(waveform, audio.load(file)[0])
    assert form == audio.file_format(file)


@pytest.mark.skipif(sys.platform == "win32", reason="needs /dev")
def test_a_device_is_refused():
    with pytest.raises(ValueError, match="'/dev/zero' is a device"):
        audio.load("/dev/zero")


# Sizes


def test_more_than_fits_in_memory_is_refused_before_it_is_decoded(tmp_path, monkeypatch):
    path = audio.save(tmp_path / "x.wav", NOISE, 1000, "PCM_16")
    monkeypatch.setattr(audio.AudioReader, "blocks", None)
    with pytest.raises(ValueError, match=r"x.wav' holds 0.2 minutes or more.*textsep separate"):
        audio.load(path, max_bytes=SAMPLES * 8 - 1)


def test_more_than_fits_in_memory_is_refused_while_it_is_decoded(tmp_path):
    path = tmp_path / "x.flac"
    for data in (flac(0), flac(10)):  # their headers promise little
        path.write_bytes(data)
        with pytest.raises(ValueError, match="too much to have in memory at once"):
            audio.load(path, max_bytes=SAMPLES * 8 - 1)
        assert audio.load(path, max_bytes=SAMPLES * 8)[0].shape == NOISE.shape


@pytest.mark.parametrize(
    ("container", "subtype", "dtype"),
    [
        ("WAV", "DOUBLE", np.float64),
        ("WAV", "PCM_32", np.float64),
        ("AIFF", "PCM_32", np.float64),
        ("CAF", "ALAC_32", np.float64),
        ("MAT5", "DOUBLE", np.float64),
        ("WAV", "PCM_24", np.float32),
        ("WAV", "FLOAT", np.float32),
        ("OGG", "VORBIS", np.float32),
    ],
)
def test_samples_are_float64_only_where_float32_would_round(container, subtype, dtype):
    with audio.AudioReader(io.BytesIO(stored(container, subtype))) as reader:
        assert {block.dtype for block in reader.blocks()} == {np.dtype(dtype)}
        assert reader.format.dtype == dtype


@pytest.mark.parametrize("rate", [1, 999, 768_001, 2_000_000])
def test_a_rate_out_of_bounds_is_refused(rate):
    assert f"has a sample rate of {rate} Hz: it must be a whole number from 1000 to" in refused(
        stored("WAV", rate=rate)
    )


# Every kind of file, cut and damaged

# These do not say how long they are: a cut one is a shorter whole one.
NO_LENGTH = ("PAF", "PVF", "IRCAM", "XI")
SHORT = NOISE[:, :1501]


def kinds():
    for container in sf.available_formats():
        for subtype in sf.available_subtypes(container):
            for channels, rate in ((2, 44100), (1, 8000), (2, 48000)):
                if container not in ("RAW", "SD2"):
                    try:
                        yield container, subtype, stored(container, subtype, SHORT[:channels], rate)
                        break
                    except sf.LibsndfileError:
                        continue


KINDS = list(kinds())
IDS = [f"{container}-{subtype}" for container, subtype, _ in KINDS]
#: What the decoder adds to fill its last block.
ROUNDED = ("ADPCM", "GSM", "G721", "G723", "PAF-PCM_24")


@pytest.mark.parametrize(("container", "subtype", "data"), KINDS, ids=IDS)
@settings(max_examples=15, deadline=None)
@given(share=st.floats(0, 1, exclude_max=True))
def test_a_cut_file_is_whole_or_refused(container, subtype, data, share):
    whole = length(data)
    if any(word in f"{container}-{subtype}" for word in ROUNDED):
        assert 0 <= whole - SHORT.shape[1] < 1100
    else:
        assert whole == SHORT.shape[1]
    cut = data[: int(len(data) * share)]
    if container not in NO_LENGTH and refused(cut) is None:
        assert length(cut) >= whole


@settings(max_examples=300, deadline=None)
@given(
    kind=st.sampled_from(range(len(KINDS))),
    changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=6),
    near_start=st.booleans(),
)
def test_a_damaged_file_gives_samples_or_a_sentence(kind, changes, near_start):
    data = bytearray(KINDS[kind][2])
    for place, value in changes:
        data[int(place * (min(len(data), 200) - 1 if near_start else len(data) - 1))] = value
    refused(bytes(data))


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
@settings(max_examples=30, deadline=None)
@given(place=st.floats(0, 1, exclude_max=True), flip=st.integers(1, 255))
def test_a_changed_byte_of_an_ogg_does_not_go_unnoticed(subtype, place, flip):
    data = bytearray(stored("OGG", subtype, SHORT, 48000))
    data[int(place * len(data))] ^= flip
    assert refused(bytes(data)) is not None


def test_an_ogg_without_one_of_its_pages_is_refused():
    data = stored("OGG", "VORBIS", np.tile(NOISE, 10))
    pages = [at for at in range(len(data)) if data.startswith(b"OggS", at)]
    assert len(pages) > 8
    without = data[: pages[5]] + data[pages[6] :]
    assert "a page of it is missing" in refused(without)
    assert "is cut off" in refused(data[: pages[-1]])


def test_a_view_shows_patches_wherever_reading_begins():
    view = View(io.BytesIO(bytes(range(50))), 10, 40, {3: b"abcd"})
    whole = bytes(range(10, 13)) + b"abcd" + bytes(range(17, 40))
    for start in range(31):
        for count in range(1, 9):
            view.seek(start)
            assert view.read(count) == whole[start : start + count]
