"""A folder that holds one result, and either the old one or the new one, whole.

``result.json`` names the result's other files with their SHA-256. New files are written to a hidden
folder inside. When they are complete, the old ``result.json`` goes first and the new one comes
last, so one that is there always stands beside the files it names; what is killed in between, the
next run finishes. Taught in notebook 00.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

from textsep_lab.utils.paths import make_folder, sha256
from textsep_lab.utils.temporary import owner, sweep_files, temporaries, temporary_name

MANIFEST = "result.json"
_REPLACED = ".replaced.json"  # the old one, on its way out


@contextmanager
def transaction(
    folder: str | Path, names: Collection[str], overwrite: bool = False
) -> Iterator[Path]:
    """Yield a hidden folder for a new result, which replaces the old one if the block succeeds.

    The block writes files into it and at last calls `write_manifest`. Whatever else lies in
    `folder` is left alone.

    Args:
        folder: where results lie; made if need be.
        names: of all files that a result may have, beside those its ``result.json`` names.
        overwrite: False refuses to replace a result.

    Raises:
        FileExistsError: a file of a result is there already and `overwrite` is False.
        BlockingIOError: another run is writing to `folder`.
        OSError: it cannot be made or written.

    Example:
        >>> import tempfile
        >>> folder = tempfile.mkdtemp()
        >>> with transaction(folder, ["sound.txt"]) as new:
        ...     _ = (new / "sound.txt").write_text("whole")
        ...     _ = write_manifest(new, {"query": "rain"})
        >>> verify(folder, ["sound.txt"]), sorted(path.name for path in Path(folder).iterdir())
        (None, ['result.json', 'sound.txt'])
    """
    folder = Path(folder)
    refuse_existing(folder, names, overwrite)
    make_folder(folder)
    with temporary_name(folder) as new, _removed(new):
        new.mkdir()
        _refuse_another_run(folder, new)  # after mkdir: of two, one at least sees the other
        _recover(folder, names)
        refuse_existing(folder, names, overwrite)
        try:
            yield new
        except (ValueError, OSError) as error:
            _rename_in(error, new, folder)
            raise
        if _named(new / MANIFEST) is None:
            raise RuntimeError("Call write_manifest when all files of the result are written.")
        refuse_existing(folder, names, overwrite)
        try:
            _commit(folder, new, names)
        except BaseException:  # Ctrl-C between two renames: all of them, then it may end
            _commit(folder, new, names)
            raise


def write_manifest(folder: Path, facts: Mapping[str, Any]) -> Path:
    """Write `facts` and the SHA-256 of the files in `folder` to its ``result.json``."""
    files = {path.name: sha256(path) for path in sorted(folder.iterdir()) if path.name != MANIFEST}
    text = json.dumps({**facts, "files": files}, indent=2, ensure_ascii=False) + "\n"
    path = folder / MANIFEST
    path.write_bytes(text.encode("utf-8", "backslashreplace"))  # no lone surrogate is UTF-8
    return path


def existing(folder: str | Path, names: Collection[str]) -> list[Path]:
    """Return what would be replaced or removed by a new result in `folder`."""
    folder = Path(folder)
    belonging = [*names, *(_named(folder / MANIFEST) or ()), MANIFEST]
    return [folder / name for name in dict.fromkeys(belonging) if os.path.lexists(folder / name)]


def refuse_existing(folder: str | Path, names: Collection[str], overwrite: bool) -> None:
    """Raise FileExistsError if `folder` holds a result and `overwrite` is False.

    Raises:
        IsADirectoryError: a folder has the name of one of a result's files.
    """
    for path in existing(folder, names):
        if not overwrite:
            raise FileExistsError(
                f"'{path}' is there already: overwrite it (--overwrite), or go elsewhere."
            )
        if path.is_dir() and not path.is_symlink():
            raise IsADirectoryError(f"'{path}' is a folder, which no file replaces: go elsewhere.")


def verify(folder: str | Path, names: Collection[str] = ()) -> str | None:
    """Return in a sentence what is wrong with the result in `folder`; None if it is whole.

    Args:
        names: of all files that a result may have: those that ``result.json`` does not name
            belong to another run.
    """
    folder = Path(folder)
    manifest = folder / MANIFEST
    if not manifest.is_file():
        return f"'{folder}' holds no whole result: there is no {MANIFEST}."
    files = _named(manifest)
    if files is None:
        return f"'{manifest}' does not say which files belong to it."
    for name, promised in files.items():
        if not (folder / name).is_file():
            return f"'{folder / name}' is missing, which {MANIFEST} names."
        if sha256(folder / name) != promised:
            return f"'{folder / name}' is not the file that {MANIFEST} names: it has changed since."
    strays = [path for path in existing(folder, names) if path.name not in {*files, MANIFEST}]
    return f"'{strays[0]}' is not of this result: {MANIFEST} does not name it." if strays else None


def _named(manifest: Path) -> dict[str, str] | None:
    """Return name and SHA-256 of a result's files, None if there is no list of plain names."""
    try:
        files = json.loads(manifest.read_bytes())["files"]
        plain = all(isinstance(x, str) and Path(x).name == x and x[0] != "." for x in files)
        return {str(name): str(files[name]) for name in files} if plain else None
    except (OSError, ValueError, KeyError, TypeError, IndexError, RecursionError):
        return None


