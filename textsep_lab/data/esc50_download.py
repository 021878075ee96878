"""Fetch ESC-50 over HTTP: resume after a cut, check, unpack safely, rename (taught in notebook 01).

The transfer itself is gdown's (it takes any address, in spite of its name): bounded retries,
HTTP Range with If-Range, and a check that the server really sent the bytes that were asked for.
"""

from __future__ import annotations

import functools
import glob
import hashlib
import shutil
import stat
import tempfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from tqdm import tqdm

from textsep_lab.data import esc50
from textsep_lab.utils import paths

OFFICIAL_URL = (  # a commit, as its contents cannot change
    "https://github.com/karolpiczak/ESC-50/archive/33c8ce9eb2cf0b1c2f8bcf322eb349b6be34dbb6.zip"
)
OFFICIAL_SHA256 = "661183a6f53ef04f12c9bd618fed0ddc1713280d6c94a5a5431e844ba6f6a21f"
OFFICIAL_BYTES, UNPACKED_BYTES = 645_832_161, 900_000_000
# esc50.fingerprint of the MD5 per recording that soundata lists (its index 2.0.0)
OFFICIAL_CONTENTS = "7dac98ebb302b554321c1ceacd9ab75bb0769516f66d19b4f3a6a6874355c2f2"
TRANSFER = {"quiet": True, "resume": True, "use_cookies": False, "user_agent": "textsep-lab"}
TRANSFER |= {"retries": 5, "timeout": (30, 60)}  # seconds to connect and to wait for bytes
ATTEMPTS = 6  # every other one starts from nothing: see _fetch
MAX_UNPACKED_BYTES, MAX_MEMBERS = 4_000_000_000, 100_000


def download(
    dest: str | Path | None = None,
    url: str = OFFICIAL_URL,
    checksum: str | None = OFFICIAL_SHA256,
    expected_clips: int = 2000,
    expected_classes: int = 50,
    progress: bool = True,
    keep_archive: bool = False,
    overwrite: bool = False,
    contents: str | None = OFFICIAL_CONTENTS,
) -> Path:
    """Fetch ESC-50 (646 MB; K. J. Piczak, ACM MM 2015; CC BY-NC 3.0), check it, return its folder.

    Default `dest`: `ESC-50` in the project's data folder; a whole dataset there is returned at
    once. Needs 1.6 GB of disk. Bytes go to `<dest>.download*.part` beside it, and a later call
    resumes that where the server lets it (GitHub does not: it begins again). `dest` appears only
    when everything was checked. `keep_archive` leaves the archive in `<dest>.zip`.

    GitHub promises the same files for a commit, not the same compressed bytes. So when the
    archive's SHA-256 is not `checksum`, the `esc50.fingerprint` of its recordings must be
    `contents`. None skips a check; counts and the decoding of every recording are never skipped.

    Raises:
        FileExistsError: `dest` holds something else, or a damaged dataset and not `overwrite`.
        ConnectionError: no network, an HTTP error, or a cut that retries did not mend.
        ValueError: a wrong checksum, not a zip, an unsafe one, or wrong or damaged contents.
        OSError: not enough disk space, or `dest` cannot be written.

    Example:
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = (Path(folder) / "notes.txt").write_text("mine")
        ...     download(folder)  # doctest: +IGNORE_EXCEPTION_DETAIL
        Traceback (most recent call last):
        FileExistsError: holds something else
    """
    dest = Path(dest or paths.data_dir() / "ESC-50").expanduser().resolve()
    if whole := _existing(dest, expected_clips, expected_classes, overwrite):
        return whole
    kept = dest.with_name(f"{dest.name}.zip")
    if keep_archive and kept.exists():
        raise FileExistsError(f"{kept}: is there already, so the archive cannot be kept there.")
    archive = _announce_and_fetch(url, dest, progress)
    try:
        _install(archive, dest, (expected_clips, expected_classes), checksum, contents)
    except (ValueError, FileNotFoundError):  # what came is wrong: do not take it up next time
        archive.unlink()
        raise
    if keep_archive:
        archive.replace(kept)
    archive.unlink(missing_ok=True)
    return dest


def _existing(dest: Path, clips: int, classes: int, overwrite: bool) -> Path | None:
    """Return the whole dataset at `dest`, None if it may be written, or refuse."""
    if not dest.exists() or (dest.is_dir() and not any(dest.iterdir())):
        return None
    try:
        folder = esc50.find(dest)
        esc50.verify(folder, clips, classes)
        return None if overwrite else folder
    except (ValueError, FileNotFoundError) as error:
        if not ((dest / "meta").is_dir() or (dest / "audio").is_dir()):
            raise FileExistsError(f"{dest}: holds something else; choose another.") from error
        if not overwrite:
            said = f"{dest}: holds an incomplete dataset; overwrite it. ({error})"
            raise FileExistsError(said) from error
    return None


def _announce_and_fetch(url: str, dest: Path, progress: bool) -> Path:
    size, unpacked = (OFFICIAL_BYTES, UNPACKED_BYTES) if url == OFFICIAL_URL else (None, 0)
    _check_space(paths.make_folder(dest.parent), (size or 0) + unpacked)
    said = f"{size / 1e6:.0f} MB" if size else "size not known yet"
    print(f"Downloading ESC-50 ({said}, licence CC BY-NC 3.0) from {url} to {dest}.")
    return _fetch(url, dest.with_name(f"{dest.name}.download"), size, progress)


