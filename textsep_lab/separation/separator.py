"""The one way to separate, for every caller: a query and windows go in, audio comes out.

Taught in notebooks 00 and 06.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import nn

from textsep_lab import audio, checkpoints, nmf, second_look
from textsep_lab.detection import Detector, load_detector
from textsep_lab.embeddings import TextEncoder, load_encoder
from textsep_lab.film import UNetConfig
from textsep_lab.masking import apply_to_channels
from textsep_lab.queries import clean_query
from textsep_lab.reading import Reader, load_reader, reader_path
from textsep_lab.result import Separation
from textsep_lab.timegate import DEFAULT_FADE, Window, check_windows, gate

Masked = tuple[torch.Tensor, UNetConfig]  # [1, n_freq, frames] in [0, 1]
MODES, METHODS, AUTO = ("keep", "remove"), ("unet", "nmf"), "auto"


class Separator:
    """A network with the encoder it was trained with.

    Args:
        network: from `checkpoints.load` or `film_unet.build`, in evaluation mode.
        encoder: the one the network was trained with.
        info: the checkpoint's sidecar.
        detector: hears whether and when the query is there; None for the default.
        reader: knows the sounds the network was trained on; with it, the separator listens for
            them first, in the mixture and in what a first estimate leaves (`second_look`). None
            is one pass through the network with the query as it is.

    Raises:
        ValueError: the sidecar names another encoder.

    Example:
        >>> separator = load_separator()
        >>> noise = np.random.default_rng(0).standard_normal((2, 22050)).astype(np.float32) / 10
        >>> result = separator.separate(noise, "rain", windows=[(0.2, 0.6)], sample_rate=22050)
        >>> result.output.shape, bool(np.array_equal(result.output[:, :4000], noise[:, :4000]))
        ((2, 22050), True)
    """

    def __init__(
        self,
        network: nn.Module,
        encoder: TextEncoder,
        info: dict | None = None,
        detector: Detector | None = None,
        reader: Reader | None = None,
    ) -> None:
        self.network, self.encoder, self.info = network.eval(), encoder, info or {}
        self._detector, self.reader = detector, reader
        self._check_encoder(self.info.get("encoder") or {})

    def _check_encoder(self, trained_with: dict) -> None:
        name, weights = self.encoder.name, getattr(self.encoder, "weights_sha256", None)
        if trained_with.get("name", name) != name:
            raise ValueError(
                f"These weights were trained with the encoder {trained_with['name']}, not {name}."
            )
        if trained_with.get("weights_sha256", weights) != weights:
            raise ValueError(
                f"These weights were trained with another {name}: its weights have changed since."
            )

    @property
    def detector(self) -> Detector:
        """What tells whether and when the query is heard; loaded when first needed."""
        self._detector = self._detector or load_detector()
        return self._detector

    @detector.setter
    def detector(self, detector: Detector) -> None:
        self._detector = detector

    @torch.no_grad()
    def separate(
        self,
        recording: str | Path | np.ndarray,
        query: str,
        mode: str = "keep",
        windows: list[Window] | str | None = None,
        fade: float = DEFAULT_FADE,
        sample_rate: int | None = None,
        method: str = "unet",
        components: int = 8,
        unwanted: str | None = None,
        mask: Masked | None = None,
    ) -> Separation:
        """Keep or remove what the query names, inside the windows.

        Args:
            recording: path of an audio file, or a waveform ``[channels, samples]`` at
                `sample_rate`, at any rate, with any number of channels. All channels get one
                mask, so a stereo image stays where it is.
            query: the sound in a few words, such as "dog barking".
            mode: ``keep`` leaves only that sound in the windows, ``remove`` all but it.
            windows: pairs (start, end) in seconds; None is the whole recording; ``"auto"`` is
                where the sound is heard.
            fade: length of the windows' soft edges in seconds.
            method: ``unet``, or ``nmf`` for the classical baseline.
            components: of the NMF.
            unwanted: what else is there, in a few words; None lets the ears find out.
            mask: of `mask`, to use instead of estimating one.

        Raises:
            FileNotFoundError: no such file.
            ValueError: bad audio, query, mode, window, fade or method, or ``"auto"`` and the
                sound is heard nowhere; one sentence says which.
        """
        query = clean_query(query)
        unwanted = None if unwanted is None else self._check_unwanted(unwanted, method)
        _check_choice("mode", mode, MODES)
        _check_choice("method", method, METHODS)
        waveform, sample_rate, file_format = _read(recording, sample_rate)
        samples, auto = waveform.shape[1], isinstance(windows, str)
        if auto:
            windows = self._find_windows(windows, waveform, sample_rate, query)
        if windows is not None:
            windows = check_windows(windows, samples / sample_rate)
        opening = gate(windows, samples, sample_rate, fade)
        if mask is None:
            mask = self.mask(waveform, sample_rate, query, method, components, unwanted)
        values, config = mask
        target = apply_to_channels(values, waveform, sample_rate, config)
        # The residual comes first: where the gate is 0 it is 0, and the output is the input.
        residual = opening * (target if mode == "remove" else waveform - target)
        residual[:, opening == 0] = 0  # and not -0, which would turn an input of -0 into 0
        energy_share = _energy_share(target, waveform, opening)
        return Separation(
            input=waveform,
            output=waveform - residual,
            residual=residual,
            mask=values[0].numpy(),
            mask_hop=config.hop_length / config.sample_rate,
            gate=opening,
            sample_rate=sample_rate,
            query=query,
            mode=mode,
            windows=windows,
            fade=float(fade),
            method=method,
            auto_windows=auto,
            confidence=self.detector.presence(
                waveform[:, opening > 0], sample_rate, query, self._witness(energy_share, method)
            ),
            energy_share=energy_share,
            format=file_format,
            components=components,
            unwanted=unwanted,
        )

    @torch.no_grad()
    def energy_share(self, waveform: np.ndarray, sample_rate: int, query: str) -> float:
        """Return how much of a waveform's energy is taken for the query; NaN for silence."""
        mask = self.estimate_mask(waveform, sample_rate, query)
        target = apply_to_channels(mask, waveform, sample_rate, self.network.config)
        return _energy_share(target, waveform, np.ones(waveform.shape[1], np.float32))

    def _witness(self, energy_share: float, method: str) -> float | None:
        """Return the energy share if the detector knows what it means for these weights."""
        own = self.info.get("sha256")
        known = own is not None and own == self.detector.calibration.separator_sha256
        return energy_share if known and method == "unet" else None

    def _find_windows(
        self, word: str, waveform: np.ndarray, sample_rate: int, query: str
    ) -> list[Window]:
        if word != AUTO:
            raise ValueError(f"The windows are '{word}': give pairs (start, end), auto or None.")
        found = self.detector.spans(waveform, sample_rate, query)
        if not found:
            raise ValueError(
                f"“{query}” is heard nowhere in this recording: give windows yourself, or none."
            )
        return found

    @torch.no_grad()
    def mask(
        self,
        waveform: np.ndarray,
        sample_rate: int,
        query: str,
        method: str = "unet",
        components: int = 8,
        unwanted: str | None = None,
    ) -> Masked:
        """Return a query's mask and what says where its rows and columns lie; see `separate`.

        It depends on no window, so it can be kept, or joined with others on the same waveform.
        """
        if method == "unet":
            mask = self.estimate_mask(waveform, sample_rate, query, unwanted)
            return mask, self.network.config
        ears = self.detector.encoder
        found = nmf.estimate_mask(waveform, sample_rate, query, ears, components)
        return found.mask, nmf.CONFIG

    @torch.no_grad()
    def estimate_mask(
        self, waveform: np.ndarray, sample_rate: int, query: str, unwanted: str | None = None
    ) -> torch.Tensor:
        """Return the mask ``[1, n_freq, frames]`` of a query on a waveform of any rate."""
        waveform = audio.resample(waveform, sample_rate, self.network.config.sample_rate)
        wanted = self.encoder.embed_text([query])
        if unwanted is not None:
            other = self.encoder.embed_text([unwanted])
            if self.reader is not None:
                wanted, other = self.reader.in_labels(wanted), self.reader.in_labels(other)
            return second_look.between(self.network, waveform, wanted, other)
        if self.reader is None or not waveform.any():
            return second_look.claims(self.network, waveform, wanted)
        return second_look.look_twice(self.network, waveform, wanted[0], self.reader, self.detector)

    def _check_unwanted(self, unwanted: str, method: str) -> str:
        if method != "unet" or not getattr(self.network, "TAKES_UNWANTED", False):
            raise ValueError("Only the compact network can be told what is unwanted.")
        return clean_query(unwanted)


def _read(recording, sample_rate: int | None):
    waveform, sample_rate = audio.read(recording, sample_rate)
    is_file = isinstance(recording, str | Path)
    return waveform, sample_rate, audio.file_format(recording) if is_file else None


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"There is no {name} '{value}': use {' or '.join(choices)}.")


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
    return Separator(network, encoder, info, reader=load_reader(reader_path(path)))
