"""Where the kit's own files lie: checkpoints, bundled data, reports. Never the working folder.

In a clone (or an editable install) these are the folders at the top of the repository; in an
installed wheel the read-only ones are copies inside the package. Taught in notebook 01.
"""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import metadata
from pathlib import Path

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
    entries = metadata("textsep-lab").get_all("Project-URL") or []
    return next(x.partition(", ")[2] for x in entries if x.startswith("Repository, "))


@contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """Yield a temporary name beside `path`, renamed to `path` only when the block succeeds.

    Raises:
        OSError: the folder cannot be made or written, or no file can have that name (the
            sentence says which).

    Example:
        >>> import tempfile
        >>> target = Path(tempfile.mkdtemp()) / "note.txt"
        >>> with atomic_write(target) as temporary:
        ...     _ = temporary.write_text("whole")
        >>> target.read_text()
        'whole'
    """
    path = Path(path)
    make_folder(path.parent)
    _check_name(path)
    # Short: the file's own name may be as long as the file system allows.
    suffix = path.suffix if len(path.suffix) < 16 else ""
    handle, name = tempfile.mkstemp(prefix=".part-", suffix=suffix, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())  # mkstemp makes private files
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def make_folder(folder: str | Path) -> Path:
    """Create `folder` with its parents if need be and check that files can be made in it.

    Raises:
        NotADirectoryError: a file stands in the way.
        PermissionError: it cannot be written.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise NotADirectoryError(
            f"The output folder '{folder}' cannot be made: a file stands in its place."
        ) from error
    except OSError as error:
        raise PermissionError(
            f"The output folder '{folder}' cannot be made: {error.strerror}."
        ) from error
    if not os.access(folder, os.W_OK):
        raise PermissionError(f"The output folder '{folder}' is not writable.")
    return folder


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


def _check_name(path: Path) -> None:
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:  # ValueError: a NUL in it
        why = error.strerror if isinstance(error, OSError) else "its name holds a NUL"
        raise OSError(f"'{shown(path)}' cannot be written: {why}.") from error
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(f"'{shown(path)}' is a folder: choose another name.")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
