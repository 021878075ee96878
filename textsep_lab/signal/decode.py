"""Sound of films and phones (M4A, MP4, WEBM, …), decoded by PyAV in a process of its own.

A damaged file can crash the decoder or make it take all memory: a process with limits bears that
alone. ``python -m textsep_lab.signal.decode SECONDS`` reads the file from its standard input and
writes a CAF file to its standard output. Taught in notebook 06.
"""

from __future__ import annotations

import errno
import math
import os
import shutil
import struct
import subprocess
import sys
import tempfile
from contextlib import ExitStack, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, BinaryIO, cast

from textsep_lab.signal.audio_source import cut_off, read_at, size_of

#: Endings that libsndfile does not read and PyAV does.
AV_ENDINGS = (".m4a", ".mp4", ".webm", ".aac", ".mov")
#: What the process may take: memory and decoded sound in bytes, time in seconds.
MEMORY, DECODED, SECONDS = 2 * 2**30, 16 * 2**30, 300
# Its exit status, and what each says of a file.
_DAMAGED, _NO_TRACK, _TOO_LONG, _CUT_OFF, _CHANGES, _TOO_MUCH, _FULL = range(10, 17)
_SENTENCES = {
    _DAMAGED: "cannot be read as audio: its content is damaged",
    _NO_TRACK: "has no sound track",
    _TOO_LONG: "is too long: cut it first",
    _CUT_OFF: "is cut off: its header promises more samples than it holds",
    _CHANGES: "changes its sample rate or its channels on the way: convert it to WAV first",
    _TOO_MUCH: "takes too much time or memory to decode: convert it to WAV first",
    _FULL: "does not fit on the disk when decoded: convert it to FLAC first",
}
_TOLERANCE = 0.15  # seconds: encoders pad the first and the last frame
_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")
_EBML = b"\x1aE\xdf\xa3"
_OTHERS = (b"RIFF", b"RIFX", b"RF64", b"riff", b"FORM", b"caff", b"fLaC", b"OggS", b".snd")


def is_film(file: BinaryIO, name: str) -> bool:
    """Return whether PyAV is to read a file: by its first bytes, or else by its name's ending."""
    head = read_at(file, 0, 12)
    if head[4:8] in _BOXES or head[:4] == _EBML or _is_aac(head):
        return True
    return head[:4] not in _OTHERS and name.rstrip("'").lower().endswith(AV_ENDINGS)


def _is_aac(head: bytes) -> bool:
    return head[:1] == b"\xff" and len(head) > 1 and head[1] & 0xF6 == 0xF0


def decode(file: BinaryIO, name: str, max_seconds: float | None = None) -> BinaryIO:
    """Return the first sound track as a CAF file on disk, which goes when it is closed.

    Args:
        file: on disk or in memory.
        name: of the file, in quotes, for the sentences.
        max_seconds: refuse what is longer.

    Raises:
        ImportError: PyAV is not installed.
        ValueError: no sound track, damaged, cut off, too long, or more than the limits allow.
    """
    if find_spec("av") is None:
        raise ImportError(f"{name} needs PyAV: pip install 'textsep-lab[av]'.")
    if _ends_early(file):
        raise cut_off(name)
    with ExitStack() as undo:
        result = cast(BinaryIO, undo.enter_context(tempfile.TemporaryFile()))
        status = _run(file, result, max_seconds)
        if status:
            raise ValueError(f"{name} {_SENTENCES.get(status, _SENTENCES[_DAMAGED])}.")
        undo.pop_all()
    return result


