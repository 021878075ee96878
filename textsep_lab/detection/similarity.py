"""How similar a recording is to some words, as a whole and moment by moment.

Taught in notebook 07.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch

from textsep_lab.encoders.base import FrameEncoder, JointEncoder
from textsep_lab.signal.conditioning import limit_peaks, remove_rumble
from textsep_lab.signal.stretches import Buffer, crossfade, stretches
from textsep_lab.utils.isolation import isolated
from textsep_lab.utils.progress import progress_bar

FRAME, FRAME_HOP = 1.0, 0.5  # seconds embedded, and a step, of an encoder without frames
LOUDEST = 0.5  # seconds of the strongest frames whose mean stands for a stretch
AROUND = 2  # stretches before and after that say how a query sounds here; 10 s to either side


@dataclass(frozen=True)
class Similarities:
    """How similar a recording is to each of n queries, from stretch to stretch.

    Args:
        stretches: of each stretch, ``[stretches, n, 2]``: cosine similarity of the whole of it,
            and mean similarity of its strongest half second; -1 for silence.
        starts, ends: of each stretch, in frames, ``[stretches]``.
        frames: of every moment, ``[n, frames]``; -1 where there is silence.
        frame_hop: seconds from one frame to the next.
        duration: of the recording, in seconds.
    """

    stretches: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    frames: np.ndarray
    frame_hop: float
    duration: float

    @property
    def features(self) -> np.ndarray:
        """What tells whether each query is there, ``[n, 2]``: that of its most similar stretch."""
        return np.stack([_best(own) for own in self.stretches.swapaxes(0, 1)])

    def nearby(self, query: int) -> np.ndarray:
        """Return `stretches` of one query around every moment, ``[frames, 2]``."""
        return self._spread(self.stretches[:, query])

    def frame_features(self, query: int) -> np.ndarray:
        """Return what tells when a query, by its number, is active, ``[frames, 5]``.

        The frame's similarity, those of the best stretch among the two before and the two after,
        and those of the stretch.
        """
        own = self.stretches[:, query]
        best = np.stack([_best(own[max(0, k - AROUND) : k + AROUND + 1]) for k in range(len(own))])
        return np.column_stack([self.frames[query], self._spread(best), self._spread(own)])

    def _spread(self, values: np.ndarray) -> np.ndarray:
        """Return values of stretches ``[stretches, k]`` for frames ``[frames, k]``."""
        sizes = self.ends - self.starts
        return _joined(
            self.starts, [np.tile(x, (n, 1)) for x, n in zip(values, sizes, strict=True)]
        )


@isolated()
def compare(
    recording: np.ndarray | Buffer, sample_rate: int, queries: list[str], encoder: JointEncoder
) -> Similarities:
    """Compare a recording with queries, stretch by stretch.

    Args:
        recording: waveform ``[channels, samples]``, or a buffer of one that is not in memory.
    """
    if not isinstance(recording, Buffer):
        recording = Buffer([recording], recording.shape[1])
    buffer, samples = recording, recording.promised
    words, hop = encoder.embed_text(queries), getattr(encoder, "frame_hop", FRAME_HOP)
    starts, wholes, frames = [], [], []
    parts = stretches(buffer, 0, None, sample_rate, grid=hop * sample_rate)
    for start, stop in _with_bar(parts, samples and samples / sample_rate, sample_rate):
        clip, moments = _embed(buffer.read(start, stop), sample_rate, encoder)
        starts.append(round(start / (hop * sample_rate)))
        frames.append(_cosine(moments, words))
        wholes.append(np.stack([_cosine(clip, words)[0], _strongest(frames[-1], hop)], axis=1))
        buffer.forget(start)
    ends = np.array(starts) + [len(x) for x in frames]
    return Similarities(
        np.stack(wholes), np.array(starts), ends, _joined(starts, frames).T, hop,
        buffer.end / sample_rate,
    )  # fmt: skip


def _with_bar(
    parts: Iterable[tuple[int, int]], seconds: float | None, sample_rate: int
) -> Iterator[tuple[int, int]]:
    done = 0
    with progress_bar(seconds, "detecting", "s") as advance:
        for start, stop in parts:
            yield start, stop
            advance((stop - done) / sample_rate)
            done = stop


def _joined(starts: Iterable[int], parts: list[np.ndarray]) -> np.ndarray:
    """Join what overlapping stretches say of their frames, ``[t, k]`` each, by crossfading."""
    count = max(start + len(part) for start, part in zip(starts, parts, strict=True))
    out, done = np.zeros((count, parts[0].shape[1]), np.float32), 0
    for start, part in zip(starts, parts, strict=True):
        overlap = out[start:done].copy()
        share = crossfade(len(overlap))[:, None]
        out[start : start + len(part)] = part
        out[start:done] = overlap + share * (part[: len(overlap)] - overlap)
        done = start + len(part)
    return out


def _best(stretches: np.ndarray) -> np.ndarray:
    """Return the most similar of some stretches, ``[k, 2]`` to ``[2]``."""
    return stretches[stretches.sum(axis=1).argmax()]


def _strongest(frames: np.ndarray, hop: float) -> np.ndarray:
    """Return each query's mean over its strongest half second that is not silent.

    Args:
        frames: ``[frames, n]``.
    """
    sounding = int((frames > -1).any(axis=1).sum())
    count = max(1, min(sounding, round(LOUDEST / hop)))
    return np.sort(frames, axis=0)[-count:].mean(axis=0)


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
