"""Fetch ESC-50, check it, unpack it safely, rename it (taught in notebook 01)."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import pooch

from textsep_lab.data import archives, esc50
from textsep_lab.utils import paths

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
    dest = archives.place(dest or paths.data_dir() / "ESC-50", overwrite, "meta/esc50.csv")
    part = paths.make_folder(dest.parent) / f"{dest.name}.download.part"
    there = part.stat().st_size if part.exists() else 0
    archives.check_space(dest.parent, ARCHIVE_BYTES + UNPACKED_BYTES - there)
    said = f"Downloading ESC-50 ({ARCHIVE_BYTES / 1e6:.0f} MB, licence CC BY-NC 3.0)"
    print(f"{said} from {URL} to {dest}.", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix=f".{dest.name}-", dir=dest.parent) as name:
        # No checksum: `_unpack` checks what came.
        came = archives.fetch(archives.Archive(URL, ARCHIVE_BYTES), Path(name), part)
        archives.put(_unpack(came, Path(name) / "unpacked"), dest, Path(name))
    return dest


def _unpack(archive: Path, folder: Path) -> Path:
    with archives.reading(URL, "ESC-50"):
        archives.unzip(URL, archive, folder)
        root = esc50.find(folder)
        same = pooch.file_hash(str(archive)) == SHA256 or esc50.fingerprint(root) == FINGERPRINT
    if not same:
        raise ValueError(f"{URL}: the recordings that came are not those of ESC-50.")
    return root
