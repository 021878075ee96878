"""Stretches: a recording of any length as overlapping pieces of a few seconds.

Each is analysed by itself, so what lies far away changes nothing, and memory does not grow with the
recording. Taught in notebook 06.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

Span = tuple[int, int]
#: Seconds analysed at once, as in training, and from one stretch to the next: chosen on fold 4.
LENGTH, HOP = 5.0, 3.75
#: No sample depends on one that lies further away, in seconds; a stream lags by as much.
CONTEXT = LENGTH


class Buffer:
    """What is held of a recording that comes in blocks: the samples from `start` to `end`.

    Args:
        blocks: waveforms ``[channels, samples]``, one after the other.
        promised: how many samples there will be, for a bar, if anybody says.

    Example:
        >>> buffer = Buffer(np.full((1, 4), k) for k in range(3))
        >>> buffer.reach(6), buffer.read(3, 6).tolist(), buffer.reach(99), buffer.end
        (True, [[0, 1, 1]], False, 12)
    """

    def __init__(self, blocks: Iterable[np.ndarray], promised: int | None = None) -> None:
        self.promised = promised
        self._blocks = iter(blocks)
        self._held: list[np.ndarray] = []
        self.start = self.end = 0
        self.ended = False

    def reach(self, stop: int) -> bool:
        """Take blocks until sample `stop` is the next, or there is none; return whether it is."""
        while self.end < stop and not self.ended:
            block = next(self._blocks, None)
            if block is None:
                self.ended = True
            elif block.shape[1]:
                self._held.append(block)
                self.end += block.shape[1]
        return self.end >= stop

    def read(self, start: int, stop: int) -> np.ndarray:
        """Return the samples ``[channels, stop - start]``, which must be held."""
        if len(self._held) > 1:
            self._held = [np.concatenate(self._held, axis=1)]
        return self._held[0][:, start - self.start : stop - self.start]

    def forget(self, before: int) -> None:
        """Let go of the samples before sample `before`."""
        while self._held and self.start < min(before, self.end):
            count = min(before - self.start, self._held[0].shape[1])
            self._held[0] = self._held[0][:, count:]
            self._held = self._held if self._held[0].size else self._held[1:]
            self.start += count


def stretches(
    buffer: Buffer,
    first: int,
    last: int | None,
    sample_rate: int,
    grid: float = 1.0,
) -> Iterator[tuple[int, int]]:
    """Yield the stretches (start, stop), in samples, that cover a part of a recording.

    What is shorter than `LENGTH` gets one stretch, in its middle if the recording's ends allow it.
    What is longer gets one every `HOP`, and none reaches beyond it.

    Args:
        buffer: of the recording; holds each stretch, and a sample after it, when it is yielded.
        first, last: the part, in samples; `last` None is the recording's end.
        grid: samples; starts are rounded down to multiples of it.

    Example:
        >>> def plan(first, last, samples):
        ...     return list(stretches(Buffer([np.zeros((1, samples))]), first, last, 10))
        >>> plan(0, None, 30), plan(0, None, 110), plan(100, 120, 200)
        ([(0, 30)], [(0, 50), (37, 87), (60, 110)], [(85, 135)])
    """
    length, hop = round(LENGTH * sample_rate), HOP * sample_rate
    begin, number = first, 0
    if last is not None and last - first < length:
        begin = max(0, (first + last - length) // 2)
        last = begin + length
    while True:
        start = _aligned(begin + number * hop, grid)
        known = buffer.reach(start + length + 1)
        end = last if known else min(buffer.end, buffer.end if last is None else last)
        if end is not None and start + length >= end:
            yield _aligned(max(0, end - length), grid), end
            return
        yield start, start + length
        number += 1


def _aligned(sample: float, grid: float) -> int:
    return round(int(sample / grid + 1e-6) * grid)


def crossfade(samples: int) -> np.ndarray:
    """Return how much of the later of two overlapping stretches counts, float32 ``[samples]``.

    Example:
        >>> rise = crossfade(5)
        >>> bool(np.allclose(rise + rise[::-1], 1)), bool(rise[0] < 0.1)
        (True, True)
    """
    return (np.sin(0.5 * np.pi * (np.arange(samples) + 0.5) / max(1, samples)) ** 2).astype("f4")


def group_spans(spans: Iterable[Span], sample_rate: int) -> list[list[Span]]:
    """Return sorted spans, in samples, in groups: those together that one stretch can cover.

    Example:
        >>> group_spans([(0, 10), (20, 30), (45, 60), (70, 300)], sample_rate=10)
        [[(0, 10), (20, 30)], [(45, 60)], [(70, 300)]]
    """
    groups: list[list[Span]] = []
    for span in spans:
        if groups and span[1] - groups[-1][0][0] <= LENGTH * sample_rate:
            groups[-1].append(span)
        else:
            groups.append([span])
    return groups
