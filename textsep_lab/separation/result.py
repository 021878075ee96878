"""What a separation gives: audio, mask, figures and facts, and how they are written to a folder.

Taught in notebook 00.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from textsep_lab.encoders.query_grammar import ParsedQuery, describe, parse_query
from textsep_lab.separation.config import SeparationSettings
from textsep_lab.separation.stream import LocalMask, join_masks
from textsep_lab.signal import audio
from textsep_lab.signal.audio_format import CONTAINERS, AudioFormat, default_format, holds
from textsep_lab.signal.timegate import Window
from textsep_lab.utils.transactions import MANIFEST, transaction, write_manifest

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TRACKS = ("output", "residual")
FIGURE = "separation.png"
#: All files that a result may have beside ``result.json``, see `utils.transactions`.
NAMES = (
    *(f"{track}{ending}" for track in TRACKS for ending in dict.fromkeys(CONTAINERS.values())),
    FIGURE,
)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of a separation, in facts and in words.

    Args:
        sample_rate: in Hz.
        query, mode, windows, fade, method, components, unwanted: what was asked; windows None is
            the whole recording.
        auto_windows: True if the windows were predicted.
        confidence: P(the queried sound is there, in the windows), see `Detector.presence`.
        energy_share: energy of the queried sound's estimate over the input's, inside the
            windows, 0 to 1 and a little beyond; NaN for silence. It says how much of the
            recording was taken for the query, not whether that is right.
    """

    sample_rate: int
    query: str
    mode: str
    windows: list[Window] | None
    fade: float
    method: str
    auto_windows: bool
    confidence: float
    energy_share: float
    components: int = SeparationSettings.components
    unwanted: str | None = None

    if TYPE_CHECKING:  # a field of some kinds, read off the samples by others

        @property
        def channels(self) -> int: ...

        @property
        def duration(self) -> float: ...

    @property
    def sounds(self) -> str:
        """The sounds that the query names, in words."""
        return describe(replace(self._parsed, complement=False))

    @property
    def _parsed(self) -> ParsedQuery:
        try:
            return parse_query(self.query)
        except ValueError:  # the title of several queries together
            return ParsedQuery(self.query, (self.query,))

    def summary(self) -> dict[str, Any]:
        """Return what was asked and what came out, as JSON-able facts."""
        share = self.energy_share
        return {
            "query": self.query,
            "understood_as": describe(self._parsed),
            "mode": self.mode,
            "windows_s": self.windows,
            "auto_windows": self.auto_windows,
            "fade_s": self.fade,
            "method": self.method,
            "components": int(self.components) if self.method == "nmf" else None,
            "unwanted": self.unwanted,
            "sample_rate_hz": self.sample_rate,
            "channels": self.channels,
            "duration_s": round(self.duration, 4),
            "confidence": round(self.confidence, 4),
            "energy_share": None if np.isnan(share) else round(share, 4),
            "version": version("textsep-lab"),
        }

    def sentences(self) -> list[str]:
        """Return in words what came out, as command line and page say it."""
        where = "the windows" if self.windows is not None else "the recording"
        if np.isnan(self.energy_share):
            return [f"There is only silence in {where}: nothing to separate."]
        parsed = self._parsed
        meant = describe(parsed)
        said = [] if meant == self.query else [f"Understood as “{meant}”."]
        there = "they are" if len(parsed.sounds) > 1 else "it is"
        return [
            *said,
            f"{100 * self.energy_share:.1f} % of the energy in {where} was taken for "
            f"“{self.sounds}”.",
            f"Confidence that {there} there: {100 * self.confidence:.0f} %.",
        ]


@dataclass(frozen=True)
class Separation(Outcome):
    """What a separation gives.

    Args:
        input: the recording, float32 ``[channels, samples]``.
        output: what was asked for, same shape; equal to `input` outside the windows.
        residual: ``input - output``.
        masks: the query's soft masks, one for each stretch that was analysed.
        gate: where the mask was used, ``[samples]`` in [0, 1].
        format: how the input file stored its samples, if it was one.

    The others are those of `Outcome`.
    """

    input: np.ndarray
    output: np.ndarray
    residual: np.ndarray
    masks: tuple[LocalMask, ...]
    gate: np.ndarray
    format: AudioFormat | None = None

    @property
    def channels(self) -> int:
        """Number of channels."""
        return self.input.shape[0]

    @property
    def duration(self) -> float:
        """Length of the recording in seconds."""
        return self.input.shape[1] / self.sample_rate

    @property
    def mask(self) -> np.ndarray:
        """The masks as one, on the method's rows, ``[n_freq, frames]`` in [0, 1]."""
        return join_masks(self.masks, self.input.shape[1], self.sample_rate)

    @property
    def mask_hop(self) -> float:
        """Seconds from one column of `mask` to the next."""
        config = self.masks[0].mask.config
        return config.hop_length / config.sample_rate

    def plot(self) -> Figure:
        """Return a figure: input and output spectrograms, mask with windows, waveforms."""
        from textsep_lab import plots  # drawing is optional and slow to import

        return plots.separation(self)

    def save(
        self,
        folder: str | Path,
        overwrite: bool = False,
        figure: bool = True,
        facts: dict[str, Any] | None = None,
        container: str | None = None,
    ) -> list[Path]:
        """Write output, residual, figure and ``result.json`` to `folder`, all of them or none.

        Audio is written as the input's file was, so that samples outside the windows are the
        file's, bit for bit; as WAV if that was lossy, or none.
        An earlier result goes as a whole; other files in `folder` are left alone. ``result.json``
        has the `summary`, `facts` and the SHA-256 of the files, see `utils.transactions.verify`.

        Args:
            container: another than the input's, see `output_format`.

        Raises:
            FileExistsError: a result is there already and `overwrite` is False.
            OSError: the folder cannot be made or written, or another run is writing to it.
        """
        folder = Path(folder)
        stored = output_format(self.format, self.input.dtype, container)
        names = [*(f"{track}{stored.ending}" for track in TRACKS), MANIFEST]
        with transaction(folder, NAMES, overwrite) as new:
            for name, waveform in zip(names, (self.output, self.residual), strict=False):
                audio.save(new / name, waveform, self.sample_rate, format=stored)
            if figure:
                from textsep_lab import plots

                plots.write(self.plot(), new / FIGURE)
                names.append(FIGURE)
            write_manifest(new, {**self.summary(), **(facts or {})})
        return [folder / name for name in names]


def output_format(
    stored: AudioFormat | None, dtype: np.dtype | type, container: str | None = None
) -> AudioFormat:
    """Return how a result is written, by how its input was stored, if it was a file.

    Args:
        dtype: of the samples.
        container: another one that is wished for, such as OGG, which loses something.

    Example:
        >>> output_format(AudioFormat("MP3", "MPEG_LAYER_III"), np.float32).container
        'WAV'
    """
    if stored is None:
        stored = AudioFormat("WAV", "DOUBLE" if np.dtype(dtype) == np.float64 else "FLOAT")
    kept = stored.output()
    if container is None or container == kept.container:
        return kept
    if holds(container, kept.subtype):
        return replace(kept, container=container, endian="FILE")
    return default_format(container)
