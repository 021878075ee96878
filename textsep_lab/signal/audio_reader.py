"""Read an audio file block by block, to its end: what its headers say is checked, not trusted.

Taught in notebook 01.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
import soundfile as sf

from textsep_lab.signal.audio_format import AudioFormat, describe
from textsep_lab.signal.audio_parts import find_parts
from textsep_lab.signal.audio_source import BLOCK, Part, View, cut_off, open_source
from textsep_lab.signal.decode import decode, is_film
from textsep_lab.signal.waveform import check_sample_rate
from textsep_lab.utils.paths import shown
from textsep_lab.utils.signals import signals_wait

_MOST_VALUES = 2**22  # in a block, whatever the number of channels
# Their lengths are said in blocks of samples, the last of which need not be full.
_IN_BLOCKS = re.compile("ADPCM|GSM|G72|VOX")
# Not in `find_parts`; libsndfile notes in its log what a header promises.
_RARE = ("AVR", "MAT4", "MAT5", "MPC2K", "SDS", "VOC", "WVE", "NIST")
_PROMISES = re.compile(r"(?:Frames|Cols)\s*: (\d+)|sample_count -i (\d+)")


class AudioReader:
    """An audio file that is read in blocks of constant memory; a context manager.

    Args:
        path: of a file of any kind libsndfile knows, of a film or a phone's recording (with
            PyAV), or of a pipe; or an open binary file.
        name: what sentences call it. [default: `path`]
        max_seconds: refuse what is longer.

    Raises:
        FileNotFoundError: no such file.
        ImportError: PyAV is needed and not installed.
        ValueError: a folder, not audio, cut off, too long, or a sample rate out of bounds.

    Example:
        >>> from textsep_lab.utils.paths import demo_data_dir
        >>> with AudioReader(demo_data_dir() / "mixture.wav") as reader:
        ...     blocks = [block.shape for block in reader.blocks(50_000)]
        >>> reader.sample_rate, reader.channels, blocks
        (16000, 1, [(1, 50000), (1, 30000)])
    """

    def __init__(
        self, path: str | Path | BinaryIO, name: str | None = None, max_seconds: float | None = None
    ) -> None:
        self._path, self._max_seconds = path, max_seconds
        self.name = f"'{shown(name or str(path))}'"
        self.sample_rate = self.channels = 0
        self.format = AudioFormat("", "")
        #: Samples a channel, as the headers say; None if they do not. Only `blocks` knows.
        self.promised_samples: int | None = None

    def __enter__(self) -> AudioReader:
        with ExitStack() as undo:
            file = self._path
            if isinstance(file, str | Path):
                file = undo.enter_context(open_source(file))
            try:
                self._parts, sound = self._open(file, undo)
            except OSError as error:
                raise self._unreadable(error) from error
            self.sample_rate = check_sample_rate(sound.samplerate, self.name)
            self.channels, stored = sound.channels, describe(sound)
            self.format = replace(stored, container="AV") if self._is_film else stored
            if len(self._parts) == 1:
                self.promised_samples = self._parts[0].samples or _promised(sound)
            self._check_length(self.promised_samples or 0)
            self._first, self._undo = sound, undo.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._undo.close()

    def _open(self, file: BinaryIO, undo: ExitStack) -> tuple[list[Part], sf.SoundFile]:
        self._is_film = is_film(file, self.name)
        if self._is_film:
            file = undo.enter_context(decode(file, self.name, self._max_seconds))
        parts = find_parts(file, self.name)
        return parts, undo.enter_context(self._sound(parts[0].view))

    def _sound(self, view: View) -> sf.SoundFile:
        try:
            view.seek(0)
            with signals_wait():
                return sf.SoundFile(view)
        except (sf.LibsndfileError, RuntimeError, TypeError) as error:
            raise ValueError(
                f"{self.name} cannot be read as audio: give a whole WAV, FLAC, OGG or MP3 file."
            ) from view.error or error

    def blocks(self, samples: int = BLOCK) -> Iterator[np.ndarray]:
        """Yield the sound in arrays ``[channels, n]``, `n` at most `samples`, to its end.

        They are float32, or float64 where the file stores more than float32 holds.

        Raises:
            ValueError: NaN or infinite samples, too long, or, behind the last block: cut off,
                damaged, or no samples at all.
        """
        total = 0
        for number, part in enumerate(self._parts):
            sound = self._first if number == 0 else self._next_sound(part)
            for block in self._part_blocks(part, sound, samples):
                total += block.shape[1]
                self._check_length(total)
                yield block
        if total == 0:
            raise ValueError(f"{self.name} holds no samples.")

    def _next_sound(self, part: Part) -> sf.SoundFile:
        sound = self._undo.enter_context(self._sound(part.view))
        if (sound.samplerate, sound.channels) != (self.sample_rate, self.channels):
            raise ValueError(
                f"{self.name} changes its sample rate or its channels on the way: take it apart "
                "first."
            )
        return sound

    def _part_blocks(self, part: Part, sound: sf.SoundFile, samples: int) -> Iterator[np.ndarray]:
        samples = max(1, min(samples, _MOST_VALUES // sound.channels))
        buffer = np.empty((samples, sound.channels), self.format.dtype)
        total = 0
        while count := _read_into(buffer, sound):
            block = np.array(buffer[:count].T, order="C")  # a copy, of one channel too
            if not np.isfinite(block).all():
                raise ValueError(f"{self.name} holds NaN or infinite samples: repair it first.")
            total += count
            yield block
        if part.view.error is not None:
            raise self._unreadable(part.view.error)
        if _is_cut_off(part, sound, total):
            raise cut_off(self.name)
        if sf._snd.sf_error(sound._file):
            raise ValueError(f"{self.name} is damaged: its samples cannot all be decoded.")

    def _unreadable(self, error: OSError) -> OSError:
        return OSError(f"{self.name} cannot be read: {error.strerror or error}.")

    def _check_length(self, samples: int) -> None:
        if self._max_seconds is not None and samples > self._max_seconds * self.sample_rate:
            minutes = self._max_seconds / 60
            raise ValueError(
                f"{self.name} is too long: the limit here is {minutes:.0f} minutes; cut it, or use "
                "`textsep separate`."
            )


def _read_into(buffer: np.ndarray, sound: sf.SoundFile) -> int:
    """Fill `buffer` ``[samples, channels]`` as far as the decoder goes; return how far that is.

    soundfile's own reading stops at the header's length, and seeks after each block.
    """
    kind = "double" if buffer.dtype == np.float64 else "float"
    pointer = sf._ffi.cast(f"{kind} *", buffer.ctypes.data)
    read = getattr(sf._snd, f"sf_readf_{kind}")
    with signals_wait():
        return int(read(sound._file, pointer, len(buffer)))


def _promised(sound: sf.SoundFile) -> int | None:
    return sound.frames if sound.frames < 2**60 else None


def _is_cut_off(part: Part, sound: sf.SoundFile, total: int) -> bool:
    if part.samples is not None:
        return total < part.samples
    if sound.format == "OGG" or _IN_BLOCKS.search(sound.subtype):
        return False  # `find_parts` has looked at every page, or at the bytes
    promised = _promised(sound) or 0
    if sound.format in _RARE:
        promised = max(promised, *_rare_promises(part.view, sound))
    return total < promised


def _rare_promises(view: View, sound: sf.SoundFile) -> Iterator[int]:
    """Yield what the header of a rare kind promises; of SDS, the log says what is there."""
    log = sound.extra_info
    yield 0
    if "truncated" in log or "should be" in log:
        yield 2**62
    view.seek(0)
    text = log + view.read(1024).decode("latin-1") * (sound.format == "NIST")
    found = [int(a or b) for a, b in _PROMISES.findall(text)]
    if sound.format == "SDS":
        yield 0 if found and found[-1] >= sound.frames else 2**62
    elif found:
        yield found[-1]
