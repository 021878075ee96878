"""The one way to separate, for every caller: a query and windows go in, audio comes out.

Taught in notebooks 00 and 06.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from textsep_lab.detection.detector import Detector, load_detector
from textsep_lab.encoders.base import TextEncoder
from textsep_lab.encoders.queries import clean_query
from textsep_lab.encoders.query_classifier import QueryClassifier
from textsep_lab.encoders.registry import load_encoder
from textsep_lab.models import checkpoints
from textsep_lab.models.masking import Mask
from textsep_lab.models.network import SeparationNetwork
from textsep_lab.separation.config import AUTO, MODES, SeparationSettings
from textsep_lab.separation.gating import gated
from textsep_lab.separation.registry import METHODS
from textsep_lab.separation.result import Separation
from textsep_lab.signal import audio
from textsep_lab.signal.timegate import Window, check_windows, gate


class Separator:
    """A network with the encoder it was trained with.

    Args:
        network: from `checkpoints.load` or `models.build`, in evaluation mode.
        encoder: the one the network was trained with.
        info: the checkpoint's sidecar.
        detector: tells whether and when the query is there; None for the default.
        classifier: knows the labels the network was trained on; with it, the mask is refined by
            what else is detected (`refinement`). None is one pass through the network with the
            query as it is.

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
        network: SeparationNetwork,
        encoder: TextEncoder,
        info: dict[str, Any] | None = None,
        detector: Detector | None = None,
        classifier: QueryClassifier | None = None,
    ) -> None:
        self.network, self.encoder, self.info = network.eval(), encoder, info or {}
        self._detector, self.classifier = detector, classifier
        self._check_encoder(self.info.get("encoder") or {})

    def _check_encoder(self, trained_with: dict[str, Any]) -> None:
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
        """What tells whether and when the query is there; loaded when first needed."""
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
        mode: str = SeparationSettings.mode,
        windows: list[Window] | str | None = None,
        fade: float = SeparationSettings.fade,
        sample_rate: int | None = None,
        method: str = SeparationSettings.method,
        components: int = SeparationSettings.components,
        unwanted: str | None = None,
        mask: Mask | None = None,
    ) -> Separation:
        """Keep or remove what the query names, inside the windows.

        Args:
            recording: path of an audio file, or a waveform ``[channels, samples]`` at
                `sample_rate`, at any rate, with any number of channels. All channels get one
                mask, so a stereo image stays where it is.
            query: the sound in a few words, such as "dog barking".
            mode: ``keep`` leaves only that sound in the windows, ``remove`` all but it.
            windows: pairs (start, end) in seconds; None is the whole recording; ``"auto"`` is
                where the sound is detected.
            fade: length of the windows' soft edges in seconds.
            method: a name of `METHODS`: ``unet``, or ``nmf`` for the classical baseline.
            components: of the NMF.
            unwanted: what else is there, in a few words; None lets the detector find out.
            mask: of `mask`, to use instead of estimating one.

        Raises:
            FileNotFoundError: no such file.
            ValueError: bad audio, query, mode, window, fade or method, a mask and something
                unwanted at once, or ``"auto"`` and the sound is detected nowhere; one sentence
                says which.
        """
        query = clean_query(query)
        MODES.check(mode)
        METHODS.check(method)
        if mask is not None and unwanted is not None:
            raise ValueError(
                "A mask is given: what is unwanted would change nothing, leave it out."
            )
        waveform, sample_rate, file_format = _read(recording, sample_rate)
        samples, auto = waveform.shape[1], isinstance(windows, str)
        if isinstance(windows, str):
            windows = self._find_windows(windows, waveform, sample_rate, query)
        if windows is not None:
            windows = check_windows(windows, samples / sample_rate)
        opening = gate(windows, samples, sample_rate, fade)
        if mask is None:
            mask = self.mask(waveform, sample_rate, query, method, components, unwanted)
        out = gated(mask, waveform, sample_rate, opening, mode)
        return Separation(
            input=waveform,
            output=out.output,
            residual=out.residual,
            mask=mask.values[0].numpy(),
            mask_hop=mask.config.hop_length / mask.config.sample_rate,
            gate=opening,
            sample_rate=sample_rate,
            query=query,
            mode=mode,
            windows=windows,
            fade=float(fade),
            method=method,
            auto_windows=auto,
            confidence=self._confidence(
                waveform[:, opening > 0], sample_rate, query, out.energy_share, method
            ),
            energy_share=out.energy_share,
            format=file_format,
            components=components,
            unwanted=unwanted,
        )

    @torch.no_grad()
    def energy_share(self, waveform: np.ndarray, sample_rate: int, query: str) -> float:
        """Return how much of a waveform's energy is taken for the query; NaN for silence."""
        mask, everywhere = self.mask(waveform, sample_rate, query), np.ones(waveform.shape[1])
        return gated(mask, waveform, sample_rate, everywhere, "keep").energy_share

    @property
    def fingerprint(self) -> str | None:
        """What tells these weights and their query classifier from others; None if unknown."""
        return checkpoints.fingerprint(self.info)

    def _confidence(
        self, waveform: np.ndarray, sample_rate: int, query: str, share: float, method: str
    ) -> float:
        """Return P(the query is there); the energy share counts if calibrated for these weights."""
        own = self.fingerprint
        calibrated = own is not None and own == self.detector.calibration.separator_sha256
        evidence = share if calibrated and method == SeparationSettings.method else None
        return self.detector.presence(waveform, sample_rate, query, evidence)

    def _find_windows(
        self, word: str, waveform: np.ndarray, sample_rate: int, query: str
    ) -> list[Window]:
        if word != AUTO:
            raise ValueError(f"The windows are '{word}': give pairs (start, end), auto or None.")
        found = self.detector.spans(waveform, sample_rate, query)
        if not found:
            raise ValueError(
                f"“{query}” is detected nowhere in this recording: give windows yourself, or none."
            )
        return found

    @torch.no_grad()
    def mask(
        self,
        waveform: np.ndarray,
        sample_rate: int,
        query: str,
        method: str = SeparationSettings.method,
        components: int = SeparationSettings.components,
        unwanted: str | None = None,
    ) -> Mask:
        """Return a query's mask; see `separate`.

        It depends on no window, so it can be kept, or joined with others on the same waveform.
        """
        estimate = METHODS.load(method)
        return estimate(self, waveform, sample_rate, query, components, unwanted)


def _read(
    recording: str | Path | np.ndarray, sample_rate: int | None
) -> tuple[np.ndarray, int, audio.AudioFormat | None]:
    waveform, sample_rate = audio.read(recording, sample_rate)
    stored = audio.file_format(recording) if isinstance(recording, str | Path) else None
    return waveform, sample_rate, stored


def load_separator(checkpoint: str | Path | None = None) -> Separator:
    """Return a separator with the shipped weights, or those of `checkpoint`.

    Raises:
        FileNotFoundError: weights, their description or another file that it names are missing.
        ValueError: damaged, foreign, or trained with another encoder.
    """
    path = checkpoints.find(checkpoint)
    described = checkpoints.describe(path)
    if described.get("encoder") is None:
        raise ValueError(f"'{path}' is a text-agnostic network: it cannot take a query.")
    encoder = load_encoder(described["encoder"]["name"])
    network, info = checkpoints.load(path, encoder.dim)
    needed = checkpoints.needed_file(path, info, "query_classifier")
    classifier = None if needed is None else QueryClassifier.load(needed, encoder.dim)
    return Separator(network, encoder, info, classifier=classifier)
