"""How similar a recording is to some words, as a whole and moment by moment.

Taught in notebook 07.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch

from textsep_lab.encoders.base import FrameEncoder, JointEncoder
from textsep_lab.signal.conditioning import limit_peaks, remove_rumble
from textsep_lab.signal.stretches import Buffer, crossfade, stretches

FRAME, FRAME_HOP = 1.0, 0.5  # seconds embedded, and a step, of an encoder without frames
LOUDEST = 0.5  # seconds of the strongest frames whose mean stands for a stretch


@dataclass(frozen=True)
class Similarities:
    """How similar a recording is to each of n queries, from stretch to stretch.

    Args:
        stretches: of each stretch, ``[stretches, n, 2]``: cosine similarity of the whole of it,
            and mean similarity of its strongest half second; -1 for silence.
        frames: of every moment, ``[n, frames]``; -1 where there is silence.
        nearby: `stretches` around every moment, ``[n, frames, 2]``.
        frame_hop: seconds from one frame to the next.
        duration: of the recording, in seconds.
    """

    stretches: np.ndarray
    frames: np.ndarray
    nearby: np.ndarray
    frame_hop: float
    duration: float

    @property
    def features(self) -> np.ndarray:
        """What tells whether each query is there, ``[n, 2]``: that of its most similar stretch."""
        best = self.stretches.sum(axis=2).argmax(axis=0)
        return self.stretches[best, np.arange(len(best))]

    @property
    def frame_features(self) -> np.ndarray:
        """What tells when each query is active, ``[n, frames, 2]``."""
        return np.stack([self.frames, self.nearby[..., 1]], axis=2)


def compare(
    recording: np.ndarray | Buffer, sample_rate: int, queries: list[str], encoder: JointEncoder
) -> Similarities:
    """Compare a recording with queries, stretch by stretch.

    Args:
        recording: waveform ``[channels, samples]``, or a buffer of one that is not in memory.
    """
    buffer = recording if isinstance(recording, Buffer) else Buffer([recording])
    words = encoder.embed_text(queries)
    hop = getattr(encoder, "frame_hop", FRAME_HOP)
    joined = _Joined(len(queries))
    for start, stop in stretches(buffer, 0, None, sample_rate, grid=hop * sample_rate):
        clip, frames = _embed(buffer.read(start, stop), sample_rate, encoder)
        joined.add(round(start / (hop * sample_rate)), _cosine(clip, words)[0],
                   _cosine(frames, words).T, hop)  # fmt: skip
        buffer.forget(start)
    return joined.finished(hop, buffer.end / sample_rate)


class _Joined:
    """Joins the frames of overlapping stretches; memory grows by some bytes a frame."""

    def __init__(self, queries: int) -> None:
        self.stretches: list[np.ndarray] = []
        self.values = np.zeros((queries, 0, 3), np.float32)  # of a frame, and `stretches` nearby
        self.done: list[np.ndarray] = []
        self.first = 0  # frame number of the first in `values`

    def add(self, start: int, clip: np.ndarray, frames: np.ndarray, hop: float) -> None:
        """Add a stretch whose first frame is number `start`: ``clip`` [n], ``frames`` [n, t]."""
        strongest = _strongest(frames, hop)
        whole = np.stack([clip, strongest], axis=1)
        self.stretches.append(whole)
        nearby = np.broadcast_to(whole[:, None], (*frames.shape, 2))
        values = np.concatenate([frames[..., None], nearby], axis=2, dtype=np.float32)
        before, self.values = np.split(self.values, [start - self.first], axis=1)
        self.done.append(before)
        self.first = start
        overlap = min(self.values.shape[1], values.shape[1])
        share = crossfade(overlap)[:, None]
        values[:, :overlap] = self.values[:, :overlap] + share * (
            values[:, :overlap] - self.values[:, :overlap]
        )
        self.values = values

    def finished(self, hop: float, duration: float) -> Similarities:
        """Return all that was added."""
        values = np.concatenate([*self.done, self.values], axis=1)
        return Similarities(
            np.stack(self.stretches), values[..., 0], values[..., 1:], hop, duration
        )


def _strongest(frames: np.ndarray, hop: float) -> np.ndarray:
    """Return the mean of each query's strongest half second that is not silent, ``[n]``."""
    sounding = int((frames > -1).any(axis=0).sum())
    count = max(1, min(sounding, round(LOUDEST / hop)))
    return np.sort(frames, axis=1)[:, -count:].mean(axis=1)


def _cosine(sounds: np.ndarray, words: np.ndarray) -> np.ndarray:
    """Return cosines ``[sounds, words]``, -1 for a sound that is silence."""
    # Not NumPy's product: its threads would wait for work on the cores that torch's need next.
    cosines = (torch.from_numpy(sounds) @ torch.from_numpy(words).T).numpy()
    return np.where(sounds.any(axis=1, keepdims=True), cosines, np.float32(-1))


def _embed(
    waveform: np.ndarray, sample_rate: int, encoder: JointEncoder
) -> tuple[np.ndarray, np.ndarray]:
    """Return embeddings of a stretch ``[1, dim]`` and of its frames ``[frames, dim]``.

    They are 0 where there is silence.
    """
    hop = getattr(encoder, "frame_hop", FRAME_HOP)
    sound = limit_peaks(remove_rumble(waveform, sample_rate), sample_rate)
    if not sound.any():
        frames = np.zeros((max(1, -(-waveform.shape[1] // max(1, round(hop * sample_rate)))),
                           encoder.dim), np.float32)  # fmt: skip
        return np.zeros((1, encoder.dim), np.float32), frames
    frames = _embed_frames(sound, sample_rate, encoder)
    edges = np.rint(np.arange(len(frames) + 1) * hop * sample_rate).astype(int)
    moves = [(waveform[:, a:b] != waveform[:, a : a + 1]).any() for a, b in pairwise(edges)]
    frames = frames * np.array(moves, np.float32)[:, None]
    return _embed_clip(sound, sample_rate, encoder)[None], frames


def _embed_clip(waveform: np.ndarray, sample_rate: int, encoder: JointEncoder) -> np.ndarray:
    """Return the embedding ``[dim]`` of a waveform, 0 if the encoder finds it silent."""
    try:
        return encoder.embed_audio(waveform, sample_rate)
    except ValueError:  # what the protocol says of silence; some encoders call 1e-6 silent
        return np.zeros(encoder.dim, np.float32)


def _embed_frames(waveform: np.ndarray, sample_rate: int, encoder: JointEncoder) -> np.ndarray:
    """Return embeddings ``[frames, dim]``, of an encoder without frames around each moment."""
    if isinstance(encoder, FrameEncoder):
        return encoder.embed_frames(waveform, sample_rate)
    around = _around_frames(waveform, sample_rate)
    return np.stack([_embed_clip(x, sample_rate, encoder) for x in around])


def _around_frames(waveform: np.ndarray, sample_rate: int) -> list[np.ndarray]:
    """Return the `FRAME` seconds around every `FRAME_HOP` seconds, inside the stretch."""
    samples = waveform.shape[1]
    size, step = (max(1, round(seconds * sample_rate)) for seconds in (FRAME, FRAME_HOP))
    starts = np.arange(0, samples, step) - (size - step) // 2
    return [waveform[:, a : a + size] for a in starts.clip(0, max(0, samples - size))]
