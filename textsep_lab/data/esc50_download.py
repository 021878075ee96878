"""Fetch ESC-50 with pooch, check it, unpack it safely, rename it (taught in notebook 01)."""

from __future__ import annotations

import contextlib
import functools
import shutil
import stat
import sys
import tempfile
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import pooch
from tqdm import tqdm

from textsep_lab.data import esc50
from textsep_lab.utils import paths

if TYPE_CHECKING:
    from requests import Response

URL = (  # a commit, as its contents cannot change
    "https://github.com/karolpiczak/ESC-50/archive/33c8ce9eb2cf0b1c2f8bcf322eb349b6be34dbb6.zip"
)
SHA256 = "661183a6f53ef04f12c9bd618fed0ddc1713280d6c94a5a5431e844ba6f6a21f"
# esc50.fingerprint of the MD5 per recording that soundata lists (its index 2.0.0). It decides
# where SHA256 differs: GitHub promises the same files for a commit, not the same compressed bytes.
FINGERPRINT = "7dac98ebb302b554321c1ceacd9ab75bb0769516f66d19b4f3a6a6874355c2f2"
ARCHIVE_BYTES, UNPACKED_BYTES = 645_832_161, 900_000_000


def download(dest: str | Path | None = None, overwrite: bool = False) -> Path:
    """Fetch ESC-50 (646 MB; K. J. Piczak, ACM MM 2015; CC BY-NC 3.0), check it, return its folder.

    Default `dest`: `ESC-50` in the project's data folder. It appears only when all was checked.
    A cut download leaves `<dest>.download.part`; the next call goes on from there if the server
    can (GitHub makes its archives anew and cannot), and else begins again.

    Raises:
        FileExistsError: `dest` holds a data set and not `overwrite`, or holds something else.
        ConnectionError: no network, an HTTP error, or a cut that retries did not mend.
        ValueError: what came is damaged, unsafe to unpack or not ESC-50.
        OSError: not enough disk space, or `dest` cannot be written.

    Example:
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = (Path(folder) / "notes.txt").write_text("mine")
        ...     download(folder, overwrite=True)  # doctest: +IGNORE_EXCEPTION_DETAIL
        Traceback (most recent call last):
        FileExistsError: is there already
    """
    dest = Path(dest or paths.data_dir() / "ESC-50").expanduser().resolve()
    taken = dest.is_file() or (dest.is_dir() and any(dest.iterdir()))
    if taken and not (overwrite and (dest / "meta" / "esc50.csv").is_file()):
        said = "give --overwrite if it is a data set, or another place"
        raise FileExistsError(f"'{dest}' is there already: {said}.")
    part = paths.make_folder(dest.parent) / f"{dest.name}.download.part"
    there = part.stat().st_size if part.exists() else 0
    _check_space(dest.parent, ARCHIVE_BYTES + UNPACKED_BYTES - there)
    said = f"Downloading ESC-50 ({ARCHIVE_BYTES / 1e6:.0f} MB, licence CC BY-NC 3.0)"
    print(f"{said} from {URL} to {dest}.", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix=f".{dest.name}-", dir=dest.parent) as name:
        root = _unpack(_fetch(Path(name), part), Path(name) / "unpacked")
        if dest.exists():
            dest.rename(Path(name) / "replaced")
        root.rename(dest)
    return dest


def _check_space(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed:
        said = f"{needed / 1e9:.1f} GB are needed and {free / 1e9:.1f} GB are free"
        raise OSError(f"'{folder}': not enough disk space: {said}; choose another folder.")


def _fetch(folder: Path, part: Path) -> Path:
    pooch.get_logger().setLevel("WARNING")  # else it announces the temporary file
    files, urls = {"ESC-50.zip": None}, {"ESC-50.zip": URL}  # None: `_unpack` checks the hash
    source = pooch.create(folder, "", registry=files, urls=urls, retry_if_failed=2)
    try:
        return Path(source.fetch("ESC-50.zip", downloader=functools.partial(_resume, part)))
    except OSError as error:
        if not hasattr(error, "response"):  # not one of requests' errors, so the disk's
            raise OSError(f"'{part}': cannot be written ({error.strerror}).") from error
        if part.stat().st_size == 0:
            part.unlink()
        status = getattr(error.response, "status_code", None)
        said = f"the server answered {status}" if status else type(error).__name__
        again = "check the network connection and run the same command again"
        raise ConnectionError(f"{URL}: not downloaded ({said}); {again}.") from error


def _resume(part: Path, url: str, output_file: str, source: pooch.Pooch) -> None:
    """Download for pooch, asking only for the bytes that earlier tries did not leave in `part`."""

    def begin(response: Response, **_: object) -> None:
        answers.enter_context(response)  # pooch does not close it after an error
        if response.status_code in (200, 416):  # all bytes come, or the range is past the end
            file.truncate(0)
            response.headers.setdefault("Content-Length", str(ARCHIVE_BYTES))  # for the bar

    bar = tqdm(total=ARCHIVE_BYTES, unit="B", unit_scale=True, leave=False)
    with bar, part.open("ab") as file, contextlib.ExitStack() as answers:
        headers = {"Range": f"bytes={file.tell()}-", "Accept-Encoding": "identity"}
        options = {"headers": headers, "hooks": {"response": begin}, "timeout": 60}
        pooch.HTTPDownloader(bar, chunk_size=1 << 16, **options)(url, file, source)
    part.replace(output_file)


def _unpack(archive: Path, folder: Path) -> Path:
    try:
        with zipfile.ZipFile(archive) as file:
            for member in file.infolist():
                inside = (folder / member.filename).resolve().is_relative_to(folder)
                if not inside or stat.S_ISLNK(member.external_attr >> 16):
                    said = f"'{member.filename}' in the archive is a link or leaves its folder"
                    raise ValueError(f"{URL}: refused, as {said}.")
            _check_space(archive.parent, sum(member.file_size for member in file.infolist()))
            file.extractall(folder)  # checks each member's CRC-32 and stops at its stated size
        root = esc50.find(folder)
        same = pooch.file_hash(str(archive)) == SHA256 or esc50.fingerprint(root) == FINGERPRINT
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, FileNotFoundError) as error:
        raise ValueError(f"{URL}: what came is damaged or not ESC-50; try again.") from error
    if not same:
        raise ValueError(f"{URL}: the recordings that came are not those of ESC-50.")
    return root
