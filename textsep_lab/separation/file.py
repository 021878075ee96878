"""From file to file in constant memory, whatever the length. Taught in notebook 06."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from textsep_lab.encoders.queries import clean_query
from textsep_lab.separation.config import SeparationSettings
from textsep_lab.separation.result import NAMES, TRACKS, Outcome, output_format
from textsep_lab.separation.separator import Separator
from textsep_lab.signal.audio_reader import AudioReader
from textsep_lab.signal.audio_writer import AudioWriter
from textsep_lab.signal.stretches import Buffer
from textsep_lab.signal.timegate import Window, check_windows
from textsep_lab.utils.progress import progress_bar
from textsep_lab.utils.transactions import MANIFEST, transaction, write_manifest


@dataclass(frozen=True, kw_only=True)
class SeparatedFile(Outcome):
    """What `separate_file` gives: the facts of a `result.Separation`, and the files written."""

    channels: int
    duration: float
    files: tuple[Path, ...] = ()


def separate_file(
    separator: Separator,
    source: str | Path,
    folder: str | Path,
    query: str,
    windows: list[Window] | str | None = None,
    overwrite: bool = False,
    container: str | None = None,
    **settings: Any,
) -> SeparatedFile:
    """Separate a file of any length into a folder, block by block.

    The samples written are those of `Separator.separate`; no picture is drawn.

    Args:
        source: an audio file, or a pipe.
        windows: as for `Separator.separate`; ``"auto"`` reads the file twice.
        container: another than the file's, see `result.output_format`.
        settings: of `SeparationSettings`.

    Raises:
        FileNotFoundError, ValueError: as `Separator.separate` does.
        FileExistsError: a result is there already and `overwrite` is False.

    Example:
        >>> import tempfile
        >>> from textsep_lab import load_separator
        >>> from textsep_lab.utils.paths import demo_data_dir
        >>> source, out = demo_data_dir() / "mixture.wav", tempfile.mkdtemp()
        >>> result = separate_file(load_separator(), source, out, "dog barking", [(1.0, 3.5)])
        >>> [path.name for path in result.files], result.confidence > 0.9
        (['output.wav', 'residual.wav', 'result.json'], True)
    """
    asked, query = SeparationSettings(**settings).checked(), clean_query(query)
    auto = isinstance(windows, str)
    if isinstance(windows, str):
        windows = _detected(separator, source, query, windows)
    with AudioReader(source) as reader, transaction(folder, NAMES, overwrite) as new:
        stored = output_format(reader.format, reader.format.dtype, container)
        names = [f"{track}{stored.ending}" for track in TRACKS]
        known = (reader.promised_samples or 0) / reader.sample_rate
        if windows is not None and known:
            windows = check_windows(windows, known)
        with ExitStack() as undo:
            output, residual = (
                undo.enter_context(
                    AudioWriter(new / name, reader.sample_rate, reader.channels, stored)
                )
                for name in names
            )
            with progress_bar(_work(windows, known), "separating", "s") as advance:
                stream = separator.pieces(
                    reader.blocks(), reader.sample_rate, query, windows, advance, **settings
                )
                for piece in stream:
                    output.write(piece.output)
                    rest = piece.residual
                    residual.write(np.zeros_like(piece.input) if rest is None else rest)
        result = SeparatedFile(
            sample_rate=reader.sample_rate, channels=reader.channels,
            duration=stream.buffer.end / reader.sample_rate, query=query, mode=asked.mode,
            windows=windows, fade=float(asked.fade), method=asked.method, auto_windows=auto,
            confidence=stream.confidence, energy_share=stream.energy_share,
            components=asked.components, unwanted=asked.unwanted,
            files=tuple(Path(folder) / name for name in (*names, MANIFEST)),
        )  # fmt: skip
        write_manifest(new, result.summary())
    return result


def _detected(separator: Separator, source: str | Path, query: str, word: str) -> list[Window]:
    if Path(source).exists() and not Path(source).is_file():
        raise ValueError(
            f"Windows that are detected need '{source}' twice, and a pipe can be read once: save "
            "it to a file first."
        )
    with AudioReader(source) as reader:
        buffer = Buffer(reader.blocks(), reader.promised_samples)
        return separator.find_windows(word, buffer, reader.sample_rate, query)


def _work(windows: list[Window] | None, duration: float) -> float | None:
    return (duration or None) if windows is None else sum(end - start for start, end in windows)