def _install(archive: Path, dest: Path, expected: tuple, checksum, contents) -> None:
    """Check and unpack beside `dest`, then rename to it."""
    found = _sha256(archive)
    differs = checksum is not None and found != checksum
    said = f"{archive.name}: the archive's SHA-256 is {found}, expected {checksum}"
    if differs and contents is None:
        raise ValueError(f"{said}; it is damaged or another one: download it again.")
    with tempfile.TemporaryDirectory(prefix=f".{dest.name}-", dir=dest.parent) as name:
        _unpack_zip(archive, Path(name) / "unpacked")
        root = esc50.find(Path(name) / "unpacked")
        esc50.verify(root, *expected, decode=True)
        if differs:
            if esc50.fingerprint(root) != contents:
                raise ValueError(f"{said}, and its recordings are not the expected ones either.")
            print(f"{said}; its recordings are the expected ones, so it is accepted.")
        _swap(root, dest, Path(name) / "replaced")


def _swap(root: Path, dest: Path, aside: Path) -> None:
    if dest.exists():
        dest.rename(aside)
    try:
        root.rename(dest)
    except OSError:
        if aside.exists():
            aside.rename(dest)
        raise


def _fetch(url: str, target: Path, size: int | None = None, progress: bool = True) -> Path:
    """Download `url` to the file `target`, through `<target>????????.part`, and return it.

    A finished `target` is taken as it is. A cut is resumed a few times where the server
    supports ranges and begun again otherwise. `size` (bytes) gives the bar its time left when the
    server states no length. Raises ConnectionError, and OSError when the disk cannot be written.
    """
    if target.is_file():
        return target
    for attempt in range(ATTEMPTS):
        if attempt and attempt % 2 == 0:  # twice no answer to a range: this server has none
            for part in _parts(target):
                part.unlink()
        try:
            _transfer(url, target, size, progress)
            return target
        except _RangeRefused as error:
            reason = str(error)
    raise ConnectionError(f"{url}: the download did not finish ({reason}){_kept(target)}.")


class _RangeRefused(Exception):
    """The server ignored, or could not serve, a request for the missing bytes."""


def _transfer(url: str, target: Path, size: int | None, progress: bool) -> None:
    import gdown  # here, as only this needs it and it brings an HTTP stack
    import requests

    try:
        with tqdm(total=size, unit="B", unit_scale=True, disable=not progress) as bar:
            show = functools.partial(_show, bar, size)
            gdown.download(url, str(target), progress=show, **TRANSFER)
    except gdown.exceptions.DownloadError as error:
        reason = " ".join(str(error).split("\n")[0].split()).rstrip(".;")
        if "byte range" in reason:
            raise _RangeRefused(reason) from error
        if isinstance(error.__cause__, requests.ConnectionError):
            reason = "no answer; check the network connection"
        raise ConnectionError(f"{url}: did not finish ({reason}){_kept(target)}.") from error
    except requests.RequestException as error:
        said = f"cannot be reached ({type(error).__name__}); check the network connection"
        if error.response is not None:
            said = f"the server answered {error.response.status_code}; check the address"
        raise ConnectionError(f"{url}: {said}{_kept(target)}.") from error
    except OSError as error:
        raise OSError(f"{target}: not written ({error.strerror}){_kept(target)}.") from error


def _show(bar: tqdm, size: int | None, done: int, total: int | None) -> None:
    if bar.n == 0:  # bytes of an earlier run must not count into the speed
        bar.initial = bar.n = bar.last_print_n = done
    bar.total = total or size
    bar.update(done - bar.n)


def _parts(target: Path) -> list[Path]:
    return sorted(target.parent.glob(f"{glob.escape(target.name)}????????.part"))


def _kept(target: Path) -> str:
    for part in _parts(target):
        if part.stat().st_size:
            return f"; what arrived is kept in {part}, and the same command goes on from there"
        part.unlink()
    return ""


def _sha256(path: str | Path) -> str:
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _check_space(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed:
        said = f"{needed / 1e9:.1f} GB are needed and {free / 1e9:.1f} GB are free"
        raise OSError(f"{folder}: not enough disk space: {said}; choose another folder.")


def _unpack_zip(archive: Path, folder: Path, max_bytes: int = MAX_UNPACKED_BYTES) -> None:
    """Unpack into `folder`; ValueError for what could write elsewhere, fill the disk, or is bad."""
    try:
        with zipfile.ZipFile(archive) as file:
            members = file.infolist()
            _check_members(archive, members, max_bytes)
            paths.make_folder(folder)
            _check_space(folder, sum(member.file_size for member in members))
            file.extractall(folder)  # checks each member's CRC-32 and stops at its stated size
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise ValueError(f"{archive}: not a zip file, or a damaged one ({error}).") from error


def _check_members(archive: Path, members: list[zipfile.ZipInfo], max_bytes: int) -> None:
    for member in members:
        parts = PurePosixPath(member.filename).parts
        if ".." in parts or member.filename.startswith("/") or set(member.filename) & set("\\:"):
            raise ValueError(f"{archive}: refused, '{member.filename}' would leave the folder.")
        if stat.S_ISLNK(member.external_attr >> 16) or member.flag_bits & 1:
            raise ValueError(f"{archive}: refused, '{member.filename}' is a link or encrypted.")
    total = sum(member.file_size for member in members)
    if total > max_bytes or len(members) > MAX_MEMBERS:
        said = f"{len(members)} files, {total} bytes; at most {MAX_MEMBERS} and {max_bytes}"
        raise ValueError(f"{archive}: refused, it holds {said} are expected.")
