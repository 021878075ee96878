"""Where the kit's own files lie: checkpoints, bundled data, reports. Never the working folder.

In a clone (or an editable install) these are the folders at the top of the repository; in an
installed wheel the read-only ones are copies inside the package. Taught in notebook 01.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from textsep_lab.utils.temporary import sweep_files, temporary_name

_PACKAGE = Path(__file__).resolve().parents[1]
_REPOSITORY = _PACKAGE.parent


def _in_repository() -> bool:
    return (_REPOSITORY / "pyproject.toml").is_file() and (_REPOSITORY / "checkpoints").is_dir()


def checkpoints_dir() -> Path:
    """Return the folder with the shipped weights and the text encoder.

    Example:
        >>> checkpoints_dir().is_dir()
        True
    """
    return _REPOSITORY / "checkpoints" if _in_repository() else _PACKAGE / "_checkpoints"


def data_dir() -> Path:
    """Return the folder for data sets: ``data/`` of the clone, else ``textsep_data`` here.

    Example:
        >>> data_dir().name in {"data", "textsep_data"}
        True
    """
    return _REPOSITORY / "data" if _in_repository() else Path.cwd() / "textsep_data"


def demo_data_dir() -> Path:
    """Return the folder with the bundled mixture (synthesised by this package, CC0)."""
    return _REPOSITORY / "data" / "demo" if _in_repository() else _PACKAGE / "_data" / "demo"


def reports_dir() -> Path:
    """Return the folder for results: ``reports/`` of the clone, else ``reports`` here."""
    return _REPOSITORY / "reports" if _in_repository() else Path.cwd() / "reports"


def runs_dir() -> Path:
    """Return the folder for what can be made again: ``runs/`` of the clone, else ``runs`` here."""
    return _REPOSITORY / "runs" if _in_repository() else Path.cwd() / "runs"


def notebooks_dir() -> Path:
    """Return the folder with the chapters: ``notebooks/`` of the clone, else ``notebooks`` here."""
    return (_REPOSITORY if _in_repository() else Path.cwd()) / "notebooks"


def repository_url() -> str:
    """Return the address of the project's repository, as the package's metadata give it.

    It stands in ``pyproject.toml``; after a change there, install the package again.

    Example:
        >>> repository_url().startswith("https://")
        True
    """
    from importlib.metadata import metadata  # slow, and `--help` needs none

    entries = metadata("textsep-lab").get_all("Project-URL") or []
    return next(x.partition(", ")[2] for x in entries if x.startswith("Repository, "))


@contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """Yield a temporary name beside `path`, renamed to `path` only when the block succeeds.

    A link at `path` is replaced, not followed.

    Raises:
        OSError: `path` is no file, or its folder cannot be made or written (the sentence says).

    Example:
        >>> import tempfile
        >>> target = Path(tempfile.mkdtemp()) / "note.txt"
        >>> with atomic_write(target) as temporary:
        ...     _ = temporary.write_text("whole")
        >>> target.read_text()
        'whole'
    """
    path = Path(path)
    check_file(path)
    _sweep(make_folder(path.parent).resolve())
    with temporary_name(path.parent, path.suffix) as temporary:
        try:
            temporary.touch(exist_ok=False)
            mode = temporary.stat().st_mode
            yield temporary
            temporary.chmod(mode)  # safetensors makes private files
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


@lru_cache(1024)  # once for each folder: it may hold thousands of files
def _sweep(folder: Path) -> None:
    sweep_files(folder)


def check_file(path: Path) -> None:
    """Raise OSError if `atomic_write` could not put a file at `path`, as far as is known before.

    Raises:
        IsADirectoryError: it is a folder.
        OSError: it is a device or a pipe, or what `check_folder` raises.
    """
    if path.is_dir():
        raise IsADirectoryError(f"'{path}' is a folder: give the name of a file.")
    if path.exists() and not path.is_file():
        raise OSError(f"'{path}' is a device or a pipe: give the name of a file.")
    check_folder(path.parent)


def check_folder(folder: Path) -> None:
    """Raise what `make_folder` would, as far as is known before anything is made.

    Raises:
        NotADirectoryError: a file or a link to nowhere stands in the way.
        PermissionError: it cannot be written, or not be called so.
    """
    above = folder.absolute()
    try:
        there = next(path for path in (above, *above.parents) if _is_there(path))
    except OSError as error:
        raise PermissionError(
            f"The output folder '{folder}' cannot be made: {error.strerror}."
        ) from error
    if not there.is_dir():
        stands = "a file" if there.exists() else "a link to nowhere"
        raise NotADirectoryError(
            f"The output folder '{folder}' cannot be made: {stands} stands in its place."
        )
    if not os.access(there, os.W_OK):
        raise PermissionError(f"The output folder '{folder}' is not writable.")


def sha256(path: str | Path) -> str:
    """Return the SHA-256 of a file as hexadecimal digits."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _is_there(path: Path) -> bool:
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def shown(path: str | Path) -> str:
    """Return a path as a sentence can show it: what cannot be printed is escaped.

    Example:
        >>> print(shown("two\\nlines.wav"))
        two\\nlines.wav
    """
    letters = str(path)
    if letters.isprintable():
        return letters
    return "".join(x if x.isprintable() else ascii(x)[1:-1] for x in letters)


def make_folder(folder: str | Path) -> Path:
    """Create `folder` with its parents if need be and check that files can be made in it.

    Raises:
        NotADirectoryError: a file stands in the way.
        PermissionError: it cannot be written.
    """
    folder = Path(folder)
    check_folder(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PermissionError(
            f"The output folder '{folder}' cannot be made: {error.strerror}."
        ) from error
    return folder
