"""How well predicted spans fit true ones: F1 over segments and over onsets (Mesaros et al. 2016).

Both are pooled over all scenes, and equal sed_eval's, the field's toolbox, except where one side
has no span at all: F1 is 0 then, where sed_eval says NaN, as its precision or recall divides by 0.
Taught in notebook 07.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from textsep_lab.signal.timegate import Window


def segment_f1(
    true: Sequence[Sequence[Window]],
    found: Sequence[Sequence[Window]],
    duration: float,
    segment: float = 1.0,
) -> float:
    """Return F1 over all segments of all scenes: is anything of a span in it?

    Args:
        true, found: spans of each scene.
        duration: of every scene, in seconds.
        segment: its length in seconds.

    Example:
        >>> segment_f1([[(0.2, 1.5)]], [[(0.0, 0.9)]], 3.0)
        0.6666666666666666
    """
    starts = np.arange(0, duration, segment)
    grids = [
        np.array(
            [[any(a < s + segment and b > s for a, b in spans) for s in starts] for spans in x]
        )
        for x in (true, found)
    ]
    both, one = (grids[0] & grids[1]).sum(), (grids[0] ^ grids[1]).sum()
    return float(2 * both / max(1, 2 * both + one))


def onset_f1(
    true: Sequence[Sequence[Window]], found: Sequence[Sequence[Window]], tolerance: float
) -> float:
    """Return F1 of events: each true onset may be met by one predicted within the tolerance.

    Args:
        true, found: spans of each scene; their ends do not matter.
        tolerance: in seconds.

    Example:
        >>> onset_f1([[(1.0, 2.0), (3.0, 4.0)]], [[(1.1, 2.0)]], 0.2)
        0.6666666666666666
    """
    hits = 0
    for a, b in zip(true, found, strict=True):
        free = sorted(start for start, _ in b)
        for onset, _ in sorted(a):  # the earliest within reach: no other choice has more hits
            near = [x for x in free if abs(x - onset) <= tolerance]
            if near:
                hits += 1
                free.remove(near[0])
    total = sum(map(len, true)) + sum(map(len, found))
    return float(2 * hits / max(1, total))
