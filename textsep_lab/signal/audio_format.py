"""How a file stores sound: container, sample format, and what else is written back with it.

Taught in notebook 01.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import soundfile as sf

from textsep_lab.utils.paths import shown

#: Sample formats that hold every float32 value without rounding or clipping.
FLOAT_SUBTYPES = ("FLOAT", "DOUBLE")
#: Bits of the sample formats that hold integers and that libsndfile writes without loss.
BITS = {"PCM_U8": 8, "PCM_S8": 8, "PCM_16": 16, "PCM_24": 24, "PCM_32": 32, "ALAC_16": 16}
# libsndfile 1.2.2 reads these well and writes them wrongly.
_INSTEAD = {"ALAC_20": "PCM_24", "ALAC_24": "PCM_24", "ALAC_32": "PCM_32"}
#: The containers that are written, and the file ending of each.
CONTAINERS = {
    "WAV": ".wav", "WAVEX": ".wav", "RF64": ".rf64", "W64": ".w64", "AIFF": ".aiff",
    "AU": ".au", "CAF": ".caf", "FLAC": ".flac", "OGG": ".ogg",
}  # fmt: skip
#: The container of each ending that can be written.
ENDINGS = {
    ".wav": "WAV", ".rf64": "RF64", ".w64": "W64", ".aiff": "AIFF", ".aif": "AIFF",
    ".au": "AU", ".caf": "CAF", ".flac": "FLAC", ".ogg": "OGG",
}  # fmt: skip
_DEFAULTS = {"FLAC": "PCM_24", "OGG": "VORBIS"}
_MORE_THAN_FLOAT32 = ("DOUBLE", "PCM_32", "ALAC_32")
# libsndfile's commands, and the size of its SF_BROADCAST_INFO before and with its history.
_GET_BROADCAST, _SET_BROADCAST, _GET_CHANNEL_MAP, _SET_CHANNEL_MAP = 0x10F0, 0x10F1, 0x1100, 0x1101
_BROADCAST_HEAD, _BROADCAST_SIZE = 608, 608 + 16384
# Numbers of its strings: title, copyright, artist, comment, date, album, licence, track, genre.
# Software (3) is left out: another program writes the new file.
_STRINGS = (1, 2, 4, 5, 6, 7, 8, 9, 16)


@dataclass(frozen=True)
class Extras:
    """What a file says beside its samples.

    Args:
        strings: libsndfile's number of each text (title, artist, …) and its bytes.
        broadcast: libsndfile's ``SF_BROADCAST_INFO`` (the ``bext`` chunk), or nothing.
        channel_map: which loudspeaker each channel is for, by libsndfile's numbers, or nothing.
    """

    strings: tuple[tuple[int, bytes], ...] = ()
    broadcast: bytes = b""
    channel_map: tuple[int, ...] = ()


@dataclass(frozen=True)
class AudioFormat:
    """How a file stores its samples, in libsndfile's names.

    Args:
        container: for example ``WAV``.
        subtype: the sample format, for example ``PCM_16``.
        endian: ``FILE`` is the container's own byte order, else ``LITTLE`` or ``BIG``.
        extras: texts, broadcast information and channel map; formats are compared without.

    Example:
        >>> AudioFormat("MP3", "MPEG_LAYER_III").output()
        AudioFormat(container='WAV', subtype='FLOAT', endian='FILE')
    """

    container: str
    subtype: str
    endian: str = "FILE"
    extras: Extras = field(default=Extras(), compare=False, repr=False)

    @property
    def ending(self) -> str:
        """Return the ending of such a file, for example ``.wav``; empty if none is written."""
        return CONTAINERS.get(self.container, "")

    @property
    def lossless(self) -> bool:
        """Return whether samples read from such a file come back from another, bit for bit."""
        return self.subtype in BITS or self.subtype in FLOAT_SUBTYPES

    @property
    def dtype(self) -> type[np.float32] | type[np.float64]:
        """Return float64 where float32 would round the samples, else float32."""
        return np.float64 if self.subtype in _MORE_THAN_FLOAT32 else np.float32

    def output(self) -> AudioFormat:
        """Return what a result is written as, so that untouched samples stay the file's.

        A lossless format stays what it is; ALAC of 20 bits and more becomes PCM. Lossy ones
        (MP3, Vorbis, ADPCM, …) become a float WAV, and what is only read (MAT, AVR, …) a WAV of
        the same sample format.
        """
        if self.ending and self.lossless:
            return self
        if self.subtype in _INSTEAD:
            return replace(self, subtype=_INSTEAD[self.subtype])
        subtype = self.subtype if self.lossless and holds("WAV", self.subtype) else "FLOAT"
        return replace(self, container="WAV", subtype=subtype, endian="FILE")


def container_of(path: Path) -> str:
    """Return the container that a file's ending stands for.

    Raises:
        ValueError: none is written with that ending.
    """
    container = ENDINGS.get(path.suffix.lower())
    if container is None:
        raise ValueError(
            f"'{shown(path.name)}' has an unknown ending: use .wav, .flac, .ogg, .aiff, .caf, .au, "
            ".w64 or .rf64."
        )
    return container


def holds(container: str, subtype: str) -> bool:
    """Return whether `container` can be written with the sample format `subtype`."""
    return subtype not in _INSTEAD and bool(sf.check_format(container, subtype))


def default_format(container: str) -> AudioFormat:
    """Return what a file of `container` is written as when nobody says: float if it can be."""
    return AudioFormat(container, _DEFAULTS.get(container, "FLOAT"))


def describe(sound: sf.SoundFile) -> AudioFormat:
    """Return the format of an open file, with what it says beside its samples."""
    return AudioFormat(sound.format, sound.subtype, sound.endian, _read_extras(sound))


def _read_extras(sound: sf.SoundFile) -> Extras:
    strings = []
    for number in _STRINGS:
        text = sf._snd.sf_get_string(sound._file, number)
        if text != sf._ffi.NULL:
            strings.append((number, sf._ffi.string(text)))
    places = sf._ffi.new("int[]", sound.channels)
    known = _command(sound, _GET_CHANNEL_MAP, places)
    return Extras(tuple(strings), _read_broadcast(sound), tuple(places) if known else ())


def _read_broadcast(sound: sf.SoundFile) -> bytes:
    buffer = sf._ffi.new("char[]", _BROADCAST_SIZE)
    if not _command(sound, _GET_BROADCAST, buffer):
        return b""
    data = bytes(sf._ffi.buffer(buffer))
    history = int(np.frombuffer(data, np.uint32, 1, _BROADCAST_HEAD - 4)[0])
    return data[: _BROADCAST_HEAD + history]


def write_extras(sound: sf.SoundFile, extras: Extras) -> None:
    """Give a file that is being written, before its first sample, what its container can say."""
    for number, text in extras.strings:
        sf._snd.sf_set_string(sound._file, number, text)
    if extras.broadcast:
        _command(sound, _SET_BROADCAST, sf._ffi.new("char[]", extras.broadcast))
    if len(extras.channel_map) == sound.channels:
        _command(sound, _SET_CHANNEL_MAP, sf._ffi.new("int[]", extras.channel_map))


def _command(sound: sf.SoundFile, number: int, data: object) -> bool:
    return bool(sf._snd.sf_command(sound._file, number, data, sf._ffi.sizeof(data)))
