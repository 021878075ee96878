"""The one way to separate, for every caller: a query and windows go in, audio comes out.

Taught in notebooks 00 and 06.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from textsep_lab import audio, checkpoints
from textsep_lab.embeddings import TextEncoder, clean_query, load_encoder
from textsep_lab.masking import apply_mask, estimate_mask
from textsep_lab.paths import atomic_write, make_folder
from textsep_lab.timegate import DEFAULT_FADE, Window, check_windows, gate

MODES = ("keep", "remove")


@dataclass(frozen=True)
class Separation:
    """What a separation gives.

    Args:
        input: the recording, float32 ``[channels, samples]``.
        output: what was asked for, same shape; equal to `input` outside the windows.
        residual: ``input - output``.
        mask: soft mask of the query on the network's rows, ``[n_freq, frames]`` in [0, 1].
        mask_hop: seconds from one column of `mask` to the next.
        gate: where the mask was used, ``[samples]`` in [0, 1].
        sample_rate: in Hz.
        query, mode, windows, fade: what was asked; windows None is the whole recording.
        energy_share: energy of the queried sound's estimate over the input's, inside the
            windows, 0 to 1 and a little beyond; NaN for silence. It says how much of what is
            heard was taken for the query, not whether that is right.
        format: how the input file stored its samples, if it was one.
    """

    input: np.ndarray
    output: np.ndarray
    residual: np.ndarray
    mask: np.ndarray
    mask_hop: float
    gate: np.ndarray
    sample_rate: int
    query: str
    mode: str
    windows: list[Window] | None
    fade: float
    energy_share: float
    format: audio.AudioFormat | None = None

    @property
    def duration(self) -> float:
        """Length of the recording in seconds."""
        return self.input.shape[1] / self.sample_rate

    def summary(self) -> dict[str, Any]:
        """Return what was asked and what came out, as JSON-able facts."""
        share = self.energy_share
        return {
            "query": self.query,
            "mode": self.mode,
            "windows_s": self.windows,
            "fade_s": self.fade,
            "sample_rate_hz": self.sample_rate,
            "channels": self.input.shape[0],
            "duration_s": round(self.duration, 4),
            "energy_share": None if np.isnan(share) else round(share, 4),
        }

    def plot(self):
        """Return a figure: input and output spectrograms, mask with windows, waveforms."""
        from textsep_lab import plots  # drawing is optional and slow to import

        return plots.separation(self)

    def save(
        self,
        folder: str | Path,
        overwrite: bool = False,
        figure: bool = True,
        facts: dict[str, Any] | None = None,
    ) -> list[Path]:
        """Write output, residual, figure and ``result.json`` to `folder`.

        Audio keeps the input's rate, channels and, for WAV, FLAC and OGG, its sample format.
        `facts` are added to ``result.json``.

        Raises:
            FileExistsError: a file is there already and `overwrite` is False; nothing is written.
            OSError: the folder cannot be made or written.
        """
        folder = Path(folder)
        ending, subtype = self._file_type()
        names = [f"output{ending}", f"residual{ending}", "result.json"]
        names += ["separation.png"] if figure else []
        files = [folder / name for name in names]
        there = [path for path in files if path.exists()]
        if there and not overwrite:
            raise FileExistsError(f"'{there[0]}' is there already: overwrite it or go elsewhere.")
        make_folder(folder)
        audio.save(files[0], self.output, self.sample_rate, subtype)
        audio.save(files[1], self.residual, self.sample_rate, subtype)
        if figure:
            from textsep_lab import plots

            plots.write(self.plot(), files[3])
        with atomic_write(files[2]) as temporary:
            text = json.dumps({**self.summary(), **(facts or {})}, indent=2, ensure_ascii=False)
            temporary.write_text(text + "\n", encoding="utf-8")
        return files

    def _file_type(self) -> tuple[str, str | None]:
        endings = {"WAV": ".wav", "WAVEX": ".wav", "FLAC": ".flac", "OGG": ".ogg"}
        if self.format is None or self.format.container not in endings:
            return ".wav", None
        return endings[self.format.container], self.format.subtype


class Separator:
    """A network with the encoder it was trained with.

    Args:
        network: from `checkpoints.load` or `film_unet.build`, in evaluation mode.
        encoder: gives embeddings of the network's dimension.
        info: the checkpoint's sidecar.

    Example:
        >>> separator = load_separator()
        >>> noise = np.random.default_rng(0).standard_normal((2, 22050)).astype(np.float32) / 10
        >>> result = separator.separate(noise, "rain", windows=[(0.2, 0.6)], sample_rate=22050)
        >>> result.output.shape, bool(np.array_equal(result.output[:, :4000], noise[:, :4000]))
        ((2, 22050), True)
    """

    def __init__(self, network: nn.Module, encoder: TextEncoder, info: dict | None = None) -> None:
        self.network, self.encoder, self.info = network.eval(), encoder, info or {}

    @torch.no_grad()
    def separate(
        self,
        recording: str | Path | np.ndarray,
        query: str,
        mode: str = "keep",
        windows: list[Window] | None = None,
        fade: float = DEFAULT_FADE,
        sample_rate: int | None = None,
    ) -> Separation:
        """Keep or remove what the query names, inside the windows.

        Args:
            recording: path of an audio file, or a waveform ``[channels, samples]`` at
                `sample_rate`, at any rate, with any number of channels. All channels get one
                mask, so a stereo image stays where it is.
            query: the sound in a few words, such as "dog barking".
            mode: ``keep`` leaves only that sound in the windows, ``remove`` all but it.
            windows: pairs (start, end) in seconds; None is the whole recording.
            fade: length of the windows' soft edges in seconds.

        Raises:
            FileNotFoundError: no such file.
            ValueError: bad audio, query, mode, window or fade; one sentence says which.
        """
        query = clean_query(query)
        if mode not in MODES:
            raise ValueError(f"There is no mode '{mode}': use keep or remove.")
        waveform, sample_rate, file_format = _read(recording, sample_rate)
        samples = waveform.shape[1]
        if windows is not None:
            windows = check_windows(windows, samples / sample_rate)
        opening = gate(windows, samples, sample_rate, fade)
        mask = self.estimate_mask(waveform, sample_rate, query)
        target = self._apply(mask, waveform, sample_rate)
        # The residual comes first: where the gate is 0 it is 0, and the output is the input.
        residual = opening * (target if mode == "remove" else waveform - target)
        residual[:, opening == 0] = 0  # and not -0, which would turn an input of -0 into 0
        return Separation(
            input=waveform,
            output=waveform - residual,
            residual=residual,
            mask=mask[0].numpy(),
            mask_hop=self.network.config.hop_length / self.network.config.sample_rate,
            gate=opening,
            sample_rate=sample_rate,
            query=query,
            mode=mode,
            windows=windows,
            fade=float(fade),
            energy_share=_energy_share(target, waveform, opening),
            format=file_format,
        )

    def estimate_mask(self, waveform: np.ndarray, sample_rate: int, query: str) -> torch.Tensor:
        """Return the mask ``[1, n_freq, frames]`` of a query on a waveform of any rate."""
        own_rate = self.network.config.sample_rate
        heard = torch.from_numpy(audio.resample(waveform, sample_rate, own_rate))
        embedding = torch.from_numpy(self.encoder.embed_text([query]))
        return estimate_mask(self.network, heard[None], embedding)

    def _apply(self, mask: torch.Tensor, waveform: np.ndarray, sample_rate: int) -> np.ndarray:
        # A channel at a time: the spectrogram is the largest thing in memory.
        config = self.network.config
        rows = (torch.from_numpy(row[None]) for row in waveform)
        parts = [apply_mask(mask, row, sample_rate, config) for row in rows]
        return torch.cat(parts).numpy()


def _read(recording, sample_rate: int | None):
    if isinstance(recording, str | Path):
        waveform, own_rate = audio.load(recording)
        return waveform, own_rate, audio.file_format(recording)
    if not (isinstance(sample_rate, Real) and 1 <= sample_rate < math.inf):
        raise ValueError("A waveform needs its sample_rate in Hz.")
    return audio.check_waveform(recording), int(sample_rate), None


def _energy_share(target: np.ndarray, waveform: np.ndarray, opening: np.ndarray) -> float:
    heard = float(np.sum(np.square(opening * waveform, dtype=np.float64)))
    taken = float(np.sum(np.square(opening * target, dtype=np.float64)))
    return taken / heard if heard > 0 else float("nan")


def load_separator(checkpoint: str | Path | None = None) -> Separator:
    """Return a separator with the shipped weights, or those of `checkpoint`.

    Raises:
        FileNotFoundError: weights or their description are missing.
        ValueError: damaged, foreign, or trained with another encoder.
    """
    path = checkpoints.find(checkpoint)
    described = checkpoints.describe(path).get("encoder")
    if described is None:
        raise ValueError(f"'{path}' is a text-agnostic network: it cannot take a query.")
    encoder = load_encoder(described["name"])
    network, info = checkpoints.load(path, encoder.dim)
    return Separator(network, encoder, info)
