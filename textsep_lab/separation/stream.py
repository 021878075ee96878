"""Separation as a stream: samples go in as they come, and leave when their stretch is done.

Whatever separates walks this way: an array, a file, a stream. Taught in notebook 06.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch

from textsep_lab.models.masking import Mask, apply_to_channels
from textsep_lab.signal.conditioning import limit_peaks, remove_rumble
from textsep_lab.signal.stretches import (
    HOP,
    LENGTH,
    Buffer,
    Span,
    crossfade,
    group_spans,
    stretches,
)
from textsep_lab.signal.timegate import Window, check_windows, gate_between, sample_windows
from textsep_lab.utils.isolation import isolated
from textsep_lab.utils.threads import one_thread

UNTOUCHED = 65536  # samples that pass through at a time


class LocalMask(NamedTuple):
    """A mask and the samples, `start` to `stop`, that it is of."""

    start: int
    stop: int
    mask: Mask


class Piece(NamedTuple):
    """Samples ``[channels, n]`` that are done; the residual is None where nothing changes."""

    start: int
    input: np.ndarray
    residual: np.ndarray | None = None

    @property
    def output(self) -> np.ndarray:
        """What was asked for: the input less the residual."""
        return self.input if self.residual is None else self.input - self.residual


class Asked(NamedTuple):
    """What a stream does to each stretch.

    Args:
        mode: ``keep`` or ``remove``.
        windows: checked pairs (start, end) in seconds; None is the whole recording.
        edge: of the windows' fades, in samples.
        mask: gives the mask of a stretch: of its number, start, stop, and of what is looked at,
            ``[channels, samples]``.
        presence: P(the query is there) of what is looked at inside the windows, and of its energy
            share.
    """

    mode: str
    windows: Sequence[Window] | None
    edge: int
    mask: Callable[[int, int, np.ndarray], Mask]
    presence: Callable[[np.ndarray, float], float]


class Stream:
    """A separation under way; `confidence` and `energy_share` are those of what is done so far.

    Args:
        buffer: of the recording.
        sample_rate: in Hz.
        asked: what is done to it.
        advance: is told how many seconds of audio were just done.
    """

    def __init__(
        self,
        buffer: Buffer,
        sample_rate: int,
        asked: Asked,
        advance: Callable[[float], object] = lambda seconds: None,
    ) -> None:
        self.buffer, self.sample_rate, self.asked, self._advance = (
            buffer, sample_rate, asked, advance,
        )  # fmt: skip
        self.confidence = 0.0
        self._before = self._after = 0.0

    @property
    def energy_share(self) -> float:
        """Energy of the estimate over the input's, in the windows; NaN for silence."""
        return self._after / self._before if self._before > 0 else math.nan

    def __iter__(self) -> Iterator[Piece]:
        """Yield the whole recording, piece by piece.

        Raises:
            ValueError: a window lies beyond its end.
        """
        position, windows = 0, self.asked.windows
        spans = sample_windows(windows, self.sample_rate) if windows is not None else ()
        groups: Iterable[list[Span] | None] = group_spans(spans, self.sample_rate)
        for group in [None] if windows is None else groups:
            first, last = (0, None) if group is None else (group[0][0], group[-1][1])
            yield from self._untouched(position, first)
            position = first
            for piece in self._separated(first, last, group):
                yield piece
                position += piece.input.shape[1]
        yield from self._untouched(position, None)
        if windows is not None:
            check_windows(windows, self.buffer.end / self.sample_rate)

    def _untouched(self, position: int, stop: int | None) -> Iterator[Piece]:
        """Pass on what lies before sample `stop`, or before the end."""
        while stop is None or position < stop:
            end = position + UNTOUCHED if stop is None else min(stop, position + UNTOUCHED)
            self.buffer.reach(end)
            end = min(end, self.buffer.end)
            if end <= position:
                return
            yield Piece(position, self.buffer.read(position, end))
            position = end
            self.buffer.forget(position - math.ceil(LENGTH * self.sample_rate))

    def _separated(self, first: int, last: int | None, group: list[Span] | None) -> Iterator[Piece]:
        """Separate the part from `first` to `last`, whose stretches overlap."""
        at, rest = first, np.zeros((3, 1, 0), np.float32)
        for start, stop in stretches(self.buffer, first, last, self.sample_rate):
            parts = self._analysed(start, stop, group)[:, :, at - start :]
            overlap = rest.shape[2]
            rising = crossfade(overlap)
            parts[:, :, :overlap] = rest + rising * (parts[:, :, :overlap] - rest)
            solid = start + math.ceil(HOP * self.sample_rate)
            end = max(at, min(stop, solid, stop if last is None else last))
            yield self._piece(at, parts[:, :, : end - at], group)
            self._advance((end - at) / self.sample_rate)
            rest, at = parts[:, :, end - at :], end
            self.buffer.forget(at - math.ceil(LENGTH * self.sample_rate))
        end = min(self.buffer.end, self.buffer.end if last is None else last)
        if end > at:
            yield self._piece(at, rest[:, :, : end - at], group)
            self._advance((end - at) / self.sample_rate)

    @isolated()
    @torch.no_grad()
    def _analysed(self, start: int, stop: int, group: list[Span] | None) -> np.ndarray:
        """Return the estimate of a stretch, and what counts of it and of the input.

        They are ``[3, channels, n]``: single clicks have energy, but say nothing; neither does
        what the filter leaves in silence.
        """
        waveform, rate = self.buffer.read(start, stop), self.sample_rate
        gate = self._gate(start, stop, group)
        with one_thread():
            sound = remove_rumble(waveform, rate)
            seen = limit_peaks(sound, rate)
            mask = self.asked.mask(start, stop, seen)
            target = apply_to_channels(mask.values, sound, rate, mask.config)
            heard = target
            if not np.array_equal(seen, sound):
                heard = apply_to_channels(mask.values, seen, rate, mask.config)
            inside = waveform[:, gate > 0]
            if not (inside != inside[:, :1]).any():
                return np.stack([target, 0 * heard, 0 * seen])
            share = _energy(gate * heard) / max(_energy(gate * seen), 1e-30)
            found = self.asked.presence(seen[:, gate > 0], share)
            self.confidence = max(self.confidence, found)
        return np.stack([target, heard, seen])

    def _piece(self, start: int, parts: np.ndarray, group: list[Span] | None) -> Piece:
        """Keep or remove an estimate where the gate is open."""
        target, heard, seen = parts
        stop = start + target.shape[1]
        waveform, gate = self.buffer.read(start, stop), self._gate(start, stop, group)
        self._before += _energy(gate * seen)
        self._after += _energy(gate * heard)
        # The residual comes first: where the gate is 0 it is 0, and the output is the input.
        residual = gate * (target if self.asked.mode == "remove" else waveform - target)
        residual = residual.astype(waveform.dtype, copy=False)
        residual[:, gate == 0] = 0  # and not -0, which would turn an input of -0 into 0
        return Piece(start, waveform, residual)

    def _gate(self, start: int, stop: int, group: list[Span] | None) -> np.ndarray:
        if group is None:
            return np.ones(stop - start, np.float32)
        self.buffer.reach(group[-1][1] + 1)  # a window that ends with the recording does not fade
        samples = self.buffer.end if self.buffer.ended else None
        return gate_between(start, stop, group, self.asked.edge, samples)


def join_masks(masks: Sequence[LocalMask], samples: int, sample_rate: int) -> np.ndarray:
    """Return one mask ``[n_freq, frames]`` of a whole recording, 0 where no stretch was analysed.

    For pictures: stretches are laid at the nearest frame.
    """
    config = masks[0].mask.config
    hop = config.hop_length / config.sample_rate * sample_rate
    count = max([math.ceil(samples / hop - 1e-6) + 1, *(x.mask.values.shape[-1] for x in masks)])
    out, end = np.zeros((masks[0].mask.values.shape[1], count), np.float32), 0
    for start, _, (values, _) in masks:
        place = round(start / hop)
        part = values[0].numpy()[:, : count - place].copy()
        overlap = min(max(0, end - place), part.shape[1])
        before = out[:, place : place + overlap]
        part[:, :overlap] = before + crossfade(overlap) * (part[:, :overlap] - before)
        out[:, place : place + part.shape[1]] = part
        end = place + part.shape[1]
    return out


def _energy(waveform: np.ndarray) -> float:
    return float(np.sum(np.square(waveform, dtype=np.float64)))
