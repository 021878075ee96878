"""FSD50K and FUSS from a loopback server, with stand-ins of a few short clips."""

import contextlib
import csv
import hashlib
import io
import json
import struct
import tarfile
import zipfile
from http.server import BaseHTTPRequestHandler

import numpy as np
import pytest
import soundfile as sf
from click.testing import CliRunner
from conftest import loopback
from hypothesis import given, settings
from hypothesis import strategies as st

from textsep_lab import data
from textsep_lab.cli import main
from textsep_lab.data import archives, clip_folder, fsd50k, fuss
from textsep_lab.data.split_zip import SplitZip

IN_ESC50 = 100032
DEV = {
    "64760": ("Electric_guitar,Guitar,Music", "train"),
    "11": ("Bark,Dog,Animal", "val"),
    "12": ("Dog,Animal", "train"),
    str(IN_ESC50): ("Bark,Dog,Animal", "train"),
    "13": ("Chirp_and_tweet,Bird,Animal", "train"),
}
EVAL = {"21": "Guitar,Music", "22": "Bird,Animal", "23": "Keyboard_(musical),Music"}
SILENT = ("13",)
PADDING = np.random.default_rng(0).bytes(300_000)  # so that a cut leaves something


class Handler(BaseHTTPRequestHandler):
    """Serves `server.files` with ranges; the answers counted in `server.cuts` stop half-way."""

    def do_GET(self):
        server, name = self.server, self.path.rpartition("/")[2].partition("?")[0]
        start = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
        server.asked.append((name, start))
        if name not in server.files:
            self.send_error(404)
            return
        body = server.files[name][start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        cut = server.cuts.get(name, 0) > 0
        server.cuts[name] = server.cuts.get(name, 0) - 1
        with contextlib.suppress(ConnectionError):
            self.wfile.write(body[: len(body) // 2] if cut else body)

    def log_message(self, *args):
        pass


def wav(number, rate=44100, seconds=0.1):
    """Return an audio file of noise, or of silence for some numbers."""
    noise = np.random.default_rng(int(number)).standard_normal(round(rate * seconds))
    buffer = io.BytesIO()
    loud = 0.0 if str(number) in SILENT else 0.1
    sf.write(buffer, loud * noise, rate, format="WAV", subtype="PCM_16")
    return buffer.getvalue()


def zipped(members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return buffer.getvalue()


def split(whole, size, zip64=False):
    """Cut a zip into parts of `size` bytes and count from the start of each, as `zip -s` does."""
    whole = bytearray(b"PK\7\x08" + whole)
    end = whole.rfind(b"PK\5\6")
    entries, length, start = struct.unpack_from("<HII", whole, end + 10)
    start, at = start + 4, start + 4
    for _ in range(entries):
        name, extra, comment = struct.unpack_from("<HHH", whole, at + 28)
        (offset,) = struct.unpack_from("<I", whole, at + 42)
        struct.pack_into("<H", whole, at + 34, (offset + 4) // size)
        struct.pack_into("<I", whole, at + 42, (offset + 4) % size)
        at += 46 + name + extra + comment
    disk, offset = divmod(start, size)
    if zip64:
        last = (end + 76) // size
        record = (b"PK\6\6", 44, 45, 45, last, disk, entries, entries, length, offset)
        extras = struct.pack("<4sQHHIIQQQQ", *record)
        extras += struct.pack("<4sIQI", b"PK\6\7", end // size, end % size, last + 1)
        whole[end:end] = extras
        end, offset = end + len(extras), 0xFFFFFFFF
    last = (len(whole) - 1) // size
    struct.pack_into("<HHHHII", whole, end + 4, last, disk, entries, entries, length, offset)
    return [bytes(whole[k : k + size]) for k in range(0, len(whole), size)]


def table(rows, columns):
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerows([columns, *rows])
    return text.getvalue()


def info(number):
    licence = "http://creativecommons.org/licenses/by/3.0/"
    return {"title": f"take\n{number}.wav", "uploader": "ann", "license": licence}


def fsd50k_files(**more):
    """Return the stand-in archives; `more` are members of the zip with the dev audio."""
    dev = [(x, labels, "mids", part) for x, (labels, part) in DEV.items()]
    truth = {
        "FSD50K.ground_truth/dev.csv": table(dev, ["fname", "labels", "mids", "split"]),
        "FSD50K.ground_truth/eval.csv": table(
            [(x, labels, "mids") for x, labels in EVAL.items()], ["fname", "labels", "mids"]
        ),
    }
    audio, infos = {}, {}
    for part, rows in (("dev", DEV), ("eval", EVAL)):
        audio[part] = {f"FSD50K.{part}_audio/{x}.wav": wav(x) for x in rows}
        name = f"FSD50K.metadata/{part}_clips_info_FSD50K.json"
        infos[name] = json.dumps({x: info(x) for x in rows})
    files = {"FSD50K.ground_truth.zip": zipped(truth), "FSD50K.metadata.zip": zipped(infos)}
    for part, size, zip64 in (("dev", 10_000, True), ("eval", 200_000, False)):
        members = audio[part] | (more if part == "dev" else {"padding": PADDING})
        *parts, last = split(zipped(members), size, zip64)
        names = [f"FSD50K.{part}_audio.z{k:02}" for k in range(1, len(parts) + 1)]
        files |= dict(zip(names, parts, strict=True)) | {f"FSD50K.{part}_audio.zip": last}
    return files


def known(files):
    """Return the files' sizes and MD5, as `fsd50k.FILES` has them."""
    return {
        x: (len(y), hashlib.md5(y, usedforsecurity=False).hexdigest()) for x, y in files.items()
    }


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr("pooch.core.time.sleep", lambda seconds: None)
    monkeypatch.setattr(fsd50k, "CLIP_BYTES", {"dev": 1000, "eval": 100})
    monkeypatch.setattr(fuss, "CLIP_BYTES", 1000)
    with loopback(Handler) as server:
        server.files, server.cuts, server.asked = {}, {}, []
        address = f"http://127.0.0.1:{server.server_port}"
        for module in (fsd50k, fuss):
            monkeypatch.setattr(module, "RECORD", f"{address}/files")
        monkeypatch.setattr(fuss, "API", f"{address}/api/3743844")
        yield server


@pytest.fixture
def offer(server, monkeypatch):
    """Serve a stand-in of FSD50K, whose checksums are then the known ones."""

    def offer(**more):
        server.files = fsd50k_files(**more)
        monkeypatch.setattr(fsd50k, "FILES", known(server.files))

    offer()
    return offer


@pytest.fixture
def get(offer, tmp_path):
    return lambda **options: fsd50k.download(tmp_path / "FSD50K", **options)


def names(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.*"))


def rows(folder):
    with (folder / "clips.csv").open(newline="", encoding="utf-8") as file:
        return {row["file"]: row for row in csv.DictReader(file)}


def refused(get, error, words, **options):
    with pytest.raises(error, match=words) as caught:
        get(**options)
    assert "\n" not in str(caught.value)


def test_whole_way(get, server, tmp_path, capfd):
    dest = get()
    clips = ["eval/21.flac", "eval/22.flac", "eval/23.flac", "train/12.flac", "train/64760.flac"]
    assert names(tmp_path / "FSD50K") == ["ABOUT.txt", "clips.csv", *clips, "val/11.flac"]
    assert [path.name for path in tmp_path.iterdir()] == ["FSD50K"]
    found = rows(dest)
    assert found["val/11.flac"] == {
        "file": "val/11.flac",
        "label": "bark",
        "source_id": "freesound:11",
        "licence": "http://creativecommons.org/licenses/by/3.0/",
        "credit": "ann: take 11.wav, freesound.org/s/11",
        "seconds": "0.1",
        "source_rate": "44100",
        "split": "val",
        "labels": "Bark;Dog;Animal",
    }
    labels = [found[name]["label"] for name in clips]
    assert labels == ["guitar", "bird", "keyboard musical", "dog", "electric guitar"]
    said = capfd.readouterr()
    assert "dev: 3 clips, without 1 that are in ESC-50 and 1 that are silent" in said.err
    assert said.out == ""
    assert "10.5281/zenodo.4060432" in (dest / "ABOUT.txt").read_text()


def test_clips_are_what_was_in_the_archive(get):
    clip, rate = sf.read(get() / "eval/21.flac", dtype="float32")
    original, _ = sf.read(io.BytesIO(wav(21)), dtype="float32")
    expected = clip_folder.audio.resample(original[None], 44100, 16000)[0]
    assert rate == 16000
    assert np.abs(clip - expected).max() < 2**-15


def test_decoded_clips_are_mono_short_and_within_full_scale():
    loud = np.sign(np.random.default_rng(0).standard_normal((31 * 8000, 2)))
    loud[:, 1] = loud[:, 0]
    buffer = io.BytesIO()
    sf.write(buffer, 0.999 * loud, 8000, format="WAV", subtype="PCM_16")
    clip, rate = clip_folder._decode(buffer.getvalue())
    assert (clip.shape, rate) == ((1, 30 * 16000), 8000)
    assert np.abs(clip).max() == 1


def test_archives_are_kept_only_when_asked(get, server, tmp_path):
    get(keep_archives=True)
    work = tmp_path / "FSD50K.download"
    assert names(work) == sorted(server.files)
    asked = len(server.asked)
    get(keep_archives=True, overwrite=True)
    assert len(server.asked) == asked  # they were there with their checksums
    assert names(work) == sorted(server.files)
    get(overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["FSD50K"]


def test_a_cut_download_is_resumed_by_the_next_call(get, server, tmp_path):
    name = "FSD50K.eval_audio.z01"
    server.cuts[name] = 3
    refused(get, ConnectionError, rf"{name}\?download=1: not downloaded .* the same command again")
    assert [path.name for path in tmp_path.iterdir()] == ["FSD50K.download"]
    work = tmp_path / "FSD50K.download"
    left = (work / f"{name}.part").read_bytes()
    assert server.files[name].startswith(left) and left
    assert not list(work.glob("*dev_audio*"))  # converted, so removed
    server.asked.clear()
    get()
    assert server.asked[0] == (name, len(left))
    assert not [x for x, _ in server.asked if "dev" in x]
    assert len(rows(tmp_path / "FSD50K")) == 6


def test_what_was_complete_when_it_was_killed_is_not_fetched_again(get, server, tmp_path):
    name = "FSD50K.dev_audio.z01"
    (tmp_path / "FSD50K.download").mkdir()
    (tmp_path / "FSD50K.download" / f"{name}.part").write_bytes(server.files[name])
    get()
    assert name not in dict(server.asked)


def test_a_wrong_checksum_is_refused_and_begun_again(get, server, tmp_path):
    name = "FSD50K.dev_audio.zip"
    right = server.files[name]
    server.files[name] = right[:-30] + bytes(30)
    refused(get, ValueError, f"{name}.* has not the published checksum md5:")
    assert not list((tmp_path / "FSD50K.download").glob(f"{name}*"))
    assert not (tmp_path / "FSD50K").exists()
    server.files[name] = right
    server.asked.clear()
    get()
    assert server.asked[0] == (name, 0)


def test_existing_folders(get, server, tmp_path):
    dest = tmp_path / "FSD50K"
    dest.mkdir()
    (dest / "thesis.txt").write_text("mine")
    refused(get, FileExistsError, "is there already: give --overwrite", overwrite=True)
    assert (dest / "thesis.txt").read_text() == "mine"
    (dest / "clips.csv").touch()
    refused(get, FileExistsError, "is there already")
    assert server.asked == []
    get(overwrite=True)
    assert not (dest / "thesis.txt").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["FSD50K"]


def test_disk_space_is_checked_for_the_largest_stage(get, server, monkeypatch, tmp_path):
    sizes = {name: len(content) for name, content in server.files.items()}
    stages = [sum(y for x, y in sizes.items() if other not in x) for other in ("dev", "eval")]
    enough = max(stages) + 1100
    usage = archives.shutil.disk_usage(tmp_path)
    monkeypatch.setattr(archives.shutil, "disk_usage", lambda _: usage._replace(free=enough - 1))
    refused(get, OSError, "not enough disk space")
    assert (server.asked, list(tmp_path.iterdir())) == ([], [])
    everything = sum(sizes.values()) + 1100
    monkeypatch.setattr(archives.shutil, "disk_usage", lambda _: usage._replace(free=enough))
    refused(get, OSError, "not enough disk space", keep_archives=True)
    get()
    monkeypatch.setattr(archives.shutil, "disk_usage", lambda _: usage._replace(free=everything))
    get(keep_archives=True, overwrite=True)


@pytest.mark.parametrize(
    "more, words",
    [
        ({"../evil.wav": b"x"}, r"refused, as '\.\./evil\.wav' in the archive is a link or leaves"),
        ({"/evil.wav": b"x"}, "refused, as '/evil.wav' in the archive is a link or leaves"),
        ({"bomb.wav": bytes(65 * 2**20)}, "refused, as 'bomb.wav' in the archive has 68 MB"),
        ({"FSD50K.dev_audio/99.wav": wav(99)}, "damaged or not FSD50K"),  # not in the table
        ({"FSD50K.dev_audio/12.wav": b"RIFF but no sound"}, "damaged or not FSD50K"),
    ],
)
def test_unsafe_or_strange_archives_are_refused(get, offer, tmp_path, more, words):
    offer(**more)
    refused(get, ValueError, words)
    assert not (tmp_path / "FSD50K").exists()
    assert not list(tmp_path.rglob("evil*"))


def test_a_missing_recording_is_named(get, server, offer, monkeypatch):
    monkeypatch.setitem(DEV, "77", ("Dog,Animal", "train"))
    files = fsd50k_files()
    server.files |= {x: files[x] for x in ("FSD50K.ground_truth.zip", "FSD50K.metadata.zip")}
    monkeypatch.setattr(fsd50k, "FILES", known(server.files))
    refused(get, ValueError, r"damaged, as 77\.wav is missing")


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.binary(max_size=3000), max_size=8),
    st.integers(100, 5000),
    st.booleans(),
    st.booleans(),
)
def test_split_zips_are_read_whatever_the_cut(tmp_path_factory, contents, size, zip64, comment):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for number, content in enumerate(contents):
            file.writestr(f"{number}.wav", content)
        file.comment = b"said" * comment
    folder = tmp_path_factory.mktemp("split")
    parts = [folder / f"{k}" for k in range(len(split(buffer.getvalue(), size, zip64)))]
    for path, part in zip(parts, split(buffer.getvalue(), size, zip64), strict=True):
        path.write_bytes(part)
    with SplitZip(parts) as file:
        assert file.testzip() is None
        assert [file.read(x) for x in file.namelist()] == contents


def test_parts_that_are_missing_are_noticed(tmp_path):
    members = {f"{k}": np.random.default_rng(k).bytes(3000) for k in range(5)}
    parts = []
    for number, part in enumerate(split(zipped(members), 4000)):
        parts.append(tmp_path / f"{number}")
        parts[-1].write_bytes(part)
    for some in (parts[1:], parts[:-1], [parts[1], *parts[1:]], parts[::-1]):
        with pytest.raises(zipfile.BadZipFile), SplitZip(some) as file:
            file.read("0")


@given(st.lists(st.integers(0, 5), min_size=1, max_size=30))
def test_the_label_is_never_a_parent_of_another(depths):
    chain = ["thing", "animal", "pet", "dog", "barking_dog", "angry_dog"]  # each in the one before
    clips = [chain[: depth + 1][::-1] for depth in depths]
    counts = fsd50k.Counter(label for labels in clips for label in labels)
    for labels in clips:
        chosen = fsd50k.most_specific(labels, counts)
        assert counts[chosen] == counts[labels[0]]  # the deepest, or one that has the same clips


def test_every_recording_of_esc50_is_known(table):
    sources = clip_folder.esc50_sources()
    assert len(sources) == 1524  # 2,000 clips were cut from them
    assert {100032, 9032, 263902, 137} <= sources
    assert min(sources) == 137 and max(sources) == 264453
    assert not sources & set(table["src_file"])  # the synthetic sounds' numbers are none


def tarred(members):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as file:
        for name, content in members.items():
            member = content if isinstance(content, tarfile.TarInfo) else tarfile.TarInfo(name)
            data = b"" if member is content else content
            member.size = len(data)
            file.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


@pytest.fixture
def fuss_server(server):
    def offer(**more):
        members = {
            "fsd_data/train/sound/31.wav": wav(31, 16000),
            f"fsd_data/train/sound/{IN_ESC50}.wav": wav(1, 16000),
            "fsd_data/eval/sound/32.wav": wav(32, 16000),
            "fsd_data/train_foreground.txt": b"train/sound/31.wav",
            "fsd_data/eval/sound/unknown.wav": wav(33, 16000),
            "fsd_data/padding": PADDING,
        }
        archive = tarred(members | more)
        md5 = hashlib.md5(archive, usedforsecurity=False).hexdigest()
        other = {"key": "FUSS_ssdata.tar.gz", "size": 1, "checksum": "md5:0"}
        file = {"key": fuss.NAME, "size": len(archive), "checksum": f"md5:{md5}"}
        record = json.dumps({"files": [other, file]}).encode()
        server.files = {fuss.NAME: archive, "3743844": record}

    offer()
    server.offer = offer
    return server


def test_fuss_has_a_label_for_each_clip(fuss_server, tmp_path):
    dest = data.fuss.download(tmp_path / "FUSS")
    assert names(dest) == ["ABOUT.txt", "clips.csv", "eval/32.flac", "train/31.flac"]
    found = rows(dest)
    assert [row["label"] for row in found.values()] == [
        "unlabelled sound 31",
        "unlabelled sound 32",
    ]
    row = found["eval/32.flac"]
    assert (row["source_id"], row["source_rate"], row["split"]) == ("freesound:32", "16000", "eval")
    assert "publicdomain/zero" in row["licence"]
    clip, original = (sf.read(x)[0] for x in (dest / "eval/32.flac", io.BytesIO(wav(32, 16000))))
    assert np.array_equal(clip, original)
    assert [path.name for path in tmp_path.iterdir()] == ["FUSS"]


def test_fuss_resumes_and_asks_zenodo_for_the_checksum(fuss_server, tmp_path):
    fuss_server.cuts[fuss.NAME] = 3
    get = lambda: fuss.download(tmp_path / "FUSS")  # noqa: E731
    refused(get, ConnectionError, "not downloaded")
    left = (tmp_path / "FUSS.download" / f"{fuss.NAME}.part").stat().st_size
    fuss_server.asked.clear()
    get()
    assert fuss_server.asked == [("3743844", 0), (fuss.NAME, left)]


@pytest.mark.parametrize(
    "record",
    [b"<html>Sign in</html>", b"{}", b'{"files": [{"key": "FUSS_fsd_data.tar.gz"}]}', b"[]"],
)
def test_fuss_needs_zenodos_record(fuss_server, tmp_path, record):
    get = lambda: fuss.download(tmp_path / "FUSS")  # noqa: E731
    fuss_server.files["3743844"] = record
    refused(get, ValueError, "record does not tell size and MD5 of FUSS_fsd_data.tar.gz")
    del fuss_server.files["3743844"]
    refused(get, ConnectionError, r"3743844: not downloaded \(the server answered 404\)")
    assert list(tmp_path.iterdir()) == []


def link(name, target):
    member = tarfile.TarInfo(name)
    member.type, member.linkname = tarfile.SYMTYPE, target
    return member


@pytest.mark.parametrize("name", ["../evil.wav", "/evil.wav", "fsd_data/train/sound/9.wav"])
def test_fuss_refuses_links_and_names_that_leave(fuss_server, tmp_path, name):
    member = link(name, "/etc/hostname") if name[0] == "f" else b"x"
    fuss_server.offer(**{name: member})
    get = lambda: fuss.download(tmp_path / "FUSS")  # noqa: E731
    refused(get, ValueError, f"refused, as '{name}' in the archive is a link or leaves its folder")
    assert not (tmp_path / "FUSS").exists()


@pytest.mark.parametrize("damage", [lambda x: x[:-20], lambda x: b"PK" + x, lambda x: tarred({})])
def test_fuss_damaged_before_zenodo_took_its_checksum(fuss_server, tmp_path, damage):
    archive = damage(fuss_server.files[fuss.NAME])
    md5 = hashlib.md5(archive, usedforsecurity=False).hexdigest()
    file = {"key": fuss.NAME, "size": len(archive), "checksum": f"md5:{md5}"}
    record = json.dumps({"files": [file]}).encode()
    fuss_server.files = {fuss.NAME: archive, "3743844": record}
    get = lambda: fuss.download(tmp_path / "FUSS")  # noqa: E731
    refused(get, ValueError, "damaged or not FUSS|there is no fsd_data/<split>/sound")


@pytest.mark.parametrize("name", ["fsd50k", "fuss"])
def test_the_command(name, fuss_server, tmp_path, monkeypatch):
    def run(*arguments):
        return CliRunner().invoke(main, ["data", name, *map(str, arguments)])

    files = fsd50k_files()
    fuss_server.files |= files
    monkeypatch.setattr(fsd50k, "FILES", known(files))
    done = run(tmp_path / "clips")
    assert done.exit_code == 0, done.output
    assert done.stdout == f"{tmp_path / 'clips'}\n"
    assert run(tmp_path / "clips", "--overwrite", "--keep-archives").exit_code == 0
    assert (tmp_path / "clips.download").is_dir()
    fuss_server.files.clear()
    for dest, said in (("clips", "is there already"), ("new", "the server answered 404")):
        done = run(tmp_path / dest)
        assert done.exit_code == 2
        (sentence,) = [line for line in done.stderr.splitlines() if line.startswith("Error")]
        assert said in sentence
        assert "Traceback" not in done.output
    assert not (tmp_path / "new").exists()


def test_help_tells_size_licence_and_time():
    for name, words in {
        "fsd50k": ("24.7 GB", "31 GB", "CC BY-NC", "Sampling+", "CC BY 4.0", "hour", "ESC-50"),
        "fuss": ("2.7 GB", "5.3 GB", "CC0", "CC BY 4.0", "minutes", "ESC-50"),
    }.items():
        said = " ".join(CliRunner().invoke(main, ["data", name, "--help"]).output.split())
        assert all(word in said for word in words)


def test_sizes_that_are_said_are_those_of_the_files():
    sizes = {name: size for name, (size, _) in fsd50k.FILES.items()}
    clips = sum(fsd50k.CLIP_BYTES.values())
    assert round(sum(sizes.values()) / 1e9, 1) == 24.7
    assert round(clips / 1e9, 1) == 12.5
    dev = sum(size for name, size in sizes.items() if "eval" not in name)
    assert 30 < (dev + clips) / 1e9 < 31
    assert 37 < (sum(sizes.values()) + clips) / 1e9 < 38
