"""What is in a recording, and when: zero-shot detection with a joint encoder.

Taught in notebook 07.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from textsep_lab.data import captions
from textsep_lab.detection.calibration import Calibration, load_calibration
from textsep_lab.detection.similarity import Similarities, compare
from textsep_lab.detection.spans import activity_spans
from textsep_lab.encoders.base import JointEncoder
from textsep_lab.encoders.queries import clean_query
from textsep_lab.encoders.query_grammar import parse_query
from textsep_lab.encoders.registry import load_joint_encoder
from textsep_lab.signal import audio
from textsep_lab.signal.audio_reader import AudioReader
from textsep_lab.signal.stretches import Buffer
from textsep_lab.signal.timegate import Window, check_windows

if TYPE_CHECKING:
    import pandas as pd

SILENCE = "silence"
HEARD = 0.2  # P(present) around a moment below which nothing is active there; chosen on fold 4


@dataclass(frozen=True)
class Detector:
    """A joint encoder with the curves that turn its similarities into probabilities.

    Example:
        >>> detector = load_detector()
        >>> noise = np.random.default_rng(0).standard_normal((1, 16000)).astype(np.float32) / 10
        >>> 0 <= detector.presence(noise, 16000, "rain") <= 1
        True
    """

    encoder: JointEncoder
    calibration: Calibration

    def detect(
        self,
        recording: str | Path | np.ndarray,
        labels: Iterable[str] | None = None,
        top: int = 5,
        sample_rate: int | None = None,
    ) -> pd.DataFrame:
        """Return the most probable sounds and when they are active.

        Args:
            recording: path of an audio file, or a waveform ``[channels, samples]`` at
                `sample_rate`.
            labels: what to detect, in any words; None for `default_labels`.
            top: how many labels to return at most.

        Returns:
            Columns label, probability, start and end (in seconds), the most probable label first,
            one row for each span of a label. A label whose moments cannot be told spans the whole
            recording. A silent recording has one row, "silence".

        Raises:
            FileNotFoundError: no such file.
            ValueError: bad audio; a label list that is empty or repeats; `top` less than 1.
        """
        labels = default_labels() if labels is None else _check_labels(labels)
        if top < 1:
            raise ValueError(f"top is {top}: ask for at least one label.")
        similarities = self._compared(recording, sample_rate, labels)
        if (similarities.frames == -1).all():
            return _table([(SILENCE, 1.0, 0.0, similarities.duration)])
        probability = self.calibration.detection(similarities.features)
        rows = []
        for k in np.argsort(-probability, kind="stable")[:top]:
            spans = self.active_spans(similarities, k, anyhow=True) or [
                (0.0, similarities.duration)
            ]
            rows += [(labels[k], float(probability[k]), start, end) for start, end in spans]
        return _table(rows)

    def _compared(
        self, recording: str | Path | np.ndarray, sample_rate: int | None, labels: list[str]
    ) -> Similarities:
        if not isinstance(recording, str | Path):
            waveform, sample_rate = audio.read(recording, sample_rate)
            return compare(waveform, sample_rate, labels, self.encoder)
        with AudioReader(recording) as reader:
            buffer = Buffer(reader.blocks(), reader.promised_samples)
            return compare(buffer, reader.sample_rate, labels, self.encoder)

    def presence(
        self,
        waveform: np.ndarray,
        sample_rate: int,
        query: str,
        energy_share: float | None = None,
    ) -> float:
        """Return P(the queried sound is there), 0 for silence.

        The prior is even: before any evidence, it is as likely to be there as not.

        Args:
            energy_share: `Separation.energy_share` of the separator that the calibration was
                fitted to, if there is one, as further evidence.
        """
        similarities = compare(audio.check_waveform(waveform), sample_rate, [query], self.encoder)
        if (similarities.frames == -1).all():
            return 0.0
        features = similarities.features[0]
        if energy_share is None or self.calibration.confidence is None:
            return float(self.calibration.presence(features))
        features = np.append(features, energy_feature(energy_share))
        return float(self.calibration.confidence(features))

    def spans(
        self, recording: np.ndarray | Buffer, sample_rate: int, sounds: str | Sequence[str]
    ) -> list[Window]:
        """Return when a sound, or any of several, is active.

        Args:
            recording: as for `similarity.compare`.

        Returns:
            Pairs (start, end) in seconds, sorted; empty where it is not heard.
        """
        sounds = [sounds] if isinstance(sounds, str) else list(sounds)
        if not isinstance(recording, Buffer):
            recording = audio.check_waveform(recording)
        similarities = compare(recording, sample_rate, sounds, self.encoder)
        found = [x for k in range(len(sounds)) for x in self.active_spans(similarities, k)]
        return check_windows(found, similarities.duration) if found else []

    def active_spans(
        self, similarities: Similarities, k: int, anyhow: bool = False
    ) -> list[Window]:
        """Return the spans of query k, only from moments around which it is likely enough there.

        Args:
            anyhow: take for granted that it is there somewhere.
        """
        active = self.calibration.activity(similarities.frame_features(k))
        heard = self.calibration.presence(similarities.nearby(k))
        enough = min(HEARD, heard.max()) if anyhow else HEARD
        active = np.where((heard >= enough) & (similarities.frames[k] > -1), active, 0.0)
        return activity_spans(active, similarities.frame_hop, similarities.duration)


def energy_feature(share: float | np.ndarray) -> np.ndarray:
    """Return the natural logarithm of an energy share, or another fraction, floored at 1e-4.

    Example:
        >>> bool(energy_feature(1.0) > energy_feature(0.0) > -10)
        True
    """
    return np.log(np.asarray(share) + 1e-4)


def _table(rows: list[tuple]) -> pd.DataFrame:
    import pandas as pd  # here, as separating needs no table

    return pd.DataFrame(rows, columns=["label", "probability", "start", "end"])


def _check_labels(labels: Iterable[str]) -> list[str]:
    if isinstance(labels, str):
        raise ValueError("The labels must be a list: write [label] for a single one.")
    labels = [clean_query(label) for label in labels]
    for parsed in map(parse_query, labels):
        if parsed.complement or parsed.unwanted or len(parsed.sounds) > 1:
            raise ValueError(f"“{parsed.text}” is no label: name one sound in each.")
    if not labels:
        raise ValueError("The list of labels is empty: name at least one sound, or leave it out.")
    repeated = [label for k, label in enumerate(labels) if label in labels[:k]]
    if repeated:
        raise ValueError(f"The label '{repeated[0]}' is in the list twice: name each sound once.")
    return labels


def default_labels() -> list[str]:
    """Return the 50 classes of ESC-50 and those that the synthetic sounds add, as words.

    Example:
        >>> len(default_labels()), "dog" in default_labels()
        (58, True)
    """
    return [label.replace("_", " ") for label in captions.labels()]


def load_detector(encoder: str = "mini-clap", calibration: str | Path | None = None) -> Detector:
    """Return a detector with the encoder of that name; the same object at every call.

    Args:
        encoder: a joint encoder's name, see `encoders.registry.JOINT_ENCODERS`.
        calibration: a file that `textsep evaluate detection --calibrate` wrote; None for the
            shipped one.

    Raises:
        ValueError: no joint encoder has that name, or the calibration is another's.
        ImportError: the encoder needs an extra that is not installed.
        FileNotFoundError: there is no calibration for it.
    """
    return _load(encoder, calibration)


@cache
def _load(encoder: str, calibration: str | Path | None) -> Detector:
    loaded = load_joint_encoder(encoder)
    return Detector(loaded, load_calibration(loaded, calibration))


def detect(
    recording: str | Path | np.ndarray,
    labels: Iterable[str] | None = None,
    top: int = 5,
    sample_rate: int | None = None,
) -> pd.DataFrame:
    """Detect with the default encoder, see `Detector.detect`.

    Example:
        >>> detect(np.zeros((1, 8000)), sample_rate=16000)
             label  probability  start  end
        0  silence          1.0    0.0  0.5
    """
    return load_detector().detect(recording, labels, top, sample_rate)
