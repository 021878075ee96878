"""The one way to separate, for every caller: a query and windows go in, audio comes out.

Taught in notebooks 00 and 06.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from textsep_lab.detection.detector import Detector, load_detector
from textsep_lab.encoders.base import TextEncoder
from textsep_lab.encoders.queries import clean_query
from textsep_lab.encoders.query_classifier import QueryClassifier
from textsep_lab.encoders.query_grammar import parse_query
from textsep_lab.encoders.registry import load_encoder
from textsep_lab.models import checkpoints
from textsep_lab.models.masking import Mask
from textsep_lab.models.network import SeparationNetwork
from textsep_lab.separation.config import AUTO, SeparationSettings
from textsep_lab.separation.estimation import Estimator
from textsep_lab.separation.registry import METHODS
from textsep_lab.separation.result import Separation
from textsep_lab.separation.stream import Asked, LocalMask, Stream
from textsep_lab.signal import audio
from textsep_lab.signal.stretches import Buffer
from textsep_lab.signal.timegate import Window, check_windows, edge_samples, gate
from textsep_lab.utils.isolation import isolated
from textsep_lab.utils.progress import progress_bar


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
        masks: Sequence[LocalMask] = (),
    ) -> Separation:
        """Keep or remove what the query names, inside the windows.

        A recording is worked on in stretches of 5 s, each by itself: no sample depends on one that
        is further away than `stretches.CONTEXT`, and only stretches that meet a window cost time.

        Args:
            recording: path of an audio file, or a waveform ``[channels, samples]`` at
                `sample_rate`, at any rate, with any number of channels. All channels get one
                mask, so a stereo image stays where it is.
            query: the sound in a few words, such as "dog barking"; or several, or all but some, see
                `encoders.query_grammar`.
            mode: ``keep`` leaves only that sound in the windows, ``remove`` all but it.
            windows: pairs (start, end) in seconds; None is the whole recording; ``"auto"`` is
                where the sound is detected.
            fade: length of the windows' soft edges in seconds.
            method: a name of `METHODS`: ``unet``, or ``nmf`` for the classical baseline.
            components: of the NMF.
            unwanted: what else is there, in a few words; None lets the detector find out.
            masks: what `Separation.masks` of the same recording holds is not estimated again.

        Raises:
            FileNotFoundError: no such file.
            ValueError: bad audio, query, mode, window, fade or method, masks beside something
                unwanted, or ``"auto"`` and the sound is detected nowhere; one sentence says which.
        """
        asked = SeparationSettings(mode, fade, method, components, unwanted).checked()
        query = clean_query(query)
        if masks and unwanted is not None:
            raise ValueError(
                "Masks are given: what is unwanted would change nothing, leave it out."
            )
        waveform, sample_rate, file_format = _read(recording, sample_rate)
        samples, auto = waveform.shape[1], isinstance(windows, str)
        if isinstance(windows, str):
            windows = self.find_windows(windows, Buffer([waveform], samples), sample_rate, query)
        if windows is not None:
            windows = check_windows(windows, samples / sample_rate)
        opening, used = gate(windows, samples, sample_rate, fade), list[LocalMask]()
        work = samples / sample_rate if windows is None else sum(b - a for a, b in windows)
        residual = np.zeros_like(waveform)
        with progress_bar(work, "separating", "s") as advance:
            stream = self._stream(
                Buffer([waveform]), sample_rate, query, windows, asked, masks, used.append, advance
            )
            for piece in stream:
                if piece.residual is not None:
                    residual[:, piece.start : piece.start + piece.input.shape[1]] = piece.residual
        return Separation(
            input=waveform,
            output=waveform - residual,
            residual=residual,
            masks=tuple(used),
            gate=opening,
            sample_rate=sample_rate,
            query=query,
            mode=mode,
            windows=windows,
            fade=float(fade),
            method=method,
            auto_windows=auto,
            confidence=stream.confidence,
            energy_share=stream.energy_share,
            format=file_format,
            components=components,
            unwanted=unwanted,
        )

    def stream(
        self,
        blocks: Iterable[np.ndarray],
        sample_rate: int,
        query: str,
        windows: list[Window] | None = None,
        **settings: Any,
    ) -> Iterator[np.ndarray]:
        """Separate a recording while it comes in; the samples are those that `separate` gives.

        An output sample leaves `stretches.CONTEXT` seconds after it came in, or sooner.

        Args:
            blocks: float waveforms ``[channels, samples]``, of any lengths.
            settings: of `SeparationSettings`.

        Yields:
            Blocks of output, as long together as those that came in.

        Raises:
            ValueError: as `separate` does; windows beyond the end are noticed when it is there.

        Example:
            >>> noise = np.random.default_rng(0).standard_normal((1, 48000)).astype("f4") / 9
            >>> blocks = iter([noise[:, :30000], noise[:, 30000:]])
            >>> parts = [*load_separator().stream(blocks, 16000, "rain", [(0.5, 1.0)])]
            >>> whole = load_separator().separate(noise, "rain", "keep", [(0.5, 1.0)], 0.07, 16000)
            >>> bool(np.array_equal(np.concatenate(parts, axis=1), whole.output))
            True
        """
        for piece in self.pieces(blocks, sample_rate, query, windows, **settings):
            yield piece.output

    def pieces(
        self,
        blocks: Iterable[np.ndarray] | Buffer,
        sample_rate: int,
        query: str,
        windows: list[Window] | None = None,
        advance: Callable[[float], object] = lambda seconds: None,
        **settings: Any,
    ) -> Stream:
        """Return what `stream` walks: input and residual, piece by piece, and the confidence.

        Args:
            advance: is told how many seconds of audio were just done.
        """
        asked = SeparationSettings(**settings).checked()
        if windows is not None:
            windows = check_windows(windows, math.inf)
        buffer = blocks if isinstance(blocks, Buffer) else Buffer(map(audio.check_waveform, blocks))
        return self._stream(
            buffer, sample_rate, clean_query(query), windows, asked, advance=advance
        )

    def _stream(
        self,
        buffer: Buffer,
        sample_rate: int,
        query: str,
        windows: list[Window] | None,
        asked: SeparationSettings,
        given: Sequence[LocalMask] = (),
        keep: Callable[[LocalMask], object] = lambda mask: None,
        advance: Callable[[float], object] = lambda seconds: None,
    ) -> Stream:
        estimator = Estimator(self, parse_query(query), sample_rate, asked, given, keep)
        edge, mode = edge_samples(asked.fade, sample_rate), estimator.parsed.mode(asked.mode)
        what = Asked(mode, windows, edge, estimator.mask, estimator.presence)
        return Stream(buffer, sample_rate, what, advance)

    def energy_share(self, waveform: np.ndarray, sample_rate: int, query: str) -> float:
        """Return how much of a waveform's energy is taken for the query; NaN for silence."""
        stream = self.pieces([waveform], sample_rate, query)
        stream.asked = stream.asked._replace(presence=lambda waveform, share: 0.0)
        for _ in stream:
            pass
        return stream.energy_share

    @property
    def fingerprint(self) -> str | None:
        """What tells these weights and their query classifier from others; None if unknown."""
        return checkpoints.fingerprint(self.info)

    def find_windows(
        self, word: str, recording: Buffer, sample_rate: int, query: str
    ) -> list[Window]:
        """Return where the query is detected, for the word ``auto``.

        Raises:
            ValueError: another word, or it is detected nowhere.
        """
        if word != AUTO:
            raise ValueError(f"The windows are '{word}': give pairs (start, end), auto or None.")
        sounds = parse_query(query).sounds
        found = self.detector.spans(recording, sample_rate, sounds)
        if not found:
            raise ValueError(
                f"“{query}” is detected nowhere in this recording: give windows yourself, or none."
            )
        return found

    @isolated()
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
        """Return a query's mask on one stretch ``[channels, samples]``; see `separate`."""
        estimate = METHODS.load(method)
        return estimate(self, waveform, sample_rate, query, components, unwanted)


def _read(
    recording: str | Path | np.ndarray, sample_rate: int | None
) -> tuple[np.ndarray, int, audio.AudioFormat | None]:
    if isinstance(recording, str | Path):
        return audio.load_with_format(recording)
    return *audio.read(recording, sample_rate), None


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
