"""Fetching ESC-50, against a loopback server that can cut, ignore ranges or serve damage."""

import contextlib
import functools
import hashlib
import io
import random
import stat
import sys
import zipfile
from http.server import BaseHTTPRequestHandler

import pooch
import pytest
from conftest import loopback
from test_esc50 import make_dataset

from textsep_lab.data import archives, esc50
from textsep_lab.data import esc50_download as module

PART = "ESC-50.download.part"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server = self.server
        if self.path == "/a.zip":  # as GitHub does
            self.send_response(302)
            self.send_header("Location", "/elsewhere.zip")
            self.end_headers()
            return
        server.starts.append(int(self.headers["Range"].removeprefix("bytes=").removesuffix("-")))
        start = server.starts[-1] if server.has_ranges else 0
        if server.status != 200 or start > len(server.body):
            self.send_error(server.status if server.status != 200 else 416)
            return
        body = server.body[start:]
        self.send_response(206 if start else 200)
        if server.has_length:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        cut = len(server.starts) <= server.cuts
        with contextlib.suppress(ConnectionError):  # the client may have seen enough
            self.wfile.write(body[: server.cut_after] if cut else body)

    def log_message(self, *args):
        pass


def zipped(members):
    """Return a zip of (name, bytes) pairs; a name may be a `ZipInfo`."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, content in members:
            file.writestr(name, content)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A tiny data set and 1.5 MB more, so that a download can be cut twice."""
    root = make_dataset(tmp_path_factory.mktemp("source") / "ESC-50-master")
    (root / "padding").write_bytes(random.Random(0).randbytes(1_500_000))
    return root


@pytest.fixture(scope="module")
def archive(source):
    files = sorted(path for path in source.rglob("*") if path.is_file())
    return zipped((path.relative_to(source.parent).as_posix(), path.read_bytes()) for path in files)


