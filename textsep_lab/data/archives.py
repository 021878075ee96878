"""Fetch archives with pooch, resumably, check and open them safely (taught in notebook 01)."""

from __future__ import annotations

import contextlib
import functools
import gzip
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pooch
from tqdm import tqdm

if TYPE_CHECKING:
    from requests import Response

#: What the standard library raises for an archive that is not whole or not what was expected.
DAMAGE = (zipfile.BadZipFile, tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError,
          RuntimeError, LookupError, FileNotFoundError)  # fmt: skip


@dataclass(frozen=True)
class Archive:
    """A file to download.

    Args:
        url: its address.
        size: in bytes.
        checksum: ``md5:…`` or ``sha256:…``; None where the caller checks what came.

    Example:
        >>> Archive("https://example.org/files/a.zip?download=1", 100).name
        'a.zip'
    """

    url: str
    size: int
    checksum: str | None = None

    @property
    def name(self) -> str:
        """Its file name, as the address ends."""
        return Path(urlsplit(self.url).path).name

    def left(self, folder: Path) -> int:
        """Return how many bytes `fetch` has yet to get into `folder`."""
        there = [folder / self.name, folder / f"{self.name}.part"]
        return max(0, self.size - sum(path.stat().st_size for path in there if path.exists()))


def place(dest: str | Path, overwrite: bool, marker: str) -> Path:
    """Return where a data set is to be, as an absolute path, if there is room for it by name.

    Args:
        dest: the folder.
        overwrite: a data set may be there already.
        marker: a file by which one is known.

    Raises:
        FileExistsError: `dest` holds a data set and not `overwrite`, or holds something else.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     place(f"{folder}/new", False, "clips.csv").name
        'new'
    """
    dest = Path(dest).expanduser().resolve()
    taken = dest.is_file() or (dest.is_dir() and any(dest.iterdir()))
    if taken and not (overwrite and (dest / marker).is_file()):
        said = "give --overwrite if it is a data set, or another place"
        raise FileExistsError(f"'{dest}' is there already: {said}.")
    return dest


def put(folder: Path, dest: Path, spare: Path) -> None:
    """Move `folder` to `dest`, and what was there into the folder `spare`."""
    if dest.exists():
        dest.rename(spare / "replaced")
    folder.rename(dest)


def check_space(folder: Path, needed: int) -> None:
    """Raise OSError if fewer than `needed` bytes are free where `folder` is.

    Example:
        >>> check_space(Path.cwd(), 0)
    """
    free = shutil.disk_usage(folder).free
    if free < needed:
        said = f"{needed / 1e9:.1f} GB are needed and {free / 1e9:.1f} GB are free"
        raise OSError(f"'{folder}': not enough disk space: {said}; choose another folder.")


def fetch(archive: Archive, folder: Path, part: Path | None = None) -> Path:
    """Return the path of an archive in `folder`, downloaded unless it is there with its checksum.

    What a cut download leaves in `part` (default: its name and ``.part``) is gone on from by the
    next call if the server can, and else begun again.

    Raises:
        ConnectionError: no network, an HTTP error, or a cut that retries did not mend.
        ValueError: what came has another checksum.
        OSError: it cannot be written.
    """
    part = part or folder / f"{archive.name}.part"
    pooch.get_logger().setLevel("WARNING")  # else it announces the temporary file
    files, urls = {archive.name: archive.checksum}, {archive.name: archive.url}
    source = pooch.create(folder, "", registry=files, urls=urls, retry_if_failed=2)
    try:
        resume = functools.partial(_resume, archive, part)
        return Path(source.fetch(archive.name, downloader=resume))
    except OSError as error:
        if not hasattr(error, "response"):  # not one of requests' errors, so the disk's
            raise OSError(f"'{part}': cannot be written ({error.strerror}).") from error
        if part.exists() and part.stat().st_size == 0:
            part.unlink()
        raise unreachable(archive.url, error) from error
    except ValueError as error:  # pooch's, as the last retry brought another hash
        said = f"what came has not the published checksum {archive.checksum}"
        raise ValueError(f"{archive.url}: {said}; run the same command again.") from error


