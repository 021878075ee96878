"""Fetch FSD50K: 51,197 Freesound clips with 200 labels of AudioSet's (taught in notebook 01).

References: E. Fonseca et al., "FSD50K: an Open Dataset of Human-Labeled Sound Events", IEEE/ACM
TASLP 30, 2022; https://doi.org/10.5281/zenodo.4060432. The collection is CC BY 4.0, each clip CC0,
CC BY, CC BY-NC or Sampling+, as ``clips.csv`` says: some forbid commercial use.
"""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from textsep_lab.data import archives, clip_folder
from textsep_lab.data.split_zip import SplitZip
from textsep_lab.utils import paths

RECORD = "https://zenodo.org/records/4060432/files"
#: Bytes and MD5 of each file, as Zenodo publishes them; the parts of a split zip in their order.
FILES = {
    "FSD50K.ground_truth.zip": (334_701, "ca27382c195e37d2269c4c866dd73485"),
    "FSD50K.metadata.zip": (6_700_838, "b9ea0c829a411c1d42adb9da539ed237"),
    "FSD50K.dev_audio.z01": (3_221_225_472, "faa7cf4cc076fc34a44a479a5ed862a3"),
    "FSD50K.dev_audio.z02": (3_221_225_472, "8f9b66153e68571164fb1315d00bc7bc"),
    "FSD50K.dev_audio.z03": (3_221_225_472, "1196ef47d267a993d30fa98af54b7159"),
    "FSD50K.dev_audio.z04": (3_221_225_472, "d088ac4e11ba53daf9f7574c11cccac9"),
    "FSD50K.dev_audio.z05": (3_221_225_472, "81356521aa159accd3c35de22da28c7f"),
    "FSD50K.dev_audio.zip": (2_306_663_327, "c480d119b8f7a7e32fdb58f3ea4d6c5a"),
    "FSD50K.eval_audio.z01": (3_221_225_472, "3090670eaeecc013ca1ff84fe4442aeb"),
    "FSD50K.eval_audio.zip": (3_037_675_767, "6fa47636c3a3ad5c7dfeba99f2637982"),
}
#: Most bytes of the clips: 80.4 and 27.9 hours at 16 kHz and 16 bits. FLAC needs less.
CLIP_BYTES = {"dev": 9_270_000_000, "eval": 3_220_000_000}
CITED = (
    "FSD50K by E. Fonseca, X. Favory, J. Pons, F. Font and X. Serra (IEEE/ACM TASLP 30, 2022),\n"
    "https://doi.org/10.5281/zenodo.4060432, CC BY 4.0. Each clip has the licence and the author\n"
    "that clips.csv names."
)


def download(
    dest: str | Path | None = None, overwrite: bool = False, keep_archives: bool = False
) -> Path:
    """Fetch FSD50K (24.7 GB) and make a folder of 16 kHz clips of it; return the folder.

    It holds ``<split>/<Freesound id>.flac`` (splits train, val and eval; at most 12.5 GB in all)
    and ``clips.csv`` with the columns file, label, source_id, licence, credit, seconds,
    source_rate, split and labels. `label` is the rarest of a clip's labels in plain words: a most
    specific one, as FSD50K gives each clip the parents of its labels too. `labels` has all, as
    they were. Recordings that are in ESC-50 are left out, and silent ones.

    The dev set comes first; its archives are removed before the eval set comes. A cut download
    leaves ``<dest>.download``, where the same call goes on.

    Args:
        dest: the folder to make. [default: `FSD50K` in the project's data folder]
        overwrite: replace a data set that is there.
        keep_archives: leave the archives in ``<dest>.download``.

    Returns:
        The folder, absolute.

    Raises:
        FileExistsError: `dest` holds a data set and not `overwrite`, or holds something else.
        ConnectionError: no network, an HTTP error, or a cut that retries did not mend.
        ValueError: what came has not Zenodo's checksum, or is unsafe or damaged.
        OSError: not enough disk space, or `dest` cannot be written.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = (Path(folder) / "notes.txt").write_text("mine")
        ...     download(folder, overwrite=True)  # doctest: +IGNORE_EXCEPTION_DETAIL
        Traceback (most recent call last):
        FileExistsError: is there already
    """
    tables = [_archive(f"FSD50K.{name}.zip") for name in ("ground_truth", "metadata")]
    stages = [
        clip_folder.Stage(part, [*tables, *_audio(part)], CLIP_BYTES[part], partial(_open, part))
        for part in ("dev", "eval")
    ]
    dest = Path(dest or paths.data_dir() / "FSD50K")
    return clip_folder.build("FSD50K", CITED, stages, dest, overwrite, keep_archives)