@pytest.fixture
def server(archive, monkeypatch):
    """Serves what is `module.URL` now; the archive's own SHA-256 is the one that is known."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr("pooch.core.time.sleep", lambda seconds: None)  # its wait before a retry
    every_step = functools.partial(archives.tqdm, mininterval=0, miniters=1)
    monkeypatch.setattr(archives, "tqdm", every_step)
    monkeypatch.setattr(module, "SHA256", hashlib.sha256(archive).hexdigest())
    with loopback(Handler) as server:
        server.body, server.starts, server.status, server.cuts = archive, [], 200, 0
        server.has_ranges, server.has_length, server.cut_after = True, True, 600_000
        monkeypatch.setattr(module, "URL", f"http://127.0.0.1:{server.server_port}/a.zip")
        yield server


@pytest.fixture
def get(server, tmp_path):
    """Call `download` to the destination `tmp_path / "ESC-50"`."""
    return lambda **options: module.download(tmp_path / "ESC-50", **options)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def refused(get, error, words, **options):
    with pytest.raises(error, match=words) as caught:
        get(**options)
    assert "\n" not in str(caught.value)


def test_whole_way(get, server, source, tmp_path, capfd, monkeypatch):
    monkeypatch.setattr(pooch.get_logger().handlers[0], "stream", sys.stderr)
    assert get() == tmp_path / "ESC-50"
    said = capfd.readouterr()
    first = said.err.splitlines()[0]
    for part in ("646 MB", "CC BY-NC 3.0", module.URL, str(tmp_path / "ESC-50")):
        assert part in first
    assert "100%|" in said.err
    assert said.err.count(module.URL) == 1  # nothing of pooch's own
    assert said.out == ""
    assert names(tmp_path) == ["ESC-50"]
    assert esc50.fingerprint(tmp_path / "ESC-50") == esc50.fingerprint(source)


def test_existing_data_set_is_replaced_only_when_asked(get, server, tmp_path):
    dest = make_dataset(tmp_path / "ESC-50")
    (dest / "old").touch()
    refused(get, FileExistsError, "ESC-50' is there already: give --overwrite")
    assert server.starts == []
    get(overwrite=True)
    assert names(dest) == ["audio", "meta", "padding"]
    assert names(tmp_path) == ["ESC-50"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_other_files_are_never_replaced(get, server, tmp_path, overwrite):
    dest = tmp_path / "ESC-50"
    dest.write_text("mine")
    refused(get, FileExistsError, "or another place", overwrite=overwrite)
    dest.unlink()
    dest.mkdir()
    (dest / "thesis.txt").write_text("mine")
    refused(get, FileExistsError, "or another place", overwrite=overwrite)
    assert server.starts == []
    (dest / "thesis.txt").unlink()
    get()  # an empty folder holds nothing to lose
    assert names(tmp_path) == ["ESC-50"]


def test_cuts_are_resumed_where_they_were(get, server, tmp_path):
    server.cuts = 2
    get()
    first, second, third = server.starts
    assert first == 0 < second <= 600_000 < third
    assert names(tmp_path) == ["ESC-50"]


def test_later_call_resumes_an_earlier_one(get, server, archive, tmp_path):
    server.cuts, server.cut_after = 3, 200_000
    refused(get, ConnectionError, "a.zip: not downloaded .* run the same command again")
    assert names(tmp_path) == [PART]
    left = (tmp_path / PART).read_bytes()
    assert archive.startswith(left)
    get()
    assert server.starts[3:] == [len(left)]
    assert names(tmp_path) == ["ESC-50"]


@pytest.mark.parametrize("left", [1000, 9_000_000])
def test_what_cannot_be_resumed_begins_again(get, server, tmp_path, left):
    (tmp_path / PART).write_bytes(b"?" * left)
    server.has_ranges = left > 1000  # else the whole comes; and no archive has 9 MB, answer: 416
    get()
    assert server.starts == ([left, 0] if left > 1000 else [left])
    assert names(tmp_path) == ["ESC-50"]


def test_server_without_length(get, server, capfd):
    server.has_length = False
    get()
    assert "M/646M [" in capfd.readouterr().err  # the bar's end is then the known size


def test_http_error_and_no_network(get, server, tmp_path, monkeypatch):
    server.status = 404
    refused(get, ConnectionError, r"a\.zip: not downloaded \(the server answered 404\)")
    monkeypatch.setattr(module, "URL", "http://127.0.0.1:9/a.zip")
    refused(get, ConnectionError, r"\(ConnectionError\); check the network")
    assert names(tmp_path) == []


def test_recordings_decide_where_the_archive_was_compressed_anew(
    get, source, tmp_path, monkeypatch
):
    monkeypatch.setattr(module, "SHA256", "0" * 64)
    refused(get, ValueError, "the recordings that came are not those of ESC-50")
    assert names(tmp_path) == []
    monkeypatch.setattr(module, "FINGERPRINT", esc50.fingerprint(source))
    get()
    assert names(tmp_path) == ["ESC-50"]


@pytest.mark.parametrize("damage", ["page", "flipped", "truncated", "other"])
def test_damage_leaves_what_was_there(get, server, archive, tmp_path, damage):
    middle = len(archive) // 2
    server.body = {
        "page": b"<html>Sign in to this network</html>",
        "flipped": archive[:middle] + bytes([archive[middle] ^ 255]) + archive[middle + 1 :],
        "truncated": archive[:middle],
        "other": zipped([("readme.txt", b"another archive")]),
    }[damage]
    refused(get, ValueError, "a.zip: what came is damaged or not ESC-50")
    assert names(tmp_path) == []
    (make_dataset(tmp_path / "ESC-50") / "old").touch()
    refused(get, ValueError, "damaged", overwrite=True)
    assert names(tmp_path / "ESC-50") == ["audio", "meta", "old"]


@pytest.mark.parametrize("name", ["../evil.txt", "/evil.txt", "a/../../../evil.txt", "link"])
def test_unsafe_members_are_refused(get, server, tmp_path, name):
    info = zipfile.ZipInfo(name)
    info.create_system, kind = 3, stat.S_IFLNK if name == "link" else stat.S_IFREG
    info.external_attr = (kind | 0o777) << 16
    server.body = zipped([(info, b"/etc")])
    refused(get, ValueError, f"refused, as '{name}' in the archive is a link or leaves")
    assert names(tmp_path) == []


def test_full_disk_is_said_before_each_step(get, server, tmp_path, monkeypatch):
    usage = archives.shutil.disk_usage(tmp_path)._replace(free=1_500_000_000)
    monkeypatch.setattr(archives.shutil, "disk_usage", lambda folder: usage)
    refused(get, OSError, r"not enough disk space: 1\.5 GB are needed and 1\.5 GB are free")
    assert server.starts == []
    with (tmp_path / PART).open("wb") as file:
        file.truncate(46_000_000)  # needs no space a second time
    server.has_ranges = False
    get()
    monkeypatch.setattr(module, "UNPACKED_BYTES", -module.ARCHIVE_BYTES)
    usage = usage._replace(free=1_000_000)  # less than the archive says it unpacks to
    refused(get, OSError, "not enough disk space", overwrite=True)
    assert len(server.starts) == 2
    assert names(tmp_path) == ["ESC-50"]


def test_unwritable_part_is_named(get, server, tmp_path):
    (tmp_path / PART).mkdir()
    refused(get, OSError, r"ESC-50\.download\.part': cannot be written \(")
    assert names(tmp_path) == [PART]