def _run(file: BinaryIO, result: BinaryIO, max_seconds: float | None) -> int:
    """Run the process and return its exit status: 0, or what went wrong."""
    paths = [str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    environment |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-m", __name__, str(max_seconds or math.inf)]
    with tempfile.TemporaryFile() as copy:
        file.seek(0)
        shutil.copyfileobj(file, copy, 2**20)
        copy.seek(0)
        try:
            return subprocess.run(
                command, stdin=copy, stdout=result, stderr=subprocess.DEVNULL,
                timeout=SECONDS, env=environment, check=False,
            ).returncode  # fmt: skip
        except subprocess.TimeoutExpired:
            return _TOO_MUCH


def _ends_early(file: BinaryIO) -> bool:
    """Return whether a box of an MP4, or the segment of a WEBM, is longer than the file."""
    place, end = 0, size_of(file)
    if read_at(file, 0, 4) == _EBML:
        place, size = _ebml_element(file, 0)
        place, size = _ebml_element(file, place + size)
        return place + size > end
    while len(head := read_at(file, place, 16)) == 16 and head[4:8].isalnum():
        size = int.from_bytes(head[:4], "big")
        if size == 1:
            size = int.from_bytes(head[8:], "big")
        if size < 8:  # 0: to the end of the file
            break
        place += size
    return place > end


def _ebml_element(file: BinaryIO, place: int) -> tuple[int, int]:
    """Return where the content of an element of four letters begins and its size; 0 if open."""
    data = read_at(file, place + 4, 8) or b"\xff"
    width = 9 - data[0].bit_length()
    mask = (1 << 7 * width) - 1
    size = int.from_bytes(data[:width], "big") & mask
    return place + 4 + width, 0 if size == mask else size


def main() -> int:
    """Decode standard input to standard output; return the exit status."""
    max_seconds = float(sys.argv[1])
    _limit_this_process()
    import av

    av.logging.set_level(av.logging.PANIC)
    try:
        with av.open(sys.stdin.buffer) as container:
            if not container.streams.audio:
                return _NO_TRACK
            return _write_track(container, max_seconds, sys.stdout.buffer)
    except MemoryError:
        return _TOO_MUCH
    except OSError as error:  # av's errors are OSErrors, too
        full = (errno.ENOSPC, errno.EFBIG)
        return _DAMAGED if isinstance(error, av.FFmpegError) or error.errno not in full else _FULL
    except (ValueError, IndexError):
        return _DAMAGED


def _limit_this_process() -> None:
    with suppress(ImportError):  # Windows has no such limits
        import resource

        for what, limit in (
            (resource.RLIMIT_AS, MEMORY),
            (resource.RLIMIT_CPU, SECONDS),
            (resource.RLIMIT_FSIZE, DECODED),
            (resource.RLIMIT_CORE, 0),
        ):
            with suppress(ValueError, OSError):  # what the system does not limit
                resource.setrlimit(what, (limit, limit))


def _write_track(container: Any, max_seconds: float, out: BinaryIO) -> int:
    track = container.streams.audio[0]
    written, rate, resampler, layout = 0, 0, None, None
    for frame in container.decode(track):
        if resampler is None:
            rate, layout = frame.sample_rate, frame.layout.name
            exact = frame.format.name.rstrip("p") in ("s32", "s64", "dbl")
            resampler = _resampler("dbl" if exact else "flt")
            out.write(_caf_header(rate, frame.layout.nb_channels, 8 if exact else 4))
        elif (frame.sample_rate, frame.layout.name) != (rate, layout):
            return _CHANGES
        for block in resampler.resample(frame):
            out.write(block.to_ndarray().byteswap().tobytes())
        written += frame.samples
        if written > max_seconds * rate:
            return _TOO_LONG
    out.flush()
    if not written:
        return _NO_TRACK
    promised = _promised_seconds(container, track)
    return _CUT_OFF if written / rate < promised - _TOLERANCE else 0


def _resampler(kind: str) -> Any:
    import av

    return av.AudioResampler(format=kind)


def _promised_seconds(container: Any, track: Any) -> float:
    if track.duration:
        return float(track.duration * track.time_base)
    alone = len(container.streams) == 1 and container.format.name != "aac"  # there, it is a guess
    return (container.duration or 0) / 1e6 if alone else 0.0


def _caf_header(rate: int, channels: int, width: int) -> bytes:
    """Return the start of a CAF file of big-endian floats, its length left open."""
    description = struct.pack(">d4s5I", rate, b"lpcm", 1, width * channels, 1, channels, 8 * width)
    head = struct.pack(">4sHH4sq", b"caff", 1, 0, b"desc", len(description))
    return head + description + struct.pack(">4sqI", b"data", -1, 0)


if __name__ == "__main__":
    sys.exit(main())
