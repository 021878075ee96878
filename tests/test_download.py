"""Fetching ESC-50, against a loopback server that can cut, ignore ranges or serve damage."""

import contextlib
import hashlib
import io
import random
import re
import stat
import zipfile
from http.server import BaseHTTPRequestHandler

import pytest
from conftest import loopback
from test_esc50 import make_dataset

from textsep_lab.data import esc50
from textsep_lab.data import esc50_download as module
from textsep_lab.data.esc50_download import _fetch, _unpack_zip, download


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        server, range_header = self.server, self.headers.get("Range")
        server.ranges.append(range_header)
        if server.status != 200:
            self.send_error(server.status)
            return
        start = int(range_header[6:-1]) if range_header and server.has_ranges else 0
        body = server.body[start:]
        self.send_response(206 if start else 200)
        if start:
            last = len(server.body) - 1
            self.send_header("Content-Range", f"bytes {start}-{last}/{last + 1}")
        if server.has_length:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        cut = len(server.ranges) <= server.cut_requests
        with contextlib.suppress(ConnectionError):  # the client may have seen enough
            self.wfile.write(body[: server.cut_after] if cut else body[: server.hole - start])

    def log_message(self, *args):
        pass


@pytest.fixture
def server(archive, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr("random.uniform", lambda low, high: 0.0)  # gdown's wait before a retry
    with loopback(Handler) as server:
        server.body, server.ranges, server.status = archive, [], 200
        server.has_ranges = server.has_length = True
        server.hole = len(archive)  # bytes from here on never arrive
        server.cut_requests, server.cut_after = 0, 600_000  # of 1.6 MB; gdown writes 512 KiB
        server.url = f"http://127.0.0.1:{server.server_port}/master.zip"
        yield server


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    root = make_dataset(tmp_path_factory.mktemp("source") / "ESC-50-master")
    (root / "padding").write_bytes(random.Random(0).randbytes(1_500_000))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for path in sorted(root.rglob("*")):
            file.write(path, path.relative_to(root.parent).as_posix())
    return buffer.getvalue()


@pytest.fixture
def get(server, tmp_path):
    """Call `download` for the tiny archive; the destination is `tmp_path / "ESC-50"`."""

    def call(**changed):
        usual = {"checksum": None, "contents": None, "expected_clips": 10, "expected_classes": 2}
        return download(tmp_path / "ESC-50", server.url, **{**usual, "progress": False, **changed})

    return call


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_whole_way(get, server, archive, tmp_path, capsys):
    checksum = hashlib.sha256(archive).hexdigest()
    assert get(checksum=checksum, progress=True, keep_archive=True) == (tmp_path / "ESC-50")
    said = capsys.readouterr().out
    for part in (server.url, "CC BY-NC 3.0", str(tmp_path / "ESC-50"), "size not known"):
        assert part in said
    assert len(esc50.read_table(tmp_path / "ESC-50")) == 10
    assert names(tmp_path) == ["ESC-50", "ESC-50.zip"]
    assert (tmp_path / "ESC-50.zip").read_bytes() == archive


def test_whole_dataset_is_returned_at_once(get, server, tmp_path):
    get()
    asked = len(server.ranges)
    assert get() == tmp_path / "ESC-50"
    assert len(server.ranges) == asked


def test_cut_is_resumed_with_a_range(server, archive, tmp_path):
    server.cut_requests = 2
    _fetch(server.url, tmp_path / "a.zip", progress=False)
    assert server.ranges == [None, "bytes=524288-", "bytes=1048576-"]
    assert (tmp_path / "a.zip").read_bytes() == archive


def test_later_call_resumes_an_earlier_one(get, server, archive, tmp_path):
    server.hole = 600_000
    with pytest.raises(ConnectionError, match=r"kept in .*\.part.* goes on from there") as caught:
        get()
    assert "\n" not in str(caught.value)
    (part,) = tmp_path.glob("*.part")
    assert not (tmp_path / "ESC-50").exists()
    assert archive.startswith(part.read_bytes())
    server.hole, size = len(archive), part.stat().st_size
    get()
    assert server.ranges[-1] == f"bytes={size}-"
    assert names(tmp_path) == ["ESC-50"]


def test_cut_without_ranges_begins_again(server, archive, tmp_path):
    server.has_ranges, server.cut_requests = False, 1
    _fetch(server.url, tmp_path / "a.zip", progress=False)
    assert (tmp_path / "a.zip").read_bytes() == archive
    assert server.ranges[1] == "bytes=524288-"
    assert server.ranges[-1] is None


def test_server_without_length(server, archive, tmp_path):
    server.has_length = False
    _fetch(server.url, tmp_path / "a.zip", size=len(archive), progress=False)
    assert (tmp_path / "a.zip").read_bytes() == archive


def test_unmended_cuts_without_ranges_end(server, tmp_path):
    server.has_ranges, server.cut_requests = False, 100
    with pytest.raises(ConnectionError, match="did not finish"):
        _fetch(server.url, tmp_path / "a.zip", progress=False)
    assert len(server.ranges) < 20


def test_http_error_and_no_network(get, server, tmp_path):
    server.status = 404
    with pytest.raises(ConnectionError, match=r"master\.zip: the server answered 404"):
        get()
    server.url = "http://127.0.0.1:9/master.zip"
    with pytest.raises(ConnectionError, match="no answer; check the network") as caught:
        get()
    assert "\n" not in str(caught.value)
    assert names(tmp_path) == []


def test_wrong_checksum_leaves_nothing(get, tmp_path):
    with pytest.raises(ValueError, match=f"expected {'0' * 64}"):
        get(checksum="0" * 64)
    with pytest.raises(ValueError, match="its recordings are not the expected ones"):
        get(checksum="0" * 64, contents="1" * 64)
    assert names(tmp_path) == []


def test_recompressed_archive_is_accepted_by_its_recordings(get, tmp_path, capsys):
    get()
    contents = esc50.fingerprint(tmp_path / "ESC-50")
    get(checksum="0" * 64, contents=contents, overwrite=True)
    assert "so it is accepted" in capsys.readouterr().out
    assert names(tmp_path) == ["ESC-50"]


@pytest.mark.parametrize("damage", ["page", "flipped", "truncated", "short"])
def test_damage_leaves_nothing(get, server, archive, tmp_path, damage):
    middle = len(archive) // 2
    server.body = {
        "page": b"<html>Sign in to this network</html>",
        "flipped": archive[:middle] + bytes([archive[middle] ^ 255]) + archive[middle + 1 :],
        "truncated": archive[:middle],
        "short": archive,
    }[damage]
    words = "expected .*2000" if damage == "short" else "not a zip file, or a damaged one"
    with pytest.raises(ValueError, match=words) as caught:
        get(expected_clips=2000 if damage == "short" else 10)
    assert "\n" not in str(caught.value)
    assert names(tmp_path) == []


def make_zip(path, name="a.txt", mode=None, text="x"):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        info = zipfile.ZipInfo(name)
        info.compress_type = zipfile.ZIP_DEFLATED
        if mode:
            info.create_system, info.external_attr = 3, mode << 16
        file.writestr(info, text)
    return path


@pytest.mark.parametrize("name", ["../evil.txt", "/evil.txt", "a/../../evil.txt", "C:/evil.txt"])
def test_zip_that_would_leave_the_folder_is_refused(tmp_path, name):
    path = make_zip(tmp_path / "a.zip", name)
    with pytest.raises(ValueError, match=re.escape(name)):
        _unpack_zip(path, tmp_path / "deep" / "out")
    assert names(tmp_path) == ["a.zip"]


def test_links_and_bombs_are_refused(tmp_path):
    link = make_zip(tmp_path / "link.zip", "audio", stat.S_IFLNK | 0o777, "/etc")
    with pytest.raises(ValueError, match="is a link"):
        _unpack_zip(link, tmp_path / "out")
    bomb = make_zip(tmp_path / "bomb.zip", text="0" * 100_000)
    with pytest.raises(ValueError, match="at most"):
        _unpack_zip(bomb, tmp_path / "out", max_bytes=99_999)
    assert not (tmp_path / "out").exists()


def test_zip_slip_through_the_network(get, server, tmp_path):
    server.body = make_zip(tmp_path / "slip.zip", "../../evil.txt").read_bytes()
    with pytest.raises(ValueError, match="refused"):
        get()
    assert names(tmp_path) == ["slip.zip"]


def test_full_disk_is_said_before_starting(get, server, tmp_path, monkeypatch):
    usage = module.shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(module.shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(OSError, match=r"1\.5 GB are needed and 0\.0 GB are free"):
        download(tmp_path / "ESC-50", progress=False)
    with pytest.raises(OSError, match="not enough disk space"):
        get()
    assert not (tmp_path / "ESC-50").exists()


def test_existing_folders_are_respected(get, server, tmp_path):
    dest = tmp_path / "ESC-50"
    dest.mkdir()
    (dest / "thesis.txt").write_text("mine")
    for overwrite in (False, True):
        with pytest.raises(FileExistsError, match="holds something else"):
            get(overwrite=overwrite)
    (dest / "thesis.txt").rename(tmp_path / "thesis.txt")
    get()
    next((dest / "audio").iterdir()).unlink()
    with pytest.raises(FileExistsError, match="incomplete dataset"):
        get()
    get(overwrite=True)
    assert len(esc50.read_table(dest)) == 10
    assert names(tmp_path) == ["ESC-50", "thesis.txt"]


def test_failed_overwrite_keeps_the_old_one(get, server, tmp_path):
    get()
    server.body = b"no zip"
    with pytest.raises(ValueError, match="not a zip"):
        get(overwrite=True)
    assert len(esc50.read_table(tmp_path / "ESC-50")) == 10


def test_kept_archive_is_not_overwritten(get, server, tmp_path):
    (tmp_path / "ESC-50.zip").write_bytes(b"mine")
    with pytest.raises(FileExistsError, match=r"ESC-50\.zip"):
        get(keep_archive=True)
    assert server.ranges == []
    assert (tmp_path / "ESC-50.zip").read_bytes() == b"mine"