def plain_words(name: str) -> str:
    """Return a label of FSD50K's as words.

    Example:
        >>> plain_words("Chirp_and_tweet"), plain_words("Fill_(with_liquid)")
        ('chirp and tweet', 'fill with liquid')
    """
    return " ".join(re.sub(r"[_()]", " ", name).lower().split())


def most_specific(labels: Sequence[str], counts: Mapping[str, int]) -> str:
    """Return the label with the fewest clips, the first of those where several have as few.

    A label's parents are given to all its clips, so no parent has fewer.

    Example:
        >>> most_specific(["Bark", "Dog", "Animal"], {"Animal": 90, "Dog": 40, "Bark": 30})
        'Bark'
    """
    return min(labels, key=counts.__getitem__)


def _archive(name: str) -> archives.Archive:
    size, md5 = FILES[name]
    return archives.Archive(f"{RECORD}/{name}?download=1", size, f"md5:{md5}")


def _audio(part: str) -> list[archives.Archive]:
    return [_archive(name) for name in FILES if name.startswith(f"FSD50K.{part}_audio.")]


@contextmanager
def _open(part: str, files: list[Path]) -> Iterator[list[clip_folder.Recording]]:
    """Open the audio of ``dev`` or ``eval``; yield its recordings in the archive's order."""
    truth, metadata, *audio = files
    url = _audio(part)[-1].url
    rows, counts = _ground_truth(truth)
    with zipfile.ZipFile(metadata) as file:
        infos = json.loads(file.read(f"FSD50K.metadata/{part}_clips_info_FSD50K.json"))
    with SplitZip(audio) as archive:
        archives.check_zip(url, archive, clip_folder.MAX_BYTES)
        found = {}
        for member in archive.infolist():
            named = re.fullmatch(rf"FSD50K\.{part}_audio/(\d+)\.wav", member.filename)
            if named:
                found[named[1]] = partial(archive.read, member)
        missing = rows[part].keys() - found.keys()
        if missing:
            raise ValueError(f"{url}: damaged, as {min(missing)}.wav is missing; try again.")
        yield [_recording(x, rows[part][x], counts, infos[x], read) for x, read in found.items()]


def _ground_truth(path: Path) -> tuple[dict[str, dict[str, dict[str, str]]], Counter[str]]:
    """Return the rows of dev and eval by Freesound id, and how many clips each label has."""
    rows: dict[str, dict[str, dict[str, str]]] = {}
    with zipfile.ZipFile(path) as file:
        for part in ("dev", "eval"):
            text = file.read(f"FSD50K.ground_truth/{part}.csv").decode()
            rows[part] = {row["fname"]: row for row in csv.DictReader(io.StringIO(text))}
    labels = (row["labels"].split(",") for part in rows.values() for row in part.values())
    return rows, Counter(label for each in labels for label in each)


def _recording(
    number: str,
    row: Mapping[str, str],
    counts: Mapping[str, int],
    info: Mapping[str, str],
    read: Callable[[], bytes],
) -> clip_folder.Recording:
    labels = row["labels"].split(",")
    return clip_folder.Recording(
        freesound_id=int(number),
        split=row.get("split", "eval"),
        label=plain_words(most_specific(labels, counts)),
        labels=labels,
        licence=info["license"],
        credit=" ".join(f"{info['uploader']}: {info['title']}, freesound.org/s/{number}".split()),
        read=read,
    )
