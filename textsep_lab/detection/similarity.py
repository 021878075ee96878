"""How similar a recording is to some words, as a whole and moment by moment.

Taught in notebook 07.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch

from textsep_lab.encoders.base import FrameEncoder, JointEncoder

CLIP, CLIP_HOP = 5.0, 2.5  # seconds embedded at once, as in training, and from one to the next
FRAME, FRAME_HOP = 1.0, 0.5  # the same, for an encoder that has no frames of its own
LOUDEST = 0.5  # seconds of the strongest frames whose mean stands for a recording


@dataclass(frozen=True)
class Similarities:
    """How similar a recording is to each of n queries.

    Args:
        clip: cosine similarity of the most similar 5 s, ``[n]``.
        frames: of every moment, ``[n, frames]``; -1 where there is silence.
        frame_hop: seconds from one frame to the next.
        duration: of the recording, in seconds.
    """

    clip: np.ndarray
    frames: np.ndarray
    frame_hop: float
    duration: float

    @property
    def strongest(self) -> np.ndarray:
        """Mean similarity of each query's strongest half second that is not silent, ``[n]``."""
        sounding = int((self.frames > -1).any(axis=0).sum())
        count = max(1, min(sounding, round(LOUDEST / self.frame_hop)))
        return np.sort(self.frames, axis=1)[:, -count:].mean(axis=1)

    @property
    def features(self) -> np.ndarray:
        """What tells whether each query is there, ``[n, 2]``."""
        return np.stack([self.clip, self.strongest], axis=1)

    @property
    def frame_features(self) -> np.ndarray:
        """What tells when each query is active, ``[n, frames, 2]``."""
        strongest = np.broadcast_to(self.strongest[:, None], self.frames.shape)
        return np.stack([self.frames, strongest], axis=2)


def compare(
    waveform: np.ndarray, sample_rate: int, queries: list[str], encoder: JointEncoder
) -> Similarities:
    """Compare a waveform ``[channels, samples]`` that is not silent with queries."""
    words = encoder.embed_text(queries)
    clips = [_embed(x, sample_rate, encoder) for x in _clips(waveform, sample_rate)]
    frames, frame_hop = _embed_frames(waveform, sample_rate, encoder)
    clip = _similarity(np.stack(clips), words).max(axis=0)
    duration = waveform.shape[1] / sample_rate
    return Similarities(clip, _similarity(frames, words).T, frame_hop, duration)


def _similarity(sounds: np.ndarray, words: np.ndarray) -> np.ndarray:
    """Return cosines ``[sounds, words]``, -1 for a sound that is silence."""
    # Not NumPy's product: its threads would wait for work on the cores that torch's need next.
    cosines = (torch.from_numpy(sounds) @ torch.from_numpy(words).T).numpy()
    return np.where(sounds.any(axis=1, keepdims=True), cosines, -1.0)


def _embed(waveform: np.ndarray, sample_rate: int, encoder: JointEncoder) -> np.ndarray:
    """Return the embedding ``[dim]`` of a checked waveform, 0 if the encoder finds it silent."""
    try:
        return encoder.embed_audio(waveform, sample_rate)
    except ValueError:  # what the protocol says of silence; some encoders call 1e-6 silent
        return np.zeros(encoder.dim, np.float32)


def _embed_frames(
    waveform: np.ndarray, sample_rate: int, encoder: JointEncoder
) -> tuple[np.ndarray, float]:
    """Return embeddings ``[frames, dim]``, 0 where there is silence, and the hop in seconds."""
    if isinstance(encoder, FrameEncoder):
        frames, hop = encoder.embed_frames(waveform, sample_rate), encoder.frame_hop
    else:
        around, hop = _around_frames(waveform, sample_rate), FRAME_HOP
        frames = np.stack([_embed(x, sample_rate, encoder) for x in around])
    edges = np.rint(np.arange(len(frames) + 1) * hop * sample_rate).astype(int)
    sounds = [waveform[:, a:b].any() for a, b in pairwise(edges)]
    return frames * np.array(sounds, np.float32)[:, None], hop


def _around_frames(waveform: np.ndarray, sample_rate: int) -> list[np.ndarray]:
    """Return the `FRAME` seconds around every `FRAME_HOP` seconds, inside the recording."""
    samples, size, step = _sizes(waveform, sample_rate, FRAME, FRAME_HOP)
    starts = np.arange(0, samples, step) - (size - step) // 2
    return [waveform[:, a : a + size] for a in starts.clip(0, max(0, samples - size))]


def _clips(waveform: np.ndarray, sample_rate: int) -> list[np.ndarray]:
    """Cut a waveform into overlapping pieces of `CLIP` seconds; the last one ends with it."""
    samples, size, step = _sizes(waveform, sample_rate, CLIP, CLIP_HOP)
    starts = [*range(0, max(1, samples - size), step)]
    if samples > size:
        starts.append(samples - size)
    return [waveform[:, start : start + size] for start in starts]


def _sizes(
    waveform: np.ndarray, sample_rate: int, length: float, hop: float
) -> tuple[int, int, int]:
    return waveform.shape[1], max(1, round(length * sample_rate)), max(1, round(hop * sample_rate))
