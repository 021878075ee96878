"""Fetch the clips that FUSS is mixed from: 23 hours of single sounds (taught in notebook 01).

Reference: S. Wisdom et al., "What's All the FUSS About Free Universal Sound Separation Data?",
ICASSP 2021; https://doi.org/10.5281/zenodo.3743844. The clips are CC0, the collection is CC BY 4.0.
"""

from __future__ import annotations

import json
import re
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, cast

from textsep_lab.data import archives, clip_folder
from textsep_lab.utils import paths

RECORD = "https://zenodo.org/records/3743844/files"
#: What Zenodo says of the record. No other public copy of the archive's checksum was found, so its
#: size and MD5 are asked for here each time; gzip's own CRC-32 is checked besides.
API = "https://zenodo.org/api/records/3743844"
NAME = "FUSS_fsd_data.tar.gz"
CLIP_BYTES = 2_650_000_000  # at most: 23 hours at 16 kHz and 16 bits. FLAC needs less.
LICENCE = "http://creativecommons.org/publicdomain/zero/1.0/"
CITED = (
    "FUSS by S. Wisdom, H. Erdogan, D. P. W. Ellis, R. Serizel, N. Turpault, E. Fonseca,\n"
    "J. Salamon, P. Seetharaman and J. R. Hershey (ICASSP 2021),\n"
    "https://doi.org/10.5281/zenodo.3743844, CC BY 4.0; the clips are CC0."
)


def download(
    dest: str | Path | None = None, overwrite: bool = False, keep_archives: bool = False
) -> Path:
    """Fetch the source clips of FUSS (at most 2.7 GB) and make a folder of 16 kHz clips of them.

    It holds ``<split>/<Freesound id>.flac`` (splits train, validation and eval) and ``clips.csv``
    with the columns of `textsep_lab.data.fsd50k.download`. FUSS has no labels: each clip has one of
    its own, ``unlabelled sound <Freesound id>``, so that any two can be mixed. They serve training
    without text, and no query. The clips are of FSD50K's, chosen as each holds one kind of sound:
    who trains on both data sets has them twice. Recordings that are in ESC-50 are left out, silent
    ones, and files that are not named by a Freesound id, as they might be in ESC-50.

    Args:
        dest: the folder to make. [default: `FUSS` in the project's data folder]
        overwrite, keep_archives: as of `textsep_lab.data.fsd50k.download`, which raises alike.

    Returns:
        The folder, absolute.
    """
    dest = archives.place(dest or paths.data_dir() / "FUSS", overwrite, clip_folder.TABLE)
    archive = _published()
    stage = clip_folder.Stage("all", [archive], CLIP_BYTES, partial(_open, archive.url))
    return clip_folder.build("FUSS", CITED, [stage], dest, overwrite, keep_archives)


def _published() -> archives.Archive:
    """Ask Zenodo for the size and the MD5 of the archive."""
    with tempfile.TemporaryDirectory() as folder:
        answer = archives.fetch(archives.Archive(API, 10_000), Path(folder)).read_bytes()
    try:
        (file,) = [file for file in json.loads(answer)["files"] if file["key"] == NAME]
        size, checksum = int(file["size"]), re.fullmatch("md5:[0-9a-f]{32}", file["checksum"])
        if checksum is None:
            raise ValueError("no MD5")
    except (ValueError, TypeError, LookupError) as error:
        said = f"Zenodo's record does not tell size and MD5 of {NAME}"
        raise ValueError(f"{API}: {said}; try again later.") from error
    return archives.Archive(f"{RECORD}/{NAME}?download=1", size, checksum[0])


@contextmanager
def _open(url: str, files: list[Path]) -> Iterator[list[clip_folder.Recording]]:
    """Open the archive, read it once to its end, and yield its recordings in its order."""
    with tarfile.open(files[0], "r:gz") as archive:
        recordings = []
        for member in archive:
            plain = member.isreg() or member.isdir()
            archives.check_member(url, member.name, plain, member.size, clip_folder.MAX_BYTES)
            named = re.fullmatch(r"(?:\./)?fsd_data/(\w+)/[^/]+/(\d+)\.wav", member.name)
            if named:
                recordings.append(_recording(named[1], int(named[2]), archive, member))
        while cast(IO[bytes], archive.fileobj).read(1 << 20):
            pass  # tar ends before gzip does, which then checks its CRC-32
        if not recordings:
            raise ValueError(f"{url}: there is no fsd_data/<split>/sound/<Freesound id>.wav in it.")
        yield recordings


def _recording(
    split: str, number: int, archive: tarfile.TarFile, member: tarfile.TarInfo
) -> clip_folder.Recording:
    return clip_folder.Recording(
        freesound_id=number,
        split=split,
        label=f"unlabelled sound {number}",
        labels=(),
        licence=LICENCE,
        credit=f"freesound.org/s/{number}",
        read=lambda: cast(IO[bytes], archive.extractfile(member)).read(),
    )