def _refuse_another_run(folder: Path, new: Path) -> None:
    for path in temporaries(folder):
        process = owner(path)
        if process and path.is_dir() and path != new:
            raise BlockingIOError(
                f"Another run (process {process}) is writing to '{folder}': wait for it, or go "
                f"elsewhere. If there is none, remove '{path}'."
            )


def _recover(folder: Path, names: Collection[str]) -> None:
    """Finish what a killed process had begun to put in place; remove what it had not."""
    sweep_files(folder)
    for path in temporaries(folder):
        if owner(path) is None and path.is_dir() and not path.is_symlink():
            if _half_in_place(path):
                _commit(folder, path, names)
            shutil.rmtree(path, ignore_errors=True)


def _commit(folder: Path, new: Path, names: Collection[str]) -> None:
    """Put a complete result in place; may be called again after it was interrupted."""
    manifest, replaced = folder / MANIFEST, new / _REPLACED
    files = _named(new / MANIFEST)
    if files is None:  # it is in place
        return
    if not replaced.exists():
        _sync(new, *(new / name for name in [*files, MANIFEST]))
        if os.path.lexists(manifest):
            manifest.replace(replaced)
        else:
            replaced.write_text("{}")
        _sync(folder, new)
    for name in {*names, *(_named(replaced) or ())} - {*files, MANIFEST}:
        if os.path.lexists(folder / name):
            (folder / name).unlink(missing_ok=True)
    for name in files:
        if (new / name).exists():
            (new / name).replace(folder / name)
    _sync(folder)
    (new / MANIFEST).replace(manifest)
    _sync(folder)


def _sync(*paths: Path) -> None:
    """Wait until files and folders are on the disk; a full one may be found only now."""
    for path in paths:
        # Not every file system can do it with folders; Windows needs leave to write for files.
        with suppress(OSError) if path.is_dir() else nullcontext():
            handle = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)


@contextmanager
def _removed(new: Path) -> Iterator[None]:
    try:
        yield
    finally:
        if not _half_in_place(new):
            try:
                shutil.rmtree(new, ignore_errors=True)
            except BaseException:  # Ctrl-C once more
                shutil.rmtree(new, ignore_errors=True)
                raise


def _half_in_place(new: Path) -> bool:
    return (new / _REPLACED).exists() and (new / MANIFEST).exists()


def _rename_in(error: ValueError | OSError, new: Path, folder: Path) -> None:
    """Let an error name the file as it would have been called."""
    hidden, shown = str(new), str(folder)
    error.args = tuple(a.replace(hidden, shown) if isinstance(a, str) else a for a in error.args)
    if isinstance(error, OSError) and error.filename is not None:
        error.filename = str(error.filename).replace(hidden, shown)
