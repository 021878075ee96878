"""Names for what is not finished yet, which tell whose they are, and the sweeping of what is left.

A name holds machine and process, ``.textsep-3f9a-1234-9c01be77``: what ``kill -9`` left behind is
known by its process, which is no more. Taught in notebook 01.
"""

from __future__ import annotations

import contextlib
import os
import platform
import re
import secrets
import sys
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_NAME = re.compile(r"\.textsep-([0-9a-f]{4})-(\d+)-[0-9a-f]{8}(\.\w{1,16})?")
_in_use: set[str] = set()  # this process's: its number may have been another's before


@contextmanager
def temporary_name(folder: Path, suffix: str = "") -> Iterator[Path]:
    """Yield a hidden path in `folder` that nothing has; what is there in the end stays.

    Args:
        suffix: ending of the name, kept if it is short.

    Example:
        >>> with temporary_name(Path("results"), ".csv") as path:
        ...     path.parent.name, path.suffix, owner(path) == os.getpid()
        ('results', '.csv', True)
    """
    name = f".textsep-{_machine()}-{os.getpid()}-{secrets.token_hex(4)}"
    name += suffix if re.fullmatch(r"\.\w{1,16}", suffix) else ""
    _in_use.add(name)
    try:
        yield folder / name
    finally:
        _in_use.discard(name)


def _machine() -> str:
    return f"{zlib.crc32(platform.node().encode()) & 0xFFFF:04x}"


def owner(path: Path) -> int | None:
    """Return the number of the living process that works at `path`, None if there is none.

    Of what another machine has put into a shared folder, nothing is known: 0.
    """
    match = _NAME.fullmatch(path.name)
    if match is None:
        return None
    machine, process = match[1], int(match[2])
    if machine != _machine():
        return 0
    lives = path.name in _in_use if process == os.getpid() else _is_alive(process)
    return process if lives else None


def _is_alive(process: int) -> bool:
    if sys.platform == "win32":  # where os.kill would end it
        import ctypes

        handle = ctypes.windll.kernel32.OpenProcess(0x1000, False, process)  # only to ask
        return bool(handle and ctypes.windll.kernel32.CloseHandle(handle))
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # another user's
        return True
    return True


def temporaries(folder: Path) -> list[Path]:
    """Return what lies unfinished in a folder, by whomever."""
    return [path for path in folder.iterdir() if _NAME.fullmatch(path.name)]


def sweep_files(folder: Path) -> None:
    """Remove the unfinished files in a folder whose process is dead."""
    with contextlib.suppress(OSError):  # another user's folder; nothing depends on it
        for path in temporaries(folder):
            if owner(path) is None and (path.is_symlink() or not path.is_dir()):
                path.unlink(missing_ok=True)