def unreachable(url: str, error: OSError) -> ConnectionError:
    """Return one sentence for an error of requests'."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    said = f"the server answered {status}" if status else type(error).__name__
    again = "check the network connection and run the same command again"
    return ConnectionError(f"{url}: not downloaded ({said}); {again}.")


def _resume(archive: Archive, part: Path, url: str, output_file: str, source: pooch.Pooch) -> None:
    """Download for pooch, asking only for the bytes that earlier tries did not leave in `part`."""

    def begin(response: Response, **_: object) -> None:
        answers.enter_context(response)  # pooch does not close it after an error
        if response.status_code in (200, 416):  # all bytes come, or the range is past the end
            file.truncate(0)
            response.headers.setdefault("Content-Length", str(archive.size))  # for the bar

    bar = tqdm(total=archive.size, desc=archive.checksum and archive.name, unit="B",
               unit_scale=True, leave=False)  # fmt: skip
    with bar, part.open("ab") as file, contextlib.ExitStack() as answers:
        if archive.checksum is None or file.tell() != archive.size:  # else: killed before the check
            headers = {"Range": f"bytes={file.tell()}-", "Accept-Encoding": "identity"}
            options = {"headers": headers, "hooks": {"response": begin}, "timeout": 60}
            pooch.HTTPDownloader(bar, chunk_size=1 << 16, **options)(url, file, source)
    part.replace(output_file)


@contextlib.contextmanager
def reading(url: str, title: str) -> Iterator[None]:
    """Turn what the standard library says of a damaged archive into one sentence.

    Raises:
        ValueError: what came from `url` is damaged or not the data set `title`.
    """
    try:
        yield
    except DAMAGE as error:
        raise ValueError(f"{url}: what came is damaged or not {title}; try again.") from error


def check_member(url: str, name: str, plain: bool, size: int = 0, most: int = 0) -> None:
    """Refuse what no honest archive holds.

    Args:
        url: of the archive, for the sentence.
        name: of the member.
        plain: it is a file or a folder, not a link or a device.
        size: to which it unpacks, in bytes.
        most: bytes that it may have, if not 0.

    Raises:
        ValueError: a link, a name that leads out of the folder, or too large.

    Example:
        >>> check_member("a.zip", "audio/1.wav", plain=True)
        >>> check_member("a.zip", "../1.wav", plain=True)
        Traceback (most recent call last):
        ValueError: a.zip: refused, as '../1.wav' in the archive is a link or leaves its folder.
    """
    folder = Path("archive").absolute()
    if not plain or not (folder / name).resolve().is_relative_to(folder.resolve()):
        said = f"'{name}' in the archive is a link or leaves its folder"
        raise ValueError(f"{url}: refused, as {said}.")
    if most and size > most:
        said = f"'{name}' in the archive has {size / 1e6:.0f} MB, and at most {most / 1e6:.0f} fit"
        raise ValueError(f"{url}: refused, as {said}.")


def check_zip(url: str, file: zipfile.ZipFile, most: int = 0) -> None:
    """Refuse a zip with a member that `check_member` refuses.

    Raises:
        ValueError: as `check_member` says.
    """
    for member in file.infolist():
        plain = not stat.S_ISLNK(member.external_attr >> 16)
        check_member(url, member.filename, plain, member.file_size, most)


def unzip(url: str, archive: Path, folder: Path) -> None:
    """Unpack a zip into `folder`, if it is safe to and there is room beside the archive.

    Raises:
        ValueError: a member is a link or leaves `folder`.
        OSError: not enough disk space.
        zipfile.BadZipFile, and others of `DAMAGE`: it is damaged.
    """
    with zipfile.ZipFile(archive) as file:
        check_zip(url, file)
        check_space(archive.parent, sum(member.file_size for member in file.infolist()))
        file.extractall(folder)  # checks each member's CRC-32 and stops at its stated size
